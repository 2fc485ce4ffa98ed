//! What people see of a running job. For the next attempt there is the checkpoint: see `job`.

use serde::{Deserialize, Serialize};

/// How far a job is. May be lost, never goes backwards within an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100; at most 99 until success is verified.
    pub percent: u8,
    /// What is being done, in the job type's words: `copying`, `verifying`.
    pub stage: String,
    /// Bytes done, where the work is bytes; else 0.
    pub bytes_done: u64,
    /// Bytes in all, where the work is bytes; else 0.
    pub bytes_total: u64,
    /// Bytes per second of late; 0 = unknown.
    pub rate_bytes_per_s: u64,
    /// Seconds to go, as far as can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<u64>,
    /// Whether nothing moved for 30 seconds.
    #[serde(default)]
    pub stalled: bool,
    /// How the work that this job gave to others stands, where it does that. Live only: it is not stored.
    #[serde(skip)]
    pub parts: Option<Parts>,
    /// When this was seen, in milliseconds since 1970.
    pub at_ms: i64,
}

/// How the parts of a job that only submits others and waits for them stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Parts {
    /// All of them, as far as known.
    pub total: u32,
    /// Done.
    pub done: u32,
    /// Being worked on.
    pub running: u32,
    /// Something stands in their way.
    pub blocked: u32,
    /// Failed, or canceled by somebody.
    pub failed: u32,
}

impl Progress {
    /// Nothing done yet.
    pub fn none(at_ms: i64) -> Self {
        Self {
            percent: 0,
            stage: String::new(),
            bytes_done: 0,
            bytes_total: 0,
            rate_bytes_per_s: 0,
            eta_s: None,
            stalled: false,
            parts: None,
            at_ms,
        }
    }

    /// `later`, but never behind `self`: percent and bytes keep their largest value.
    #[must_use]
    pub fn advanced_to(&self, later: Progress) -> Progress {
        Progress {
            percent: later.percent.max(self.percent).min(100),
            bytes_done: later.bytes_done.max(if later.stage == self.stage { self.bytes_done } else { 0 }),
            ..later
        }
    }
}
