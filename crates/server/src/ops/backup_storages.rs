//! Backup storages.

use std::sync::Arc;

use longhaul_engine::inventory::{BackupStorageUpdate, not_found};
use longhaul_jobs::manage::backup_storages::{self, NewImageStore};
use longhaul_model::resource::{BackupStorage, StorageState, Tagged, Trash};
use longhaul_model::{BackupStorageId, Fault};
use longhaul_wire::inventory::{self, CapacityAnswer, CleanUpTrashAnswer, TrashInventory, ZONE};

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

/// Nothing is left behind on a backup storage: what goes, goes at once.
pub async fn trash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    app.engine.inventory().backup_storage(place_id(called)?, "uuid").await?;
    Ok(Answer::Json(inventory::many::<TrashInventory>(&[], called.call.wants_schema)))
}

/// As there is none, there is nothing to clean; a number that is unknown is a success.
pub async fn clean_trash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    app.engine.inventory().backup_storage(place_id(called)?, "uuid").await?;
    let only = called.call.params.int("trashId").and_then(|n| u64::try_from(n).ok());
    let items: Vec<(u64, Option<Trash>, Option<Fault>)> =
        only.map(|id| (id, None, None)).into_iter().collect();
    Ok(Answer::Json(inventory::custom(&CleanUpTrashAnswer::of(items))))
}
