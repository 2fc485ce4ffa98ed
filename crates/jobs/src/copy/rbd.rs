//! RBD images as `BlockDev`: a source as of a snapshot, a target that is filled under its lock and read back
//! through a second handle, which has no cache, so from the OSDs. Taking and giving back: `image`.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::buffer::AlignedBuf;
use super::{BlockDev, Extent, ExtentKind, push_extent};
use crate::rbd::{Grain, Image};
use crate::storage::DiskError;

/// What is stored is asked for in pieces of this many bytes: 256 objects of the usual size.
const WINDOW_BYTES: u64 = 1 << 30;
/// Pieces that are remembered. Workers go through a disk side by side, so two are in use at a time.
const WINDOWS_KEPT: usize = 4;

/// What a part of a disk holds, remembered for the chunks that follow.
struct Windows {
    grain: Grain,
    kept: Mutex<Vec<Window>>,
}

type Window = (u64, Arc<Vec<Range<u64>>>);

impl Windows {
    fn new(grain: Grain) -> Self {
        Self { grain, kept: Mutex::new(Vec::new()) }
    }

    fn extents(&self, image: &Image, size: u64, range: Range<u64>) -> Result<Vec<Extent>, DiskError> {
        let mut extents = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let start = at - at % WINDOW_BYTES;
            let end = range.end.min(start + WINDOW_BYTES);
            let data = self.window(image, start..(start + WINDOW_BYTES).min(size))?;
            let before = data.partition_point(|r| r.end <= at);
            for piece in data[before..].iter().take_while(|r| r.start < end) {
                let (from, to) = (piece.start.max(at), piece.end.min(end));
                if from > at {
                    push_extent(&mut extents, at..from, ExtentKind::Zero);
                }
                push_extent(&mut extents, from..to, ExtentKind::Data);
                at = to;
            }
            if at < end {
                push_extent(&mut extents, at..end, ExtentKind::Zero);
                at = end;
            }
        }
        Ok(extents)
    }

    fn window(&self, image: &Image, range: Range<u64>) -> Result<Arc<Vec<Range<u64>>>, DiskError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, data)) = kept.iter().find(|(start, _)| *start == range.start) {
            return Ok(Arc::clone(data));
        }
        // Under the lock: the other workers want the same answer.
        let data = Arc::new(image.data(range.clone(), self.grain)?);
        if kept.len() >= WINDOWS_KEPT {
            kept.remove(0);
        }
        kept.push((range.start, Arc::clone(&data)));
        Ok(data)
    }
}

/// A snapshot of an image, to be copied.
pub(super) struct RbdSource {
    image: Image,
    size: u64,
    windows: Windows,
}

impl RbdSource {
    /// `image` was opened at a snapshot.
    pub(super) fn new(image: Image) -> Result<Self, DiskError> {
        let size = image.size()?;
        let grain = if image.has_fast_diff()? { Grain::Object } else { Grain::Exact };
        Ok(Self { image, size, windows: Windows::new(grain) })
    }
}

impl BlockDev for RbdSource {
    fn path(&self) -> &Path {
        self.image.path()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self, range: Range<u64>) -> Result<Vec<Extent>, DiskError> {
        self.windows.extents(&self.image, self.size, range)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.image.read(buf, at)
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        self.image.read(&mut buf.bytes_mut()[..len], at)
    }

    fn write_at(&self, _: &[u8], _: u64) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly(self.path().to_owned()))
    }

    fn write_zeroes(&self, _: Range<u64>) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly(self.path().to_owned()))
    }

    fn flush(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// An image that is being filled. Its lock is ours.
pub(super) struct RbdTarget {
    image: Image,
    name: String,
    size: u64,
    reader: OnceLock<Image>,
    windows: Windows,
}

impl RbdTarget {
    /// `image` was opened for writing and is locked; `name` is how it is called in its pool.
    pub(super) fn new(image: Image, name: &str) -> Result<Self, DiskError> {
        let size = image.size()?;
        // As the OSDs know it: the map of the objects is ours, and might be what is wrong.
        let windows = Windows::new(Grain::Exact);
        Ok(Self { image, name: name.to_owned(), size, reader: OnceLock::new(), windows })
    }

    /// The handle that reads back, opened when everything was written.
    fn reader(&self) -> Result<&Image, DiskError> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        let opened = Image::open_read_only(self.image.pool(), &self.name, None)?;
        Ok(self.reader.get_or_init(|| opened))
    }
}

impl BlockDev for RbdTarget {
    fn path(&self) -> &Path {
        self.image.path()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self, range: Range<u64>) -> Result<Vec<Extent>, DiskError> {
        self.windows.extents(self.reader()?, self.size, range)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.image.read(buf, at)
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        self.reader()?.read(&mut buf.bytes_mut()[..len], at)
    }

    fn write_at(&self, data: &[u8], at: u64) -> Result<(), DiskError> {
        if at + data.len() as u64 > self.size {
            return Err(DiskError::bad_image(self.path(), "a write beyond its end was refused"));
        }
        self.image.write(data, at)
    }

    fn write_zeroes(&self, range: Range<u64>) -> Result<(), DiskError> {
        let end = range.end.min(self.size);
        if range.start >= end { Ok(()) } else { self.image.write_zeroes(range.start, end - range.start) }
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.image.flush()
    }
}
