//! Asynchronous answers. A record and its web hook are read in one statement, so both are of one moment.

use async_trait::async_trait;
use longhaul_model::ApiId;
use longhaul_model::resource::{ApiOutcome, ApiRecord, Message, WebHook};

use super::beside::to_json;
use super::nodes::host_of;
use super::rows::{self, get};
use super::value::params;
use super::{PostgresStore, Result};
use crate::{Gone, Records, StoreError};

#[async_trait]
impl Records for PostgresStore {
    async fn create_record(&self, record: ApiRecord) -> Result<()> {
        self.write(record, |tx, record| Box::pin(tx.insert_record(Some(record)))).await
    }

    async fn finish_record(&self, id: &ApiId, outcome: ApiOutcome) -> Result<()> {
        let finished = self
            .write_one(
                "UPDATE api_record SET outcome = coalesce(outcome, $2),
                    finished_ms = coalesce(finished_ms, (SELECT longhaul_now()))
                 WHERE id = $1",
                &params![id, to_json(&outcome)?],
            )
            .await?;
        if finished == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    async fn record(&self, id: &ApiId) -> Result<Option<ApiRecord>> {
        let found = self
            .read_first(
                "SELECT r.account, r.expires_ms, r.outcome, r.message, r.created_ms, r.finished_ms, h.url,
                h.wants_schema, r.host
             FROM api_record AS r LEFT JOIN web_hook AS h ON h.id = r.id WHERE r.id = $1",
                &params![id],
            )
            .await?;
        let Some(row) = found else { return Ok(None) };
        let outcome: Option<&str> = get(&row, 2)?;
        let outcome = outcome.map(serde_json::from_str).transpose();
        let message = match (get(&row, 3)?, get(&row, 4)?) {
            (Some(class), Some(created_ms)) => Some(Message { class, created_ms }),
            _ => None,
        };
        let hook = match (get(&row, 6)?, get::<Option<i64>>(&row, 7)?) {
            (Some(url), Some(wants)) => Some(WebHook { url, wants_schema: wants != 0 }),
            _ => None,
        };
        Ok(Some(ApiRecord {
            id: id.clone(),
            account: rows::id(&row, 0)?,
            expires_ms: get(&row, 1)?,
            outcome: outcome.map_err(|error| StoreError::Corrupt(error.to_string()))?,
            hook,
            message,
            finished_ms: get(&row, 5)?,
            host: rows::maybe_id(&row, 8)?,
        }))
    }

    async fn cut_records(&self, outcome: ApiOutcome, gone: Gone) -> Result<u64> {
        self.write((outcome, gone), |tx, (outcome, gone)| {
            Box::pin(async move {
                tx.end_expired_leases().await?;
                tx.execute(
                    "UPDATE api_record SET outcome = $1, finished_ms = $2 WHERE outcome IS NULL
                     AND ($3 = 1 OR host = $4 OR host NOT IN (SELECT n.host FROM node AS n))",
                    &params![to_json(outcome)?, tx.now_ms(), matches!(gone, Gone::All), host_of(*gone)],
                )
                .await
            })
        })
        .await
    }

    async fn sweep_records(&self) -> Result<u64> {
        self.write_one(
            "DELETE FROM api_record AS r WHERE outcome IS NOT NULL AND expires_ms <= (SELECT longhaul_now())
             AND NOT EXISTS (SELECT 1 FROM web_hook AS h WHERE h.id = r.id)",
            &[],
        )
        .await
    }
}
