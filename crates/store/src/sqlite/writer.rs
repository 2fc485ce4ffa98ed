//! The writer: group commit. Every queued write runs in its own savepoint of one transaction and is answered
//! after the commit, which is one sync for all of them. Nothing is ever tried again here.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures::channel::oneshot;
use longhaul_model::Runtime;
use rusqlite::Connection;

use super::Result;
use super::checkpointer::Signal;
use super::error::is_sync_failure;
use super::queue::Queue;
use super::stats::Counters;
use super::tx::{Counts, Tx, write_counts};
use crate::StoreError;
use crate::options::{CommitFault, StoreOptions};

/// Most writes in one commit; what comes later waits for the next one, a few milliseconds away.
const BATCH_MAX: usize = 256;

/// A write in the queue.
pub(super) trait QueuedWrite: Send {
    /// Does it; answers the change of counts if it is to be committed.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Tells the caller, now that it is known whether the commit succeeded.
    fn answer(self: Box<Self>, committed: std::result::Result<(), StoreError>);
}

/// A write by a function, and where its answer goes.
pub(super) struct Write<F, T> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Write<F, T>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    pub(super) fn boxed(work: F, reply: oneshot::Sender<Result<T>>) -> Box<dyn QueuedWrite> {
        Box::new(Self { work: Some(work), outcome: None, reply })
    }
}

impl<F, T> QueuedWrite for Write<F, T>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|_| {
            Err(StoreError::Corrupt("a write broke off; this is a bug, see the server's log".to_owned()))
        });
        let is_ok = outcome.is_ok();
        self.outcome = Some(outcome);
        is_ok
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), StoreError>) {
        let answer = match (self.outcome, committed) {
            (Some(Err(error)), _) => Err(error), // refused by itself, whatever became of the others
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Ok(_)), Err(error)) => Err(error),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::Unavailable("the write was not run".to_owned())),
        };
        let _ = self.reply.send(answer); // a caller that went away asked for it all the same
    }
}

/// The connection that writes, with all that a write needs.
pub(super) struct Core {
    connection: Connection,
    runtime: Arc<dyn Runtime>,
    options: StoreOptions,
    stats: Arc<Counters>,
    /// Set once a sync has failed: nothing is promised any more.
    is_broken: bool,
}

impl Core {
    pub(super) fn new(
        connection: Connection,
        runtime: Arc<dyn Runtime>,
        options: StoreOptions,
        stats: Arc<Counters>,
    ) -> Self {
        Self { connection, runtime, options, stats, is_broken: false }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs the writes in one transaction and answers them.
    pub(super) fn run(&mut self, mut batch: Vec<Box<dyn QueuedWrite>>) {
        let committed = if self.is_broken {
            Err(StoreError::Unavailable("an earlier sync failed; the process has to end".to_owned()))
        } else {
            self.commit(&mut batch)
        };
        for write in batch {
            write.answer(committed.clone());
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn QueuedWrite>]) -> Result<()> {
        match self.try_commit(batch) {
            Ok(written) => {
                let stats = &self.stats;
                stats.refused.fetch_add(batch.len() as u64 - written, Ordering::Relaxed);
                if written > 0 {
                    stats.commits.fetch_add(1, Ordering::Relaxed);
                    stats.writes.fetch_add(written, Ordering::Relaxed);
                    stats.largest_batch.fetch_max(written, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(failure) => {
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                self.stats.failed_commits.fetch_add(1, Ordering::Relaxed);
                tracing::error!(why = failure.why, "a commit failed; nothing of it is stored");
                if failure.is_sync {
                    self.is_broken = true;
                    (self.options.on_fatal)(&failure.why);
                }
                Err(StoreError::Unavailable(failure.why))
            }
        }
    }

    /// Answers how many writes are durable now.
    fn try_commit(&self, batch: &mut [Box<dyn QueuedWrite>]) -> std::result::Result<u64, Failure> {
        let run = |sql| self.connection.prepare_cached(sql)?.execute([]);
        run("BEGIN IMMEDIATE")?;
        let mut counts = Counts::new();
        let mut written = 0;
        for write in batch {
            run("SAVEPOINT one")?;
            let mut tx = Tx {
                connection: &self.connection,
                runtime: &*self.runtime,
                ttl_ms: self.options.lease_ttl_ms,
                now_ms: self.runtime.now_ms(),
                counts: RefCell::default(),
            };
            let is_ok = write.run(&mut tx);
            let made = tx.counts.take();
            if self.connection.is_autocommit() {
                // A full disk or an I/O error makes SQLite roll back everything at once.
                return Err(Failure { why: "the disk refused a write".to_owned(), is_sync: false });
            }
            if is_ok {
                for (key, change) in made {
                    *counts.entry(key).or_default() += change;
                }
                written += 1;
            } else {
                run("ROLLBACK TO one")?;
            }
            run("RELEASE one")?;
        }
        if written == 0 {
            run("ROLLBACK")?;
            return Ok(0);
        }
        write_counts(&self.connection, &counts)?;
        match self.options.commit_fault.as_ref().and_then(|fault| fault()) {
            None => run("COMMIT")?,
            Some(fault) => {
                let why = "the commit was made to fail".to_owned();
                return Err(Failure { why, is_sync: fault == CommitFault::SyncFailed });
            }
        };
        Ok(written)
    }
}

struct Failure {
    why: String,
    is_sync: bool,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self { why: error.to_string(), is_sync: is_sync_failure(&error) }
    }
}

/// The thread that writes.
pub(super) struct Writer {
    queue: Arc<Queue<Box<dyn QueuedWrite>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(mut core: Core, queue_max: usize, signal: Arc<Signal>) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(queue_max));
        let taken = queue.clone();
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            while let Some(batch) = taken.take(BATCH_MAX) {
                core.run(batch);
                signal.wrote(&core.connection);
            }
        })?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn queue(&self, write: Box<dyn QueuedWrite>, first: bool) -> Result<()> {
        self.queue.push(write, first)
    }

    /// Does what is queued, and ends; whoever comes second waits for that too.
    pub(super) fn end(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}
