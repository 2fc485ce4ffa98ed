//! Everything stored beside jobs: accounts, sessions, nodes, storages, volumes, trash, the intent ledger,
//! asynchronous answers, tags; and the effects that must be true at the same moment as a transition.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{
    AccountId, ApiId, BackupStorageId, HostId, ImageId, JobId, KeyId, NodeId, SessionId, StorageId, TagId,
    VolumeId,
};

mod backup_storage;
mod image;
mod storage;

pub use backup_storage::{BackupStorage, BackupStorageKind};
pub use image::{Export, Image, ImageFacts, ImageRef, ImageStatus};
pub use storage::{CephPool, Storage, StorageKind, StorageState};

/// Who may log in and own things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its uuid.
    pub id: AccountId,
    /// Unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Sees and touches everything.
    pub admin: bool,
    /// Argon2id of the SHA-512 hex that the wire carries, as a PHC string.
    pub password_hash: String,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
}

/// A login. The store keeps the SHA-256 of the id, never the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The bearer's secret.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970; slides with use.
    pub expires_ms: i64,
}

/// A key that signs requests in the place of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its uuid.
    pub id: KeyId,
    /// Whose requests it signs.
    pub account: AccountId,
    /// For people.
    pub description: Option<String>,
    /// What a signed request names it by; unique over all keys, no secret.
    pub access_id: String,
    /// The secret that signs, encrypted; the store knows no key to it.
    pub sealed_secret: Vec<u8>,
    /// Whether it signs at present.
    pub enabled: bool,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
}

/// A management node as it is known to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// New at each process start.
    pub id: NodeId,
    /// The machine.
    pub host: HostId,
    /// Name or address for people.
    pub host_name: String,
    /// ms since 1970.
    pub join_ms: i64,
    /// Newest heartbeat, ms since 1970.
    pub heartbeat_ms: i64,
    /// Where its API is reached by the others, as `http://10.0.0.7:8080`; `None` for a node of an earlier release.
    pub address: Option<String>,
    /// The release that it runs; `None` for an earlier one.
    pub version: Option<String>,
    /// Its host is drained: it takes no jobs.
    pub drained: bool,
}

/// A management node that joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// New at each process start.
    pub id: NodeId,
    /// The machine.
    pub host: HostId,
    /// Name or address for people.
    pub host_name: String,
    /// Where its API is reached by the others.
    pub address: Option<String>,
    /// The release that it runs.
    pub version: Option<String>,
    /// The job types that it knows; none: it does not tell.
    pub types: BTreeSet<String>,
    /// How many joins of its host the store had taken when it was asked, before this one was sent.
    pub joins_before: u64,
}

impl NewNode {
    /// The first node of that host; it tells neither its address nor its release, nor which job types it knows.
    pub fn new(id: NodeId, host: HostId, host_name: &str) -> Self {
        Self {
            id,
            host,
            host_name: host_name.to_owned(),
            address: None,
            version: None,
            types: BTreeSet::new(),
            joins_before: 0,
        }
    }
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its uuid.
    pub id: VolumeId,
    /// Whose.
    pub account: AccountId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where its bytes are; `None` until it is instantiated.
    pub storage: Option<StorageId>,
    /// The path of its file; `None` until it is instantiated.
    pub install_path: Option<String>,
    /// `Root` or `Data`.
    pub kind: String,
    /// `raw` or `qcow2`; `None` until it is instantiated.
    pub format: Option<String>,
    /// What a guest sees, in bytes.
    pub size: u64,
    /// What it occupies, in bytes, as last seen.
    pub actual_size: Option<u64>,
    /// `Enabled` or `Disabled`.
    pub state: String,
    /// `Ready`, `NotInstantiated`, `Deleted`, `Migrating`.
    pub status: String,
    /// When it was deleted, ms since 1970; its bytes are kept until it is expunged.
    pub deleted_ms: Option<i64>,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
}

impl Volume {
    /// Its bytes are complete: it is Ready, unless it was deleted meanwhile.
    pub fn make_ready(&mut self) {
        if self.deleted_ms.is_none() {
            "Ready".clone_into(&mut self.status);
        }
    }
}

/// Bytes that nothing points at any more, kept until they are cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trash {
    /// Its number; 0 before it is stored.
    pub id: u64,
    /// Where it lies.
    pub storage: StorageId,
    /// What it was.
    pub resource_uuid: String,
    /// `VolumeVO`.
    pub resource_type: String,
    /// The path of the file.
    pub install_path: String,
    /// Bytes it occupied when it was moved here.
    pub size: u64,
    /// `MigrateVolume`.
    pub kind: String,
    /// ms since 1970.
    pub create_ms: i64,
}

/// Something about to be made or running outside the store, entered before it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its number; 0 before it is stored.
    pub id: u64,
    /// The job on whose behalf.
    pub job: JobId,
    /// The claim that made it.
    pub token: u64,
    /// What.
    pub kind: IntentKind,
    /// Where: a storage, for artifacts.
    pub storage: Option<StorageId>,
    /// ms since 1970.
    pub create_ms: i64,
}

/// What an intent is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IntentKind {
    /// A file or image being made.
    Artifact {
        /// Its final path.
        path: String,
    },
    /// A file or image being made on a backup storage.
    ImageArtifact {
        /// The backup storage.
        backup_storage: BackupStorageId,
        /// Its final path.
        path: String,
    },
    /// A child process.
    Child {
        /// The machine it runs on.
        host: HostId,
        /// Its process id.
        pid: u32,
        /// Its start time in clock ticks since boot, so that a reused pid is told apart.
        start_ticks: u64,
    },
}

/// What must be true at the same moment as a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The volume's record points elsewhere, and the volume is Ready unless it was deleted meanwhile.
    MoveVolume {
        /// The volume.
        volume: VolumeId,
        /// Its new storage.
        storage: StorageId,
        /// Its new path.
        install_path: String,
        /// Its new format.
        format: String,
        /// What it occupies there, in bytes.
        actual_size: u64,
    },
    /// Bytes go to trash.
    AddTrash(Trash),
    /// A copy of an image is complete: see `Image::make_ready`. Only while the job of the transition makes the image.
    SetImageReady {
        /// The image.
        image: ImageId,
        /// Where the copy is.
        backup_storage: BackupStorageId,
        /// Its path.
        install_path: String,
        /// What is known of it.
        facts: ImageFacts,
    },
    /// A copy of an image moved to another backup storage: see `Image::move_copy`.
    MoveImage {
        /// The image.
        image: ImageId,
        /// Where the copy was.
        from: BackupStorageId,
        /// Where it is.
        to: BackupStorageId,
        /// Its path there.
        install_path: String,
        /// The image's format from now on.
        format: String,
    },
    /// An intent is settled.
    LedgerDone(u64),
}

/// An asynchronous API call and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRecord {
    /// The id of the call, the last segment of `location`.
    pub id: ApiId,
    /// Who called.
    pub account: AccountId,
    /// When it may be forgotten, ms since 1970.
    pub expires_ms: i64,
    /// Its answer; `None` while it is worked on.
    pub outcome: Option<ApiOutcome>,
    /// Whom to tell the answer; `None` where nobody asked for that, or once it was told or given up.
    pub hook: Option<WebHook>,
    /// What a call of the legacy entry was; `None` for calls over REST.
    pub message: Option<Message>,
    /// When its answer was there, ms since 1970, by the store's clock; what is given here is not stored.
    pub finished_ms: Option<i64>,
    /// The host whose process works on it. `None` in records of earlier releases.
    pub host: Option<HostId>,
}

/// Where an asynchronous call's answer is to be sent when it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct WebHook {
    /// The whole URL. It may hold a secret: it is for the receiver, not for logs, and the server stores it
    /// encrypted.
    pub url: String,
    /// Whether the body shall carry the schema map.
    pub wants_schema: bool,
}

impl std::fmt::Debug for WebHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebHook").field("url", &"…").field("wants_schema", &self.wants_schema).finish()
    }
}

/// One try to tell an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The call.
    pub id: ApiId,
    /// Whom to tell.
    pub hook: WebHook,
    /// The number of this try, from 1.
    pub tries: u32,
    /// What to tell.
    pub outcome: ApiOutcome,
}

/// A call of the legacy entry, as far as its answer tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its class: `org.zstack.header.longjob.APISubmitLongJobMsg`.
    pub class: String,
    /// When it came, ms since 1970.
    pub created_ms: i64,
}

/// The answer to an asynchronous call, kept small: rendered when it is polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApiOutcome {
    /// `{}`.
    Empty,
    /// The inventory of this job, as it is when polled.
    Job(JobId),
    /// The inventory of this volume.
    Volume(VolumeId),
    /// The inventory of this storage.
    Storage(StorageId),
    /// The inventory of this backup storage.
    BackupStorage(BackupStorageId),
    /// The inventory of this image.
    Image(ImageId),
    /// The inventory of this account.
    Account(AccountId),
    /// The inventory of this tag.
    Tag(TagId),
    /// An answer that is rendered already.
    Json(String),
    /// An answer that is rendered already and holds a secret, encrypted.
    Sealed(Vec<u8>),
    /// An inventory that is in no record, as JSON, and its class for the schema map.
    Inventory {
        /// As `schema` names it.
        class: String,
        /// The object.
        inventory: String,
    },
    /// It failed.
    Fault(crate::fault::Fault),
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its uuid.
    pub id: TagId,
    /// What it is on.
    pub resource_uuid: String,
    /// `LongJobVO`, `VolumeVO` …
    pub resource_type: String,
    /// System tag or user tag.
    pub system: bool,
    /// Its text.
    pub text: String,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
}

/// A value of a global configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Config {
    /// Its category: `identity`.
    pub category: String,
    /// Its name in the category: `session.timeout`.
    pub name: String,
    /// Its value, as text.
    pub value: String,
}

/// A resource that can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tagged {
    /// A job.
    Job(JobId),
    /// A volume.
    Volume(VolumeId),
    /// A primary storage.
    Storage(StorageId),
    /// A backup storage.
    BackupStorage(BackupStorageId),
    /// An image.
    Image(ImageId),
}

/// The system tag of a job that another job submitted; the uuid of that one follows.
pub const PARENT_TAG: &str = "longhaul::parent::";

impl Tagged {
    /// The resource types that can have tags, as `resourceType` names them.
    pub const TYPES: [&'static str; 5] =
        ["BackupStorageVO", "ImageVO", "LongJobVO", "PrimaryStorageVO", "VolumeVO"];

    /// The resource of that type and uuid; `None` for another type, or a uuid that cannot be one.
    pub fn of(resource_type: &str, uuid: &str) -> Option<Self> {
        match resource_type {
            "LongJobVO" => uuid.parse().ok().map(Self::Job),
            "PrimaryStorageVO" => uuid.parse().ok().map(Self::Storage),
            "VolumeVO" => uuid.parse().ok().map(Self::Volume),
            "BackupStorageVO" => uuid.parse().ok().map(Self::BackupStorage),
            "ImageVO" => uuid.parse().ok().map(Self::Image),
            _ => None,
        }
    }

    /// Its type's name.
    pub const fn resource_type(self) -> &'static str {
        match self {
            Self::Job(_) => "LongJobVO",
            Self::Volume(_) => "VolumeVO",
            Self::Storage(_) => "PrimaryStorageVO",
            Self::BackupStorage(_) => "BackupStorageVO",
            Self::Image(_) => "ImageVO",
        }
    }

    /// Its uuid.
    pub fn uuid(self) -> String {
        match self {
            Self::Job(id) => id.to_string(),
            Self::Volume(id) => id.to_string(),
            Self::Storage(id) => id.to_string(),
            Self::BackupStorage(id) => id.to_string(),
            Self::Image(id) => id.to_string(),
        }
    }
}
