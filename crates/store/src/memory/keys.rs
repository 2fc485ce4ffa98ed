//! Access keys in memory.

use async_trait::async_trait;
use longhaul_model::KeyId;
use longhaul_model::resource::AccessKey;

use super::MemoryStore;
use crate::{Keys, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Keys for MemoryStore {
    async fn create_key(&self, mut key: AccessKey, limit: u32) -> Result<Option<AccessKey>> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        if !db.accounts.contains_key(&key.account) {
            return Err(StoreError::NotFound);
        }
        if db.keys.contains_key(&key.id) || db.keys.values().any(|k| k.access_id == key.access_id) {
            return Err(StoreError::Taken);
        }
        let owned = db.keys.values().filter(|k| k.account == key.account).count();
        if owned as u64 >= u64::from(limit) {
            return Ok(None);
        }
        key.create_ms = now_ms;
        key.last_op_ms = now_ms;
        db.keys.insert(key.id, key.clone());
        Ok(Some(key))
    }

    async fn key(&self, id: KeyId) -> Result<Option<AccessKey>> {
        Ok(self.lock().keys.get(&id).cloned())
    }

    async fn key_by_access_id(&self, access_id: &str) -> Result<Option<AccessKey>> {
        Ok(self.lock().keys.values().find(|k| k.access_id == access_id).cloned())
    }

    async fn enable_key(&self, id: KeyId, enabled: bool) -> Result<AccessKey> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let key = db.keys.get_mut(&id).ok_or(StoreError::NotFound)?;
        key.enabled = enabled;
        key.last_op_ms = now_ms.max(key.last_op_ms);
        Ok(key.clone())
    }

    async fn delete_key(&self, id: KeyId) -> Result<()> {
        self.lock().keys.remove(&id);
        Ok(())
    }
}
