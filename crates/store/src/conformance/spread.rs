//! Promises about how jobs are shared by nodes: what the store tells of it, and that a claim takes no more than it was
//! told to. What falls to whom is decided by the engine.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_model::resource::NewNode;
use longhaul_model::{FreeSlots, HostId, JobEvent, JobId, Limits, NewJob, NodeId, SlotClass, Terms};

use super::{Bench, SECOND};
use crate::{COUNTED_MAX, Gone, PerClass, SUBMIT_BATCH_MAX, Spread};

impl Bench {
    async fn spread(&self, node: NodeId) -> Spread {
        self.store.spread(node).await.expect("told")
    }

    async fn bound_to(&self, host: HostId) -> JobId {
        self.on_terms(Terms { host: Some(host), ..Terms::default() }).await
    }

    /// A node that tells that it knows these job types.
    async fn node_that_knows(&self, types: &[&str]) -> NodeId {
        self.node_of_host_that_knows(HostId::random(&*self.clock), types).await
    }

    async fn node_of_host_that_knows(&self, host: HostId, types: &[&str]) -> NodeId {
        let node = NewNode { types: names(types), ..self.next_of(host).await };
        self.store.join(node.clone(), Gone::Unproven).await.expect("joined");
        node.id
    }

    async fn on_type(&self, job_name: &str, terms: Terms) -> JobId {
        self.submit(NewJob { job_name: job_name.to_owned(), terms, ..self.new_job() }).await.0.id
    }

    /// Claims so many simulator jobs, none of these types.
    async fn claim_but(&self, node: NodeId, free: u32, except: &[&str]) -> Vec<JobId> {
        let except: Vec<String> = except.iter().map(|name| (*name).to_owned()).collect();
        let slots = [FreeSlots::new(SlotClass::Simulator, free)];
        let claimed = self.store.claim(node, &slots, &except).await.expect("claimed");
        claimed.into_iter().map(|claimed| claimed.job.id).collect()
    }

    async fn claim_shared(&self, node: NodeId, free: u32, shared: u32) -> Vec<JobId> {
        let slots = [FreeSlots { class: SlotClass::Simulator, free, shared }];
        let claimed = self.store.claim(node, &slots, &[]).await.expect("claimed");
        claimed.into_iter().map(|claimed| claimed.job.id).collect()
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// So many simulator jobs.
fn simulator(number: u32) -> PerClass {
    let mut numbers = PerClass::default();
    numbers[SlotClass::Simulator as usize] = number;
    numbers
}

/// A node learns with its lease whether there is another one.
pub async fn a_node_learns_whether_it_is_alone(t: &Bench) {
    let node = t.next_of(HostId::random(&*t.clock)).await;
    let first = node.id;
    assert!(t.store.join(node, Gone::Unproven).await.unwrap().alone);
    assert!(t.store.heartbeat(first).await.unwrap().alone);
    let second = t.next_of(HostId::random(&*t.clock)).await;
    let leaving = second.id;
    assert!(!t.store.join(second, Gone::Unproven).await.unwrap().alone);
    assert!(!t.store.heartbeat(first).await.unwrap().alone);
    t.store.leave(leaving).await.unwrap();
    assert!(t.store.heartbeat(first).await.unwrap().alone);
}

/// What each other node holds is told by class, with what waits for a node of any host.
pub async fn what_others_hold_and_what_waits_is_told_by_class(t: &Bench) {
    let (first, second, third) = (t.node().await, t.node().await, t.node().await);
    for _ in 0..3 {
        t.submit(t.new_job()).await;
    }
    t.submit(NewJob { class: SlotClass::BuiltIn, ..t.new_job() }).await;
    assert_eq!(t.spread(first).await.waiting, [1, 3, 0]);
    assert_eq!(t.claim_shared(first, 2, 2).await.len(), 2);
    assert_eq!(t.store.claim(second, &[FreeSlots::new(SlotClass::BuiltIn, 9)], &[]).await.unwrap().len(), 1);
    let nothing = PerClass::default();
    let expected = |others: [(NodeId, PerClass); 2]| Spread {
        others: BTreeMap::from(others),
        waiting: simulator(1),
        ..Spread::default()
    };
    assert_eq!(t.spread(first).await, expected([(second, [1, 0, 0]), (third, nothing)]));
    assert_eq!(t.spread(third).await, expected([(first, simulator(2)), (second, [1, 0, 0])]));
}

/// Of what cannot be claimed, or by nodes of one host alone, nothing waits.
pub async fn what_cannot_be_claimed_anywhere_does_not_wait(t: &Bench) {
    let node = t.node().await;
    let now_ms = t.job(t.on_terms(Terms::default()).await).await.create_ms;
    t.bound_to(HostId::random(&*t.clock)).await;
    t.on_terms(Terms { not_before_ms: Some(now_ms + SECOND), ..Terms::default() }).await;
    t.submit(t.new_ordered_job("disk")).await;
    t.submit(t.new_ordered_job("disk")).await;
    assert_eq!(t.spread(node).await.waiting, simulator(2));
    t.clock.advance(SECOND);
    assert_eq!(t.spread(node).await.waiting, simulator(3), "its moment has come");
}

/// What waits for room does not count beyond that room.
pub async fn no_more_waits_than_the_limits_have_room_for(t: &Bench) {
    let types = BTreeMap::from([("APILimitedMsg".to_owned(), 2)]);
    t.store.set_limits(&Limits { types, ..Limits::default() }).await.unwrap();
    let node = t.node().await;
    for _ in 0..5 {
        t.submit(NewJob { job_name: "APILimitedMsg".to_owned(), ..t.new_job() }).await;
    }
    t.submit(t.new_job()).await;
    assert_eq!(t.spread(node).await.waiting, simulator(3));
    assert_eq!(t.claim_shared(node, 1, 1).await.len(), 1);
    assert_eq!(t.spread(node).await.waiting, simulator(2));
}

/// Who is drained, or was not heard of lately, is not counted on; when a lease is over, what it held waits.
pub async fn who_cannot_be_counted_on_is_not_told(t: &Bench) {
    let (living, drained, silent) = (t.node().await, t.node().await, t.node().await);
    t.submit(t.new_job()).await;
    t.submit(t.new_job()).await;
    assert_eq!(t.claim_shared(silent, 2, 2).await.len(), 2);
    t.store.drain(drained, true).await.unwrap();
    let expected = |others: &[(NodeId, u32)], waiting: u32| Spread {
        others: others.iter().map(|(node, held)| (*node, simulator(*held))).collect(),
        waiting: simulator(waiting),
        ..Spread::default()
    };
    assert_eq!(t.spread(living).await, expected(&[(silent, 2)], 0));
    t.store.drain(drained, false).await.unwrap();
    assert_eq!(t.spread(living).await, expected(&[(drained, 0), (silent, 2)], 0));
    t.advance_while_heartbeating(living, t.lease_ttl() / 2 + 1).await;
    assert_eq!(t.spread(living).await, expected(&[], 0));
    t.advance_while_heartbeating(living, t.lease_ttl() / 2 + 1).await;
    assert_eq!(t.spread(living).await, expected(&[], 2));
    assert_eq!(t.claim_shared(living, 9, 9).await.len(), 2);
    assert_eq!(t.spread(living).await, expected(&[], 0));
}

/// Where there is more, as much as is counted is told.
pub async fn what_is_told_is_bounded(t: &Bench) {
    let (first, second) = (t.node().await, t.node().await);
    let mut left = COUNTED_MAX as usize + 2;
    while left > 0 {
        let some = left.min(SUBMIT_BATCH_MAX);
        let jobs = (0..some).map(|_| t.new_job()).collect();
        assert_eq!(t.store.submit_many(jobs).await.unwrap().len(), some);
        left -= some;
    }
    assert_eq!(t.spread(first).await.waiting, simulator(COUNTED_MAX));
    let all = COUNTED_MAX + 1;
    assert_eq!(t.claim_shared(first, all, all).await.len(), all as usize);
    let told = t.spread(second).await;
    assert_eq!((told.others[&first], told.waiting), (simulator(COUNTED_MAX), simulator(1)));
}

/// Of what any host may run, a claim takes what it was told to, in the order of the line; of what its host alone may
/// run, as much as there are slots.
pub async fn a_claim_leaves_to_others_what_is_not_its_share(t: &Bench) {
    let host = HostId::random(&*t.clock);
    let node = t.node_joined(host, Gone::Unproven).await;
    let mut any = Vec::new();
    for _ in 0..3 {
        any.push(t.on_terms(Terms::default()).await);
    }
    let bound = [t.bound_to(host).await, t.bound_to(host).await, t.bound_to(host).await];
    assert_eq!(t.claim_shared(node, 1, 0).await, [bound[0]]);
    assert_eq!(t.claim_shared(node, 2, 1).await, [any[0], bound[1]]);
    assert_eq!(t.claim_shared(node, 9, 0).await, [bound[2]]);
    assert!(t.claim_shared(node, 9, 0).await.is_empty());
    assert_eq!(t.claim_shared(node, 9, 1).await, [any[1]]);
    let other = t.node().await;
    assert_eq!(t.claim_shared(other, 9, 9).await, [any[2]]);
}

/// A share says nothing of the room in the limits, nor of what goes first.
pub async fn a_share_changes_neither_limits_nor_the_order(t: &Bench) {
    let types = BTreeMap::from([("APILimitedMsg".to_owned(), 1)]);
    t.store.set_limits(&Limits { types, ..Limits::default() }).await.unwrap();
    let limited = |priority| NewJob {
        job_name: "APILimitedMsg".to_owned(),
        terms: Terms { priority, ..Terms::default() },
        ..t.new_job()
    };
    let plain = t.on_terms(Terms::default()).await;
    let (low, high) = (t.submit(limited(1)).await.0.id, t.submit(limited(9)).await.0.id);
    let node = t.node().await;
    assert_eq!(t.claim_shared(node, 9, 1).await, [high]);
    assert_eq!(t.claim_shared(node, 9, 2).await, [plain]);
    let claim = t.store.claims(node).await.unwrap().into_iter().find(|claim| claim.job == high).unwrap();
    t.apply(&claim, JobEvent::Succeed).await.unwrap();
    assert_eq!(t.claim_shared(node, 9, 1).await, [low]);
}

/// What a node says at its join that it knows is told to the others for as long as its lease lives, unless it is drained;
/// who says nothing is not named.
pub async fn the_job_types_that_others_know_are_told(t: &Bench) {
    let host = HostId::random(&*t.clock);
    let former = t.node_of_host_that_knows(host, &["Old"]).await;
    t.store.leave(former).await.unwrap();
    let (first, second) =
        (t.node_that_knows(&["Old", "New"]).await, t.node_of_host_that_knows(host, &["Old", "Newer"]).await);
    t.node().await;
    let told = t.spread(first).await;
    assert_eq!(told.others.len(), 2);
    assert_eq!(told.types, BTreeMap::from([(second, names(&["Old", "Newer"]))]));
    t.store.drain(second, true).await.unwrap();
    assert_eq!(t.spread(first).await.types, BTreeMap::new());
    t.store.drain(second, false).await.unwrap();
    t.advance_while_heartbeating(first, t.lease_ttl() / 2 + 1).await;
    let told = t.spread(first).await;
    assert_eq!((told.others.len(), told.types.len()), (0, 1), "it is silent, and not gone yet");
    t.advance_while_heartbeating(first, t.lease_ttl() / 2 + 1).await;
    assert_eq!(t.spread(first).await.types, BTreeMap::new());
}

/// Of what waits, that of types which one node knows and another does not is told beside the sum, up to its room.
pub async fn what_waits_of_types_that_not_all_know_is_told_by_type(t: &Bench) {
    let types = BTreeMap::from([("Limited".to_owned(), 2)]);
    t.store.set_limits(&Limits { types, ..Limits::default() }).await.unwrap();
    let all = t.node_that_knows(&["Old", "New", "Limited"]).await;
    for job_name in ["Old", "New", "New", "Nobodys", "Limited", "Limited", "Limited"] {
        t.on_type(job_name, Terms::default()).await;
    }
    let told = t.spread(all).await;
    assert_eq!((told.waiting, told.uneven), (simulator(6), BTreeMap::new()), "it is the only one");
    t.node().await;
    assert_eq!(t.spread(all).await.uneven, BTreeMap::new(), "the other one does not tell");
    let some = t.node_that_knows(&["Old"]).await;
    let uneven = BTreeMap::from([("Limited".to_owned(), simulator(2)), ("New".to_owned(), simulator(2))]);
    for node in [all, some] {
        let told = t.spread(node).await;
        assert_eq!((told.waiting, &told.uneven), (simulator(6), &uneven));
    }
    assert_eq!(t.claim_but(all, 9, &["Old", "Limited", "Nobodys"]).await.len(), 2);
    assert_eq!(t.spread(some).await.uneven, BTreeMap::from([("Limited".to_owned(), simulator(2))]));
}

/// A claim gives nothing of the types that it is to leave, and what is behind them in their order, however many they are.
pub async fn a_claim_passes_over_the_types_that_it_leaves_to_others(t: &Bench) {
    let node = t.node().await;
    let of = async |job_name, priority| t.on_type(job_name, Terms { priority, ..Terms::default() }).await;
    let mut left = Vec::new();
    for _ in 0..20 {
        left.push(of("New", 9).await);
    }
    let (low, high) = (of("Old", 1).await, of("Old", 8).await);
    left.push(of("New", 7).await);
    let other = of("Other", 5).await;
    assert!(t.claim_but(node, 9, &["New", "Old", "Other"]).await.is_empty());
    assert_eq!(t.claim_but(node, 1, &["New", "Other"]).await, [high]);
    assert_eq!(t.claim_but(node, 9, &["New"]).await, [other, low]);
    assert_eq!(t.claim_but(node, 30, &["Old"]).await, left);
}

/// The same for what is to be taken over, what is to be undone, what its host alone may run, and where there are limits.
pub async fn no_job_of_a_type_that_is_left_to_others_is_given_for_whatever_reason(t: &Bench) {
    let types = BTreeMap::from([("New".to_owned(), 9)]);
    t.store.set_limits(&Limits { types, ..Limits::default() }).await.unwrap();
    let host = HostId::random(&*t.clock);
    let (node, leaving) = (t.node_joined(host, Gone::Unproven).await, t.node().await);
    let (lost, canceled) =
        (t.on_type("New", Terms::default()).await, t.on_type("New", Terms::default()).await);
    assert_eq!(t.claim_but(leaving, 9, &[]).await, [lost, canceled]);
    t.cancel(canceled).await;
    t.store.leave(leaving).await.unwrap();
    let bound = t.on_type("New", Terms { host: Some(host), ..Terms::default() }).await;
    assert!(t.claim_but(node, 9, &["New"]).await.is_empty());
    assert_eq!(t.claim_but(node, 9, &["Old"]).await, [lost, canceled, bound], "the control");
}
