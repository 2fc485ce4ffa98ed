//! The members of a corpus: files below `tests/fuzz/corpus/<target>/`, what clients send. A newline at the end of
//! a file is not part of it.

use std::path::{Path, PathBuf};

/// One committed input.
pub struct Member {
    /// The file's name without `.txt`.
    pub name: String,
    /// What is sent.
    pub bytes: Vec<u8>,
}

/// The member of that name.
pub fn named<'m>(members: &'m [Member], name: &str) -> &'m Member {
    members.iter().find(|member| member.name == name).unwrap_or_else(|| panic!("no member {name}"))
}

/// All members of the target, in the order of their names. `manifest` is the crate's directory.
pub fn load(manifest: &str, target: &str) -> Vec<Member> {
    let directory = Path::new(manifest).join("tests/fuzz/corpus").join(target);
    let listed = std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.iter().map(|file| member(file)).collect()
}

fn member(file: &Path) -> Member {
    let mut bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Member { name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), bytes }
}
