//! Management nodes in memory.

use async_trait::async_trait;
use longhaul_model::resource::Node;
use longhaul_model::{HostId, NodeId, NodeLease};

use super::{Member, MemoryStore};
use crate::{Nodes, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Nodes for MemoryStore {
    async fn join(&self, node: NodeId, host: HostId, host_name: &str, alone: bool) -> Result<NodeLease> {
        let (now_ms, ttl_ms) = (self.now_ms(), self.options.lease_ttl_ms);
        let mut db = self.lock();
        if alone {
            let others: Vec<NodeId> = db.nodes.keys().copied().collect();
            for other in others {
                db.nodes.remove(&other);
                db.orphan_jobs_of(other);
            }
            db.grace_until_ms = 0;
        } else {
            db.grace_until_ms = db.leases(now_ms, ttl_ms).grace_after_heartbeat();
        }
        let until_ms = now_ms.saturating_add(ttl_ms);
        let member = Member {
            node: Node {
                id: node,
                host,
                host_name: host_name.to_owned(),
                join_ms: now_ms,
                heartbeat_ms: now_ms,
            },
            until_ms,
        };
        db.nodes.insert(node, member);
        Ok(NodeLease { until_ms, ttl_ms })
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
        Ok(NodeLease { until_ms, ttl_ms })
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        let mut db = self.lock();
        if db.nodes.remove(&node).is_some() {
            db.orphan_jobs_of(node);
        }
        Ok(())
    }

    async fn host(&self, fresh: HostId) -> Result<HostId> {
        Ok(*self.lock().host.get_or_insert(fresh))
    }
}
