//! Storages, volumes, trash. The statements are in `resource_sql`.

use async_trait::async_trait;
use longhaul_model::resource::{IntentKind, Storage, Tagged, Trash, Volume};
use longhaul_model::{JobId, StorageId, VolumeId};

use super::resource_sql::{read_storage, read_volume};
use super::rows::{self, stored};
use super::{Result, SqliteStore, ledger};
use crate::traits::StorageUpdate;
use crate::{Resources, StoreError};

#[async_trait]
impl Resources for SqliteStore {
    async fn create_storage(&self, mut storage: Storage) -> Result<Storage> {
        self.write(move |tx| {
            storage.create_ms = tx.now_ms;
            storage.last_op_ms = tx.now_ms;
            tx.put_storage(&storage, false)?;
            Ok(storage)
        })
        .await
    }

    async fn storage(&self, id: StorageId) -> Result<Option<Storage>> {
        self.read(move |connection| read_storage(connection, &id.to_string())).await
    }

    async fn update_storage(&self, id: StorageId, update: StorageUpdate) -> Result<Storage> {
        self.write(move |tx| {
            let mut storage = read_storage(tx.connection, &id.to_string())?.ok_or(StoreError::NotFound)?;
            update.write_to(&mut storage, tx.now_ms);
            tx.put_storage(&storage, true)?;
            Ok(storage)
        })
        .await
    }

    async fn delete_storage(&self, id: StorageId) -> Result<()> {
        let tagged = Tagged::Storage(id);
        self.write(move |tx| {
            let id = id.to_string();
            if tx.execute("DELETE FROM storage WHERE uuid = ?1", [&id])? == 0 {
                return Err(StoreError::NotFound);
            }
            let text = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            if let Some(volume) =
                tx.first("SELECT uuid FROM volume WHERE storage = ?1 LIMIT 1", [&id], text)?
            {
                return Err(StoreError::InUse(format!("volume[uuid:{volume}]")));
            }
            if let Some(job) = tx.first("SELECT job FROM intent WHERE storage = ?1 LIMIT 1", [&id], text)? {
                return Err(StoreError::InUse(format!("work of job[uuid:{job}]")));
            }
            tx.execute("DELETE FROM trash WHERE storage = ?1", [&id])?;
            tx.drop_tags(tagged)
        })
        .await
    }

    async fn create_volume(&self, mut volume: Volume) -> Result<Volume> {
        self.write(move |tx| {
            volume.create_ms = tx.now_ms;
            volume.last_op_ms = tx.now_ms;
            tx.check_account(volume.account)?;
            if let Some(storage) = volume.storage
                && !tx.exists("SELECT 1 FROM storage WHERE uuid = ?1", [storage.to_string()])?
            {
                return Err(StoreError::NotFound);
            }
            tx.put_volume(&volume, false)?;
            tx.execute(
                "DELETE FROM trash WHERE storage = ?1 AND install_path = ?2",
                rusqlite::params![volume.storage.map(|s| s.to_string()), volume.install_path],
            )?;
            Ok(volume)
        })
        .await
    }

    async fn volume(&self, id: VolumeId) -> Result<Option<Volume>> {
        self.read(move |connection| read_volume(connection, &id.to_string())).await
    }

    async fn update_volume(&self, mut volume: Volume, seen_ms: i64) -> Result<Volume> {
        self.write(move |tx| {
            let known = read_volume(tx.connection, &volume.id.to_string())?.ok_or(StoreError::NotFound)?;
            if known.last_op_ms != seen_ms {
                return Err(StoreError::Stale);
            }
            volume.create_ms = known.create_ms;
            volume.last_op_ms = tx.now_ms.max(seen_ms + 1);
            tx.put_volume(&volume, true)?;
            Ok(volume)
        })
        .await
    }

    async fn delete_volume(&self, id: VolumeId, by: Option<JobId>) -> Result<()> {
        let (tagged, by) = (Tagged::Volume(id), by.map(|job| job.to_string()));
        self.write(move |tx| {
            let id = id.to_string();
            if tx.execute("DELETE FROM volume WHERE uuid = ?1", [&id])? == 0 {
                return Err(StoreError::NotFound);
            }
            let job = tx.first(
                "SELECT j.uuid FROM job_run AS r JOIN job AS j ON j.id = r.job WHERE r.target = ?1
                 ORDER BY r.place LIMIT 1",
                [&id],
                |row| row.get::<_, String>(0),
            )?;
            match job.filter(|job| by.as_ref() != Some(job)) {
                Some(job) => Err(StoreError::InUse(format!("job[uuid:{job}]"))),
                None => tx.drop_tags(tagged),
            }
        })
        .await
    }

    async fn trash(&self, storage: StorageId) -> Result<Vec<Trash>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, storage, resource_uuid, resource_type, install_path, size, kind, create_ms
                 FROM trash WHERE storage = ?1 ORDER BY id",
            )?;
            let found = statement.query_map([storage.to_string()], |row| {
                Ok(Trash {
                    id: rows::count(row, 0)?,
                    storage: rows::id(row, 1)?,
                    resource_uuid: row.get(2)?,
                    resource_type: row.get(3)?,
                    install_path: row.get(4)?,
                    size: rows::count(row, 5)?,
                    kind: row.get(6)?,
                    create_ms: row.get(7)?,
                })
            })?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn add_trash(&self, trash: Trash) -> Result<Trash> {
        self.write(move |tx| tx.put_trash(trash)).await
    }

    async fn remove_trash(&self, id: u64) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM trash WHERE id = ?1", [stored(id)])?;
            Ok(())
        })
        .await
    }

    async fn known_paths(&self, storage: StorageId) -> Result<Vec<String>> {
        self.read(move |connection| {
            let id = storage.to_string();
            let mut paths = std::collections::BTreeSet::new();
            // One transaction sees one moment: a path that passes from the ledger to a volume is in one of them.
            let _moment = connection.unchecked_transaction()?;
            let mut pointed = connection.prepare_cached(
                "SELECT install_path FROM volume WHERE storage = ?1 AND install_path IS NOT NULL
                 UNION SELECT install_path FROM trash WHERE storage = ?1",
            )?;
            for path in pointed.query_map([&id], |row| row.get::<_, String>(0))? {
                paths.insert(path?);
            }
            for intent in ledger::read(connection, "storage = ?1", &[&id])? {
                if let IntentKind::Artifact { path } = intent.kind {
                    paths.insert(path);
                }
            }
            Ok(paths.into_iter().collect())
        })
        .await
    }
}
