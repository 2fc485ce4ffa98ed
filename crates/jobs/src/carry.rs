//! One copy on behalf of a job: ends what earlier attempts left running, chooses or reuses the artifact,
//! drives the child process, keeps its checkpoints. Who the copy is for is in `migrate` and `import`.

mod child;
mod claimed;
mod start;

use std::path::PathBuf;

use longhaul_engine::handler::Ended;
use longhaul_engine::{JobContext, Stop, Stopped};
use longhaul_model::resource::{IntentKind, Storage};
use longhaul_model::{Fault, JobId, StorageId};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::attempt_io::Spawner;
use crate::copy::run::{CopyResult, CopySpec, DiskRef};
use crate::manage::{Desk, blocking};
use crate::storage::{self, DiskError, Format, Root, SourceGuard};

/// A child may die so often without a new checkpoint before the job fails.
pub const DEATHS_MAX: u32 = 10;
/// The system tag that limits one job's copy: bytes per second follow.
pub const THROTTLE: &str = "longhaul::throttle::";

/// How copies are made.
#[derive(Debug, Clone)]
pub struct CopySettings {
    /// Starts the children.
    pub spawner: Spawner,
    /// Their bounds, which may change.
    pub limits: watch::Receiver<CopyLimits>,
}

impl CopySettings {
    /// The bounds of a copy that begins now.
    pub fn limits(&self) -> CopyLimits {
        *self.limits.borrow()
    }
}

/// The bounds of copies. A changed rate counts at once, for copies without a rate of their own; the others,
/// for the next copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyLimits {
    /// Most bytes per second of one copy; 0 = unlimited.
    pub bytes_per_s: u64,
    /// Parallel streams, 1 to 16.
    pub streams: u32,
    /// Between checkpoints, ms.
    pub checkpoint_ms: u64,
}

/// What is to be copied.
#[derive(Debug, Clone)]
pub struct Order {
    /// The source file: its directory, the path below it, its format.
    pub source: DiskRef,
    /// The storage to copy to.
    pub target: Storage,
    /// The format to write.
    pub format: Format,
    /// Directory of the artifact below the target's root: the volume's uuid.
    pub directory: String,
}

/// A finished copy.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Absolute path of the artifact.
    pub path: PathBuf,
    /// Its intents, to be settled with the switch-over.
    pub intents: Vec<u64>,
    /// What the child found.
    pub result: CopyResult,
    /// Bytes that the artifact occupies.
    pub actual_bytes: u64,
}

/// Copies, from the job's checkpoint if its artifact is still there.
///
/// # Errors
/// The attempt is to stop, or the copy cannot be done.
pub async fn carry(context: &JobContext, settings: &CopySettings, order: &Order) -> Result<Carried, Ended> {
    claimed::end_children(context).await?;
    let artifact = claimed::artifact(context, order).await?;
    let limits = settings.limits();
    let spec = CopySpec {
        source: order.source.clone(),
        target: DiskRef {
            root: PathBuf::from(order.target.directory().unwrap_or_default()),
            path: artifact.relative.clone(),
            format: order.format,
        },
        streams: limits.streams as usize,
        checkpoint_interval_ms: limits.checkpoint_ms,
    };
    let own_rate = own_rate(context).await?;
    let mut pages = artifact.pages.clone();
    let mut deaths = 0;
    let result = loop {
        let before = pages.clone();
        match child::drive(context, settings, &spec, own_rate, &mut pages).await? {
            child::End::Done(result) => break result,
            child::End::Died(why) => {
                deaths = if pages == before { deaths + 1 } else { 1 };
                if deaths >= DEATHS_MAX {
                    return Err(Fault::failed(format!(
                        "the copying process ended {deaths} times without getting further, last: {why}"
                    ))
                    .into());
                }
                tracing::warn!(job = %context.job().id, %why, "the copying process ended; another goes on from its checkpoint");
                context.sleep(std::time::Duration::from_millis(100)).await?;
            }
        }
    };
    let (target, relative) = (order.target.clone(), artifact.relative.clone());
    let actual_bytes =
        blocking(move || storage::actual_bytes(&crate::manage::open_root(&target)?, &relative)).await?;
    Ok(Carried { path: artifact.absolute, intents: artifact.intents, result, actual_bytes })
}

/// The rate limit in the job's tag, bytes per second.
async fn own_rate(context: &JobContext) -> Result<Option<u64>, Ended> {
    let tags = context.system_tags().await?;
    Ok(tags.iter().find_map(|t| t.strip_prefix(THROTTLE)).and_then(|n| n.parse().ok()))
}

/// Bytes that a job's artifact on `storage` occupies already; 0 if there is none.
///
/// # Errors
/// The ledger does not answer.
pub async fn written(desk: &Desk, job: JobId, storage: &Storage) -> Result<u64, Fault> {
    let mut bytes = 0;
    for intent in desk.inventory.all_intents().await? {
        if let (true, IntentKind::Artifact { path }) = (intent.job == job, &intent.kind)
            && intent.storage == Some(storage.id)
        {
            bytes += desk.occupied(storage, path).await.unwrap_or(0); // gone: nothing is written
        }
    }
    Ok(bytes)
}

/// Ends the job's children and removes its artifacts. Answers what was removed.
///
/// # Errors
/// A child cannot be ended, or a file cannot be removed; called again it goes on.
pub async fn undo(context: &JobContext) -> Result<Map<String, Value>, Fault> {
    let ended = claimed::end_children(context).await.map_err(|ended| match ended {
        Ended::Failed(fault) => fault,
        Ended::Stopped(_) => Fault::failed("stopped while undoing"),
    })?;
    let mut removed = Vec::new();
    for intent in context.intents().await? {
        let IntentKind::Artifact { path } = &intent.kind else { continue };
        if remove_artifact(context, intent.storage, path).await? {
            removed.push(Value::String(path.clone()));
        }
        context.settle(intent.id).await?;
    }
    Ok(Map::from_iter([
        ("removed".to_owned(), Value::Array(removed)),
        ("processesEnded".to_owned(), json!(ended)),
    ]))
}

/// Removes an artifact below its storage's root; `false` if there was none.
async fn remove_artifact(
    context: &JobContext,
    storage: Option<StorageId>,
    path: &str,
) -> Result<bool, Fault> {
    let Some(storage) = storage else { return Ok(false) };
    let place = context.inventory().storage(storage, "primaryStorageUuid").await?;
    let path = PathBuf::from(path);
    blocking(move || {
        let root = crate::manage::open_root(&place)?;
        let relative = path.strip_prefix(root.path()).unwrap_or(&path).to_owned();
        match storage::delete_artifact(&root, &relative) {
            Ok(()) => Ok(true),
            Err(DiskError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    })
    .await
}

/// Takes and keeps the lock that stops every QEMU from opening the source for writing, from before the copy
/// begins until the switch-over is written.
///
/// # Errors
/// A process holds the disk.
pub async fn hold_source(source: &DiskRef) -> Result<SourceGuard, Fault> {
    let source = source.clone();
    blocking(move || SourceGuard::new(&Root::open(&source.root)?, &source.path)).await
}

/// Proves right before the switch-over that the source is the file that was copied, as it was copied.
///
/// # Errors
/// It was written to, or another file is at its path.
pub async fn unchanged(guard: SourceGuard, source: &DiskRef) -> Result<SourceGuard, Fault> {
    let source = source.clone();
    blocking(move || {
        guard.unchanged(&Root::open(&source.root)?, &source.path)?;
        Ok(guard)
    })
    .await
}

/// `Stopped` as the attempt was told, cancel if it was told nothing.
fn stopped(context: &JobContext) -> Ended {
    Ended::Stopped(Stopped(context.stop_asked().unwrap_or(Stop::Cancel)))
}
