//! Directories that more than one node sees: a mark in the directory says which storage it is, so that an
//! empty mount point is not taken for the storage; and where an NFS export is mounted.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use super::error::DiskError;
use super::root::{Access, Root};

/// The file that marks a shared directory. It holds the storage's uuid and a line feed.
pub const MARK: &str = ".longhaul-storage";
/// A mark is no longer than this, in bytes.
const MARK_MAX_BYTES: u64 = 64;

/// Marks the directory as the storage `uuid`. One that is marked so already is left as it is.
///
/// # Errors
/// `BadImage` when it is marked as another storage; `ReadOnly`, `NoSpace`, `Io`.
pub fn mark(root: &Root, uuid: &str) -> Result<(), DiskError> {
    let path = root.full(Path::new(MARK));
    let io = |e| DiskError::io("write", &path, e);
    match root.open_file(Path::new(MARK), Access::Create) {
        Ok(mut file) => {
            file.write_all(format!("{uuid}\n").as_bytes()).map_err(io)?;
            file.sync_all().map_err(io)?;
            root.sync_parent(Path::new(MARK))
        }
        Err(DiskError::Exists(_)) => check_mark(root, uuid),
        Err(e) => Err(e),
    }
}

/// Proves that the directory is the storage `uuid`.
///
/// # Errors
/// `Away` when it has no mark: what should be mounted there is not; `BadImage` when it is another storage;
/// `Io`.
pub fn check_mark(root: &Root, uuid: &str) -> Result<(), DiskError> {
    let path = root.full(Path::new(MARK));
    let file: File = match root.open_file(Path::new(MARK), Access::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound(_)) => {
            return Err(DiskError::Away {
                path: root.path().to_owned(),
                reason: format!(
                    "it has no {MARK}; mount the shared directory there, or, where this is the one and the file was lost, \
                     put it back: echo {uuid} > {}",
                    path.display()
                ),
            });
        }
        Err(e) => return Err(e),
    };
    let mut found = String::new();
    file.take(MARK_MAX_BYTES).read_to_string(&mut found).map_err(|e| DiskError::io("read", &path, e))?;
    if found.trim_end() == uuid {
        return Ok(());
    }
    Err(DiskError::bad_image(
        &path,
        format!(
            "the directory belongs to the primary storage[uuid:{}]; add it under that uuid, or remove this \
             file if that storage is no longer used",
            found.trim_end()
        ),
    ))
}

/// Takes the mark away, if it is that of the storage `uuid`.
///
/// # Errors
/// `ReadOnly`, `Io`.
pub fn unmark(root: &Root, uuid: &str) -> Result<(), DiskError> {
    if check_mark(root, uuid).is_err() {
        return Ok(());
    }
    super::delete_artifact(root, Path::new(MARK))
}

/// Where the export `host:/path` is mounted on this host; the first place, if it is mounted more than once.
///
/// # Errors
/// `NotFound` when it is not mounted; `Io` when the table of mounts can't be read.
pub fn mount_point(export: &str) -> Result<String, DiskError> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(|e| DiskError::io("read", table, e))?;
    mounted_at(&text, export).ok_or_else(|| DiskError::NotFound(export.into()))
}

/// Reads lines such as `36 35 98:0 / /mnt/a rw,relatime shared:1 - nfs4 host:/export rw`.
fn mounted_at(table: &str, export: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let (fields, source) = line.split_once(" - ")?;
        let point = fields.split(' ').nth(4)?;
        let source = source.split(' ').nth(1)?;
        (unescaped(source) == export.trim_end_matches('/')).then(|| unescaped(point))
    })
}

/// The table writes blanks and backslashes as three octal digits.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match tail {
            [a, b, c, ..] if *first == b'\\' => {
                std::str::from_utf8(&[*a, *b, *c]).ok().and_then(|t| u8::from_str_radix(t, 8).ok())
            }
            _ => None,
        };
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
36 22 0:50 / /mnt/a\\040b rw,relatime shared:9 - nfs4 10.0.0.1:/disks rw,vers=4.2
37 22 0:51 / /mnt/c rw master:3 - nfs 10.0.0.1:/disks/more rw
";

    #[test]
    fn an_export_is_found_by_its_whole_name() {
        assert_eq!(mounted_at(TABLE, "10.0.0.1:/disks").as_deref(), Some("/mnt/a b"));
        assert_eq!(mounted_at(TABLE, "10.0.0.1:/disks/").as_deref(), Some("/mnt/a b"));
        assert_eq!(mounted_at(TABLE, "10.0.0.1:/disks/more").as_deref(), Some("/mnt/c"));
        assert_eq!(mounted_at(TABLE, "10.0.0.1:/disk"), None);
        assert_eq!(mounted_at("not a table", "x"), None);
    }

    #[test]
    fn a_directory_is_the_storage_whose_mark_it_has() {
        let dir = std::env::current_exe().unwrap().with_extension("marked");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        let root = Root::open(&dir).unwrap();
        let away = check_mark(&root, "a").unwrap_err();
        assert!(matches!(away, DiskError::Away { .. }), "{away}");
        mark(&root, "a").unwrap();
        mark(&root, "a").unwrap();
        check_mark(&root, "a").unwrap();
        assert!(check_mark(&root, "b").unwrap_err().to_string().contains("[uuid:a]"));
        assert!(mark(&root, "b").is_err());
        unmark(&root, "b").unwrap();
        check_mark(&root, "a").unwrap();
        unmark(&root, "a").unwrap();
        assert!(check_mark(&root, "a").is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
