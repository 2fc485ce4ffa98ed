//! Copies of an image on backup storages, one after the other, and what a job has of them durably: a copy that is
//! complete is not made again after a stop. Files go to files byte for byte; what is or becomes an image of a pool
//! goes through the copier, which writes what a guest sees.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::handler::Ended;
use longhaul_engine::{JobContext, Stopped};
use longhaul_model::resource::{BackupStorage, Effect, Image, ImageFacts};
use longhaul_model::{BackupStorageId, Fault, ImageId, Pages};
use serde::{Deserialize, Serialize};

use super::hashes::{Digests, Hashes};
use super::spread;
use crate::carry::{self, Carried, CopySettings, Guard, Order, Place};
use crate::copy::checkpoint::{ChunkMap, FIRST_OTHER_PAGE};

use crate::copy::run::{DiskRef, Snapshots};
use crate::manage::backup_storages::open_place;
use crate::manage::volumes::format_of;
use crate::manage::{Desk, blocking, images};
use crate::storage::{Access, DiskError, Format};

/// The page of the checkpoint that this is kept in.
const PAGE: u32 = FIRST_OTHER_PAGE + 1;
/// How often it is looked whether an image of a pool can be read.
pub const BUSY_TRIES_MAX: u32 = 60;
/// Between two looks.
const BUSY_AGAIN: Duration = Duration::from_secs(1);
/// What is said where a digest would take a read of the whole pool image: the contract's word for it.
pub const NOT_CALCULATED: &str = "not calculated";

/// A complete copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Where.
    pub place: BackupStorageId,
    /// Its path there, as records have it.
    pub path: String,
    /// Its intents, to be settled with the success.
    pub intents: Vec<u64>,
}

/// What a job has so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is known of the image, once its bytes are somewhere.
    pub facts: Option<ImageFacts>,
    /// The file that they came to first, where that is not one of the copies.
    pub staged: Option<Copied>,
    /// The copies that are complete.
    pub copies: Vec<Copied>,
}

impl Progress {
    /// That of the job's earlier attempts; nothing at a first one.
    pub fn of(context: &JobContext) -> Self {
        let page = context.checkpoint().get(&PAGE);
        page.and_then(|page| serde_json::from_slice(page).ok()).unwrap_or_default()
    }

    /// Makes it durable, together with other pages.
    ///
    /// # Errors
    /// The attempt is to stop, or the store refuses.
    pub async fn save(&self, context: &JobContext, with: Pages) -> Result<(), Ended> {
        let mut pages = with;
        pages.insert(PAGE, serde_json::to_vec(self).map_err(|e| Fault::internal(e.to_string()))?);
        context.save_checkpoint(&pages).await
    }

    /// Whether there is a copy on that backup storage.
    pub fn has(&self, place: BackupStorageId) -> bool {
        self.copies.iter().any(|copy| copy.place == place)
    }

    /// What is true together with the success, and `image` as it is then.
    pub fn effects(&self, image: &mut Image, facts: &ImageFacts, now_ms: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for copy in &self.copies {
            image.make_ready(copy.place, &copy.path, facts, now_ms);
            effects.push(Effect::SetImageReady {
                image: image.id,
                backup_storage: copy.place,
                install_path: copy.path.clone(),
                facts: facts.clone(),
            });
        }
        let all = self.copies.iter().chain(&self.staged).flat_map(|copy| &copy.intents);
        effects.extend(all.map(|id| Effect::LedgerDone(*id)));
        effects
    }
}

/// The format of an image's copy on a backup storage: a pool has what a guest sees, whatever came.
pub fn format_on(place: &BackupStorage, format: &str) -> Format {
    if place.pool.is_some() { Format::Raw } else { format_of(Some(format)) }
}

/// The disk of a copy.
pub fn disk_of(place: &BackupStorage, path: &str, format: &str) -> DiskRef {
    DiskRef::recorded(place.directory(), place.pool.as_ref(), path, format_on(place, format))
}

/// Waits while another reads the copy at `path`, where one at a time can: a pool. What it is held by in the end, the
/// copy itself tells.
///
/// # Errors
/// The attempt is to stop, or the cluster does not answer.
pub async fn wait_for(
    context: &JobContext,
    desk: &Desk,
    place: &BackupStorage,
    path: &str,
) -> Result<(), Ended> {
    for _ in 0..BUSY_TRIES_MAX {
        if !images::is_held(desk, place, path).await? {
            break;
        }
        context.sleep(BUSY_AGAIN).await?;
    }
    Ok(())
}

/// Copies `source`, which is on `from`, to a backup storage. Answers the copy, and that the source is still what
/// was copied.
///
/// # Errors
/// The attempt is to stop, or the copy cannot be made, or its source changed meanwhile.
pub async fn carry(
    context: &JobContext,
    settings: &CopySettings,
    source: DiskRef,
    from: Option<Place>,
    to: &BackupStorage,
    image: ImageId,
) -> Result<(Copied, Carried), Ended> {
    let guard = Guard::new(&source).await?;
    let format = if to.pool.is_some() { Format::Raw } else { source.format() };
    let order = Order {
        source,
        from,
        target: to.clone().into(),
        format,
        directory: image.to_string(),
        snapshots: Snapshots::Drop,
    };
    let mut carried = carry::carry(context, settings, &order).await?;
    guard.unchanged(context, &order.source, carried.held.take()).await?;
    let path = carried.path.to_string_lossy().into_owned();
    Ok((Copied { place: to.id, path, intents: carried.intents.clone() }, carried))
}

/// Makes the copies on those of `places` that have none yet, from the one at `path` of `from`. With `proven` the facts
/// of `progress` are those of that very file, and it must still be what they say.
///
/// # Errors
/// The attempt is to stop, or a copy cannot be made.
pub async fn to_others(
    context: &JobContext,
    settings: &CopySettings,
    image: ImageId,
    (from, path, proven): (&BackupStorage, &str, bool),
    places: &[BackupStorage],
    progress: &mut Progress,
) -> Result<(), Ended> {
    let facts = progress.facts.clone().ok_or_else(|| Fault::internal("copies of an image without facts"))?;
    for place in places {
        if progress.has(place.id) {
            continue;
        }
        let mut forgotten = Pages::new();
        let copied = match (from.directory(), place.directory()) {
            (Some(root), Some(_)) => {
                let relative = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
                let expected = Some(facts.md5.as_str()).filter(|md5| proven && *md5 != NOT_CALCULATED);
                bytewise(context, (from, relative, expected), place, image).await?
            }
            _ => {
                let source = disk_of(from, path, &facts.format);
                let on = Place::Backup(from.clone());
                let (copied, carried) = carry(context, settings, source, Some(on), place, image).await?;
                forgotten = ChunkMap::forgotten(&carried.pages);
                copied
            }
        };
        progress.copies.push(copied);
        progress.save(context, forgotten).await?;
    }
    Ok(())
}

/// A file to a file; both are read again afterwards. `md5` is what the file was when it came, where that is known.
async fn bytewise(
    context: &JobContext,
    (from, relative, md5): (&BackupStorage, &Path, Option<&str>),
    to: &BackupStorage,
    image: ImageId,
) -> Result<Copied, Ended> {
    let artifact = spread::copy(context, from, relative, to, image).await?;
    let (_, source) = digests(context, from, relative).await?;
    if let Some(md5) = md5.filter(|md5| !md5.eq_ignore_ascii_case(&source.md5)) {
        return Err(Fault::failed(format!(
            "{} on backup storage[uuid:{}] is no longer what came: its MD5 is {}, not {md5}; somebody wrote to it, or \
             its disk returns other bytes than were written",
            relative.display(),
            from.id,
            source.md5
        ))
        .into());
    }
    let (_, target) = digests(context, to, &artifact.relative).await?;
    if target != source {
        return Err(Fault::failed(format!(
            "{} is not what it was copied from: its BLAKE3 is {}, not {}; one of the two disks returns other bytes \
             than were written",
            artifact.absolute.display(),
            target.blake3,
            source.blake3
        ))
        .into());
    }
    let path = artifact.absolute.to_string_lossy().into_owned();
    Ok(Copied { place: to.id, path, intents: artifact.intents.clone() })
}

/// Reads a file below a backup storage's directory: how many bytes it has, and their digests.
///
/// # Errors
/// The attempt is to stop, or it cannot be read.
pub async fn digests(
    context: &JobContext,
    place: &BackupStorage,
    relative: &Path,
) -> Result<(u64, Digests), Ended> {
    let (opening, path): (_, PathBuf) = (place.clone(), relative.to_owned());
    let (file, end) = blocking(move || {
        let file = open_place(&opening)?.open_file(&path, Access::Read)?;
        let end = file.metadata().map_err(|e| DiskError::io("stat", &path, e))?.len();
        Ok((Arc::new(file), end))
    })
    .await?;
    let (mut hashes, mut at) = (Hashes::new(None), 0);
    while at < end {
        if let Some(why) = context.stop_asked() {
            return Err(Stopped(why).into());
        }
        let (file, mut next, path) = (file.clone(), hashes, relative.to_owned());
        let read = blocking(move || {
            let at = next.update_from(&file, at, end).map_err(|e| DiskError::io("read", &path, e))?;
            Ok((next, at))
        });
        (hashes, at) = read.await?;
    }
    Ok((end, hashes.finish()))
}

/// What is known of a copy on a pool: what a guest sees is what is stored.
pub fn facts_on_pool(carried: &Carried, format: &str) -> ImageFacts {
    ImageFacts {
        size: carried.result.bytes,
        actual_size: carried.actual_bytes,
        md5: NOT_CALCULATED.to_owned(),
        blake3: carried.result.blake3.clone(),
        format: format.to_owned(),
    }
}
