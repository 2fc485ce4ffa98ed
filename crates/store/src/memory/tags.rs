//! Tags in memory. Those of a submission are stored with the job, in `jobs`.

use async_trait::async_trait;
use longhaul_model::TagId;
use longhaul_model::resource::{Tag, Tagged};

use super::{Db, MemoryStore};
use crate::traits::TAGS_PER_RESOURCE_MAX;
use crate::{StoreError, Tags};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Tags for MemoryStore {
    async fn add_tags(&self, on: Tagged, system: bool, texts: &[String]) -> Result<Vec<Tag>> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let there = match on {
            Tagged::Job(id) => db.jobs.contains_key(&id),
            Tagged::Volume(id) => db.volumes.contains_key(&id),
            Tagged::Storage(id) => db.storages.contains_key(&id),
            Tagged::BackupStorage(id) => db.backup_storages.contains_key(&id),
            Tagged::Image(id) => db.images.contains_key(&id),
        };
        if !there {
            return Err(StoreError::NotFound);
        }
        let uuid = on.uuid();
        for (at, text) in texts.iter().enumerate() {
            if texts[..at].contains(text) || db.has_tag(on, system, text) {
                return Err(StoreError::Taken);
            }
        }
        if db.tags.values().filter(|t| is_on(t, on)).count() + texts.len() > TAGS_PER_RESOURCE_MAX {
            return Err(StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX });
        }
        let tags = texts.iter().map(|text| Tag {
            id: TagId::random(&*self.runtime),
            resource_uuid: uuid.clone(),
            resource_type: on.resource_type().to_owned(),
            system,
            text: text.clone(),
            create_ms: now_ms,
            last_op_ms: now_ms,
        });
        let tags: Vec<Tag> = tags.collect();
        db.tags.extend(tags.iter().map(|tag| (tag.id, tag.clone())));
        Ok(tags)
    }

    async fn tag(&self, id: TagId) -> Result<Option<Tag>> {
        Ok(self.lock().tags.get(&id).cloned())
    }

    async fn update_tag(&self, id: TagId, text: &str) -> Result<Tag> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let mut tag = db.tags.get(&id).cloned().ok_or(StoreError::NotFound)?;
        if tag.text == text {
            return Ok(tag);
        }
        let twin = |t: &Tag| {
            (t.system, &t.resource_type, &t.resource_uuid)
                == (tag.system, &tag.resource_type, &tag.resource_uuid)
        };
        if db.tags.values().any(|t| twin(t) && t.text == text) {
            return Err(StoreError::Taken);
        }
        tag.text = text.to_owned();
        tag.last_op_ms = now_ms.max(tag.last_op_ms);
        db.tags.insert(id, tag.clone());
        Ok(tag)
    }

    async fn delete_tag(&self, id: TagId) -> Result<()> {
        self.lock().tags.remove(&id);
        Ok(())
    }
}

impl Db {
    fn has_tag(&self, on: Tagged, system: bool, text: &str) -> bool {
        self.tags.values().any(|t| is_on(t, on) && t.system == system && t.text == text)
    }

    /// Removes the tags of a resource that goes.
    pub(super) fn drop_tags(&mut self, of: Tagged) {
        self.tags.retain(|_, tag| !is_on(tag, of));
    }
}

fn is_on(tag: &Tag, on: Tagged) -> bool {
    tag.resource_type == on.resource_type() && tag.resource_uuid == on.uuid()
}
