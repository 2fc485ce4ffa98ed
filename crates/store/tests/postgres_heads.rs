//! Where looks at the head of a line are slow, most begin behind what was taken last: no job that comes up before that
//! place is forgotten. It starts after the next look from the head, at the latest `PARTS` times as long later as such a look
//! takes. Once with looks that only seem slow, so that every step is known; once with looks that are.

#![allow(clippy::disallowed_methods, reason = "how long looks really take is what is measured")]

#[path = "common/database.rs"]
mod database;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use database::Schema;
use futures::executor::block_on;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{
    BoxFuture, Change, Claim, Clock, FreeSlots, JobEvent, JobId, NewJob, NodeId, Runtime, SlotClass, Terms,
    Transition,
};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{PostgresOptions, PostgresStore};

/// How long a look seems to take, ms: it is slow from 4 on.
const LOOK_MS: u64 = 30;
/// So many times as long as a look from the head takes, the others begin behind it.
const PARTS: u32 = 20;
/// So many claims there are in that time, where each asks for the time at its begin and at its end; and two at its borders.
const CLAIMS_MAX: u32 = PARTS / 2 + 2;
/// Dead rows that nobody may remove: what thousands of jobs a second leave within a minute or two.
const DEAD: u32 = 200_000;

/// Monotonic time that is real, or that moves by `LOOK_MS` whenever somebody asks for it.
struct Time {
    clock: Arc<HandClock>,
    began: Instant,
    asked: Option<AtomicU64>,
}

impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

impl Runtime for Time {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.clock.spawn(name, task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }

    fn monotonic(&self) -> Duration {
        match &self.asked {
            Some(asked) => Duration::from_millis(LOOK_MS * asked.fetch_add(1, Ordering::SeqCst)),
            None => self.began.elapsed(),
        }
    }

    fn random_u128(&self) -> u128 {
        self.clock.random_u128()
    }
}

/// A store whose looks seem slow, or are as slow as they are; a node of it.
struct Stage {
    bench: Bench,
    node: NodeId,
}

impl Stage {
    fn new(schema: &Arc<Schema>, seem_slow: bool) -> Self {
        let bench = Bench::new(|clock: Arc<HandClock>| {
            let asked = seem_slow.then(AtomicU64::default);
            let runtime = Arc::new(Time { clock: clock.clone(), began: Instant::now(), asked });
            let limit = Duration::from_secs(60);
            let options = PostgresOptions {
                clock: Some(clock),
                connect_limit: limit,
                write_limit: limit,
                ..PostgresOptions::default()
            };
            let store = PostgresStore::open(schema.url(), runtime, options).expect("opened");
            Fresh { store: Arc::new(store), keep: Box::new(schema.clone()) }
        });
        let node = block_on(bench.node());
        Self { bench, node }
    }

    fn submit(&self, new: NewJob) -> JobId {
        block_on(self.bench.submit(new)).0.id
    }

    /// So many jobs that nothing holds up.
    fn fill(&self, many: usize) {
        for _ in 0..many {
            self.submit(self.bench.new_job());
        }
    }

    /// Claims for one free slot.
    fn claim(&self) -> Option<Claim> {
        let one = [FreeSlots::new(SlotClass::Simulator, 1)];
        block_on(self.bench.store.claim(self.node, &one, &[]))
            .expect("claimed")
            .first()
            .map(|given| given.claim)
    }

    /// Claims until `id` is given: how often there was another or none before. Leases are kept, since hand-moved time
    /// stands still.
    fn claims_before(&self, id: JobId, most: u32) -> u32 {
        (0..=most)
            .find(|_| self.claim().is_some_and(|claim| claim.job == id))
            .unwrap_or_else(|| panic!("{id} was not given within {most} claims: it is forgotten"))
    }

    /// Holds it, or lets it go on.
    fn hold(&self, id: JobId, hold: bool) {
        let kind = if hold { TimelineKind::SuspendRequested } else { TimelineKind::ResumeRequested };
        let change = Change { hold: Some(hold), ..self.bench.asked(kind) };
        let version = block_on(self.bench.job(id)).version;
        block_on(self.bench.store.change(id, version, change, None)).expect("changed");
    }
}

/// A job that cannot start yet, and what lets it.
type Before = (JobId, Box<dyn FnOnce(&Stage)>);

fn behind_another(stage: &Stage) -> Before {
    let first = stage.submit(stage.bench.new_ordered_job("disk"));
    let id = stage.submit(stage.bench.new_ordered_job("disk"));
    let claim = stage.claim().expect("the first");
    assert_eq!(claim.job, first);
    let end = move |stage: &Stage| {
        block_on(stage.bench.apply(&claim, JobEvent::Succeed)).expect("ended");
    };
    (id, Box::new(end))
}

fn delayed(stage: &Stage) -> Before {
    let not_before_ms = Some(stage.bench.clock.now_ms() + 1000);
    let id =
        stage.submit(NewJob { terms: Terms { not_before_ms, ..Terms::default() }, ..stage.bench.new_job() });
    let wait = |stage: &Stage| block_on(stage.bench.advance_while_heartbeating(stage.node, 1000));
    (id, Box::new(wait))
}

fn held(stage: &Stage) -> Before {
    let id = stage.submit(stage.bench.new_job());
    stage.hold(id, true);
    (id, Box::new(move |stage: &Stage| stage.hold(id, false)))
}

/// Looks that begin at the head are slow often enough, and what goes before most of the line is taken.
fn pass(stage: &Stage, id: JobId) {
    stage.fill(40);
    for _ in 0..4 {
        assert_ne!(stage.claim().expect("one of many").job, id);
    }
}

#[test]
fn what_comes_up_before_the_place_is_passed_over_and_given_after_the_time_that_is_named() {
    for kind in [behind_another, delayed, held] {
        let stage = Stage::new(&Arc::new(Schema::new()), true);
        let (id, let_it) = kind(&stage);
        pass(&stage, id);
        let_it(&stage);
        let before = stage.claims_before(id, CLAIMS_MAX);
        assert!(before > 0, "it was not passed over: the test shows nothing");
    }
}

#[test]
fn while_nothing_else_is_claimed_it_is_given_all_the_same() {
    let stage = Stage::new(&Arc::new(Schema::new()), true);
    let (id, let_it) = behind_another(&stage);
    pass(&stage, id);
    while stage.claim().is_some() {}
    let_it(&stage);
    assert!(stage.claims_before(id, PARTS) < PARTS);
    assert_eq!(stage.claim().map(|claim| claim.job), None, "all of it was given");
}

#[test]
fn what_has_begun_or_has_a_higher_priority_is_given_at_once() {
    let stage = Stage::new(&Arc::new(Schema::new()), true);
    stage.fill(1);
    let first = stage.claim().expect("the first");
    pass(&stage, first.job);
    let store = &stage.bench.store;
    block_on(store.release(&first, "drained")).expect("given back");
    let again = stage.claim().expect("it goes on");
    assert_eq!(again.job, first.job, "given back");
    let now_ms = Some(stage.bench.clock.now_ms());
    let fault = Transition { retry_at_ms: now_ms, ..Transition::plain(JobEvent::Suspend) };
    block_on(store.apply(&again, fault)).expect("suspended");
    assert_eq!(stage.claim().map(|claim| claim.job), Some(first.job), "tried again");
    let terms = Terms { priority: 9, ..Terms::default() };
    let high = stage.submit(NewJob { terms, ..stage.bench.new_job() });
    assert_eq!(stage.claim().map(|claim| claim.job), Some(high), "a higher priority");
    // And without all of these, looks would begin behind what was taken.
    let (held, let_it) = held(&stage);
    stage.fill(10);
    while stage.claim().is_some() {}
    let_it(&stage);
    assert!(stage.claims_before(held, PARTS) > 0, "no look was slow: the test shows nothing");
}

#[test]
fn where_a_transaction_that_is_held_open_makes_looks_slow_no_waiting_job_is_forgotten() {
    let schema = Arc::new(Schema::new());
    let stage = Stage::new(&schema, false);
    let (id, let_it) = behind_another(&stage);
    // Somebody's transaction: whatever ends from here on, nobody may remove.
    let open = schema.hold_open("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM job_run");
    schema.run(&format!(
        "INSERT INTO job_run (job, class, ready_at_ms, host, rank, lane, gate)
         SELECT 1000000 + n, r.class, 0, r.host, r.rank, '', ''
         FROM generate_series(1, {DEAD}) AS s(n), (SELECT * FROM job_run WHERE node IS NULL LIMIT 1) AS r"
    ));
    schema.run("DELETE FROM job_run WHERE job > 1000000");
    stage.fill(40);
    let mut slowest = Duration::ZERO;
    for _ in 0..4 {
        let began = Instant::now();
        assert_ne!(stage.claim().expect("one of many").job, id);
        slowest = slowest.max(began.elapsed());
    }
    let_it(&stage);
    let began = Instant::now();
    let mut others = 0;
    let patience = slowest * PARTS + Duration::from_secs(10); // another program may slow the last look
    while stage.claim().is_none_or(|claim| claim.job != id) {
        others += 1;
        assert!(began.elapsed() < patience, "forgotten: {:?}, looks of {slowest:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("given after {:?} and {others} claims; looks of {slowest:?}", began.elapsed());
    assert!(others > 0, "it was not passed over, the test shows nothing: looks of {slowest:?}");
    drop(open);
}
