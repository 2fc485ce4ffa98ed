//! What a directory as a storage can do: capacity, an empty volume, deletion of an artifact, a check
//! that it can be written to. Blocking and plain. Finding files: `scan`; copying: `copy`.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, StatVfsMountFlags, unlinkat};
use serde::{Deserialize, Serialize};

use super::error::DiskError;
use super::probe::Format;
use super::root::{Access, Root};
use crate::copy::qcow2_map;

/// Space of the file system that holds a storage, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// All of it.
    pub total_bytes: u64,
    /// What an unprivileged writer may still use.
    pub available_bytes: u64,
}

/// Says how large the storage is and how much is free.
///
/// # Errors
/// `Io`.
pub fn capacity(root: &Root) -> Result<Capacity, DiskError> {
    let v = rustix::fs::fstatvfs(root.dir()).map_err(|e| DiskError::io("statvfs", root.path(), e))?;
    Ok(Capacity {
        total_bytes: v.f_blocks.saturating_mul(v.f_frsize),
        available_bytes: v.f_bavail.saturating_mul(v.f_frsize),
    })
}

/// Refuses when fewer than `needed` bytes are free.
///
/// # Errors
/// `NoSpace`, `Io`.
pub fn check_space(root: &Root, needed: u64) -> Result<(), DiskError> {
    let free = capacity(root)?.available_bytes;
    if needed > free { Err(DiskError::NoSpace { needed, free }) } else { Ok(()) }
}

/// Proves that a file can be created in the storage, and leaves none behind.
///
/// # Errors
/// `ReadOnly` for a read-only mount or missing permission; `NoSpace`; `Io`.
pub fn check_writable(root: &Root) -> Result<(), DiskError> {
    let read_only = || DiskError::ReadOnly(root.path().to_owned());
    let v = rustix::fs::fstatvfs(root.dir()).map_err(|e| DiskError::io("statvfs", root.path(), e))?;
    if v.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(read_only());
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(root.dir(), ".", flags, Mode::from_raw_mode(0o600)) {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::ROFS | rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
            Err(read_only())
        }
        // A file system without nameless files: ask for the permission instead.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            rustix::fs::accessat(root.dir(), ".", rustix::fs::Access::WRITE_OK, AtFlags::EACCESS)
                .map_err(|_| read_only())
        }
        Err(e) => Err(DiskError::io("create", root.path(), e)),
    }
}

/// Creates an empty disk of `bytes` at `relative`, whose directory is made where it is missing, and
/// makes all of it durable. A qcow2 disk is rounded up to a multiple of 512.
///
/// # Errors
/// `Exists`, `ReadOnly`, `NoSpace`, `OutsideRoot`, `BadImage` for a size beyond the limit, `Io`. After an
/// error nothing is left.
pub fn create_volume(root: &Root, relative: &Path, format: Format, bytes: u64) -> Result<(), DiskError> {
    let full = root.full(relative);
    if bytes > super::header::MAX_DISK_BYTES {
        let reason = format!("{bytes} bytes; the largest disk is {}", super::header::MAX_DISK_BYTES);
        return Err(DiskError::bad_image(&full, reason));
    }
    root.create_parent(relative)?;
    let file = root.open_file(relative, Access::Create)?;
    let filled = match format {
        Format::Raw => file.set_len(bytes).map_err(|e| DiskError::io("truncate", &full, e)),
        Format::Qcow2 => qcow2_map::format_empty(&file, &full, bytes.next_multiple_of(512)),
    };
    let synced = filled.and_then(|()| file.sync_all().map_err(|e| DiskError::io("fsync", &full, e)));
    match synced.and_then(|()| root.sync_parent(relative)) {
        Ok(()) => Ok(()),
        Err(e) => {
            // The first error is the one to tell; a leftover shows up in `scan`.
            let _ = delete_artifact(root, relative);
            Err(e)
        }
    }
}

/// Deletes a file and, when it was the last in it and is one that we make, its directory; durably. A file that
/// is gone already is no error, so a caller may always repeat it. No symbolic link is followed: what took the
/// place of a directory must not lead to another file.
///
/// The caller proves first that nobody writes to it any more: `in_use`, or its child was waited for.
///
/// # Errors
/// `OutsideRoot`, also for a symbolic link on the way; `ReadOnly`, `Io`.
pub fn delete_artifact(root: &Root, relative: &Path) -> Result<(), DiskError> {
    root.check(relative)?;
    let full = root.full(relative);
    let parent = relative.parent().unwrap_or(Path::new(""));
    let Some(name) = relative.file_name() else { return Err(DiskError::OutsideRoot(full)) };
    let dir = match root.open_plain_dir(parent) {
        Ok(dir) => dir,
        Err(DiskError::NotFound(_)) => return Ok(()),
        Err(e) => return Err(e),
    };
    match unlinkat(&dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(DiskError::io("delete", &full, e)),
    }
    rustix::fs::fsync(&dir).map_err(|e| DiskError::io("fsync", &full, e))?;
    drop(dir);
    let Some(dir_name) = parent.file_name().filter(|name| is_ours(name)) else { return Ok(()) };
    let grand = root.open_plain_dir(parent.parent().unwrap_or(Path::new("")))?;
    match unlinkat(&grand, dir_name, AtFlags::REMOVEDIR) {
        Ok(()) => rustix::fs::fsync(&grand).map_err(|e| DiskError::io("fsync", &full, e)),
        Err(
            rustix::io::Errno::NOTEMPTY
            | rustix::io::Errno::EXIST
            | rustix::io::Errno::NOENT
            | rustix::io::Errno::BUSY,
        ) => Ok(()),
        Err(e) => Err(DiskError::io("rmdir", &root.full(parent), e)),
    }
}

/// Whether a directory has a name that we give: a volume's uuid, or `vol-` and one.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    let uuid = name.strip_prefix("vol-").unwrap_or(name);
    uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Bytes that a file occupies on the storage.
///
/// # Errors
/// `NotFound`, `OutsideRoot`, `Io`.
pub fn actual_bytes(root: &Root, relative: &Path) -> Result<u64, DiskError> {
    let file: File = root.open_file(relative, Access::Read)?;
    let meta = file.metadata().map_err(|e| DiskError::io("stat", &root.full(relative), e))?;
    Ok(meta.blocks() * 512)
}
