//! Backup storages and images in memory.

use async_trait::async_trait;
use longhaul_model::resource::{BackupStorage, Image, IntentKind, Tag, Tagged};
use longhaul_model::{BackupStorageId, ImageId, JobId, NewTag, TagId};

use super::{Db, MemoryStore};
use crate::images::{BackupStorageUpdate, SAME_CONTENT_MAX};
use crate::traits::TAGS_PER_RESOURCE_MAX;
use crate::{Images, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Images for MemoryStore {
    async fn create_backup_storage(&self, mut storage: BackupStorage) -> Result<BackupStorage> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let taken = db.backup_storages.contains_key(&storage.id)
            || db.backup_storages.values().any(|s| s.url == storage.url && s.host == storage.host);
        if taken {
            return Err(StoreError::Taken);
        }
        storage.create_ms = now_ms;
        storage.last_op_ms = now_ms;
        db.backup_storages.insert(storage.id, storage.clone());
        Ok(storage)
    }

    async fn backup_storage(&self, id: BackupStorageId) -> Result<Option<BackupStorage>> {
        Ok(self.lock().backup_storages.get(&id).cloned())
    }

    async fn update_backup_storage(
        &self,
        id: BackupStorageId,
        update: BackupStorageUpdate,
    ) -> Result<BackupStorage> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let storage = db.backup_storages.get_mut(&id).ok_or(StoreError::NotFound)?;
        update.write_to(storage, now_ms);
        Ok(storage.clone())
    }

    async fn delete_backup_storage(&self, id: BackupStorageId) -> Result<()> {
        let mut db = self.lock();
        if !db.backup_storages.contains_key(&id) {
            return Err(StoreError::NotFound);
        }
        if let Some(image) = db.images.values().find(|i| i.on(id).is_some()) {
            return Err(StoreError::InUse(format!("image[uuid:{}]", image.id)));
        }
        let lies_on_it = |kind: &IntentKind| matches!(kind, IntentKind::ImageArtifact { backup_storage, .. } if *backup_storage == id);
        if let Some(intent) = db.intents.values().find(|i| lies_on_it(&i.kind)) {
            return Err(StoreError::InUse(format!("work of job[uuid:{}]", intent.job)));
        }
        db.backup_storages.remove(&id);
        db.trash.retain(|_, item| item.storage.bits() != id.bits());
        db.drop_tags(Tagged::BackupStorage(id));
        Ok(())
    }

    async fn create_image(&self, mut image: Image, tags: &[NewTag]) -> Result<Image> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.check_account(image.account)?;
        if db.images.contains_key(&image.id) {
            return Err(StoreError::Taken);
        }
        db.check_places(&image)?;
        image.create_ms = now_ms;
        image.last_op_ms = now_ms;
        image.refs.sort_by_key(|r| r.backup_storage);
        for copy in &mut image.refs {
            copy.create_ms = now_ms;
            copy.last_op_ms = now_ms;
        }
        let on = Tagged::Image(image.id);
        let once = tags.iter().enumerate().filter(|(at, tag)| !tags[..*at].contains(tag)).map(|(_, tag)| tag);
        let tags: Vec<Tag> = once
            .map(|tag| Tag {
                id: TagId::random(&*self.runtime),
                resource_uuid: on.uuid(),
                resource_type: on.resource_type().to_owned(),
                system: tag.system,
                text: tag.text.clone(),
                create_ms: now_ms,
                last_op_ms: now_ms,
            })
            .collect();
        if tags.len() > TAGS_PER_RESOURCE_MAX {
            return Err(StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX });
        }
        db.tags.extend(tags.into_iter().map(|tag| (tag.id, tag)));
        db.images.insert(image.id, image.clone());
        Ok(image)
    }

    async fn image(&self, id: ImageId) -> Result<Option<Image>> {
        Ok(self.lock().images.get(&id).cloned())
    }

    async fn update_image(&self, mut image: Image, seen_ms: i64) -> Result<Image> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let known = db.images.get(&image.id).ok_or(StoreError::NotFound)?;
        if known.last_op_ms != seen_ms {
            return Err(StoreError::Stale);
        }
        db.check_places(&image)?;
        image.create_ms = known.create_ms;
        image.last_op_ms = now_ms.max(seen_ms + 1);
        image.refs.sort_by_key(|r| r.backup_storage);
        db.images.insert(image.id, image.clone());
        Ok(image)
    }

    async fn delete_image(&self, id: ImageId) -> Result<()> {
        let mut db = self.lock();
        db.images.remove(&id).ok_or(StoreError::NotFound)?;
        db.drop_tags(Tagged::Image(id));
        Ok(())
    }

    async fn abandon_image(&self, id: ImageId, job: JobId) -> Result<bool> {
        let mut db = self.lock();
        if !db.images.get(&id).is_some_and(|image| image.is_made_by(job)) {
            return Ok(false);
        }
        db.images.remove(&id);
        db.drop_tags(Tagged::Image(id));
        Ok(true)
    }

    async fn images_of_content(&self, blake3: &str) -> Result<Vec<Image>> {
        let db = self.lock();
        let mut found: Vec<Image> =
            db.images.values().filter(|i| i.blake3.as_deref() == Some(blake3)).cloned().collect();
        found.sort_by_key(|i| (i.create_ms, i.id));
        found.truncate(SAME_CONTENT_MAX);
        Ok(found)
    }
}

impl Db {
    /// That every copy lies on a backup storage that is there.
    fn check_places(&self, image: &Image) -> Result<()> {
        let known =
            |r: &longhaul_model::resource::ImageRef| self.backup_storages.contains_key(&r.backup_storage);
        if image.refs.iter().all(known) { Ok(()) } else { Err(StoreError::NotFound) }
    }
}
