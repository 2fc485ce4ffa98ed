//! What an evacuation has to know beyond its own rows: what came to the storage while it ran, and what earlier runs of
//! the same job moved. Both are read from the records; nothing is kept here.

use std::collections::BTreeSet;

use longhaul_engine::JobContext;
use longhaul_model::resource::{IntentKind, Storage};
use longhaul_model::{Fault, Job, JobState, VolumeId};
use serde_json::Value;

use super::board::{Arrived, Board, Row, Shared, State, lock};
use super::run::told;
use super::{Evacuate, VOLUMES_MAX};

impl Evacuate {
    /// What lies on the source although its row says that it left, and what a job is writing there now.
    pub(super) async fn arrivals(
        &self,
        context: &JobContext,
        source: &Storage,
        board: &Shared,
    ) -> Result<Vec<Arrived>, Fault> {
        let left: BTreeSet<VolumeId> = lock(board)
            .rows()
            .iter()
            .filter(|row| matches!(row.state, State::Moved | State::Left))
            .map(|row| row.volume)
            .collect();
        let mut arrived = Vec::new();
        for volume in self.desk.inventory.volumes_on(source.id).await? {
            if left.contains(&volume.id) {
                arrived.push(Arrived {
                    volume_uuid: Some(volume.id.to_string()),
                    name: volume.name,
                    job_uuid: None,
                    detail: "it came back to the storage after it had left it".to_owned(),
                });
            }
        }
        let mut seen = BTreeSet::new();
        for intent in self.desk.inventory.all_intents().await? {
            let IntentKind::Artifact { path } = &intent.kind else { continue };
            // Of an image that is read, the snapshot is entered too.
            let is_written = source.pool.is_none() || !path.contains('@');
            if intent.storage != Some(source.id) || !is_written || !seen.insert(intent.job) {
                continue;
            }
            if let Some(job) = context.other_job(intent.job).await?
                && !job.state.is_final()
            {
                arrived.push(self.arriving(&job).await);
            }
        }
        arrived.truncate(VOLUMES_MAX);
        Ok(arrived)
    }

    async fn arriving(&self, job: &Job) -> Arrived {
        let volume = match job.target.as_deref().and_then(|target| target.parse().ok()) {
            Some(id) => self.desk.inventory.volume(id).await.ok(),
            None => None,
        };
        Arrived {
            volume_uuid: volume.as_ref().map(|volume| volume.id.to_string()),
            name: volume.map_or_else(|| job.name.clone(), |volume| volume.name),
            job_uuid: Some(job.id.to_string()),
            detail: format!("long job[uuid:{}] is writing it to the storage", job.id),
        }
    }
}

/// Rows of what earlier runs of this job moved, the newest first, each volume once. Those of this run are not among them.
pub(super) async fn earlier(context: &JobContext, board: &Board) -> Result<Vec<Row>, Fault> {
    let own: BTreeSet<_> = board.rows().iter().filter_map(|row| row.job).collect();
    let limit = u32::try_from(own.len() + VOLUMES_MAX).unwrap_or(u32::MAX);
    let mut volumes = BTreeSet::new();
    let mut rows = Vec::new();
    for id in context.children(limit).await? {
        if own.contains(&id) {
            continue;
        }
        let Some(job) = context.other_job(id).await? else { continue };
        if let Some(row) = row_of(&job)
            && volumes.insert(row.volume)
        {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// What a job says that moved a volume; `None` of one that did not.
fn row_of(job: &Job) -> Option<Row> {
    if job.state != JobState::Succeeded {
        return None;
    }
    let data: Value = serde_json::from_str(&job.job_data).ok()?;
    let result: Value = serde_json::from_str(job.job_result.as_deref()?).ok()?;
    let inventory = &result["inventory"];
    let mut row = Row {
        volume: data["volumeUuid"].as_str()?.parse().ok()?,
        name: inventory["name"].as_str().unwrap_or(&job.name).to_owned(),
        bytes: inventory["actualSize"].as_u64().unwrap_or(0),
        target: data["dstPrimaryStorageUuid"].as_str().and_then(|id| id.parse().ok()),
        job: Some(job.id),
        state: State::Pending,
        again: false,
        blake3: None,
        seconds: None,
        detail: String::new(),
    };
    told(&mut row, job);
    Some(row)
}
