//! Backup storages.

use std::sync::Arc;

use longhaul_engine::inventory::{BackupStorageUpdate, not_found};
use longhaul_jobs::manage::backup_storages::{self, NewImageStore};
use longhaul_jobs::manage::images;
use longhaul_model::resource::{BackupStorage, StorageState, Tagged};
use longhaul_model::{BackupStorageId, Fault};
use longhaul_wire::inventory::{
    self, BackupStorageInventory, CapacityAnswer, CleanUpTrashAnswer, TrashInventory, ZONE,
};

use super::{required, tags};
use crate::answer::Answer;
use crate::app::{App, Called};

fn place_id(called: &Called) -> Result<BackupStorageId, Fault> {
    let uuid = required(called, "uuid")?;
    uuid.parse().map_err(|_| not_found("uuid", uuid, "BackupStorageVO"))
}

fn answer(place: BackupStorage) -> Answer {
    Answer::BackupStorage(Box::new(place))
}

fn port(called: &Called) -> Option<u16> {
    called.call.params.int("sshPort").and_then(|port| u16::try_from(port).ok())
}

pub async fn add(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    super::storages::refuse_own(app, required(called, "url")?, "url")?;
    let new = NewImageStore {
        id: params.id("resourceUuid"),
        name: required(called, "name")?.to_owned(),
        description: params.owned("description"),
        url: required(called, "url")?.to_owned(),
        host_name: params.owned("hostname"),
        username: params.owned("username"),
        ssh_port: port(called).or(Some(22)),
        shared: params.flag("shared"),
    };
    let place = backup_storages::add_image_store(&app.desk(), app.engine.host(), new).await?;
    tags::put_on(app, called, Tagged::BackupStorage(place.id)).await?;
    Ok(answer(place))
}

/// Changes name and description, and of a directory what is shown of where it is.
pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let update = BackupStorageUpdate {
        name: params.owned("name"),
        description: params.owned("description"),
        host_name: params.owned("hostname"),
        username: params.owned("username"),
        ssh_port: port(called),
        ..BackupStorageUpdate::default()
    };
    Ok(answer(app.engine.inventory().update_backup_storage(place_id(called)?, update).await?))
}

pub async fn change_state(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let state = match required(called, "stateEvent")? {
        "enable" => StorageState::Enabled,
        _ => StorageState::Disabled,
    };
    let update = BackupStorageUpdate { state: Some(state), ..BackupStorageUpdate::default() };
    Ok(answer(app.engine.inventory().update_backup_storage(place_id(called)?, update).await?))
}

pub async fn reconnect(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    Ok(answer(backup_storages::reconnect(&app.desk(), place_id(called)?).await?))
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    backup_storages::delete(&app.desk(), place_id(called)?).await.map(|()| Answer::Empty)
}

pub async fn capacity(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let (zones, wanted) = (params.list("zoneUuids"), params.list("backupStorageUuids"));
    let all = params.flag("all") || (wanted.is_empty() && zones.contains(&ZONE));
    let mut sum = CapacityAnswer::default();
    for known in app.engine.inventory().backup_storages().await? {
        if !all && !wanted.contains(&known.id.to_string().as_str()) {
            continue;
        }
        let place = backup_storages::refreshed(&app.desk(), known.id).await?;
        sum.total_capacity += place.total_bytes;
        sum.available_capacity += place.available_bytes;
        sum.total_physical_capacity += place.total_bytes;
        sum.available_physical_capacity += place.available_bytes;
    }
    Ok(Answer::Json(inventory::custom(&sum)))
}

/// Those that an image of one backup storage can move to.
pub async fn candidates(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let uuid = required(called, "srcBackupStorageUuid")?;
    let from = uuid.parse().map_err(|_| not_found("srcBackupStorageUuid", uuid, "BackupStorageVO"))?;
    app.engine.inventory().backup_storage(from, "srcBackupStorageUuid").await?;
    let mut found = backup_storages::candidates(&app.desk(), app.engine.host(), 0).await?;
    found.retain(|place| place.id != from);
    let rows: Vec<_> = found.iter().map(|place| BackupStorageInventory::of(place, &app.format)).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

/// What migrations of images left behind.
pub async fn trash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let id = place_id(called)?;
    app.engine.inventory().backup_storage(id, "uuid").await?;
    let mut rows = images::trash(&app.desk(), id).await?;
    rows.retain(|row| {
        params.text("trashType").is_none_or(|t| t == row.kind)
            && params.text("resourceUuid").is_none_or(|u| u == row.resource_uuid)
            && params.text("resourceType").is_none_or(|t| t == row.resource_type)
    });
    let rows: Vec<_> = rows.iter().map(|row| TrashInventory::of(row, &app.format)).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

/// A number that is unknown is a success.
pub async fn clean_trash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let only = called.call.params.int("trashId").and_then(|n| u64::try_from(n).ok());
    let cleaned = images::clean_trash(&app.desk(), place_id(called)?, only).await?;
    let mut items: Vec<_> = cleaned.into_iter().map(|c| (c.trash.id, Some(c.trash), c.error)).collect();
    if let (Some(id), true) = (only, items.is_empty()) {
        items.push((id, None, None));
    }
    Ok(Answer::Json(inventory::custom(&CleanUpTrashAnswer::of(items))))
}
