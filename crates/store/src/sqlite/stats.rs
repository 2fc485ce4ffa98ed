//! What the store has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that made writes durable: one sync each.
    pub commits: u64,
    /// Writes that a commit made durable.
    pub writes: u64,
    /// Writes that were refused by a guard and rolled back alone.
    pub refused: u64,
    /// Most writes in one commit.
    pub largest_batch: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Times the log was moved into the file.
    pub checkpoints: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub commits: AtomicU64,
    pub writes: AtomicU64,
    pub refused: AtomicU64,
    pub largest_batch: AtomicU64,
    pub failed_commits: AtomicU64,
    pub checkpoints: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: of(&self.commits),
            writes: of(&self.writes),
            refused: of(&self.refused),
            largest_batch: of(&self.largest_batch),
            failed_commits: of(&self.failed_commits),
            checkpoints: of(&self.checkpoints),
        }
    }
}
