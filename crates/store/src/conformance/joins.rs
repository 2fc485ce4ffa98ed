//! Promises of `Nodes` about joins that come late, twice or several at once, and about what a node that joins again
//! may write.

use longhaul_model::resource::NewNode;
use longhaul_model::{HostId, JobEvent, JobState};

use super::lease::refuses_everything;
use super::{Bench, SECOND};
use crate::{Gone, StoreError};

/// How many join at the same moment.
const AT_ONCE: usize = 8;

fn host(t: &Bench) -> HostId {
    HostId::random(&*t.clock)
}

/// It was given up, and the next one of its host was taken meanwhile: of the same process, or of the one after it.
pub async fn a_join_that_comes_late_changes_nothing(t: &Bench) {
    let (mine, other) = (host(t), host(t));
    let living = t.node_joined(other, Gone::Unproven).await;
    t.submit(t.new_job()).await;
    let elsewhere = t.claim_as(living).await;
    let late = t.next_of(mine).await;
    let node = t.node_joined(mine, Gone::Host(mine)).await;
    t.submit(t.new_job()).await;
    let held = t.claim_as(node).await;
    for gone in [Gone::Host(mine), Gone::Unproven, Gone::All] {
        t.clock.advance(SECOND);
        assert_eq!(t.store.join(late.clone(), gone).await, Err(StoreError::Stale), "{gone:?}");
        assert_eq!(t.store.heartbeat(late.id).await, Err(StoreError::LeaseLost), "{gone:?}: it has no lease");
        assert!(t.store.heartbeat(node).await.is_ok() && t.store.heartbeat(living).await.is_ok(), "{gone:?}");
        assert_eq!(t.store.claims(node).await, Ok(vec![held]), "{gone:?}");
        assert_eq!(t.store.joins(mine).await, Ok(1), "{gone:?}: it does not count");
    }
    // Nor when the one before it has left, and nobody of that host is there.
    for claim in [held, elsewhere] {
        assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
    }
    t.store.leave(node).await.unwrap();
    assert_eq!(t.store.join(late.clone(), Gone::Unproven).await, Err(StoreError::Stale));
    assert_eq!(t.store.heartbeat(late.id).await, Err(StoreError::LeaseLost));
}

/// The control: one that came in time, and only its answer is late, is a node like any other, and its host's next join
/// ends it.
pub async fn a_join_that_came_unseen_is_ended_by_the_next_one_of_its_host(t: &Bench) {
    let mine = host(t);
    let (unseen, next) = (t.next_of(mine).await, t.next_of(mine).await);
    t.store.join(unseen.clone(), Gone::Host(mine)).await.unwrap();
    assert_eq!(t.store.join(next.clone(), Gone::Host(mine)).await, Err(StoreError::Stale));
    assert!(t.store.heartbeat(unseen.id).await.is_ok());
    let joins_before = t.store.joins(mine).await.unwrap();
    let next = NewNode { joins_before, ..next };
    t.store.join(next.clone(), Gone::Host(mine)).await.unwrap();
    assert!(t.store.heartbeat(next.id).await.is_ok());
    assert_eq!(t.store.heartbeat(unseen.id).await, Err(StoreError::LeaseLost));
}

/// The same message once more: its node keeps what it has claimed since.
pub async fn a_join_that_comes_twice_is_taken_once(t: &Bench) {
    let mine = host(t);
    let node = t.next_of(mine).await;
    t.store.join(node.clone(), Gone::Host(mine)).await.unwrap();
    t.submit(t.new_job()).await;
    let held = t.claim_as(node.id).await;
    assert_eq!(t.store.join(node.clone(), Gone::Host(mine)).await, Err(StoreError::Stale));
    assert_eq!(t.store.claims(node.id).await, Ok(vec![held]));
    t.store.leave(node.id).await.unwrap();
    assert_eq!(t.store.join(node.clone(), Gone::Host(mine)).await, Err(StoreError::Stale));
    assert_eq!(t.store.heartbeat(node.id).await, Err(StoreError::LeaseLost));
}

/// By host, whatever became of its nodes; one that was told of more than there are is refused as well.
pub async fn joins_of_a_host_are_counted_for_ever(t: &Bench) {
    let (mine, other) = (host(t), host(t));
    assert_eq!(t.store.joins(mine).await, Ok(0));
    for count in 1..=11 {
        let node = t.node_joined(mine, Gone::Unproven).await;
        assert_eq!(t.store.joins(mine).await, Ok(count));
        t.store.leave(node).await.unwrap();
    }
    assert_eq!(t.store.joins(mine).await, Ok(11));
    let ahead = NewNode { joins_before: 12, ..t.next_of(mine).await };
    assert_eq!(t.store.join(ahead, Gone::Unproven).await, Err(StoreError::Stale));
    let first = NewNode { joins_before: 1, ..t.next_of(other).await };
    assert_eq!(t.store.join(first, Gone::Unproven).await, Err(StoreError::Stale));
    assert_eq!((t.store.joins(mine).await, t.store.joins(other).await), (Ok(11), Ok(0)));
}

/// One is taken of those that meet, of a host's first ones and of its later ones.
pub async fn of_joins_at_once_that_saw_the_same_one_is_taken(t: &Bench) {
    let mine = host(t);
    for round in 1..=4 {
        let mut nodes = Vec::new();
        for _ in 0..AT_ONCE {
            nodes.push(t.next_of(mine).await);
        }
        let answers = t
            .at_once(AT_ONCE, async |at| t.store.join(nodes[at].clone(), Gone::Host(mine)).await.map(|_| ()));
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let refused = answers.iter().filter(|answer| **answer == Err(StoreError::Stale)).count();
        assert_eq!(refused, AT_ONCE - 1, "{answers:?}");
        assert_eq!(t.store.joins(mine).await, Ok(round));
        for (node, answer) in nodes.iter().zip(&answers) {
            assert_eq!(t.store.heartbeat(node.id).await.is_ok(), answer.is_ok());
        }
    }
}

/// Under a new id, and even if the id of before is given once more.
pub async fn who_joins_again_gets_its_jobs_anew_and_writes_nothing_by_its_claims_of_before(t: &Bench) {
    let mine = host(t);
    let first = t.node_joined(mine, Gone::Unproven).await;
    t.submit(t.new_job()).await;
    let mut stale = t.claim_as(first).await;
    for id in [None, Some(first), Some(first)] {
        let next = t.next_of(mine).await;
        let node = id.unwrap_or(next.id);
        t.store.join(NewNode { id: node, ..next }, Gone::Host(mine)).await.unwrap();
        assert_eq!(t.store.claims(node).await, Ok(vec![]), "nothing is its own without a claim");
        refuses_everything(t, &stale).await;
        let fresh = t.claim_all(node).await.remove(0);
        assert_eq!((fresh.claim.job, fresh.claim.node, fresh.taken_over), (stale.job, node, true));
        assert!(fresh.claim.token > stale.token, "{fresh:?} after {stale:?}");
        refuses_everything(t, &stale).await;
        stale = fresh.claim;
    }
    assert_eq!(t.apply(&stale, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
}
