//! Where a copy goes, or comes from: a primary storage or a backup storage. They differ in how the ledger names what
//! is made there, and in how their directory is opened; nothing else of a copy asks which it is.

use std::path::Path;

use longhaul_engine::JobContext;
use longhaul_model::resource::{BackupStorage, CephPool, Intent, IntentKind, Storage};
use longhaul_model::{Fault, StorageId};

use super::CopySettings;
use crate::attempt_io::{Page, Question, ask};
use crate::copy::checkpoint::CLIENTS_PAGE;
use crate::copy::image::RemoveSnapshots;
use crate::manage::backup_storages::open_place;
use crate::manage::fault::from_disk;
use crate::manage::{blocking, open_root, refuse_elsewhere};
use crate::storage::{self, DiskError, Root};

/// A storage of either family.
#[derive(Debug, Clone)]
pub enum Place {
    /// Of volumes.
    Primary(Storage),
    /// Of images.
    Backup(BackupStorage),
}

impl From<Storage> for Place {
    fn from(storage: Storage) -> Self {
        Self::Primary(storage)
    }
}

impl From<BackupStorage> for Place {
    fn from(storage: BackupStorage) -> Self {
        Self::Backup(storage)
    }
}

impl Place {
    /// The primary storage that it is; backup storages have no budgets.
    pub fn primary(&self) -> Option<StorageId> {
        match self {
            Self::Primary(storage) => Some(storage.id),
            Self::Backup(_) => None,
        }
    }

    /// Its pool; `None` for a directory.
    pub fn pool(&self) -> Option<&CephPool> {
        match self {
            Self::Primary(storage) => storage.pool.as_ref(),
            Self::Backup(storage) => storage.pool.as_ref(),
        }
    }

    /// Its directory; `None` for a pool.
    pub fn directory(&self) -> Option<&str> {
        match self {
            Self::Primary(storage) => storage.directory(),
            Self::Backup(storage) => storage.directory(),
        }
    }

    /// Refuses a directory of another host.
    ///
    /// # Errors
    /// `Away`, with where to ask.
    pub fn refuse_elsewhere(&self) -> Result<(), DiskError> {
        match self {
            Self::Primary(storage) => refuse_elsewhere(&storage.url, storage.elsewhere.as_deref()),
            Self::Backup(storage) => refuse_elsewhere(&storage.url, storage.elsewhere.as_deref()),
        }
    }

    /// Opens the directory, only if it is the one that was added.
    ///
    /// # Errors
    /// `Away`, `NotFound`, `Io`; `BadImage` when it is another storage's, or it has none.
    pub fn open(&self) -> Result<Root, DiskError> {
        match self {
            Self::Primary(storage) => open_root(storage),
            Self::Backup(storage) => open_place(storage),
        }
    }

    /// How the ledger names what is made at `path` of it.
    pub fn intent(&self, path: String) -> (IntentKind, Option<StorageId>) {
        match self {
            Self::Primary(storage) => (IntentKind::Artifact { path }, Some(storage.id)),
            Self::Backup(storage) => (IntentKind::ImageArtifact { backup_storage: storage.id, path }, None),
        }
    }

    /// Whether the ledger's entry is of something on it.
    pub fn has(&self, intent: &Intent) -> bool {
        match (self, &intent.kind) {
            (Self::Primary(storage), IntentKind::Artifact { .. }) => intent.storage == Some(storage.id),
            (Self::Backup(storage), IntentKind::ImageArtifact { backup_storage, .. }) => {
                *backup_storage == storage.id
            }
            _ => false,
        }
    }
}

/// The path that an entry of the ledger is of; `None` for a process.
pub(super) fn path_of(intent: &Intent) -> Option<&str> {
    match &intent.kind {
        IntentKind::Artifact { path } | IntentKind::ImageArtifact { path, .. } => Some(path),
        IntentKind::Child { .. } => None,
    }
}

/// Removes what an entry of the ledger is of; `false` if there was nothing. Of an image the job's earlier clients are
/// shut out first, so that none of them brings a part of it back.
pub(super) async fn remove_artifact(
    context: &JobContext,
    settings: &CopySettings,
    intent: &Intent,
) -> Result<bool, Fault> {
    let inventory = context.inventory();
    let (place, path) = match (&intent.kind, intent.storage) {
        (IntentKind::Artifact { path }, Some(storage)) => {
            (Place::Primary(inventory.storage(storage, "primaryStorageUuid").await?), path)
        }
        (IntentKind::ImageArtifact { backup_storage, path }, _) => {
            (Place::Backup(inventory.backup_storage(*backup_storage, "backupStorageUuid").await?), path)
        }
        _ => return Ok(false),
    };
    if let Some(pool) = place.pool() {
        let Some(image) = pool.image(path).map(str::to_owned) else { return Ok(false) };
        let clients = context.checkpoint().get(&CLIENTS_PAGE);
        let clients = clients.map(|bytes| Page { number: CLIENTS_PAGE, bytes: bytes.clone() });
        let question = Question::Remove { image, snapshots: RemoveSnapshots::All, clients };
        return match ask(&settings.spawner, pool, question, super::REMOVE_WITHIN).await {
            Ok(_) => Ok(true),
            Err(error) => Err(from_disk(error)),
        };
    }
    let path = Path::new(path).to_owned();
    blocking(move || {
        let root = place.open()?;
        let relative = path.strip_prefix(root.path()).unwrap_or(&path).to_owned();
        match storage::delete_artifact(&root, &relative) {
            Ok(()) => Ok(true),
            Err(DiskError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    })
    .await
}
