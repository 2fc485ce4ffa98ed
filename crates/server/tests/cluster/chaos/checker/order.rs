//! Ordered jobs on one target run one at a time, in the order of submission as far as clients can know it: what was
//! acknowledged before another was sent comes first. A rerun takes a new place, so only first generations are compared
//! by order; that nothing overlaps holds for all.

use std::collections::BTreeMap;

use super::{Found, by_uuid, generation, reruns, rule};
use crate::chaos::history::{Asked, Evidence, JobEnd, Told};

/// What bodies did for one generation of an ordered job, as places in the journal.
#[derive(Debug, Clone)]
struct Span<'a> {
    job: &'a str,
    generation: usize,
    first: usize,
    last: usize,
}

pub(super) fn check(evidence: &Evidence, jobs: &[&JobEnd], found: &mut Found) {
    let ordered: Vec<&JobEnd> = jobs.iter().filter(|end| end.job_name.contains("Ordered")).copied().collect();
    let by_uuid = by_uuid(&ordered);
    let mut spans: BTreeMap<(&str, usize), Span<'_>> = BTreeMap::new();
    for (place, act) in evidence.acts.iter().enumerate() {
        let Some(end) = by_uuid.get(act.job.as_str()) else { continue };
        let generation = generation(&reruns(end), act.token);
        let new = Span { job: &end.uuid, generation, first: place, last: place };
        spans.entry((&end.uuid, generation)).or_insert(new).last = place;
    }
    let mut targets: BTreeMap<&str, Vec<Span<'_>>> = BTreeMap::new();
    for span in spans.into_values() {
        if let Some(target) = &by_uuid[span.job].target {
            targets.entry(target).or_default().push(span);
        }
    }
    let said = said(evidence);
    for spans in targets.values() {
        for (at, one) in spans.iter().enumerate() {
            for other in spans[at + 1..].iter().filter(|other| other.job != one.job) {
                if one.first <= other.last && other.first <= one.last {
                    found.add(rule::ALONE, one.job, format!("{one:?} and {other:?}"));
                }
                out_of_order(one, other, &said, found);
                out_of_order(other, one, &said, found);
            }
        }
    }
}

/// When a submission was first sent, and when it was first acknowledged.
fn said(evidence: &Evidence) -> BTreeMap<&str, (u64, u64)> {
    let mut said = BTreeMap::new();
    for call in evidence.calls.iter().filter(|call| call.asked == Asked::Submit) {
        let (sent, acknowledged) = said.entry(call.job.as_str()).or_insert((u64::MAX, u64::MAX));
        *sent = call.begin_us.min(*sent);
        if matches!(call.told, Told::Done(_)) {
            *acknowledged = call.end_us.min(*acknowledged);
        }
    }
    said
}

fn out_of_order(earlier: &Span<'_>, later: &Span<'_>, said: &BTreeMap<&str, (u64, u64)>, found: &mut Found) {
    let (Some((_, acknowledged)), Some((sent, _))) = (said.get(earlier.job), said.get(later.job)) else {
        return;
    };
    if (earlier.generation, later.generation) == (0, 0) && acknowledged < sent && earlier.first > later.first
    {
        found.add(rule::ORDER, earlier.job, format!("{} began before it, though submitted after", later.job));
    }
}
