//! Volumes on local storages: create, adopt in place, delete and recover, expunge, forget.

use std::path::{Path, PathBuf};

use longhaul_engine::Inventory;
use longhaul_model::resource::{Storage, StorageState, Trash, Volume};
use longhaul_model::{AccountId, Fault, StorageId, VolumeId};

use super::{blocking, open_root, trash};
use crate::storage::{self, DiskError, Format};

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

fn record(inventory: &Inventory, new: &NewVolume) -> Volume {
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

/// Makes an empty qcow2 volume of `size` bytes on `storage`; without a storage only the record.
///
/// # Errors
/// The storage takes none, or the disk refuses; nothing is left then.
pub async fn create(
    inventory: &Inventory,
    new: &NewVolume,
    size: u64,
    storage: Option<StorageId>,
) -> Result<Volume, Fault> {
    let mut volume = record(inventory, new);
    volume.size = size;
    let Some(storage) = storage else { return inventory.create_volume(volume).await };
    let storage = inventory.storage(storage, "primaryStorageUuid").await?;
    takes_volumes(&storage)?;
    let relative =
        PathBuf::from(format!("dataVolumes/acct-{}/vol-{}/{}.qcow2", new.account, volume.id, volume.id));
    let full = Path::new(&storage.url).join(&relative);
    let (url, made) = (storage.url.clone(), relative.clone());
    let actual = blocking(move || {
        let root = open_root(&url)?;
        storage::create_volume(&root, &made, Format::Qcow2, size)?;
        storage::actual_bytes(&root, &made)
    })
    .await?;
    volume.storage = Some(storage.id);
    volume.install_path = Some(full.to_string_lossy().into_owned());
    volume.format = Some(format_name(Format::Qcow2).to_owned());
    volume.actual_size = Some(actual);
    volume.status = "Ready".to_owned();
    match inventory.create_volume(volume).await {
        Ok(volume) => Ok(volume),
        Err(fault) => {
            // The record did not come about, so its file must not stay.
            trash::remove_file(&storage.url, &full.to_string_lossy()).await?;
            Err(fault)
        }
    }
}

/// Makes a file below a storage's root a volume, without copying a byte.
///
/// # Errors
/// It leads outside the root, is no usable image, lacks a backing file, or belongs to a volume already.
pub async fn adopt(
    inventory: &Inventory,
    new: &NewVolume,
    storage: StorageId,
    path: &str,
) -> Result<Volume, Fault> {
    let storage = inventory.storage(storage, "primaryStorageUuid").await?;
    takes_volumes(&storage)?;
    let (url, path) = (storage.url.clone(), path.to_owned());
    let (full, info) = blocking(move || {
        let root = open_root(&url)?;
        let relative = root.relative(Path::new(&path))?;
        let info = storage::probe(&root, &relative)?;
        storage::layers(&root, &relative, info.format)?;
        Ok((root.full(&relative), info))
    })
    .await?;
    let mut volume = record(inventory, new);
    volume.storage = Some(storage.id);
    volume.install_path = Some(full.to_string_lossy().into_owned());
    volume.format = Some(format_name(info.format).to_owned());
    volume.size = info.virtual_bytes;
    volume.actual_size = Some(info.actual_bytes);
    volume.status = "Ready".to_owned();
    inventory.create_volume(volume).await
}

/// Deletes a volume: its bytes stay until it is expunged.
///
/// # Errors
/// It is deleted already, in use, or a job works on it.
pub async fn delete(inventory: &Inventory, id: VolumeId) -> Result<(), Fault> {
    let now_ms = inventory.runtime().now_ms();
    inventory.refuse_worked_on(id).await?;
    refuse_held(&inventory.volume(id).await?).await?;
    inventory
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
pub async fn recover(inventory: &Inventory, id: VolumeId) -> Result<Volume, Fault> {
    inventory
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
pub async fn expunge(inventory: &Inventory, id: VolumeId) -> Result<(), Fault> {
    refuse_backing(inventory, &inventory.volume(id).await?).await?;
    let volume = inventory
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
    let Some((storage, path)) = volume.storage.zip(volume.install_path.clone()) else {
        return give_up_on_refusal(inventory, id).await;
    };
    let storage = inventory.storage(storage, "primaryStorageUuid").await?;
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
    let entry = inventory.add_trash(entry).await?;
    if let Err(fault) = give_up_on_refusal(inventory, id).await {
        inventory.remove_trash(entry.id).await?;
        return Err(fault);
    }
    trash::remove_file(&storage.url, &path).await?;
    inventory.remove_trash(entry.id).await
}

/// Removes the record; where a job works on it, it is a deleted volume as before.
async fn give_up_on_refusal(inventory: &Inventory, id: VolumeId) -> Result<(), Fault> {
    let Err(fault) = inventory.delete_volume(id).await else { return Ok(()) };
    let back = inventory.change_volume(id, |volume| {
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
pub async fn forget(inventory: &Inventory, id: VolumeId) -> Result<(), Fault> {
    inventory.volume(id).await?;
    inventory.delete_volume(id).await
}

async fn refuse_backing(inventory: &Inventory, volume: &Volume) -> Result<(), Fault> {
    let Some((storage, path)) = volume.storage.zip(volume.install_path.clone()) else { return Ok(()) };
    let url = inventory.storage(storage, "primaryStorageUuid").await?.url;
    blocking(move || storage::refuse_if_backing(&open_root(&url)?, Path::new(&path))).await
}

async fn refuse_held(volume: &Volume) -> Result<(), Fault> {
    let Some(path) = volume.install_path.clone() else { return Ok(()) };
    blocking(move || match storage::in_use(Path::new(&path)) {
        Ok(holders) if !holders.is_empty() => Err(DiskError::InUse(holders)),
        Ok(_) | Err(DiskError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    })
    .await
}
