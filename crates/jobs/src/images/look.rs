//! What an image is, by its bytes: its format, how large a guest sees it, whether it stands by itself.

use std::os::unix::fs::FileExt;
use std::path::Path;

use longhaul_model::Fault;
use longhaul_model::resource::BackupStorage;

use crate::manage::backup_storages::open_place;
use crate::manage::blocking;
use crate::storage::{self, Access, DiskError, Format, Root};

/// Where the first volume descriptor of an ISO has its mark.
const ISO_MARK_AT: u64 = 32_769;
/// The marks: of ISO 9660, and of a disc that is UDF alone.
const ISO_MARKS: [&[u8; 5]; 2] = [b"CD001", b"BEA01"];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// `qcow2`, `raw`, `iso`.
    pub format: String,
    /// What a guest sees, in bytes.
    pub virtual_bytes: u64,
}

/// Looks at a file below a backup storage's root. `told` is the format that it was said to have. What the bytes are by a
/// mark of their own counts, as in ZStack; what has none is raw, and must not have been said to be anything else.
///
/// # Errors
/// It has not the mark of the format that it was said to have, is of a format that is not taken, its header is not to be believed, it is too large, or is made of other files.
pub async fn look(place: &BackupStorage, relative: &Path, told: Option<String>) -> Result<Looked, Fault> {
    let (place, relative) = (place.clone(), relative.to_owned());
    blocking(move || look_at(&open_place(&place)?, &relative, told.as_deref())).await
}

fn look_at(root: &Root, relative: &Path, told: Option<&str>) -> Result<Looked, DiskError> {
    let info = storage::probe(root, relative)?;
    let layers = storage::layers(root, relative, info.format)?;
    if let Some(below) = layers.get(1) {
        return Err(DiskError::BackingFile {
            path: root.full(relative),
            names: below.path.display().to_string(),
            reason: "an image stands by itself; make it whole with qemu-img convert first".to_owned(),
        });
    }
    let format = match info.format {
        Format::Qcow2 => "qcow2",
        Format::Raw if is_iso(root, relative)? => "iso",
        Format::Raw => "raw",
    };
    if let ("raw", Some(told @ ("qcow2" | "iso"))) = (format, told) {
        return Err(DiskError::BadImage {
            path: root.full(relative),
            reason: format!(
                "it was said to be {told}, but has not the mark of one; fetch the right file, or say format raw if these \
                 bytes are the disk"
            ),
        });
    }
    Ok(Looked { format: format.to_owned(), virtual_bytes: info.virtual_bytes })
}

fn is_iso(root: &Root, relative: &Path) -> Result<bool, DiskError> {
    let file = root.open_file(relative, Access::Read)?;
    let mut found = [0; 5];
    match file.read_exact_at(&mut found, ISO_MARK_AT) {
        Ok(()) => Ok(ISO_MARKS.contains(&&found)),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(DiskError::io("read", &root.full(relative), e)),
    }
}
