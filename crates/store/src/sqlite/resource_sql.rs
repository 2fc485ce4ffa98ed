//! The statements that write storages, volumes, trash, and the effects of a transition on them.

use longhaul_model::JobId;
use longhaul_model::resource::{Effect, Storage, Trash, Volume};
use rusqlite::{Connection, OptionalExtension, params};

use super::Result;
use super::identity::taken_or;
use super::images::read_image;
use super::rows::{self, stored};
use super::tx::Tx;
use crate::StoreError;

pub(super) fn read_storage(connection: &Connection, id: &str) -> Result<Option<Storage>> {
    let sql = format!("SELECT {} FROM storage AS j WHERE j.uuid = ?1", rows::STORAGE);
    Ok(connection.prepare_cached(&sql)?.query_row([id], rows::storage).optional()?)
}

pub(super) fn read_volume(connection: &Connection, id: &str) -> Result<Option<Volume>> {
    let sql = format!("SELECT {} FROM volume AS j WHERE j.uuid = ?1", rows::VOLUME);
    Ok(connection.prepare_cached(&sql)?.query_row([id], rows::volume).optional()?)
}

impl Tx<'_> {
    /// Stores a storage: a new one, or with `known` the new state of one that is there.
    pub(super) fn put_storage(&self, storage: &Storage, known: bool) -> Result<()> {
        let pool = storage.pool.as_ref().map(serde_json::to_string);
        let pool = pool.transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let sql = if known {
            "UPDATE storage SET name = ?2, description = ?3, kind = ?4, url = ?5, host = ?6, state = ?7,
                status = ?8, total_bytes = ?9, available_bytes = ?10, create_ms = ?11, last_op_ms = ?12,
                mount = ?13, pool = ?14
             WHERE uuid = ?1"
        } else {
            "INSERT INTO storage (uuid, name, description, kind, url, host, state, status, total_bytes,
                available_bytes, create_ms, last_op_ms, mount, pool)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        };
        taken_or(self.prepare(sql)?.execute(params![
            storage.id.to_string(),
            storage.name,
            storage.description,
            storage.kind.name(),
            storage.url,
            storage.host.map(|h| h.to_string()),
            storage.state.name(),
            storage.status,
            stored(storage.total_bytes),
            stored(storage.available_bytes),
            storage.create_ms,
            storage.last_op_ms,
            storage.mount,
            pool,
        ]))?;
        Ok(())
    }

    /// Stores a volume: a new one, or with `known` the new state of one that is there.
    pub(super) fn put_volume(&self, volume: &Volume, known: bool) -> Result<()> {
        let sql = if known {
            "UPDATE volume SET account = ?2, name = ?3, description = ?4, storage = ?5, install_path = ?6,
                kind = ?7, format = ?8, size = ?9, actual_size = ?10, state = ?11, status = ?12,
                deleted_ms = ?13, create_ms = ?14, last_op_ms = ?15
             WHERE uuid = ?1"
        } else {
            "INSERT INTO volume (uuid, account, name, description, storage, install_path, kind, format, size,
                actual_size, state, status, deleted_ms, create_ms, last_op_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        };
        taken_or(self.prepare(sql)?.execute(params![
            volume.id.to_string(),
            volume.account.to_string(),
            volume.name,
            volume.description,
            volume.storage.map(|s| s.to_string()),
            volume.install_path,
            volume.kind,
            volume.format,
            stored(volume.size),
            volume.actual_size.map(stored),
            volume.state,
            volume.status,
            volume.deleted_ms,
            volume.create_ms,
            volume.last_op_ms,
        ]))?;
        Ok(())
    }

    /// Enters trash under a new number.
    pub(super) fn put_trash(&self, mut trash: Trash) -> Result<Trash> {
        trash.create_ms = self.now_ms;
        self.execute(
            "INSERT INTO trash (storage, resource_uuid, resource_type, install_path, size, kind, create_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                trash.storage.to_string(),
                trash.resource_uuid,
                trash.resource_type,
                trash.install_path,
                stored(trash.size),
                trash.kind,
                trash.create_ms,
            ],
        )?;
        trash.id = u64::try_from(self.connection.last_insert_rowid()).unwrap_or(0);
        Ok(trash)
    }

    /// Whether a transition of `job` may have these effects: an image becomes Ready by the job that makes it.
    pub(super) fn check_effects(&self, effects: &[Effect], job: JobId) -> Result<()> {
        for effect in effects {
            if let Effect::SetImageReady { image, .. } = effect {
                let known = read_image(self.connection, &image.to_string())?.ok_or(StoreError::NotFound)?;
                if !known.is_made_by(job) {
                    return Err(StoreError::Taken);
                }
            }
        }
        Ok(())
    }

    /// Does an effect of a transition.
    pub(super) fn do_effect(&self, effect: Effect) -> Result<()> {
        match effect {
            Effect::MoveVolume { volume, storage, install_path, format, actual_size } => {
                let id = volume.to_string();
                let mut record = read_volume(self.connection, &id)?.ok_or(StoreError::NotFound)?;
                record.storage = Some(storage);
                record.install_path = Some(install_path);
                record.format = Some(format);
                record.actual_size = Some(actual_size);
                record.make_ready();
                record.last_op_ms = self.now_ms.max(record.last_op_ms + 1);
                self.put_volume(&record, true)
            }
            Effect::AddTrash(trash) => self.put_trash(trash).map(|_| ()),
            Effect::SetImageReady { image, backup_storage, install_path, facts } => {
                let id = image.to_string();
                let mut record = read_image(self.connection, &id)?.ok_or(StoreError::NotFound)?;
                record.make_ready(backup_storage, &install_path, &facts, self.now_ms);
                record.last_op_ms = self.now_ms.max(record.last_op_ms + 1);
                self.put_image(&record, true)
            }
            Effect::MoveImage { image, from, to, install_path, format } => {
                let id = image.to_string();
                let mut record = read_image(self.connection, &id)?.ok_or(StoreError::NotFound)?;
                if record.on(from).is_none() {
                    return Err(StoreError::NotFound);
                }
                if record.on(to).is_some() {
                    return Err(StoreError::Taken);
                }
                record.move_copy(from, to, &install_path, &format, self.now_ms);
                record.last_op_ms = self.now_ms.max(record.last_op_ms + 1);
                self.put_image(&record, true)
            }
            Effect::LedgerDone(id) => {
                self.execute("DELETE FROM intent WHERE id = ?1", [stored(id)])?;
                Ok(())
            }
        }
    }
}
