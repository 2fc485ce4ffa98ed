//! What is asked of a primary storage and done to it, whatever it is made of. The records are not touched
//! here; what a kind can do is in `storage`.

use std::path::{Path, PathBuf};

use longhaul_engine::Inventory;
use longhaul_model::Fault;
use longhaul_model::resource::{Storage, StorageKind};

use super::fault::from_disk;
use crate::attempt_io::Spawner;
use crate::storage::{self, Capacity, DiskError, Format, ImageInfo, Layer, Root, shared};

/// What management works with.
#[derive(Clone)]
pub struct Desk {
    /// The records.
    pub inventory: Inventory,
    /// Starts the processes that reach what the server itself does not touch.
    pub spawner: Spawner,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A disk as it lies on its storage.
#[derive(Debug, Clone)]
pub struct Disk {
    /// As records have it: an absolute path, its symbolic links resolved.
    pub path: String,
    /// What its first bytes say.
    pub info: ImageInfo,
    /// The files that it is made of, the top first.
    pub layers: Vec<Layer>,
}

/// Runs blocking disk work on a thread that may wait.
///
/// # Errors
/// What the work says, as a fault.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DiskError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(from_disk),
        Err(_) => Err(Fault::internal("work on a disk broke off; see the server's log")),
    }
}

/// Opens the directory of a storage; of one that several nodes see, only if it is what is mounted there.
///
/// # Errors
/// `Away`, `NotFound`, `Io`; `BadImage` when another storage is mounted there, or it has no directory.
pub(crate) fn open_root(storage: &Storage) -> Result<Root, DiskError> {
    let Some(directory) = storage.directory() else {
        return Err(DiskError::bad_image(Path::new(&storage.url), "it is a pool and has no directory"));
    };
    let root = Root::open(Path::new(directory))?;
    match storage.kind {
        StorageKind::Local | StorageKind::Ceph => {}
        StorageKind::SharedMountPoint | StorageKind::Nfs => {
            shared::check_mark(&root, &storage.id.to_string())?;
        }
    }
    Ok(root)
}

impl Desk {
    /// How much room a storage has, bytes.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn capacity(&self, storage: &Storage) -> Result<Capacity, Fault> {
        let storage = storage.clone();
        blocking(move || storage::capacity(&open_root(&storage)?)).await
    }

    /// Free bytes of a storage that is to take `needed` more.
    ///
    /// # Errors
    /// It cannot be written or has not enough; with what is free, as far as that was seen.
    pub async fn room(&self, storage: &Storage, needed: u64) -> Result<u64, (u64, Fault)> {
        let storage = storage.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let root = open_root(&storage).map_err(|e| (0, from_disk(e)))?;
            let free = storage::capacity(&root).map_err(|e| (0, from_disk(e)))?.available_bytes;
            storage::check_writable(&root).map_err(|e| (free, from_disk(e)))?;
            storage::check_space(&root, needed).map_err(|e| (free, from_disk(e)))?;
            Ok(free)
        });
        looked.await.unwrap_or_else(|_| Err((0, Fault::internal("looking at the target storage broke off"))))
    }

    /// What the disk at `path` is, and what it is made of.
    ///
    /// # Errors
    /// It is not there, leads outside of the storage, or is no image that we can use.
    pub async fn look(&self, storage: &Storage, path: &str) -> Result<Disk, Fault> {
        let (storage, path) = (storage.clone(), PathBuf::from(path));
        blocking(move || {
            let root = open_root(&storage)?;
            let relative = root.relative(&path)?;
            let info = storage::probe(&root, &relative)?;
            let layers = storage::layers(&root, &relative, info.format)?;
            Ok(Disk { path: root.full(&relative).to_string_lossy().into_owned(), info, layers })
        })
        .await
    }

    /// Makes an empty qcow2 disk of `bytes` under the name `relative`. Answers its path and the bytes that it
    /// occupies.
    ///
    /// # Errors
    /// The storage refuses; nothing is left then.
    pub async fn create(
        &self,
        storage: &Storage,
        relative: &Path,
        bytes: u64,
    ) -> Result<(String, u64), Fault> {
        let (storage, relative) = (storage.clone(), relative.to_owned());
        blocking(move || {
            let root = open_root(&storage)?;
            storage::create_volume(&root, &relative, Format::Qcow2, bytes)?;
            let path = root.full(&relative).to_string_lossy().into_owned();
            Ok((path, storage::actual_bytes(&root, &relative)?))
        })
        .await
    }

    /// Bytes that a disk occupies.
    ///
    /// # Errors
    /// It is not there, or leads outside of the storage.
    pub async fn occupied(&self, storage: &Storage, path: &str) -> Result<u64, Fault> {
        let (storage, path) = (storage.clone(), PathBuf::from(path));
        blocking(move || {
            let root = open_root(&storage)?;
            storage::actual_bytes(&root, &root.relative(&path)?)
        })
        .await
    }

    /// Refuses when other images are made of the disk at `path`.
    ///
    /// # Errors
    /// They are named.
    pub async fn refuse_backing(&self, storage: &Storage, path: &str) -> Result<(), Fault> {
        let (storage, path) = (storage.clone(), PathBuf::from(path));
        blocking(move || storage::refuse_if_backing(&open_root(&storage)?, &path)).await
    }

    /// Refuses when a process other than this holds the disk at `path`; a disk that is gone is held by nobody.
    ///
    /// # Errors
    /// The holders are named.
    pub async fn refuse_held(&self, _storage: &Storage, path: &str) -> Result<(), Fault> {
        let path = PathBuf::from(path);
        blocking(move || {
            let holders: Vec<_> = match storage::in_use(&path) {
                Err(DiskError::NotFound(_)) => return Ok(()),
                found => {
                    found?.into_iter().filter(|h| h.pid.is_none_or(|pid| pid != std::process::id())).collect()
                }
            };
            if holders.is_empty() { Ok(()) } else { Err(DiskError::InUse(holders)) }
        })
        .await
    }

    /// Removes the disk at `path`. One that is gone already is no error; one that is in use, or that other images
    /// are made of, is.
    ///
    /// # Errors
    /// It leads outside or is a symbolic link, is held by a process, is a backing file, or cannot be removed.
    pub async fn remove(&self, storage: &Storage, path: &str) -> Result<(), Fault> {
        let (storage, path) = (storage.clone(), PathBuf::from(path));
        blocking(move || {
            let root = open_root(&storage)?;
            // The recorded name itself: a symbolic link that took its place must not lead to another file.
            let relative =
                path.strip_prefix(root.path()).map_err(|_| DiskError::OutsideRoot(path.clone()))?;
            if path.symlink_metadata().is_ok_and(|m| m.is_symlink()) {
                return Err(DiskError::OutsideRoot(path.clone()));
            }
            match storage::in_use(&path) {
                Ok(holders) if !holders.is_empty() => return Err(DiskError::InUse(holders)),
                Ok(_) | Err(DiskError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            storage::refuse_if_backing(&root, relative)?;
            storage::delete_artifact(&root, relative)
        })
        .await
    }
}
