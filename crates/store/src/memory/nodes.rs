//! Management nodes in memory.

use async_trait::async_trait;
use longhaul_model::resource::{NewNode, Node};
use longhaul_model::{HostId, NodeId, NodeLease};

use super::{Db, Member, MemoryStore};
use crate::nodes::{Other, PerClass, TOLD_MAX_BYTES};
use crate::{Gone, Nodes, Spread, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Nodes for MemoryStore {
    async fn joins(&self, host: HostId) -> Result<u64> {
        Ok(self.lock().joins.get(&host).copied().unwrap_or(0))
    }

    async fn join(&self, node: NewNode, gone: Gone) -> Result<NodeLease> {
        let (now_ms, ttl_ms) = (self.now_ms(), self.options.lease_ttl_ms);
        let mut db = self.lock();
        let joins = db.joins.entry(node.host).or_default();
        if *joins != node.joins_before {
            return Err(StoreError::Stale);
        }
        *joins += 1;
        let former: Vec<NodeId> =
            db.nodes.values().filter(|m| gone.includes(m.node.host)).map(|m| m.node.id).collect();
        for former in former {
            db.nodes.remove(&former);
            db.orphan_jobs_of(former);
        }
        db.grace_until_ms = match gone {
            Gone::All => 0,
            Gone::Host(_) | Gone::Unproven => db.leases(now_ms, ttl_ms).grace_after_heartbeat(),
        };
        let until_ms = now_ms.saturating_add(ttl_ms);
        let NewNode { id, host, host_name, address, version, types, .. } = node;
        let member = Member {
            node: Node {
                id,
                host,
                host_name,
                join_ms: now_ms,
                heartbeat_ms: now_ms,
                address,
                version,
                drained: false,
            },
            until_ms,
            told: None,
            types: (!types.is_empty()).then_some(types),
        };
        db.nodes.insert(id, member);
        Ok(NodeLease { until_ms, ttl_ms, drained: db.drained.contains(&host), alone: db.nodes.len() == 1 })
    }

    async fn heartbeat(&self, node: NodeId) -> Result<NodeLease> {
        let (now_ms, ttl_ms) = (self.now_ms(), self.options.lease_ttl_ms);
        let mut db = self.lock();
        let grace_until_ms = db.leases(now_ms, ttl_ms).grace_after_heartbeat();
        let member = db.nodes.get_mut(&node).ok_or(StoreError::LeaseLost)?;
        member.node.heartbeat_ms = now_ms;
        member.until_ms = now_ms.saturating_add(ttl_ms);
        let until_ms = member.until_ms;
        db.grace_until_ms = grace_until_ms;
        Ok(NodeLease { until_ms, ttl_ms, drained: db.is_drained(node), alone: db.nodes.len() == 1 })
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        let mut db = self.lock();
        if db.nodes.remove(&node).is_some() {
            db.orphan_jobs_of(node);
        }
        Ok(())
    }

    async fn drain(&self, node: NodeId, drained: bool) -> Result<()> {
        let mut db = self.lock();
        let host = db.nodes.get(&node).ok_or(StoreError::NotFound)?.node.host;
        if drained {
            db.drained.insert(host)
        } else {
            db.drained.remove(&host)
        };
        Ok(())
    }

    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool> {
        let (now_ms, ttl_ms) = (self.now_ms(), self.options.lease_ttl_ms);
        let mut db = self.lock();
        db.end_expired_leases(now_ms, ttl_ms);
        if !db.nodes.contains_key(&node) {
            return Err(StoreError::LeaseLost);
        }
        let Db { nodes, duties, .. } = &mut *db;
        let holder = duties.entry(duty.to_owned()).or_insert(node);
        if !nodes.contains_key(holder) {
            *holder = node;
        }
        Ok(*holder == node)
    }

    async fn tell(&self, node: NodeId, text: &str) -> Result<Vec<String>> {
        if text.len() > TOLD_MAX_BYTES {
            return Err(StoreError::TooLarge { limit_bytes: TOLD_MAX_BYTES as u64 });
        }
        let (now_ms, ttl_ms) = (self.now_ms(), self.options.lease_ttl_ms);
        let mut db = self.lock();
        db.end_expired_leases(now_ms, ttl_ms);
        db.nodes.get_mut(&node).ok_or(StoreError::LeaseLost)?.told = Some(text.to_owned());
        Ok(db.nodes.iter().filter(|(id, _)| **id != node).filter_map(|(_, m)| m.told.clone()).collect())
    }

    async fn spread(&self, node: NodeId) -> Result<Spread> {
        let (now_ms, ttl_ms) = (self.now_ms(), self.options.lease_ttl_ms);
        let db = self.lock();
        let mut spread = Spread::default();
        for member in db.nodes.values().filter(|member| member.node.id != node) {
            let other = Other {
                id: member.node.id,
                heartbeat_ms: member.node.heartbeat_ms,
                until_ms: member.until_ms,
                drained: db.drained.contains(&member.node.host),
                types: member.types.clone(),
            };
            let held = db.held_by(other.id);
            spread.add_other(other, held, now_ms, ttl_ms);
        }
        let own = db.nodes.get(&node).and_then(|member| member.types.as_ref());
        let (waiting, uneven) = db.waiting_for_any_host(&spread.uneven_types(own), now_ms);
        spread.add_waiting(waiting, uneven);
        Ok(spread.bounded())
    }

    async fn kept(&self, key: &str, fresh: &str) -> Result<String> {
        let mut db = self.lock();
        Ok(db.kept.entry(key.to_owned()).or_insert_with(|| fresh.to_owned()).clone())
    }
}

impl Db {
    /// Whether nothing is to be given to `node`, since its host is drained.
    pub(super) fn is_drained(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|m| self.drained.contains(&m.node.host))
    }

    fn held_by(&self, node: NodeId) -> PerClass {
        let mut held = PerClass::default();
        let entries = self.live.values().filter_map(|id| self.jobs.get(id));
        entries.filter(|e| e.holder == Some(node)).for_each(|e| held[e.class as usize] += 1);
        held
    }

    /// The node as others see it.
    pub(super) fn told_of(&self, member: &Member) -> Node {
        Node { drained: self.drained.contains(&member.node.host), ..member.node.clone() }
    }

    /// Whether a host has a node whose lease has not ended.
    pub(super) fn has_node(&self, host: HostId) -> bool {
        self.nodes.values().any(|m| m.node.host == host)
    }
}
