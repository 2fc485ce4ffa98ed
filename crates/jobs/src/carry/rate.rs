//! The rate of one copy while it runs: what of its tag, of the server's default and of other limits counts, looked at
//! again and again, told to the child and shown beside the progress.

use std::time::Duration;

use longhaul_engine::JobContext;
use longhaul_engine::progress::Limit;
use longhaul_engine::throttle::own_rate;
use longhaul_model::Fault;
use tokio::sync::watch;

use super::{CopyLimits, CopySettings};
use crate::attempt_io::ToChild;
use crate::attempt_io::parent::Line;

/// A running copy follows a changed limit within this.
pub const FOLLOW_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at the limits; a changed default is followed at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The rate of the copy of one attempt.
pub struct Rate<'c> {
    context: &'c JobContext,
    limits: watch::Receiver<CopyLimits>,
    /// As the job's tag says; what it said last while the store is away.
    own: Option<u64>,
}

impl<'c> Rate<'c> {
    /// That of the attempt's job.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn new(context: &'c JobContext, settings: &CopySettings) -> Result<Self, Fault> {
        let own = own_rate(context.system_tags().await?.iter().map(String::as_str));
        Ok(Self { context, limits: settings.limits.clone(), own })
    }

    /// Bytes per second from now on, 0 = unlimited. Shows what limits.
    pub fn now(&mut self) -> u64 {
        let default = self.limits.borrow_and_update().bytes_per_s;
        let (rate, why) = match self.own {
            Some(own) => (own, "its own rate"),
            None => (default, "copy.bytesPerSecond"),
        };
        self.context.limited((rate > 0).then(|| Limit { bytes_per_s: rate, why: why.to_owned() }));
        rate
    }

    /// Tells the child of every change after `told`. Does not end by itself: that the child is gone is found out by
    /// who listens to it.
    pub async fn pass_on(&mut self, mut told: u64, line: Line) {
        loop {
            tokio::select! {
                Ok(()) = self.limits.changed() => {}
                () = self.context.runtime().sleep(LOOK_EVERY) => {}
            }
            if let Ok(tags) = self.context.system_tags().await {
                self.own = own_rate(tags.iter().map(String::as_str));
            }
            let bytes_per_s = self.now();
            if bytes_per_s != told && line.send(&ToChild::Throttle { bytes_per_s }).await.is_err() {
                return std::future::pending().await;
            }
            told = bytes_per_s;
        }
    }
}
