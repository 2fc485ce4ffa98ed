//! The history of a job: one row for everything that happened to it, numbered without a gap.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, NodeId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TimelineKind {
    /// Submitted.
    Submitted,
    /// A first attempt began.
    Started,
    /// A further attempt began.
    Resumed,
    /// An attempt began because the node of the former one is gone.
    TakenOver,
    /// The attempt stopped and may be resumed.
    Suspended,
    /// The node gave the job back, for another attempt.
    Released,
    /// A cancel was asked for.
    CancelRequested,
    /// Name or description changed.
    Updated,
    /// A cleaning was asked for.
    CleanRequested,
    /// An operator asked to go on.
    ResumeRequested,
    /// Ended well.
    Succeeded,
    /// Ended by a cancel.
    Canceled,
    /// Ended badly.
    Failed,
    /// To run afresh.
    Rerun,
    /// Somebody asked to suspend it: a waiting job is held, a running one stops.
    SuspendRequested,
}

impl TimelineKind {
    /// All kinds, in the order of their numbers in the store. Append only.
    pub const ALL: [Self; 15] = [
        Self::Submitted,
        Self::Started,
        Self::Resumed,
        Self::TakenOver,
        Self::Suspended,
        Self::Released,
        Self::CancelRequested,
        Self::Updated,
        Self::CleanRequested,
        Self::ResumeRequested,
        Self::Succeeded,
        Self::Canceled,
        Self::Failed,
        Self::Rerun,
        Self::SuspendRequested,
    ];
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Actor {
    /// An account, through the API.
    Account(AccountId),
    /// A management node.
    Node(NodeId),
}

/// One row of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// 1, 2, 3 … per job, without a gap.
    pub seq: u64,
    /// When, in milliseconds since 1970, by the store's clock.
    pub at_ms: i64,
    /// What.
    pub kind: TimelineKind,
    /// Who.
    pub actor: Actor,
    /// Which attempt; 0 before the first.
    pub attempt: u32,
    /// The fencing token at that time; 0 before the first claim.
    pub token: u64,
    /// Why, for people; may be empty.
    pub detail: String,
}
