//! The intent ledger.

use async_trait::async_trait;
use longhaul_model::resource::Intent;
use longhaul_model::{Claim, JobId};

use super::rows::{self, get};
use super::tx::Tx;
use super::value::{Value, params};
use super::{PostgresStore, Result};
use crate::{Ledger, StoreError};

#[async_trait]
impl Ledger for PostgresStore {
    async fn intend(&self, claim: &Claim, intent: Intent) -> Result<Intent> {
        self.write((*claim, intent), |tx, (claim, intent)| {
            Box::pin(async move {
                tx.held_row(claim).await?;
                let mut intent = intent.clone();
                intent.job = claim.job;
                intent.token = claim.token;
                intent.create_ms = tx.now_ms();
                let kind =
                    serde_json::to_string(&intent.kind).map_err(|e| StoreError::Corrupt(e.to_string()))?;
                let sql =
                    "INSERT INTO intent (job, token, kind, storage, create_ms) VALUES ($1, $2, $3, $4, $5)
                     RETURNING id";
                let values = params![intent.job, intent.token, kind, intent.storage, intent.create_ms];
                let row = tx.first(sql, &values).await?.ok_or(StoreError::NotFound)?;
                intent.id = rows::count(&row, 0)?;
                Ok(intent)
            })
        })
        .await
    }

    async fn intents(&self, job: JobId) -> Result<Vec<Intent>> {
        self.read(job, |tx, job| Box::pin(async move { tx.read_intents("job = $1", &params![*job]).await }))
            .await
    }

    async fn all_intents(&self) -> Result<Vec<Intent>> {
        self.read((), |tx, ()| Box::pin(tx.read_intents("TRUE", &[]))).await
    }

    async fn settle(&self, id: u64) -> Result<()> {
        self.write(id, |tx, id| {
            Box::pin(async move {
                tx.post("DELETE FROM intent WHERE id = $1", &params![*id]);
                Ok(())
            })
        })
        .await
    }
}

impl Tx {
    /// The open intents that meet a condition, oldest first.
    pub(super) async fn read_intents(&self, condition: &str, values: &[Value<'_>]) -> Result<Vec<Intent>> {
        let sql = format!(
            "SELECT id, job, token, kind, storage, create_ms FROM intent WHERE {condition} ORDER BY id"
        );
        let intent = |row: &tokio_postgres::Row| {
            Ok(Intent {
                id: rows::count(row, 0)?,
                job: rows::id(row, 1)?,
                token: rows::count(row, 2)?,
                kind: serde_json::from_str(get(row, 3)?).map_err(|e| StoreError::Corrupt(e.to_string()))?,
                storage: rows::maybe_id(row, 4)?,
                create_ms: get(row, 5)?,
            })
        };
        self.rows(&sql, values).await?.iter().map(intent).collect()
    }
}
