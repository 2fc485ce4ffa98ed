//! How time, chance and concurrency come in. The real implementation is `longhaul_engine::tokio_runtime`,
//! the deterministic one in `longhaul-sim`. Nothing in model, store or engine takes them from elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A boxed future that any thread may run.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC. May jump, forwards and backwards.
    fn now_ms(&self) -> i64;
}

/// Time, chance and concurrency.
pub trait Runtime: Clock {
    /// Runs `task` to its end beside the caller. `name` is for people.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);
    /// Like `spawn`, on a thread that no handler shares: for heartbeats, which must not wait for work.
    fn spawn_apart(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.spawn(name, task);
    }
    /// Ends after `duration` of monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Time since some fixed moment in the past; never goes backwards.
    fn monotonic(&self) -> Duration;
    /// 128 unpredictable bits.
    fn random_u128(&self) -> u128;
}
