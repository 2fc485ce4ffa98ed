//! The intent ledger.

use async_trait::async_trait;
use longhaul_model::resource::Intent;
use longhaul_model::{Claim, JobId};
use rusqlite::types::ToSql;
use rusqlite::{Connection, params};

use super::rows::{self, stored};
use super::{Result, SqliteStore};
use crate::{Ledger, StoreError};

#[async_trait]
impl Ledger for SqliteStore {
    async fn intend(&self, claim: &Claim, mut intent: Intent) -> Result<Intent> {
        let claim = *claim;
        self.write(move |tx| {
            tx.held_row(&claim)?.ok_or(StoreError::LeaseLost)?;
            intent.job = claim.job;
            intent.token = claim.token;
            intent.create_ms = tx.now_ms;
            let kind = serde_json::to_string(&intent.kind).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            tx.execute(
                "INSERT INTO intent (job, token, kind, storage, create_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    intent.job.to_string(),
                    stored(intent.token),
                    kind,
                    intent.storage.map(|s| s.to_string()),
                    intent.create_ms,
                ],
            )?;
            intent.id = u64::try_from(tx.connection.last_insert_rowid()).unwrap_or(0);
            Ok(intent)
        })
        .await
    }

    async fn intents(&self, job: JobId) -> Result<Vec<Intent>> {
        self.read(move |connection| read(connection, "job = ?1", &[&job.to_string()])).await
    }

    async fn all_intents(&self) -> Result<Vec<Intent>> {
        self.read(move |connection| read(connection, "1", &[])).await
    }

    async fn settle(&self, id: u64) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM intent WHERE id = ?1", [stored(id)])?;
            Ok(())
        })
        .await
    }
}

/// The open intents that meet a condition, oldest first.
pub(super) fn read(connection: &Connection, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<Intent>> {
    let sql =
        format!("SELECT id, job, token, kind, storage, create_ms FROM intent WHERE {condition} ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(values)?;
    let mut intents = Vec::new();
    while let Some(row) = found.next()? {
        let kind: String = row.get(3)?;
        intents.push(Intent {
            id: rows::count(row, 0)?,
            job: rows::id(row, 1)?,
            token: rows::count(row, 2)?,
            kind: serde_json::from_str(&kind).map_err(|e| StoreError::Corrupt(e.to_string()))?,
            storage: rows::maybe_id(row, 4)?,
            create_ms: row.get(5)?,
        });
    }
    Ok(intents)
}
