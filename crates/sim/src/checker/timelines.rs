//! A job's history must be gapless and legal from its first row to its last, by a table of this file's own,
//! and end in the state that the record shows.

use longhaul_model::JobState;
use longhaul_model::timeline::TimelineKind;

use super::{Found, JobEnd};

/// Where a row leads from a state; `None` where it must not be.
fn leads_to(from: Option<JobState>, kind: TimelineKind) -> Option<JobState> {
    use {JobState::*, TimelineKind as K};
    match (from, kind) {
        (None, K::Submitted) => Some(Waiting),
        (Some(Waiting), K::Started) => Some(Running),
        (Some(Running | Suspended), K::Resumed) => Some(Running),
        (Some(Running), K::TakenOver) => Some(Running),
        (Some(Running), K::Suspended) => Some(Suspended),
        (Some(Suspended), K::ResumeRequested) => Some(Running),
        (Some(Running), K::Released) => Some(Running),
        (Some(Canceling), K::Released) => Some(Canceling),
        (Some(Waiting | Running | Suspended | Canceling), K::CancelRequested) => Some(Canceling),
        (Some(Canceling), K::CleanRequested) => Some(Canceling),
        (Some(Running | Canceling), K::Succeeded) => Some(Succeeded),
        (Some(Canceling), K::Canceled) => Some(Canceled),
        (Some(Running), K::Failed) => Some(Failed),
        (Some(Waiting), K::Failed) => Some(Failed), // past its deadline
        (Some(Succeeded | Canceled | Failed), K::Rerun) => Some(Waiting),
        // Of a waiting job it is a hold, of a running one a request.
        (Some(Waiting), K::SuspendRequested | K::ResumeRequested) => Some(Waiting),
        (Some(Running), K::SuspendRequested) => Some(Running),
        (Some(Suspended), K::SuspendRequested) => Some(Suspended), // between two tries
        (Some(state), K::Updated) => Some(state),
        _ => None,
    }
}

pub(super) fn check(end: &JobEnd, found: &mut Found) {
    let id = end.job.id;
    let mut state = None;
    let (mut token, mut attempt, mut succeeded) = (0, 0, false);
    for (at, row) in end.rows.iter().enumerate() {
        if row.seq != at as u64 + 1 {
            found.add("a history has no gap", id, format!("row {} is numbered {}", at + 1, row.seq));
        }
        let Some(next) = leads_to(state, row.kind) else {
            let seen = format!("row {}: {:?} while {state:?}", row.seq, row.kind);
            found.add("every transition is legal", id, seen);
            return;
        };
        let begins =
            matches!(row.kind, TimelineKind::Started | TimelineKind::Resumed | TimelineKind::TakenOver);
        if row.token < token || (begins && row.token <= token) {
            let seen = format!("row {}: token {} after {token}", row.seq, row.token);
            found.add("tokens strictly grow", id, seen);
        }
        if row.attempt != attempt + u32::from(begins) {
            let seen = format!("row {}: attempt {} after {attempt}", row.seq, row.attempt);
            found.add("attempts are counted one by one", id, seen);
        }
        match row.kind {
            TimelineKind::Rerun => succeeded = false,
            TimelineKind::Succeeded if succeeded => {
                found.add("success comes once", id, format!("row {}", row.seq));
            }
            TimelineKind::Succeeded => succeeded = true,
            _ => {}
        }
        (state, token, attempt) = (Some(next), row.token, row.attempt);
    }
    if state != Some(end.job.state) {
        let seen = format!("the history ends {state:?}, the record says {:?}", end.job.state);
        found.add("record and history agree", id, seen);
    }
    if token > end.job.token || attempt != end.job.attempt {
        found.add("record and history agree", id, "their tokens or attempts differ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_starts_a_canceling_job_and_nothing_but_a_rerun_leaves_a_final_one() {
        use TimelineKind::*;
        for kind in [Started, Resumed, TakenOver, Failed, Suspended] {
            assert_eq!(leads_to(Some(JobState::Canceling), kind), None, "{kind:?}");
        }
        for kind in TimelineKind::ALL {
            let next = leads_to(Some(JobState::Succeeded), kind);
            assert_eq!(next.is_some(), matches!(kind, Rerun | Updated), "{kind:?}");
        }
    }
}
