//! An image with its snapshots: one segment for each, the oldest first, and the newest state last. In each segment the
//! target gets the size of that snapshot, what differs from the one before is written, and a snapshot of the same
//! name is taken. At the end all of them are read back. Which they are: `history`; a segment's bytes: `fill`.
//!
//! Each segment has pages of its own. Its header says `filled`, durably, before its snapshot is taken: who goes on
//! from there takes the snapshot if it is missing, and one that is there before its segment was filled is not
//! believed. A header of the next segment says that the snapshot is there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::checkpoint::{CLIENTS_PAGE, ChunkMap, Header, SEGMENT_PAGES, VERSION};
use super::control::Control;
use super::disk::{DiskRef, ImageIdentity, SourceIdentity, TargetIdentity};
use super::fill::{Work, fill};
use super::hash::{self, ChunkHash};
use super::history::{History, KeptSnapshot};
use super::image::{self, Pools, snapshot_name};
use super::rbd::{RbdSource, RbdTarget};
use super::run::{CopiedSnapshot, CopyResult, CopySpec, MAPPING_STEP, emptied};
use super::source::Source;
use super::verified::Verified;
use super::{CHUNK_BYTES, Sink, Stage, target, verify};
use crate::rbd::{Image, Pool};
use crate::storage::{DiskError, Format};

/// Snapshots of one image that are copied: each has its range of page numbers and a handle of its own.
pub const SNAPSHOTS_MAX: usize = 256;

/// Copies `source`, which has a history, to an image.
///
/// # Errors
/// As `run::copy`; `BadImage` for more snapshots than `SNAPSHOTS_MAX`.
pub(super) fn copy(
    spec: &CopySpec,
    pools: &Pools,
    source: &Source,
    pages: &BTreeMap<u32, Vec<u8>>,
    control: &Control,
    sink: &dyn Sink,
) -> Result<CopyResult, DiskError> {
    let (from, to) = match (&spec.source, &spec.target) {
        (DiskRef::Image { pool: from, image: source }, DiskRef::Image { pool: to, image: target }) => {
            ((pools.of(from)?, source.as_str()), (pools.of(to)?, target.as_str()))
        }
        _ => return Err(DiskError::bad_image(source.dev.path(), "only an image has snapshots to be copied")),
    };
    let [SourceIdentity::Image(identity)] = source.files.as_slice() else {
        return Err(DiskError::bad_image(source.dev.path(), "it is no image"));
    };
    if source.history.len() > SNAPSHOTS_MAX {
        let reason = format!(
            "it has {} snapshots, and {SNAPSHOTS_MAX} can be copied; remove some with rbd snap rm",
            source.history.len()
        );
        return Err(DiskError::bad_image(source.dev.path(), reason));
    }
    let history = History { source: identity.clone(), snapshots: source.history.clone() };
    let places = Places {
        to,
        sources: sources(from, &history.snapshots, &snapshot_name(&spec.holder))?,
        snapshots: &history.snapshots,
        identity,
    };
    let (totals, all) = places.measure(control, sink)?;
    let begun = Begun::open(&places, &history, spec, pages, sink)?;
    let first = begun.first;
    let log = Log { sink, stored: Mutex::new(begun.pages), done: AtomicU64::new(0), all };
    let target = Arc::new(begun.image);

    let mut before = None;
    for index in 0..places.count() {
        log.done.store(totals[..index as usize].iter().sum(), Ordering::Release);
        let known = ChunkMap::segment_from_pages(index, &log.stored())?;
        let mut map = match known {
            Some(map) => map,
            None => ChunkMap::of_segment(index, places.header(index, &begun.name, &begun.identity)),
        };
        if index >= first {
            let segment = Segment { places: &places, spec, control, log: &log, data: totals[index as usize] };
            segment.write(index, &target, &mut map, before.as_ref())?;
        }
        map.fill_up(before.as_ref());
        before = Some(map);
    }
    source.check_unchanged()?;
    log.done.store(0, Ordering::Release);
    sink.before_verify();
    let mark = image::mark(&target, &spec.holder, begun.untouched)?;
    let found = read_back(&places, spec, control, &log, (&target, &mark), &totals)?;
    source.check_unchanged()?;
    image::unmark(&target)?;
    drop(target);
    Ok(places.result(found, totals.last().copied().unwrap_or(0)))
}

/// Each snapshot of the source, and `head`, our own. They stay open, since librbd ended the process twice where they were
/// opened and closed one after the other; that this was why is not known.
fn sources(
    (pool, image): (&Pool, &str),
    snapshots: &[KeptSnapshot],
    head: &str,
) -> Result<Vec<RbdSource>, DiskError> {
    let names: Vec<&str> = snapshots.iter().map(|s| s.name.as_str()).chain([head]).collect();
    let open = |name: &&str| Image::open_read_only(pool, image, Some(name));
    let images = names.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    // What an image that reads from a parent loses of it when it is cut off is in no list of changes, so all of it is
    // compared.
    let mut flattens = false;
    for image in &images {
        flattens |= image.overlap()? > 0;
    }
    let since = |index: usize| index.checked_sub(1).filter(|_| !flattens).map(|before| names[before]);
    let source = |(index, image)| RbdSource::new(Arc::new(image), since(index));
    images.into_iter().enumerate().map(source).collect()
}

/// Both images and what is copied from one to the other.
struct Places<'a> {
    to: (&'a Pool, &'a str),
    /// The source as of each segment.
    sources: Vec<RbdSource>,
    snapshots: &'a [KeptSnapshot],
    identity: &'a ImageIdentity,
}

impl Places<'_> {
    /// Segments.
    fn count(&self) -> u32 {
        self.snapshots.len() as u32 + 1
    }

    /// The snapshot that a segment makes in the target; `None` for the last.
    fn snapshot(&self, index: u32) -> Option<&KeptSnapshot> {
        self.snapshots.get(index as usize)
    }

    fn before(&self, index: u32) -> Option<&str> {
        index.checked_sub(1).and_then(|before| self.snapshot(before)).map(|s| s.name.as_str())
    }

    fn bytes(&self, index: u32) -> u64 {
        self.snapshot(index).map_or(self.identity.bytes, |s| s.bytes)
    }

    fn source(&self, index: u32) -> &RbdSource {
        &self.sources[index as usize]
    }

    fn header(&self, index: u32, name: &str, target_file: &TargetIdentity) -> Header {
        let snapshot = self.snapshot(index).map_or(self.identity.snapshot, |s| s.id);
        let bytes = self.bytes(index);
        Header {
            version: VERSION,
            source: vec![SourceIdentity::Image(ImageIdentity { snapshot, bytes, ..self.identity.clone() })],
            source_bytes: bytes,
            target: name.into(),
            target_file: target_file.clone(),
            format: Format::Raw,
            mapped: true,
            chunk_bytes: CHUNK_BYTES,
            chunks: bytes.div_ceil(CHUNK_BYTES),
            filled: false,
        }
    }

    /// Bytes of data that each segment has to move, and all together.
    fn measure(&self, control: &Control, sink: &dyn Sink) -> Result<(Vec<u64>, u64), DiskError> {
        let size: u64 = (0..self.count()).map(|index| self.bytes(index)).sum();
        let (mut totals, mut at) = (Vec::new(), 0);
        let mut before: Option<ChunkMap> = None;
        for index in 0..self.count() {
            let source = self.source(index);
            let map = ChunkMap::of_segment(index, self.header(index, "", &TargetIdentity::File(0, 0)));
            // Nothing is written by it; it only asks.
            let work = Work {
                source,
                target: source,
                control,
                sink,
                streams: 1,
                checkpoint_interval_ms: 0,
                data_bytes: 0,
                before: before.as_ref(),
            };
            let mut bytes = 0;
            for chunk in 0..map.states().len() {
                bytes += work.bytes_to_move(chunk)?;
                if chunk % MAPPING_STEP == 0 {
                    control.check()?;
                    sink.progress(Stage::Mapping, at + chunk as u64 * CHUNK_BYTES, size);
                }
            }
            at += self.bytes(index);
            totals.push(bytes);
            before = Some(map);
        }
        let all = totals.iter().sum();
        Ok((totals, all))
    }

    fn result(&self, hashes: Vec<String>, data_bytes: u64) -> CopyResult {
        let mut hashes = hashes.into_iter();
        let snapshots = self.snapshots.iter().zip(hashes.by_ref()).map(|(s, blake3)| CopiedSnapshot {
            name: s.name.clone(),
            blake3,
            bytes: s.bytes,
            protected: s.protected,
        });
        let snapshots = snapshots.collect();
        let blake3 = hashes.next().unwrap_or_default();
        CopyResult { blake3, bytes: self.identity.bytes, data_bytes, snapshots }
    }
}

/// The target as an earlier attempt left it, or a new one.
struct Begun {
    image: Image,
    identity: TargetIdentity,
    name: String,
    pages: BTreeMap<u32, Vec<u8>>,
    /// The segment to go on with: those before it are complete.
    first: u32,
    /// As `image::Again` has it.
    untouched: bool,
}

impl Begun {
    fn open(
        places: &Places<'_>,
        history: &History,
        spec: &CopySpec,
        pages: &BTreeMap<u32, Vec<u8>>,
        sink: &dyn Sink,
    ) -> Result<Self, DiskError> {
        let name = spec.target.path_for_people().to_string_lossy().into_owned();
        if History::from_pages(pages)?.as_ref() == Some(history)
            && let Some(begun) = Self::again(places, spec, pages, &name)?
        {
            return Ok(begun);
        }
        let (image, identity) = target::new_image(places.to.0, places.to.1, &spec.holder, places.bytes(0))?;
        let first = ChunkMap::of_segment(0, places.header(0, &name, &identity));
        // The header last: it is what the others are believed by.
        let mut fresh = emptied(pages);
        fresh.push(history.page()?);
        fresh.push(first.header_page()?);
        sink.checkpoint(fresh)?;
        let pages = BTreeMap::from([first.header_page()?]);
        Ok(Self { image, identity, name, pages, first: 0, untouched: false })
    }

    /// `None` where it is not what the pages speak of, so that nothing of it counts.
    fn again(
        places: &Places<'_>,
        spec: &CopySpec,
        pages: &BTreeMap<u32, Vec<u8>>,
        name: &str,
    ) -> Result<Option<Self>, DiskError> {
        let mut first = None;
        for index in (0..places.count()).rev() {
            if let Some(map) = ChunkMap::segment_from_pages(index, pages)? {
                first = Some((index, map));
                break;
            }
        }
        let Some((first, map)) = first else { return Ok(None) };
        let taken = image::take_again(places.to.0, places.to.1, &spec.holder, pages);
        let image::Again { image, untouched } = match taken {
            Err(DiskError::NotFound(_)) => return Ok(None),
            taken => taken?,
        };
        let identity = TargetIdentity::Image { fsid: places.to.0.fsid()?, image: image.id()? };
        let there: Vec<String> = image.snapshots()?.into_iter().map(|s| s.name).collect();
        let mut complete = places.snapshots[..first as usize].iter().map(|s| s.name.as_str());
        let same = map.header().target_file == identity
            && map.header().target.as_os_str() == name
            && complete.all(|name| there.iter().any(|s| s == name));
        if !same {
            return Ok(None);
        }
        let mut pages = pages.clone();
        pages.remove(&CLIENTS_PAGE);
        Ok(Some(Self { image, identity, name: name.to_owned(), pages, first, untouched }))
    }
}

/// The sink of all segments: one progress over them, and what was stored so far.
struct Log<'a> {
    sink: &'a dyn Sink,
    stored: Mutex<BTreeMap<u32, Vec<u8>>>,
    /// Bytes of the segments before.
    done: AtomicU64,
    all: u64,
}

impl Log<'_> {
    fn stored(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<u8>>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Log<'_> {
    fn progress(&self, stage: Stage, bytes_done: u64, _: u64) {
        let done = self.done.load(Ordering::Acquire) + bytes_done;
        self.sink.progress(stage, done.min(self.all), self.all);
    }

    fn checkpoint(&self, pages: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError> {
        self.sink.checkpoint(pages.clone())?;
        self.stored().extend(pages);
        Ok(())
    }
}

/// What the writing of a segment needs.
struct Segment<'a> {
    places: &'a Places<'a>,
    spec: &'a CopySpec,
    control: &'a Control,
    log: &'a Log<'a>,
    data: u64,
}

impl Segment<'_> {
    /// Writes one segment and takes its snapshot.
    fn write(
        &self,
        index: u32,
        target: &Arc<Image>,
        map: &mut ChunkMap,
        before: Option<&ChunkMap>,
    ) -> Result<(), DiskError> {
        let snapshot = self.places.snapshot(index);
        let there = |name: &str| Ok::<_, DiskError>(target.snapshots()?.iter().any(|s| s.name == name));
        if !map.header().filled {
            if !self.log.stored().contains_key(&(index * SEGMENT_PAGES)) {
                self.log.checkpoint(vec![map.header_page()?])?;
            }
            if let Some(snapshot) = snapshot
                && there(&snapshot.name)?
            {
                // Not ours to be believed: nothing of this segment was complete.
                target.unprotect(&snapshot.name)?;
                target.remove_snapshot(&snapshot.name)?;
            }
            let bytes = self.places.bytes(index);
            if target.size()? != bytes {
                self.control.check()?;
                target.resize(bytes)?;
            }
            let source = self.places.source(index);
            let dev = RbdTarget::new(Arc::clone(target), self.places.to.1)?;
            let work = work(self.spec, self.control, self.log, (source, &dev), self.data, before);
            fill(&work, map)?;
            map.fill_up(before);
            self.log.checkpoint(vec![map.header_page()?])?;
        }
        let Some(snapshot) = snapshot else { return Ok(()) };
        self.control.check()?;
        if !there(&snapshot.name)? {
            target.snapshot(&snapshot.name)?;
        }
        if snapshot.protected {
            target.protect(&snapshot.name)?;
        }
        Ok(())
    }
}

fn work<'a>(
    spec: &CopySpec,
    control: &'a Control,
    log: &'a Log<'_>,
    (source, target): (&'a RbdSource, &'a RbdTarget),
    data_bytes: u64,
    before: Option<&'a ChunkMap>,
) -> Work<'a> {
    Work {
        source,
        target,
        control,
        sink: log,
        streams: spec.streams(),
        checkpoint_interval_ms: spec.checkpoint_interval_ms,
        data_bytes,
        before,
    }
}

/// Reads every snapshot and the newest state of the target back. Answers the hash of each, in order.
fn read_back(
    places: &Places<'_>,
    spec: &CopySpec,
    control: &Control,
    log: &Log<'_>,
    (target, mark): (&Arc<Image>, &str),
    totals: &[u64],
) -> Result<Vec<String>, DiskError> {
    let mut found = Vec::new();
    let mut before: Option<(ChunkMap, Vec<ChunkHash>)> = None;
    for index in 0..places.count() {
        log.done.store(totals[..index as usize].iter().sum(), Ordering::Release);
        let Some(mut map) = ChunkMap::segment_from_pages(index, &log.stored())? else {
            return Err(DiskError::bad_image("checkpoint".as_ref(), format!("segment {index} is missing")));
        };
        map.fill_up(before.as_ref().map(|(map, _)| map));
        let source = places.source(index);
        let at = places.snapshot(index).map(|s| s.name.as_str());
        let dev = RbdTarget::past(Arc::clone(target), places.to.1, at, places.before(index))?;
        let data = totals[index as usize];
        let before_map = before.as_ref().map(|(map, _)| map);
        let work = work(spec, control, log, (source, &dev), data, before_map);
        let work = Work { streams: spec.streams_back(), ..work };
        let verified = Verified::open(&map, mark, &log.stored())?;
        let hashes =
            verify::verify(&work, &map, before.as_ref().map(|(_, hashes)| hashes.as_slice()), verified)?;
        found.push(hash::disk(&hashes));
        before = Some((map, hashes));
    }
    Ok(found)
}
