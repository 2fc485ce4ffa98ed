//! Copying: workers take chunks in order, read, hash and write what is not zero; meanwhile the calling
//! thread flushes the target and only then stores which chunks are durable. What happens before and after:
//! `run`.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::buffer::AlignedBuf;
use super::checkpoint::{ChunkMap, ChunkState};
use super::control::{Control, boottime_ns};
use super::hash::{self, ChunkHash};
use super::{BlockDev, CHUNK_BYTES, ExtentKind, Sink, Stage, is_zero};
use crate::storage::DiskError;

/// Zeros inside of data are looked for in blocks of this many bytes, the block size of file systems.
const ZERO_BLOCK: usize = 4096;

/// A chunk of zeros needs none: its hash follows from its place, and is made while reading back.
const NO_HASH: ChunkHash = [0; 32];

/// What a copy works on.
pub(super) struct Work<'a> {
    pub source: &'a dyn BlockDev,
    pub target: &'a dyn BlockDev,
    pub control: &'a Control,
    pub sink: &'a dyn Sink,
    pub streams: usize,
    pub checkpoint_interval_ms: u64,
    /// Bytes of data in the source, for progress.
    pub data_bytes: u64,
    /// The snapshot before this one, where it is in the target already: only what differs is written.
    pub before: Option<&'a ChunkMap>,
}

impl Work<'_> {
    /// The chunk as it was in the snapshot before, where nothing of it may differ.
    pub(super) fn unchanged(&self, index: usize) -> Result<Option<(ChunkState, ChunkHash)>, DiskError> {
        let size = self.source.size();
        let Some(known) = self.before.and_then(|map| map.chunk(index, size)) else { return Ok(None) };
        Ok((!self.source.may_differ(chunk_range(index, size))?).then_some(known))
    }

    /// How many bytes of data have to be moved of a chunk.
    pub(super) fn bytes_to_move(&self, index: usize) -> Result<u64, DiskError> {
        match self.unchanged(index)? {
            Some(_) => Ok(0),
            None => data_bytes(self.source, chunk_range(index, self.source.size())),
        }
    }
}

type Done = (u32, ChunkState, ChunkHash);

/// What the workers tell the calling thread.
struct Shared {
    finished: Mutex<Finished>,
    news: Condvar,
    stop: AtomicBool,
    next: AtomicUsize,
    bytes_done: AtomicU64,
}

#[derive(Default)]
struct Finished {
    chunks: Vec<Done>,
    kept: Vec<Done>,
    workers: usize,
    error: Option<DiskError>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Finished> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first error is the one to tell; all others follow from it.
    fn fail(&self, error: DiskError) {
        self.lock().error.get_or_insert(error);
        self.stop.store(true, Ordering::Release);
        self.news.notify_all();
    }
}

/// The range of chunk `index` of a disk of `size` bytes.
pub(super) fn chunk_range(index: usize, size: u64) -> Range<u64> {
    let at = index as u64 * CHUNK_BYTES;
    at..(at + CHUNK_BYTES).min(size)
}

/// Copies every chunk that `map` does not have yet. On return all of them are durable and stored.
///
/// # Errors
/// The first of any worker, of a flush, or of the sink. `map` then holds what was durable before it.
pub(super) fn fill(work: &Work<'_>, map: &mut ChunkMap) -> Result<(), DiskError> {
    let todo: Vec<bool> = map.states().iter().map(|s| *s == ChunkState::Todo).collect();
    let shared = Shared {
        finished: Mutex::new(Finished::default()),
        news: Condvar::new(),
        stop: AtomicBool::new(false),
        next: AtomicUsize::new(0),
        bytes_done: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        for _ in 0..work.streams {
            scope.spawn(|| {
                if let Err(e) = worker(work, &shared, &todo) {
                    shared.fail(e);
                }
                shared.lock().workers += 1;
                shared.news.notify_all();
            });
        }
        let stored = store_as_they_finish(work, &shared, map);
        if let Err(e) = stored {
            shared.fail(e);
        }
    });
    let error = shared.lock().error.take();
    error.map_or(Ok(()), Err)
}

/// Flushes and stores about once an interval until the workers are through.
fn store_as_they_finish(work: &Work<'_>, shared: &Shared, map: &mut ChunkMap) -> Result<(), DiskError> {
    let interval_ns = work.checkpoint_interval_ms.saturating_mul(1_000_000);
    // The first chunk is stored at once: an attempt that is killed early, again and again, comes forward.
    let mut last_ns = boottime_ns().saturating_sub(interval_ns);
    loop {
        let mut finished = shared.lock();
        let (done, kept, all) = loop {
            if finished.error.is_some() {
                return Ok(());
            }
            let all = finished.workers == work.streams;
            let due_in = interval_ns.saturating_sub(boottime_ns().saturating_sub(last_ns));
            if all || (due_in == 0 && !finished.chunks.is_empty()) {
                let done = std::mem::take(&mut finished.chunks);
                break (done, std::mem::take(&mut finished.kept), all);
            }
            let wait = if finished.chunks.is_empty() { 1_000_000_000 } else { due_in };
            let waited = shared.news.wait_timeout(finished, Duration::from_nanos(wait));
            finished = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(finished);
        last_ns = boottime_ns();
        // Flush first: a chunk that a checkpoint names must be on the device. Chunks that finish during the
        // flush wait for the next.
        work.target.flush()?;
        map.keep(&kept);
        let pages = map.note(&done);
        if !pages.is_empty() {
            work.sink.checkpoint(pages)?;
        }
        if all {
            return Ok(());
        }
    }
}

fn worker(work: &Work<'_>, shared: &Shared, todo: &[bool]) -> Result<(), DiskError> {
    let mut buf = AlignedBuf::new(CHUNK_BYTES as usize);
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= todo.len() || shared.stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let range = chunk_range(index, work.source.size());
        let bytes = if !todo[index] {
            work.bytes_to_move(index)?
        } else if let Some((state, hash)) = work.unchanged(index)? {
            work.control.check()?;
            shared.lock().kept.push((index as u32, state, hash));
            0
        } else {
            let (state, hash, bytes) = copy_chunk(work, index, range, &mut buf)?;
            shared.lock().chunks.push((index as u32, state, hash));
            shared.news.notify_all();
            bytes
        };
        let done = shared.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        work.sink.progress(Stage::Copying, done, work.data_bytes);
    }
}

/// Copies one chunk; answers its state, its hash and how many bytes of data it had.
fn copy_chunk(
    work: &Work<'_>,
    index: usize,
    range: Range<u64>,
    buf: &mut AlignedBuf,
) -> Result<(ChunkState, ChunkHash, u64), DiskError> {
    let len = range.end - range.start;
    let size = work.source.size();
    let extents = work.source.extents(range.clone())?;
    let data: u64 =
        extents.iter().filter(|e| e.kind == ExtentKind::Data).map(|e| e.range.end - e.range.start).sum();
    // What was there before has to be overwritten; else the target reads as zeros.
    let overwrites = work.before.is_some_and(|map| map.has_data(index));
    let all_zero = |data| {
        if overwrites {
            work.control.check_lease()?;
            work.target.write_zeroes(range.clone())?;
        }
        Ok((ChunkState::Zero, NO_HASH, data))
    };
    if data == 0 {
        work.control.check()?;
        return all_zero(0);
    }
    work.control.acquire(data)?;
    let chunk = &mut buf.bytes_mut()[..len as usize];
    let inside = |r: &Range<u64>| (r.start - range.start) as usize..(r.end - range.start) as usize;
    for extent in &extents {
        match extent.kind {
            ExtentKind::Data => work.source.read_at(&mut chunk[inside(&extent.range)], extent.range.start)?,
            ExtentKind::Zero => chunk[inside(&extent.range)].fill(0),
        }
    }
    // What is not zero tells so in its first blocks, so this costs next to nothing.
    if is_zero(chunk) {
        return all_zero(data);
    }
    let hash = hash::chunk(chunk, range.start, size);
    let known = work.before.and_then(|map| map.chunk(index, size));
    if known == Some((ChunkState::Copied, hash)) {
        return Ok((ChunkState::Copied, hash, data));
    }
    let pieces: Vec<Range<u64>> = match (overwrites, known) {
        (false, _) => extents.into_iter().filter(|e| e.kind == ExtentKind::Data).map(|e| e.range).collect(),
        (true, Some(_)) => work.source.differences(range.clone())?,
        (true, None) => vec![range.clone()],
    };
    for piece in &pieces {
        let within = inside(piece);
        let mut at = within.start;
        for run in data_runs(chunk, within.clone()) {
            zero(work, overwrites, range.start, at..run.start)?;
            at = run.end;
            work.control.check_lease()?;
            work.target.write_at(&chunk[run.clone()], range.start + run.start as u64)?;
        }
        zero(work, overwrites, range.start, at..within.end)?;
    }
    Ok((ChunkState::Copied, hash, data))
}

/// Makes a part of the chunk that begins at `start` zeros, where something else may be there.
fn zero(work: &Work<'_>, overwrites: bool, start: u64, part: Range<usize>) -> Result<(), DiskError> {
    if !overwrites || part.is_empty() {
        return Ok(());
    }
    work.control.check_lease()?;
    work.target.write_zeroes(start + part.start as u64..start + part.end as u64)
}

/// The parts of `chunk[within]` that are not zeros, in whole blocks.
fn data_runs(chunk: &[u8], within: Range<usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let end = ((at / ZERO_BLOCK + 1) * ZERO_BLOCK).min(within.end);
        if !is_zero(&chunk[at..end]) {
            match runs.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => runs.push(at..end),
            }
        }
        at = end;
    }
    runs
}

/// How many bytes of data `dev` has in `range`.
pub(super) fn data_bytes(dev: &dyn BlockDev, range: Range<u64>) -> Result<u64, DiskError> {
    let extents = dev.extents(range)?;
    let data = extents.iter().filter(|e| e.kind == ExtentKind::Data);
    Ok(data.map(|e| e.range.end - e.range.start).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_inside_of_data_are_left_out_in_whole_blocks() {
        let mut chunk = vec![0u8; 5 * ZERO_BLOCK + 100];
        chunk[ZERO_BLOCK] = 1;
        chunk[3 * ZERO_BLOCK - 1] = 1;
        chunk[5 * ZERO_BLOCK + 99] = 1;
        let all = 0..chunk.len();
        let runs = data_runs(&chunk, all.clone());
        assert_eq!(runs, [ZERO_BLOCK..3 * ZERO_BLOCK, 5 * ZERO_BLOCK..all.end]);
        assert!(data_runs(&chunk, 0..ZERO_BLOCK).is_empty());
    }
}
