//! Rows of backup storages and images as records. The copies of an image come with its row, as JSON.

use longhaul_model::resource::{
    BackupStorage, BackupStorageKind, Image, ImageRef, ImageStatus, StorageState,
};
use tokio_postgres::Row;

use super::Result;
use super::rows::{count, damaged, flag, get, id, maybe_id};
use crate::derived;

/// The columns of a backup storage, in the order that `backup_storage` reads them.
pub(super) const BACKUP_STORAGE: &str = "j.uuid, j.name, j.description, j.kind, j.url, j.pool, j.host,
    j.host_name, j.username, j.ssh_port, j.state, j.status, j.total_bytes, j.available_bytes, j.create_ms,
    j.last_op_ms";

pub(super) fn backup_storage(row: &Row) -> Result<BackupStorage> {
    let (kind, pool, state): (String, Option<String>, String) = (get(row, 3)?, get(row, 5)?, get(row, 10)?);
    Ok(BackupStorage {
        id: id(row, 0)?,
        name: get(row, 1)?,
        description: get(row, 2)?,
        kind: BackupStorageKind::from_name(&kind).ok_or_else(|| damaged(3, "a kind of backup storage"))?,
        url: get(row, 4)?,
        pool: pool.map(|p| serde_json::from_str(&p)).transpose().map_err(|_| damaged(5, "a pool"))?,
        host: maybe_id(row, 6)?,
        elsewhere: None,
        host_name: get(row, 7)?,
        username: get(row, 8)?,
        ssh_port: port(row, 9)?,
        state: StorageState::from_name(&state).ok_or_else(|| damaged(10, "a state"))?,
        status: get(row, 11)?,
        total_bytes: count(row, 12)?,
        available_bytes: count(row, 13)?,
        create_ms: get(row, 14)?,
        last_op_ms: get(row, 15)?,
    })
}

fn port(row: &Row, at: usize) -> Result<Option<u16>> {
    let number: Option<i64> = get(row, at)?;
    number.map(|n| u16::try_from(n).map_err(|_| damaged(at, "a port"))).transpose()
}

/// The columns of an image, in the order that `image` reads them; the last are its copies.
pub(super) const IMAGE: &str = "j.uuid, j.account, j.name, j.description, j.state, j.status, j.size,
    j.actual_size, j.md5, j.blake3, j.url, j.media_type, j.guest_os_type, j.platform, j.architecture, j.format,
    j.system, j.virtio, j.deleted_ms, j.create_ms, j.last_op_ms, j.job,
    (SELECT coalesce(json_agg(json_build_array(r.backup_storage, r.install_path, r.status, r.export_url,
            r.export_md5, r.create_ms, r.last_op_ms, r.more_exports) ORDER BY r.backup_storage), '[]')::TEXT
     FROM image_ref AS r WHERE r.image = j.uuid)";

/// A copy as the last column has it.
type Copy = (String, String, String, Option<String>, Option<String>, i64, i64, Option<String>);

pub(super) fn image(row: &Row) -> Result<Image> {
    let (status, copies): (String, String) = (get(row, 5)?, get(row, 22)?);
    let copies: Vec<Copy> = serde_json::from_str(&copies).map_err(|_| damaged(22, "copies"))?;
    Ok(Image {
        id: id(row, 0)?,
        account: id(row, 1)?,
        job: maybe_id(row, 21)?,
        name: get(row, 2)?,
        description: get(row, 3)?,
        enabled: get::<&str>(row, 4)? == derived::key_state(true),
        status: self::status(5, &status)?,
        size: count(row, 6)?,
        actual_size: count(row, 7)?,
        md5: get(row, 8)?,
        blake3: get(row, 9)?,
        url: get(row, 10)?,
        media_type: get(row, 11)?,
        guest_os_type: get(row, 12)?,
        platform: get(row, 13)?,
        architecture: get(row, 14)?,
        format: get(row, 15)?,
        system: flag(row, 16)?,
        virtio: flag(row, 17)?,
        deleted_ms: get(row, 18)?,
        create_ms: get(row, 19)?,
        last_op_ms: get(row, 20)?,
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
