//! Deadlines: a waiting job past its own is ended by any node, a running one is told to stop by the node that runs
//! it. A suspended one is claimed by then and ended like a running one.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Change, Code, Fault, Job, JobEvent, JobId, JobState};
use longhaul_store::StoreError;

use crate::context::{JobContext, Told};
use crate::engine::Engine;
use crate::result;
use crate::terms::deadline_text;
use crate::troubles::Asked;

/// How often it is looked for waiting jobs past their deadline.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most of them that are ended at a look.
const AT_A_LOOK_MAX: u32 = 256;
/// A clock that is set is noticed within this time.
const LONGEST_SLEEP_MS: i64 = 10_000;

/// What a job past its deadline fails of.
pub(crate) fn fault(job: &Job) -> Fault {
    let after_s = job.terms.deadline_s.unwrap_or_default();
    Fault::new(Code::DeadlinePassed, deadline_text(after_s, job.state))
}

impl Engine {
    /// Whether the job's deadline has passed.
    pub(crate) fn is_past_deadline(&self, job: &Job) -> bool {
        job.deadline_ms().is_some_and(|at_ms| at_ms <= self.runtime.now_ms())
    }

    /// Ends waiting jobs whose deadline has passed.
    pub(crate) async fn end_overdue(self: &Arc<Self>) {
        let overdue = match self.store.overdue(AT_A_LOOK_MAX).await {
            Ok(overdue) => overdue,
            Err(error) => return self.troubles.failed(Asked::Deadlines, &error, &*self.runtime),
        };
        for id in overdue {
            match self.end_waiting(id).await {
                // Another node was faster, or somebody started or changed it: seen at the next look.
                Ok(()) | Err(StoreError::Stale | StoreError::NotFound | StoreError::Illegal(_)) => {}
                Err(error) => {
                    let why = format!("job {id}: {error}");
                    return self.troubles.failed(Asked::Deadlines, &why, &*self.runtime);
                }
            }
        }
        self.troubles.answered(Asked::Deadlines, &*self.runtime);
    }

    async fn end_waiting(self: &Arc<Self>, id: JobId) -> Result<(), StoreError> {
        let Some(job) = self.store.job(id).await?.filter(|job| job.state == JobState::Waiting) else {
            return Ok(());
        };
        let fault = fault(&job);
        let mut change = Change::new(Actor::Node(self.node()), TimelineKind::Failed);
        change.event = Some(JobEvent::Fail);
        change.result = Some(result::failure(&fault, self.config.code_text));
        change.detail = fault.to_string();
        self.store.change(id, job.version, change, None).await?;
        self.ended.notify_waiters();
        self.wake.notify_one(); // the next on its target
        Ok(())
    }

    /// Tells the attempt to stop when its deadline comes. Never ends.
    pub(crate) async fn watch_deadline(&self, context: &JobContext) {
        if let Some(at_ms) = context.job.deadline_ms() {
            loop {
                let left_ms = at_ms.saturating_sub(self.runtime.now_ms());
                if left_ms <= 0 {
                    break;
                }
                let sleep_ms = left_ms.min(LONGEST_SLEEP_MS);
                self.runtime.sleep(Duration::from_millis(u64::try_from(sleep_ms).unwrap_or(1))).await;
            }
            self.tell_stop(context.claim.job, context.claim.token, Told::Deadline);
        }
        std::future::pending().await
    }
}
