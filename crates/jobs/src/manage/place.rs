//! What is asked of a primary storage and done to it, whatever it is made of. The records are not touched
//! here; what a kind can do is in `storage`.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use longhaul_engine::Inventory;
use longhaul_model::Fault;
use longhaul_model::resource::Storage;

use super::fault::from_disk;
use super::pool;
use crate::attempt_io::Spawner;
use crate::copy::image::RemoveSnapshots;
use crate::storage::{
    self, Access, Capacity, DiskError, Format, ImageInfo, InUse, Layer, Root, lock, shared,
};

/// A file may be touched so long after the moment that its trash tells, in ms: clocks and file systems round.
const CLOCK_SLACK_MS: i64 = 2_000;

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

/// Refuses a directory of another host, whatever lies under its path here.
///
/// # Errors
/// `Away`, with where to ask.
pub(crate) fn refuse_elsewhere(url: &str, elsewhere: Option<&str>) -> Result<(), DiskError> {
    match elsewhere {
        None => Ok(()),
        Some(said) => Err(DiskError::Away { path: url.into(), reason: said.to_owned() }),
    }
}

/// Opens the directory of a storage, only if it is the one that was added: by its path and by its mark.
///
/// # Errors
/// `Away`, also for a directory of another host, `NotFound`, `Io`; `BadImage` when it is another storage's, or it has none.
pub(crate) fn open_root(storage: &Storage) -> Result<Root, DiskError> {
    refuse_elsewhere(&storage.url, storage.elsewhere.as_deref())?;
    let Some(directory) = storage.directory() else {
        return Err(DiskError::bad_image(Path::new(&storage.url), "it is a pool and has no directory"));
    };
    let root = Root::open(Path::new(directory))?;
    if root.path() != Path::new(directory) {
        let reason =
            format!("that leads to {} now; put the directory itself back there", root.path().display());
        return Err(DiskError::Away { path: directory.into(), reason });
    }
    shared::check_mark(&root, &storage.id.to_string())?;
    Ok(root)
}

/// A disk is left alone while somebody has it open for writing.
///
/// # Errors
/// They are named.
pub fn refuse_holders(holders: &[InUse]) -> Result<(), Fault> {
    if holders.is_empty() { Ok(()) } else { Err(from_disk(DiskError::InUse(holders.to_vec()))) }
}

impl Desk {
    /// How much room a storage has, bytes.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn capacity(&self, storage: &Storage) -> Result<Capacity, Fault> {
        if let Some(pool) = &storage.pool {
            return self.pool_capacity(pool).await;
        }
        let storage = storage.clone();
        blocking(move || storage::capacity(&open_root(&storage)?)).await
    }

    /// Free bytes of a storage that is to take `needed` more.
    ///
    /// # Errors
    /// It cannot be written or has not enough; with what is free, as far as that was seen.
    pub async fn room(&self, storage: &Storage, needed: u64) -> Result<u64, (u64, Fault)> {
        if let Some(pool) = &storage.pool {
            return self.pool_room(pool, needed).await;
        }
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

    /// What the disk at `path` is, and what it is made of; `said` is its format, if that is known.
    ///
    /// # Errors
    /// It is not there, leads outside of the storage, or is no image that we can use.
    pub async fn look(&self, storage: &Storage, path: &str, said: Option<Format>) -> Result<Disk, Fault> {
        if let Some(pool) = &storage.pool {
            return self.pool_look(pool, path).await;
        }
        let (storage, path) = (storage.clone(), PathBuf::from(path));
        blocking(move || looked_at(&open_root(&storage)?, &path, said)).await
    }

    /// The same for a disk that is to become a volume, which is kept from being removed meanwhile.
    ///
    /// # Errors
    /// As `look`; it is being removed or filled, has a second name, or its name cannot be written down.
    pub async fn hold(
        &self,
        storage: &Storage,
        path: &str,
        said: Option<Format>,
    ) -> Result<(Disk, Option<File>), Fault> {
        if let Some(pool) = &storage.pool {
            return Ok((self.pool_look(pool, path).await?, None));
        }
        let (storage, path) = (storage.clone(), PathBuf::from(path));
        blocking(move || {
            let root = open_root(&storage)?;
            let relative = root.relative(&path)?;
            if relative == Path::new(shared::MARK) {
                let reason = "it is the mark by which the storage is told from an empty mount point, no disk";
                return Err(DiskError::bad_image(&root.full(&relative), reason));
            }
            let file = root.open_file(&relative, Access::Read)?;
            lock::hold_present(&file, &root.full(&relative))?;
            let disk = looked_at(&root, &path, said)?;
            let names = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.nlink();
            if names > 1 {
                let reason = format!(
                    "the file has {names} names (hard links), and what is done under one happens to all; copy it, \
                     or remove the others"
                );
                return Err(DiskError::bad_image(&root.full(&relative), reason));
            }
            Ok((disk, Some(file)))
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
        if let Some(pool) = &storage.pool {
            return self.pool_create(pool, pool::image_name(relative), bytes).await;
        }
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
        if let Some(pool) = &storage.pool {
            return Ok(self.pool_look(pool, path).await?.info.actual_bytes);
        }
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
    /// They are named; those in the trash with their numbers there.
    pub async fn refuse_backing(&self, storage: &Storage, path: &str) -> Result<(), Fault> {
        if storage.pool.is_some() {
            return Ok(()); // an image that clones are made of has snapshots, and is refused for them
        }
        let (of, path) = (storage.clone(), PathBuf::from(path));
        let found = blocking(move || match storage::refuse_if_backing(&open_root(&of)?, &path) {
            Err(DiskError::Backs { path, overlays }) => Ok(Some((path, overlays))),
            other => other.map(|()| None),
        });
        let Some((path, overlays)) = found.await? else { return Ok(()) };
        let trash = self.inventory.trash(storage.id).await?;
        let swept: Vec<_> = trash
            .iter()
            .filter(|item| overlays.iter().any(|overlay| overlay.as_path() == Path::new(&item.install_path)))
            .map(|item| format!("{} is item {} of the trash", item.install_path, item.id))
            .collect();
        let mut fault = from_disk(DiskError::Backs { path, overlays });
        if !swept.is_empty() {
            fault.details.push_str(&format!("; {}: clean it from there", swept.join(", ")));
        }
        Err(fault)
    }

    /// Refuses when a process other than this holds the disk at `path`; a disk that is gone is held by nobody.
    ///
    /// # Errors
    /// The holders are named.
    pub async fn refuse_held(&self, storage: &Storage, path: &str) -> Result<(), Fault> {
        if let Some(pool) = &storage.pool {
            return refuse_holders(&self.pool_holders(pool, path).await?);
        }
        let (path, url, elsewhere) = (PathBuf::from(path), storage.url.clone(), storage.elsewhere.clone());
        blocking(move || {
            refuse_elsewhere(&url, elsewhere.as_deref())?;
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

    /// Removes the disk at `path`, which is nobody's any more. One that is gone already is no error; one that is
    /// in use, that a volume points at, or that other images are made of, is. With `since_ms`, one that was
    /// touched after that moment (ms since 1970) is kept: it is not what was left there then.
    ///
    /// # Errors
    /// It leads outside or over a symbolic link, is held by a process, is a backing file, was touched, or
    /// cannot be removed.
    pub async fn remove(&self, storage: &Storage, path: &str, since_ms: Option<i64>) -> Result<(), Fault> {
        if let Some(pool) = &storage.pool {
            self.refuse_owned(storage, path).await?;
            // What was left behind goes as it was left; what was deleted, whatever it is.
            let snapshots = if since_ms.is_some() { RemoveSnapshots::AsLeft } else { RemoveSnapshots::All };
            return self.pool_remove(pool, path, snapshots).await;
        }
        let (of, recorded) = (storage.clone(), PathBuf::from(path));
        let held = blocking(move || {
            let root = open_root(&of)?;
            let relative = beneath(&root, &recorded)?;
            let file = match root.open_plain_file(&relative) {
                Err(DiskError::NotFound(_)) => return Ok(None),
                other => other?,
            };
            lock::hold_target(&file, &recorded)?;
            let changed = file.metadata().map_err(|e| DiskError::io("stat", &recorded, e))?;
            let changed_ms =
                changed.ctime().saturating_mul(1000).saturating_add(changed.ctime_nsec() / 1_000_000);
            if since_ms.is_some_and(|since| changed_ms > since.saturating_add(CLOCK_SLACK_MS)) {
                return Err(DiskError::Touched(recorded));
            }
            storage::refuse_if_backing(&root, &relative)?;
            Ok(Some((root, relative, file)))
        });
        let Some((root, relative, file)) = held.await? else { return Ok(()) };
        // The lock keeps an adoption out, so what the records say now stays true until the file is gone.
        self.refuse_owned(storage, path).await?;
        blocking(move || {
            let _held = file;
            storage::delete_artifact(&root, &relative)
        })
        .await
    }

    /// Refuses when a volume points at `path`.
    async fn refuse_owned(&self, storage: &Storage, path: &str) -> Result<(), Fault> {
        let owners = self.inventory.volumes_on(storage.id).await?;
        match owners.iter().find(|v| v.install_path.as_deref() == Some(path)) {
            None => Ok(()),
            Some(owner) => Err(Fault::failed(format!(
                "{path} is the file of volume[uuid:{}, name:{}]; it is not removed",
                owner.id, owner.name
            ))),
        }
    }
}

/// The recorded name itself below the root: a symbolic link that took its place must not lead to another file.
fn beneath(root: &Root, recorded: &Path) -> Result<PathBuf, DiskError> {
    let relative = recorded.strip_prefix(root.path());
    relative.map(Path::to_owned).map_err(|_| DiskError::OutsideRoot(recorded.to_owned()))
}

fn looked_at(root: &Root, path: &Path, said: Option<Format>) -> Result<Disk, DiskError> {
    let relative = root.relative(path)?;
    let info = storage::probe_as(root, &relative, said)?;
    let layers = storage::layers(root, &relative, info.format)?;
    let full = root.full(&relative);
    let Some(path) = full.to_str().map(str::to_owned) else {
        return Err(DiskError::bad_image(&full, "its name is not UTF-8; rename it"));
    };
    Ok(Disk { path, info, layers })
}
