//! Creating the target of a copy, or opening it again where a killed attempt left it. A target counts
//! only from the first checkpoint on, which says `mapped`; before that it is deleted and started anew.
//! Filling it: `fill`.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{ChunkMap, Header, VERSION};
use super::disk::{DiskRef, Holder, SourceIdentity, TargetIdentity};
use super::image::{self, Pools, RemoveSnapshots};
use super::qcow2::Qcow2;
use super::qcow2_map;
use super::raw::Raw;
use super::rbd::RbdTarget;
use super::source::Source;
use super::{BlockDev, CHUNK_BYTES};
use crate::rbd::{Image, Pool};
use crate::storage::{Access, DiskError, Format, Identity, Root, delete_artifact, lock};

/// An opened and locked target.
pub struct Target {
    /// The disk.
    pub dev: Box<dyn BlockDev>,
    /// What of it is done.
    pub map: ChunkMap,
    /// It goes on from an earlier attempt; else its first checkpoint is still to be stored.
    pub resumed: bool,
    /// The same once more, to ask about it.
    same: Same,
}

/// A second handle on what is filled.
enum Same {
    File(File),
    /// And whether nobody else has had it since the attempt before.
    Image(Arc<Image>, bool),
}

impl Target {
    /// What is another text after any write of others to the target; of a file also after a change of its name, its
    /// length or its times.
    ///
    /// # Errors
    /// `Io`; of an image `InUse`, `Fenced`, `Away`.
    pub(super) fn mark(&self, holder: &Holder) -> Result<String, DiskError> {
        let file = match &self.same {
            Same::File(file) => file,
            Same::Image(image, untouched) => return image::mark(image, holder, *untouched),
        };
        let m = file.metadata().map_err(|e| DiskError::io("stat", self.dev.path(), e))?;
        // ctime is the one that nobody can set back.
        let (mtime, ctime) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
        Ok(format!("{}:{}:{}:{mtime:?}:{ctime:?}", m.dev(), m.ino(), m.len()))
    }

    /// It was read back: `mark` is asked for no more.
    ///
    /// # Errors
    /// As `mark`.
    pub(super) fn unmark(&self) -> Result<(), DiskError> {
        match &self.same {
            Same::File(_) => Ok(()),
            Same::Image(image, _) => image::unmark(image),
        }
    }
}

/// An opened disk, twice.
type Opened = (Box<dyn BlockDev>, Same);

/// Where a target is.
enum Place<'a> {
    File(Root, &'a Path, Format),
    Image(&'a Pool, &'a str),
}

/// Opens the target for a copy of `source`: goes on where `pages` say, else starts anew. Calls `step` with the
/// bytes of the disk laid out so far.
///
/// # Errors
/// `InUse` when another holds the target; `SourceChanged` when `pages` are of another source than this; `NoSpace`,
/// `ReadOnly`, `BadImage`, `Fenced`, `Away`, `Io`, or what `step` answers.
pub(super) fn open(
    disk: &DiskRef,
    pools: &Pools,
    holder: &Holder,
    source: &Source,
    pages: &BTreeMap<u32, Vec<u8>>,
    step: impl FnMut(u64) -> Result<(), DiskError>,
) -> Result<Target, DiskError> {
    let place = match disk {
        DiskRef::File { root, path, format } => Place::File(Root::open(root)?, path, *format),
        DiskRef::Image { pool, image } => Place::Image(pools.of(pool)?, image),
    };
    let name = match disk {
        DiskRef::File { path, .. } => path.clone(),
        DiskRef::Image { pool, image } => pool.path(image).into(),
    };
    if let Some(map) = ChunkMap::from_pages(pages)? {
        let header = map.header();
        let same_files = header.source.len() == source.files.len()
            && header.source.iter().zip(&source.files).all(|(was, now)| was.is_still(now));
        let same = same_files && header.source_bytes == source.dev.size();
        if !same && !another_snapshot(&header.source, &source.files) {
            return Err(DiskError::SourceChanged(source.dev.path().to_owned()));
        }
        if same && header.target == name && header.format == disk.format() {
            let reopened = match &place {
                Place::File(root, relative, _) => reopen(root, relative, &map),
                Place::Image(pool, image) => reopen_image(pool, image, holder, &map, pages),
            };
            match reopened {
                Ok(Some((dev, same))) => return Ok(Target { dev, map, resumed: true, same }),
                // Not what the pages speak of, or gone: nothing of it counts.
                Ok(None) | Err(DiskError::NotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
    }
    let ((dev, same), target_file) = match &place {
        Place::File(root, relative, format) => create(root, relative, *format, source, step)?,
        Place::Image(pool, image) => create_image(pool, image, holder, source.dev.size())?,
    };
    let size = source.dev.size();
    let header = Header {
        version: VERSION,
        source: source.files.clone(),
        source_bytes: size,
        target: name,
        target_file,
        format: disk.format(),
        mapped: true,
        chunk_bytes: CHUNK_BYTES,
        chunks: size.div_ceil(CHUNK_BYTES),
        filled: false,
    };
    Ok(Target { dev, map: ChunkMap::new(header), resumed: false, same })
}

/// Whether both are the same image, of which the earlier attempt's snapshot is gone: what was copied from that
/// cannot be told apart from what is there now, so it counts for nothing, but it is no reason to fail.
fn another_snapshot(was: &[SourceIdentity], now: &[SourceIdentity]) -> bool {
    match (was, now) {
        ([SourceIdentity::Image(was)], [SourceIdentity::Image(now)]) => {
            was.fsid == now.fsid && was.image == now.image && was.snapshot != now.snapshot
        }
        _ => false,
    }
}

fn reopen_image(
    pool: &Pool,
    name: &str,
    holder: &Holder,
    map: &ChunkMap,
    pages: &BTreeMap<u32, Vec<u8>>,
) -> Result<Option<Opened>, DiskError> {
    let image::Again { image, untouched } = image::take_again(pool, name, holder, pages)?;
    let now = TargetIdentity::Image { fsid: pool.fsid()?, image: image.id()? };
    if now != map.header().target_file || image.size()? != map.header().source_bytes {
        return Ok(None);
    }
    image_opened(image, name, untouched).map(Some)
}

fn create_image(
    pool: &Pool,
    name: &str,
    holder: &Holder,
    bytes: u64,
) -> Result<(Opened, TargetIdentity), DiskError> {
    let (image, identity) = new_image(pool, name, holder, bytes)?;
    Ok((image_opened(image, name, false)?, identity))
}

fn image_opened(image: Image, name: &str, untouched: bool) -> Result<Opened, DiskError> {
    let image = Arc::new(image);
    Ok((Box::new(RbdTarget::new(Arc::clone(&image), name)?), Same::Image(image, untouched)))
}

/// Makes the image that is filled, and takes it.
///
/// # Errors
/// As `open`.
pub(super) fn new_image(
    pool: &Pool,
    name: &str,
    holder: &Holder,
    bytes: u64,
) -> Result<(Image, TargetIdentity), DiskError> {
    // A leftover of a kill before the first checkpoint: ours by its name, but only if nobody holds it.
    image::remove(pool, name, RemoveSnapshots::All)?;
    Image::create(pool, name, bytes)?;
    let image = image::take(pool, name, holder)?;
    let identity = TargetIdentity::Image { fsid: pool.fsid()?, image: image.id()? };
    Ok((image, identity))
}

/// Opens the target that `map` is of; `None` when another file is there now.
fn reopen(root: &Root, relative: &Path, map: &ChunkMap) -> Result<Option<Opened>, DiskError> {
    let full = root.full(relative);
    let file = root.open_file(relative, Access::Write)?;
    lock::hold_target(&file, &full)?;
    let now = Identity::of(&file, &full)?;
    if TargetIdentity::File(now.dev, now.ino) != map.header().target_file {
        return Ok(None);
    }
    let opened = filled(file, full, map.header().format)?;
    Ok((opened.0.size() >= map.header().source_bytes).then_some(opened))
}

/// The file as the disk that is filled.
fn filled(file: File, full: PathBuf, format: Format) -> Result<Opened, DiskError> {
    let same = file.try_clone().map_err(|e| DiskError::io("dup", &full, e))?;
    let dev: Box<dyn BlockDev> = match format {
        Format::Raw => Box::new(Raw::target(file, full)?),
        Format::Qcow2 => Box::new(Qcow2::target(file, full)?),
    };
    Ok((dev, Same::File(same)))
}

fn create(
    root: &Root,
    relative: &Path,
    format: Format,
    source: &Source,
    step: impl FnMut(u64) -> Result<(), DiskError>,
) -> Result<(Opened, TargetIdentity), DiskError> {
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
    lay_out(&file, &full, format, source, step)?;
    let meta = file.metadata().map_err(|e| DiskError::io("stat", &full, e))?;
    Ok((filled(file, full, format)?, TargetIdentity::File(meta.dev(), meta.ino())))
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
