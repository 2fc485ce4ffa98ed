//! The management node: HTTP, settings, data directory, sessions, and the one place where everything is
//! wired together. The binary `longhaul` is this crate's; benchmarks and tests start nodes from it too.

pub mod answer;
pub mod app;
pub mod auth;
pub mod bandwidth;
mod cluster;
pub mod command_line;
pub mod data_dir;
pub mod demo;
mod descriptors;
pub mod egress;
mod exports;
pub mod global_config;
pub mod hooks;
pub mod house;
pub mod images;
pub mod janitor;
pub mod legacy;
pub mod node;
pub mod ops;

pub mod quickstart;
pub mod room;
pub mod serve;
pub mod settings;
pub mod storage_watch;
pub mod store;
pub mod tempdir;
pub mod uploads;
pub mod waiting;

pub use node::Node;
pub use settings::{Layers, Settings};
