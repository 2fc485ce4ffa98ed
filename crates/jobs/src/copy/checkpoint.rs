//! What survives a kill: which chunks are durably in the target, and their hashes, as numbered pages
//! of which only changed ones are stored again. Page 0 is the header, page n holds the chunks from
//! (n - 1) * 1024. Storing them is the caller's. A disk that is copied with its snapshots has such pages for each of
//! them, `SEGMENT_PAGES` apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::CHUNK_BYTES;
use super::disk::{SourceIdentity, TargetIdentity};
use super::hash::ChunkHash;
use crate::storage::{DiskError, Format};

/// Layout of the pages that this release writes; it reads no other.
pub const VERSION: u32 = 1;
/// The page in which a copy between images has its clients; see `image`. No page of chunks has this number.
pub const CLIENTS_PAGE: u32 = u32::MAX;
/// The page that lists the snapshots of a source; see `history`.
pub const HISTORY_PAGE: u32 = u32::MAX - 1;
/// Page numbers of one segment: the largest disk needs far fewer.
pub const SEGMENT_PAGES: u32 = 1 << 20;
/// Pages from this number on are not of chunks: who orders the copy keeps there what it knows beside it.
pub const FIRST_OTHER_PAGE: u32 = u32::MAX - 15;
/// The first page of what was read back; see `verified`. Beyond those of chunks of all segments that there can be.
pub const FIRST_VERIFIED_PAGE: u32 = (1 << 31) + 1;
/// Chunks per page.
pub const CHUNKS_PER_PAGE: usize = 1024;
const ENTRY_BYTES: usize = 33;

/// Page 0: of which copy these are the pages. JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `VERSION`.
    pub version: u32,
    /// The files of the source, the top of a backing chain first; or its image.
    pub source: Vec<SourceIdentity>,
    /// Size of the guest's disk in bytes.
    pub source_bytes: u64,
    /// The target's path below its storage's root, or the URL of the image.
    pub target: PathBuf,
    /// Which file or image is the target.
    pub target_file: TargetIdentity,
    /// Its format.
    pub format: Format,
    /// The target's map is complete and durable: from here on it is filled in place.
    pub mapped: bool,
    /// `CHUNK_BYTES`.
    pub chunk_bytes: u64,
    /// How many chunks there are.
    pub chunks: u64,
    /// Every chunk of this segment is durable; what has no entry is as in the segment before. Of copies with
    /// snapshots.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filled: bool,
}

impl Header {
    /// The bytes of its page.
    ///
    /// # Errors
    /// `Io` when it can't be encoded, which does not happen.
    pub(super) fn encoded(&self) -> Result<Vec<u8>, DiskError> {
        serde_json::to_vec(self).map_err(|e| DiskError::io("encode", &self.target, std::io::Error::other(e)))
    }
}

/// How far a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkState {
    /// Not durably in the target yet.
    Todo = 0,
    /// Durably in the target.
    Copied = 1,
    /// All zeros; nothing was written.
    Zero = 2,
}

/// The state of every chunk, 33 bytes each.
#[derive(Debug)]
pub struct ChunkMap {
    segment: u32,
    header: Header,
    states: Vec<ChunkState>,
    hashes: Vec<ChunkHash>,
}

impl ChunkMap {
    /// A map in which nothing is done.
    pub fn new(header: Header) -> Self {
        Self::of_segment(0, header)
    }

    /// The same for the snapshot of that place in their order, the oldest first.
    pub fn of_segment(segment: u32, header: Header) -> Self {
        let chunks = header.chunks as usize;
        Self { segment, header, states: vec![ChunkState::Todo; chunks], hashes: vec![[0; 32]; chunks] }
    }

    /// The map that `pages` describe; `None` when there is no header that says `mapped`, so that
    /// nothing of the target counts.
    ///
    /// # Errors
    /// `BadImage` when the pages are not what we write.
    pub fn from_pages(pages: &BTreeMap<u32, Vec<u8>>) -> Result<Option<Self>, DiskError> {
        Self::segment_from_pages(0, pages)
    }

    /// The same of one segment.
    ///
    /// # Errors
    /// As `from_pages`.
    pub fn segment_from_pages(
        segment: u32,
        pages: &BTreeMap<u32, Vec<u8>>,
    ) -> Result<Option<Self>, DiskError> {
        let base = segment * SEGMENT_PAGES;
        let bad = |reason: String| DiskError::bad_image(&PathBuf::from("checkpoint"), reason);
        let Some(first) = pages.get(&base).filter(|page| !page.is_empty()) else { return Ok(None) };
        let header: Header =
            serde_json::from_slice(first).map_err(|e| bad(format!("its header can't be read: {e}")))?;
        if header.version != VERSION || header.chunk_bytes != CHUNK_BYTES {
            return Err(bad(format!("version {} with chunks of {}", header.version, header.chunk_bytes)));
        }
        if header.chunks != header.source_bytes.div_ceil(CHUNK_BYTES) || !header.mapped {
            return if header.mapped { Err(bad("its counts contradict".into())) } else { Ok(None) };
        }
        let mut map = Self::of_segment(segment, header);
        for (&number, page) in pages.range(base + 1..base + SEGMENT_PAGES) {
            let start = (number as usize - base as usize - 1) * CHUNKS_PER_PAGE;
            if page.len() % ENTRY_BYTES != 0 || start + page.len() / ENTRY_BYTES > map.states.len() {
                return Err(bad(format!("page {number} has {} bytes", page.len())));
            }
            for (i, entry) in page.chunks_exact(ENTRY_BYTES).enumerate() {
                map.states[start + i] = match entry[0] {
                    0 => ChunkState::Todo,
                    1 => ChunkState::Copied,
                    2 => ChunkState::Zero,
                    s => return Err(bad(format!("page {number} has a chunk in state {s}"))),
                };
                map.hashes[start + i].copy_from_slice(&entry[1..]);
            }
        }
        Ok(Some(map))
    }

    /// Of which copy this is the map.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Tells of which source it is, where that was not known when it was made.
    pub(super) fn set_source(&mut self, source: SourceIdentity) {
        self.header.source = vec![source];
    }

    /// The state of each chunk.
    pub fn states(&self) -> &[ChunkState] {
        &self.states
    }

    /// The hash of each chunk that is `Copied`; 32 zeros for the others.
    pub fn hashes(&self) -> &[ChunkHash] {
        &self.hashes
    }

    /// Notes chunks that are durable now; answers the pages that changed.
    pub fn note(&mut self, done: &[(u32, ChunkState, ChunkHash)]) -> Vec<(u32, Vec<u8>)> {
        let mut changed = BTreeSet::new();
        for (chunk, state, hash) in done {
            let i = *chunk as usize;
            self.states[i] = *state;
            self.hashes[i] = *hash;
            changed.insert(i / CHUNKS_PER_PAGE);
        }
        let first = self.segment * SEGMENT_PAGES + 1;
        changed.into_iter().map(|p| (p as u32 + first, self.page(p))).collect()
    }

    /// Notes chunks that are as in the segment before. They need no page: they are found out again.
    pub fn keep(&mut self, kept: &[(u32, ChunkState, ChunkHash)]) {
        for (chunk, state, hash) in kept {
            self.states[*chunk as usize] = *state;
            self.hashes[*chunk as usize] = *hash;
        }
    }

    /// Every chunk is durable: what has no entry is as in `before`. The next header page says so.
    pub fn fill_up(&mut self, before: Option<&Self>) {
        self.header.filled = true;
        for index in 0..self.states.len() {
            if let (ChunkState::Todo, Some((state, hash))) =
                (self.states[index], before.and_then(|map| map.chunk(index, self.header.source_bytes)))
            {
                self.states[index] = state;
                self.hashes[index] = hash;
            }
        }
    }

    /// The chunk `index` where a disk of `bytes` has the same bytes there: neither cut off nor longer, and in the
    /// same place of the hash tree, where a disk of one chunk has none.
    pub fn chunk(&self, index: usize, bytes: u64) -> Option<(ChunkState, ChunkHash)> {
        let before = self.header.source_bytes;
        let end = |bytes: u64| bytes.min((index as u64 + 1) * CHUNK_BYTES);
        let same = index < self.states.len()
            && end(before) == end(bytes)
            && (before <= CHUNK_BYTES) == (bytes <= CHUNK_BYTES);
        same.then(|| (self.states[index], self.hashes[index]))
    }

    /// Whether there is data in the chunk `index`.
    pub fn has_data(&self, index: usize) -> bool {
        self.states.get(index).is_some_and(|state| *state != ChunkState::Zero)
    }

    /// The pages that make those of a finished copy count for nothing, so that the next copy of the same job to
    /// another target begins anew; without a page 0 there is nothing to forget.
    pub fn forgotten(pages: &BTreeMap<u32, Vec<u8>>) -> BTreeMap<u32, Vec<u8>> {
        let header = pages.get(&0).and_then(|page| serde_json::from_slice::<Header>(page).ok());
        let Some(header) = header else { return BTreeMap::new() };
        let blank = serde_json::to_vec(&Header { mapped: false, ..header }).unwrap_or_default();
        let chunks = pages.range(1..FIRST_OTHER_PAGE).chain(pages.get_key_value(&HISTORY_PAGE));
        std::iter::once((0, blank)).chain(chunks.map(|(number, _)| (*number, Vec::new()))).collect()
    }

    /// Its first page.
    ///
    /// # Errors
    /// `Io` when it can't be encoded, which does not happen.
    pub fn header_page(&self) -> Result<(u32, Vec<u8>), DiskError> {
        Ok((self.segment * SEGMENT_PAGES, self.header.encoded()?))
    }

    fn page(&self, index: usize) -> Vec<u8> {
        let start = index * CHUNKS_PER_PAGE;
        let end = (start + CHUNKS_PER_PAGE).min(self.states.len());
        let mut page = Vec::with_capacity((end - start) * ENTRY_BYTES);
        for i in start..end {
            page.push(self.states[i] as u8);
            page.extend_from_slice(&self.hashes[i]);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Identity;

    fn header(chunks: u64, mapped: bool) -> Header {
        Header {
            version: VERSION,
            source: vec![SourceIdentity::File(Identity { dev: 1, ino: 2, len: 3, mtime_ns: 4 })],
            source_bytes: chunks * CHUNK_BYTES,
            target: "v/j-1".into(),
            target_file: TargetIdentity::File(1, 9),
            format: Format::Qcow2,
            mapped,
            chunk_bytes: CHUNK_BYTES,
            chunks,
            filled: false,
        }
    }

    #[test]
    fn pages_given_back_are_the_map_that_wrote_them() {
        let mut map = ChunkMap::new(header(2500, true));
        let mut pages: BTreeMap<u32, Vec<u8>> = [map.header_page().unwrap()].into();
        let changed = map.note(&[(0, ChunkState::Copied, [7; 32]), (2499, ChunkState::Zero, [8; 32])]);
        assert_eq!(changed.iter().map(|c| c.0).collect::<Vec<_>>(), [1, 3], "only changed pages");
        pages.extend(changed);
        pages.insert(CLIENTS_PAGE, b"[]".to_vec());
        let back = ChunkMap::from_pages(&pages).unwrap().unwrap();
        assert_eq!((back.states(), back.hashes()), (map.states(), map.hashes()));
    }

    #[test]
    fn a_target_that_was_not_mapped_counts_for_nothing() {
        let map = ChunkMap::new(header(3, false));
        let pages = [map.header_page().unwrap()].into();
        assert!(ChunkMap::from_pages(&pages).unwrap().is_none());
        assert!(ChunkMap::from_pages(&BTreeMap::new()).unwrap().is_none());
    }

    #[test]
    fn pages_that_were_forgotten_count_for_nothing_under_a_new_header_too() {
        let mut map = ChunkMap::new(header(3, true));
        let mut pages: BTreeMap<u32, Vec<u8>> = [map.header_page().unwrap()].into();
        pages.extend(map.note(&[(1, ChunkState::Copied, [7; 32])]));
        pages.insert(FIRST_OTHER_PAGE, b"{}".to_vec());
        pages.extend(ChunkMap::forgotten(&pages));
        assert!(ChunkMap::from_pages(&pages).unwrap().is_none());
        pages.extend([ChunkMap::new(header(3, true)).header_page().unwrap()]);
        let back = ChunkMap::from_pages(&pages).unwrap().unwrap();
        assert!(back.states().iter().all(|state| *state == ChunkState::Todo));
        assert!(ChunkMap::forgotten(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn damaged_pages_are_refused() {
        let map = ChunkMap::new(header(3, true));
        for page in [vec![9; 33], vec![1; 32], vec![0; 33 * 4]] {
            let pages = [map.header_page().unwrap(), (1, page)].into();
            assert!(ChunkMap::from_pages(&pages).is_err());
        }
    }
}
