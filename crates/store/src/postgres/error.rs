//! What an error of PostgreSQL means to a caller of the store.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The transaction lost against another one: from the start again.
    Again,
    /// A unique index refused the row.
    Taken,
    /// The time limit of a statement ended it.
    TimeLimit,
    /// The database, or the way to it, is away, or full, or only reads.
    Away,
    /// The database refuses whatever is said: a right, a table or a function is missing.
    Refused,
    /// What is stored, or was to be stored, is at fault.
    Damage,
}

pub(super) fn meaning(error: &Error) -> Meaning {
    let Some(state) = error.code() else {
        // No word of the server: the connection broke, or could not be made.
        return Meaning::Away;
    };
    if *state == SqlState::T_R_SERIALIZATION_FAILURE
        || *state == SqlState::T_R_DEADLOCK_DETECTED
        || *state == SqlState::LOCK_NOT_AVAILABLE
    {
        return Meaning::Again;
    }
    if *state == SqlState::UNIQUE_VIOLATION {
        return Meaning::Taken;
    }
    if *state == SqlState::QUERY_CANCELED {
        return Meaning::TimeLimit;
    }
    let is_of = |classes: &[&str]| classes.iter().any(|class| state.code().starts_with(class));
    // 08 connection, 25 read-only or idle too long, 28 not let in, 3D no such database, 53 resources, 55 not
    // ready, 57 operator, 58 system.
    if is_of(&["08", "25006", "25P03", "28", "3D", "53", "55", "57", "58"]) {
        return Meaning::Away;
    }
    // 21 and 22 values, 23 constraints, 54 too large for an index, P0 raised, XX001 and XX002 damaged pages. All else,
    // such as 42 (a right or a table that is missing), says nothing of any record and passes when somebody mends it.
    if is_of(&["21", "22", "23", "54", "P0", "XX001", "XX002"]) { Meaning::Damage } else { Meaning::Refused }
}

/// An error of a statement whose transaction is rolled back, or that only read.
pub(super) fn from_postgres(error: &Error) -> StoreError {
    match meaning(error) {
        Meaning::Taken => StoreError::Taken,
        Meaning::Again | Meaning::TimeLimit | Meaning::Away => StoreError::Unavailable(told(error)),
        Meaning::Refused => StoreError::Refused(told(error)),
        Meaning::Damage => StoreError::Corrupt(told(error)),
    }
}

/// The commit was sent, and no word came back of what became of it.
pub(super) fn unknown(why: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "the connection to the database broke at the commit, so it may be stored all the same: {why}"
    ))
}

/// An error with its cause: the outermost text of tokio-postgres says hardly more than "db error".
pub(super) fn told(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
