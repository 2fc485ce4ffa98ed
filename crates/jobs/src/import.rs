//! `APIImportVolumeMsg`: a raw or qcow2 file from elsewhere on this host becomes a volume, as a copy that is
//! read back. The file is not touched.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use longhaul_engine::handler::{Ended, Held};
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{Effect, Volume};
use longhaul_model::{AccountId, Code, Fault, JobId, SlotClass, StorageId, VolumeId};
use serde_json::{Map, Value, json};

use crate::carry::{self, CopySettings, Guard, Order};
use crate::copy::run::{DiskRef, Snapshots};
use crate::manage::host::only_host;
use crate::manage::volumes::{format_name, lets_work_go_on, takes_volumes};
use crate::manage::{Desk, blocking};
use crate::migrate::{self, ShowVolume};
use crate::storage::{self, DiskError, ImageInfo, Root};

/// `jobName`.
pub const IMPORT: &str = "APIImportVolumeMsg";
/// The status of the record of a volume whose bytes are still on their way. It is of the import whose turn it
/// is: of all jobs on one volume one runs at a time.
const CREATING: &str = "Creating";

/// The job type.
pub struct Import {
    desk: Desk,
    settings: CopySettings,
    show: ShowVolume,
}

impl Import {
    /// With these records and settings.
    pub fn new(desk: Desk, settings: CopySettings, show: ShowVolume) -> Self {
        Self { desk, settings, show }
    }
}

struct Request {
    volume: VolumeId,
    target: StorageId,
    path: PathBuf,
    name: String,
    description: Option<String>,
    format: Option<String>,
}

impl Request {
    /// The volume's uuid is the job's where none is given, so that every attempt means the same volume.
    fn read(data: &Value, job: JobId) -> Result<Self, Fault> {
        let text = |field: &str| {
            data.get(field)
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let must = |field: &str| {
            text(field).ok_or_else(|| {
                Fault::invalid(format!("field[{field}] of jobData is mandatory, can not be null"))
            })
        };
        let path = PathBuf::from(must("path")?);
        if !path.is_absolute() {
            return Err(Fault::invalid(format!(
                "field[path] of jobData must be an absolute path, not [{}]",
                path.display()
            )));
        }
        let format = text("format");
        if format.as_deref().is_some_and(|f| f != "raw" && f != "qcow2") {
            return Err(Fault::invalid("valid value for field[format] of jobData are [raw, qcow2]"));
        }
        Ok(Self {
            volume: match text("volumeUuid") {
                Some(_) => migrate::id(data, "volumeUuid", "VolumeVO")?,
                None => VolumeId::from_bits(job.bits()),
            },
            target: migrate::id(data, "primaryStorageUuid", "PrimaryStorageVO")?,
            name: must("name")?,
            description: text("description"),
            path,
            format,
        })
    }

    fn placeholder(&self, account: AccountId, info: &ImageInfo) -> Volume {
        Volume {
            id: self.volume,
            account,
            name: self.name.clone(),
            description: self.description.clone(),
            storage: None,
            install_path: None,
            kind: "Data".to_owned(),
            format: None,
            size: info.virtual_bytes,
            actual_size: None,
            state: "Enabled".to_owned(),
            status: CREATING.to_owned(),
            deleted_ms: None,
            create_ms: 0,
            last_op_ms: 0,
        }
    }
}

/// The directory is the root: an image's own references may not lead out of it.
fn split(path: &Path) -> Result<(Root, PathBuf), DiskError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let root = Root::open(directory)?;
    let relative = root.relative(path)?;
    Ok((root, relative))
}

async fn look(request: &Request) -> Result<(DiskRef, ImageInfo), Fault> {
    let (path, asked) = (request.path.clone(), request.format.clone());
    blocking(move || {
        let (root, relative) = split(&path)?;
        let asked = asked.map(|f| migrate::format_of(Some(&f)));
        let mut info = storage::probe_as(&root, &relative, asked)?;
        // What is raw by wish may look like anything; what is qcow2 by wish must be one.
        let format = asked.unwrap_or(info.format);
        crate::copy::source::open(&root, &relative, format)?;
        let layers = storage::layers(&root, &relative, format)?;
        info.actual_bytes = layers.iter().map(|layer| layer.actual_bytes).sum();
        let holders = storage::in_use(&path)?;
        if !holders.is_empty() {
            return Err(DiskError::InUse(holders));
        }
        Ok((DiskRef::file(root.path(), relative, format), info))
    })
    .await
}

#[async_trait]
impl JobHandler for Import {
    fn job_type(&self) -> JobType {
        JobType {
            name: IMPORT,
            description: "Makes a volume of a raw or qcow2 file from elsewhere on this host, as a verified copy.",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: true, // of two with one volumeUuid, the later finds the volume of the earlier
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: true, // it reads any file that the server can
            schema: || {
                let uuid =
                    |text: &str| json!({"type": "string", "pattern": "^[0-9a-f]{32}$", "description": text});
                json!({
                    "type": "object",
                    "required": ["primaryStorageUuid", "path", "name"],
                    "properties": {
                        "volumeUuid": uuid("The uuid of the new volume; the job's where absent."),
                        "primaryStorageUuid": uuid("Where the copy goes."),
                        "path": {"type": "string", "description": "Absolute path of the file on the server's host."},
                        "name": {"type": "string", "maxLength": 255, "description": "For people."},
                        "description": {"type": "string", "maxLength": 2048, "description": "For people."},
                        "format": {"type": "string", "enum": ["raw", "qcow2"], "description": "Absent: told by its first bytes."},
                    },
                })
            },
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let wanted = Request::read(&request.data, request.job)?;
        self.is_free(&wanted, request).await?;
        let to = self.desk.inventory.storage(wanted.target, "primaryStorageUuid").await?;
        takes_volumes(&to)?;
        let (_, info) = look(&wanted).await?;
        self.desk.room(&to, info.actual_bytes).await.map_err(|(_, fault)| fault)?;
        let plan = Map::from_iter([
            ("bytes".to_owned(), json!(info.actual_bytes)),
            ("guestBytes".to_owned(), json!(info.virtual_bytes)),
            ("blockers".to_owned(), json!([])),
        ]);
        // The file was looked at here, and may be on this machine alone.
        let host = only_host([to.host, Some(request.host)])?;
        Ok(Checked { target: Some(wanted.volume.to_string()), host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data(), context.job().id)?;
        let to = self.desk.inventory.storage(request.target, "primaryStorageUuid").await?;
        lets_work_go_on(&to)?;
        let (source, info) = look(&request).await?;
        let held = Guard::new(&source).await?;
        let volume = self.placeholder(context, &request, &info).await?;
        let format = if to.pool.is_some() { storage::Format::Raw } else { source.format() };
        let directory = volume.id.to_string();
        let snapshots = Snapshots::Keep; // a file has none of its own
        let order = Order { source, from: None, target: to.clone().into(), format, directory, snapshots };
        let mut carried = carry::carry(context, &self.settings, &order).await?;
        let held = held.unchanged(context, &order.source, carried.held.take()).await?;
        let now = self.desk.inventory.volume(volume.id).await?;
        if now.status != CREATING {
            return Err(Fault::failed(format!(
                "volume[uuid:{}] became {} while its bytes were copied; nothing was imported, rerun the job",
                now.id, now.status
            ))
            .into());
        }
        let install_path = carried.path.to_string_lossy().into_owned();
        let imported = Volume {
            storage: Some(to.id),
            install_path: Some(install_path.clone()),
            format: Some(format_name(format).to_owned()),
            actual_size: Some(carried.actual_bytes),
            status: "Ready".to_owned(),
            ..volume
        };
        let mut effects = vec![Effect::MoveVolume {
            volume: imported.id,
            storage: to.id,
            install_path: install_path.clone(),
            format: format_name(format).to_owned(),
            actual_size: carried.actual_bytes,
        }];
        effects.extend(carried.intents.iter().map(|id| Effect::LedgerDone(*id)));
        let told = json!({
            "path": request.path.to_string_lossy(),
            "newInstallPath": install_path,
            "blake3": carried.result.blake3,
            "bytes": carried.result.bytes,
        });
        Ok(Success {
            inventory: Some((self.show)(&imported)),
            extra: Map::from_iter([("import".to_owned(), told)]),
            effects,
            held: Held::new(held),
        })
    }

    async fn ready(&self, job: JobId, data: &Value) -> Result<(), Fault> {
        let request = Request::read(data, job)?;
        let to = self.desk.inventory.storage(request.target, "primaryStorageUuid").await?;
        lets_work_go_on(&to)?;
        migrate::connected(&to)?;
        let (_, info) = look(&request).await?;
        let there = carry::written(&self.desk, job, &to).await?;
        let left = info.actual_bytes.saturating_sub(there);
        self.desk.room(&to, left).await.map(|_| ()).map_err(|(_, fault)| fault)
    }

    fn copies(&self) -> bool {
        true
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        let receipt = carry::undo(context, &self.settings).await?;
        let request = Request::read(context.data(), context.job().id)?;
        match self.desk.inventory.volume(request.volume).await {
            Ok(volume) if volume.install_path.is_none() && volume.status == CREATING => {
                self.desk.inventory.delete_volume(volume.id, Some(context.job().id)).await?;
                Ok(receipt)
            }
            Ok(_) => Ok(receipt),
            Err(fault) if fault.code == Code::NotFound => Ok(receipt),
            Err(fault) => Err(fault),
        }
    }
}

fn taken(volume: VolumeId) -> Fault {
    Fault::invalid(format!("the uuid[{volume}] belongs to another volume; choose another"))
}

impl Import {
    /// Whether the volume's uuid is nobody's, and the target, where one is sent, is that volume.
    async fn is_free(&self, wanted: &Request, request: &CheckRequest) -> Result<(), Fault> {
        let volume = wanted.volume;
        if let Some(target) = request.target.as_deref().filter(|t| *t != volume.to_string()) {
            return Err(Fault::invalid(format!(
                "field[targetResourceUuid] is [{target}] but this job makes the volume[uuid:{volume}]; leave it out"
            )));
        }
        self.desk.inventory.refuse_worked_on(volume).await?;
        match self.desk.inventory.volume(volume).await {
            // Of an earlier import that could not undo all of its work: this one goes on with it.
            Ok(known) if known.status == CREATING && known.account == request.account => Ok(()),
            Ok(_) => Err(taken(volume)),
            Err(fault) if fault.code == Code::NotFound => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// The record of the volume to be, of this attempt or an earlier one.
    async fn placeholder(
        &self,
        context: &JobContext,
        request: &Request,
        info: &ImageInfo,
    ) -> Result<Volume, Fault> {
        match self.desk.inventory.volume(request.volume).await {
            Ok(known) if known.status == CREATING && known.account == context.job().account => Ok(known),
            Ok(_) => Err(taken(request.volume)),
            Err(fault) if fault.code == Code::NotFound => {
                self.desk.inventory.create_volume(request.placeholder(context.job().account, info)).await
            }
            Err(fault) => Err(fault),
        }
    }
}
