//! What an error of SQLite means to a caller of the store.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::StoreError;

/// An error of a statement.
pub(super) fn from_sqlite(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Corrupt(error.to_string()),
    }
}

/// Whether a unique index refused the row.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|e| {
        matches!(e.extended_code, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    })
}

/// Whether a sync failed, after which a later one that succeeds proves nothing: the kernel may have dropped
/// the pages that it could not write.
pub(super) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|e| matches!(e.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

/// Whether the time limit of a read ended it.
pub(super) fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        from_sqlite(error)
    }
}
