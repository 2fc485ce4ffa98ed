//! Rows of backup storages and images as records. The copies of an image come with its row, as JSON.

use longhaul_model::resource::{
    BackupStorage, BackupStorageKind, Image, ImageRef, ImageStatus, StorageState,
};
use rusqlite::{Result, Row};

use super::rows::{count, damaged, id, maybe_id};
use crate::derived;

/// The columns of a backup storage, in the order that `backup_storage` reads them.
pub(super) const BACKUP_STORAGE: &str = "j.uuid, j.name, j.description, j.kind, j.url, j.pool, j.host,
    j.host_name, j.username, j.ssh_port, j.state, j.status, j.total_bytes, j.available_bytes, j.create_ms,
    j.last_op_ms";

pub(super) fn backup_storage(row: &Row<'_>) -> Result<BackupStorage> {
    let (kind, pool, state): (String, Option<String>, String) = (row.get(3)?, row.get(5)?, row.get(10)?);
    Ok(BackupStorage {
        id: id(row, 0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        kind: BackupStorageKind::from_name(&kind).ok_or_else(|| damaged(3, "a kind of backup storage"))?,
        url: row.get(4)?,
        pool: pool.map(|p| serde_json::from_str(&p)).transpose().map_err(|_| damaged(5, "a pool"))?,
        host: maybe_id(row, 6)?,
        elsewhere: None,
        host_name: row.get(7)?,
        username: row.get(8)?,
        ssh_port: row.get(9)?,
        state: StorageState::from_name(&state).ok_or_else(|| damaged(10, "a state"))?,
        status: row.get(11)?,
        total_bytes: count(row, 12)?,
        available_bytes: count(row, 13)?,
        create_ms: row.get(14)?,
        last_op_ms: row.get(15)?,
    })
}

/// The columns of an image, in the order that `image` reads them; the last are its copies.
pub(super) const IMAGE: &str = "j.uuid, j.account, j.name, j.description, j.state, j.status, j.size,
    j.actual_size, j.md5, j.blake3, j.url, j.media_type, j.guest_os_type, j.platform, j.architecture, j.format,
    j.system, j.virtio, j.deleted_ms, j.create_ms, j.last_op_ms, j.job,
    (SELECT json_group_array(json_array(r.backup_storage, r.install_path, r.status, r.export_url, r.export_md5,
            r.create_ms, r.last_op_ms, r.more_exports))
     FROM (SELECT * FROM image_ref WHERE image = j.uuid ORDER BY backup_storage) AS r)";

/// A copy as the last column has it.
type Copy = (String, String, String, Option<String>, Option<String>, i64, i64, Option<String>);

pub(super) fn image(row: &Row<'_>) -> Result<Image> {
    let (status, copies): (String, String) = (row.get(5)?, row.get(22)?);
    let copies: Vec<Copy> = serde_json::from_str(&copies).map_err(|_| damaged(22, "copies"))?;
    Ok(Image {
        id: id(row, 0)?,
        account: id(row, 1)?,
        job: maybe_id(row, 21)?,
        name: row.get(2)?,
        description: row.get(3)?,
        enabled: row.get_ref(4)?.as_str()? == derived::key_state(true),
        status: self::status(5, &status)?,
        size: count(row, 6)?,
        actual_size: count(row, 7)?,
        md5: row.get(8)?,
        blake3: row.get(9)?,
        url: row.get(10)?,
        media_type: row.get(11)?,
        guest_os_type: row.get(12)?,
        platform: row.get(13)?,
        architecture: row.get(14)?,
        format: row.get(15)?,
        system: row.get(16)?,
        virtio: row.get(17)?,
        deleted_ms: row.get(18)?,
        create_ms: row.get(19)?,
        last_op_ms: row.get(20)?,
        refs: copies.into_iter().map(copy).collect::<Result<_>>()?,
    })
}

fn status(column: usize, name: &str) -> Result<ImageStatus> {
    ImageStatus::from_name(name).ok_or_else(|| damaged(column, "a status"))
}

fn copy(of: Copy) -> Result<ImageRef> {
    let (place, install_path, name, export_url, export_md5, create_ms, last_op_ms, more) = of;
    let more = more.map(|more| serde_json::from_str(&more)).transpose();
    Ok(ImageRef {
        backup_storage: place.parse().map_err(|_| damaged(22, "an id"))?,
        install_path,
        status: status(22, &name)?,
        export_url,
        export_md5,
        more_exports: more.map_err(|_| damaged(22, "exports"))?.unwrap_or_default(),
        create_ms,
        last_op_ms,
    })
}
