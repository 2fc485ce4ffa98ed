//! What a job type is: its rules as data, and a trait with its work. Implementations are in
//! `longhaul-jobs`; how they are run is in `runner`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use longhaul_model::resource::Effect;
use longhaul_model::{AccountId, Fault, HostId, JobId, SlotClass};
use serde_json::{Map, Value};

use crate::context::{JobContext, Stopped};

/// What is to become of a job whose node died in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartRule {
    /// The next attempt goes on from the checkpoint.
    Resume,
    /// The next attempt starts anew: safe for this type.
    StartAgain,
    /// What is there is undone and the job fails, saying so.
    Fail,
}

/// The rules of a job type.
#[derive(Debug, Clone)]
pub struct JobType {
    /// `jobName`.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Whether it can be canceled.
    pub cancelable: bool,
    /// Whether it can be resumed from Suspended.
    pub resumable: bool,
    /// Whether it can be cleaned while Canceling.
    pub cleanable: bool,
    /// Whether jobs on one target run one at a time, in the order of submission.
    pub ordered: bool,
    /// The slot limit it counts against.
    pub class: SlotClass,
    /// What a takeover does.
    pub restart: RestartRule,
    /// Whether only the admin account may submit it.
    pub admin_only: bool,
    /// JSON Schema of `jobData`.
    pub schema: fn() -> Value,
}

/// What is checked before a job is stored.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// The job it will be, so that a rerun does not find itself in the way.
    pub job: JobId,
    /// Who submits.
    pub account: AccountId,
    /// Whether that is an admin.
    pub admin: bool,
    /// `targetResourceUuid` as sent.
    pub target: Option<String>,
    /// `jobData`, parsed.
    pub data: Value,
    /// The rate that its tags give it, bytes per second, 0 = unlimited; `None`: the server's default.
    pub rate: Option<u64>,
    /// The host of the node that checks.
    pub host: HostId,
    /// Only a plan is wanted: what stands in the way goes into it instead of failing the check.
    pub dry_run: bool,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The target the job works on, where the type knows better than the client.
    pub target: Option<String>,
    /// The host that must run it, where it works on what lies there alone.
    pub host: Option<HostId>,
    /// What the job would do: bytes, space, estimate; for a dry run.
    pub plan: Map<String, Value>,
}

/// The end of an attempt that did its work.
#[derive(Debug, Clone, Default)]
pub struct Success {
    /// `inventory` of `jobResult`.
    pub inventory: Option<Value>,
    /// Further keys of `jobResult`.
    pub extra: Map<String, Value>,
    /// What must be true at the moment the job becomes Succeeded.
    pub effects: Vec<Effect>,
    /// Kept until the job is Succeeded or is not: a lock, for example.
    pub held: Held,
}

/// Something that is kept, and let go by being dropped.
#[derive(Clone, Default)]
pub struct Held(Option<Arc<dyn Any + Send + Sync>>);

impl Held {
    /// Keeps `thing`.
    pub fn new(thing: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(thing)))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Held(..)" } else { "Held" })
    }
}

/// Why an attempt did not do its work.
#[derive(Debug, Clone)]
pub enum Ended {
    /// It was told to stop, and did.
    Stopped(Stopped),
    /// It failed. `Code::Interrupted` and `Code::NodeGone` suspend the job; `Code::StorageAway` and
    /// `Code::StorageFull` suspend it until `JobHandler::ready`, if its type can be resumed;
    /// `Code::JobCanceled` cancels it, everything else fails it.
    Failed(Fault),
}

impl From<Stopped> for Ended {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// The work of a job type. Methods may be called at any time, on any node, more than once.
#[async_trait]
pub trait JobHandler: Send + Sync + 'static {
    /// The rules.
    fn job_type(&self) -> JobType;

    /// Checks a submission or a rerun, changing nothing.
    ///
    /// # Errors
    /// What is wrong and what to do; the job is not stored.
    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault>;

    /// Does the work, from `context.checkpoint()` if there is one. Looks at `context.stop_asked()` often
    /// enough to stop within a second.
    ///
    /// # Errors
    /// `Ended`.
    async fn run(&self, context: &JobContext) -> Result<Success, Ended>;

    /// Removes what earlier attempts left, after a cancel, a failure, or a takeover that cannot go on.
    /// Answers a receipt of what was removed. Called again if it was cut.
    ///
    /// # Errors
    /// What could not be removed.
    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault>;

    /// Whether what a job waits for, suspended because of a storage, is there. Asked every few seconds.
    ///
    /// # Errors
    /// It is not: why.
    async fn ready(&self, _job: JobId, _data: &Value) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether its work is a copy by `carry`, which has a rate that can be changed.
    fn copies(&self) -> bool {
        false
    }

    /// Whether a cancel of a running attempt is accepted now.
    ///
    /// # Errors
    /// `Code::NotCancelableNow`: the job is Canceling all the same until its body ends.
    fn accepts_cancel(&self, _data: &Value) -> Result<(), Fault> {
        Ok(())
    }
}
