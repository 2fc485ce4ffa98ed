//! What a file is: raw or qcow2, how large, and whether it can be used as it is. Bytes only, no
//! library. The qcow2 header: `header`.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::DiskError;
use super::foreign;
use super::header::{self, Qcow2Header};
use super::root::{Access, Root};

/// The format of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The guest's bytes, as they are.
    Raw,
    /// QEMU's copy-on-write format, versions 2 and 3.
    Qcow2,
}

/// Which file it is, and as of when: a copy goes on only from the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The device that holds it.
    pub dev: u64,
    /// Its inode there.
    pub ino: u64,
    /// Its length in bytes.
    pub len: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub mtime_ns: i128,
}

impl Identity {
    /// The identity of an open file.
    ///
    /// # Errors
    /// `Io`.
    pub fn of(file: &File, path: &Path) -> Result<Self, DiskError> {
        let m = file.metadata().map_err(|e| DiskError::io("stat", path, e))?;
        let mtime_ns = i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec());
        Ok(Self { dev: m.dev(), ino: m.ino(), len: m.len(), mtime_ns })
    }

    /// Whether `now`, found at the same path, is that file as it was. The device's number may be another after a
    /// reboot or a remount.
    pub fn is_still(&self, now: &Self) -> bool {
        Self { dev: now.dev, ..*self } == *now
    }
}

/// What `probe` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Path below the storage's root.
    pub path: PathBuf,
    /// Its format, by its first bytes alone.
    pub format: Format,
    /// Size of the guest's disk in bytes.
    pub virtual_bytes: u64,
    /// Bytes that it occupies on its storage.
    pub actual_bytes: u64,
    /// The backing file that it names, as written in its header.
    pub backing: Option<String>,
    /// Not closed cleanly by who wrote it.
    pub dirty: bool,
    /// Snapshots inside of it, which a copy would lose.
    pub internal_snapshots: u32,
    /// Which file this was said of.
    pub identity: Identity,
}

/// Says what the file `relative` below `root` is.
///
/// # Errors
/// `NotFound`, `OutsideRoot`; `BadImage` for a header that lies, is marked corrupt, or needs what we do
/// not support, for an empty file, and for a format that is neither raw nor qcow2; `BackingFile` when its
/// data are in another file.
pub fn probe(root: &Root, relative: &Path) -> Result<ImageInfo, DiskError> {
    probe_as(root, relative, None)
}

/// The same for a file that is said to be of a format. What is raw by wish may begin like anything.
///
/// # Errors
/// As `probe`.
pub fn probe_as(root: &Root, relative: &Path, said: Option<Format>) -> Result<ImageInfo, DiskError> {
    let file = root.open_file(relative, Access::Read)?;
    let full = root.full(relative);
    let meta = file.metadata().map_err(|e| DiskError::io("stat", &full, e))?;
    // A guest may have written anything to the beginning of a raw disk.
    let qcow2 = if said == Some(Format::Raw) { None } else { header::read(&file, &full)? };
    if qcow2.is_none() && meta.len() == 0 {
        return Err(DiskError::bad_image(&full, "it is empty"));
    }
    if qcow2.is_none()
        && said != Some(Format::Raw)
        && let Some(name) = foreign::format(&file, &full)?
    {
        let reason = format!("it is a {name} image; convert it with qemu-img convert -O qcow2 first");
        return Err(DiskError::bad_image(&full, reason));
    }
    if let Some(header) = &qcow2 {
        refuse_unusable(header, &full)?;
    }
    let virtual_bytes = qcow2.as_ref().map_or(meta.len(), |h| h.virtual_bytes);
    if virtual_bytes > header::MAX_DISK_BYTES {
        let reason = format!("it has {virtual_bytes} bytes; we handle {}", header::MAX_DISK_BYTES);
        return Err(DiskError::bad_image(&full, reason));
    }
    Ok(ImageInfo {
        path: relative.to_owned(),
        format: if qcow2.is_some() { Format::Qcow2 } else { Format::Raw },
        virtual_bytes,
        actual_bytes: meta.blocks() * 512,
        dirty: qcow2.as_ref().is_some_and(|h| h.dirty),
        internal_snapshots: qcow2.as_ref().map_or(0, |h| h.internal_snapshots),
        backing: qcow2.and_then(|h| h.backing),
        identity: Identity::of(&file, &full)?,
    })
}

/// Refuses what no reader of ours could read rightly.
pub(crate) fn refuse_unusable(header: &Qcow2Header, full: &Path) -> Result<(), DiskError> {
    let bad = |reason: &str| Err(DiskError::bad_image(full, reason));
    if header.corrupt {
        return bad("it is marked corrupt; repair it with qemu-img check -r all");
    }
    if header.encrypted {
        return bad("it is encrypted by qcow2; convert it with qemu-img first");
    }
    if header.data_file {
        return Err(DiskError::BackingFile {
            path: full.to_owned(),
            names: "an external data file".into(),
            reason: "external data files are not followed; convert it with qemu-img convert first".into(),
        });
    }
    if header.unknown_features != 0 {
        let bits = header.unknown_features;
        return bad(&format!(
            "it needs qcow2 features {bits:#x} that are not supported (compression other than zlib, extended \
             L2 entries); convert it with qemu-img convert first"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_after_a_remount_and_not_after_a_write() {
        let was = Identity { dev: 1, ino: 2, len: 3, mtime_ns: 4 };
        assert!(was.is_still(&Identity { dev: 9, ..was }));
        for other in [Identity { ino: 9, ..was }, Identity { len: 9, ..was }, Identity { mtime_ns: 9, ..was }]
        {
            assert!(!was.is_still(&other), "{other:?}");
        }
    }
}
