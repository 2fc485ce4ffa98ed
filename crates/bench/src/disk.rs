//! The disk that is copied: 2 GiB for the guest, every other 256 KiB seeded random bytes that nothing
//! compresses, as qcow2.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::place::Place;

const EXTENT_BYTES: u64 = 256 * 1024;
const DISK_BYTES: u64 = 2 << 30;
const SEED: u64 = 20_260_101;

/// Makes it in a directory of its own; `None` where there is no qemu-img to compare with.
pub fn prepare(place: &Place) -> Result<Option<PathBuf>> {
    if Command::new("qemu-img").arg("--version").output().is_err() {
        eprintln!("no qemu-img here: copies are not measured");
        return Ok(None);
    }
    let directory = place.dir.join("storage-a");
    std::fs::create_dir_all(&directory)?;
    let (raw, disk) = (directory.join("disk.raw"), directory.join("disk.qcow2"));
    write_raw(&raw).with_context(|| raw.display().to_string())?;
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2"]).arg(&raw).arg(&disk);
    ensure!(convert.status()?.success(), "qemu-img could not make the disk");
    std::fs::remove_file(raw)?;
    File::open(&disk)?.sync_all()?;
    Ok(Some(disk))
}

fn write_raw(path: &Path) -> std::io::Result<()> {
    let file = File::create(path)?;
    file.set_len(DISK_BYTES)?;
    let mut state = SEED;
    let mut extent = vec![0u8; EXTENT_BYTES as usize];
    for number in 0..DISK_BYTES / EXTENT_BYTES / 2 {
        for word in extent.chunks_exact_mut(8) {
            word.copy_from_slice(&next(&mut state).to_le_bytes());
        }
        file.write_all_at(&extent, number * 2 * EXTENT_BYTES)?;
    }
    Ok(())
}

/// SplitMix64.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
