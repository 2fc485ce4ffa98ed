//! What an evacuation would do: for each volume its bytes, where it fits, how long it takes, and what stands in its
//! way. Each volume is checked as the job that moves it will check it; nothing is stored.

use futures::StreamExt;
use longhaul_engine::CheckRequest;
use longhaul_model::resource::{Storage, Volume};
use longhaul_model::{AccountId, Fault, StorageId};
use serde_json::{Map, Value, json};

use super::board::{Row, State};
use super::{Evacuate, Request};
use crate::carry::estimate::{self, Speed};
use crate::manage::volumes::{format_of, takes_volumes};
use crate::pace::forecast::Move;

/// Volumes that are looked at at a time.
const LOOKS_AT_ONCE: usize = 8;
/// Room for the tables of an image, and at least so much, as a migration reckons.
const TABLES_SHARE: u64 = 256;
const TABLES_MIN: u64 = 4 * 1024 * 1024;
/// Most blockers in the plan's own list; each is with its volume too.
const BLOCKERS_MAX: usize = 100;

/// A volume that was looked at.
pub(super) struct Looked {
    pub row: Row,
    /// Bytes that its target must have free.
    pub needed: u64,
    /// What stands in its way.
    pub blockers: Vec<String>,
}

/// Free bytes of a target that are not promised yet.
struct Room {
    target: StorageId,
    free: u64,
}

impl Evacuate {
    /// The plan as a dry run answers it.
    pub(super) async fn plan(
        &self,
        request: &CheckRequest,
        wanted: &Request,
        source: &Storage,
        targets: &[Storage],
    ) -> Result<Map<String, Value>, Fault> {
        let (volumes, not_taken) = self.volumes(source.id, &Default::default()).await?;
        let looked = self.survey(source, targets, request.account, volumes).await?;
        let speed = Speed::of(&self.desk, &self.settings, None).await?;
        let moves: Vec<Move> = looked
            .iter()
            .filter(|volume| volume.blockers.is_empty())
            .map(|volume| {
                speed.copy(volume.row.bytes, [Some(source.id), volume.row.target].into_iter().flatten())
            })
            .collect();
        let now_ms = self.desk.inventory.runtime().now_ms();
        let foreseen = self.settings.pacer.forecast(&moves, wanted.parallel as usize, now_ms);
        let mut each = foreseen.each.iter();
        let (mut bytes, mut movable) = (0u64, 0u32);
        let mut blockers = Vec::new();
        let mut rows = Vec::new();
        for volume in &looked {
            let row = &volume.row;
            let mut seconds = Some(speed.seconds(row.bytes));
            if volume.blockers.is_empty() {
                (bytes, movable) = (bytes + row.bytes, movable + 1);
                seconds = each.next().copied().flatten();
            }
            blockers.extend(volume.blockers.iter().map(|why| format!("{}: {why}", row.name)));
            let mut shown = json!({
                "volumeUuid": row.volume.to_string(),
                "name": row.name,
                "bytes": row.bytes,
                "neededBytes": volume.needed,
                "blockers": volume.blockers,
            });
            if let Some(seconds) = seconds {
                shown["estimateSeconds"] = Value::from(seconds);
            }
            if let Some(target) = row.target {
                shown["dstPrimaryStorageUuid"] = Value::from(target.to_string());
            }
            rows.push(shown);
        }
        blockers.truncate(BLOCKERS_MAX);
        let time = estimate::told(&self.settings, speed, &moves, &foreseen);
        let mut evacuation = json!({
            "primaryStorageUuid": source.id.to_string(),
            "dstPrimaryStorageUuids": wanted.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "parallel": wanted.parallel,
            "movable": movable,
            "blocked": rows.len() as u64 - u64::from(movable),
            "notTaken": not_taken,
            "bytes": bytes,
            "volumes": rows,
        });
        for (key, value) in &time {
            evacuation[key] = value.clone();
        }
        let mut plan = Map::from_iter([
            ("srcPrimaryStorageUuid".to_owned(), Value::from(source.id.to_string())),
            ("bytes".to_owned(), Value::from(bytes)),
            ("blockers".to_owned(), Value::from(blockers)),
            ("evacuation".to_owned(), evacuation),
        ]);
        plan.extend(time);
        Ok(plan)
    }

    /// Looks at volumes: largest first, each with the target that had most room left, and what stands in its way.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn survey(
        &self,
        source: &Storage,
        targets: &[Storage],
        account: AccountId,
        volumes: Vec<Volume>,
    ) -> Result<Vec<Looked>, Fault> {
        let sized = futures::stream::iter(volumes)
            .map(|volume| async move { (self.bytes_of(source, &volume).await, volume) })
            .buffered(LOOKS_AT_ONCE);
        let mut sized: Vec<_> = sized.collect().await;
        sized.sort_by_key(|(bytes, volume)| (std::cmp::Reverse(*bytes), volume.id));
        let mut rooms = self.rooms(targets).await;
        let placed: Vec<_> =
            sized.into_iter().map(|(bytes, volume)| (bytes, place(&mut rooms, bytes), volume)).collect();
        let roomiest = targets.first().map(|t| t.id);
        let looked = futures::stream::iter(placed)
            .map(|(bytes, target, volume)| self.look_at(volume, bytes, target, roomiest, account))
            .buffered(LOOKS_AT_ONCE);
        Ok(looked.collect().await)
    }

    /// What the volume occupies, at most what its guest sees; what its record says where it cannot be looked at.
    async fn bytes_of(&self, source: &Storage, volume: &Volume) -> u64 {
        let path = volume.install_path.as_deref().unwrap_or_default();
        let said = format_of(volume.format.as_deref());
        match self.desk.look(source, path, Some(said)).await {
            Ok(disk) => disk.layers.iter().map(|l| l.actual_bytes).sum::<u64>().min(volume.size),
            Err(_) => volume.actual_size.unwrap_or(volume.size), // why, its check says
        }
    }

    /// What is free on the targets that take volumes now.
    async fn rooms(&self, targets: &[Storage]) -> Vec<Room> {
        let mut rooms = Vec::new();
        for target in targets {
            if let (Ok(()), Ok(capacity)) = (takes_volumes(target), self.desk.capacity(target).await) {
                rooms.push(Room { target: target.id, free: capacity.available_bytes });
            }
        }
        rooms
    }

    async fn look_at(
        &self,
        volume: Volume,
        bytes: u64,
        target: Option<StorageId>,
        otherwise: Option<StorageId>,
        account: AccountId,
    ) -> Looked {
        let mut blockers = Vec::new();
        let mut needed = with_tables(bytes);
        if let Err(fault) = self.desk.inventory.refuse_worked_on(volume.id).await {
            blockers.push(fault.to_string());
        }
        if target.is_none() {
            blockers.push(format!("no target has room for {needed} bytes more; add another, or free some"));
        }
        if let Some(against) = target.or(otherwise) {
            let check = CheckRequest {
                job: longhaul_model::JobId::from_bits(0),
                account,
                admin: true,
                target: None,
                data: json!({"volumeUuid": volume.id.to_string(), "dstPrimaryStorageUuid": against.to_string()}),
                rate: None,
                host: longhaul_model::HostId::from_bits(0), // of no matter for a plan
                dry_run: true,
            };
            match self.migrate.check(&check).await {
                Err(fault) => blockers.push(fault.to_string()),
                Ok(checked) => {
                    let plan = &checked.plan;
                    needed = plan.get("neededBytes").and_then(Value::as_u64).unwrap_or(needed);
                    let found = plan.get("blockers").and_then(Value::as_array).into_iter().flatten();
                    blockers.extend(found.filter_map(Value::as_str).map(str::to_owned));
                }
            }
        }
        let mut row = Row {
            volume: volume.id,
            name: volume.name,
            bytes,
            target,
            job: None,
            state: State::Pending,
            again: false,
            blake3: None,
            seconds: None,
            detail: String::new(),
        };
        if volume.deleted_ms.is_some() {
            blockers.push("it was deleted; expunge it, or recover it and evacuate again".to_owned());
        }
        if !blockers.is_empty() {
            row.because(State::Blocked, &blockers.join("; "));
        }
        Looked { row, needed, blockers }
    }
}

fn with_tables(bytes: u64) -> u64 {
    bytes.saturating_add((bytes / TABLES_SHARE).max(TABLES_MIN))
}

/// The target with most room left, if that is enough; the room is taken.
fn place(rooms: &mut [Room], bytes: u64) -> Option<StorageId> {
    let room = rooms.iter_mut().max_by_key(|room| room.free)?;
    if room.free < with_tables(bytes) {
        return None;
    }
    room.free = room.free.saturating_sub(bytes + bytes / TABLES_SHARE);
    Some(room.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn the_largest_go_where_most_room_is_so_that_all_fit() {
        let (a, b) = (StorageId::from_bits(1), StorageId::from_bits(2));
        let mut rooms = [Room { target: a, free: 1000 * MIB }, Room { target: b, free: 700 * MIB }];
        let placed: Vec<_> = [600, 500, 300, 150].map(|m| place(&mut rooms, m * MIB)).into();
        assert_eq!(placed, [Some(a), Some(b), Some(a), Some(b)]);
        assert_eq!(place(&mut rooms, 200 * MIB), None, "nothing is promised twice");
        assert_eq!(place(&mut [], 1), None);
    }

    #[test]
    fn many_small_ones_fit_where_one_does() {
        let mut rooms = [Room { target: StorageId::from_bits(1), free: 20 * MIB }];
        assert!((0..7).all(|_| place(&mut rooms, 2 * MIB).is_some()));
        assert_eq!(place(&mut rooms, 2 * MIB), None);
    }
}
