//! Management nodes and their leases. When a lease has expired is decided in `crate::lease`.

use async_trait::async_trait;
use longhaul_model::{HostId, NodeId, NodeLease};
use rusqlite::params;

use super::tx::Tx;
use super::{Result, SqliteStore, rows};
use crate::{Nodes, StoreError};

#[async_trait]
impl Nodes for SqliteStore {
    async fn join(&self, node: NodeId, host: HostId, host_name: &str, alone: bool) -> Result<NodeLease> {
        let host_name = host_name.to_owned();
        self.write_first(move |tx| {
            if alone {
                let others: Vec<String> = tx
                    .prepare("SELECT uuid FROM node")?
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                for other in others {
                    tx.remove_node(&other)?;
                }
                tx.set_grace(i64::MIN)?;
            } else {
                tx.open_grace_if_away()?;
            }
            let until_ms = tx.now_ms.saturating_add(tx.ttl_ms);
            tx.execute(
                "INSERT OR REPLACE INTO node (uuid, host, host_name, join_ms, heartbeat_ms, until_ms)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
                params![node.to_string(), host.to_string(), host_name, tx.now_ms, until_ms],
            )?;
            Ok(NodeLease { until_ms, ttl_ms: tx.ttl_ms })
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
            Ok(NodeLease { until_ms, ttl_ms: tx.ttl_ms })
        })
        .await
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        self.write_first(move |tx| tx.remove_node(&node.to_string())).await
    }

    async fn host(&self, fresh: HostId) -> Result<HostId> {
        self.write(move |tx| {
            tx.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('host', ?1)", [fresh.to_string()])?;
            let kept = tx.first("SELECT value FROM meta WHERE key = 'host'", [], |row| rows::id(row, 0))?;
            kept.ok_or(StoreError::NotFound)
        })
        .await
    }
}

impl Tx<'_> {
    fn open_grace_if_away(&self) -> Result<()> {
        let leases = self.leases()?;
        if leases.was_away() { self.set_grace(leases.grace_after_heartbeat()) } else { Ok(()) }
    }

    fn set_grace(&self, until_ms: i64) -> Result<()> {
        self.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('grace_until_ms', ?1)", [until_ms])?;
        Ok(())
    }
}
