//! What was asked of the queue must be kept: no start before its moment, after its deadline or while it is held;
//! the higher priority first; no more retries than were asked for; what somebody suspended goes on by a resume alone.
//! That the limits hold is in `limits`.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_model::timeline::{TimelineKind as K, TimelineRow};
use longhaul_model::{JobId, JobState};

use super::{Evidence, Found, JobEnd, limits};
use crate::asked::Asked;
use crate::handlers::kind_of;
use crate::journal::Act;

/// A body may begin so long after its deadline: the steps between the look and the start.
const STEPS_MS: i64 = 5;

pub(super) fn check(evidence: &Evidence, deleted: &BTreeSet<JobId>, found: &mut Found) {
    let asked: BTreeMap<JobId, Asked> = evidence.notes.iter().map(|note| (note.job, note.asked)).collect();
    let of = |end: &JobEnd| asked.get(&end.job.id).copied().unwrap_or_default();
    let kept: Vec<&JobEnd> = evidence.jobs.iter().filter(|end| !deleted.contains(&end.job.id)).collect();
    for end in &kept {
        delays(end, of(end), evidence.put_back_ms, found);
        holds(end, of(end), found);
        // Of one whose submitter never heard its id, nobody knows what was asked.
        if asked.contains_key(&end.job.id) {
            retries(end, of(end), found);
        }
        if !evidence.clock_jumped {
            deadlines(end, of(end), evidence, found);
        }
    }
    if evidence.clock_jumped {
        return; // moments of different rows cannot be compared
    }
    limits::check(evidence, found);
    let known = kept.iter().filter(|end| asked.contains_key(&end.job.id));
    let waiting: Vec<Waited> = known.filter_map(|end| Waited::of(end, of(end), evidence)).collect();
    priorities(&waiting, found);
}

fn delays(end: &JobEnd, asked: Asked, put_back_ms: i64, found: &mut Found) {
    let Some(not_before_ms) = asked.not_before_ms.map(|ms| ms - put_back_ms) else { return };
    for row in end.rows.iter().filter(|row| row.kind == K::Started && row.at_ms < not_before_ms) {
        let seen = format!("row {}: {} ms too early", row.seq, not_before_ms - row.at_ms);
        found.add("nothing starts before its moment", end.job.id, seen);
    }
}

/// Whether the row tells of the deadline that has passed: then what is held or suspended ends all the same.
fn is_overdue(end: &JobEnd, asked: Asked, at: usize) -> bool {
    let Some(deadline_s) = asked.deadline_s else { return false };
    let since = end.rows[..at].iter().rev().find(|row| matches!(row.kind, K::Submitted | K::Rerun));
    let after_ms = i64::try_from(deadline_s * 1000).unwrap_or(0);
    since.is_some_and(|row| end.rows[at].at_ms >= row.at_ms + after_ms)
}

fn holds(end: &JobEnd, asked: Asked, found: &mut Found) {
    let mut held = false;
    let mut suspended = false;
    for (at, row) in end.rows.iter().enumerate() {
        match row.kind {
            K::SuspendRequested => {
                held = true;
                suspended = is_suspended(&end.rows[..at]); // between two tries
            }
            K::Suspended => suspended = held,
            K::ResumeRequested | K::CancelRequested | K::Rerun => (held, suspended) = (false, false),
            K::Started if held => {
                found.add("what is held does not start", end.job.id, format!("row {}", row.seq));
            }
            K::Resumed | K::TakenOver if suspended && !is_overdue(end, asked, at) => {
                let seen = format!("row {}", row.seq);
                found.add("only a resume starts what somebody suspended", end.job.id, seen);
            }
            _ => {}
        }
    }
}

/// Whether these rows leave their job suspended.
fn is_suspended(rows: &[TimelineRow]) -> bool {
    let says_nothing = |kind| matches!(kind, K::Updated | K::SuspendRequested);
    rows.iter().rev().find(|row| !says_nothing(row.kind)).is_some_and(|row| row.kind == K::Suspended)
}

/// A retry is a resumption that nobody asked for.
fn retries(end: &JobEnd, asked: Asked, found: &mut Found) {
    let mut retried = 0;
    let mut before: Option<&TimelineRow> = None;
    for (at, row) in end.rows.iter().enumerate() {
        match row.kind {
            K::Rerun => retried = 0,
            K::Resumed if before.is_some_and(|b| b.kind == K::Suspended) && !is_overdue(end, asked, at) => {
                retried += 1;
                if retried > asked.retries {
                    let seen = format!("row {}: retry {retried} of {}", row.seq, asked.retries);
                    found.add("no more retries than were asked for", end.job.id, seen);
                }
            }
            _ => {}
        }
        if row.kind != K::Updated {
            before = Some(row);
        }
    }
}

fn deadlines(end: &JobEnd, asked: Asked, evidence: &Evidence, found: &mut Found) {
    let Some(deadline_s) = asked.deadline_s else { return };
    let after_ms = i64::try_from(deadline_s * 1000).unwrap_or(0);
    for act in evidence.acts.iter().filter(|a| a.job == end.job.id && matches!(a.act, Act::Start(_))) {
        let begun = end.rows.iter().position(|row| row.token == act.token);
        let Some(begun) = begun else { continue };
        let since = end.rows[..=begun].iter().rev().find(|row| matches!(row.kind, K::Submitted | K::Rerun));
        let at_ms = evidence.wall_ms + i64::try_from(act.at_us / 1000).unwrap_or(0);
        if since.is_some_and(|row| at_ms > row.at_ms + after_ms + STEPS_MS) {
            let seen = format!("token {} begins at {at_ms}", act.token);
            found.add("nothing begins after its deadline", end.job.id, seen);
        }
    }
    for row in end.rows.iter().filter(|row| row.kind == K::Failed && row.detail.starts_with("the deadline")) {
        let since = end.rows[..row.seq as usize].iter().rev();
        let since = since.into_iter().find(|row| matches!(row.kind, K::Submitted | K::Rerun));
        if since.is_some_and(|since| row.at_ms < since.at_ms + after_ms) {
            found.add("nothing fails before its deadline", end.job.id, format!("row {}", row.seq));
        }
    }
}

/// How long a job waited in which nothing but a slot was missing.
struct Waited {
    job: JobId,
    class: longhaul_model::SlotClass,
    priority: u8,
    from_ms: i64,
    started_ms: i64,
}

impl Waited {
    /// Of a first start that nothing held up but others in its class.
    fn of(end: &JobEnd, asked: Asked, evidence: &Evidence) -> Option<Self> {
        let kind = kind_of(&end.job.job_name)?;
        let limited = !evidence.job_limits.on(end.job.account, &end.job.job_name).is_empty();
        let rows: Vec<_> = end.rows.iter().filter(|row| row.kind != K::Updated).take(2).collect();
        let [submitted, started] = rows[..] else { return None };
        if kind.ordered || limited || (submitted.kind, started.kind) != (K::Submitted, K::Started) {
            return None;
        }
        Some(Self {
            job: end.job.id,
            class: kind.class,
            priority: asked.priority.unwrap_or(5),
            from_ms: submitted.at_ms.max(asked.not_before_ms.unwrap_or(0)),
            started_ms: started.at_ms,
        })
    }
}

fn priorities(waited: &[Waited], found: &mut Found) {
    for low in waited {
        for high in waited.iter().filter(|high| high.class == low.class && high.priority > low.priority) {
            if high.from_ms < low.started_ms && low.started_ms < high.started_ms {
                let seen = format!("{} with a lower priority started before it", low.job);
                found.add("the higher priority starts first", high.job, seen);
            }
        }
    }
}

/// Whether a Failed row tells of a deadline: no body need have said so.
pub(super) fn tells_of_a_deadline(row: &TimelineRow) -> bool {
    row.kind == K::Failed && row.detail.starts_with("the deadline")
}

/// Whether somebody had asked for the suspension that the row tells of.
pub(super) fn was_asked(end: &JobEnd, row: &TimelineRow) -> bool {
    let before = end.rows[..row.seq as usize - 1].iter().rev();
    let mut before = before.take_while(|b| !matches!(b.kind, K::ResumeRequested | K::Rerun));
    row.kind == K::Suspended && before.any(|b| b.kind == K::SuspendRequested)
}

/// Whether the job is one that only a resume lets end.
pub(crate) fn needs_a_resume(job: &longhaul_model::Job) -> bool {
    job.state == JobState::Suspended || (job.state == JobState::Waiting && job.suspend.is_some())
}
