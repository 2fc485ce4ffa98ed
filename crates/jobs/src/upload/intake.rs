//! The work on an image that is uploaded: what is looked at before, the record and the file that it begins with, and
//! what stands when the bytes are here. How they come is in `attempt`; other URLs are `images::AddImage`'s, which
//! hands jobs over to this.
//!
//! Source: longjob-semantics.md g.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use longhaul_engine::JobContext;
use longhaul_engine::handler::{CheckRequest, Checked, Ended, Held, JobHandler, JobType, Success};
use longhaul_model::resource::{BackupStorage, Effect, Image, ImageFacts, Intent, IntentKind};
use longhaul_model::{BackupStorageId, Code, Fault};
use serde_json::{Map, Value, json};

use super::attempt::{Place, Told};
use super::{Checksum, SCHEME, Table, UploadLimits, forget};
use crate::images::{self, AddSettings, Algorithm, Request, digest_of, record};
use crate::manage::backup_storages::{open_place, refreshed};
use crate::manage::host::only_host;
use crate::manage::{Desk, blocking};
use crate::storage::{self, DiskError};

/// What the tag begins with that ties a job to the id that its client chose for the file.
pub const IMAGE_ID_TAG: &str = "uploadImage::";
/// The tag that lets the id in `IMAGE_ID_TAG` decide, which is an MD5 then.
pub const REQUIRE_MD5_TAG: &str = "longhaul::requireMd5";
/// Seconds without a byte after which the job is suspended, when nothing else is configured.
pub const IDLE_S: u64 = 30;

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

/// The handler of jobs whose URL begins with `SCHEME`.
pub struct Intake {
    pub(super) desk: Desk,
    pub(super) settings: UploadSettings,
    adding: AddSettings,
}

impl Intake {
    /// With the records in `desk`, and what other images are added with.
    pub fn new(desk: Desk, settings: UploadSettings, adding: AddSettings) -> Self {
        Self { desk, settings, adding }
    }

    fn read(&self, data: &Value, job: longhaul_model::JobId) -> Result<(Request, BackupStorageId), Fault> {
        let request = Request::read(data, job)?;
        if !request.url.starts_with(SCHEME) {
            return Err(Fault::invalid(format!("the url of an upload begins with {SCHEME}")));
        }
        let [place] = request.places[..] else {
            return Err(Fault::invalid(
                "field[backupStorageUuids] of jobData must name one backup storage: an upload goes to one",
            ));
        };
        (self.adding.tags)(&request.system_tags)?;
        Ok((request, place))
    }

    /// A backup storage that takes an upload now.
    async fn usable(&self, id: BackupStorageId) -> Result<BackupStorage, Fault> {
        let known = self.desk.inventory.backup_storage(id, "backupStorageUuids").await?;
        if known.directory().is_none() {
            return Err(Fault::new(
                Code::NotSupported,
                format!(
                    "backup storage[uuid:{id}] is a pool, which takes no uploads; upload to one that is a directory, \
                     or serve the file over http and give its URL"
                ),
            ));
        }
        let place = refreshed(&self.desk, id).await?;
        let mine = place.host.is_none_or(|host| host == self.adding.host);
        if mine && place.is_usable() {
            return Ok(place);
        }
        Err(Fault::failed(format!(
            "no backup storage specified in uuids[{id}] is available for adding this image; they are not in status \
             Connected or not in state Enabled, or the uuid is invalid backup storage uuid"
        )))
    }

    /// The record of the image to be, of this attempt or an earlier one, with its tags.
    async fn record(
        &self,
        context: &JobContext,
        request: &Request,
        place: BackupStorageId,
    ) -> Result<Image, Fault> {
        if let Some(image) = record::mine(context, request.image).await? {
            return Ok(image);
        }
        let image = request.image(context.job().account, &[place]);
        record::begin(context, &self.adding.tags, request, image).await
    }

    /// The artifact of this job, and the intents that name it; entered first where there is none.
    async fn artifact(
        &self,
        context: &JobContext,
        request: &Request,
        storage: BackupStorage,
    ) -> Result<(Place, Vec<u64>), Ended> {
        let place = storage.clone();
        let root = blocking(move || Ok(open_place(&place)?.path().to_owned())).await?;
        let intents = context.intents().await?;
        if let Some((_, _, path)) = artifacts(&intents).find(|(_, on, _)| *on == storage.id) {
            let relative = below(&root, path);
            // Entered twice when an answer was lost.
            let ids = artifacts(&intents).map(|(id, ..)| id).collect();
            return Ok((Place { storage, relative }, ids));
        }
        let relative =
            PathBuf::from(format!("{}/{}-{}", request.image, context.job().id, context.claim().token));
        let path = root.join(&relative).to_string_lossy().into_owned();
        let intent =
            context.intend(IntentKind::ImageArtifact { backup_storage: storage.id, path }, None).await?;
        Ok((Place { storage, relative }, vec![intent.id]))
    }

    /// Those images of the same owner that have the same bytes.
    async fn same_content(&self, image: &Image, blake3: &str) -> Result<Vec<String>, Fault> {
        let same = self.desk.inventory.images_of_content(blake3).await?;
        let others = same.iter().filter(|other| other.account == image.account && other.id != image.id);
        Ok(others.map(|other| other.id.to_string()).collect())
    }
}

#[async_trait]
impl JobHandler for Intake {
    fn job_type(&self) -> JobType {
        images::job_type()
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let (read, place) = self.read(&request.data, request.job)?;
        let place = self.usable(place).await?;
        if let Some(known) = self.desk.inventory.find_image(read.image).await? {
            return Err(taken(&known));
        }
        let plan = Map::from_iter([
            ("backupStorageUuids".to_owned(), json!([place.id.to_string()])),
            ("blockers".to_owned(), json!([])),
        ]);
        // The bytes come to the server that the URL names, and lie there until they are all there.
        let host = only_host([place.host, Some(request.host)])?;
        blocking(move || storage::check_writable(&open_place(&place)?)).await?;
        Ok(Checked { target: Some(read.image.to_string()), host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let (request, place) = self.read(context.data(), context.job().id)?;
        // One that has begun goes on over a Disabled storage, which takes nothing new; and waits for one that is away.
        let storage = match record::mine(context, request.image).await? {
            Some(_) => self.desk.inventory.backup_storage(place, "backupStorageUuids").await?,
            None => self.usable(place).await?,
        };
        let mut image = self.record(context, &request, place).await?;
        let (place, intents) = self.artifact(context, &request, storage).await?;
        let tags = context.system_tags().await?;
        let told = Told {
            id: tags.iter().find_map(|tag| tag.strip_prefix(IMAGE_ID_TAG)).map(str::to_owned),
            required: tags.iter().any(|tag| tag == REQUIRE_MD5_TAG),
        };
        let done = self.whole(context, &place, image.id, &told).await?;
        if let Some(expected) = images::expected(context, &request).await? {
            is_expected(&place, &expected).await?;
        }
        let probing = place.clone();
        let path = blocking(move || {
            let root = open_place(&probing.storage)?;
            forget(&root, &probing.relative)?;
            Ok(root.full(&probing.relative))
        });
        let install_path = path.await?.to_string_lossy().into_owned();
        let looked = images::look(&place.storage, &place.relative, request.format.clone()).await?;
        let facts = ImageFacts {
            size: looked.virtual_bytes,
            actual_size: done.bytes,
            md5: done.md5,
            blake3: done.blake3,
            format: looked.format,
        };
        image.make_ready(place.storage.id, &install_path, &facts, context.runtime().now_ms());
        let mut extra = json!({
            "installPath": install_path, "bytes": facts.actual_size, "md5": facts.md5, "blake3": facts.blake3,
        });
        if let Some(id) = told.id.filter(|id| Checksum::md5_from_hex(id).is_some()) {
            extra["md5Matches"] = id.eq_ignore_ascii_case(&facts.md5).into();
        }
        let same = self.same_content(&image, &facts.blake3).await?;
        if !same.is_empty() {
            extra["sameContentAs"] = same.into();
        }
        let place = place.storage.id;
        let mut effects =
            vec![Effect::SetImageReady { image: image.id, backup_storage: place, install_path, facts }];
        effects.extend(intents.iter().map(|id| Effect::LedgerDone(*id)));
        Ok(Success {
            inventory: Some((self.adding.show)(&image)),
            extra: Map::from_iter([("upload".to_owned(), extra)]),
            effects,
            held: Held::default(),
        })
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let (request, _) = self.read(context.data(), context.job().id)?;
        let begun = record::has_begun(context).await?;
        let mut removed = Vec::new();
        let intents = context.intents().await?;
        for (id, on, path) in artifacts(&intents) {
            let place = self.desk.inventory.backup_storage(on, "backupStorageUuids").await?;
            let full = path.to_owned();
            blocking(move || {
                let root = open_place(&place)?;
                let relative = below(root.path(), &full);
                forget(&root, &relative)?;
                storage::delete_artifact(&root, &relative)
            })
            .await?;
            context.settle(id).await?;
            removed.push(json!(path));
        }
        record::abandon(context, request.image, begun).await?;
        Ok(Map::from_iter([("removed".to_owned(), Value::Array(removed))]))
    }
}

fn taken(known: &Image) -> Fault {
    Fault::invalid(format!(
        "the uuid[{}] already belongs to an image; choose another, or expunge it first",
        known.id
    ))
}

/// What an intent's path is below the root that it was made in.
pub(super) fn below(root: &Path, path: &str) -> PathBuf {
    Path::new(path).strip_prefix(root).unwrap_or(Path::new(path)).to_owned()
}

/// The artifacts that intents name: intent, backup storage, path.
pub fn artifacts(intents: &[Intent]) -> impl Iterator<Item = (u64, BackupStorageId, &str)> {
    intents.iter().filter_map(|intent| match &intent.kind {
        IntentKind::ImageArtifact { backup_storage, path } => {
            Some((intent.id, *backup_storage, path.as_str()))
        }
        _ => None,
    })
}

/// Whether what came has the checksum that a tag says.
async fn is_expected(place: &Place, expected: &images::Checksum) -> Result<(), Ended> {
    let (algorithm, wanted) = match expected {
        images::Checksum::Md5(digits) => (Algorithm::Md5, digits),
        images::Checksum::Sha256(digits) => (Algorithm::Sha256, digits),
    };
    let read = place.clone();
    let found = blocking(move || {
        let path = open_place(&read.storage)?.full(&read.relative);
        let file = std::fs::File::open(&path).map_err(|e| DiskError::io("open", &path, e))?;
        digest_of(file, algorithm).map_err(|e| DiskError::io("read", &path, e))
    })
    .await?;
    if found == *wanted {
        return Ok(());
    }
    let why = format!(
        "the image is not what was expected: its checksum is {found}, not {expected}; upload the right file, or correct the tag"
    );
    Err(Fault::failed(why).into())
}
