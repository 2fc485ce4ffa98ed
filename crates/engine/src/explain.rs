//! Explain: why a job waits, or what it does, and what a cancel, a restart or the loss of its node would do.
//! Nothing is decided here: what decides is asked, the store for claims, `rules` for calls, the job's type.

use std::time::Duration;

use longhaul_model::explain::{Explanation, OnCancel, OnRestart, Reason, Work};
use longhaul_model::timeline::{TimelineKind, TimelineRow};
use longhaul_model::{Code, Fault, Job, JobState, SlotClass, SuspendReason};
use serde_json::Value;

use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::handler::{JobType, RestartRule};
use crate::progress::Limit;
use crate::rules;
use nodes::{all_drained, in_the_way};

mod nodes;
#[cfg(test)]
mod tests;

/// How often a job that changes meanwhile is looked at.
const LOOKS: usize = 3;

/// What holds the copy of a job back that another node runs, as far as it is known here.
pub type LimitElsewhere<'l> = &'l (dyn Fn(&Job) -> Option<Limit> + Sync);

impl Engine {
    /// Why a job that `caller` may see is where it is. `elsewhere` is asked about those that other nodes run.
    ///
    /// # Errors
    /// As `owned_job`; the store does not answer.
    pub async fn explain(
        &self,
        caller: &Caller,
        uuid: &str,
        elsewhere: LimitElsewhere<'_>,
    ) -> Result<Explanation, Fault> {
        let mut job = self.owned_job(caller, uuid).await?;
        let mut reasons = self.reasons(&job, elsewhere).await?;
        for _ in 1..LOOKS {
            let now = self.owned_job(caller, uuid).await?;
            if now.version == job.version {
                break;
            }
            reasons = self.reasons(&now, elsewhere).await?;
            job = now;
        }
        let job_type = self.registry.get(&job.job_name).map(|handler| handler.job_type());
        Ok(Explanation {
            on_cancel: self.on_cancel(&job, job_type.as_ref()),
            on_restart: on_restart(&job, job_type.as_ref(), &reasons),
            lease_s: self.config.lease_ttl.as_secs(),
            job,
            reasons,
        })
    }

    async fn reasons(&self, job: &Job, elsewhere: LimitElsewhere<'_>) -> Result<Vec<Reason>, Fault> {
        Ok(match job.state {
            JobState::Waiting => {
                let waits = self.waits(job).await?;
                // It was claimed a moment ago.
                if waits.is_empty() {
                    let bound = job.terms.host.is_some();
                    vec![Reason::Slot { class: self.class_of(job), ahead: 0, free: true, bound }]
                } else {
                    waits
                }
            }
            JobState::Suspended => vec![self.suspended(job)],
            JobState::Running => {
                let mut waits = self.waits(job).await?;
                if waits.is_empty() {
                    return self.running(job, elsewhere).await;
                }
                // Behind what keeps it from going on by itself.
                let at = waits.iter().position(|wait| matches!(wait, Reason::Slot { .. }));
                let between = Reason::BetweenAttempts { attempt: job.attempt };
                waits.insert(at.unwrap_or(waits.len()), between);
                waits
            }
            JobState::Canceling => self.canceling(job).await?,
            JobState::Succeeded => vec![Reason::Succeeded],
            JobState::Failed => {
                let (retried, retries) = (job.retried, job.terms.retries);
                vec![Reason::Failed { fault: result_of(job, "detail"), retried, retries }]
            }
            JobState::Canceled => vec![Reason::Canceled],
        })
    }

    /// What it waits for, the chief thing first; nothing if somebody holds it.
    async fn waits(&self, job: &Job) -> Result<Vec<Reason>, Fault> {
        let waits = self.store.waits_for(job.id).await.map_err(|e| from_store(e, "the long job"))?;
        let mut waits: Vec<Reason> = waits.into_iter().map(Reason::from).collect();
        if waits.is_empty() {
            return Ok(waits);
        }
        // The store looks no further where somebody holds it.
        let now_ms = self.runtime.now_ms();
        if let Some(at_ms) =
            job.terms.not_before_ms.filter(|at_ms| waits[0] == Reason::Held && *at_ms > now_ms)
        {
            waits.push(Reason::NotBefore(at_ms));
        }
        if all_drained(job, &self.inventory().nodes().await?) {
            waits.retain(|wait| !matches!(wait, Reason::Slot { .. }));
            waits.push(Reason::Drained);
        }
        for wait in &mut waits {
            if let Reason::Slot { class, free, bound, .. } = wait {
                *free = self.has_room_for(job, *class);
                *bound = job.terms.host.is_some();
            }
        }
        waits.sort_by_key(needs_somebody);
        Ok(waits)
    }

    /// Whether this node could start the job now, if no other is there that runs less.
    fn has_room_for(&self, job: &Job, class: SlotClass) -> bool {
        let here = job.terms.host.is_none_or(|host| host == self.host());
        here && !self.is_drained() && !self.is_draining() && self.slots.has_room(class)
    }

    fn suspended(&self, job: &Job) -> Reason {
        let fault = result_of(job, "detail");
        let full = result_of(job, "code") == (self.config.code_text)(Code::StorageFull);
        match (job.suspend, job.retry_at_ms) {
            (Some(SuspendReason::User), _) => Reason::SuspendedByUser,
            (Some(SuspendReason::Storage), _) if full => Reason::StorageFull { fault },
            (Some(SuspendReason::Storage), _) => Reason::StorageAway { fault },
            (Some(SuspendReason::Fault) | None, Some(at_ms)) => Reason::Retried { fault, at_ms },
            (Some(SuspendReason::Fault) | None, None) => Reason::Interrupted { fault },
        }
    }

    async fn running(&self, job: &Job, elsewhere: LimitElsewhere<'_>) -> Result<Vec<Reason>, Fault> {
        let nodes = self.inventory().nodes().await?;
        if let Some(silent) = self.silent(job, &nodes) {
            return Ok(silent);
        }
        let rows = self.timeline_of(job).await?;
        let began = rows.iter().rev().find(|row| begins(row.kind));
        let holder = nodes.iter().find(|node| Some(node.id) == job.node);
        let work = Work {
            attempt: job.attempt,
            node: job.node,
            host_name: holder.map(|node| node.host_name.clone()),
            since_ms: began.map_or(job.create_ms, |row| row.at_ms),
            saved_ago_ms: self.progress.saved_ago_ms(&job.api_id, &*self.runtime),
        };
        let handler = self.registry.get(&job.job_name);
        let copies = handler.as_ref().is_some_and(|handler| handler.copies());
        let stalled = self.progress.get(&job.api_id, &*self.runtime).is_some_and(|live| live.stalled);
        let mut reasons = vec![if stalled { Reason::Stalled { work, copies } } else { Reason::Works(work) }];
        if holder.is_some_and(|node| node.drained) {
            reasons.push(Reason::NodeDrained { moves: self.moves_on(job, &nodes) });
        }
        let here = self.progress.holds(&job.api_id);
        if let Some(limit) = if here { self.limit_of(job) } else { elsewhere(job) } {
            reasons.push(self.held_back(job, limit).await?);
        }
        if job.suspend == Some(SuspendReason::User) {
            reasons.insert(0, Reason::Suspending);
        }
        Ok(reasons)
    }

    async fn held_back(&self, job: &Job, limit: Limit) -> Result<Reason, Fault> {
        let now = self.progress_of(&job.api_id).await?.map(|(_, progress)| progress);
        Ok(Reason::HeldBack {
            bytes_per_s: limit.bytes_per_s,
            by: limit.by,
            moves: now.as_ref().map_or(0, |progress| progress.rate_bytes_per_s),
            left_s: now.and_then(|progress| progress.eta_s),
        })
    }

    async fn canceling(&self, job: &Job) -> Result<Vec<Reason>, Fault> {
        let rows = self.timeline_of(job).await?;
        let asked = rows.iter().rev().find(|row| row.kind == TimelineKind::CancelRequested);
        let since_ms = asked.map_or(job.last_op_ms, |row| row.at_ms);
        let nodes = self.inventory().nodes().await?;
        let waits = if self.is_held(job).await? {
            self.silent(job, &nodes)
        } else {
            Some(Vec::from_iter(in_the_way(job, &nodes)))
        };
        if let Some(waits) = waits {
            let mut reasons: Vec<Reason> =
                [Reason::UndoWaits { since_ms }].into_iter().chain(waits).collect();
            reasons.sort_by_key(needs_somebody);
            return Ok(reasons);
        }
        let deadline_ms = ms(self.cancel_deadline());
        let enforced_ms = since_ms.saturating_add(deadline_ms);
        Ok(vec![Reason::Undoing { node: job.node, since_ms, enforced_ms }])
    }

    /// Whether a node holds a job that has begun: of one that was given back, its record still says who held it last.
    pub(crate) async fn is_held(&self, job: &Job) -> Result<bool, Fault> {
        let Some(node) = job.node else { return Ok(false) };
        if job.state == JobState::Canceling {
            let claims = self.store.canceling(node).await.map_err(|e| from_store(e, "the claims"))?;
            return Ok(claims.iter().any(|claim| claim.job == job.id));
        }
        let waits = self.store.waits_for(job.id).await.map_err(|e| from_store(e, "the long job"))?;
        Ok(waits.is_empty())
    }

    async fn timeline_of(&self, job: &Job) -> Result<Vec<TimelineRow>, Fault> {
        self.store.timeline(job.id).await.map_err(|e| from_store(e, "the timeline"))
    }

    fn on_cancel(&self, job: &Job, job_type: Option<&JobType>) -> OnCancel {
        match job.state {
            JobState::Succeeded | JobState::Failed | JobState::Canceled => return OnCancel::Ended,
            JobState::Canceling => return OnCancel::UnderWay,
            JobState::Waiting => return OnCancel::EndsAtOnce,
            JobState::Running | JobState::Suspended => {}
        }
        let Some(job_type) = job_type else { return OnCancel::NotSupported };
        match (rules::may_cancel(job, job_type), self.refused_by_body(job)) {
            (Err(_), _) => OnCancel::NotSupported,
            (Ok(_), Err(fault)) => OnCancel::RefusedByBody { fault: fault.details },
            (Ok(_), Ok(())) => OnCancel::Undoes { within_s: self.cancel_deadline().as_secs() },
        }
    }
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The order of what a job waits for: first what lasts until somebody acts.
const fn needs_somebody(reason: &Reason) -> u8 {
    match reason {
        Reason::Held => 0,
        Reason::HostAway(_) | Reason::NoNode | Reason::Drained => 1,
        _ => 2,
    }
}

/// Whether an attempt begins with such a row.
const fn begins(kind: TimelineKind) -> bool {
    matches!(kind, TimelineKind::Started | TimelineKind::Resumed | TimelineKind::TakenOver)
}

/// What the job's result says under `key`; empty where it says nothing.
fn result_of(job: &Job, key: &str) -> String {
    let result: Option<Value> = job.job_result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    result.and_then(|result| result[key].as_str().map(str::to_owned)).unwrap_or_default()
}

fn on_restart(job: &Job, job_type: Option<&JobType>, reasons: &[Reason]) -> OnRestart {
    let nobody_holds =
        |reason: &Reason| matches!(reason, Reason::BetweenAttempts { .. } | Reason::UndoWaits { .. });
    match (job.state, job_type.map(|t| t.restart)) {
        (JobState::Running | JobState::Canceling, _) if reasons.iter().any(nobody_holds) => OnRestart::Stays,
        (JobState::Running, Some(RestartRule::Resume)) => OnRestart::GoesOn,
        (JobState::Running, Some(RestartRule::StartAgain)) => OnRestart::BeginsAnew,
        (JobState::Running, Some(RestartRule::Fail) | None) => OnRestart::Fails,
        (JobState::Canceling, _) => OnRestart::UndoGoesOn,
        _ => OnRestart::Stays,
    }
}
