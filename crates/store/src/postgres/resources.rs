//! Storages, volumes, trash. Who puts something on a storage shares its row (`FOR KEY SHARE`), who deletes it takes it
//! alone, then looks what lies on it: so nothing comes to a storage that goes. What is written of volumes and trash
//! together with jobs too is in `beside`.

use async_trait::async_trait;
use longhaul_model::resource::{IntentKind, Storage, Tagged, Trash, Volume};
use longhaul_model::{JobId, StorageId, VolumeId};
use tokio_postgres::Row;

use super::rows::{self, STORAGE, VOLUME, count, get};
use super::tx::{Hold, Tx};
use super::value::params;
use super::{PostgresStore, Result};
use crate::traits::StorageUpdate;
use crate::{Resources, StoreError};

#[async_trait]
impl Resources for PostgresStore {
    async fn create_storage(&self, storage: Storage) -> Result<Storage> {
        self.write(storage, |tx, storage| Box::pin(tx.create_storage(storage.clone()))).await
    }

    async fn storage(&self, id: StorageId) -> Result<Option<Storage>> {
        let sql = format!("SELECT {STORAGE} FROM storage AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(rows::storage).transpose()
    }

    async fn update_storage(&self, id: StorageId, update: StorageUpdate) -> Result<Storage> {
        self.write((id, update), |tx, (id, update)| Box::pin(tx.update_storage(*id, update.clone()))).await
    }

    async fn delete_storage(&self, id: StorageId) -> Result<()> {
        self.write(id, |tx, id| Box::pin(tx.delete_storage(*id))).await
    }

    async fn create_volume(&self, volume: Volume) -> Result<Volume> {
        self.write(volume, |tx, volume| Box::pin(tx.create_volume(volume.clone()))).await
    }

    async fn volume(&self, id: VolumeId) -> Result<Option<Volume>> {
        let sql = format!("SELECT {VOLUME} FROM volume AS j WHERE j.uuid = $1");
        self.read_first(&sql, &params![id]).await?.as_ref().map(rows::volume).transpose()
    }

    async fn update_volume(&self, volume: Volume, seen_ms: i64) -> Result<Volume> {
        self.write((volume, seen_ms), |tx, (volume, seen_ms)| {
            Box::pin(tx.update_volume(volume.clone(), *seen_ms))
        })
        .await
    }

    async fn delete_volume(&self, id: VolumeId, by: Option<JobId>) -> Result<()> {
        self.write((id, by), |tx, (id, by)| Box::pin(tx.delete_volume(*id, *by))).await
    }

    async fn trash(&self, storage: StorageId) -> Result<Vec<Trash>> {
        let found = self.read_rows(
            "SELECT id, storage, resource_uuid, resource_type, install_path, size, kind, create_ms FROM trash
             WHERE storage = $1 ORDER BY id",
            &params![storage],
        )
        .await?;
        found.iter().map(read_trash).collect()
    }

    async fn add_trash(&self, trash: Trash) -> Result<Trash> {
        self.write(trash, |tx, trash| Box::pin(tx.put_trash(trash.clone()))).await
    }

    async fn remove_trash(&self, id: u64) -> Result<()> {
        self.write_one("DELETE FROM trash WHERE id = $1", &params![id]).await.map(|_| ())
    }

    async fn known_paths(&self, storage: StorageId) -> Result<Vec<String>> {
        // One statement sees one moment: a path that passes from the ledger to a volume is in one of them.
        let found = self
            .read_rows(
                "SELECT install_path, NULL FROM volume WHERE storage = $1 AND install_path IS NOT NULL
             UNION ALL SELECT install_path, NULL FROM trash WHERE storage = $1
             UNION ALL SELECT NULL, kind FROM intent WHERE storage = $1",
                &params![storage],
            )
            .await?;
        let mut paths = std::collections::BTreeSet::new();
        for row in found {
            if let Some(path) = get(&row, 0)? {
                paths.insert(path);
            }
            let kind: Option<&str> = get(&row, 1)?;
            let kind = kind.map(serde_json::from_str).transpose();
            if let Some(IntentKind::Artifact { path }) =
                kind.map_err(|error| StoreError::Corrupt(error.to_string()))?
            {
                paths.insert(path);
            }
        }
        Ok(paths.into_iter().collect())
    }
}

fn read_trash(row: &Row) -> Result<Trash> {
    Ok(Trash {
        id: count(row, 0)?,
        storage: rows::id(row, 1)?,
        resource_uuid: get(row, 2)?,
        resource_type: get(row, 3)?,
        install_path: get(row, 4)?,
        size: count(row, 5)?,
        kind: get(row, 6)?,
        create_ms: get(row, 7)?,
    })
}

impl Tx {
    async fn create_storage(&self, mut storage: Storage) -> Result<Storage> {
        storage.create_ms = self.now_ms();
        storage.last_op_ms = self.now_ms();
        self.put_storage(&storage, false).await?;
        Ok(storage)
    }

    async fn update_storage(&self, id: StorageId, update: StorageUpdate) -> Result<Storage> {
        let sql = format!("SELECT {STORAGE} FROM storage AS j WHERE j.uuid = $1 FOR NO KEY UPDATE");
        let known = self.locked(&sql, &params![id]).await?.ok_or(StoreError::NotFound)?;
        let mut storage = rows::storage(&known)?;
        update.write_to(&mut storage, self.now_ms());
        self.put_storage(&storage, true).await?;
        Ok(storage)
    }

    async fn delete_storage(&self, id: StorageId) -> Result<()> {
        let lock = "SELECT 1 FROM storage WHERE uuid = $1 FOR UPDATE";
        self.first(lock, &params![id]).await?.ok_or(StoreError::NotFound)?;
        // In one statement, since a job's success makes a volume of what is in the ledger.
        let used = self
            .first(
                "SELECT (SELECT uuid FROM volume WHERE storage = $1 LIMIT 1),
                (SELECT job FROM intent WHERE storage = $1 LIMIT 1)",
                &params![id],
            )
            .await?;
        if let Some(used) = used {
            if let Some(volume) = get::<Option<&str>>(&used, 0)? {
                return Err(StoreError::InUse(format!("volume[uuid:{volume}]")));
            }
            if let Some(job) = get::<Option<&str>>(&used, 1)? {
                return Err(StoreError::InUse(format!("work of job[uuid:{job}]")));
            }
        }
        self.execute("DELETE FROM storage WHERE uuid = $1", &params![id]).await?;
        self.execute("DELETE FROM trash WHERE storage = $1", &params![id]).await?;
        self.drop_tags(Tagged::Storage(id)).await
    }

    async fn create_volume(&self, mut volume: Volume) -> Result<Volume> {
        volume.create_ms = self.now_ms();
        volume.last_op_ms = self.now_ms();
        self.hold_account(volume.account).await?;
        if let Some(storage) = volume.storage {
            let hold = "SELECT 1 FROM storage WHERE uuid = $1 FOR KEY SHARE";
            self.first(hold, &params![storage]).await?.ok_or(StoreError::NotFound)?;
        }
        self.put_volume(&volume, false).await?;
        self.execute(
            "DELETE FROM trash WHERE storage = $1 AND install_path = $2",
            &params![volume.storage, volume.install_path.as_deref()],
        )
        .await?;
        Ok(volume)
    }

    async fn update_volume(&self, mut volume: Volume, seen_ms: i64) -> Result<Volume> {
        let known = self.locked_volume(volume.id).await?.ok_or(StoreError::NotFound)?;
        if known.last_op_ms != seen_ms {
            return Err(StoreError::Stale);
        }
        volume.create_ms = known.create_ms;
        volume.last_op_ms = self.now_ms().max(seen_ms + 1);
        self.put_volume(&volume, true).await?;
        Ok(volume)
    }

    async fn delete_volume(&self, id: VolumeId, by: Option<JobId>) -> Result<()> {
        // Before the row: so does whoever submits a job on it, or ends one.
        self.hold(Hold::Target, &id.to_string()).await?;
        let lock = "SELECT 1 FROM volume WHERE uuid = $1 FOR UPDATE";
        self.first(lock, &params![id]).await?.ok_or(StoreError::NotFound)?;
        let job = self
            .first(
                "SELECT j.uuid FROM job_run AS r
             CROSS JOIN LATERAL (SELECT uuid FROM job WHERE id = r.job OFFSET 0) AS j WHERE r.target = $1
             ORDER BY r.place LIMIT 1",
                &params![id],
            )
            .await?;
        if let Some(row) = job {
            let job: JobId = rows::id(&row, 0)?;
            if by != Some(job) {
                return Err(StoreError::InUse(format!("job[uuid:{job}]")));
            }
        }
        self.execute("DELETE FROM volume WHERE uuid = $1", &params![id]).await?;
        self.drop_tags(Tagged::Volume(id)).await
    }

    /// Stores a storage: a new one, or with `known` the new state of one that is there.
    async fn put_storage(&self, storage: &Storage, known: bool) -> Result<()> {
        let pool = storage.pool.as_ref().map(serde_json::to_string);
        let pool = pool.transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let sql = if known {
            "UPDATE storage SET name = $2, description = $3, kind = $4, url = $5, host = $6, state = $7,
                status = $8, total_bytes = $9, available_bytes = $10, create_ms = $11, last_op_ms = $12,
                mount = $13, pool = $14
             WHERE uuid = $1"
        } else {
            "INSERT INTO storage (uuid, name, description, kind, url, host, state, status, total_bytes,
                available_bytes, create_ms, last_op_ms, mount, pool)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        };
        let values = params![
            storage.id,
            &storage.name,
            storage.description.as_deref(),
            storage.kind.name(),
            &storage.url,
            storage.host,
            storage.state.name(),
            &storage.status,
            storage.total_bytes,
            storage.available_bytes,
            storage.create_ms,
            storage.last_op_ms,
            storage.mount.as_deref(),
            pool,
        ];
        self.execute(sql, &values).await.map(|_| ())
    }
}
