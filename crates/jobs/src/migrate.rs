//! `APIPrimaryStorageMigrateVolumeMsg`: a volume moves to another primary storage. Its bytes are copied and
//! read back; at the moment the job succeeds the record points at the copy and the source is trash.
//! A qcow2 with a backing chain inside its storage is flattened on the way.

mod checks;
mod format;

pub(crate) use checks::connected;

use std::sync::Arc;

use async_trait::async_trait;
use longhaul_engine::handler::{Ended, Held};
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::{Effect, Trash, Volume};
use longhaul_model::{Fault, JobId, SlotClass, StorageId, VolumeId};
use serde_json::{Map, Value, json};

use crate::carry::{self, CopySettings, Guard, Order};
use crate::copy::run::{CopiedSnapshot, DiskRef, Snapshots};
use crate::manage::Desk;
use crate::manage::volumes::format_name;
pub(crate) use crate::manage::volumes::format_of;
use crate::manage::volumes::lets_work_go_on;
use crate::storage::Format;

/// `jobName`.
pub const MIGRATE: &str = "APIPrimaryStorageMigrateVolumeMsg";
/// What this trash was.
const TRASH_TYPE: &str = "MigrateVolume";

/// How a volume is shown in `jobResult`: the wire's inventory.
pub type ShowVolume = Arc<dyn Fn(&Volume) -> Value + Send + Sync>;

/// The job type.
pub struct Migrate {
    desk: Desk,
    settings: CopySettings,
    show: ShowVolume,
}

impl Migrate {
    /// With these records and settings.
    pub fn new(desk: Desk, settings: CopySettings, show: ShowVolume) -> Self {
        Self { desk, settings, show }
    }
}

/// `jobData`.
pub(crate) struct Request {
    pub volume: VolumeId,
    pub target: StorageId,
    /// What it shall become; absent: as it is, where the target can.
    pub format: Option<Format>,
    pub snapshots: Snapshots,
}

impl Request {
    pub fn read(data: &Value) -> Result<Self, Fault> {
        Ok(Self {
            volume: id(data, "volumeUuid", "VolumeVO")?,
            target: id(data, "dstPrimaryStorageUuid", "PrimaryStorageVO")?,
            format: format::asked(data)?,
            snapshots: match data.get("snapshots").filter(|value| !value.is_null()) {
                None => Snapshots::Keep,
                Some(value) => serde_json::from_value(value.clone()).map_err(|_| {
                    Fault::invalid("valid value for field[snapshots] of jobData are [keep, drop]")
                })?,
            },
        })
    }
}

/// The id in a field of `jobData`.
pub(crate) fn id<T: std::str::FromStr>(data: &Value, field: &str, kind: &str) -> Result<T, Fault> {
    let text = data.get(field).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
    let text = text.ok_or_else(|| {
        Fault::invalid(format!(
            "field[{field}] of jobData is mandatory, can not be null; give the uuid of a {kind}"
        ))
    })?;
    text.parse().map_err(|_| longhaul_engine::inventory::not_found(field, text, kind))
}

#[async_trait]
impl JobHandler for Migrate {
    fn job_type(&self) -> JobType {
        JobType {
            name: MIGRATE,
            description: "Moves a volume to another primary storage, verified bit for bit.",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: true,
            class: SlotClass::BuiltIn,
            restart: RestartRule::Resume,
            admin_only: false,
            schema: || {
                json!({
                    "type": "object",
                    "required": ["volumeUuid", "dstPrimaryStorageUuid"],
                    "properties": {
                        "volumeUuid": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The volume to move."},
                        "dstPrimaryStorageUuid": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The primary storage to move it to."},
                        "format": {"type": "string", "enum": ["raw", "qcow2"], "description": "What it shall become; absent: as it is. On a Ceph pool always raw."},
                        "snapshots": {"type": "string", "enum": ["keep", "drop"], "description": "What becomes of the snapshots of a volume on a Ceph pool: keep, the default, takes them along to another pool; drop leaves them behind."},
                    },
                })
            },
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        checks::check(&self.desk, &self.settings, request).await
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        let request = Request::read(context.data())?;
        let volume = self.desk.inventory.volume(request.volume).await?;
        let (from, to) = checks::storages(&self.desk.inventory, &volume, &request).await?;
        checks::is_ready(&volume)?;
        lets_work_go_on(&from)?;
        lets_work_go_on(&to)?;
        let path = volume.install_path.clone().unwrap_or_default();
        let format = format_of(volume.format.as_deref());
        let source = DiskRef::recorded(from.directory(), from.pool.as_ref(), &path, format);
        let held = Guard::new(&source).await?;
        let directory = volume.id.to_string();
        let format = format::chosen(request.format, format, &to)?;
        let order = Order {
            source,
            from: Some(from.clone().into()),
            target: to.clone().into(),
            format,
            directory,
            snapshots: request.snapshots,
        };
        let mut carried = carry::carry(context, &self.settings, &order).await?;
        // Once more, right before the switch-over: the record and the disk must be what was copied.
        let now = self.desk.inventory.volume(request.volume).await?;
        if now.install_path != volume.install_path || now.deleted_ms.is_some() {
            return Err(Fault::failed(format!(
                "volume[uuid:{}] was changed while it was copied; nothing was switched over",
                volume.id
            ))
            .into());
        }
        if from.pool.is_none() {
            self.desk.refuse_held(&from, &path).await?; // an image is held by our own child, which looks itself
        }
        // At once: what occupies an image is asked of a process of its own. Nobody can write to the source until `held` is
        // dropped.
        let (held, size) = tokio::join!(
            held.unchanged(context, &order.source, carried.held.take()),
            self.desk.occupied(&from, &path),
        );
        let (held, size) = (held?, size?);
        let now = Volume { format: Some(format_name(order.format).to_owned()), ..now };
        Ok(self.success(&now, &from.id, &to.id, &path, size, carried, held))
    }

    fn copies(&self) -> bool {
        true
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        carry::undo(context, &self.settings).await
    }

    async fn ready(&self, job: JobId, data: &Value) -> Result<(), Fault> {
        let request = Request::read(data)?;
        let volume = self.desk.inventory.volume(request.volume).await?;
        let (from, to) = checks::storages(&self.desk.inventory, &volume, &request).await?;
        for storage in [&from, &to] {
            lets_work_go_on(storage)?;
            checks::connected(storage)?;
        }
        let source = self
            .desk
            .look(
                &from,
                volume.install_path.as_deref().unwrap_or_default(),
                Some(format_of(volume.format.as_deref())),
            )
            .await?;
        let all: u64 = source.layers.iter().map(|layer| layer.actual_bytes).sum();
        let there = carry::written(&self.desk, job, &to).await?;
        self.desk.room(&to, all.saturating_sub(there)).await.map(|_| ()).map_err(|(_, fault)| fault)
    }
}

impl Migrate {
    #[expect(clippy::too_many_arguments, reason = "one place that puts the switch-over together")]
    fn success(
        &self,
        volume: &Volume,
        from: &StorageId,
        to: &StorageId,
        old_path: &str,
        old_size: u64,
        carried: carry::Carried,
        held: Guard,
    ) -> Success {
        let new_path = carried.path.to_string_lossy().into_owned();
        let moved = Volume {
            storage: Some(*to),
            install_path: Some(new_path.clone()),
            actual_size: Some(carried.actual_bytes),
            status: "Ready".to_owned(),
            ..volume.clone()
        };
        let mut effects = vec![
            Effect::MoveVolume {
                volume: volume.id,
                storage: *to,
                install_path: new_path.clone(),
                format: volume.format.clone().unwrap_or_else(|| "raw".to_owned()),
                actual_size: carried.actual_bytes,
            },
            Effect::AddTrash(Trash {
                id: 0,
                storage: *from,
                resource_uuid: volume.id.to_string(),
                resource_type: "VolumeVO".to_owned(),
                install_path: old_path.to_owned(),
                size: old_size,
                kind: TRASH_TYPE.to_owned(),
                create_ms: 0,
            }),
        ];
        effects.extend(carried.intents.iter().map(|id| Effect::LedgerDone(*id)));
        let snapshots: Vec<Value> = carried.result.snapshots.iter().map(told).collect();
        let mut migration = json!({
            "oldInstallPath": old_path,
            "newInstallPath": new_path,
            "blake3": carried.result.blake3,
            "bytes": carried.result.bytes,
        });
        if !snapshots.is_empty() {
            migration["snapshots"] = Value::Array(snapshots);
        }
        Success {
            inventory: Some((self.show)(&moved)),
            extra: Map::from_iter([("migration".to_owned(), migration)]),
            effects,
            held: Held::new(held),
        }
    }
}

/// A snapshot that was taken along, as the result tells it.
fn told(snapshot: &CopiedSnapshot) -> Value {
    json!({
        "name": snapshot.name,
        "blake3": snapshot.blake3,
        "bytes": snapshot.bytes,
        "protected": snapshot.protected,
    })
}
