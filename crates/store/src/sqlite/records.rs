//! Asynchronous answers.

use async_trait::async_trait;
use longhaul_model::ApiId;
use longhaul_model::resource::{ApiOutcome, ApiRecord, Message};
use rusqlite::{OptionalExtension, params};

use super::deliveries::read_hook;
use super::nodes::host_of;
use super::{Result, SqliteStore, rows};
use crate::{Gone, Records, StoreError};

#[async_trait]
impl Records for SqliteStore {
    async fn create_record(&self, record: ApiRecord) -> Result<()> {
        self.write(move |tx| tx.insert_record(Some(&record))).await
    }

    async fn finish_record(&self, id: &ApiId, outcome: ApiOutcome) -> Result<()> {
        let id = id.clone();
        self.write(move |tx| {
            let json = to_json(&outcome)?;
            let finished = tx.execute(
                "UPDATE api_record SET outcome = coalesce(outcome, ?2), finished_ms = coalesce(finished_ms, ?3)
                 WHERE id = ?1",
                params![id.as_str(), json, tx.now_ms],
            )?;
            if finished == 0 { Err(StoreError::NotFound) } else { Ok(()) }
        })
        .await
    }

    async fn record(&self, id: &ApiId) -> Result<Option<ApiRecord>> {
        let id = id.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT account, expires_ms, outcome, message, created_ms, finished_ms, host
                 FROM api_record WHERE id = ?1",
            )?;
            let found = statement.query_row([id.as_str()], |row| {
                let message = match (row.get(3)?, row.get(4)?) {
                    (Some(class), Some(created_ms)) => Some(Message { class, created_ms }),
                    _ => None,
                };
                let record = ApiRecord {
                    id: id.clone(),
                    account: rows::id(row, 0)?,
                    expires_ms: row.get(1)?,
                    outcome: None,
                    hook: None,
                    message,
                    finished_ms: row.get(5)?,
                    host: rows::maybe_id(row, 6)?,
                };
                Ok((record, row.get::<_, Option<String>>(2)?))
            });
            let Some((record, json)) = found.optional()? else { return Ok(None) };
            let outcome = json
                .map(|json| serde_json::from_str(&json).map_err(|e| StoreError::Corrupt(e.to_string())))
                .transpose()?;
            let hook = read_hook(connection, &id)?;
            Ok(Some(ApiRecord { outcome, hook, ..record }))
        })
        .await
    }

    async fn cut_records(&self, outcome: ApiOutcome, gone: Gone) -> Result<u64> {
        self.write(move |tx| {
            tx.end_expired_leases()?;
            let json = to_json(&outcome)?;
            let host = host_of(gone).map(|host| host.to_string());
            let cut = tx.execute(
                "UPDATE api_record SET outcome = ?1, finished_ms = ?2 WHERE outcome IS NULL
                 AND (?3 OR host = ?4 OR host NOT IN (SELECT n.host FROM node AS n))",
                params![json, tx.now_ms, matches!(gone, Gone::All), host],
            )?;
            Ok(cut as u64)
        })
        .await
    }

    async fn sweep_records(&self) -> Result<u64> {
        self.write(move |tx| {
            let swept = tx.execute(
                "DELETE FROM api_record AS r WHERE outcome IS NOT NULL AND expires_ms <= ?1
                 AND NOT EXISTS (SELECT 1 FROM web_hook AS h WHERE h.id = r.id)",
                [tx.now_ms],
            )?;
            Ok(swept as u64)
        })
        .await
    }
}

/// An outcome as it is stored.
pub(super) fn to_json(outcome: &ApiOutcome) -> Result<String> {
    serde_json::to_string(outcome).map_err(|error| StoreError::Corrupt(error.to_string()))
}
