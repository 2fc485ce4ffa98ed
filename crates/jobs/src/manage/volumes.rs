//! Volumes: create, adopt in place, delete and recover, expunge, forget.

use std::path::Path;

use longhaul_model::resource::{Storage, StorageState, Trash, Volume};
use longhaul_model::{AccountId, Code, Fault, StorageId, VolumeId};

use super::Desk;
use crate::storage::Format;

/// What the bytes of an expunged volume are in the trash, for as long as they are there.
pub const EXPUNGED: &str = "ExpungeVolume";

/// A volume to be made or adopted.
#[derive(Debug, Clone)]
pub struct NewVolume {
    /// The uuid, if the caller chooses it.
    pub id: Option<VolumeId>,
    /// Whose.
    pub account: AccountId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
}

fn record(inventory: &longhaul_engine::Inventory, new: &NewVolume) -> Volume {
    Volume {
        id: new.id.unwrap_or_else(|| VolumeId::random(&**inventory.runtime())),
        account: new.account,
        name: new.name.clone(),
        description: new.description.clone(),
        storage: None,
        install_path: None,
        kind: "Data".to_owned(),
        format: None,
        size: 0,
        actual_size: Some(0),
        state: "Enabled".to_owned(),
        status: "NotInstantiated".to_owned(),
        deleted_ms: None,
        create_ms: 0,
        last_op_ms: 0,
    }
}

/// The wire's name of a format.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    }
}

/// The format of that name; raw where there is none.
pub(crate) fn format_of(name: Option<&str>) -> Format {
    if name == Some("qcow2") { Format::Qcow2 } else { Format::Raw }
}

/// Refuses a storage that takes no new volume.
///
/// # Errors
/// It is Disabled or in Maintenance.
pub fn takes_volumes(storage: &Storage) -> Result<(), Fault> {
    if storage.state == StorageState::Enabled {
        return Ok(());
    }
    Err(Fault::failed(format!(
        "primary storage[uuid:{}] is {}; enable it or choose another",
        storage.id,
        storage.state.name()
    )))
}

/// Refuses to begin or go on with work on a storage that is in Maintenance. A Disabled one takes no new work and
/// lets that go on which was taken.
///
/// # Errors
/// `StorageAway`: the job is Suspended, its checkpoint stays, and it goes on by itself once the storage is enabled.
pub fn lets_work_go_on(storage: &Storage) -> Result<(), Fault> {
    if storage.state != StorageState::Maintenance {
        return Ok(());
    }
    Err(Fault::new(
        Code::StorageAway,
        format!("primary storage[uuid:{}] is in Maintenance; enable it and the job goes on", storage.id),
    ))
}

/// Makes an empty qcow2 volume of `size` bytes on `storage`; without a storage only the record.
///
/// # Errors
/// The storage takes none, or the disk refuses; nothing is left then.
pub async fn create(
    desk: &Desk,
    new: &NewVolume,
    size: u64,
    storage: Option<StorageId>,
) -> Result<Volume, Fault> {
    let mut volume = record(&desk.inventory, new);
    volume.size = size;
    let Some(storage) = storage else { return desk.inventory.create_volume(volume).await };
    let storage = desk.inventory.storage(storage, "primaryStorageUuid").await?;
    takes_volumes(&storage)?;
    let name = format!("dataVolumes/acct-{}/vol-{}/{}.qcow2", new.account, volume.id, volume.id);
    let (path, actual) = desk.create(&storage, Path::new(&name), size).await?;
    volume.storage = Some(storage.id);
    volume.install_path = Some(path.clone());
    let format = if storage.pool.is_some() { Format::Raw } else { Format::Qcow2 };
    volume.format = Some(format_name(format).to_owned());
    volume.actual_size = Some(actual);
    volume.status = "Ready".to_owned();
    match desk.inventory.create_volume(volume).await {
        Ok(volume) => Ok(volume),
        Err(fault) => {
            // The record did not come about, so its file must not stay.
            desk.remove(&storage, &path, None).await?;
            Err(fault)
        }
    }
}

/// Makes a file below a storage's root a volume, without copying a byte. If it was in the trash, it is so no
/// more. `format` is that of the file, where its first bytes are not to decide.
///
/// # Errors
/// It leads outside the root, is no usable image, lacks a backing file, or belongs to a volume already.
pub async fn adopt(
    desk: &Desk,
    new: &NewVolume,
    storage: StorageId,
    path: &str,
    format: Option<Format>,
) -> Result<Volume, Fault> {
    let storage = desk.inventory.storage(storage, "primaryStorageUuid").await?;
    takes_volumes(&storage)?;
    let (disk, held) = desk.hold(&storage, path, format).await?;
    let mut volume = record(&desk.inventory, new);
    volume.storage = Some(storage.id);
    volume.install_path = Some(disk.path);
    volume.format = Some(format_name(disk.info.format).to_owned());
    volume.size = disk.info.virtual_bytes;
    volume.actual_size = Some(disk.info.actual_bytes);
    volume.status = "Ready".to_owned();
    let adopted = desk.inventory.create_volume(volume).await;
    drop(held); // until the record is there, nobody removes the file
    adopted
}

/// Deletes a volume: its bytes stay until it is expunged.
///
/// # Errors
/// It is deleted already, in use, or a job works on it.
pub async fn delete(desk: &Desk, id: VolumeId) -> Result<(), Fault> {
    let now_ms = desk.inventory.runtime().now_ms();
    desk.inventory.refuse_worked_on(id).await?;
    if let Some((storage, path)) = bytes_of(desk, &desk.inventory.volume(id).await?).await? {
        desk.refuse_held(&storage, &path).await?;
    }
    desk.inventory
        .change_volume(id, |volume| {
            if volume.deleted_ms.is_some() {
                return Err(Fault::failed(format!("volume[uuid:{id}] is already in status of deleted")));
            }
            volume.deleted_ms = Some(now_ms);
            volume.status = "Deleted".to_owned();
            Ok(())
        })
        .await
        .map(|_| ())
}

/// Takes a deletion back.
///
/// # Errors
/// It is not deleted.
pub async fn recover(desk: &Desk, id: VolumeId) -> Result<Volume, Fault> {
    desk.inventory
        .change_volume(id, |volume| {
            if volume.status == EXPUNGING || volume.deleted_ms.take().is_none() {
                return Err(Fault::failed(format!(
                    "the volume[uuid:{id}] is not in status of deleted. This is operation is to recover a deleted data volume"
                )));
            }
            let made = volume.install_path.is_some();
            volume.status = if made { "Ready" } else { "NotInstantiated" }.to_owned();
            Ok(())
        })
        .await
}

/// The status of a volume that is being expunged: it cannot be recovered any more.
const EXPUNGING: &str = "Expunging";

/// Removes the record and the bytes of a deleted volume. First the record is claimed, so that a recover
/// and an expunge cannot both win; then it goes, unless a job works on it; the bytes go last, and are trash
/// until they are gone.
///
/// # Errors
/// It is not deleted, a job works on it, or other images are made of it: nothing is touched. Bytes that a
/// process holds stay in the trash.
pub async fn expunge(desk: &Desk, id: VolumeId) -> Result<(), Fault> {
    if let Some((storage, path)) = bytes_of(desk, &desk.inventory.volume(id).await?).await? {
        desk.refuse_backing(&storage, &path).await?;
    }
    let volume = desk
        .inventory
        .change_volume(id, |volume| {
            if volume.deleted_ms.is_none() {
                return Err(Fault::failed(format!(
                    "the volume[uuid:{id}, name:{}] is not deleted yet, can't expunge it",
                    volume.name
                )));
            }
            volume.status = EXPUNGING.to_owned();
            Ok(())
        })
        .await?;
    let Some((storage, path)) = bytes_of(desk, &volume).await? else {
        return give_up_on_refusal(desk, id).await;
    };
    let entry = Trash {
        id: 0,
        storage: storage.id,
        resource_uuid: id.to_string(),
        resource_type: "VolumeVO".to_owned(),
        install_path: path.clone(),
        size: volume.actual_size.unwrap_or(0),
        kind: EXPUNGED.to_owned(),
        create_ms: 0,
    };
    let entry = desk.inventory.add_trash(entry).await?;
    if let Err(fault) = give_up_on_refusal(desk, id).await {
        desk.inventory.remove_trash(entry.id).await?;
        return Err(fault);
    }
    desk.remove(&storage, &path, None).await?;
    desk.inventory.remove_trash(entry.id).await
}

/// Removes the record; where a job works on it, it is a deleted volume as before.
async fn give_up_on_refusal(desk: &Desk, id: VolumeId) -> Result<(), Fault> {
    let Err(fault) = desk.inventory.delete_volume(id, None).await else { return Ok(()) };
    let back = desk.inventory.change_volume(id, |volume| {
        volume.status = "Deleted".to_owned();
        Ok(())
    });
    back.await?;
    Err(fault)
}

/// Drops the record of a volume and touches no file.
///
/// # Errors
/// A job works on it.
pub async fn forget(desk: &Desk, id: VolumeId) -> Result<(), Fault> {
    desk.inventory.volume(id).await?;
    desk.inventory.delete_volume(id, None).await
}

/// The storage and the path of a volume's bytes, if it has any.
async fn bytes_of(desk: &Desk, volume: &Volume) -> Result<Option<(Storage, String)>, Fault> {
    let Some((storage, path)) = volume.storage.zip(volume.install_path.clone()) else { return Ok(None) };
    Ok(Some((desk.inventory.storage(storage, "primaryStorageUuid").await?, path)))
}
