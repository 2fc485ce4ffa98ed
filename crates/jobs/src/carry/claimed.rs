//! What earlier attempts left: their children are ended before anything is written, their artifact is
//! reused only if the checkpoint is of it; everything else they left is removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul_engine::JobContext;
use longhaul_engine::handler::Ended;
use longhaul_model::resource::IntentKind;
use longhaul_model::{Fault, Pages};

use super::{Order, remove_artifact};
use crate::attempt_io::process;

/// How long a killed child may take to be gone: it may hang in the kernel on a slow device.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// The artifact that this attempt writes.
pub struct Artifact {
    /// Below the storage's root.
    pub relative: PathBuf,
    /// The whole path.
    pub absolute: PathBuf,
    /// Its intents.
    pub intents: Vec<u64>,
    /// The checkpoint; empty for a new artifact.
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
pub async fn artifact(context: &JobContext, order: &Order) -> Result<Artifact, Ended> {
    let root = Path::new(order.target.directory().unwrap_or_default());
    let mut found: Option<Artifact> = None;
    for intent in context.intents().await?.into_iter().rev() {
        let IntentKind::Artifact { path } = &intent.kind else { continue };
        let absolute = PathBuf::from(path);
        if let Some(known) = found.as_mut().filter(|known| known.absolute == absolute) {
            known.intents.push(intent.id); // entered twice when an answer was lost
            continue;
        }
        let here = intent.storage == Some(order.target.id);
        if let (Some(relative), true) = (absolute.strip_prefix(root).ok().filter(|_| here), found.is_none()) {
            let relative = relative.to_owned();
            let intents = vec![intent.id];
            found = Some(Artifact { relative, absolute, intents, pages: context.checkpoint().clone() });
            continue;
        }
        remove_artifact(context, intent.storage, path).await?;
        context.settle(intent.id).await?;
    }
    match found {
        Some(artifact) => Ok(artifact),
        None => new_artifact(context, order).await,
    }
}

async fn new_artifact(context: &JobContext, order: &Order) -> Result<Artifact, Ended> {
    let relative =
        PathBuf::from(&order.directory).join(format!("{}-{}", context.job().id, context.claim().token));
    let absolute = Path::new(order.target.directory().unwrap_or_default()).join(&relative);
    let kind = IntentKind::Artifact { path: absolute.to_string_lossy().into_owned() };
    let intent = context.intend(kind, Some(order.target.id)).await?;
    Ok(Artifact { relative, absolute, intents: vec![intent.id], pages: Pages::new() })
}
