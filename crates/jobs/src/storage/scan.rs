//! Walks a storage for files that no record knows: disk images to adopt, and strays to sweep. Reads
//! only, follows no symbolic link. What an image is: `probe`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::DiskError;
use super::probe::{ImageInfo, probe};
use super::root::Root;

/// Directories deeper than this below the root are not entered.
pub const MAX_DEPTH: usize = 8;
/// No more files than this are looked at in one walk.
pub const MAX_FILES: usize = 100_000;

/// What the name of an upload's journal ends in, beside the file that comes in.
pub const JOURNAL_EXTENSION: &str = "received";

/// A file that looks like a disk image.
#[derive(Debug)]
pub struct Found {
    /// Path below the root.
    pub path: PathBuf,
    /// What it is, or why it can't be used.
    pub image: Result<ImageInfo, DiskError>,
}

/// Files below the root that look like disk images and are not in `managed` (paths below the root),
/// in the order of their paths.
///
/// # Errors
/// `Io` when the root itself can't be read; a file or directory that can't is passed over.
pub fn scan(root: &Root, managed: &BTreeSet<PathBuf>) -> Result<Vec<Found>, DiskError> {
    let mut found = Vec::new();
    for path in stray_files(root, managed)? {
        // As an adoption would see it, with all that it is made of.
        let image = probe(root, &path).and_then(|info| {
            super::layers(root, &path, info.format)?;
            Ok(info)
        });
        if looks_like_image(&path, &image) {
            found.push(Found { path, image });
        }
    }
    Ok(found)
}

/// All regular files below the root that are not in `managed`, in the order of their paths, at most
/// `MAX_FILES`.
///
/// # Errors
/// As `scan`.
pub fn stray_files(root: &Root, managed: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>, DiskError> {
    let mut files = Vec::new();
    let mut seen = 0;
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((dir, depth)) = open.pop() {
        let full = root.full(&dir);
        let entries = match fs::read_dir(&full) {
            Ok(entries) => entries,
            Err(e) if depth == 0 => return Err(DiskError::io("list", &full, e)),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = dir.join(entry.file_name());
            if kind.is_dir() && depth < MAX_DEPTH {
                open.push((path, depth + 1));
            } else if kind.is_file() && seen < MAX_FILES {
                seen += 1;
                if !managed.contains(&path) {
                    files.push(path);
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// qcow2 tells by its first bytes; for raw the name must say so, or the size be that of a disk. The journal of an
/// upload is none, however long it is.
fn looks_like_image(path: &Path, image: &Result<ImageInfo, DiskError>) -> bool {
    if path.extension().is_some_and(|e| e == JOURNAL_EXTENSION) {
        return false;
    }
    let named = path
        .extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| ["raw", "img", "qcow2"].iter().any(|x| e.eq_ignore_ascii_case(x)));
    match image {
        Ok(i) if i.format == super::probe::Format::Raw => {
            named || (i.virtual_bytes >= 1 << 20 && i.virtual_bytes % 512 == 0)
        }
        Ok(_) | Err(DiskError::BadImage { .. } | DiskError::BackingFile { .. }) => true,
        Err(_) => named,
    }
}
