//! An upload's file and the journal beside it: which file the journal speaks of, and whether it is still that one. What
//! was received of another file counts for nothing. No slices here.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::journal::{Journal, Record};
use super::proof::Proof;
use super::{Ranges, Received, UploadError};
use crate::storage::{Access, DiskError, JOURNAL_EXTENSION, Root, delete_artifact, lock};

/// Which file it is. The number of its device is left out: it may be another one after a reboot, while an inode's is
/// taken again only by a file that is born later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// Its inode.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not know.
    pub born_ns: u64,
}

impl FileId {
    /// The identity of an open file, and its length in bytes.
    ///
    /// # Errors
    /// `Io`.
    pub fn of(file: &File, path: &Path) -> Result<(Self, u64), DiskError> {
        use std::os::unix::fs::MetadataExt;
        let meta = file.metadata().map_err(|e| DiskError::io("stat", path, e))?;
        let born = meta.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born_ns = born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0);
        Ok((Self { inode: meta.ino(), born_ns }, meta.len()))
    }
}

/// What the records of a journal say together.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub file: Option<FileId>,
    pub size: Option<u64>,
    pub have: Ranges,
    pub proofs: Vec<Proof>,
    pub demanded_md5: Option<[u8; 16]>,
}

impl Replayed {
    pub fn of(records: Vec<Record>) -> Self {
        let mut all = Self::default();
        for record in records {
            match record {
                Record::File(id) => {
                    all.forget();
                    all.file = Some(id);
                }
                Record::Size(bytes) => all.size = Some(bytes),
                Record::Range(proof) => {
                    all.have.insert(proof.range.clone());
                    all.proofs.push(proof);
                }
                Record::Demanded(md5) => all.demanded_md5 = Some(md5),
                // Without a file and without a digest nothing proves that its bytes are still there.
                Record::Unproved(_) => {}
            }
        }
        all
    }

    /// Nothing was received.
    fn forget(&mut self) {
        self.have = Ranges::default();
        self.proofs.clear();
    }

    /// Whether this file, so long, can be the one that all this is said of.
    fn is_of(&self, (id, len): (FileId, u64)) -> bool {
        self.file == Some(id)
            && self.have.end() <= len
            && self.size.is_none_or(|size| size == len && self.have.end() <= size)
    }
}

/// The journal's path beside the artifact at `relative`.
pub fn journal_path(relative: &Path) -> PathBuf {
    let mut name = relative.as_os_str().to_owned();
    name.push(".");
    name.push(JOURNAL_EXTENSION);
    name.into()
}

/// How far the upload at `relative` is, for one that is not open in this process; changes nothing.
///
/// # Errors
/// `NotFound` when it never began; `BadImage`, `Io`.
pub fn look(root: &Root, relative: &Path, identity: u128) -> Result<Received, DiskError> {
    let journal = journal_path(relative);
    let file = root.open_file(&journal, Access::Read)?;
    let mut known = Replayed::of(Journal::read(&file, &root.full(&journal), identity)?);
    if known_file(root, relative, root.open_file(relative, Access::Read), &known)?.is_none() {
        known.forget();
    }
    let Replayed { size, have, .. } = known;
    Ok(Received { size, offset: have.first_missing(), bytes: have.len(), activity: 0 })
}

/// Removes the journal of an upload that is over. One that is gone is no error.
///
/// # Errors
/// `ReadOnly`, `Io`.
pub fn forget(root: &Root, relative: &Path) -> Result<(), DiskError> {
    delete_artifact(root, &journal_path(relative))
}

/// An upload's file, its journal, and what stands in that; both files are held against other processes.
pub(super) struct Opened {
    pub file: File,
    pub id: FileId,
    pub journal: Journal,
    pub known: Replayed,
}

impl Opened {
    /// The file that the journal speaks of; a new one where that is gone, or is not what it was.
    ///
    /// # Errors
    /// As `Upload::open`.
    pub fn new(root: &Root, relative: &Path, identity: u128) -> Result<Self, UploadError> {
        root.create_parent(relative)?;
        let (path, beside) = (root.full(relative), journal_path(relative));
        let journal = match root.open_file(&beside, Access::Write) {
            Err(DiskError::NotFound(_)) => root.open_file(&beside, Access::Create)?,
            other => other?,
        };
        hold(&journal, &root.full(&beside))?;
        root.sync_parent(relative)?;
        let (mut journal, records) = Journal::open(journal, &root.full(&beside), identity)?;
        let mut known = Replayed::of(records);
        if let Some(file) = known_file(root, relative, root.open_plain_file(relative), &known)? {
            hold(&file, &path)?;
            let (id, _) = FileId::of(&file, &path)?;
            return Ok(Self { file, id, journal, known });
        }
        if !known.have.is_empty() {
            tracing::warn!(
                path = %path.display(), bytes = known.have.len(),
                "the file of this upload was removed, cut or replaced; all of it is to be sent again"
            );
        }
        // What is there may be another image's bytes under a second name: only the name is ours.
        delete_artifact(root, relative)?;
        let file = root.open_file(relative, Access::Create)?;
        hold(&file, &path)?;
        file.set_len(known.size.unwrap_or(0)).map_err(|e| DiskError::io("truncate", &path, e))?;
        file.sync_all().map_err(|e| DiskError::io("fsync", &path, e))?;
        root.sync_parent(relative)?;
        let (id, _) = FileId::of(&file, &path)?;
        journal.append(&Record::File(id))?;
        known.forget();
        Ok(Self { file, id, journal, known })
    }
}

/// The file that was opened at `relative`, if it is the one that is known.
fn known_file(
    root: &Root,
    relative: &Path,
    opened: Result<File, DiskError>,
    known: &Replayed,
) -> Result<Option<File>, DiskError> {
    let file = match opened {
        Ok(file) => file,
        // A symbolic link, or no file at all, took its place.
        Err(DiskError::NotFound(_) | DiskError::OutsideRoot(_) | DiskError::BadImage { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let seen = FileId::of(&file, &root.full(relative))?;
    Ok(known.is_of(seen).then_some(file))
}

fn hold(file: &File, path: &Path) -> Result<(), UploadError> {
    match lock::hold_target(file, path) {
        Ok(()) => Ok(()),
        Err(DiskError::InUse(_)) => Err(UploadError::Held),
        Err(other) => Err(other.into()),
    }
}
