//! Backup storages and images. Who puts a copy on a backup storage shares its row (`FOR KEY SHARE`), who deletes it
//! takes it alone, then looks what lies on it. What is written of images together with jobs too is in `beside`.

use async_trait::async_trait;
use longhaul_model::resource::{BackupStorage, Image, IntentKind, Tagged};
use longhaul_model::{BackupStorageId, ImageId, JobId, NewTag};

use super::image_rows::{self, BACKUP_STORAGE, IMAGE};
use super::rows::get;
use super::tx::Tx;
use super::value::params;
use super::{PostgresStore, Result};
use crate::images::{BackupStorageUpdate, SAME_CONTENT_MAX};
use crate::traits::TAGS_PER_RESOURCE_MAX;
use crate::{Images, StoreError};

#[async_trait]
impl Images for PostgresStore {
    async fn create_backup_storage(&self, storage: BackupStorage) -> Result<BackupStorage> {
        self.write(storage, |tx, storage| Box::pin(tx.create_backup_storage(storage.clone()))).await
    }

    async fn backup_storage(&self, id: BackupStorageId) -> Result<Option<BackupStorage>> {
        let sql = format!("SELECT {BACKUP_STORAGE} FROM backup_storage AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(image_rows::backup_storage).transpose()
    }

    async fn update_backup_storage(
        &self,
        id: BackupStorageId,
        update: BackupStorageUpdate,
    ) -> Result<BackupStorage> {
        self.write((id, update), |tx, (id, update)| Box::pin(tx.update_backup_storage(*id, update.clone())))
            .await
    }

    async fn delete_backup_storage(&self, id: BackupStorageId) -> Result<()> {
        self.write(id, |tx, id| Box::pin(tx.delete_backup_storage(*id))).await
    }

    async fn create_image(&self, image: Image, tags: &[NewTag]) -> Result<Image> {
        let once = tags.iter().enumerate().filter(|(at, tag)| !tags[..*at].contains(tag)).map(|(_, tag)| tag);
        let tags: Vec<NewTag> = once.cloned().collect();
        self.write((image, tags), |tx, (image, tags)| Box::pin(tx.create_image(image.clone(), tags))).await
    }

    async fn image(&self, id: ImageId) -> Result<Option<Image>> {
        let sql = format!("SELECT {IMAGE} FROM image AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(image_rows::image).transpose()
    }

    async fn update_image(&self, image: Image, seen_ms: i64) -> Result<Image> {
        self.write((image, seen_ms), |tx, (image, seen_ms)| {
            Box::pin(tx.update_image(image.clone(), *seen_ms))
        })
        .await
    }

    async fn delete_image(&self, id: ImageId) -> Result<()> {
        self.write(id, |tx, id| Box::pin(tx.delete_image(*id))).await
    }

    async fn abandon_image(&self, id: ImageId, job: JobId) -> Result<bool> {
        self.write((id, job), |tx, (id, job)| Box::pin(tx.abandon_image(*id, *job))).await
    }

    async fn images_of_content(&self, blake3: &str) -> Result<Vec<Image>> {
        let sql = format!(
            "SELECT {IMAGE} FROM image AS j WHERE j.blake3 = $1 ORDER BY j.create_ms, j.uuid
             LIMIT {SAME_CONTENT_MAX}"
        );
        self.read_rows(&sql, &params![blake3]).await?.iter().map(image_rows::image).collect()
    }
}

impl Tx {
    async fn create_backup_storage(&self, mut storage: BackupStorage) -> Result<BackupStorage> {
        storage.create_ms = self.now_ms();
        storage.last_op_ms = self.now_ms();
        self.put_backup_storage(&storage, false).await?;
        Ok(storage)
    }

    async fn update_backup_storage(
        &self,
        id: BackupStorageId,
        update: BackupStorageUpdate,
    ) -> Result<BackupStorage> {
        let sql =
            format!("SELECT {BACKUP_STORAGE} FROM backup_storage AS j WHERE j.uuid = $1 FOR NO KEY UPDATE");
        let known = self.locked(&sql, &params![id]).await?.ok_or(StoreError::NotFound)?;
        let mut storage = image_rows::backup_storage(&known)?;
        update.write_to(&mut storage, self.now_ms());
        self.put_backup_storage(&storage, true).await?;
        Ok(storage)
    }

    async fn delete_backup_storage(&self, id: BackupStorageId) -> Result<()> {
        let lock = "SELECT 1 FROM backup_storage WHERE uuid = $1 FOR UPDATE";
        self.first(lock, &params![id]).await?.ok_or(StoreError::NotFound)?;
        // In one statement, since a job's success makes a copy of what is in the ledger. Few intents are open at a
        // time: those of running jobs.
        let used = self
            .rows(
                "(SELECT image, NULL, NULL FROM image_ref WHERE backup_storage = $1 ORDER BY image LIMIT 1)
             UNION ALL SELECT NULL, kind, job FROM intent WHERE storage IS NULL",
                &params![id],
            )
            .await?;
        for row in used {
            if let Some(image) = get::<Option<&str>>(&row, 0)? {
                return Err(StoreError::InUse(format!("image[uuid:{image}]")));
            }
            let (kind, job): (&str, &str) = (get(&row, 1)?, get(&row, 2)?);
            let kind = serde_json::from_str(kind).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            match kind {
                IntentKind::ImageArtifact { backup_storage, .. } if backup_storage == id => {
                    return Err(StoreError::InUse(format!("work of job[uuid:{job}]")));
                }
                _ => {}
            }
        }
        self.execute("DELETE FROM backup_storage WHERE uuid = $1", &params![id]).await?;
        self.execute("DELETE FROM trash WHERE storage = $1", &params![id]).await?;
        self.drop_tags(Tagged::BackupStorage(id)).await
    }

    async fn create_image(&self, mut image: Image, tags: &[NewTag]) -> Result<Image> {
        image.create_ms = self.now_ms();
        image.last_op_ms = self.now_ms();
        image.refs.sort_by_key(|r| r.backup_storage);
        for copy in &mut image.refs {
            copy.create_ms = self.now_ms();
            copy.last_op_ms = self.now_ms();
        }
        self.hold_account(image.account).await?;
        self.put_image(&image, false).await?;
        if tags.len() > TAGS_PER_RESOURCE_MAX {
            return Err(StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX });
        }
        self.insert_tags(self.fresh_tags(Tagged::Image(image.id), tags)).await?;
        Ok(image)
    }

    async fn update_image(&self, mut image: Image, seen_ms: i64) -> Result<Image> {
        let known = self.locked_image(image.id).await?.ok_or(StoreError::NotFound)?;
        if known.last_op_ms != seen_ms {
            return Err(StoreError::Stale);
        }
        image.create_ms = known.create_ms;
        image.last_op_ms = self.now_ms().max(seen_ms + 1);
        image.refs.sort_by_key(|r| r.backup_storage);
        self.put_image(&image, true).await?;
        Ok(image)
    }

    async fn delete_image(&self, id: ImageId) -> Result<()> {
        if self.execute("DELETE FROM image WHERE uuid = $1", &params![id]).await? == 0 {
            return Err(StoreError::NotFound);
        }
        self.execute("DELETE FROM image_ref WHERE image = $1", &params![id]).await?;
        self.drop_tags(Tagged::Image(id)).await
    }

    async fn abandon_image(&self, id: ImageId, job: JobId) -> Result<bool> {
        if !self.locked_image(id).await?.is_some_and(|image| image.is_made_by(job)) {
            return Ok(false);
        }
        self.delete_image(id).await?;
        Ok(true)
    }

    /// Stores a backup storage: a new one, or with `known` the new state of one that is there.
    async fn put_backup_storage(&self, storage: &BackupStorage, known: bool) -> Result<()> {
        let pool = storage.pool.as_ref().map(serde_json::to_string);
        let pool = pool.transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let sql = if known {
            "UPDATE backup_storage SET name = $2, description = $3, kind = $4, url = $5, pool = $6, host = $7,
                host_name = $8, username = $9, ssh_port = $10, state = $11, status = $12, total_bytes = $13,
                available_bytes = $14, create_ms = $15, last_op_ms = $16
             WHERE uuid = $1"
        } else {
            "INSERT INTO backup_storage (uuid, name, description, kind, url, pool, host, host_name, username,
                ssh_port, state, status, total_bytes, available_bytes, create_ms, last_op_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        };
        let values = params![
            storage.id,
            &storage.name,
            storage.description.as_deref(),
            storage.kind.name(),
            &storage.url,
            pool,
            storage.host,
            storage.host_name.as_deref(),
            storage.username.as_deref(),
            storage.ssh_port,
            storage.state.name(),
            &storage.status,
            storage.total_bytes,
            storage.available_bytes,
            storage.create_ms,
            storage.last_op_ms,
        ];
        self.execute(sql, &values).await.map(|_| ())
    }
}
