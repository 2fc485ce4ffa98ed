//! Histories that are broken by hand, one for each rule: the checker must refuse each by that rule, and must take the
//! history that they were made from.

use serde_json::json;

use super::checker::{check, rule};
use super::history::{Act, Asked, Call, Evidence, Hit, JobEnd, Row, Told, Wanted, acts};

const ORDERED: &str = "APISimulateOrderedJobMsg";
const SIMULATE: &str = "APISimulateJobMsg";
/// Taken over and succeeded, rerun and canceled.
const MOVED: &str = "moved";
/// Suspended, resumed, and tried again once.
const STOOD: &str = "stood";
/// On one target.
const FIRST: &str = "first";
const SECOND: &str = "second";
/// Canceled while it waited.
const WAITED: &str = "waited";
/// Deleted.
const GONE: &str = "gone";

fn row(kind: &str, attempt: u64, token: u64, time_ms: i64, node: Option<&str>) -> Row {
    Row { seq: 0, kind: kind.to_owned(), attempt, token, time_ms, node: node.map(str::to_owned) }
}

fn job(uuid: &str, job_name: &str, state: &str, mut rows: Vec<Row>) -> JobEnd {
    rows.iter_mut().zip(1..).for_each(|(row, seq)| row.seq = seq);
    let target = (job_name == ORDERED).then(|| "target".to_owned());
    let (uuid, job_name, state) = (uuid.to_owned(), job_name.to_owned(), state.to_owned());
    JobEnd { uuid, state, job_name, data: json!({"onCancel": "stop"}), target, rows }
}

fn call(asked: Asked, job: &str, begin_us: u64, told: Told) -> Call {
    let (job, end_us) = (job.to_owned(), begin_us + 10);
    Call { begin_us, end_us, client: 0, node: 0, asked, job, told }
}

/// A history without a fault of the server's.
fn good() -> Evidence {
    let done = || Told::Done(String::new());
    let (a, b) = (Some("node-a"), Some("node-b"));
    let jobs = vec![
        job(
            MOVED,
            SIMULATE,
            "Canceled",
            vec![
                row("submitted", 0, 0, 10, None),
                row("started", 1, 1, 20, a),
                row("takenOver", 2, 2, 5000, b),
                row("succeeded", 2, 2, 6000, b),
                row("rerun", 2, 2, 7000, None),
                row("started", 3, 3, 7010, b),
                row("cancelRequested", 3, 3, 7020, None),
                row("canceled", 3, 3, 7100, b),
            ],
        ),
        job(
            STOOD,
            SIMULATE,
            "Succeeded",
            vec![
                row("submitted", 0, 0, 10, None),
                row("started", 1, 1, 20, b),
                row("suspended", 1, 1, 30, b),
                row("resumed", 2, 2, 1000, b),
                row("suspendRequested", 2, 2, 1100, None),
                row("suspended", 2, 2, 1200, b),
                row("resumeRequested", 2, 2, 1300, None),
                row("resumed", 3, 3, 1400, b),
                row("cancelRequested", 3, 3, 1450, None),
                row("succeeded", 3, 3, 1500, b),
            ],
        ),
        job(
            FIRST,
            ORDERED,
            "Succeeded",
            vec![
                row("submitted", 0, 0, 10, None),
                row("started", 1, 1, 20, b),
                row("succeeded", 1, 1, 30, b),
            ],
        ),
        job(
            SECOND,
            ORDERED,
            "Succeeded",
            vec![
                row("submitted", 0, 0, 11, None),
                row("started", 1, 1, 40, b),
                row("succeeded", 1, 1, 50, b),
            ],
        ),
        job(
            WAITED,
            SIMULATE,
            "Canceled",
            vec![
                row("submitted", 0, 0, 10, None),
                row("cancelRequested", 0, 0, 12, None),
                row("canceled", 0, 0, 12, None),
            ],
        ),
    ];
    let journal = "moved 1 1 start\nfirst 1 1 start\nfirst 1 1 end\nstood 1 1 start\nsecond 1 1 start\nsecond 1 1 end\n\
                   stood 2 2 start\nstood 3 3 start\nstood 3 3 end\nmoved 2 2 start\nmoved 2 2 end\nmoved 3 3 start\n\
                   moved 3 3 undone\ngone 1 1 start\ngone 1 1 end\n";
    let mut calls: Vec<Call> = [MOVED, STOOD, FIRST, SECOND, WAITED, GONE]
        .into_iter()
        .zip(0..)
        .map(|(job, at)| call(Asked::Submit, job, 1000 + 100 * at, done()))
        .collect();
    calls.extend([
        call(Asked::Rerun, MOVED, 7_000_000, done()),
        call(Asked::Cancel, MOVED, 7_015_000, done()),
        call(Asked::Look, MOVED, 6_500_000, Told::Done("Succeeded".to_owned())),
        call(Asked::Suspend, STOOD, 1_090_000, Told::Unknown("no answer".to_owned())),
        call(Asked::Resume, STOOD, 1_290_000, done()),
        call(Asked::Cancel, STOOD, 1_440_000, done()),
        call(Asked::Cancel, WAITED, 11_000, done()),
        call(Asked::Cancel, FIRST, 2_000_000, Told::Refused("SYS.1007".to_owned())),
        call(Asked::Look, SECOND, 500, Told::Absent),
        call(Asked::Delete, GONE, 9_000_000, done()),
        call(Asked::Look, GONE, 9_100_000, Told::Absent),
    ]);
    let wanted = jobs.iter().map(|end| (end.uuid.clone(), wanted(end))).collect();
    let hits = vec![Hit { node: Some(0), what: "Kill".to_owned(), from_us: 100_000, until_us: 1_400_000 }];
    let nodes = [("node-a".to_owned(), 0), ("node-b".to_owned(), 1)].into();
    Evidence { calls, wanted, acts: acts(journal), jobs, hits, nodes, odd_ends: Vec::new(), began_ms: 0 }
}

fn wanted(end: &JobEnd) -> Wanted {
    let retries = usize::from(end.uuid == STOOD);
    let JobEnd { job_name, data, target, .. } = end.clone();
    Wanted { job_name, data, target, not_before_ms: Some(15), retries }
}

impl Evidence {
    fn end(&mut self, job: &str) -> &mut JobEnd {
        self.jobs.iter_mut().find(|end| end.uuid == job).expect("a job of the good history")
    }

    fn rows(&mut self, job: &str) -> &mut Vec<Row> {
        &mut self.end(job).rows
    }

    fn tell(&mut self, asked: Asked, job: &str, told: Told) {
        self.calls.push(call(asked, job, 8_000_000, told));
    }

    fn write(&mut self, at: usize, line: &str) {
        let act: Act = acts(line).remove(0);
        self.acts.insert(at, act);
    }
}

/// Does to a good history what a server must not.
type Breaks = fn(&mut Evidence);

/// What breaks each rule.
const BROKEN: [(&str, Breaks); 33] = [
    (rule::LOST, |seen| seen.jobs.retain(|end| end.uuid != FIRST)),
    (rule::LOST, |seen| seen.end(FIRST).data = json!({"onCancel": "ignore"})),
    (rule::NOBODYS, |seen| drop(seen.wanted.remove(WAITED))),
    (rule::REFUSED, |seen| seen.tell(Asked::Submit, FIRST, Told::Refused("LONG_JOB.1100".to_owned()))),
    (rule::ODD, |seen| seen.tell(Asked::Cancel, FIRST, Told::Refused("SYS.1000".to_owned()))),
    (rule::ODD, |seen| seen.tell(Asked::Look, FIRST, Told::Refused("ID.1001".to_owned()))),
    (rule::SAID, |seen| seen.tell(Asked::Resume, STOOD, Told::Done(String::new()))),
    (rule::SAID, |seen| seen.tell(Asked::Cancel, SECOND, Told::Done(String::new()))),
    (rule::SAID, |seen| seen.calls.retain(|call| call.asked != Asked::Rerun)),
    (rule::FOUND, |seen| seen.tell(Asked::Look, SECOND, Told::Absent)),
    (rule::SEEN, |seen| seen.tell(Asked::Look, SECOND, Told::Done("Failed".to_owned()))),
    (rule::DELETED, |seen| {
        let back = JobEnd { uuid: GONE.to_owned(), ..seen.end(FIRST).clone() };
        seen.wanted.insert(GONE.to_owned(), wanted(&back));
        seen.jobs.push(back);
    }),
    (rule::ENDS, |seen| {
        seen.end(SECOND).state = "Running".to_owned();
        seen.rows(SECOND).pop();
    }),
    (rule::LEGAL, |seen| seen.rows(WAITED)[2].kind = "started".to_owned()),
    (rule::LEGAL, |seen| seen.rows(FIRST)[1].kind = "released".to_owned()),
    (rule::GAPS, |seen| seen.rows(SECOND)[2].seq = 4),
    (rule::GAPS, |seen| seen.rows(SECOND)[1].attempt = 2),
    (rule::AGREES, |seen| seen.end(SECOND).state = "Failed".to_owned()),
    (rule::TOKENS, |seen| seen.rows(MOVED)[2].token = 1),
    (rule::TOKENS, |seen| seen.rows(MOVED)[6].token = 2),
    (rule::ONCE, |seen| {
        let again = row("succeeded", 1, 1, 31, Some("node-b"));
        seen.rows(FIRST).push(Row { seq: 4, ..again });
    }),
    (rule::CANCELED, |seen| {
        seen.end(WAITED).state = "Succeeded".to_owned();
        seen.rows(WAITED)[2].kind = "succeeded".to_owned();
    }),
    (rule::CANCELED, |seen| seen.rows(STOOD)[9].time_ms = 20_000),
    (rule::MOMENT, |seen| seen.rows(FIRST)[1].time_ms = 14),
    (rule::RETRIES, |seen| seen.wanted.get_mut(STOOD).expect("wanted").retries = 0),
    (rule::LIVING, |seen| seen.hits[0].node = None),
    (rule::WRITER, |seen| seen.write(1, "moved 1 1 start")),
    (rule::GIVEN, |seen| seen.write(15, "second 2 2 start")),
    (rule::OLDER, |seen| seen.write(11, "moved 1 1 checkpoint")),
    (rule::HOLDER, |seen| drop(seen.acts.remove(10))),
    (rule::HOLDER, |seen| drop(seen.acts.remove(12))),
    (rule::ALONE, |seen| seen.acts.swap(2, 4)),
    (rule::ORDER, |seen| {
        let second: Vec<Act> = seen.acts.drain(4..6).collect();
        seen.acts.splice(0..0, second);
    }),
];

#[test]
fn a_history_without_a_fault_is_taken() {
    assert_eq!(check(&good()), Vec::new());
}

#[test]
fn every_rule_refuses_a_history_that_breaks_it() {
    for (at, (rule, break_it)) in BROKEN.into_iter().enumerate() {
        let mut seen = good();
        break_it(&mut seen);
        let violations = check(&seen);
        assert!(violations.iter().any(|found| found.rule == rule), "{at}: {rule}: {violations:?}");
    }
    let mut seen = good();
    seen.odd_ends.push("node 0 ended by itself".to_owned());
    assert_eq!(check(&seen).iter().map(|found| found.rule).collect::<Vec<_>>(), [rule::ENDED]);
    for rule in rule::ALL {
        let controlled = rule == rule::ENDED || BROKEN.iter().any(|(broken, _)| *broken == rule);
        assert!(controlled, "{rule} has no history that breaks it");
    }
}

#[test]
fn what_a_fault_explains_is_no_violation() {
    // A delete whose submission may still have been on its way, and a body that heard of its cancel late.
    let mut seen = good();
    let back = JobEnd { uuid: GONE.to_owned(), ..seen.end(FIRST).clone() };
    seen.wanted.insert(GONE.to_owned(), wanted(&back));
    seen.jobs.push(back);
    seen.tell(Asked::Submit, GONE, Told::Unknown("no answer".to_owned()));
    seen.rows(STOOD)[9].time_ms = 20_000;
    seen.hits.push(Hit { node: None, what: "Pause".to_owned(), from_us: 2_000_000, until_us: 19_000_000 });
    assert_eq!(check(&seen), Vec::new());
}
