//! Many submissions in one write: the promise that a store keeps for a call with many jobs.

use async_trait::async_trait;
use longhaul_model::{NewJob, Submitted};

use crate::{Jobs, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

/// Most submissions of one batch: what is written meanwhile waits for it, a heartbeat too.
pub const SUBMIT_BATCH_MAX: usize = 250;

/// Submissions by the batch.
#[async_trait]
pub trait Batches: Jobs {
    /// Stores up to `SUBMIT_BATCH_MAX` jobs, each as `submit` does without a record, in this order: an earlier
    /// one is before a later one for its uuid, its slot and its target. Each stands or falls by itself and is
    /// answered at its place; what is answered `Ok` is durable. A store that can does it in one transaction.
    ///
    /// # Errors
    /// Of one: as `submit`; nothing of it is written. Of all: `Unavailable`, and each may or may not be stored:
    /// it is sent again, and one that was is `Same`.
    async fn submit_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Submitted>>> {
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(self.submit(job, None).await);
        }
        Ok(answers)
    }
}
