//! Where the store of a data directory is, if it is not in it any more: the file `store.moved`.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::{DataDir, read_if_there, write_private};

/// The file that says where the embedded store has moved to; while it is there, the one here is not opened.
pub(crate) const MOVED_FILE: &str = "store.moved";

/// Where an embedded store has moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The URL of the database, without its password.
    pub place: String,
    /// When, by the age of the file that says it.
    since: Option<Timestamp>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        match self.since {
            Some(since) => write!(f, " ({})", since.strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => Ok(()),
        }
    }
}

impl Moved {
    /// What the store of the data directory at `path` has become, if it has moved. No lock is taken.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let file = path.join(MOVED_FILE);
        let Some(place) = read_if_there(&file)? else { return Ok(None) };
        let changed = fs::metadata(&file).and_then(|file| file.modified()).ok();
        let since = changed.and_then(|moment| Timestamp::try_from(moment).ok());
        Ok(Some(Self { place: String::from_utf8_lossy(&place).trim().to_owned(), since }))
    }
}

impl DataDir {
    /// Where the embedded store has moved to, if it has.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn moved_to(&self) -> Result<Option<Moved>> {
        Moved::of(&self.path)
    }

    /// Notes on disk that the embedded store has moved to `place`, a URL without its password.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark_moved(&self, place: &str) -> Result<()> {
        write_private(&self.path.join(MOVED_FILE), format!("{place}\n").as_bytes())
    }

    /// Takes that back.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn unmark_moved(&self) -> Result<()> {
        let mark = self.path.join(MOVED_FILE);
        fs::remove_file(&mark).with_context(|| format!("{} cannot be removed", mark.display()))
    }
}
