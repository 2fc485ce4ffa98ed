//! What bodies did must fit the claims: no claim is run twice, none acts after a newer one began, a
//! checkpoint that was acknowledged is found and none of an older claim comes after, a final state is what
//! its holder's body did, nothing begins for a canceled job, and slots are enough.

use std::collections::BTreeMap;

use longhaul_engine::RestartRule;
use longhaul_model::SlotClass;
use longhaul_model::timeline::{Actor, TimelineKind, TimelineRow};

use super::{Evidence, Found, JobEnd, generation, queue, rerun_tokens};
use crate::handlers::kind_of;
use crate::journal::{Act, End, Entry, Mark};

pub(super) fn check(end: &JobEnd, acts: &[&Entry], clock_jumped: bool, found: &mut Found) {
    one_body_per_claim(end, acts, found);
    if !clock_jumped {
        no_act_after_a_newer_claim(end, acts, found);
    }
    checkpoints(end, acts, found);
    for row in &end.rows {
        the_end_is_the_holders(end, row, acts, found);
    }
    nothing_begins_after_a_cancel(end, acts, found);
}

fn one_body_per_claim(end: &JobEnd, acts: &[&Entry], found: &mut Found) {
    let mut runs = BTreeMap::new();
    for act in acts.iter().filter(|a| matches!(a.act, Act::Start(_))) {
        if let Some(other) = runs.insert(act.token, act.place) {
            let seen = format!("token {} in places {other} and {}", act.token, act.place);
            found.add("a claim is run once", end.job.id, seen);
        }
        if act.token > end.job.token {
            found.add("a claim is run once", end.job.id, format!("token {} was never given", act.token));
        }
    }
}

/// `Left` and `Saved` are told late and are no acts on anything.
fn no_act_after_a_newer_claim(end: &JobEnd, acts: &[&Entry], found: &mut Found) {
    let mut newest = 0;
    for act in acts.iter().filter(|a| !matches!(a.act, Act::Left | Act::Saved(_))) {
        if act.token < newest {
            let seen = format!("token {} does {:?} after token {newest} began", act.token, act.act);
            found.add("no act by an older claim", end.job.id, seen);
        }
        newest = newest.max(act.token);
    }
}

fn checkpoints(end: &JobEnd, acts: &[&Entry], found: &mut Found) {
    let Some(kind) = kind_of(&end.job.job_name) else { return };
    let reruns = rerun_tokens(end);
    let mut saved: Vec<Mark> = Vec::new();
    let mut before: Option<(u64, Option<Mark>)> = None;
    for act in acts {
        let same = |token: u64| generation(&reruns, token) == generation(&reruns, act.token);
        match act.act {
            Act::Saved(mark) => saved.push(mark),
            Act::Start(seen) if kind.restart == RestartRule::Resume => {
                let acknowledged = saved.iter().filter(|m| same(m.token) && m.token < act.token).max();
                if seen < acknowledged.copied() {
                    let what = format!("token {} finds {seen:?}, not {acknowledged:?}", act.token);
                    found.add("an acknowledged checkpoint is found", end.job.id, what);
                }
                let foreign = seen.is_some_and(|m| !same(m.token) || m.token >= act.token);
                let late = before.is_some_and(|(token, then)| {
                    same(token) && seen != then && seen.is_some_and(|m| m.token < token)
                });
                if foreign || late {
                    let what = format!("token {} finds {seen:?} after {before:?}", act.token);
                    found.add("no checkpoint by an older claim", end.job.id, what);
                }
                before = Some((act.token, seen));
            }
            Act::Start(Some(seen)) => {
                found.add("a job starts again without a checkpoint", end.job.id, format!("{seen:?}"));
            }
            _ => {}
        }
    }
}

/// Who ends a job is the newest holder, and its body said so before.
fn the_end_is_the_holders(end: &JobEnd, row: &TimelineRow, acts: &[&Entry], found: &mut Found) {
    let did = |wanted: &[Act]| acts.iter().any(|a| a.token == row.token && wanted.contains(&a.act));
    let cut = kind_of(&end.job.job_name).is_some_and(|k| k.restart == RestartRule::Fail);
    let right = match (row.kind, row.actor) {
        (TimelineKind::Succeeded, _) => did(&[Act::End(End::Succeed)]),
        (TimelineKind::Failed, _) => {
            did(&[Act::End(End::Fail), Act::End(End::Panic)])
                || (cut && did(&[Act::UndoStart]))
                || queue::tells_of_a_deadline(row)
        }
        (TimelineKind::Suspended, _) => {
            did(&[Act::End(End::Interrupt), Act::End(End::Fail)]) || queue::was_asked(end, row)
        }
        (TimelineKind::Canceled, Actor::Node(_)) => did(&[Act::UndoStart]),
        _ => true,
    };
    if !right {
        let seen = format!("row {}: {:?}, but the body of token {} did not", row.seq, row.kind, row.token);
        found.add("an end is its holder's", end.job.id, seen);
    }
}

fn nothing_begins_after_a_cancel(end: &JobEnd, acts: &[&Entry], found: &mut Found) {
    let reruns = rerun_tokens(end);
    for row in end.rows.iter().filter(|row| row.kind == TimelineKind::CancelRequested) {
        let at = end.rows[..row.seq as usize].iter().filter(|r| r.kind == TimelineKind::Rerun).count();
        for act in acts.iter().filter(|a| matches!(a.act, Act::Start(_))) {
            if act.token > row.token && generation(&reruns, act.token) == at {
                let seen = format!("token {} begins, canceled at {}", act.token, row.token);
                found.add("nothing begins after a cancel", end.job.id, seen);
            }
        }
    }
}

/// Bodies at work in one process, undoing included, never exceed its slots.
pub(super) fn check_slots(evidence: &Evidence, found: &mut Found) {
    let mut at_work: BTreeMap<_, u32> = BTreeMap::new();
    for act in &evidence.acts {
        let count = at_work.entry((act.place, act.class)).or_default();
        match act.act {
            Act::Start(_) | Act::UndoStart => *count += 1,
            Act::Left => *count = count.saturating_sub(1),
            _ => continue,
        }
        let limit = match act.class {
            SlotClass::BuiltIn => evidence.limits.built_in,
            SlotClass::Simulator => evidence.limits.simulator,
            SlotClass::Parent => None, // the simulated types have none
        };
        if limit.is_some_and(|limit| *count > limit) {
            let seen = format!("{count} {:?} bodies in place {} at {}", act.class, act.place, act.at_us);
            found.add("slots are not exceeded", act.job, seen);
        }
    }
}
