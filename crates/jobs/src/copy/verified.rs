//! What of a target was read back already, and the hashes that were found, in pages of their own: a read-back that was
//! killed goes on where it was. Pages of an earlier release have none of them, and an earlier release reads none: it
//! begins its read-back anew.
//!
//! Such a page counts only under the seal that it was written under: that of the copy (its header) and of the target as
//! it was when reading back began. If anybody wrote to the target since, the seal is another, and reading back begins
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::{CHUNKS_PER_PAGE, ChunkMap, FIRST_VERIFIED_PAGE, SEGMENT_PAGES};
use super::hash::ChunkHash;
use crate::storage::DiskError;

const SEAL_BYTES: usize = 32;
const ENTRY_BYTES: usize = 33;

/// The chunks of one segment that were read back.
#[derive(Debug)]
pub(super) struct Verified {
    segment: u32,
    seal: [u8; SEAL_BYTES],
    hashes: Vec<Option<ChunkHash>>,
}

impl Verified {
    /// What `pages` say of the segment of `map`. `mark` is another after every write of others to the target.
    ///
    /// # Errors
    /// `Io` when the header can't be encoded, which does not happen.
    pub(super) fn open(
        map: &ChunkMap,
        mark: &str,
        pages: &BTreeMap<u32, Vec<u8>>,
    ) -> Result<Self, DiskError> {
        let (page, header) = map.header_page()?;
        let mut seal = blake3::Hasher::new();
        seal.update(b"longhaul read back\0").update(&(header.len() as u64).to_be_bytes());
        seal.update(&header).update(mark.as_bytes());
        let seal = *seal.finalize().as_bytes();
        let mut verified =
            Self { segment: page / SEGMENT_PAGES, seal, hashes: vec![None; map.states().len()] };
        let first = verified.first_page();
        for (number, page) in pages.range(first..first + SEGMENT_PAGES - 1) {
            verified.read((number - first) as usize, page);
        }
        Ok(verified)
    }

    /// A page that is not ours counts for nothing: it only saves work.
    fn read(&mut self, index: usize, page: &[u8]) {
        let Some((seal, entries)) = page.split_first_chunk::<SEAL_BYTES>() else { return };
        let start = index * CHUNKS_PER_PAGE;
        let fits = entries.len() % ENTRY_BYTES == 0
            && start + entries.len() / ENTRY_BYTES <= self.hashes.len()
            && entries.len() / ENTRY_BYTES <= CHUNKS_PER_PAGE;
        if *seal != self.seal || !fits {
            return;
        }
        for (slot, entry) in self.hashes[start..].iter_mut().zip(entries.chunks_exact(ENTRY_BYTES)) {
            *slot = entry
                .split_first_chunk::<1>()
                .filter(|(read, _)| **read == [1])
                .and_then(|(_, hash)| ChunkHash::try_from(hash).ok());
        }
    }

    /// The hash of a chunk that was read back; `None` when it is still to be.
    pub(super) fn hash(&self, index: usize) -> Option<ChunkHash> {
        self.hashes.get(index).copied().flatten()
    }

    /// Notes chunks that were read back; answers the pages that changed.
    pub(super) fn note(&mut self, found: &[(u32, ChunkHash)]) -> Vec<(u32, Vec<u8>)> {
        let mut changed = BTreeSet::new();
        for (chunk, hash) in found {
            self.hashes[*chunk as usize] = Some(*hash);
            changed.insert(*chunk as usize / CHUNKS_PER_PAGE);
        }
        let first = self.first_page();
        changed.into_iter().map(|p| (first + p as u32, self.page(p))).collect()
    }

    /// The hash of every chunk, in order; `None` while one is missing.
    pub(super) fn all(self) -> Option<Vec<ChunkHash>> {
        self.hashes.into_iter().collect()
    }

    fn first_page(&self) -> u32 {
        FIRST_VERIFIED_PAGE + self.segment * SEGMENT_PAGES
    }

    fn page(&self, index: usize) -> Vec<u8> {
        let start = index * CHUNKS_PER_PAGE;
        let end = (start + CHUNKS_PER_PAGE).min(self.hashes.len());
        let mut page = Vec::with_capacity(SEAL_BYTES + (end - start) * ENTRY_BYTES);
        page.extend_from_slice(&self.seal);
        for hash in &self.hashes[start..end] {
            page.push(u8::from(hash.is_some()));
            page.extend_from_slice(&hash.unwrap_or_default());
        }
        page
    }
}
