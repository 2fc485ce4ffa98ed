//! The bytes of one image on their way into a file of a backup storage: which file it is, what of it is durable,
//! how it goes on after a stop. The lock on the file proves that no earlier attempt writes to it any more.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_engine::{JobContext, Stop, Stopped};
use longhaul_model::resource::{BackupStorage, BackupStorageKind, IntentKind};
use longhaul_model::{Fault, HostId, ImageId, Pages};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::checksum::Checksum;
use super::hashes::{Digests, Hashes};
use super::source::{Closed, Opened, Source};
use crate::copy::checkpoint::FIRST_OTHER_PAGE;
use crate::manage::backup_storages::open_place;
use crate::manage::blocking;
use crate::storage::{self, Access, DiskError, Root};

/// A source that sends nothing for so long has broken off.
pub const IDLE: Duration = Duration::from_secs(30);
/// A source may break off so often without a byte in between before the job fails.
pub const BREAKS_MAX: u32 = 10;
/// Between looks at what came, while nothing comes.
const TICK: Duration = Duration::from_secs(1);
/// Before a source that broke off is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that are written at a time, and most that are in memory.
const BLOCK_BYTES: usize = 4 << 20;

/// The page of the checkpoint that it is kept in; the copier's are others.
const PAGE: u32 = FIRST_OTHER_PAGE;

/// What is durable: a page of the checkpoint, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    path: PathBuf,
    offset: u64,
    validator: Option<String>,
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
    saved: Saved,
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
    let file = blocking(move || {
        let root = open_place(&wanted)?;
        root.create_parent(&below)?;
        let file = match root.open_file(&below, Access::Create) {
            Err(DiskError::Exists(_)) => root.open_file(&below, Access::Write)?, // of this very claim
            other => other?,
        };
        root.sync_parent(&below)?;
        if !lock(&file) {
            return Err(DiskError::bad_image(
                &root.full(&below),
                "another attempt still writes to it; resume the job",
            ));
        }
        let io = |e| DiskError::io("truncate", &root.full(&below), e);
        file.set_len(0).map_err(io)?;
        Ok(file)
    })
    .await?;
    let saved = Saved { path: absolute.clone(), ..Saved::default() };
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
        let len = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.len();
        match saved.filter(|saved| saved.offset <= len) {
            Some(saved) => Ok(Left::Goes(Arc::new(file), relative, path, saved)),
            None => storage::delete_artifact(&root, &relative).map(|()| Left::Removed),
        }
    })
    .await
}

/// Whether nobody else writes to the file: the lock goes with the open file, so with its last holder.
fn lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// What is to come.
pub struct Order<'a> {
    /// The image: its record is looked at about once a second, so that a deleted one is fetched no further.
    pub image: ImageId,
    /// Where from.
    pub url: &'a str,
    /// Who opens that.
    pub source: &'a dyn Source,
    /// What the bytes must be.
    pub expected: Option<&'a Checksum>,
}

/// Fills the file from a source, from what is durable of it on. Answers how many bytes there are, and their
/// digests; they are durable.
///
/// # Errors
/// The attempt is to stop, the source refuses or broke off too often, or the disk refuses.
pub async fn fill(
    context: &JobContext,
    place: &BackupStorage,
    artifact: &mut Artifact,
    order: &Order<'_>,
) -> Result<(u64, Digests), Ended> {
    let mut intake = Intake {
        context,
        artifact,
        hashes: Hashes::new(order.expected),
        order,
        at: 0,
        total: None,
        saved_ms: context.runtime().now_ms(),
    };
    intake.read_again().await?;
    let mut breaks = 0;
    loop {
        let before = intake.at;
        let validator = intake.artifact.saved.validator.clone();
        let from = if validator.is_some() { intake.at } else { 0 };
        let why = match order.source.open(order.url, from, validator.as_deref()).await {
            Err(Closed::Refused(fault)) => return Err(fault.into()),
            Err(Closed::Broke(why)) => why,
            Ok(opened) => {
                let (from, total, validator) = (opened.from, opened.total, opened.validator.clone());
                intake.begin(place, from, total, validator).await?;
                match intake.take(opened).await? {
                    None => break,
                    Some(why) => why,
                }
            }
        };
        breaks = if intake.at > before { 1 } else { breaks + 1 };
        if breaks >= BREAKS_MAX {
            return Err(Fault::failed(format!(
                "the image could not be fetched, {breaks} tries, last: {why}"
            ))
            .into());
        }
        tracing::info!(job = %context.job().id, %why, at = intake.at, "the source of an image broke off; it is opened again");
        context.sleep(PAUSE).await?;
    }
    intake.save().await?;
    Ok((intake.at, intake.hashes.finish()))
}

struct Intake<'a> {
    context: &'a JobContext,
    artifact: &'a mut Artifact,
    hashes: Hashes,
    order: &'a Order<'a>,
    at: u64,
    total: Option<u64>,
    saved_ms: i64,
}

impl Intake<'_> {
    /// The digests of what is there already.
    async fn read_again(&mut self) -> Result<(), Ended> {
        let end = self.artifact.saved.offset;
        while self.at < end {
            if let Some(why) = self.context.stop_asked() {
                return Err(Stopped(why).into());
            }
            let (file, mut hashes, at) = (self.artifact.file.clone(), self.hashes.clone(), self.at);
            let path = self.artifact.absolute.clone();
            let read = blocking(move || {
                let at = hashes.update_from(&file, at, end).map_err(|e| DiskError::io("read", &path, e))?;
                Ok((hashes, at))
            });
            (self.hashes, self.at) = read.await?;
        }
        Ok(())
    }

    /// Takes over what the source says of itself; starts over if it does.
    async fn begin(
        &mut self,
        place: &BackupStorage,
        from: u64,
        total: Option<u64>,
        validator: Option<String>,
    ) -> Result<(), Ended> {
        if from != self.at {
            (self.at, self.hashes) = (0, Hashes::new(self.order.expected));
            self.artifact.saved.offset = 0;
        }
        self.artifact.saved.validator = validator;
        self.total = total;
        if let Some(total) = total {
            let (place, needed) = (place.clone(), total.saturating_sub(self.at));
            blocking(move || storage::check_space(&open_place(&place)?, needed)).await?;
        }
        Ok(())
    }

    /// Takes the bytes of the source; `Some` says why they broke off.
    async fn take(&mut self, mut opened: Opened) -> Result<Option<String>, Ended> {
        let (mut block, mut quiet) = (Vec::new(), Duration::ZERO);
        let ended = loop {
            let next = select(opened.body.next(), self.context.runtime().sleep(TICK));
            let next = match select(std::pin::pin!(self.context.stopped()), std::pin::pin!(next)).await {
                Either::Left((Stop::LeaseLost, _)) => return Err(Stopped(Stop::LeaseLost).into()),
                Either::Left((why, _)) => {
                    self.write(std::mem::take(&mut block)).await?;
                    if why == Stop::Drain {
                        self.save().await?;
                    }
                    return Err(Stopped(why).into());
                }
                Either::Right((next, _)) => next,
            };
            match next {
                Either::Left((Ok(Some(bytes)), _)) => {
                    quiet = Duration::ZERO;
                    block.extend_from_slice(&bytes);
                }
                Either::Left((Ok(None), _)) => break None,
                Either::Left((Err(why), _)) => break Some(why),
                Either::Right(_) => quiet += TICK, // what came is made durable meanwhile
            }
            if quiet >= IDLE {
                break Some(format!("nothing came for {} s", IDLE.as_secs()));
            }
            let waits = self.at + block.len() as u64 > self.artifact.saved.offset;
            let due = waits && self.context.runtime().now_ms() - self.saved_ms >= 1000;
            if block.len() >= BLOCK_BYTES || due {
                self.write(std::mem::take(&mut block)).await?;
            }
            if due {
                self.save().await?;
            }
        };
        self.write(block).await?;
        self.save().await?;
        Ok(match (ended, self.total) {
            (None, Some(total)) if self.at != total => {
                Some(format!("it ended after {} of {total} bytes", self.at))
            }
            (ended, _) => ended,
        })
    }

    /// Writes and counts bytes, while the lease holds.
    async fn write(&mut self, block: Vec<u8>) -> Result<(), Ended> {
        if block.is_empty() {
            return Ok(());
        }
        self.context.lease().await?;
        let (file, mut hashes, at) = (self.artifact.file.clone(), self.hashes.clone(), self.at);
        let (path, len) = (self.artifact.absolute.clone(), block.len() as u64);
        let written = blocking(move || {
            file.write_all_at(&block, at).map_err(|e| DiskError::io("write", &path, e))?;
            hashes.update(&block);
            Ok(hashes)
        });
        self.hashes = written.await?;
        self.at += len;
        self.context.progress(Report {
            parts: None,
            stage: "downloading".to_owned(),
            percent: None,
            bytes_done: self.at,
            bytes_total: self.total.unwrap_or(0),
            bytes_after: 0,
        });
        Ok(())
    }

    /// Makes durable what came, and then says so in the checkpoint.
    async fn save(&mut self) -> Result<(), Ended> {
        let (file, path, at) = (self.artifact.file.clone(), self.artifact.absolute.clone(), self.at);
        blocking(move || {
            let len = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.len();
            if len > at {
                file.set_len(at).map_err(|e| DiskError::io("truncate", &path, e))?;
            }
            file.sync_data().map_err(|e| DiskError::io("fsync", &path, e))
        })
        .await?;
        self.artifact.saved.offset = self.at;
        let page = serde_json::to_vec(&self.artifact.saved).map_err(|e| Fault::internal(e.to_string()))?;
        self.context.save_checkpoint(&Pages::from([(PAGE, page)])).await?;
        self.saved_ms = self.context.runtime().now_ms();
        let image = self.context.inventory().find_image(self.order.image).await?;
        if image.is_none_or(|image| image.deleted_ms.is_some()) {
            return Err(Fault::failed(format!("image [uuid:{}] has been deleted", self.order.image)).into());
        }
        Ok(())
    }
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
