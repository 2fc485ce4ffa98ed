//! Opening the file: checked before anything is written to it, then the settings of each connection.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};

use super::migrate::{APPLICATION_ID, NEWEST, migrate};
use crate::like::like;
use crate::options::StoreOptions;

/// Statements kept prepared per connection.
const STATEMENTS_MAX: usize = 128;
/// How long a connection waits for another one's lock; only checkpoints hold one.
const BUSY: Duration = Duration::from_secs(5);

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file was written by a newer release.
    #[error(
        "the store {path} was written by a newer release (schema {found} of SQLite, this release knows {known}); start that release again, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// The file is something else.
    #[error("{path} is not a store of longhaul; choose another data directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the store {path} cannot be opened: {why}; check that its directory exists and may be written")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// SQLite refused.
    #[error("the store cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A thread could not be started.
    #[error("the store's threads cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The connection that writes; makes and migrates the file.
pub(super) fn writer(path: &Path, options: &StoreOptions) -> Result<Connection, OpenError> {
    count_no_memory();
    check_header(path)?;
    let mut connection = Connection::open(path).map_err(|error| unusable(path, &error))?;
    if connection.is_readonly("main")? {
        return Err(unusable(path, &"the file is read-only"));
    }
    // Until it is known to be ours, not even its log is moved into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    check_version(path, &connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| unusable(path, &error))?;
    if mode != "wal" {
        return Err(unusable(path, &"its file system does not support a write-ahead log"));
    }
    set_up(&connection, options.cache_bytes)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")?;
    migrate(&mut connection).map_err(|error| match error {
        OpenError::Sqlite(error) => unusable(path, &error),
        other => other,
    })?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path, options: &StoreOptions) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    set_up(&connection, options.cache_bytes / 4)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON")?;
    Ok(connection)
}

/// A connection to a store that may be another process's, and the number of its schema: it reads only, migrates
/// nothing, and leaves the log as it is.
pub(crate) fn onlooker(path: &Path) -> Result<(Connection, i32), OpenError> {
    count_no_memory();
    if !path.is_file() {
        return Err(unusable(path, &"there is no such file"));
    }
    check_header(path)?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| unusable(path, &error))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let schema = check_version(path, &connection)?;
    if schema == 0 {
        return Err(unusable(path, &"nothing was ever stored in it"));
    }
    connection.busy_timeout(BUSY)?;
    connection
        .execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF")?;
    Ok((connection, schema))
}

/// The connection that moves the log into the file.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.execute_batch(
        "PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cache_size = -64",
    )?;
    Ok(connection)
}

/// Without a checkpointer the writer moves the log itself, every 1,000 pages.
pub(super) fn let_writer_checkpoint(connection: &Connection) -> Result<(), OpenError> {
    connection.execute_batch("PRAGMA wal_autocheckpoint = 1000")?;
    Ok(())
}

/// A store that lives as long as its connection.
pub(super) fn in_memory(options: &StoreOptions) -> Result<Connection, OpenError> {
    count_no_memory();
    let mut connection = Connection::open_in_memory()?;
    set_up(&connection, options.cache_bytes)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Without this SQLite counts every allocation under one lock of the whole process, a seventh of a write's
/// time. Refused, and so without effect, once anything has used SQLite.
fn count_no_memory() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: `sqlite3_config` may be called before SQLite is initialised, and answers misuse afterwards; this
    // option takes one int.
    ONCE.call_once(|| unsafe {
        rusqlite::ffi::sqlite3_config(rusqlite::ffi::SQLITE_CONFIG_MEMSTATUS, 0);
    });
}

fn set_up(connection: &Connection, cache_bytes: u64) -> Result<(), OpenError> {
    // Plans hang on no bound value. Else each statement that a partial index might serve is parsed and planned
    // anew whenever a value changes: four tenths of a write's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let cache_kib = i64::try_from((cache_bytes / 1024).max(64)).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection
        .execute_batch("PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF")?;
    for (name, folded) in [("like_exact", false), ("like_folded", true)] {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function(name, 2, flags, move |call| {
            let text = call.get_raw(1);
            if text.data_type() == rusqlite::types::Type::Null {
                return Ok(None);
            }
            let (pattern, text) = (call.get_raw(0).as_str()?, text.as_str()?);
            Ok(Some(like(pattern, text, folded)))
        })?;
    }
    Ok(())
}

/// Reads the file's own header, so that a newer or foreign file is not even opened by SQLite.
fn check_header(path: &Path) -> Result<(), OpenError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return check_directory(path),
        Err(error) => return Err(unusable(path, &error)),
    };
    let mut header = [0_u8; 100];
    let mut length = 0;
    while length < header.len() {
        match file.read(&mut header[length..]).map_err(|error| unusable(path, &error))? {
            0 => break,
            more => length += more,
        }
    }
    if length == 0 {
        return Ok(()); // made, and stopped before the first write
    }
    if length < header.len() || !header.starts_with(b"SQLite format 3\0") {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let number = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    check(path, number(60), number(68))
}

fn check_directory(path: &Path) -> Result<(), OpenError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(parent) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(unusable(path, &format!("{} is not a directory", parent.display()))),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Answers the schema's number.
fn check_version(path: &Path, connection: &Connection) -> Result<i32, OpenError> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
    let version = pragma("user_version").map_err(|error| unusable(path, &error))?;
    check(path, version, pragma("application_id").map_err(|error| unusable(path, &error))?)?;
    Ok(version)
}

fn check(path: &Path, version: i32, application: i32) -> Result<(), OpenError> {
    match (application, version) {
        (0, 0) => Ok(()), // empty
        (APPLICATION_ID, found) if found > NEWEST => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: NEWEST })
        }
        (APPLICATION_ID, _) => Ok(()),
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> OpenError {
    OpenError::Unusable { path: path.to_owned(), why: why.to_string() }
}
