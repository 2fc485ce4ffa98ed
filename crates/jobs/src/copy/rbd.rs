//! RBD images as `BlockDev`: a source, under its lock or as of a snapshot; a target that is filled under its lock and read
//! back through a second handle, which has no cache, so from the OSDs. Taking and giving back: `image`.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::buffer::AlignedBuf;
use super::{BlockDev, Extent, ExtentKind, May, push_extent};
use crate::rbd::{Grain, Image};
use crate::storage::DiskError;

/// What is stored is asked for in pieces of this many bytes: 256 objects of the usual size.
const WINDOW_BYTES: u64 = 1 << 30;
/// Pieces that are remembered. Workers go through a disk side by side, so two are in use at a time.
const WINDOWS_KEPT: usize = 4;

/// What a part of a disk holds, or what changed there since a snapshot, remembered for the chunks that follow.
struct Windows {
    grain: Grain,
    since: Option<String>,
    kept: Mutex<Vec<Window>>,
}

type Window = (u64, Arc<Vec<Range<u64>>>);

impl Windows {
    fn new(grain: Grain, since: Option<String>) -> Self {
        Self { grain, since, kept: Mutex::new(Vec::new()) }
    }

    /// Whether there is anything of it in `range`.
    fn any(&self, image: &Image, size: u64, range: Range<u64>) -> Result<bool, DiskError> {
        Ok(self.extents(image, size, range)?.iter().any(|e| e.kind == ExtentKind::Data))
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
        let data = Arc::new(match &self.since {
            None => image.data(range.clone(), self.grain)?,
            // What became zeros changed as well.
            Some(since) => {
                image.changes(since, range.clone(), self.grain)?.into_iter().map(|e| e.range).collect()
            }
        });
        if kept.len() >= WINDOWS_KEPT {
            kept.remove(0);
        }
        kept.push((range.start, Arc::clone(&data)));
        Ok(data)
    }
}

/// An image, or a snapshot of one, to be copied; as a whole, or as what changed since an earlier one.
pub(super) struct RbdSource {
    image: Arc<Image>,
    size: u64,
    grain: Grain,
    windows: Windows,
    changes: Option<Windows>,
}

impl RbdSource {
    /// `image` was opened at a snapshot, or nobody writes to it: its lock is ours. With `since`, an earlier snapshot of the
    /// same image, it tells what changed; which it must not be asked to of a clone: what such an image has lost of its
    /// parent's no list of changes tells.
    pub(super) fn new(image: Arc<Image>, since: Option<&str>) -> Result<Self, DiskError> {
        let size = image.size()?;
        let grain = if image.has_fast_diff()? { Grain::Object } else { Grain::Exact };
        let changes = since.map(|since| Windows::new(grain, Some(since.to_owned())));
        Ok(Self { image, size, grain, windows: Windows::new(grain, None), changes })
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

    fn may_differ(&self, range: Range<u64>) -> Result<bool, DiskError> {
        self.changes.as_ref().map_or(Ok(true), |changes| changes.any(&self.image, self.size, range))
    }

    fn differences(&self, range: Range<u64>) -> Result<Vec<Range<u64>>, DiskError> {
        match &self.changes {
            None => Ok(vec![range]),
            Some(changes) => {
                let since = changes.since.as_deref().unwrap_or_default();
                let exact = match self.grain {
                    Grain::Object => self.image.changes(since, range, Grain::Exact)?,
                    Grain::Exact => {
                        let told = changes.extents(&self.image, self.size, range)?;
                        told.into_iter().filter(|e| e.kind == ExtentKind::Data).collect()
                    }
                };
                Ok(exact.into_iter().map(|e| e.range).collect())
            }
        }
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.image.read(buf, at)
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        self.image.read(&mut buf.bytes_mut()[..len], at)
    }

    fn write_at(&self, _: &[u8], _: u64, _: May<'_>) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly(self.path().to_owned()))
    }

    fn write_zeroes(&self, _: Range<u64>, _: May<'_>) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly(self.path().to_owned()))
    }

    fn flush(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// An image that is being filled. Its lock is ours.
pub(super) struct RbdTarget {
    image: Arc<Image>,
    name: String,
    size: u64,
    at: Option<String>,
    reader: OnceLock<Image>,
    windows: Windows,
    changes: Option<Windows>,
}

impl RbdTarget {
    /// `image` was opened for writing and is locked; `name` is how it is called in its pool.
    pub(super) fn new(image: Arc<Image>, name: &str) -> Result<Self, DiskError> {
        let size = image.size()?;
        // As the OSDs know it: the map of the objects is ours, and might be what is wrong.
        let windows = Windows::new(Grain::Exact, None);
        let name = name.to_owned();
        Ok(Self { image, name, size, at: None, reader: OnceLock::new(), windows, changes: None })
    }

    /// Of the same image, to be read back as of the snapshot `at` or as it is now. What it shares with the earlier
    /// snapshot `since` it tells.
    pub(super) fn past(
        image: Arc<Image>,
        name: &str,
        at: Option<&str>,
        since: Option<&str>,
    ) -> Result<Self, DiskError> {
        let reader = Image::open_read_only(image.pool(), name, at)?;
        let size = reader.size()?;
        let changes = since.map(|since| Windows::new(Grain::Exact, Some(since.to_owned())));
        let at = at.map(str::to_owned);
        Ok(Self { size, at, reader: OnceLock::from(reader), changes, ..Self::new(image, name)? })
    }

    /// The handle that reads back, opened when everything was written.
    fn reader(&self) -> Result<&Image, DiskError> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        let opened = Image::open_read_only(self.image.pool(), &self.name, self.at.as_deref())?;
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

    fn may_differ(&self, range: Range<u64>) -> Result<bool, DiskError> {
        match &self.changes {
            None => Ok(true),
            Some(changes) => changes.any(self.reader()?, self.size, range),
        }
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.reader()?.read(buf, at)
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        self.reader()?.read(&mut buf.bytes_mut()[..len], at)
    }

    fn write_at(&self, data: &[u8], at: u64, may: May<'_>) -> Result<(), DiskError> {
        if at + data.len() as u64 > self.size {
            return Err(DiskError::bad_image(self.path(), "a write beyond its end was refused"));
        }
        may()?;
        self.image.write(data, at)
    }

    fn write_zeroes(&self, range: Range<u64>, may: May<'_>) -> Result<(), DiskError> {
        let end = range.end.min(self.size);
        if range.start >= end {
            return Ok(());
        }
        may()?;
        self.image.write_zeroes(range.start, end - range.start)
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.image.flush()
    }
}
