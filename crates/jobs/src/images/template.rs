//! `APICreateRootVolumeTemplateFromRootVolumeMsg` and `APICreateDataVolumeTemplateFromVolumeMsg`: a volume's disk
//! becomes an image, by the copier, read back and compared. The volume stays as it is; nobody may write to it
//! meanwhile.

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{BackupStorage, Image, ImageFacts, ImageStatus, Storage, Volume};
use longhaul_model::{Code, Fault, JobId, SlotClass, VolumeId};
use serde_json::{Map, Value, json};

use super::add::AddSettings;
use super::copies::{self, Progress, digests, facts_on_pool};
use super::record;
use super::request::{PLACES_MAX, Request};
use crate::carry::{self, Place};
use crate::copy::checkpoint::ChunkMap;
use crate::copy::run::DiskRef;
use crate::manage::host::only_host;
use crate::manage::volumes::{format_name, format_of, lets_work_go_on};
use crate::manage::{Desk, backup_storages};
use crate::migrate;

/// `jobName` of the job that makes a template for root volumes.
pub const ROOT_TEMPLATE: &str = "APICreateRootVolumeTemplateFromRootVolumeMsg";
/// `jobName` of the job that makes a template for data volumes.
pub const DATA_TEMPLATE: &str = "APICreateDataVolumeTemplateFromVolumeMsg";

/// What the image shall be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Root volumes.
    Root,
    /// Data volumes.
    Data,
}

impl For {
    /// The field of `jobData` that names the volume.
    pub fn field(self) -> &'static str {
        match self {
            Self::Root => "rootVolumeUuid",
            Self::Data => "volumeUuid",
        }
    }

    /// `jobName`.
    pub fn job_name(self) -> &'static str {
        match self {
            Self::Root => ROOT_TEMPLATE,
            Self::Data => DATA_TEMPLATE,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Root => "RootVolumeTemplate",
            Self::Data => "DataVolumeTemplate",
        }
    }
}

/// The job type.
pub struct CreateTemplate {
    desk: Desk,
    settings: AddSettings,
    kind: For,
}

struct Wanted {
    volume: VolumeId,
    request: Request,
}

impl CreateTemplate {
    /// With these records and settings.
    pub fn new(desk: Desk, settings: AddSettings, kind: For) -> Self {
        Self { desk, settings, kind }
    }

    fn read(&self, data: &Value, job: JobId) -> Result<Wanted, Fault> {
        let volume: VolumeId = migrate::id(data, self.kind.field(), "VolumeVO")?;
        let request = Request::of_volume(data, job, format!("volume://{volume}"), self.kind.media_type())?;
        (self.settings.tags)(&request.system_tags)?;
        Ok(Wanted { volume, request })
    }

    /// The volume, if an image can be made of it now, and where it is.
    async fn source(&self, id: VolumeId) -> Result<(Volume, Storage), Fault> {
        let volume = self.desk.inventory.volume(id).await?;
        if volume.status != "Ready" {
            return Err(Fault::failed(format!("volume[uuid:{id}] is not Ready, it's {}", volume.status)));
        }
        if volume.state != "Enabled" {
            return Err(Fault::failed(format!("volume[uuid:{id}] is not Enabled, it's {}", volume.state)));
        }
        let Some(storage) = volume.storage else {
            return Err(Fault::failed(format!(
                "volume[uuid:{id}] has no bytes yet; there is nothing to copy"
            )));
        };
        let storage = self.desk.inventory.storage(storage, "primaryStorageUuid").await?;
        Ok((volume, storage))
    }

    /// The wanted backup storages that take the image now; where none are named, the one with most room.
    async fn places(&self, wanted: &Wanted, bytes: u64) -> Result<Vec<BackupStorage>, Fault> {
        let mut usable = backup_storages::candidates(&self.desk, self.settings.host, bytes).await?;
        if wanted.request.places.is_empty() {
            usable.truncate(1);
        } else {
            for id in &wanted.request.places {
                self.desk.inventory.backup_storage(*id, "backupStorageUuids").await?;
            }
            usable.retain(|place| wanted.request.places.contains(&place.id));
        }
        if usable.is_empty() {
            return Err(Fault::failed(format!(
                "no backup storage is available for an image of {bytes} bytes; one must be Connected and Enabled and \
                 have so much room"
            )));
        }
        Ok(usable)
    }

    async fn placeholder(
        &self,
        context: &JobContext,
        wanted: &Wanted,
        volume: &Volume,
    ) -> Result<Image, Fault> {
        let places = self.places(wanted, volume.actual_size.unwrap_or(0)).await?;
        let ids: Vec<_> = places.iter().map(|place| place.id).collect();
        let mut image = wanted.request.image(context.job().account, &ids);
        image.status = ImageStatus::Creating;
        image.format = volume.format.clone().unwrap_or_else(|| "raw".to_owned());
        for copy in &mut image.refs {
            copy.status = ImageStatus::Creating;
        }
        record::begin(context, &self.settings.tags, &wanted.request, image).await
    }

    /// Copies the volume to the first backup storage and notes what it is there.
    async fn first(
        &self,
        context: &JobContext,
        wanted: &Wanted,
        place: &BackupStorage,
        progress: &mut Progress,
    ) -> Result<(), Ended> {
        let (volume, storage) = self.source(wanted.volume).await?;
        lets_work_go_on(&storage)?;
        let path = volume.install_path.clone().unwrap_or_default();
        let format = format_of(volume.format.as_deref());
        let source = DiskRef::recorded(storage.directory(), storage.pool.as_ref(), &path, format);
        let on = Place::Primary(storage.clone());
        let (copied, carried) =
            copies::carry(context, &self.settings.copy, source, Some(on), place, wanted.request.image)
                .await?;
        let format = format_name(copies::format_on(place, format_name(format)));
        progress.facts = Some(match place.directory() {
            None => facts_on_pool(&carried, format),
            Some(root) => {
                let relative = carried.path.strip_prefix(root).unwrap_or(&carried.path);
                let (bytes, digests) = digests(context, place, relative).await?;
                ImageFacts {
                    size: carried.result.bytes,
                    actual_size: bytes,
                    md5: digests.md5,
                    blake3: digests.blake3,
                    format: format.to_owned(),
                }
            }
        });
        progress.copies.push(copied);
        progress.save(context, ChunkMap::forgotten(&carried.pages)).await
    }
}

#[async_trait]
impl JobHandler for CreateTemplate {
    fn job_type(&self) -> JobType {
        let (description, schema): (_, fn() -> Value) = match self.kind {
            For::Root => ("Makes an image for root volumes of a volume, as a verified copy.", || {
                schema("rootVolumeUuid")
            }),
            For::Data => {
                ("Makes an image for data volumes of a volume, as a verified copy.", || schema("volumeUuid"))
            }
        };
        JobType {
            name: self.kind.job_name(),
            description,
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: false, // its image's record names it, so another job for the same uuid is refused, not queued
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: false,
            schema,
        }
    }

    fn copies(&self) -> bool {
        true
    }

    async fn ready(&self, job: JobId, data: &Value) -> Result<(), Fault> {
        let (_, storage) = self.source(self.read(data, job)?.volume).await?;
        lets_work_go_on(&storage)
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let wanted = self.read(&request.data, request.job)?;
        if let Some(known) = self.desk.inventory.find_image(wanted.request.image).await? {
            return Err(Fault::invalid(format!(
                "the uuid[{}] already belongs to an image; choose another, or expunge it first",
                known.id
            )));
        }
        let volume = self.desk.inventory.volume(wanted.volume).await?;
        if !request.admin && volume.account != request.account {
            return Err(Fault::new(
                Code::PermissionDenied,
                format!(
                    "operation denied. The resource[uuid: {}] doesn't belong to the account[uuid: {}]",
                    volume.id, request.account
                ),
            ));
        }
        let (volume, storage) = self.source(volume.id).await?;
        let path = volume.install_path.clone().unwrap_or_default();
        let disk = self.desk.look(&storage, &path, Some(format_of(volume.format.as_deref()))).await?;
        self.desk.refuse_held(&storage, &path).await?;
        let bytes: u64 = disk.layers.iter().map(|layer| layer.actual_bytes).sum();
        let places = self.places(&wanted, bytes).await?;
        let plan = Map::from_iter([
            ("bytes".to_owned(), json!(bytes)),
            ("guestBytes".to_owned(), json!(volume.size)),
            ("backupStorageUuids".to_owned(), places.iter().map(|place| place.id.to_string()).collect()),
            ("blockers".to_owned(), json!([])),
        ]);
        let host = only_host(places.iter().map(|place| place.host).chain([storage.host]))?;
        Ok(Checked { target: Some(wanted.request.image.to_string()), host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let wanted = self.read(context.data(), context.job().id)?;
        let mut progress = Progress::of(context);
        let image = match record::mine(context, wanted.request.image).await? {
            Some(image) => image, // the volume is looked at again where it is needed
            None => {
                let volume = self.desk.inventory.volume(wanted.volume).await?;
                self.placeholder(context, &wanted, &volume).await?
            }
        };
        let mut places = Vec::new();
        for copy in &image.refs {
            places.push(self.desk.inventory.backup_storage(copy.backup_storage, "backupStorageUuids").await?);
        }
        // A directory first: of its file there is an MD5.
        places.sort_by_key(|place| place.pool.is_some());
        let gone = || Fault::failed(format!("image [uuid:{}] has been deleted", image.id));
        let Some(first) = places.first() else { return Err(gone().into()) };
        if progress.copies.is_empty() {
            self.first(context, &wanted, first, &mut progress).await?;
        }
        let made = progress.copies.iter().find(|copy| copy.place == first.id).ok_or_else(gone)?.path.clone();
        copies::to_others(
            context,
            &self.settings.copy,
            image.id,
            (first, &made, false),
            &places,
            &mut progress,
        )
        .await?;
        let facts = progress.facts.clone().ok_or_else(gone)?;
        let mut shown = self.desk.inventory.find_image(image.id).await?.ok_or_else(gone)?;
        let effects = progress.effects(&mut shown, &facts, context.runtime().now_ms());
        let told = json!({
            "volumeUuid": wanted.volume.to_string(), "md5": facts.md5, "blake3": facts.blake3,
            "bytes": facts.actual_size,
        });
        Ok(Success {
            inventory: Some((self.settings.show)(&shown)),
            extra: Map::from_iter([("image".to_owned(), told)]),
            effects,
            ..Success::default()
        })
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let wanted = self.read(context.data(), context.job().id)?;
        let begun = record::has_begun(context).await?;
        let receipt = carry::undo(context, &self.settings.copy).await?;
        record::abandon(context, wanted.request.image, begun).await?;
        Ok(receipt)
    }
}

fn schema(volume: &str) -> Value {
    let text = |about: &str, max: u32| json!({"type": "string", "maxLength": max, "description": about});
    let uuid = json!({"type": "string", "pattern": "^[0-9a-f]{32}$"});
    json!({
        "type": "object",
        "required": [volume, "name"],
        "properties": {
            volume: uuid,
            "name": text("For people.", 255),
            "description": text("For people.", 2048),
            "backupStorageUuids": {"type": "array", "items": uuid, "maxItems": PLACES_MAX,
                "description": "Where to keep it; absent: where most room is."},
            "resourceUuid": text("The uuid of the new image; the job's where absent.", 32),
            "platform": text("Default Linux; none for data volumes.", 32),
            "architecture": text("Default the server's.", 32),
            "guestOsType": text("For people.", 255),
            "system": {"type": "boolean"},
            "virtio": {"type": "boolean"},
            "systemTags": {"type": "array", "items": text("On the image.", 2048)},
            "userTags": {"type": "array", "items": text("On the image.", 2048)},
        },
    })
}
