//! Web hooks, stored beside the records whose answers they tell (`records`). Dispatchers of several processes take at
//! the same moment: each passes over what another one is taking.

use async_trait::async_trait;
use longhaul_model::resource::{Delivery, WebHook};
use longhaul_model::{ApiId, HostId};
use tokio_postgres::Row;

use super::nodes::host_of;
use super::one_way::one_way;
use super::rows::{count, flag, get, small};
use super::value::params;
use super::{PostgresStore, Result};
use crate::traits::DELIVERY_WAIT_MAX_MS;
use crate::{Deliveries, Gone, StoreError};

#[async_trait]
impl Deliveries for PostgresStore {
    async fn next_delivery(&self) -> Result<Option<i64>> {
        // A moment that is too far away was written before the clock was set back.
        let sql = one_way(
            "SELECT min(CASE WHEN h.due_ms BETWEEN t.now_ms AND t.now_ms + $1 THEN h.due_ms - t.now_ms ELSE 0 END)
             FROM (SELECT longhaul_now() AS now_ms) AS t, web_hook AS h {RECORD} WHERE r.outcome IS NOT NULL",
        );
        let found = self.read_first(&sql, &params![DELIVERY_WAIT_MAX_MS]).await?;
        found.map_or(Ok(None), |row| get(&row, 0))
    }

    async fn take_deliveries(&self, host: HostId, limit: u32, hold_ms: i64) -> Result<Vec<Delivery>> {
        let sql = one_way(
            "WITH due AS MATERIALIZED (
                SELECT h.id, h.due_ms, t.now_ms, r.outcome
                FROM (SELECT longhaul_now() AS now_ms) AS t, web_hook AS h {RECORD}
                WHERE r.outcome IS NOT NULL AND (h.due_ms <= t.now_ms OR h.due_ms > t.now_ms + $1)
                ORDER BY h.due_ms, h.id LIMIT $2 FOR UPDATE OF h SKIP LOCKED
             )
             UPDATE web_hook AS h SET tries = h.tries + 1, due_ms = due.now_ms + $3, holder = $4
                 FROM due WHERE h.id = due.id
             RETURNING h.id, h.url, h.wants_schema, h.tries, due.outcome, due.due_ms",
        );
        let taken = self.write_rows(&sql, &params![DELIVERY_WAIT_MAX_MS, limit, hold_ms, host]).await?;
        let mut taken = taken.iter().map(delivery).collect::<Result<Vec<(i64, Delivery)>>>()?;
        taken.sort_by(|(a_ms, a), (b_ms, b)| (a_ms, &a.id).cmp(&(b_ms, &b.id)));
        Ok(taken.into_iter().map(|(_, delivery)| delivery).collect())
    }

    async fn put_off_delivery(&self, id: &ApiId, tries: u32, wait_ms: i64) -> Result<()> {
        self.write_one(
            "UPDATE web_hook SET due_ms = (SELECT longhaul_now()) + $3 WHERE id = $1 AND tries = $2",
            &params![id, tries, wait_ms],
        )
        .await
        .map(|_| ())
    }

    async fn end_delivery(&self, id: &ApiId) -> Result<()> {
        self.write_one("DELETE FROM web_hook WHERE id = $1", &params![id]).await.map(|_| ())
    }

    async fn free_deliveries(&self, gone: Gone, within_ms: i64) -> Result<u64> {
        // The count does not see the change, nor has it to: what is to be told stays so.
        let sql = one_way(
            "WITH freed AS (
                UPDATE web_hook AS h SET due_ms = t.due_ms FROM (SELECT longhaul_now() + $1 AS due_ms) AS t
                WHERE h.due_ms > t.due_ms AND ($2 = 1 OR h.holder = $3)
             )
             SELECT count(*) FROM web_hook AS h {RECORD} WHERE r.outcome IS NOT NULL",
        );
        let values = params![within_ms, matches!(gone, Gone::All), host_of(gone)];
        let counted = self.write_first(&sql, &values).await?;
        counted.map_or(Ok(0), |row| count(&row, 0))
    }
}

/// A delivery, with the moment since when it was due.
fn delivery(row: &Row) -> Result<(i64, Delivery)> {
    let damaged = |what: String| StoreError::Corrupt(format!("a web hook: {what}"));
    let (id, outcome): (&str, &str) = (get(row, 0)?, get(row, 4)?);
    let delivery = Delivery {
        id: ApiId::chosen(id).ok_or_else(|| damaged(format!("{id:?} is no id of a call")))?,
        hook: WebHook { url: get(row, 1)?, wants_schema: flag(row, 2)? },
        tries: small(row, 3)?,
        outcome: serde_json::from_str(outcome).map_err(|error| damaged(error.to_string()))?,
    };
    Ok((get(row, 5)?, delivery))
}
