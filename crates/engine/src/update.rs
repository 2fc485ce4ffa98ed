//! Update: a job's name and description, in any state.

use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, Fault, Job};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::inventory::not_found;

impl Engine {
    /// Changes what is given; with neither, answers the job unchanged.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`.
    pub async fn update(
        &self,
        caller: &Caller,
        uuid: &str,
        name: Option<String>,
        description: Option<String>,
    ) -> Result<Job, Fault> {
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            if name.is_none() && description.is_none() {
                self.answer_only(caller, ApiOutcome::Job(job.id)).await?;
                return Ok(job);
            }
            let mut change = Change::new(caller.actor(), TimelineKind::Updated);
            change.name.clone_from(&name);
            change.description.clone_from(&description);
            let record = caller.record_with(ApiOutcome::Job(job.id));
            match self.store.change(job.id, job.version, change, record).await {
                Ok((job, _)) => return Ok(job),
                Err(StoreError::Stale) => {}
                Err(StoreError::NotFound) => return Err(not_found("uuid", uuid, "LongJobVO")),
                Err(error) => return Err(from_store(error, &text(&job))),
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }
}
