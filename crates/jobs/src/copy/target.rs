//! Creating the target of a copy, or opening it again where a killed attempt left it. A target counts
//! only from the first checkpoint on, which says `mapped`; before that it is deleted and started anew.
//! Filling it: `fill`.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::checkpoint::{ChunkMap, Header, VERSION};
use super::qcow2::Qcow2;
use super::qcow2_map;
use super::raw::Raw;
use super::source::Source;
use super::{BlockDev, CHUNK_BYTES};
use crate::storage::{Access, DiskError, Format, Identity, Root, delete_artifact, lock};

/// An opened and locked target.
pub struct Target {
    /// The disk.
    pub dev: Box<dyn BlockDev>,
    /// What of it is done.
    pub map: ChunkMap,
    /// It goes on from an earlier attempt; else its first checkpoint is still to be stored.
    pub resumed: bool,
}

/// Opens the target at `relative` for a copy of `source`: goes on where `pages` say, else starts anew.
/// Calls `step` with the bytes of the disk laid out so far.
///
/// # Errors
/// `InUse` when another process holds the target; `SourceChanged` when `pages` are of another source than
/// this; `NoSpace`, `ReadOnly`, `BadImage`, `Io`, or what `step` answers.
pub fn open(
    root: &Root,
    relative: &Path,
    format: Format,
    source: &Source,
    pages: &BTreeMap<u32, Vec<u8>>,
    step: impl FnMut(u64) -> Result<(), DiskError>,
) -> Result<Target, DiskError> {
    if let Some(map) = ChunkMap::from_pages(pages)? {
        let header = map.header();
        let same_files = header.source.len() == source.files.len()
            && header.source.iter().zip(&source.files).all(|(was, now)| was.is_still(now));
        if !same_files || header.source_bytes != source.dev.size() {
            return Err(DiskError::SourceChanged(source.dev.path().to_owned()));
        }
        if header.target == relative && header.format == format {
            match reopen(root, relative, &map) {
                Ok(Some(dev)) => return Ok(Target { dev, map, resumed: true }),
                // Not the file that the pages speak of, or gone: nothing of it counts.
                Ok(None) | Err(DiskError::NotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
    }
    create(root, relative, format, source, step)
}

/// Opens the target that `map` is of; `None` when another file is there now.
fn reopen(root: &Root, relative: &Path, map: &ChunkMap) -> Result<Option<Box<dyn BlockDev>>, DiskError> {
    let full = root.full(relative);
    let file = root.open_file(relative, Access::Write)?;
    lock::hold_target(&file, &full)?;
    let now = Identity::of(&file, &full)?;
    if (now.dev, now.ino) != map.header().target_file {
        return Ok(None);
    }
    let dev: Box<dyn BlockDev> = match map.header().format {
        Format::Raw => Box::new(Raw::target(file, full)?),
        Format::Qcow2 => Box::new(Qcow2::target(file, full)?),
    };
    Ok((dev.size() >= map.header().source_bytes).then_some(dev))
}

fn create(
    root: &Root,
    relative: &Path,
    format: Format,
    source: &Source,
    step: impl FnMut(u64) -> Result<(), DiskError>,
) -> Result<Target, DiskError> {
    let full = root.full(relative);
    // A leftover of a kill before the first checkpoint: ours by its name, but only if nobody holds it.
    match root.open_file(relative, Access::Write) {
        Ok(old) => {
            lock::hold_target(&old, &full)?;
            delete_artifact(root, relative)?;
        }
        Err(DiskError::NotFound(_)) => {}
        Err(e) => return Err(e),
    }
    root.create_parent(relative)?;
    let file = root.open_file(relative, Access::Create)?;
    lock::hold_target(&file, &full)?;
    root.sync_parent(relative)?;
    let size = source.dev.size();
    lay_out(&file, &full, format, source, step)?;
    let meta = file.metadata().map_err(|e| DiskError::io("stat", &full, e))?;
    let header = Header {
        version: VERSION,
        source: source.files.clone(),
        source_bytes: size,
        target: relative.to_owned(),
        target_file: (meta.dev(), meta.ino()),
        format,
        mapped: true,
        chunk_bytes: CHUNK_BYTES,
        chunks: size.div_ceil(CHUNK_BYTES),
    };
    let dev: Box<dyn BlockDev> = match format {
        Format::Raw => Box::new(Raw::target(file, full)?),
        Format::Qcow2 => Box::new(Qcow2::target(file, full)?),
    };
    Ok(Target { dev, map: ChunkMap::new(header), resumed: false })
}

fn lay_out(
    file: &File,
    full: &Path,
    format: Format,
    source: &Source,
    step: impl FnMut(u64) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    match format {
        Format::Raw => {
            file.set_len(source.dev.size()).map_err(|e| DiskError::io("truncate", full, e))?;
            file.sync_all().map_err(|e| DiskError::io("fsync", full, e))
        }
        Format::Qcow2 => qcow2_map::lay_out(file, full, source.dev.as_ref(), step),
    }
}
