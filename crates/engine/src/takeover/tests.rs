//! Several engines on one store share what waits. What falls to whom is tested beside `crate::placement`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use longhaul_model::timeline::{Actor, TimelineKind, TimelineRow};
use longhaul_model::{AccountId, ApiId, Fault, HostId, Job, JobState, Runtime, SlotClass};
use longhaul_store::{Gone, MemoryStore, Store, StoreOptions};
use serde_json::{Map, Value, json};

use crate::engine::Caller;
use crate::handler::Ended;
use crate::submit::{SubmitAnswer, SubmitRequest};
use crate::{
    CheckRequest, Checked, Engine, EngineConfig, JobContext, JobHandler, JobType, Registry, RestartRule,
    Success, TokioRuntime,
};

/// A job that runs until it is told to stop, anywhere or where it was asked for alone; or ends at once.
struct Endless(&'static str);

const ANYWHERE: &str = "Anywhere";
const HERE: &str = "Here";
/// That not every node knows.
const NEW: &str = "New";
const SHORT: &str = "Short";
const POLL: Duration = Duration::from_millis(100);

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
            restart: RestartRule::Resume,
            admin_only: false,
            schema: || json!({}),
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        Ok(Checked { host: (self.0 == HERE).then_some(request.host), ..Checked::default() })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        if self.0 == SHORT {
            return Ok(Success::default());
        }
        let why = context.stopped().await;
        Err(Ended::Stopped(crate::Stopped(why)))
    }

    async fn undo(&self, _context: &JobContext) -> Result<Map<String, Value>, Fault> {
        Ok(Map::new())
    }
}

struct Nodes {
    runtime: Arc<dyn Runtime>,
    store: Arc<dyn Store>,
    engines: Vec<Arc<Engine>>,
}

impl Nodes {
    /// One with so many slots each, and all of them know of each other.
    async fn start(slots: &[u32]) -> Self {
        Self::start_of(slots, &[]).await
    }

    /// The same; those of these hosts know `NEW` too.
    async fn start_of(slots: &[u32], new_on: &[u128]) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(runtime.clone(), StoreOptions::default()));
        let mut engines = Vec::new();
        for (max_running, host) in slots.iter().zip(1..) {
            let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
            let config = EngineConfig {
                host: HostId::from_bits(host),
                heartbeat: POLL,
                poll: POLL,
                max_running: *max_running,
                gone: Gone::Unproven,
                ..EngineConfig::new(|_| "SYS.1000", parse, [0; 32])
            };
            let new = new_on.contains(&host).then_some(NEW);
            let types = [ANYWHERE, HERE, SHORT].into_iter().chain(new);
            let registry = types.fold(Registry::default(), |all, name| all.with(Arc::new(Endless(name))));
            engines.push(Engine::start(store.clone(), runtime.clone(), registry, config).await.unwrap());
        }
        let nodes = Self { runtime, store, engines };
        let others = slots.len() - 1;
        let knows = |nodes: &Self| nodes.engines[0].placement().known() == Some(others);
        nodes.until("the first knows of the others", knows).await;
        nodes
    }

    /// Asks the first for a job; as it is answered.
    async fn submit(&self, job_name: &str) -> Job {
        let caller = Caller { account: AccountId::from_bits(1), admin: true, record: None };
        let request = SubmitRequest {
            name: None,
            description: None,
            job_name: job_name.to_owned(),
            job_data: "{}".to_owned(),
            data: json!({}),
            target: None,
            resource_uuid: None,
            system_tags: Vec::new(),
            user_tags: Vec::new(),
            api_id: ApiId::in_order(&*self.runtime),
            dry_run: false,
        };
        match self.engines[0].submit(&caller, request).await.unwrap() {
            SubmitAnswer::Job(job) => *job,
            SubmitAnswer::Plan(plan) => panic!("{plan:?}"),
        }
    }

    /// That the engine of that number never had one of these in hand, and none was put off.
    async fn not_taken_by(&self, engine: usize, jobs: &[Job]) {
        let node = Actor::Node(self.engines[engine].node());
        for job in jobs {
            let rows = self.store.timeline(job.id).await.unwrap();
            let bad = |row: &TimelineRow| row.actor == node || row.kind == TimelineKind::Suspended;
            assert!(!rows.iter().any(bad), "{rows:?}");
        }
    }

    /// How many run where.
    fn running(&self) -> Vec<usize> {
        self.engines.iter().map(|engine| engine.attempts_here()).collect()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = self.runtime.monotonic();
        while !is_so(self) {
            assert!(
                self.runtime.monotonic() < begun + Duration::from_secs(20),
                "{what}: {:?}",
                self.running()
            );
            self.runtime.sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn jobs_asked_of_one_node_run_on_all_evenly_and_go_on_so_when_one_is_drained() {
    let nodes = Nodes::start(&[64, 64, 64]).await;
    for _ in 0..30 {
        nodes.submit(ANYWHERE).await;
    }
    nodes.until("all run", |nodes| nodes.running().iter().sum::<usize>() == 30).await;
    assert!(nodes.running().iter().all(|many| *many >= 6), "{:?}", nodes.running());
    let before = nodes.running();
    nodes.engines[0].drain_node(nodes.engines[0].node(), true).await.unwrap();
    let handed_over = |nodes: &Nodes| nodes.running()[0] == 0 && nodes.running().iter().sum::<usize>() == 30;
    nodes.until("they are handed over", handed_over).await;
    let after = nodes.running();
    assert!(after[1] > before[1] && after[2] > before[2], "{before:?} {after:?}");
}

#[tokio::test]
async fn a_node_without_others_that_take_jobs_starts_all_at_once() {
    let nodes = Nodes::start(&[64, 64]).await;
    nodes.engines[0].drain_node(nodes.engines[1].node(), true).await.unwrap();
    let knows = |nodes: &Nodes| nodes.engines[0].placement().known() == Some(0);
    nodes.until("the first knows that the other is drained", knows).await;
    for _ in 0..30 {
        assert_eq!(nodes.submit(ANYWHERE).await.state, JobState::Running);
    }
    assert_eq!(nodes.running(), [30, 0]);
}

#[tokio::test]
async fn what_one_host_alone_may_run_starts_there_at_once_however_idle_others_are() {
    let nodes = Nodes::start(&[64, 64]).await;
    for _ in 0..10 {
        assert_eq!(nodes.submit(HERE).await.state, JobState::Running);
    }
    assert_eq!(nodes.submit(ANYWHERE).await.state, JobState::Waiting, "the control");
    nodes.until("it runs where nothing does", |nodes| nodes.running() == [10, 1]).await;
}

#[tokio::test]
async fn what_a_node_without_slots_leaves_runs_elsewhere_and_it_is_not_waited_for_again() {
    let nodes = Nodes::start(&[64, 0]).await;
    let asked = nodes.runtime.monotonic();
    for _ in 0..8 {
        nodes.submit(ANYWHERE).await;
    }
    nodes.until("all run", |nodes| nodes.running() == [8, 0]).await;
    let took = nodes.runtime.monotonic() - asked;
    assert!(took < POLL * 20, "{took:?}");
    assert_eq!(nodes.submit(ANYWHERE).await.state, JobState::Running);
    let waiting = nodes.store.spread(nodes.engines[0].node()).await.unwrap().waiting;
    assert_eq!(waiting, [0; 3]);
}

#[tokio::test]
async fn jobs_of_a_type_that_one_node_alone_knows_wait_for_it_while_others_share_the_rest() {
    let nodes = Nodes::start_of(&[4, 64, 64], &[1]).await;
    let mut jobs = Vec::new();
    for nth in 0..30 {
        let job = nodes.submit(NEW).await;
        assert!(nth >= 4 || job.state == JobState::Running, "nobody else could start it");
        jobs.push(job);
    }
    nodes.until("its slots are full", |nodes| nodes.running()[0] == 4).await;
    for _ in 0..8 {
        nodes.submit(ANYWHERE).await;
    }
    nodes.until("the others run the rest", |nodes| nodes.running() == [4, 4, 4]).await;
    for other in [1, 2] {
        nodes.not_taken_by(other, &jobs).await;
    }
}

#[tokio::test]
async fn jobs_of_a_node_that_goes_wait_for_another_one_that_knows_their_type() {
    let nodes = Nodes::start_of(&[64, 64, 0], &[1, 3]).await;
    let mut jobs = Vec::new();
    for _ in 0..6 {
        jobs.push(nodes.submit(NEW).await);
    }
    nodes.until("they run", |nodes| nodes.running() == [6, 0, 0]).await;
    nodes.engines[0].drain(Duration::from_secs(5)).await;
    nodes.submit(ANYWHERE).await;
    nodes.until("the second has looked", |nodes| nodes.running() == [0, 1, 0]).await;
    nodes.engines[2].limit_running(SlotClass::BuiltIn, Some(64));
    nodes.until("they go on", |nodes| nodes.running() == [0, 1, 6]).await;
    nodes.not_taken_by(1, &jobs).await;
}

#[tokio::test]
async fn what_a_node_claims_of_a_type_that_only_one_knows_which_has_just_come_is_given_back() {
    let nodes = Nodes::start_of(&[0, 64], &[1]).await;
    let second = &nodes.engines[1];
    second.placement().heard(true); // as it was told by its last heartbeat
    let job = nodes.submit(NEW).await;
    nodes.submit(ANYWHERE).await;
    nodes.until("the second runs what it knows alone", |nodes| nodes.running() == [0, 1]).await;
    let rows = nodes.store.timeline(job.id).await.unwrap();
    assert!(rows.iter().all(|row| row.kind != TimelineKind::Suspended), "{rows:?}");
    assert_eq!(nodes.store.job(job.id).await.unwrap().unwrap().node, None, "{rows:?}");
}

#[tokio::test]
async fn a_type_that_no_living_node_knows_is_put_off() {
    let nodes = Nodes::start_of(&[1, 64], &[1]).await;
    nodes.submit(NEW).await;
    let job = nodes.submit(NEW).await;
    assert_eq!(job.state, JobState::Waiting);
    nodes.engines[0].drain(Duration::from_secs(5)).await;
    let begun = nodes.runtime.monotonic();
    loop {
        let now = nodes.store.job(job.id).await.unwrap().unwrap();
        if now.state == JobState::Suspended && now.retry_at_ms.is_some() {
            assert!(now.job_result.unwrap().contains("New has no corresponding longjob on this node"));
            return;
        }
        assert!(nodes.runtime.monotonic() < begun + Duration::from_secs(20), "{now:?}");
        nodes.runtime.sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn long_jobs_are_shared_while_short_ones_end_at_once_where_they_are_asked_for() {
    let nodes = Nodes::start(&[256, 256]).await;
    for nth in 0..600 {
        nodes.submit(SHORT).await;
        if nth >= 200 && nth % 4 == 0 {
            nodes.submit(ANYWHERE).await;
        }
        nodes.runtime.sleep(Duration::from_millis(2)).await;
    }
    let lasting = |nodes: &Nodes| nodes.running().iter().sum::<usize>() == 100;
    nodes.until("the long ones run and the short ones have ended", lasting).await;
    assert!(nodes.running()[1] >= 25, "{:?}", nodes.running());
}
