//! What a queued write works with: the connection inside its savepoint, one moment of time, and the counts
//! that reach the store once per commit.

use std::cell::RefCell;
use std::collections::BTreeMap;

use longhaul_model::{Job, JobState, Runtime};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use super::Result;
use crate::lease::Leases;

/// Changes of counts by (account, job name, state).
pub(super) type Counts = BTreeMap<(String, String, &'static str), i64>;

pub(super) struct Tx<'a> {
    pub connection: &'a Connection,
    pub runtime: &'a dyn Runtime,
    pub ttl_ms: i64,
    /// When this write happens.
    pub now_ms: i64,
    pub counts: RefCell<Counts>,
}

impl Tx<'_> {
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.prepare(sql)?.execute(params)?)
    }

    /// The first row, if there is one.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.prepare(sql)?.query_row(params, read).optional()?)
    }

    pub(super) fn exists(&self, sql: &str, params: impl Params) -> Result<bool> {
        Ok(self.prepare(sql)?.exists(params)?)
    }

    /// Notes that there is one more (or less) job like this in `state`.
    pub(super) fn count(&self, job: &Job, state: JobState, change: i64) {
        self.count_as(&job.account.to_string(), &job.job_name, state, change);
    }

    /// The same of a job that is known by its columns.
    pub(super) fn count_as(&self, account: &str, job_name: &str, state: JobState, change: i64) {
        let key = (account.to_owned(), job_name.to_owned(), state.name());
        *self.counts.borrow_mut().entry(key).or_default() += change;
    }

    pub(super) fn leases(&self) -> Result<Leases> {
        let newest_ms = self.first("SELECT max(heartbeat_ms) FROM node", [], |row| row.get(0))?.flatten();
        let grace =
            self.first("SELECT value FROM meta WHERE key = 'grace_until_ms'", [], |row| row.get(0))?;
        Ok(Leases {
            now_ms: self.now_ms,
            ttl_ms: self.ttl_ms,
            newest_ms,
            grace_until_ms: grace.unwrap_or(i64::MIN),
        })
    }
}

/// Writes the changes of counts; part of the commit that they belong to.
pub(super) fn write_counts(connection: &Connection, counts: &Counts) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO job_count (account, job_name, state, n) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account, job_name, state) DO UPDATE SET n = n + excluded.n",
    )?;
    for ((account, job_name, state), change) in counts.iter().filter(|(_, change)| **change != 0) {
        statement.execute((account, job_name, state, change))?;
    }
    Ok(())
}
