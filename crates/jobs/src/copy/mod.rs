//! The copier: moves the guest's bytes of one disk to another, whatever the formats, so that it can
//! be killed at any byte, goes on from its last checkpoint, and proves at the end what the target
//! holds. It runs in the child process of `attempt_io`; it knows no sockets and no leases beyond what
//! `control` and `Sink` give it.
//!
//! Where to go: `BlockDev` is what a kind of disk must do (`raw`, `qcow2`, `rbd`); `source` and `target` open
//! and create them; `fill` copies, `verify` reads back, both through `chunks`; `checkpoint` and `verified` are what
//! survives; `run` ties it. An image is copied from a `snapshot`, which is taken meanwhile. One with snapshots of its own is
//! copied one after the other: `history` lists them, `segments` goes through them.

pub mod buffer;
pub mod checkpoint;
mod chunks;
pub mod control;
pub mod device;
pub mod disk;
mod fill;
pub mod hash;
pub mod history;
pub mod image;
pub mod qcow2;
pub mod qcow2_map;
pub mod raw;
mod rbd;
pub mod run;
mod segments;
mod snapshot;
pub mod source;
pub mod target;
mod verified;
mod verify;

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::storage::DiskError;
use buffer::AlignedBuf;

/// Unit of copying, hashing and checkpointing, in bytes. A power of two, a multiple of every cluster
/// size that we write and of 1024, which the hash tree needs.
pub const CHUNK_BYTES: u64 = 4 << 20;
/// Chunks that are in work at the same time when the job does not say otherwise.
pub const STREAMS: usize = 4;
/// Time between two checkpoints when the job does not say otherwise, in milliseconds.
pub const CHECKPOINT_INTERVAL_MS: u64 = 1_000;

/// Whether an extent holds bytes or reads as zeros without being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtentKind {
    /// Stored bytes; they may still be zeros.
    Data,
    /// Nothing stored: reads as zeros.
    Zero,
}

/// A range of the guest's disk, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// From where to where.
    pub range: Range<u64>,
    /// What is there.
    pub kind: ExtentKind,
}

/// Whether bytes may be changed now: an error while the lease is not good. Making room can wait for the file's lock for
/// as long as a process sleeps, so to ask before it is not enough.
pub type May<'a> = &'a dyn Fn() -> Result<(), DiskError>;

/// A disk as the guest sees it. Offsets and lengths are in bytes of the guest's disk; a range beyond
/// `size` is an error. All calls block, and any number of threads may call at the same time.
pub trait BlockDev: Send + Sync {
    /// Its file, for messages.
    fn path(&self) -> &Path;

    /// Size of the guest's disk.
    fn size(&self) -> u64;

    /// What is where in `range`: in order, without gaps, neighbours of different kind. The caller keeps
    /// `range` small (a chunk), so the answer is.
    ///
    /// # Errors
    /// `BadImage` when the image's tables point outside of its file; `Io`.
    fn extents(&self, range: Range<u64>) -> Result<Vec<Extent>, DiskError>;

    /// Whether `range` may differ from the snapshot that this one follows; `true` where there is none, or nobody
    /// tells.
    ///
    /// # Errors
    /// As `extents`.
    fn may_differ(&self, _range: Range<u64>) -> Result<bool, DiskError> {
        Ok(true)
    }

    /// What in `range` may differ from that snapshot, as finely as is known: in order, apart from each other.
    ///
    /// # Errors
    /// As `extents`.
    fn differences(&self, range: Range<u64>) -> Result<Vec<Range<u64>>, DiskError> {
        Ok(vec![range])
    }

    /// Fills `buf` from `at`.
    ///
    /// # Errors
    /// `BadImage`, `Io`.
    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError>;

    /// Fills the first `len` bytes of `buf` from `at` with what the device holds, not with what the page
    /// cache remembers. `at` is a multiple of `CHUNK_BYTES`; everything was flushed before.
    ///
    /// # Errors
    /// `Io`, also when the file can't be taken out of the page cache.
    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError>;

    /// Writes `data` at `at`, in place: never changes what is mapped where. `may` is asked right before each call that
    /// changes bytes.
    ///
    /// # Errors
    /// `NoSpace`, `Io`; `BadImage` when that place of a qcow2 image was not mapped before; what `may` answers.
    fn write_at(&self, data: &[u8], at: u64, may: May<'_>) -> Result<(), DiskError>;

    /// Makes `range` read as zeros, giving back its space where that needs no change of a map.
    ///
    /// # Errors
    /// As `write_at`.
    fn write_zeroes(&self, range: Range<u64>, may: May<'_>) -> Result<(), DiskError>;

    /// Returns when everything written before is on the device.
    ///
    /// # Errors
    /// `Io`. After one, nothing since the last good flush may be relied on.
    fn flush(&self) -> Result<(), DiskError>;
}

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Finding out what is to be copied and giving it its place in the target.
    Mapping,
    /// Copying.
    Copying,
    /// Reading the target back from its device.
    Verifying,
}

/// Where a copy reports to.
pub trait Sink: Send + Sync {
    /// Says how far `stage` is, in bytes of data (holes do not count). Called often; returns at once.
    fn progress(&self, stage: Stage, bytes_done: u64, bytes_total: u64);

    /// Stores `pages` durably and returns when they are; copying goes on meanwhile.
    ///
    /// # Errors
    /// `Canceled` when asked to stop before the answer came; `Io` when nobody listens any more.
    fn checkpoint(&self, pages: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError>;

    /// Called once between copying and reading back.
    fn before_verify(&self) {}
}

/// Appends an extent, growing the last one when the kind is the same.
pub(crate) fn push_extent(extents: &mut Vec<Extent>, range: Range<u64>, kind: ExtentKind) {
    match extents.last_mut() {
        Some(last) if last.kind == kind && last.range.end == range.start => last.range.end = range.end,
        _ => extents.push(Extent { range, kind }),
    }
}

/// Whether all of `bytes` are zero; ends at the first that is not.
fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|w| w.iter().fold(0, |a, b| a | b) == 0) && rest.iter().all(|b| *b == 0)
}
