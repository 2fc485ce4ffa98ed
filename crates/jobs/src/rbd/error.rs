//! What the libraries answer, as `DiskError`. They answer negative numbers of errno; a few mean something
//! else than on a file: 108 is "this client was shut out".

use std::ffi::{CString, c_int};
use std::io;
use std::path::{Path, PathBuf};

use super::CephPool;
use crate::storage::{DiskError, InUse};

const EPERM: i32 = libc::EPERM;
/// `EBLOCKLISTED` of Ceph.
const EBLOCKLISTED: i32 = libc::ESHUTDOWN;

/// How an image of a pool is called in messages and records: `ceph://<pool>/<image>`.
pub fn url(pool: &CephPool, image: &str) -> PathBuf {
    PathBuf::from(pool.path(image))
}

/// Whom an error is about.
pub(super) struct Place<'a> {
    pub(super) pool: &'a CephPool,
    pub(super) path: &'a Path,
}

/// 0 and more is good.
pub(super) fn check(place: &Place<'_>, op: &'static str, answer: c_int) -> Result<c_int, DiskError> {
    if answer >= 0 { Ok(answer) } else { Err(disk_error(place, op, -answer)) }
}

/// The same for what answers a length.
pub(super) fn check_len(place: &Place<'_>, op: &'static str, answer: isize) -> Result<usize, DiskError> {
    usize::try_from(answer).map_err(|_| disk_error(place, op, i32::try_from(-answer).unwrap_or(libc::EIO)))
}

/// What `number` means when `op` was tried on an image.
pub(super) fn disk_error(place: &Place<'_>, op: &'static str, number: i32) -> DiskError {
    let path = place.path.to_owned();
    match number {
        EBLOCKLISTED => DiskError::Fenced(path),
        libc::ETIMEDOUT | libc::ENOTCONN | libc::EHOSTUNREACH | libc::ECONNREFUSED => {
            away(place.pool, &format!("{op} of {} was not answered in time", path.display()))
        }
        libc::ENOSPC | libc::EDQUOT => DiskError::NoSpace { needed: 0, free: 0 },
        // A lock whose owner is alive and does not give it up.
        libc::EROFS | libc::EBUSY | libc::EAGAIN => DiskError::InUse(vec![InUse::elsewhere(&path, None)]),
        EPERM | libc::EACCES => refuses(
            place.pool,
            format!(
                "{op} of {} is not allowed to client.{}; give it the caps mon 'profile rbd' and osd 'profile rbd'",
                path.display(),
                place.pool.user
            ),
        ),
        _ => DiskError::io(op, &path, io::Error::from_raw_os_error(number)),
    }
}

/// The cluster does not answer: another time it may.
pub(super) fn away(pool: &CephPool, reason: &str) -> DiskError {
    DiskError::Away { path: pool_path(pool), reason: reason.to_owned() }
}

/// The cluster, or what we were told about it, has to be changed first.
pub(super) fn refuses(pool: &CephPool, reason: String) -> DiskError {
    DiskError::Refuses { path: pool_path(pool), reason }
}

/// The pool itself, for messages.
pub(super) fn pool_path(pool: &CephPool) -> PathBuf {
    PathBuf::from(format!("ceph://{}", pool.pool))
}

/// A text for C.
pub(super) fn c(text: &str) -> Result<CString, DiskError> {
    CString::new(text)
        .map_err(|_| DiskError::bad_image(Path::new("ceph"), "a name holds a zero byte; choose another"))
}
