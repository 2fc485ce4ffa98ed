//! Several engines on one store share what waits. What falls to whom is tested beside `crate::placement`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
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

/// A job that runs until it is told to stop: anywhere, or where it was asked for alone.
struct Endless(&'static str);

const ANYWHERE: &str = "Anywhere";
const HERE: &str = "Here";
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
            let registry =
                Registry::default().with(Arc::new(Endless(ANYWHERE))).with(Arc::new(Endless(HERE)));
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
            api_id: ApiId::random(&*self.runtime),
            dry_run: false,
        };
        match self.engines[0].submit(&caller, request).await.unwrap() {
            SubmitAnswer::Job(job) => *job,
            SubmitAnswer::Plan(plan) => panic!("{plan:?}"),
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
