//! Built-in job types: the copier, the child process that runs it, and the storages it works on.
//! Leases, the database and HTTP routes are not known here.

pub mod attempt_io;
pub mod carry;
pub mod copy;
pub mod evacuate;
pub mod images;
pub mod import;
pub mod manage;
pub mod migrate;
pub mod pace;
pub mod rbd;
pub mod simulator;
pub mod storage;
pub mod upload;
