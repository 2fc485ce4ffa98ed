//! Copying: the threads of `chunks` read, hash and write what is not zero; meanwhile the calling thread flushes the
//! target and only then stores which chunks are durable. What happens before and after: `run`.

use std::ops::Range;

use super::buffer::AlignedBuf;
use super::checkpoint::{ChunkMap, ChunkState};
use super::chunks::{Pass, each_chunk};
use super::control::Control;
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

/// A chunk that is in the target now.
enum Done {
    /// It was copied.
    Copied(u32, ChunkState, ChunkHash),
    /// It is as in the snapshot before.
    Kept(u32, ChunkState, ChunkHash),
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
    let pass = Pass { stage: Stage::Copying, chunks: todo.len(), bytes_before: 0 };
    let each = |index: usize, buf: &mut AlignedBuf| {
        let chunk = index as u32;
        if !todo[index] {
            return Ok((work.bytes_to_move(index)?, None));
        }
        if let Some((state, hash)) = work.unchanged(index)? {
            work.control.check()?;
            return Ok((0, Some(Done::Kept(chunk, state, hash))));
        }
        let range = chunk_range(index, work.source.size());
        let (state, hash, bytes) = copy_chunk(work, index, range, buf)?;
        Ok((bytes, Some(Done::Copied(chunk, state, hash))))
    };
    each_chunk(work, pass, each, |done| {
        // Flush first: a chunk that a checkpoint names must be on the device. Chunks that finish during the
        // flush wait for the next.
        work.target.flush()?;
        let (mut copied, mut kept) = (Vec::new(), Vec::new());
        for chunk in done {
            match chunk {
                Done::Copied(chunk, state, hash) => copied.push((chunk, state, hash)),
                Done::Kept(chunk, state, hash) => kept.push((chunk, state, hash)),
            }
        }
        map.keep(&kept);
        let pages = map.note(&copied);
        if pages.is_empty() { Ok(()) } else { work.sink.checkpoint(pages) }
    })
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
            work.target.write_zeroes(range.clone(), &|| work.control.check_lease())?;
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
            let may = || work.control.check_lease();
            work.target.write_at(&chunk[run.clone()], range.start + run.start as u64, &may)?;
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
    let may = || work.control.check_lease();
    work.target.write_zeroes(start + part.start as u64..start + part.end as u64, &may)
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
