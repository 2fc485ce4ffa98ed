//! Access keys. Their secrets arrive and leave encrypted.

use async_trait::async_trait;
use longhaul_model::KeyId;
use longhaul_model::resource::AccessKey;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, SqliteStore, rows};
use crate::{Keys, StoreError};

#[async_trait]
impl Keys for SqliteStore {
    async fn create_key(&self, mut key: AccessKey, limit: u32) -> Result<Option<AccessKey>> {
        self.write(move |tx| {
            key.create_ms = tx.now_ms;
            key.last_op_ms = tx.now_ms;
            let (id, account) = (key.id.to_string(), key.account.to_string());
            if !tx.exists("SELECT 1 FROM account WHERE uuid = ?1", [&account])? {
                return Err(StoreError::NotFound);
            }
            let taken = "SELECT 1 FROM access_key WHERE uuid = ?1 OR access_id = ?2";
            if tx.exists(taken, [&id, &key.access_id])? {
                return Err(StoreError::Taken);
            }
            let owned =
                tx.first("SELECT count(*) FROM access_key WHERE account = ?1", [&account], |row| {
                    row.get::<_, i64>(0)
                })?;
            if owned.unwrap_or(0) >= i64::from(limit) {
                return Ok(None);
            }
            tx.execute(
                "INSERT INTO access_key (uuid, account, description, access_id, sealed_secret, state,
                    create_ms, last_op_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
                params![
                    id,
                    account,
                    key.description,
                    key.access_id,
                    key.sealed_secret,
                    crate::derived::key_state(key.enabled),
                    tx.now_ms
                ],
            )?;
            Ok(Some(key))
        })
        .await
    }

    async fn key(&self, id: KeyId) -> Result<Option<AccessKey>> {
        self.read(move |connection| read_key(connection, "j.uuid = ?1", &id.to_string())).await
    }

    async fn key_by_access_id(&self, access_id: &str) -> Result<Option<AccessKey>> {
        let access_id = access_id.to_owned();
        self.read(move |connection| read_key(connection, "j.access_id = ?1", &access_id)).await
    }

    async fn enable_key(&self, id: KeyId, enabled: bool) -> Result<AccessKey> {
        self.write(move |tx| {
            let id = id.to_string();
            tx.execute(
                "UPDATE access_key SET state = ?2, last_op_ms = max(last_op_ms, ?3) WHERE uuid = ?1",
                params![id, crate::derived::key_state(enabled), tx.now_ms],
            )?;
            read_key(tx.connection, "j.uuid = ?1", &id)?.ok_or(StoreError::NotFound)
        })
        .await
    }

    async fn delete_key(&self, id: KeyId) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM access_key WHERE uuid = ?1", [id.to_string()])?;
            Ok(())
        })
        .await
    }
}

fn read_key(connection: &Connection, condition: &str, value: &str) -> Result<Option<AccessKey>> {
    let sql = format!("SELECT {} FROM access_key AS j WHERE {condition}", rows::ACCESS_KEY);
    Ok(connection.prepare_cached(&sql)?.query_row([value], rows::access_key).optional()?)
}
