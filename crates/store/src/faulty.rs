//! A store that fails on purpose: before an operation (nothing written), after it (written, the answer is
//! lost), or late. What fails when is decided by a plan, so that a simulation replays it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::query::{Answer, Query};
use longhaul_model::resource::{
    AccessKey, Account, ApiOutcome, ApiRecord, BackupStorage, Config, Delivery, Image, Intent, NewNode,
    Session, Storage, Tag, Tagged, Trash, Volume,
};
use longhaul_model::timeline::TimelineRow;
use longhaul_model::{
    AccountId, ApiId, BackupStorageId, Change, Claim, Claimed, FreeSlots, HostId, ImageId, Job, JobId,
    JobState, KeyId, Limits, NewJob, NewTag, NodeId, NodeLease, Pages, Runtime, SessionId, StorageId,
    Submitted, TagId, Transition, VolumeId, Wait,
};

use crate::images::BackupStorageUpdate;
use crate::traits::StorageUpdate;
use crate::{
    Batches, Configs, Deliveries, Events, Gone, Identity, Images, Jobs, Kept, Keys, Ledger, Nodes, Queries,
    Queue, Records, Resources, Spread, StoreError, Tags,
};

type Result<T> = std::result::Result<T, StoreError>;

/// What becomes of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Pass,
    /// It is not done: `Unavailable`.
    FailBefore,
    /// It is done, and the answer is lost: `Unavailable`.
    FailAfter,
    /// It is done after so long.
    Delay(Duration),
    /// It is done at once and answered after so long.
    DelayAnswer(Duration),
}

/// Decides what becomes of operations.
pub trait FaultPlan: Send + Sync {
    /// The fate of the next operation; `operation` is the name of the trait's method.
    fn decide(&self, operation: &'static str) -> Fate;
}

impl<F: Fn(&'static str) -> Fate + Send + Sync> FaultPlan for F {
    fn decide(&self, operation: &'static str) -> Fate {
        self(operation)
    }
}

/// A store behind a plan of faults.
pub struct FaultyStore<S> {
    inner: S,
    plan: Arc<dyn FaultPlan>,
    runtime: Arc<dyn Runtime>,
}

impl<S> FaultyStore<S> {
    /// `inner`, as seen through the faults of `plan`; delays pass by `runtime`.
    pub fn new(inner: S, plan: Arc<dyn FaultPlan>, runtime: Arc<dyn Runtime>) -> Self {
        Self { inner, plan, runtime }
    }

    /// The store without its faults, for a checker.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    async fn meet<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.plan.decide(operation) {
            Fate::Pass => work.await,
            Fate::FailBefore => Err(fault(operation, "was not done")),
            Fate::FailAfter => {
                // What the operation itself refuses was refused: only an answer can be lost.
                let _lost = work.await?;
                Err(fault(operation, "was done, its answer is lost"))
            }
            Fate::Delay(duration) => {
                self.runtime.sleep(duration).await;
                work.await
            }
            Fate::DelayAnswer(duration) => {
                let answer = work.await;
                self.runtime.sleep(duration).await;
                answer
            }
        }
    }
}

fn fault(operation: &str, what: &str) -> StoreError {
    StoreError::Unavailable(format!("on purpose: {operation} {what}"))
}

macro_rules! faulty {
    ($($family:ident { $(fn $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)* })*) => {$(
        #[async_trait]
        impl<S: $family> $family for FaultyStore<S> {
            $(
                async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                    self.meet(stringify!($name), self.inner.$name($($arg),*)).await
                }
            )*
        }
    )*};
}

faulty! {
    Jobs {
        fn submit(job: NewJob, record: Option<ApiRecord>) -> Submitted;
        fn job(id: JobId) -> Option<Job>;
        fn request_hash(id: JobId) -> Option<[u8; 32]>;
        fn claim(node: NodeId, slots: &[FreeSlots], except: &[String]) -> Vec<Claimed>;
        fn apply(claim: &Claim, transition: Transition) -> Job;
        fn release(claim: &Claim, detail: &str) -> ();
        fn change(id: JobId, version: u64, change: Change, record: Option<ApiRecord>) -> (Job, Option<Claim>);
        fn delete_job(id: JobId, version: u64, record: Option<ApiRecord>) -> ();
        fn canceling(node: NodeId) -> Vec<Claim>;
        fn claims(node: NodeId) -> Vec<Claim>;
        fn save_checkpoint(claim: &Claim, pages: &Pages) -> ();
        fn save_progress(rows: &[(Claim, Progress)]) -> ();
    }
    Batches {
        fn submit_many(jobs: Vec<NewJob>) -> Vec<Result<Submitted>>;
    }
    Queue {
        fn set_limits(limits: &Limits) -> ();
        fn limits() -> Limits;
        fn waits_for(id: JobId) -> Vec<Wait>;
        fn held(node: NodeId) -> Vec<Claim>;
        fn overdue(limit: u32) -> Vec<JobId>;
        fn sweep_jobs(kept: Kept, limit: u32) -> u64;
    }
    Nodes {
        fn joins(host: HostId) -> u64;
        fn join(node: NewNode, gone: Gone) -> NodeLease;
        fn heartbeat(node: NodeId) -> NodeLease;
        fn leave(node: NodeId) -> ();
        fn drain(node: NodeId, drained: bool) -> ();
        fn on_duty(node: NodeId, duty: &str) -> bool;
        fn tell(node: NodeId, text: &str) -> Vec<String>;
        fn spread(node: NodeId) -> Spread;
        fn kept(key: &str, fresh: &str) -> String;
    }
    Identity {
        fn create_account(account: Account) -> Account;
        fn account(id: AccountId) -> Option<Account>;
        fn account_by_name(name: &str) -> Option<Account>;
        fn update_account(
            id: AccountId,
            name: Option<String>,
            description: Option<String>,
            password_hash: Option<String>
        ) -> Account;
        fn delete_account(id: AccountId) -> ();
        fn create_session(session: &Session, limit: u32) -> bool;
        fn session(id: SessionId) -> Option<Session>;
        fn extend_session(id: SessionId, expires_ms: i64) -> bool;
        fn cap_sessions(latest_ms: i64) -> u64;
        fn delete_session(id: SessionId) -> ();
        fn sweep_sessions() -> u64;
    }
    Keys {
        fn create_key(key: AccessKey, limit: u32) -> Option<AccessKey>;
        fn key(id: KeyId) -> Option<AccessKey>;
        fn key_by_access_id(access_id: &str) -> Option<AccessKey>;
        fn enable_key(id: KeyId, enabled: bool) -> AccessKey;
        fn delete_key(id: KeyId) -> ();
    }
    Resources {
        fn create_storage(storage: Storage) -> Storage;
        fn storage(id: StorageId) -> Option<Storage>;
        fn update_storage(id: StorageId, update: StorageUpdate) -> Storage;
        fn delete_storage(id: StorageId) -> ();
        fn create_volume(volume: Volume) -> Volume;
        fn volume(id: VolumeId) -> Option<Volume>;
        fn update_volume(volume: Volume, seen_ms: i64) -> Volume;
        fn delete_volume(id: VolumeId, by: Option<JobId>) -> ();
        fn trash(storage: StorageId) -> Vec<Trash>;
        fn add_trash(trash: Trash) -> Trash;
        fn remove_trash(id: u64) -> ();
        fn known_paths(storage: StorageId) -> Vec<String>;
    }
    Images {
        fn create_backup_storage(storage: BackupStorage) -> BackupStorage;
        fn backup_storage(id: BackupStorageId) -> Option<BackupStorage>;
        fn update_backup_storage(id: BackupStorageId, update: BackupStorageUpdate) -> BackupStorage;
        fn delete_backup_storage(id: BackupStorageId) -> ();
        fn create_image(image: Image, tags: &[NewTag]) -> Image;
        fn image(id: ImageId) -> Option<Image>;
        fn update_image(image: Image, seen_ms: i64) -> Image;
        fn delete_image(id: ImageId) -> ();
        fn abandon_image(id: ImageId, job: JobId) -> bool;
        fn images_of_content(blake3: &str) -> Vec<Image>;
    }
    Ledger {
        fn intend(claim: &Claim, intent: Intent) -> Intent;
        fn intents(job: JobId) -> Vec<Intent>;
        fn all_intents() -> Vec<Intent>;
        fn settle(id: u64) -> ();
    }
    Events {
        fn timeline(job: JobId) -> Vec<TimelineRow>;
        fn timeline_page(job: JobId, after: u64, limit: u32) -> Vec<TimelineRow>;
        fn progress(api: &ApiId) -> Option<(Job, Option<Progress>)>;
        fn progress_history(job: JobId) -> Vec<Progress>;
    }
    Records {
        fn create_record(record: ApiRecord) -> ();
        fn finish_record(id: &ApiId, outcome: ApiOutcome) -> ();
        fn record(id: &ApiId) -> Option<ApiRecord>;
        fn cut_records(outcome: ApiOutcome, gone: Gone) -> u64;
        fn sweep_records() -> u64;
    }
    Deliveries {
        fn next_delivery() -> Option<i64>;
        fn take_deliveries(host: HostId, limit: u32, hold_ms: i64) -> Vec<Delivery>;
        fn put_off_delivery(id: &ApiId, tries: u32, wait_ms: i64) -> ();
        fn end_delivery(id: &ApiId) -> ();
        fn free_deliveries(gone: Gone, within_ms: i64) -> u64;
    }
    Queries {
        fn query(query: &Query) -> Answer;
        fn counts(account: Option<AccountId>) -> Vec<(JobState, u64)>;
        fn tags(resource_uuid: &str) -> Vec<Tag>;
    }
    Tags {
        fn add_tags(on: Tagged, system: bool, texts: &[String]) -> Vec<Tag>;
        fn tag(id: TagId) -> Option<Tag>;
        fn update_tag(id: TagId, text: &str) -> Tag;
        fn delete_tag(id: TagId) -> ();
    }
    Configs {
        fn configs() -> Vec<Config>;
        fn put_config(config: Config) -> ();
        fn clear_configs() -> ();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::executor::block_on;

    use super::*;
    use crate::conformance::HandClock;
    use crate::{MemoryStore, StoreOptions};

    fn storage(clock: &HandClock) -> StorageId {
        StorageId::random(clock)
    }

    #[test]
    fn a_fault_before_writes_nothing_and_a_fault_after_loses_the_answer() {
        let clock = HandClock::new();
        let fates = Mutex::new(vec![Fate::Pass, Fate::FailAfter, Fate::Pass, Fate::FailBefore]);
        let plan = move |_: &'static str| fates.lock().unwrap().pop().unwrap();
        let inner = MemoryStore::new(clock.clone(), StoreOptions::default());
        let store = FaultyStore::new(inner, Arc::new(plan), clock.clone());
        let trash = Trash {
            id: 0,
            storage: storage(&clock),
            resource_uuid: String::new(),
            resource_type: String::new(),
            install_path: String::new(),
            size: 0,
            kind: String::new(),
            create_ms: 0,
        };
        for expected in [0, 1] {
            let lost = block_on(store.add_trash(trash.clone()));
            assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
            assert_eq!(block_on(store.trash(trash.storage)).unwrap().len(), expected);
        }
    }
}
