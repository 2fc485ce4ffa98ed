//! What a query answers: rows of one resource, and how many there are. What it asks is in `super`.

use super::{Resource, Weigh};
use crate::job::Job;
use crate::resource::{AccessKey, Account, BackupStorage, Image, Node, Storage, Tag, Volume};

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The rows of the page; empty if not wanted.
    pub rows: Rows,
    /// How many match in all, if wanted.
    pub total: Option<u64>,
}

/// Rows of one resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Jobs.
    Jobs(Vec<Job>),
    /// Accounts.
    Accounts(Vec<Account>),
    /// Nodes.
    Nodes(Vec<Node>),
    /// Storages.
    Storages(Vec<Storage>),
    /// Volumes.
    Volumes(Vec<Volume>),
    /// Access keys.
    AccessKeys(Vec<AccessKey>),
    /// System tags.
    SystemTags(Vec<Tag>),
    /// User tags.
    UserTags(Vec<Tag>),
    /// Backup storages.
    BackupStorages(Vec<BackupStorage>),
    /// Images.
    Images(Vec<Image>),
}

impl Rows {
    /// No rows of that resource.
    pub const fn none_of(resource: Resource) -> Self {
        match resource {
            Resource::Job => Self::Jobs(Vec::new()),
            Resource::Account => Self::Accounts(Vec::new()),
            Resource::Node => Self::Nodes(Vec::new()),
            Resource::Storage => Self::Storages(Vec::new()),
            Resource::Volume => Self::Volumes(Vec::new()),
            Resource::AccessKey => Self::AccessKeys(Vec::new()),
            Resource::SystemTag => Self::SystemTags(Vec::new()),
            Resource::UserTag => Self::UserTags(Vec::new()),
            Resource::BackupStorage => Self::BackupStorages(Vec::new()),
            Resource::Image => Self::Images(Vec::new()),
        }
    }

    /// Bytes of all rows.
    pub fn weight(&self) -> u64 {
        fn sum(rows: &[impl Weigh]) -> u64 {
            rows.iter().map(Weigh::weight).sum()
        }
        match self {
            Self::Jobs(rows) => sum(rows),
            Self::Accounts(rows) => sum(rows),
            Self::Nodes(rows) => sum(rows),
            Self::Storages(rows) => sum(rows),
            Self::Volumes(rows) => sum(rows),
            Self::AccessKeys(rows) => sum(rows),
            Self::SystemTags(rows) | Self::UserTags(rows) => sum(rows),
            Self::BackupStorages(rows) => sum(rows),
            Self::Images(rows) => sum(rows),
        }
    }
}
