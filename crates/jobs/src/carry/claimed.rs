//! What earlier attempts left: their children are ended before anything is written, their artifact is
//! reused only if the checkpoint is of it; everything else they left is removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul_engine::JobContext;
use longhaul_engine::handler::Ended;
use longhaul_model::resource::IntentKind;
use longhaul_model::{Fault, Pages};

use super::place::{Place, path_of, remove_artifact};
use super::{CopySettings, Order};
use crate::attempt_io::process;
use crate::copy::checkpoint::CLIENTS_PAGE;
use crate::copy::run::DiskRef;
use crate::manage::blocking;
use crate::storage::{self, DiskError};

/// How long a killed child may take to be gone: it may hang in the kernel on a slow device.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// How often is looked whether a former holder has let go.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The artifact that this attempt writes.
pub struct Artifact {
    /// Where it is.
    pub disk: DiskRef,
    /// The whole path, or the URL.
    pub absolute: PathBuf,
    /// Its intents.
    pub intents: Vec<u64>,
    /// The intent of the snapshot of an image as source.
    pub snapshot: Option<u64>,
    /// The checkpoint; of a new artifact the clients of earlier attempts alone.
    pub pages: Pages,
}

/// Ends every child of earlier attempts on this host, so that none can write any more. Answers how many
/// were still there.
///
/// # Errors
/// One cannot be ended: the artifact must not be touched then.
pub async fn end_children(context: &JobContext) -> Result<u32, Ended> {
    let mut ended = 0;
    for intent in context.intents().await? {
        let IntentKind::Child { host, pid, start_ticks } = intent.kind else { continue };
        if host == context.host() {
            let alive = process::start_time(pid) == Some(start_ticks);
            let gone = tokio::task::spawn_blocking(move || process::end(pid, start_ticks, GONE_WITHIN)).await;
            if !matches!(gone, Ok(Ok(true))) {
                return Err(Fault::failed(format!(
                    "the copying process {pid} of an earlier attempt could not be ended; end it and resume the job"
                ))
                .into());
            }
            ended += u32::from(alive);
            context.settle(intent.id).await?;
        }
    }
    Ok(ended)
}

/// The artifact of an earlier attempt that the checkpoint is of, else a new one with a name of its own.
/// Other artifacts of the job are removed.
///
/// # Errors
/// The attempt is to stop, or the store or the disk refuses.
pub async fn artifact(
    context: &JobContext,
    settings: &CopySettings,
    order: &Order,
) -> Result<Artifact, Ended> {
    let mut found: Option<Artifact> = None;
    let mut snapshot = None;
    for intent in context.intents().await?.into_iter().rev() {
        let Some(path) = path_of(&intent) else { continue };
        if order.is_snapshot(path) {
            snapshot = Some(intent.id);
            continue;
        }
        let absolute = PathBuf::from(path);
        if let Some(known) = found.as_mut().filter(|known| known.absolute == absolute) {
            known.intents.push(intent.id); // entered twice when an answer was lost
            continue;
        }
        let here = order.target.has(&intent);
        if !here && matches!(order.target, Place::Backup(_)) {
            continue; // an image's copy on another backup storage, or what it is made from
        }
        if let (Some(disk), true) = (order.disk_at(path).filter(|_| here), found.is_none()) {
            if is_let_go(context, &order.target, &absolute).await? {
                let pages = context.checkpoint().clone();
                found = Some(Artifact { disk, absolute, intents: vec![intent.id], snapshot: None, pages });
                continue;
            }
            tracing::warn!(job = %context.job().id, path, "a former holder elsewhere still has what it wrote; the copy begins anew in a file of its own");
        }
        if here && order.disk_at(path).is_none() && matches!(order.target, Place::Backup(_)) {
            continue; // the file that its bytes came to first
        }
        remove_artifact(context, settings, &intent).await?;
        context.settle(intent.id).await?;
    }
    let mut artifact = match found {
        Some(artifact) => artifact,
        None => new_artifact(context, order).await?,
    };
    artifact.snapshot = snapshot;
    Ok(artifact)
}

/// Whether nobody fills the file at `path` any more, so that what was written may be gone on with. A copier of another
/// host ends itself when its lease does; that is waited for. One that stands still does not, and whatever it writes when
/// it wakes must reach nothing that counts.
async fn is_let_go(context: &JobContext, target: &Place, path: &Path) -> Result<bool, Ended> {
    if target.pool().is_some() {
        return Ok(true); // earlier clients of an image are shut out before it is written
    }
    let until = context.runtime().monotonic() + context.lease_ttl();
    loop {
        let (place, path) = (target.clone(), path.to_owned());
        let held = blocking(move || {
            let root = place.open()?;
            let relative = path.strip_prefix(root.path()).unwrap_or(&path).to_owned();
            match storage::is_filled(&root, &relative) {
                Err(DiskError::NotFound(_)) => Ok(false),
                other => other,
            }
        });
        if !held.await? {
            return Ok(true);
        }
        if context.runtime().monotonic() >= until {
            return Ok(false);
        }
        context.sleep(LOOK_AGAIN).await?;
    }
}

async fn new_artifact(context: &JobContext, order: &Order) -> Result<Artifact, Ended> {
    let path = order.new_path(&context.job().id.to_string(), context.claim().token);
    let disk = order.disk_at(&path).ok_or_else(|| Fault::internal("a new artifact is not on its storage"))?;
    let (kind, storage) = order.target.intent(path.clone());
    let intent = context.intend(kind, storage).await?;
    // Of the checkpoint only the clients count: they are shut out before anything is written.
    let clients = context.checkpoint().iter().filter(|(number, _)| **number == CLIENTS_PAGE);
    let pages = clients.map(|(number, page)| (*number, page.clone())).collect();
    Ok(Artifact { disk, absolute: path.into(), intents: vec![intent.id], snapshot: None, pages })
}
