//! A job and what is said about it between engine and store: the durable record, a submission, a claim
//! and its fencing token, a change asked for through the API, a transition made by a claim's holder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, ApiId, JobId, NodeId};
use crate::progress::Progress;
use crate::resource::Effect;
use crate::state::{JobEvent, JobState};
use crate::terms::Terms;
use crate::timeline::{Actor, TimelineKind};

/// Longest `name`, in UTF-16 units.
pub const NAME_MAX: usize = 255;
/// Longest `description`, in UTF-16 units.
pub const DESCRIPTION_MAX: usize = 2048;
/// Largest `jobData`, in bytes.
pub const JOB_DATA_MAX_BYTES: usize = 1024 * 1024;

/// The durable record of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its uuid.
    pub id: JobId,
    /// Who submitted it.
    pub account: AccountId,
    /// For people; the job type's name where none was given.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Key of its progress; new at each rerun.
    pub api_id: ApiId,
    /// Its job type.
    pub job_name: String,
    /// The request as sent, secrets masked.
    pub job_data: String,
    /// JSON, once there is something to tell.
    pub job_result: Option<String>,
    /// Where it is in its life.
    pub state: JobState,
    /// Why it is suspended, while it is. `User` on a Waiting job: somebody holds it there; on a Running one:
    /// its attempt was asked to stop.
    pub suspend: Option<SuspendReason>,
    /// When a suspended job is retried by itself, ms since 1970.
    pub retry_at_ms: Option<i64>,
    /// What it works on.
    pub target: Option<String>,
    /// The node that holds it, or held it last while that node lives.
    pub node: Option<NodeId>,
    /// Submission or last rerun, ms since 1970.
    pub create_ms: i64,
    /// Last change, ms since 1970.
    pub last_op_ms: i64,
    /// First start since the last submission or rerun, ms since 1970.
    pub started_ms: Option<i64>,
    /// Whole seconds from the first start to the final state, at least 1.
    pub execute_s: Option<u64>,
    /// Grows with each change; guards writes that carry no token.
    pub version: u64,
    /// Runs so far, over all reruns.
    pub attempt: u32,
    /// The newest fencing token; 0 before the first claim.
    pub token: u64,
    /// On what terms it runs.
    pub terms: Terms,
    /// Retries after faults since the submission or last rerun.
    pub retried: u32,
}

/// Why a job is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SuspendReason {
    /// Somebody asked; only a resume starts it.
    User,
    /// A fault; a resume or its retry time starts it.
    Fault,
    /// A storage is away; its return or a resume starts it.
    Storage,
}

/// Which slot limit of a node a job counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SlotClass {
    /// Built-in types: `engine.maxRunning`.
    BuiltIn,
    /// Simulator types: `engine.maxRunningSimulator`.
    Simulator,
    /// Jobs that only submit others and wait for them: they never hold a slot that one of those needs.
    Parent,
}

impl SlotClass {
    /// All classes, in the order of their numbers in the store.
    pub const ALL: [Self; 3] = [Self::BuiltIn, Self::Simulator, Self::Parent];
}

/// A tag on a new resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTag {
    /// System tag (`true`) or user tag.
    pub system: bool,
    /// Its text.
    pub text: String,
}

/// A submission, checked and ready to be stored.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its uuid, the client's or ours.
    pub id: JobId,
    /// Who submits.
    pub account: AccountId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Key of its progress.
    pub api_id: ApiId,
    /// Its job type.
    pub job_name: String,
    /// The request as sent, secrets masked.
    pub job_data: String,
    /// The request with its secrets, encrypted; `None` where it has none.
    pub sealed_data: Option<Vec<u8>>,
    /// What it works on.
    pub target: Option<String>,
    /// SHA-256 over the canonical request; decides whether a repeated submission is the same one.
    pub request_hash: [u8; 32],
    /// The slot limit it counts against.
    pub class: SlotClass,
    /// Whether jobs on its target run one at a time, in the order of submission.
    pub ordered: bool,
    /// Its tags.
    pub tags: Vec<NewTag>,
    /// On what terms it runs.
    pub terms: Terms,
    /// Claim it for this node in the same commit, if nobody is before it for slot or target. The node
    /// vouches for the free slot.
    pub claim_for: Option<NodeId>,
}

/// What became of a submission.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// Stored; claimed at once where the answer carries the claim.
    Created(Box<Job>, Option<Claim>),
    /// The same request had been stored before: the job as it is now.
    Same(Box<Job>),
}

/// A job held by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The holder.
    pub node: NodeId,
    /// Its fencing token: grows with each claim of this job, also over reruns.
    pub token: u64,
    /// Which run this is.
    pub attempt: u32,
}

/// How a claimed job is to be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimedFor {
    /// A first attempt since the submission or the last rerun.
    Start,
    /// A further attempt, from the checkpoint if the type can.
    Resume,
    /// The job is Canceling: undo what is there and end it.
    Undo,
}

/// A claim with what its holder needs.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The claim.
    pub claim: Claim,
    /// The job as it is now.
    pub job: Job,
    /// What to do.
    pub purpose: ClaimedFor,
    /// Whether the former holder's lease ended, or its process did.
    pub taken_over: bool,
    /// The last checkpoint, empty if none.
    pub checkpoint: Pages,
    /// What earlier attempts of this run have shown, as far as it was stored.
    pub progress: Option<Progress>,
    /// The request with its secrets, encrypted.
    pub sealed_data: Option<Vec<u8>>,
}

/// A checkpoint: numbered pages, so that a large one is saved page by page as it changes.
pub type Pages = BTreeMap<u32, Vec<u8>>;

/// How many jobs of a class a node takes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSlots {
    /// The class.
    pub class: SlotClass,
    /// Up to how many.
    pub free: u32,
    /// Up to how many of those that any host may run. The rest is for those that this host alone may.
    pub shared: u32,
}

impl FreeSlots {
    /// For any job of the class.
    pub const fn new(class: SlotClass, free: u32) -> Self {
        Self { class, free, shared: free }
    }
}

/// A node's right to all its claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLease {
    /// Until when, by the store's clock, ms since 1970.
    pub until_ms: i64,
    /// For how long it was given, in ms.
    pub ttl_ms: i64,
    /// The node's host is drained: nothing is given to it.
    pub drained: bool,
    /// There is no other node: nothing is to be shared.
    pub alone: bool,
}

/// A transition made by the holder of a claim.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The event.
    pub event: JobEvent,
    /// What is written to `jobResult`; `None` leaves it.
    pub result: Option<String>,
    /// With `Suspend`: why.
    pub suspend: Option<SuspendReason>,
    /// With `Suspend`: when to try again by itself; counted as a retry.
    pub retry_at_ms: Option<i64>,
    /// Why, for the timeline.
    pub detail: String,
    /// What must be true at the same moment. Written only if the event leads to `Succeeded`, except
    /// `Effect::LedgerDone`, which is always written.
    pub effects: Vec<Effect>,
    /// `jobResult` to write instead if the job was Canceling and so ends Canceled.
    pub canceled_result: Option<String>,
}

impl Transition {
    /// `event` with nothing else.
    pub fn plain(event: JobEvent) -> Self {
        Self {
            event,
            result: None,
            suspend: None,
            retry_at_ms: None,
            detail: String::new(),
            effects: Vec::new(),
            canceled_result: None,
        }
    }
}

/// A change asked for through the API, decided by the engine on the version it read.
#[derive(Debug, Clone)]
pub struct Change {
    /// Who asks.
    pub actor: Actor,
    /// What the timeline says.
    pub kind: TimelineKind,
    /// The event, if the state is to change.
    pub event: Option<JobEvent>,
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// With `Rerun`: the new key of its progress.
    pub api_id: Option<ApiId>,
    /// What is written to `jobResult`; `None` leaves it (a rerun clears it).
    pub result: Option<String>,
    /// Why, for the timeline.
    pub detail: String,
    /// With `Rerun`: claim it for this node in the same commit, if nobody is before it.
    pub claim_for: Option<NodeId>,
    /// Without an event: hold it (`true`), or let a Waiting job that is held go on (`false`).
    pub hold: Option<bool>,
    /// Without an event: who holds this Canceling job is to drop its body at once.
    pub drop_body: bool,
}

impl Change {
    /// A change by `actor` that is noted as `kind` and changes nothing yet.
    pub fn new(actor: Actor, kind: TimelineKind) -> Self {
        Self {
            actor,
            kind,
            event: None,
            name: None,
            description: None,
            api_id: None,
            result: None,
            detail: String::new(),
            claim_for: None,
            hold: None,
            drop_body: false,
        }
    }
}
