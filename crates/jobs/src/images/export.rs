//! `APIExportImageFromBackupStorageMsg`: a copy of an image gets a URL that it can be fetched from. A file of the wanted
//! format is served as it lies there; of anything else a file is made, verified, in the server's own directory of
//! exports. Exports in several formats stand beside each other. Serving them is the server's.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{BackupStorage, Effect, Export, Image, ImageRef, ImageStatus, IntentKind};
use longhaul_model::{BackupStorageId, Fault, ImageId, SessionId, SlotClass};
use serde_json::{Map, Value, json};

use super::add::AddSettings;
use super::copies::{digests, disk_of, format_on, wait_for};
use super::intake;
use crate::carry::{self, Guard, Order, Place};
use crate::copy::run::Snapshots;
use crate::manage::host::only_host;
use crate::manage::volumes::{format_name, format_of};
use crate::manage::{Desk, backup_storages, blocking};
use crate::migrate;
use crate::storage::{self, DiskError, Root};

/// `jobName`.
pub const EXPORT_IMAGE: &str = "APIExportImageFromBackupStorageMsg";
/// The first segment of the path of an export's URL.
pub const EXPORTS: &str = "/exported-images";
/// The stem of the URL's last segment where the copy itself is served.
const ITSELF: &str = "image";

/// The job type.
pub struct ExportImage {
    desk: Desk,
    settings: AddSettings,
}

struct Request {
    image: ImageId,
    place: BackupStorageId,
    format: Option<String>,
}

impl Request {
    fn read(data: &Value) -> Result<Self, Fault> {
        let format = data.get("exportFormat").and_then(Value::as_str).filter(|f| !f.is_empty());
        if let Some(other) = format.filter(|format| !["raw", "qcow2"].contains(format)) {
            return Err(Fault::invalid(format!(
                "valid value for field[exportFormat] of jobData are [raw, qcow2], but {other} found"
            )));
        }
        Ok(Self {
            image: migrate::id(data, "imageUuid", "ImageVO")?,
            place: migrate::id(data, "backupStorageUuid", "BackupStorageVO")?,
            format: format.map(str::to_owned),
        })
    }
}

/// What a URL of an export serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exported {
    /// The copy itself.
    Copy,
    /// A file of this path below the directory of exports.
    File(PathBuf),
}

/// What the URL of an export of `image` serves; `None` for what is no such URL.
pub fn exported(image: ImageId, url: &str) -> Option<Exported> {
    let name = url.rsplit('/').next()?;
    let stem = name.split('.').next()?;
    Some(if stem == ITSELF {
        Exported::Copy
    } else {
        Exported::File(Path::new(&image.to_string()).join(stem))
    })
}

/// Whether the URL of an export is of that format.
pub fn is_of_format(url: &str, format: &str) -> bool {
    url.rsplit_once('.').is_some_and(|(_, of)| of == format)
}

impl ExportImage {
    /// With these records and settings.
    pub fn new(desk: Desk, settings: AddSettings) -> Self {
        Self { desk, settings }
    }

    async fn copy(&self, request: &Request) -> Result<(Image, ImageRef, BackupStorage), Fault> {
        let image = self.desk.inventory.image(request.image, "imageUuid").await?;
        let place = self.desk.inventory.backup_storage(request.place, "backupStorageUuid").await?;
        let Some(copy) = image.on(place.id).filter(|copy| copy.status == ImageStatus::Ready).cloned() else {
            return Err(Fault::failed(format!(
                "image[uuid: {}] is not on backup storage[uuid:{}, name:{}]",
                image.id, place.id, place.name
            )));
        };
        let place = backup_storages::refreshed(&self.desk, place.id).await?;
        if place.status != "Connected" {
            return Err(Fault::failed(format!(
                "backup storage cannot proceed message[{EXPORT_IMAGE}] because its status is {}",
                place.status
            )));
        }
        Ok((image, copy, place))
    }

    /// Makes a file of the copy in the directory of exports: its name, its MD5, its intents.
    async fn make(
        &self,
        context: &JobContext,
        image: &Image,
        copy: &ImageRef,
        place: &BackupStorage,
        format: &str,
    ) -> Result<(String, String, Vec<u64>), Ended> {
        let at = intake::before(place, &self.settings.exports, self.settings.host).await?;
        wait_for(context, &self.desk, place, &copy.install_path).await?;
        let source = disk_of(place, &copy.install_path, &image.format);
        let guard = Guard::new(&source).await?;
        let order = Order {
            source,
            from: Some(Place::Backup(place.clone())),
            target: at.clone().into(),
            format: format_of(Some(format)),
            directory: image.id.to_string(),
            snapshots: Snapshots::Drop,
        };
        let mut carried = carry::carry(context, &self.settings.copy, &order).await?;
        guard.unchanged(context, &order.source, carried.held.take()).await?;
        let relative = carried.path.strip_prefix(&at.url).unwrap_or(&carried.path);
        let (_, digests) = digests(context, &at, relative).await?;
        let stem = relative.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((stem, digests.md5, carried.intents))
    }
}

#[async_trait]
impl JobHandler for ExportImage {
    fn job_type(&self) -> JobType {
        JobType {
            name: EXPORT_IMAGE,
            description: "Gives an image a URL that it can be fetched from, in the format that is asked for.",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: true, // of two exports of one image in one format the later finds that of the earlier
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: false,
            schema: || {
                let uuid = |about: &str| json!({"type": "string", "pattern": "^[0-9a-f]{32}$", "description": about});
                json!({
                    "type": "object",
                    "required": ["imageUuid", "backupStorageUuid"],
                    "properties": {
                        "imageUuid": uuid("The image."),
                        "backupStorageUuid": uuid("Which of its copies."),
                        "exportFormat": {"type": "string", "enum": ["raw", "qcow2"], "description": "Absent: as it is stored."},
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
                longhaul_model::Code::PermissionDenied,
                format!(
                    "operation denied. The resource[uuid: {}] doesn't belong to the account[uuid: {}]",
                    image.id, request.account
                ),
            ));
        }
        let (_, _, place) = self.copy(&wanted).await?;
        let plan = Map::from_iter([
            ("bytes".to_owned(), json!(image.actual_size)),
            ("blockers".to_owned(), json!([])),
        ]);
        // The export is served by the machine that made it.
        let host = only_host([place.host, Some(request.host)])?;
        Ok(Checked { target: Some(image.id.to_string()), host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data())?;
        let (image, copy, place) = self.copy(&request).await?;
        let stored = match image.format.as_str() {
            "iso" => "iso",
            format => format_name(format_on(&place, format)),
        };
        let format = request.format.as_deref().unwrap_or(stored);
        let told = |url: &str, md5: &str, existed: bool, intents: &[u64]| Success {
            extra: Map::from_iter([
                ("imageUrl".to_owned(), json!(url)),
                ("exportMd5Sum".to_owned(), json!(md5)),
                ("existed".to_owned(), json!(existed)),
            ]),
            effects: intents.iter().map(|id| Effect::LedgerDone(*id)).collect(),
            ..Success::default()
        };
        if let Some((url, md5)) = copy.exports().find(|(url, _)| is_of_format(url, format)) {
            let mut mine = Vec::new(); // of an attempt that was cut right before its success
            for intent in context.intents().await? {
                if matches!(&intent.kind, IntentKind::ImageArtifact { path, .. } if served(url, path)) {
                    mine.push(intent.id);
                }
            }
            return Ok(told(url, md5.unwrap_or_default(), mine.is_empty(), &mine));
        }
        let (stem, md5, intents) = match place.directory() {
            Some(root) if format == stored => {
                let relative = Path::new(&copy.install_path).strip_prefix(root);
                let relative = relative.map_err(|_| Fault::internal("an image outside of its directory"))?;
                let (_, digests) = digests(context, &place, relative).await?;
                (ITSELF.to_owned(), digests.md5, Vec::new())
            }
            _ => self.make(context, &image, &copy, &place, format).await?,
        };
        let secret = SessionId::random(&**self.desk.inventory.runtime());
        let url = format!("{}{EXPORTS}/{}/{secret}/{stem}.{format}", self.settings.base, image.id);
        let kept = self.desk.inventory.change_image(image.id, |image| {
            let copy = image.refs.iter_mut().find(|copy| copy.backup_storage == request.place);
            let copy =
                copy.ok_or_else(|| Fault::failed("the image was moved while it was exported".to_owned()))?;
            copy.add_export(Export { url: url.clone(), md5: md5.clone() });
            Ok(())
        });
        kept.await?;
        Ok(told(&url, &md5, false, &intents))
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let request = Request::read(context.data())?;
        let mut removed = Vec::new();
        for intent in context.intents().await? {
            let IntentKind::ImageArtifact { path, .. } = &intent.kind else { continue };
            if !Path::new(path).is_absolute() {
                continue; // the snapshot of a pool's image, which the copier removes
            }
            if let Some(image) = self.desk.inventory.find_image(request.image).await?
                && image
                    .on(request.place)
                    .is_some_and(|copy| copy.exports().any(|(url, _)| served(url, path)))
            {
                forget(&self.desk, &image, request.place, |url| served(url, path)).await?;
            }
            remove(&self.settings.exports, Path::new(path)).await?;
            removed.push(Value::from(path.clone()));
            context.settle(intent.id).await?;
        }
        let mut receipt = carry::undo(context, &self.settings.copy).await?;
        if let Some(Value::Array(more)) = receipt.get_mut("removed") {
            more.append(&mut removed);
        }
        Ok(receipt)
    }
}

/// Whether the URL serves the file at `path`.
fn served(url: &str, path: &str) -> bool {
    let name = url.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    Path::new(path).file_name().is_some_and(|file| file == stem)
}

/// Takes those URLs out of the record that are `gone`.
async fn forget(
    desk: &Desk,
    image: &Image,
    place: BackupStorageId,
    gone: impl Fn(&str) -> bool + Send + Sync,
) -> Result<(), Fault> {
    let forgotten = desk.inventory.change_image(image.id, |image| {
        for copy in image.refs.iter_mut().filter(|copy| copy.backup_storage == place) {
            copy.drop_exports(&gone);
        }
        Ok(())
    });
    forgotten.await.map(|_| ())
}

/// Removes an absolute path below the directory of exports; what is gone is no error.
async fn remove(exports: &Path, path: &Path) -> Result<(), Fault> {
    let (exports, path) = (exports.to_owned(), path.to_owned());
    blocking(move || {
        let root = match Root::open(&exports) {
            Err(DiskError::NotFound(_)) => return Ok(()),
            root => root?,
        };
        let relative = path.strip_prefix(root.path()).map_err(|_| DiskError::OutsideRoot(path.clone()))?;
        match storage::delete_artifact(&root, relative) {
            Err(DiskError::NotFound(_)) => Ok(()),
            other => other,
        }
    })
    .await
}

/// Takes the exports of an image back, or that of one format: their URLs answer no more, and what was made for them is
/// removed. Where there is none, nothing is done.
///
/// # Errors
/// The disk or the store refuses.
pub async fn delete_exports(
    desk: &Desk,
    exports: &Path,
    image: &Image,
    place: BackupStorageId,
    format: Option<&str>,
) -> Result<(), Fault> {
    let Some(copy) = image.on(place) else { return Ok(()) };
    let wanted = |url: &str| format.is_none_or(|format| is_of_format(url, format));
    let gone: Vec<String> = copy.exports().map(|(url, _)| url.to_owned()).filter(|url| wanted(url)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    forget(desk, image, place, |url| gone.iter().any(|one| one == url)).await?;
    let root = exports.canonicalize().unwrap_or_else(|_| exports.to_owned());
    for url in &gone {
        if let Some(Exported::File(file)) = exported(image.id, url) {
            remove(exports, &root.join(file)).await?;
        }
    }
    Ok(())
}

/// Removes what was made for exports that no record knows any more: of images that were expunged or moved. A file
/// that a job is making is the job's.
///
/// # Errors
/// The store or the disk does not answer.
pub async fn sweep_exports(desk: &Desk, exports: &Path) -> Result<usize, Fault> {
    let wanted = exports.to_owned();
    let found = blocking(move || {
        let mut found = Vec::new();
        let Ok(images) = std::fs::read_dir(&wanted) else { return Ok(found) };
        for directory in images.flatten() {
            let files = std::fs::read_dir(directory.path()).into_iter().flatten().flatten();
            found.extend(files.map(|file| (directory.file_name(), file.path())));
        }
        Ok(found)
    })
    .await?;
    let ledger = if found.is_empty() { Vec::new() } else { desk.inventory.all_intents().await? };
    let mut swept = 0;
    for (image, path) in found {
        let text = path.to_string_lossy();
        let of_a_job = |path: &str| Path::new(path).file_name() == Path::new(&*text).file_name();
        if ledger.iter().any(|i| matches!(&i.kind, IntentKind::ImageArtifact { path, .. } if of_a_job(path)))
        {
            continue;
        }
        let known = match image.to_string_lossy().parse() {
            Ok(id) => desk.inventory.find_image(id).await?,
            Err(_) => None,
        };
        let used = known.is_some_and(|image| {
            image.refs.iter().any(|copy| copy.exports().any(|(url, _)| served(url, &text)))
        });
        if !used {
            let root = exports.canonicalize().unwrap_or_else(|_| exports.to_owned());
            let relative = path.strip_prefix(exports).unwrap_or(&path).to_owned();
            remove(exports, &root.join(relative)).await?;
            swept += 1;
        }
    }
    Ok(swept)
}
