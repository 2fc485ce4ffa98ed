//! Storages, volumes and trash as job types and routes see them: the store's records, its errors turned
//! into faults that name the resource.

use std::sync::Arc;

use longhaul_model::query::{Condition, Field, Filter, LIMIT_MAX, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::resource::{Intent, Storage, Trash, Volume};
use longhaul_model::{Code, Fault, HostId, JobId, JobState, Runtime, StorageId, VolumeId};
use longhaul_store::{Store, StoreError};

pub use longhaul_store::images::BackupStorageUpdate;
pub use longhaul_store::traits::StorageUpdate;

use crate::fault::from_store;

mod contents;
mod hosts;
mod images;

/// The records of storages, volumes and trash.
#[derive(Clone)]
pub struct Inventory {
    pub(crate) store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    /// Where we are; `None`: every directory can be reached.
    here: Option<HostId>,
}

fn volume_text(id: VolumeId) -> String {
    format!("volume[uuid:{id}]")
}

fn storage_text(id: StorageId) -> String {
    format!("primary storage[uuid:{id}]")
}

fn in_use(id: VolumeId, by: &str) -> Fault {
    Fault::failed(format!("volume[uuid:{id}] is still in use by {by}; cancel it or wait for its end"))
}

pub(crate) fn equals(field: Field, text: String) -> Condition {
    Condition { field, op: Op::Eq, values: vec![Value::Text(text)] }
}

/// Rows of one page: of volumes, less than an answer holds whatever their texts are.
const PAGE: u32 = 1000;

/// The first page of all rows that meet the conditions, whoever owns them.
pub(crate) fn all(resource: Resource, conditions: Vec<Condition>) -> Query {
    Query {
        resource,
        filter: Filter { conditions, ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: PAGE },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    }
}

impl Inventory {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>, runtime: Arc<dyn Runtime>) -> Self {
        Self { store, runtime, here: None }
    }

    /// The same, as seen from this host: directories of others are told to be elsewhere.
    pub fn at(self, host: HostId) -> Self {
        Self { here: Some(host), ..self }
    }

    /// Time and chance.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// The volume of that id.
    ///
    /// # Errors
    /// `NotFound` with the contract's text.
    pub async fn volume(&self, id: VolumeId) -> Result<Volume, Fault> {
        let found = self.store.volume(id).await.map_err(|e| from_store(e, &volume_text(id)))?;
        found.ok_or_else(|| not_found("volumeUuid", &id.to_string(), "VolumeVO"))
    }

    /// The storage of that id.
    ///
    /// # Errors
    /// `NotFound` with the contract's text, naming `field`.
    pub async fn storage(&self, id: StorageId, field: &str) -> Result<Storage, Fault> {
        let found = self.store.storage(id).await.map_err(|e| from_store(e, &storage_text(id)))?;
        let found = found.ok_or_else(|| not_found(field, &id.to_string(), "PrimaryStorageVO"))?;
        self.seen_storage(found).await
    }

    /// Stores a new storage.
    ///
    /// # Errors
    /// The uuid or the directory is used already.
    pub async fn create_storage(&self, storage: Storage) -> Result<Storage, Fault> {
        let (id, url) = (storage.id, storage.url.clone());
        match self.store.create_storage(storage).await {
            Err(StoreError::Taken) => Err(match self.store.storage(id).await {
                Ok(Some(_)) => Fault::invalid(format!(
                    "the uuid[{id}] already belongs to a primary storage; choose another"
                )),
                _ => Fault::invalid(format!(
                    "the url[{url}] already belongs to a primary storage; choose another, or use that one"
                )),
            }),
            other => other.map_err(|error| from_store(error, &storage_text(id))),
        }
    }

    /// Changes a storage's record.
    ///
    /// # Errors
    /// There is no such storage.
    pub async fn update_storage(&self, id: StorageId, update: StorageUpdate) -> Result<Storage, Fault> {
        let updated = self.store.update_storage(id, update).await.map_err(|error| match error {
            StoreError::NotFound => not_found("uuid", &id.to_string(), "PrimaryStorageVO"),
            other => from_store(other, &storage_text(id)),
        })?;
        self.seen_storage(updated).await
    }

    /// Removes a storage's record; no file is touched.
    ///
    /// # Errors
    /// Something lies on it.
    pub async fn delete_storage(&self, id: StorageId) -> Result<(), Fault> {
        match self.store.delete_storage(id).await {
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(StoreError::InUse(by)) => Err(Fault::failed(format!(
                "primary storage[uuid:{id}] still holds {by}; move, forget or expunge them first"
            ))),
            Err(other) => Err(from_store(other, &storage_text(id))),
        }
    }

    /// Stores a new volume.
    ///
    /// # Errors
    /// The uuid or the path is used already, or the primary storage is gone.
    pub async fn create_volume(&self, volume: Volume) -> Result<Volume, Fault> {
        let (id, path) = (volume.id, volume.install_path.clone().unwrap_or_default());
        match self.store.create_volume(volume).await {
            Err(StoreError::Taken) => Err(match self.store.volume(id).await {
                Ok(Some(_)) => {
                    Fault::invalid(format!("the uuid[{id}] already belongs to a volume; choose another"))
                }
                _ => Fault::invalid(format!(
                    "the path[{path}] already belongs to a volume; choose another, or use that volume"
                )),
            }),
            Err(StoreError::NotFound) => {
                Err(Fault::failed("the primary storage was deleted meanwhile; choose another".to_owned()))
            }
            other => other.map_err(|error| from_store(error, &volume_text(id))),
        }
    }

    /// Reads a volume, lets `change` change it, writes it if nobody was faster; else again, 8 times.
    ///
    /// # Errors
    /// There is no such volume, `change` refuses, or it kept changing.
    pub async fn change_volume(
        &self,
        id: VolumeId,
        change: impl Fn(&mut Volume) -> Result<(), Fault> + Send + Sync,
    ) -> Result<Volume, Fault> {
        for _ in 0..8 {
            let mut volume = self.volume(id).await?;
            let seen = volume.last_op_ms;
            change(&mut volume)?;
            match self.store.update_volume(volume, seen).await {
                Err(StoreError::Stale) => {}
                other => return other.map_err(|e| from_store(e, &volume_text(id))),
            }
        }
        Err(from_store(StoreError::Stale, &volume_text(id)))
    }

    /// Removes a volume's record, on behalf of the job `by` if there is one; no file is touched. An unknown
    /// one is no error.
    ///
    /// # Errors
    /// Another job works on it.
    pub async fn delete_volume(&self, id: VolumeId, by: Option<JobId>) -> Result<(), Fault> {
        match self.store.delete_volume(id, by).await {
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(StoreError::InUse(by)) => Err(in_use(id, &by)),
            Err(other) => Err(from_store(other, &volume_text(id))),
        }
    }

    /// All storages.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn storages(&self) -> Result<Vec<Storage>, Fault> {
        let query = Query { page: Page { start: 0, limit: LIMIT_MAX }, ..all(Resource::Storage, Vec::new()) };
        let found = self.store.query(&query).await;
        match found.map_err(|e| from_store(e, "the primary storages"))?.rows {
            Rows::Storages(storages) => self.seen_storages(storages).await,
            _ => Err(Fault::internal("asked for storages")),
        }
    }

    /// Refuses when a job that is not final has the volume as its target.
    ///
    /// # Errors
    /// There is one, it is named; the store does not answer.
    pub async fn refuse_worked_on(&self, id: VolumeId) -> Result<(), Fault> {
        let open = [JobState::Waiting, JobState::Running, JobState::Suspended, JobState::Canceling];
        let states = open.map(|state| Value::Text(state.name().to_owned())).to_vec();
        let is_open = Condition { field: Field::State, op: Op::In, values: states };
        let all = all(Resource::Job, vec![equals(Field::TargetResourceUuid, id.to_string()), is_open]);
        let query = Query { page: Page { start: 0, limit: 1 }, without_bodies: true, ..all };
        let found = self.store.query(&query).await.map_err(|e| from_store(e, &volume_text(id)))?;
        match found.rows {
            Rows::Jobs(jobs) if jobs.is_empty() => Ok(()),
            Rows::Jobs(jobs) => Err(in_use(id, &format!("job[uuid:{}]", jobs[0].id))),
            _ => Err(Fault::internal("asked for jobs")),
        }
    }

    /// The trash of a storage, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn trash(&self, storage: StorageId) -> Result<Vec<Trash>, Fault> {
        self.store.trash(storage).await.map_err(|e| from_store(e, &storage_text(storage)))
    }

    /// Enters trash.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn add_trash(&self, trash: Trash) -> Result<Trash, Fault> {
        let what = storage_text(trash.storage);
        self.store.add_trash(trash).await.map_err(|e| from_store(e, &what))
    }

    /// Removes a trash record whose bytes are gone.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn remove_trash(&self, id: u64) -> Result<(), Fault> {
        self.store.remove_trash(id).await.map_err(|e| from_store(e, &format!("trash[id:{id}]")))
    }

    /// The volumes whose bytes are on a storage, deleted ones included.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn volumes_on(&self, storage: StorageId) -> Result<Vec<Volume>, Fault> {
        let mut query = all(Resource::Volume, vec![equals(Field::PrimaryStorageUuid, storage.to_string())]);
        let mut volumes = Vec::new();
        loop {
            let answer = self.store.query(&query).await.map_err(|e| from_store(e, &storage_text(storage)))?;
            let Rows::Volumes(page) = answer.rows else { return Ok(volumes) };
            let full = page.len() == PAGE as usize;
            volumes.extend(page);
            if !full {
                return Ok(volumes);
            }
            query.page.start += u64::from(PAGE);
        }
    }

    /// Paths on a storage that a record points at.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn known_paths(&self, storage: StorageId) -> Result<Vec<String>, Fault> {
        self.store.known_paths(storage).await.map_err(|e| from_store(e, &storage_text(storage)))
    }

    /// All open intents.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn all_intents(&self) -> Result<Vec<Intent>, Fault> {
        self.store.all_intents().await.map_err(|e| from_store(e, "the intent ledger"))
    }

    /// Settles an intent.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn settle(&self, id: u64) -> Result<(), Fault> {
        self.store.settle(id).await.map_err(|e| from_store(e, "the intent ledger"))
    }
}

/// `SYS.1003` with the contract's text.
pub fn not_found(field: &str, uuid: &str, resource_type: &str) -> Fault {
    Fault::new(
        Code::NotFound,
        format!("invalid field[{field}], resource[uuid:{uuid}, type:{resource_type}] not found"),
    )
}
