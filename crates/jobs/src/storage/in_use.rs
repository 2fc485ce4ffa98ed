//! Who holds a disk. A lock of the kind QEMU takes says that it is held, never by whom, so the
//! holder is found by inode among the open files of all processes. The bytes: `lock`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::{DiskError, InUse};
use super::lock;

/// Processes that write to the disk at `path`, or hold it as a copier does; empty when it is free.
/// Our own process counts as well: ask before opening it, not after.
///
/// # Errors
/// `NotFound`, or `Io` when the file can not be opened or asked for its locks.
pub fn in_use(path: &Path) -> Result<Vec<InUse>, DiskError> {
    let file = fs::File::open(path).map_err(|e| DiskError::io("open", path, e))?;
    let mut held = Vec::new();
    for byte in [lock::QEMU_WRITES, lock::COPIER] {
        if lock::is_held(&file, byte).map_err(|e| DiskError::io("lock query", path, e))? {
            held.push(byte);
        }
    }
    Ok(if held.is_empty() { Vec::new() } else { holders(path, &held) })
}

/// The holders of a lock on one of `bytes` of the file at `path`. Never empty: a lock whose holder
/// can't be seen from here is one entry without a pid.
pub(super) fn holders(path: &Path, bytes: &[u64]) -> Vec<InUse> {
    let mut found = Vec::new();
    if let Ok(meta) = fs::metadata(path) {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok()) {
            if holds(pid, &meta, bytes) {
                let command = command_line(pid);
                found.push(InUse { pid: Some(pid), command, ..InUse::elsewhere(path, None) });
            }
        }
    }
    if found.is_empty() {
        found.push(InUse::elsewhere(path, None));
    }
    found
}

/// Whether one of the open files of `pid` is this inode and carries such a lock.
fn holds(pid: u32, disk: &fs::Metadata, bytes: &[u64]) -> bool {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.into_iter().any(|fd| {
        fs::metadata(fd.path()).is_ok_and(|m| m.ino() == disk.ino() && m.dev() == disk.dev())
            && fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", fd.file_name().display()))
                .is_ok_and(|info| info.lines().any(|line| locks_one_of(line, bytes)))
    })
}

/// Reads a line such as `lock: 1: OFDLCK  ADVISORY  READ -1 fe:00:123 100 101`.
fn locks_one_of(line: &str, bytes: &[u64]) -> bool {
    if !line.starts_with("lock:") {
        return false;
    }
    let mut fields = line.split_whitespace().rev();
    let end = fields.next().map(|e| if e == "EOF" { u64::MAX } else { e.parse().unwrap_or(0) });
    let start = fields.next().and_then(|s| s.parse::<u64>().ok());
    match (start, end) {
        (Some(start), Some(end)) => bytes.iter().any(|b| (start..=end).contains(b)),
        _ => false,
    }
}

fn command_line(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        raw.split(|b| *b == 0).filter(|w| !w.is_empty()).map(String::from_utf8_lossy).collect();
    words.join(" ").chars().take(512).collect()
}

#[cfg(test)]
mod tests {
    use super::locks_one_of;

    #[test]
    fn a_lock_line_counts_only_when_it_covers_the_byte() {
        let line = "lock:\t1: OFDLCK  ADVISORY  READ -1 fe:00:1049 100 101";
        assert!(locks_one_of(line, &[101]));
        assert!(!locks_one_of(line, &[201]));
        assert!(locks_one_of("lock:\t1: POSIX  ADVISORY  WRITE 7 fe:00:1049 0 EOF", &[201]));
        assert!(!locks_one_of("pos:\t101", &[101]));
    }
}
