//! Tags. Who puts one on, or changes one, holds its resource alone until the end of the transaction, so that texts are
//! compared and counted one call after another, and none is put on what goes. A tag that was never changed has no date
//! of its last change; then that of its creation is answered.

use async_trait::async_trait;
use longhaul_model::resource::{Tag, Tagged};
use longhaul_model::{NewTag, TagId};

use super::rows::{self, TAG, count};
use super::tx::Tx;
use super::value::{Bind, column, params};
use super::{PostgresStore, Result};
use crate::traits::TAGS_PER_RESOURCE_MAX;
use crate::{StoreError, Tags};

#[async_trait]
impl Tags for PostgresStore {
    async fn add_tags(&self, on: Tagged, system: bool, texts: &[String]) -> Result<Vec<Tag>> {
        let data = (on, system, texts.to_vec());
        self.write(data, |tx, (on, system, texts)| Box::pin(tx.add_tags(*on, *system, texts))).await
    }

    async fn tag(&self, id: TagId) -> Result<Option<Tag>> {
        let sql = format!("SELECT {TAG} FROM tag AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(rows::tag).transpose()
    }

    async fn update_tag(&self, id: TagId, text: &str) -> Result<Tag> {
        self.write((id, text.to_owned()), |tx, (id, text)| Box::pin(tx.update_tag(*id, text))).await
    }

    async fn delete_tag(&self, id: TagId) -> Result<()> {
        self.write_one("DELETE FROM tag WHERE uuid = $1", &params![id]).await.map(|_| ())
    }
}

impl Tx {
    async fn add_tags(&self, on: Tagged, system: bool, texts: &[String]) -> Result<Vec<Tag>> {
        self.hold_resource(on).await?;
        if texts.iter().enumerate().any(|(at, text)| texts[..at].contains(text)) {
            return Err(StoreError::Taken);
        }
        if self.has_one_of(on, system, texts).await? {
            return Err(StoreError::Taken);
        }
        let counted = self
            .first(
                "SELECT count(*) FROM tag WHERE resource_uuid = $1 AND resource_type = $2",
                &params![on.uuid(), on.resource_type()],
            )
            .await?;
        let known = counted.map_or(Ok(0), |row| count(&row, 0))?;
        if known + texts.len() as u64 > TAGS_PER_RESOURCE_MAX as u64 {
            return Err(StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX });
        }
        let new: Vec<NewTag> = texts.iter().map(|text| NewTag { system, text: text.clone() }).collect();
        self.insert_tags(self.fresh_tags(on, &new)).await
    }

    async fn update_tag(&self, id: TagId, text: &str) -> Result<Tag> {
        let tag = self.read_tag(id).await?.ok_or(StoreError::NotFound)?;
        let on = Tagged::of(&tag.resource_type, &tag.resource_uuid);
        let on = on.ok_or_else(|| StoreError::Corrupt(format!("tag[uuid:{id}] is on no known resource")))?;
        self.hold_resource(on).await?;
        // Again, now that nobody else changes it, or takes it away with its resource.
        let mut tag = self.read_tag(id).await?.ok_or(StoreError::NotFound)?;
        if tag.text == text {
            return Ok(tag);
        }
        if self.has_one_of(on, tag.system, &[text.to_owned()]).await? {
            return Err(StoreError::Taken);
        }
        text.clone_into(&mut tag.text);
        tag.last_op_ms = self.now_ms().max(tag.last_op_ms);
        let changed = self
            .execute(
                "UPDATE tag SET text = $2, last_op_ms = $3 WHERE uuid = $1",
                &params![id, text, tag.last_op_ms],
            )
            .await?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(tag) }
    }

    async fn read_tag(&self, id: TagId) -> Result<Option<Tag>> {
        let sql = format!("SELECT {TAG} FROM tag AS j WHERE j.uuid = $1");
        self.first(&sql, &params![id]).await?.as_ref().map(rows::tag).transpose()
    }

    /// Holds a resource alone, without being in the way of who only needs that it stays.
    async fn hold_resource(&self, on: Tagged) -> Result<()> {
        let sql = match on {
            Tagged::Job(_) => "SELECT 1 FROM job WHERE uuid = $1 FOR NO KEY UPDATE",
            Tagged::Volume(_) => "SELECT 1 FROM volume WHERE uuid = $1 FOR NO KEY UPDATE",
            Tagged::Storage(_) => "SELECT 1 FROM storage WHERE uuid = $1 FOR NO KEY UPDATE",
            Tagged::BackupStorage(_) => "SELECT 1 FROM backup_storage WHERE uuid = $1 FOR NO KEY UPDATE",
            Tagged::Image(_) => "SELECT 1 FROM image WHERE uuid = $1 FOR NO KEY UPDATE",
        };
        self.locked(sql, &params![on.uuid()]).await?.map(|_| ()).ok_or(StoreError::NotFound)
    }

    async fn has_one_of(&self, on: Tagged, system: bool, texts: &[String]) -> Result<bool> {
        self.exists(
            "SELECT 1 FROM tag WHERE system = $1 AND text = ANY($2) AND resource_uuid = $3 AND resource_type = $4
             LIMIT 1",
            &[Bind::bind(system), column(texts), Bind::bind(on.uuid()), Bind::bind(on.resource_type())],
        )
        .await
    }
}
