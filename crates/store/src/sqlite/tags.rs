//! Tags. Those of a submission are stored with the job, in `job_sql`, by the same statement. A tag that was
//! never changed has no date of its last change; then that of its creation is answered.

use async_trait::async_trait;
use longhaul_model::TagId;
use longhaul_model::resource::{Tag, Tagged};
use rusqlite::{Connection, OptionalExtension, params};

use super::tx::Tx;
use super::{Result, SqliteStore, rows};
use crate::traits::TAGS_PER_RESOURCE_MAX;
use crate::{StoreError, Tags};

#[async_trait]
impl Tags for SqliteStore {
    async fn add_tags(&self, on: Tagged, system: bool, texts: &[String]) -> Result<Vec<Tag>> {
        let texts = texts.to_vec();
        self.write(move |tx| {
            let uuid = on.uuid();
            let known = match on {
                Tagged::Job(_) => "SELECT 1 FROM job WHERE uuid = ?1",
                Tagged::Volume(_) => "SELECT 1 FROM volume WHERE uuid = ?1",
                Tagged::Storage(_) => "SELECT 1 FROM storage WHERE uuid = ?1",
                Tagged::BackupStorage(_) => "SELECT 1 FROM backup_storage WHERE uuid = ?1",
                Tagged::Image(_) => "SELECT 1 FROM image WHERE uuid = ?1",
            };
            if !tx.exists(known, [&uuid])? {
                return Err(StoreError::NotFound);
            }
            let mut tags = Vec::new();
            for text in texts {
                if tx.has_tag(on.resource_type(), &uuid, system, &text)? {
                    return Err(StoreError::Taken);
                }
                tags.push(tx.insert_tag(on, system, &text)?);
            }
            let count = tx.first(
                "SELECT count(*) FROM tag WHERE resource_uuid = ?1 AND resource_type = ?2",
                params![uuid, on.resource_type()],
                |row| rows::count(row, 0),
            )?;
            if count.unwrap_or(0) > TAGS_PER_RESOURCE_MAX as u64 {
                return Err(StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX });
            }
            Ok(tags)
        })
        .await
    }

    async fn tag(&self, id: TagId) -> Result<Option<Tag>> {
        self.read(move |connection| read_tag(connection, id)).await
    }

    async fn update_tag(&self, id: TagId, text: &str) -> Result<Tag> {
        let text = text.to_owned();
        self.write(move |tx| {
            let mut tag = read_tag(tx.connection, id)?.ok_or(StoreError::NotFound)?;
            if tag.text == text {
                return Ok(tag);
            }
            if tx.has_tag(&tag.resource_type, &tag.resource_uuid, tag.system, &text)? {
                return Err(StoreError::Taken);
            }
            tag.text = text;
            tag.last_op_ms = tx.now_ms.max(tag.last_op_ms);
            tx.execute(
                "UPDATE tag SET text = ?2, last_op_ms = ?3 WHERE uuid = ?1",
                params![id.to_string(), tag.text, tag.last_op_ms],
            )?;
            Ok(tag)
        })
        .await
    }

    async fn delete_tag(&self, id: TagId) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM tag WHERE uuid = ?1", [id.to_string()])?;
            Ok(())
        })
        .await
    }
}

fn read_tag(connection: &Connection, id: TagId) -> Result<Option<Tag>> {
    let sql = format!("SELECT {} FROM tag AS j WHERE j.uuid = ?1", rows::TAG);
    Ok(connection.prepare_cached(&sql)?.query_row([id.to_string()], rows::tag).optional()?)
}

impl Tx<'_> {
    fn has_tag(&self, resource_type: &str, uuid: &str, system: bool, text: &str) -> Result<bool> {
        self.exists(
            "SELECT 1 FROM tag WHERE system = ?1 AND text = ?2 AND resource_uuid = ?3 AND resource_type = ?4",
            params![system, text, uuid, resource_type],
        )
    }

    /// Puts a tag on a resource, whatever it has already.
    pub(super) fn insert_tag(&self, on: Tagged, system: bool, text: &str) -> Result<Tag> {
        let tag = Tag {
            id: TagId::random(self.runtime),
            resource_uuid: on.uuid(),
            resource_type: on.resource_type().to_owned(),
            system,
            text: text.to_owned(),
            create_ms: self.now_ms,
            last_op_ms: self.now_ms,
        };
        self.execute(
            "INSERT INTO tag (uuid, resource_uuid, resource_type, system, text, create_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                tag.id.to_string(),
                tag.resource_uuid,
                tag.resource_type,
                tag.system,
                tag.text,
                tag.create_ms,
            ],
        )?;
        Ok(tag)
    }

    /// Removes the tags of a resource that goes.
    pub(super) fn drop_tags(&self, of: Tagged) -> Result<()> {
        self.execute(
            "DELETE FROM tag WHERE resource_uuid = ?1 AND resource_type = ?2",
            params![of.uuid(), of.resource_type()],
        )?;
        Ok(())
    }
}
