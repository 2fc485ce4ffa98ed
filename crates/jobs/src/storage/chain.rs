//! Chains of qcow2 images: which files a disk is made of, and which disks are made of a file. Headers only,
//! no locks: a disk that a guest uses may be looked at. Opening a chain for a copy: `copy::source`.

use std::path::{Path, PathBuf};

use super::error::DiskError;
use super::header;
use super::probe::Format;
use super::root::{Access, Root};

/// The deepest chain of images that is followed.
pub const MAX_LAYERS: usize = 16;

/// One file of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Path below the root.
    pub path: PathBuf,
    /// Bytes that it occupies on its storage.
    pub actual_bytes: u64,
}

/// The path below the root of the backing file `name` of the image `relative`.
///
/// # Errors
/// `BackingFile` when it is not below the root or does not exist, with what to do; `Io`.
pub fn backing_path(root: &Root, relative: &Path, name: &str) -> Result<PathBuf, DiskError> {
    let refuse = |reason: &str| DiskError::BackingFile {
        path: root.full(relative),
        names: name.to_owned(),
        reason: reason.to_owned(),
    };
    // QEMU takes a name of its file protocol as well.
    let name = name.strip_prefix("file:").unwrap_or(name);
    let path = relative.parent().unwrap_or(Path::new("")).join(name);
    root.relative(&path).map_err(|e| match e {
        DiskError::OutsideRoot(_) => refuse(
            "that is not below the storage's directory; move it there and rebase the image with qemu-img rebase \
             -u, or flatten it with qemu-img convert",
        ),
        DiskError::NotFound(_) => refuse("that file does not exist; restore it, or rebase the image"),
        e => e,
    })
}

/// The files that the disk `relative` is made of, the top first; `format` is that of the top.
///
/// # Errors
/// `NotFound`, `OutsideRoot`, `BackingFile`; `BadImage` for a header that lies or a chain of more than
/// `MAX_LAYERS` (one that comes back to itself is one); `Io`.
pub fn layers(root: &Root, relative: &Path, format: Format) -> Result<Vec<Layer>, DiskError> {
    let mut layers = Vec::new();
    let mut next = Some((relative.to_owned(), format));
    while let Some((path, format)) = next {
        if layers.len() >= MAX_LAYERS {
            let reason =
                format!("it has more than {MAX_LAYERS} layers; flatten it with qemu-img convert first");
            return Err(DiskError::bad_image(&root.full(relative), reason));
        }
        let actual_bytes = super::actual_bytes(root, &path)?;
        next = match format {
            Format::Raw => None,
            Format::Qcow2 => below(root, &path)?,
        };
        layers.push(Layer { path, actual_bytes });
    }
    Ok(layers)
}

/// What is right below the qcow2 image `relative`.
fn below(root: &Root, relative: &Path) -> Result<Option<(PathBuf, Format)>, DiskError> {
    let file = root.open_file(relative, Access::Read)?;
    let Some(header) = header::read(&file, &root.full(relative))? else { return Ok(None) };
    let Some(name) = &header.backing else { return Ok(None) };
    // A raw file may begin like a qcow2 one: what its overlay says counts.
    let format = if header.backing_format.as_deref() == Some("qcow2") { Format::Qcow2 } else { Format::Raw };
    Ok(Some((backing_path(root, relative, name)?, format)))
}

/// The file that holds the data of the qcow2 image `relative`, where that is another one.
fn data_file(root: &Root, relative: &Path) -> Result<Option<PathBuf>, DiskError> {
    let file = root.open_file(relative, Access::Read)?;
    match header::read(&file, &root.full(relative))?.and_then(|h| h.data_file_name) {
        Some(name) => backing_path(root, relative, &name).map(Some),
        None => Ok(None),
    }
}

/// Images below the root whose backing file or data file is `base`, in the order of their paths: without it
/// they are lost. An image that names a file outside of the root cannot have it there.
///
/// # Errors
/// As `scan`.
pub fn overlays(root: &Root, base: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let Ok(base) = root.relative(base) else { return Ok(Vec::new()) };
    let files = super::stray_files(root, &std::collections::BTreeSet::from([base.clone()]))?;
    let has_base = |path: &PathBuf| {
        below(root, path).is_ok_and(|b| b.is_some_and(|(p, _)| p == base))
            || data_file(root, path).is_ok_and(|p| p.as_ref() == Some(&base))
    };
    Ok(files.into_iter().filter(has_base).collect())
}

/// Refuses when an image is made of the file `base`.
///
/// # Errors
/// `Backs`, with the images; as `overlays`.
pub fn refuse_if_backing(root: &Root, base: &Path) -> Result<(), DiskError> {
    let overlays = overlays(root, base)?;
    if overlays.is_empty() {
        return Ok(());
    }
    let overlays = overlays.iter().map(|path| root.full(path)).collect();
    Err(DiskError::Backs { path: root.full(base), overlays })
}
