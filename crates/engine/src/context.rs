//! What an attempt sees of the engine: its job, its checkpoint, whether it is to stop, and the writes it may
//! make while its claim holds.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::query::Resource;
use longhaul_model::resource::{Intent, IntentKind, Tag};
use longhaul_model::{Claim, Fault, HostId, Job, Pages, Runtime, StorageId};
use longhaul_store::StoreError;
use serde_json::Value;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::fault::from_store;
use crate::handler::Ended;
use crate::inventory::Inventory;
use crate::progress::{Limit, Report};
use crate::redaction::Redaction;
use crate::runner::LOOK_AGAIN;

/// Why an attempt is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The job is to end, canceled or past its deadline: it will be undone.
    Cancel,
    /// It is to go on later, maybe elsewhere: save a checkpoint.
    Drain,
    /// Another attempt may hold the job: stop at once, write nothing.
    LeaseLost,
}

/// What an attempt was told, the stronger the later. Its body sees of it whether to undo or to save.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// Somebody suspends the job.
    Suspend,
    /// Its deadline has passed.
    Deadline,
    /// Somebody cancels it.
    Cancel,
    /// The node drains.
    Drain,
    /// Another attempt may hold it.
    LeaseLost,
}

impl Told {
    /// What a body is to do.
    pub fn stop(self) -> Stop {
        match self {
            Self::Deadline | Self::Cancel => Stop::Cancel,
            Self::Suspend | Self::Drain => Stop::Drain,
            Self::LeaseLost => Stop::LeaseLost,
        }
    }
}

/// An attempt was told to stop, and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped(pub Stop);

/// One attempt's view of the engine.
pub struct JobContext {
    pub(crate) engine: Arc<Engine>,
    pub(crate) job: Job,
    pub(crate) claim: Claim,
    pub(crate) data: Value,
    pub(crate) redaction: Redaction,
    pub(crate) checkpoint: Pages,
    pub(crate) taken_over: bool,
    pub(crate) stop: watch::Receiver<Option<Told>>,
}

impl JobContext {
    /// The job as it was when the attempt began.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The claim with its fencing token.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// `jobData` with its secrets in clear. Never to be logged or stored.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// The last checkpoint; empty at a first attempt.
    pub fn checkpoint(&self) -> &Pages {
        &self.checkpoint
    }

    /// Whether the former holder is gone rather than having stopped in order.
    pub fn taken_over(&self) -> bool {
        self.taken_over
    }

    /// Time, chance and concurrency.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.engine.runtime
    }

    /// Storages and volumes.
    pub fn inventory(&self) -> Inventory {
        self.engine.inventory()
    }

    /// Whether the attempt is to stop, and why.
    pub fn stop_asked(&self) -> Option<Stop> {
        self.told_now().map(Told::stop)
    }

    pub(crate) fn told_now(&self) -> Option<Told> {
        *self.stop.borrow()
    }

    /// Ends when the attempt is to stop.
    pub async fn stopped(&self) -> Stop {
        self.told().await.stop()
    }

    /// Ends when the attempt was told something.
    pub(crate) async fn told(&self) -> Told {
        let mut stop = self.stop.clone();
        loop {
            if let Some(why) = *stop.borrow_and_update() {
                return why;
            }
            if stop.changed().await.is_err() {
                return Told::LeaseLost; // the engine is gone
            }
        }
    }

    /// Ends when the lease is lost.
    pub(crate) async fn lost(&self) {
        let mut stop = self.stop.clone();
        while *stop.borrow_and_update() != Some(Told::LeaseLost) {
            if stop.changed().await.is_err() {
                return; // the engine is gone
            }
        }
    }

    /// Sleeps, unless told to stop first.
    ///
    /// # Errors
    /// Why it is to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        let stopped = std::pin::pin!(self.stopped());
        match futures::future::select(stopped, self.engine.runtime.sleep(duration)).await {
            futures::future::Either::Left((why, _)) => Err(Stopped(why)),
            futures::future::Either::Right(_) => Ok(()),
        }
    }

    /// Tells how far the attempt is. Costs no I/O; reaches the store within about a second.
    pub fn progress(&self, mut report: Report) {
        report.stage = self.redaction.text(report.stage);
        self.engine.progress.report(&self.job.api_id, report, &*self.engine.runtime);
    }

    /// Tells what limits the attempt now; shown beside its progress.
    pub fn limited(&self, limit: Option<Limit>) {
        self.engine.progress.limit(&self.job.api_id, limit, &*self.engine.runtime);
    }

    /// Ends when this node's lease is known to hold; from then on it does for a second at least.
    ///
    /// # Errors
    /// The lease is lost.
    pub async fn lease(&self) -> Result<(), Stopped> {
        loop {
            if self.stop_asked() == Some(Stop::LeaseLost) {
                return Err(Stopped(Stop::LeaseLost));
            }
            let holds = self.engine.lease.holds(&*self.engine.runtime);
            if self.engine.node() != self.claim.node {
                return Err(Stopped(Stop::LeaseLost)); // the lease that holds is a later one
            }
            if holds {
                return Ok(());
            }
            self.engine.runtime.sleep(LOOK_AGAIN).await;
        }
    }

    /// How many times this node's lease was confirmed; changes with each heartbeat that was answered.
    pub fn lease_confirmations(&self) -> watch::Receiver<u64> {
        self.engine.lease.confirmations()
    }

    /// How long ago that was sent which confirmed this node's lease last; `None`: the lease is lost.
    pub fn lease_age(&self) -> Option<Duration> {
        self.engine.lease.age(&*self.engine.runtime)
    }

    /// For how long a lease is given, from the moment that was sent which confirms it.
    pub fn lease_ttl(&self) -> Duration {
        self.engine.config.lease_ttl
    }

    /// Saves pages of the checkpoint; durable when it returns.
    ///
    /// # Errors
    /// The lease is lost, or the store refuses for good. While the store is away it is tried again.
    pub async fn save_checkpoint(&self, pages: &Pages) -> Result<(), Ended> {
        loop {
            self.lease().await?;
            match self.engine.store.save_checkpoint(&self.claim, pages).await {
                Ok(()) => {
                    self.engine.progress.saved(&self.job.api_id, &*self.engine.runtime);
                    return Ok(());
                }
                Err(error) => self.write_failed(error).await?,
            }
        }
    }

    /// Enters an intent before the thing exists; durable when it returns.
    ///
    /// # Errors
    /// The lease is lost, or the store refuses for good. While the store is away it is tried again, so an
    /// intent may be entered twice: settling both is right.
    pub async fn intend(&self, kind: IntentKind, storage: Option<StorageId>) -> Result<Intent, Ended> {
        loop {
            self.lease().await?;
            let intent = Intent {
                id: 0,
                job: self.job.id,
                token: self.claim.token,
                kind: kind.clone(),
                storage,
                create_ms: 0,
            };
            match self.engine.store.intend(&self.claim, intent).await {
                Ok(intent) => return Ok(intent),
                Err(error) => self.write_failed(error).await?,
            }
        }
    }

    /// The text of the job's system tags.
    ///
    /// # Errors
    /// The store does not answer, and the lease is lost meanwhile.
    pub async fn system_tags(&self) -> Result<Vec<String>, Fault> {
        let id = self.job.id.to_string();
        let tags = self.patiently("the tags of the job", || self.engine.store.tags(&id)).await?;
        // Another resource may have the same uuid.
        let own = |tag: &Tag| tag.system && tag.resource_type == Resource::Job.tag_type();
        Ok(tags.into_iter().filter(own).map(|t| t.text).collect())
    }

    /// This machine.
    pub fn host(&self) -> HostId {
        self.engine.host()
    }

    /// The open intents of this job, of all its attempts.
    ///
    /// # Errors
    /// The store does not answer, and the lease is lost meanwhile.
    pub async fn intents(&self) -> Result<Vec<Intent>, Fault> {
        self.patiently("the intents of the job", || self.engine.store.intents(self.job.id)).await
    }

    /// Settles an intent.
    ///
    /// # Errors
    /// The store does not answer, and the lease is lost meanwhile.
    pub async fn settle(&self, id: u64) -> Result<(), Fault> {
        self.patiently("an intent of the job", || self.engine.store.settle(id)).await
    }

    /// Asks the store again while it is away or refuses, as long as the lease is not lost. What is asked may be done twice.
    async fn patiently<T, F>(&self, what: &str, ask: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match ask().await {
                Err(error) if error.may_pass() && self.lease().await.is_ok() => {
                    self.engine.runtime.sleep(self.engine.config.poll).await;
                }
                answer => return answer.map_err(|e| from_store(e, what)),
            }
        }
    }

    async fn write_failed(&self, error: StoreError) -> Result<(), Ended> {
        match error {
            StoreError::LeaseLost => Err(Ended::Stopped(Stopped(Stop::LeaseLost))),
            error if error.may_pass() => {
                self.engine.runtime.sleep(self.engine.config.poll).await;
                Ok(())
            }
            other => Err(Ended::Failed(from_store(other, "the attempt's write"))),
        }
    }
}
