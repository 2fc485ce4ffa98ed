//! qcow2 images as `BlockDev`. The `imago` crate reads the maps and the compressed clusters; the bytes of
//! data clusters we read and write ourselves, at the place that the map says, so a write can not
//! allocate. Laying out a new image: `qcow2_map`; backing chains and locks: `source`.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use imago::file::File as ImagoFile;
use imago::qcow2::Qcow2 as ImagoQcow2;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, Mapping, Storage, StorageOpenOptions};

use super::buffer::{ALIGN, AlignedBuf};
use super::device::DeviceFile;
use super::{BlockDev, Extent, ExtentKind, May, is_zero, push_extent};
use crate::storage::DiskError;

/// The largest cluster that qcow2 knows, in bytes.
const CLUSTER_MAX_BYTES: u64 = 2 << 20;

/// A qcow2 image, with or without the images below it.
#[derive(Debug)]
pub struct Qcow2 {
    access: FormatAccess<ImagoFile>,
    path: PathBuf,
    target: Option<(File, DeviceFile)>,
}

/// Opens `file` for reading as one layer over `backing`. Nothing that its header names is opened.
///
/// # Errors
/// `BadImage`.
pub(super) fn open_layer(
    file: &File,
    path: &Path,
    backing: Option<FormatAccess<ImagoFile>>,
) -> Result<FormatAccess<ImagoFile>, DiskError> {
    let storage = imago_file(file, path, false)?;
    let image = ImagoQcow2::<ImagoFile>::builder(storage)
        .write(false)
        .backing(backing)
        .data_file(None)
        .open(DenyImplicitOpenGate::default())
        .map_err(|e| DiskError::bad_image(path, e.to_string()))?;
    Ok(FormatAccess::new(image))
}

/// The file as `imago` wants it: the same open file description, so our locks cover it.
pub(super) fn imago_file(file: &File, path: &Path, write: bool) -> Result<ImagoFile, DiskError> {
    let copy = file.try_clone().map_err(|e| DiskError::io("dup", path, e))?;
    ImagoFile::from_open_file(copy, StorageOpenOptions::new().write(write).filename(path))
        .map_err(|e| DiskError::io("open", path, e))
}

impl Qcow2 {
    /// A source: `access` is the top layer.
    pub(super) fn source(access: FormatAccess<ImagoFile>, path: PathBuf) -> Self {
        Self { access, path, target: None }
    }

    /// A target whose map is complete; from here on only its data clusters are written.
    ///
    /// # Errors
    /// `BadImage`, `Io`.
    pub fn target(file: File, path: PathBuf) -> Result<Self, DiskError> {
        let access = open_layer(&file, &path, None)?;
        let device = DeviceFile::new(&file, &path)?;
        Ok(Self { access, path, target: Some((file, device)) })
    }

    /// Calls `each` for every piece of `range` with its offset in the file, `None` for what is not stored
    /// as it is (zeros, or `special`: compressed).
    fn walk(
        &self,
        range: Range<u64>,
        mut each: impl FnMut(Range<u64>, Place) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let mut at = range.start;
        while at < range.end {
            let (mapping, len) = self
                .access
                .get_mapping(at, range.end - at)
                .map_err(|e| DiskError::bad_image(&self.path, format!("its map at byte {at}: {e}")))?;
            if len == 0 {
                return Err(DiskError::bad_image(&self.path, format!("its map ends at byte {at}")));
            }
            let place = match mapping {
                Mapping::Raw { storage, offset, writable, .. } => {
                    let file_len = storage.size().map_err(|e| DiskError::io("stat", &self.path, e))?;
                    // A last cluster may be cut off by the end of the file. What starts beyond it was
                    // lost or is a lie, and would read as zeros.
                    if offset >= file_len || offset + len > file_len.next_multiple_of(CLUSTER_MAX_BYTES) {
                        let reason =
                            format!("its map puts byte {at} at {offset}, beyond the end of its file");
                        return Err(DiskError::bad_image(&self.path, reason));
                    }
                    Place::At { offset, writable }
                }
                Mapping::Special { .. } => Place::Encoded,
                _ => Place::Zero,
            };
            each(at..at + len, place)?;
            at += len;
        }
        Ok(())
    }
}

/// Where the bytes of a piece are.
#[derive(Clone, Copy)]
enum Place {
    /// In the file, at this offset.
    At { offset: u64, writable: bool },
    /// In the file, compressed.
    Encoded,
    /// Nowhere: zeros.
    Zero,
}

impl BlockDev for Qcow2 {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> u64 {
        self.access.size()
    }

    fn extents(&self, range: Range<u64>) -> Result<Vec<Extent>, DiskError> {
        let mut extents = Vec::new();
        self.walk(range, |piece, place| {
            let kind = if matches!(place, Place::Zero) { ExtentKind::Zero } else { ExtentKind::Data };
            push_extent(&mut extents, piece, kind);
            Ok(())
        })?;
        Ok(extents)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.access.read(buf, at).map_err(|e| DiskError::io("read", &self.path, e))
    }

    fn read_from_device(&self, buf: &mut AlignedBuf, len: usize, at: u64) -> Result<(), DiskError> {
        let Some((_, device)) = &self.target else { return self.read_at(&mut buf.bytes_mut()[..len], at) };
        let bytes = buf.bytes_mut();
        self.walk(at..at + len as u64, |piece, place| {
            let (from, to) = ((piece.start - at) as usize, (piece.end - at) as usize);
            match place {
                // Our clusters are a multiple of `ALIGN`, so only the end of the disk needs rounding.
                Place::At { offset, .. } => {
                    let end = to.next_multiple_of(ALIGN).min(bytes.len());
                    device.read(&mut bytes[from..end], offset, &self.path)
                }
                Place::Zero => {
                    bytes[from..to].fill(0);
                    Ok(())
                }
                Place::Encoded => {
                    Err(DiskError::bad_image(&self.path, "a target has no compressed clusters"))
                }
            }
        })
    }

    fn write_at(&self, data: &[u8], at: u64, may: May<'_>) -> Result<(), DiskError> {
        let Some((_, device)) = &self.target else {
            return Err(DiskError::ReadOnly(self.path.clone()));
        };
        self.walk(at..at + data.len() as u64, |piece, place| {
            let part = &data[(piece.start - at) as usize..(piece.end - at) as usize];
            match place {
                Place::At { offset, writable: true } => device.write(part, offset, &self.path, may),
                Place::Zero if is_zero(part) => Ok(()),
                _ => {
                    let reason =
                        format!("byte {} has no place of its own in it, and none is given now", piece.start);
                    Err(DiskError::bad_image(&self.path, reason))
                }
            }
        })
    }

    fn write_zeroes(&self, range: Range<u64>, may: May<'_>) -> Result<(), DiskError> {
        // In place, as all writes: giving clusters back would change the map.
        let step = 1 << 20;
        let zeros = vec![0u8; step];
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(step as u64);
            self.write_at(&zeros[..len as usize], at, may)?;
            at += len;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), DiskError> {
        let Some((file, _)) = &self.target else { return Ok(()) };
        rustix::fs::fdatasync(file).map_err(|e| DiskError::io("fdatasync", &self.path, e))
    }
}
