//! Queries over what is stored, over the one zone, and over the global configurations.

use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::fault::from_store;
use longhaul_model::Fault;
use longhaul_model::query::{self, Condition, Field, Resource, Rows, Value};
use longhaul_model::resource::{BackupStorageKind, StorageKind};
use longhaul_wire::Op;
use longhaul_wire::api::{Kind, Target};
use longhaul_wire::inventory::{
    self, AccessKeyInventory, AccountInventory, BackupStorageInventory, CephBackupStorageInventory,
    ImageInventory, ImageStoreBackupStorageInventory, LongJobInventory, ManagementNodeInventory,
    PrimaryStorageInventory, SystemTagInventory, UserTagInventory, VolumeInventory, ZoneInventory,
};
use longhaul_wire::query::{RawQuery, global_configs, parse_wait, resolve, zones};

use super::global_config;
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::uploads;

pub async fn query(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let raw = called.call.query.as_ref().ok_or_else(|| Fault::internal("a query without its text"))?;
    let resource = match called.call.operation.kind {
        Kind::Query(Target::Stored(resource)) => resource,
        Kind::Query(Target::Zone) => {
            let zone = ZoneInventory::of(app.born_ms, &app.format);
            let found = zones(raw, zone, app.format.profile())?;
            return Ok(Answer::Json(inventory::query(
                found.rows.as_deref(),
                found.total,
                found.fields.as_deref(),
            )));
        }
        Kind::Query(Target::GlobalConfig) => {
            let found = global_configs(raw, global_config::rows(app), app.format.profile())?;
            return Ok(Answer::Json(inventory::query(
                found.rows.as_deref(),
                found.total,
                found.fields.as_deref(),
            )));
        }
        Kind::Sync | Kind::Async => return Err(Fault::internal("not a query")),
    };
    if let Some(text) = &raw.wait {
        wait(app, called, raw, parse_wait(text)?).await?;
    }
    let mut resolved = resolve(raw, resource, &app.format)?;
    restrict(called, resource, &mut resolved.query);
    resolved.query.filter.conditions.extend(of_kind(called.call.op()));
    let want_rows = resolved.query.want_rows;
    let bodies = [Field::JobData.key(), Field::JobResult.key()];
    resolved.query.without_bodies =
        resolved.fields.as_ref().is_some_and(|fields| !fields.iter().any(|f| bodies.contains(&f.as_str())));
    called.room.take(&*app.runtime).await?;
    let mut answer = app.store.query(&resolved.query).await.map_err(|e| from_store(e, "the query"))?;
    if let Rows::Jobs(jobs) = &mut answer.rows {
        uploads::show(app, &called.host, jobs).await;
    }
    // Stored is what was seen of them last; what nobody can reach at this moment is told as such.
    let known = app.engine.inventory();
    answer.rows = match answer.rows {
        Rows::Storages(rows) => Rows::Storages(known.seen_storages(rows).await?),
        Rows::BackupStorages(rows) => Rows::BackupStorages(known.seen_backup_storages(rows).await?),
        rows => rows,
    };
    let (total, fields, format) = (answer.total, resolved.fields.as_deref(), &app.format);
    macro_rules! body {
        ($rows:expr, $inventory:ident) => {{
            let rows: Vec<_> = $rows.into_iter().map(|row| $inventory::of(&row, format)).collect();
            inventory::query(want_rows.then_some(rows.as_slice()), total, fields)
        }};
    }
    Ok(Answer::Json(match answer.rows {
        Rows::Jobs(rows) => body!(rows, LongJobInventory),
        Rows::Accounts(rows) => body!(rows, AccountInventory),
        Rows::Nodes(rows) => body!(rows, ManagementNodeInventory),
        Rows::Storages(rows) => body!(rows, PrimaryStorageInventory),
        Rows::Volumes(rows) => body!(rows, VolumeInventory),
        Rows::AccessKeys(rows) => body!(rows, AccessKeyInventory),
        Rows::SystemTags(rows) => body!(rows, SystemTagInventory),
        Rows::UserTags(rows) => body!(rows, UserTagInventory),
        Rows::BackupStorages(rows) => match called.call.op() {
            Op::QueryImageStoreBackupStorage => body!(rows, ImageStoreBackupStorageInventory),
            Op::QueryCephBackupStorage => body!(rows, CephBackupStorageInventory),
            _ => body!(rows, BackupStorageInventory),
        },
        Rows::Images(rows) => body!(rows, ImageInventory),
    }))
}

/// Waits for the end of the one job that is asked for, if the caller may see it.
async fn wait(app: &App, called: &Called, raw: &RawQuery, patience: Duration) -> Result<(), Fault> {
    let [condition] = &raw.conditions[..] else { return Ok(()) };
    let Ok(id) = condition.value.parse() else { return Ok(()) };
    match app.store.job(id).await.map_err(|e| from_store(e, "the long job"))? {
        Some(job)
            if !job.state.is_final() && (called.identity.admin || job.account == called.identity.account) =>
        {
            app.waiting.for_end(id, patience, called.client_gone.wait()).await
        }
        _ => Ok(()), // what is there, or is not, is answered at once
    }
}

/// What must hold besides for a query of one kind.
fn of_kind(op: Op) -> Option<Condition> {
    let kind = match op {
        Op::QueryImageStoreBackupStorage => BackupStorageKind::ImageStore.name(),
        Op::QueryCephBackupStorage => BackupStorageKind::Ceph.name(),
        Op::QueryCephPrimaryStorage => StorageKind::Ceph.name(),
        _ => return None,
    };
    let values = vec![Value::Text(kind.to_owned())];
    Some(Condition { field: Field::Type, op: query::Op::Eq, values })
}

/// Accounts other than admin see their own jobs, volumes and access keys, the tags of these, and themselves;
/// nodes and storages of both sorts are seen by all.
pub(super) fn restrict(called: &Called, resource: Resource, query: &mut longhaul_model::query::Query) {
    if called.identity.admin {
        return;
    }
    let own = called.identity.account;
    match resource {
        Resource::Job
        | Resource::Volume
        | Resource::AccessKey
        | Resource::SystemTag
        | Resource::UserTag
        | Resource::Image => {
            query.filter.visible_to = Some(own);
        }
        Resource::Account => query.filter.conditions.push(Condition {
            field: Field::Uuid,
            op: query::Op::Eq,
            values: vec![Value::Text(own.to_string())],
        }),
        Resource::Node | Resource::Storage | Resource::BackupStorage => {}
    }
}
