//! Primary storages: add a directory, remove one, look how it is, compare it with the records.

use std::path::{Path, PathBuf};

use longhaul_engine::Inventory;
use longhaul_engine::inventory::StorageUpdate;
use longhaul_model::resource::{CephPool, Storage, StorageKind, StorageState, Volume};
use longhaul_model::{Code, Fault, HostId, StorageId};

use super::fault::from_disk;
use super::{Desk, blocking, open_root, refuse_elsewhere};
use crate::storage::{self, DiskError, Found, Root, shared};

/// Directories below which no storage may be.
const FORBIDDEN: [&str; 3] = ["/dev", "/proc", "/sys"];
/// A watched storage's free room is written down when it changed by more than this part of the storage.
const WATCH_SHARE: u64 = 256;
/// Most files one scan lists.
pub const SCAN_MAX: usize = 10_000;

/// A directory to be added as a storage.
#[derive(Debug, Clone)]
pub struct NewDirectory {
    /// The uuid, if the caller chooses it.
    pub id: Option<StorageId>,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// An absolute directory that exists; for `Nfs` the export that is mounted on this host, `host:/path`.
    pub url: String,
}

/// Adds a directory as a storage and marks it, so that nothing else that is found under its path is taken for
/// it, and no other server or path makes it a storage twice. `Local` belongs to `host`.
///
/// # Errors
/// The url is not an absolute directory that we may read and write, is below `/dev`, `/proc`, `/sys`, is not
/// mounted, or is a storage already, or one lies inside the other.
pub async fn add_directory(
    desk: &Desk,
    host: HostId,
    kind: StorageKind,
    new: NewDirectory,
) -> Result<Storage, Fault> {
    let mount = if kind == StorageKind::Nfs { Some(mounted(&new.url).await?) } else { None };
    let directory = mount.clone().unwrap_or_else(|| new.url.clone());
    if !directory.starts_with('/') {
        return Err(Fault::invalid(format!(
            "the url[{directory}] is not an absolute path starting with '/'"
        )));
    }
    if FORBIDDEN.iter().any(|f| Path::new(&directory).starts_with(f)) {
        return Err(Fault::invalid(" the url contains an invalid folder[/dev or /proc or /sys]"));
    }
    let (path, capacity) = blocking(move || {
        let root = Root::open(Path::new(&directory))?;
        Ok((root.path().to_owned(), storage::capacity(&root)?))
    })
    .await?;
    let inventory = &desk.inventory;
    refuse_nested(inventory, &path).await?;
    super::backup_storages::refuse_inside(desk, &path, true).await?;
    let id = new.id.unwrap_or_else(|| StorageId::random(&**inventory.runtime()));
    let known = inventory.storages().await?.into_iter().any(|s| s.directory().map(Path::new) == Some(&*path));
    let marked = path.clone();
    if !known {
        blocking(move || shared::mark(&Root::open(&marked)?, &id.to_string())).await?;
    }
    let directory = path.to_string_lossy().into_owned();
    let created = inventory.create_storage(Storage {
        id,
        name: new.name,
        description: new.description,
        kind,
        url: if mount.is_some() { new.url } else { directory.clone() },
        mount: mount.map(|_| directory),
        pool: None,
        host: (kind == StorageKind::Local).then_some(host),
        elsewhere: None,
        state: StorageState::Enabled,
        status: "Connected".to_owned(),
        total_bytes: capacity.total_bytes,
        available_bytes: capacity.available_bytes,
        create_ms: 0,
        last_op_ms: 0,
    });
    match created.await {
        Err(fault) if !known => {
            // The directory is not the storage's after all.
            blocking(move || shared::unmark(&Root::open(&path)?, &id.to_string())).await?;
            Err(fault)
        }
        other => other,
    }
}

/// A pool to be added as a storage.
#[derive(Debug, Clone)]
pub struct NewPool {
    /// The uuid, if the caller chooses it.
    pub id: Option<StorageId>,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// How it is reached; its fsid is found out.
    pub pool: CephPool,
}

/// Adds a pool of RBD images as a storage.
///
/// # Errors
/// The cluster does not answer, the pool is not there, or it is a storage already.
pub async fn add_pool(desk: &Desk, new: NewPool) -> Result<Storage, Fault> {
    let mut pool = new.pool;
    pool.fsid = desk.fsid(&pool).await?;
    let capacity = desk.pool_capacity(&pool).await?;
    let inventory = &desk.inventory;
    let url = format!("ceph://{}/{}", pool.fsid, pool.pool);
    if let Some(known) = inventory.backup_storages().await?.iter().find(|known| known.url == url) {
        return Err(Fault::invalid(format!(
            "the pool[{}] is backup storage[uuid:{}, name:{}] already; give volumes a pool of their own",
            pool.pool, known.id, known.name
        )));
    }
    let created = inventory.create_storage(Storage {
        id: new.id.unwrap_or_else(|| StorageId::random(&**inventory.runtime())),
        name: new.name,
        description: new.description,
        kind: StorageKind::Ceph,
        url,
        mount: None,
        pool: Some(pool),
        host: None,
        elsewhere: None,
        state: StorageState::Enabled,
        status: "Connected".to_owned(),
        total_bytes: capacity.total_bytes,
        available_bytes: capacity.available_bytes,
        create_ms: 0,
        last_op_ms: 0,
    });
    created.await
}

/// Marks the directories of storages that were added before there were marks, where a file is there that a record points
/// at. Nothing tells another one from an empty mount point.
///
/// # Errors
/// The store does not answer. A directory that cannot be marked is told in the log and stays away.
pub async fn mark_known(desk: &Desk) -> Result<(), Fault> {
    for storage in desk.inventory.storages().await? {
        let Some(directory) = storage.directory().map(str::to_owned) else { continue };
        if storage.elsewhere.is_some() {
            continue;
        }
        let paths = desk.inventory.known_paths(storage.id).await?;
        let marked = blocking(move || {
            let root = Root::open(Path::new(&directory))?;
            let unmarked = !root.path().join(shared::MARK).exists();
            if unmarked && paths.iter().any(|path| Path::new(path).exists()) {
                shared::mark(&root, &storage.id.to_string())?;
            }
            Ok(())
        });
        if let Err(fault) = marked.await {
            tracing::warn!(storage = %storage.id, %fault, "a primary storage could not be marked");
        }
    }
    Ok(())
}

/// Where an export is mounted on this host.
async fn mounted(export: &str) -> Result<String, Fault> {
    let valid = export.split_once(":/").is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'));
    if !valid {
        return Err(Fault::invalid(format!("the url[{export}] is not an export; give it as host:/path")));
    }
    let asked = export.to_owned();
    let found = tokio::task::spawn_blocking(move || shared::mount_point(&asked)).await;
    match found {
        Ok(Ok(point)) => Ok(point),
        Ok(Err(DiskError::NotFound(_))) => Err(Fault::invalid(format!(
            "the export[{export}] is not mounted on this host; mount it first (mount -t nfs {export} /mnt/…), on every node at the same place"
        ))),
        Ok(Err(error)) => Err(from_disk(error)),
        Err(_) => Err(Fault::internal("looking for the mount point broke off")),
    }
}

/// Removes a storage's record, and the mark of a shared directory; no disk is touched. An unknown one is no
/// error. The records of its trash go with it, which has to be said: `with_trash`.
///
/// # Errors
/// Something lies on it; there is trash, and that was not said.
pub async fn delete(desk: &Desk, id: StorageId, with_trash: bool) -> Result<(), Fault> {
    let known = match desk.inventory.storage(id, "uuid").await {
        Ok(known) => known,
        Err(fault) if fault.code == Code::NotFound => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let trash = desk.inventory.trash(id).await?;
    if !with_trash && !trash.is_empty() {
        let bytes: u64 = trash.iter().map(|item| item.size).sum();
        return Err(Fault::failed(format!(
            "primary storage[uuid:{id}] still has {} items of {bytes} bytes in its trash; clean them first, or delete it \
             with deleteMode Enforcing: their records go with it, their files stay and are nobody's",
            trash.len()
        )));
    }
    desk.inventory.delete_storage(id).await?;
    for item in trash {
        tracing::warn!(storage = %id, path = %item.install_path, bytes = item.size, "the record of trash went with its primary storage; its file stays");
    }
    if let Some(said) = &known.elsewhere {
        tracing::warn!(storage = %id, said, "the mark of a deleted primary storage stays in its directory");
    } else if let Some(directory) = known.directory().map(str::to_owned) {
        let gone = blocking(move || shared::unmark(&Root::open(Path::new(&directory))?, &id.to_string()));
        if let Err(fault) = gone.await {
            // The record is gone, which is what was asked; a later addition tells of the mark.
            tracing::warn!(storage = %id, %fault, "the mark of a deleted primary storage could not be removed");
        }
    }
    Ok(())
}

/// A file below two storages could become two volumes.
async fn refuse_nested(inventory: &Inventory, path: &Path) -> Result<(), Fault> {
    for known in inventory.storages().await? {
        let Some(other) = known.directory().map(Path::new) else { continue };
        if path != other && (path.starts_with(other) || other.starts_with(path)) {
            return Err(Fault::invalid(format!(
                "the url[{}] and that of primary storage[uuid:{}, name:{}], [{}], lie in each other; give directories side by side",
                path.display(),
                known.id,
                known.name,
                other.display()
            )));
        }
    }
    Ok(())
}

/// The storage with its figures of this moment; unreachable ones are `Disconnected`.
///
/// # Errors
/// There is no such storage, it is a directory of another host, or the store does not answer.
pub async fn refreshed(desk: &Desk, id: StorageId) -> Result<Storage, Fault> {
    looked_at(desk, id, 0).await
}

/// The same, but what changed by less than a `WATCH_SHARE`th of the storage is not written down.
///
/// # Errors
/// As `refreshed`.
pub async fn watched(desk: &Desk, id: StorageId) -> Result<Storage, Fault> {
    looked_at(desk, id, WATCH_SHARE).await
}

async fn looked_at(desk: &Desk, id: StorageId, share: u64) -> Result<Storage, Fault> {
    let known = desk.inventory.storage(id, "uuid").await?;
    // How it is, only its host can tell.
    refuse_elsewhere(&known.url, known.elsewhere.as_deref()).map_err(from_disk)?;
    let seen = desk.capacity(&known).await;
    let status = if seen.is_ok() { "Connected" } else { "Disconnected" };
    let capacity = seen.ok().map(|c| (c.total_bytes, c.available_bytes));
    let worth_noting = capacity.is_some_and(|(total, available)| {
        let ignored = total.checked_div(share).unwrap_or(0);
        total != known.total_bytes || available.abs_diff(known.available_bytes) > ignored
    });
    if known.status == status && !worth_noting {
        return Ok(known);
    }
    let update = StorageUpdate { capacity, status: Some(status.to_owned()), ..StorageUpdate::default() };
    desk.inventory.update_storage(id, update).await
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
pub async fn scan(desk: &Desk, id: StorageId) -> Result<Vec<Item>, Fault> {
    let inventory = &desk.inventory;
    let known = inventory.storage(id, "uuid").await?;
    let volumes = inventory.volumes_on(id).await?;
    if let Some(pool) = &known.pool {
        return scan_pool(desk, id, pool, volumes).await;
    }
    let managed: Vec<PathBuf> = inventory.known_paths(id).await?.into_iter().map(PathBuf::from).collect();
    blocking(move || {
        let root = open_root(&known)?;
        let managed = managed.iter().map(|p| p.strip_prefix(root.path()).unwrap_or(p).to_owned()).collect();
        let mut items: Vec<Item> = volumes.into_iter().filter_map(|v| compare(&root, v)).collect();
        items.extend(storage::scan(&root, &managed)?.into_iter().map(Item::Unmanaged));
        items.truncate(SCAN_MAX);
        Ok(items)
    })
    .await
}

async fn scan_pool(
    desk: &Desk,
    id: StorageId,
    pool: &CephPool,
    volumes: Vec<Volume>,
) -> Result<Vec<Item>, Fault> {
    let mut items = Vec::new();
    for volume in volumes {
        let Some(path) = volume.install_path.clone() else { continue };
        match desk.image(pool, &path).await {
            Ok(facts) if facts.bytes == volume.size => {}
            Ok(facts) => {
                let told = format!("the image has {} bytes", facts.bytes);
                items.push(Item::Changed(Box::new(volume), told));
            }
            Err(fault) if fault.code == Code::StorageAway => return Err(fault),
            Err(_) => items.push(Item::Missing(Box::new(volume))),
        }
    }
    let known = desk.inventory.known_paths(id).await?;
    let found = desk.pool_scan(pool, &known).await?;
    items.extend(
        found.into_iter().map(|disk| Item::Unmanaged(Found { path: disk.path.into(), image: Ok(disk.info) })),
    );
    items.truncate(SCAN_MAX);
    Ok(items)
}

fn compare(root: &Root, volume: Volume) -> Option<Item> {
    let path = PathBuf::from(volume.install_path.as_deref()?);
    let seen = root.relative(&path).and_then(|relative| {
        let recorded = super::volumes::format_of(volume.format.as_deref());
        let info = storage::probe_as(root, &relative, Some(recorded))?;
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
