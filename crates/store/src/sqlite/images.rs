//! Backup storages and images: the calls and their statements.

use async_trait::async_trait;
use longhaul_model::resource::{BackupStorage, Image, IntentKind, Tagged};
use longhaul_model::{BackupStorageId, ImageId, JobId, NewTag};
use rusqlite::{Connection, OptionalExtension, params};

use super::identity::taken_or;
use super::image_rows::{self, BACKUP_STORAGE, IMAGE};
use super::rows::stored;
use super::tx::Tx;
use super::{Result, SqliteStore, ledger};
use crate::images::{BackupStorageUpdate, SAME_CONTENT_MAX};
use crate::traits::TAGS_PER_RESOURCE_MAX;
use crate::{Images, StoreError, derived};

#[async_trait]
impl Images for SqliteStore {
    async fn create_backup_storage(&self, mut storage: BackupStorage) -> Result<BackupStorage> {
        self.write(move |tx| {
            storage.create_ms = tx.now_ms;
            storage.last_op_ms = tx.now_ms;
            tx.put_backup_storage(&storage, false)?;
            Ok(storage)
        })
        .await
    }

    async fn backup_storage(&self, id: BackupStorageId) -> Result<Option<BackupStorage>> {
        self.read(move |connection| read_backup_storage(connection, &id.to_string())).await
    }

    async fn update_backup_storage(
        &self,
        id: BackupStorageId,
        update: BackupStorageUpdate,
    ) -> Result<BackupStorage> {
        self.write(move |tx| {
            let known = read_backup_storage(tx.connection, &id.to_string())?;
            let mut storage = known.ok_or(StoreError::NotFound)?;
            update.write_to(&mut storage, tx.now_ms);
            tx.put_backup_storage(&storage, true)?;
            Ok(storage)
        })
        .await
    }

    async fn delete_backup_storage(&self, id: BackupStorageId) -> Result<()> {
        self.write(move |tx| {
            let uuid = id.to_string();
            if tx.execute("DELETE FROM backup_storage WHERE uuid = ?1", [&uuid])? == 0 {
                return Err(StoreError::NotFound);
            }
            let image = tx.first(
                "SELECT image FROM image_ref WHERE backup_storage = ?1 ORDER BY image LIMIT 1",
                [&uuid],
                |row| row.get::<_, String>(0),
            )?;
            if let Some(image) = image {
                return Err(StoreError::InUse(format!("image[uuid:{image}]")));
            }
            // Few are open at a time: those of running jobs.
            for intent in ledger::read(tx.connection, "storage IS NULL", &[])? {
                match intent.kind {
                    IntentKind::ImageArtifact { backup_storage, .. } if backup_storage == id => {
                        return Err(StoreError::InUse(format!("work of job[uuid:{}]", intent.job)));
                    }
                    _ => {}
                }
            }
            tx.execute("DELETE FROM trash WHERE storage = ?1", [&uuid])?;
            tx.drop_tags(Tagged::BackupStorage(id))
        })
        .await
    }

    async fn create_image(&self, mut image: Image, tags: &[NewTag]) -> Result<Image> {
        let once = tags.iter().enumerate().filter(|(at, tag)| !tags[..*at].contains(tag)).map(|(_, tag)| tag);
        let tags: Vec<NewTag> = once.cloned().collect();
        self.write(move |tx| {
            image.create_ms = tx.now_ms;
            image.last_op_ms = tx.now_ms;
            tx.check_account(image.account)?;
            image.refs.sort_by_key(|r| r.backup_storage);
            for copy in &mut image.refs {
                copy.create_ms = tx.now_ms;
                copy.last_op_ms = tx.now_ms;
            }
            tx.put_image(&image, false)?;
            if tags.len() > TAGS_PER_RESOURCE_MAX {
                return Err(StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX });
            }
            for tag in &tags {
                tx.insert_tag(Tagged::Image(image.id), tag.system, &tag.text)?;
            }
            Ok(image)
        })
        .await
    }

    async fn image(&self, id: ImageId) -> Result<Option<Image>> {
        self.read(move |connection| read_image(connection, &id.to_string())).await
    }

    async fn update_image(&self, mut image: Image, seen_ms: i64) -> Result<Image> {
        self.write(move |tx| {
            let known = read_image(tx.connection, &image.id.to_string())?.ok_or(StoreError::NotFound)?;
            if known.last_op_ms != seen_ms {
                return Err(StoreError::Stale);
            }
            image.create_ms = known.create_ms;
            image.last_op_ms = tx.now_ms.max(seen_ms + 1);
            image.refs.sort_by_key(|r| r.backup_storage);
            tx.put_image(&image, true)?;
            Ok(image)
        })
        .await
    }

    async fn delete_image(&self, id: ImageId) -> Result<()> {
        self.write(move |tx| {
            let uuid = id.to_string();
            if tx.execute("DELETE FROM image WHERE uuid = ?1", [&uuid])? == 0 {
                return Err(StoreError::NotFound);
            }
            tx.execute("DELETE FROM image_ref WHERE image = ?1", [&uuid])?;
            tx.drop_tags(Tagged::Image(id))
        })
        .await
    }

    async fn abandon_image(&self, id: ImageId, job: JobId) -> Result<bool> {
        self.write(move |tx| {
            let uuid = id.to_string();
            if !read_image(tx.connection, &uuid)?.is_some_and(|image| image.is_made_by(job)) {
                return Ok(false);
            }
            tx.execute("DELETE FROM image WHERE uuid = ?1", [&uuid])?;
            tx.execute("DELETE FROM image_ref WHERE image = ?1", [&uuid])?;
            tx.drop_tags(Tagged::Image(id))?;
            Ok(true)
        })
        .await
    }

    async fn images_of_content(&self, blake3: &str) -> Result<Vec<Image>> {
        let blake3 = blake3.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "SELECT {IMAGE} FROM image AS j WHERE j.blake3 = ?1 ORDER BY j.create_ms, j.uuid
                 LIMIT {SAME_CONTENT_MAX}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_map([blake3], image_rows::image)?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

pub(super) fn read_backup_storage(connection: &Connection, id: &str) -> Result<Option<BackupStorage>> {
    let sql = format!("SELECT {BACKUP_STORAGE} FROM backup_storage AS j WHERE j.uuid = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id], image_rows::backup_storage).optional()?)
}

pub(super) fn read_image(connection: &Connection, id: &str) -> Result<Option<Image>> {
    let sql = format!("SELECT {IMAGE} FROM image AS j WHERE j.uuid = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id], image_rows::image).optional()?)
}

impl Tx<'_> {
    /// Stores a backup storage: a new one, or with `known` the new state of one that is there.
    fn put_backup_storage(&self, storage: &BackupStorage, known: bool) -> Result<()> {
        let pool = storage.pool.as_ref().map(serde_json::to_string);
        let pool = pool.transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let sql = if known {
            "UPDATE backup_storage SET name = ?2, description = ?3, kind = ?4, url = ?5, pool = ?6, host = ?7,
                host_name = ?8, username = ?9, ssh_port = ?10, state = ?11, status = ?12, total_bytes = ?13,
                available_bytes = ?14, create_ms = ?15, last_op_ms = ?16
             WHERE uuid = ?1"
        } else {
            "INSERT INTO backup_storage (uuid, name, description, kind, url, pool, host, host_name, username,
                ssh_port, state, status, total_bytes, available_bytes, create_ms, last_op_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        };
        taken_or(self.prepare(sql)?.execute(params![
            storage.id.to_string(),
            storage.name,
            storage.description,
            storage.kind.name(),
            storage.url,
            pool,
            storage.host.map(|h| h.to_string()),
            storage.host_name,
            storage.username,
            storage.ssh_port,
            storage.state.name(),
            storage.status,
            stored(storage.total_bytes),
            stored(storage.available_bytes),
            storage.create_ms,
            storage.last_op_ms,
        ]))?;
        Ok(())
    }

    /// Stores an image with its copies: a new one, or with `known` the new state of one that is there.
    pub(super) fn put_image(&self, image: &Image, known: bool) -> Result<()> {
        let sql = if known {
            "UPDATE image SET account = ?2, name = ?3, description = ?4, state = ?5, status = ?6, size = ?7,
                actual_size = ?8, md5 = ?9, blake3 = ?10, url = ?11, media_type = ?12, guest_os_type = ?13,
                platform = ?14, architecture = ?15, format = ?16, system = ?17, virtio = ?18,
                deleted_ms = ?19, create_ms = ?20, last_op_ms = ?21, job = ?22
             WHERE uuid = ?1"
        } else {
            "INSERT INTO image (uuid, account, name, description, state, status, size, actual_size, md5, blake3,
                url, media_type, guest_os_type, platform, architecture, format, system, virtio, deleted_ms,
                create_ms, last_op_ms, job)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                ?20, ?21, ?22)"
        };
        let uuid = image.id.to_string();
        taken_or(self.prepare(sql)?.execute(params![
            uuid,
            image.account.to_string(),
            image.name,
            image.description,
            derived::key_state(image.enabled),
            image.status.name(),
            stored(image.size),
            stored(image.actual_size),
            image.md5,
            image.blake3,
            image.url,
            image.media_type,
            image.guest_os_type,
            image.platform,
            image.architecture,
            image.format,
            image.system,
            image.virtio,
            image.deleted_ms,
            image.create_ms,
            image.last_op_ms,
            image.job.map(|job| job.to_string()),
        ]))?;
        self.execute("DELETE FROM image_ref WHERE image = ?1", [&uuid])?;
        for copy in &image.refs {
            let place = copy.backup_storage.to_string();
            if !self.exists("SELECT 1 FROM backup_storage WHERE uuid = ?1", [&place])? {
                return Err(StoreError::NotFound);
            }
            let more = (!copy.more_exports.is_empty()).then(|| serde_json::to_string(&copy.more_exports));
            let more = more.transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
            taken_or(
                self.prepare(
                    "INSERT INTO image_ref (image, backup_storage, install_path, status, export_url, export_md5,
                        create_ms, last_op_ms, more_exports)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    uuid,
                    place,
                    copy.install_path,
                    copy.status.name(),
                    copy.export_url,
                    copy.export_md5,
                    copy.create_ms,
                    copy.last_op_ms,
                    more,
                ]),
            )?;
        }
        Ok(())
    }
}
