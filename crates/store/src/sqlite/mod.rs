//! The SQLite store: one file in WAL mode, one writer with group commit, a few readers. Nothing here knows
//! why a transition is right (`crate::life`) nor which lease has expired (`crate::lease`). Where to look:
//! `open` and `migrate` for the file, `writer` and `readers` for the threads, `checkpointer` for the log,
//! `job_sql` for the statements about jobs, `line` for what is claimed next, `query` for the translation of queries.

mod batches;
mod checkpointer;
mod claims;
mod configs;
mod deliveries;
mod error;
mod events;
mod identity;
mod image_rows;
mod images;
mod job_sql;
mod jobs;
mod keys;
mod ledger;
mod line;
mod migrate;
mod nodes;
mod open;
mod progress_sql;
mod query;
mod queue;
mod readers;
mod records;
mod resource_sql;
mod resources;
mod rows;
mod stats;
mod sweep;
mod tags;
mod tx;
mod waits;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use longhaul_model::Runtime;
use rusqlite::Connection;

use crate::StoreError;
use crate::options::StoreOptions;
pub use migrate::{MIGRATIONS, Migration};
pub use open::OpenError;
pub(crate) use open::onlooker;
pub use stats::Stats;
use tx::Tx;

type Result<T> = std::result::Result<T, StoreError>;

/// A store in one SQLite file. Dropping or closing it finishes what is queued and closes the file.
pub struct SqliteStore {
    runtime: Arc<dyn Runtime>,
    options: StoreOptions,
    stats: Arc<stats::Counters>,
    way: Way,
}

enum Way {
    Threads { readers: readers::Readers, checkpointer: checkpointer::Checkpointer, writer: writer::Writer },
    Inline(Mutex<writer::Core>),
}

impl SqliteStore {
    /// Opens the store at `path`, made if it is missing, with its threads: a writer, readers, and one that
    /// moves the log into the file.
    ///
    /// # Errors
    /// `OpenError` says what is wrong with the place or the file; a file from a newer release is untouched.
    pub fn open(
        path: &Path,
        runtime: Arc<dyn Runtime>,
        options: StoreOptions,
    ) -> std::result::Result<Self, OpenError> {
        let stats = Arc::new(stats::Counters::default());
        let connection = open::writer(path, &options)?;
        let core = writer::Core::new(connection, runtime.clone(), options.clone(), stats.clone());
        let mut connections = Vec::new();
        for _ in 0..options.readers.max(1) {
            connections.push(open::reader(path, &options)?);
        }
        let checkpoints = open::checkpointer(path)?;
        let readers = readers::Readers::start(connections, &runtime, &options)?;
        let checkpointer = checkpointer::Checkpointer::start(checkpoints, stats.clone())?;
        let writer = writer::Writer::start(core, options.queue_max, checkpointer.signal())?;
        Ok(Self { runtime, options, stats, way: Way::Threads { readers, checkpointer, writer } })
    }

    /// The same store without threads: every call is done at once, in the poll of the caller, on one
    /// connection, so that a simulation decides every order. No time limit on queries.
    ///
    /// # Errors
    /// As `open`.
    pub fn inline(
        path: &Path,
        runtime: Arc<dyn Runtime>,
        options: StoreOptions,
    ) -> std::result::Result<Self, OpenError> {
        let connection = open::writer(path, &options)?;
        open::let_writer_checkpoint(&connection)?;
        Ok(Self::on(connection, runtime, options))
    }

    /// As `inline`, in memory: for simulations that never restart the store.
    ///
    /// # Errors
    /// SQLite could not be started.
    pub fn inline_in_memory(
        runtime: Arc<dyn Runtime>,
        options: StoreOptions,
    ) -> std::result::Result<Self, OpenError> {
        let connection = open::in_memory(&options)?;
        Ok(Self::on(connection, runtime, options))
    }

    fn on(connection: Connection, runtime: Arc<dyn Runtime>, options: StoreOptions) -> Self {
        let stats = Arc::new(stats::Counters::default());
        let core = writer::Core::new(connection, runtime.clone(), options.clone(), stats.clone());
        Self { runtime, options, stats, way: Way::Inline(Mutex::new(core)) }
    }

    /// Ends the store before its owners do: what is queued is done, what comes later is refused as `Unavailable`, all of
    /// the log is moved into the file, and the log is removed, unless another process has the file open or the disk refuses.
    /// Blocks until then: for as long as a query under way may take, and the log needs. Nothing is lost without it: the next
    /// start reads the log.
    pub fn close(&self) {
        if let Way::Threads { readers, checkpointer, writer } = &self.way {
            // The writer last: its connection's end moves the rest of the log into the file.
            readers.end();
            checkpointer.end();
            writer.end();
        }
    }

    /// What the store has done since it was opened.
    pub fn stats(&self) -> Stats {
        self.stats.read()
    }

    /// Writes by `work` in a savepoint of its own; answers once it is durable. A dropped caller does not
    /// withdraw it.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_as(false, |reply| writer::Write::boxed(work, reply)).await
    }

    /// As `write`, for frequent ones, which share a savepoint: `work` is done again where one of them is refused.
    async fn write_again<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_as(false, |reply| writer::Repeatable::boxed(work, reply)).await
    }

    /// As `write`, before everything that is queued: for heartbeats.
    async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_as(true, |reply| writer::Write::boxed(work, reply)).await
    }

    async fn write_as<T: Send + 'static>(
        &self,
        first: bool,
        boxed: impl FnOnce(oneshot::Sender<Result<T>>) -> Box<dyn writer::QueuedWrite>,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let write = boxed(reply);
        match &self.way {
            Way::Threads { writer, .. } => writer.queue(write, first)?,
            Way::Inline(core) => {
                core.lock().unwrap_or_else(PoisonError::into_inner).run(vec![write]);
            }
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer has ended".to_owned())))
    }

    /// Reads by `work`.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let read = readers::boxed(work, reply);
        match &self.way {
            Way::Threads { readers, .. } => readers.queue(read)?,
            Way::Inline(core) => {
                read(core.lock().unwrap_or_else(PoisonError::into_inner).connection());
            }
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the readers have ended".to_owned())))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}
