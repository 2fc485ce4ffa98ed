//! Opening what is copied: the file, the chain of images below it, and the locks that keep QEMU from
//! writing to any of them meanwhile.
//!
//! A qcow2 source with a backing chain is flattened on the way: the target holds all that the guest
//! sees and refers to nothing. That is safe because we open every layer ourselves, below the storage's
//! root, and `imago` opens nothing by name. A chain is refused when a layer lies outside of the
//! storage, when a header does not name its backing file's format (a guest could have written a
//! qcow2 header into a raw disk), when it is deeper than `MAX_LAYERS`, or comes back to itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use imago::file::File as ImagoFile;
use imago::raw::Raw as ImagoRaw;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder};

use super::BlockDev;
use super::disk::{DiskRef, Holder, SourceIdentity};
use super::history::{KeptSnapshot, Snapshots};
use super::image::{Pools, Taken, TakenImage};
use super::qcow2::{Qcow2, imago_file, open_layer};
use super::raw::Raw;
use super::rbd::RbdSource;
use super::snapshot::Later;
use crate::storage::chain::{MAX_LAYERS, backing_path};
use crate::storage::header::{self, Qcow2Header};
use crate::storage::probe::refuse_unusable;
use crate::storage::{Access, DiskError, Format, Identity, Root, lock};

/// An opened and locked source. The locks end with it.
pub struct Source {
    /// The disk.
    pub dev: Box<dyn BlockDev>,
    /// The files it is made of, the top first; or its image, while that is not in `later`.
    pub files: Vec<SourceIdentity>,
    /// The snapshots that are copied with it, the oldest first; only images have some.
    pub history: Vec<KeptSnapshot>,
    /// An image whose snapshot is still being taken.
    pub(super) later: Option<Later>,
    held: Vec<(PathBuf, File)>,
    taken: Option<TakenImage>,
}

impl Source {
    /// Proves that nothing of the source was written to since it was opened.
    ///
    /// # Errors
    /// `SourceChanged`; for an image `InUse`, `Fenced`, `Away`; `Io`.
    pub fn check_unchanged(&self) -> Result<(), DiskError> {
        for ((path, file), was) in self.held.iter().zip(&self.files) {
            if SourceIdentity::File(Identity::of(file, path)?) != *was {
                return Err(DiskError::SourceChanged(path.clone()));
            }
        }
        self.taken.as_ref().map_or(Ok(()), TakenImage::unchanged)
    }

    /// The same right before the source becomes what was left behind, which is noted on an image.
    ///
    /// # Errors
    /// As `check_unchanged`.
    pub fn check_to_be_left(&self) -> Result<(), DiskError> {
        self.check_unchanged()?;
        self.taken.as_ref().map_or(Ok(()), TakenImage::note_as_left)
    }

    /// Removes what was put on the source for the copy. The locks stay until it is dropped.
    ///
    /// # Errors
    /// As `TakenImage::give_back`; none for a file.
    pub fn give_back(&self) -> Result<(), DiskError> {
        self.taken.as_ref().map_or(Ok(()), TakenImage::give_back)
    }
}

/// Opens the source of a copy to `to`.
///
/// # Errors
/// As `open`, and for an image as `TakenImage::take`.
pub(super) fn open_disk(
    disk: &DiskRef,
    pools: &Pools,
    holder: &Holder,
    pages: &BTreeMap<u32, Vec<u8>>,
    snapshots: Snapshots,
    to: &DiskRef,
) -> Result<Source, DiskError> {
    match disk {
        DiskRef::File { root, path, format } => open(&Root::open(root)?, path, *format),
        DiskRef::Image { pool, image } => {
            let Taken { image, later, history } =
                TakenImage::take(pools.of(pool)?, image, holder, pages, snapshots, to)?;
            let dev = Box::new(RbdSource::new(image.head(), None)?);
            let (files, later) = match later.is_there() {
                true => (vec![later.settled()?], None),
                false => (Vec::new(), Some(later)),
            };
            Ok(Source { dev, files, history, later, held: Vec::new(), taken: Some(image) })
        }
    }
}

/// Opens the disk `relative` below `root` for copying. `format` is what its record says; the format is
/// never guessed from the bytes alone, for those may be the guest's.
///
/// # Errors
/// `InUse`, `NotFound`, `OutsideRoot`, `BadImage` (also for internal snapshots, which a copy would lose),
/// `BackingFile`.
pub fn open(root: &Root, relative: &Path, format: Format) -> Result<Source, DiskError> {
    let mut held = Vec::new();
    let full = root.full(relative);
    let file = hold(root, relative, &mut held)?;
    let dev: Box<dyn BlockDev> = match format {
        Format::Raw => Box::new(Raw::source(file, full)?),
        Format::Qcow2 => {
            let top = layer(root, relative, file, &mut held)?;
            Box::new(Qcow2::source(top, full))
        }
    };
    if dev.size() > header::MAX_DISK_BYTES {
        return Err(DiskError::bad_image(&root.full(relative), format!("it has {} bytes", dev.size())));
    }
    let identity = |(path, file): &(PathBuf, File)| Ok(SourceIdentity::File(Identity::of(file, path)?));
    let files = held.iter().map(identity).collect::<Result<_, DiskError>>()?;
    Ok(Source { dev, files, history: Vec::new(), later: None, held, taken: None })
}

/// Opens one file of the source and keeps writers away from it.
fn hold(root: &Root, relative: &Path, held: &mut Vec<(PathBuf, File)>) -> Result<File, DiskError> {
    let full = root.full(relative);
    if held.len() >= MAX_LAYERS {
        let reason = format!("it has more than {MAX_LAYERS} layers; flatten it with qemu-img convert first");
        return Err(DiskError::bad_image(&full, reason));
    }
    let file = root.open_file(relative, Access::Read)?;
    let now = Identity::of(&file, &full)?;
    for (path, other) in held.iter() {
        let that = Identity::of(other, path)?;
        if (that.dev, that.ino) == (now.dev, now.ino) {
            return Err(DiskError::bad_image(&full, "its chain of backing files comes back to itself"));
        }
    }
    lock::hold_source(&file, &full)?;
    let copy = file.try_clone().map_err(|e| DiskError::io("dup", &full, e))?;
    held.push((full, copy));
    Ok(file)
}

/// Opens a qcow2 layer and all that is below it.
fn layer(
    root: &Root,
    relative: &Path,
    file: File,
    held: &mut Vec<(PathBuf, File)>,
) -> Result<FormatAccess<ImagoFile>, DiskError> {
    let full = root.full(relative);
    let Some(header) = header::read(&file, &full)? else {
        return Err(DiskError::bad_image(&full, "it is not a qcow2 image, but its record says so"));
    };
    refuse_unusable(&header, &full)?;
    if header.dirty {
        return Err(DiskError::bad_image(
            &full,
            "it was not closed cleanly; run qemu-img check -r all on it",
        ));
    }
    if header.internal_snapshots > 0 {
        let reason = format!(
            "it holds {} internal snapshots, which a copy would lose; delete them with qemu-img snapshot -d",
            header.internal_snapshots
        );
        return Err(DiskError::bad_image(&full, reason));
    }
    if header.bitmaps > 0 {
        let reason = format!(
            "it holds {} dirty bitmaps, which a copy would lose; remove them with qemu-img bitmap --remove",
            header.bitmaps
        );
        return Err(DiskError::bad_image(&full, reason));
    }
    let below = match &header.backing {
        Some(name) => Some(below(root, relative, &full, name, &header, held)?),
        None => None,
    };
    open_layer(&file, &full, below)
}

fn below(
    root: &Root,
    relative: &Path,
    full: &Path,
    name: &str,
    header: &Qcow2Header,
    held: &mut Vec<(PathBuf, File)>,
) -> Result<FormatAccess<ImagoFile>, DiskError> {
    let refuse = |reason: &str| DiskError::BackingFile {
        path: full.to_owned(),
        names: name.to_owned(),
        reason: reason.to_owned(),
    };
    let beneath = backing_path(root, relative, name)?;
    let file = hold(root, &beneath, held)?;
    match header.backing_format.as_deref() {
        Some("qcow2") => layer(root, &beneath, file, held),
        Some("raw" | "file") => {
            let below = root.full(&beneath);
            let raw = ImagoRaw::<ImagoFile>::builder(imago_file(&file, &below, false)?)
                .write(false)
                .open(DenyImplicitOpenGate::default())
                .map_err(|e| DiskError::bad_image(&below, e.to_string()))?;
            Ok(FormatAccess::new(raw))
        }
        Some(_) => Err(refuse("only raw and qcow2 backing files are read; flatten it with qemu-img convert")),
        None => Err(refuse(
            "its format is not named in the header; name it with qemu-img rebase -u -F <format> -b <file>",
        )),
    }
}
