//! What clients were told must be true.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, by_uuid, rule};
use crate::chaos::history::{Asked, Call, Evidence, JobEnd, Told};

/// Codes that a call about a job may be refused with: its state, its type, a job that is gone.
const REFUSALS: [&str; 3] = ["SYS.1007", "LONG_JOB.1003", "SYS.1003"];

pub(super) fn check(evidence: &Evidence, deleted: &BTreeSet<&str>, found: &mut Found) {
    let all: Vec<&JobEnd> = evidence.jobs.iter().collect();
    let there = by_uuid(&all);
    let mut of: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &evidence.calls {
        of.entry(&call.job).or_default().push(call);
        answered(call, found);
    }
    for (job, calls) in &of {
        if deleted.contains(job) {
            stays_away(job, calls, there.get(job).copied(), found);
            continue;
        }
        let acknowledged =
            calls.iter().any(|call| call.asked == Asked::Submit && matches!(call.told, Told::Done(_)));
        match there.get(job) {
            Some(end) => {
                as_it_was_wanted(evidence, end, found);
                said(end, calls, found);
                seen(end, calls, found);
            }
            None if acknowledged => found.add(rule::LOST, job, "it is not there"),
            None => {}
        }
        is_found(job, calls, found);
    }
    for end in evidence.jobs.iter().filter(|end| !evidence.wanted.contains_key(&end.uuid)) {
        found.add(rule::NOBODYS, &end.uuid, format!("{end:?}"));
    }
}

fn answered(call: &Call, found: &mut Found) {
    let Told::Refused(code) = &call.told else { return };
    if call.asked == Asked::Submit {
        found.add(rule::REFUSED, &call.job, code);
    } else if !REFUSALS.contains(&code.as_str()) {
        found.add(rule::ODD, &call.job, format!("{:?}: {code}", call.asked));
    }
}

/// What is deleted is gone, unless a submission of it may have been on its way.
fn stays_away(job: &str, calls: &[&Call], there: Option<&JobEnd>, found: &mut Found) {
    let on_its_way = |call: &&Call| call.asked == Asked::Submit && matches!(call.told, Told::Unknown(_));
    let done = |call: &&Call| call.asked == Asked::Delete && matches!(call.told, Told::Done(_));
    if there.is_some() && calls.iter().any(done) && !calls.iter().any(on_its_way) {
        found.add(rule::DELETED, job, "it is there again");
    }
}

fn as_it_was_wanted(evidence: &Evidence, end: &JobEnd, found: &mut Found) {
    let Some(wanted) = evidence.wanted.get(&end.uuid) else { return };
    if (&wanted.job_name, &wanted.data, &wanted.target) != (&end.job_name, &end.data, &end.target) {
        found.add(rule::LOST, &end.uuid, format!("it is {end:?}, not {wanted:?}"));
    }
}

/// What was done can be seen; nothing else was done.
fn said(end: &JobEnd, calls: &[&Call], found: &mut Found) {
    let kinds = [
        (Asked::Cancel, "cancelRequested"),
        (Asked::Suspend, "suspendRequested"),
        (Asked::Resume, "resumeRequested"),
        (Asked::Rerun, "rerun"),
        (Asked::Clean, "cleanRequested"),
    ];
    for (asked, kind) in kinds {
        let told = |of: fn(&Told) -> bool| calls.iter().filter(|c| c.asked == asked && of(&c.told)).count();
        let done = told(|told| matches!(told, Told::Done(_)));
        let unknown = told(|told| matches!(told, Told::Unknown(_)));
        let rows = end.rows.iter().filter(|row| row.kind == kind).count();
        // A second cancel is the same cancel, and a second suspension the same one.
        let least = if matches!(asked, Asked::Cancel | Asked::Suspend) { done.min(1) } else { done };
        if rows < least || rows > done + unknown {
            let seen =
                format!("{rows} rows say {kind}, {done} times it was acknowledged, {unknown} times unknown");
            found.add(rule::SAID, &end.uuid, seen);
        }
    }
}

fn seen(end: &JobEnd, calls: &[&Call], found: &mut Found) {
    for call in calls {
        let Told::Done(state) = &call.told else { continue };
        let kind = match state.as_str() {
            "Succeeded" => "succeeded",
            "Failed" => "failed",
            "Canceled" => "canceled",
            _ => continue,
        };
        if !end.rows.iter().any(|row| row.kind == kind) {
            found.add(rule::SEEN, &end.uuid, format!("{:?} told {state}; no row says {kind}", call.asked));
        }
    }
}

fn is_found(job: &str, calls: &[&Call], found: &mut Found) {
    let acknowledged = |call: &&&Call| call.asked == Asked::Submit && matches!(call.told, Told::Done(_));
    let Some(since) = calls.iter().filter(acknowledged).map(|call| call.end_us).min() else { return };
    for call in calls.iter().filter(|call| call.told == Told::Absent && call.begin_us > since) {
        found.add(rule::FOUND, job, format!("not at {} us at node {}", call.begin_us, call.node));
    }
}
