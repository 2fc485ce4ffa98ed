//! Web hooks, stored beside the records whose answers they tell.

use async_trait::async_trait;
use longhaul_model::resource::{Delivery, WebHook};
use longhaul_model::{ApiId, HostId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::nodes::host_of;
use super::tx::Tx;
use super::{Result, SqliteStore};
use crate::traits::DELIVERY_WAIT_MAX_MS;
use crate::{Deliveries, Gone, StoreError};

/// The hooks whose call has its answer. `CROSS`: the hooks are looked at first, since they are few.
const WAITING: &str = "web_hook AS h CROSS JOIN api_record AS r ON r.id = h.id AND r.outcome IS NOT NULL";

#[async_trait]
impl Deliveries for SqliteStore {
    async fn next_delivery(&self) -> Result<Option<i64>> {
        let now_ms = self.runtime.now_ms();
        self.read(move |connection| {
            // A moment that is too far away was written before the clock was set back.
            let sql = format!(
                "SELECT min(CASE WHEN h.due_ms BETWEEN ?1 AND ?1 + ?2 THEN h.due_ms - ?1 ELSE 0 END)
                 FROM {WAITING}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement.query_row([now_ms, DELIVERY_WAIT_MAX_MS], |row| row.get(0))?)
        })
        .await
    }

    async fn take_deliveries(&self, host: HostId, limit: u32, hold_ms: i64) -> Result<Vec<Delivery>> {
        self.write(move |tx| {
            let sql = format!(
                "SELECT h.id, h.url, h.wants_schema, h.tries + 1, r.outcome FROM {WAITING}
                 WHERE h.due_ms <= ?1 OR h.due_ms > ?1 + ?2 ORDER BY h.due_ms, h.id LIMIT ?3"
            );
            let mut statement = tx.prepare(&sql)?;
            let mut rows = statement.query(params![tx.now_ms, DELIVERY_WAIT_MAX_MS, limit])?;
            let mut taken = Vec::new();
            while let Some(row) = rows.next()? {
                taken.push(delivery(row)?);
            }
            for delivery in &taken {
                tx.execute(
                    "UPDATE web_hook SET tries = ?2, due_ms = ?3, holder = ?4 WHERE id = ?1",
                    params![delivery.id.as_str(), delivery.tries, tx.now_ms + hold_ms, host.to_string()],
                )?;
            }
            Ok(taken)
        })
        .await
    }

    async fn put_off_delivery(&self, id: &ApiId, tries: u32, wait_ms: i64) -> Result<()> {
        let id = id.clone();
        self.write(move |tx| {
            tx.execute(
                "UPDATE web_hook SET due_ms = ?3 WHERE id = ?1 AND tries = ?2",
                params![id.as_str(), tries, tx.now_ms + wait_ms],
            )?;
            Ok(())
        })
        .await
    }

    async fn end_delivery(&self, id: &ApiId) -> Result<()> {
        let id = id.clone();
        self.write(move |tx| {
            tx.execute("DELETE FROM web_hook WHERE id = ?1", [id.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn free_deliveries(&self, gone: Gone, within_ms: i64) -> Result<u64> {
        self.write(move |tx| {
            let host = host_of(gone).map(|host| host.to_string());
            tx.execute(
                "UPDATE web_hook SET due_ms = ?1 WHERE due_ms > ?1 AND (?2 OR holder = ?3)",
                params![tx.now_ms + within_ms, matches!(gone, Gone::All), host],
            )?;
            let waiting: Option<i64> =
                tx.first(&format!("SELECT count(*) FROM {WAITING}"), [], |row| row.get(0))?;
            Ok(waiting.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
        })
        .await
    }
}

fn delivery(row: &Row<'_>) -> Result<Delivery> {
    let damaged = |what: String| StoreError::Corrupt(format!("a web hook: {what}"));
    let id: String = row.get(0)?;
    let outcome: String = row.get(4)?;
    Ok(Delivery {
        id: ApiId::chosen(&id).ok_or_else(|| damaged(format!("{id:?} is no id of a call")))?,
        hook: WebHook { url: row.get(1)?, wants_schema: row.get(2)? },
        tries: row.get(3)?,
        outcome: serde_json::from_str(&outcome).map_err(|error| damaged(error.to_string()))?,
    })
}

impl Tx<'_> {
    /// Stores the hook of a record that was just stored.
    pub(super) fn insert_hook(&self, id: &ApiId, hook: &WebHook) -> Result<()> {
        self.execute(
            "INSERT INTO web_hook (id, url, wants_schema, tries, due_ms) VALUES (?1, ?2, ?3, 0, ?4)",
            params![id.as_str(), hook.url, hook.wants_schema, self.now_ms],
        )?;
        Ok(())
    }
}

/// The hook of a call, while it is still to be called.
pub(super) fn read_hook(connection: &Connection, id: &ApiId) -> Result<Option<WebHook>> {
    let mut statement = connection.prepare_cached("SELECT url, wants_schema FROM web_hook WHERE id = ?1")?;
    let found =
        statement.query_row([id.as_str()], |row| Ok(WebHook { url: row.get(0)?, wants_schema: row.get(1)? }));
    Ok(found.optional()?)
}
