//! Moves the log into the file: every 2 s or 4,000 pages on a connection of its own, beside the writer; the
//! log is cut to nothing when the store is idle. Where writes never pause, the log would grow without end,
//! because it starts afresh only when all of it is moved: then the writer moves the small rest itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::stats::Counters;

/// At least so often, if anything was written.
const EVERY: Duration = Duration::from_secs(2);
/// Or after so many pages.
const PAGES: u64 = 4000;
/// A log longer than so many pages is finished by the writer (64 MiB).
const LOG_MAX_PAGES: i64 = 16_000;

/// What writer and checkpointer tell each other.
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
    /// Asks the writer to move the rest of the log before its next transaction.
    finish: AtomicBool,
    stats: Arc<Counters>,
    log_start: AtomicU64,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    has_written: bool,
    pages: u64,
}

impl Signal {
    /// The writer has ended a transaction.
    pub(super) fn wrote(&self, connection: &Connection) {
        let pages = pages_written(connection);
        let before = self.log_start.swap(pages, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_written = true;
        state.pages += pages.saturating_sub(before);
        let is_due = state.pages >= PAGES;
        drop(state);
        if is_due {
            self.changed.notify_one();
        }
        if self.finish.swap(false, Ordering::Relaxed) {
            let _ = checkpoint(connection, "PASSIVE", &self.stats);
        }
    }
}

/// Pages this connection has written to the log so far.
fn pages_written(connection: &Connection) -> u64 {
    let (mut now, mut high) = (0, 0);
    // SAFETY: the handle is valid as long as `connection`, which this thread alone uses; the call writes
    // two numbers and keeps no pointer.
    let code = unsafe {
        rusqlite::ffi::sqlite3_db_status(
            connection.handle(),
            rusqlite::ffi::SQLITE_DBSTATUS_CACHE_WRITE,
            &raw mut now,
            &raw mut high,
            0,
        )
    };
    if code == rusqlite::ffi::SQLITE_OK { u64::try_from(now).unwrap_or(0) } else { 0 }
}

/// Pages in the log, and how many of them are in the file too.
fn checkpoint(connection: &Connection, mode: &str, stats: &Counters) -> rusqlite::Result<(i64, i64)> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let found = connection.query_row(&sql, [], |row| Ok((row.get(1)?, row.get(2)?)))?;
    stats.checkpoints.fetch_add(1, Ordering::Relaxed);
    Ok(found)
}

/// The thread that moves the log.
pub(super) struct Checkpointer {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    pub(super) fn start(connection: Connection, stats: Arc<Counters>) -> std::io::Result<Self> {
        let signal = Arc::new(Signal {
            state: Mutex::default(),
            changed: Condvar::new(),
            finish: AtomicBool::new(false),
            stats,
            log_start: AtomicU64::new(0),
        });
        let shared = signal.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&connection, &shared))?;
        Ok(Self { signal, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn signal(&self) -> Arc<Signal> {
        self.signal.clone()
    }

    pub(super) fn end(&self) {
        self.signal.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.signal.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, signal: &Signal) {
    // Whether the log may hold something that a cut would free.
    let mut is_dirty = true;
    loop {
        let mut state = signal.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_closed && state.pages < PAGES {
            state = signal.changed.wait_timeout(state, EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.is_closed {
            return;
        }
        let has_written = std::mem::take(&mut state.has_written);
        state.pages = 0;
        drop(state);
        let done = if has_written {
            is_dirty = true;
            checkpoint(connection, "PASSIVE", &signal.stats)
        } else if is_dirty {
            // Idle for a whole interval. Busy means somebody is back: it is tried again later.
            is_dirty = false;
            checkpoint(connection, "TRUNCATE", &signal.stats)
        } else {
            continue;
        };
        match done {
            Ok((log, _)) if log > LOG_MAX_PAGES => signal.finish.store(true, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) => {
                is_dirty = true;
                tracing::debug!(%error, "the log was not moved; tried again soon");
            }
        }
    }
}
