//! The attempt of an image's upload: opens what was received, lets the server's routes fill it, watches that it
//! goes on, and makes the image Ready when all of it is on the device. What a request may say is in `request`.
//!
//! Source: longjob-semantics.md g.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, select};
use longhaul_engine::context::JobContext;
use longhaul_engine::handler::{
    CheckRequest, Checked, Ended, Held, JobHandler, JobType, RestartRule, Success,
};
use longhaul_engine::progress::Report;
use longhaul_model::resource::{BackupStorage, Effect, Image, ImageFacts, ImageStatus, Intent, IntentKind};
use longhaul_model::{Code, Fault, Pages, SlotClass};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::request::Request;
use super::{Checksum, Content, Entered, Received, Table, Upload, UploadError, UploadLimits, forget, twin};
use crate::manage::Desk;
use crate::manage::blocking;
use crate::storage::{self, DiskError, Format, Root};

/// What the tag begins with that ties a job to the id that its client chose for the file.
pub const IMAGE_ID_TAG: &str = "uploadImage::";
/// The tag that lets the id in `IMAGE_ID_TAG` decide, which is an MD5 then.
pub const REQUIRE_MD5_TAG: &str = "longhaul::requireMd5";
/// Seconds without a byte after which the job is suspended, when nothing else is configured.
pub const IDLE_S: u64 = 30;
/// How often an attempt looks around while bytes come.
const TICK: Duration = Duration::from_millis(250);
/// How often an upload is tried to be opened that a former attempt still has open.
const OPEN_TRIES: u32 = 20;
/// The page of the checkpoint that says what the whole is, once it was read back.
const CONTENT_PAGE: u32 = 0;

/// Makes the inventory of an image.
pub type ShowImage = Arc<dyn Fn(&Image) -> Value + Send + Sync>;

/// What the routes and the attempts share.
#[derive(Clone, Debug)]
pub struct UploadSettings {
    /// The uploads that are open.
    pub table: Table,
    /// Their bounds.
    pub limits: UploadLimits,
    /// Seconds without a byte after which a job is suspended.
    pub idle_s: Arc<AtomicU64>,
}

impl Default for UploadSettings {
    fn default() -> Self {
        let idle_s = Arc::new(AtomicU64::new(IDLE_S));
        Self { table: Table::default(), limits: UploadLimits::default(), idle_s }
    }
}

/// The job type of images that are uploaded.
pub struct Intake {
    desk: Desk,
    settings: UploadSettings,
    show: ShowImage,
}

/// What survives between the read-back and the success.
#[derive(Serialize, Deserialize)]
struct Done {
    bytes: u64,
    md5: String,
    blake3: String,
}

/// Where the bytes of an upload are.
#[derive(Clone)]
struct Place {
    directory: PathBuf,
    relative: PathBuf,
}

impl Intake {
    /// With the records in `desk`.
    pub fn new(desk: Desk, settings: UploadSettings, show: ShowImage) -> Self {
        Self { desk, settings, show }
    }

    /// A backup storage that takes an upload now.
    async fn usable(&self, request: &Request) -> Result<BackupStorage, Fault> {
        let place = self.desk.inventory.backup_storage(request.place, "backupStorageUuids").await?;
        if !place.is_usable() {
            return Err(Fault::failed(format!(
                "no backup storage specified in uuids[{}] is available for adding this image; they are not in status \
                 Connected or not in state Enabled, or the uuid is invalid backup storage uuid",
                place.id
            )));
        }
        if place.directory().is_none() {
            return Err(Fault::new(
                Code::NotSupported,
                format!(
                    "backup storage[uuid:{}] takes no uploads yet; choose one that is a directory",
                    place.id
                ),
            ));
        }
        Ok(place)
    }

    /// The record of the image to be, of this attempt or an earlier one.
    async fn record(&self, context: &JobContext, request: &Request) -> Result<Image, Fault> {
        match self.desk.inventory.find_image(request.image).await? {
            None => {
                let now_ms = self.desk.inventory.runtime().now_ms();
                self.desk.inventory.create_image(request.record(context.job().account, now_ms)).await
            }
            Some(known) if is_ours(&known, context) => Ok(known),
            Some(known) => Err(Fault::invalid(format!(
                "the uuid[{}] already belongs to an image; choose another",
                known.id
            ))),
        }
    }

    /// The artifact of this job, and the intents that name it; entered first where there is none.
    async fn artifact(
        &self,
        context: &JobContext,
        request: &Request,
        place: &BackupStorage,
    ) -> Result<(Place, Vec<u64>), Ended> {
        let directory = PathBuf::from(place.directory().unwrap_or_default());
        let intents = context.intents().await?;
        let mut named = artifacts(&intents).filter(|(_, on, _)| *on == place.id);
        if let Some((_, _, path)) = named.next() {
            let relative = Path::new(path).strip_prefix(&directory).unwrap_or(Path::new(path)).to_owned();
            let ids = artifacts(&intents).map(|(id, ..)| id).collect();
            return Ok((Place { directory, relative }, ids));
        }
        let relative =
            PathBuf::from(format!("{}/{}-{}", request.image, context.job().id, context.claim().token));
        let path = directory.join(&relative).to_string_lossy().into_owned();
        let intent =
            context.intend(IntentKind::ImageArtifact { backup_storage: place.id, path }, None).await?;
        Ok((Place { directory, relative }, vec![intent.id]))
    }

    async fn open(&self, context: &JobContext, place: &Place) -> Result<Arc<Upload>, Ended> {
        for _ in 0..OPEN_TRIES {
            let (place, limits, job) = (place.clone(), self.settings.limits, context.job().id);
            let opened = tokio::task::spawn_blocking(move || {
                Upload::open(Root::open(&place.directory)?, &place.relative, job.bits(), limits)
            });
            match opened.await {
                Ok(Ok(upload)) => return Ok(upload),
                Ok(Err(UploadError::Held)) => context.sleep(TICK).await?,
                Ok(Err(error)) => return Err(fault_of(&error).into()),
                Err(_) => {
                    return Err(Fault::internal("opening an upload broke off; see the server's log").into());
                }
            }
        }
        Err(Fault::new(Code::Interrupted, UploadError::Held.to_string()).into())
    }

    /// Waits until all bytes are here.
    async fn received(&self, context: &JobContext, upload: &Upload) -> Result<(), Ended> {
        let runtime = context.runtime();
        let mut seen = upload.watch();
        let (mut last, mut moved_at) = (*seen.borrow_and_update(), runtime.monotonic());
        loop {
            let complete = std::pin::pin!(seen.wait_for(Received::is_complete));
            let ticked = match select(complete, std::pin::pin!(context.sleep(TICK))).await {
                Either::Left(_) => return Ok(()),
                Either::Right((slept, _)) => slept,
            };
            ticked?;
            let now = upload.received();
            let total = now.size.unwrap_or(0);
            context.progress(Report {
                stage: "uploading image".to_owned(),
                bytes_done: now.bytes,
                bytes_total: total,
                bytes_after: total,
                percent: None,
            });
            if now.activity != last.activity {
                (last, moved_at) = (now, runtime.monotonic());
            }
            let idle_s = self.settings.idle_s.load(Ordering::Relaxed);
            if runtime.monotonic().saturating_sub(moved_at) >= Duration::from_secs(idle_s) {
                let why = Fault::new(
                    Code::UploadInterrupted,
                    format!("uploading has been inactive more than {idle_s} sec"),
                );
                let details =
                    format!("{}; resume the job and send on from offset {}", why.details, now.offset);
                return Err(Fault::new(Code::Interrupted, details).because(why).into());
            }
        }
    }

    /// Reads all of it back.
    async fn content(&self, context: &JobContext, upload: &Arc<Upload>) -> Result<Content, Ended> {
        let stop = Arc::new(AtomicBool::new(false));
        let read = Arc::new(AtomicU64::new(0));
        let total = upload.received().bytes;
        let (reading, stopping, counting) = (upload.clone(), stop.clone(), read.clone());
        let mut work = tokio::task::spawn_blocking(move || {
            reading.complete(&|bytes| {
                counting.store(bytes, Ordering::Relaxed);
                !stopping.load(Ordering::Relaxed)
            })
        });
        loop {
            let slept = match select(&mut work, std::pin::pin!(context.sleep(TICK))).await {
                Either::Left((Ok(done), _)) => return done.map_err(|error| fault_of(&error).into()),
                Either::Left((Err(_), _)) => {
                    return Err(
                        Fault::internal("reading an upload back broke off; see the server's log").into()
                    );
                }
                Either::Right((slept, _)) => slept,
            };
            if let Err(stopped) = slept {
                stop.store(true, Ordering::Relaxed);
                let _ = work.await; // it is the stop that is told
                return Err(stopped.into());
            }
            context.progress(Report {
                stage: "verifying".to_owned(),
                bytes_done: read.load(Ordering::Relaxed),
                bytes_total: total,
                bytes_after: 0,
                percent: None,
            });
        }
    }

    /// What the whole is, for an attempt that begins where this one ends.
    async fn keep(&self, context: &JobContext, done: &Done) -> Result<(), Ended> {
        let page = serde_json::to_vec(done).map_err(|e| Fault::internal(e.to_string()))?;
        context.save_checkpoint(&Pages::from_iter([(CONTENT_PAGE, page)])).await
    }

    /// The bytes of an image that has the demanded MD5, under a second name; `None` where there is none.
    async fn known_already(
        &self,
        context: &JobContext,
        place: &Place,
        md5: Option<&str>,
    ) -> Result<Option<Done>, Fault> {
        let clean = place.clone();
        blocking(move || twin::unshare(&Root::open(&clean.directory)?, &clean.relative)).await?;
        let Some(md5) = md5.filter(|md5| Checksum::md5_from_hex(md5).is_some()) else { return Ok(None) };
        for image in self.desk.inventory.ready_images_of_md5(context.job().account, md5).await? {
            let ready = image.refs.iter().filter(|copy| copy.status == ImageStatus::Ready);
            let here = ready.map(|copy| PathBuf::from(&copy.install_path));
            let (Some(path), Some(blake3)) =
                (here.into_iter().find(|p| p.starts_with(&place.directory)), image.blake3)
            else {
                continue;
            };
            let to = place.clone();
            let linked = blocking(move || {
                let from = path.strip_prefix(&to.directory).unwrap_or(&path);
                twin::link(&Root::open(&to.directory)?, from, &to.relative)
            });
            match linked.await {
                Ok(()) => {
                    return Ok(Some(Done {
                        bytes: image.actual_size,
                        md5: md5.to_ascii_lowercase(),
                        blake3,
                    }));
                }
                // Then the bytes are sent, as they would be without the other image.
                Err(fault) => {
                    tracing::warn!(%fault, image = %image.id, "an image of the same content is not used")
                }
            }
        }
        Ok(None)
    }

    /// What was read back, now or by an attempt before this one.
    async fn whole(
        &self,
        context: &JobContext,
        place: &Place,
        image_id: Option<&str>,
        required: bool,
    ) -> Result<Done, Ended> {
        let known = context.checkpoint().get(&CONTENT_PAGE);
        if let Some(done) = known.and_then(|page| serde_json::from_slice(page).ok()) {
            return Ok(done);
        }
        if let Some(done) = self.known_already(context, place, image_id.filter(|_| required)).await? {
            self.keep(context, &done).await?;
            return Ok(done);
        }
        let upload = self.open(context, place).await?;
        let entered: Entered = self.settings.table.enter(context.job().id, upload.clone());
        if required {
            let Some(md5) = image_id.and_then(Checksum::md5_from_hex) else {
                return Err(Fault::invalid(format!(
                    "{REQUIRE_MD5_TAG} needs {IMAGE_ID_TAG} and the 32 hexadecimal digits of an MD5"
                ))
                .into());
            };
            let demanding = upload.clone();
            let demanded = tokio::task::spawn_blocking(move || demanding.demand_md5(md5)).await;
            demanded.unwrap_or(Err(UploadError::Closed)).map_err(|error| fault_of(&error))?;
        }
        self.received(context, &upload).await?;
        let Content { bytes, md5, blake3 } = self.content(context, &upload).await?;
        let done = Done { bytes, md5, blake3 };
        self.keep(context, &done).await?;
        drop(entered);
        Ok(done)
    }
}

#[async_trait]
impl JobHandler for Intake {
    fn job_type(&self) -> JobType {
        JobType {
            name: "APIAddImageMsg",
            description: "Takes an image in that is uploaded to the URL in its result",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: false,
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: false,
            schema,
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let read = Request::read(&request.data, request.job)?;
        let place = self.usable(&read).await?;
        if let Some(known) = self.desk.inventory.find_image(read.image).await? {
            return Err(Fault::invalid(format!(
                "the uuid[{}] already belongs to an image; choose another",
                known.id
            )));
        }
        let directory = PathBuf::from(place.directory().unwrap_or_default());
        blocking(move || storage::check_writable(&Root::open(&directory)?)).await?;
        Ok(Checked { target: Some(read.image.to_string()), plan: Map::new() })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data(), context.job().id)?;
        let storage = self.usable(&request).await?;
        let image = self.record(context, &request).await?;
        let (place, intents) = self.artifact(context, &request, &storage).await?;
        let tags = context.system_tags().await?;
        let image_id = tags.iter().find_map(|tag| tag.strip_prefix(IMAGE_ID_TAG));
        let required = tags.iter().any(|tag| tag == REQUIRE_MD5_TAG);
        let done = self.whole(context, &place, image_id, required).await?;
        let probing = place.clone();
        let (facts, path) = blocking(move || {
            let root = Root::open(&probing.directory)?;
            forget(&root, &probing.relative)?;
            let facts = looked_at(&root, &probing.relative, done)?;
            Ok((facts, root.full(&probing.relative)))
        })
        .await?;
        let install_path = path.to_string_lossy().into_owned();
        let mut ready = image;
        ready.make_ready(storage.id, &install_path, &facts, self.desk.inventory.runtime().now_ms());
        let mut told = json!({
            "installPath": install_path, "bytes": facts.actual_size, "md5": facts.md5, "blake3": facts.blake3,
        });
        if let Some(id) = image_id.filter(|id| Checksum::md5_from_hex(id).is_some()) {
            told["md5Matches"] = json!(id.eq_ignore_ascii_case(&facts.md5));
        }
        let mut effects =
            vec![Effect::SetImageReady { image: ready.id, backup_storage: storage.id, install_path, facts }];
        effects.extend(intents.iter().map(|id| Effect::LedgerDone(*id)));
        Ok(Success {
            inventory: Some((self.show)(&ready)),
            extra: Map::from_iter([("upload".to_owned(), told)]),
            effects,
            held: Held::default(),
        })
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let request = Request::read(context.data(), context.job().id)?;
        let mut removed = Vec::new();
        let intents = context.intents().await?;
        for (id, on, path) in artifacts(&intents) {
            let place = self.desk.inventory.backup_storage(on, "uuid").await?;
            let directory = PathBuf::from(place.directory().unwrap_or_default());
            let full = PathBuf::from(path);
            blocking(move || {
                let root = Root::open(&directory)?;
                let relative = full.strip_prefix(&directory).unwrap_or(&full);
                forget(&root, relative)?;
                storage::delete_artifact(&root, relative)
            })
            .await?;
            context.settle(id).await?;
            removed.push(json!(path));
        }
        if let Some(image) =
            self.desk.inventory.find_image(request.image).await?.filter(|i| is_ours(i, context))
        {
            self.desk.inventory.delete_image(image.id).await?;
        }
        Ok(Map::from_iter([("removed".to_owned(), Value::Array(removed))]))
    }
}

fn is_ours(image: &Image, context: &JobContext) -> bool {
    image.status == ImageStatus::Downloading && image.account == context.job().account
}

/// The artifacts that intents name: intent, backup storage, path.
pub fn artifacts(intents: &[Intent]) -> impl Iterator<Item = (u64, longhaul_model::BackupStorageId, &str)> {
    intents.iter().filter_map(|intent| match &intent.kind {
        IntentKind::ImageArtifact { backup_storage, path } => {
            Some((intent.id, *backup_storage, path.as_str()))
        }
        _ => None,
    })
}

/// What the bytes are: their format decides over what was said.
fn looked_at(root: &Root, relative: &Path, done: Done) -> Result<ImageFacts, DiskError> {
    let info = storage::probe(root, relative)?;
    if let Some(names) = info.backing {
        let reason =
            "an uploaded image may not refer to another file; make it whole with qemu-img convert first";
        return Err(DiskError::BackingFile { path: root.full(relative), names, reason: reason.to_owned() });
    }
    let iso = info.format == Format::Raw && is_iso(root, relative)?;
    Ok(ImageFacts {
        size: info.virtual_bytes,
        actual_size: done.bytes,
        md5: done.md5,
        blake3: done.blake3,
        format: match info.format {
            Format::Qcow2 => "qcow2",
            Format::Raw if iso => "iso",
            Format::Raw => "raw",
        }
        .to_owned(),
    })
}

/// ISO 9660 has its mark in the first volume descriptor.
fn is_iso(root: &Root, relative: &Path) -> Result<bool, DiskError> {
    use std::os::unix::fs::FileExt;
    let file = root.open_file(relative, storage::Access::Read)?;
    let mut mark = [0; 5];
    Ok(file.read_exact_at(&mut mark, 0x8001).is_ok() && mark == *b"CD001")
}

fn fault_of(error: &UploadError) -> Fault {
    match error {
        UploadError::Disk(_) => Fault::new(Code::Io, error.to_string()),
        _ => Fault::failed(error.to_string()),
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["name", "url", "format", "backupStorageUuids"],
        "properties": {
            "name": {"type": "string", "maxLength": 255},
            "url": {"type": "string", "description": "upload://<name>", "maxLength": 1024},
            "format": {"enum": ["qcow2", "raw", "vmdk", "iso"]},
            "mediaType": {"enum": ["RootVolumeTemplate", "ISO", "DataVolumeTemplate"]},
            "backupStorageUuids": {"type": "array", "minItems": 1, "maxItems": 1},
            "resourceUuid": {"type": "string", "description": "the image's uuid"}
        }
    })
}
