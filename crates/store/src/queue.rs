//! The store's promises about what is claimed when, besides `Jobs::claim` itself: a family of `crate::traits`.
//! Each has its case in `conformance::queue` and `conformance::limits`.

use async_trait::async_trait;
use longhaul_model::{Claim, JobId, Limits, NodeId, Wait};

use crate::StoreError;

type Result<T> = std::result::Result<T, StoreError>;

/// The queue of jobs that wait.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts these limits in force for every node, in the place of those before; from the next claim on. What
    /// runs beyond them runs on. A job counts from its claim until it is suspended or ends, also while it is
    /// without a claim between two nodes; undoing a cancel needs no room. They are kept.
    async fn set_limits(&self, limits: &Limits) -> Result<()>;

    /// The limits in force.
    async fn limits(&self) -> Result<Limits>;

    /// What a job waits for that could run and that nobody holds: everything in its way, or, if nothing is, a
    /// free slot. Empty for any other job, and for an unknown one.
    async fn waits_for(&self, id: JobId) -> Result<Vec<Wait>>;

    /// The claims of `node` whose jobs are Running and to be suspended, or Canceling and their bodies to be dropped
    /// at once. One indexed query, made four times a second.
    async fn held(&self, node: NodeId) -> Result<Vec<Claim>>;

    /// Waiting jobs whose deadline has passed, at most `limit`, the longest passed first.
    async fn overdue(&self, limit: u32) -> Result<Vec<JobId>>;

    /// Removes up to `limit` final jobs that are no longer kept, as `Jobs::delete_job` does, those first that were
    /// submitted or rerun first; answers how many. A job stays while a job that it submitted (`PARENT_TAG`) is not
    /// final.
    async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64>;
}

/// Which final jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Those submitted and changed within this time, ms; `None`: however old.
    pub age_ms: Option<i64>,
    /// So many, the newest; `None`: however many.
    pub jobs: Option<u64>,
}
