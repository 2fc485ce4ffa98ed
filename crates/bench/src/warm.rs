//! Memory that the machine really has, before something is timed.
//!
//! The host of a virtual machine may take back pages that are free for a second. Whoever needs one then waits until the
//! host gives it again: 1 to 2 ms were seen for 1 MiB, which made `rbd import` take 8.7 s in place of 3.8 s where the program
//! before it had not used the page cache. On a machine whose memory is full of cached files, as that of one that runs
//! for long is, no page is free, and nobody pays for that.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use rustix::fs::OFlags;

use crate::place::Place;

/// Where the kernel tells whether it gives free pages to the host.
const REPORTING: &str = "/sys/module/page_reporting/parameters/page_reporting_order";
/// Larger blocks than of this order there are none, so from here on nothing is given.
const ORDERS: u32 = 11;
/// So much is left free: the kernel begins to make room earlier than at nothing.
const FREE_KIB: u64 = 3 << 20;
/// The file is read that often at most: what was read last is not always kept.
const READ_AT_MOST: u32 = 3;
const PIECE_BYTES: usize = 1 << 20;

/// A file of holes, as long as the memory, without a name.
static FILLER: OnceLock<(File, u64)> = OnceLock::new();

/// Makes the file, if the machine is such a one, and the run not a quick one.
pub fn prepare(place: &Place) -> Result<()> {
    let order = std::fs::read_to_string(REPORTING).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if place.quick || order.is_none_or(|order| order >= ORDERS) {
        return Ok(());
    }
    eprintln!("the host takes back free memory: it is filled with a cached file before each round");
    let flags = OFlags::TMPFILE.bits().cast_signed();
    let file = File::options().read(true).write(true).custom_flags(flags).open(&place.dir)?;
    let bytes = memory_kib("MemTotal")? << 10;
    file.set_len(bytes)?;
    FILLER.get_or_init(|| (file, bytes));
    Ok(())
}

/// Fills the memory. Takes up to 20 s the first time, and up to 5 s where little was freed since.
pub fn memory() -> Result<()> {
    let Some((file, bytes)) = FILLER.get() else { return Ok(()) };
    let mut piece = vec![0; PIECE_BYTES];
    for _ in 0..READ_AT_MOST {
        let mut at = 0;
        while at < *bytes {
            at += file.read_at(&mut piece, at)? as u64;
        }
        if memory_kib("MemFree")? < FREE_KIB {
            break;
        }
    }
    Ok(())
}

/// A line of `/proc/meminfo`.
fn memory_kib(name: &str) -> Result<u64> {
    let all = std::fs::read_to_string("/proc/meminfo")?;
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number =
        line.and_then(|line| line.split_whitespace().next()).context("no such line in /proc/meminfo")?;
    Ok(number.parse()?)
}
