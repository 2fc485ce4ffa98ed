//! One copy from begin to end: open both sides, lay out, fill, read back, sum up. Each step is a file of
//! its own; here is their order and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checkpoint::CLIENTS_PAGE;
use super::control::Control;
pub use super::disk::DiskRef;
use super::disk::Holder;
use super::fill::{Work, chunk_range, data_bytes, fill};
pub use super::history::Snapshots;
use super::image::Pools;
use super::snapshot::Begun;
use super::source::Source;
use super::verified::Verified;
use super::{CHECKPOINT_INTERVAL_MS, STREAMS, Sink, Stage, hash, segments, source, target, verify};
use crate::storage::DiskError;

/// More streams than this bring nothing and cost 8 MiB each.
pub(super) const STREAMS_MAX: usize = 16;
/// So many streams more for a copy from or to an image: each of its calls waits for an answer over the network, for
/// which a file has the kernel's read-ahead and write-back (docs/adr/0015-rbd.md has what fewer and more cost).
pub(super) const STREAMS_OF_IMAGE: usize = 4;
/// So many streams more read an image back: the processor is busy with fewer, and each read has its bytes twice in
/// memory, once in librbd's buffer.
const STREAMS_BACK_OF_IMAGE: usize = 1;
/// The mapping stage reports and asks whether to go on once in this many chunks.
pub(super) const MAPPING_STEP: usize = 64;

/// What to copy, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySpec {
    /// From where.
    pub source: DiskRef,
    /// To where: `<volumeUuid>/<jobUuid>-<token>` (an image: with a dot), final and unique; of a resumed copy the
    /// same as before.
    pub target: DiskRef,
    /// On whose behalf; counts for images.
    pub holder: Holder,
    /// Chunks in work at the same time, 1 to 16.
    pub streams: usize,
    /// Time between two checkpoints, in milliseconds.
    pub checkpoint_interval_ms: u64,
    /// What becomes of the snapshots of an image.
    #[serde(default)]
    pub snapshots: Snapshots,
}

impl CopySpec {
    /// Chunks that are in work at the same time for these two disks.
    pub(super) fn streams(&self) -> usize {
        let image = [&self.source, &self.target].iter().any(|disk| matches!(disk, DiskRef::Image { .. }));
        let more = if image { STREAMS_OF_IMAGE } else { 0 };
        (self.streams.max(1) + more).min(STREAMS_MAX)
    }

    /// Chunks of the target that are read back at the same time.
    pub(super) fn streams_back(&self) -> usize {
        let more = if matches!(self.target, DiskRef::Image { .. }) { STREAMS_BACK_OF_IMAGE } else { 0 };
        (self.streams.max(1) + more).min(STREAMS_MAX)
    }

    /// A copy at default settings.
    pub fn new(source: DiskRef, target: DiskRef) -> Self {
        let holder = Holder::default();
        Self {
            source,
            target,
            holder,
            streams: STREAMS,
            checkpoint_interval_ms: CHECKPOINT_INTERVAL_MS,
            snapshots: Snapshots::default(),
        }
    }
}

/// What a finished copy found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyResult {
    /// BLAKE3 of the guest's bytes, holes as zeros, in hexadecimal: what `b3sum` says of the raw bytes.
    pub blake3: String,
    /// How many bytes that are: the size of the source's disk.
    pub bytes: u64,
    /// Bytes of data among them, holes left out.
    pub data_bytes: u64,
    /// The snapshots that were copied with it and read back, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<CopiedSnapshot>,
}

/// A snapshot in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedSnapshot {
    /// Its name.
    pub name: String,
    /// BLAKE3 of the guest's bytes as of then, as `CopyResult::blake3`.
    pub blake3: String,
    /// How many bytes that are.
    pub bytes: u64,
    /// It is kept from being removed.
    pub protected: bool,
}

/// Copies a disk, going on where `pages` (of an earlier attempt, empty for the first) say. On return the
/// target is durable and was read back, and the source is let go.
///
/// # Errors
/// `Canceled`, `LeaseExpired`, `Mismatch`, `SourceChanged`, and those of `source::open` and `target::open`. The
/// target stays as it is: it can be resumed, or deleted by the caller.
pub fn copy(
    spec: &CopySpec,
    pages: &BTreeMap<u32, Vec<u8>>,
    control: &Control,
    sink: &dyn Sink,
) -> Result<CopyResult, DiskError> {
    let (result, source) = copy_and_hold(spec, pages, control, sink)?;
    source.give_back()?;
    Ok(result)
}

/// The same, but the source stays held and comes with the result.
///
/// # Errors
/// As `copy`.
pub fn copy_and_hold(
    spec: &CopySpec,
    pages: &BTreeMap<u32, Vec<u8>>,
    control: &Control,
    sink: &dyn Sink,
) -> Result<(CopyResult, Source), DiskError> {
    let pools = Pools::open([&spec.source, &spec.target], pages, sink)?;
    let mut source =
        source::open_disk(&spec.source, &pools, &spec.holder, pages, spec.snapshots, &spec.target)?;
    if !source.history.is_empty() {
        return Ok((segments::copy(spec, &pools, &source, pages, control, sink)?, source));
    }
    let size = source.dev.size();

    let mut data = 0;
    for index in 0..size.div_ceil(super::CHUNK_BYTES) as usize {
        let range = chunk_range(index, size);
        data += data_bytes(source.dev.as_ref(), range.clone())?;
        if index % MAPPING_STEP == 0 {
            control.check()?;
            sink.progress(Stage::Mapping, range.start, size);
        }
    }
    let step = |at: u64| {
        sink.progress(Stage::Mapping, at, size);
        control.check()
    };
    control.check()?;
    let mut target = target::open(&spec.target, &pools, &spec.holder, &source, pages, step)?;
    let begun = match target.resumed {
        true => Begun::again(sink),
        false => Begun::anew(sink, emptied(pages), target.map.header(), source.later.take())?,
    };
    let none = BTreeMap::new();
    let work = Work {
        source: source.dev.as_ref(),
        target: target.dev.as_ref(),
        control,
        sink: &begun,
        streams: spec.streams(),
        checkpoint_interval_ms: spec.checkpoint_interval_ms,
        data_bytes: data,
        before: None,
    };
    fill(&work, &mut target.map)?;
    if let Some(settled) = begun.settle()? {
        target.map.set_source(settled.clone());
        source.files = vec![settled];
    }
    source.check_unchanged()?;
    sink.before_verify();
    let mark = target.mark(&spec.holder)?;
    let verified = Verified::open(&target.map, &mark, if target.resumed { pages } else { &none })?;
    let work = Work { streams: spec.streams_back(), ..work };
    let hashes = verify::verify(&work, &target.map, None, verified)?;
    source.check_unchanged()?;
    target.unmark()?;
    drop(target);
    let result =
        CopyResult { blake3: hash::disk(&hashes), bytes: size, data_bytes: data, snapshots: Vec::new() };
    Ok((result, source))
}

/// Pages that say nothing, in place of those of an earlier target: what they said is not true of a new one.
pub(super) fn emptied(pages: &BTreeMap<u32, Vec<u8>>) -> Vec<(u32, Vec<u8>)> {
    let stale = pages.iter().filter(|(number, page)| **number != CLIENTS_PAGE && !page.is_empty());
    stale.map(|(number, _)| (*number, Vec::new())).collect()
}
