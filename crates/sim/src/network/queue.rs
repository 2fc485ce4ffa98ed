//! The way to the store for what is asked of the queue.

use async_trait::async_trait;
use longhaul_store::{Queue, StoreError};

use super::Network;
use crate::delegate::names::*;
use crate::journal::short;

#[async_trait]
impl Queue for Network {
    async fn set_limits(&self, limits: &Limits) -> Result<(), StoreError> {
        let limits = limits.clone();
        self.send("limits".to_owned(), move |store| async move { store.set_limits(&limits).await }).await
    }
    async fn limits(&self) -> Result<Limits, StoreError> {
        self.send("limits".to_owned(), move |store| async move { store.limits().await }).await
    }
    async fn waits_for(&self, id: JobId) -> Result<Vec<Wait>, StoreError> {
        let what = format!("waits {}", short(id));
        self.send(what, move |store| async move { store.waits_for(id).await }).await
    }
    async fn held(&self, node: NodeId) -> Result<Vec<Claim>, StoreError> {
        self.send("held".to_owned(), move |store| async move { store.held(node).await }).await
    }
    async fn overdue(&self, limit: u32) -> Result<Vec<JobId>, StoreError> {
        self.send("overdue".to_owned(), move |store| async move { store.overdue(limit).await }).await
    }
    async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64, StoreError> {
        self.send("sweep".to_owned(), move |store| async move { store.sweep_jobs(kept, limit).await }).await
    }
}
