//! Promises about the order of claims beyond first come, first served: priority, delay, host, holding, deadlines.
//! Limits are in `limits`.

use longhaul_model::terms::PRIORITY_MAX;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{
    Change, ClaimedFor, FreeSlots, HostId, JobEvent, JobId, JobState, NewJob, NodeId, SlotClass,
    SuspendReason, Terms, Transition, Wait,
};

use super::{Bench, SECOND};
use crate::{Gone, StoreError};

impl Bench {
    /// A job on these terms, stored.
    pub(super) async fn on_terms(&self, terms: Terms) -> JobId {
        self.submit(NewJob { terms, ..self.new_job() }).await.0.id
    }

    /// Claims one job as `node`.
    pub(super) async fn claim_one(&self, node: NodeId) -> Option<JobId> {
        let one = [FreeSlots::new(SlotClass::Simulator, 1)];
        self.store.claim(node, &one, &[]).await.unwrap().first().map(|claimed| claimed.job.id)
    }

    async fn node_of(&self, host: HostId) -> NodeId {
        self.node_joined(host, Gone::Unproven).await
    }

    /// Holds it, or lets it go on.
    async fn hold(&self, id: JobId, hold: bool) -> Result<longhaul_model::Job, StoreError> {
        let kind = if hold { TimelineKind::SuspendRequested } else { TimelineKind::ResumeRequested };
        let change = Change { hold: Some(hold), ..self.asked(kind) };
        self.store.change(id, self.job(id).await.version, change, None).await.map(|(job, _)| job)
    }
}

fn priority(priority: u8) -> Terms {
    Terms { priority, ..Terms::default() }
}

/// Terms read back as they were given, whatever they are.
pub async fn the_terms_of_a_job_read_back(t: &Bench) {
    let terms = Terms {
        priority: 9,
        not_before_ms: Some(7),
        host: Some(HostId::random(&*t.clock)),
        deadline_s: Some(60),
        retries: 3,
    };
    for terms in [terms, Terms::default(), priority(0)] {
        let id = t.on_terms(terms).await;
        assert_eq!((t.job(id).await.terms, t.job(id).await.retried), (terms, 0));
    }
}

/// The higher priority goes first, strictly; of one priority, first come first.
pub async fn the_higher_priority_is_claimed_first(t: &Bench) {
    let node = t.node().await;
    let mut submitted = Vec::new();
    for number in [5, 0, 9, 5, 9, 1] {
        submitted.push((PRIORITY_MAX - number, submitted.len(), t.on_terms(priority(number)).await));
    }
    submitted.sort_unstable();
    for (_, _, id) in submitted {
        assert_eq!(t.claim_one(node).await, Some(id));
    }
}

/// What has begun goes on before anything else starts, whatever the priorities.
pub async fn what_has_begun_goes_on_before_anything_starts(t: &Bench) {
    let low = NewJob { terms: priority(0), ..t.new_job() };
    t.submit(low).await;
    let node = t.node().await;
    let claim = t.claim_as(node).await;
    t.on_terms(priority(9)).await;
    t.store.release(&claim, "drained").await.unwrap();
    assert_eq!(t.claim_one(node).await, Some(claim.job));
}

/// A submission for a free slot takes it before those of a lower priority, not before its equals.
pub async fn a_submission_goes_before_lower_priorities_alone(t: &Bench) {
    let node = t.node().await;
    t.on_terms(priority(3)).await;
    let for_node = |number| NewJob { claim_for: Some(node), terms: priority(number), ..t.new_job() };
    assert!(t.submit(for_node(3)).await.1.is_none());
    assert!(t.submit(for_node(2)).await.1.is_none());
    assert!(t.submit(for_node(4)).await.1.is_some());
}

/// A delayed job is claimed when its moment has come, not earlier, and not with its submission.
pub async fn a_delayed_job_is_not_claimed_before_its_moment(t: &Bench) {
    let node = t.node().await;
    let now_ms = t.job(t.on_terms(Terms::default()).await).await.create_ms;
    t.claim_as(node).await;
    let terms = Terms { not_before_ms: Some(now_ms + 3 * SECOND), ..Terms::default() };
    let (job, claim) = t.submit(NewJob { claim_for: Some(node), terms, ..t.new_job() }).await;
    assert_eq!((job.state, claim), (JobState::Waiting, None));
    assert_eq!(t.store.waits_for(job.id).await.unwrap(), [Wait::NotBefore(now_ms + 3 * SECOND)]);
    t.advance_while_heartbeating(node, 3 * SECOND - 1).await;
    assert!(t.claim_all(node).await.is_empty());
    t.clock.advance(1);
    assert_eq!(t.claim_as(node).await.job, job.id);
    let past = Terms { not_before_ms: Some(now_ms), ..Terms::default() };
    let (_, claim) = t.submit(NewJob { claim_for: Some(node), terms: past, ..t.new_job() }).await;
    assert!(claim.is_some(), "a moment that has passed is no delay");
}

/// Its turn on the target does not bring a delayed job forward, and those behind it wait for it.
pub async fn a_delayed_job_keeps_its_turn_on_its_target(t: &Bench) {
    let node = t.node().await;
    let (first, _) = t.submit(t.new_ordered_job("disk")).await;
    let terms = Terms { not_before_ms: Some(first.create_ms + 2 * SECOND), ..Terms::default() };
    let (second, _) = t.submit(NewJob { terms, ..t.new_ordered_job("disk") }).await;
    let (third, _) = t.submit(t.new_ordered_job("disk")).await;
    let claim = t.claim_as(node).await;
    t.apply(&claim, JobEvent::Succeed).await.unwrap();
    assert!(t.claim_all(node).await.is_empty());
    let behind = Wait::Behind { first: second.id, state: JobState::Waiting, ahead: 1 };
    assert_eq!(t.store.waits_for(third.id).await.unwrap(), [behind]);
    t.advance_while_heartbeating(node, 2 * SECOND).await;
    assert_eq!(t.claim_as(node).await.job, second.id);
}

/// Nodes of other hosts neither claim it, nor are they held up by it.
pub async fn a_job_of_a_host_is_claimed_there_alone(t: &Bench) {
    let (here, there) = (HostId::random(&*t.clock), HostId::random(&*t.clock));
    let (node, other) = (t.node_of(here).await, t.node_of(there).await);
    let terms = Terms { host: Some(there), priority: 9, ..Terms::default() };
    let (bound, claim) = t.submit(NewJob { claim_for: Some(node), terms, ..t.new_job() }).await;
    assert_eq!((bound.state, claim), (JobState::Waiting, None));
    let (free, claim) = t.submit(NewJob { claim_for: Some(node), ..t.new_job() }).await;
    assert!(claim.is_some(), "{free:?}");
    assert!(t.claim_all(node).await.is_empty());
    let second = t.on_terms(Terms { host: Some(there), ..Terms::default() }).await;
    let (third, claim) = t.submit(NewJob { claim_for: Some(other), ..t.new_job() }).await;
    assert!(claim.is_none(), "it would go before those of its host");
    let claimed: Vec<_> = t.claim_all(other).await.into_iter().map(|c| c.job.id).collect();
    assert_eq!(claimed, [bound.id, second, third.id], "by priority and place, whatever the host");
}

/// A job that goes on stays with its host, and is not lost when that has no node.
pub async fn a_job_of_a_host_waits_for_a_node_there(t: &Bench) {
    let (here, there) = (HostId::random(&*t.clock), HostId::random(&*t.clock));
    let (node, dead) = (t.node_of(here).await, t.node_of(there).await);
    let id = t.on_terms(Terms { host: Some(there), ..Terms::default() }).await;
    assert_eq!(t.claim_as(dead).await.job, id);
    t.advance_while_heartbeating(node, t.lease_ttl() + SECOND).await;
    assert!(t.claim_all(node).await.is_empty());
    assert_eq!(t.store.waits_for(id).await.unwrap(), [Wait::HostAway(there)]);
    let again = t.node_of(there).await;
    let claimed = t.claim_all(again).await.remove(0);
    assert_eq!((claimed.job.id, claimed.purpose), (id, ClaimedFor::Resume));
}

/// A waiting job that somebody holds is not claimed until it is let go; its place is the one it had.
pub async fn a_held_waiting_job_is_not_claimed(t: &Bench) {
    let node = t.node().await;
    let first = t.on_terms(Terms::default()).await;
    let second = t.on_terms(Terms::default()).await;
    let job = t.hold(first, true).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Waiting, Some(SuspendReason::User)));
    assert!(matches!(t.hold(first, true).await, Err(StoreError::Illegal(_))), "it is held already");
    assert_eq!(t.store.waits_for(first).await.unwrap(), [Wait::Held]);
    assert_eq!(t.claim_as(node).await.job, second);
    let third = t.on_terms(Terms::default()).await;
    let job = t.hold(first, false).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Waiting, None));
    assert_eq!((t.claim_one(node).await, t.claim_one(node).await), (Some(first), Some(third)));
    let kinds = t.kinds(first).await;
    assert_eq!(kinds[1..3], [TimelineKind::SuspendRequested, TimelineKind::ResumeRequested]);
    assert!(matches!(t.hold(first, false).await, Err(StoreError::Illegal(_))), "it runs");
}

/// A job that is let go still waits for those before it on its target.
pub async fn a_held_job_keeps_its_turn_on_its_target(t: &Bench) {
    let node = t.node().await;
    t.submit(t.new_ordered_job("disk")).await;
    let (second, _) = t.submit(t.new_ordered_job("disk")).await;
    let first = t.claim_as(node).await;
    t.hold(second.id, true).await.unwrap();
    t.hold(second.id, false).await.unwrap();
    assert!(t.claim_all(node).await.is_empty());
    t.hold(second.id, true).await.unwrap();
    t.apply(&first, JobEvent::Succeed).await.unwrap();
    assert!(t.claim_all(node).await.is_empty());
    t.hold(second.id, false).await.unwrap();
    assert_eq!(t.claim_as(node).await.job, second.id);
}

/// The holder of a running job sees that it is to be suspended, and suspends it for whom asked.
pub async fn a_held_running_job_is_seen_by_its_holder(t: &Bench) {
    let claim = t.submit_and_claim().await;
    assert!(t.store.held(claim.node).await.unwrap().is_empty());
    let job = t.hold(claim.job, true).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Running, Some(SuspendReason::User)));
    assert_eq!(t.store.held(claim.node).await.unwrap(), [claim]);
    let other = t.node().await;
    assert!(t.store.held(other).await.unwrap().is_empty());
    let fault = Transition {
        suspend: Some(SuspendReason::Fault),
        retry_at_ms: Some(1),
        ..Transition::plain(JobEvent::Suspend)
    };
    let job = t.store.apply(&claim, fault).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Suspended, Some(SuspendReason::User)));
    assert_eq!(job.retry_at_ms, None, "only a resume starts it");
    assert!(t.store.held(claim.node).await.unwrap().is_empty());
    assert!(t.claim_all(other).await.is_empty());
    let job = t.change(claim.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Running, None));
    assert_eq!(t.claim_as(other).await.job, claim.job);
}

/// A running job without a holder has stopped already.
pub async fn a_held_running_job_without_holder_is_suspended(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.release(&claim, "drained").await.unwrap();
    let job = t.hold(claim.job, true).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Suspended, Some(SuspendReason::User)));
    assert!(t.claim_all(claim.node).await.is_empty());
    let kinds = t.kinds(claim.job).await;
    assert_eq!(kinds[3..], [TimelineKind::SuspendRequested, TimelineKind::Suspended]);
    t.change(claim.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    assert_eq!(t.claim_as(claim.node).await.attempt, 2);
}

/// Who asks a running job to stop is not forgotten when its holder dies, nor when it gives the job back.
pub async fn the_next_holder_sees_that_a_job_is_to_be_suspended(t: &Bench) {
    let dead = t.submit_and_claim().await;
    t.hold(dead.job, true).await.unwrap();
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    let claimed = t.claim_all(other).await.remove(0);
    assert_eq!((claimed.job.state, claimed.job.suspend), (JobState::Running, Some(SuspendReason::User)));
    assert_eq!(t.store.held(other).await.unwrap(), [claimed.claim]);
    t.cancel(dead.job).await;
    assert!(t.store.held(other).await.unwrap().is_empty(), "a cancel is stronger");
    assert_eq!(t.store.canceling(other).await.unwrap(), [claimed.claim]);
}

/// Who holds a canceling job sees that its body is to be dropped; who undoes it after that holder does not.
pub async fn a_body_that_is_to_be_dropped_is_seen_by_its_holder_alone(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.cancel(claim.job).await;
    assert!(t.store.held(claim.node).await.unwrap().is_empty(), "a cancel alone drops nothing");
    let drop = Change { drop_body: true, ..t.asked(TimelineKind::CleanRequested) };
    let version = t.job(claim.job).await.version;
    let (job, _) = t.store.change(claim.job, version, drop.clone(), None).await.unwrap();
    assert_eq!(job.state, JobState::Canceling);
    assert_eq!(t.store.held(claim.node).await.unwrap(), [claim]);
    assert_eq!(t.store.canceling(claim.node).await.unwrap(), [claim]);
    let other = t.node().await;
    assert!(t.store.held(other).await.unwrap().is_empty());
    t.store.release(&claim, "drained").await.unwrap();
    let undo = t.claim_as(other).await;
    assert!(t.store.held(other).await.unwrap().is_empty(), "there is another body now: the undoing");
    t.store.release(&undo, "drained").await.unwrap();
    let version = t.job(claim.job).await.version;
    t.store.change(claim.job, version, drop, None).await.unwrap();
    t.claim_as(other).await;
    assert!(t.store.held(other).await.unwrap().is_empty(), "asked while nobody held it");
}

/// Only what waits or runs can be held.
pub async fn a_suspended_canceling_or_final_job_is_not_held(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.apply(&claim, JobEvent::Suspend).await.unwrap();
    assert!(matches!(t.hold(claim.job, true).await, Err(StoreError::Illegal(_))));
    t.cancel(claim.job).await;
    assert!(matches!(t.hold(claim.job, true).await, Err(StoreError::Illegal(_))));
    let undo = t.claim_as(claim.node).await;
    t.apply(&undo, JobEvent::Stopped).await.unwrap();
    assert!(matches!(t.hold(claim.job, true).await, Err(StoreError::Illegal(_))));
}

/// Somebody suspends a job that is to be tried again: its moment comes, and only a resume starts it.
pub async fn a_job_between_two_tries_that_is_held_is_not_tried_again(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let at_ms = t.job(claim.job).await.last_op_ms + 5 * SECOND;
    let fault = Transition {
        suspend: Some(SuspendReason::Fault),
        retry_at_ms: Some(at_ms),
        ..Transition::plain(JobEvent::Suspend)
    };
    t.store.apply(&claim, fault.clone()).await.unwrap();
    let job = t.hold(claim.job, true).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Suspended, Some(SuspendReason::User)));
    assert_eq!(t.job(claim.job).await.retry_at_ms, None);
    assert!(matches!(t.hold(claim.job, true).await, Err(StoreError::Illegal(_))), "it is already");
    t.advance_while_heartbeating(claim.node, 10 * SECOND).await;
    assert!(t.claim_all(claim.node).await.is_empty(), "its moment has passed");
    assert_eq!(t.kinds(claim.job).await[3..], [TimelineKind::SuspendRequested]);
    t.change(claim.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    let claim = t.claim_as(claim.node).await;
    // One that waits for somebody waits for that.
    t.store.apply(&claim, Transition { retry_at_ms: None, ..fault }).await.unwrap();
    assert!(matches!(t.hold(claim.job, true).await, Err(StoreError::Illegal(_))));
}

/// A suspension with a retry time is counted; a rerun counts anew.
pub async fn retries_are_counted_until_a_rerun(t: &Bench) {
    let mut claim = t.submit_and_claim().await;
    for retried in 1..3 {
        let now_ms = t.job(claim.job).await.last_op_ms;
        let fault = Transition { retry_at_ms: Some(now_ms), ..Transition::plain(JobEvent::Suspend) };
        assert_eq!(t.store.apply(&claim, fault).await.unwrap().retried, retried);
        claim = t.claim_as(claim.node).await;
    }
    assert_eq!(t.job(claim.job).await.retried, 2);
    t.apply(&claim, JobEvent::Fail).await.unwrap();
    assert_eq!(t.rerun(claim.job).await.retried, 0);
}

/// Waiting jobs past their deadline are told, the longest passed first; no others are.
pub async fn waiting_jobs_past_their_deadline_are_told(t: &Bench) {
    let node = t.node().await;
    let due = |deadline_s| Terms { deadline_s: Some(deadline_s), ..Terms::default() };
    let running = t.on_terms(due(1)).await;
    t.claim_as(node).await;
    let late = t.on_terms(due(3)).await;
    let soon = t.on_terms(due(2)).await;
    t.on_terms(due(60)).await;
    t.on_terms(Terms::default()).await;
    assert!(t.store.overdue(10).await.unwrap().is_empty());
    t.advance_while_heartbeating(node, 3 * SECOND).await;
    assert_eq!(t.store.overdue(10).await.unwrap(), [soon, late]);
    assert_eq!(t.store.overdue(1).await.unwrap(), [soon]);
    t.hold(soon, true).await.unwrap();
    assert_eq!(t.store.overdue(10).await.unwrap(), [soon, late], "held or not");
    t.change(soon, TimelineKind::Failed, JobEvent::Fail).await.unwrap();
    t.claim_all(node).await;
    assert!(t.store.overdue(10).await.unwrap().is_empty(), "what runs is its holder's to stop: {running}");
    let again = t.rerun(soon).await;
    assert_eq!(again.deadline_ms(), Some(again.create_ms + 2 * SECOND));
    assert!(t.store.overdue(10).await.unwrap().is_empty(), "a rerun has its deadline anew");
}

/// A suspended job past its deadline is claimed, so that it is undone and ended.
pub async fn a_suspended_job_past_its_deadline_is_claimed(t: &Bench) {
    let node = t.node().await;
    let id = t.on_terms(Terms { deadline_s: Some(2), ..Terms::default() }).await;
    let claim = t.claim_as(node).await;
    t.apply(&claim, JobEvent::Suspend).await.unwrap();
    t.advance_while_heartbeating(node, SECOND).await;
    assert!(t.claim_all(node).await.is_empty());
    t.advance_while_heartbeating(node, SECOND).await;
    assert_eq!(t.claim_as(node).await.job, id);
}

/// Also if its node had died before it was suspended: then it is resumed, since a job that is suspended is nobody's to
/// be taken over.
pub async fn a_job_suspended_after_its_node_died_is_resumed_at_its_deadline(t: &Bench) {
    let other = t.node().await;
    let id = t.on_terms(Terms { deadline_s: Some(10), ..Terms::default() }).await;
    let dead = t.node().await;
    t.claim_as(dead).await;
    t.store.leave(dead).await.unwrap();
    assert_eq!(t.hold(id, true).await.unwrap().state, JobState::Suspended);
    t.advance_while_heartbeating(other, 10 * SECOND).await;
    let claimed = t.claim_all(other).await.remove(0);
    assert_eq!((claimed.job.id, claimed.taken_over), (id, true), "what it left is still to be cared for");
    assert_eq!(t.kinds(id).await.last(), Some(&TimelineKind::Resumed));
}

/// What nothing holds up waits for a slot, and is told how many go before it.
pub async fn a_job_that_could_run_waits_for_a_slot(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    assert_eq!(t.store.waits_for(job.id).await.unwrap(), [Wait::NoNode]);
    let node = t.node().await;
    let low = t.on_terms(priority(0)).await;
    t.on_terms(priority(9)).await;
    t.submit(NewJob { class: SlotClass::BuiltIn, ..t.new_job() }).await;
    let slot = |ahead| [Wait::Slot { class: SlotClass::Simulator, ahead }];
    assert_eq!(t.store.waits_for(job.id).await.unwrap(), slot(1));
    assert_eq!(t.store.waits_for(low).await.unwrap(), slot(2));
    let claimed = t.claim_all(node).await;
    assert!(t.store.waits_for(job.id).await.unwrap().is_empty(), "it runs");
    let claim = claimed.iter().find(|c| c.job.id == job.id).unwrap().claim;
    t.store.release(&claim, "drained").await.unwrap();
    assert_eq!(t.store.waits_for(job.id).await.unwrap(), slot(0), "it could go on");
    assert!(t.store.waits_for(t.new_job().id).await.unwrap().is_empty(), "nobody knows it");
}

/// Everything that is in a job's way is told, not the first of it alone.
pub async fn all_that_a_job_waits_for_is_told(t: &Bench) {
    let node = t.node().await;
    let (first, _) = t.submit(t.new_ordered_job("disk")).await;
    t.submit(t.new_ordered_job("disk")).await;
    t.claim_as(node).await;
    let (not_before_ms, host) = (first.create_ms + SECOND, HostId::random(&*t.clock));
    let terms = Terms { not_before_ms: Some(not_before_ms), host: Some(host), ..Terms::default() };
    let (job, _) = t.submit(NewJob { terms, ..t.new_ordered_job("disk") }).await;
    let behind = Wait::Behind { first: first.id, state: JobState::Running, ahead: 2 };
    let waits = [Wait::NotBefore(not_before_ms), behind, Wait::HostAway(host)];
    assert_eq!(t.store.waits_for(job.id).await.unwrap(), waits);
}
