//! Rerun: a final job runs afresh under the same uuid; earlier attempts stay in its timeline.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{ApiId, Change, Fault, Job, JobEvent};
use longhaul_store::StoreError;

use crate::cancel::{DECIDE_MAX, text};
use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::handler::CheckRequest;
use crate::inventory::not_found;
use crate::rules;

impl Engine {
    /// Reruns a final job with a new key of progress. Its request is checked again.
    ///
    /// # Errors
    /// As `rules::may_rerun`; whatever the type's check says.
    pub async fn rerun(self: &Arc<Self>, caller: &Caller, uuid: &str, api_id: ApiId) -> Result<Job, Fault> {
        for _ in 0..DECIDE_MAX {
            let job = self.owned_job(caller, uuid).await?;
            rules::may_rerun(&job)?;
            let handler = self.handler_for(&job.job_name, caller)?;
            handler
                .check(&CheckRequest {
                    job: job.id,
                    account: job.account,
                    admin: caller.admin,
                    target: job.target.clone(),
                    data: (self.config.parse_data)(&job.job_data)?,
                    rate: None, // it says when, not whether
                    host: self.host(),
                    dry_run: false,
                })
                .await?;
            let slot = self.slot_for_new(handler.job_type().class, &job.job_name, &job.terms);
            let mut change = Change::new(caller.actor(), TimelineKind::Rerun);
            change.event = Some(JobEvent::Rerun);
            change.api_id = Some(api_id.clone());
            // A job with secrets waits for the claim loop, which brings them from the store.
            change.claim_for = slot.as_ref().filter(|_| !self.has_secrets(&job)).map(|_| self.node());
            let record = caller.record_with(ApiOutcome::Job(job.id));
            self.expect_claim(job.id);
            let changed = self.store.change(job.id, job.version, change, record).await;
            let answer = match changed {
                Ok((job, claim)) => {
                    self.launch_claimed(&job, claim, slot, None);
                    Some(Ok(job))
                }
                Err(StoreError::Stale) => None,
                Err(StoreError::NotFound) => Some(Err(not_found("uuid", uuid, "LongJobVO"))),
                Err(error) => {
                    self.lost_answer.store(true, Ordering::SeqCst);
                    Some(Err(from_store(error, &text(&job))))
                }
            };
            self.expect_no_more(job.id);
            self.wake.notify_one();
            if let Some(answer) = answer {
                return answer;
            }
        }
        Err(from_store(StoreError::Stale, &format!("long job[uuid:{uuid}]")))
    }

    fn has_secrets(&self, job: &Job) -> bool {
        job.job_data.contains(crate::secrets::MASK)
    }
}
