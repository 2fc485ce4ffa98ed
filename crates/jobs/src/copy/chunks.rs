//! Threads over the chunks of a disk, in order, and beside them the calling thread, which notes what they finish about
//! once an interval. What is done with a chunk is the caller's: `fill` copies it, `verify` reads it back.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::buffer::AlignedBuf;
use super::control::boottime_ns;
use super::fill::Work;
use super::{CHUNK_BYTES, Stage};
use crate::rbd::Bound;
use crate::storage::DiskError;

/// Buffers of a chunk in work: our own, and that of Ceph's library.
const BUFFERS: u64 = 2;
/// Memory is looked at once in this many chunks.
const MEMORY_EVERY: usize = 4;

/// A pass over all chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// As what progress tells it.
    pub stage: Stage,
    /// How many chunks there are.
    pub chunks: usize,
    /// Bytes of data that are done before it begins.
    pub bytes_before: u64,
}

/// What the threads tell the calling one.
struct Shared<T> {
    finished: Mutex<Finished<T>>,
    news: Condvar,
    stop: AtomicBool,
    next: AtomicUsize,
    bytes_done: AtomicU64,
}

struct Finished<T> {
    items: Vec<T>,
    threads: usize,
    error: Option<DiskError>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Finished<T>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first error is the one to tell; all others follow from it.
    fn fail(&self, error: DiskError) {
        self.lock().error.get_or_insert(error);
        self.stop.store(true, Ordering::Release);
        self.news.notify_all();
    }
}

/// Gives each chunk to `each`, which answers how many bytes of data it did, and what is to be noted of it; what was
/// finished is given to `note`, the last of it before this returns.
///
/// # Errors
/// The first of `each` or `note`; what was finished after the last `note` is not noted then.
pub(super) fn each_chunk<T: Send>(
    work: &Work<'_>,
    pass: Pass,
    each: impl Fn(usize, &mut AlignedBuf) -> Result<(u64, Option<T>), DiskError> + Sync,
    note: impl FnMut(Vec<T>) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let shared = Shared {
        finished: Mutex::new(Finished { items: Vec::new(), threads: 0, error: None }),
        news: Condvar::new(),
        stop: AtomicBool::new(false),
        next: AtomicUsize::new(0),
        bytes_done: AtomicU64::new(pass.bytes_before),
    };
    let memory = Bound::beyond_now(work.streams as u64 * BUFFERS * CHUNK_BYTES);
    std::thread::scope(|scope| {
        for _ in 0..work.streams {
            scope.spawn(|| {
                if let Err(e) = go_through(work, &shared, pass, memory.as_ref(), &each) {
                    shared.fail(e);
                }
                shared.lock().threads += 1;
                shared.news.notify_all();
            });
        }
        if let Err(e) = note_as_they_finish(work, &shared, note) {
            shared.fail(e);
        }
    });
    let error = shared.lock().error.take();
    error.map_or(Ok(()), Err)
}

fn go_through<T>(
    work: &Work<'_>,
    shared: &Shared<T>,
    pass: Pass,
    memory: Option<&Bound>,
    each: &impl Fn(usize, &mut AlignedBuf) -> Result<(u64, Option<T>), DiskError>,
) -> Result<(), DiskError> {
    let mut buf = AlignedBuf::new(CHUNK_BYTES as usize);
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= pass.chunks || shared.stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let (bytes, item) = each(index, &mut buf)?;
        if let Some(memory) = memory.filter(|_| index.is_multiple_of(MEMORY_EVERY)) {
            memory.keep();
        }
        if let Some(item) = item {
            shared.lock().items.push(item);
            shared.news.notify_all();
        }
        let done = shared.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        work.sink.progress(pass.stage, done, work.data_bytes);
    }
}

fn note_as_they_finish<T>(
    work: &Work<'_>,
    shared: &Shared<T>,
    mut note: impl FnMut(Vec<T>) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let interval_ns = work.checkpoint_interval_ms.saturating_mul(1_000_000);
    // The first chunk is noted at once: an attempt that is killed early, again and again, comes forward.
    let mut last_ns = boottime_ns().saturating_sub(interval_ns);
    loop {
        let mut finished = shared.lock();
        let (items, all) = loop {
            if finished.error.is_some() {
                return Ok(());
            }
            let all = finished.threads == work.streams;
            let due_in = interval_ns.saturating_sub(boottime_ns().saturating_sub(last_ns));
            if all || (due_in == 0 && !finished.items.is_empty()) {
                break (std::mem::take(&mut finished.items), all);
            }
            let wait = if finished.items.is_empty() { 1_000_000_000 } else { due_in };
            let waited = shared.news.wait_timeout(finished, Duration::from_nanos(wait));
            finished = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(finished);
        last_ns = boottime_ns();
        note(items)?;
        if all {
            return Ok(());
        }
    }
}
