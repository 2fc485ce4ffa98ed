//! A target's file, past the page cache. With `O_DIRECT` a read tells what the device holds, and a write
//! neither copies the bytes nor pushes others out of the cache. Where a file system has no direct I/O,
//! writes are ordinary, and before a read the file is dropped from the cache, and `mincore` proves that it
//! is out. Only tmpfs is read as it is: there the cache is the device.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::May;
use super::buffer::ALIGN;
use crate::storage::DiskError;

const TMPFS_MAGIC: u64 = 0x0102_1994;
/// How often a page that another reader brings back is dropped again.
const DROP_ATTEMPTS: u32 = 5;

/// One file, opened a second time for direct I/O.
#[derive(Debug)]
pub struct DeviceFile {
    direct: Option<File>,
    cached: File,
    in_memory: bool,
}

impl DeviceFile {
    /// The same inode as `file`, which is open for reading and writing.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(file: &File, path: &Path) -> Result<Self, DiskError> {
        let cached = file.try_clone().map_err(|e| DiskError::io("dup", path, e))?;
        let kind = rustix::fs::fstatfs(file).map_err(|e| DiskError::io("statfs", path, e))?.f_type;
        let direct = open_direct(file, OFlags::RDWR);
        Ok(Self { direct, cached, in_memory: kind as u64 == TMPFS_MAGIC })
    }

    /// Writes `data` at offset `at` of the file. `may` is asked before room is made for it and after: that can take as
    /// long as a process sleeps. Not durable before a flush.
    ///
    /// # Errors
    /// `NoSpace`, `Io`, what `may` answers.
    pub fn write(&self, data: &[u8], at: u64, path: &Path, may: May<'_>) -> Result<(), DiskError> {
        may()?;
        if is_aligned(data, at) {
            self.reserve(at, data.len() as u64, path)?;
            may()?;
        }
        self.write_reserved(data, at, path)
    }

    /// Makes room for direct writes. Into a hole they go one after the other (they allocate under the file's lock);
    /// into space that is reserved they go side by side. Also tells of a full disk before a byte is sent.
    ///
    /// # Errors
    /// `NoSpace`, `Io`.
    pub fn reserve(&self, at: u64, len: u64, path: &Path) -> Result<(), DiskError> {
        if self.direct.is_none() {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.cached, FallocateFlags::KEEP_SIZE, at, len) {
            // It is only to be faster: what was not reserved is allocated when it is written.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(()),
            Err(e) => Err(DiskError::io("allocate", path, e)),
        }
    }

    /// As `write`, where the room was made before.
    ///
    /// # Errors
    /// `NoSpace`, `Io`.
    pub fn write_reserved(&self, data: &[u8], at: u64, path: &Path) -> Result<(), DiskError> {
        let io = |e| DiskError::io("write", path, e);
        let aligned = is_aligned(data, at);
        let mut written = 0;
        while let (true, Some(direct)) = (aligned && written < data.len(), &self.direct) {
            match direct.write_at(&data[written..], at + written as u64) {
                // What is left of a short write is for the ordinary way, aligned or not.
                Ok(n) if n == 0 || n % ALIGN != 0 => {
                    written += n;
                    break;
                }
                Ok(n) => written += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => break,
                Err(e) => return Err(io(e)),
            }
        }
        self.cached.write_all_at(&data[written..], at + written as u64).map_err(io)
    }

    /// Fills `buf` from offset `at` of the file; what is beyond its end is zeros. `buf` and `at` are
    /// aligned to `ALIGN`, and everything was flushed before.
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
        let io = |e: Errno| DiskError::io("drop from cache", path, e);
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

/// The same inode as `file`, opened for direct I/O; `None` where the file system has none.
pub(super) fn open_direct(file: &File, access: OFlags) -> Option<File> {
    // By descriptor and not by path: it must be that inode.
    let by_fd = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = access | OFlags::DIRECT | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, by_fd, flags, Mode::empty()).ok().map(File::from)
}

/// Reads as much from the beginning of `buf` as direct I/O can: nothing where `buf` or `at` is not aligned, and not
/// what is behind the last whole block of the file. Answers how many bytes that is.
///
/// # Errors
/// Those of the device.
pub(super) fn read_direct(direct: &File, buf: &mut [u8], at: u64) -> std::io::Result<usize> {
    if buf.as_ptr().align_offset(ALIGN) != 0 || !at.is_multiple_of(ALIGN as u64) {
        return Ok(0);
    }
    let (mut got, whole) = (0, buf.len() - buf.len() % ALIGN);
    while got < whole {
        match direct.read_at(&mut buf[got..whole], at + got as u64) {
            Ok(0) => break,
            Ok(n) if n % ALIGN != 0 => return Ok(got + n),
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            // The file system took the flag and does not do it.
            Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => break,
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

fn is_aligned(data: &[u8], at: u64) -> bool {
    data.as_ptr().align_offset(ALIGN) == 0
        && data.len().is_multiple_of(ALIGN)
        && at.is_multiple_of(ALIGN as u64)
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
pub(super) fn resident_pages(file: &File, at: u64, len: usize) -> std::io::Result<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_direct_io_a_file_is_read_only_when_it_is_out_of_the_page_cache() {
        // Beside the test program, for that is on a file system with a device below it.
        let path = std::env::current_exe().unwrap().with_extension("dropped");
        let len = 256 * ALIGN;
        let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut open = File::options();
        let file = open.create(true).truncate(true).read(true).write(true).open(&path).unwrap();
        let mut device = DeviceFile::new(&file, &path).unwrap();
        device.direct = None;
        device.write(&bytes, 0, &path, &|| Ok(())).unwrap();
        file.sync_all().unwrap();
        if !device.in_memory {
            assert!(resident_pages(&file, 0, len).unwrap() > 0, "written through the cache");
            device.drop_from_cache(0, len, &path).unwrap();
            assert_eq!(resident_pages(&file, 0, len).unwrap(), 0);
        }
        let mut back = super::super::buffer::AlignedBuf::new(len + ALIGN);
        device.read(back.bytes_mut(), 0, &path).unwrap();
        assert!(back.bytes()[..len] == bytes && back.bytes()[len..].iter().all(|b| *b == 0));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_lease_that_ends_while_room_is_made_keeps_the_bytes_from_being_written() {
        let path = std::env::current_exe().unwrap().with_extension("late");
        let mut open = File::options();
        let file = open.create(true).truncate(true).read(true).write(true).open(&path).unwrap();
        file.set_len(4 * ALIGN as u64).unwrap();
        let device = DeviceFile::new(&file, &path).unwrap();
        let mut data = super::super::buffer::AlignedBuf::new(ALIGN);
        data.bytes_mut().fill(7);
        let write = |good_for: u32| {
            let asked = std::cell::Cell::new(0);
            let may = || {
                asked.set(asked.get() + 1);
                if asked.get() > good_for { Err(DiskError::LeaseExpired) } else { Ok(()) }
            };
            let written = device.write(data.bytes(), 0, &path, &may);
            file.sync_all().unwrap();
            (written.is_ok(), std::fs::read(&path).unwrap().contains(&7))
        };
        assert_eq!(write(0), (false, false));
        assert_eq!(write(1), (false, false), "it ended while room was made");
        assert_eq!(write(2), (true, true), "the control: it is good");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn unaligned_and_aligned_writes_meet_in_the_same_file() {
        let path = std::env::current_exe().unwrap().with_extension("mixed");
        let mut open = File::options();
        let file = open.create(true).truncate(true).read(true).write(true).open(&path).unwrap();
        let device = DeviceFile::new(&file, &path).unwrap();
        let mut data = super::super::buffer::AlignedBuf::new(2 * ALIGN);
        data.bytes_mut().fill(7);
        device.write(&data.bytes()[..ALIGN], 0, &path, &|| Ok(())).unwrap();
        device.write(&data.bytes()[..100], ALIGN as u64, &path, &|| Ok(())).unwrap();
        file.sync_all().unwrap();
        let mut back = super::super::buffer::AlignedBuf::new(2 * ALIGN);
        device.read(back.bytes_mut(), 0, &path).unwrap();
        assert!(back.bytes()[..ALIGN + 100].iter().all(|b| *b == 7));
        assert!(back.bytes()[ALIGN + 100..].iter().all(|b| *b == 0));
        std::fs::remove_file(path).unwrap();
    }
}
