//! Asynchronous answers in memory.

use async_trait::async_trait;
use longhaul_model::ApiId;
use longhaul_model::resource::{ApiOutcome, ApiRecord};

use super::deliveries::Pending;
use super::{Db, MemoryStore};
use crate::{Gone, Records, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Records for MemoryStore {
    async fn create_record(&self, record: ApiRecord) -> Result<()> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.check_record_free(Some(&record))?;
        db.keep_record(Some(record), now_ms);
        Ok(())
    }

    async fn finish_record(&self, id: &ApiId, outcome: ApiOutcome) -> Result<()> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let record = db.records.get_mut(id).ok_or(StoreError::NotFound)?;
        if record.outcome.is_none() {
            (record.outcome, record.finished_ms) = (Some(outcome), Some(now_ms));
        }
        Ok(())
    }

    async fn record(&self, id: &ApiId) -> Result<Option<ApiRecord>> {
        let db = self.lock();
        let hook = db.deliveries.get(id).map(|d| d.hook.clone());
        Ok(db.records.get(id).map(|record| ApiRecord { hook, ..record.clone() }))
    }

    async fn cut_records(&self, outcome: ApiOutcome, gone: Gone) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.end_expired_leases(now_ms, self.options.lease_ttl_ms);
        let is_cut = |r: &ApiRecord| {
            let left = |host| gone.includes(host) || !db.has_node(host);
            r.outcome.is_none() && r.host.map_or(gone == Gone::All, left)
        };
        let cut: Vec<ApiId> = db.records.values().filter(|r| is_cut(r)).map(|r| r.id.clone()).collect();
        for id in &cut {
            if let Some(record) = db.records.get_mut(id) {
                (record.outcome, record.finished_ms) = (Some(outcome.clone()), Some(now_ms));
            }
        }
        Ok(cut.len() as u64)
    }

    async fn sweep_records(&self) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let Db { records, deliveries, .. } = &mut *db;
        let before = records.len();
        records.retain(|id, r| r.outcome.is_none() || r.expires_ms > now_ms || deliveries.contains_key(id));
        Ok((before - records.len()) as u64)
    }
}

impl Db {
    pub(super) fn check_record_free(&self, record: Option<&ApiRecord>) -> Result<()> {
        match record {
            Some(record) if self.records.contains_key(&record.id) => Err(StoreError::Taken),
            _ => Ok(()),
        }
    }

    pub(super) fn keep_record(&mut self, record: Option<ApiRecord>, now_ms: i64) {
        if let Some(mut record) = record {
            if let Some(hook) = record.hook.take() {
                self.deliveries
                    .insert(record.id.clone(), Pending { hook, tries: 0, due_ms: now_ms, holder: None });
            }
            record.finished_ms = record.outcome.is_some().then_some(now_ms);
            self.records.insert(record.id.clone(), record);
        }
    }
}
