//! Storages, volumes, trash in memory, and the effects of a transition on them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use longhaul_model::resource::{Effect, IntentKind, Storage, Tagged, Trash, Volume};
use longhaul_model::{JobId, StorageId, VolumeId};

use super::{Db, MemoryStore};
use crate::traits::StorageUpdate;
use crate::{Resources, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Resources for MemoryStore {
    async fn create_storage(&self, mut storage: Storage) -> Result<Storage> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let taken = db.storages.contains_key(&storage.id)
            || db.storages.values().any(|s| s.url == storage.url && s.host == storage.host);
        if taken {
            return Err(StoreError::Taken);
        }
        storage.create_ms = now_ms;
        storage.last_op_ms = now_ms;
        db.storages.insert(storage.id, storage.clone());
        Ok(storage)
    }

    async fn storage(&self, id: StorageId) -> Result<Option<Storage>> {
        Ok(self.lock().storages.get(&id).cloned())
    }

    async fn update_storage(&self, id: StorageId, update: StorageUpdate) -> Result<Storage> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let storage = db.storages.get_mut(&id).ok_or(StoreError::NotFound)?;
        update.write_to(storage, now_ms);
        Ok(storage.clone())
    }

    async fn delete_storage(&self, id: StorageId) -> Result<()> {
        let mut db = self.lock();
        if !db.storages.contains_key(&id) {
            return Err(StoreError::NotFound);
        }
        if let Some(volume) = db.volumes.values().find(|v| v.storage == Some(id)) {
            return Err(StoreError::InUse(format!("volume[uuid:{}]", volume.id)));
        }
        if let Some(intent) = db.intents.values().find(|i| i.storage == Some(id)) {
            return Err(StoreError::InUse(format!("work of job[uuid:{}]", intent.job)));
        }
        db.storages.remove(&id);
        db.trash.retain(|_, t| t.storage != id);
        db.drop_tags(Tagged::Storage(id));
        Ok(())
    }

    async fn create_volume(&self, mut volume: Volume) -> Result<Volume> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.check_account(volume.account)?;
        if volume.storage.is_some_and(|storage| !db.storages.contains_key(&storage)) {
            return Err(StoreError::NotFound);
        }
        if db.volumes.contains_key(&volume.id) || db.path_taken(&volume) {
            return Err(StoreError::Taken);
        }
        volume.create_ms = now_ms;
        volume.last_op_ms = now_ms;
        db.volumes.insert(volume.id, volume.clone());
        let taken_back = |t: &Trash| {
            Some(t.storage) == volume.storage && Some(&t.install_path) == volume.install_path.as_ref()
        };
        db.trash.retain(|_, t| !taken_back(t));
        Ok(volume)
    }

    async fn volume(&self, id: VolumeId) -> Result<Option<Volume>> {
        Ok(self.lock().volumes.get(&id).cloned())
    }

    async fn update_volume(&self, mut volume: Volume, seen_ms: i64) -> Result<Volume> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let known = db.volumes.get(&volume.id).ok_or(StoreError::NotFound)?;
        if known.last_op_ms != seen_ms {
            return Err(StoreError::Stale);
        }
        volume.create_ms = known.create_ms;
        volume.last_op_ms = now_ms.max(seen_ms + 1);
        if db.path_taken(&volume) {
            return Err(StoreError::Taken);
        }
        db.volumes.insert(volume.id, volume.clone());
        Ok(volume)
    }

    async fn delete_volume(&self, id: VolumeId, by: Option<JobId>) -> Result<()> {
        let mut db = self.lock();
        if !db.volumes.contains_key(&id) {
            return Err(StoreError::NotFound);
        }
        let uuid = id.to_string();
        let user = db.live.values().find(|j| {
            db.jobs.get(j).is_some_and(|e| e.ordered && e.job.target.as_deref() == Some(uuid.as_str()))
        });
        if let Some(job) = user.filter(|user| by != Some(**user)) {
            return Err(StoreError::InUse(format!("job[uuid:{job}]")));
        }
        db.volumes.remove(&id);
        db.drop_tags(Tagged::Volume(id));
        Ok(())
    }

    async fn trash(&self, storage: StorageId) -> Result<Vec<Trash>> {
        Ok(self.lock().trash.values().filter(|t| t.storage == storage).cloned().collect())
    }

    async fn add_trash(&self, trash: Trash) -> Result<Trash> {
        let now_ms = self.now_ms();
        Ok(self.lock().put_trash(trash, now_ms))
    }

    async fn remove_trash(&self, id: u64) -> Result<()> {
        self.lock().trash.remove(&id);
        Ok(())
    }

    async fn known_paths(&self, storage: StorageId) -> Result<Vec<String>> {
        let db = self.lock();
        let mut paths = BTreeSet::new();
        let on_it = db.volumes.values().filter(|v| v.storage == Some(storage));
        paths.extend(on_it.filter_map(|v| v.install_path.clone()));
        paths.extend(db.trash.values().filter(|t| t.storage == storage).map(|t| t.install_path.clone()));
        for intent in db.intents.values().filter(|i| i.storage == Some(storage)) {
            if let IntentKind::Artifact { path } = &intent.kind {
                paths.insert(path.clone());
            }
        }
        Ok(paths.into_iter().collect())
    }
}

impl Db {
    fn path_taken(&self, volume: &Volume) -> bool {
        volume.storage.is_some()
            && volume.install_path.is_some()
            && self.volumes.values().any(|v| {
                v.id != volume.id && v.storage == volume.storage && v.install_path == volume.install_path
            })
    }

    fn put_trash(&mut self, mut trash: Trash, now_ms: i64) -> Trash {
        self.last_trash += 1;
        trash.id = self.last_trash;
        trash.create_ms = now_ms;
        self.trash.insert(trash.id, trash.clone());
        trash
    }

    /// Whether all effects of a transition of `job` can be done, so that none is done halfway.
    pub(super) fn check_effects(&self, effects: &[Effect], job: JobId) -> Result<()> {
        for effect in effects {
            if let Effect::SetImageReady { image, .. } = effect
                && !self.images.get(image).ok_or(StoreError::NotFound)?.is_made_by(job)
            {
                return Err(StoreError::Taken);
            }
            if let Effect::MoveImage { image, from, to, .. } = effect {
                let known = self.images.get(image).ok_or(StoreError::NotFound)?;
                if known.on(*from).is_none() || !self.backup_storages.contains_key(to) {
                    return Err(StoreError::NotFound);
                }
                if known.on(*to).is_some() {
                    return Err(StoreError::Taken);
                }
            }
            if let Effect::MoveVolume { volume, storage, install_path, .. } = effect {
                let mut moved = self.volumes.get(volume).ok_or(StoreError::NotFound)?.clone();
                moved.storage = Some(*storage);
                moved.install_path = Some(install_path.clone());
                if self.path_taken(&moved) {
                    return Err(StoreError::Taken);
                }
            }
        }
        Ok(())
    }

    pub(super) fn do_effect(&mut self, effect: Effect, now_ms: i64) {
        match effect {
            Effect::MoveVolume { volume, storage, install_path, format, actual_size } => {
                if let Some(record) = self.volumes.get_mut(&volume) {
                    record.storage = Some(storage);
                    record.install_path = Some(install_path);
                    record.format = Some(format);
                    record.actual_size = Some(actual_size);
                    record.make_ready();
                    record.last_op_ms = now_ms.max(record.last_op_ms + 1);
                }
            }
            Effect::AddTrash(trash) => {
                self.put_trash(trash, now_ms);
            }
            Effect::SetImageReady { image, backup_storage, install_path, facts } => {
                if let Some(record) = self.images.get_mut(&image) {
                    record.make_ready(backup_storage, &install_path, &facts, now_ms);
                    record.last_op_ms = now_ms.max(record.last_op_ms + 1);
                }
            }
            Effect::MoveImage { image, from, to, install_path, format } => {
                if let Some(record) = self.images.get_mut(&image) {
                    record.move_copy(from, to, &install_path, &format, now_ms);
                    record.last_op_ms = now_ms.max(record.last_op_ms + 1);
                }
            }
            Effect::LedgerDone(id) => {
                self.intents.remove(&id);
            }
        }
    }
}
