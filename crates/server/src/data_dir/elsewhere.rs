//! Where the store of a data directory is, if it is not in it any more: the file `store.moved`, with the place, the moment
//! and the cluster's id on a line each. An earlier build wrote the place alone.

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
    /// When. Not by the time of the file, which a copy of the directory has from the day it was made.
    since: Option<Timestamp>,
    /// The id of the cluster that the store has become.
    pub cluster: Option<String>,
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
        let Some(text) = read_if_there(&file)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.lines().map(str::trim);
        let place = lines.next().unwrap_or_default().to_owned();
        let since = lines.next().and_then(|moment| moment.parse().ok());
        let cluster = lines.next().filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Some(Self { place, since, cluster }))
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

    /// Notes on disk that the embedded store moves to `place`, a URL without its password, at `now_ms`, and becomes `cluster`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark_moved(&self, place: &str, now_ms: i64, cluster: &str) -> Result<()> {
        let since = Timestamp::from_second(now_ms.div_euclid(1000))?;
        write_private(&self.path.join(MOVED_FILE), format!("{place}\n{since}\n{cluster}\n").as_bytes())
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
