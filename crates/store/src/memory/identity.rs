//! Accounts and sessions in memory.

use async_trait::async_trait;
use longhaul_model::resource::{Account, Session};
use longhaul_model::{AccountId, SessionId};

use super::{Db, MemoryStore};
use crate::{Identity, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Identity for MemoryStore {
    async fn create_account(&self, mut account: Account) -> Result<Account> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let taken = db.accounts.contains_key(&account.id)
            || db.retired.contains(&account.id)
            || db.accounts.values().any(|a| a.name == account.name);
        if taken {
            return Err(StoreError::Taken);
        }
        account.create_ms = now_ms;
        account.last_op_ms = now_ms;
        db.accounts.insert(account.id, account.clone());
        Ok(account)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        Ok(self.lock().accounts.get(&id).cloned())
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        Ok(self.lock().accounts.values().find(|a| a.name == name).cloned())
    }

    async fn update_account(
        &self,
        id: AccountId,
        name: Option<String>,
        description: Option<String>,
        password_hash: Option<String>,
    ) -> Result<Account> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        if !db.accounts.contains_key(&id) {
            return Err(StoreError::NotFound);
        }
        if name.as_ref().is_some_and(|name| db.accounts.values().any(|a| a.id != id && a.name == *name)) {
            return Err(StoreError::Taken);
        }
        if password_hash.is_some() {
            db.sessions.retain(|_, s| s.account != id);
        }
        let account = db.accounts.get_mut(&id).ok_or(StoreError::NotFound)?;
        account.name = name.unwrap_or_else(|| account.name.clone());
        account.description = description.or_else(|| account.description.clone());
        account.password_hash = password_hash.unwrap_or_else(|| account.password_hash.clone());
        account.last_op_ms = now_ms.max(account.last_op_ms);
        Ok(account.clone())
    }

    async fn delete_account(&self, id: AccountId) -> Result<()> {
        let mut db = self.lock();
        if !db.accounts.contains_key(&id) {
            return Err(StoreError::NotFound);
        }
        if let Some(job) = db.live.values().find(|j| db.jobs.get(j).is_some_and(|e| e.job.account == id)) {
            return Err(StoreError::InUse(format!("job[uuid:{job}]")));
        }
        if let Some(volume) = db.volumes.values().find(|v| v.account == id) {
            return Err(StoreError::InUse(format!("volume[uuid:{}]", volume.id)));
        }
        if let Some(image) = db.images.values().find(|i| i.account == id) {
            return Err(StoreError::InUse(format!("image[uuid:{}]", image.id)));
        }
        db.accounts.remove(&id);
        db.sessions.retain(|_, s| s.account != id);
        db.keys.retain(|_, k| k.account != id);
        db.retired.insert(id);
        Ok(())
    }

    async fn create_session(&self, session: &Session, limit: u32) -> Result<bool> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.check_account(session.account)?;
        let live =
            db.sessions.values().filter(|s| s.account == session.account && s.expires_ms > now_ms).count();
        if live as u64 >= u64::from(limit) {
            return Ok(false);
        }
        db.sessions.insert(session.id, session.clone());
        Ok(true)
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        let now_ms = self.now_ms();
        Ok(self.lock().sessions.get(&id).filter(|s| s.expires_ms > now_ms).cloned())
    }

    async fn extend_session(&self, id: SessionId, expires_ms: i64) -> Result<bool> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let Some(session) = db.sessions.get_mut(&id).filter(|s| s.expires_ms > now_ms) else {
            return Ok(false);
        };
        session.expires_ms = expires_ms;
        Ok(true)
    }

    async fn cap_sessions(&self, latest_ms: i64) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let later = db.sessions.values_mut().filter(|s| s.expires_ms > now_ms && s.expires_ms > latest_ms);
        Ok(later.map(|session| session.expires_ms = latest_ms).count() as u64)
    }

    async fn delete_session(&self, id: SessionId) -> Result<()> {
        self.lock().sessions.remove(&id);
        Ok(())
    }

    async fn sweep_sessions(&self) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let before = db.sessions.len();
        db.sessions.retain(|_, s| s.expires_ms > now_ms);
        Ok((before - db.sessions.len()) as u64)
    }
}

impl Db {
    /// That the account is not one that was deleted: such a one gets nothing any more.
    pub(super) fn check_account(&self, id: AccountId) -> Result<()> {
        if self.retired.contains(&id) { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
