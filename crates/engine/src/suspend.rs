//! Suspend: a waiting job is held where it is, a running one stops at a checkpoint; a resume lets it go on.

use std::sync::Arc;

use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, Fault, Job, JobState, SuspendReason};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::context::Told;
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::inventory::not_found;
use crate::rules;

impl Engine {
    /// Suspends a job for its caller: only a resume starts it. Accepted is not done: a running one is Running until
    /// its body has stopped. A second suspend is the same one.
    ///
    /// # Errors
    /// As `rules::may_suspend`.
    pub async fn suspend(self: &Arc<Self>, caller: &Caller, uuid: &str) -> Result<Job, Fault> {
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            rules::may_suspend(&job, &self.job_type_of(&job)?)?;
            if job.suspend == Some(SuspendReason::User) {
                self.answer_only(caller, ApiOutcome::Job(job.id)).await?;
                return Ok(job);
            }
            let change =
                Change { hold: Some(true), ..Change::new(caller.actor(), TimelineKind::SuspendRequested) };
            let record = caller.record_with(ApiOutcome::Job(job.id));
            match self.store.change(job.id, job.version, change, record).await {
                Ok((job, _)) => {
                    if job.state == JobState::Running {
                        self.tell_stop(job.id, job.token, Told::Suspend);
                    }
                    return Ok(job);
                }
                Err(StoreError::Stale) => {}
                Err(StoreError::NotFound) => return Err(not_found("uuid", uuid, "LongJobVO")),
                Err(error) => return Err(from_store(error, &text(&job))),
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }
}
