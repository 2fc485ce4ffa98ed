//! Primary storages and their trash.

use std::path::Path;
use std::sync::Arc;

use longhaul_engine::inventory::{StorageUpdate, not_found};
use longhaul_jobs::manage::storages::{self, Item, NewDirectory};
use longhaul_jobs::manage::{trash, volumes};
use longhaul_jobs::pace::Budget;
use longhaul_model::query::{Filter, LIMIT_MAX, Page, Query, Resource, Rows};
use longhaul_model::resource::{StorageKind, StorageState, Tagged};
use longhaul_model::{Code, Fault, StorageId};
use longhaul_wire::inventory::{
    self, BandwidthInventory, CapacityAnswer, CleanUpTrashAnswer, ScanItemInventory, ScanStatus,
    TrashInventory, ZONE,
};

use super::{required, tags, typed};
use crate::answer::Answer;
use crate::app::{App, Called};

fn storage_id(called: &Called) -> Result<StorageId, Fault> {
    id_in(called, "uuid")
}

fn id_in(called: &Called, field: &str) -> Result<StorageId, Fault> {
    let uuid = required(called, field)?;
    uuid.parse().map_err(|_| not_found(field, uuid, "PrimaryStorageVO"))
}

pub async fn add_directory(app: &Arc<App>, called: &Called, kind: StorageKind) -> Result<Answer, Fault> {
    refuse_other_zone(called)?;
    let params = &called.call.params;
    let new = NewDirectory {
        id: params.id("resourceUuid"),
        name: required(called, "name")?.to_owned(),
        description: params.owned("description"),
        url: required(called, "url")?.to_owned(),
    };
    refuse_own(app, &new.url, "url")?;
    let url = new.url.clone();
    let added = storages::add_directory(&app.desk(), app.engine.host(), kind, new).await;
    let storage =
        added.map_err(|fault| if kind == StorageKind::Nfs { fault } else { typed(fault, "url", &url) })?;
    tags::put_on(app, called, Tagged::Storage(storage.id)).await?;
    Ok(Answer::Storage(Box::new(storage)))
}

/// The server's own directory holds its keys and its store: no storage may have it within, or lie where the server
/// keeps what it makes and removes by itself.
pub(super) fn refuse_own(app: &App, url: &str, field: &str) -> Result<(), Fault> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (own, asked) = (real(&app.settings.data_dir), real(Path::new(url)));
    let swept =
        [crate::exports::DIRECTORY, crate::node::STAGING].iter().any(|d| asked.starts_with(own.join(d)));
    if Path::new(url).is_absolute() && (swept || own.starts_with(&asked)) {
        return Err(Fault::invalid(format!(
            "the {field}[{url}] is, holds or lies in what is this server's own, its data directory; give another directory"
        )));
    }
    Ok(())
}

/// One constant zone: clients that know of none are as welcome.
pub(super) fn refuse_other_zone(called: &Called) -> Result<(), Fault> {
    match called.call.params.text("zoneUuid").filter(|z| *z != ZONE) {
        Some(zone) => Err(not_found("zoneUuid", zone, "ZoneVO")),
        None => Ok(()),
    }
}

/// Looks anew whether the storage is there and how full it is.
pub async fn reconnect(app: &Arc<App>, called: &Called, field: &str) -> Result<Answer, Fault> {
    let storage = storages::refreshed(&app.desk(), id_in(called, field)?).await?;
    if storage.status == "Connected" {
        return Ok(Answer::Storage(Box::new(storage)));
    }
    // Why is not in the record, so it is asked for once more.
    match app.desk().capacity(&storage).await {
        Ok(_) => Ok(Answer::Storage(Box::new(storages::refreshed(&app.desk(), storage.id).await?))),
        Err(why) => {
            let told = format!("primary storage[uuid:{}] is still Disconnected", storage.id);
            Err(Fault::failed(told).because(why))
        }
    }
}

pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let id = storage_id(called)?;
    let params = &called.call.params;
    let known = app.engine.inventory().storage(id, "uuid").await?;
    if params.text("url").is_some_and(|url| !url.is_empty() && url != known.url) {
        return Err(Fault::invalid(format!(
            "the url of a primary storage cannot change; add [{}] as another storage and migrate the volumes",
            params.text("url").unwrap_or_default()
        )));
    }
    let update = StorageUpdate {
        name: params.owned("name"),
        description: params.owned("description"),
        ..StorageUpdate::default()
    };
    Ok(Answer::Storage(Box::new(app.engine.inventory().update_storage(id, update).await?)))
}

pub async fn change_state(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let state = match required(called, "stateEvent")? {
        "enable" => StorageState::Enabled,
        "disable" => StorageState::Disabled,
        "maintain" => StorageState::Maintenance,
        other => {
            return Err(Fault::new(
                Code::CannotChangeState,
                format!("the stateEvent[{other}] belongs to a deletion; delete the primary storage instead"),
            ));
        }
    };
    let update = StorageUpdate { state: Some(state), ..StorageUpdate::default() };
    Ok(Answer::Storage(Box::new(app.engine.inventory().update_storage(storage_id(called)?, update).await?)))
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let with_trash = called.call.params.text("deleteMode") == Some("Enforcing");
    storages::delete(&app.desk(), storage_id(called)?, with_trash).await.map(|()| Answer::Empty)
}

pub async fn trash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let id = storage_id(called)?;
    let inventory = app.engine.inventory();
    inventory.storage(id, "uuid").await?;
    let mut rows = inventory.trash(id).await?;
    rows.retain(|row| {
        params.text("trashType").is_none_or(|t| t == row.kind)
            && params.text("resourceUuid").is_none_or(|u| u == row.resource_uuid)
            && params.text("resourceType").is_none_or(|t| t == row.resource_type)
    });
    let rows: Vec<_> = rows.iter().map(|row| TrashInventory::of(row, &app.format)).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

pub async fn clean_trash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let only = called.call.params.int("trashId").and_then(|n| u64::try_from(n).ok());
    let cleaned = trash::clean(&app.desk(), storage_id(called)?, only).await?;
    let mut items: Vec<_> = cleaned.into_iter().map(|c| (c.trash.id, Some(c.trash), c.error)).collect();
    if let (Some(id), true) = (only, items.is_empty()) {
        items.push((id, None, None)); // an unknown number is a success, as the contract has it
    }
    Ok(Answer::Json(inventory::custom(&CleanUpTrashAnswer::of(items))))
}

pub async fn capacity(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let (zones, clusters, wanted) =
        (params.list("zoneUuids"), params.list("clusterUuids"), params.list("primaryStorageUuids"));
    let all = params.flag("all") || (wanted.is_empty() && clusters.is_empty() && zones.contains(&ZONE));
    let query = Query {
        resource: Resource::Storage,
        filter: Filter::default(),
        sort: None,
        page: Page { start: 0, limit: LIMIT_MAX },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    let found =
        app.store.query(&query).await.map_err(|e| longhaul_engine::fault::from_store(e, "the storages"))?;
    let Rows::Storages(rows) = found.rows else { return Err(Fault::internal("asked for storages")) };
    let mut sum = CapacityAnswer::default();
    for row in rows {
        if !all && !wanted.contains(&row.id.to_string().as_str()) {
            continue;
        }
        let storage = storages::refreshed(&app.desk(), row.id).await?;
        sum.total_capacity += storage.total_bytes;
        sum.available_capacity += storage.available_bytes;
        sum.total_physical_capacity += storage.total_bytes;
        sum.available_physical_capacity += storage.available_bytes;
    }
    Ok(Answer::Json(inventory::custom(&sum)))
}

/// What is in force for each storage at this moment; an unknown uuid has no row.
pub async fn bandwidth(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let wanted = called.call.params.list("primaryStorageUuids");
    let mut storages = app.engine.inventory().storages().await?;
    storages.retain(|storage| wanted.is_empty() || wanted.contains(&storage.id.to_string().as_str()));
    let now_ms = app.runtime.now_ms();
    let rows: Vec<_> = storages
        .into_iter()
        .map(|storage| {
            let told = app.pacer.told(storage.id, now_ms);
            let (window, until_ms) = told.window.unzip();
            BandwidthInventory {
                primary_storage_uuid: storage.id.to_string(),
                name: storage.name,
                bytes_per_second: told.budget.bytes_per_s(),
                paused: told.budget == Budget::Paused,
                window,
                until: until_ms.map(|ms| app.format.text(ms)),
                time_zone: Some(told.zone).filter(|zone| !zone.is_empty()),
                copies: told.copies,
            }
        })
        .collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

pub async fn scan(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let id = storage_id(called)?;
    let known = app.engine.inventory().storage(id, "uuid").await?;
    let root = known.directory().unwrap_or_default();
    let rows: Vec<_> =
        storages::scan(&app.desk(), id).await?.into_iter().map(|item| scan_item(root, item)).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

fn scan_item(root: &str, item: Item) -> ScanItemInventory {
    let of_volume = |volume: longhaul_model::resource::Volume, status, detail| ScanItemInventory {
        install_path: volume.install_path.clone().unwrap_or_default(),
        status,
        volume_uuid: Some(volume.id.to_string()),
        format: None,
        size: None,
        actual_size: None,
        detail,
    };
    match item {
        Item::Missing(volume) => of_volume(
            *volume,
            ScanStatus::Missing,
            "the file is gone; restore it, or forget the volume".to_owned(),
        ),
        Item::Changed(volume, why) => of_volume(*volume, ScanStatus::Changed, why),
        Item::Unmanaged(found) => {
            let info = found.image.as_ref().ok();
            ScanItemInventory {
                install_path: std::path::Path::new(root).join(&found.path).to_string_lossy().into_owned(),
                status: ScanStatus::Unmanaged,
                volume_uuid: None,
                format: info.map(|i| volumes::format_name(i.format).to_owned()),
                size: info.map(|i| i.virtual_bytes),
                actual_size: info.map(|i| i.actual_bytes),
                detail: match &found.image {
                    Ok(info) if info.internal_snapshots > 0 => format!(
                        "not managed, with {} snapshots; adopt it to make it a volume",
                        info.internal_snapshots
                    ),
                    Ok(_) => "not managed; adopt it to make it a volume".to_owned(),
                    Err(error) => error.to_string(),
                },
            }
        }
    }
}
