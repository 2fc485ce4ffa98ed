//! The same content a second time: where the client demanded the MD5 up front, an image of the same account on the
//! same backup storage that has it gives its bytes, and nothing is sent. Images are never written again once
//! they are Ready, so both records name one inode, which is gone with the last of them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, linkat};

use crate::storage::{Access, DiskError, Root, delete_artifact};

/// Gives the file `from` the second name `to`, durably; both are below `root`.
///
/// # Errors
/// `Exists`, `NotFound`, `Io` where the file system has no second names.
pub(super) fn link(root: &Root, from: &Path, to: &Path) -> Result<(), DiskError> {
    root.create_parent(to)?;
    let parent = |path: &Path| root.open_dir(path.parent().unwrap_or(Path::new("")));
    let outside = |path: &Path| DiskError::OutsideRoot(root.full(path));
    let (old, new) =
        (from.file_name().ok_or_else(|| outside(from))?, to.file_name().ok_or_else(|| outside(to))?);
    linkat(parent(from)?, old, parent(to)?, new, AtFlags::empty())
        .map_err(|e| DiskError::io("link", &root.full(to), e))?;
    root.sync_parent(to)
}

/// Takes the name away if the file has another one: an attempt died after `link`. Nothing may ever be written to
/// what another image consists of.
///
/// # Errors
/// `Io`.
pub(super) fn unshare(root: &Root, relative: &Path) -> Result<(), DiskError> {
    let file = match root.open_file(relative, Access::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let names = file.metadata().map_err(|e| DiskError::io("stat", &root.full(relative), e))?.nlink();
    if names > 1 { delete_artifact(root, relative) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_is_taken_away_and_the_first_stays() {
        let place = std::env::current_exe().unwrap().with_extension("upload-twin");
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(place.join("a")).unwrap();
        std::fs::write(place.join("a/x"), b"bytes").unwrap();
        let root = Root::open(&place).unwrap();
        // Only a directory of ours goes with its last file.
        let b = "b".repeat(32);
        let (first, second) = (Path::new("a/x"), Path::new(&b).join("y"));
        let second = second.as_path();
        link(&root, first, second).unwrap();
        assert_eq!(std::fs::read(place.join(second)).unwrap(), b"bytes");
        assert!(matches!(link(&root, first, second), Err(DiskError::Exists(_))));
        unshare(&root, second).unwrap();
        assert!(!place.join(&b).exists() && place.join(first).exists());
        unshare(&root, first).unwrap();
        unshare(&root, second).unwrap();
        assert!(place.join(first).exists(), "a file with one name is nobody else's");
        std::fs::remove_dir_all(place).unwrap();
    }
}
