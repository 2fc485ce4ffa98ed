//! `APIBackupStorageMigrateImageMsg`: a copy of an image moves to another backup storage. In the transaction that ends
//! the job the record points at the new copy, and the old one is trash of its backup storage.

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{BackupStorage, Effect, Image, ImageStatus, StorageState, Trash};
use longhaul_model::{BackupStorageId, Code, Fault, ImageId, JobId, SlotClass, StorageId};
use serde_json::{Map, Value, json};

use super::add::AddSettings;
use super::copies::{self, Progress};
use super::intake;
use crate::carry;
use crate::manage::host::only_host;
use crate::manage::{Desk, backup_storages};
use crate::migrate;

/// `jobName`.
pub const MIGRATE_IMAGE: &str = "APIBackupStorageMigrateImageMsg";
/// What the trash was.
pub const TRASH_TYPE: &str = "MigrateImage";

/// The job type.
pub struct MigrateImage {
    desk: Desk,
    settings: AddSettings,
}

struct Request {
    image: ImageId,
    from: BackupStorageId,
    to: BackupStorageId,
}

impl Request {
    fn read(data: &Value) -> Result<Self, Fault> {
        let request = Self {
            image: migrate::id(data, "imageUuid", "ImageVO")?,
            from: migrate::id(data, "srcBackupStorageUuid", "BackupStorageVO")?,
            to: migrate::id(data, "dstBackupStorageUuid", "BackupStorageVO")?,
        };
        if request.from == request.to {
            return Err(Fault::invalid(format!(
                "image[uuid:{}] is on backup storage[uuid:{}] already; choose another",
                request.image, request.to
            )));
        }
        Ok(request)
    }
}

impl MigrateImage {
    /// With these records and settings.
    pub fn new(desk: Desk, settings: AddSettings) -> Self {
        Self { desk, settings }
    }

    /// Both backup storages, as they are now.
    async fn places(&self, request: &Request) -> Result<(BackupStorage, BackupStorage), Fault> {
        let inventory = &self.desk.inventory;
        inventory.backup_storage(request.from, "srcBackupStorageUuid").await?;
        inventory.backup_storage(request.to, "dstBackupStorageUuid").await?;
        let from = backup_storages::refreshed(&self.desk, request.from).await?;
        let to = backup_storages::refreshed(&self.desk, request.to).await?;
        for place in [&from, &to] {
            if place.status != "Connected" {
                return Err(Fault::new(
                    Code::StorageAway,
                    format!(
                        "backup storage cannot proceed message[{MIGRATE_IMAGE}] because its status is {}; \
                         backup storage[uuid:{}] must be Connected",
                        place.status, place.id
                    ),
                ));
            }
        }
        if to.state != StorageState::Enabled {
            return Err(Fault::failed(format!(
                "backup storage cannot proceed message[{MIGRATE_IMAGE}] because its state is {}; enable backup \
                 storage[uuid:{}]",
                to.state.name(),
                to.id
            )));
        }
        Ok((from, to))
    }
}

/// The image may move: it is complete where it comes from, and not yet where it goes.
fn may_move(image: &Image, request: &Request) -> Result<String, Fault> {
    let Some(copy) = image.on(request.from) else {
        return Err(Fault::invalid(format!(
            "the image[uuid:{}, name:{}] is not on the backup storage[uuid:{}]",
            image.id, image.name, request.from
        )));
    };
    if copy.status != ImageStatus::Ready {
        return Err(Fault::failed(format!(
            "image[uuid:{}] is not Ready on the backup storage[uuid:{}], it's {}",
            image.id,
            request.from,
            copy.status.name()
        )));
    }
    if image.on(request.to).is_some() {
        return Err(Fault::invalid(format!(
            "the image[uuid:{}, name:{}] is on the backup storage[uuid:{}] already",
            image.id, image.name, request.to
        )));
    }
    Ok(copy.install_path.clone())
}

#[async_trait]
impl JobHandler for MigrateImage {
    fn job_type(&self) -> JobType {
        JobType {
            name: MIGRATE_IMAGE,
            description: "Moves an image to another backup storage, verified; the old copy goes to its trash.",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: true,
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: false,
            schema: || {
                let uuid = |about: &str| json!({"type": "string", "pattern": "^[0-9a-f]{32}$", "description": about});
                json!({
                    "type": "object",
                    "required": ["imageUuid", "srcBackupStorageUuid", "dstBackupStorageUuid"],
                    "properties": {
                        "imageUuid": uuid("The image."),
                        "srcBackupStorageUuid": uuid("Which of its copies moves."),
                        "dstBackupStorageUuid": uuid("Where to."),
                    },
                })
            },
        }
    }

    fn copies(&self) -> bool {
        true
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let wanted = Request::read(&request.data)?;
        let image = self.desk.inventory.image(wanted.image, "imageUuid").await?;
        if !request.admin && image.account != request.account {
            return Err(Fault::new(
                Code::PermissionDenied,
                format!(
                    "operation denied. The resource[uuid: {}] doesn't belong to the account[uuid: {}]",
                    image.id, request.account
                ),
            ));
        }
        may_move(&image, &wanted)?;
        let (from, to) = self.places(&wanted).await?;
        let host = only_host([from.host, to.host])?;
        if to.available_bytes < image.actual_size {
            return Err(Fault::failed(format!(
                "the backup storage[uuid:{}, name:{}] has not enough capacity to download the image[uuid:{}, size:{}]; \
                 {} bytes are free",
                to.id, to.name, image.id, image.actual_size, to.available_bytes
            )));
        }
        let plan = Map::from_iter([
            ("bytes".to_owned(), json!(image.actual_size)),
            ("freeBytes".to_owned(), json!(to.available_bytes)),
            ("blockers".to_owned(), json!([])),
        ]);
        Ok(Checked { target: Some(image.id.to_string()), host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data())?;
        let image = self.desk.inventory.image(request.image, "imageUuid").await?;
        let path = may_move(&image, &request)?;
        let (from, to) = self.places(&request).await?;
        let mut progress = Progress::of(context);
        progress.facts.get_or_insert_with(|| image.facts());
        copies::wait_for(context, &self.desk, &from, &path).await?;
        let places = [to.clone()];
        copies::to_others(
            context,
            &self.settings.copy,
            image.id,
            (&from, &path, false),
            &places,
            &mut progress,
        )
        .await?;
        let copied = progress.copies.first().ok_or_else(|| Fault::internal("an image that moved nowhere"))?;
        // Right before the switch-over: nobody has deleted or moved it meanwhile.
        let mut shown = self.desk.inventory.image(request.image, "imageUuid").await?;
        if may_move(&shown, &request)? != path {
            return Err(
                Fault::failed(format!("image[uuid:{}] was changed while it was copied", image.id)).into()
            );
        }
        let only = shown.refs.len() == 1;
        let format = match (only, to.pool.is_some(), image.format.as_str()) {
            (true, true, "qcow2") => "raw", // a pool has what a guest sees
            (_, _, format) => format,
        }
        .to_owned();
        shown.move_copy(request.from, request.to, &copied.path, &format, context.runtime().now_ms());
        let mut effects = vec![
            Effect::MoveImage {
                image: image.id,
                from: request.from,
                to: request.to,
                install_path: copied.path.clone(),
                format,
            },
            Effect::AddTrash(Trash {
                id: 0,
                storage: StorageId::from_bits(request.from.bits()),
                resource_uuid: image.id.to_string(),
                resource_type: "ImageVO".to_owned(),
                install_path: path.clone(),
                size: image.actual_size,
                kind: TRASH_TYPE.to_owned(),
                create_ms: 0,
            }),
        ];
        effects.extend(copied.intents.iter().map(|id| Effect::LedgerDone(*id)));
        let told = json!({"oldInstallPath": path, "newInstallPath": copied.path, "bytes": image.actual_size});
        Ok(Success {
            inventory: Some((self.settings.show)(&shown)),
            extra: Map::from_iter([("migration".to_owned(), told)]),
            effects,
            ..Success::default()
        })
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let removed = intake::remove_all(context, &self.settings.staging).await?;
        let mut receipt = carry::undo(context, &self.settings.copy).await?;
        if let Some(Value::Array(more)) = receipt.get_mut("removed") {
            more.extend(removed.into_iter().map(Value::from));
        }
        Ok(receipt)
    }

    async fn ready(&self, _job: JobId, data: &Value) -> Result<(), Fault> {
        self.places(&Request::read(data)?).await.map(|_| ())
    }
}
