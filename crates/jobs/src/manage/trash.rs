//! Trash: bytes that a migration left behind, listed until they are cleaned.

use longhaul_model::resource::{Storage, Trash};
use longhaul_model::{Fault, StorageId};

use super::Desk;
use super::volumes::EXPUNGED;

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
pub async fn clean(desk: &Desk, id: StorageId, only: Option<u64>) -> Result<Vec<Cleaned>, Fault> {
    let storage = desk.inventory.storage(id, "uuid").await?;
    let mut done = Vec::new();
    for trash in desk.inventory.trash(id).await?.into_iter().filter(|t| only.is_none_or(|n| n == t.id)) {
        let error = remove(desk, &storage, &trash).await.err();
        done.push(Cleaned { trash, error });
    }
    Ok(done)
}

pub(super) async fn remove(desk: &Desk, storage: &Storage, trash: &Trash) -> Result<(), Fault> {
    // What was expunged was nobody's when it came here, whatever happened to it since.
    let since = (trash.kind != EXPUNGED).then_some(trash.create_ms);
    desk.remove(storage, &trash.install_path, since).await?;
    desk.inventory.remove_trash(trash.id).await
}
