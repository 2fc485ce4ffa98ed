//! Why a job is where it is, and what would become of it, as data. How that is found out is in
//! `longhaul_engine::explain`, how it is said to people in `longhaul_wire`.

use crate::id::{HostId, JobId, NodeId};
use crate::job::{Job, SlotClass};
use crate::limits::LimitOf;
use crate::state::JobState;
use crate::wait::Wait;

/// One reason why a job is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Waiting: somebody holds it.
    Held,
    /// Nobody runs it before that moment, ms since 1970.
    NotBefore(i64),
    /// Jobs on its target go before it.
    Behind {
        /// The first of them.
        first: JobId,
        /// The state of that one.
        state: JobState,
        /// How many there are, `AHEAD_MAX` at most.
        ahead: u64,
    },
    /// A limit is used up.
    Limit {
        /// What it counts.
        of: LimitOf,
        /// How many run.
        running: u32,
        /// How many may.
        most: u32,
    },
    /// No node of its host is alive.
    HostAway(HostId),
    /// No node is alive.
    NoNode,
    /// Every node that could run it is drained.
    Drained,
    /// It waits for a free slot.
    Slot {
        /// Of which class.
        class: SlotClass,
        /// How many jobs go before it, `AHEAD_MAX` at most.
        ahead: u64,
        /// Whether one is free: it waits for no more than the next look of a node.
        free: bool,
        /// Whether only the slots of one host count: what it works on lies there.
        bound: bool,
    },
    /// It has begun and nobody holds it: the next attempt goes on. What that waits for is said besides.
    BetweenAttempts {
        /// The attempt that ended.
        attempt: u32,
    },
    /// An attempt works on it.
    Works(Work),
    /// An attempt works on it, and nothing has moved for `STALL_AFTER` that might have.
    Stalled {
        /// The attempt.
        work: Work,
        /// Whether it copies from and to storages.
        copies: bool,
    },
    /// Its bytes are held back.
    HeldBack {
        /// Most bytes per second; 0 = it stands still.
        bytes_per_s: u64,
        /// What holds them back.
        by: HeldBy,
        /// How fast it moves; 0 = not known yet.
        moves: u64,
        /// Seconds to go, as far as can be told.
        left_s: Option<u64>,
    },
    /// Somebody holds it of whom nothing was heard for a while: maybe nobody works on it.
    NodeSilent {
        /// Who held it; `None`: it is gone.
        node: Option<NodeId>,
        /// The name of that machine, where it is known.
        host_name: Option<String>,
        /// Its last heartbeat, ms since 1970, where it is known.
        heard_ms: Option<i64>,
        /// When another node takes it at the latest, ms since 1970; `None`: none could.
        taken_ms: Option<i64>,
    },
    /// The host of its node is drained.
    NodeDrained {
        /// Whether another node goes on with it; else it runs to its end there.
        moves: bool,
    },
    /// It was asked to suspend, and its attempt has not ended yet.
    Suspending,
    /// Somebody suspended it.
    SuspendedByUser,
    /// A fault suspended it, and it is tried again by itself.
    Retried {
        /// The fault.
        fault: String,
        /// When it is tried again, ms since 1970.
        at_ms: i64,
    },
    /// A fault suspended it until somebody resumes it.
    Interrupted {
        /// The fault.
        fault: String,
    },
    /// A storage that it needs is away.
    StorageAway {
        /// What was found.
        fault: String,
    },
    /// A storage that it writes to has no room left.
    StorageFull {
        /// What was found: how many bytes are needed and free.
        fault: String,
    },
    /// It is canceled, and its holder undoes what it made.
    Undoing {
        /// Who undoes it.
        node: Option<NodeId>,
        /// When the cancel was asked for, ms since 1970.
        since_ms: i64,
        /// When an attempt that has not stopped by itself is dropped and undone, ms since 1970.
        enforced_ms: i64,
    },
    /// It is canceled, and no node has taken it to undo what it made.
    UndoWaits {
        /// When the cancel was asked for, ms since 1970.
        since_ms: i64,
    },
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed {
        /// Why.
        fault: String,
        /// How many retries it has had.
        retried: u32,
        /// How many it might have had.
        retries: u32,
    },
    /// A cancel ended it.
    Canceled,
}

/// What holds the bytes of a copy back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBy {
    /// The rate that its system tag gives it.
    OwnRate,
    /// The rate of every copy without one of its own.
    DefaultRate,
    /// The budget of a storage, or a window of it: in words, as a part of a sentence.
    Storage(String),
}

impl HeldBy {
    /// As a part of a sentence.
    pub fn words(&self) -> &str {
        match self {
            Self::OwnRate => "its own rate",
            Self::DefaultRate => "copy.bytesPerSecond",
            Self::Storage(words) => words,
        }
    }
}

/// An attempt that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub attempt: u32,
    /// Who runs it.
    pub node: Option<NodeId>,
    /// The name of that machine, while the node is alive.
    pub host_name: Option<String>,
    /// When it began, ms since 1970.
    pub since_ms: i64,
    /// So long ago it saved what it would go on from, ms; `None`: not yet, or another node knows.
    pub saved_ago_ms: Option<u64>,
}

impl From<Wait> for Reason {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Held => Self::Held,
            Wait::NotBefore(at_ms) => Self::NotBefore(at_ms),
            Wait::Behind { first, state, ahead } => Self::Behind { first, state, ahead },
            Wait::Limit { of, running, most } => Self::Limit { of, running, most },
            Wait::HostAway(host) => Self::HostAway(host),
            Wait::NoNode => Self::NoNode,
            Wait::Slot { class, ahead } => Self::Slot { class, ahead, free: false, bound: false },
        }
    }
}

/// What a cancel would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnCancel {
    /// End the job at once: there is nothing to undo.
    EndsAtOnce,
    /// Stop the attempt and undo what it made; enforced after so long, in s.
    Undoes {
        /// Until it is enforced.
        within_s: u64,
    },
    /// Be refused while the attempt runs; the job is Canceling all the same until its body ends.
    RefusedByBody {
        /// What the body says.
        fault: String,
    },
    /// Be refused: the type cannot be canceled once it has begun.
    NotSupported,
    /// Nothing more: it is being canceled.
    UnderWay,
    /// Nothing: it has ended.
    Ended,
}

/// What a restart of its server, or the loss of its node, would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRestart {
    /// Nothing: nobody runs it.
    Stays,
    /// The next attempt goes on from the checkpoint.
    GoesOn,
    /// The next attempt begins anew.
    BeginsAnew,
    /// What it made is undone and it fails.
    Fails,
    /// What is undone is undone further by another attempt.
    UndoGoesOn,
}

/// All that is told of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The job.
    pub job: Job,
    /// Why it is where it is, at least one; the first is the chief one.
    pub reasons: Vec<Reason>,
    /// What a cancel would do.
    pub on_cancel: OnCancel,
    /// What a restart, and the loss of its node, would do.
    pub on_restart: OnRestart,
    /// After so long without a heartbeat of its node another takes it over, in s.
    pub lease_s: u64,
}
