//! Raw files as `BlockDev`: the guest's bytes as they are, holes by `SEEK_DATA` and `SEEK_HOLE`. Opening,
//! locking and creating them: `source`, `target`.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags, SeekFrom};
use rustix::io::Errno;

use super::buffer::{ALIGN, AlignedBuf};
use super::device::{DeviceFile, open_direct, read_direct};
use super::{BlockDev, Extent, ExtentKind, May, push_extent};
use crate::storage::DiskError;

/// A raw image.
#[derive(Debug)]
pub struct Raw {
    file: File,
    path: PathBuf,
    size: u64,
    device: Option<DeviceFile>,
    direct: Option<File>,
}

impl Raw {
    /// The disk in `file`, as large as the file is now.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(file: File, path: PathBuf) -> Result<Self, DiskError> {
        let size = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.len();
        Ok(Self { file, path, size, device: None, direct: None })
    }

    /// The same for a source, which is read past the page cache where that can be done: a copy neither needs the bytes
    /// twice in memory nor pushes those of others out of the cache. What others wrote and is not on the device yet the
    /// kernel writes before it reads.
    ///
    /// # Errors
    /// `Io`.
    pub fn source(file: File, path: PathBuf) -> Result<Self, DiskError> {
        let mut raw = Self::new(file, path)?;
        raw.direct = open_direct(&raw.file, OFlags::RDONLY);
        Ok(raw)
    }

    /// The same for a target, which can be read from its device.
    ///
    /// # Errors
    /// `Io`.
    pub fn target(file: File, path: PathBuf) -> Result<Self, DiskError> {
        let device = DeviceFile::new(&file, &path)?;
        let mut raw = Self::new(file, path)?;
        raw.device = Some(device);
        Ok(raw)
    }

    /// Where the next byte of data at or after `at` is, `None` when there is none.
    fn seek(&self, to: SeekFrom) -> Result<Option<u64>, DiskError> {
        match rustix::fs::seek(&self.file, to) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(e) => Err(DiskError::io("seek", &self.path, e)),
        }
    }
}

impl BlockDev for Raw {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self, range: Range<u64>) -> Result<Vec<Extent>, DiskError> {
        let mut extents = Vec::new();
        let mut at = range.start;
        while at < range.end {
            // The offset of the descriptor is moved by this and used by nobody.
            let data = match self.seek(SeekFrom::Data(at)) {
                Ok(found) => found.unwrap_or(range.end).min(range.end),
                // A file system that knows no holes: all of it is data.
                Err(DiskError::Io { source, .. }) if source.kind() == std::io::ErrorKind::InvalidInput => at,
                Err(e) => return Err(e),
            };
            if data > at {
                push_extent(&mut extents, at..data, ExtentKind::Zero);
            }
            if data >= range.end {
                break;
            }
            let hole = self.seek(SeekFrom::Hole(data)).ok().flatten().unwrap_or(range.end);
            at = hole.clamp(data + 1, range.end);
            push_extent(&mut extents, data..at, ExtentKind::Data);
        }
        Ok(extents)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        let io = |e| DiskError::io("read", &self.path, e);
        let got = self.direct.as_ref().map_or(Ok(0), |direct| read_direct(direct, buf, at)).map_err(io)?;
        self.file.read_exact_at(&mut buf[got..], at + got as u64).map_err(|e| match e.kind() {
            // Shorter than it was when we opened it.
            std::io::ErrorKind::UnexpectedEof => DiskError::SourceChanged(self.path.clone()),
            _ => io(e),
        })
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        let Some(device) = &self.device else { return self.read_at(&mut buf.bytes_mut()[..len], at) };
        let bytes = buf.bytes_mut();
        let align = ALIGN as u64;
        for extent in self.extents(at..at + len as u64)? {
            // Rounded outwards, but never over what the extent before has read: `at` is aligned, and
            // the pieces come in order.
            let from = (extent.range.start - at) as usize;
            let to = (extent.range.end - at) as usize;
            match extent.kind {
                ExtentKind::Zero => bytes[from..to].fill(0),
                ExtentKind::Data => {
                    let start = from - from % ALIGN;
                    let end = to.next_multiple_of(ALIGN).min(bytes.len());
                    debug_assert!((at + start as u64).is_multiple_of(align));
                    device.read(&mut bytes[start..end], at + start as u64, &self.path)?;
                }
            }
        }
        Ok(())
    }

    fn write_at(&self, data: &[u8], at: u64, may: May<'_>) -> Result<(), DiskError> {
        if at + data.len() as u64 > self.size {
            return Err(DiskError::bad_image(&self.path, "a write beyond its end was refused"));
        }
        match &self.device {
            Some(device) => device.write(data, at, &self.path, may),
            None => Err(DiskError::ReadOnly(self.path.clone())),
        }
    }

    fn write_zeroes(&self, range: Range<u64>, may: May<'_>) -> Result<(), DiskError> {
        let len = range.end.saturating_sub(range.start);
        if range.end > self.size || len == 0 {
            return Ok(());
        }
        may()?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, flags, range.start, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP) => self.write_at(&vec![0; len as usize], range.start, may),
            Err(e) => Err(DiskError::io("punch hole", &self.path, e)),
        }
    }

    fn flush(&self) -> Result<(), DiskError> {
        rustix::fs::fdatasync(&self.file).map_err(|e| DiskError::io("fdatasync", &self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::resident_pages;
    use super::*;

    const LEN: usize = 256 * ALIGN + 100;

    /// A file beside the test program, for that is on a file system with a device below it.
    fn written(name: &str) -> (PathBuf, Vec<u8>) {
        let path = std::env::current_exe().unwrap().with_extension(name);
        let bytes: Vec<u8> = (0..LEN).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    #[test]
    fn a_source_is_read_as_it_was_written_to_its_end_wherever_it_is_read() {
        let (path, bytes) = written("source");
        let raw = Raw::source(File::open(&path).unwrap(), path.clone()).unwrap();
        let mut buf = AlignedBuf::new(LEN + ALIGN);
        for (from, to) in [(0, LEN), (ALIGN, 3 * ALIGN), (7, 5000), (256 * ALIGN, LEN), (ALIGN, ALIGN + 1)] {
            // What is not aligned in the file or in memory is read the ordinary way.
            for shift in [0, 1] {
                let into = &mut buf.bytes_mut()[shift..shift + to - from];
                into.fill(255);
                raw.read_at(into, from as u64).unwrap();
                assert!(into == &bytes[from..to], "{from} to {to}, moved by {shift}");
            }
        }
        File::options().write(true).open(&path).unwrap().set_len(3 * ALIGN as u64).unwrap();
        let short = raw.read_at(&mut buf.bytes_mut()[..4 * ALIGN], 0);
        assert!(matches!(short, Err(DiskError::SourceChanged(_))), "{short:?}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_source_stays_out_of_the_page_cache() {
        let (path, _) = written("uncached");
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        let drop_it = || rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        drop_it();
        let raw = Raw::source(file.try_clone().unwrap(), path.clone()).unwrap();
        let mut buf = AlignedBuf::new(LEN);
        let whole = 256 * ALIGN;
        if raw.direct.is_some() && resident_pages(&file, 0, whole).unwrap() == 0 {
            raw.read_at(&mut buf.bytes_mut()[..whole], 0).unwrap();
            assert_eq!(resident_pages(&file, 0, whole).unwrap(), 0);
            // The control: the ordinary way leaves it there.
            let cached = Raw::new(file.try_clone().unwrap(), path.clone()).unwrap();
            cached.read_at(&mut buf.bytes_mut()[..whole], 0).unwrap();
            assert!(resident_pages(&file, 0, whole).unwrap() > 0);
        }
        std::fs::remove_file(path).unwrap();
    }
}
