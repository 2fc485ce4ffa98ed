//! Resume: a suspended job goes on, and one that is held waits on; the next free slot takes it from its checkpoint.

use std::sync::Arc;

use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, Fault, Job, JobEvent};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::inventory::not_found;
use crate::rules;

impl Engine {
    /// Resumes a suspended or held job; it keeps its API id.
    ///
    /// # Errors
    /// As `rules::may_resume`.
    pub async fn resume(self: &Arc<Self>, caller: &Caller, uuid: &str) -> Result<Job, Fault> {
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            rules::may_resume(&job, &self.job_type_of(&job)?)?;
            let mut change = Change::new(caller.actor(), TimelineKind::ResumeRequested);
            if rules::is_held(&job) {
                change.hold = Some(false);
            } else {
                change.event = Some(JobEvent::Resume);
            }
            let record = caller.record_with(ApiOutcome::Job(job.id));
            match self.store.change(job.id, job.version, change, record).await {
                Ok((job, _)) => {
                    self.wake.notify_one();
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
