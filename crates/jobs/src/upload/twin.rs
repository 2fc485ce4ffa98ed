//! The same content a second time: where the client demanded the MD5 up front, an image of the same account on the
//! same backup storage that has it gives its bytes, and nothing is sent. Images are never written again once
//! they are Ready, so both records name one inode, which is gone with the last of them. An upload that is to be filled
//! all the same never writes to such a file: its journal does not name it (`open`).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, linkat};
use rustix::io::Errno;

use crate::storage::{Access, DiskError, Root};

/// Gives the file `from` the second name `to`, durably; both are below `root`. One that it has already, of an attempt
/// that died, is right.
///
/// # Errors
/// `Exists` where another file has that name, `NotFound`, `Io` where the file system has no second names.
pub(super) fn link(root: &Root, from: &Path, to: &Path) -> Result<(), DiskError> {
    root.create_parent(to)?;
    let parent = |path: &Path| root.open_dir(path.parent().unwrap_or(Path::new("")));
    let outside = |path: &Path| DiskError::OutsideRoot(root.full(path));
    let (old, new) =
        (from.file_name().ok_or_else(|| outside(from))?, to.file_name().ok_or_else(|| outside(to))?);
    match linkat(parent(from)?, old, parent(to)?, new, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::EXIST) if inode(root, from)? == inode(root, to)? => {}
        Err(e) => return Err(DiskError::io("link", &root.full(to), e)),
    }
    root.sync_parent(to)
}

fn inode(root: &Root, relative: &Path) -> Result<(u64, u64), DiskError> {
    let file = root.open_file(relative, Access::Read)?;
    let meta = file.metadata().map_err(|e| DiskError::io("stat", &root.full(relative), e))?;
    Ok((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_is_given_once_and_never_in_place_of_another_file() {
        let place = std::env::current_exe().unwrap().with_extension("upload-twin");
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(place.join("a")).unwrap();
        std::fs::write(place.join("a/x"), b"bytes").unwrap();
        let root = Root::open(&place).unwrap();
        let (first, second) = (Path::new("a/x"), Path::new("b/y"));
        link(&root, first, second).unwrap();
        assert_eq!(std::fs::read(place.join(second)).unwrap(), b"bytes");
        link(&root, first, second).unwrap();
        std::fs::write(place.join("b/z"), b"other").unwrap();
        let taken = link(&root, first, Path::new("b/z"));
        assert!(matches!(taken, Err(DiskError::Exists(_))), "{taken:?}");
        assert_eq!(std::fs::read(place.join("b/z")).unwrap(), b"other");
        std::fs::remove_dir_all(place).unwrap();
    }
}
