//! The real `Runtime`: tokio for tasks and timers, the system's clocks and random bits. Heartbeats get a
//! thread of their own.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use longhaul_model::{BoxFuture, Clock, Runtime};

/// Time, chance and concurrency of the machine. To be made inside a tokio runtime.
pub struct TokioRuntime {
    start: Instant,
    handle: tokio::runtime::Handle,
    apart: OnceLock<tokio::runtime::Handle>,
}

#[allow(clippy::disallowed_methods, reason = "this is where `Runtime` meets the machine")]
mod machine {
    use super::*;

    impl TokioRuntime {
        /// Over the tokio runtime of the caller.
        ///
        /// # Panics
        /// Outside of one.
        pub fn new() -> Self {
            Self {
                // A start in the past, so that monotonic time is never zero.
                start: Instant::now(),
                handle: tokio::runtime::Handle::current(),
                apart: OnceLock::new(),
            }
        }
    }

    impl Clock for TokioRuntime {
        fn now_ms(&self) -> i64 {
            match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
            }
        }
    }

    impl Runtime for TokioRuntime {
        fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
            self.handle.spawn(task);
        }

        fn spawn_apart(&self, name: &'static str, task: BoxFuture<'static, ()>) {
            let handle = self.apart.get_or_init(|| apart(name).unwrap_or_else(|| self.handle.clone()));
            handle.spawn(task);
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(async move { tokio::time::sleep(duration).await })
        }

        fn monotonic(&self) -> Duration {
            self.start.elapsed() + Duration::from_secs(1)
        }

        fn random_u128(&self) -> u128 {
            let mut bits = [0u8; 16];
            // Ids and session secrets hang on it: without random bits there is no going on.
            getrandom::fill(&mut bits).expect("the system gives random bits");
            u128::from_le_bytes(bits)
        }
    }
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self::new()
    }
}

/// A single-threaded tokio runtime on a thread of its own, for as long as the process lives.
fn apart(name: &'static str) -> Option<tokio::runtime::Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .ok()?;
    Some(handle)
}
