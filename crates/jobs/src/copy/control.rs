//! What can be changed about a copy while it runs: its rate, that it stops, until when its lease is
//! good. Who changes it: the child's socket, in `attempt_io::child`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::CHUNK_BYTES;
use crate::storage::DiskError;

/// The rate of a copy that is to stand still, which checkpoint and lease outlast; 0 is unlimited.
pub const PAUSED: u64 = u64::MAX;

/// Nanoseconds since boot, sleep included: the clock of leases, which no one can set.
pub fn boottime_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    (t.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(t.tv_nsec as u64)
}

/// The handles on a running copy; shared by its threads.
#[derive(Debug)]
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Boottime in nanoseconds; `u64::MAX` without a lease.
    lease_until_ns: AtomicU64,
    lease_ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    canceled: bool,
    bucket: Bucket,
}

/// What a rate leaves to be moved. A piece is taken whole as soon as anything may be moved, and paid off afterwards.
#[derive(Debug)]
struct Bucket {
    /// Bytes per second, 0 = unlimited, or `PAUSED`.
    rate: u64,
    /// Bytes that may be copied now; negative while what was copied is paid off.
    tokens: i128,
    /// `None`: nothing was asked for yet.
    refilled_at_ns: Option<u64>,
}

impl Control {
    /// A copy at `rate` bytes per second, 0 = unlimited, or `PAUSED`, without a lease.
    pub fn new(rate: u64) -> Self {
        Self {
            state: Mutex::new(State { canceled: false, bucket: Bucket::new(rate) }),
            changed: Condvar::new(),
            lease_until_ns: AtomicU64::new(u64::MAX),
            lease_ended: AtomicBool::new(false),
        }
    }

    /// Changes the rate, in bytes per second, 0 = unlimited, or `PAUSED`; from now on.
    pub fn set_rate(&self, rate: u64) {
        self.lock().bucket.set_rate(rate, boottime_ns());
        self.changed.notify_all();
    }

    /// Stops the copy between two chunks.
    pub fn cancel(&self) {
        self.lock().canceled = true;
        self.changed.notify_all();
    }

    /// The lease is good for `ttl_ms` from `at_ns` of `boottime_ns`, which may be long ago.
    pub fn confirm_lease(&self, at_ns: u64, ttl_ms: u64) {
        let until = at_ns.saturating_add(ttl_ms.saturating_mul(1_000_000));
        if !self.lease_ended.load(Ordering::Acquire) {
            self.lease_until_ns.store(until, Ordering::Release);
        }
    }

    /// No lease is needed any more: nothing is written from here on.
    pub fn end_lease(&self) {
        self.lease_ended.store(true, Ordering::Release);
        self.lease_until_ns.store(u64::MAX, Ordering::Release);
    }

    /// Whether the lease still is good; asked right before each write.
    ///
    /// # Errors
    /// `LeaseExpired`.
    pub fn check_lease(&self) -> Result<(), DiskError> {
        let until = self.lease_until_ns.load(Ordering::Acquire);
        if until != u64::MAX && boottime_ns() >= until { Err(DiskError::LeaseExpired) } else { Ok(()) }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// `Canceled`, `LeaseExpired`.
    pub fn check(&self) -> Result<(), DiskError> {
        if self.lock().canceled {
            return Err(DiskError::Canceled);
        }
        self.check_lease()
    }

    /// Waits until `bytes` may be moved. They are taken whole before anything is read, so that what is on
    /// its way and not yet in a checkpoint stays small under a low rate.
    ///
    /// # Errors
    /// `Canceled`, `LeaseExpired`.
    pub fn acquire(&self, bytes: u64) -> Result<(), DiskError> {
        let mut state = self.lock();
        loop {
            if state.canceled {
                return Err(DiskError::Canceled);
            }
            self.check_lease()?;
            let Err(wait_ns) = state.bucket.take(bytes, boottime_ns()) else { return Ok(()) };
            // At most a second, so that the lease is looked at now and then.
            let wait = Duration::from_nanos(wait_ns.clamp(100_000, 1_000_000_000) as u64);
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid at every instruction: a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// One piece is free, so that a copy that is killed again and again still comes forward; no more than that, so that
    /// each attempt keeps to its rate from the begin on.
    fn new(rate: u64) -> Self {
        Self { rate, tokens: 1, refilled_at_ns: None }
    }

    fn set_rate(&mut self, rate: u64, now_ns: u64) {
        if self.refilled_at_ns.is_some() {
            self.refill(now_ns);
        }
        self.rate = rate;
        // A debt made at another rate must not stall the new one for longer than a chunk takes.
        self.tokens = self.tokens.max(-i128::from(CHUNK_BYTES));
    }

    /// Takes a piece of `bytes`.
    ///
    /// # Errors
    /// None may be taken now: after so many ns there may be one, at this rate.
    fn take(&mut self, bytes: u64, now_ns: u64) -> Result<(), i128> {
        self.refill(now_ns);
        match self.rate {
            PAUSED => Err(i128::MAX),
            rate if rate > 0 && self.tokens <= 0 => Err((1 - self.tokens) * 1_000_000_000 / i128::from(rate)),
            _ => {
                self.tokens -= i128::from(bytes);
                Ok(())
            }
        }
    }

    fn refill(&mut self, now_ns: u64) {
        // What comes before the first piece, opening and mapping, earns nothing: it would come on top of the first.
        let since_ns = self.refilled_at_ns.unwrap_or(now_ns);
        if self.rate == PAUSED {
            self.refilled_at_ns = Some(now_ns);
            return;
        }
        let passed = i128::from(now_ns.saturating_sub(since_ns));
        let gained = passed * i128::from(self.rate) / 1_000_000_000;
        if self.rate == 0 {
            self.tokens = 1;
            self.refilled_at_ns = Some(now_ns);
        } else if gained > 0 || self.refilled_at_ns.is_none() {
            // What was not used is kept for a quarter of a second, and never less than a chunk.
            let burst = i128::from(CHUNK_BYTES.max(self.rate / 4));
            self.tokens = (self.tokens + gained).min(burst);
            self.refilled_at_ns = Some(now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    proptest! {
        /// However long it took until the first piece, and however often the rate was paused before.
        #[test]
        fn the_first_second_has_no_more_than_its_rate_and_one_piece(
            rate in 1_u64..1 << 30,
            piece in (64_u64 << 10)..=CHUNK_BYTES,
            before_ns in 0_u64..60 * SECOND_NS,
            is_paused_first in any::<bool>(),
        ) {
            let mut bucket = Bucket::new(if is_paused_first { PAUSED } else { rate });
            if is_paused_first {
                let _ = bucket.take(piece, 0);
                bucket.set_rate(rate, before_ns);
            }
            let (mut now_ns, mut moved) = (before_ns, 0);
            while now_ns - before_ns <= SECOND_NS {
                match bucket.take(piece, now_ns) {
                    Ok(()) => moved += piece,
                    Err(wait_ns) => now_ns += u64::try_from(wait_ns.max(1)).unwrap_or(u64::MAX / 4),
                }
                if moved > rate + 2 * CHUNK_BYTES {
                    break; // it is told below
                }
            }
            prop_assert!(moved >= piece, "one piece is free");
            prop_assert!(moved <= rate + piece + 1, "{moved} of {rate} in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_not_used_is_kept_for_a_while_so_that_the_average_is_the_rate() {
        let (rate, mut moved) = (8 * CHUNK_BYTES, 0);
        let mut bucket = Bucket::new(rate);
        // Looked at seldom, as by a machine that is busy.
        for step in 0..=400 {
            while bucket.take(CHUNK_BYTES, step * SECOND_NS / 10).is_ok() {
                moved += CHUNK_BYTES;
            }
        }
        assert!(moved.abs_diff(40 * rate) <= 2 * CHUNK_BYTES, "{moved}");
    }

    #[test]
    fn a_canceled_copy_gets_no_more_bytes() {
        let control = Control::new(1);
        control.acquire(CHUNK_BYTES).unwrap();
        std::thread::scope(|s| {
            let waiting = s.spawn(|| control.acquire(1));
            control.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(DiskError::Canceled)));
        });
    }

    #[test]
    fn lifting_the_rate_frees_who_waits() {
        let control = Control::new(1);
        control.acquire(CHUNK_BYTES * 2).unwrap();
        std::thread::scope(|s| {
            let waiting = s.spawn(|| control.acquire(CHUNK_BYTES));
            control.set_rate(0);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_paused_copy_moves_nothing_until_it_has_a_rate_again() {
        let control = Control::new(PAUSED);
        std::thread::scope(|s| {
            let waiting = s.spawn(|| control.acquire(1));
            assert!(control.lock().bucket.tokens > 0, "a chunk would be free at any rate");
            control.set_rate(1);
            waiting.join().unwrap().unwrap();
        });
        control.set_rate(PAUSED);
        std::thread::scope(|s| {
            let waiting = s.spawn(|| control.acquire(1));
            control.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(DiskError::Canceled)), "it hears a cancel");
        });
    }

    #[test]
    fn an_expired_lease_stops_the_next_write() {
        let control = Control::new(0);
        control.check_lease().unwrap();
        let now_ns = boottime_ns();
        control.confirm_lease(now_ns, 0);
        assert!(matches!(control.check_lease(), Err(DiskError::LeaseExpired)));
        control.confirm_lease(now_ns, 60_000);
        control.check_lease().unwrap();
        control.confirm_lease(now_ns - 60_000_000_000, 60_000);
        assert!(
            matches!(control.check_lease(), Err(DiskError::LeaseExpired)),
            "it was on its way for too long"
        );
    }
}
