//! What is removed by its age: sessions, asynchronous answers, deleted volumes and images, exports of images that
//! are gone, trash, jobs that have ended.

pub(crate) mod trash;

use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::Trouble;
use longhaul_jobs::manage::images::DeletionPolicy;
use longhaul_jobs::manage::{images, volumes};
use longhaul_model::query::{
    Condition, Field, Filter, LIMIT_DEFAULT, NEWEST_FIRST, Op, Page, Query, Resource, Rows, Value,
};
use longhaul_model::{Fault, HostId};
use longhaul_store::StoreError;

use crate::app::App;
use crate::exports;

/// Between rounds.
const EVERY: Duration = Duration::from_secs(60);

/// Jobs that have ended removed in one write of the store, so that other writes come between.
const JOBS_AT_ONCE_MAX: u32 = 100;
/// Such writes in one round.
const JOB_WRITES_MAX: u32 = 600;

/// Starts the rounds, for as long as the process lives.
pub fn start(app: &Arc<App>) {
    let app = app.clone();
    let trouble = Trouble::new("what is old", "nothing that is old can be swept; tried again every minute");
    app.runtime.clone().spawn(
        "janitor",
        Box::pin(async move {
            loop {
                // A changed configuration may make something old enough.
                let changed = std::pin::pin!(app.configs.changed.notified());
                futures::future::select(changed, app.runtime.sleep(EVERY)).await;
                round(&app, &trouble).await;
            }
        }),
    );
}

/// What one node of all sweeps at a time: the store, and what every node reaches.
const DUTY: &str = "janitor";

async fn round(app: &App, trouble: &Trouble) {
    let told = |what: &str, error: &dyn std::fmt::Display| tracing::warn!(%error, "{what} could not be swept; tried again in a minute");
    let on_duty = match app.on_duty(DUTY).await {
        Ok(on_duty) => on_duty,
        Err(fault) => return trouble.failed(&fault, &*app.runtime),
    };
    trouble.answered(&*app.runtime);
    if on_duty {
        if let Err(error) = app.store.sweep_sessions().await {
            told("expired sessions", &error);
        }
        if let Err(error) = app.store.sweep_records().await {
            told("old asynchronous answers", &error);
        }
    }
    if let Err(error) = expunge_old_volumes(app, on_duty).await {
        told("deleted volumes", &error);
    }
    if let Err(error) = trash::empty(&app.desk(), &app.settings.trash, on_duty).await {
        told("trash", &error);
    }
    if let Err(error) = expunge_old_images(app, on_duty).await {
        told("deleted images", &error);
    }
    let exports = app.settings.data_dir.join(exports::DIRECTORY);
    if let Err(error) = longhaul_jobs::images::sweep_exports(&app.desk(), &exports).await {
        told("exports of images that are gone", &error);
    }
    if on_duty && let Err(error) = sweep_jobs(app).await {
        told("jobs that have ended", &error);
    }
}

/// Removes jobs that are kept no longer, a few at a time.
async fn sweep_jobs(app: &App) -> Result<(), StoreError> {
    for _ in 0..JOB_WRITES_MAX {
        let swept = app.store.sweep_jobs(app.settings.kept, JOBS_AT_ONCE_MAX).await?;
        if swept < u64::from(JOBS_AT_ONCE_MAX) {
            break;
        }
    }
    Ok(())
}

/// Expunges volumes that were deleted long enough ago; one that is in use stays until the next round.
/// Those on a directory of one host are that host's to expunge; all others, its who is on duty.
async fn expunge_old_volumes(app: &App, on_duty: bool) -> Result<(), Fault> {
    let after_ms =
        i64::try_from(app.configs.in_force().volume_expunge_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    if after_ms == 0 {
        return Ok(());
    }
    let deleted =
        Condition { field: Field::Status, op: Op::Eq, values: vec![Value::Text("Deleted".to_owned())] };
    let query = Query {
        resource: Resource::Volume,
        filter: Filter { conditions: vec![deleted], ..Filter::default() },
        sort: Some(longhaul_model::query::Sort { descending: false, ..NEWEST_FIRST }),
        page: Page { start: 0, limit: LIMIT_DEFAULT },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    let found =
        app.store.query(&query).await.map_err(|e| longhaul_engine::fault::from_store(e, "the volumes"))?;
    let Rows::Volumes(rows) = found.rows else { return Ok(()) };
    let storages = app.engine.inventory().storages().await?;
    for volume in rows {
        let on = volume.storage.and_then(|on| storages.iter().find(|storage| storage.id == on));
        if !on.map_or(on_duty, |storage| sweeps(storage.host, storage.elsewhere.is_some(), on_duty)) {
            continue;
        }
        let old = volume.deleted_ms.is_some_and(|at| app.runtime.now_ms() - at >= after_ms);
        if old && let Err(fault) = volumes::expunge(&app.desk(), volume.id).await {
            tracing::warn!(volume = %volume.id, %fault, "a deleted volume could not be expunged yet");
        }
    }
    Ok(())
}

/// Whether this node sweeps a storage: its own host's it does, what every node reaches if it is on duty.
pub(crate) fn sweeps(host: Option<HostId>, elsewhere: bool, on_duty: bool) -> bool {
    match host {
        Some(_) => !elsewhere,
        None => on_duty,
    }
}

/// Expunges images that were deleted long enough ago, copy by copy; what cannot be removed stays until the next round.
async fn expunge_old_images(app: &App, on_duty: bool) -> Result<(), Fault> {
    let now = app.configs.in_force();
    let after_ms = i64::try_from(now.image_expunge_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    if after_ms == 0 || now.image_deletion == DeletionPolicy::Never {
        return Ok(());
    }
    let mine: Vec<_> = {
        let places = app.engine.inventory().backup_storages().await?.into_iter();
        places.filter(|p| sweeps(p.host, p.elsewhere.is_some(), on_duty)).map(|p| p.id).collect()
    };
    for image in app.engine.inventory().images_of_status("Deleted").await? {
        let old = image.deleted_ms.is_some_and(|at| app.runtime.now_ms() - at >= after_ms);
        let gone = image.refs.iter().filter(|copy| images::is_gone(copy)).map(|copy| copy.backup_storage);
        let on: Vec<_> = gone.filter(|on| mine.contains(on)).collect();
        if old
            && !on.is_empty()
            && let Err(fault) = images::expunge(&app.desk(), image.id, &on).await
        {
            tracing::warn!(image = %image.id, %fault, "a deleted image could not be expunged yet");
        }
    }
    Ok(())
}
