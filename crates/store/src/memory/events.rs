//! What is told about jobs, from memory.

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::timeline::TimelineRow;
use longhaul_model::{ApiId, Job, JobId};

use super::MemoryStore;
use crate::{Events, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Events for MemoryStore {
    async fn timeline(&self, job: JobId) -> Result<Vec<TimelineRow>> {
        Ok(self.lock().jobs.get(&job).map(|e| e.timeline.clone()).unwrap_or_default())
    }

    async fn timeline_page(&self, job: JobId, after: u64, limit: u32) -> Result<Vec<TimelineRow>> {
        let db = self.lock();
        let rows = db.jobs.get(&job).into_iter().flat_map(|e| &e.timeline).filter(|row| row.seq > after);
        Ok(rows.take(limit as usize).cloned().collect())
    }

    async fn progress(&self, api: &ApiId) -> Result<Option<(Job, Option<Progress>)>> {
        let db = self.lock();
        let newest = db.jobs.values().filter(|e| e.job.api_id == *api).max_by_key(|e| {
            // A client may have chosen one API id for several jobs: the newest answers.
            (e.job.create_ms, e.job.id)
        });
        Ok(newest.map(|e| (db.seen(&e.job), e.progress.as_ref().map(|(_, p)| p.clone()))))
    }

    async fn progress_history(&self, job: JobId) -> Result<Vec<Progress>> {
        let db = self.lock();
        Ok(db.jobs.get(&job).map(|e| e.history.values().flatten().cloned().collect()).unwrap_or_default())
    }
}
