//! What an operation answers, as records; rendered to the wire's text here, now or when it is polled.

use longhaul_engine::fault::from_store;
use longhaul_model::resource::{
    AccessKey, Account, ApiOutcome, BackupStorage, Image, Session, Storage, Tag, Volume,
};
use longhaul_model::{Fault, Job};
use longhaul_store::Store;
use longhaul_wire::TimeFormat;
use longhaul_wire::inventory::{
    self, AccessKeyInventory, AccountInventory, BackupStorageInventory, ImageInventory, LongJobInventory,
    PrimaryStorageInventory, SessionInventory, SystemTagInventory, UserTagInventory, VolumeInventory,
};

use crate::auth::Vault;

/// The answer of an operation.
#[derive(Debug, Clone)]
pub enum Answer {
    /// `{}`.
    Empty,
    /// A job.
    Job(Box<Job>),
    /// A volume.
    Volume(Box<Volume>),
    /// A storage.
    Storage(Box<Storage>),
    /// A backup storage.
    BackupStorage(Box<BackupStorage>),
    /// An image.
    Image(Box<Image>),
    /// An account.
    Account(Box<Account>),
    /// A system tag or a user tag.
    Tag(Box<Tag>),
    /// A session, its secret included.
    Session(Session),
    /// An access key, with its secret for who makes it.
    AccessKey {
        /// The key.
        key: Box<AccessKey>,
        /// What signs.
        secret: Option<String>,
    },
    /// Rendered already.
    Json(String),
    /// An inventory that is in no record, as JSON, and its class for the schema map.
    Inventory {
        /// As `schema` names it.
        class: String,
        /// The object.
        inventory: String,
    },
}

impl Answer {
    /// The body.
    pub fn render(&self, format: &TimeFormat, wants_schema: bool) -> String {
        match self {
            Self::Empty => inventory::empty(),
            Self::Job(job) => inventory::one(&LongJobInventory::of(job, format), wants_schema),
            Self::Volume(volume) => inventory::one(&VolumeInventory::of(volume, format), wants_schema),
            Self::Storage(storage) => {
                inventory::one(&PrimaryStorageInventory::of(storage, format), wants_schema)
            }
            Self::BackupStorage(storage) => {
                inventory::one(&BackupStorageInventory::of(storage, format), wants_schema)
            }
            Self::Image(image) => inventory::one(&ImageInventory::of(image, format), wants_schema),
            Self::Account(account) => inventory::one(&AccountInventory::of(account, format), wants_schema),
            Self::Tag(tag) if tag.system => {
                inventory::one(&SystemTagInventory::of(tag, format), wants_schema)
            }
            Self::Tag(tag) => inventory::one(&UserTagInventory::of(tag, format), wants_schema),
            Self::Session(session) => inventory::one(&SessionInventory::of(session, format), wants_schema),
            Self::AccessKey { key, secret } => {
                let inventory = AccessKeyInventory::of(key, format);
                let inventory = match secret {
                    Some(secret) => inventory.with_secret(secret),
                    None => inventory,
                };
                inventory::one(&inventory, wants_schema)
            }
            Self::Json(body) => body.clone(),
            Self::Inventory { class, inventory } => inventory::one_of_class(inventory, class, wants_schema),
        }
    }

    /// The body, without a copy of one that is rendered already.
    pub fn into_body(self, format: &TimeFormat, wants_schema: bool) -> String {
        match self {
            Self::Json(body) => body,
            other => other.render(format, wants_schema),
        }
    }

    /// What is kept of it for the poll: references, not copies, but for what is in no record; encrypted where
    /// it has a secret in it.
    pub fn outcome(&self, format: &TimeFormat, vault: &Vault) -> ApiOutcome {
        match self {
            Self::Empty => ApiOutcome::Empty,
            Self::Job(job) => ApiOutcome::Job(job.id),
            Self::Volume(volume) => ApiOutcome::Volume(volume.id),
            Self::Storage(storage) => ApiOutcome::Storage(storage.id),
            Self::BackupStorage(storage) => ApiOutcome::BackupStorage(storage.id),
            Self::Image(image) => ApiOutcome::Image(image.id),
            Self::Account(account) => ApiOutcome::Account(account.id),
            Self::Session(_) | Self::AccessKey { .. } => vault
                .seal_answer(&self.render(format, false))
                .map_or_else(ApiOutcome::Fault, ApiOutcome::Sealed),
            Self::Tag(tag) => ApiOutcome::Tag(tag.id),
            Self::Json(_) => ApiOutcome::Json(self.render(format, false)),
            Self::Inventory { class, inventory } => {
                ApiOutcome::Inventory { class: class.clone(), inventory: inventory.clone() }
            }
        }
    }

    /// The answer that was kept; what has been deleted since is answered by its uuid alone.
    ///
    /// # Errors
    /// The fault that was kept, or the store does not answer.
    pub async fn kept(outcome: &ApiOutcome, store: &dyn Store, vault: &Vault) -> Result<Self, Fault> {
        let asked = |e| from_store(e, "the answer");
        let gone =
            |id: &dyn std::fmt::Display| Self::Json(format!("{{\"inventory\":{{\"uuid\":\"{id}\"}}}}"));
        Ok(match outcome {
            ApiOutcome::Empty => Self::Empty,
            ApiOutcome::Job(id) => {
                store.job(*id).await.map_err(asked)?.map_or_else(|| gone(id), |j| Self::Job(Box::new(j)))
            }
            ApiOutcome::Volume(id) => store
                .volume(*id)
                .await
                .map_err(asked)?
                .map_or_else(|| gone(id), |v| Self::Volume(Box::new(v))),
            ApiOutcome::Storage(id) => store
                .storage(*id)
                .await
                .map_err(asked)?
                .map_or_else(|| gone(id), |s| Self::Storage(Box::new(s))),
            ApiOutcome::BackupStorage(id) => store
                .backup_storage(*id)
                .await
                .map_err(asked)?
                .map_or_else(|| gone(id), |s| Self::BackupStorage(Box::new(s))),
            ApiOutcome::Image(id) => {
                store.image(*id).await.map_err(asked)?.map_or_else(|| gone(id), |i| Self::Image(Box::new(i)))
            }
            ApiOutcome::Account(id) => store
                .account(*id)
                .await
                .map_err(asked)?
                .map_or_else(|| gone(id), |a| Self::Account(Box::new(a))),
            ApiOutcome::Tag(id) => {
                store.tag(*id).await.map_err(asked)?.map_or_else(|| gone(id), |t| Self::Tag(Box::new(t)))
            }
            ApiOutcome::Json(body) => Self::Json(body.clone()),
            ApiOutcome::Sealed(sealed) => Self::Json(vault.open_answer(sealed)?),
            ApiOutcome::Inventory { class, inventory } => {
                Self::Inventory { class: class.clone(), inventory: inventory.clone() }
            }
            ApiOutcome::Fault(fault) => return Err(fault.clone()),
        })
    }
}
