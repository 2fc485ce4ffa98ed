//! The intent ledger in memory.

use async_trait::async_trait;
use longhaul_model::resource::Intent;
use longhaul_model::{Claim, JobId};

use super::MemoryStore;
use crate::{Ledger, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Ledger for MemoryStore {
    async fn intend(&self, claim: &Claim, mut intent: Intent) -> Result<Intent> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let leases = db.leases(now_ms, self.options.lease_ttl_ms);
        db.held(claim, leases).ok_or(StoreError::LeaseLost)?;
        db.last_intent += 1;
        intent.id = db.last_intent;
        intent.job = claim.job;
        intent.token = claim.token;
        intent.create_ms = now_ms;
        db.intents.insert(intent.id, intent.clone());
        Ok(intent)
    }

    async fn intents(&self, job: JobId) -> Result<Vec<Intent>> {
        Ok(self.lock().intents.values().filter(|i| i.job == job).cloned().collect())
    }

    async fn all_intents(&self) -> Result<Vec<Intent>> {
        Ok(self.lock().intents.values().cloned().collect())
    }

    async fn settle(&self, id: u64) -> Result<()> {
        self.lock().intents.remove(&id);
        Ok(())
    }
}
