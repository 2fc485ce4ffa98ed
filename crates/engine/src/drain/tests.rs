//! Draining a host: who hands what over, and until when. That the store gives a drained node nothing is a case of its
//! conformance suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, join, select};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{AccountId, ApiId, Fault, HostId, Job, JobId, JobState, NodeId, Runtime, SlotClass};
use longhaul_store::{Gone, MemoryStore, Store, StoreOptions};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::engine::Caller;
use crate::handler::Ended;
use crate::submit::{SubmitAnswer, SubmitRequest};
use crate::{
    CheckRequest, Checked, Engine, EngineConfig, JobContext, JobHandler, JobType, Registry, RestartRule,
    Success, TokioRuntime,
};

/// Runs until it is told to stop, or may end.
struct Endless(&'static str, RestartRule, Arc<Notify>);

#[async_trait]
impl JobHandler for Endless {
    fn job_type(&self) -> JobType {
        JobType {
            name: self.0,
            description: "",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: false,
            class: SlotClass::BuiltIn,
            restart: self.1,
            admin_only: false,
            schema: || json!({}),
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        Ok(Checked { host: (self.0 == HERE).then_some(request.host), ..Checked::default() })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        match select(std::pin::pin!(context.stopped()), std::pin::pin!(self.2.notified())).await {
            Either::Left((why, _)) => Err(Ended::Stopped(crate::Stopped(why))),
            Either::Right(_) => Ok(Success::default()),
        }
    }

    async fn undo(&self, _context: &JobContext) -> Result<Map<String, Value>, Fault> {
        Ok(Map::new())
    }
}

const MOVES: &str = "Moves";
/// It would fail elsewhere.
const STAYS: &str = "Stays";
/// It goes on from its checkpoint, on its host alone.
const HERE: &str = "Here";
/// So many heartbeats are enough for what a drain does, many times over.
const BEATS: u64 = 15;

struct Nodes {
    runtime: Arc<dyn Runtime>,
    store: Arc<dyn Store>,
    /// Lets one of `STAYS` end.
    end: Arc<Notify>,
}

impl Nodes {
    fn new() -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(runtime.clone(), StoreOptions::default()));
        Self { runtime, store, end: Arc::default() }
    }

    async fn start(&self, host: u128) -> Arc<Engine> {
        let never = Arc::<Notify>::default();
        let registry = Registry::default()
            .with(Arc::new(Endless(MOVES, RestartRule::Resume, never.clone())))
            .with(Arc::new(Endless(HERE, RestartRule::Resume, never)))
            .with(Arc::new(Endless(STAYS, RestartRule::Fail, self.end.clone())));
        self.start_with(host, Gone::Unproven, registry).await
    }

    async fn start_with(&self, host: u128, gone: Gone, registry: Registry) -> Arc<Engine> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
        let config = EngineConfig {
            host: HostId::from_bits(host),
            heartbeat: Duration::from_millis(20),
            poll: Duration::from_millis(20),
            gone,
            ..EngineConfig::new(|_| "SYS.1000", parse, [0; 32])
        };
        Engine::start(self.store.clone(), self.runtime.clone(), registry, config).await.unwrap()
    }

    async fn submit(&self, to: &Arc<Engine>, job_name: &str) -> JobId {
        let caller = Caller { account: AccountId::from_bits(1), admin: true, record: None };
        let id = JobId::random(&*self.runtime);
        let request = SubmitRequest {
            name: None,
            description: None,
            job_name: job_name.to_owned(),
            job_data: "{}".to_owned(),
            data: json!({}),
            target: None,
            resource_uuid: Some(id),
            system_tags: Vec::new(),
            user_tags: Vec::new(),
            api_id: ApiId::in_order(&*self.runtime),
            dry_run: false,
        };
        assert!(matches!(to.submit(&caller, request).await.unwrap(), SubmitAnswer::Job(_)));
        id
    }

    /// Waits until the job is so.
    async fn until(&self, id: JobId, is_so: impl Fn(&Job) -> bool) {
        let begun = self.runtime.monotonic();
        loop {
            let job = self.store.job(id).await.unwrap().unwrap();
            if is_so(&job) {
                return;
            }
            assert!(self.runtime.monotonic() < begun + Duration::from_secs(20), "{job:?}");
            self.runtime.sleep(Duration::from_millis(5)).await;
        }
    }

    async fn runs_on(&self, id: JobId, node: NodeId) {
        self.until(id, |job| job.state == JobState::Running && job.node == Some(node)).await;
    }

    /// Asserts that the attempt of now runs on at `node` for many heartbeats, and was not given back.
    async fn stays_on(&self, id: JobId, node: &Arc<Engine>) {
        let attempt = self.store.job(id).await.unwrap().unwrap().attempt;
        let mut beats = node.lease.confirmations();
        let begun = *beats.borrow_and_update();
        {
            let beaten = std::pin::pin!(beats.wait_for(|now| *now >= begun + BEATS));
            let late = self.runtime.sleep(Duration::from_secs(20));
            assert!(matches!(select(beaten, late).await, Either::Left(_)), "the node has ended");
        }
        let job = self.store.job(id).await.unwrap().unwrap();
        assert_eq!(
            (job.state, job.node, job.attempt),
            (JobState::Running, Some(node.node()), attempt),
            "{job:?}"
        );
        // A job that was given back still names who had it.
        let last = self.store.timeline(id).await.unwrap().pop().unwrap();
        assert_ne!(last.kind, TimelineKind::Released, "{last:?}");
    }

    async fn result(&self, id: JobId) -> (JobState, String) {
        let job = self.store.job(id).await.unwrap().unwrap();
        (job.state, job.job_result.unwrap_or_default())
    }
}

#[tokio::test]
async fn a_drained_host_hands_over_what_another_node_can_go_on_with() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    let (moves, stays) = (nodes.submit(&first, MOVES).await, nodes.submit(&first, STAYS).await);
    nodes.runs_on(moves, first.node()).await;
    nodes.runs_on(stays, first.node()).await;
    let second = nodes.start(2).await;
    second.drain_node(first.node(), true).await.unwrap();
    nodes.runs_on(moves, second.node()).await;
    nodes.runs_on(stays, first.node()).await;
    assert!(first.is_drained() && !first.is_ready() && second.is_ready());
    assert_eq!(first.attempts_here(), 1, "what would fail elsewhere runs on");
    let new = nodes.submit(&first, MOVES).await;
    nodes.runs_on(new, second.node()).await;
}

#[tokio::test]
async fn a_drained_host_keeps_its_jobs_until_another_node_takes_jobs() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    let moves = nodes.submit(&first, MOVES).await;
    nodes.runs_on(moves, first.node()).await;
    first.drain_node(first.node(), true).await.unwrap();
    nodes.stays_on(moves, &first).await;
    let second = nodes.start(2).await;
    nodes.runs_on(moves, second.node()).await;
    // Now the last one that takes jobs.
    second.drain_node(second.node(), true).await.unwrap();
    nodes.stays_on(moves, &second).await;
    second.drain_node(first.node(), false).await.unwrap();
    nodes.runs_on(moves, first.node()).await;
    // One that has gone counts no more than a drained one.
    second.drain_node(second.node(), false).await.unwrap();
    second.drain(Duration::from_secs(5)).await;
    first.drain_node(first.node(), true).await.unwrap();
    nodes.stays_on(moves, &first).await;
}

#[tokio::test]
async fn a_drained_host_keeps_what_it_alone_may_run() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    let (here, moves) = (nodes.submit(&first, HERE).await, nodes.submit(&first, MOVES).await);
    nodes.runs_on(here, first.node()).await;
    let second = nodes.start(2).await;
    second.drain_node(first.node(), true).await.unwrap();
    nodes.runs_on(moves, second.node()).await;
    nodes.stays_on(here, &first).await;
    // A process that ends gives it back all the same, for the next one of its host.
    first.drain(Duration::from_secs(5)).await;
    nodes.until(here, |job| job.state == JobState::Running && job.node.is_none()).await;
}

#[tokio::test]
async fn what_would_fail_elsewhere_may_end_while_its_process_ends_and_the_rest_is_handed_over_at_once() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    let (stays, moves) = (nodes.submit(&first, STAYS).await, nodes.submit(&first, MOVES).await);
    nodes.runs_on(stays, first.node()).await;
    let second = nodes.start(2).await;
    let patience = Duration::from_secs(600);
    let begun = nodes.runtime.monotonic();
    join(first.drain(patience), async {
        nodes.runs_on(moves, second.node()).await;
        nodes.stays_on(stays, &first).await;
        assert!(!first.is_ready());
        let new = nodes.submit(&first, MOVES).await;
        nodes.runs_on(new, second.node()).await;
        nodes.end.notify_one();
    })
    .await;
    assert!(nodes.runtime.monotonic() < begun + patience / 2);
    assert_eq!(nodes.result(stays).await.0, JobState::Succeeded);
}

#[tokio::test]
async fn a_job_that_does_not_end_while_its_process_ends_fails_and_says_why() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    let stays = nodes.submit(&first, STAYS).await;
    nodes.runs_on(stays, first.node()).await;
    first.drain(Duration::from_secs(1)).await;
    let (state, result) = nodes.result(stays).await;
    assert_eq!(state, JobState::Failed);
    assert!(result.contains("told to stop") && result.contains("drainSeconds"), "{result}");
}

#[tokio::test]
async fn a_process_that_is_told_twice_to_end_waits_for_no_job() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    let stays = nodes.submit(&first, STAYS).await;
    nodes.runs_on(stays, first.node()).await;
    let patience = Duration::from_secs(600);
    let begun = nodes.runtime.monotonic();
    join(first.drain(patience), async {
        nodes.stays_on(stays, &first).await;
        first.hurry();
    })
    .await;
    assert!(nodes.runtime.monotonic() < begun + patience / 2);
    let (state, result) = nodes.result(stays).await;
    assert!(state == JobState::Failed && result.contains("told twice"), "{state:?} {result}");
}

#[tokio::test]
async fn a_drain_lasts_over_a_restart_of_the_host_until_it_is_ended() {
    let nodes = Nodes::new();
    let first = nodes.start(1).await;
    first.drain_node(first.node(), true).await.unwrap();
    assert!(first.is_drained(), "its own node hears it at once");
    first.drain(Duration::from_secs(5)).await;
    let again = nodes.start(1).await;
    assert!(again.is_drained());
    let waiting = nodes.submit(&again, MOVES).await;
    assert_eq!(nodes.store.job(waiting).await.unwrap().unwrap().state, JobState::Waiting);
    again.drain_node(again.node(), false).await.unwrap();
    nodes.runs_on(waiting, again.node()).await;
}

#[tokio::test]
async fn a_job_of_a_type_that_a_node_does_not_know_waits_for_one_that_does() {
    let nodes = Nodes::new();
    let knows = nodes.start(1).await;
    let moves = nodes.submit(&knows, MOVES).await;
    nodes.runs_on(moves, knows.node()).await;
    let before = nodes.start_with(2, Gone::Unproven, Registry::default()).await;
    before.drain_node(knows.node(), true).await.unwrap();
    nodes.until(moves, |job| job.state == JobState::Suspended && job.retry_at_ms.is_some()).await;
    before.drain_node(knows.node(), false).await.unwrap();
    before.drain_node(before.node(), true).await.unwrap();
    nodes.runs_on(moves, knows.node()).await;
}

#[tokio::test]
async fn a_job_of_a_type_that_nobody_knows_fails_at_once_where_there_is_one_node() {
    let nodes = Nodes::new();
    let knows = nodes.start(1).await;
    let moves = nodes.submit(&knows, MOVES).await;
    nodes.runs_on(moves, knows.node()).await;
    knows.drain(Duration::from_secs(5)).await;
    let _alone = nodes.start_with(1, Gone::All, Registry::default()).await;
    nodes.until(moves, |job| job.state == JobState::Failed).await;
}

#[tokio::test]
async fn who_drains_an_unknown_node_is_told_so() {
    let nodes = Nodes::new();
    let node = nodes.start(1).await;
    let fault = node.drain_node(NodeId::random(&*nodes.runtime), true).await.unwrap_err();
    assert_eq!(fault.code, longhaul_model::Code::NotFound);
    assert!(node.is_ready());
}
