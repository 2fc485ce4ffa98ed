//! Promises of `Jobs::claim`, `claims` and `canceling`.

use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{
    ClaimedFor, FreeSlots, JobEvent, JobState, NewJob, NodeId, Pages, Progress, SlotClass, SuspendReason,
    Transition,
};

use super::{Bench, SECOND};
use crate::StoreError;

/// The order of claims is the order of submissions.
pub async fn jobs_are_claimed_first_come_first(t: &Bench) {
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(t.submit(t.new_job()).await.0.id);
    }
    let node = t.node().await;
    let slots = [FreeSlots::new(SlotClass::Simulator, 3)];
    let first: Vec<_> =
        t.store.claim(node, &slots, &[]).await.unwrap().into_iter().map(|c| c.job.id).collect();
    let then: Vec<_> =
        t.store.claim(node, &slots, &[]).await.unwrap().into_iter().map(|c| c.job.id).collect();
    assert_eq!(first, submitted[..3]);
    assert_eq!(then, submitted[3..]);
}

/// Each class has its own slots.
pub async fn a_claim_respects_the_free_slots_of_each_class(t: &Bench) {
    for class in [SlotClass::BuiltIn, SlotClass::Simulator] {
        for _ in 0..4 {
            t.submit(NewJob { class, ..t.new_job() }).await;
        }
    }
    let node = t.node().await;
    let slots = [FreeSlots::new(SlotClass::BuiltIn, 1), FreeSlots::new(SlotClass::Simulator, 2)];
    assert_eq!(t.store.claim(node, &slots, &[]).await.unwrap().len(), 3);
    let none = [FreeSlots::new(SlotClass::BuiltIn, 0)];
    assert!(t.store.claim(node, &none, &[]).await.unwrap().is_empty());
}

/// A Waiting job starts.
pub async fn a_waiting_job_is_claimed_to_start(t: &Bench) {
    let sealed_data = Some(vec![1, 2, 3]);
    let (job, _) = t.submit(NewJob { sealed_data: sealed_data.clone(), ..t.new_job() }).await;
    let node = t.node().await;
    t.clock.advance(SECOND);
    let claimed = t.claim_all(node).await.remove(0);
    assert_eq!((claimed.purpose, claimed.taken_over), (ClaimedFor::Start, false));
    assert_eq!(claimed.checkpoint, Pages::new());
    assert_eq!(claimed.sealed_data, sealed_data);
    assert_eq!((claimed.claim.token, claimed.claim.attempt), (1, 1));
    assert_eq!((claimed.job.state, claimed.job.node), (JobState::Running, Some(node)));
    assert_eq!(claimed.job.started_ms, Some(job.create_ms + SECOND));
    assert!(claimed.job.version > job.version);
    assert_eq!(t.job(job.id).await, claimed.job);
    let last = t.store.timeline(job.id).await.unwrap().pop().unwrap();
    assert_eq!((last.kind, last.actor), (TimelineKind::Started, Actor::Node(node)));
    assert_eq!((last.attempt, last.token), (1, 1));
}

/// What is held is not given again.
pub async fn a_held_job_is_not_claimed_again(t: &Bench) {
    t.submit_and_claim().await;
    let other = t.node().await;
    assert!(t.claim_all(other).await.is_empty());
}

/// A released job goes on from its checkpoint, with a new attempt and a larger token.
pub async fn a_released_job_is_resumed_from_its_checkpoint(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let pages = Pages::from([(0, vec![1]), (7, vec![2, 3])]);
    t.store.save_checkpoint(&claim, &pages).await.unwrap();
    t.store.release(&claim, "drained").await.unwrap();
    let claimed = t.claim_all(claim.node).await.remove(0);
    assert_eq!((claimed.purpose, claimed.taken_over), (ClaimedFor::Resume, false));
    assert_eq!(claimed.checkpoint, pages);
    assert_eq!((claimed.claim.token, claimed.claim.attempt), (2, 2));
    assert_eq!(
        t.kinds(claim.job).await,
        [TimelineKind::Submitted, TimelineKind::Started, TimelineKind::Released, TimelineKind::Resumed]
    );
}

/// A job that goes on brings what its earlier attempts have shown; one that begins, or begins anew, brings nothing.
pub async fn a_claim_brings_what_earlier_attempts_have_shown(t: &Bench) {
    t.submit(t.new_job()).await;
    let node = t.node().await;
    let claimed = t.claim_all(node).await.remove(0);
    assert_eq!(claimed.progress, None);
    let (percent, stage) = (42, "copying".to_owned());
    let shown = Progress { percent, stage, bytes_done: 7, eta_s: Some(9), ..Progress::none(1) };
    t.store.save_progress(&[(claimed.claim, shown.clone())]).await.unwrap();
    t.store.release(&claimed.claim, "drained").await.unwrap();
    let (other, _) = t.submit(t.new_job()).await;
    let again = t.claim_all(node).await;
    let of = |id| again.iter().find(|claimed| claimed.job.id == id).unwrap();
    assert_eq!(of(claimed.job.id).progress, Some(shown));
    assert_eq!(of(other.id).progress, None);
    t.apply(&of(claimed.job.id).claim, JobEvent::Fail).await.unwrap();
    t.rerun(claimed.job.id).await;
    assert_eq!(t.claim_all(node).await.remove(0).progress, None);
}

/// The job of a node whose lease has expired is taken over.
pub async fn the_job_of_a_dead_node_is_taken_over(t: &Bench) {
    let dead = t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    let claimed = t.claim_all(other).await.remove(0);
    assert_eq!((claimed.purpose, claimed.taken_over), (ClaimedFor::Resume, true));
    assert!(claimed.claim.token > dead.token);
    assert_eq!(claimed.claim.attempt, 2);
    assert_eq!(claimed.job.node, Some(other));
    assert_eq!(t.kinds(dead.job).await.last(), Some(&TimelineKind::TakenOver));
}

/// Before its lease has expired, nothing is taken from a node.
pub async fn a_live_lease_protects_its_jobs(t: &Bench) {
    t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() - 1).await;
    assert!(t.claim_all(other).await.is_empty());
}

/// A suspended job with a retry time is claimed when it has come, not earlier.
pub async fn a_suspended_job_is_claimed_at_its_retry_time(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let retry_at_ms = Some(t.job(claim.job).await.create_ms + SECOND);
    let suspend = Transition {
        suspend: Some(SuspendReason::Fault),
        retry_at_ms,
        ..Transition::plain(JobEvent::Suspend)
    };
    let job = t.store.apply(&claim, suspend).await.unwrap();
    assert_eq!((job.suspend, job.retry_at_ms), (Some(SuspendReason::Fault), retry_at_ms));
    t.clock.advance(SECOND - 1);
    assert!(t.claim_all(claim.node).await.is_empty());
    t.clock.advance(1);
    let claimed = t.claim_all(claim.node).await.remove(0);
    assert_eq!(claimed.purpose, ClaimedFor::Resume);
    assert_eq!((claimed.job.state, claimed.job.suspend), (JobState::Running, None));
    assert_eq!(claimed.job.retry_at_ms, None);
}

/// A suspended job without a retry time waits for somebody to resume it.
pub async fn a_suspended_job_without_retry_time_is_not_claimed(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.apply(&claim, JobEvent::Suspend).await.unwrap();
    t.advance_while_heartbeating(claim.node, 100 * SECOND).await;
    assert!(t.claim_all(claim.node).await.is_empty());
    let resumed = t.change(claim.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    assert_eq!((resumed.state, resumed.suspend), (JobState::Running, None));
    assert_eq!(t.claim_as(claim.node).await.attempt, 2);
}

/// A Canceling job that nobody holds is claimed to be undone; it is no new attempt.
pub async fn a_canceling_job_is_claimed_to_be_undone(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.cancel(claim.job).await;
    t.store.release(&claim, "drained").await.unwrap();
    let rows = t.kinds(claim.job).await;
    let claimed = t.claim_all(claim.node).await.remove(0);
    assert_eq!((claimed.purpose, claimed.job.state), (ClaimedFor::Undo, JobState::Canceling));
    assert_eq!((claimed.claim.token, claimed.claim.attempt), (2, 1));
    assert_eq!(t.kinds(claim.job).await, rows, "no row for it");
    let job = t.apply(&claimed.claim, JobEvent::Stopped).await.unwrap();
    assert_eq!(job.state, JobState::Canceled);
}

/// Ordered jobs on one target run one at a time, in the order of submission.
pub async fn ordered_jobs_run_in_the_order_of_submission(t: &Bench) {
    let node = t.node().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(t.submit(t.new_ordered_job("disk")).await.0.id);
    }
    for id in ids {
        let claim = t.claim_as(node).await;
        assert_eq!(claim.job, id);
        assert!(t.claim_all(node).await.is_empty(), "the next waits");
        t.apply(&claim, JobEvent::Fail).await.unwrap();
    }
}

/// A suspended job still stands before those behind it; canceled and deleted ones do not.
pub async fn an_ordered_job_waits_for_every_earlier_one_that_is_not_final(t: &Bench) {
    let node = t.node().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(t.submit(t.new_ordered_job("disk")).await.0.id);
    }
    let first = t.claim_as(node).await;
    t.apply(&first, JobEvent::Suspend).await.unwrap();
    t.cancel(ids[1]).await;
    let third = t.job(ids[2]).await;
    t.store.delete_job(ids[2], third.version, None).await.unwrap();
    assert!(t.claim_all(node).await.is_empty());
    t.change(first.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    let again = t.claim_as(node).await;
    assert_eq!(again.job, first.job);
    t.apply(&again, JobEvent::Succeed).await.unwrap();
    assert_eq!(t.claim_as(node).await.job, ids[3]);
}

/// A name that changes while a job waits for another does not let it go ahead.
pub async fn an_update_does_not_let_a_waiting_ordered_job_overtake(t: &Bench) {
    let node = t.node().await;
    t.submit(t.new_ordered_job("disk")).await;
    let (second, _) = t.submit(t.new_ordered_job("disk")).await;
    t.claim_as(node).await;
    let mut change = t.asked(TimelineKind::Updated);
    change.name = Some("renamed".to_owned());
    t.store.change(second.id, second.version, change, None).await.unwrap();
    assert!(t.claim_all(node).await.is_empty());
}

/// Only a live lease claims.
pub async fn a_claim_without_a_live_lease_is_lease_lost(t: &Bench) {
    t.submit(t.new_job()).await;
    let slots = [FreeSlots::new(SlotClass::Simulator, 1)];
    let unknown = NodeId::random(&*t.clock);
    assert_eq!(t.store.claim(unknown, &slots, &[]).await.unwrap_err(), StoreError::LeaseLost);
    let (silent, other) = (t.node().await, t.node().await);
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    assert_eq!(t.store.claim(silent, &slots, &[]).await.unwrap_err(), StoreError::LeaseLost);
}

/// All claims of a node, and those whose jobs are to be canceled.
pub async fn a_node_sees_its_claims_and_which_are_canceling(t: &Bench) {
    let node = t.node().await;
    for _ in 0..3 {
        t.submit(t.new_job()).await;
    }
    let claims: Vec<_> = t.claim_all(node).await.into_iter().map(|c| c.claim).collect();
    t.cancel(claims[1].job).await;
    assert_eq!(t.store.claims(node).await.unwrap(), claims);
    assert_eq!(t.store.canceling(node).await.unwrap(), [claims[1]]);
    let other = t.node().await;
    assert!(t.store.claims(other).await.unwrap().is_empty());
    t.apply(&claims[1], JobEvent::Stopped).await.unwrap();
    assert!(t.store.canceling(node).await.unwrap().is_empty());
    assert_eq!(t.store.claims(node).await.unwrap().len(), 2);
}

/// Two nodes that claim at once share the jobs.
pub async fn no_job_is_given_to_two_nodes(t: &Bench) {
    for _ in 0..20 {
        t.submit(t.new_job()).await;
    }
    let (a, b) = (t.node().await, t.node().await);
    let slots = [FreeSlots::new(SlotClass::Simulator, 15)];
    let (of_a, of_b) = futures::join!(t.store.claim(a, &slots, &[]), t.store.claim(b, &slots, &[]));
    let mut ids: Vec<_> = of_a.unwrap().into_iter().chain(of_b.unwrap()).map(|c| c.job.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}
