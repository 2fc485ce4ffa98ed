//! Access keys. Their secrets arrive and leave encrypted.

use async_trait::async_trait;
use longhaul_model::KeyId;
use longhaul_model::resource::AccessKey;

use super::rows::{self, ACCESS_KEY, get};
use super::tx::Tx;
use super::value::params;
use super::{PostgresStore, Result};
use crate::{Keys, StoreError, derived};

#[async_trait]
impl Keys for PostgresStore {
    async fn create_key(&self, key: AccessKey, limit: u32) -> Result<Option<AccessKey>> {
        self.write((key, limit), |tx, (key, limit)| Box::pin(tx.create_key(key.clone(), *limit))).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<AccessKey>> {
        let sql = format!("SELECT {ACCESS_KEY} FROM access_key AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(rows::access_key).transpose()
    }

    async fn key_by_access_id(&self, access_id: &str) -> Result<Option<AccessKey>> {
        let sql = format!("SELECT {ACCESS_KEY} FROM access_key AS j WHERE j.access_id = $1");
        self.read_first(&sql, &params![access_id]).await?.as_ref().map(rows::access_key).transpose()
    }

    async fn enable_key(&self, id: KeyId, enabled: bool) -> Result<AccessKey> {
        let sql = format!(
            "UPDATE access_key AS j SET state = $2, last_op_ms = greatest(last_op_ms, (SELECT longhaul_now()))
             WHERE uuid = $1 RETURNING {ACCESS_KEY}"
        );
        let changed = self.write_first(&sql, &params![id, derived::key_state(enabled)]).await?;
        rows::access_key(&changed.ok_or(StoreError::NotFound)?)
    }

    async fn delete_key(&self, id: KeyId) -> Result<()> {
        self.write_one("DELETE FROM access_key WHERE uuid = $1", &params![id]).await.map(|_| ())
    }
}

impl Tx {
    async fn create_key(&self, mut key: AccessKey, limit: u32) -> Result<Option<AccessKey>> {
        // Who makes a key of one account waits for each other here, so that each counts those before it.
        let lock = "SELECT 1 FROM account WHERE uuid = $1 FOR NO KEY UPDATE";
        self.locked(lock, &params![key.account]).await?.ok_or(StoreError::NotFound)?;
        key.create_ms = self.now_ms();
        key.last_op_ms = self.now_ms();
        let known = self
            .first(
                "SELECT count(*), (SELECT count(*) FROM access_key WHERE uuid = $2 OR access_id = $3)
             FROM access_key WHERE account = $1",
                &params![key.account, key.id, &key.access_id],
            )
            .await?;
        if let Some(known) = known {
            let (owned, taken): (i64, i64) = (get(&known, 0)?, get(&known, 1)?);
            if taken > 0 {
                return Err(StoreError::Taken);
            }
            if owned >= i64::from(limit) {
                return Ok(None);
            }
        }
        self.execute(
            "INSERT INTO access_key (uuid, account, description, access_id, sealed_secret, state, create_ms,
                last_op_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
            &params![
                key.id,
                key.account,
                key.description.as_deref(),
                &key.access_id,
                &key.sealed_secret,
                derived::key_state(key.enabled),
                self.now_ms()
            ],
        )
        .await?;
        Ok(Some(key))
    }
}
