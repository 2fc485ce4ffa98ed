//! Jobs that are suspended because of a storage: they go on by themselves when their type says that what they
//! wait for is there. Who looks at the storages themselves is in the server.

use std::sync::Arc;

use longhaul_model::query::{
    Condition, Field, Filter, LIMIT_DEFAULT, NEWEST_FIRST, Op, Page, Query, Resource, Rows, Sort, Value,
};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Change, Fault, Job, JobEvent, JobState, SuspendReason};
use longhaul_store::StoreError;

use crate::engine::Engine;
use crate::fault::from_store;

impl Engine {
    /// Resumes every job that is suspended because of a storage and can go on now. Answers how many.
    ///
    /// # Errors
    /// The store does not answer; some may have been resumed.
    pub async fn resume_ready(self: &Arc<Self>) -> Result<u64, Fault> {
        let mut resumed = 0;
        let mut start = 0;
        loop {
            let page = self.suspended_page(start).await?;
            let full = page.len() == LIMIT_DEFAULT as usize;
            for job in page {
                // One that goes on leaves the page behind it shorter.
                if self.resume_if_ready(&job).await? { resumed += 1 } else { start += 1 }
            }
            if !full {
                return Ok(resumed);
            }
        }
    }

    /// Suspended jobs, whatever for, oldest first, without what they were asked.
    async fn suspended_page(&self, start: u64) -> Result<Vec<Job>, Fault> {
        let state = Value::Text(JobState::Suspended.name().to_owned());
        let suspended = Condition { field: Field::State, op: Op::Eq, values: vec![state] };
        let query = Query {
            resource: Resource::Job,
            filter: Filter { conditions: vec![suspended], ..Filter::default() },
            sort: Some(Sort { descending: false, ..NEWEST_FIRST }),
            page: Page { start, limit: LIMIT_DEFAULT },
            want_rows: true,
            want_total: false,
            without_bodies: true, // a page of them may be more than an answer holds
        };
        match self.store.query(&query).await.map_err(|e| from_store(e, "the suspended jobs"))?.rows {
            Rows::Jobs(jobs) => Ok(jobs),
            _ => Err(Fault::internal("asked for jobs")),
        }
    }

    async fn resume_if_ready(self: &Arc<Self>, job: &Job) -> Result<bool, Fault> {
        if job.suspend != Some(SuspendReason::Storage) {
            return Ok(false);
        }
        let Some(handler) = self.registry.get(&job.job_name) else { return Ok(false) };
        let whole = self.store.job(job.id).await.map_err(|e| from_store(e, "a suspended job"))?;
        let Some(job) = whole.filter(|now| now.version == job.version) else { return Ok(false) };
        // Secrets are masked in it; which storages a job needs is none.
        let Ok(data) = (self.config.parse_data)(&job.job_data) else { return Ok(false) };
        if handler.ready(job.id, &data).await.is_err() {
            return Ok(false);
        }
        let mut change = Change::new(Actor::Node(self.node()), TimelineKind::ResumeRequested);
        change.event = Some(JobEvent::Resume);
        "what it waited for is there".clone_into(&mut change.detail);
        match self.store.change(job.id, job.version, change, None).await {
            Ok(_) => {
                self.wake.notify_one();
                Ok(true)
            }
            // Somebody else was faster; the next round looks again.
            Err(StoreError::Stale | StoreError::NotFound) => Ok(false),
            Err(error) => Err(from_store(error, &format!("long job[uuid:{}]", job.id))),
        }
    }
}
