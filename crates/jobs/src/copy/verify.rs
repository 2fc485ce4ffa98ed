//! Reading back: every chunk of the target, from its device, against the hash taken when the source was
//! read. A difference is narrowed down to its first byte. The hashes of zeros are made here as well: reading
//! waits for the device, so they cost no time of their own.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::buffer::AlignedBuf;
use super::checkpoint::{ChunkMap, ChunkState};
use super::fill::{Work, chunk_range, data_bytes};
use super::hash::ChunkHash;
use super::{CHUNK_BYTES, Stage, hash, is_zero};
use crate::storage::DiskError;

/// Proves that the target holds what `map` says. Everything was flushed before. Answers the hash of every
/// chunk, in order. `before` are those of the snapshot before, read back already: what of it is not stored a second
/// time, by the word of the source and of the target, is not read a second time.
///
/// # Errors
/// `Mismatch` with the guest byte offset of the first difference found; `SourceChanged` when it is the source
/// that no longer is what was read; `Canceled`, `LeaseExpired`, `Io`.
pub(super) fn verify(
    work: &Work<'_>,
    map: &ChunkMap,
    before: Option<&[ChunkHash]>,
) -> Result<Vec<ChunkHash>, DiskError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let bytes_done = AtomicU64::new(0);
    let error: Mutex<Option<DiskError>> = Mutex::new(None);
    let hashes = Mutex::new(map.hashes().to_vec());
    std::thread::scope(|scope| {
        for _ in 0..work.streams {
            scope.spawn(|| {
                let mut buf = AlignedBuf::new(CHUNK_BYTES as usize);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= map.states().len() || stop.load(Ordering::Acquire) {
                        return;
                    }
                    let shared = shared_with(work, map, index, before);
                    let checked = shared.and_then(|shared| match shared {
                        Some(hash) => Ok((0, hash)),
                        None => check_chunk(work, map, index, &mut buf),
                    });
                    match checked {
                        Ok((bytes, hash)) => {
                            hashes.lock().unwrap_or_else(PoisonError::into_inner)[index] = hash;
                            let done = bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                            work.sink.progress(Stage::Verifying, done, work.data_bytes);
                        }
                        Err(e) => {
                            stop.store(true, Ordering::Release);
                            let mut first = error.lock().unwrap_or_else(PoisonError::into_inner);
                            first.get_or_insert(e);
                            return;
                        }
                    }
                }
            });
        }
    });
    match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(e) => Err(e),
        None => {
            check_tail(work)?;
            Ok(hashes.into_inner().unwrap_or_else(PoisonError::into_inner))
        }
    }
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
