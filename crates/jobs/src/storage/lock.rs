//! Open-file-description locks, and what each byte means: QEMU's convention and the one byte of our
//! own. Who holds such a lock: `in_use`. The only place here that calls `fcntl` directly.
//!
//! QEMU locks bytes of an image: 100 + n while it uses permission n, 200 + n while nobody else may
//! use it (n: 0 consistent read, 1 write, 2 write unchanged, 3 resize). It takes its locks as read
//! locks and then asks whether a write lock on the opposite byte would conflict.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::error::DiskError;
use super::in_use;
use super::probe::Identity;
use super::root::{Access, Root};

/// QEMU: "I write to this image".
pub const QEMU_WRITES: u64 = 101;
/// QEMU: "nobody else may write to this image".
pub const QEMU_NO_OTHER_WRITER: u64 = 201;
/// Our own byte: a write lock on it is held by the process that fills a target. Far beyond QEMU's.
pub const COPIER: u64 = 4_201;

#[derive(Clone, Copy)]
enum Mode {
    Read,
    Write,
}

fn request(mode: Mode, byte: u64) -> libc::flock {
    // SAFETY: flock is plain data, and all zeros is a valid value of it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = match mode {
        Mode::Read => libc::F_RDLCK,
        Mode::Write => libc::F_WRLCK,
    } as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = byte as libc::off_t;
    lock.l_len = 1;
    lock
}

fn set(file: &File, mode: Mode, byte: u64) -> io::Result<bool> {
    let lock = request(mode, byte);
    // SAFETY: the descriptor is open for the length of the call, and `lock` is a valid flock.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

/// Whether somebody else's lock on `byte` would keep us from taking a write lock there.
///
/// # Errors
/// Those of `fcntl`, for example on a file system without locks.
pub fn is_held(file: &File, byte: u64) -> io::Result<bool> {
    let mut lock = request(Mode::Write, byte);
    // SAFETY: the descriptor is open for the length of the call, and `lock` is ours to be written.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Keeps every QEMU from opening `file` for writing for as long as `file` is open, and makes sure
/// that none has it open so now. Read-only users go on.
///
/// # Errors
/// `InUse` when somebody writes to it.
pub fn hold_source(file: &File, path: &Path) -> Result<(), DiskError> {
    // Lock first, look second: a QEMU that starts now does the same on the opposite bytes, so at
    // least one of the two sees the other.
    if !set(file, Mode::Read, QEMU_NO_OTHER_WRITER).map_err(|e| DiskError::io("lock", path, e))? {
        return Err(DiskError::InUse(in_use::holders(path, &[QEMU_NO_OTHER_WRITER])));
    }
    refuse_if_held(file, path, &[QEMU_WRITES])
}

/// Keeps writers away from a disk for as long as it lives. The child holds its own while it copies; a
/// server holds one besides, from before it starts the child until the switch-over is committed, so that
/// there is no moment between the two in which a QEMU could start to write.
#[derive(Debug)]
pub struct SourceGuard {
    file: File,
    seen: Identity,
}

impl SourceGuard {
    /// Guards the file `relative` below `root`.
    ///
    /// # Errors
    /// `InUse` when somebody writes to it; `NotFound`, `OutsideRoot`, `Io`.
    pub fn new(root: &Root, relative: &Path) -> Result<Self, DiskError> {
        let file = root.open_file(relative, Access::Read)?;
        hold_source(&file, &root.full(relative))?;
        let seen = Identity::of(&file, &root.full(relative))?;
        Ok(Self { file, seen })
    }

    /// Proves that the path still leads to the guarded file, and that the file was not written to since.
    ///
    /// # Errors
    /// `SourceChanged`; `NotFound`, `OutsideRoot`, `Io`.
    pub fn unchanged(&self, root: &Root, relative: &Path) -> Result<(), DiskError> {
        let full = root.full(relative);
        let now = Identity::of(&root.open_file(relative, Access::Read)?, &full)?;
        if now == self.seen && Identity::of(&self.file, &full)? == self.seen {
            return Ok(());
        }
        Err(DiskError::SourceChanged(full))
    }
}

/// Keeps `file` from being removed or filled by another of us for as long as it is open; any number may.
///
/// # Errors
/// `InUse` when somebody does so now.
pub fn hold_present(file: &File, path: &Path) -> Result<(), DiskError> {
    if set(file, Mode::Read, COPIER).map_err(|e| DiskError::io("lock", path, e))? {
        return Ok(());
    }
    Err(DiskError::InUse(in_use::holders(path, &[COPIER])))
}

/// Takes the target for this process alone: our own byte against another copier, QEMU's bytes so
/// that no QEMU opens a half-filled image.
///
/// # Errors
/// `InUse` when another copier or a QEMU holds it.
pub fn hold_target(file: &File, path: &Path) -> Result<(), DiskError> {
    let io = |e| DiskError::io("lock", path, e);
    if !set(file, Mode::Write, COPIER).map_err(io)? {
        return Err(DiskError::InUse(in_use::holders(path, &[COPIER])));
    }
    for byte in [QEMU_WRITES, QEMU_NO_OTHER_WRITER] {
        if !set(file, Mode::Read, byte).map_err(io)? {
            return Err(DiskError::InUse(in_use::holders(path, &[byte])));
        }
    }
    refuse_if_held(file, path, &[QEMU_WRITES, QEMU_NO_OTHER_WRITER])
}

/// Whether a copier fills the file `relative` below `root` now, here or on another host.
///
/// # Errors
/// `NotFound`, `OutsideRoot`, `Io`.
pub fn is_filled(root: &Root, relative: &Path) -> Result<bool, DiskError> {
    let file = root.open_file(relative, Access::Read)?;
    is_held(&file, COPIER).map_err(|e| DiskError::io("lock query", &root.full(relative), e))
}

fn refuse_if_held(file: &File, path: &Path, bytes: &[u64]) -> Result<(), DiskError> {
    for &byte in bytes {
        if is_held(file, byte).map_err(|e| DiskError::io("lock query", path, e))? {
            return Err(DiskError::InUse(in_use::holders(path, &[byte])));
        }
    }
    Ok(())
}
