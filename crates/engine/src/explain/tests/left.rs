//! Jobs that nobody works on, or nobody could: the chief reason is what somebody has to mend, no takeover is promised that
//! cannot come, and no pace is told.

use longhaul_model::resource::Storage;
use longhaul_model::{NodeId, Progress};

use super::*;

/// A job that only nodes of one host may run, claimed by the one that is there; the host, and its node.
fn bound(t: &Scene) -> (Claim, HostId, NodeId) {
    let host = HostId::random(&*t.bench.clock);
    let node = block_on(t.bench.node_joined(host, Gone::Unproven));
    let terms = Terms { host: Some(host), ..Terms::default() };
    t.submit(NewJob { terms, ..t.bench.new_job() });
    (block_on(t.bench.claim_as(node)), host, node)
}

fn drain(t: &Scene, node: NodeId) {
    block_on(t.bench.store.drain(node, true)).unwrap();
}

#[test]
fn what_keeps_every_node_from_a_job_is_the_chief_reason_that_it_does_not_go_on() {
    let t = scene();
    let (claim, host, node) = bound(&t);
    block_on(t.bench.store.leave(node)).unwrap();
    let between = Reason::BetweenAttempts { attempt: 1 };
    assert_eq!(t.reasons(claim.job), [Reason::HostAway(host), between.clone()]);
    let back = block_on(t.bench.node_joined(host, Gone::Unproven));
    assert_eq!(t.reasons(claim.job)[0], between, "a node is there, with or without a slot");
    drain(&t, back);
    assert_eq!(t.reasons(claim.job), [Reason::Drained, between]);
    let explained = t.explain(claim.job);
    assert_eq!(explained.on_restart, OnRestart::Stays, "nobody holds it, so there is no node to lose");
}

#[test]
fn a_canceled_job_that_no_node_can_undo_names_what_is_in_the_way() {
    let t = scene();
    let (claim, host, node) = bound(&t);
    block_on(t.bench.cancel(claim.job));
    block_on(t.bench.store.leave(node)).unwrap();
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::HostAway(_), Reason::UndoWaits { .. }]), "{reasons:?}");
    assert_eq!(reasons[0], Reason::HostAway(host));
    assert_eq!(t.explain(claim.job).on_restart, OnRestart::Stays);
    let back = block_on(t.bench.node_joined(host, Gone::Unproven));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::UndoWaits { .. }]), "{reasons:?}");
    drain(&t, back);
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[..], [Reason::Drained, Reason::UndoWaits { .. }]), "{reasons:?}");
}

#[test]
fn of_a_silent_node_whose_jobs_no_other_can_run_no_takeover_is_told() {
    let t = scene();
    let (claim, host, _) = bound(&t);
    let other = block_on(t.bench.node());
    block_on(t.bench.advance_while_heartbeating(other, 2 * SECOND));
    let reasons = t.reasons(claim.job);
    assert!(matches!(reasons[0], Reason::NodeSilent { taken_ms: None, .. }), "{reasons:?}");
    assert_eq!(reasons[1..], [Reason::HostAway(host)]);
    block_on(t.bench.cancel(claim.job));
    let reasons = t.reasons(claim.job);
    let told = &reasons[..];
    assert!(
        matches!(told, [Reason::HostAway(_), Reason::UndoWaits { .. }, Reason::NodeSilent { .. }]),
        "{reasons:?}"
    );
}

#[test]
fn a_drained_node_keeps_what_no_other_can_go_on_with() {
    let t = scene();
    let (claim, _, node) = bound(&t);
    drain(&t, node);
    assert_eq!(t.reasons(claim.job)[1], Reason::NodeDrained { moves: false }, "it is bound to that host");
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    drain(&t, claim.node);
    assert_eq!(t.reasons(claim.job)[1], Reason::NodeDrained { moves: true });
    drain(&t, t.engine.node());
    assert_eq!(t.reasons(claim.job)[1], Reason::NodeDrained { moves: false }, "and so is every other");
}

#[test]
fn a_held_job_tells_its_moment_too() {
    let t = scene();
    let at_ms = t.bench.clock.now_ms() + 60 * SECOND;
    let terms = Terms { not_before_ms: Some(at_ms), ..Terms::default() };
    let job = t.submit(NewJob { terms, ..t.bench.new_job() });
    hold(&t, job.id);
    assert_eq!(t.reasons(job.id), [Reason::Held, Reason::NotBefore(at_ms)]);
    block_on(t.bench.advance_while_heartbeating(t.engine.node(), 60 * SECOND));
    assert_eq!(t.reasons(job.id), [Reason::Held]);
}

#[test]
fn a_job_that_a_slot_is_free_for_does_not_wait_for_running_ones_to_end() {
    let t = scene();
    let job = t.submit(t.bench.new_job());
    let of = |free| Reason::Slot { class: SlotClass::Simulator, ahead: 0, free, bound: false };
    assert_eq!(t.reasons(job.id), [of(false)]);
    t.engine.slots.limit(SlotClass::Simulator, 1);
    assert_eq!(t.reasons(job.id), [of(true)]);
    let _taken = t.engine.slots.reserve(SlotClass::Simulator);
    assert_eq!(t.reasons(job.id), [of(false)]);
}

#[test]
fn a_failed_job_tells_how_many_of_its_retries_were_used() {
    let t = scene();
    let terms = Terms { retries: 1, ..Terms::default() };
    let first = t.claimed(NewJob { terms, ..t.bench.new_job() });
    t.suspend(&first, SuspendReason::Fault, "X", Some(t.bench.clock.now_ms() + SECOND));
    block_on(t.bench.advance_while_heartbeating(first.node, SECOND));
    let second = block_on(t.bench.claim_as(first.node));
    let result = Some(json!({"code": "X", "detail": "why not"}).to_string());
    let failed = Transition { result, ..Transition::plain(JobEvent::Fail) };
    block_on(t.bench.store.apply(&second, failed)).unwrap();
    assert_eq!(t.reasons(second.job), [Reason::Failed { fault: fault(), retried: 1, retries: 1 }]);
}

/// What the newest progress of a job tells, as asked here: rate, time left, and whether nothing moves.
fn pace(t: &Scene, job: &Job) -> (u64, Option<u64>, bool) {
    let (_, now) = block_on(t.engine.progress_of(&job.api_id)).unwrap().unwrap();
    (now.rate_bytes_per_s, now.eta_s, now.stalled)
}

/// Another node tells this pace of a job that it runs.
fn tell(t: &Scene, claim: Claim) -> Job {
    let told = Progress {
        stage: "copying".to_owned(),
        rate_bytes_per_s: 2 << 20,
        eta_s: Some(118),
        ..Progress::none(t.bench.clock.now_ms())
    };
    block_on(t.bench.store.save_progress(&[(claim, told)])).unwrap();
    block_on(t.bench.job(claim.job))
}

#[test]
fn no_pace_is_told_of_a_job_whose_node_is_silent_or_gone_and_after_a_while_it_is_stalled() {
    let t = scene();
    let claim = t.claimed(t.bench.new_job());
    let job = tell(&t, claim);
    block_on(t.bench.advance_while_heartbeating(claim.node, 10 * SECOND));
    assert_eq!(pace(&t, &job), (2 << 20, Some(118), false), "its node is heard of");
    let other = block_on(t.bench.node());
    block_on(t.bench.advance_while_heartbeating(other, 2 * SECOND));
    assert_eq!(pace(&t, &job), (0, None, false));
    let stall_ms = i64::try_from(STALL_AFTER.as_millis()).unwrap();
    block_on(t.bench.advance_while_heartbeating(other, stall_ms - 12 * SECOND - 1));
    assert_eq!(pace(&t, &job), (0, None, false));
    block_on(t.bench.advance_while_heartbeating(other, 1));
    assert_eq!(pace(&t, &job), (0, None, true));
}

#[test]
fn no_pace_is_told_of_a_job_that_was_given_back_though_its_node_lives() {
    for canceled in [false, true] {
        let t = scene();
        let claim = t.claimed(t.bench.new_job());
        let job = tell(&t, claim);
        if canceled {
            block_on(t.bench.cancel(claim.job));
        }
        block_on(t.bench.advance_while_heartbeating(claim.node, 2 * SECOND));
        assert_eq!(pace(&t, &job), (2 << 20, Some(118), false));
        block_on(t.bench.store.release(&claim, "drained")).unwrap();
        assert_eq!(pace(&t, &job), (0, None, false), "canceled: {canceled}");
    }
}

#[test]
fn a_storage_of_a_host_without_a_node_is_disconnected_until_one_is_back() {
    let t = scene();
    let host = HostId::random(&*t.bench.clock);
    let inventory = t.engine.inventory();
    let new = Storage { host: Some(host), ..t.bench.new_storage("/there") };
    let storage = block_on(inventory.create_storage(new)).unwrap();
    let status = || {
        let one = block_on(inventory.storage(storage.id, "uuid")).unwrap();
        let all = block_on(inventory.storages()).unwrap();
        assert_eq!(all, std::slice::from_ref(&one));
        one.status
    };
    assert_eq!(status(), "Disconnected");
    let node = block_on(t.bench.node_joined(host, Gone::Unproven));
    assert_eq!(status(), "Connected");
    block_on(t.bench.store.leave(node)).unwrap();
    assert_eq!(status(), "Disconnected");
    let stored = block_on(t.bench.store.storage(storage.id)).unwrap().unwrap();
    assert_eq!(stored.status, "Connected", "what its host saw last stays stored");
}
