//! What is written together with jobs: volumes, images, trash, the tags of a resource that comes or goes, the record of
//! an asynchronous answer and its web hook.

use longhaul_model::resource::{ApiOutcome, ApiRecord, Image, Tag, Tagged, Trash, Volume};
use longhaul_model::{ImageId, NewTag, TagId, VolumeId};

use super::Result;
use super::image_rows::{self, IMAGE};
use super::rows;
use super::tx::Tx;
use super::value::{column, params};
use crate::{StoreError, derived};

impl Tx {
    /// Tags for a resource that comes with them.
    pub(super) fn fresh_tags(&self, on: Tagged, new: &[NewTag]) -> Vec<Tag> {
        let tag = |new: &NewTag| Tag {
            id: TagId::random(&*self.runtime),
            resource_uuid: on.uuid(),
            resource_type: on.resource_type().to_owned(),
            system: new.system,
            text: new.text.clone(),
            create_ms: self.now_ms(),
            last_op_ms: self.now_ms(),
        };
        new.iter().map(tag).collect()
    }

    /// Stores them.
    pub(super) async fn insert_tags(&self, tags: Vec<Tag>) -> Result<Vec<Tag>> {
        if tags.is_empty() {
            return Ok(tags);
        }
        self.post(
            "INSERT INTO tag (uuid, resource_uuid, resource_type, system, text, create_ms)
             SELECT uuid, on_uuid, on_type, system, text, $1
             FROM unnest($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[], $6::TEXT[])
                WITH ORDINALITY AS t(uuid, on_uuid, on_type, system, text, nth) ORDER BY nth",
            &params![
                self.now_ms(),
                column(tags.iter().map(|tag| tag.id)),
                column(tags.iter().map(|tag| tag.resource_uuid.as_str())),
                column(tags.iter().map(|tag| tag.resource_type.as_str())),
                column(tags.iter().map(|tag| tag.system)),
                column(tags.iter().map(|tag| tag.text.as_str())),
            ],
        );
        Ok(tags)
    }

    /// Removes the tags of a resource that goes.
    pub(super) async fn drop_tags(&self, of: Tagged) -> Result<()> {
        self.post(
            "DELETE FROM tag WHERE resource_uuid = $1 AND resource_type = $2",
            &params![of.uuid(), of.resource_type()],
        );
        Ok(())
    }

    /// The volume, locked against every other change.
    pub(super) async fn locked_volume(&self, id: VolumeId) -> Result<Option<Volume>> {
        let sql = format!("SELECT {} FROM volume AS j WHERE j.uuid = $1 FOR UPDATE", rows::VOLUME);
        self.locked(&sql, &params![id]).await?.as_ref().map(rows::volume).transpose()
    }

    /// The image with its copies, locked against every other change. A copy changes with its image alone.
    pub(super) async fn locked_image(&self, id: ImageId) -> Result<Option<Image>> {
        self.post("SELECT 1 FROM image WHERE uuid = $1 FOR UPDATE", &params![id]);
        let sql = format!("SELECT {IMAGE} FROM image AS j WHERE j.uuid = $1");
        self.locked(&sql, &params![id]).await?.as_ref().map(image_rows::image).transpose()
    }

    /// Stores a volume: a new one, or with `known` the new state of one that is there.
    ///
    /// # Errors
    /// `Taken`: the uuid, or the path on its storage.
    pub(super) async fn put_volume(&self, volume: &Volume, known: bool) -> Result<()> {
        let sql = if known {
            "UPDATE volume SET account = $2, name = $3, description = $4, storage = $5, install_path = $6,
                kind = $7, format = $8, size = $9, actual_size = $10, state = $11, status = $12,
                deleted_ms = $13, create_ms = $14, last_op_ms = $15
             WHERE uuid = $1"
        } else {
            "INSERT INTO volume (uuid, account, name, description, storage, install_path, kind, format, size,
                actual_size, state, status, deleted_ms, create_ms, last_op_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        };
        let values = params![
            volume.id,
            volume.account,
            &volume.name,
            volume.description.as_deref(),
            volume.storage,
            volume.install_path.as_deref(),
            &volume.kind,
            volume.format.as_deref(),
            volume.size,
            volume.actual_size,
            &volume.state,
            &volume.status,
            volume.deleted_ms,
            volume.create_ms,
            volume.last_op_ms,
        ];
        self.execute(sql, &values).await?;
        Ok(())
    }

    /// Stores an image with its copies: a new one, or with `known` the new state of one that is there.
    ///
    /// # Errors
    /// `Taken`: the uuid; `NotFound`: a backup storage that a copy lies on.
    pub(super) async fn put_image(&self, image: &Image, known: bool) -> Result<()> {
        let sql = if known {
            "UPDATE image SET account = $2, name = $3, description = $4, state = $5, status = $6, size = $7,
                actual_size = $8, md5 = $9, blake3 = $10, url = $11, media_type = $12, guest_os_type = $13,
                platform = $14, architecture = $15, format = $16, system = $17, virtio = $18,
                deleted_ms = $19, create_ms = $20, last_op_ms = $21, job = $22
             WHERE uuid = $1"
        } else {
            "INSERT INTO image (uuid, account, name, description, state, status, size, actual_size, md5, blake3,
                url, media_type, guest_os_type, platform, architecture, format, system, virtio, deleted_ms,
                create_ms, last_op_ms, job)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                $20, $21, $22)"
        };
        let values = params![
            image.id,
            image.account,
            &image.name,
            image.description.as_deref(),
            derived::key_state(image.enabled),
            image.status.name(),
            image.size,
            image.actual_size,
            image.md5.as_deref(),
            image.blake3.as_deref(),
            image.url.as_deref(),
            &image.media_type,
            image.guest_os_type.as_deref(),
            image.platform.as_deref(),
            image.architecture.as_deref(),
            &image.format,
            image.system,
            image.virtio,
            image.deleted_ms,
            image.create_ms,
            image.last_op_ms,
            image.job,
        ];
        self.execute(sql, &values).await?;
        self.post("DELETE FROM image_ref WHERE image = $1", &params![image.id]);
        for copy in &image.refs {
            // Locked: a backup storage that a copy is put on is not removed meanwhile.
            let place = "SELECT 1 FROM backup_storage WHERE uuid = $1 FOR KEY SHARE";
            if !self.exists(place, &params![copy.backup_storage]).await? {
                return Err(StoreError::NotFound);
            }
            let more = (!copy.more_exports.is_empty()).then(|| serde_json::to_string(&copy.more_exports));
            let more = more.transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
            let values = params![
                image.id,
                copy.backup_storage,
                &copy.install_path,
                copy.status.name(),
                copy.export_url.as_deref(),
                copy.export_md5.as_deref(),
                copy.create_ms,
                copy.last_op_ms,
                more,
            ];
            let sql = "INSERT INTO image_ref (image, backup_storage, install_path, status, export_url,
                    export_md5, create_ms, last_op_ms, more_exports)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
            self.execute(sql, &values).await?;
        }
        Ok(())
    }

    /// Enters trash under a new number.
    pub(super) async fn put_trash(&self, mut trash: Trash) -> Result<Trash> {
        trash.create_ms = self.now_ms();
        let values = params![
            trash.storage,
            &trash.resource_uuid,
            &trash.resource_type,
            &trash.install_path,
            trash.size,
            &trash.kind,
            trash.create_ms,
        ];
        let sql =
            "INSERT INTO trash (storage, resource_uuid, resource_type, install_path, size, kind, create_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
        let row = self.first(sql, &values).await?.ok_or(StoreError::NotFound)?;
        trash.id = rows::count(&row, 0)?;
        Ok(trash)
    }

    /// Stores the record of an asynchronous answer with its hook, if there is one.
    ///
    /// # Errors
    /// `Taken`: its id exists.
    pub(super) async fn insert_record(&self, record: Option<&ApiRecord>) -> Result<()> {
        let Some(record) = record else { return Ok(()) };
        let outcome = record.outcome.as_ref().map(to_json).transpose()?;
        let message = record.message.as_ref();
        let finished_ms = outcome.is_some().then_some(self.now_ms());
        let values = params![
            &record.id,
            record.account,
            record.expires_ms,
            outcome,
            message.map(|m| m.class.as_str()),
            message.map(|m| m.created_ms),
            finished_ms,
            record.host,
        ];
        let sql =
            "INSERT INTO api_record (id, account, expires_ms, outcome, message, created_ms, finished_ms, host)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.execute(sql, &values).await?;
        if let Some(hook) = &record.hook {
            self.post(
                "INSERT INTO web_hook (id, url, wants_schema, tries, due_ms) VALUES ($1, $2, $3, 0, $4)",
                &params![&record.id, &hook.url, hook.wants_schema, self.now_ms()],
            );
        }
        Ok(())
    }
}

/// An outcome as it is stored.
pub(super) fn to_json(outcome: &ApiOutcome) -> Result<String> {
    serde_json::to_string(outcome).map_err(|error| StoreError::Corrupt(error.to_string()))
}
