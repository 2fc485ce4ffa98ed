//! What a query asks, as data: closed lists of resources, fields and operators. How it is written on the
//! wire is parsed in `longhaul_wire::query`; how it becomes SQL is in `longhaul_store`; what it answers is in `rows`.

mod rows;

pub use crate::weight::{Budget, Weigh};
pub use rows::{Answer, Rows};

use crate::id::AccountId;

/// Rows answered when no limit is given.
pub const LIMIT_DEFAULT: u32 = 1000;
/// Most rows one query answers.
pub const LIMIT_MAX: u32 = 10_000;
/// Most bytes of the rows that one query answers, as `Weigh` counts them.
pub const ROWS_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most conditions in one query.
pub const CONDITIONS_MAX: usize = 64;
/// Deepest nesting of conditions in one another.
pub const NESTING_MAX: usize = 64;
/// Longest list after `?=`.
pub const LIST_MAX: usize = 1000;

/// What can be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Jobs.
    Job,
    /// Accounts.
    Account,
    /// Management nodes.
    Node,
    /// Primary storages.
    Storage,
    /// Volumes.
    Volume,
    /// Access keys.
    AccessKey,
    /// System tags.
    SystemTag,
    /// User tags.
    UserTag,
    /// Backup storages.
    BackupStorage,
    /// Images.
    Image,
}

/// How the values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Byte by byte: ids, state, type names.
    Exact,
    /// ASCII case does not matter: texts for people.
    Folded,
    /// Whole numbers; also moments in ms since 1970, and booleans as 0 and 1.
    Number,
    /// A moment: compared as ms since 1970.
    Time,
    /// True or false, stored as 1 and 0.
    Flag,
    /// Condition only: a tag on the resource, compared exactly.
    Tag,
    /// Condition only: of a copy of an image, compared exactly; met where one of the copies meets it.
    Copy,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $kind:ident;)*) => {
        /// A field of some resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $name,)* }
        impl Field {
            /// The field's key in queries and inventories.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
            /// How its values compare.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

fields! {
    /// Id.
    Uuid = "uuid", Exact;
    /// Name.
    Name = "name", Folded;
    /// Description.
    Description = "description", Folded;
    /// A job's API id.
    ApiId = "apiId", Exact;
    /// A job's type.
    JobName = "jobName", Exact;
    /// A job's request.
    JobData = "jobData", Folded;
    /// A job's result.
    JobResult = "jobResult", Folded;
    /// State.
    State = "state", Exact;
    /// A job's target.
    TargetResourceUuid = "targetResourceUuid", Exact;
    /// A job's node.
    ManagementNodeUuid = "managementNodeUuid", Exact;
    /// Made when.
    CreateDate = "createDate", Time;
    /// Changed when.
    LastOpDate = "lastOpDate", Time;
    /// A job's seconds from start to end.
    ExecuteTime = "executeTime", Number;
    /// Type.
    Type = "type", Exact;
    /// Status.
    Status = "status", Exact;
    /// Where a storage is.
    Url = "url", Exact;
    /// Where a storage is mounted.
    MountPath = "mountPath", Exact;
    /// A storage's zone.
    ZoneUuid = "zoneUuid", Exact;
    /// Bytes.
    TotalCapacity = "totalCapacity", Number;
    /// Bytes.
    AvailableCapacity = "availableCapacity", Number;
    /// A volume's storage.
    PrimaryStorageUuid = "primaryStorageUuid", Exact;
    /// A volume's path.
    InstallPath = "installPath", Exact;
    /// A volume's format.
    Format = "format", Exact;
    /// A volume's virtual size in bytes.
    Size = "size", Number;
    /// A volume's occupied bytes.
    ActualSize = "actualSize", Number;
    /// Whether several machines may share a volume; always false here.
    IsShareable = "isShareable", Flag;
    /// A node's host name.
    HostName = "hostName", Folded;
    /// When a node joined.
    JoinDate = "joinDate", Time;
    /// A node's newest heartbeat.
    HeartBeat = "heartBeat", Time;
    /// The account that a resource belongs to.
    AccountUuid = "accountUuid", Exact;
    /// The same: accounts have no users here.
    UserUuid = "userUuid", Exact;
    /// What signed requests name an access key by.
    AccessKeyId = "AccessKeyID", Exact;
    /// What a tag is on.
    ResourceUuid = "resourceUuid", Exact;
    /// The resource type that a tag is on.
    ResourceType = "resourceType", Exact;
    /// A tag's text.
    TagText = "tag", Exact;
    /// Whether a system tag is the server's own; always false here.
    Inherent = "inherent", Flag;
    /// The pattern a user tag was made from; always null here.
    TagPatternUuid = "tagPatternUuid", Exact;
    /// The machine that an image store was added with.
    Hostname = "hostname", Folded;
    /// The user that an image store was added with.
    Username = "username", Exact;
    /// The port that an image store was added with.
    SshPort = "sshPort", Number;
    /// An image's MD5.
    Md5Sum = "md5Sum", Exact;
    /// What an image is for.
    MediaType = "mediaType", Exact;
    /// An image's guest, for people.
    GuestOsType = "guestOsType", Folded;
    /// An image's platform.
    Platform = "platform", Exact;
    /// An image's processor.
    Architecture = "architecture", Exact;
    /// Whether an image is of the system's own.
    System = "system", Flag;
    /// Whether an image's guests have virtio drivers.
    Virtio = "virtio", Flag;
    /// Condition only: a backup storage that has the image.
    CopyPlace = "backupStorageRef.backupStorageUuid", Copy;
    /// Condition only: the path of a copy.
    CopyPath = "backupStorageRef.installPath", Copy;
    /// Condition only: the status of a copy.
    CopyStatus = "backupStorageRef.status", Copy;
    /// Condition only.
    SystemTag = "__systemTag__", Tag;
    /// Condition only.
    UserTag = "__userTag__", Tag;
    /// Condition only: the pattern a tag was made from; nothing has one here.
    TagUuid = "__tagUuid__", Tag;
}

impl Resource {
    /// All resources.
    pub const ALL: [Self; 10] = [
        Self::Job,
        Self::Account,
        Self::Node,
        Self::Storage,
        Self::Volume,
        Self::AccessKey,
        Self::SystemTag,
        Self::UserTag,
        Self::BackupStorage,
        Self::Image,
    ];

    /// The fields that can be asked for, sorted by and selected; the tag fields come on top.
    pub const fn fields(self) -> &'static [Field] {
        use Field::*;
        match self {
            Self::Job => &[
                Uuid,
                Name,
                Description,
                ApiId,
                JobName,
                JobData,
                JobResult,
                State,
                TargetResourceUuid,
                ManagementNodeUuid,
                CreateDate,
                LastOpDate,
                ExecuteTime,
            ],
            Self::Account => &[Uuid, Name, Description, Type, CreateDate, LastOpDate],
            Self::Node => &[Uuid, HostName, JoinDate, HeartBeat],
            Self::Storage => &[
                Uuid,
                Name,
                Description,
                Type,
                Url,
                MountPath,
                ZoneUuid,
                State,
                Status,
                TotalCapacity,
                AvailableCapacity,
                CreateDate,
                LastOpDate,
            ],
            Self::Volume => &[
                Uuid,
                Name,
                Description,
                PrimaryStorageUuid,
                InstallPath,
                Type,
                Format,
                Size,
                ActualSize,
                State,
                Status,
                IsShareable,
                CreateDate,
                LastOpDate,
            ],
            Self::AccessKey => {
                &[Uuid, Description, AccountUuid, UserUuid, AccessKeyId, State, CreateDate, LastOpDate]
            }
            Self::SystemTag => {
                &[Uuid, ResourceUuid, ResourceType, TagText, Type, Inherent, CreateDate, LastOpDate]
            }
            Self::UserTag => {
                &[Uuid, ResourceUuid, ResourceType, TagText, Type, TagPatternUuid, CreateDate, LastOpDate]
            }
            Self::BackupStorage => &[
                Uuid,
                Name,
                Description,
                Type,
                Url,
                State,
                Status,
                TotalCapacity,
                AvailableCapacity,
                Hostname,
                Username,
                SshPort,
                CreateDate,
                LastOpDate,
            ],
            Self::Image => &[
                Uuid,
                Name,
                Description,
                State,
                Status,
                Size,
                ActualSize,
                Md5Sum,
                Url,
                MediaType,
                GuestOsType,
                Type,
                Platform,
                Architecture,
                Format,
                System,
                Virtio,
                CreateDate,
                LastOpDate,
            ],
        }
    }

    /// Fields that conditions alone may name: what is asked of the rows that belong to one.
    pub const fn expanded(self) -> &'static [Field] {
        match self {
            Self::Image => &[Field::CopyPlace, Field::CopyPath, Field::CopyStatus],
            _ => &[],
        }
    }

    /// The resource type that tags name.
    pub const fn tag_type(self) -> &'static str {
        match self {
            Self::Job => "LongJobVO",
            Self::Account => "AccountVO",
            Self::Node => "ManagementNodeVO",
            Self::Storage => "PrimaryStorageVO",
            Self::Volume => "VolumeVO",
            Self::AccessKey => "AccessKeyVO",
            Self::SystemTag => "SystemTagVO",
            Self::UserTag => "UserTagVO",
            Self::BackupStorage => "BackupStorageVO",
            Self::Image => "ImageVO",
        }
    }
}

/// How a field and a value are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal; never matches null.
    Ne,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// One of.
    In,
    /// None of; never matches null.
    NotIn,
    /// SQL LIKE with `%` and `_`, no escape character.
    Like,
    /// Not LIKE; never matches null.
    NotLike,
    /// Has no value.
    IsNull,
    /// Has a value.
    NotNull,
}

/// A value to compare with, already of the field's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// For `Exact`, `Folded`, `Tag`, `Copy`, and any LIKE.
    Text(String),
    /// For `Number`, `Time`, `Flag`.
    Int(i64),
}

/// One condition. `values` has one element, none for the null tests, any number for the lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Which field.
    pub field: Field,
    /// How.
    pub op: Op,
    /// With what.
    pub values: Vec<Value>,
}

/// Conditions combined. An `All` of nothing holds, an `Any` of nothing does not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// This must hold.
    One(Condition),
    /// All must hold.
    All(Vec<Term>),
    /// At least one must hold.
    Any(Vec<Term>),
}

/// Conditions that must all hold, and whose rows are seen at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// All must hold besides: what is no single condition, nested at most `NESTING_MAX` deep.
    pub terms: Vec<Term>,
    /// Only what this account owns; `None` sees everything. Resources without an owner are seen by all.
    pub visible_to: Option<AccountId>,
}

/// The order of the rows; ties are broken by uuid in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By which field.
    pub field: Field,
    /// Largest first.
    pub descending: bool,
}

/// Newest first, where nothing else is asked.
pub const NEWEST_FIRST: Sort = Sort { field: Field::CreateDate, descending: true };

/// Which rows of the ordered result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Skip so many.
    pub start: u64,
    /// Answer at most so many.
    pub limit: u32,
}

/// A whole query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of what.
    pub resource: Resource,
    /// Which.
    pub filter: Filter,
    /// In which order; `None` is newest first (nodes: by join date).
    pub sort: Option<Sort>,
    /// Which part.
    pub page: Page,
    /// Whether the rows are wanted.
    pub want_rows: bool,
    /// Whether the number of all matching rows is wanted.
    pub want_total: bool,
    /// Whether `jobData` and `jobResult` are left out: empty and absent in the rows.
    pub without_bodies: bool,
}
