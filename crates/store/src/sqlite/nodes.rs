//! Management nodes and their leases. When a lease has expired is decided in `crate::lease`.

use async_trait::async_trait;
use longhaul_model::resource::NewNode;
use longhaul_model::{HostId, NodeId, NodeLease};
use rusqlite::params;

use super::rows;
use super::tx::Tx;
use super::{Result, SqliteStore};
use crate::nodes::{
    COUNTED_MAX, Other, PerClass, TOLD_MAX_BYTES, joins_key, types_key, types_of, types_text,
};
use crate::{Gone, Nodes, Spread, StoreError};

#[async_trait]
impl Nodes for SqliteStore {
    async fn joins(&self, host: HostId) -> Result<u64> {
        // Behind the joins that are queued, and before everything else, as a join is.
        self.write_first(move |tx| tx.joins(host)).await
    }

    async fn join(&self, node: NewNode, gone: Gone) -> Result<NodeLease> {
        self.write_first(move |tx| {
            if tx.joins(node.host)? != node.joins_before {
                return Err(StoreError::Stale);
            }
            let joins = node.joins_before.saturating_add(1).to_string();
            tx.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                [joins_key(node.host), joins],
            )?;
            tx.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                [types_key(node.host), types_text(&node)],
            )?;
            tx.remove_gone(gone)?;
            match gone {
                Gone::All => tx.set_grace(i64::MIN)?,
                Gone::Host(_) | Gone::Unproven => tx.open_grace_if_away()?,
            }
            let until_ms = tx.now_ms.saturating_add(tx.ttl_ms);
            tx.execute(
                "INSERT OR REPLACE INTO node (uuid, host, host_name, join_ms, heartbeat_ms, until_ms, address, version)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
                params![
                    node.id.to_string(),
                    node.host.to_string(),
                    node.host_name,
                    tx.now_ms,
                    until_ms,
                    node.address,
                    node.version
                ],
            )?;
            tx.lease(node.id, until_ms)
        })
        .await
    }

    async fn heartbeat(&self, node: NodeId) -> Result<NodeLease> {
        self.write_first(move |tx| {
            tx.open_grace_if_away()?;
            let until_ms = tx.now_ms.saturating_add(tx.ttl_ms);
            let renewed = tx.execute(
                "UPDATE node SET heartbeat_ms = ?2, until_ms = ?3 WHERE uuid = ?1",
                params![node.to_string(), tx.now_ms, until_ms],
            )?;
            if renewed == 0 {
                return Err(StoreError::LeaseLost);
            }
            tx.lease(node, until_ms)
        })
        .await
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        self.write_first(move |tx| tx.remove_node(&node.to_string())).await
    }

    async fn drain(&self, node: NodeId, drained: bool) -> Result<()> {
        self.write(move |tx| {
            let host: Option<String> =
                tx.first("SELECT host FROM node WHERE uuid = ?1", [node.to_string()], |row| row.get(0))?;
            let host = host.ok_or(StoreError::NotFound)?;
            if drained {
                tx.execute(
                    "INSERT OR IGNORE INTO drained_host (host, since_ms) VALUES (?1, ?2)",
                    params![host, tx.now_ms],
                )?;
            } else {
                tx.execute("DELETE FROM drained_host WHERE host = ?1", [host])?;
            }
            Ok(())
        })
        .await
    }

    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool> {
        let duty = duty.to_owned();
        self.write(move |tx| {
            tx.end_expired_leases()?;
            if !tx.lease_lives(node)? {
                return Err(StoreError::LeaseLost);
            }
            tx.execute(
                "INSERT INTO duty (name, node) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET node = ?2
                 WHERE NOT EXISTS (SELECT 1 FROM node AS n WHERE n.uuid = duty.node)",
                params![duty, node.to_string()],
            )?;
            tx.exists("SELECT 1 FROM duty WHERE name = ?1 AND node = ?2", params![duty, node.to_string()])
        })
        .await
    }

    async fn tell(&self, node: NodeId, text: &str) -> Result<Vec<String>> {
        if text.len() > TOLD_MAX_BYTES {
            return Err(StoreError::TooLarge { limit_bytes: TOLD_MAX_BYTES as u64 });
        }
        let text = text.to_owned();
        self.write(move |tx| {
            tx.end_expired_leases()?;
            let told =
                tx.execute("UPDATE node SET told = ?2 WHERE uuid = ?1", params![node.to_string(), text])?;
            if told == 0 {
                return Err(StoreError::LeaseLost);
            }
            let mut others =
                tx.prepare("SELECT told FROM node WHERE uuid <> ?1 AND told IS NOT NULL ORDER BY uuid")?;
            let others = others.query_map([node.to_string()], |row| row.get(0))?;
            Ok(others.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn spread(&self, node: NodeId) -> Result<Spread> {
        self.write(move |tx| tx.spread(node)).await
    }

    async fn kept(&self, key: &str, fresh: &str) -> Result<String> {
        let (key, fresh) = (key.to_owned(), fresh.to_owned());
        self.write(move |tx| {
            tx.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2)", [&key, &fresh])?;
            tx.first("SELECT value FROM meta WHERE key = ?1", [&key], |row| row.get(0))?
                .ok_or(StoreError::NotFound)
        })
        .await
    }
}

impl Tx<'_> {
    /// Whether nothing is to be given to `node`, since its host is drained.
    pub(super) fn is_drained(&self, node: NodeId) -> Result<bool> {
        self.exists(
            "SELECT 1 FROM node AS n JOIN drained_host AS d ON d.host = n.host WHERE n.uuid = ?1",
            [node.to_string()],
        )
    }

    /// The lease that was just given to `node`.
    fn lease(&self, node: NodeId, until_ms: i64) -> Result<NodeLease> {
        let sql = "SELECT 1 FROM node WHERE uuid <> ?1 LIMIT 1";
        let alone = !self.exists(sql, [node.to_string()])?;
        Ok(NodeLease { until_ms, ttl_ms: self.ttl_ms, drained: self.is_drained(node)?, alone })
    }

    fn spread(&self, node: NodeId) -> Result<Spread> {
        let (mut spread, mut own) = (Spread::default(), None);
        let mut nodes = self.prepare(
            "SELECT n.uuid, n.heartbeat_ms, n.until_ms, EXISTS (SELECT 1 FROM drained_host AS d WHERE d.host = n.host),
                (SELECT m.value FROM meta AS m WHERE m.key = 'joins ' || n.host || ' types')
             FROM node AS n",
        )?;
        let nodes = nodes.query_map([], |row| {
            let (id, types) = (rows::id(row, 0)?, row.get::<_, Option<String>>(4)?);
            let types = types_of(id, types.as_deref());
            Ok(Other { id, heartbeat_ms: row.get(1)?, until_ms: row.get(2)?, drained: row.get(3)?, types })
        })?;
        for other in nodes {
            let other = other?;
            if other.id == node {
                own = other.types;
                continue;
            }
            let held = self.held_by(other.id)?;
            spread.add_other(other, held, self.now_ms, self.ttl_ms);
        }
        let (waiting, uneven) = self.waiting_for_any_host(&spread.uneven_types(own.as_ref()))?;
        spread.add_waiting(waiting, uneven);
        Ok(spread.bounded())
    }

    fn held_by(&self, node: NodeId) -> Result<PerClass> {
        let mut found = self.prepare(
            "SELECT class, count(*) FROM (SELECT class FROM job_run WHERE node = ?1 LIMIT ?2) GROUP BY class",
        )?;
        let mut found = found.query(params![node.to_string(), COUNTED_MAX])?;
        let mut held = PerClass::default();
        while let Some(row) = found.next()? {
            if let Some(held) = held.get_mut(usize::from(row.get::<_, u8>(0)?)) {
                *held = row.get(1)?;
            }
        }
        Ok(held)
    }

    fn joins(&self, host: HostId) -> Result<u64> {
        let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1";
        Ok(self.first(sql, [joins_key(host)], |row| rows::count(row, 0))?.unwrap_or(0))
    }

    /// Removes the nodes that are proven to be gone.
    fn remove_gone(&self, gone: Gone) -> Result<()> {
        let all = matches!(gone, Gone::All);
        let host = host_of(gone).map(|host| host.to_string());
        if !all && host.is_none() {
            return Ok(());
        }
        let mut found = self.prepare("SELECT uuid FROM node WHERE ?1 OR host = ?2")?;
        let found: Vec<String> =
            found.query_map(params![all, host], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        found.iter().try_for_each(|node| self.remove_node(node))
    }

    fn open_grace_if_away(&self) -> Result<()> {
        let leases = self.leases()?;
        if leases.was_away() { self.set_grace(leases.grace_after_heartbeat()) } else { Ok(()) }
    }

    fn set_grace(&self, until_ms: i64) -> Result<()> {
        self.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('grace_until_ms', ?1)", [until_ms])?;
        Ok(())
    }
}

/// The host whose former processes are gone, if it is that alone.
pub(super) fn host_of(gone: Gone) -> Option<HostId> {
    match gone {
        Gone::Host(host) => Some(host),
        Gone::Unproven | Gone::All => None,
    }
}
