//! The end of an attempt that the store refuses. What attempts do otherwise is tried by the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use longhaul_model::resource::Effect;
use longhaul_model::{AccountId, ApiId, Fault, JobId, JobState, Runtime, SlotClass, StorageId, VolumeId};
use longhaul_store::{Gone, MemoryStore, Store, StoreOptions};
use serde_json::{Map, Value, json};

use crate::engine::Caller;
use crate::handler::Ended;
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

#[tokio::test]
async fn what_a_job_made_is_undone_when_its_success_cannot_be_written() {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(runtime.clone(), StoreOptions::default()));
    let handler = Arc::new(Unwritable { undone: AtomicBool::new(false) });
    let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
    let config = EngineConfig { gone: Gone::All, ..EngineConfig::new(|_| "SYS.1000", parse, [0; 32]) };
    let registry = Registry::default().with(handler.clone());
    let engine = Engine::start(store.clone(), runtime.clone(), registry, config).await.unwrap();
    let caller = Caller { account: AccountId::random(&*runtime), admin: true, record: None };
    let id = JobId::random(&*runtime);
    let request = SubmitRequest {
        name: None,
        description: None,
        job_name: "Unwritable".to_owned(),
        job_data: "{}".to_owned(),
        data: json!({}),
        target: None,
        resource_uuid: Some(id),
        system_tags: Vec::new(),
        user_tags: Vec::new(),
        api_id: ApiId::random(&*runtime),
        dry_run: false,
    };
    assert!(matches!(engine.submit(&caller, request).await.unwrap(), SubmitAnswer::Job(_)));
    let job = loop {
        let job = store.job(id).await.unwrap().unwrap();
        if job.state.is_final() {
            break job;
        }
        runtime.sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(job.state, JobState::Failed);
    assert!(job.job_result.unwrap().contains("its end could not be written"));
    assert!(handler.undone.load(Ordering::SeqCst));
}
