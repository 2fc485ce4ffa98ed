//! Each reason as it is found out, on a store whose time is moved by hand and a node that starts nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::executor::block_on;
use longhaul_model::explain::HeldBy;
use longhaul_model::{
    Change, Claim, ClaimedFor, Clock, FreeSlots, HostId, JobEvent, JobId, LimitOf, Limits, NewJob, SlotClass,
    Terms, Transition,
};
use longhaul_store::conformance::{Bench, Fresh, SECOND};
use longhaul_store::{Gone, MemoryStore, StoreOptions};
use serde_json::{Map, json};

use super::*;
use crate::context::JobContext;
use crate::handler::Ended;
use crate::progress::{Limit, Report, STALL_AFTER};
use crate::{CheckRequest, Checked, EngineConfig, JobHandler, Registry, Success};

mod left;

/// A type with these rules, whose bodies never run.
struct Type {
    name: &'static str,
    restart: RestartRule,
    cancelable: bool,
}

#[async_trait]
impl JobHandler for Type {
    fn job_type(&self) -> JobType {
        JobType {
            name: self.name,
            description: "",
            cancelable: self.cancelable,
            resumable: true,
            cleanable: true,
            ordered: false,
            class: SlotClass::Simulator,
            restart: self.restart,
            admin_only: false,
            schema: || json!({}),
        }
    }

    async fn check(&self, _request: &CheckRequest) -> Result<Checked, Fault> {
        Ok(Checked::default())
    }

    async fn run(&self, _context: &JobContext) -> Result<Success, Ended> {
        Ok(Success::default())
    }

    async fn undo(&self, _context: &JobContext) -> Result<Map<String, Value>, Fault> {
        Ok(Map::new())
    }

    fn accepts_cancel(&self, data: &Value) -> Result<(), Fault> {
        match data["refuse"].is_null() {
            true => Ok(()),
            false => Err(Fault::new(Code::NotCancelableNow, "not while it is mounted")),
        }
    }
}

struct Scene {
    bench: Bench,
    engine: Arc<Engine>,
    admin: Caller,
}

fn scene() -> Scene {
    let bench = Bench::new(|clock| Fresh {
        store: Arc::new(MemoryStore::new(clock, StoreOptions::default())),
        keep: Box::new(()),
    });
    let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
    let code = |code| if code == Code::StorageFull { "FULL" } else { "OTHER" };
    let config = EngineConfig {
        max_running: 0,
        max_running_simulator: Some(0),
        cancel_deadline: Duration::from_secs(600),
        ..EngineConfig::new(code, parse, [0; 32])
    };
    let of = |name, restart, cancelable| Arc::new(Type { name, restart, cancelable });
    let registry = Registry::default()
        .with(of("APISimulateJobMsg", RestartRule::Resume, true))
        .with(of("Anew", RestartRule::StartAgain, true))
        .with(of("Rigid", RestartRule::Fail, false));
    let engine = block_on(Engine::start(bench.store.clone(), bench.clock.clone(), registry, config)).unwrap();
    let admin = Caller { account: bench.account, admin: true, record: None };
    Scene { bench, engine, admin }
}

impl Scene {
    fn explain(&self, id: JobId) -> Explanation {
        self.explain_with(id, &|_| None)
    }

    fn explain_with(&self, id: JobId, elsewhere: LimitElsewhere<'_>) -> Explanation {
        block_on(self.engine.explain(&self.admin, &id.to_string(), elsewhere)).unwrap()
    }

    fn reasons(&self, id: JobId) -> Vec<Reason> {
        self.explain(id).reasons
    }

    fn submit(&self, new: NewJob) -> Job {
        block_on(self.bench.submit(new)).0
    }

    /// A new job like this, claimed by a node beside the engine's.
    fn claimed(&self, new: NewJob) -> Claim {
        self.submit(new);
        let node = block_on(self.bench.node());
        let slots = [FreeSlots::new(SlotClass::Simulator, 1)];
        let claimed = block_on(self.bench.store.claim(node, &slots, &[])).unwrap().remove(0);
        assert_eq!(claimed.purpose, ClaimedFor::Start);
        claimed.claim
    }

    fn suspend(&self, claim: &Claim, why: SuspendReason, code: &str, retry_at_ms: Option<i64>) {
        let transition = Transition {
            suspend: Some(why),
            retry_at_ms,
            result: Some(json!({"code": code, "detail": "why not"}).to_string()),
            ..Transition::plain(JobEvent::Suspend)
        };
        block_on(self.bench.store.apply(claim, transition)).unwrap();
    }
}

fn fault() -> String {
    "why not".to_owned()
}

#[test]
fn a_waiting_job_tells_everything_that_the_store_says_it_waits_for() {
    let t = scene();
    let job = t.submit(t.bench.new_job());
    assert!(matches!(
        t.reasons(job.id)[..],
        [Reason::Slot { class: SlotClass::Simulator, ahead: 0, free: false, bound: false }]
    ));
    let now_ms = t.bench.clock.now_ms();
    let terms = Terms { not_before_ms: Some(now_ms + SECOND), ..Terms::default() };
    let later = t.submit(NewJob { terms, ..t.bench.new_job() });
    assert_eq!(t.reasons(later.id), [Reason::NotBefore(now_ms + SECOND)]);
    let first = t.submit(t.bench.new_ordered_job("disk"));
    let second = t.submit(t.bench.new_ordered_job("disk"));
    let behind = Reason::Behind { first: first.id, state: JobState::Waiting, ahead: 1 };
    assert!(t.reasons(second.id).contains(&behind), "{:?}", t.reasons(second.id));
    let explained = t.explain(job.id);
    assert_eq!((explained.on_cancel, explained.on_restart), (OnCancel::EndsAtOnce, OnRestart::Stays));
}

/// Asked for through the API.
fn hold(t: &Scene, id: JobId) {
    let version = block_on(t.bench.job(id)).version;
    let change = Change { hold: Some(true), ..t.bench.asked(TimelineKind::SuspendRequested) };
    block_on(t.bench.store.change(id, version, change, None)).unwrap();
}

#[test]
fn a_job_that_somebody_holds_tells_that_whether_it_waits_or_runs() {
    let t = scene();
    let waiting = t.submit(t.bench.new_job());
    hold(&t, waiting.id);
    assert_eq!(t.reasons(waiting.id), [Reason::Held]);
    let claim = t.claimed(t.bench.new_job());
    hold(&t, claim.job);
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::Suspending, Reason::Works(_)]), "{reasons:?}");
}

#[test]
fn a_job_tells_the_limit_that_it_waits_for() {
    let t = scene();
    t.claimed(t.bench.new_job());
    let types = [("APISimulateJobMsg".to_owned(), 1)].into();
    block_on(t.bench.store.set_limits(&Limits { types, ..Limits::default() })).unwrap();
    let job = t.submit(t.bench.new_job());
    let of = LimitOf::Type("APISimulateJobMsg".to_owned());
    assert_eq!(t.reasons(job.id), [Reason::Limit { of, running: 1, most: 1 }]);
}

#[test]
fn a_job_tells_that_no_node_is_there_for_it_or_that_all_are_drained() {
    let t = scene();
    let host = HostId::random(&*t.bench.clock);
    let terms = Terms { host: Some(host), ..Terms::default() };
    let bound = t.submit(NewJob { terms, ..t.bench.new_job() });
    let free = t.submit(t.bench.new_job());
    assert_eq!(t.reasons(bound.id), [Reason::HostAway(host)]);
    let node = block_on(t.bench.node_joined(host, Gone::Unproven));
    assert!(matches!(t.reasons(bound.id)[..], [Reason::Slot { bound: true, .. }]));
    block_on(t.bench.store.drain(node, true)).unwrap();
    assert_eq!(t.reasons(bound.id), [Reason::Drained]);
    assert!(matches!(t.reasons(free.id)[..], [Reason::Slot { .. }]), "another host could run it");
    block_on(t.bench.store.drain(t.engine.node(), true)).unwrap();
    assert_eq!(t.reasons(free.id), [Reason::Drained]);
    block_on(t.bench.store.leave(node)).unwrap();
    block_on(t.bench.store.leave(t.engine.node())).unwrap();
    assert_eq!(t.reasons(free.id), [Reason::NoNode]);
}

#[test]
fn a_running_job_tells_its_attempt_its_node_and_since_when() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    let began_ms = t.bench.clock.now_ms();
    t.bench.clock.advance(500);
    let work = Work {
        attempt: 1,
        node: Some(claim.node),
        host_name: Some("here".to_owned()),
        since_ms: began_ms,
        saved_ago_ms: None,
    };
    assert_eq!(t.reasons(claim.job), [Reason::Works(work)]);
    let explained = t.explain(claim.job);
    assert_eq!(explained.on_cancel, OnCancel::Undoes { within_s: 600 });
    assert_eq!(explained.on_restart, OnRestart::GoesOn);
}

/// A job like this that this engine holds live, as one whose copy has begun.
fn live(t: &Scene) -> (Claim, Job) {
    let claim = t.claimed(t.bench.new_job());
    let job = block_on(t.bench.job(claim.job));
    let (hub, clock) = (&t.engine.progress, &*t.bench.clock);
    hub.begin(&job.api_id, claim, longhaul_model::Progress::none(0), clock);
    hub.report(&job.api_id, Report { stage: "copying".to_owned(), ..Report::default() }, clock);
    (claim, job)
}

/// A rate, and the pieces of a copy.
fn limit(bytes_per_s: u64) -> Limit {
    Limit { bytes_per_s, by: HeldBy::OwnRate, piece_bytes: 4 << 20 }
}

#[test]
fn a_job_held_here_tells_its_checkpoint_and_that_nothing_moves() {
    let t = scene();
    let (claim, job) = live(&t);
    t.engine.progress.saved(&job.api_id, &*t.bench.clock);
    t.bench.clock.advance(1000);
    let works = |reasons: &[Reason]| match reasons.first() {
        Some(Reason::Works(work)) => work.saved_ago_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(works(&t.reasons(claim.job)), Some(1000));
    let stall_ms = i64::try_from(STALL_AFTER.as_millis()).unwrap();
    block_on(t.bench.advance_while_heartbeating(claim.node, stall_ms));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::Stalled { copies: false, .. }]), "{reasons:?}");
}

#[test]
fn a_copy_that_its_rate_holds_back_tells_that_and_its_rate_and_is_not_stalled() {
    let t = scene();
    let (claim, job) = live(&t);
    let (hub, clock) = (&t.engine.progress, &*t.bench.clock);
    hub.limit(&job.api_id, Some(limit(64 << 10)), clock);
    let piece = |done: u64| {
        let report = Report {
            stage: "copying".to_owned(),
            bytes_done: done << 22,
            bytes_total: 64 << 22,
            ..Report::default()
        };
        hub.report(&job.api_id, report, clock);
    };
    let held = |moves, left_s| Reason::HeldBack { bytes_per_s: 64 << 10, by: HeldBy::OwnRate, moves, left_s };
    piece(1);
    // No rate is known yet: what is left is reckoned by the limit, 64 s a piece.
    block_on(t.bench.advance_while_heartbeating(claim.node, 60 * SECOND));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[0], Reason::Works(_)), "{reasons:?}");
    assert_eq!(reasons[1..], [held(0, Some(63 * 64))]);
    block_on(t.bench.advance_while_heartbeating(claim.node, 4 * SECOND));
    piece(2);
    for _ in 0..6 {
        block_on(t.bench.advance_while_heartbeating(claim.node, 20 * SECOND));
        let reasons = t.reasons(claim.job);
        assert!(matches!(reasons[0], Reason::Works(_)), "{reasons:?}");
        assert_eq!(reasons[1..], [held(64 << 10, Some(62 * 64))]);
    }
    // Two pieces could have moved since, and none has.
    block_on(t.bench.advance_while_heartbeating(claim.node, 10 * SECOND));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::Stalled { .. }, Reason::HeldBack { .. }]), "{reasons:?}");
}

#[test]
fn what_holds_a_copy_back_that_another_node_runs_is_asked_for_and_told() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    let explained = t.explain_with(claim.job, &|_| Some(limit(7)));
    let held = Reason::HeldBack { bytes_per_s: 7, by: HeldBy::OwnRate, moves: 0, left_s: None };
    assert_eq!(explained.reasons.get(1), Some(&held));
    let (claim, _) = live(&t);
    let explained = t.explain_with(claim.job, &|_| Some(limit(7)));
    assert!(matches!(explained.reasons[..], [Reason::Works(_)]), "here it is known better");
}

#[test]
fn a_job_of_a_node_that_is_silent_tells_when_another_takes_it_and_whether_one_can() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    let heard_ms = t.bench.clock.now_ms();
    let other = block_on(t.bench.node());
    block_on(t.bench.advance_while_heartbeating(other, SECOND));
    assert!(matches!(t.reasons(claim.job)[..], [Reason::Works(_)]), "a heartbeat may be late");
    block_on(t.bench.advance_while_heartbeating(other, SECOND));
    let config = &t.engine.config;
    let taken_ms = heard_ms + ms(config.lease_ttl) + ms(config.poll);
    let silent = Reason::NodeSilent {
        node: Some(claim.node),
        host_name: Some("here".to_owned()),
        heard_ms: Some(heard_ms),
        taken_ms: Some(taken_ms),
    };
    assert_eq!(t.reasons(claim.job), [silent]);
    // The lease is over, and nobody has taken it.
    block_on(t.bench.advance_while_heartbeating(other, ms(config.lease_ttl)));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::NodeSilent { .. }]), "{reasons:?}");
    block_on(t.bench.store.drain(other, true)).unwrap();
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::NodeSilent { .. }, Reason::Drained]), "{reasons:?}");
}

#[test]
fn a_canceled_job_of_a_node_that_is_silent_waits_for_another() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    block_on(t.bench.cancel(claim.job));
    let other = block_on(t.bench.node());
    block_on(t.bench.advance_while_heartbeating(other, 2 * SECOND));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::UndoWaits { .. }, Reason::NodeSilent { .. }]), "{reasons:?}");
}

#[test]
fn a_job_of_a_drained_node_tells_whether_another_goes_on_with_it() {
    for (name, moves) in [("APISimulateJobMsg", true), ("Anew", false), ("Rigid", false)] {
        let t = scene();
        let claim = t.claimed(NewJob { job_name: name.to_owned(), ..t.bench.new_job() });
        block_on(t.bench.store.drain(claim.node, true)).unwrap();
        let reasons = t.reasons(claim.job);
        assert!(matches!(reasons[0], Reason::Works(_)), "{reasons:?}");
        assert_eq!(reasons[1..], [Reason::NodeDrained { moves }], "{name}");
    }
}

#[test]
fn a_job_that_was_given_back_waits_for_its_next_attempt() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    block_on(t.bench.store.release(&claim, "drained")).unwrap();
    let reasons = t.reasons(claim.job);
    assert_eq!(reasons.first(), Some(&Reason::BetweenAttempts { attempt: 1 }));
    assert!(matches!(reasons.get(1), Some(Reason::Slot { .. })), "{reasons:?}");
}

#[test]
fn a_suspended_job_tells_by_whom_why_and_when_it_is_tried_again() {
    let at_ms = longhaul_store::conformance::START_MS + 60 * SECOND;
    for (why, code, retry, reason) in [
        (SuspendReason::User, "", None, Reason::SuspendedByUser),
        (SuspendReason::Fault, "X", None, Reason::Interrupted { fault: fault() }),
        (SuspendReason::Fault, "X", Some(at_ms), Reason::Retried { fault: fault(), at_ms }),
        (SuspendReason::Storage, "X", None, Reason::StorageAway { fault: fault() }),
        (SuspendReason::Storage, "FULL", None, Reason::StorageFull { fault: fault() }),
    ] {
        let t = scene();
        let claim = t.claimed(t.bench.new_job());
        t.suspend(&claim, why, code, retry);
        assert_eq!(t.reasons(claim.job), [reason]);
        let explained = t.explain(claim.job);
        assert_eq!(explained.on_cancel, OnCancel::Undoes { within_s: 600 });
        assert_eq!(explained.on_restart, OnRestart::Stays);
    }
}

#[test]
fn a_canceling_job_tells_since_when_and_when_it_is_enforced() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    t.bench.clock.advance(100);
    block_on(t.bench.cancel(claim.job));
    let since_ms = t.bench.clock.now_ms();
    t.bench.clock.advance(100);
    let enforced_ms = since_ms + 600 * SECOND;
    assert_eq!(t.reasons(claim.job), [Reason::Undoing { node: Some(claim.node), since_ms, enforced_ms }]);
    let explained = t.explain(claim.job);
    assert_eq!((explained.on_cancel, explained.on_restart), (OnCancel::UnderWay, OnRestart::UndoGoesOn));
    block_on(t.bench.store.release(&claim, "drained")).unwrap();
    assert_eq!(t.reasons(claim.job), [Reason::UndoWaits { since_ms }]);
}

#[test]
fn a_job_that_has_ended_tells_how() {
    for (event, reason) in [
        (JobEvent::Succeed, Reason::Succeeded),
        (JobEvent::Fail, Reason::Failed { fault: fault(), retried: 0, retries: 0 }),
        (JobEvent::Stopped, Reason::Canceled),
    ] {
        let t = scene();
        let claim = t.claimed(t.bench.new_job());
        let result = Some(json!({"code": "X", "detail": "why not"}).to_string());
        block_on(t.bench.store.apply(&claim, Transition { result, ..Transition::plain(event) })).unwrap();
        assert_eq!(t.reasons(claim.job), [reason]);
        let explained = t.explain(claim.job);
        assert_eq!((explained.on_cancel, explained.on_restart), (OnCancel::Ended, OnRestart::Stays));
    }
}

#[test]
fn the_rules_of_its_type_say_what_a_cancel_and_a_restart_would_do() {
    let refused = OnCancel::RefusedByBody { fault: "not while it is mounted".to_owned() };
    for (name, data, on_cancel, on_restart) in [
        ("Anew", "{}", OnCancel::Undoes { within_s: 600 }, OnRestart::BeginsAnew),
        ("Anew", "{\"refuse\":1}", refused, OnRestart::BeginsAnew),
        ("Rigid", "{}", OnCancel::NotSupported, OnRestart::Fails),
        ("Unknown", "{}", OnCancel::NotSupported, OnRestart::Fails),
    ] {
        let t = scene();
        let new = NewJob { job_name: name.to_owned(), job_data: data.to_owned(), ..t.bench.new_job() };
        let explained = t.explain(t.claimed(new).job);
        assert_eq!((explained.on_cancel, explained.on_restart), (on_cancel, on_restart), "{name} {data}");
    }
}

#[test]
fn what_is_somebody_elses_is_not_explained() {
    let t = scene();
    let job = t.submit(t.bench.new_job());
    let stranger = longhaul_model::AccountId::random(&*t.bench.clock);
    let stranger = Caller { account: stranger, admin: false, record: None };
    let refused =
        block_on(t.engine.explain(&stranger, &job.id.to_string(), &|_| None)).expect_err("not theirs");
    assert_eq!(refused.code, Code::PermissionDenied);
}
