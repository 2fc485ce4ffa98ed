//! On what terms a job runs: what its submitter asks of the queue. How the tags that say so are spelled is in
//! `longhaul_engine::terms`; what follows for claims is the store's.

use serde::{Deserialize, Serialize};

use crate::id::HostId;
use crate::job::Job;
use crate::state::JobState;

/// The highest priority.
pub const PRIORITY_MAX: u8 = 9;
/// The priority of a job that asks for none.
pub const PRIORITY_DEFAULT: u8 = 5;
/// Most retries after faults that a job may ask for.
pub const RETRIES_MAX: u32 = 100;
/// Longest deadline, s: a year.
pub const DEADLINE_MAX_S: u64 = 366 * 24 * 3600;

/// What a submission asks of the queue. The default asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Terms {
    /// 0 to 9; of waiting jobs of a class the higher is claimed first, strictly.
    pub priority: u8,
    /// It does not start before this moment, ms since 1970.
    pub not_before_ms: Option<i64>,
    /// Only nodes of this host may claim it.
    pub host: Option<HostId>,
    /// So long after its submission or last rerun it has failed if it has not ended, s.
    pub deadline_s: Option<u64>,
    /// How often it is tried again after a fault that may pass.
    pub retries: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { priority: PRIORITY_DEFAULT, not_before_ms: None, host: None, deadline_s: None, retries: 0 }
    }
}

impl Job {
    /// When its deadline is, ms since 1970, if it has one.
    pub fn deadline_ms(&self) -> Option<i64> {
        let after_s = i64::try_from(self.terms.deadline_s?).unwrap_or(i64::MAX);
        Some(self.create_ms.saturating_add(after_s.saturating_mul(1000)))
    }

    /// Its place among the ranks of its class, the smallest first: what has begun goes on before anything
    /// else starts, then one rank per priority.
    pub fn rank(&self) -> u8 {
        if self.state == JobState::Waiting { 1 + PRIORITY_MAX.saturating_sub(self.terms.priority) } else { 0 }
    }
}
