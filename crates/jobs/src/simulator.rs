//! The simulator's three job types, behind `serve --simulator`: bodies that only take time, with every outcome
//! that a client's tests need. What they do is told in `jobData`; what they did, in the journal.

mod body;
mod journal;
mod spec;

use std::sync::Arc;

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::{Code, Fault, SlotClass};
use serde_json::{Map, Value};

pub use journal::Journal;
pub use spec::{OnCancel, Outcome, Spec};

/// `jobName` of the type that supports cancel, resume and clean.
pub const SIMULATE: &str = "APISimulateJobMsg";
/// `jobName` of the type that supports none of them.
pub const SIMULATE_RIGID: &str = "APISimulateRigidJobMsg";
/// `jobName` of the type whose jobs on one target run one after another; else as the first.
pub const SIMULATE_ORDERED: &str = "APISimulateOrderedJobMsg";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flexible,
    Rigid,
    Ordered,
}

/// One of the three simulator types.
pub struct Simulator {
    kind: Kind,
    journal: Option<Arc<Journal>>,
    code_from_text: fn(&str) -> Option<Code>,
}

impl Simulator {
    /// `APISimulateJobMsg`. `code_from_text` reads `errorCode`: the wire's table.
    pub fn flexible(journal: Option<Arc<Journal>>, code_from_text: fn(&str) -> Option<Code>) -> Self {
        Self { kind: Kind::Flexible, journal, code_from_text }
    }

    /// `APISimulateRigidJobMsg`.
    pub fn rigid(journal: Option<Arc<Journal>>, code_from_text: fn(&str) -> Option<Code>) -> Self {
        Self { kind: Kind::Rigid, journal, code_from_text }
    }

    /// `APISimulateOrderedJobMsg`.
    pub fn ordered(journal: Option<Arc<Journal>>, code_from_text: fn(&str) -> Option<Code>) -> Self {
        Self { kind: Kind::Ordered, journal, code_from_text }
    }

    fn is_rigid(&self) -> bool {
        self.kind == Kind::Rigid
    }

    fn spec(&self, data: &Value) -> Result<Spec, Fault> {
        Spec::read(data, self.is_rigid(), self.code_from_text)
    }
}

#[async_trait]
impl JobHandler for Simulator {
    fn job_type(&self) -> JobType {
        let (name, description) = match self.kind {
            Kind::Flexible => (SIMULATE, "Takes time and does nothing, with any outcome a test needs."),
            Kind::Rigid => (
                SIMULATE_RIGID,
                "Takes time and does nothing; can be neither canceled nor resumed nor cleaned.",
            ),
            Kind::Ordered => (
                SIMULATE_ORDERED,
                "Takes time and does nothing, on one target one job after another, in the order of submission.",
            ),
        };
        let rigid = self.is_rigid();
        JobType {
            name,
            description,
            cancelable: !rigid,
            resumable: !rigid,
            cleanable: !rigid,
            ordered: self.kind == Kind::Ordered,
            class: SlotClass::Simulator,
            restart: if rigid { RestartRule::Fail } else { RestartRule::Resume },
            admin_only: false,
            schema: spec::schema,
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let spec = self.spec(&request.data)?;
        if let Some(target) = &request.target {
            let hex = target.len() == 32
                && target.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
            if !hex {
                return Err(Fault::invalid(format!(
                    "field[targetResourceUuid] must be 32 lower-case hex digits, but was [{target}]"
                )));
            }
        }
        let plan = Map::from_iter([("durationMs".to_owned(), spec.duration_ms.into())]);
        Ok(Checked { target: None, plan, ..Checked::default() })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let spec = self.spec(context.data())?;
        body::run(context, &spec, self.journal.as_deref()).await
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let spec = self.spec(context.data())?;
        if spec.clean_ms > 0 {
            context.runtime().sleep(std::time::Duration::from_millis(spec.clean_ms)).await;
        }
        body::note_undone(context, self.journal.as_deref()).await?;
        Ok(Map::from_iter([("undoneAttempt".to_owned(), context.claim().attempt.into())]))
    }

    fn accepts_cancel(&self, data: &Value) -> Result<(), Fault> {
        match self.spec(data).map(|spec| spec.on_cancel) {
            Ok(OnCancel::Refuse) => Err(Fault::new(
                Code::NotCancelableNow,
                "the simulated body refuses to be canceled (onCancel is \"refuse\"); it stays Canceling until its body ends",
            )),
            _ => Ok(()),
        }
    }
}
