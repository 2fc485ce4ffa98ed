//! What bodies did must fit the claims that the timelines tell of. The journal has one order for all processes, and knows
//! no fencing: what stands in it was done.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, by_uuid, rule};
use crate::chaos::history::{Act, Evidence, JobEnd};

pub(super) fn check(evidence: &Evidence, jobs: &[&JobEnd], found: &mut Found) {
    let mut acts: BTreeMap<&str, Vec<&Act>> = BTreeMap::new();
    for act in &evidence.acts {
        acts.entry(&act.job).or_default().push(act);
    }
    for (job, end) in by_uuid(jobs) {
        let acts = acts.remove(job).unwrap_or_default();
        one_writer(job, &acts, found);
        no_older_claim(job, &acts, found);
        given(end, &acts, found);
        for row in &end.rows {
            let did = |what: &str| acts.iter().any(|act| act.token == row.token && act.what == what);
            let undid = row.kind == "canceled" && row.node.is_some();
            if (row.kind == "succeeded" && !did("end")) || (undid && !did("undone")) {
                let seen =
                    format!("row {}: {}, and the body of token {} did not", row.seq, row.kind, row.token);
                found.add(rule::HOLDER, job, seen);
            }
        }
    }
}

/// Each body writes one `start` and at most one `end`, so a second one is a second writer.
fn one_writer(job: &str, acts: &[&Act], found: &mut Found) {
    let mut wrote = BTreeSet::new();
    for act in acts.iter().filter(|act| matches!(act.what.as_str(), "start" | "end")) {
        if !wrote.insert((act.token, act.what.as_str())) {
            found.add(rule::WRITER, job, format!("{act:?} comes twice"));
        }
    }
}

fn no_older_claim(job: &str, acts: &[&Act], found: &mut Found) {
    let mut newest = 0;
    for act in acts {
        if act.token < newest {
            found.add(rule::OLDER, job, format!("{act:?} after token {newest}"));
        }
        newest = newest.max(act.token);
    }
}

/// A body that starts has a claim that the history tells of; one that undoes has the newest, and tells of it at its end.
fn given(end: &JobEnd, acts: &[&Act], found: &mut Found) {
    let claims: BTreeSet<(u64, u64)> =
        end.rows.iter().filter(|row| row.begins()).map(|row| (row.attempt, row.token)).collect();
    for act in acts {
        let known = match act.what.as_str() {
            "undone" => end.rows.iter().any(|row| row.token >= act.token),
            _ => claims.contains(&(act.attempt, act.token)),
        };
        if !known {
            found.add(rule::GIVEN, &end.uuid, format!("{act:?}"));
        }
    }
}
