//! What a store can answer instead of a result.

use longhaul_model::IllegalTransition;

/// Why the store did not do it. Unless a variant says otherwise, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The claim is no longer the newest on its job, or its node's lease has ended.
    #[error("the lease on this job is lost; another attempt holds it")]
    LeaseLost,
    /// The version is no longer the one that was read: read again and decide again.
    #[error("the record has changed since it was read")]
    Stale,
    /// There is no such record.
    #[error("there is no such record")]
    NotFound,
    /// The uuid or the name is taken, by another request or resource.
    #[error("the uuid or name is already used")]
    Taken,
    /// There would be more than are kept of one resource.
    #[error("there are {limit} already, which is the most")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The record is used by others, which are named.
    #[error("still in use: {0}")]
    InUse(String),
    /// The state machine refuses.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Not stored, unless it says that it may be; may be sent again: the queue is full, the disk is full, the commit failed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The database answers, but refuses what the store says to it: a right, a table or a function is missing. No record
    /// is to blame. Nothing is stored; may be sent again, and is taken as soon as that is mended.
    #[error("the database refuses the store's statements: {0}")]
    Refused(String),
    /// A query ran into its time limit.
    #[error("the query took longer than {limit_s} s; ask for fewer rows or an indexed field")]
    TooSlow {
        /// The limit, in seconds.
        limit_s: u64,
    },
    /// The rows would be more than one answer holds.
    #[error(
        "the answer would have more than {limit_bytes} bytes; ask for fewer rows with limit, or for the fields you need with fields, without jobData and jobResult"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The store holds something this release cannot read.
    #[error("the store is damaged or from another release: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may be taken later without anybody changing it or a record.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Refused(_))
    }
}
