//! Reading back: every chunk of the target, from its device, against the hash taken when the source was
//! read. A difference is narrowed down to its first byte. The hashes of zeros are made here as well: reading
//! waits for the device, so they cost no time of their own. What was read back is stored about once an interval, so
//! that a read-back that is killed goes on: `verified`.

use super::buffer::AlignedBuf;
use super::checkpoint::{ChunkMap, ChunkState};
use super::chunks::{Pass, each_chunk};
use super::fill::{Work, chunk_range, data_bytes};
use super::hash::ChunkHash;
use super::verified::Verified;
use super::{Stage, hash, is_zero};
use crate::storage::DiskError;

/// Proves that the target holds what `map` says, of which it did in `verified`. Everything was flushed before. Answers
/// the hash of every chunk, in order. `before` are those of the snapshot before, read back already: what of it is not
/// stored a second time, by the word of the source and of the target, is not read a second time.
///
/// # Errors
/// `Mismatch` with the guest byte offset of the first difference found; `SourceChanged` when it is the source
/// that no longer is what was read; `Canceled`, `LeaseExpired`, `Io`; those of the sink.
pub(super) fn verify(
    work: &Work<'_>,
    map: &ChunkMap,
    before: Option<&[ChunkHash]>,
    mut verified: Verified,
) -> Result<Vec<ChunkHash>, DiskError> {
    let chunks = map.states().len();
    let todo: Vec<bool> = (0..chunks).map(|index| verified.hash(index).is_none()).collect();
    let mut bytes_before = 0;
    for index in (0..chunks).filter(|index| !todo[*index]) {
        bytes_before += work.bytes_to_move(index)?;
    }
    work.sink.progress(Stage::Verifying, bytes_before, work.data_bytes);
    let pass = Pass { stage: Stage::Verifying, chunks, bytes_before };
    let each = |index: usize, buf: &mut AlignedBuf| {
        if !todo[index] {
            return Ok((0, None));
        }
        let (bytes, hash) = match shared_with(work, map, index, before)? {
            Some(hash) => (0, hash),
            None => check_chunk(work, map, index, buf)?,
        };
        Ok((bytes, Some((index as u32, hash))))
    };
    each_chunk(work, pass, each, |found| {
        let pages = verified.note(&found);
        if pages.is_empty() { Ok(()) } else { work.sink.checkpoint(pages) }
    })?;
    check_tail(work)?;
    verified.all().ok_or_else(|| DiskError::bad_image(work.target.path(), "not all of it was read back"))
}

/// The hash of a chunk that is the same bytes of the device as in the snapshot before.
fn shared_with(
    work: &Work<'_>,
    map: &ChunkMap,
    index: usize,
    before: Option<&[ChunkHash]>,
) -> Result<Option<ChunkHash>, DiskError> {
    let Some(before) = before.and_then(|hashes| hashes.get(index)) else { return Ok(None) };
    let range = chunk_range(index, work.source.size());
    let as_before = work.unchanged(index)? == Some((map.states()[index], map.hashes()[index]));
    if !as_before || work.target.may_differ(range)? {
        return Ok(None);
    }
    work.control.check()?;
    Ok(Some(*before))
}

/// Checks one chunk; answers the bytes of data that it has in the source, and its hash.
fn check_chunk(
    work: &Work<'_>,
    map: &ChunkMap,
    index: usize,
    buf: &mut AlignedBuf,
) -> Result<(u64, ChunkHash), DiskError> {
    let range = chunk_range(index, work.source.size());
    let len = (range.end - range.start) as usize;
    let data = data_bytes(work.source, range.clone())?;
    let in_target = data_bytes(work.target, range.clone())?;
    let hash = match map.states()[index] {
        ChunkState::Zero => hash::zero_chunk(len as u64, range.start, work.source.size()),
        _ => map.hashes()[index],
    };
    match (map.states()[index], in_target) {
        // Nothing there, as it should be.
        (ChunkState::Zero, 0) => {
            work.control.check()?;
            return Ok((data, hash));
        }
        (_, bytes) => work.control.acquire(bytes)?,
    }
    work.target.read_from_device(buf, len, range.start)?;
    let found = &buf.bytes()[..len];
    let good = match map.states()[index] {
        ChunkState::Zero => is_zero(found),
        ChunkState::Copied => hash::chunk(found, range.start, work.source.size()) == map.hashes()[index],
        ChunkState::Todo => false,
    };
    if good { Ok((data, hash)) } else { Err(narrow_down(work, map, index, found)) }
}

/// Reads the source again to say which byte it is, and whether it is the source that changed.
fn narrow_down(work: &Work<'_>, map: &ChunkMap, index: usize, found: &[u8]) -> DiskError {
    let range = chunk_range(index, work.source.size());
    let mut source = vec![0u8; found.len()];
    if let Err(e) = work.source.read_at(&mut source, range.start) {
        return e;
    }
    let as_copied = match map.states()[index] {
        ChunkState::Zero => is_zero(&source),
        ChunkState::Copied => hash::chunk(&source, range.start, work.source.size()) == map.hashes()[index],
        ChunkState::Todo => true,
    };
    if !as_copied {
        return DiskError::SourceChanged(work.source.path().to_owned());
    }
    let first = source.iter().zip(found).position(|(a, b)| a != b).unwrap_or(0);
    DiskError::Mismatch { offset: range.start + first as u64 }
}

/// A qcow2 disk has a multiple of 512 bytes: what a target has beyond the end of the source is zeros.
fn check_tail(work: &Work<'_>) -> Result<(), DiskError> {
    let (size, target) = (work.source.size(), work.target.size());
    if target < size || target - size >= 512 {
        return Err(DiskError::bad_image(work.target.path(), format!("it has {target} bytes, not {size}")));
    }
    let mut tail = vec![0u8; (target - size) as usize];
    work.target.read_at(&mut tail, size)?;
    match tail.iter().position(|b| *b != 0) {
        Some(i) => Err(DiskError::Mismatch { offset: size + i as u64 }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
