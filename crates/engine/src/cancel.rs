//! Cancel: a waiting job ends at once; a running one is told, and is Canceling until its work is undone.

use std::sync::Arc;

use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, Fault, Job, JobEvent, JobState};
use longhaul_store::StoreError;
use serde_json::Map;

use crate::context::Told;
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::handler::JobType;
use crate::inventory::not_found;
use crate::{result, rules};

/// How often a decision is made anew when the job changed meanwhile.
pub(crate) const DECIDE_MAX: usize = 16;

impl Engine {
    /// Cancels a job. Accepted is not done: it may still be Canceling. A second cancel is the same cancel.
    ///
    /// # Errors
    /// As `rules::may_cancel`; `NotCancelableNow` when the body refuses (the job is Canceling all the same).
    pub async fn cancel(self: &Arc<Self>, caller: &Caller, uuid: &str) -> Result<(), Fault> {
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            let job_type = self.job_type_of(&job)?;
            if !rules::may_cancel(&job, &job_type)? {
                return self.answer_only(caller, ApiOutcome::Empty).await;
            }
            if job.state == JobState::Canceling {
                self.refused_by_body(&job)?;
                return self.answer_only(caller, ApiOutcome::Empty).await;
            }
            let mut change = Change::new(caller.actor(), TimelineKind::CancelRequested);
            change.event = Some(JobEvent::Cancel);
            if job.state == JobState::Waiting {
                change.result = Some(result::canceled(job.id, Map::new()));
            }
            let refused = self.refused_by_body(&job);
            let record = if refused.is_ok() { caller.record_with(ApiOutcome::Empty) } else { None };
            match self.store.change(job.id, job.version, change, record).await {
                Ok((job, _)) => {
                    self.tell_stop(job.id, job.token, Told::Cancel);
                    self.wake.notify_one();
                    self.ended.notify_waiters();
                    return refused;
                }
                Err(StoreError::Stale) => {}
                Err(StoreError::NotFound) => return Err(not_found("uuid", uuid, "LongJobVO")),
                Err(error) => return Err(from_store(error, &text(&job))),
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }

    /// What the running body says to a cancel.
    ///
    /// # Errors
    /// It refuses one now.
    pub(crate) fn refused_by_body(&self, job: &Job) -> Result<(), Fault> {
        if !matches!(job.state, JobState::Running | JobState::Canceling) {
            return Ok(());
        }
        let Some(handler) = self.registry.get(&job.job_name) else { return Ok(()) };
        handler.accepts_cancel(&(self.config.parse_data)(&job.job_data).unwrap_or_default())
    }

    /// The rules of the job's type.
    ///
    /// # Errors
    /// This node does not know the type.
    pub(crate) fn job_type_of(&self, job: &Job) -> Result<JobType, Fault> {
        let handler = self.registry.get(&job.job_name).ok_or_else(|| {
            Fault::failed(format!("{} has no corresponding longjob on this node", job.job_name))
        })?;
        Ok(handler.job_type())
    }
}

pub(crate) fn text(job: &Job) -> String {
    format!("long job[uuid:{}]", job.id)
}
