//! The memory store: the reference model of the store's promises, and what the simulation and engine tests
//! run on. One lock, plain ordered maps; several nodes may share it. Nothing survives the process. One file
//! per trait family; what the state machine's answers mean is in `crate::life`.

mod batches;
mod claims;
mod configs;
mod deliveries;
mod events;
mod identity;
mod images;
mod jobs;
mod keys;
mod ledger;
mod nodes;
mod queries;
mod queue;
mod records;
mod resources;
mod tags;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhaul_model::progress::Progress;
use longhaul_model::resource::{
    AccessKey, Account, ApiRecord, BackupStorage, Image, Intent, Node, Session, Storage, Tag, Trash, Volume,
};
use longhaul_model::timeline::{Actor, TimelineKind, TimelineRow};
use longhaul_model::{
    AccountId, ApiId, BackupStorageId, Claim, HostId, ImageId, Job, JobId, JobState, KeyId, Limits, NodeId,
    Pages, Runtime, SessionId, SlotClass, StorageId, TagId, VolumeId,
};

use crate::lease::Leases;
use crate::options::StoreOptions;

/// A store in memory.
pub struct MemoryStore {
    runtime: Arc<dyn Runtime>,
    options: StoreOptions,
    db: Mutex<Db>,
}

/// A job with everything that belongs to it.
struct Entry {
    /// Its `node` is the newest holder; whether that node still lives is asked when it is read.
    job: Job,
    hash: [u8; 32],
    sealed_data: Option<Vec<u8>>,
    class: SlotClass,
    ordered: bool,
    /// Its place among jobs that are not final; grows with each submission and rerun.
    place: u64,
    holder: Option<NodeId>,
    /// Whether the last holder's lease ended under it.
    orphaned: bool,
    /// Whether it counts against its limits: from its claim until it is suspended or ends.
    counted: bool,
    timeline: Vec<TimelineRow>,
    checkpoint: Pages,
    /// The newest progress with the token of its claim.
    progress: Option<(u64, Progress)>,
    history: BTreeMap<u32, Vec<Progress>>,
}

#[derive(Clone)]
struct Member {
    /// Whether it is drained is in `Db::drained`.
    node: Node,
    until_ms: i64,
    /// What it tells the others.
    told: Option<String>,
    /// The job types that it knows, if it tells.
    types: Option<BTreeSet<String>>,
}

#[derive(Default)]
struct Db {
    jobs: BTreeMap<JobId, Entry>,
    /// Jobs that are not final, by their place.
    live: BTreeMap<u64, JobId>,
    last_place: u64,
    limits: Limits,
    nodes: BTreeMap<NodeId, Member>,
    grace_until_ms: i64,
    drained: BTreeSet<HostId>,
    /// Who has which duty, or had it last.
    duties: BTreeMap<String, NodeId>,
    kept: BTreeMap<String, String>,
    /// How many joins of a host were taken.
    joins: BTreeMap<HostId, u64>,
    accounts: BTreeMap<AccountId, Account>,
    /// Deleted accounts: their ids are never used again, and what they owned belongs to nobody.
    retired: BTreeSet<AccountId>,
    sessions: BTreeMap<SessionId, Session>,
    keys: BTreeMap<KeyId, AccessKey>,
    storages: BTreeMap<StorageId, Storage>,
    volumes: BTreeMap<VolumeId, Volume>,
    backup_storages: BTreeMap<BackupStorageId, BackupStorage>,
    images: BTreeMap<ImageId, Image>,
    trash: BTreeMap<u64, Trash>,
    last_trash: u64,
    intents: BTreeMap<u64, Intent>,
    last_intent: u64,
    /// Their hooks are in `deliveries`.
    records: BTreeMap<ApiId, ApiRecord>,
    deliveries: BTreeMap<ApiId, deliveries::Pending>,
    tags: BTreeMap<TagId, Tag>,
    /// Values by category and name.
    configs: BTreeMap<(String, String), String>,
}

impl MemoryStore {
    /// An empty store that takes its time and its ids from `runtime`.
    pub fn new(runtime: Arc<dyn Runtime>, options: StoreOptions) -> Self {
        Self { runtime, options, db: Mutex::new(Db::default()) }
    }

    fn now_ms(&self) -> i64 {
        self.runtime.now_ms()
    }

    fn lock(&self) -> MutexGuard<'_, Db> {
        // Every write checks first and then changes, so a panic elsewhere leaves no half of one.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// The job as others see it: a node that is gone is not named.
    fn seen(&self, job: &Job) -> Job {
        let mut job = job.clone();
        job.node = job.node.filter(|node| self.nodes.contains_key(node));
        job
    }

    fn leases(&self, now_ms: i64, ttl_ms: i64) -> Leases {
        Leases {
            now_ms,
            ttl_ms,
            newest_ms: self.nodes.values().map(|m| m.node.heartbeat_ms).max(),
            grace_until_ms: self.grace_until_ms,
        }
    }

    /// The job of `claim`, if it is the newest on it and its node's lease lives.
    fn held(&mut self, claim: &Claim, leases: Leases) -> Option<&mut Entry> {
        let lives = self.nodes.get(&claim.node).is_some_and(|m| !leases.expired(m.until_ms));
        let entry = self.jobs.get_mut(&claim.job)?;
        (lives && entry.holder == Some(claim.node) && entry.job.token == claim.token).then_some(entry)
    }

    /// Takes all claims from a node that is gone.
    fn orphan_jobs_of(&mut self, node: NodeId) {
        for entry in self.jobs.values_mut().filter(|e| e.holder == Some(node)) {
            entry.holder = None;
            entry.orphaned = true;
        }
    }

    /// Gives the job a place behind all others.
    fn enqueue(&mut self, id: JobId) {
        self.last_place += 1;
        let place = self.last_place;
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.place = place;
            entry.counted = false;
            self.live.insert(place, id);
        }
    }

    /// Whether an earlier non-final ordered job has the target of this one.
    fn is_behind_another(&self, entry: &Entry) -> bool {
        entry.ordered
            && entry.job.target.is_some()
            && self.live.range(..entry.place).any(|(_, other)| {
                self.jobs.get(other).is_some_and(|o| o.ordered && o.job.target == entry.job.target)
            })
    }
}

impl Entry {
    fn note(&mut self, at_ms: i64, kind: TimelineKind, actor: Actor, detail: &str) {
        self.timeline.push(TimelineRow {
            seq: self.timeline.len() as u64 + 1,
            at_ms,
            kind,
            actor,
            attempt: self.job.attempt,
            token: self.job.token,
            detail: detail.to_owned(),
        });
    }

    /// Takes over a decided record and drops what a final or rerun job has no more use for.
    fn store(&mut self, job: Job, ends_claim: bool) {
        if ends_claim {
            self.holder = None;
            self.orphaned = false;
        }
        self.counted &= job.state != JobState::Suspended;
        if job.state.is_final() {
            self.checkpoint.clear();
        }
        if job.state == JobState::Waiting && self.job.state.is_final() {
            self.progress = None;
            self.history.clear();
            self.checkpoint.clear();
        }
        self.job = job;
    }
}
