//! The file of a backup storage that an image's bytes come to: which one it is, what of it is durable, how it is found
//! again after a stop. The lock on the file proves that no earlier attempt writes to it any more. How the bytes come
//! is in `fill`.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_engine::JobContext;
use longhaul_engine::handler::Ended;
use longhaul_model::resource::{BackupStorage, BackupStorageKind, IntentKind};
use longhaul_model::{Fault, HostId, ImageId};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::copy::checkpoint::FIRST_OTHER_PAGE;
use crate::manage::backup_storages::open_place;
use crate::manage::blocking;
use crate::storage::{self, Access, DiskError, Root};
use crate::upload::FileId;

/// The page of the checkpoint that it is kept in; the copier's are others.
pub(super) const PAGE: u32 = FIRST_OTHER_PAGE;

/// What is durable: a page of the checkpoint, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    path: PathBuf,
    /// So many bytes are durable.
    pub(super) offset: u64,
    /// What told them from others.
    pub(super) validator: Option<String>,
    /// How many there are to be, if that was told; earlier releases kept none.
    #[serde(default)]
    pub(super) total: Option<u64>,
    /// Which file they are in; earlier releases did not say.
    #[serde(default)]
    file: Option<FileId>,
}

impl Saved {
    /// The same file with nothing in it.
    pub(super) fn emptied(&self) -> Self {
        Self { path: self.path.clone(), file: self.file, ..Self::default() }
    }
}

/// A file that is being filled.
pub struct Artifact {
    /// Its path below the root.
    pub relative: PathBuf,
    /// Its absolute path.
    pub absolute: PathBuf,
    /// Its intents, to be settled with the success.
    pub intents: Vec<u64>,
    pub(super) file: Arc<File>,
    pub(super) saved: Saved,
}

impl Artifact {
    /// How many bytes are still to come, where that was told.
    pub(super) fn missing(&self) -> u64 {
        self.saved.total.unwrap_or(0).saturating_sub(self.saved.offset)
    }
}

/// The file of an earlier attempt that the checkpoint is of, if nobody writes to it; else a new one with a name of
/// its own. Other files of the job are removed, but for those that somebody holds.
///
/// # Errors
/// The attempt is to stop, or the store or the disk refuses.
pub async fn artifact(
    context: &JobContext,
    place: &BackupStorage,
    image: ImageId,
) -> Result<Artifact, Ended> {
    let saved: Option<Saved> =
        context.checkpoint().get(&PAGE).and_then(|page| serde_json::from_slice(page).ok());
    let mut found: Option<Artifact> = None;
    for intent in context.intents().await? {
        let IntentKind::ImageArtifact { backup_storage, path } = &intent.kind else { continue };
        let path = PathBuf::from(path);
        if *backup_storage != place.id || !path.starts_with(place.directory().unwrap_or_default()) {
            continue; // of another backup storage, or of the pool that this stands before
        }
        if let Some(known) = found.as_mut().filter(|known| known.absolute == path) {
            known.intents.push(intent.id); // entered twice when an answer was lost
            continue;
        }
        let of_checkpoint = saved.as_ref().filter(|saved| saved.path == path && found.is_none()).cloned();
        match reopen(place, path, of_checkpoint).await? {
            Left::Held => {}
            Left::Removed => context.settle(intent.id).await?,
            Left::Goes(file, relative, absolute, saved) => {
                found = Some(Artifact { relative, absolute, intents: vec![intent.id], file, saved });
            }
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let relative =
        PathBuf::from(image.to_string()).join(format!("{}-{}", context.job().id, context.claim().token));
    create(context, place, relative).await
}

/// Makes an empty file, entered in the ledger before.
///
/// # Errors
/// The attempt is to stop, or the store or the disk refuses.
pub async fn create(
    context: &JobContext,
    place: &BackupStorage,
    relative: PathBuf,
) -> Result<Artifact, Ended> {
    let wanted = place.clone();
    let absolute = blocking(move || Ok(open_place(&wanted)?.path().to_owned())).await?.join(&relative);
    let path = absolute.to_string_lossy().into_owned();
    let intent = context.intend(IntentKind::ImageArtifact { backup_storage: place.id, path }, None).await?;
    let (wanted, below) = (place.clone(), relative.clone());
    let (file, id) = blocking(move || {
        let root = open_place(&wanted)?;
        root.create_parent(&below)?;
        let file = match root.open_file(&below, Access::Create) {
            Err(DiskError::Exists(_)) => {
                // Of this very claim, or put there by somebody: the name goes, whatever it was of.
                storage::delete_artifact(&root, &below)?;
                root.create_parent(&below)?;
                root.open_file(&below, Access::Create)?
            }
            other => other?,
        };
        root.sync_parent(&below)?;
        if !lock(&file) {
            return Err(DiskError::bad_image(
                &root.full(&below),
                "another attempt still writes to it; resume the job",
            ));
        }
        let (id, _) = FileId::of(&file, &root.full(&below))?;
        Ok((file, id))
    })
    .await?;
    let saved = Saved { path: absolute.clone(), file: Some(id), ..Saved::default() };
    Ok(Artifact { relative, absolute, intents: vec![intent.id], file: Arc::new(file), saved })
}

/// What became of a file of an earlier attempt.
enum Left {
    /// Somebody still has it.
    Held,
    Removed,
    Goes(Arc<File>, PathBuf, PathBuf, Saved),
}

async fn reopen(place: &BackupStorage, path: PathBuf, saved: Option<Saved>) -> Result<Left, Fault> {
    let place = place.clone();
    blocking(move || {
        let root = open_place(&place)?;
        let relative =
            path.strip_prefix(root.path()).map_err(|_| DiskError::OutsideRoot(path.clone()))?.to_owned();
        let file = match root.open_file(&relative, Access::Write) {
            Ok(file) => file,
            Err(DiskError::NotFound(_)) => return Ok(Left::Removed),
            Err(error) => return Err(error),
        };
        if !lock(&file) {
            return Ok(Left::Held);
        }
        let (now, len) = FileId::of(&file, &path)?;
        let names = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.nlink();
        // Another file may be another image: not a byte is written to it, and only this name of it goes.
        let is_it = |saved: &Saved| saved.file.map_or(names == 1, |id| id == now);
        match saved.filter(|saved| saved.offset <= len && is_it(saved)) {
            Some(saved) => {
                // What lies behind does not count, and may be what there is no room for.
                file.set_len(saved.offset).map_err(|e| DiskError::io("truncate", &path, e))?;
                Ok(Left::Goes(Arc::new(file), relative, path, saved))
            }
            None => storage::delete_artifact(&root, &relative).map(|()| Left::Removed),
        }
    })
    .await
}

/// Whether nobody else writes to the file: the lock goes with the open file, so with its last holder.
fn lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// The directory that bytes for a pool come to first, as if it were the backup storage.
///
/// # Errors
/// It cannot be made.
pub async fn before(pool: &BackupStorage, staging: &Path, host: HostId) -> Result<BackupStorage, Fault> {
    let wanted = staging.to_owned();
    let root = blocking(move || {
        std::fs::create_dir_all(&wanted).map_err(|e| DiskError::io("create", &wanted, e))?;
        Ok(Root::open(&wanted)?.path().to_string_lossy().into_owned())
    })
    .await?;
    Ok(BackupStorage {
        kind: BackupStorageKind::ImageStore,
        url: root,
        pool: None,
        host: Some(host),
        elsewhere: None,
        ..pool.clone()
    })
}

/// Removes every file that the job has made, but for those that somebody holds. Answers their paths. What it made on
/// pools is the copier's to remove.
///
/// # Errors
/// What could not be removed, or is held by an attempt that is still ending.
pub async fn remove_all(context: &JobContext, staging: &Path) -> Result<Vec<String>, Fault> {
    let mut removed = Vec::new();
    for intent in context.intents().await? {
        let IntentKind::ImageArtifact { backup_storage, path } = &intent.kind else { continue };
        let mut place = context.inventory().backup_storage(*backup_storage, "backupStorageUuids").await?;
        if place.pool.is_some() {
            if !Path::new(path).is_absolute() {
                continue;
            }
            place = before(&place, staging, context.host()).await?;
        }
        match reopen(&place, Path::new(path).to_owned(), None).await? {
            Left::Held => {
                return Err(Fault::failed(format!(
                    "{path} is still written to by an earlier attempt; it is tried again"
                )));
            }
            Left::Removed | Left::Goes(..) => removed.push(path.clone()),
        }
        context.settle(intent.id).await?;
    }
    Ok(removed)
}

/// Removes a file that came and is needed no more.
///
/// # Errors
/// The disk refuses.
pub async fn drop_staged(place: &BackupStorage, path: &str) -> Result<(), Fault> {
    let (place, path) = (place.clone(), PathBuf::from(path));
    blocking(move || {
        let root = open_place(&place)?;
        let relative = path.strip_prefix(root.path()).map_err(|_| DiskError::OutsideRoot(path.clone()))?;
        match storage::delete_artifact(&root, relative) {
            Err(DiskError::NotFound(_)) => Ok(()),
            other => other,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_a_release_that_kept_no_total_is_read() {
        let text = r#"{"path": "/shelf/i", "offset": 5, "validator": "\"a\""}"#;
        let saved: Saved = serde_json::from_str(text).unwrap();
        assert_eq!((saved.offset, saved.total, saved.validator.as_deref()), (5, None, Some("\"a\"")));
        assert_eq!(saved.emptied(), Saved { path: "/shelf/i".into(), ..Saved::default() });
    }
}
