//! Delete: the record of a final job goes, with its history; its uuid is free again.

use longhaul_model::resource::ApiOutcome;
use longhaul_model::{Code, Fault, JobId, is_choosable_uuid};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::rules;

impl Engine {
    /// Deletes a final job. An unknown uuid is no error if it could be one.
    ///
    /// # Errors
    /// As `rules::may_delete`; `NotFound` for a malformed uuid; `PermissionDenied` for a foreign job.
    pub async fn delete(&self, caller: &Caller, uuid: &str) -> Result<(), Fault> {
        for _ in 0..DECIDE_MAX {
            let known = match uuid.parse::<JobId>() {
                Ok(id) => self.store.job(id).await.map_err(|e| from_store(e, "the long job"))?,
                Err(_) => None,
            };
            let Some(job) = known else {
                if is_choosable_uuid(uuid) {
                    return self.answer_only(caller, ApiOutcome::Empty).await;
                }
                return Err(Fault::new(Code::NotFound, format!("invalid value[{uuid}] of field [uuid]")));
            };
            self.owned_job(caller, uuid).await?;
            rules::may_delete(&job)?;
            match self.store.delete_job(job.id, job.version, caller.record_with(ApiOutcome::Empty)).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Stale | StoreError::NotFound) => {} // look again
                Err(error) => return Err(from_store(error, &text(&job))),
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }
}
