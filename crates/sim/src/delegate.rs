//! Passes on the families of store methods that a wrapper has no opinion on. Only that; wrappers are in
//! `network`, in `outside` and in the negative controls.

use longhaul_model::BoxFuture;
use longhaul_store::StoreError;

/// How a wrapper passes a call on.
pub trait Passes: Sync {
    /// The call on its way: as it is, unless a wrapper says otherwise.
    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        call
    }
}

/// Implements the families beside `Jobs`, `Queue` and `Nodes` for a wrapper with a field `inner` that `Passes` calls.
#[macro_export]
macro_rules! delegate_the_rest {
    ($wrapper:ty) => {
        $crate::delegate! { $wrapper, Batches {
            submit_many(jobs: Vec<NewJob>) -> Vec<Result<Submitted, longhaul_store::StoreError>>;
        }}
        $crate::delegate! { $wrapper, Identity {
            create_account(account: Account) -> Account;
            account(id: AccountId) -> Option<Account>;
            account_by_name(name: &str) -> Option<Account>;
            update_account(id: AccountId, name: Option<String>, description: Option<String>,
                password_hash: Option<String>) -> Account;
            delete_account(id: AccountId) -> ();
            create_session(session: &Session, limit: u32) -> bool;
            session(id: SessionId) -> Option<Session>;
            extend_session(id: SessionId, expires_ms: i64) -> bool;
            cap_sessions(latest_ms: i64) -> u64;
            delete_session(id: SessionId) -> ();
            sweep_sessions() -> u64;
        }}
        $crate::delegate! { $wrapper, Keys {
            create_key(key: AccessKey, limit: u32) -> Option<AccessKey>;
            key(id: KeyId) -> Option<AccessKey>;
            key_by_access_id(access_id: &str) -> Option<AccessKey>;
            enable_key(id: KeyId, enabled: bool) -> AccessKey;
            delete_key(id: KeyId) -> ();
        }}
        $crate::delegate! { $wrapper, Resources {
            create_storage(storage: Storage) -> Storage;
            storage(id: StorageId) -> Option<Storage>;
            update_storage(id: StorageId, update: StorageUpdate) -> Storage;
            delete_storage(id: StorageId) -> ();
            create_volume(volume: Volume) -> Volume;
            volume(id: VolumeId) -> Option<Volume>;
            update_volume(volume: Volume, seen_ms: i64) -> Volume;
            delete_volume(id: VolumeId, by: Option<JobId>) -> ();
            trash(storage: StorageId) -> Vec<Trash>;
            add_trash(trash: Trash) -> Trash;
            remove_trash(id: u64) -> ();
            known_paths(storage: StorageId) -> Vec<String>;
        }}
        $crate::delegate! { $wrapper, Images {
            create_backup_storage(storage: BackupStorage) -> BackupStorage;
            backup_storage(id: BackupStorageId) -> Option<BackupStorage>;
            update_backup_storage(id: BackupStorageId, update: BackupStorageUpdate) -> BackupStorage;
            delete_backup_storage(id: BackupStorageId) -> ();
            create_image(image: Image, tags: &[NewTag]) -> Image;
            image(id: ImageId) -> Option<Image>;
            update_image(image: Image, seen_ms: i64) -> Image;
            delete_image(id: ImageId) -> ();
            abandon_image(id: ImageId, job: JobId) -> bool;
            images_of_content(blake3: &str) -> Vec<Image>;
        }}
        $crate::delegate! { $wrapper, Ledger {
            intend(claim: &Claim, intent: Intent) -> Intent;
            intents(job: JobId) -> Vec<Intent>;
            all_intents() -> Vec<Intent>;
            settle(id: u64) -> ();
        }}
        $crate::delegate! { $wrapper, Events {
            timeline(job: JobId) -> Vec<TimelineRow>;
            timeline_page(job: JobId, after: u64, limit: u32) -> Vec<TimelineRow>;
            progress(api: &ApiId) -> Option<(Job, Option<Progress>)>;
            progress_history(job: JobId) -> Vec<Progress>;
        }}
        $crate::delegate! { $wrapper, Records {
            create_record(record: ApiRecord) -> ();
            finish_record(id: &ApiId, outcome: ApiOutcome) -> ();
            record(id: &ApiId) -> Option<ApiRecord>;
            cut_records(outcome: ApiOutcome, gone: Gone) -> u64;
            sweep_records() -> u64;
        }}
        $crate::delegate! { $wrapper, Deliveries {
            next_delivery() -> Option<i64>;
            take_deliveries(host: HostId, limit: u32, hold_ms: i64) -> Vec<Delivery>;
            put_off_delivery(id: &ApiId, tries: u32, wait_ms: i64) -> ();
            end_delivery(id: &ApiId) -> ();
            free_deliveries(gone: Gone, within_ms: i64) -> u64;
        }}
        $crate::delegate! { $wrapper, Queries {
            query(query: &Query) -> Answer;
            counts(account: Option<AccountId>) -> Vec<(JobState, u64)>;
            tags(resource_uuid: &str) -> Vec<Tag>;
        }}
        $crate::delegate! { $wrapper, Tags {
            add_tags(on: Tagged, system: bool, texts: &[String]) -> Vec<Tag>;
            tag(id: TagId) -> Option<Tag>;
            update_tag(id: TagId, text: &str) -> Tag;
            delete_tag(id: TagId) -> ();
        }}
        $crate::delegate! { $wrapper, Configs {
            configs() -> Vec<Config>;
            put_config(config: Config) -> ();
            clear_configs() -> ();
        }}
    };
}

/// Implements one family by passing every call on to `self.inner`, as the wrapper `Passes` calls.
#[macro_export]
macro_rules! delegate {
    ($wrapper:ty, $family:ident {
        $($method:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*
    }) => {
        const _: () = {
            use $crate::delegate::names::*;
            #[async_trait::async_trait]
            impl longhaul_store::$family for $wrapper {
                $(async fn $method(&self, $($name: $kind),*) -> Result<$answer, longhaul_store::StoreError> {
                    $crate::delegate::Passes::pass(self, self.inner.$method($($name),*)).await
                })*
            }
        };
    };
}

/// The names that the method lists above use.
pub mod names {
    pub use longhaul_model::progress::Progress;
    pub use longhaul_model::query::{Answer, Query};
    pub use longhaul_model::resource::{
        AccessKey, Account, ApiOutcome, ApiRecord, BackupStorage, Config, Delivery, Image, Intent, NewNode,
        Session, Storage, Tag, Tagged, Trash, Volume,
    };
    pub use longhaul_model::timeline::TimelineRow;
    pub use longhaul_model::{
        AccountId, ApiId, BackupStorageId, Change, Claim, Claimed, FreeSlots, HostId, ImageId, Job, JobId,
        JobState, KeyId, Limits, NewJob, NewTag, NodeId, NodeLease, Pages, SessionId, StorageId, Submitted,
        TagId, Transition, VolumeId, Wait,
    };
    pub use longhaul_store::images::BackupStorageUpdate;
    pub use longhaul_store::traits::StorageUpdate;
    pub use longhaul_store::{Gone, Kept};
}
