//! The writer: group commit. All queued writes run in one transaction and are answered after its commit, which is one
//! sync for all of them. One that is refused leaves nothing: most run in a savepoint of their own, for which SQLite copies
//! each page before it is changed; the frequent ones run without, and are run again with one when one of them is refused.
//! No commit is ever tried again here.

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
    /// Does it; answers whether it is to be committed.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Whether it can be run again after what it did was rolled back.
    fn is_repeatable(&self) -> bool;
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
        let outcome = guarded(|| work(tx));
        let is_ok = outcome.is_ok();
        self.outcome = Some(outcome);
        is_ok
    }

    fn is_repeatable(&self) -> bool {
        false
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), StoreError>) {
        let _ = self.reply.send(told(self.outcome, committed)); // one that went away asked for it all the same
    }
}

/// The same by a function that can be called again.
pub(super) struct Repeatable<F, T> {
    work: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Repeatable<F, T>
where
    F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    pub(super) fn boxed(work: F, reply: oneshot::Sender<Result<T>>) -> Box<dyn QueuedWrite> {
        Box::new(Self { work, outcome: None, reply })
    }
}

impl<F, T> QueuedWrite for Repeatable<F, T>
where
    F: Fn(&mut Tx<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = guarded(|| (self.work)(tx));
        let is_ok = outcome.is_ok();
        self.outcome = Some(outcome);
        is_ok
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), StoreError>) {
        let _ = self.reply.send(told(self.outcome, committed)); // as above
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(StoreError::Corrupt("a write broke off; this is a bug, see the server's log".to_owned()))
    })
}

/// What the caller of a write is told.
fn told<T>(outcome: Option<Result<T>>, committed: std::result::Result<(), StoreError>) -> Result<T> {
    match (outcome, committed) {
        (Some(Err(error)), _) => Err(error), // refused by itself, whatever became of the others
        (Some(Ok(value)), Ok(())) => Ok(value),
        (Some(Ok(_)) | None, Err(error)) => Err(error),
        (None, Ok(())) => Err(StoreError::Unavailable("the write was not run".to_owned())),
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
        self.say("BEGIN IMMEDIATE")?;
        let mut done = Done::default();
        // What is queued in front of others, such as a heartbeat, stays in front of them.
        let first = batch.iter().position(|write| write.is_repeatable()).unwrap_or(batch.len());
        let (front, rest) = batch.split_at_mut(first);
        for write in front {
            self.run_apart(write, &mut done)?;
        }
        let (mut together, others): (Vec<_>, Vec<_>) =
            rest.iter_mut().partition(|write| write.is_repeatable());
        self.run_together(&mut together, &mut done)?;
        for write in others {
            self.run_apart(write, &mut done)?;
        }
        if done.written == 0 {
            self.say("ROLLBACK")?;
            return Ok(0);
        }
        write_counts(&self.connection, &done.counts)?;
        match self.options.commit_fault.as_ref().and_then(|fault| fault()) {
            None => self.say("COMMIT")?,
            Some(fault) => {
                let why = "the commit was made to fail".to_owned();
                return Err(Failure { why, is_sync: fault == CommitFault::SyncFailed });
            }
        };
        Ok(done.written)
    }

    /// Without a savepoint for each; if one is refused all of them are undone, and run again with one.
    fn run_together(
        &self,
        writes: &mut [&mut Box<dyn QueuedWrite>],
        done: &mut Done,
    ) -> std::result::Result<(), Failure> {
        let is_first = done.written == 0;
        if !is_first {
            self.say("SAVEPOINT together")?;
        }
        let mut made = Done::default();
        for write in writes.iter_mut() {
            if self.run_one(write, &mut made)? {
                continue;
            }
            if is_first {
                self.say("ROLLBACK")?;
                self.say("BEGIN IMMEDIATE")?;
            } else {
                self.say("ROLLBACK TO together")?;
                self.say("RELEASE together")?;
            }
            return writes.iter_mut().try_for_each(|write| self.run_apart(write, done));
        }
        if !is_first {
            self.say("RELEASE together")?;
        }
        done.add(made);
        Ok(())
    }

    fn run_apart(
        &self,
        write: &mut Box<dyn QueuedWrite>,
        done: &mut Done,
    ) -> std::result::Result<(), Failure> {
        self.say("SAVEPOINT one")?;
        let mut made = Done::default();
        if self.run_one(write, &mut made)? {
            done.add(made);
        } else {
            self.say("ROLLBACK TO one")?;
        }
        self.say("RELEASE one")
    }

    /// Whether it is to be committed.
    fn run_one(
        &self,
        write: &mut Box<dyn QueuedWrite>,
        made: &mut Done,
    ) -> std::result::Result<bool, Failure> {
        let mut tx = Tx {
            connection: &self.connection,
            runtime: &*self.runtime,
            ttl_ms: self.options.lease_ttl_ms,
            now_ms: self.runtime.now_ms(),
            counts: RefCell::default(),
        };
        let is_ok = write.run(&mut tx);
        let counts = tx.counts.take();
        if self.connection.is_autocommit() {
            // A full disk or an I/O error makes SQLite roll back everything at once.
            return Err(Failure { why: "the disk refused a write".to_owned(), is_sync: false });
        }
        if is_ok {
            made.add(Done { counts, written: 1 });
        }
        Ok(is_ok)
    }

    fn say(&self, sql: &str) -> std::result::Result<(), Failure> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// What was done in a transaction so far.
#[derive(Default)]
struct Done {
    counts: Counts,
    written: u64,
}

impl Done {
    fn add(&mut self, other: Self) {
        for (key, change) in other.counts {
            *self.counts.entry(key).or_default() += change;
        }
        self.written += other.written;
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
