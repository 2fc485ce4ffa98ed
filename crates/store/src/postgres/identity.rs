//! Accounts and sessions. Of a session's id only the SHA-256 is stored: who reads the database cannot log in.
//!
//! What depends on an account locks its row: who counts what it has takes it alone (`FOR NO KEY UPDATE`), who gives it
//! something shares it (`FOR KEY SHARE`), and a deletion waits for both and lets neither follow.

use async_trait::async_trait;
use longhaul_model::resource::{Account, Session};
use longhaul_model::{AccountId, SessionId};
use sha2::{Digest, Sha256};

use super::rows::{self, ACCOUNT, get};
use super::tx::{Hold, Tx};
use super::value::params;
use super::{PostgresStore, Result};
use crate::{Identity, StoreError};

#[async_trait]
impl Identity for PostgresStore {
    async fn create_account(&self, account: Account) -> Result<Account> {
        self.write(account, |tx, account| Box::pin(tx.create_account(account.clone()))).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let sql = format!("SELECT {ACCOUNT} FROM account AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(rows::account).transpose()
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        let sql = format!("SELECT {ACCOUNT} FROM account AS j WHERE j.name = $1");
        self.read_first(&sql, &params![name]).await?.as_ref().map(rows::account).transpose()
    }

    async fn update_account(
        &self,
        id: AccountId,
        name: Option<String>,
        description: Option<String>,
        password_hash: Option<String>,
    ) -> Result<Account> {
        let change = (id, name, description, password_hash);
        self.write(change, |tx, (id, name, description, hash)| {
            Box::pin(tx.update_account(*id, name.as_deref(), description.as_deref(), hash.as_deref()))
        })
        .await
    }

    async fn delete_account(&self, id: AccountId) -> Result<()> {
        self.write(id, |tx, id| Box::pin(tx.delete_account(*id))).await
    }

    async fn create_session(&self, session: &Session, limit: u32) -> Result<bool> {
        self.write((session.clone(), limit), |tx, (session, limit)| {
            Box::pin(tx.create_session(session, *limit))
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        let found = self
            .read_first(
                "SELECT account, create_ms, expires_ms FROM session
             WHERE hash = $1 AND expires_ms > (SELECT longhaul_now())",
                &params![&hash(id)],
            )
            .await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Session { id, account: rows::id(row, 0)?, create_ms: get(row, 1)?, expires_ms: get(row, 2)? })
        };
        found.as_ref().map(read).transpose()
    }

    async fn extend_session(&self, id: SessionId, expires_ms: i64) -> Result<bool> {
        let moved = self
            .write_one(
                "UPDATE session SET expires_ms = $2 WHERE hash = $1 AND expires_ms > (SELECT longhaul_now())",
                &params![&hash(id), expires_ms],
            )
            .await?;
        Ok(moved > 0)
    }

    async fn cap_sessions(&self, latest_ms: i64) -> Result<u64> {
        self.write_one(
            "UPDATE session SET expires_ms = $1 WHERE expires_ms > $1 AND expires_ms > (SELECT longhaul_now())",
            &params![latest_ms],
        )
        .await
    }

    async fn delete_session(&self, id: SessionId) -> Result<()> {
        self.write_one("DELETE FROM session WHERE hash = $1", &params![&hash(id)]).await.map(|_| ())
    }

    async fn sweep_sessions(&self) -> Result<u64> {
        self.write_one("DELETE FROM session WHERE expires_ms <= (SELECT longhaul_now())", &[]).await
    }
}

fn hash(id: SessionId) -> [u8; 32] {
    Sha256::digest(id.bits().to_be_bytes()).into()
}

impl Tx {
    async fn create_account(&self, mut account: Account) -> Result<Account> {
        account.create_ms = self.now_ms();
        account.last_op_ms = self.now_ms();
        self.execute(
            "INSERT INTO account (uuid, name, description, admin, password_hash, create_ms, last_op_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
            &params![
                account.id,
                &account.name,
                account.description.as_deref(),
                account.admin,
                &account.password_hash,
                self.now_ms()
            ],
        )
        .await?;
        // Not before: the insertion waited for a deletion of that uuid at this moment, whose mark is seen now.
        match self.check_not_retired(account.id).await {
            Err(StoreError::NotFound) => Err(StoreError::Taken),
            other => other.map(|()| account),
        }
    }

    async fn update_account(
        &self,
        id: AccountId,
        name: Option<&str>,
        description: Option<&str>,
        password_hash: Option<&str>,
    ) -> Result<Account> {
        let sql = format!(
            "UPDATE account AS j SET name = coalesce($2, name), description = coalesce($3, description),
                password_hash = coalesce($4, password_hash), last_op_ms = greatest(last_op_ms, $5)
             WHERE uuid = $1 RETURNING {ACCOUNT}"
        );
        let changed = self.first(&sql, &params![id, name, description, password_hash, self.now_ms()]).await?;
        let account = rows::account(&changed.ok_or(StoreError::NotFound)?)?;
        if password_hash.is_some() {
            self.execute("DELETE FROM session WHERE account = $1", &params![id]).await?;
        }
        Ok(account)
    }

    async fn delete_account(&self, id: AccountId) -> Result<()> {
        // Submissions are many, so they hold no row of their account, but share this.
        self.hold(Hold::Account, &id.to_string()).await?;
        let lock = "SELECT 1 FROM account WHERE uuid = $1 FOR UPDATE";
        self.first(lock, &params![id]).await?.ok_or(StoreError::NotFound)?;
        let used = self.first(
            "SELECT (SELECT j.uuid FROM job_run AS r JOIN job AS j ON j.id = r.job WHERE j.account = $1 LIMIT 1),
                (SELECT uuid FROM volume WHERE account = $1 LIMIT 1),
                (SELECT uuid FROM image WHERE account = $1 LIMIT 1)",
            &params![id],
        )
        .await?;
        if let Some(used) = used {
            for (at, what) in ["job", "volume", "image"].into_iter().enumerate() {
                if let Some(uuid) = get::<Option<&str>>(&used, at)? {
                    return Err(StoreError::InUse(format!("{what}[uuid:{uuid}]")));
                }
            }
        }
        self.execute("DELETE FROM account WHERE uuid = $1", &params![id]).await?;
        self.execute("DELETE FROM session WHERE account = $1", &params![id]).await?;
        self.execute("DELETE FROM access_key WHERE account = $1", &params![id]).await?;
        self.execute("INSERT INTO retired_account (uuid) VALUES ($1)", &params![id]).await?;
        Ok(())
    }

    async fn create_session(&self, session: &Session, limit: u32) -> Result<bool> {
        // Logins of one account wait for each other here, so that each counts those before it.
        let lock = "SELECT 1 FROM account WHERE uuid = $1 FOR NO KEY UPDATE";
        if self.locked(lock, &params![session.account]).await?.is_none() {
            self.check_not_retired(session.account).await?;
        }
        let stored = self
            .execute(
                "INSERT INTO session (hash, account, create_ms, expires_ms)
             SELECT $1, $2, $3, $4
             WHERE (SELECT count(*) FROM session WHERE account = $2 AND expires_ms > $5) < $6
             ON CONFLICT (hash) DO UPDATE SET account = excluded.account, create_ms = excluded.create_ms,
                expires_ms = excluded.expires_ms",
                &params![
                    &hash(session.id),
                    session.account,
                    session.create_ms,
                    session.expires_ms,
                    self.now_ms(),
                    limit
                ],
            )
            .await?;
        Ok(stored > 0)
    }

    /// That the account is not one that was deleted, nor is before this transaction ends: it is about to get something.
    pub(super) async fn hold_account(&self, id: AccountId) -> Result<()> {
        match self.first("SELECT 1 FROM account WHERE uuid = $1 FOR KEY SHARE", &params![id]).await? {
            Some(_) => Ok(()),
            None => self.check_not_retired(id).await,
        }
    }

    /// That the account is not one that was deleted.
    pub(super) async fn check_not_retired(&self, id: AccountId) -> Result<()> {
        match self.first("SELECT 1 FROM retired_account WHERE uuid = $1", &params![id]).await? {
            Some(_) => Err(StoreError::NotFound),
            None => Ok(()),
        }
    }
}
