//! `APIEvacuatePrimaryStorageMsg`: every volume of a primary storage moves to others. One parent job, which holds no
//! slot that a child needs, and one migration job for each volume. `plan` looks, `board` keeps the account, `run`
//! submits and waits, `wait` says what a Suspended one waits for, `around` sees what others did. The bytes are moved by
//! `migrate`; nothing here touches a disk.

mod around;
pub mod board;
mod plan;
mod run;
mod wait;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use longhaul_engine::handler::Ended;
use longhaul_engine::{CheckRequest, Checked, JobContext, JobHandler, JobType, RestartRule, Success};
use longhaul_model::resource::Storage;
use longhaul_model::{Fault, JobId, SlotClass, StorageId};
use serde_json::{Map, Value, json};

use crate::carry::CopySettings;
use crate::manage::Desk;
use crate::manage::volumes::{lets_work_go_on, takes_volumes};
use crate::migrate;
use board::Boards;
use wait::Waits;

/// `jobName`.
pub const EVACUATE: &str = "APIEvacuatePrimaryStorageMsg";
/// Volumes that are moved at a time where nobody says how many.
pub const PARALLEL: u32 = 2;
/// Most volumes that one evacuation moves at a time.
pub const PARALLEL_MAX: u32 = 16;
/// Most storages that one evacuation moves volumes to.
pub const TARGETS_MAX: usize = 32;
/// Most volumes that one evacuation takes; a rerun takes the next.
pub const VOLUMES_MAX: usize = 1000;

/// The job type.
pub struct Evacuate {
    desk: Desk,
    settings: CopySettings,
    /// Checks a volume as its job will.
    migrate: Arc<dyn JobHandler>,
    boards: Boards,
    waits: Waits,
}

impl Evacuate {
    /// With these records, and the job type that moves one volume. Where evacuations stand is seen in `boards`.
    pub fn new(desk: Desk, settings: CopySettings, migrate: Arc<dyn JobHandler>, boards: Boards) -> Self {
        Self { desk, settings, migrate, boards, waits: Waits::default() }
    }
}

/// `jobData`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The storage to empty.
    pub source: StorageId,
    /// Where its volumes may go.
    pub targets: Vec<StorageId>,
    /// Volumes that are moved at a time.
    pub parallel: u32,
}

impl Request {
    /// Reads `jobData`.
    ///
    /// # Errors
    /// A member is missing or out of its bounds, or source and target are the same.
    pub fn read(data: &Value) -> Result<Self, Fault> {
        let source = migrate::id(data, "primaryStorageUuid", "PrimaryStorageVO")?;
        let field = "dstPrimaryStorageUuids";
        let listed = data.get(field).and_then(Value::as_array).filter(|l| !l.is_empty()).ok_or_else(|| {
            Fault::invalid(format!(
                "field[{field}] of jobData is mandatory, can not be null; give a list of uuids of primary storages"
            ))
        })?;
        if listed.len() > TARGETS_MAX {
            return Err(Fault::invalid(format!(
                "field[{field}] of jobData has more than {TARGETS_MAX} storages; give fewer"
            )));
        }
        let mut targets: Vec<StorageId> = Vec::new();
        for text in listed.iter().map(|v| v.as_str().unwrap_or_default().trim()) {
            let unknown = || longhaul_engine::inventory::not_found(field, text, "PrimaryStorageVO");
            let target = text.parse().map_err(|_| unknown())?;
            if target == source {
                return Err(Fault::invalid(format!(
                    "primary storage[uuid:{source}] can not be emptied into itself; name other storages in field[{field}]"
                )));
            }
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let parallel = match data.get("parallel") {
            None | Some(Value::Null) => Some(PARALLEL),
            Some(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        };
        let parallel = parallel.filter(|n| (1..=PARALLEL_MAX).contains(n)).ok_or_else(|| {
            Fault::invalid(format!(
                "field[parallel] of jobData must be a whole number from 1 to {PARALLEL_MAX}"
            ))
        })?;
        Ok(Self { source, targets, parallel })
    }
}

#[async_trait]
impl JobHandler for Evacuate {
    fn job_type(&self) -> JobType {
        JobType {
            name: EVACUATE,
            description: "Moves every volume of a primary storage to others, one migration job for each, and reports.",
            cancelable: true,
            resumable: true,
            cleanable: true,
            ordered: true, // two evacuations of one storage would be in each other's way
            class: SlotClass::Parent,
            restart: RestartRule::Resume,
            admin_only: true, // it moves everybody's volumes
            schema: || {
                let uuid = "^[0-9a-f]{32}$";
                json!({
                    "type": "object",
                    "required": ["primaryStorageUuid", "dstPrimaryStorageUuids"],
                    "properties": {
                        "primaryStorageUuid": {"type": "string", "pattern": uuid, "description": "The primary storage to empty."},
                        "dstPrimaryStorageUuids": {
                            "type": "array", "minItems": 1, "maxItems": TARGETS_MAX,
                            "items": {"type": "string", "pattern": uuid},
                            "description": "Where its volumes may go.",
                        },
                        "parallel": {
                            "type": "integer", "minimum": 1, "maximum": PARALLEL_MAX, "default": PARALLEL,
                            "description": "Volumes that are moved at a time.",
                        },
                    },
                })
            },
        }
    }

    async fn check(&self, request: &CheckRequest) -> Result<Checked, Fault> {
        let wanted = Request::read(&request.data)?;
        let source = self.desk.inventory.storage(wanted.source, "primaryStorageUuid").await?;
        if let Some(target) = request.target.as_deref().filter(|t| *t != source.id.to_string()) {
            return Err(Fault::invalid(format!(
                "field[targetResourceUuid] is [{target}] but this job works on the primary storage[uuid:{}]; send that \
                 or leave it out",
                source.id
            )));
        }
        lets_work_go_on(&source)?;
        let targets = self.targets(&wanted).await?;
        for target in &targets {
            takes_volumes(target)?;
        }
        let mut plan = Map::new();
        if request.dry_run {
            plan = self.plan(request, &wanted, &source, &targets).await?;
        }
        // Its jobs are of the source's host, and report there.
        Ok(Checked { target: Some(source.id.to_string()), host: source.host, plan })
    }

    async fn run(&self, context: &JobContext) -> Result<Success, Ended> {
        self.evacuate(context).await
    }

    async fn undo(&self, context: &JobContext) -> Result<Map<String, Value>, Fault> {
        self.call_off(context).await
    }

    async fn ready(&self, job: JobId, data: &Value) -> Result<(), Fault> {
        self.can_go_on(job, &Request::read(data)?).await
    }
}

impl Evacuate {
    async fn targets(&self, wanted: &Request) -> Result<Vec<Storage>, Fault> {
        let mut targets = Vec::new();
        for id in &wanted.targets {
            targets.push(self.desk.inventory.storage(*id, "dstPrimaryStorageUuids").await?);
        }
        Ok(targets)
    }

    /// The volumes on the source that are not in `known`, and how many there are beyond what is taken.
    async fn volumes(
        &self,
        source: StorageId,
        known: &BTreeSet<longhaul_model::VolumeId>,
    ) -> Result<(Vec<longhaul_model::resource::Volume>, u64), Fault> {
        let mut volumes = self.desk.inventory.volumes_on(source).await?;
        volumes.retain(|volume| !known.contains(&volume.id));
        volumes.sort_by_key(|volume| (volume.create_ms, volume.id));
        let room = VOLUMES_MAX.saturating_sub(known.len());
        let beyond = volumes.len().saturating_sub(room);
        volumes.truncate(room);
        Ok((volumes, beyond as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0000000000000000000000000000000a";
    const B: &str = "0000000000000000000000000000000b";

    #[test]
    fn a_request_names_a_source_other_targets_and_a_number_within_bounds() {
        let read = |data: Value| Request::read(&data);
        let good = read(json!({"primaryStorageUuid": A, "dstPrimaryStorageUuids": [B, B]})).unwrap();
        assert_eq!((good.targets.len(), good.parallel), (1, PARALLEL));
        let refused = |data: Value| read(data).unwrap_err().to_string();
        assert!(refused(json!({"dstPrimaryStorageUuids": [B]})).contains("primaryStorageUuid"));
        assert!(refused(json!({"primaryStorageUuid": A})).contains("dstPrimaryStorageUuids"));
        assert!(
            refused(json!({"primaryStorageUuid": A, "dstPrimaryStorageUuids": []})).contains("mandatory")
        );
        assert!(
            refused(json!({"primaryStorageUuid": A, "dstPrimaryStorageUuids": [B, A]})).contains("itself")
        );
        for parallel in [json!(0), json!(17), json!("2"), json!(1.5)] {
            let data = json!({"primaryStorageUuid": A, "dstPrimaryStorageUuids": [B], "parallel": parallel});
            assert!(refused(data).contains("from 1 to 16"), "{parallel}");
        }
    }
}
