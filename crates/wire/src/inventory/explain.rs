//! Why a job is where it is, in sentences that say what the reader can do. Ours. What is told is found out
//! elsewhere: here is only how it reads.

use longhaul_model::SlotClass;
use longhaul_model::explain::{Explanation, Reason, Work};
use longhaul_model::limits::LimitOf;
use longhaul_model::wait::AHEAD_MAX;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LongJobState;
use crate::error::cut;
use crate::time::TimeFormat;
use becomes::{cancel, loss, restart};
use held::held_back;

mod becomes;
mod held;
#[cfg(test)]
mod tests;

/// The answer of ExplainLongJob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainAnswer {
    /// The job.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// Its state.
    pub state: LongJobState,
    /// Why it is where it is, at least one; the first is the chief one.
    #[schema(min_items = 1, max_items = 16)]
    pub reasons: Vec<ExplainedReason>,
    /// What a cancel would do.
    #[schema(max_length = 4096)]
    pub on_cancel: String,
    /// What a restart of its server would do.
    #[schema(max_length = 4096)]
    pub on_restart: String,
    /// What the loss of its node would do.
    #[schema(max_length = 4096)]
    pub on_node_loss: String,
    /// When it has failed if it has not ended; absent without a deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40, nullable = false)]
    pub deadline: Option<String>,
}

/// Every reason there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExplainReason {
    /// Somebody holds it.
    Held,
    /// Its moment has not come.
    NotBefore,
    /// Jobs on its target go before it.
    Behind,
    /// A limit is used up.
    Limit,
    /// No node of its host is alive.
    HostAway,
    /// No node is alive.
    NoNode,
    /// Every node that could run it is drained.
    Drained,
    /// It waits for a free slot.
    Slot,
    /// It waits for its next attempt.
    BetweenAttempts,
    /// An attempt works on it.
    Works,
    /// Its attempt has not moved for a while.
    Stalled,
    /// Its bytes are held back.
    HeldBack,
    /// Nothing is heard of its node.
    NodeSilent,
    /// The host of its node is drained.
    NodeDrained,
    /// It was asked to suspend.
    Suspending,
    /// Somebody suspended it.
    SuspendedByUser,
    /// It is tried again by itself after a fault.
    Retried,
    /// A fault interrupted it.
    Interrupted,
    /// A storage is away.
    StorageAway,
    /// A storage is full.
    StorageFull,
    /// What it made is being undone.
    Undoing,
    /// It waits for being undone.
    UndoWaits,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// A cancel ended it.
    Canceled,
}

/// One reason, in words and in numbers. What a reason does not have is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedReason {
    /// Which.
    pub reason: ExplainReason,
    /// What it is and what the reader can do, for people.
    #[schema(max_length = 4096)]
    pub sentence: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40, nullable = false)]
    pub since: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40, nullable = false)]
    pub until: Option<String>,
    /// Another job that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub job_uuid: Option<String>,
    /// The node that works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub management_node_uuid: Option<String>,
    /// Jobs that go before it, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1000, nullable = false)]
    pub ahead: Option<u64>,
    /// Of a limit: how many run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub running: Option<u32>,
    /// Of a limit: how many may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub most: Option<u32>,
    /// Of a copy that is held back: most bytes per second; 0 = it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub limit_bytes_per_second: Option<u64>,
    /// Of a copy that is held back: how fast it moves; absent: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    pub rate_bytes_per_second: Option<u64>,
    /// Of a copy that is held back: seconds to go at that rate, or at its limit while no rate is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub eta_seconds: Option<u64>,
}

impl ExplainAnswer {
    /// `explanation` on the wire.
    pub fn of(explanation: &Explanation, format: &TimeFormat) -> Self {
        let Explanation { job, reasons, on_cancel, on_restart, lease_s } = explanation;
        Self {
            uuid: job.id.to_string(),
            state: job.state.into(),
            reasons: reasons.iter().map(|reason| ExplainedReason::of(reason, format)).collect(),
            on_cancel: cut(&cancel(on_cancel)),
            on_restart: restart(*on_restart, job.state, job.terms.host.is_some()).to_owned(),
            on_node_loss: loss(*on_restart, job.state, job.terms.host.is_some(), *lease_s),
            deadline: job.deadline_ms().filter(|_| !job.state.is_final()).map(|ms| format.text(ms)),
        }
    }
}

impl ExplainedReason {
    fn new(reason: ExplainReason, sentence: impl Into<String>) -> Self {
        Self {
            reason,
            sentence: cut(&sentence.into()),
            since: None,
            until: None,
            job_uuid: None,
            management_node_uuid: None,
            ahead: None,
            running: None,
            most: None,
            limit_bytes_per_second: None,
            rate_bytes_per_second: None,
            eta_seconds: None,
        }
    }

    /// `reason` on the wire. No `_` arm: a new one fails to compile until it has its sentence.
    pub fn of(reason: &Reason, format: &TimeFormat) -> Self {
        use ExplainReason as E;
        match reason {
            Reason::Held => Self::new(E::Held, "somebody holds it; resumeLongJob lets it go on"),
            Reason::NotBefore(ms) => {
                let moment = format.text(*ms);
                let sentence = format!(
                    "nothing runs it before {moment}; to start sooner, cancel it and submit it with another moment"
                );
                Self { until: Some(moment), ..Self::new(E::NotBefore, sentence) }
            }
            Reason::Behind { first, state, ahead } => {
                let state = state.name();
                let others = match ahead.saturating_sub(1) {
                    0 => String::new(),
                    n => format!(", and {} behind that", jobs(n, *ahead)),
                };
                let sentence = format!(
                    "jobs on one target run one after the other, and it waits for the job {first}, which is {state}{others}; \
                     wait for that one, or cancel it"
                );
                let job_uuid = Some(first.to_string());
                Self { job_uuid, ahead: Some(*ahead), ..Self::new(E::Behind, sentence) }
            }
            Reason::Limit { of, running, most } => {
                let what = match of {
                    LimitOf::Type(name) => format!("jobs of the type {name}"),
                    LimitOf::Account(account) => format!("jobs of the account {account}"),
                    LimitOf::TypeOfAccount(name, account) => {
                        format!("jobs of the type {name} of the account {account}")
                    }
                };
                let sentence = format!(
                    "{running} {what} run, and {most} may, all nodes together; it starts when one of them has ended, or when \
                     the limit is raised"
                );
                Self { running: Some(*running), most: Some(*most), ..Self::new(E::Limit, sentence) }
            }
            Reason::HostAway(host) => Self::new(
                E::HostAway,
                format!(
                    "what it works on lies on the host {host}, of which no management node is alive; start one there"
                ),
            ),
            Reason::NoNode => {
                Self::new(E::NoNode, "no management node is alive that could run it; start one")
            }
            Reason::Drained => Self::new(
                E::Drained,
                "every management node that could run it is drained; undrainManagementNode lets one take jobs again",
            ),
            Reason::Slot { class, ahead, free, bound } => {
                Self { ahead: Some(*ahead), ..Self::new(E::Slot, slot(*class, *ahead, *free, *bound)) }
            }
            Reason::BetweenAttempts { attempt } => Self::new(
                E::BetweenAttempts,
                format!(
                    "nobody holds it now: its attempt {attempt} has ended, or its node is gone, without ending the job, and a node with \
                     a free slot goes on with it by itself, within about a second once nothing else is in its way"
                ),
            ),
            Reason::Works(work) => Self::working(E::Works, work, "", format),
            Reason::Stalled { work, copies } => {
                let look = if *copies { "whether its storages answer, and " } else { "" };
                let more = format!(
                    ", but nothing has moved for a while, and no rate, budget or window explains it; look {look}at the log of \
                     its node"
                );
                Self::working(E::Stalled, work, &more, format)
            }
            Reason::HeldBack { bytes_per_s, by, moves, left_s } => {
                held_back(*bytes_per_s, by, *moves, *left_s)
            }
            Reason::NodeSilent { node, host_name, heard_ms, taken_ms } => {
                let name = host_name.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
                let silent = match heard_ms {
                    Some(ms) => {
                        format!("nothing has been heard of its node{name} since {}", format.text(*ms))
                    }
                    None => "its node is gone".to_owned(),
                };
                let until = taken_ms.map(|ms| format.text(ms));
                let taken = until.as_deref().map(|until| {
                    format!("; if it stays so, a node with a free slot takes it over at about {until}")
                });
                let sentence = format!("{silent}, so maybe nobody works on it{}", taken.unwrap_or_default());
                Self {
                    since: heard_ms.map(|ms| format.text(ms)),
                    until,
                    management_node_uuid: node.map(|node| node.to_string()),
                    ..Self::new(E::NodeSilent, sentence)
                }
            }
            Reason::NodeDrained { moves: true } => Self::new(
                E::NodeDrained,
                "its node is drained: its attempt saves a checkpoint, and then a node that is not drained goes on with it, \
                 within about a second of a free slot there",
            ),
            Reason::NodeDrained { moves: false } => Self::new(
                E::NodeDrained,
                "its node is drained, but no other could go on with it where it stands: it runs to its end there",
            ),
            Reason::Suspending => Self::new(
                E::Suspending,
                "it was asked to suspend, and ends its attempt with a checkpoint; resumeLongJob lets it go on after that",
            ),
            Reason::SuspendedByUser => Self::new(
                E::SuspendedByUser,
                "somebody suspended it; resumeLongJob lets it go on, cancelLongJob undoes it",
            ),
            Reason::Retried { fault, at_ms } => {
                let moment = format.text(*at_ms);
                let sentence = format!(
                    "a fault interrupted it, and it is tried again by itself at {moment}; resumeLongJob tries at once, suspendLongJob \
                     keeps it from that{}",
                    because(fault)
                );
                Self { until: Some(moment), ..Self::new(E::Retried, sentence) }
            }
            Reason::Interrupted { fault } => Self::new(
                E::Interrupted,
                format!(
                    "a fault interrupted it; mend that, then resumeLongJob goes on from the checkpoint, or cancelLongJob undoes \
                     it{}",
                    because(fault)
                ),
            ),
            Reason::StorageAway { fault } => Self::new(
                E::StorageAway,
                format!(
                    "a storage that it needs is away; it goes on by itself when that is back, and resumeLongJob tries at once{}",
                    because(fault)
                ),
            ),
            Reason::StorageFull { fault } => Self::new(
                E::StorageFull,
                format!(
                    "a storage has no room for it; free some, by cleaning its trash for example, and it goes on by itself{}",
                    because(fault)
                ),
            ),
            Reason::Undoing { node, since_ms, enforced_ms } => {
                let until = format.text(*enforced_ms);
                let sentence = format!(
                    "it was canceled, and what it made is being undone; what has not stopped by {until} is dropped and undone"
                );
                Self {
                    since: Some(format.text(*since_ms)),
                    until: Some(until),
                    management_node_uuid: node.map(|node| node.to_string()),
                    ..Self::new(E::Undoing, sentence)
                }
            }
            Reason::UndoWaits { since_ms } => Self {
                since: Some(format.text(*since_ms)),
                ..Self::new(
                    E::UndoWaits,
                    "it was canceled, and the next free node undoes what it made; look at the nodes if none does",
                )
            },
            Reason::Succeeded => {
                Self::new(E::Succeeded, "it has ended well; jobResult tells what came of it")
            }
            Reason::Failed { fault, retried, retries } => {
                let tried = match (retried, retries) {
                    (_, 0) => String::new(),
                    (1, 1) => ", and its retry is used up".to_owned(),
                    (retried, of) if retried >= of => format!(", and its {of} retries are used up"),
                    (retried, of) => {
                        format!(" after {retried} of its {of} retries, since no other would help")
                    }
                };
                let sentence = format!(
                    "it has failed{tried}; mend that, then rerunLongJob runs it afresh{}",
                    because(fault)
                );
                Self::new(E::Failed, sentence)
            }
            Reason::Canceled => Self::new(
                E::Canceled,
                "it was canceled; jobResult tells what was undone, rerunLongJob runs it afresh",
            ),
        }
    }

    fn working(reason: ExplainReason, work: &Work, more: &str, format: &TimeFormat) -> Self {
        let since = format.text(work.since_ms);
        let host = work.host_name.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
        let saved = match work.saved_ago_ms {
            Some(ms) => format!(", its last checkpoint {} s ago", ms / 1000),
            None => String::new(),
        };
        let sentence = format!("attempt {} works{host} since {since}{saved}{more}", work.attempt);
        Self {
            since: Some(since),
            management_node_uuid: work.node.map(|node| node.to_string()),
            ..Self::new(reason, sentence)
        }
    }
}

/// What a job waits for that nothing else keeps from starting.
fn slot(class: SlotClass, ahead: u64, free: bool, bound: bool) -> String {
    let before = match ahead {
        0 => "it is the next".to_owned(),
        1 => "1 job goes before it".to_owned(),
        n => format!("{} go before it", jobs(n, n)),
    };
    if free && bound {
        return format!(
            "a slot is free, and {before}; it starts at the next look of its host's node, within half a second"
        );
    }
    if free {
        return format!(
            "a slot is free, and {before}; a node takes it at its next look, within half a second: where there are several, \
             the one that runs least"
        );
    }
    let setting = match class {
        SlotClass::BuiltIn => "engine.maxRunning",
        SlotClass::Simulator => "engine.maxRunningSimulator",
        SlotClass::Parent => "the number of jobs that submit others",
    };
    format!(
        "it waits for a free slot{}, and {before}; it starts when running jobs end ({setting} says how many a node runs at a \
         time)",
        if bound { " of the host on which what it works on lies: those of others do not help" } else { "" }
    )
}

/// `count` jobs, of which `counted` were counted: there may be more than were.
fn jobs(count: u64, counted: u64) -> String {
    match (count, counted >= AHEAD_MAX) {
        (_, true) => format!("{AHEAD_MAX} or more jobs"),
        (1, false) => "1 job".to_owned(),
        (n, false) => format!("{n} jobs"),
    }
}

/// The fault at the end of a sentence, if it says anything.
fn because(fault: &str) -> String {
    if fault.is_empty() { String::new() } else { format!(": {fault}") }
}
