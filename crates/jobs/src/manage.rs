//! What is done to storages, volumes and trash at once, without a job: add, create, adopt, delete, recover,
//! expunge, forget, scan, clean. The records go through the engine's `Inventory`, the files through `storage`.

pub mod fault;
pub mod storages;
pub mod trash;
pub mod volumes;

use longhaul_model::Fault;

use crate::storage::{DiskError, Root};

/// Runs blocking disk work on a thread that may wait.
///
/// # Errors
/// What the work says, as a fault.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DiskError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(fault::from_disk),
        Err(_) => Err(Fault::internal("work on a disk broke off; see the server's log")),
    }
}

/// Opens a storage's directory.
pub(crate) fn open_root(url: &str) -> Result<Root, DiskError> {
    Root::open(std::path::Path::new(url))
}
