//! Ordered jobs on one target run one at a time, in the order of submission as far as clients can know it: a
//! job that was acknowledged before another was sent comes first. A rerun takes a new place, so only first
//! generations are compared by order; that nothing overlaps holds for all.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_model::JobId;

use super::{Evidence, Found, JobEnd, generation, rerun_tokens};
use crate::client::Told;
use crate::handlers::kind_of;
use crate::journal::{Act, Entry};

/// What is known of one generation of an ordered job.
#[derive(Debug, Clone, Copy)]
struct Span {
    job: JobId,
    generation: usize,
    /// The first start of a body, us.
    first: u64,
    /// The last act, us.
    last: u64,
}

pub(super) fn check(evidence: &Evidence, deleted: &BTreeSet<JobId>, found: &mut Found) {
    let mut targets: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for end in evidence.jobs.iter().filter(|end| !deleted.contains(&end.job.id)) {
        let ordered = kind_of(&end.job.job_name).is_some_and(|kind| kind.ordered);
        if let (true, Some(target)) = (ordered, &end.job.target) {
            targets.entry(target).or_default().extend(spans(end, &evidence.acts));
        }
    }
    let said = said(evidence);
    for spans in targets.values() {
        for (at, one) in spans.iter().enumerate() {
            for other in &spans[at + 1..] {
                overlap(one, other, evidence.clock_jumped, found);
                out_of_order(one, other, &said, found);
                out_of_order(other, one, &said, found);
            }
        }
    }
}

fn spans(end: &JobEnd, acts: &[Entry]) -> Vec<Span> {
    let reruns = rerun_tokens(end);
    let mut spans: BTreeMap<usize, Span> = BTreeMap::new();
    let told = |a: &&Entry| a.job == end.job.id && !matches!(a.act, Act::Left | Act::Saved(_));
    for act in acts.iter().filter(told) {
        let generation = generation(&reruns, act.token);
        let at = act.at_us;
        let span = spans.entry(generation).or_insert(Span { job: act.job, generation, first: at, last: at });
        span.last = at;
    }
    spans.into_values().collect()
}

fn overlap(one: &Span, other: &Span, clock_jumped: bool, found: &mut Found) {
    if one.job == other.job || clock_jumped {
        return; // of one job: see `bodies`. After a jump an older claim may act for a while: see `Evidence`.
    }
    if one.first <= other.last && other.first <= one.last {
        let seen = format!("{one:?} and {other:?}");
        found.add("ordered jobs do not overlap", one.job, seen);
    }
}

/// When a job's submission was first sent, and when it was first acknowledged.
fn said(evidence: &Evidence) -> BTreeMap<JobId, (u64, u64)> {
    let mut said = BTreeMap::new();
    for note in &evidence.notes {
        match note.told {
            Told::Sent => {
                said.entry(note.job).or_insert((note.at_us, u64::MAX));
            }
            Told::Acknowledged { .. } => {
                let entry = said.entry(note.job).or_insert((0, u64::MAX));
                entry.1 = entry.1.min(note.at_us);
            }
            _ => {}
        }
    }
    said
}

fn out_of_order(earlier: &Span, later: &Span, said: &BTreeMap<JobId, (u64, u64)>, found: &mut Found) {
    let first_generations = earlier.generation == 0 && later.generation == 0 && earlier.job != later.job;
    let (Some((_, acknowledged)), Some((sent, _))) = (said.get(&earlier.job), said.get(&later.job)) else {
        return;
    };
    if first_generations && acknowledged < sent && earlier.first > later.first {
        let seen = format!("{} began before it, though submitted after", later.job);
        found.add("ordered jobs go in the order of submission", earlier.job, seen);
    }
}
