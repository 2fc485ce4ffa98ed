//! Why a job that nobody runs is not claimed, as data. How that is said to people is in `longhaul_wire`.

use crate::id::{HostId, JobId};
use crate::job::SlotClass;
use crate::limits::LimitOf;
use crate::state::JobState;

/// Most jobs that are counted as being ahead of another.
pub const AHEAD_MAX: u64 = 1000;

/// One thing that a job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Somebody suspended it; only a resume lets it go on.
    Held,
    /// That moment, ms since 1970.
    NotBefore(i64),
    /// Jobs on its target that were submitted before it.
    Behind {
        /// The first of them.
        first: JobId,
        /// The state of that one.
        state: JobState,
        /// How many there are, `AHEAD_MAX` at most.
        ahead: u64,
    },
    /// A limit that is used up.
    Limit {
        /// What it counts.
        of: LimitOf,
        /// How many run.
        running: u32,
        /// How many may.
        most: u32,
    },
    /// A node of its host: no node there holds a live lease.
    HostAway(HostId),
    /// Any node: none holds a live lease.
    NoNode,
    /// A free slot; nothing else is in its way.
    Slot {
        /// Of which class.
        class: SlotClass,
        /// How many jobs that a node of its host could claim now go before it, `AHEAD_MAX` at most.
        ahead: u64,
    },
}
