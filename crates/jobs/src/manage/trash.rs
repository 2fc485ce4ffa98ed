//! Trash: bytes that a migration left behind, listed until they are cleaned.

use std::path::Path;

use longhaul_engine::Inventory;
use longhaul_model::resource::Trash;
use longhaul_model::{Fault, StorageId};

use super::{blocking, open_root};
use crate::storage::{self, DiskError};

/// What became of one entry.
#[derive(Debug, Clone)]
pub struct Cleaned {
    /// The entry.
    pub trash: Trash,
    /// Why it could not be removed.
    pub error: Option<Fault>,
}

/// Removes one entry or all of a storage, the bytes first and then the record. An unknown number is
/// answered as an empty list.
///
/// # Errors
/// There is no such storage. What cannot be removed is in the answer and stays listed.
pub async fn clean(inventory: &Inventory, id: StorageId, only: Option<u64>) -> Result<Vec<Cleaned>, Fault> {
    let storage = inventory.storage(id, "uuid").await?;
    let mut done = Vec::new();
    for trash in inventory.trash(id).await?.into_iter().filter(|t| only.is_none_or(|n| n == t.id)) {
        let error = remove(inventory, &storage.url, &trash).await.err();
        done.push(Cleaned { trash, error });
    }
    Ok(done)
}

async fn remove(inventory: &Inventory, url: &str, trash: &Trash) -> Result<(), Fault> {
    remove_file(url, &trash.install_path).await?;
    inventory.remove_trash(trash.id).await
}

/// Removes a file below a storage's root. One that is gone already is no error; one that is in use, or that
/// other images are made of, is.
///
/// # Errors
/// It leads outside or is a symbolic link, is held by a process, is a backing file, or cannot be removed.
pub async fn remove_file(url: &str, path: &str) -> Result<(), Fault> {
    let (url, path) = (url.to_owned(), path.to_owned());
    blocking(move || {
        let root = open_root(&url)?;
        // The recorded name itself: a symbolic link that took its place must not lead to another file.
        let path = Path::new(&path);
        let relative = path.strip_prefix(root.path()).map_err(|_| DiskError::OutsideRoot(path.to_owned()))?;
        let linked = path.symlink_metadata().is_ok_and(|m| m.is_symlink());
        if linked {
            return Err(DiskError::OutsideRoot(path.to_owned()));
        }
        match storage::in_use(path) {
            Ok(holders) if !holders.is_empty() => return Err(DiskError::InUse(holders)),
            Ok(_) | Err(DiskError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        storage::refuse_if_backing(&root, relative)?;
        storage::delete_artifact(&root, relative)
    })
    .await
}
