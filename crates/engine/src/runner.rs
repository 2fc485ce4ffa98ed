//! From a claim to the end of its attempt: run or undo, then one transition, written for as long as the
//! claim holds.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, join, select};
use longhaul_model::{
    ApiId, Claim, Claimed, ClaimedFor, Code, Fault, Job, JobEvent, Pages, Progress, SlotClass, SuspendReason,
    Transition,
};
use longhaul_store::StoreError;
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};

use crate::context::{JobContext, Stop, Stopped, Told};
use crate::engine::{Engine, Running};
use crate::handler::{Ended, Held, JobHandler, RestartRule, Success};
use crate::redaction::Redaction;
use crate::slots::Slot;
use crate::troubles::Asked;
use crate::{deadline, result, secrets};

mod away;
mod ends;
pub(crate) mod retry;
#[cfg(test)]
mod tests;
mod unknown_type;

use away::is_of_store;

/// How often undoing is tried before its failure is the result.
const UNDO_TRIES: u32 = 3;
/// How often an attempt that waits for the lease looks at it.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How an attempt leaves its job.
enum Outcome {
    Transition(Box<Transition>),
    /// What is held is let go after the transition is written.
    Succeeded(Box<Transition>, #[expect(dead_code, reason = "held, not read")] Held),
    GiveBack(String),
    /// Somebody else's now.
    Drop,
}

/// What became of the end of an attempt.
enum Written {
    Yes,
    /// The lease does not hold, or the job is somebody else's.
    No,
    /// Never to be written as it is.
    Refused(StoreError),
}

/// What an attempt is, for as long as it may have to be undone.
struct Ran {
    context: JobContext,
    handler: Arc<dyn JobHandler>,
}

impl Engine {
    /// Runs a claimed job in the background.
    pub(crate) fn launch(self: &Arc<Self>, claimed: Claimed, slot: Slot) {
        let (stop, stop_seen) = watch::channel(None);
        let abort = Arc::new(Notify::new());
        let (resumes, bound) = (self.resumes(&claimed), claimed.job.terms.host.is_some());
        if self.is_over() {
            stop.send_replace(Some(Told::LeaseLost)); // its claims are free for others
        } else if resumes && self.is_draining() {
            stop.send_replace(Some(Told::Drain));
        }
        let running = Running { claim: claimed.claim, stop, abort: abort.clone(), resumes, bound };
        self.attempts().insert(claimed.claim.job, running);
        let engine = self.clone();
        self.runtime.spawn("attempt", Box::pin(engine.attempt(claimed, slot, stop_seen, abort)));
    }

    /// The slot class of a job; built-in for a type this node does not know.
    pub(crate) fn class_of(&self, job: &Job) -> SlotClass {
        self.registry.get(&job.job_name).map_or(SlotClass::BuiltIn, |h| h.job_type().class)
    }

    /// Whether the next attempt can go on where this one stops.
    fn resumes(&self, claimed: &Claimed) -> bool {
        let rule = self.registry.get(&claimed.job.job_name).map(|handler| handler.job_type().restart);
        claimed.purpose != ClaimedFor::Undo && rule == Some(RestartRule::Resume)
    }

    async fn attempt(
        self: Arc<Self>,
        claimed: Claimed,
        slot: Slot,
        stop: watch::Receiver<Option<Told>>,
        abort: Arc<Notify>,
    ) {
        let claim = claimed.claim;
        let api = claimed.job.api_id.clone();
        let told = stop.clone();
        let reached = claimed.progress.clone().unwrap_or_else(|| Progress::none(claimed.job.create_ms));
        self.progress.begin(&api, claim, reached, &*self.runtime);
        let (outcome, ran) = match self.registry.get(&claimed.job.job_name) {
            Some(handler) => self.outcome_of(claimed, handler, stop, &abort).await,
            None => (self.unknown_type(&claimed), None),
        };
        self.ending.fetch_add(1, Ordering::Relaxed);
        let settled = match self.settle(&claim, &api, outcome, &told).await {
            Written::Yes => true,
            Written::No => false,
            Written::Refused(error) => self.failed_at_the_end(&claim, ran, error, &told).await,
        };
        self.ending.fetch_sub(1, Ordering::Relaxed);
        self.progress.end(&api, &claim);
        {
            let mut attempts = self.attempts();
            if attempts.get(&claim.job).is_some_and(|r| r.claim == claim) {
                attempts.remove(&claim.job);
            }
        }
        drop(slot);
        if !settled {
            // The lease may be found alive by the next heartbeat: then the claim is still this node's, and
            // nobody runs it.
            self.lost_answer.store(true, Ordering::SeqCst);
        }
        self.ended.notify_waiters();
        self.wake.notify_one();
    }

    /// How the attempt ends, with what may still have to be undone.
    async fn outcome_of(
        self: &Arc<Self>,
        claimed: Claimed,
        handler: Arc<dyn JobHandler>,
        stop: watch::Receiver<Option<Told>>,
        abort: &Notify,
    ) -> (Outcome, Option<Ran>) {
        let data = match self.clear_data(&claimed) {
            Ok(data) => data,
            Err(fault) => return (failed(&fault, self.config.code_text), None),
        };
        let (purpose, rule) = (claimed.purpose, handler.job_type().restart);
        let cut = purpose == ClaimedFor::Resume && rule == RestartRule::Fail;
        let keep = rule == RestartRule::Resume || purpose == ClaimedFor::Undo || cut;
        let context = JobContext {
            engine: self.clone(),
            redaction: claimed.sealed_data.as_ref().map(|_| Redaction::of(&data)).unwrap_or_default(),
            claim: claimed.claim,
            data,
            checkpoint: if keep { claimed.checkpoint } else { Pages::new() },
            taken_over: claimed.taken_over,
            stop,
            job: claimed.job,
        };
        let outcome = match purpose {
            // The answer to the claim may have been long on its way: the job may be somebody else's by now.
            _ if context.lease().await.is_err() => Outcome::Drop,
            ClaimedFor::Undo => self.undone(&context, &*handler).await,
            _ if self.is_past_deadline(&context.job) => {
                self.undo_and_fail(&context, &*handler, deadline::fault(&context.job)).await
            }
            // Asked for while it had another holder, or none.
            _ if context.job.suspend == Some(SuspendReason::User) => suspended_by_user(),
            _ if cut => {
                let fault = Fault::new(
                    Code::NodeGone,
                    "the management node that ran this job stopped, went away, or lost its lease, and this job type \
                     cannot be continued; what it left was undone: rerun it",
                );
                self.undo_and_fail(&context, &*handler, fault).await
            }
            ClaimedFor::Start | ClaimedFor::Resume => self.worked(&context, &*handler, abort).await,
        };
        (outcome, Some(Ran { context, handler }))
    }

    async fn worked(&self, context: &JobContext, handler: &dyn JobHandler, abort: &Notify) -> Outcome {
        match self.body(context, handler, abort).await {
            Ok(mut success) => {
                success.inventory = success.inventory.map(|inventory| context.redaction.value(inventory));
                success.extra = context.redaction.object(success.extra);
                let mut transition = Transition::plain(JobEvent::Succeed);
                transition.result = Some(result::success(&success));
                transition.effects = success.effects;
                Outcome::Succeeded(Box::new(transition), success.held)
            }
            Err(Ended::Stopped(Stopped(stop))) => self.stopped(context, handler, stop).await,
            Err(Ended::Failed(fault))
                if is_of_store(&fault) && handler.job_type().restart != RestartRule::Fail =>
            {
                self.given_back_for_store(context, handler, &fault).await
            }
            Err(Ended::Failed(fault)) => match fault.code {
                Code::StorageAway | Code::StorageFull if handler.job_type().resumable => Outcome::Transition(
                    Box::new(suspended(&fault, SuspendReason::Storage, self.config.code_text)),
                ),
                Code::JobCanceled => self.undone(context, handler).await,
                _ => self.faulted(context, handler, fault).await,
            },
        }
    }

    /// A fault that nobody waits to pass by itself: tried again, left for a resume, or the end.
    async fn faulted(&self, context: &JobContext, handler: &dyn JobHandler, fault: Fault) -> Outcome {
        let mut suspended = suspended(&fault, SuspendReason::Fault, self.config.code_text);
        let (job, rule) = (&context.job, handler.job_type().restart);
        let again = retry::try_again(&mut suspended, job, rule, &fault, &*self.runtime);
        if again || matches!(fault.code, Code::Interrupted | Code::NodeGone) {
            return Outcome::Transition(Box::new(suspended));
        }
        self.undo_and_fail(context, handler, fault).await
    }

    /// The body has stopped: for what, says what the attempt was told last.
    async fn stopped(&self, context: &JobContext, handler: &dyn JobHandler, stop: Stop) -> Outcome {
        match (stop, context.told_now()) {
            (Stop::LeaseLost, _) => Outcome::Drop,
            (_, Some(Told::Cancel)) => self.undone(context, handler).await,
            (_, Some(Told::Deadline)) => {
                self.undo_and_fail(context, handler, deadline::fault(&context.job)).await
            }
            // The node drains too, since.
            (Stop::Cancel, _) if self.is_past_deadline(&context.job) => {
                self.undo_and_fail(context, handler, deadline::fault(&context.job)).await
            }
            (Stop::Cancel, _) => self.undone(context, handler).await,
            (Stop::Drain, Some(Told::Suspend)) => suspended_by_user(),
            (Stop::Drain, _) if self.is_draining() => self.left_by_the_process(context, handler).await,
            (Stop::Drain, _) => Outcome::GiveBack("the host of the management node is drained".to_owned()),
        }
    }

    /// The handler's body, dropped at once when it is aborted or the lease is lost, and when a cancel is
    /// past its deadline.
    async fn body(
        &self,
        context: &JobContext,
        handler: &dyn JobHandler,
        abort: &Notify,
    ) -> Result<Success, Ended> {
        let dropped = async {
            let cleaned = std::pin::pin!(abort.notified());
            let deadline = std::pin::pin!(async {
                loop {
                    match context.stopped().await {
                        Stop::LeaseLost => return Stop::LeaseLost,
                        Stop::Cancel => {
                            self.runtime.sleep(self.cancel_deadline()).await;
                            return Stop::Cancel;
                        }
                        Stop::Drain => self.runtime.sleep(self.config.poll).await, // may become another
                    }
                }
            });
            let enforced = async {
                match select(cleaned, deadline).await {
                    Either::Left(_) => Stop::Cancel,
                    Either::Right((why, _)) => why,
                }
            };
            match select(std::pin::pin!(enforced), std::pin::pin!(self.watch_deadline(context))).await {
                Either::Left((why, _)) => why,
                Either::Right(((), _)) => Stop::Cancel, // it never ends
            }
        };
        let body = std::pin::pin!(AssertUnwindSafe(handler.run(context)).catch_unwind());
        let dropped = std::pin::pin!(dropped);
        match select(body, dropped).await {
            // Whatever it says from here on is for everybody who may see the job.
            Either::Left((Ok(Err(Ended::Failed(fault))), _)) => {
                Err(Ended::Failed(context.redaction.fault(fault)))
            }
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_), _)) => Err(Ended::Failed(Fault::internal(
                "the job's body broke off; this is a bug of the job type, see the server's log",
            ))),
            Either::Right((why, _)) => Err(Ended::Stopped(Stopped(why))),
        }
    }

    async fn undone(&self, context: &JobContext, handler: &dyn JobHandler) -> Outcome {
        let mut transition = Transition::plain(JobEvent::Stopped);
        match self.undo(context, handler).await {
            Ok(receipt) => transition.canceled_result = Some(result::canceled(context.job.id, receipt)),
            Err(Ended::Stopped(_)) => return Outcome::Drop,
            Err(Ended::Failed(fault)) => {
                let left = Map::from_iter([("notRemoved".to_owned(), Value::String(fault.to_string()))]);
                transition.canceled_result = Some(result::canceled(context.job.id, left));
                transition.detail = fault.to_string();
            }
        }
        Outcome::Transition(Box::new(transition))
    }

    async fn undo_and_fail(&self, context: &JobContext, handler: &dyn JobHandler, fault: Fault) -> Outcome {
        let mut transition = Transition::plain(JobEvent::Fail);
        transition.detail = fault.to_string();
        transition.result = Some(result::failure(&fault, self.config.code_text));
        let mut receipt = Map::new();
        match self.undo(context, handler).await {
            Ok(removed) => receipt = removed,
            Err(Ended::Stopped(_)) => return Outcome::Drop,
            Err(Ended::Failed(left)) => {
                transition.detail.push_str(&format!("; not everything could be undone: {left}"));
            }
        }
        receipt.insert("failure".to_owned(), Value::String(fault.to_string()));
        transition.canceled_result = Some(result::canceled(context.job.id, receipt));
        Outcome::Transition(Box::new(transition))
    }

    async fn undo(
        &self,
        context: &JobContext,
        handler: &dyn JobHandler,
    ) -> Result<Map<String, Value>, Ended> {
        let mut last = Fault::internal("undoing was not tried");
        let mut tries = 0;
        while tries < UNDO_TRIES {
            context.lease().await?;
            let undoing = std::pin::pin!(AssertUnwindSafe(handler.undo(context)).catch_unwind());
            match select(undoing, std::pin::pin!(context.lost())).await {
                Either::Left((Ok(Ok(receipt)), _)) => return Ok(context.redaction.object(receipt)),
                Either::Left((Ok(Err(fault)), _)) => last = context.redaction.fault(fault),
                Either::Left((Err(_), _)) => {
                    last = Fault::internal("undoing broke off; this is a bug of the job type");
                }
                Either::Right(((), _)) => return Err(Ended::Stopped(Stopped(Stop::LeaseLost))),
            }
            tries += u32::from(!is_of_store(&last));
            self.runtime.sleep(self.config.poll).await;
        }
        Err(Ended::Failed(last))
    }

    /// Writes how the attempt ended, again and again while the store is away or refuses and the claim may hold. Nothing
    /// is written while the lease does not hold, since the next heartbeat may find it alive.
    async fn settle(
        &self,
        claim: &Claim,
        api: &ApiId,
        outcome: Outcome,
        told: &watch::Receiver<Option<Told>>,
    ) -> Written {
        let unsaved = self.progress.take_dirty_of(api, claim).filter(|progress| {
            // That it has begun: its success says more.
            let said = progress.percent > 0 || progress.bytes_total > 0;
            said || !matches!(outcome, Outcome::Succeeded(..))
        });
        let save = async {
            if let Some(progress) = unsaved {
                let _ = self.store.save_progress(&[(*claim, progress)]).await; // may be lost, by its nature
            }
        };
        // One after the other, but the first is not waited for: one commit takes both.
        join(save, self.write_end(claim, outcome, told)).await.1
    }

    async fn write_end(
        &self,
        claim: &Claim,
        outcome: Outcome,
        told: &watch::Receiver<Option<Told>>,
    ) -> Written {
        loop {
            if self.node() != claim.node || *told.borrow() == Some(Told::LeaseLost) {
                return Written::No;
            }
            if !self.lease.holds(&*self.runtime) {
                self.runtime.sleep(LOOK_AGAIN).await;
                continue;
            }
            let written = match &outcome {
                Outcome::Drop => return Written::No,
                Outcome::GiveBack(why) => self.store.release(claim, why).await,
                Outcome::Transition(transition) => {
                    self.store.apply(claim, (**transition).clone()).await.map(|_| ())
                }
                Outcome::Succeeded(transition, _) => {
                    self.config.pauses.before_success(&*self.runtime).await;
                    let applied = self.store.apply(claim, (**transition).clone()).await.map(|_| ());
                    if applied.is_ok() {
                        self.config.pauses.after_success(&*self.runtime).await;
                    }
                    applied
                }
            };
            match written {
                Ok(()) => {
                    self.troubles.answered(Asked::Ends, &*self.runtime);
                    return Written::Yes;
                }
                Err(StoreError::LeaseLost) => return Written::No,
                Err(error) if error.may_pass() => {
                    self.troubles.failed(Asked::Ends, &error, &*self.runtime);
                    self.runtime.sleep(self.config.poll).await;
                }
                Err(error) => {
                    tracing::error!(job = %claim.job, %error, "the end of an attempt could not be written");
                    return Written::Refused(error);
                }
            }
        }
    }

    /// The store refuses the end for good: what was made is undone and the job fails and says so, instead of
    /// running again and again, or leaving what no record tells of. Whether that is written.
    async fn failed_at_the_end(
        &self,
        claim: &Claim,
        ran: Option<Ran>,
        error: StoreError,
        told: &watch::Receiver<Option<Told>>,
    ) -> bool {
        let details = format!(
            "the work was done but its end could not be written: {error}; what it made was removed: look at \
             the resources that it names, then rerun it"
        );
        let fault = match error {
            // The world changed meanwhile, which is no fault of ours.
            StoreError::NotFound | StoreError::Taken | StoreError::InUse(_) => Fault::failed(details),
            _ => Fault::internal(details),
        };
        let outcome = match ran {
            Some(Ran { context, handler }) => self.undo_and_fail(&context, &*handler, fault).await,
            None => failed(&fault, self.config.code_text),
        };
        matches!(self.write_end(claim, outcome, told).await, Written::Yes)
    }

    fn clear_data(&self, claimed: &Claimed) -> Result<Value, Fault> {
        match &claimed.sealed_data {
            None => (self.config.parse_data)(&claimed.job.job_data),
            Some(sealed) => {
                let clear = secrets::open(&self.config.secret_key, secrets::JOB_DATA, sealed)?;
                (self.config.parse_data)(&clear)
            }
        }
    }
}

fn failed(fault: &Fault, code_text: fn(Code) -> &'static str) -> Outcome {
    let mut transition = Transition::plain(JobEvent::Fail);
    transition.result = Some(result::failure(fault, code_text));
    transition.detail = fault.to_string();
    Outcome::Transition(Box::new(transition))
}

/// Somebody asked for it: only a resume starts the job.
fn suspended_by_user() -> Outcome {
    let mut transition = Transition::plain(JobEvent::Suspend);
    transition.suspend = Some(SuspendReason::User);
    "it was asked to; a resume lets it go on".clone_into(&mut transition.detail);
    Outcome::Transition(Box::new(transition))
}

fn suspended(fault: &Fault, why: SuspendReason, code_text: fn(Code) -> &'static str) -> Transition {
    let mut transition = Transition::plain(JobEvent::Suspend);
    transition.suspend = Some(why);
    transition.result = Some(result::failure(fault, code_text));
    transition.detail = fault.to_string();
    transition
}
