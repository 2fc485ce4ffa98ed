//! `APIAddImageMsg`: an image comes by its URL to one or more backup storages. The bytes go to the first and from
//! there to the others; the image is Ready in the transaction that ends the job. URLs of `upload://` are another
//! handler's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{BackupStorage, Image, ImageFacts};
use longhaul_model::{Code, Fault, HostId, JobId, Pages, SlotClass};
use serde_json::{Map, Value, json};

use super::checksum::Checksum;
use super::copies::{self, Copied, Progress};
use super::fill::{self, Order};
use super::intake;
use super::look::look;
use super::record;
use super::request::Request;
use super::source::{self, Closed, Opened, Source};
use crate::carry::{self, CopySettings};
use crate::manage::backup_storages::open_place;
use crate::manage::host::only_host;
use crate::manage::{Desk, backup_storages, blocking};
use crate::storage::check_space;
use crate::upload::SCHEME;

/// `jobName`.
pub const ADD_IMAGE: &str = "APIAddImageMsg";
/// The system tag that says what the bytes must be: `md5:…` or `sha256:…` follows.
pub const CHECKSUM: &str = "longhaul::checksum::";

/// Shows an image as the wire does.
pub type ShowImage = Arc<dyn Fn(&Image) -> Value + Send + Sync>;
/// Refuses system tags that images do not have; answers those that are stored.
pub type CheckTags = Arc<dyn Fn(&[String]) -> Result<Vec<String>, Fault> + Send + Sync>;

/// What the job type is told by who makes it.
#[derive(Clone)]
pub struct AddSettings {
    /// This machine, whose directories it reaches.
    pub host: HostId,
    /// Directories that `file://` may read below.
    pub file_roots: Vec<PathBuf>,
    /// Most bytes of an image by its URL.
    pub url_bytes_max: u64,
    /// Opens http and https URLs.
    pub network: Arc<dyn Source>,
    /// Shows an image.
    pub show: ShowImage,
    /// Knows the tags of images.
    pub tags: CheckTags,
    /// How copies to pools are made.
    pub copy: CopySettings,
    /// The directory that the bytes of an image for a pool come to first.
    pub staging: PathBuf,
    /// The directory of what is made for exports.
    pub exports: PathBuf,
    /// How the URLs of exports begin: `http://` and where the server is.
    pub base: String,
}

/// The job type.
pub struct AddImage {
    desk: Desk,
    settings: AddSettings,
    upload: Option<Arc<dyn JobHandler>>,
    /// The jobs that found no room here, and how many bytes they still need.
    short: Mutex<BTreeMap<JobId, u64>>,
}

impl AddImage {
    /// With these records and settings; URLs of `upload://` are refused.
    pub fn new(desk: Desk, settings: AddSettings) -> Self {
        Self { desk, settings, upload: None, short: Mutex::default() }
    }

    /// With a handler of the work on `upload://` URLs.
    #[must_use]
    pub fn with_upload(self, upload: Arc<dyn JobHandler>) -> Self {
        Self { upload: Some(upload), ..self }
    }

    fn upload(&self, data: &Value) -> Option<&Arc<dyn JobHandler>> {
        let url = data.get("url").and_then(Value::as_str).unwrap_or_default();
        self.upload.as_ref().filter(|_| url.trim().starts_with(SCHEME))
    }
}

/// Files of this machine, and what the network has.
struct AnySource(AddSettings);

#[async_trait]
impl Source for AnySource {
    async fn open(&self, url: &str, from: u64, validator: Option<&str>) -> Result<Opened, Closed> {
        match source::file_path(url) {
            Some(_) => source::open_file(url, &self.0.file_roots, from, validator).await,
            None => self.0.network.open(url, from, validator).await,
        }
    }
}

/// What holds of every way an image comes.
pub fn job_type() -> JobType {
    JobType {
        name: ADD_IMAGE,
        description: "Fetches an image by its URL to backup storages, checks what it is, and goes on where it was cut.",
        cancelable: true,
        resumable: true,
        cleanable: true,
        ordered: false, // its image's record names it, so another job for the same uuid is refused, not queued
        class: SlotClass::BuiltIn,
        restart: RestartRule::Resume,
        admin_only: false,
        schema: || {
            let text =
                |about: &str, max: u32| json!({"type": "string", "maxLength": max, "description": about});
            let uuid = json!({"type": "string", "pattern": "^[0-9a-f]{32}$"});
            json!({
                "type": "object",
                "required": ["name", "url", "backupStorageUuids"],
                "properties": {
                    "name": text("For people.", 255),
                    "description": text("For people.", 2048),
                    "url": text("http://, https://, file:///, an absolute path, or upload:// to send the bytes to the URL in the result.", 1024),
                    "backupStorageUuids": {"type": "array", "items": uuid, "maxItems": super::request::PLACES_MAX},
                    "resourceUuid": text("The uuid of the new image; the job's where absent.", 32),
                    "mediaType": {"type": "string", "enum": ["RootVolumeTemplate", "DataVolumeTemplate", "ISO"]},
                    "format": {"type": "string", "enum": ["qcow2", "raw", "iso"], "description": "A mark in the bytes counts; bytes without one are raw, and are refused if another is said."},
                    "platform": text("Default Linux.", 32),
                    "architecture": text("Default the server's.", 32),
                    "guestOsType": text("For people.", 255),
                    "system": {"type": "boolean"},
                    "virtio": {"type": "boolean"},
                    "systemTags": {"type": "array", "items": text("On the image.", 2048)},
                    "userTags": {"type": "array", "items": text("On the image.", 2048)},
                },
            })
        },
    }
}

#[async_trait]
impl JobHandler for AddImage {
    fn job_type(&self) -> JobType {
        job_type()
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        if let Some(upload) = self.upload(&request.data) {
            return upload.check(request).await;
        }
        let wanted = self.read(&request.data, request.job)?;
        if let Some(known) = self.desk.inventory.find_image(wanted.image).await? {
            return Err(Fault::invalid(format!(
                "the uuid[{}] already belongs to an image; choose another, or expunge it first",
                known.id
            )));
        }
        let places = self.places(&wanted).await?;
        let plan = Map::from_iter([
            ("backupStorageUuids".to_owned(), places.iter().map(|place| place.id.to_string()).collect()),
            ("blockers".to_owned(), json!([])),
        ]);
        // A file lies on this machine alone, and what is on its way to a pool lies here first.
        let here = !wanted.url.contains("://") || wanted.url.starts_with("file:");
        let here = here || places.iter().any(|place| place.pool.is_some());
        let own = here.then_some(request.host);
        let host = only_host(places.iter().map(|place| place.host).chain([own]))?;
        Ok(Checked { target: Some(wanted.image.to_string()), host, plan })
    }

    async fn ready(&self, job: JobId, data: &Value) -> Result<(), Fault> {
        let needed = self.short().get(&job).copied().unwrap_or_default();
        for id in Request::read(data, job)?.places {
            let place = self.desk.inventory.backup_storage(id, "backupStorageUuids").await?;
            if place.directory().is_some() && place.host.is_none_or(|host| host == self.settings.host) {
                blocking(move || check_space(&open_place(&place)?, needed)).await?;
            }
        }
        self.short().remove(&job);
        Ok(())
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        if let Some(upload) = self.upload(context.data()) {
            return upload.run(context).await;
        }
        let request = self.read(context.data(), context.job().id)?;
        let image = self.placeholder(context, &request).await?;
        let places = self.places_of(&image).await?;
        let mut progress = Progress::of(context);
        let Some(place) = places.iter().find(|place| place.pool.is_none()).or(places.first()) else {
            return Err(gone(&image).into());
        };
        let first = match place.pool {
            Some(_) => intake::before(place, &self.settings.staging, self.settings.host).await?,
            None => place.clone(),
        };
        if progress.facts.is_none() {
            self.fetch(context, &request, place, &first, &mut progress).await?;
        }
        let came = progress.staged.iter().chain(&progress.copies).find(|copy| copy.place == place.id);
        let came = came.ok_or_else(|| Fault::internal("an image that came to no place"))?.path.clone();
        copies::to_others(
            context,
            &self.settings.copy,
            image.id,
            (&first, &came, true),
            &places,
            &mut progress,
        )
        .await?;
        if let Some(staged) = &progress.staged {
            intake::drop_staged(&first, &staged.path).await?;
        }
        self.success(context, &image, &progress).await
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        if let Some(upload) = self.upload(context.data()) {
            return upload.undo(context).await;
        }
        let request = Request::read(context.data(), context.job().id)?;
        let begun = record::has_begun(context).await?;
        let removed = intake::remove_all(context, &self.settings.staging).await?;
        let mut receipt = carry::undo(context, &self.settings.copy).await?;
        if let Some(Value::Array(more)) = receipt.get_mut("removed") {
            more.extend(removed.into_iter().map(Value::from));
        }
        record::abandon(context, request.image, begun).await?;
        Ok(receipt)
    }
}

impl AddImage {
    fn short(&self) -> MutexGuard<'_, BTreeMap<JobId, u64>> {
        self.short.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, data: &Value, job: JobId) -> Result<Request, Fault> {
        let request = Request::read(data, job)?;
        if request.url.starts_with(SCHEME) {
            return Err(Fault::invalid(
                "images are not uploaded to this server; give a URL to fetch it from",
            ));
        }
        source::check_file(&request.url, &self.settings.file_roots)?;
        (self.settings.tags)(&request.system_tags)?;
        Ok(request)
    }

    /// Those of the wanted backup storages that take an image now.
    async fn places(&self, request: &Request) -> Result<Vec<BackupStorage>, Fault> {
        let mut usable = Vec::new();
        for id in &request.places {
            let known = self.desk.inventory.backup_storage(*id, "backupStorageUuids").await?;
            let mine = known.host.is_none_or(|host| host == self.settings.host);
            let place = if mine { backup_storages::refreshed(&self.desk, *id).await? } else { continue };
            if place.is_usable() && place.available_bytes > 0 {
                usable.push(place);
            }
        }
        if usable.is_empty() {
            let uuids: Vec<_> = request.places.iter().map(ToString::to_string).collect();
            return Err(Fault::failed(format!(
                "no backup storage specified in uuids[{}] is available for adding this image; they are not in status Connected or not in state Enabled, or the uuid is invalid backup storage uuid",
                uuids.join(", ")
            )));
        }
        Ok(usable)
    }

    /// The record of the image to be, of this attempt or an earlier one, with its tags.
    async fn placeholder(&self, context: &JobContext, request: &Request) -> Result<Image, Fault> {
        if let Some(image) = record::mine(context, request.image).await? {
            return Ok(image);
        }
        let places: Vec<_> = self.places(request).await?.iter().map(|place| place.id).collect();
        let image = request.image(context.job().account, &places);
        record::begin(context, &self.settings.tags, request, image).await
    }

    /// The backup storages of the image's copies, the first of them that which its bytes come to.
    async fn places_of(&self, image: &Image) -> Result<Vec<BackupStorage>, Fault> {
        let mut places = Vec::new();
        for copy in &image.refs {
            places.push(self.desk.inventory.backup_storage(copy.backup_storage, "backupStorageUuids").await?);
        }
        Ok(places)
    }

    /// Fetches the bytes to their first place and looks at what they are.
    async fn fetch(
        &self,
        context: &JobContext,
        request: &Request,
        place: &BackupStorage,
        first: &BackupStorage,
        progress: &mut Progress,
    ) -> Result<(), Ended> {
        let expected = expected(context, request).await?;
        let mut artifact = intake::artifact(context, first, request.image).await?;
        let any = AnySource(self.settings.clone());
        let order = Order {
            image: request.image,
            url: &request.url,
            source: &any,
            expected: expected.as_ref(),
            bytes_max: self.settings.url_bytes_max,
        };
        let filled = fill::fill(context, first, &mut artifact, &order).await;
        if matches!(&filled, Err(Ended::Failed(fault)) if fault.code == Code::StorageFull) {
            self.short().insert(context.job().id, artifact.missing());
        }
        let (bytes, digests) = filled?;
        if let Some(expected) = &expected
            && let Err(found) = digests.check(expected)
        {
            return Err(Fault::failed(format!(
                "the image is not what was expected: its checksum is {found}, not {expected}; fetch it from elsewhere, or correct the tag"
            ))
            .into());
        }
        let looked = look(first, &artifact.relative, request.format.clone()).await?;
        progress.facts = Some(ImageFacts {
            size: looked.virtual_bytes,
            actual_size: bytes,
            md5: digests.md5,
            blake3: digests.blake3,
            format: looked.format,
        });
        let path = artifact.absolute.to_string_lossy().into_owned();
        let came = Copied { place: place.id, path, intents: artifact.intents.clone() };
        match place.pool {
            Some(_) => progress.staged = Some(came),
            None => progress.copies.push(came),
        }
        progress.save(context, Pages::new()).await
    }

    async fn success(
        &self,
        context: &JobContext,
        image: &Image,
        progress: &Progress,
    ) -> Result<Success, Ended> {
        let mut shown = self.desk.inventory.find_image(image.id).await?.ok_or_else(|| gone(image))?;
        let facts = progress.facts.clone();
        let mut facts = facts.ok_or_else(|| Fault::internal("an image without facts"))?;
        let same: Vec<_> = self.desk.inventory.images_of_content(&facts.blake3).await?;
        let owner = context.job().account;
        let mine = |other: &&Image| other.account == owner && other.id != image.id;
        let same: Vec<_> = same.iter().filter(mine).map(|other| other.id.to_string()).collect();
        if progress.staged.is_some() && facts.format == "qcow2" {
            "raw".clone_into(&mut facts.format); // it is on pools alone, which have what a guest sees
        }
        let effects = progress.effects(&mut shown, &facts, context.runtime().now_ms());
        let mut told = json!({"md5": facts.md5, "blake3": facts.blake3, "bytes": facts.actual_size});
        if !same.is_empty() {
            told["sameContentAs"] = same.into();
        }
        Ok(Success {
            inventory: Some((self.settings.show)(&shown)),
            extra: Map::from_iter([("image".to_owned(), told)]),
            effects,
            ..Success::default()
        })
    }
}

fn gone(image: &Image) -> Fault {
    Fault::failed(format!("image [uuid:{}] has been deleted", image.id))
}

/// What the bytes must be, as the image's tags or the job's say.
pub(crate) async fn expected(context: &JobContext, request: &Request) -> Result<Option<Checksum>, Ended> {
    let tags = context.system_tags().await?;
    let found = request.system_tags.iter().chain(&tags).find_map(|tag| tag.strip_prefix(CHECKSUM));
    Ok(found.and_then(Checksum::read))
}
