//! Backup storages: add a directory, look how it is, remove one; which of them take a new image.

use std::path::{Path, PathBuf};

use longhaul_engine::inventory::BackupStorageUpdate;
use longhaul_model::resource::{BackupStorage, BackupStorageKind, CephPool, StorageState};
use longhaul_model::{BackupStorageId, Code, Fault, HostId};

use super::fault::from_disk;
use super::{Desk, blocking, refuse_elsewhere};
use crate::storage::{self, Capacity, DiskError, Root, shared};

/// A directory to be added as a backup storage.
#[derive(Debug, Clone)]
pub struct NewImageStore {
    /// The uuid, if the caller chooses it.
    pub id: Option<BackupStorageId>,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// An absolute directory that exists.
    pub url: String,
    /// What is shown of where it is, by whose hand.
    pub host_name: Option<String>,
    /// Shown.
    pub username: Option<String>,
    /// Shown.
    pub ssh_port: Option<u16>,
    /// Whether every node sees the directory under the same path.
    pub shared: bool,
}

/// Opens the directory of a backup storage; of one that several nodes see, only if it is what is mounted there.
///
/// # Errors
/// `Away`, also for a directory of another host, `NotFound`, `Io`; `BadImage` when another storage is mounted there, or
/// it has no directory.
pub fn open_place(place: &BackupStorage) -> Result<Root, DiskError> {
    refuse_elsewhere(&place.url, place.elsewhere.as_deref())?;
    let Some(directory) = place.directory() else {
        return Err(DiskError::bad_image(Path::new(&place.url), "it is a pool and has no directory"));
    };
    let root = Root::open(Path::new(directory)).map_err(|error| match error {
        DiskError::NotFound(path) => DiskError::Away {
            path,
            reason: "its directory is not there; mount it, or put it back, and its jobs go on by themselves"
                .to_owned(),
        },
        other => other,
    })?;
    if place.host.is_none() {
        shared::check_mark(&root, &place.id.to_string())?;
    }
    Ok(root)
}

/// Adds a directory as a backup storage: it belongs to `host` unless every node sees it, and is marked then.
///
/// # Errors
/// The url is not an absolute directory that we may write, or it and another storage lie in each other.
pub async fn add_image_store(desk: &Desk, host: HostId, new: NewImageStore) -> Result<BackupStorage, Fault> {
    if !new.url.starts_with('/') {
        return Err(Fault::invalid(format!(
            "the url[{}] is not an absolute path starting with '/'",
            new.url
        )));
    }
    let url = new.url.clone();
    let (path, capacity) = blocking(move || {
        let root = Root::open(Path::new(&url))?;
        storage::check_writable(&root)?;
        Ok((root.path().to_owned(), storage::capacity(&root)?))
    })
    .await
    .map_err(|why| {
        Fault::new(Code::CannotCreate, format!("the directory[{}] cannot be a backup storage", new.url))
            .because(why)
    })?;
    refuse_nested(desk, &path).await?;
    let inventory = &desk.inventory;
    let id = new.id.unwrap_or_else(|| BackupStorageId::random(&**inventory.runtime()));
    if new.shared {
        let path = path.clone();
        blocking(move || shared::mark(&Root::open(&path)?, &id.to_string())).await?;
    }
    let created = inventory.create_backup_storage(BackupStorage {
        id,
        name: new.name,
        description: new.description,
        kind: BackupStorageKind::ImageStore,
        url: path.to_string_lossy().into_owned(),
        pool: None,
        host: (!new.shared).then_some(host),
        elsewhere: None,
        host_name: new.host_name,
        username: new.username,
        ssh_port: new.ssh_port,
        state: StorageState::Enabled,
        status: "Connected".to_owned(),
        total_bytes: capacity.total_bytes,
        available_bytes: capacity.available_bytes,
        create_ms: 0,
        last_op_ms: 0,
    });
    match created.await {
        Err(fault) if new.shared => {
            // The directory is not the storage's after all.
            blocking(move || shared::unmark(&Root::open(&path)?, &id.to_string())).await?;
            Err(fault)
        }
        other => other,
    }
}

/// A pool to be added as a backup storage.
#[derive(Debug, Clone)]
pub struct NewImagePool {
    /// The uuid, if the caller chooses it.
    pub id: Option<BackupStorageId>,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// How it is reached; its fsid is found out.
    pub pool: CephPool,
}

/// Adds a pool of RBD images as a backup storage.
///
/// # Errors
/// The cluster does not answer, the pool is not there, or it is a storage already.
pub async fn add_pool(desk: &Desk, new: NewImagePool) -> Result<BackupStorage, Fault> {
    let mut pool = new.pool;
    let seen = async { Ok((desk.fsid(&pool).await?, desk.pool_capacity(&pool).await?)) };
    let (fsid, capacity) = seen.await.map_err(|why: Fault| {
        Fault::new(Code::CannotCreate, format!("the pool[{}] cannot be a backup storage", pool.pool))
            .because(why)
    })?;
    pool.fsid = fsid;
    let inventory = &desk.inventory;
    let url = format!("ceph://{}/{}", pool.fsid, pool.pool);
    if let Some(known) = inventory.storages().await?.iter().find(|known| known.url == url) {
        return Err(Fault::invalid(format!(
            "the pool[{}] is primary storage[uuid:{}, name:{}] already, whose scan would take images for disks; give \
             images a pool of their own",
            pool.pool, known.id, known.name
        )));
    }
    let created = inventory.create_backup_storage(BackupStorage {
        id: new.id.unwrap_or_else(|| BackupStorageId::random(&**inventory.runtime())),
        name: new.name,
        description: new.description,
        kind: BackupStorageKind::Ceph,
        url,
        pool: Some(pool),
        host: None,
        elsewhere: None,
        host_name: None,
        username: None,
        ssh_port: None,
        state: StorageState::Enabled,
        status: "Connected".to_owned(),
        total_bytes: capacity.total_bytes,
        available_bytes: capacity.available_bytes,
        create_ms: 0,
        last_op_ms: 0,
    });
    created.await
}

/// A file below two storages could become an image and a volume.
async fn refuse_nested(desk: &Desk, path: &Path) -> Result<(), Fault> {
    let lies = |other: &Path| path.starts_with(other) || other.starts_with(path);
    for known in desk.inventory.storages().await? {
        if let Some(other) = known.directory().map(Path::new).filter(|other| lies(other)) {
            return Err(Fault::invalid(format!(
                "the url[{}] and that of primary storage[uuid:{}, name:{}], [{}], lie in each other; give directories side by side",
                path.display(),
                known.id,
                known.name,
                other.display()
            )));
        }
    }
    refuse_inside(desk, path, false).await
}

/// Refuses a directory that lies in a backup storage's, or the reverse; the same directory only with `same`.
///
/// # Errors
/// The backup storage is named.
pub(super) async fn refuse_inside(desk: &Desk, path: &Path, same: bool) -> Result<(), Fault> {
    for known in desk.inventory.backup_storages().await? {
        let Some(other) = known.directory().map(Path::new) else { continue };
        if (same || path != other) && (path.starts_with(other) || other.starts_with(path)) {
            return Err(Fault::invalid(format!(
                "the url[{}] and that of backup storage[uuid:{}, name:{}], [{}], lie in each other; give directories side by side",
                path.display(),
                known.id,
                known.name,
                other.display()
            )));
        }
    }
    Ok(())
}

/// How much room a backup storage has, bytes.
///
/// # Errors
/// It cannot be reached.
pub async fn capacity(desk: &Desk, place: &BackupStorage) -> Result<Capacity, Fault> {
    if let Some(pool) = &place.pool {
        return desk.pool_capacity(pool).await;
    }
    let place = place.clone();
    blocking(move || storage::capacity(&open_place(&place)?)).await
}

/// The backup storage with its figures of this moment; unreachable ones are `Disconnected`.
///
/// # Errors
/// There is no such backup storage, it is a directory of another host, or the store does not answer.
pub async fn refreshed(desk: &Desk, id: BackupStorageId) -> Result<BackupStorage, Fault> {
    let known = desk.inventory.backup_storage(id, "uuid").await?;
    // How it is, only its host can tell.
    refuse_elsewhere(&known.url, known.elsewhere.as_deref()).map_err(from_disk)?;
    let update = match capacity(desk, &known).await {
        Ok(capacity) => BackupStorageUpdate {
            capacity: Some((capacity.total_bytes, capacity.available_bytes)),
            status: Some("Connected".to_owned()),
            ..BackupStorageUpdate::default()
        },
        Err(_) => {
            BackupStorageUpdate { status: Some("Disconnected".to_owned()), ..BackupStorageUpdate::default() }
        }
    };
    let same = update.status.as_deref() == Some(known.status.as_str())
        && update.capacity.is_none_or(|c| c == (known.total_bytes, known.available_bytes));
    if same { Ok(known) } else { desk.inventory.update_backup_storage(id, update).await }
}

/// Looks anew whether a backup storage is there.
///
/// # Errors
/// It is not: why.
pub async fn reconnect(desk: &Desk, id: BackupStorageId) -> Result<BackupStorage, Fault> {
    let place = refreshed(desk, id).await?;
    if place.status == "Connected" {
        return Ok(place);
    }
    // Why is not in the record, so it is asked for once more.
    match capacity(desk, &place).await {
        Ok(_) => refreshed(desk, id).await,
        Err(why) => {
            Err(Fault::failed(format!("backup storage[uuid:{id}] is still Disconnected")).because(why))
        }
    }
}

/// Removes a backup storage's record, and the mark of a shared directory; no image is touched. An unknown one is
/// no error.
///
/// # Errors
/// An image lies on it, or a job works on it.
pub async fn delete(desk: &Desk, id: BackupStorageId) -> Result<(), Fault> {
    let known = match desk.inventory.backup_storage(id, "uuid").await {
        Ok(known) => known,
        Err(fault) if fault.code == Code::NotFound => return Ok(()),
        Err(fault) => return Err(fault),
    };
    desk.inventory.delete_backup_storage(id).await.map_err(|why| {
        let told = format!("backup storage[uuid:{id}] cannot be deleted: {}", why.details);
        Fault::new(Code::CannotDelete, told).because(why)
    })?;
    if let (None, Some(directory)) = (known.host, known.directory().map(PathBuf::from)) {
        let gone = blocking(move || shared::unmark(&Root::open(&directory)?, &id.to_string()));
        if let Err(fault) = gone.await {
            // The record is gone, which is what was asked; a later addition tells of the mark.
            tracing::warn!(backup_storage = %id, %fault, "the mark of a deleted backup storage could not be removed");
        }
    }
    Ok(())
}

/// Those that take a new image of `needed` bytes, looked at now, those with most room first.
///
/// # Errors
/// The store does not answer.
pub async fn candidates(desk: &Desk, host: HostId, needed: u64) -> Result<Vec<BackupStorage>, Fault> {
    let mut found = Vec::new();
    for known in desk.inventory.backup_storages().await? {
        let mine = known.host.is_none_or(|of| of == host);
        if !mine || known.state != StorageState::Enabled {
            continue;
        }
        let place = refreshed(desk, known.id).await?;
        if place.is_usable() && place.available_bytes >= needed {
            found.push(place);
        }
    }
    found.sort_by_key(|place| std::cmp::Reverse(place.available_bytes));
    Ok(found)
}
