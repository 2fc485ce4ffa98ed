//! `serve --demo`: the resources of the public API reference under their literal uuids, with its literal
//! session. Loopback only, and on a data directory that is a demo's for ever. A real pool as its target: `pool`.

mod pool;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use longhaul_engine::engine::Caller;
use longhaul_engine::{SubmitAnswer, SubmitRequest};
use longhaul_jobs::manage::storages::{self, NewDirectory};
use longhaul_jobs::manage::volumes::{self, NewVolume};
use longhaul_jobs::simulator::SIMULATE;
use longhaul_model::resource::{Session, StorageKind};
use longhaul_model::{ADMIN, JobState, SessionId};
use serde_json::json;

use crate::app::App;
use crate::data_dir::DEMO_MARK;

/// The admin password of a demo.
pub const PASSWORD: &str = "password";
/// The session of the reference.
pub const SESSION: &str = "b86c9016b4f24953a9edefb53ca0678c";
/// The storage that the reference moves to.
pub const TARGET_STORAGE: &str = "70a0618804864b3dabe8be9824c8028c";
/// The volume that the reference moves.
pub const VOLUME: &str = "45a53d3d93384433add8ead7616586cf";
/// The job that the reference deletes.
pub const DELETED_JOB: &str = "a87ae356c6583cc7b312412337f96609";
/// The job that the reference updates.
pub const UPDATED_JOB: &str = "dee3e1e3706f3e52a2cb9a47850508e7";
/// Where the volume is first.
const SOURCE_STORAGE: &str = "c1f8d2a09b5e4a6f8d7c3b2a19087f6e";
/// The directory of each storage below the demo's own.
const SOURCE_DIRECTORY: &str = "ceph-a";
const TARGET_DIRECTORY: &str = "ceph-b";
/// Size of the volume, bytes.
const VOLUME_BYTES: u64 = 64 * 1024 * 1024;
/// How long a demo session lasts.
const SESSION_MS: i64 = 24 * 3600 * 1000;

/// Makes the resources, unless they are there from an earlier start on the same directory.
///
/// # Errors
/// The data directory cannot be written, or has other things under these uuids.
pub async fn prepare(app: &Arc<App>) -> Result<()> {
    session(app).await?;
    let volume = VOLUME.parse().map_err(|_| anyhow!("the demo's volume uuid"))?;
    if app.store.volume(volume).await?.is_none() {
        disks(app).await?;
    }
    for uuid in [DELETED_JOB, UPDATED_JOB] {
        finished_job(app, uuid).await?;
    }
    Ok(())
}

async fn session(app: &Arc<App>) -> Result<()> {
    let id: SessionId = SESSION.parse().map_err(|_| anyhow!("the demo's session uuid"))?;
    let now_ms = app.runtime.now_ms();
    if app.store.session(id).await?.is_some() {
        return Ok(());
    }
    let session = Session { id, account: ADMIN, create_ms: now_ms, expires_ms: now_ms + SESSION_MS };
    app.store.create_session(&session, u32::MAX).await?;
    Ok(())
}

async fn disks(app: &Arc<App>) -> Result<()> {
    let desk = app.desk();
    let root = std::fs::canonicalize(&app.settings.data_dir)?.join(DEMO_MARK);
    // First what can fail for want of a cluster: the volume is made last, and says that all is there.
    match &app.settings.demo_pool {
        Some(name) => pool::add(&desk, name).await?,
        None => directory(app, TARGET_STORAGE, &root.join(TARGET_DIRECTORY)).await?,
    }
    directory(app, SOURCE_STORAGE, &root.join(SOURCE_DIRECTORY)).await?;
    let path = root.join(SOURCE_DIRECTORY).join("data-volume.raw");
    fill(&path, 7)?;
    let new = NewVolume {
        id: VOLUME.parse().ok(),
        account: ADMIN,
        name: "data-volume".to_owned(),
        description: Some("the volume of the public API reference".to_owned()),
    };
    let storage = SOURCE_STORAGE.parse().map_err(|_| anyhow!("the demo's storage uuid"))?;
    volumes::adopt(&desk, &new, storage, &path.to_string_lossy(), None).await.map_err(|f| anyhow!("{f}"))?;
    Ok(())
}

/// A directory as a storage, unless an earlier start made it.
async fn directory(app: &Arc<App>, uuid: &str, path: &Path) -> Result<()> {
    let desk = app.desk();
    let id = uuid.parse().map_err(|_| anyhow!("the demo's storage uuid"))?;
    if app.store.storage(id).await?.is_some() {
        return Ok(());
    }
    std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = NewDirectory {
        id: Some(id),
        name: format!("demo-{name}"),
        description: Some("a directory that stands in for the reference's Ceph pool".to_owned()),
        url: path.to_string_lossy().into_owned(),
    };
    let added = storages::add_directory(&desk, app.engine.host(), StorageKind::Local, new).await;
    added.map(drop).map_err(|f| anyhow!("{f}"))
}

/// Removes from the demo's pool what a demo that is thrown away put there. A directory goes with the demo's own.
///
/// # Errors
/// The store or the cluster does not answer; what stays is named.
pub async fn discard(app: &Arc<App>) -> Result<()> {
    match app.settings.demo_pool {
        Some(_) => pool::discard(app).await,
        None => Ok(()),
    }
}

/// A sparse raw disk with seeded bytes in every other MiB.
fn fill(path: &Path, seed: u64) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    file.set_len(VOLUME_BYTES)?;
    let mut state = seed | 1;
    let mut block = vec![0u8; 1 << 20];
    for at in (0..VOLUME_BYTES).step_by(2 << 20) {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all_at(&block, at)?;
    }
    file.sync_all()?;
    Ok(())
}

/// A job that ran once and succeeded.
async fn finished_job(app: &Arc<App>, uuid: &str) -> Result<()> {
    let id = uuid.parse().map_err(|_| anyhow!("the demo's job uuid"))?;
    if app.store.job(id).await?.is_some() {
        return Ok(());
    }
    let data = json!({"durationMs": 0});
    let request = SubmitRequest {
        name: Some("demo-job".to_owned()),
        description: Some("a finished job of the public API reference".to_owned()),
        job_name: SIMULATE.to_owned(),
        job_data: data.to_string(),
        data,
        target: None,
        resource_uuid: Some(id),
        system_tags: Vec::new(),
        user_tags: Vec::new(),
        api_id: app.engine.fresh_api_id(),
        dry_run: false,
    };
    let caller = Caller { account: ADMIN, admin: true, record: None };
    let SubmitAnswer::Job(_) = app.engine.submit(&caller, request).await.map_err(|f| anyhow!("{f}"))? else {
        return Err(anyhow!("the demo's job was not stored"));
    };
    let ended = app.engine.wait_final(id, Duration::from_secs(30)).await.map_err(|f| anyhow!("{f}"))?;
    match ended {
        Some(job) if job.state == JobState::Succeeded => Ok(()),
        other => Err(anyhow!("the demo's job {uuid} did not succeed: {:?}", other.map(|j| j.state))),
    }
}
