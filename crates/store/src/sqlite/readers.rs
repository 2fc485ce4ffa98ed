//! The readers: a few threads with a connection each, and a time limit on every read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::channel::oneshot;
use longhaul_model::Runtime;
use rusqlite::Connection;

use super::Result;
use super::error::is_interrupted;
use super::queue::Queue;
use crate::StoreError;
use crate::options::StoreOptions;

/// Virtual machine steps of SQLite between looks at the clock: less than a tenth of a millisecond.
const STEPS: i32 = 4000;

pub(super) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// A read that sends its answer, unless nobody waits for it any more.
pub(super) fn boxed<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    reply: oneshot::Sender<Result<T>>,
) -> Read {
    Box::new(move |connection| {
        if !reply.is_canceled() {
            let _ = reply.send(work(connection));
        }
    })
}

pub(super) struct Readers {
    queue: Arc<Queue<Read>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(
        connections: Vec<Connection>,
        runtime: &Arc<dyn Runtime>,
        options: &StoreOptions,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(options.queue_max));
        let mut threads = Vec::new();
        for mut connection in connections {
            let (queue, runtime, limit) = (queue.clone(), runtime.clone(), options.query_limit);
            let thread = std::thread::Builder::new().name("store-reader".to_owned());
            threads.push(thread.spawn(move || serve(&mut connection, &queue, &runtime, limit))?);
        }
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    pub(super) fn queue(&self, read: Read) -> Result<()> {
        self.queue.push(read, false)
    }

    pub(super) fn end(&self) {
        self.queue.close();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &mut Connection, queue: &Queue<Read>, runtime: &Arc<dyn Runtime>, limit: Duration) {
    let deadline = Arc::new(AtomicU64::new(u64::MAX));
    let (watched, clock) = (deadline.clone(), runtime.clone());
    let watch = move || millis(clock.monotonic()) >= watched.load(Ordering::Relaxed);
    if let Err(error) = connection.progress_handler(STEPS, Some(watch)) {
        tracing::error!(%error, "reads have no time limit");
    }
    while let Some(reads) = queue.take(1) {
        for read in reads {
            deadline.store(millis(runtime.monotonic() + limit), Ordering::Relaxed);
            // A panic in one read is that caller's; the thread serves the others.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(connection)));
            if done.is_err() && !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the error of a read with this limit means.
pub(super) fn or_too_slow<T>(result: rusqlite::Result<T>, limit: Duration) -> Result<T> {
    result.map_err(|error| {
        if is_interrupted(&error) { StoreError::TooSlow { limit_s: limit.as_secs() } } else { error.into() }
    })
}
