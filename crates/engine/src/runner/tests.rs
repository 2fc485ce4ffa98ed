//! The end of an attempt that the store refuses. What attempts do otherwise is tried by the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use longhaul_model::resource::Effect;
use longhaul_model::timeline::{TimelineKind, TimelineRow};
use longhaul_model::{
    AccountId, ApiId, Fault, Job, JobId, JobState, Runtime, SlotClass, StorageId, VolumeId,
};
use longhaul_store::{Gone, MemoryStore, Store, StoreError, StoreOptions};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::engine::Caller;
use crate::fault::from_store;
use crate::handler::Ended;
use crate::progress::Report;
use crate::submit::{SubmitAnswer, SubmitRequest};
use crate::{
    CheckRequest, Checked, Engine, EngineConfig, JobContext, JobHandler, JobType, Registry, RestartRule,
    Success, TokioRuntime,
};

/// Succeeds with an effect on a volume that is not there.
struct Unwritable {
    undone: AtomicBool,
}

#[async_trait]
impl JobHandler for Unwritable {
    fn job_type(&self) -> JobType {
        JobType {
            name: "Unwritable",
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

    async fn check(&self, _request: &CheckRequest) -> Result<Checked, Fault> {
        Ok(Checked::default())
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let effect = Effect::MoveVolume {
            volume: VolumeId::random(&**context.runtime()),
            storage: StorageId::random(&**context.runtime()),
            install_path: "/nowhere".to_owned(),
            format: "raw".to_owned(),
            actual_size: 0,
        };
        Ok(Success { effects: vec![effect], ..Success::default() })
    }

    async fn undo(&self, _context: &JobContext) -> Result<Map<String, Value>, Fault> {
        self.undone.store(true, Ordering::SeqCst);
        Ok(Map::from_iter([("removed".to_owned(), json!(["/nowhere"]))]))
    }
}

/// Its first attempt meets a store that does not answer a read.
struct Reads {
    attempts: AtomicU32,
    undone: AtomicBool,
}

#[async_trait]
impl JobHandler for Reads {
    fn job_type(&self) -> JobType {
        JobType { name: "Reads", ..Unwritable { undone: AtomicBool::new(false) }.job_type() }
    }

    async fn check(&self, _request: &CheckRequest) -> Result<Checked, Fault> {
        Ok(Checked::default())
    }

    async fn run(&self, _context: &JobContext) -> Result<Success, Ended> {
        if self.attempts.fetch_add(1, Ordering::SeqCst) > 0 {
            return Ok(Success::default());
        }
        let away = from_store(
            StoreError::Refused("permission denied for table volume".to_owned()),
            "volume[uuid:1]",
        );
        Err(Ended::Failed(Fault::failed("the volume could not be read").because(away)))
    }

    async fn undo(&self, _context: &JobContext) -> Result<Map<String, Value>, Fault> {
        self.undone.store(true, Ordering::SeqCst);
        Ok(Map::new())
    }
}

#[tokio::test]
async fn an_attempt_that_had_no_answer_of_the_store_is_followed_by_another_and_nothing_is_undone() {
    let handler = Arc::new(Reads { attempts: AtomicU32::new(0), undone: AtomicBool::new(false) });
    let (job, timeline) = ended("Reads", handler.clone()).await;
    assert_eq!(job.state, JobState::Succeeded);
    assert_eq!(handler.attempts.load(Ordering::SeqCst), 2);
    assert!(!handler.undone.load(Ordering::SeqCst));
    let told =
        |row: &TimelineRow| row.kind == TimelineKind::Released && row.detail.contains("permission denied");
    assert!(timeline.iter().any(told), "{timeline:?}");
}

#[tokio::test]
async fn what_a_job_made_is_undone_when_its_success_cannot_be_written() {
    let handler = Arc::new(Unwritable { undone: AtomicBool::new(false) });
    let (job, _) = ended("Unwritable", handler.clone()).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.job_result.unwrap().contains("its end could not be written"));
    assert!(handler.undone.load(Ordering::SeqCst));
}

/// Comes to a stage at once, and runs until it is let go.
struct Staged(Arc<Notify>);

#[async_trait]
impl JobHandler for Staged {
    fn job_type(&self) -> JobType {
        JobType { name: "Staged", ..Unwritable { undone: AtomicBool::new(false) }.job_type() }
    }

    async fn check(&self, _request: &CheckRequest) -> Result<Checked, Fault> {
        Ok(Checked::default())
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        context.progress(Report { stage: "copying".to_owned(), ..Report::default() });
        self.0.notified().await;
        Ok(Success::default())
    }

    async fn undo(&self, _context: &JobContext) -> Result<Map<String, Value>, Fault> {
        Ok(Map::new())
    }
}

#[tokio::test]
async fn a_new_stage_is_stored_long_before_the_next_write_of_progress() {
    let go = Arc::new(Notify::new());
    let begun = Begun::of("Staged", Arc::new(Staged(Arc::clone(&go)))).await;
    let seen = async {
        loop {
            let told = begun.store.progress(&begun.api).await.unwrap().and_then(|(_, progress)| progress);
            match told {
                Some(progress) if progress.stage == "copying" => break,
                _ => begun.runtime.sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::select! {
        () = seen => {}
        () = begun.runtime.sleep(LONG_BEFORE) => panic!("no stage was stored in {LONG_BEFORE:?}"),
    }
    go.notify_one();
    assert_eq!(begun.ended().await.0.state, JobState::Succeeded);
}

/// Of the interval at which progress is written here, next to nothing.
const LONG_BEFORE: Duration = Duration::from_secs(60);

/// A job of that type when it is final, with its history.
async fn ended(name: &str, handler: Arc<dyn JobHandler>) -> (Job, Vec<TimelineRow>) {
    Begun::of(name, handler).await.ended().await
}

/// A job that was submitted.
struct Begun {
    runtime: Arc<dyn Runtime>,
    store: Arc<dyn Store>,
    _engine: Arc<Engine>,
    id: JobId,
    api: ApiId,
}

impl Begun {
    async fn of(name: &str, handler: Arc<dyn JobHandler>) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(runtime.clone(), StoreOptions::default()));
        let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
        let config = EngineConfig {
            gone: Gone::All,
            progress_flush: 60 * LONG_BEFORE,
            ..EngineConfig::new(|_| "SYS.1000", parse, [0; 32])
        };
        let registry = Registry::default().with(handler);
        let engine = Engine::start(store.clone(), runtime.clone(), registry, config).await.unwrap();
        let caller = Caller { account: AccountId::random(&*runtime), admin: true, record: None };
        let (id, api) = (JobId::random(&*runtime), ApiId::in_order(&*runtime));
        let request = SubmitRequest {
            name: None,
            description: None,
            job_name: name.to_owned(),
            job_data: "{}".to_owned(),
            data: json!({}),
            target: None,
            resource_uuid: Some(id),
            system_tags: Vec::new(),
            user_tags: Vec::new(),
            api_id: api.clone(),
            dry_run: false,
        };
        assert!(matches!(engine.submit(&caller, request).await.unwrap(), SubmitAnswer::Job(_)));
        Self { runtime, store, _engine: engine, id, api }
    }

    /// The job when it is final, with its history.
    async fn ended(&self) -> (Job, Vec<TimelineRow>) {
        let job = loop {
            let job = self.store.job(self.id).await.unwrap().unwrap();
            if job.state.is_final() {
                break job;
            }
            self.runtime.sleep(Duration::from_millis(5)).await;
        };
        let timeline = self.store.timeline(self.id).await.unwrap();
        (job, timeline)
    }
}
