//! Promises about limits: what counts, what waits for room, what is passed over.

use std::collections::BTreeMap;

use longhaul_model::resource::NewNode;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{
    AccountId, Claim, HostId, JobEvent, JobId, JobState, LimitOf, Limits, NewJob, SlotClass, Terms,
    Transition, Wait,
};

use super::{Bench, SECOND};
use crate::Gone;

const LIMITED: &str = "APILimitedMsg";
const OTHER: &str = "APIOtherMsg";

impl Bench {
    async fn of_type(&self, job_name: &str) -> JobId {
        self.submit(self.typed(job_name)).await.0.id
    }

    fn typed(&self, job_name: &str) -> NewJob {
        NewJob { job_name: job_name.to_owned(), ..self.new_job() }
    }
}

fn of_type(job_name: &str, most: u32) -> Limits {
    Limits { types: BTreeMap::from([(job_name.to_owned(), most)]), ..Limits::default() }
}

async fn claimed(t: &Bench, node: longhaul_model::NodeId) -> Vec<JobId> {
    t.claim_all(node).await.into_iter().map(|claimed| claimed.job.id).collect()
}

async fn end(t: &Bench, claim: &Claim) {
    t.apply(claim, JobEvent::Succeed).await.unwrap();
}

/// Limits are kept as they were given, and are gone when none are given.
pub async fn limits_read_back_and_are_replaced(t: &Bench) {
    assert_eq!(t.store.limits().await, Ok(Limits::default()));
    let limits = Limits {
        each_account: Some(3),
        accounts: BTreeMap::from([(t.account, 5)]),
        types_of_each_account: BTreeMap::from([(OTHER.to_owned(), 1)]),
        ..of_type(LIMITED, 2)
    };
    t.store.set_limits(&limits).await.unwrap();
    assert_eq!(t.store.limits().await, Ok(limits));
    t.store.set_limits(&Limits::default()).await.unwrap();
    assert_eq!(t.store.limits().await, Ok(Limits::default()));
}

/// What waits for room is passed over, however long it is: others run, in their order.
pub async fn a_full_type_lets_others_pass(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 2)).await.unwrap();
    let mut limited = Vec::new();
    for _ in 0..30 {
        limited.push(t.of_type(LIMITED).await);
    }
    let other = t.of_type(OTHER).await;
    let node = t.node().await;
    assert_eq!(claimed(t, node).await, [limited[0], limited[1], other]);
    assert!(claimed(t, node).await.is_empty());
    let of = LimitOf::Type(LIMITED.to_owned());
    let full = [Wait::Limit { of, running: 2, most: 2 }];
    assert_eq!(t.store.waits_for(limited[2]).await.unwrap(), full);
    let claims = t.store.claims(node).await.unwrap();
    end(t, &claims[1]).await;
    assert_eq!(claimed(t, node).await, [limited[2]]);
}

/// A limit is of all nodes together, also when they claim at once.
pub async fn a_limit_counts_over_all_nodes(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 3)).await.unwrap();
    for _ in 0..20 {
        t.of_type(LIMITED).await;
    }
    let (a, b) = (t.node().await, t.node().await);
    let (of_a, of_b) = futures::join!(claimed(t, a), claimed(t, b));
    assert_eq!(of_a.len() + of_b.len(), 3);
}

/// An account has its limit over all types, others are not concerned.
pub async fn an_account_has_its_limit_over_all_types(t: &Bench) {
    let other = AccountId::random(&*t.clock);
    let accounts = BTreeMap::from([(other, 3)]);
    t.store.set_limits(&Limits { each_account: Some(1), accounts, ..Limits::default() }).await.unwrap();
    let node = t.node().await;
    let mut mine = Vec::new();
    for job_name in [LIMITED, OTHER, LIMITED] {
        mine.push(t.of_type(job_name).await);
    }
    let mut theirs = Vec::new();
    for job_name in [LIMITED, OTHER, LIMITED, OTHER] {
        theirs.push(t.submit(NewJob { account: other, ..t.typed(job_name) }).await.0.id);
    }
    assert_eq!(claimed(t, node).await, [mine[0], theirs[0], theirs[1], theirs[2]]);
    let full = [Wait::Limit { of: LimitOf::Account(t.account), running: 1, most: 1 }];
    assert_eq!(t.store.waits_for(mine[1]).await.unwrap(), full);
}

/// A limit of a type for each account by itself.
pub async fn each_account_has_its_own_limit_of_a_type(t: &Bench) {
    let other = AccountId::random(&*t.clock);
    let types_of_each_account = BTreeMap::from([(LIMITED.to_owned(), 1)]);
    t.store.set_limits(&Limits { types_of_each_account, ..Limits::default() }).await.unwrap();
    let node = t.node().await;
    let mine = [t.of_type(LIMITED).await, t.of_type(LIMITED).await];
    let (theirs, _) = t.submit(NewJob { account: other, ..t.typed(LIMITED) }).await;
    let free = t.of_type(OTHER).await;
    assert_eq!(claimed(t, node).await, [mine[0], theirs.id, free]);
    let of = LimitOf::TypeOfAccount(LIMITED.to_owned(), t.account);
    assert_eq!(t.store.waits_for(mine[1]).await.unwrap(), [Wait::Limit { of, running: 1, most: 1 }]);
}

/// Where several limits are on a job, it needs room in each, and each that is full is told.
pub async fn a_job_needs_room_in_each_of_its_limits(t: &Bench) {
    let limits = Limits { each_account: Some(2), ..of_type(LIMITED, 1) };
    t.store.set_limits(&limits).await.unwrap();
    let other = AccountId::random(&*t.clock);
    let node = t.node().await;
    let first = t.of_type(LIMITED).await;
    let second = t.of_type(OTHER).await;
    let third = t.of_type(LIMITED).await;
    let (theirs, _) = t.submit(NewJob { account: other, ..t.typed(LIMITED) }).await;
    assert_eq!(claimed(t, node).await, [first, second]);
    let of_type = Wait::Limit { of: LimitOf::Type(LIMITED.to_owned()), running: 1, most: 1 };
    let of_account = Wait::Limit { of: LimitOf::Account(t.account), running: 2, most: 2 };
    assert_eq!(t.store.waits_for(third).await.unwrap(), [of_type.clone(), of_account]);
    assert_eq!(t.store.waits_for(theirs.id).await.unwrap(), [of_type]);
    let claims = t.store.claims(node).await.unwrap();
    end(t, claims.iter().find(|c| c.job == first).unwrap()).await;
    assert_eq!(claimed(t, node).await, [third]);
}

/// Priorities count among those that have room, over all their lines.
pub async fn priorities_hold_among_what_has_room(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 1)).await.unwrap();
    let node = t.node().await;
    let mut ids = Vec::new();
    for (job_name, priority) in [(OTHER, 5), (LIMITED, 7), (OTHER, 9), (LIMITED, 8), (OTHER, 6)] {
        let terms = Terms { priority, ..Terms::default() };
        ids.push(t.submit(NewJob { terms, ..t.typed(job_name) }).await.0.id);
    }
    assert_eq!(claimed(t, node).await, [ids[2], ids[3], ids[4], ids[0]]);
    let claims = t.store.claims(node).await.unwrap();
    end(t, claims.iter().find(|c| c.job == ids[3]).unwrap()).await;
    assert_eq!(claimed(t, node).await, [ids[1]]);
}

/// Many more rows than are looked at at a time come in their order, from several lines.
pub async fn long_lines_are_claimed_in_their_order(t: &Bench) {
    let limits = Limits {
        types: BTreeMap::from([(LIMITED.to_owned(), 40), (OTHER.to_owned(), 40)]),
        ..Limits::default()
    };
    t.store.set_limits(&limits).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..60 {
        let job_name = if number % 3 == 0 { OTHER } else { LIMITED };
        ids.push((number % 3 == 0, t.of_type(job_name).await));
    }
    let node = t.node().await;
    let mut limited = 0;
    let expected = ids.into_iter().filter(|(other, _)| {
        limited += u32::from(!other);
        *other || limited <= 40
    });
    assert_eq!(claimed(t, node).await, expected.map(|(_, id)| id).collect::<Vec<_>>());
}

/// A submission is not started at once without room, nor held up by what has none.
pub async fn a_submission_waits_for_room_and_for_nobody_without(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 1)).await.unwrap();
    let node = t.node().await;
    let at_once = |job_name| NewJob { claim_for: Some(node), ..t.typed(job_name) };
    assert!(t.submit(at_once(LIMITED)).await.1.is_some());
    let (waiting, claim) = t.submit(at_once(LIMITED)).await;
    assert_eq!((waiting.state, claim), (JobState::Waiting, None));
    assert!(t.submit(at_once(OTHER)).await.1.is_some());
    let claims = t.store.claims(node).await.unwrap();
    end(t, &claims[0]).await;
    assert!(t.submit(at_once(OTHER)).await.1.is_none(), "somebody with room goes before it");
}

/// A job between two nodes keeps its room: nobody else begins in its place.
pub async fn a_job_without_a_node_keeps_its_room(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 1)).await.unwrap();
    let (node, other) = (t.node().await, t.node().await);
    let first = t.of_type(LIMITED).await;
    assert_eq!(claimed(t, node).await, [first]);
    t.of_type(LIMITED).await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    assert_eq!(claimed(t, other).await, [first], "the dead node's job, and that alone");
    let claim = t.store.claims(other).await.unwrap()[0];
    t.store.release(&claim, "drained").await.unwrap();
    assert_eq!(claimed(t, other).await, [first]);
}

/// A suspended job gives its room away, and waits for room when it is resumed or retried.
pub async fn a_suspended_job_gives_its_room_away(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 1)).await.unwrap();
    let node = t.node().await;
    let (first, second) = (t.of_type(LIMITED).await, t.of_type(LIMITED).await);
    assert_eq!(claimed(t, node).await, [first]);
    let claim = t.store.claims(node).await.unwrap()[0];
    let retry_at_ms = Some(t.job(first).await.last_op_ms);
    let fault = Transition { retry_at_ms, ..Transition::plain(JobEvent::Suspend) };
    t.store.apply(&claim, fault).await.unwrap();
    assert_eq!(claimed(t, node).await, [first], "what has begun goes first");
    let claim = t.store.claims(node).await.unwrap()[0];
    t.apply(&claim, JobEvent::Suspend).await.unwrap();
    assert_eq!(claimed(t, node).await, [second]);
    let resumed = t.change(first, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    assert_eq!(resumed.state, JobState::Running);
    assert!(claimed(t, node).await.is_empty());
    let of = LimitOf::Type(LIMITED.to_owned());
    assert_eq!(t.store.waits_for(first).await.unwrap(), [Wait::Limit { of, running: 1, most: 1 }]);
    let claim = t.store.claims(node).await.unwrap()[0];
    end(t, &claim).await;
    assert_eq!(claimed(t, node).await, [first]);
}

/// A cancel is undone whatever the limits.
pub async fn undoing_needs_no_room(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 1)).await.unwrap();
    let node = t.node().await;
    let (first, second) = (t.of_type(LIMITED).await, t.of_type(LIMITED).await);
    assert_eq!(claimed(t, node).await, [first]);
    let claim = t.store.claims(node).await.unwrap()[0];
    t.apply(&claim, JobEvent::Suspend).await.unwrap();
    assert_eq!(claimed(t, node).await, [second]);
    t.cancel(first).await;
    assert_eq!(claimed(t, node).await, [first], "to be undone");
}

/// Limits count what ran before they were set, and let what waited go when they are gone.
pub async fn limits_are_in_force_from_the_next_claim_on(t: &Bench) {
    let node = t.node().await;
    for _ in 0..3 {
        t.of_type(LIMITED).await;
    }
    assert_eq!(claimed(t, node).await.len(), 3);
    t.store.set_limits(&of_type(LIMITED, 2)).await.unwrap();
    let waiting = t.of_type(LIMITED).await;
    assert!(claimed(t, node).await.is_empty());
    let claims = t.store.claims(node).await.unwrap();
    end(t, &claims[0]).await;
    assert!(claimed(t, node).await.is_empty(), "two run");
    t.store.set_limits(&of_type(OTHER, 2)).await.unwrap();
    assert_eq!(claimed(t, node).await, [waiting]);
    let more = t.of_type(LIMITED).await;
    t.store.set_limits(&of_type(LIMITED, 0)).await.unwrap();
    assert!(claimed(t, node).await.is_empty(), "0 starts none");
    t.store.set_limits(&Limits::default()).await.unwrap();
    assert_eq!(claimed(t, node).await, [more]);
}

/// Limits and hosts together: a full lane of one host lets the other's pass.
pub async fn limits_hold_for_jobs_of_a_host_too(t: &Bench) {
    t.store.set_limits(&of_type(LIMITED, 1)).await.unwrap();
    let host = HostId::random(&*t.clock);
    let node = longhaul_model::NodeId::random(&*t.clock);
    t.store.join(NewNode::new(node, host, "there"), Gone::Unproven).await.unwrap();
    let terms = Terms { host: Some(host), ..Terms::default() };
    let (bound, _) = t.submit(NewJob { terms, ..t.typed(LIMITED) }).await;
    let free = t.of_type(LIMITED).await;
    let (other, _) = t.submit(NewJob { terms, ..t.typed(OTHER) }).await;
    assert_eq!(claimed(t, node).await, [bound.id, other.id]);
    let claims = t.store.claims(node).await.unwrap();
    end(t, &claims[0]).await;
    assert_eq!(claimed(t, node).await, [free]);
}

/// A limit is of all classes together.
pub async fn a_limit_counts_over_all_classes(t: &Bench) {
    t.store.set_limits(&Limits { each_account: Some(2), ..Limits::default() }).await.unwrap();
    for class in [SlotClass::BuiltIn, SlotClass::Simulator, SlotClass::Parent] {
        t.submit(NewJob { class, ..t.new_job() }).await;
    }
    let node = t.node().await;
    assert_eq!(claimed(t, node).await.len(), 2);
}
