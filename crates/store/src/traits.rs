//! The store's promises. Each has its case in `conformance`. No method takes the time: a store owns its
//! clock. Acknowledged means durable.

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::query::{Answer, Query};
use longhaul_model::resource::{
    AccessKey, Account, ApiOutcome, ApiRecord, Config, Delivery, Intent, Session, Storage, StorageState, Tag,
    Tagged, Trash, Volume,
};
use longhaul_model::timeline::TimelineRow;
use longhaul_model::{
    AccountId, ApiId, Change, Claim, Claimed, FreeSlots, HostId, Job, JobId, JobState, KeyId, NewJob, NodeId,
    Pages, SessionId, StorageId, Submitted, TagId, Transition, VolumeId,
};

use crate::{Batches, Gone, Images, Nodes, Queue, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

/// Most history rows kept per attempt; thinned by half when it is reached.
pub const PROGRESS_HISTORY_MAX: usize = 200;

/// Most tags of one resource, system tags and user tags together; those of its submission count.
pub const TAGS_PER_RESOURCE_MAX: usize = 1000;

/// The life of jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores a job (state Waiting; timeline row `Submitted`), or answers the one that the same request
    /// stored before: insert-or-compare of `request_hash` by `id` in one transaction. With `claim_for`,
    /// the job is also claimed and started in the same commit if that node could claim it and no job that
    /// it could claim instead goes before it; else it stays Waiting.
    /// `record` is stored in the same transaction (also for `Same`).
    ///
    /// # Errors
    /// `Taken`: the id belongs to another request, foreign ones included, or `record`'s id exists; `NotFound`:
    /// the account was deleted.
    async fn submit(&self, job: NewJob, record: Option<ApiRecord>) -> Result<Submitted>;

    /// The job as it is now.
    async fn job(&self, id: JobId) -> Result<Option<Job>>;

    /// The `request_hash` that a job was submitted with; `None` for an unknown job.
    async fn request_hash(&self, id: JobId) -> Result<Option<[u8; 32]>>;

    /// Gives claimable jobs to `node`, per class up to its free slots, of those that any host may run up to `shared`. Those
    /// that have begun go first,
    /// then the higher priority, strictly; of one priority, first come first. Claimable is a
    /// job without a live claim that is Waiting and not held, its `not_before_ms` come (becomes Running by
    /// Start), Running (Resume: released or its node's lease expired), Suspended with its retry time or its
    /// deadline come (Resume), or Canceling (stays so; to be undone). A Waiting ordered job waits for every
    /// earlier non-final ordered job on its target. A job whose terms name a host is claimable by nodes of
    /// that host alone. None of the job types `except` is given, to whatever it is to be claimed: they are left to nodes that
    /// know them. A job that is not counted yet waits for room in each of its `Limits`; what waits for
    /// room is passed over. Each gets a larger fencing token; `attempt` grows except for Canceling ones. One timeline row
    /// each (`Started`, `Resumed` or, of a Running job, `TakenOver`; none for Canceling). One that cannot be read is ended, Failed with
    /// the reason, and holds up no other. One that has begun comes with its checkpoint and its newest stored progress.
    ///
    /// # Errors
    /// `LeaseLost`: `node` holds no live lease.
    async fn claim(&self, node: NodeId, slots: &[FreeSlots], except: &[String]) -> Result<Vec<Claimed>>;

    /// Makes the transition, with its effects and timeline row, in one transaction, while `claim` is the
    /// newest on its job and its node's lease lives. The state machine decides the new state on the
    /// state at that moment: a job found Canceling becomes Canceled by Fail and by Stopped, stays
    /// Canceling by Suspend (and is claimable for undoing). Suspend and final states end the claim.
    /// A final state sets `execute_s`. Effects are applied only if the job becomes Succeeded,
    /// `LedgerDone` always. When the job becomes Canceled, `canceled_result` (if any) is the result.
    ///
    /// # Errors
    /// `LeaseLost` and nothing is written; `Illegal`.
    async fn apply(&self, claim: &Claim, transition: Transition) -> Result<Job>;

    /// Gives the job back unchanged in state, claimable at once by any node; a timeline row `Released`
    /// says why. Its checkpoint stays.
    ///
    /// # Errors
    /// `LeaseLost`.
    async fn release(&self, claim: &Claim, detail: &str) -> Result<()>;

    /// Makes a change that was decided on `version`, with its timeline row. Cancel of a claimed job
    /// makes it visible in `canceling`; a job that becomes Suspended or final loses its claim; a
    /// Running job without claim is claimable. `hold` keeps a Waiting job from being claimed, makes a claimed
    /// Running one visible in `Queue::held`, and one without claim Suspended. `drop_body` makes a claimed Canceling one
    /// visible there, until its claim ends. Rerun clears result, execute time, start time, progress
    /// and checkpoint, takes a new place in the order, keeps attempts and timeline.
    /// `record` is stored in the same transaction.
    ///
    /// # Errors
    /// `Stale` if the version moved, `NotFound`, `Illegal`, `Taken` for a known record id.
    async fn change(
        &self,
        id: JobId,
        version: u64,
        change: Change,
        record: Option<ApiRecord>,
    ) -> Result<(Job, Option<Claim>)>;

    /// Removes a job with timeline, progress, checkpoint, tags and open intents; its uuid is free again. What
    /// the intents name is nobody's from then on: `known_paths` has it no more, and its storage can go.
    ///
    /// # Errors
    /// `Stale` if the version moved, `NotFound`, `Taken` for a known record id.
    async fn delete_job(&self, id: JobId, version: u64, record: Option<ApiRecord>) -> Result<()>;

    /// The claims of `node` whose jobs are Canceling. One indexed query, made four times a second.
    async fn canceling(&self, node: NodeId) -> Result<Vec<Claim>>;

    /// All claims of `node`. Asked after an answer of `submit`, `change` or `claim` was lost, so that a claim
    /// that nobody runs is found and released.
    async fn claims(&self, node: NodeId) -> Result<Vec<Claim>>;

    /// Saves these pages of the checkpoint; others stay. Durable when answered.
    ///
    /// # Errors
    /// `LeaseLost`.
    async fn save_checkpoint(&self, claim: &Claim, pages: &Pages) -> Result<()>;

    /// Saves the latest progress of many jobs at once; a row of a claim that is lost is passed over, one
    /// that is behind what is stored of the same claim too. A further attempt counts on from what an earlier
    /// one reached: percent, and bytes of the same stage, keep their largest value until a rerun. A history row
    /// is added where the whole percent or the stage changed, and with the first of each attempt.
    async fn save_progress(&self, rows: &[(Claim, Progress)]) -> Result<()>;
}

/// Accounts and sessions.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Stores an account.
    ///
    /// # Errors
    /// `Taken`: name or uuid.
    async fn create_account(&self, account: Account) -> Result<Account>;
    /// The account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>>;
    /// The account of that name.
    async fn account_by_name(&self, name: &str) -> Result<Option<Account>>;
    /// Changes what is given; with a new password all its sessions end.
    ///
    /// # Errors
    /// `NotFound`, `Taken` for the name.
    async fn update_account(
        &self,
        id: AccountId,
        name: Option<String>,
        description: Option<String>,
        password_hash: Option<String>,
    ) -> Result<Account>;
    /// Removes an account, its sessions, its access keys and its final jobs' ownership. From then on it gets
    /// nothing: what comes at the same moment is refused, or refuses this.
    ///
    /// # Errors
    /// `NotFound`; `InUse` while it owns non-final jobs, volumes or images.
    async fn delete_account(&self, id: AccountId) -> Result<()>;
    /// Stores a session, unless the account has `limit` live ones: then `false`. The count and the session are
    /// one transaction.
    ///
    /// # Errors
    /// `NotFound`: the account was deleted.
    async fn create_session(&self, session: &Session, limit: u32) -> Result<bool>;
    /// The live session of that id.
    async fn session(&self, id: SessionId) -> Result<Option<Session>>;
    /// Moves the end of a live session; `false` if there is none.
    async fn extend_session(&self, id: SessionId, expires_ms: i64) -> Result<bool>;
    /// No live session lasts beyond `latest_ms` from now on; answers how many are shortened.
    async fn cap_sessions(&self, latest_ms: i64) -> Result<u64>;
    /// Ends a session; an unknown one is no error.
    async fn delete_session(&self, id: SessionId) -> Result<()>;
    /// Removes expired sessions; answers how many.
    async fn sweep_sessions(&self) -> Result<u64>;
}

/// Access keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Stores a key, unless its account has `limit` of them, enabled or not: then `None`. The count and the
    /// key are one transaction.
    ///
    /// # Errors
    /// `Taken`: uuid or access id, also where the limit is reached; `NotFound`: the account.
    async fn create_key(&self, key: AccessKey, limit: u32) -> Result<Option<AccessKey>>;
    /// The key.
    async fn key(&self, id: KeyId) -> Result<Option<AccessKey>>;
    /// The key that signed requests name so, taken literally; enabled or not.
    async fn key_by_access_id(&self, access_id: &str) -> Result<Option<AccessKey>>;
    /// Enables or disables a key.
    ///
    /// # Errors
    /// `NotFound`.
    async fn enable_key(&self, id: KeyId, enabled: bool) -> Result<AccessKey>;
    /// Removes a key; an unknown one is no error. Uuid and access id are free again.
    async fn delete_key(&self, id: KeyId) -> Result<()>;
}

/// Storages, volumes, trash.
#[async_trait]
pub trait Resources: Send + Sync {
    /// Stores a storage.
    ///
    /// # Errors
    /// `Taken`: the uuid, or the url on the same host.
    async fn create_storage(&self, storage: Storage) -> Result<Storage>;
    /// The storage.
    async fn storage(&self, id: StorageId) -> Result<Option<Storage>>;
    /// Changes what is given.
    ///
    /// # Errors
    /// `NotFound`.
    async fn update_storage(&self, id: StorageId, update: StorageUpdate) -> Result<Storage>;
    /// Removes a storage and its trash records, touches no file.
    ///
    /// # Errors
    /// `NotFound`; `InUse` while a volume, or an intent, lies on it.
    async fn delete_storage(&self, id: StorageId) -> Result<()>;
    /// Stores a volume. What lies in the trash at its path lies there no more, in the same transaction.
    ///
    /// # Errors
    /// `NotFound`: its storage, or its account was deleted; `Taken`: the uuid, or the path on its storage.
    async fn create_volume(&self, volume: Volume) -> Result<Volume>;
    /// The volume.
    async fn volume(&self, id: VolumeId) -> Result<Option<Volume>>;
    /// Writes the whole record if its `last_op_ms` is still `seen_ms`; sets a new, larger `last_op_ms`.
    ///
    /// # Errors
    /// `NotFound`, `Stale`.
    async fn update_volume(&self, volume: Volume, seen_ms: i64) -> Result<Volume>;
    /// Removes the record, touches no file. `by` is the job that does it, if one does.
    ///
    /// # Errors
    /// `NotFound`; `InUse` while a non-final ordered job targets it, unless the first of them is `by`: those
    /// behind it have not begun.
    async fn delete_volume(&self, id: VolumeId, by: Option<JobId>) -> Result<()>;
    /// The trash of a storage, oldest first.
    async fn trash(&self, storage: StorageId) -> Result<Vec<Trash>>;
    /// Enters trash; answers it with its number.
    async fn add_trash(&self, trash: Trash) -> Result<Trash>;
    /// Removes a trash record whose bytes are gone.
    async fn remove_trash(&self, id: u64) -> Result<()>;
    /// Paths on a storage that something points at: volumes, trash, artifacts in the ledger, all seen at one
    /// moment.
    async fn known_paths(&self, storage: StorageId) -> Result<Vec<String>>;
}

/// What may change in a storage's record; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageUpdate {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New state.
    pub state: Option<StorageState>,
    /// New status.
    pub status: Option<String>,
    /// Total and available bytes.
    pub capacity: Option<(u64, u64)>,
}

impl StorageUpdate {
    /// Writes what is given to `storage`.
    pub fn write_to(self, storage: &mut Storage, now_ms: i64) {
        storage.name = self.name.unwrap_or_else(|| std::mem::take(&mut storage.name));
        storage.description = self.description.or_else(|| storage.description.take());
        storage.state = self.state.unwrap_or(storage.state);
        storage.status = self.status.unwrap_or_else(|| std::mem::take(&mut storage.status));
        if let Some((total, available)) = self.capacity {
            storage.total_bytes = total;
            storage.available_bytes = available;
        }
        storage.last_op_ms = now_ms.max(storage.last_op_ms);
    }
}

/// The intent ledger: what is about to exist outside the store.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Enters an intent, while `claim` holds. Durable when answered.
    ///
    /// # Errors
    /// `LeaseLost`.
    async fn intend(&self, claim: &Claim, intent: Intent) -> Result<Intent>;
    /// The open intents of a job, oldest first.
    async fn intents(&self, job: JobId) -> Result<Vec<Intent>>;
    /// All open intents, oldest first.
    async fn all_intents(&self) -> Result<Vec<Intent>>;
    /// Settles an intent; an unknown one is no error.
    async fn settle(&self, id: u64) -> Result<()>;
}

/// What is told about jobs.
#[async_trait]
pub trait Events: Send + Sync {
    /// A job's history, oldest first.
    async fn timeline(&self, job: JobId) -> Result<Vec<TimelineRow>>;
    /// Up to `limit` rows of a job's history behind the row of the number `after` (0: from the first), oldest
    /// first. Fewer than `limit` are the last ones there are now.
    async fn timeline_page(&self, job: JobId, after: u64, limit: u32) -> Result<Vec<TimelineRow>>;
    /// The job of that API id, if it still exists, with its newest stored progress.
    async fn progress(&self, api: &ApiId) -> Result<Option<(Job, Option<Progress>)>>;
    /// The progress history of the job's newest attempts, oldest first.
    async fn progress_history(&self, job: JobId) -> Result<Vec<Progress>>;
}

/// Asynchronous answers.
#[async_trait]
pub trait Records: Send + Sync {
    /// Stores a record, with its web hook; one with its answer has the store's moment as `finished_ms`.
    ///
    /// # Errors
    /// `Taken`: its id exists.
    async fn create_record(&self, record: ApiRecord) -> Result<()>;
    /// Writes the answer of a record, and the store's moment as `finished_ms`. One that has its answer keeps it:
    /// it may have been told.
    ///
    /// # Errors
    /// `NotFound`.
    async fn finish_record(&self, id: &ApiId, outcome: ApiOutcome) -> Result<()>;
    /// The record.
    async fn record(&self, id: &ApiId) -> Result<Option<ApiRecord>>;
    /// Ends with `outcome` every unanswered record that nobody works on any more; answers how many. Those are the
    /// records of hosts that `gone` proves to be free of former processes, and of hosts that have no node, its
    /// lease having ended. With `All` every one; otherwise none that names no host.
    async fn cut_records(&self, outcome: ApiOutcome, gone: Gone) -> Result<u64>;
    /// Removes answered records past their time, but for those whose answer is still to be told; answers how
    /// many.
    async fn sweep_records(&self) -> Result<u64>;
}

/// Longest time that a delivery is put off or held, ms. One that seems to be due later than this was put off
/// before the clock was set back, and is due.
pub const DELIVERY_WAIT_MAX_MS: i64 = 60_000;

/// Answers that are told to somebody: the web hooks that were stored with records, each until it is ended. A
/// hook is due from the moment when its call has its answer.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// How long until a delivery is due, ms; 0 if one is now, `None` if no answer is to be told.
    async fn next_delivery(&self) -> Result<Option<i64>>;
    /// Takes up to `limit` due deliveries for a process of `host`, those first that are due longest. Each has one
    /// more try counted, durably before it is made, and is not due again for `hold_ms` (at most
    /// `DELIVERY_WAIT_MAX_MS`). No two takers get the same try.
    async fn take_deliveries(&self, host: HostId, limit: u32, hold_ms: i64) -> Result<Vec<Delivery>>;
    /// The try number `tries` failed: the next is due in `wait_ms` (at most `DELIVERY_WAIT_MAX_MS`). Nothing
    /// changes if another try was counted since, or the delivery has ended.
    async fn put_off_delivery(&self, id: &ApiId, tries: u32, wait_ms: i64) -> Result<()>;
    /// The answer was told, or is told no more; its record stays. An unknown one is no error.
    async fn end_delivery(&self, id: &ApiId) -> Result<()>;
    /// At a start: former processes that are `gone` have nothing in hand any more, so nothing of theirs waits
    /// longer than `within_ms`. Answers how many answers are to be told, by whomever.
    async fn free_deliveries(&self, gone: Gone, within_ms: i64) -> Result<u64>;
}

/// Queries over everything.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Rows and total of a query, seen at one moment.
    ///
    /// # Errors
    /// `TooSlow` after 5 s; `TooLarge` where the rows have more than `ROWS_MAX_BYTES`, as soon as that is seen.
    async fn query(&self, query: &Query) -> Result<Answer>;
    /// How many jobs are in each state, of one account or all.
    async fn counts(&self, account: Option<AccountId>) -> Result<Vec<(JobState, u64)>>;
    /// The tags of all resources of that uuid, whatever their type: two types may share one.
    async fn tags(&self, resource_uuid: &str) -> Result<Vec<Tag>>;
}

/// Tags of resources, which are told apart by type and uuid. They go with their resource: `delete_job`,
/// `delete_volume` and `delete_storage` remove them in their own transaction. Read all of a resource's with
/// `Queries::tags`.
#[async_trait]
pub trait Tags: Send + Sync {
    /// Puts tags on a resource, all of them or none, in one transaction with the look for the resource. A
    /// resource has a text at most once among its system tags, and once among its user tags.
    ///
    /// # Errors
    /// `NotFound`: there is no such resource; `Taken`: it has one of the texts already, or a text is
    /// given twice; `TooMany`: it would have more than `TAGS_PER_RESOURCE_MAX`.
    async fn add_tags(&self, on: Tagged, system: bool, texts: &[String]) -> Result<Vec<Tag>>;
    /// The tag.
    async fn tag(&self, id: TagId) -> Result<Option<Tag>>;
    /// Gives a tag another text; its own is no change.
    ///
    /// # Errors
    /// `NotFound`; `Taken`: its resource has the text already among tags of that kind.
    async fn update_tag(&self, id: TagId, text: &str) -> Result<Tag>;
    /// Removes a tag; an unknown one is no error.
    async fn delete_tag(&self, id: TagId) -> Result<()>;
}

/// Values of global configurations: those that somebody chose over the settings.
#[async_trait]
pub trait Configs: Send + Sync {
    /// All of them, by category and name.
    async fn configs(&self) -> Result<Vec<Config>>;
    /// Stores a value; it replaces the one before.
    async fn put_config(&self, config: Config) -> Result<()>;
    /// Removes all of them.
    async fn clear_configs(&self) -> Result<()>;
}

/// Everything a server needs kept.
pub trait Store:
    Jobs
    + Batches
    + Queue
    + Nodes
    + Identity
    + Keys
    + Resources
    + Images
    + Ledger
    + Events
    + Records
    + Deliveries
    + Queries
    + Tags
    + Configs
    + 'static
{
}

impl<T> Store for T where
    T: Jobs
        + Batches
        + Queue
        + Nodes
        + Identity
        + Keys
        + Resources
        + Images
        + Ledger
        + Events
        + Records
        + Deliveries
        + Queries
        + Tags
        + Configs
        + 'static
{
}
