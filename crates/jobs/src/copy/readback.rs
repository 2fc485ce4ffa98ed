//! Reading what the device holds. With `O_DIRECT` the kernel goes past the page cache; where a file
//! system has no direct I/O the file is dropped from the cache and `mincore` proves that it is out.
//! Only tmpfs is read as it is: there the cache is the device.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, CWD, Mode, OFlags};

use super::buffer::ALIGN;
use crate::storage::DiskError;

const TMPFS_MAGIC: u64 = 0x0102_1994;
/// How often a page that another reader brings back is dropped again.
const DROP_ATTEMPTS: u32 = 5;

/// Reads one file from its device.
#[derive(Debug)]
pub struct DeviceReader {
    direct: Option<File>,
    cached: File,
    in_memory: bool,
}

impl DeviceReader {
    /// A reader of the same inode as `file`, whose writes must have been flushed before any read.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(file: &File, path: &Path) -> Result<Self, DiskError> {
        let cached = file.try_clone().map_err(|e| DiskError::io("dup", path, e))?;
        let kind = rustix::fs::fstatfs(file).map_err(|e| DiskError::io("statfs", path, e))?.f_type;
        // By descriptor and not by path: it must be the inode that was written.
        let by_fd = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        let direct = rustix::fs::openat(CWD, by_fd, flags, Mode::empty()).ok().map(File::from);
        Ok(Self { direct, cached, in_memory: kind as u64 == TMPFS_MAGIC })
    }

    /// Fills `buf` from offset `at` of the file; what is beyond its end is zeros. `buf` and `at` are
    /// aligned to `ALIGN`.
    ///
    /// # Errors
    /// `Io`.
    pub fn read(&self, buf: &mut [u8], at: u64, path: &Path) -> Result<(), DiskError> {
        debug_assert!(at.is_multiple_of(ALIGN as u64) && buf.len().is_multiple_of(ALIGN));
        if let Some(direct) = &self.direct {
            match read_full(direct, buf, at) {
                // The file system took the flag and does not do it: fall through.
                Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => {}
                other => return other.map_err(|e| DiskError::io("direct read", path, e)),
            }
        }
        if !self.in_memory {
            self.drop_from_cache(at, buf.len(), path)?;
        }
        read_full(&self.cached, buf, at).map_err(|e| DiskError::io("read", path, e))
    }

    fn drop_from_cache(&self, at: u64, len: usize, path: &Path) -> Result<(), DiskError> {
        let io = |e: rustix::io::Errno| DiskError::io("drop from cache", path, e);
        for _ in 0..DROP_ATTEMPTS {
            rustix::fs::fadvise(&self.cached, at, std::num::NonZeroU64::new(len as u64), Advice::DontNeed)
                .map_err(io)?;
            if resident_pages(&self.cached, at, len).map_err(|e| DiskError::io("mincore", path, e))? == 0 {
                return Ok(());
            }
            rustix::fs::fdatasync(&self.cached).map_err(io)?;
        }
        let busy = std::io::Error::other("its pages stay in the page cache; does another process use it?");
        Err(DiskError::io("drop from cache", path, busy))
    }
}

fn read_full(file: &File, buf: &mut [u8], at: u64) -> std::io::Result<()> {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(&mut buf[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => {
                got += n;
                // The end of the file is where a direct read stops being aligned.
                if n % ALIGN != 0 {
                    break;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buf[got..].fill(0);
    Ok(())
}

/// How many pages of that part of the file are in the page cache.
fn resident_pages(file: &File, at: u64, len: usize) -> std::io::Result<usize> {
    let mut pages = vec![0u8; len.div_ceil(ALIGN)];
    // SAFETY: a fresh private mapping at an address of the kernel's choice; it is never read through,
    // only asked about, and unmapped before we return.
    unsafe {
        let map = libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            at as libc::off_t,
        );
        if map == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let asked = libc::mincore(map, len, pages.as_mut_ptr());
        let error = std::io::Error::last_os_error();
        libc::munmap(map, len);
        // Wholly beyond the end of the file there is nothing that could be cached.
        if asked != 0 && error.raw_os_error() != Some(libc::ENOMEM) {
            return Err(error);
        }
    }
    Ok(pages.iter().filter(|p| **p & 1 == 1).count())
}
