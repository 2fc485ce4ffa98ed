//! One copy on behalf of a job: ends what earlier attempts left running, chooses or reuses the artifact,
//! drives the child process, keeps its checkpoints. Who the copy is for is in `migrate` and `import`.

mod child;
mod claimed;
pub mod estimate;
mod hold;
mod place;
mod rate;
mod start;

pub use child::done_of;
pub use hold::{Guard, HeldImage};
pub use place::Place;
use rate::Rate;
pub use rate::{FOLLOW_WITHIN, limit_elsewhere};

use std::path::{Path, PathBuf};

use longhaul_engine::handler::Ended;
use longhaul_engine::{JobContext, Stop, Stopped};
use longhaul_model::resource::{IntentKind, Storage};
use longhaul_model::{Code, Fault, JobId, Pages, StorageId};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::attempt_io::{ANSWER_WITHIN, Answer, Question, Spawner, ask};
use crate::copy::checkpoint::CLIENTS_PAGE;
use crate::copy::disk::Holder;
use crate::copy::image::snapshot_name;
use crate::copy::run::{CopyResult, CopySpec, DiskRef, Snapshots};
use crate::manage::fault::from_disk;
use crate::manage::{Desk, blocking};
use crate::pace::Pacer;
use crate::storage::{self, Format};

/// A child may die so often without a new checkpoint before the job fails.
pub const DEATHS_MAX: u32 = 10;
/// How long the removal of an image may take: it has an object for every 4 MiB that were written.
pub const REMOVE_WITHIN: std::time::Duration = std::time::Duration::from_secs(600);

/// How copies are made.
#[derive(Debug, Clone)]
pub struct CopySettings {
    /// Starts the children.
    pub spawner: Spawner,
    /// Their bounds, which may change.
    pub limits: watch::Receiver<CopyLimits>,
    /// What their storages give.
    pub pacer: Pacer,
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
    /// The source.
    pub source: DiskRef,
    /// The storage that it is on, where it is on one.
    pub from: Option<Place>,
    /// The storage to copy to.
    pub target: Place,
    /// The format to write; a pool takes raw alone.
    pub format: Format,
    /// Directory of the artifact below the target's root, or how its image's name begins: the volume's uuid.
    pub directory: String,
    /// What becomes of the snapshots of an image.
    pub snapshots: Snapshots,
}

impl Order {
    /// The artifact at `path` of the target, as records have it; `None` for a path elsewhere.
    fn disk_at(&self, path: &str) -> Option<DiskRef> {
        match (self.target.pool(), self.target.directory()) {
            (Some(pool), None) => pool.image(path).map(|image| DiskRef::image(pool.clone(), image)),
            (_, directory) => {
                let root = directory.unwrap_or_default();
                let relative = Path::new(path).strip_prefix(root).ok()?;
                Some(DiskRef::file(root, relative, self.format))
            }
        }
    }

    /// The path of a new artifact: final, and no other attempt's.
    fn new_path(&self, job: &str, token: u64) -> String {
        match (self.target.pool(), self.target.directory()) {
            (Some(pool), None) => pool.path(&format!("{}.{job}-{token}", self.directory)),
            (_, directory) => {
                let root = Path::new(directory.unwrap_or_default());
                root.join(&self.directory).join(format!("{job}-{token}")).to_string_lossy().into_owned()
            }
        }
    }

    /// The primary storages that it reads from and writes to.
    fn storages(&self) -> Vec<StorageId> {
        self.from.iter().chain([&self.target]).filter_map(Place::primary).collect()
    }

    /// Whether `path` is the snapshot that a copy of the source is made from.
    fn is_snapshot(&self, path: &str) -> bool {
        let DiskRef::Image { pool, image } = &self.source else { return false };
        path.strip_prefix(pool.path(image).as_str()).is_some_and(|rest| rest.starts_with('@'))
    }
}

/// A finished copy.
#[derive(Debug)]
pub struct Carried {
    /// Absolute path of the artifact, or its URL.
    pub path: PathBuf,
    /// Its intents, to be settled with the switch-over.
    pub intents: Vec<u64>,
    /// What the child found.
    pub result: CopyResult,
    /// Bytes that the artifact occupies.
    pub actual_bytes: u64,
    /// The child that holds the source, where that is an image; for `Guard::unchanged`.
    pub held: Option<HeldImage>,
    /// The checkpoint at its end.
    pub pages: Pages,
}

/// Copies, from the job's checkpoint if its artifact is still there.
///
/// # Errors
/// The attempt is to stop, or the copy cannot be done.
pub async fn carry(context: &JobContext, settings: &CopySettings, order: &Order) -> Result<Carried, Ended> {
    let mut rate = Rate::new(context, settings, order).await?;
    claimed::end_children(context).await?;
    for place in order.from.iter().chain([&order.target]) {
        place.refuse_elsewhere().map_err(from_disk)?;
    }
    let mut artifact = claimed::artifact(context, settings, order).await?;
    let holder = holder(context);
    if let (DiskRef::Image { pool, image }, None) = (&order.source, artifact.snapshot) {
        // Before it exists. It is settled with the switch-over; what then is left of it goes with the image.
        let path = format!("{}@{}", pool.path(image), snapshot_name(&holder));
        let from = order.from.as_ref().ok_or_else(|| Fault::internal("an image that is on no storage"))?;
        let (kind, storage) = from.intent(path);
        artifact.snapshot = Some(context.intend(kind, storage).await?.id);
    }
    let limits = settings.limits();
    let spec = CopySpec {
        source: order.source.clone(),
        target: artifact.disk.clone(),
        holder,
        streams: limits.streams as usize,
        checkpoint_interval_ms: limits.checkpoint_ms,
        snapshots: order.snapshots,
    };
    let storages = order.storages();
    let mut pages = artifact.pages.clone();
    let mut deaths = 0;
    let (result, held) = loop {
        let before = progress(&pages);
        match child::drive(context, settings, &spec, &storages, &mut rate, &mut pages).await? {
            child::End::Done(result, held) => break (result, held),
            child::End::Died(why) => {
                deaths = if progress(&pages) == before { deaths + 1 } else { 1 };
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
    let actual_bytes = occupied(settings, order, &artifact.disk, result.bytes).await?;
    let mut intents = artifact.intents;
    intents.extend(artifact.snapshot);
    let held = held.map(|(child, intent)| {
        intents.push(intent);
        HeldImage::new(child)
    });
    Ok(Carried { path: artifact.absolute, intents, result, actual_bytes, held, pages })
}

fn holder(context: &JobContext) -> Holder {
    Holder { job: context.job().id.to_string(), token: context.claim().token }
}

/// What of a checkpoint says how far the copy is: each attempt has clients of its own.
fn progress(pages: &Pages) -> Pages {
    pages.iter().filter(|(number, _)| **number != CLIENTS_PAGE).map(|(n, p)| (*n, p.clone())).collect()
}

/// Bytes that the artifact occupies; those of the disk where nobody tells.
async fn occupied(settings: &CopySettings, order: &Order, disk: &DiskRef, bytes: u64) -> Result<u64, Fault> {
    match disk.clone() {
        DiskRef::File { path, .. } => {
            // Through the mark: what was filled may not be what is mounted there now.
            let target = order.target.clone();
            blocking(move || storage::actual_bytes(&target.open()?, &path)).await
        }
        DiskRef::Image { pool, image } => {
            match ask(&settings.spawner, &pool, Question::Probe { image }, ANSWER_WITHIN).await {
                Ok(Answer::Image(facts)) => Ok(facts.stored_bytes.unwrap_or(facts.bytes)),
                Ok(_) => Ok(bytes),
                Err(error) => Err(from_disk(error)),
            }
        }
    }
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

/// Ends the job's children and removes its artifacts: each that can be, whatever becomes of the others. Answers what was
/// removed.
///
/// # Errors
/// A child cannot be ended, and then nothing is touched; or some of it cannot be removed: all that is left is named.
/// Called again it goes on.
pub async fn undo(context: &JobContext, settings: &CopySettings) -> Result<Map<String, Value>, Fault> {
    let ended = claimed::end_children(context).await.map_err(|ended| match ended {
        Ended::Failed(fault) => fault,
        Ended::Stopped(_) => Fault::failed("stopped while undoing"),
    })?;
    let mut removed = Vec::new();
    let mut left = Vec::new();
    for intent in context.intents().await? {
        let Some(path) = place::path_of(&intent) else { continue };
        match place::remove_artifact(context, settings, &intent).await {
            Ok(true) => removed.push(Value::String(path.to_owned())),
            Ok(false) => {}
            // Undoing waits for the store without counting, so that is told by itself.
            Err(fault) if fault.root().code == Code::StoreAway => return Err(fault),
            Err(fault) => {
                left.push((path.to_owned(), fault));
                continue;
            }
        }
        context.settle(intent.id).await?;
    }
    if let Some(fault) = all_left(left) {
        return Err(fault);
    }
    Ok(Map::from_iter([
        ("removed".to_owned(), Value::Array(removed)),
        ("processesEnded".to_owned(), json!(ended)),
    ]))
}

/// One fault that names everything that is left, each with why; `None` where nothing is.
fn all_left(left: Vec<(String, Fault)>) -> Option<Fault> {
    let code = left.first()?.1.code;
    let each: Vec<_> = left.into_iter().map(|(path, fault)| format!("{path} is left: {fault}")).collect();
    Some(Fault::new(code, each.join("; ")))
}

/// `Stopped` as the attempt was told, cancel if it was told nothing.
fn stopped(context: &JobContext) -> Ended {
    Ended::Stopped(Stopped(context.stop_asked().unwrap_or(Stop::Cancel)))
}
