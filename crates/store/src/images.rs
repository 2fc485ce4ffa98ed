//! The store's promises about backup storages and images: a family of `crate::traits`. Each has its case in
//! `conformance::images`.

use async_trait::async_trait;
use longhaul_model::resource::{BackupStorage, Image, StorageState};
use longhaul_model::{BackupStorageId, ImageId, JobId, NewTag};

use crate::StoreError;

type Result<T> = std::result::Result<T, StoreError>;

/// Backup storages and images.
#[async_trait]
pub trait Images: Send + Sync {
    /// Stores a backup storage.
    ///
    /// # Errors
    /// `Taken`: the uuid, or the url on the same host.
    async fn create_backup_storage(&self, storage: BackupStorage) -> Result<BackupStorage>;
    /// The backup storage.
    async fn backup_storage(&self, id: BackupStorageId) -> Result<Option<BackupStorage>>;
    /// Changes what is given.
    ///
    /// # Errors
    /// `NotFound`.
    async fn update_backup_storage(
        &self,
        id: BackupStorageId,
        update: BackupStorageUpdate,
    ) -> Result<BackupStorage>;
    /// Removes a backup storage with its tags and its trash's records, touches no file.
    ///
    /// # Errors
    /// `NotFound`; `InUse` while a copy of an image, or an intent, lies on it.
    async fn delete_backup_storage(&self, id: BackupStorageId) -> Result<()>;
    /// Stores an image with its copies and tags, in one transaction. A tag that is given twice is stored once.
    ///
    /// # Errors
    /// `Taken`: the uuid; `NotFound`: a backup storage that a copy lies on, or the account was deleted; `TooMany`:
    /// more than `TAGS_PER_RESOURCE_MAX` tags.
    async fn create_image(&self, image: Image, tags: &[NewTag]) -> Result<Image>;
    /// The image, its copies by the uuid of their backup storage.
    async fn image(&self, id: ImageId) -> Result<Option<Image>>;
    /// Writes the whole record, copies included, if its `last_op_ms` is still `seen_ms`; sets a new, larger
    /// `last_op_ms`. A copy that is not among the new ones is gone.
    ///
    /// # Errors
    /// `NotFound`, `Stale`; `NotFound` too for a backup storage that a copy lies on.
    async fn update_image(&self, image: Image, seen_ms: i64) -> Result<Image>;
    /// Removes the record with its copies and tags, touches no file.
    ///
    /// # Errors
    /// `NotFound`.
    async fn delete_image(&self, id: ImageId) -> Result<()>;
    /// Removes the record with its copies and tags while `job` makes it (`Image::is_made_by`), else nothing. Whether
    /// it did.
    async fn abandon_image(&self, id: ImageId, job: JobId) -> Result<bool>;
    /// Images whose bytes have that BLAKE3, oldest first, at most `SAME_CONTENT_MAX`; whoever owns them.
    async fn images_of_content(&self, blake3: &str) -> Result<Vec<Image>>;
}

/// Most images that are named as having the same content.
pub const SAME_CONTENT_MAX: usize = 100;

/// What may change in a backup storage's record; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupStorageUpdate {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New name or address to show.
    pub host_name: Option<String>,
    /// New user to show.
    pub username: Option<String>,
    /// New port to show.
    pub ssh_port: Option<u16>,
    /// New state.
    pub state: Option<StorageState>,
    /// New status.
    pub status: Option<String>,
    /// Total and available bytes.
    pub capacity: Option<(u64, u64)>,
}

impl BackupStorageUpdate {
    /// Writes what is given to `storage`.
    pub fn write_to(self, storage: &mut BackupStorage, now_ms: i64) {
        storage.name = self.name.unwrap_or_else(|| std::mem::take(&mut storage.name));
        storage.description = self.description.or_else(|| storage.description.take());
        storage.host_name = self.host_name.or_else(|| storage.host_name.take());
        storage.username = self.username.or_else(|| storage.username.take());
        storage.ssh_port = self.ssh_port.or(storage.ssh_port);
        storage.state = self.state.unwrap_or(storage.state);
        storage.status = self.status.unwrap_or_else(|| std::mem::take(&mut storage.status));
        if let Some((total, available)) = self.capacity {
            storage.total_bytes = total;
            storage.available_bytes = available;
        }
        storage.last_op_ms = now_ms.max(storage.last_op_ms);
    }
}
