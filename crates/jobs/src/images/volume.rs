//! `APICreateDataVolumeFromVolumeTemplateMsg`: a new volume on any primary storage, as a copy of an image, read back
//! and compared. A file stays of its format; what comes from or goes to a pool is raw.

use async_trait::async_trait;
use longhaul_engine::handler::{Ended, Held};
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{BackupStorage, Effect, Image, ImageStatus, Volume};
use longhaul_model::{AccountId, Code, Fault, ImageId, JobId, SlotClass, StorageId, VolumeId};
use serde_json::{Map, Value, json};

use super::copies::{disk_of, wait_for};
use crate::carry::{self, CopySettings, Guard, Order, Place};
use crate::copy::run::Snapshots;
use crate::manage::host::only_host;
use crate::manage::volumes::{format_name, lets_work_go_on, takes_volumes};
use crate::manage::{Desk, images};
use crate::migrate::{self, ShowVolume};
use crate::storage::Format;

/// `jobName`.
pub const VOLUME_FROM_IMAGE: &str = "APICreateDataVolumeFromVolumeTemplateMsg";
/// The status of the record of a volume whose bytes are still on their way.
const CREATING: &str = "Creating";

/// The job type.
pub struct VolumeFromImage {
    desk: Desk,
    settings: CopySettings,
    show: ShowVolume,
}

struct Request {
    volume: VolumeId,
    image: ImageId,
    target: StorageId,
    name: String,
    description: Option<String>,
}

impl Request {
    fn read(data: &Value, job: JobId) -> Result<Self, Fault> {
        let text = |field: &str| {
            let text = data.get(field).and_then(Value::as_str).map(str::trim);
            text.filter(|t| !t.is_empty()).map(str::to_owned)
        };
        Ok(Self {
            volume: match text("resourceUuid") {
                Some(_) => migrate::id(data, "resourceUuid", "VolumeVO")?,
                None => VolumeId::from_bits(job.bits()),
            },
            image: migrate::id(data, "imageUuid", "ImageVO")?,
            target: migrate::id(data, "primaryStorageUuid", "PrimaryStorageVO")?,
            name: text("name").ok_or_else(|| {
                Fault::invalid("field[name] of jobData is mandatory, can not be null".to_owned())
            })?,
            description: text("description"),
        })
    }

    fn placeholder(&self, account: AccountId, image: &Image) -> Volume {
        Volume {
            id: self.volume,
            account,
            name: self.name.clone(),
            description: self.description.clone(),
            storage: None,
            install_path: None,
            kind: "Data".to_owned(),
            format: None,
            size: image.size,
            actual_size: None,
            state: "Enabled".to_owned(),
            status: CREATING.to_owned(),
            deleted_ms: None,
            create_ms: 0,
            last_op_ms: 0,
        }
    }
}

impl VolumeFromImage {
    /// With these records and settings.
    pub fn new(desk: Desk, settings: CopySettings, show: ShowVolume) -> Self {
        Self { desk, settings, show }
    }

    /// Refuses an image that no volume can be made of now.
    fn usable(image: &Image) -> Result<(), Fault> {
        let id = image.id;
        if image.media_type != "DataVolumeTemplate" {
            return Err(Fault::invalid(format!(
                "image[uuid:{id}] is not DataVolumeTemplate, it's {}",
                image.media_type
            )));
        }
        if !image.enabled {
            return Err(Fault::failed(format!("image[uuid:{id}] is not Enabled, it's Disabled")));
        }
        if !matches!(image.status, ImageStatus::Ready | ImageStatus::Migrating) {
            return Err(Fault::failed(format!(
                "image[uuid:{id}] is not Ready, it's {}",
                image.status.name()
            )));
        }
        Ok(())
    }

    /// The copy of the image that is read: where it lies, and its path.
    async fn source(&self, image: &Image) -> Result<(BackupStorage, String), Fault> {
        images::readable(&self.desk, image, None).await
    }

    /// Whether the volume's uuid is nobody's.
    async fn is_free(&self, id: VolumeId, account: AccountId) -> Result<Option<Volume>, Fault> {
        match self.desk.inventory.volume(id).await {
            Ok(known) if known.status == CREATING && known.account == account => Ok(Some(known)),
            Ok(_) => Err(Fault::invalid(format!("the uuid[{id}] belongs to another volume; choose another"))),
            Err(fault) if fault.code == Code::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

#[async_trait]
impl JobHandler for VolumeFromImage {
    fn job_type(&self) -> JobType {
        JobType {
            name: VOLUME_FROM_IMAGE,
            description: "Makes a volume of an image for data volumes, as a verified copy.",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: true, // of two with one resourceUuid, the later finds the volume of the earlier
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: false,
            schema: || {
                let text =
                    |about: &str, max: u32| json!({"type": "string", "maxLength": max, "description": about});
                let uuid = |about: &str| json!({"type": "string", "pattern": "^[0-9a-f]{32}$", "description": about});
                json!({
                    "type": "object",
                    "required": ["imageUuid", "name", "primaryStorageUuid"],
                    "properties": {
                        "imageUuid": uuid("An image that is a DataVolumeTemplate."),
                        "primaryStorageUuid": uuid("Where the volume shall be."),
                        "name": text("For people.", 255),
                        "description": text("For people.", 2048),
                        "hostUuid": text("Accepted and ignored: the storage says where it is.", 32),
                        "resourceUuid": uuid("The uuid of the new volume; the job's where absent."),
                    },
                })
            },
        }
    }

    fn copies(&self) -> bool {
        true
    }

    async fn ready(&self, job: JobId, data: &Value) -> Result<(), Fault> {
        let wanted = Request::read(data, job)?;
        lets_work_go_on(&self.desk.inventory.storage(wanted.target, "primaryStorageUuid").await?)
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let wanted = Request::read(&request.data, request.job)?;
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
        Self::usable(&image)?;
        let to = self.desk.inventory.storage(wanted.target, "primaryStorageUuid").await?;
        takes_volumes(&to)?;
        self.desk.inventory.refuse_worked_on(wanted.volume).await?;
        self.is_free(wanted.volume, request.account).await?;
        let (from, _) = self.source(&image).await?;
        let host = only_host([from.host, to.host])?;
        self.desk.room(&to, image.actual_size).await.map_err(|(_, fault)| fault)?;
        let plan = Map::from_iter([
            ("bytes".to_owned(), json!(image.actual_size)),
            ("guestBytes".to_owned(), json!(image.size)),
            ("blockers".to_owned(), json!([])),
        ]);
        Ok(Checked { target: Some(wanted.volume.to_string()), host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data(), context.job().id)?;
        let to = self.desk.inventory.storage(request.target, "primaryStorageUuid").await?;
        lets_work_go_on(&to)?;
        let image = self.desk.inventory.image(request.image, "imageUuid").await?;
        Self::usable(&image)?;
        let (from, path) = self.source(&image).await?;
        wait_for(context, &self.desk, &from, &path).await?;
        let source = disk_of(&from, &path, &image.format);
        let held = Guard::new(&source).await?;
        let account = context.job().account;
        let volume = match self.is_free(request.volume, account).await? {
            Some(known) => known,
            None => self.desk.inventory.create_volume(request.placeholder(account, &image)).await?,
        };
        let format = if to.pool.is_some() { Format::Raw } else { source.format() };
        let directory = volume.id.to_string();
        let order = Order {
            source,
            from: Some(Place::Backup(from)),
            target: to.clone().into(),
            format,
            directory,
            snapshots: Snapshots::Drop,
        };
        let mut carried = carry::carry(context, &self.settings, &order).await?;
        let held = held.unchanged(context, &order.source, carried.held.take()).await?;
        let now = self.desk.inventory.volume(volume.id).await?;
        if now.status != CREATING {
            return Err(Fault::failed(format!(
                "volume[uuid:{}] became {} while its bytes were copied; rerun the job",
                now.id, now.status
            ))
            .into());
        }
        let install_path = carried.path.to_string_lossy().into_owned();
        let made = Volume {
            storage: Some(to.id),
            install_path: Some(install_path.clone()),
            format: Some(format_name(format).to_owned()),
            size: carried.result.bytes,
            actual_size: Some(carried.actual_bytes),
            status: "Ready".to_owned(),
            ..volume
        };
        let mut effects = vec![Effect::MoveVolume {
            volume: made.id,
            storage: to.id,
            install_path: install_path.clone(),
            format: format_name(format).to_owned(),
            actual_size: carried.actual_bytes,
        }];
        effects.extend(carried.intents.iter().map(|id| Effect::LedgerDone(*id)));
        let told = json!({
            "imageUuid": image.id.to_string(),
            "newInstallPath": install_path,
            "blake3": carried.result.blake3,
            "bytes": carried.result.bytes,
        });
        Ok(Success {
            inventory: Some((self.show)(&made)),
            extra: Map::from_iter([("volume".to_owned(), told)]),
            effects,
            held: Held::new(held),
        })
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let receipt = carry::undo(context, &self.settings).await?;
        let request = Request::read(context.data(), context.job().id)?;
        if let Some(volume) = self.is_free(request.volume, context.job().account).await.ok().flatten()
            && volume.install_path.is_none()
        {
            self.desk.inventory.delete_volume(volume.id, Some(context.job().id)).await?;
        }
        Ok(receipt)
    }
}
