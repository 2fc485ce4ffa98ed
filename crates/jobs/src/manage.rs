//! What is done to storages, volumes and trash at once, without a job: add, create, adopt, delete, recover,
//! expunge, forget, scan, clean. The records go through the engine's `Inventory`, the files through `storage`.

pub mod backup_storages;
pub mod fault;
pub mod host;
pub mod images;
mod place;
pub(crate) mod pool;
pub mod storages;
pub mod sweep;
pub mod trash;
pub mod volumes;

pub use place::{Desk, Disk, blocking};

pub(crate) use place::{open_root, refuse_elsewhere, refuse_holders};
