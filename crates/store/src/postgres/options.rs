//! What can be set about a store on PostgreSQL, each with its default and bound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longhaul_model::Clock;

use crate::options::{LEASE_TTL_MS, QUERY_LIMIT, QUEUE_MAX};

/// Default connections that write.
pub const CONNECTIONS: usize = 12;
/// Default connections that read.
pub const READ_CONNECTIONS: usize = 6;
/// Default time limit of one transaction, from its begin to the answer of its commit.
pub const WRITE_LIMIT: Duration = Duration::from_secs(15);
/// Default time limit of making a connection.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Times that a transaction is begun before its conflict, or the lost connection, is told to the caller.
pub const TRIES_MAX: u32 = 8;
/// Threads that talk with the database; no handler of a job runs on them.
pub const IO_THREADS: usize = 2;

/// The settings of a store on PostgreSQL.
#[derive(Clone)]
pub struct PostgresOptions {
    /// For how long a heartbeat gives the lease, in ms. A transaction that says nothing for half of it is ended by
    /// the database, so that a process that stands still holds no lock that a takeover needs.
    pub lease_ttl_ms: i64,
    /// Connections that write, at least 1. Heartbeats have one more, of their own.
    pub connections: usize,
    /// Connections that read, at least 1.
    pub read_connections: usize,
    /// Most calls that wait for a connection or are under way; more are refused as `Unavailable`.
    pub queue_max: usize,
    /// Time limit of one query.
    pub query_limit: Duration,
    /// Time limit of one transaction.
    pub write_limit: Duration,
    /// Time limit of making a connection.
    pub connect_limit: Duration,
    /// Whether a database that holds nothing becomes a store; else it is refused as `OpenError::Empty`.
    pub may_begin: bool,
    /// For tests: the time in the place of the database's own.
    pub clock: Option<Arc<dyn Clock>>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            lease_ttl_ms: LEASE_TTL_MS,
            connections: CONNECTIONS,
            read_connections: READ_CONNECTIONS,
            queue_max: QUEUE_MAX,
            query_limit: QUERY_LIMIT,
            write_limit: WRITE_LIMIT,
            connect_limit: CONNECT_LIMIT,
            may_begin: true,
            clock: None,
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("lease_ttl_ms", &self.lease_ttl_ms)
            .field("connections", &self.connections)
            .field("read_connections", &self.read_connections)
            .field("queue_max", &self.queue_max)
            .field("query_limit", &self.query_limit)
            .field("write_limit", &self.write_limit)
            .field("may_begin", &self.may_begin)
            .finish_non_exhaustive()
    }
}
