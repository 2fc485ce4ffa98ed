//! Accounts and sessions. Of a session's id only the SHA-256 is stored: who reads the file cannot log in.

use async_trait::async_trait;
use longhaul_model::resource::{Account, Session};
use longhaul_model::{AccountId, SessionId};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::error::is_taken;
use super::tx::Tx;
use super::{Result, SqliteStore, rows};
use crate::{Identity, StoreError};

#[async_trait]
impl Identity for SqliteStore {
    async fn create_account(&self, mut account: Account) -> Result<Account> {
        self.write(move |tx| {
            account.create_ms = tx.now_ms;
            account.last_op_ms = tx.now_ms;
            let id = account.id.to_string();
            if tx.exists("SELECT 1 FROM retired_account WHERE uuid = ?1", [&id])? {
                return Err(StoreError::Taken);
            }
            let stored = tx
                .prepare(
                    "INSERT INTO account (uuid, name, description, admin, password_hash, create_ms, last_op_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                )?
                .execute(params![
                    id,
                    account.name,
                    account.description,
                    account.admin,
                    account.password_hash,
                    tx.now_ms
                ]);
            taken_or(stored)?;
            Ok(account)
        })
        .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.read(move |connection| read_account(connection, "j.uuid = ?1", &id.to_string())).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        let name = name.to_owned();
        self.read(move |connection| read_account(connection, "j.name = ?1 COLLATE BINARY", &name)).await
    }

    async fn update_account(
        &self,
        id: AccountId,
        name: Option<String>,
        description: Option<String>,
        password_hash: Option<String>,
    ) -> Result<Account> {
        self.write(move |tx| {
            let id = id.to_string();
            let stored = tx
                .prepare(
                    "UPDATE account SET name = coalesce(?2, name), description = coalesce(?3, description),
                        password_hash = coalesce(?4, password_hash), last_op_ms = max(last_op_ms, ?5)
                     WHERE uuid = ?1",
                )?
                .execute(params![id, name, description, password_hash, tx.now_ms]);
            if taken_or(stored)? == 0 {
                return Err(StoreError::NotFound);
            }
            if password_hash.is_some() {
                tx.execute("DELETE FROM session WHERE account = ?1", [&id])?;
            }
            read_account(tx.connection, "j.uuid = ?1", &id)?.ok_or(StoreError::NotFound)
        })
        .await
    }

    async fn delete_account(&self, id: AccountId) -> Result<()> {
        self.write(move |tx| {
            let id = id.to_string();
            let job = tx.first(
                "SELECT j.uuid FROM job_run AS r JOIN job AS j ON j.id = r.job WHERE j.account = ?1 LIMIT 1",
                [&id],
                |row| row.get::<_, String>(0),
            )?;
            let volume = tx.first("SELECT uuid FROM volume WHERE account = ?1 LIMIT 1", [&id], |row| {
                row.get::<_, String>(0)
            })?;
            let image = tx.first("SELECT uuid FROM image WHERE account = ?1 LIMIT 1", [&id], |row| {
                row.get::<_, String>(0)
            })?;
            if tx.execute("DELETE FROM account WHERE uuid = ?1", [&id])? == 0 {
                return Err(StoreError::NotFound);
            }
            if let Some(job) = job {
                return Err(StoreError::InUse(format!("job[uuid:{job}]")));
            }
            if let Some(volume) = volume {
                return Err(StoreError::InUse(format!("volume[uuid:{volume}]")));
            }
            if let Some(image) = image {
                return Err(StoreError::InUse(format!("image[uuid:{image}]")));
            }
            tx.execute("DELETE FROM session WHERE account = ?1", [&id])?;
            tx.execute("DELETE FROM access_key WHERE account = ?1", [&id])?;
            tx.execute("INSERT INTO retired_account (uuid) VALUES (?1)", [&id])?;
            Ok(())
        })
        .await
    }

    async fn create_session(&self, session: &Session, limit: u32) -> Result<bool> {
        let session = session.clone();
        self.write(move |tx| {
            tx.check_account(session.account)?;
            let account = session.account.to_string();
            let live = tx.first(
                "SELECT count(*) FROM session WHERE account = ?1 AND expires_ms > ?2",
                params![account, tx.now_ms],
                |row| row.get::<_, i64>(0),
            )?;
            if live.unwrap_or(0) >= i64::from(limit) {
                return Ok(false);
            }
            tx.execute(
                "INSERT OR REPLACE INTO session (hash, account, create_ms, expires_ms) VALUES (?1, ?2, ?3, ?4)",
                params![hash(session.id), account, session.create_ms, session.expires_ms],
            )?;
            Ok(true)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        let now_ms = self.runtime.now_ms();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT account, create_ms, expires_ms FROM session WHERE hash = ?1 AND expires_ms > ?2",
            )?;
            let found = statement.query_row(params![hash(id), now_ms], |row| {
                Ok(Session {
                    id,
                    account: rows::id(row, 0)?,
                    create_ms: row.get(1)?,
                    expires_ms: row.get(2)?,
                })
            });
            Ok(found.optional()?)
        })
        .await
    }

    async fn extend_session(&self, id: SessionId, expires_ms: i64) -> Result<bool> {
        self.write(move |tx| {
            let moved = tx.execute(
                "UPDATE session SET expires_ms = ?2 WHERE hash = ?1 AND expires_ms > ?3",
                params![hash(id), expires_ms, tx.now_ms],
            )?;
            Ok(moved > 0)
        })
        .await
    }

    async fn cap_sessions(&self, latest_ms: i64) -> Result<u64> {
        self.write(move |tx| {
            let capped = tx.execute(
                "UPDATE session SET expires_ms = ?1 WHERE expires_ms > ?1 AND expires_ms > ?2",
                params![latest_ms, tx.now_ms],
            )?;
            Ok(capped as u64)
        })
        .await
    }

    async fn delete_session(&self, id: SessionId) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM session WHERE hash = ?1", [hash(id)])?;
            Ok(())
        })
        .await
    }

    async fn sweep_sessions(&self) -> Result<u64> {
        self.write(
            move |tx| Ok(tx.execute("DELETE FROM session WHERE expires_ms <= ?1", [tx.now_ms])? as u64),
        )
        .await
    }
}

impl Tx<'_> {
    /// That the account is not one that was deleted: such a one gets nothing any more.
    pub(super) fn check_account(&self, id: AccountId) -> Result<()> {
        let gone = self.exists("SELECT 1 FROM retired_account WHERE uuid = ?1", [id.to_string()])?;
        if gone { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

fn hash(id: SessionId) -> [u8; 32] {
    Sha256::digest(id.bits().to_be_bytes()).into()
}

fn read_account(connection: &Connection, condition: &str, value: &str) -> Result<Option<Account>> {
    let sql = format!("SELECT {} FROM account AS j WHERE {condition}", rows::ACCOUNT);
    Ok(connection.prepare_cached(&sql)?.query_row([value], rows::account).optional()?)
}

/// `Taken` where a unique index refused the row.
pub(super) fn taken_or(stored: rusqlite::Result<usize>) -> Result<usize> {
    stored.map_err(|error| if is_taken(&error) { StoreError::Taken } else { error.into() })
}
