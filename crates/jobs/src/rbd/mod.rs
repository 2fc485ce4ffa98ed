//! RBD images: a small binding of our own to librados and librbd, which are opened when the first pool is
//! connected to. Everything blocks, and every wait has an end (`Timeouts`).
//!
//! It is called in the child process alone (`attempt_io`), never in the server: a library that hangs or crashes
//! takes nothing with it. `cluster` connects, `image` reads and writes, `extents` tells what is stored and what
//! changed, `snapshots` makes and lists those of an image, `lock` keeps others away,
//! `uncopied` writes out of our own memory, `memory` bounds what the library's buffers take. A copy from or to an image is in `copy::rbd`.

mod cluster;
mod error;
mod extents;
mod image;
mod lock;
mod memory;
mod snapshots;
mod sys;
pub mod uncopied;

pub use cluster::{CONNECT_TIMEOUT_S, IMAGES_MAX, MON_TIMEOUT_S, OSD_TIMEOUT_S, Pool, SHUT_OUT_S, Timeouts};
pub use error::url;
pub use extents::Grain;
pub use image::{Image, OBJECT_BYTES};
pub use lock::Watcher;
pub use longhaul_model::resource::CephPool;
pub use memory::Bound;
pub use snapshots::Snapshot;
