//! What is done with a store as a whole, by commands and not by a server: `tables` says what it consists of,
//! `relations` what must hold between its rows, `check` looks whether it does, `backup` copies the file of a
//! running server, `digest` makes one number of all rows of a table. Nothing here changes a store that it reads.

pub mod backup;
pub mod check;
pub mod digest;
pub mod relations;
pub mod source;
pub mod tables;

pub use backup::{Backup, BackupError, backup};
pub use check::{Finding, Report, check};
