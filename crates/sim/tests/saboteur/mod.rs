//! A store that breaks one promise on purpose, so that it can be seen that the checker notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use longhaul_model::JobEvent;
use longhaul_model::timeline::TimelineKind;
use longhaul_sim::delegate::Passes;
use longhaul_sim::delegate::names::*;
use longhaul_sim::delegate_the_rest;
use longhaul_store::{Jobs, Nodes, Queue, Spread, Store, StoreError};

/// Which promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// A transition by an older claim is made.
    FencingOfTransitions,
    /// A checkpoint by an older claim is saved.
    FencingOfCheckpoints,
    /// Every seventh submission is acknowledged and not stored.
    KeepingSubmissions,
    /// A claim gets the token of the one before.
    GrowingTokens,
    /// More jobs are given than there are slots.
    Slots,
    /// Ordered jobs are treated as unordered.
    Order,
    /// A checkpoint is acknowledged and not saved.
    KeepingCheckpoints,
    /// A cancel is acknowledged and not made.
    KeepingCancels,
    /// A success is acknowledged and not made.
    KeepingEnds,
    /// A join is taken however late it comes.
    Joining,
    /// A heartbeat is answered and renews nothing.
    Renewing,
    /// A second submission of a uuid is the same one, whatever it says.
    ComparingRequests,
    /// Claims that nobody runs are not told.
    TellingClaims,
    /// Every job has the same priority.
    Priorities,
    /// A job starts at once, whatever its moment.
    Delays,
    /// No job has a deadline.
    Deadlines,
    /// A job is tried again more often than was asked for.
    Retries,
    /// There are no limits.
    Limits,
    /// A job that is held goes on waiting.
    Holding,
}

/// The store that breaks it.
pub struct Saboteur {
    inner: Arc<dyn Store>,
    breaks: Breaks,
    submissions: AtomicU64,
}

impl Saboteur {
    /// Over a store that keeps its promises.
    pub fn over(inner: Arc<dyn Store>, breaks: Breaks) -> Arc<dyn Store> {
        Arc::new(Self { inner, breaks, submissions: AtomicU64::new(0) })
    }

    /// The claim that holds now, whoever asks.
    async fn newest(&self, claim: &Claim) -> Claim {
        match self.inner.job(claim.job).await {
            Ok(Some(job)) => Claim {
                job: job.id,
                node: job.node.unwrap_or(claim.node),
                token: job.token,
                attempt: job.attempt,
            },
            _ => *claim,
        }
    }

    fn is(&self, breaks: &[Breaks]) -> bool {
        breaks.contains(&self.breaks)
    }
}

#[async_trait]
impl Jobs for Saboteur {
    async fn submit(&self, mut job: NewJob, record: Option<ApiRecord>) -> Result<Submitted, StoreError> {
        let count = self.submissions.fetch_add(1, Ordering::SeqCst);
        let id = job.id;
        job.ordered &= !self.is(&[Breaks::Order]);
        match self.breaks {
            Breaks::Priorities => job.terms.priority = 5,
            Breaks::Delays => job.terms.not_before_ms = None,
            Breaks::Deadlines => job.terms.deadline_s = None,
            Breaks::Retries => job.terms.retries += 3,
            _ => {}
        }
        if self.is(&[Breaks::KeepingSubmissions]) && count % 7 == 6 {
            let Submitted::Created(stored, None) = self.inner.submit(job, record).await? else {
                return Err(StoreError::Unavailable("not this one".to_owned()));
            };
            let mut change = Change::new(longhaul_model::timeline::Actor::Account(stored.account), {
                TimelineKind::CancelRequested
            });
            change.event = Some(JobEvent::Cancel);
            let (canceled, _) = self.inner.change(id, stored.version, change, None).await?;
            self.inner.delete_job(id, canceled.version, None).await?;
            return Ok(Submitted::Created(stored, None));
        }
        match self.inner.submit(job, record).await {
            Err(StoreError::Taken) if self.is(&[Breaks::ComparingRequests]) => {
                self.inner.job(id).await?.map(|job| Submitted::Same(Box::new(job))).ok_or(StoreError::Taken)
            }
            other => other,
        }
    }
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.inner.job(id).await
    }
    async fn request_hash(&self, id: JobId) -> Result<Option<[u8; 32]>, StoreError> {
        self.inner.request_hash(id).await
    }
    async fn claim(
        &self,
        node: NodeId,
        slots: &[FreeSlots],
        except: &[String],
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut slots = slots.to_vec();
        if self.is(&[Breaks::Slots]) {
            slots.iter_mut().for_each(|s| (s.free, s.shared) = (s.free + 1, s.free + 1));
        }
        let mut claimed = self.inner.claim(node, &slots, except).await?;
        if self.is(&[Breaks::GrowingTokens]) {
            claimed.iter_mut().filter(|c| c.claim.token > 1).for_each(|c| c.claim.token -= 1);
        }
        Ok(claimed)
    }
    async fn apply(&self, claim: &Claim, transition: Transition) -> Result<Job, StoreError> {
        if self.is(&[Breaks::KeepingEnds]) && transition.event == JobEvent::Succeed {
            return self.inner.job(claim.job).await?.ok_or(StoreError::NotFound);
        }
        let forged = self.is(&[Breaks::FencingOfTransitions, Breaks::GrowingTokens]);
        let claim = if forged { self.newest(claim).await } else { *claim };
        self.inner.apply(&claim, transition).await
    }
    async fn release(&self, claim: &Claim, detail: &str) -> Result<(), StoreError> {
        let claim = if self.is(&[Breaks::GrowingTokens]) { self.newest(claim).await } else { *claim };
        self.inner.release(&claim, detail).await
    }
    async fn change(
        &self,
        id: JobId,
        version: u64,
        change: Change,
        record: Option<ApiRecord>,
    ) -> Result<(Job, Option<Claim>), StoreError> {
        if self.is(&[Breaks::KeepingCancels]) && change.event == Some(JobEvent::Cancel) {
            return self.inner.job(id).await?.map(|job| (job, None)).ok_or(StoreError::NotFound);
        }
        let mut change = change;
        if self.is(&[Breaks::Holding]) && change.hold.take() == Some(false) {
            change.kind = TimelineKind::Updated; // nothing was held
        }
        self.inner.change(id, version, change, record).await
    }
    async fn delete_job(&self, id: JobId, version: u64, record: Option<ApiRecord>) -> Result<(), StoreError> {
        self.inner.delete_job(id, version, record).await
    }
    async fn canceling(&self, node: NodeId) -> Result<Vec<Claim>, StoreError> {
        self.inner.canceling(node).await
    }
    async fn claims(&self, node: NodeId) -> Result<Vec<Claim>, StoreError> {
        if self.is(&[Breaks::TellingClaims]) {
            return Ok(Vec::new());
        }
        self.inner.claims(node).await
    }
    async fn save_checkpoint(&self, claim: &Claim, pages: &Pages) -> Result<(), StoreError> {
        if self.is(&[Breaks::KeepingCheckpoints]) {
            return Ok(());
        }
        let forged = self.is(&[Breaks::FencingOfCheckpoints, Breaks::GrowingTokens]);
        let claim = if forged { self.newest(claim).await } else { *claim };
        self.inner.save_checkpoint(&claim, pages).await
    }
    async fn save_progress(&self, rows: &[(Claim, Progress)]) -> Result<(), StoreError> {
        self.inner.save_progress(rows).await
    }
}

#[async_trait]
impl Queue for Saboteur {
    async fn set_limits(&self, limits: &Limits) -> Result<(), StoreError> {
        let none = Limits::default();
        self.inner.set_limits(if self.is(&[Breaks::Limits]) { &none } else { limits }).await
    }
    async fn limits(&self) -> Result<Limits, StoreError> {
        self.inner.limits().await
    }
    async fn waits_for(&self, id: JobId) -> Result<Vec<Wait>, StoreError> {
        self.inner.waits_for(id).await
    }
    async fn held(&self, node: NodeId) -> Result<Vec<Claim>, StoreError> {
        self.inner.held(node).await
    }
    async fn overdue(&self, limit: u32) -> Result<Vec<JobId>, StoreError> {
        self.inner.overdue(limit).await
    }
    async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64, StoreError> {
        self.inner.sweep_jobs(kept, limit).await
    }
}

#[async_trait]
impl Nodes for Saboteur {
    async fn joins(&self, host: HostId) -> Result<u64, StoreError> {
        self.inner.joins(host).await
    }
    async fn join(&self, mut node: NewNode, gone: Gone) -> Result<NodeLease, StoreError> {
        if self.is(&[Breaks::Joining]) {
            node.joins_before = self.inner.joins(node.host).await?;
        }
        self.inner.join(node, gone).await
    }
    async fn heartbeat(&self, node: NodeId) -> Result<NodeLease, StoreError> {
        // The first node of all keeps renewing, else no lease would count as expired.
        if self.is(&[Breaks::Renewing]) && node.bits() & 1 == 1 {
            return Ok(NodeLease { until_ms: 0, ttl_ms: 4000, drained: false, alone: false });
        }
        self.inner.heartbeat(node).await
    }
    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        self.inner.leave(node).await
    }
    async fn drain(&self, node: NodeId, drained: bool) -> Result<(), StoreError> {
        self.inner.drain(node, drained).await
    }
    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool, StoreError> {
        self.inner.on_duty(node, duty).await
    }
    async fn tell(&self, node: NodeId, text: &str) -> Result<Vec<String>, StoreError> {
        self.inner.tell(node, text).await
    }
    async fn spread(&self, node: NodeId) -> Result<Spread, StoreError> {
        self.inner.spread(node).await
    }
    async fn kept(&self, key: &str, fresh: &str) -> Result<String, StoreError> {
        self.inner.kept(key, fresh).await
    }
}

impl Passes for Saboteur {}

delegate_the_rest!(Saboteur);
