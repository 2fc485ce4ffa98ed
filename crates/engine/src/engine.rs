//! One node's engine: what it holds and how it starts. How it drains and stops is in `drain`, the verbs are in
//! files of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longhaul_model::resource::{ApiOutcome, ApiRecord};
use longhaul_model::timeline::{Actor, TimelineRow};
use longhaul_model::{AccountId, ApiId, Claim, Code, Fault, HostId, Job, JobId, NodeId, Runtime};
use longhaul_store::{Store, StoreError};
use tokio::sync::{Notify, watch};

use crate::config::EngineConfig;
use crate::context::Told;
use crate::fault::from_store;
use crate::heartbeat::{Joined, Lease, join, not_joined};
use crate::inventory::{Inventory, not_found};
use crate::placement::Placement;
use crate::progress::Hub;
use crate::registry::Registry;
use crate::slots::Slots;
use crate::troubles::Troubles;

/// Who calls, and where an asynchronous caller wants the answer kept.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// Whether it is an admin.
    pub admin: bool,
    /// The record to write in the same transaction as the effect; its outcome is filled in here.
    pub record: Option<ApiRecord>,
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        Actor::Account(self.account)
    }

    pub(crate) fn record_with(&self, outcome: ApiOutcome) -> Option<ApiRecord> {
        self.record.clone().map(|record| ApiRecord { outcome: Some(outcome), ..record })
    }
}

/// An attempt running here.
pub(crate) struct Running {
    pub claim: Claim,
    pub stop: watch::Sender<Option<Told>>,
    /// Drops the body at once: a clean, or a cancel past its deadline.
    pub abort: Arc<Notify>,
    /// The next attempt goes on from its checkpoint.
    pub resumes: bool,
    /// This host alone may run it.
    pub bound: bool,
}

/// What an engine holds in memory on behalf of jobs; all zero when no job is held here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Attempts running.
    pub attempts: usize,
    /// Slots taken, of all classes.
    pub slots: u32,
    /// Jobs with live progress.
    pub live_progress: usize,
    /// Submissions and reruns on their way.
    pub expected: usize,
}

/// One node's engine.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) registry: Registry,
    pub(crate) config: EngineConfig,
    pub(crate) slots: Arc<Slots>,
    placement: Mutex<Placement>,
    pub(crate) cancel_deadline_ms: AtomicU64,
    pub(crate) lease: Lease,
    pub(crate) progress: Hub,
    node: Mutex<NodeId>,
    attempts: Mutex<BTreeMap<JobId, Running>>,
    /// Attempts whose end is being stored.
    pub(crate) ending: AtomicUsize,
    /// Jobs whose submission or rerun may come back with a claim, and how many such calls are on their way.
    expected: Mutex<BTreeMap<JobId, u32>>,
    /// One change of a job's rate at a time.
    pub(crate) throttles: tokio::sync::Mutex<()>,
    /// What the store does not do at present.
    pub(crate) troubles: Troubles,
    /// There may be something to claim.
    pub(crate) wake: Notify,
    /// An attempt or a job ended here.
    pub(crate) ended: Notify,
    /// An answer that may have carried a claim was lost.
    pub(crate) lost_answer: AtomicBool,
    /// The process ends.
    pub(crate) draining: AtomicBool,
    /// It does so without waiting for the end of any job.
    pub(crate) hurried: AtomicBool,
    /// The host is drained until somebody ends that.
    pub(crate) drained: AtomicBool,
    /// How often that was asked for or ended here.
    pub(crate) drains: Mutex<u64>,
    pub(crate) over: AtomicBool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Joins the cluster and starts working. Jobs of the former processes that `config.gone` proves gone are taken over
    /// at once.
    ///
    /// # Errors
    /// The store does not take the node.
    pub async fn start(
        store: Arc<dyn Store>,
        runtime: Arc<dyn Runtime>,
        registry: Registry,
        config: EngineConfig,
    ) -> Result<Arc<Self>, Fault> {
        let joined = join(&*store, &*runtime, (&config, &registry), config.gone).await;
        let Joined { node, sent, lease } = joined.map_err(not_joined)?;
        let engine = Arc::new(Self {
            slots: Slots::new(&config, runtime.clone()),
            placement: Mutex::new(Placement::new(registry.known(), lease.alone, config.poll)),
            cancel_deadline_ms: AtomicU64::default(),
            lease: Lease::new(config.lease_ttl),
            store,
            registry,
            config,
            progress: Hub::default(),
            node: Mutex::new(node),
            attempts: Mutex::default(),
            ending: AtomicUsize::new(0),
            expected: Mutex::default(),
            throttles: tokio::sync::Mutex::default(),
            troubles: Troubles::default(),
            wake: Notify::new(),
            ended: Notify::new(),
            lost_answer: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            drained: AtomicBool::new(lease.drained),
            drains: Mutex::new(0),
            over: AtomicBool::new(false),
            runtime,
        });
        engine.set_cancel_deadline(engine.config.cancel_deadline);
        engine.put_limits_in_force().await.map_err(|e| from_store(e, "the limits"))?;
        engine.lease.confirm(sent);
        engine.runtime.spawn_apart("heartbeat", Box::pin(engine.clone().beat()));
        engine.runtime.spawn("claims", Box::pin(engine.clone().claim_jobs()));
        engine.runtime.spawn("progress", Box::pin(engine.clone().flush_progress()));
        Ok(engine)
    }

    /// The limits are the cluster's: those that this node is started with replace what was in force. One that is started
    /// with none leaves them.
    async fn put_limits_in_force(&self) -> Result<(), StoreError> {
        let before = self.store.limits().await?;
        match &self.config.limits {
            Some(now) if before != *now => {
                tracing::warn!(%before, %now, "other limits of jobs are in force from now on, on every node");
                self.store.set_limits(now).await?;
            }
            None if !before.is_empty() => {
                tracing::info!(limits = %before, "the limits of jobs that are in force stay so: this node is started without any");
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// This node's id.
    pub fn node(&self) -> NodeId {
        *lock(&self.node)
    }

    pub(crate) fn set_node(&self, node: NodeId) {
        *lock(&self.node) = node;
    }

    /// This machine's id.
    pub fn host(&self) -> HostId {
        self.config.host
    }

    /// Time, chance and concurrency.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// The job types of this node.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Storages and volumes.
    pub fn inventory(&self) -> Inventory {
        Inventory::new(self.store.clone(), self.runtime.clone()).at(self.config.host)
    }

    /// Whether the node takes and does work now: its lease holds, it does not drain, and the store answers.
    pub fn is_ready(&self) -> bool {
        self.why_not_ready().is_none()
    }

    /// Why the node takes no work now; `None` if it does.
    pub fn why_not_ready(&self) -> Option<String> {
        if self.is_draining() {
            return Some("the node stops".to_owned());
        }
        if self.is_drained() {
            return Some("the host of this node is drained; longhaul node undrain ends that".to_owned());
        }
        if let Some(why) = self.troubles.why() {
            return Some(why);
        }
        let holds = self.lease.holds(&*self.runtime);
        (!holds).then(|| "the store has not confirmed the lease of this node in time".to_owned())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// How many attempts run here.
    pub fn attempts_here(&self) -> usize {
        lock(&self.attempts).len()
    }

    /// What is held in memory on behalf of jobs.
    pub fn held(&self) -> Held {
        Held {
            attempts: self.attempts_here(),
            slots: self.slots.in_use(),
            live_progress: self.progress.len(),
            expected: lock(&self.expected).len(),
        }
    }

    pub(crate) fn placement(&self) -> MutexGuard<'_, Placement> {
        lock(&self.placement)
    }

    pub(crate) fn attempts(&self) -> MutexGuard<'_, BTreeMap<JobId, Running>> {
        lock(&self.attempts)
    }

    /// A call is about to be made that may come back with a claim of `job`.
    pub(crate) fn expect_claim(&self, job: JobId) {
        *lock(&self.expected).entry(job).or_default() += 1;
    }

    /// Such a call came back.
    pub(crate) fn expect_no_more(&self, job: JobId) {
        let mut expected = lock(&self.expected);
        if let Some(calls) = expected.get_mut(&job) {
            *calls -= 1;
            if *calls == 0 {
                expected.remove(&job);
            }
        }
    }

    /// Whether any such call is on its way.
    pub(crate) fn expects_claim(&self, job: JobId) -> bool {
        lock(&self.expected).contains_key(&job)
    }

    /// Tells every attempt to stop; a stronger reason replaces a weaker one.
    pub(crate) fn stop_all(&self, why: Told) {
        for running in self.attempts().values() {
            tell(running, why);
        }
    }

    /// Tells the attempt of `job` to stop, if it runs here under a token up to `token`: what was said of an
    /// earlier claim may come late and does not concern the run after a rerun.
    pub(crate) fn tell_stop(&self, job: JobId, token: u64, why: Told) {
        if let Some(running) = self.attempts().get(&job).filter(|r| r.claim.token <= token) {
            tell(running, why);
        }
    }

    /// Drops the body of `job` where it stands, if it runs here under a token up to `token`; what follows, as after a
    /// cancel, is its undoing.
    pub(crate) fn drop_body(&self, job: JobId, token: u64) {
        if let Some(running) = self.attempts().get(&job).filter(|r| r.claim.token <= token) {
            running.abort.notify_one();
        }
    }

    /// The job, if `caller` may touch it.
    ///
    /// # Errors
    /// `NotFound`; `PermissionDenied` for a foreign one.
    pub async fn owned_job(&self, caller: &Caller, uuid: &str) -> Result<Job, Fault> {
        let missing = || not_found("uuid", uuid, "LongJobVO");
        let id: JobId = uuid.parse().map_err(|_| missing())?;
        let job = self.store.job(id).await.map_err(|e| from_store(e, "the long job"))?.ok_or_else(missing)?;
        if caller.admin || job.account == caller.account {
            return Ok(job);
        }
        Err(Fault::new(
            Code::PermissionDenied,
            format!(
                "operation denied. The resource[uuid: {id}] doesn't belong to the account[uuid: {}]",
                caller.account
            ),
        ))
    }

    /// Up to `limit` rows of the history of a job that `caller` may see, behind the row of the number `after`.
    ///
    /// # Errors
    /// As `owned_job`.
    pub async fn timeline(
        &self,
        caller: &Caller,
        uuid: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<TimelineRow>, Fault> {
        let job = self.owned_job(caller, uuid).await?;
        self.store.timeline_page(job.id, after, limit).await.map_err(|e| from_store(e, "the timeline"))
    }

    /// Ends when an attempt or a job ends on this node. What ended before it was asked is not told.
    pub async fn something_ended(&self) {
        self.ended.notified().await;
    }

    /// Stores the answer of a call that changed nothing else.
    ///
    /// # Errors
    /// The record's id is used already, or the store does not take it.
    pub async fn answer_only(&self, caller: &Caller, outcome: ApiOutcome) -> Result<(), Fault> {
        let Some(record) = caller.record_with(outcome) else { return Ok(()) };
        self.store.create_record(record).await.map_err(|e| from_store(e, "the api record"))
    }

    /// Waits until the job is final, or `None` after `patience`, or when it was deleted.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn wait_final(&self, id: JobId, patience: Duration) -> Result<Option<Job>, Fault> {
        let until = self.runtime.monotonic() + patience;
        loop {
            let ended = self.ended.notified();
            match self.store.job(id).await {
                Ok(Some(job)) if job.state.is_final() => return Ok(Some(job)),
                Ok(Some(_)) => {}
                Err(error) if error.may_pass() => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(from_store(error, "the long job")),
            }
            if self.runtime.monotonic() >= until {
                return Ok(None);
            }
            let ended = std::pin::pin!(ended);
            futures::future::select(ended, self.runtime.sleep(self.config.poll)).await;
        }
    }

    /// A fresh API id.
    pub fn fresh_api_id(&self) -> ApiId {
        ApiId::in_order(&*self.runtime)
    }
}

pub(crate) fn tell(running: &Running, why: Told) {
    running.stop.send_if_modified(|now| {
        let stronger = now.is_none_or(|old| why > old);
        if stronger {
            *now = Some(why);
        }
        stronger
    });
}
