//! Clean: a Canceling job whose body does not end is dropped where it stands and undone.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::Fault;
use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, JobId};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::inventory::not_found;
use crate::rules;

/// How long the call waits for the cleaning before it answers that it goes on.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Cleans a Canceling job; it ends Canceled. Answers when it is done, or after 5 s.
    ///
    /// # Errors
    /// As `rules::may_clean`.
    pub async fn clean(self: &Arc<Self>, caller: &Caller, uuid: &str) -> Result<(), Fault> {
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            rules::may_clean(&job, &self.job_type_of(&job)?)?;
            let change =
                Change { drop_body: true, ..Change::new(caller.actor(), TimelineKind::CleanRequested) };
            let record = caller.record_with(ApiOutcome::Empty);
            match self.store.change(job.id, job.version, change, record).await {
                Ok((job, _)) => return self.enforce(job.id, job.token).await,
                Err(StoreError::Stale) => {}
                Err(StoreError::NotFound) => return Err(not_found("uuid", uuid, "LongJobVO")),
                Err(error) => return Err(from_store(error, &text(&job))),
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }

    async fn enforce(&self, id: JobId, token: u64) -> Result<(), Fault> {
        // At once where it runs here; another node sees it within its poll.
        self.drop_body(id, token);
        self.wake.notify_one();
        self.wait_final(id, PATIENCE).await?;
        Ok(())
    }
}
