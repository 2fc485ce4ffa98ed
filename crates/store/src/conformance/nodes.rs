//! Promises of `Nodes` about several nodes: who is proven gone, who is drained, who has a duty, what they tell
//! each other. Which joins count is in `joins`, leases are in
//! `lease`.

use longhaul_model::query::{Filter, Page, Query, Resource, Rows};
use longhaul_model::resource::{NewNode, Node};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Change, FreeSlots, HostId, JobEvent, JobState, NewJob, NodeId, SlotClass};

use super::{Bench, SECOND};
use crate::nodes::TOLD_MAX_BYTES;
use crate::{Gone, StoreError};

fn host(t: &Bench) -> HostId {
    HostId::random(&*t.clock)
}

async fn listed(t: &Bench) -> Vec<Node> {
    let query = Query {
        resource: Resource::Node,
        filter: Filter::default(),
        sort: None,
        page: Page { start: 0, limit: 10 },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    match t.store.query(&query).await.unwrap().rows {
        Rows::Nodes(nodes) => nodes,
        other => panic!("{other:?}"),
    }
}

/// The lock on a host's directory proves its former process gone, and no other.
pub async fn a_restart_of_a_host_ends_its_own_former_leases_at_once(t: &Bench) {
    let (mine, other) = (host(t), host(t));
    let former = t.node_joined(mine, Gone::Unproven).await;
    t.submit(t.new_job()).await;
    let left = t.claim_as(former).await;
    let living = t.node_joined(other, Gone::Unproven).await;
    t.submit(t.new_job()).await;
    let held = t.claim_as(living).await;
    let restarted = t.node_joined(mine, Gone::Host(mine)).await;
    let claimed = t.claim_all(restarted).await;
    assert_eq!(claimed.iter().map(|c| (c.claim.job, c.taken_over)).collect::<Vec<_>>(), [(left.job, true)]);
    assert_eq!(t.store.heartbeat(former).await, Err(StoreError::LeaseLost));
    assert_eq!(t.apply(&left, JobEvent::Succeed).await.unwrap_err(), StoreError::LeaseLost);
    assert!(t.store.heartbeat(living).await.is_ok());
    assert_eq!(t.apply(&held, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
}

/// Without a proof a second node of a host leaves the first alone.
pub async fn a_join_without_proof_ends_no_lease(t: &Bench) {
    let mine = host(t);
    let first = t.node_joined(mine, Gone::Unproven).await;
    let second = t.node_joined(mine, Gone::Unproven).await;
    assert!(t.store.heartbeat(first).await.is_ok() && t.store.heartbeat(second).await.is_ok());
}

/// A restart in a cluster that was away takes nobody else's jobs: the grace opens as for a heartbeat.
pub async fn a_restart_of_a_host_after_an_absence_opens_the_grace(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.clock.advance(10 * t.lease_ttl());
    let mine = host(t);
    let restarted = t.node_joined(mine, Gone::Host(mine)).await;
    assert!(t.claim_all(restarted).await.is_empty());
    assert!(t.store.heartbeat(claim.node).await.is_ok());
}

/// What a node says of itself reads back.
pub async fn a_node_reads_back_with_its_address_and_release(t: &Bench) {
    let node = NewNode {
        address: Some("http://10.0.0.7:8080".to_owned()),
        version: Some("0.2.0".to_owned()),
        ..NewNode::new(NodeId::random(&*t.clock), host(t), "here")
    };
    t.store.join(node.clone(), Gone::Unproven).await.unwrap();
    let [found] = listed(t).await.try_into().unwrap();
    let NewNode { id, host, host_name, address, version, .. } = node;
    let expected = Node {
        id,
        host,
        host_name,
        join_ms: found.join_ms,
        heartbeat_ms: found.join_ms,
        address,
        version,
        drained: false,
    };
    assert_eq!(found, expected);
}

/// Drained, a node keeps what it holds and is given nothing, whichever way; it learns of it with a heartbeat.
pub async fn a_drained_node_is_given_nothing_and_keeps_what_it_holds(t: &Bench) {
    let node = t.node().await;
    t.submit(t.new_job()).await;
    let held = t.claim_as(node).await;
    assert!(!t.store.heartbeat(node).await.unwrap().drained);
    t.store.drain(node, true).await.unwrap();
    t.store.drain(node, true).await.unwrap();
    assert!(t.store.heartbeat(node).await.unwrap().drained);
    assert!(listed(t).await[0].drained);
    let (waiting, claim) = t.submit(NewJob { claim_for: Some(node), ..t.new_job() }).await;
    assert_eq!((waiting.state, claim), (JobState::Waiting, None));
    assert!(t.claim_all(node).await.is_empty());
    assert_eq!(t.apply(&held, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
    let version = t.job(held.job).await.version;
    let rerun =
        Change { event: Some(JobEvent::Rerun), claim_for: Some(node), ..t.asked(TimelineKind::Rerun) };
    let (rerun, claim) = t.store.change(held.job, version, rerun, None).await.unwrap();
    assert_eq!((rerun.state, claim), (JobState::Waiting, None));
    let other = t.node().await;
    assert_eq!(t.claim_all(other).await.len(), 2, "the control: others are given them");
}

/// A released job of a drained node is another's at once, and not its own.
pub async fn a_drained_nodes_released_job_goes_to_another(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.drain(claim.node, true).await.unwrap();
    t.store.release(&claim, "drained").await.unwrap();
    assert!(t.claim_all(claim.node).await.is_empty());
    let other = t.node().await;
    let claimed = t.claim_all(other).await.remove(0);
    assert_eq!((claimed.claim.job, claimed.taken_over), (claim.job, false));
}

/// It is the host that is drained: a restart changes nothing, and other hosts are none the worse.
pub async fn a_drain_outlives_its_node_until_it_is_ended(t: &Bench) {
    let (mine, other) = (host(t), host(t));
    let first = t.node_joined(mine, Gone::Unproven).await;
    let living = t.node_joined(other, Gone::Unproven).await;
    t.store.drain(first, true).await.unwrap();
    t.store.leave(first).await.unwrap();
    let node = t.next_of(mine).await;
    let second = node.id;
    let lease = t.store.join(node, Gone::Host(mine)).await.unwrap();
    assert!(lease.drained);
    t.submit(t.new_job()).await;
    assert!(t.claim_all(second).await.is_empty());
    assert!(!t.store.heartbeat(living).await.unwrap().drained);
    t.store.drain(second, false).await.unwrap();
    t.store.drain(second, false).await.unwrap();
    assert!(!t.store.heartbeat(second).await.unwrap().drained);
    t.claim_as(second).await;
    assert_eq!(t.store.drain(first, true).await, Err(StoreError::NotFound));
}

/// A claim of a drained node without a lease is told that, and not that nothing waits.
pub async fn a_drained_node_without_lease_is_lease_lost(t: &Bench) {
    let node = t.node().await;
    t.store.drain(node, true).await.unwrap();
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    let slots = [FreeSlots::new(SlotClass::Simulator, 1)];
    assert_eq!(t.store.claim(node, &slots, &[]).await.unwrap_err(), StoreError::LeaseLost);
}

/// One node of all, for as long as it lives.
pub async fn a_duty_is_one_nodes_until_its_lease_ends(t: &Bench) {
    let (first, second) = (t.node().await, t.node().await);
    assert_eq!(t.store.on_duty(first, "sweep").await, Ok(true));
    assert_eq!(t.store.on_duty(second, "sweep").await, Ok(false));
    assert_eq!(t.store.on_duty(first, "sweep").await, Ok(true));
    assert_eq!(t.store.on_duty(second, "watch").await, Ok(true), "another duty");
    t.advance_while_heartbeating(second, t.lease_ttl()).await;
    assert_eq!(t.store.on_duty(second, "sweep").await, Ok(true));
    assert_eq!(t.store.on_duty(first, "sweep").await, Err(StoreError::LeaseLost));
    t.store.leave(second).await.unwrap();
    let third = t.node().await;
    assert_eq!(t.store.on_duty(third, "sweep").await, Ok(true));
}

/// Nor do two get it at the same moment.
pub async fn of_many_nodes_at_once_one_gets_a_duty(t: &Bench) {
    let mut nodes = Vec::new();
    for _ in 0..16 {
        nodes.push(t.node().await);
    }
    let asked = nodes.iter().map(|node| t.store.on_duty(*node, "sweep"));
    let got = futures::future::join_all(asked).await;
    assert_eq!(got.iter().filter(|got| **got == Ok(true)).count(), 1, "{got:?}");
    assert_eq!(got.iter().filter(|got| **got == Ok(false)).count(), 15, "{got:?}");
}

/// The newest word of each, of those that live.
pub async fn what_nodes_tell_each_other_is_the_newest_word_of_the_living(t: &Bench) {
    let (first, second) = (t.node().await, t.node().await);
    assert_eq!(t.store.tell(first, "a").await, Ok(vec![]), "who said nothing says nothing");
    assert_eq!(t.store.tell(second, "b").await, Ok(vec!["a".to_owned()]));
    assert_eq!(t.store.tell(first, "a2").await, Ok(vec!["b".to_owned()]));
    let third = t.node().await;
    let mut expected = vec![(first, "a2"), (second, "b")];
    expected.sort();
    let words: Vec<String> = expected.into_iter().map(|(_, word)| word.to_owned()).collect();
    assert_eq!(t.store.tell(third, "c").await, Ok(words), "in the order of their ids");
    t.store.leave(second).await.unwrap();
    t.advance_while_heartbeating(third, t.lease_ttl()).await;
    assert_eq!(t.store.tell(third, "c").await, Ok(vec![]));
    assert_eq!(t.store.tell(first, "late").await, Err(StoreError::LeaseLost));
    let long = "x".repeat(TOLD_MAX_BYTES + 1);
    let refused = t.store.tell(third, &long).await;
    assert_eq!(refused, Err(StoreError::TooLarge { limit_bytes: TOLD_MAX_BYTES as u64 }));
    assert!(t.store.tell(third, &long[1..]).await.is_ok());
}

/// The first word counts, also of many at once.
pub async fn what_is_kept_is_the_first_ever_after(t: &Bench) {
    let words: Vec<String> = (0..16).map(|n| format!("word {n}")).collect();
    let kept = futures::future::join_all(words.iter().map(|word| t.store.kept("key", word))).await;
    let first = kept[0].clone().unwrap();
    assert!(words.contains(&first));
    assert!(kept.iter().all(|one| one.as_ref() == Ok(&first)), "{kept:?}");
    assert_eq!(t.store.kept("key", "later").await, Ok(first));
    assert_eq!(t.store.kept("another", "later").await, Ok("later".to_owned()));
}
