//! The rate of one copy while it runs: what of its tag, of the server's default and of its storages' budgets counts,
//! looked at again and again, told to the child and shown beside the progress.

use std::time::Duration;

use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Limit;
use longhaul_engine::throttle::own_rate;
use longhaul_engine::{JobContext, Stopped};
use longhaul_model::Job;
use longhaul_model::explain::HeldBy;
use tokio::sync::watch;

use super::{CopyLimits, CopySettings, Order};
use crate::attempt_io::ToChild;
use crate::attempt_io::parent::Line;
use crate::copy::CHUNK_BYTES;
use crate::copy::control::PAUSED;
use crate::pace::{Allowance, Budget, By, Pacer, Seat};

/// A running copy follows a changed limit within this.
pub const FOLLOW_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at the limits; a changed default is followed at once.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The rate of the copy of one attempt.
pub struct Rate<'c> {
    context: &'c JobContext,
    limits: watch::Receiver<CopyLimits>,
    seat: Seat,
    /// As the job's tag says; what it said last while the store is away.
    own: Option<u64>,
}

impl<'c> Rate<'c> {
    /// That of the attempt's job, which counts for its storages until it is dropped. What limits it is shown from now on,
    /// also while the attempt does not move anything yet.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn new(context: &'c JobContext, settings: &CopySettings, order: &Order) -> Result<Self, Ended> {
        let own = own_rate(context.system_tags().await?.iter().map(String::as_str));
        let seat = settings.pacer.join(order.storages()).of(context.job().id);
        let mut rate = Self { context, limits: settings.limits.clone(), seat, own };
        rate.now();
        Ok(rate)
    }

    /// Ends when the copy may move something: how much, as `now`.
    ///
    /// # Errors
    /// The attempt is to stop.
    pub async fn open(&mut self) -> Result<u64, Stopped> {
        loop {
            match self.now() {
                PAUSED => self.context.sleep(LOOK_EVERY).await?,
                rate => return Ok(rate),
            }
            self.look().await;
        }
    }

    /// Tells the child of every change after `told`. Does not end by itself: that the child is gone is found out by
    /// who listens to it.
    pub async fn pass_on(&mut self, mut told: u64, line: Line) {
        loop {
            tokio::select! {
                Ok(()) = self.limits.changed() => {}
                () = self.context.runtime().sleep(LOOK_EVERY) => {}
            }
            self.look().await;
            let bytes_per_s = self.now();
            if bytes_per_s != told && line.send(&ToChild::Throttle { bytes_per_s }).await.is_err() {
                return std::future::pending().await;
            }
            told = bytes_per_s;
        }
    }

    /// Reads the job's tag again.
    async fn look(&mut self) {
        if let Ok(tags) = self.context.system_tags().await {
            self.own = own_rate(tags.iter().map(String::as_str));
        }
    }

    /// Bytes per second from now on, 0 = unlimited, or `PAUSED`. Shows what limits.
    fn now(&mut self) -> u64 {
        let default = self.limits.borrow_and_update().bytes_per_s;
        let cap = Some(self.own.unwrap_or(default)).filter(|cap| *cap > 0);
        self.seat.has_own_rate(self.own.is_some());
        let allowed = self.seat.allowed(cap, self.context.runtime().now_ms());
        self.context.limited(limit(&allowed, self.own.is_some()));
        match allowed.budget {
            Budget::Paused => PAUSED,
            Budget::PerSecond(bytes) => bytes.min(PAUSED - 1),
            Budget::Unlimited => 0,
        }
    }
}

/// What is shown of an allowance; `own`: whether the copy's cap is its job's own.
fn limit(allowed: &Allowance, own: bool) -> Option<Limit> {
    let by = match &allowed.by {
        By::Storage(words) => HeldBy::Storage(words.clone()),
        By::Cap if own => HeldBy::OwnRate,
        By::Cap | By::Nothing => HeldBy::DefaultRate,
    };
    allowed.budget.bytes_per_s().map(|bytes_per_s| Limit { bytes_per_s, by, piece_bytes: CHUNK_BYTES })
}

/// What holds the copy of a job back that another node runs, as that node told a second or two ago and the budgets of this
/// one say.
pub fn limit_elsewhere(pacer: &Pacer, job: &Job, now_ms: i64) -> Option<Limit> {
    let (allowed, own) = pacer.allowed_elsewhere(job.id, now_ms)?;
    limit(&allowed, own)
}

impl Drop for Rate<'_> {
    fn drop(&mut self) {
        self.context.limited(None);
    }
}
