//! The quickstart's disk: seeded random bytes in a thousand extents with an unaligned tail, as a real qcow2
//! file; and the checksum of a disk's guest bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longhaul_jobs::copy::control::Control;
use longhaul_jobs::copy::run::{CopySpec, DiskRef, copy};
use longhaul_jobs::copy::{CHUNK_BYTES, Sink, Stage, source};
use longhaul_jobs::storage::{DiskError, Format, Root};
use sha2::{Digest, Sha256};

/// Bytes of one extent of data, and of the hole after it.
pub const EXTENT_BYTES: u64 = 256 * 1024;
/// How many extents.
pub const EXTENTS: u64 = 1056;
/// What follows the last hole: not a multiple of a page, let alone of a cluster.
pub const TAIL_BYTES: u64 = 3 * 512;
/// Size of the guest's disk.
pub const DISK_BYTES: u64 = 2 * EXTENTS * EXTENT_BYTES + TAIL_BYTES;
/// Free bytes that the quickstart needs: the raw bytes, the volume, its copy.
pub const NEEDED_BYTES: u64 = 3 * EXTENTS * EXTENT_BYTES + (64 << 20);

/// Writes the disk as qcow2 at `name` below `directory`; the same `seed` makes the same bytes.
///
/// # Errors
/// The disk does not take it.
pub fn make(directory: &Path, name: &str, seed: u64) -> Result<()> {
    let raw = directory.join(format!("{name}.raw"));
    write_raw(&raw, seed).with_context(|| format!("{} cannot be written", raw.display()))?;
    let made = to_qcow2(directory, &raw, name);
    std::fs::remove_file(&raw)?;
    made
}

fn write_raw(path: &Path, seed: u64) -> std::io::Result<()> {
    let file = File::create(path)?;
    file.set_len(DISK_BYTES)?;
    let mut random = SplitMix(seed);
    let mut extent = vec![0u8; usize::try_from(EXTENT_BYTES).unwrap_or(0)];
    for number in 0..EXTENTS {
        random.fill(&mut extent);
        file.write_all_at(&extent, number * 2 * EXTENT_BYTES)?;
    }
    let mut tail = vec![0u8; usize::try_from(TAIL_BYTES).unwrap_or(0)];
    random.fill(&mut tail);
    file.write_all_at(&tail, DISK_BYTES - TAIL_BYTES)
}

fn to_qcow2(directory: &Path, raw: &Path, name: &str) -> Result<()> {
    let disk = |path: PathBuf, format| DiskRef::file(directory, path, format);
    let from = disk(PathBuf::from(raw.file_name().unwrap_or_default()), Format::Raw);
    let to = disk(PathBuf::from(name), Format::Qcow2);
    copy(&CopySpec::new(from, to), &BTreeMap::new(), &Control::new(0), &Quiet)?;
    Ok(())
}

/// SHA-256 of the guest's bytes of a disk: what `qemu-img convert -O raw` and `sha256sum` say.
///
/// # Errors
/// The disk cannot be read.
pub fn checksum(path: &Path) -> Result<String> {
    let root = Root::open(path.parent().unwrap_or(Path::new("/")))?;
    let opened = source::open(&root, Path::new(path.file_name().unwrap_or_default()), Format::Qcow2)?;
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < opened.dev.size() {
        let length = (opened.dev.size() - at).min(CHUNK_BYTES);
        let mut chunk = vec![0u8; usize::try_from(length).unwrap_or(0)];
        opened.dev.read_at(&mut chunk, at)?;
        hash.update(&chunk);
        at += length;
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Small, seeded, and good enough that nothing compresses it.
struct SplitMix(u64);

impl SplitMix {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let z = (z ^ (z >> 31)).to_le_bytes();
            word.copy_from_slice(&z[..word.len()]);
        }
    }
}

struct Quiet;

impl Sink for Quiet {
    fn progress(&self, _stage: Stage, _bytes_done: u64, _bytes_total: u64) {}

    fn checkpoint(&self, _pages: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError> {
        Ok(())
    }
}
