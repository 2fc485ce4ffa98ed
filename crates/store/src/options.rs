//! What can be set about a store, each with its default and bound, and the hooks through which the outside
//! learns of a fatal fault or (in tests) causes one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Default lease time to live, in ms.
pub const LEASE_TTL_MS: i64 = 3500;
/// Default page cache of the writer, in bytes; a reader has a quarter of it.
pub const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Default most writes that wait for the writer; more are refused as `Unavailable`.
pub const QUEUE_MAX: usize = 4096;
/// Default read connections.
pub const READERS: usize = 4;
/// Default time limit of one query.
pub const QUERY_LIMIT: Duration = Duration::from_secs(5);
/// The exit code of a process whose store can no longer promise that a commit is durable.
pub const EXIT_NOT_DURABLE: i32 = 70;

/// Called once when a sync has failed. A later sync that succeeds would prove nothing, so this does not
/// return in a server; in a test it may, and every later write is refused.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// A fault to be met at a commit, for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// The commit fails and may be tried again later: a full disk.
    Refused,
    /// The sync fails: nothing may be promised any more.
    SyncFailed,
}

/// Asked before each commit, for tests.
pub type CommitHook = Arc<dyn Fn() -> Option<CommitFault> + Send + Sync>;

/// The settings of a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// For how long a heartbeat gives the lease, in ms.
    pub lease_ttl_ms: i64,
    /// `store.cacheBytes`: page cache of the SQLite writer; a reader has a quarter of it.
    pub cache_bytes: u64,
    /// Most writes that wait for the writer.
    pub queue_max: usize,
    /// Read connections, at least 1.
    pub readers: usize,
    /// Time limit of one query.
    pub query_limit: Duration,
    /// What happens when a sync has failed.
    pub on_fatal: FatalHook,
    /// Causes faults at commits, for tests.
    pub commit_fault: Option<CommitHook>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            lease_ttl_ms: LEASE_TTL_MS,
            cache_bytes: CACHE_BYTES,
            queue_max: QUEUE_MAX,
            readers: READERS,
            query_limit: QUERY_LIMIT,
            on_fatal: Arc::new(|why| {
                tracing::error!(why, "the store cannot promise durability any more; the process ends");
                std::process::exit(EXIT_NOT_DURABLE);
            }),
            commit_fault: None,
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("lease_ttl_ms", &self.lease_ttl_ms)
            .field("cache_bytes", &self.cache_bytes)
            .field("queue_max", &self.queue_max)
            .field("readers", &self.readers)
            .field("query_limit", &self.query_limit)
            .finish_non_exhaustive()
    }
}
