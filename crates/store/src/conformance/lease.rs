//! Promises of `Nodes`, and what a lost lease means for a claim.

use longhaul_model::query::{Field, Filter, NEWEST_FIRST, Page, Query, Resource, Rows, Sort};
use longhaul_model::resource::{Intent, IntentKind, NewNode};
use longhaul_model::{Claim, Clock, HostId, JobEvent, JobId, JobState, NodeId, Pages, Progress, StorageId};

use super::{Bench, SECOND};
use crate::{Gone, StoreError};

/// Nothing that `stale` writes lands.
pub(super) async fn refuses_everything(t: &Bench, stale: &Claim) {
    let before = t.job(stale.job).await;
    let rows = t.kinds(stale.job).await;
    for event in [JobEvent::Succeed, JobEvent::Fail, JobEvent::Suspend, JobEvent::Stopped] {
        assert_eq!(t.apply(stale, event).await.unwrap_err(), StoreError::LeaseLost);
    }
    assert_eq!(t.store.release(stale, "late").await, Err(StoreError::LeaseLost));
    let pages = Pages::from([(0, vec![1])]);
    assert_eq!(t.store.save_checkpoint(stale, &pages).await, Err(StoreError::LeaseLost));
    let intent = Intent {
        id: 0,
        job: stale.job,
        token: stale.token,
        kind: IntentKind::Artifact { path: "/x".to_owned() },
        storage: Some(StorageId::random(&*t.clock)),
        create_ms: 0,
    };
    assert_eq!(t.store.intend(stale, intent).await, Err(StoreError::LeaseLost));
    let progress = Progress { percent: 50, ..Progress::none(t.clock.now_ms()) };
    t.store.save_progress(&[(*stale, progress)]).await.unwrap();
    assert!(t.store.progress_history(stale.job).await.unwrap().is_empty());
    assert!(t.store.intents(stale.job).await.unwrap().is_empty());
    assert_eq!(t.job(stale.job).await, before);
    assert_eq!(t.kinds(stale.job).await, rows);
}

/// After a takeover the old holder writes nothing any more.
pub async fn a_lost_claim_cannot_finish_the_job(t: &Bench) {
    let stale = t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    let fresh = t.claim_as(other).await;
    refuses_everything(t, &stale).await;
    assert_eq!(t.apply(&fresh, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
}

/// Nor after its lease has expired, even if nobody has taken the job yet.
pub async fn an_expired_lease_writes_nothing(t: &Bench) {
    let stale = t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    refuses_everything(t, &stale).await;
}

/// Nor with an older token of the same node.
pub async fn an_older_token_of_the_same_node_writes_nothing(t: &Bench) {
    let stale = t.submit_and_claim().await;
    t.store.release(&stale, "drained").await.unwrap();
    t.claim_as(stale.node).await;
    refuses_everything(t, &stale).await;
}

/// Nor after a release.
pub async fn a_released_claim_writes_nothing(t: &Bench) {
    let stale = t.submit_and_claim().await;
    t.store.release(&stale, "drained").await.unwrap();
    refuses_everything(t, &stale).await;
}

/// Nor on a job that never was.
pub async fn a_claim_on_an_unknown_job_is_lost(t: &Bench) {
    let claim = Claim { job: JobId::random(&*t.clock), node: t.node().await, token: 1, attempt: 1 };
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap_err(), StoreError::LeaseLost);
}

/// A heartbeat renews by the store's clock.
pub async fn a_heartbeat_renews_the_lease(t: &Bench) {
    let node = t.node().await;
    t.clock.advance(SECOND);
    let lease = t.store.heartbeat(node).await.unwrap();
    assert_eq!((lease.until_ms, lease.ttl_ms), (t.clock.now_ms() + t.lease_ttl(), t.lease_ttl()));
}

/// An unknown node is told to join anew.
pub async fn a_heartbeat_of_an_unknown_node_is_lease_lost(t: &Bench) {
    let unknown = NodeId::random(&*t.clock);
    assert_eq!(t.store.heartbeat(unknown).await, Err(StoreError::LeaseLost));
}

/// So is one whose jobs were given away.
pub async fn a_heartbeat_after_a_takeover_is_lease_lost(t: &Bench) {
    let stale = t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    t.claim_as(other).await;
    assert_eq!(t.store.heartbeat(stale.node).await, Err(StoreError::LeaseLost));
}

/// A late heartbeat finds the lease still its own if nobody took anything.
pub async fn a_late_heartbeat_keeps_the_claims_that_nobody_took(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    t.store.heartbeat(claim.node).await.unwrap();
    assert!(t.claim_all(other).await.is_empty());
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
}

/// When nobody could send a heartbeat, the store was away: nobody's jobs are taken for one TTL.
pub async fn a_store_that_was_away_takes_nobodys_jobs(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let other = t.node().await;
    t.clock.advance(10 * t.lease_ttl());
    t.store.heartbeat(other).await.unwrap();
    assert!(t.claim_all(other).await.is_empty(), "grace");
    t.clock.advance(t.lease_ttl() / 4);
    t.store.heartbeat(claim.node).await.unwrap();
    t.advance_while_heartbeating(other, t.lease_ttl() / 2).await;
    assert!(t.claim_all(other).await.is_empty(), "renewed in the grace");
    assert!(t.apply(&claim, JobEvent::Succeed).await.is_ok());
}

/// The grace ends; who did not renew in it loses its jobs.
pub async fn after_the_grace_a_silent_node_loses_its_jobs(t: &Bench) {
    t.submit_and_claim().await;
    let other = t.node().await;
    t.clock.advance(10 * t.lease_ttl());
    t.store.heartbeat(other).await.unwrap();
    t.advance_while_heartbeating(other, t.lease_ttl() - 1).await;
    assert!(t.claim_all(other).await.is_empty());
    t.advance_while_heartbeating(other, 1).await;
    assert!(t.claim_all(other).await[0].taken_over);
}

/// A node that joins a store that was away opens the grace like a heartbeat.
pub async fn a_join_after_the_store_was_away_opens_the_grace(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.clock.advance(10 * t.lease_ttl());
    let other = t.node().await;
    assert!(t.claim_all(other).await.is_empty());
    assert!(t.store.heartbeat(claim.node).await.is_ok());
}

/// A write before the first heartbeat after an absence is not refused either.
pub async fn a_holder_may_write_before_its_first_heartbeat_after_an_absence(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.clock.advance(10 * t.lease_ttl());
    assert!(t.apply(&claim, JobEvent::Succeed).await.is_ok());
}

/// A lock proved the former process gone: its jobs are claimable at once.
pub async fn joining_alone_ends_every_former_lease_at_once(t: &Bench) {
    let stale = t.submit_and_claim().await;
    let node = NodeId::random(&*t.clock);
    t.store.join(NewNode::new(node, HostId::random(&*t.clock), "here"), Gone::All).await.unwrap();
    assert_eq!(t.job(stale.job).await.node, None, "its node is gone");
    let claimed = t.claim_all(node).await.remove(0);
    assert!(claimed.taken_over);
    assert_eq!(t.store.heartbeat(stale.node).await, Err(StoreError::LeaseLost));
    refuses_everything(t, &stale).await;
}

/// Who leaves gives everything back.
pub async fn leaving_releases_what_is_claimed(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.leave(claim.node).await.unwrap();
    assert_eq!(t.store.heartbeat(claim.node).await, Err(StoreError::LeaseLost));
    let other = t.node().await;
    assert_eq!(t.claim_as(other).await.job, claim.job);
    t.store.leave(NodeId::random(&*t.clock)).await.unwrap();
}

/// A node of the past is not named.
pub async fn a_job_names_its_last_node_while_that_lives(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.apply(&claim, JobEvent::Succeed).await.unwrap();
    assert_eq!(t.job(claim.job).await.node, Some(claim.node));
    t.store.leave(claim.node).await.unwrap();
    assert_eq!(t.job(claim.job).await.node, None);
}

/// Nodes are listed by when they joined.
pub async fn nodes_are_listed_newest_first(t: &Bench) {
    let first = t.node().await;
    t.clock.advance(SECOND);
    let second = t.node().await;
    let query = |sort| Query {
        resource: Resource::Node,
        filter: Filter::default(),
        sort,
        page: Page { start: 0, limit: 10 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    };
    let names = |rows| match rows {
        Rows::Nodes(nodes) => nodes.into_iter().map(|n| n.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let answer = t.store.query(&query(None)).await.unwrap();
    assert_eq!((names(answer.rows), answer.total), (vec![second, first], Some(2)));
    let by_join = Sort { field: Field::JoinDate, descending: !NEWEST_FIRST.descending };
    let answer = t.store.query(&query(Some(by_join))).await.unwrap();
    assert_eq!(names(answer.rows), [first, second]);
}
