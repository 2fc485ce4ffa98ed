//! The command line client: one file per command group, an HTTP client, what is printed and how a command
//! ends. It knows the REST API and nothing else of the server; the binary's `main` puts `Command` beside
//! `serve` and `quickstart`. Start at `run` (dispatch), then `client` (calls) and `watch` (following a job).

mod account;
pub mod client;
mod completions;
mod config;
mod confirm;
mod console;
mod error;
mod exit;
mod human;
mod image;
mod job;
mod login;
mod lookup;
mod man;
mod names;
mod node;
mod password;
mod pause;
mod reference;
mod run;
mod session;
mod storage;
mod trash;
mod view;
mod volume;
pub mod watch;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use error::ClientError;
pub use exit::{EXITS, Exit, exit_help};
pub use human::{bytes as human_bytes, duration as human_duration, parse_bytes};
pub use image::bar::Bytes as ByteBar;
pub use reference::reference_markdown;
pub use run::{Command, Globals, run};
pub use view::{Job, Progress, TimelineRow};
