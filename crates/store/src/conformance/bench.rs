//! What a case works with: a fresh store, hand-moved time, and short words for what cases do all the time.

use std::any::Any;
use std::sync::{Arc, Barrier, Mutex};

use longhaul_model::resource::{
    Account, ApiOutcome, ApiRecord, BackupStorage, BackupStorageKind, Image, ImageRef, ImageStatus, NewNode,
    Storage, StorageKind, StorageState, Volume, WebHook,
};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{
    AccountId, ApiId, BackupStorageId, Change, Claim, Claimed, Clock, FreeSlots, HostId, ImageId, Job,
    JobEvent, JobId, JobState, NewJob, NodeId, SlotClass, StorageId, Submitted, Terms, Transition, VolumeId,
};

use super::clock::HandClock;
use crate::{Gone, Store, StoreError, options};

/// One second in ms.
pub const SECOND: i64 = 1000;

/// A fresh store, and whatever must live as long as it does.
pub struct Fresh {
    /// The store.
    pub store: Arc<dyn Store>,
    /// A temporary directory, for example.
    pub keep: Box<dyn Any + Send>,
}

/// A store and the time it lives in.
pub struct Bench {
    /// Dropped before `_keep`.
    pub store: Arc<dyn Store>,
    /// Its time.
    pub clock: Arc<HandClock>,
    /// An account that owns what cases submit.
    pub account: AccountId,
    _keep: Mutex<Box<dyn Any + Send>>,
}

impl Bench {
    /// A bench on the store that `open` makes.
    pub fn new(open: impl FnOnce(Arc<HandClock>) -> Fresh) -> Self {
        let clock = HandClock::new();
        let Fresh { store, keep } = open(clock.clone());
        Self { store, account: AccountId::random(&*clock), clock, _keep: Mutex::new(keep) }
    }

    /// What `task` answers to each of `0..n`, all asked at the same moment, each from a thread of its own.
    pub fn at_once<T: Send>(&self, n: usize, task: impl AsyncFn(usize) -> T + Sync) -> Vec<T> {
        let start = Barrier::new(n);
        let ask = |at| {
            start.wait();
            futures::executor::block_on(task(at))
        };
        std::thread::scope(|scope| {
            let ask = &ask;
            let threads: Vec<_> = (0..n).map(|at| scope.spawn(move || ask(at))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
        })
    }

    /// The lease time to live, ms.
    pub fn lease_ttl(&self) -> i64 {
        options::LEASE_TTL_MS
    }

    /// A job that nobody has submitted yet.
    pub fn new_job(&self) -> NewJob {
        let id = JobId::random(&*self.clock);
        NewJob {
            id,
            account: self.account,
            name: format!("job-{id}"),
            description: None,
            api_id: ApiId::in_order(&*self.clock),
            job_name: "APISimulateJobMsg".to_owned(),
            job_data: "{}".to_owned(),
            sealed_data: None,
            target: None,
            request_hash: [1; 32],
            class: SlotClass::Simulator,
            ordered: false,
            tags: Vec::new(),
            terms: Terms::default(),
            claim_for: None,
        }
    }

    /// A job of a type that is ordered by its target.
    pub fn new_ordered_job(&self, target: &str) -> NewJob {
        NewJob { target: Some(target.to_owned()), ordered: true, ..self.new_job() }
    }

    /// Stores it and answers it with its claim, if it was claimed at once.
    pub async fn submit(&self, new: NewJob) -> (Job, Option<Claim>) {
        match self.store.submit(new, None).await {
            Ok(Submitted::Created(job, claim)) => (*job, claim),
            other => panic!("not submitted: {other:?}"),
        }
    }

    /// A node with a live lease.
    pub async fn node(&self) -> NodeId {
        self.node_joined(HostId::random(&*self.clock), Gone::Unproven).await
    }

    /// A node of that host with a live lease.
    pub async fn node_joined(&self, host: HostId, gone: Gone) -> NodeId {
        let node = self.next_of(host).await;
        self.store.join(node.clone(), gone).await.expect("joined");
        node.id
    }

    /// The next node of that host, which has not joined yet.
    pub async fn next_of(&self, host: HostId) -> NewNode {
        let joins_before = self.store.joins(host).await.expect("told");
        NewNode { joins_before, ..NewNode::new(NodeId::random(&*self.clock), host, "here") }
    }

    /// Claims as `node` whatever can be claimed.
    pub async fn claim_all(&self, node: NodeId) -> Vec<Claimed> {
        let slots = SlotClass::ALL.map(|class| FreeSlots::new(class, 1000));
        self.store.claim(node, &slots, &[]).await.expect("claimed")
    }

    /// Claims the one job there is to be claimed.
    pub async fn claim_as(&self, node: NodeId) -> Claim {
        let claimed = self.claim_all(node).await;
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        claimed[0].claim
    }

    /// A new job, claimed by a new node.
    pub async fn submit_and_claim(&self) -> Claim {
        self.submit(self.new_job()).await;
        let node = self.node().await;
        self.claim_as(node).await
    }

    /// Moves time on by `ms` while `node` sends a heartbeat every second.
    pub async fn advance_while_heartbeating(&self, node: NodeId, ms: i64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(SECOND);
            self.clock.advance(step);
            self.store.heartbeat(node).await.expect("the lease is renewed");
            left -= step;
        }
    }

    /// The job as it is.
    pub async fn job(&self, id: JobId) -> Job {
        self.store.job(id).await.expect("read").expect("there")
    }

    /// Its state.
    pub async fn state(&self, id: JobId) -> JobState {
        self.job(id).await.state
    }

    /// Makes a plain transition.
    pub async fn apply(&self, claim: &Claim, event: JobEvent) -> Result<Job, StoreError> {
        self.store.apply(claim, Transition::plain(event)).await
    }

    /// Makes a change on the newest version.
    pub async fn change(&self, id: JobId, kind: TimelineKind, event: JobEvent) -> Result<Job, StoreError> {
        let version = self.job(id).await.version;
        let mut change = self.asked(kind);
        change.event = Some(event);
        self.store.change(id, version, change, None).await.map(|(job, _)| job)
    }

    /// A change asked for by the bench's account.
    pub fn asked(&self, kind: TimelineKind) -> Change {
        Change::new(Actor::Account(self.account), kind)
    }

    /// Cancels it.
    pub async fn cancel(&self, id: JobId) -> Job {
        self.change(id, TimelineKind::CancelRequested, JobEvent::Cancel).await.expect("canceled")
    }

    /// Reruns it.
    pub async fn rerun(&self, id: JobId) -> Job {
        self.change(id, TimelineKind::Rerun, JobEvent::Rerun).await.expect("rerun")
    }

    /// The kinds in its timeline; its numbers must be without a gap.
    pub async fn kinds(&self, id: JobId) -> Vec<TimelineKind> {
        let rows = self.store.timeline(id).await.expect("read");
        for (row, seq) in rows.iter().zip(1..) {
            assert_eq!(row.seq, seq, "{rows:?}");
        }
        rows.into_iter().map(|row| row.kind).collect()
    }

    /// A record of an asynchronous call.
    pub fn record(&self, outcome: Option<ApiOutcome>) -> ApiRecord {
        let now_ms = self.clock.now_ms();
        ApiRecord {
            id: ApiId::in_order(&*self.clock),
            account: self.account,
            expires_ms: now_ms + 60 * SECOND,
            finished_ms: outcome.is_some().then_some(now_ms),
            outcome,
            message: None,
            hook: None,
            host: Some(HostId::from_bits(7)),
        }
    }

    /// The same of a call whose answer is to be told.
    pub fn hooked_record(&self, outcome: Option<ApiOutcome>) -> ApiRecord {
        let record = self.record(outcome);
        let hook = WebHook { url: format!("http://receiver/{}", record.id), wants_schema: true };
        ApiRecord { hook: Some(hook), ..record }
    }

    /// An account that is not stored yet.
    pub fn new_account(&self, name: &str) -> Account {
        Account {
            id: AccountId::random(&*self.clock),
            name: name.to_owned(),
            description: None,
            admin: false,
            password_hash: "hash".to_owned(),
            create_ms: 0,
            last_op_ms: 0,
        }
    }

    /// A stored storage.
    pub async fn storage(&self, url: &str) -> Storage {
        self.store.create_storage(self.new_storage(url)).await.expect("stored")
    }

    /// A storage that is not stored yet.
    pub fn new_storage(&self, url: &str) -> Storage {
        Storage {
            id: StorageId::random(&*self.clock),
            name: "pool".to_owned(),
            description: None,
            kind: StorageKind::Local,
            url: url.to_owned(),
            mount: None,
            pool: None,
            host: None,
            elsewhere: None,
            state: StorageState::Enabled,
            status: "Connected".to_owned(),
            total_bytes: 1000,
            available_bytes: 900,
            create_ms: 0,
            last_op_ms: 0,
        }
    }

    /// A volume that is not stored yet.
    pub fn new_volume(&self, storage: StorageId, path: &str) -> Volume {
        Volume {
            id: VolumeId::random(&*self.clock),
            account: self.account,
            name: "disk".to_owned(),
            description: None,
            storage: Some(storage),
            install_path: Some(path.to_owned()),
            kind: "Data".to_owned(),
            format: Some("qcow2".to_owned()),
            size: 1 << 30,
            actual_size: Some(4096),
            state: "Enabled".to_owned(),
            status: "Ready".to_owned(),
            deleted_ms: None,
            create_ms: 0,
            last_op_ms: 0,
        }
    }

    /// A backup storage that is not stored yet.
    pub fn new_backup_storage(&self, url: &str) -> BackupStorage {
        BackupStorage {
            id: BackupStorageId::random(&*self.clock),
            name: "shelf".to_owned(),
            description: None,
            kind: BackupStorageKind::ImageStore,
            url: url.to_owned(),
            pool: None,
            host: None,
            elsewhere: None,
            host_name: Some("localhost".to_owned()),
            username: None,
            ssh_port: Some(22),
            state: StorageState::Enabled,
            status: "Connected".to_owned(),
            total_bytes: 1000,
            available_bytes: 900,
            create_ms: 0,
            last_op_ms: 0,
        }
    }

    /// An image that is on its way to these backup storages, and not stored yet.
    pub fn new_image(&self, on: &[BackupStorageId]) -> Image {
        let copy = |place: &BackupStorageId| ImageRef {
            backup_storage: *place,
            install_path: String::new(),
            status: ImageStatus::Downloading,
            export_url: None,
            export_md5: None,
            more_exports: Vec::new(),
            create_ms: 0,
            last_op_ms: 0,
        };
        Image {
            id: ImageId::random(&*self.clock),
            account: self.account,
            job: None,
            name: "template".to_owned(),
            description: None,
            enabled: true,
            status: ImageStatus::Downloading,
            size: 0,
            actual_size: 0,
            md5: None,
            blake3: None,
            url: Some("http://images/template".to_owned()),
            media_type: "RootVolumeTemplate".to_owned(),
            guest_os_type: None,
            platform: Some("Linux".to_owned()),
            architecture: Some("x86_64".to_owned()),
            format: "qcow2".to_owned(),
            system: false,
            virtio: true,
            deleted_ms: None,
            create_ms: 0,
            last_op_ms: 0,
            refs: on.iter().map(copy).collect(),
        }
    }
}
