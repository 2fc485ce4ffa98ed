//! Copies the file of a store, of one moment, while a server works on it: the pages that a read transaction sees,
//! into a new file that stands by itself. The copy is checked as any store before it is called one. Who names it
//! and puts it where it belongs is the caller.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup as Pages, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::check::{Report, check_on};
use crate::sqlite::{OpenError, onlooker};

/// Pages copied between two tellings of how far it is: 4 MiB.
const PAGES_PER_STEP: i32 = 1024;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its bytes.
    pub bytes: u64,
    /// What the check of the copy found.
    pub report: Report,
}

/// Why there is no backup. What was begun is to be removed by the caller.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The copy cannot be written.
    #[error("{path} cannot be written: {why}; is there room, and may you write there?")]
    Target {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Something holds a lock that it gives back to nobody.
    #[error("the store is locked by another program; try again when it has ended")]
    Locked,
}

/// Copies the store at `from` into the new file `to`, readable by its owner alone, on disk when this returns, and
/// checked. `far` is told the bytes that are copied and those in all; `step` what is checked next.
///
/// # Errors
/// As `BackupError`.
pub fn backup(
    from: &Path,
    to: &Path,
    mut far: impl FnMut(u64, u64),
    mut step: impl FnMut(&str),
) -> Result<Backup, BackupError> {
    let target =
        |error: &dyn std::fmt::Display| BackupError::Target { path: to.to_owned(), why: error.to_string() };
    let (source, schema) = onlooker(from)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|e| target(&e))?;
    let mut copy =
        Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| target(&e))?;
    // What breaks on the way is thrown away whole; the end is synced below.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(|e| target(&e))?;
    // One moment: without it the copy begins anew whenever the server writes.
    let moment = source.unchecked_transaction().map_err(OpenError::from)?;
    moment.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0)).map_err(OpenError::from)?;
    let page: u64 = moment
        .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
        .map_err(OpenError::from)?
        .unsigned_abs();
    {
        let pages = Pages::new(&moment, &mut copy).map_err(|e| target(&e))?;
        loop {
            let done = pages.step(PAGES_PER_STEP).map_err(|e| target(&e))?;
            let told = pages.progress();
            let all = u64::try_from(told.pagecount).unwrap_or(0);
            let left = u64::try_from(told.remaining).unwrap_or(0);
            far((all - left.min(all)) * page, all * page);
            match done {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(BackupError::Locked),
            }
        }
    }
    drop(moment);
    // The pages say that a log belongs to them; of the copy none does.
    copy.execute_batch("PRAGMA journal_mode = DELETE").map_err(|e| target(&e))?;
    drop(copy);
    let file = std::fs::File::open(to).map_err(|e| target(&e))?;
    file.sync_all().map_err(|e| target(&e))?;
    let (copy, _) = onlooker(to)?;
    let report = check_on(&copy, schema, &mut step)?;
    Ok(Backup { bytes: file.metadata().map_err(|e| target(&e))?.len(), report })
}
