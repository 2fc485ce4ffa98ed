//! Direct calls: an API that is a job type too is submitted as a job and waited for, so that it is as
//! durable, canceled and taken over as one.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::{Code, Fault, Job, JobState};
use serde_json::Value;

use crate::engine::{Caller, Engine};
use crate::submit::{SubmitAnswer, SubmitRequest};

impl Engine {
    /// Submits and waits for the end.
    ///
    /// # Errors
    /// As `submit`; the failure of the job, `JobCanceled`, or `Timeout` after `patience` (the job goes on).
    pub async fn submit_and_wait(
        self: &Arc<Self>,
        caller: &Caller,
        request: SubmitRequest,
        patience: Duration,
    ) -> Result<Job, Fault> {
        let quiet = Caller { record: None, ..caller.clone() };
        let SubmitAnswer::Job(job) = self.submit(&quiet, request).await? else {
            return Err(Fault::internal("a dry run has no end to wait for"));
        };
        let id = job.id;
        let Some(job) = self.wait_final(id, patience).await? else {
            return Err(Fault::new(
                Code::Timeout,
                format!("still working after {} s; follow the long job[uuid:{id}]", patience.as_secs()),
            ));
        };
        match job.state {
            JobState::Succeeded => Ok(job),
            JobState::Canceled => {
                Err(Fault::new(Code::JobCanceled, format!("long job[uuid:{id}] has been canceled")))
            }
            _ => Err(Fault::failed(failure_text(&job))),
        }
    }
}

fn failure_text(job: &Job) -> String {
    let result: Value =
        job.job_result.as_deref().and_then(|r| serde_json::from_str(r).ok()).unwrap_or_default();
    let detail = result["detail"].as_str().unwrap_or("no details were kept");
    format!("long job[uuid:{}] failed: {detail}", job.id)
}
