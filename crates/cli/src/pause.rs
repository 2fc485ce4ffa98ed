//! The one place of this crate that reads the clock and sleeps. The client is an edge of the system: nothing
//! simulates it, so time is real here.

use std::time::{Duration, Instant};

/// Waits so long.
#[allow(clippy::disallowed_methods, reason = "the client is an edge: nothing simulates it")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// A moment, to measure from.
#[allow(clippy::disallowed_methods, reason = "the client is an edge: nothing simulates it")]
pub fn moment() -> Instant {
    Instant::now()
}

/// Pauses that grow from the first to the last one.
#[derive(Debug)]
pub struct Growing {
    next: Duration,
    last: Duration,
}

impl Growing {
    /// From `first`, doubling, to `last`.
    pub fn new(first: Duration, last: Duration) -> Self {
        Self { next: first, last }
    }

    /// How long the next pause is.
    pub fn step(&mut self) -> Duration {
        let now = self.next.min(self.last);
        self.next = (self.next * 2).min(self.last);
        now
    }
}
