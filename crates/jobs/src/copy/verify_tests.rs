//! The read-back, cut at each of its checkpoints: what was read back is not read again, unless somebody wrote to the
//! target, and what differs is found.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use proptest::prelude::*;

use super::super::checkpoint::{Header, VERSION};
use super::super::control::Control;
use super::super::disk::{SourceIdentity, TargetIdentity};
use super::super::{BlockDev, CHUNK_BYTES, Extent, ExtentKind, May, Sink, push_extent};
use super::*;
use crate::storage::{Format, Identity};

type Pages = BTreeMap<u32, Vec<u8>>;

const SIZE: u64 = 7 * CHUNK_BYTES + 1000;
/// Chunks of it that are zeros.
const EMPTY: [usize; 2] = [2, 5];

/// A disk in memory that counts which chunks are read from its device.
struct Memory {
    bytes: Mutex<Vec<u8>>,
    read: Mutex<Vec<usize>>,
}

impl Memory {
    fn new() -> Self {
        let mut bytes = vec![0; SIZE as usize];
        for (index, chunk) in bytes.chunks_mut(CHUNK_BYTES as usize).enumerate() {
            if !EMPTY.contains(&index) {
                chunk.fill(index as u8 + 1);
            }
        }
        Self { bytes: Mutex::new(bytes), read: Mutex::new(Vec::new()) }
    }

    fn flip(&self, at: u64) {
        self.bytes.lock().unwrap()[at as usize] ^= 1;
    }

    /// The chunks read since this was asked last, in order.
    fn read(&self) -> Vec<usize> {
        let mut read = std::mem::take(&mut *self.read.lock().unwrap());
        read.sort_unstable();
        read
    }
}

impl BlockDev for Memory {
    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn size(&self) -> u64 {
        SIZE
    }

    fn extents(&self, range: std::ops::Range<u64>) -> Result<Vec<Extent>, DiskError> {
        let bytes = self.bytes.lock().unwrap();
        let mut extents = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let end = (at + 4096).min(range.end);
            let zero = is_zero(&bytes[at as usize..end as usize]);
            push_extent(&mut extents, at..end, if zero { ExtentKind::Zero } else { ExtentKind::Data });
            at = end;
        }
        Ok(extents)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        buf.copy_from_slice(&self.bytes.lock().unwrap()[at as usize..at as usize + buf.len()]);
        Ok(())
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        self.read.lock().unwrap().push((at / CHUNK_BYTES) as usize);
        self.read_at(&mut buf.bytes_mut()[..len], at)
    }

    fn write_at(&self, _: &[u8], _: u64, _: May<'_>) -> Result<(), DiskError> {
        panic!("reading back writes nothing")
    }

    fn write_zeroes(&self, _: std::ops::Range<u64>, _: May<'_>) -> Result<(), DiskError> {
        panic!("reading back writes nothing")
    }

    fn flush(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// Stores so many checkpoints, and breaks off at the next.
struct Stores {
    left: Mutex<usize>,
    pages: Mutex<Pages>,
    told: Mutex<Vec<u64>>,
}

impl Stores {
    fn new(pages: Pages, left: usize) -> Self {
        Self { left: Mutex::new(left), pages: Mutex::new(pages), told: Mutex::default() }
    }
}

impl Sink for Stores {
    fn progress(&self, stage: Stage, bytes_done: u64, _: u64) {
        assert_eq!(stage, Stage::Verifying);
        self.told.lock().unwrap().push(bytes_done);
    }

    fn checkpoint(&self, pages: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError> {
        let mut left = self.left.lock().unwrap();
        *left = left.checked_sub(1).ok_or(DiskError::Canceled)?;
        self.pages.lock().unwrap().extend(pages);
        Ok(())
    }
}

fn header() -> Header {
    Header {
        version: VERSION,
        source: vec![SourceIdentity::File(Identity { dev: 1, ino: 2, len: SIZE, mtime_ns: 4 })],
        source_bytes: SIZE,
        target: "v/j-1".into(),
        target_file: TargetIdentity::File(1, 9),
        format: Format::Raw,
        mapped: true,
        chunk_bytes: CHUNK_BYTES,
        chunks: SIZE.div_ceil(CHUNK_BYTES),
        filled: false,
    }
}

/// The copy as it stands in the checkpoint when reading back begins.
fn filled(disk: &Memory) -> ChunkMap {
    let mut map = ChunkMap::new(header());
    let bytes = disk.bytes.lock().unwrap();
    let done: Vec<_> = (0..map.states().len())
        .map(|index| {
            let range = chunk_range(index, SIZE);
            let chunk = &bytes[range.start as usize..range.end as usize];
            match is_zero(chunk) {
                true => (index as u32, ChunkState::Zero, [0; 32]),
                false => (index as u32, ChunkState::Copied, hash::chunk(chunk, range.start, SIZE)),
            }
        })
        .collect();
    map.note(&done);
    map
}

/// One attempt that goes on from `pages`, is killed after so many checkpoints, and reads with `streams`.
struct Attempt<'a> {
    source: &'a Memory,
    target: &'a Memory,
    mark: &'a str,
    checkpoints: usize,
    streams: usize,
}

impl Attempt<'_> {
    /// What it found, what progress said, and the checkpoint as it left it.
    fn run(&self, pages: Pages) -> (Result<String, DiskError>, Vec<u64>, Pages) {
        let (control, stores) = (Control::new(0), Stores::new(pages.clone(), self.checkpoints));
        let map = filled(self.source);
        let work = Work {
            source: self.source,
            target: self.target,
            control: &control,
            sink: &stores,
            streams: self.streams,
            checkpoint_interval_ms: 0,
            data_bytes: SIZE - EMPTY.len() as u64 * CHUNK_BYTES,
            before: None,
        };
        let verified = Verified::open(&map, self.mark, &pages).unwrap();
        let found = verify(&work, &map, None, verified).map(|hashes| hash::disk(&hashes));
        (found, stores.told.into_inner().unwrap(), stores.pages.into_inner().unwrap())
    }
}

fn pair() -> (Memory, Memory) {
    (Memory::new(), Memory::new())
}

fn whole(disk: &Memory) -> String {
    blake3::hash(&disk.bytes.lock().unwrap()).to_hex().to_string()
}

/// The chunks that the checkpoint says were read back under this mark.
fn stored(pages: &Pages, mark: &str, header: Header) -> Vec<usize> {
    let map = ChunkMap::new(header);
    let verified = Verified::open(&map, mark, pages).unwrap();
    (0..map.states().len()).filter(|index| verified.hash(*index).is_some()).collect()
}

#[test]
fn a_read_back_killed_at_each_checkpoint_goes_on_and_reads_nothing_twice_that_was_stored() {
    let (source, target) = pair();
    let mut pages = Pages::new();
    let (mut reached, mut attempts) = (0, 0);
    let hash = loop {
        attempts += 1;
        assert!(attempts <= 9, "it does not come forward");
        let before = stored(&pages, "a", header());
        let attempt = Attempt { source: &source, target: &target, mark: "a", checkpoints: 1, streams: 1 };
        let (found, told, left) = attempt.run(pages);
        assert!(told.is_sorted() && told[0] >= reached, "progress goes on from {reached}: {told:?}");
        reached = told[0];
        pages = left;
        let read = target.read();
        assert!(read.iter().all(|chunk| !before.contains(chunk)), "read {read:?}, stored {before:?}");
        match found {
            Ok(hash) => break hash,
            Err(error) => assert!(matches!(error, DiskError::Canceled), "{error:?}"),
        }
    };
    assert!(attempts > 2 && reached > 0, "it was killed");
    assert_eq!(hash, whole(&source));
}

#[test]
fn what_was_stored_is_not_read_again_and_the_hashes_of_zeros_are_kept_too() {
    let (source, target) = pair();
    let attempt = Attempt { source: &source, target: &target, mark: "a", checkpoints: 99, streams: 4 };
    let (first, _, pages) = attempt.run(Pages::new());
    assert_eq!(first.unwrap(), whole(&source));
    assert_eq!(target.read().len(), 6);
    let (second, told, _) = attempt.run(pages);
    assert_eq!(second.unwrap(), whole(&source));
    assert_eq!(target.read(), Vec::<usize>::new());
    assert!(told.iter().all(|done| *done == SIZE - 2 * CHUNK_BYTES), "{told:?}");
}

#[test]
fn after_a_write_to_the_target_all_of_it_is_read_again_and_the_difference_found() {
    let (source, target) = pair();
    let attempt = |mark| Attempt { source: &source, target: &target, mark, checkpoints: 99, streams: 1 };
    let (_, _, pages) = attempt("a").run(Pages::new());
    target.read();
    target.flip(CHUNK_BYTES + 77);
    // The control: who does not look whether anybody wrote believes what was true.
    assert!(attempt("a").run(pages.clone()).0.is_ok());
    let (found, told, _) = attempt("b").run(pages.clone());
    assert!(matches!(found, Err(DiskError::Mismatch { offset }) if offset == CHUNK_BYTES + 77), "{found:?}");
    assert_eq!(told[0], 0);
}

#[test]
fn pages_of_another_copy_or_damaged_ones_count_for_nothing() {
    let (source, target) = pair();
    let attempt = Attempt { source: &source, target: &target, mark: "a", checkpoints: 99, streams: 1 };
    let (_, _, pages) = attempt.run(Pages::new());
    let count = |header: Header, pages: &Pages| stored(pages, "a", header).len();
    assert_eq!(count(header(), &pages), 8, "the control");
    assert_eq!(count(Header { target_file: TargetIdentity::File(1, 10), ..header() }, &pages), 0);
    for damaged in [Vec::new(), vec![0; 5], vec![0; 32 + 33 * 9], vec![1; 32 + 33 * 8]] {
        let pages = pages.keys().map(|number| (*number, damaged.clone())).collect();
        assert_eq!(count(header(), &pages), 0);
    }
    // And those of chunks know nothing of them, so that an earlier release reads its own.
    let mut all = pages;
    all.extend([ChunkMap::new(header()).header_page().unwrap()]);
    assert!(ChunkMap::from_pages(&all).unwrap().is_some());
    let forgotten = ChunkMap::forgotten(&all);
    assert!(forgotten.iter().filter(|(number, _)| **number > 0).all(|(_, page)| page.is_empty()));
    assert_eq!(forgotten.len(), all.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Killed anywhere, with any number of threads, and written to or not: what it says at the end is true, and a chunk
    /// that was stored is read again only if somebody wrote.
    #[test]
    fn however_it_is_killed_what_it_says_is_true(
        kills in proptest::collection::vec((0..4_usize, 1..5_usize), 0..5),
        flipped in proptest::option::of((0..4_usize, 0..SIZE)),
    ) {
        let (source, target) = pair();
        let mut pages = Pages::new();
        let mut mark = "a".to_owned();
        let mut bad = None;
        for (at, (checkpoints, streams)) in kills.iter().enumerate() {
            if let Some((_, offset)) = flipped.filter(|(when, _)| *when == at) {
                target.flip(offset);
                bad = Some(offset);
                mark.push('b');
            }
            let attempt = Attempt { source: &source, target: &target, mark: &mark, checkpoints: *checkpoints, streams: *streams };
            pages = attempt.run(pages).2;
        }
        let attempt = Attempt { source: &source, target: &target, mark: &mark, checkpoints: 99, streams: 3 };
        match (attempt.run(pages).0, bad) {
            (Ok(hash), None) => prop_assert_eq!(hash, whole(&source)),
            (Err(DiskError::Mismatch { offset }), Some(bad)) => prop_assert_eq!(offset, bad),
            (found, bad) => prop_assert!(false, "{found:?} with {bad:?}"),
        }
    }
}
