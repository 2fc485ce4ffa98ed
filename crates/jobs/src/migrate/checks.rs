//! What is checked before a volume moves: at submit, at the start of each attempt, and partly again right
//! before the switch-over.

use std::path::Path;

use longhaul_engine::inventory::not_found;
use longhaul_engine::{CheckRequest, Checked, Inventory};
use longhaul_model::resource::{Storage, StorageState, Volume};
use longhaul_model::{Code, Fault, StorageId};
use serde_json::{Map, Value, json};

use super::{Request, format, format_of};
use crate::attempt_io::question::ImageFacts;
use crate::carry::CopySettings;
use crate::carry::estimate::{self, Speed};
use crate::copy::run::Snapshots;
use crate::manage::host::only_host;

use crate::manage::pool::{has_room, refuse_unmovable};
use crate::manage::volumes::{format_name, takes_volumes};
use crate::manage::{Desk, blocking, open_root, refuse_holders};
use crate::storage::{self, DiskError, Layer};

/// Checks a submission. A dry run collects what stands in the way instead of failing at the first.
pub async fn check(desk: &Desk, settings: &CopySettings, request: &CheckRequest) -> Result<Checked, Fault> {
    let inventory = &desk.inventory;
    let wanted = Request::read(&request.data)?;
    let volume = inventory.volume(wanted.volume).await?;
    if !request.admin && volume.account != request.account {
        return Err(Fault::new(
            Code::PermissionDenied,
            format!(
                "operation denied. The resource[uuid: {}] doesn't belong to the account[uuid: {}]",
                volume.id, request.account
            ),
        ));
    }
    target_is_volume(inventory, request, &volume).await?;
    let (from, to) = storages(inventory, &volume, &wanted).await?;
    let mut blockers = Vec::new();
    let mut note = |found: Result<(), Fault>| match found {
        Err(fault) if request.dry_run => {
            blockers.push(Value::String(fault.to_string()));
            Ok(())
        }
        other => other,
    };
    let host = match only_host([from.host, to.host]) {
        Ok(host) => host,
        Err(fault) => {
            note(Err(fault))?;
            None
        }
    };
    note(is_ready(&volume))?;
    note(lends(&from))?;
    note(takes_volumes(&to))?;
    let now = format_of(volume.format.as_deref());
    let becomes = match format::chosen(wanted.format, now, &to) {
        Ok(format) => format,
        Err(fault) => {
            note(Err(fault))?;
            storage::Format::Raw
        }
    };
    note(format::has_room_for_size(now, becomes, volume.size))?;
    let path = volume.install_path.clone().unwrap_or_default();
    let keeps = to.pool.is_some();
    // At once, and as few as can be: each question about a pool takes a process of its own, and a connection.
    let held_file = async {
        match &from.pool {
            Some(_) => Ok(()), // told with what the image is
            None => desk.refuse_held(&from, &path).await,
        }
    };
    let room_of_pool = async {
        match &to.pool {
            Some(_) => Some(desk.capacity(&to).await),
            None => None,
        }
    };
    let (found, held, seen) =
        tokio::join!(source(desk, &from, &path, volume.format.as_deref()), held_file, room_of_pool,);
    let held = match &found {
        Ok((_, Some(facts))) => refuse_holders(&facts.holders),
        _ => held,
    };
    let mut snapshots = 0;
    let source = match found {
        Ok((layers, facts)) => {
            if let (Some(pool), Some(facts)) = (&from.pool, &facts) {
                snapshots = facts.snapshots.len();
                note(refuse_unmovable(pool, facts, wanted.snapshots, keeps))?;
            }
            Some(match facts.and_then(|f| f.history_bytes) {
                Some(bytes) if keeps && wanted.snapshots == Snapshots::Keep => {
                    layers.into_iter().map(|layer| Layer { actual_bytes: bytes, ..layer }).collect()
                }
                _ => layers,
            })
        }
        Err(fault) => {
            note(Err(fault))?;
            None
        }
    };
    if source.is_some() {
        note(held)?;
        note(desk.refuse_backing(&from, &path).await)?;
    }
    // Of a chain, at most what the guest sees is copied; how much the layers hide of each other, nobody knows
    // before.
    let layers = source.as_deref().unwrap_or_default();
    let occupied: u64 = layers.iter().map(|layer| layer.actual_bytes).sum();
    let bytes = if layers.len() > 1 { occupied.min(volume.size) } else { occupied };
    let needed = format::needed(becomes, bytes, volume.size);
    let room = match seen {
        Some(seen) => has_room(seen, needed),
        None => desk.room(&to, needed).await,
    };
    let free = match room {
        Ok(free) => free,
        Err((free, fault)) => {
            note(Err(fault))?;
            free
        }
    };
    let mut time = Map::new();
    if request.dry_run {
        let speed = Speed::of(desk, settings, request.rate).await?;
        let moves = [speed.copy(bytes, [from.id, to.id])];
        let foreseen = settings.pacer.forecast(&moves, 1, inventory.runtime().now_ms());
        time = estimate::told(settings, speed, &moves, &foreseen);
    }
    let mut plan = json!({
        "volumeUuid": volume.id.to_string(),
        "srcPrimaryStorageUuid": from.id.to_string(),
        "dstPrimaryStorageUuid": to.id.to_string(),
        "guestBytes": volume.size,
        "format": format_name(becomes),
        "layers": layers.len(),
        "bytes": bytes,
        "neededBytes": needed,
        "freeBytes": free,
        "blockers": blockers,
    });
    for (key, value) in time {
        plan[key] = value;
    }
    if let (true, Value::Object(plan)) = (source.is_none(), &mut plan) {
        // The source could not be looked at: how much there is to copy, nobody knows.
        let of_it = ["layers", "bytes", "neededBytes", "estimateSeconds", "rateBytesPerSecond", "rateFrom"];
        plan.retain(|key, _| !of_it.contains(&key.as_str()));
    }
    if snapshots > 0 {
        plan["snapshots"] = json!(snapshots);
        plan["droppedSnapshots"] = json!(if wanted.snapshots == Snapshots::Drop { snapshots } else { 0 });
    }
    let plan = if let Value::Object(plan) = plan { plan } else { Map::new() };
    Ok(Checked { target: Some(volume.id.to_string()), host, plan })
}

/// `targetResourceUuid`, where given, is the volume.
async fn target_is_volume(
    inventory: &Inventory,
    request: &CheckRequest,
    volume: &Volume,
) -> Result<(), Fault> {
    let Some(target) = request.target.as_deref().filter(|t| *t != volume.id.to_string()) else {
        return Ok(());
    };
    let as_volume = match target.parse() {
        Ok(id) => inventory.volume(id).await.is_ok(),
        Err(_) => false,
    };
    let as_storage = match target.parse::<StorageId>() {
        Ok(id) => inventory.storage(id, "targetResourceUuid").await.is_ok(),
        Err(_) => false,
    };
    if !as_volume && !as_storage {
        return Err(not_found("targetResourceUuid", target, "ResourceVO"));
    }
    Err(Fault::invalid(format!(
        "field[targetResourceUuid] is [{target}] but this job works on the volume[uuid:{}]; send that or leave it out",
        volume.id
    )))
}

/// Source and target storage.
pub async fn storages(
    inventory: &Inventory,
    volume: &Volume,
    wanted: &Request,
) -> Result<(Storage, Storage), Fault> {
    let to = inventory.storage(wanted.target, "dstPrimaryStorageUuid").await?;
    let Some(from) = volume.storage else {
        return Err(Fault::failed(format!(
            "volume[uuid:{}] has no bytes yet, so there is nothing to move",
            volume.id
        )));
    };
    let from = inventory.storage(from, "primaryStorageUuid").await?;
    if from.id == to.id {
        return Err(Fault::invalid(format!(
            "volume[uuid:{}] is on primary storage[uuid:{}] already; choose another",
            volume.id, to.id
        )));
    }
    Ok((from, to))
}

/// Whether the storage was there when it was last looked at.
pub fn connected(storage: &Storage) -> Result<(), Fault> {
    if storage.status == "Connected" {
        return Ok(());
    }
    let why = storage.elsewhere.as_deref().map(|said| format!("; {said}")).unwrap_or_default();
    let told = format!("primary storage[uuid:{}] is {}{why}", storage.id, storage.status);
    Err(Fault::new(Code::StorageAway, told))
}

/// Whether the volume has bytes that can be moved.
pub fn is_ready(volume: &Volume) -> Result<(), Fault> {
    if volume.status == "Ready" {
        return Ok(());
    }
    Err(Fault::failed(format!("volume[uuid:{}] is {}, not Ready", volume.id, volume.status)))
}

/// Whether volumes may leave a storage.
fn lends(from: &Storage) -> Result<(), Fault> {
    if from.state != StorageState::Maintenance {
        return Ok(());
    }
    Err(Fault::failed(format!("primary storage[uuid:{}] is in Maintenance; enable it first", from.id)))
}

/// The files that the source is made of, the top first, after it was opened as the copier will open it; of an image
/// also what it is.
async fn source(
    desk: &Desk,
    from: &Storage,
    path: &str,
    format: Option<&str>,
) -> Result<(Vec<Layer>, Option<ImageFacts>), Fault> {
    if let Some(pool) = &from.pool {
        let facts = desk.image(pool, path).await?;
        let actual_bytes = facts.stored_bytes.unwrap_or(facts.bytes);
        return Ok((vec![Layer { path: facts.image.clone().into(), actual_bytes }], Some(facts)));
    }
    let (from, path, recorded) = (from.clone(), path.to_owned(), format_of(format));
    blocking(move || {
        let root = open_root(&from)?;
        let relative = root.relative(Path::new(&path))?;
        let info = storage::probe_as(&root, &relative, Some(recorded))?;
        if info.format != recorded && recorded == storage::Format::Qcow2 {
            return Err(DiskError::bad_image(
                Path::new(&path),
                "its record says qcow2, its first bytes do not",
            ));
        }
        // Opens it as the copier will, backing chain included, so that a lying header is told now.
        crate::copy::source::open(&root, &relative, recorded)?;
        Ok((storage::layers(&root, &relative, recorded)?, None))
    })
    .await
}
