//! What the state machine's answer means for a job's record, its claim and its timeline: pure functions that
//! every backend asks inside its transaction. No clock, no storage; the transitions themselves are in
//! `longhaul_model::next`.

use longhaul_model::timeline::TimelineKind;
use longhaul_model::{
    Change, ClaimedFor, IllegalTransition, Job, JobEvent, JobState, NewJob, NodeId, SuspendReason,
    Transition, next,
};

/// When a job without a claim may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// At once (a Waiting ordered job: when nothing earlier is left on its target).
    Now,
    /// From that moment on, ms since 1970.
    At(i64),
    /// Not before somebody asks for it.
    Never,
}

/// A decided write on a job.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The job as it is to be stored.
    pub job: Job,
    /// Whether the claim, if there is one, ends.
    pub ends_claim: bool,
    /// The timeline rows to add, in this order.
    pub rows: Vec<TimelineKind>,
}

/// The job that a submission makes.
pub fn submitted(new: &NewJob, now_ms: i64) -> Job {
    Job {
        id: new.id,
        account: new.account,
        name: new.name.clone(),
        description: new.description.clone(),
        api_id: new.api_id.clone(),
        job_name: new.job_name.clone(),
        job_data: new.job_data.clone(),
        job_result: None,
        state: JobState::Waiting,
        suspend: None,
        retry_at_ms: None,
        target: new.target.clone(),
        node: None,
        create_ms: now_ms,
        last_op_ms: now_ms,
        started_ms: None,
        execute_s: None,
        version: 1,
        attempt: 0,
        token: 0,
        terms: new.terms,
        retried: 0,
    }
}

/// When a job that nobody holds may be claimed. A suspended one is at its deadline too: to be ended.
pub fn ready(job: &Job) -> Ready {
    match job.state {
        JobState::Waiting if job.suspend.is_some() => Ready::Never,
        JobState::Waiting => job.terms.not_before_ms.map_or(Ready::Now, Ready::At),
        JobState::Running | JobState::Canceling => Ready::Now,
        JobState::Suspended => {
            let moments = [job.retry_at_ms, job.deadline_ms()];
            moments.into_iter().flatten().min().map_or(Ready::Never, Ready::At)
        }
        JobState::Succeeded | JobState::Canceled | JobState::Failed => Ready::Never,
    }
}

/// `job` after `node` claimed it, what for, and the timeline row, if any.
///
/// # Errors
/// The job is final: it was not claimable.
pub fn claimed(
    job: &Job,
    node: NodeId,
    now_ms: i64,
    taken_over: bool,
) -> Result<(Job, ClaimedFor, Option<TimelineKind>), IllegalTransition> {
    let (event, purpose, kind) = match job.state {
        JobState::Waiting => (Some(JobEvent::Start), ClaimedFor::Start, Some(TimelineKind::Started)),
        JobState::Canceling => (None, ClaimedFor::Undo, None),
        // One that was suspended since its node went is gone on with like any other that was.
        JobState::Running if taken_over => {
            (Some(JobEvent::Resume), ClaimedFor::Resume, Some(TimelineKind::TakenOver))
        }
        _ => (Some(JobEvent::Resume), ClaimedFor::Resume, Some(TimelineKind::Resumed)),
    };
    let mut after = touched(job, now_ms);
    after.node = Some(node);
    after.token += 1;
    if let Some(event) = event {
        after.state = next(job.state, event)?;
        if after.state.is_final() {
            return Err(IllegalTransition { state: job.state, event });
        }
        after.attempt += 1;
        // Whoever asked a running job to stop did not ask its holder alone.
        after.suspend = job.suspend.filter(|_| job.state == JobState::Running);
        after.retry_at_ms = None;
        after.started_ms = job.started_ms.or(Some(now_ms));
    } else {
        after.suspend = None; // the body that was to be dropped went with the claim before
    }
    Ok((after, purpose, kind))
}

/// `job` after a transition by the holder of its claim.
///
/// # Errors
/// The state machine refuses.
pub fn transitioned(job: &Job, by: &Transition, now_ms: i64) -> Result<Decided, IllegalTransition> {
    let state = next(job.state, by.event)?;
    let mut after = touched(job, now_ms);
    enter(&mut after, state, now_ms);
    if state == JobState::Suspended {
        let asked = job.suspend == Some(SuspendReason::User);
        after.suspend =
            Some(if asked { SuspendReason::User } else { by.suspend.unwrap_or(SuspendReason::Fault) });
        after.retry_at_ms = by.retry_at_ms.filter(|_| !asked);
        after.retried += u32::from(after.retry_at_ms.is_some());
    }
    let result = match state {
        JobState::Canceled => by.canceled_result.as_ref().or(by.result.as_ref()),
        _ => by.result.as_ref(),
    };
    if let Some(result) = result {
        after.job_result = Some(result.clone());
    }
    let ends_claim = state.is_final() || by.event == JobEvent::Suspend;
    Ok(Decided { job: after, ends_claim, rows: vec![kind_of(by.event, state)] })
}

/// `job` after `released`: unchanged but for its version.
pub fn released(job: &Job, now_ms: i64) -> Job {
    touched(job, now_ms)
}

/// `job`, which somebody holds or not, after a change asked for through the API.
///
/// # Errors
/// The state machine refuses.
pub fn changed(job: &Job, is_held: bool, change: &Change, now_ms: i64) -> Result<Decided, IllegalTransition> {
    let mut after = touched(job, now_ms);
    let mut rows = vec![change.kind];
    let mut ends_claim = false;
    if let Some(hold) = change.hold {
        hold_or_let_go(&mut after, is_held, hold, &mut rows)?;
    }
    if change.drop_body && is_held && job.state == JobState::Canceling {
        after.suspend = Some(SuspendReason::User); // until its claim ends; where nobody holds it there is no body
    }
    if let Some(event) = change.event {
        let state = next(job.state, event)?;
        if event == JobEvent::Rerun {
            rerun(&mut after, now_ms);
        }
        enter(&mut after, state, now_ms);
        if state == JobState::Suspended {
            after.suspend = Some(SuspendReason::User);
        }
        ends_claim = state.is_final() || state == JobState::Suspended;
        // Who follows the timeline sees the end of a job as a row of its own, whoever ended it.
        let end = kind_of(event, state);
        if state.is_final() && !job.state.is_final() && end != change.kind {
            rows.push(end);
        }
    }
    if let Some(name) = &change.name {
        after.name.clone_from(name);
    }
    if let Some(description) = &change.description {
        after.description = Some(description.clone());
    }
    if let Some(api_id) = &change.api_id {
        after.api_id = api_id.clone();
    }
    if let Some(result) = &change.result {
        after.job_result = Some(result.clone());
    }
    Ok(Decided { job: after, ends_claim, rows })
}

/// A waiting job stays where it is, a running one is asked to stop; one that nobody holds has stopped. One that is to be
/// tried again by itself is not any more.
fn hold_or_let_go(
    job: &mut Job,
    is_held: bool,
    hold: bool,
    rows: &mut Vec<TimelineKind>,
) -> Result<(), IllegalTransition> {
    match (job.state, hold) {
        (JobState::Waiting, _) if job.suspend.is_some() != hold => {
            job.suspend = hold.then_some(SuspendReason::User);
        }
        (JobState::Running, true) => {
            if !is_held {
                job.state = next(job.state, JobEvent::Suspend)?;
                rows.push(TimelineKind::Suspended);
            }
            job.suspend = Some(SuspendReason::User);
        }
        (JobState::Suspended, true) if job.retry_at_ms.is_some() => {
            job.suspend = Some(SuspendReason::User);
            job.retry_at_ms = None;
        }
        (state, true) => return Err(IllegalTransition { state, event: JobEvent::Suspend }),
        (state, false) => return Err(IllegalTransition { state, event: JobEvent::Resume }),
    }
    Ok(())
}

fn touched(job: &Job, now_ms: i64) -> Job {
    let mut after = job.clone();
    after.version += 1;
    after.last_op_ms = now_ms.max(job.last_op_ms);
    after
}

fn rerun(job: &mut Job, now_ms: i64) {
    job.create_ms = now_ms;
    job.job_result = None;
    job.execute_s = None;
    job.started_ms = None;
    job.retried = 0;
}

fn enter(job: &mut Job, state: JobState, now_ms: i64) {
    let was_final = job.state.is_final();
    job.state = state;
    if state != JobState::Suspended {
        job.suspend = None;
        job.retry_at_ms = None;
    }
    if state.is_final() && !was_final {
        let ran_ms = now_ms.saturating_sub(job.started_ms.unwrap_or(now_ms));
        job.execute_s = Some(u64::try_from(ran_ms / 1000).unwrap_or(0).max(1));
    }
}

fn kind_of(event: JobEvent, state: JobState) -> TimelineKind {
    match (state, event) {
        (JobState::Succeeded, _) => TimelineKind::Succeeded,
        (JobState::Canceled, _) => TimelineKind::Canceled,
        (JobState::Failed, _) => TimelineKind::Failed,
        (JobState::Suspended, _) => TimelineKind::Suspended,
        (JobState::Waiting, _) => TimelineKind::Rerun,
        (JobState::Running, _) => TimelineKind::Resumed,
        // An attempt that stops while it is to be canceled gives the job back to be undone.
        (JobState::Canceling, JobEvent::Suspend) => TimelineKind::Released,
        (JobState::Canceling, _) => TimelineKind::CancelRequested,
    }
}
