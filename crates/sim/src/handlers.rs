//! The job types of the simulation. Each body looks at its lease, then writes into the journal, then acts,
//! without a pause between the look and the act: so an act by a lost claim is the engine's fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::progress::Report;
use longhaul_engine::{
    CheckRequest, Checked, JobContext, JobHandler, JobType, Registry, RestartRule, Stop, Stopped, Success,
};
use longhaul_model::{Claim, Code, Fault, JobId, Pages, SlotClass};
use serde_json::{Map, Value, json};

use crate::executor::Place;
use crate::journal::{Act, End, Journal, Mark};
use crate::plan::{BodyPlan, OnCancel, Work};

/// A job type of the simulation, as clients and checker know it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// `jobName`.
    pub name: &'static str,
    /// Whether it can be canceled while it runs, resumed and cleaned.
    pub soft: bool,
    /// One at a time on a target.
    pub ordered: bool,
    /// What it counts against.
    pub class: SlotClass,
    /// What a takeover does.
    pub restart: RestartRule,
}

/// All job types.
pub const KINDS: [Kind; 7] = [
    kind("SimResume", true, false, SlotClass::Simulator, RestartRule::Resume),
    kind("SimAgain", true, false, SlotClass::BuiltIn, RestartRule::StartAgain),
    kind("SimFail", true, false, SlotClass::BuiltIn, RestartRule::Fail),
    kind("SimRigid", false, false, SlotClass::Simulator, RestartRule::StartAgain),
    kind("SimOrdered", true, true, SlotClass::BuiltIn, RestartRule::Resume),
    kind("SimOrderedAgain", true, true, SlotClass::Simulator, RestartRule::StartAgain),
    kind("SimOrderedFail", true, true, SlotClass::BuiltIn, RestartRule::Fail),
];

const fn kind(name: &'static str, soft: bool, ordered: bool, class: SlotClass, restart: RestartRule) -> Kind {
    Kind { name, soft, ordered, class, restart }
}

/// The job type of that name.
pub fn kind_of(job_name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|k| k.name == job_name)
}

/// All job types for a process at `place`.
pub fn registry(journal: &Journal, place: Place) -> Registry {
    KINDS.into_iter().fold(Registry::default(), |registry, kind| {
        registry.with(Arc::new(Handler { kind, journal: journal.clone(), place, undone: Mutex::default() }))
    })
}

struct Handler {
    kind: Kind,
    journal: Journal,
    place: Place,
    /// How often undoing was tried, per job.
    undone: Mutex<BTreeMap<JobId, u32>>,
}

/// Writes `Left` when the body returns or is dropped.
struct Presence<'a> {
    handler: &'a Handler,
    claim: Claim,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.handler.note(&self.claim, Act::Left);
    }
}

impl Handler {
    fn note(&self, claim: &Claim, act: Act) {
        self.journal.append(self.place, claim, self.kind.class, act);
    }

    fn enter(&self, context: &JobContext, act: Act) -> Presence<'_> {
        self.note(context.claim(), act);
        Presence { handler: self, claim: *context.claim() }
    }

    /// One step's time; `Err` when the body has to stop.
    async fn work(&self, context: &JobContext, plan: &BodyPlan) -> Result<(), Stopped> {
        let step = Duration::from_millis(plan.step_ms);
        if plan.on_cancel == OnCancel::Stop {
            return context.sleep(step).await;
        }
        context.runtime().sleep(step).await;
        match context.stop_asked() {
            Some(why) if why != Stop::Cancel => Err(Stopped(why)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl JobHandler for Handler {
    fn job_type(&self) -> JobType {
        JobType {
            name: self.kind.name,
            description: "a job of the simulation",
            cancelable: self.kind.soft,
            resumable: self.kind.soft,
            cleanable: self.kind.soft,
            ordered: self.kind.ordered,
            class: self.kind.class,
            restart: self.kind.restart,
            admin_only: false,
            schema: || json!({}),
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        BodyPlan::read(&request.data).map(|_| Checked::default())
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let plan = BodyPlan::read(context.data())?;
        let found = mark_in(context.checkpoint());
        let _present = self.enter(context, Act::Start(found));
        let token = context.claim().token;
        let interrupt_at = plan.steps / 2;
        for step in found.map_or(0, |m| m.step)..plan.steps {
            self.work(context, &plan).await?;
            let mark = Mark { token, step: step + 1 };
            context.lease().await?;
            self.note(context.claim(), Act::Checkpoint(mark));
            context.save_checkpoint(&pages_of(mark)).await?;
            self.note(context.claim(), Act::Saved(mark));
            let percent = u8::try_from(mark.step * 99 / plan.steps.max(1)).unwrap_or(99);
            context.progress(Report { percent: Some(percent), ..Report::default() });
            // Every other attempt, so that a job that is resumed comes to its end.
            if plan.work == Work::Interrupt && mark.step == interrupt_at && context.claim().attempt % 2 == 1 {
                return self.end(context, End::Interrupt).await;
            }
        }
        match plan.work {
            Work::Succeed | Work::Interrupt => self.end(context, End::Succeed).await,
            Work::Flaky if context.claim().attempt.is_multiple_of(2) => self.end(context, End::Succeed).await,
            Work::Flaky | Work::Fail => self.end(context, End::Fail).await,
            Work::Panic => self.end(context, End::Panic).await,
        }
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let plan = BodyPlan::read(context.data())?;
        let _present = self.enter(context, Act::UndoStart);
        context.runtime().sleep(Duration::from_millis(plan.undo_ms)).await;
        context.lease().await.map_err(|_| Fault::failed("the lease is lost"))?;
        let tries = {
            let mut undone = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
            let tries = undone.entry(context.claim().job).or_default();
            *tries += 1;
            *tries
        };
        if tries <= plan.undo_fails {
            return Err(Fault::failed("it cannot be undone now"));
        }
        self.note(context.claim(), Act::Undone);
        Ok(Map::new())
    }

    fn accepts_cancel(&self, data: &Value) -> Result<(), Fault> {
        match BodyPlan::read(data)?.on_cancel {
            OnCancel::Refuse => Err(Fault::new(Code::NotCancelableNow, "not now")),
            OnCancel::Stop | OnCancel::Ignore => Ok(()),
        }
    }
}

impl Handler {
    async fn end(&self, context: &JobContext, end: End) -> Result<Success, Ended> {
        context.lease().await?;
        self.note(context.claim(), Act::End(end));
        match end {
            End::Succeed => Ok(Success::default()),
            End::Fail => Err(Fault::failed("as planned").into()),
            End::Interrupt => Err(Fault::new(Code::Interrupted, "as planned").into()),
            // Breaks off as a panic does, without its message on standard error.
            End::Panic => std::panic::resume_unwind(Box::new("as planned")),
        }
    }
}

fn pages_of(mark: Mark) -> Pages {
    Pages::from([(0, [mark.token.to_le_bytes(), mark.step.to_le_bytes()].concat())])
}

fn mark_in(pages: &Pages) -> Option<Mark> {
    let page = pages.get(&0)?;
    let (token, step) = page.split_at_checked(8)?;
    Some(Mark {
        token: u64::from_le_bytes(token.try_into().ok()?),
        step: u64::from_le_bytes(step.try_into().ok()?),
    })
}
