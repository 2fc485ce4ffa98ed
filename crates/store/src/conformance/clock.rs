//! A runtime whose time is moved by hand and whose chance is counted: what cases run on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use longhaul_model::{BoxFuture, Clock, Runtime};

/// Where hand-moved time starts, ms since 1970.
pub const START_MS: i64 = 1_760_000_000_000;

/// Time that stands still until somebody moves it.
pub struct HandClock {
    now_ms: AtomicI64,
    drawn: AtomicU64,
}

impl HandClock {
    /// A clock at `START_MS`.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { now_ms: AtomicI64::new(START_MS), drawn: AtomicU64::new(0) })
    }

    /// Moves time on by `ms`; a negative number turns it back.
    pub fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

impl Runtime for HandClock {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        std::thread::spawn(move || futures::executor::block_on(task));
    }

    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending()) // nobody moves time for a sleeper here
    }

    fn monotonic(&self) -> Duration {
        let passed = self.now_ms().saturating_sub(START_MS);
        Duration::from_millis(u64::try_from(passed).unwrap_or(0))
    }

    fn random_u128(&self) -> u128 {
        // SplitMix64: ids that look random and are the same in every run.
        let draw = || {
            let mut z =
                self.drawn.fetch_add(1, Ordering::SeqCst).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        (u128::from(draw()) << 64) | u128::from(draw())
    }
}
