//! Laying out a new qcow2 image: everything that allocates. An image that is being allocated when its
//! writer is killed can be corrupt for good, so this is done whole, made durable, and only then
//! counted; before that a crash means delete and start anew. Filling it: `qcow2`.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use imago::file::File as ImagoFile;
use imago::qcow2::Qcow2 as ImagoQcow2;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatCreateBuilder};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::qcow2::imago_file;
use super::{BlockDev, CHUNK_BYTES, ExtentKind};
use crate::storage::DiskError;

/// Cluster size of the images that we create, in bytes.
pub const CLUSTER_BYTES: u64 = 64 << 10;

/// Writes an empty image with a guest's disk of `bytes`, a multiple of 512, into the empty `file`.
///
/// # Errors
/// `NoSpace`, `Io`. The file is then to be deleted.
pub fn format_empty(file: &File, path: &Path, bytes: u64) -> Result<(), DiskError> {
    let image = create(file, path, bytes)?;
    finish(image, file, path, 0)
}

/// Writes an image into the empty `file` in which every extent of `source` that holds data has its place,
/// in order, and none holds anything yet. Durable on return. Calls `step` with the bytes of the guest's
/// disk walked so far.
///
/// # Errors
/// `NoSpace`, `Io`, `BadImage` of the source, or what `step` answers. The file is then to be deleted.
pub fn lay_out(
    file: &File,
    path: &Path,
    source: &dyn BlockDev,
    mut step: impl FnMut(u64) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let bytes = source.size().next_multiple_of(512);
    let image = Image { access: create(file, path, bytes)?, file, path };
    let mut end = 0;
    let mut pending: Range<u64> = 0..0;
    let mut at = 0;
    while at < source.size() {
        let chunk = at..(at + CHUNK_BYTES).min(source.size());
        at = chunk.end;
        for extent in source.extents(chunk)?.into_iter().filter(|e| e.kind == ExtentKind::Data) {
            // Whole clusters, so that nothing has to be copied to fill one up.
            let from = extent.range.start - extent.range.start % CLUSTER_BYTES;
            let to = extent.range.end.next_multiple_of(CLUSTER_BYTES).min(bytes);
            if from <= pending.end && pending.end > 0 {
                pending.end = pending.end.max(to);
            } else {
                end = end.max(map(&image, pending)?);
                pending = from..to;
            }
        }
        // Long runs are mapped as they come, so the walk and the allocation go on together.
        if pending.end - pending.start >= 64 * CHUNK_BYTES {
            let done = pending.end;
            end = end.max(map(&image, pending)?);
            pending = done..done;
        }
        step(at)?;
    }
    end = end.max(map(&image, pending)?);
    finish(image.access, file, path, end)
}

/// An image that is being laid out.
struct Image<'a> {
    access: FormatAccess<ImagoFile>,
    file: &'a File,
    path: &'a Path,
}

fn create(file: &File, path: &Path, bytes: u64) -> Result<FormatAccess<ImagoFile>, DiskError> {
    let storage = imago_file(file, path, true)?;
    let image = ImagoQcow2::<ImagoFile>::create_builder(storage)
        .size(bytes)
        .cluster_size(CLUSTER_BYTES as usize)
        .create_open(DenyImplicitOpenGate::default(), |image| {
            Ok(ImagoQcow2::<ImagoFile>::builder(image).backing(None))
        })
        .map_err(|e| DiskError::io("create", path, e))?;
    Ok(FormatAccess::new(image))
}

/// Gives `range` its clusters; answers where in the file the last of them ends.
///
/// A cluster may have held a table that was moved since. Only what the source holds is written later,
/// so the rest has to read as zeros: the place is emptied here.
fn map(image: &Image<'_>, range: Range<u64>) -> Result<u64, DiskError> {
    let Image { access, file, path } = image;
    let mut end = 0;
    let mut at = range.start;
    while at < range.end {
        let (_, offset, len) = access
            .ensure_data_mapping(at, range.end - at, true)
            .map_err(|e| DiskError::io("allocate", path, e))?;
        if len == 0 {
            return Err(DiskError::io("allocate", path, std::io::Error::other("nothing was allocated")));
        }
        empty(file, path, offset, len)?;
        end = end.max(offset + len);
        at += len;
    }
    Ok(end)
}

fn empty(file: &File, path: &Path, at: u64, len: u64) -> Result<(), DiskError> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, at, len) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => {
            let file_len = file.metadata().map_err(|e| DiskError::io("stat", path, e))?.len();
            let stale = file_len.min(at + len).saturating_sub(at);
            file.write_all_at(&vec![0; stale as usize], at).map_err(|e| DiskError::io("write", path, e))
        }
        Err(e) => Err(DiskError::io("punch hole", path, e)),
    }
}

/// Writes the map out, gives the file its final length and makes both durable.
fn finish(image: FormatAccess<ImagoFile>, file: &File, path: &Path, end: u64) -> Result<(), DiskError> {
    let io = |op| move |e| DiskError::io(op, path, e);
    image.flush().map_err(io("flush"))?;
    image.sync().map_err(io("fsync"))?;
    drop(image);
    let len = file.metadata().map_err(io("stat"))?.len();
    file.set_len(len.max(end).next_multiple_of(CLUSTER_BYTES)).map_err(io("truncate"))?;
    file.sync_all().map_err(io("fsync"))
}
