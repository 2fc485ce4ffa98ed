//! Local storages: a directory of this host.

use std::path::{Path, PathBuf};

use longhaul_engine::Inventory;
use longhaul_engine::inventory::StorageUpdate;
use longhaul_model::resource::{Storage, StorageState, Volume};
use longhaul_model::{Fault, HostId, StorageId};

use super::{blocking, open_root};
use crate::storage::{self, DiskError, Found, Root};

/// The wire's name of a storage that is a directory of one host.
pub const LOCAL: &str = "LocalStorage";
/// Directories below which no storage may be.
const FORBIDDEN: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Most files one scan lists.
pub const SCAN_MAX: usize = 10_000;

/// A local storage to be added.
#[derive(Debug, Clone)]
pub struct NewLocal {
    /// The uuid, if the caller chooses it.
    pub id: Option<StorageId>,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// An absolute directory that exists.
    pub url: String,
}

/// Adds a directory of this host as a storage.
///
/// # Errors
/// The url is not an absolute directory that we may read, is below `/dev`, `/proc`, `/sys`, or is a storage
/// already, or one lies inside the other.
pub async fn add_local(inventory: &Inventory, host: HostId, new: NewLocal) -> Result<Storage, Fault> {
    if !new.url.starts_with('/') {
        return Err(Fault::invalid(format!(
            "the url[{}] is not an absolute path starting with '/'",
            new.url
        )));
    }
    if FORBIDDEN.iter().any(|f| Path::new(&new.url).starts_with(f)) {
        return Err(Fault::invalid(" the url contains an invalid folder[/dev or /proc or /sys]"));
    }
    let url = new.url.clone();
    let (path, capacity) = blocking(move || {
        let root = open_root(&url)?;
        Ok((root.path().to_owned(), storage::capacity(&root)?))
    })
    .await?;
    refuse_nested(inventory, &path).await?;
    let runtime = inventory.runtime();
    inventory
        .create_storage(Storage {
            id: new.id.unwrap_or_else(|| StorageId::random(&**runtime)),
            name: new.name,
            description: new.description,
            kind: LOCAL.to_owned(),
            url: path.to_string_lossy().into_owned(),
            host: Some(host),
            state: StorageState::Enabled,
            status: "Connected".to_owned(),
            total_bytes: capacity.total_bytes,
            available_bytes: capacity.available_bytes,
            create_ms: 0,
            last_op_ms: 0,
        })
        .await
}

/// A file below two storages could become two volumes.
async fn refuse_nested(inventory: &Inventory, path: &Path) -> Result<(), Fault> {
    for known in inventory.storages().await? {
        let other = Path::new(&known.url);
        if path != other && (path.starts_with(other) || other.starts_with(path)) {
            return Err(Fault::invalid(format!(
                "the url[{}] and that of primary storage[uuid:{}, name:{}], [{}], lie in each other; give directories side by side",
                path.display(),
                known.id,
                known.name,
                known.url
            )));
        }
    }
    Ok(())
}

/// The storage with its figures of this moment; unreachable ones are `Disconnected`.
///
/// # Errors
/// There is no such storage, or the store does not answer.
pub async fn refreshed(inventory: &Inventory, id: StorageId) -> Result<Storage, Fault> {
    let known = inventory.storage(id, "uuid").await?;
    let url = known.url.clone();
    let seen = blocking(move || storage::capacity(&open_root(&url)?)).await;
    let update = match seen {
        Ok(capacity) => StorageUpdate {
            capacity: Some((capacity.total_bytes, capacity.available_bytes)),
            status: Some("Connected".to_owned()),
            ..StorageUpdate::default()
        },
        Err(_) => StorageUpdate { status: Some("Disconnected".to_owned()), ..StorageUpdate::default() },
    };
    let same = update.status.as_deref() == Some(known.status.as_str())
        && update.capacity.is_none_or(|c| c == (known.total_bytes, known.available_bytes));
    if same { Ok(known) } else { inventory.update_storage(id, update).await }
}

/// What a scan found that is not as the records say.
#[derive(Debug)]
pub enum Item {
    /// A file that looks like a disk image and that no record points at.
    Unmanaged(Found),
    /// The file of this volume is gone.
    Missing(Box<Volume>),
    /// The file of this volume is not what the record says: why.
    Changed(Box<Volume>, String),
}

/// Compares the files of a storage with its records. Changes nothing.
///
/// # Errors
/// There is no such storage, or it cannot be read.
pub async fn scan(inventory: &Inventory, id: StorageId) -> Result<Vec<Item>, Fault> {
    let known = inventory.storage(id, "uuid").await?;
    let volumes = inventory.volumes_on(id).await?;
    let managed: Vec<PathBuf> = inventory.known_paths(id).await?.into_iter().map(PathBuf::from).collect();
    blocking(move || {
        let root = open_root(&known.url)?;
        let managed = managed.iter().map(|p| p.strip_prefix(root.path()).unwrap_or(p).to_owned()).collect();
        let mut items: Vec<Item> = volumes.into_iter().filter_map(|v| compare(&root, v)).collect();
        items.extend(storage::scan(&root, &managed)?.into_iter().map(Item::Unmanaged));
        items.truncate(SCAN_MAX);
        Ok(items)
    })
    .await
}

fn compare(root: &Root, volume: Volume) -> Option<Item> {
    let path = PathBuf::from(volume.install_path.as_deref()?);
    let seen = root.relative(&path).and_then(|relative| {
        let info = storage::probe(root, &relative)?;
        storage::layers(root, &relative, info.format).map_err(|error| match error {
            DiskError::NotFound(gone) => DiskError::bad_image(&path, format!("{} is gone", gone.display())),
            other => other,
        })?;
        Ok(info)
    });
    match seen {
        Err(DiskError::NotFound(_)) => Some(Item::Missing(Box::new(volume))),
        Err(error) => Some(Item::Changed(Box::new(volume), error.to_string())),
        Ok(info) => {
            let format = super::volumes::format_name(info.format);
            let same = info.virtual_bytes == volume.size && Some(format) == volume.format.as_deref();
            (!same).then(|| {
                let told = format!("the file is {format} of {} bytes", info.virtual_bytes);
                Item::Changed(Box::new(volume), told)
            })
        }
    }
}
