//! Backup storages and images as job types and routes see them: the same for these two families.

use longhaul_model::query::{Field, Resource, Rows};
use longhaul_model::resource::{BackupStorage, Image};
use longhaul_model::{BackupStorageId, Fault, ImageId, JobId, NewTag};
use longhaul_store::StoreError;
use longhaul_store::images::BackupStorageUpdate;

use super::{Inventory, all, equals, not_found};
use crate::fault::from_store;

fn place_text(id: BackupStorageId) -> String {
    format!("backup storage[uuid:{id}]")
}

fn image_text(id: ImageId) -> String {
    format!("image[uuid:{id}]")
}

impl Inventory {
    /// The backup storage of that id.
    ///
    /// # Errors
    /// `NotFound` with the contract's text, naming `field`.
    pub async fn backup_storage(&self, id: BackupStorageId, field: &str) -> Result<BackupStorage, Fault> {
        let found = self.store.backup_storage(id).await.map_err(|e| from_store(e, &place_text(id)))?;
        let found = found.ok_or_else(|| not_found(field, &id.to_string(), "BackupStorageVO"))?;
        self.seen_backup_storage(found).await
    }

    /// All backup storages.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn backup_storages(&self) -> Result<Vec<BackupStorage>, Fault> {
        let answer = self.store.query(&all(Resource::BackupStorage, Vec::new())).await;
        match answer.map_err(|e| from_store(e, "the backup storages"))?.rows {
            Rows::BackupStorages(rows) => self.seen_backup_storages(rows).await,
            _ => Err(Fault::internal("asked for backup storages")),
        }
    }

    /// Stores a new backup storage.
    ///
    /// # Errors
    /// The uuid or the directory is used already.
    pub async fn create_backup_storage(&self, storage: BackupStorage) -> Result<BackupStorage, Fault> {
        let (id, url) = (storage.id, storage.url.clone());
        self.store.create_backup_storage(storage).await.map_err(|error| match error {
            StoreError::Taken => Fault::invalid(format!(
                "the uuid[{id}] or the url[{url}] already belongs to a backup storage; choose another"
            )),
            other => from_store(other, &place_text(id)),
        })
    }

    /// Changes a backup storage's record.
    ///
    /// # Errors
    /// There is no such backup storage.
    pub async fn update_backup_storage(
        &self,
        id: BackupStorageId,
        update: BackupStorageUpdate,
    ) -> Result<BackupStorage, Fault> {
        let updated = self.store.update_backup_storage(id, update).await.map_err(|error| match error {
            StoreError::NotFound => not_found("uuid", &id.to_string(), "BackupStorageVO"),
            other => from_store(other, &place_text(id)),
        })?;
        self.seen_backup_storage(updated).await
    }

    /// Removes a backup storage's record; no file is touched. An unknown one is no error.
    ///
    /// # Errors
    /// Something lies on it.
    pub async fn delete_backup_storage(&self, id: BackupStorageId) -> Result<(), Fault> {
        match self.store.delete_backup_storage(id).await {
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(StoreError::InUse(by)) => Err(Fault::failed(format!(
                "backup storage[uuid:{id}] still holds {by}; expunge its images and end its jobs first"
            ))),
            Err(other) => Err(from_store(other, &place_text(id))),
        }
    }

    /// The image of that id.
    ///
    /// # Errors
    /// `NotFound` with the contract's text, naming `field`.
    pub async fn image(&self, id: ImageId, field: &str) -> Result<Image, Fault> {
        self.find_image(id).await?.ok_or_else(|| not_found(field, &id.to_string(), "ImageVO"))
    }

    /// The image of that id, if there is one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn find_image(&self, id: ImageId) -> Result<Option<Image>, Fault> {
        self.store.image(id).await.map_err(|e| from_store(e, &image_text(id)))
    }

    /// Stores a new image with its tags, of which each counts once.
    ///
    /// # Errors
    /// The uuid is used already, there are too many tags, or a backup storage is gone.
    pub async fn create_image(&self, image: Image, tags: &[NewTag]) -> Result<Image, Fault> {
        let id = image.id;
        self.store.create_image(image, tags).await.map_err(|error| match error {
            StoreError::Taken => {
                Fault::invalid(format!("the uuid[{id}] already belongs to an image; choose another"))
            }
            StoreError::NotFound => {
                Fault::failed("a backup storage was deleted meanwhile; choose another".to_owned())
            }
            other => from_store(other, &image_text(id)),
        })
    }

    /// Reads an image, lets `change` change it, writes it if nobody was faster; else again, 8 times.
    ///
    /// # Errors
    /// There is no such image, `change` refuses, or it kept changing.
    pub async fn change_image(
        &self,
        id: ImageId,
        change: impl Fn(&mut Image) -> Result<(), Fault> + Send + Sync,
    ) -> Result<Image, Fault> {
        for _ in 0..8 {
            let mut image = self.image(id, "uuid").await?;
            let seen = image.last_op_ms;
            change(&mut image)?;
            match self.store.update_image(image, seen).await {
                Err(StoreError::Stale) => {}
                other => return other.map_err(|e| from_store(e, &image_text(id))),
            }
        }
        Err(from_store(StoreError::Stale, &image_text(id)))
    }

    /// Removes an image's record; no file is touched. An unknown one is no error.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn delete_image(&self, id: ImageId) -> Result<(), Fault> {
        match self.store.delete_image(id).await {
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(other) => Err(from_store(other, &image_text(id))),
        }
    }

    /// Removes the record of an image that `job` makes, while it does; of another nothing. No file is touched.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn abandon_image(&self, id: ImageId, job: JobId) -> Result<bool, Fault> {
        self.store.abandon_image(id, job).await.map_err(|e| from_store(e, &image_text(id)))
    }

    /// Images of that status, whoever owns them, the first page.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn images_of_status(&self, status: &str) -> Result<Vec<Image>, Fault> {
        let query = all(Resource::Image, vec![equals(Field::Status, status.to_owned())]);
        match self.store.query(&query).await.map_err(|e| from_store(e, "the images"))?.rows {
            Rows::Images(rows) => Ok(rows),
            _ => Err(Fault::internal("asked for images")),
        }
    }

    /// Images whose bytes have that BLAKE3, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn images_of_content(&self, blake3: &str) -> Result<Vec<Image>, Fault> {
        self.store.images_of_content(blake3).await.map_err(|e| from_store(e, "the images"))
    }
}
