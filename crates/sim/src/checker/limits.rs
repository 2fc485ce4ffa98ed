//! No more jobs at a time than the limits say, over all processes. A job counts from its claim until it is suspended or
//! ends, also while nobody holds it; when that was is told by its history, to the millisecond.

use std::collections::BTreeMap;

use longhaul_model::timeline::{TimelineKind as K, TimelineRow};
use longhaul_model::{JobId, LimitOf};

use super::{Evidence, Found};

/// A time in which a job counts.
#[derive(Debug, Clone)]
struct Span {
    job: JobId,
    from_ms: i64,
    /// `None`: it counts at the end.
    until_ms: Option<i64>,
    /// Its limits.
    on: Vec<(LimitOf, u32)>,
}

/// What happens of a span at a moment, in the order in which the least of them are there at a time: what ends makes room
/// for what begins. One that begins and ends within a millisecond is there between the two, and need not have met another
/// of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ends,
    Passes,
    Begins,
}

pub(super) fn check(evidence: &Evidence, found: &mut Found) {
    let mut all = Vec::new();
    for end in &evidence.jobs {
        let on = evidence.job_limits.on(end.job.account, &end.job.job_name);
        if on.is_empty() {
            continue;
        }
        let spans = spans(&end.rows).into_iter();
        let job = end.job.id;
        all.extend(spans.map(|(from_ms, until_ms)| Span { job, from_ms, until_ms, on: on.clone() }));
    }
    for (job, seen) in beyond(&all) {
        found.add("limits are not exceeded", job, seen);
    }
}

/// From when until when the job of this history counts.
fn spans(rows: &[TimelineRow]) -> Vec<(i64, Option<i64>)> {
    let mut spans: Vec<(i64, Option<i64>)> = Vec::new();
    for row in rows {
        let open = spans.last_mut().filter(|(_, until_ms)| until_ms.is_none());
        match (row.kind, open) {
            (K::Started | K::Resumed | K::TakenOver, None) => spans.push((row.at_ms, None)),
            (K::Suspended | K::Succeeded | K::Failed | K::Canceled, Some((_, until_ms))) => {
                *until_ms = Some(row.at_ms);
            }
            _ => {}
        }
    }
    spans
}

/// Each span that begins where a limit of its job is used up, with what was seen.
fn beyond(spans: &[Span]) -> Vec<(JobId, String)> {
    let mut steps: Vec<(i64, Step, &Span)> = Vec::new();
    for span in spans {
        match span.until_ms {
            Some(until_ms) if until_ms <= span.from_ms => steps.push((span.from_ms, Step::Passes, span)),
            until_ms => {
                steps.push((span.from_ms, Step::Begins, span));
                steps.extend(until_ms.map(|until_ms| (until_ms, Step::Ends, span)));
            }
        }
    }
    steps.sort_by_key(|(at_ms, step, span)| (*at_ms, *step, span.job));
    let mut running: BTreeMap<&LimitOf, u32> = BTreeMap::new();
    let mut beyond = Vec::new();
    for (at_ms, step, span) in steps {
        for (limit, most) in &span.on {
            let count = running.entry(limit).or_default();
            match step {
                Step::Ends => *count -= 1, // it began before
                Step::Passes | Step::Begins if *count >= *most => {
                    beyond.push((span.job, format!("{} of {limit:?} at {at_ms}", *count + 1)));
                    *count += u32::from(step == Step::Begins);
                }
                Step::Passes => {}
                Step::Begins => *count += 1,
            }
        }
    }
    beyond
}

#[cfg(test)]
mod tests {
    use longhaul_model::NodeId;
    use longhaul_model::timeline::Actor;

    use super::*;

    fn span(job: u64, from_ms: i64, until_ms: Option<i64>) -> Span {
        let on = vec![(LimitOf::Type("A".to_owned()), 1)];
        Span { job: JobId::v4(job.into()), from_ms, until_ms, on }
    }

    /// Numbers of the jobs that go beyond the limit of one at a time.
    fn too_many(spans: &[Span]) -> Vec<JobId> {
        beyond(spans).into_iter().map(|(job, _)| job).collect()
    }

    #[test]
    fn a_job_that_begins_and_ends_in_one_millisecond_counts_no_longer() {
        let spans = [span(1, 663, Some(663)), span(2, 805, Some(900)), span(3, 901, None)];
        assert_eq!(too_many(&spans), []);
    }

    #[test]
    fn a_job_that_begins_and_ends_in_one_millisecond_is_noticed_beside_another() {
        let spans = [span(1, 500, Some(900)), span(2, 663, Some(663))];
        assert_eq!(too_many(&spans), [JobId::v4(2)]);
        let spans = [span(1, 500, None), span(2, 663, Some(663)), span(3, 700, Some(701))];
        assert_eq!(too_many(&spans), [JobId::v4(2), JobId::v4(3)]);
    }

    #[test]
    fn within_one_millisecond_one_ends_another_passes_and_a_third_begins() {
        let spans = [span(3, 500, Some(663)), span(2, 663, Some(663)), span(1, 663, None)];
        assert_eq!(too_many(&spans), []);
        assert_eq!(too_many(&[spans[0].clone(), span(1, 662, None)]), [JobId::v4(1)], "the control");
    }

    #[test]
    fn a_job_counts_while_nobody_holds_it_and_not_while_it_is_suspended() {
        let row = |(at_ms, kind)| TimelineRow {
            seq: 0,
            at_ms,
            kind,
            actor: Actor::Node(NodeId::v4(1)),
            token: 1,
            attempt: 1,
            detail: String::new(),
        };
        let rows = [
            (1, K::Submitted),
            (2, K::Started),
            (3, K::Released),
            (4, K::TakenOver),
            (5, K::Suspended),
            (7, K::Resumed),
            (7, K::Succeeded),
            (8, K::Rerun),
            (9, K::Started),
        ];
        let told = spans(&rows.map(row));
        assert_eq!(told, [(2, Some(5)), (7, Some(7)), (9, None)]);
    }
}
