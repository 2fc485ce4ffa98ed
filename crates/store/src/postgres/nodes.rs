//! Management nodes and their leases. When a lease has expired is decided in `crate::lease`.

use async_trait::async_trait;
use longhaul_model::resource::NewNode;
use longhaul_model::{HostId, NodeId, NodeLease};

use super::rows::{count, get, id, small};
use super::tx::{Hold, Tx};
use super::value::params;
use super::{PostgresStore, Result};
use crate::nodes::{
    COUNTED_MAX, Other, PerClass, TOLD_MAX_BYTES, joins_key, types_key, types_of, types_text,
};
use crate::{Gone, Nodes, Spread, StoreError};

/// Of a row of `node`: whether its host is drained, and whether there is another one.
const STANDING: &str = "EXISTS (SELECT 1 FROM drained_host AS d WHERE d.host = node.host),
    EXISTS (SELECT 1 FROM node AS o WHERE o.uuid <> node.uuid)";

#[async_trait]
impl Nodes for PostgresStore {
    async fn joins(&self, host: HostId) -> Result<u64> {
        self.beat(host, |tx, host| {
            Box::pin(async move {
                let sql = "SELECT value::BIGINT FROM meta WHERE key = $1";
                let joins = tx.first(sql, &params![joins_key(*host)]).await?;
                joins.as_ref().map_or(Ok(0), |row| count(row, 0))
            })
        })
        .await
    }

    async fn join(&self, node: NewNode, gone: Gone) -> Result<NodeLease> {
        self.beat((node, gone), |tx, (node, gone)| Box::pin(tx.join(node, *gone))).await
    }

    async fn heartbeat(&self, node: NodeId) -> Result<NodeLease> {
        self.beat(node, |tx, node| {
            Box::pin(async move {
                tx.open_grace_if_away().await?;
                let until_ms = tx.now_ms().saturating_add(tx.ttl_ms);
                let sql = format!(
                    "UPDATE node SET heartbeat_ms = $2, until_ms = $3 WHERE uuid = $1 RETURNING {STANDING}"
                );
                let renewed = tx.first(&sql, &params![*node, tx.now_ms(), until_ms]).await?;
                tx.lease(&renewed.ok_or(StoreError::LeaseLost)?, until_ms)
            })
        })
        .await
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        self.beat(node, |tx, node| Box::pin(async move { tx.remove_node(&node.to_string()).await })).await
    }

    async fn drain(&self, node: NodeId, drained: bool) -> Result<()> {
        self.write((node, drained), |tx, (node, drained)| {
            Box::pin(async move {
                let sql = "SELECT host FROM node WHERE uuid = $1";
                let found = tx.first(sql, &params![*node]).await?.ok_or(StoreError::NotFound)?;
                let host: &str = get(&found, 0)?;
                // Whoever is given something at this moment keeps its node; afterwards nobody is.
                tx.post("SELECT 1 FROM node WHERE host = $1 ORDER BY uuid FOR UPDATE", &params![host]);
                if *drained {
                    let sql = "INSERT INTO drained_host (host, since_ms) VALUES ($1, $2) ON CONFLICT (host) DO NOTHING";
                    tx.post(sql, &params![host, tx.now_ms()]);
                } else {
                    tx.post("DELETE FROM drained_host WHERE host = $1", &params![host]);
                }
                Ok(())
            })
        })
        .await
    }

    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool> {
        self.write((node, duty.to_owned()), |tx, (node, duty)| Box::pin(tx.on_duty(*node, duty))).await
    }

    async fn tell(&self, node: NodeId, text: &str) -> Result<Vec<String>> {
        if text.len() > TOLD_MAX_BYTES {
            return Err(StoreError::TooLarge { limit_bytes: TOLD_MAX_BYTES as u64 });
        }
        self.write((node, text.to_owned()), |tx, (node, text)| {
            Box::pin(async move {
                tx.end_expired_leases().await?;
                let sql = "UPDATE node SET told = $2 WHERE uuid = $1";
                if tx.execute(sql, &params![*node, text]).await? == 0 {
                    return Err(StoreError::LeaseLost);
                }
                let sql = "SELECT told FROM node WHERE uuid <> $1 AND told IS NOT NULL ORDER BY uuid";
                tx.rows(sql, &params![*node]).await?.iter().map(|row| get(row, 0)).collect()
            })
        })
        .await
    }

    async fn spread(&self, node: NodeId) -> Result<Spread> {
        // With the plans of what writes: they go by an index, however small the table once was.
        self.write(node, |tx, node| Box::pin(tx.spread(*node))).await
    }

    async fn kept(&self, key: &str, fresh: &str) -> Result<String> {
        self.write((key.to_owned(), fresh.to_owned()), |tx, (key, fresh)| {
            Box::pin(async move {
                let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
                tx.post(sql, &params![key, fresh]);
                let kept = tx.first("SELECT value FROM meta WHERE key = $1", &params![key]).await?;
                kept.as_ref().map_or(Err(StoreError::NotFound), |row| get(row, 0))
            })
        })
        .await
    }
}

impl Tx {
    async fn join(&self, node: &NewNode, gone: Gone) -> Result<NodeLease> {
        self.count_join(node).await?;
        self.post(
            "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &params![types_key(node.host), types_text(node)],
        );
        self.remove_gone(gone).await?;
        match gone {
            Gone::All => self.set_grace(i64::MIN),
            Gone::Host(_) | Gone::Unproven => self.open_grace_if_away().await?,
        }
        let until_ms = self.now_ms().saturating_add(self.ttl_ms);
        let sql = format!(
            "INSERT INTO node (uuid, host, host_name, join_ms, heartbeat_ms, until_ms, address, version)
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7)
             ON CONFLICT (uuid) DO UPDATE SET host = excluded.host, host_name = excluded.host_name,
                join_ms = excluded.join_ms, heartbeat_ms = excluded.heartbeat_ms, until_ms = excluded.until_ms,
                address = excluded.address, version = excluded.version, told = NULL
             RETURNING {STANDING}"
        );
        let values = params![
            node.id,
            node.host,
            &node.host_name,
            self.now_ms(),
            until_ms,
            node.address.as_deref(),
            node.version.as_deref(),
        ];
        let joined = self.first(&sql, &values).await?.ok_or(StoreError::NotFound)?;
        self.lease(&joined, until_ms)
    }

    /// A lease that was just given, of a row of `STANDING`.
    fn lease(&self, row: &tokio_postgres::Row, until_ms: i64) -> Result<NodeLease> {
        Ok(NodeLease { until_ms, ttl_ms: self.ttl_ms, drained: get(row, 0)?, alone: !get::<bool>(row, 1)? })
    }

    async fn spread(&self, node: NodeId) -> Result<Spread> {
        let sql = "SELECT n.uuid, n.heartbeat_ms, n.until_ms,
                EXISTS (SELECT 1 FROM drained_host AS d WHERE d.host = n.host), c.class, c.held,
                (SELECT m.value FROM meta AS m WHERE m.key = 'joins ' || n.host || ' types')
             FROM node AS n LEFT JOIN LATERAL (
                SELECT r.class, count(*) AS held
                FROM (SELECT class FROM job_run WHERE node = n.uuid AND n.uuid <> $1 LIMIT $2) AS r
                GROUP BY r.class) AS c ON TRUE
             ORDER BY n.uuid";
        let (mut spread, mut own) = (Spread::default(), None);
        let mut others: Vec<(Other, PerClass)> = Vec::new();
        for row in self.rows(sql, &params![node, COUNTED_MAX]).await? {
            let id = id(&row, 0)?;
            let types = || Ok::<_, StoreError>(types_of(id, get(&row, 6)?));
            if id == node {
                own = types()?;
                continue;
            }
            if others.last().is_none_or(|(other, _)| other.id != id) {
                let (heartbeat_ms, until_ms, drained) = (get(&row, 1)?, get(&row, 2)?, get(&row, 3)?);
                let other = Other { id, heartbeat_ms, until_ms, drained, types: types()? };
                others.push((other, PerClass::default()));
            }
            let class = get::<Option<i64>>(&row, 4)?.and_then(|class| usize::try_from(class).ok());
            let held = others.last_mut().and_then(|(_, held)| held.get_mut(class?));
            if let Some(held) = held {
                *held = small(&row, 5)?;
            }
        }
        for (other, held) in others {
            spread.add_other(other, held, self.now_ms(), self.ttl_ms);
        }
        let (waiting, uneven) = self.waiting_for_any_host(&spread.uneven_types(own.as_ref())).await?;
        spread.add_waiting(waiting, uneven);
        Ok(spread.bounded())
    }

    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool> {
        // Those who ask for it at once ask one after the other.
        self.hold(Hold::Duty, duty).await?;
        self.end_expired_leases().await?;
        if !self.lease_lives(node).await? {
            return Err(StoreError::LeaseLost);
        }
        self.post(
            "INSERT INTO duty (name, node) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET node = excluded.node
             WHERE NOT EXISTS (SELECT 1 FROM node AS n WHERE n.uuid = duty.node)",
            &params![duty, node],
        );
        self.exists("SELECT 1 FROM duty WHERE name = $1 AND node = $2", &params![duty, node]).await
    }

    /// Counts it, if no other one of its host was counted since the caller asked. Two that meet wait for each other at
    /// the row of their host; none is made for a caller that was told of more joins than there are.
    async fn count_join(&self, node: &NewNode) -> Result<()> {
        let sql = "INSERT INTO meta (key, value)
                SELECT $1, $3 WHERE $2 = '0' OR EXISTS (SELECT 1 FROM meta WHERE key = $1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value = $2";
        let (before, now) = (node.joins_before, node.joins_before.saturating_add(1));
        let values = params![joins_key(node.host), before.to_string(), now.to_string()];
        match self.execute(sql, &values).await? {
            0 => Err(StoreError::Stale),
            _ => Ok(()),
        }
    }

    /// Removes the nodes that are proven to be gone.
    async fn remove_gone(&self, gone: Gone) -> Result<()> {
        let all = matches!(gone, Gone::All);
        let host = host_of(gone);
        if !all && host.is_none() {
            return Ok(());
        }
        let sql = "SELECT uuid FROM node WHERE $1 = 1 OR host = $2 ORDER BY uuid";
        for row in self.rows(sql, &params![all, host]).await? {
            self.remove_node(get(&row, 0)?).await?;
        }
        Ok(())
    }

    async fn open_grace_if_away(&self) -> Result<()> {
        let leases = self.leases().await?;
        if leases.was_away() {
            self.set_grace(leases.grace_after_heartbeat());
        }
        Ok(())
    }

    fn set_grace(&self, until_ms: i64) {
        self.post(
            "INSERT INTO meta (key, value) VALUES ('grace_until_ms', $1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &params![until_ms.to_string()],
        );
    }
}

/// The host whose former processes are gone, if it is that alone.
pub(super) fn host_of(gone: Gone) -> Option<HostId> {
    match gone {
        Gone::Host(host) => Some(host),
        Gone::Unproven | Gone::All => None,
    }
}
