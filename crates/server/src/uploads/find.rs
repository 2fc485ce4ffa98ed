//! Which upload a token is of, by the records of its job; and what a running upload's job shows as its result:
//! the image with the URL to upload to. That URL is made when it is asked for and stands in no record.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use longhaul_engine::engine::Caller;
use longhaul_engine::fault::from_store;
use longhaul_jobs::images::ADD_IMAGE;
use longhaul_jobs::manage::backup_storages::open_place;
use longhaul_jobs::manage::blocking;
use longhaul_jobs::storage::DiskError;
use longhaul_jobs::upload::intake::artifacts;
use longhaul_jobs::upload::{self, Received, SCHEME};
use longhaul_model::resource::ImageStatus;
use longhaul_model::{Code, Fault, Job, JobId, JobState};
use longhaul_wire::inventory::ImageInventory;
use longhaul_wire::job_data;
use serde_json::{Value, json};

use super::{Find, Stage, Target, Tokens, Uploads};
use crate::app::App;

struct Finder(Arc<App>);

/// The uploads of a running server.
pub fn of_app(app: Arc<App>) -> Arc<Uploads> {
    let (table, max_bytes) = (app.uploads.table.clone(), app.uploads.limits.max_bytes);
    Arc::new(Uploads::new(table, Arc::new(Finder(app)), max_bytes))
}

/// Whether the job is one of an upload.
pub fn is_upload(job: &Job) -> bool {
    job.job_name == ADD_IMAGE
        && job_data::parse(&job.job_data)
            .is_ok_and(|data| data["url"].as_str().is_some_and(|url| url.trim().starts_with(SCHEME)))
}

/// The URL of an upload: on the node that takes it, or, while none does, on this one, for who called it as `host`.
pub async fn url(app: &App, host: &str, job: &Job) -> String {
    let elsewhere = address_elsewhere(app, job).await.ok().flatten();
    let base = elsewhere.unwrap_or_else(|| format!("http://{host}"));
    format!("{base}/upload/{}", app.tokens.make(job.id, &job.api_id))
}

/// Where the other node is reached that runs a job; `None` where this one does, or none that says where it is.
async fn address_elsewhere(app: &App, job: &Job) -> Result<Option<String>, Fault> {
    match job.node.filter(|node| job.state == JobState::Running && *node != app.engine.node()) {
        Some(node) => app.engine.inventory().address_of(node).await,
        None => Ok(None),
    }
}

/// Gives uploads that are waited for the result that ZStack's clients look for while they run: the event of
/// AddImage, in which the install path of the only copy is the URL to upload to.
pub async fn show(app: &App, host: &str, jobs: &mut [Job]) {
    for job in jobs.iter_mut().filter(|job| job.state == JobState::Running && is_upload(job)) {
        // Who sees the URL may send at once; of another node it is not known, and that one may ask to send again.
        let here = app.uploads.table.get(job.id).is_some();
        if !here && !matches!(address_elsewhere(app, job).await, Ok(Some(_))) {
            continue;
        }
        let url = url(app, host, job).await;
        let Some(image) = job.target.as_deref().and_then(|target| target.parse().ok()) else { continue };
        // Not there yet, or the store is away: then there is nothing to show, and the client asks again.
        let Ok(Some(image)) = app.store.image(image).await else { continue };
        if image.status != ImageStatus::Downloading {
            continue;
        }
        let mut inventory = ImageInventory::of(&image, &app.format);
        for copy in &mut inventory.backup_storage_refs {
            copy.install_path.clone_from(&url);
        }
        job.job_result = Some(json!({"inventory": inventory, "success": true}).to_string());
    }
}

/// How far the upload of a job is, open or not; `None` if nothing of it began.
///
/// # Errors
/// The store or the backup storage does not answer.
pub async fn received(app: &App, job: &Job) -> Result<Option<Received>, Fault> {
    if let Some(upload) = app.uploads.table.get(job.id) {
        return Ok(Some(upload.received()));
    }
    let intents = app.store.intents(job.id).await.map_err(|e| from_store(e, "the intents of the job"))?;
    let Some((_, on, path)) = artifacts(&intents).next() else { return Ok(None) };
    let place = match app.engine.inventory().backup_storage(on, "backupStorageUuid").await {
        Ok(place) => place,
        Err(fault) if fault.code == Code::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let (path, identity) = (PathBuf::from(path), job.id.bits());
    blocking(move || {
        let root = open_place(&place)?;
        let relative = path.strip_prefix(root.path()).unwrap_or(&path);
        match upload::look(&root, relative, identity) {
            Ok(received) => Ok(Some(received)),
            Err(DiskError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    })
    .await
}

#[async_trait]
impl Find for Finder {
    async fn find(&self, token: &str) -> Result<Option<Target>, Fault> {
        let app = &self.0;
        let Some(id) = Tokens::job(token) else { return Ok(None) };
        let Some(job) = app.store.job(id).await.map_err(|e| from_store(e, "the upload"))? else {
            return Ok(None);
        };
        if !app.tokens.is_of(token, id, &job.api_id) || !is_upload(&job) {
            return Ok(None);
        }
        let stage = match job.state {
            JobState::Running => match app.uploads.table.get(id) {
                Some(upload) => Stage::Open(upload),
                None => match address_elsewhere(app, &job).await? {
                    Some(address) => Stage::Elsewhere(format!("{address}/upload/{token}")),
                    None => Stage::Soon,
                },
            },
            JobState::Waiting => Stage::Soon,
            JobState::Suspended => {
                let Received { offset, size, .. } = received(app, &job).await?.unwrap_or_default();
                Stage::Paused { offset, size }
            }
            JobState::Succeeded => {
                let result =
                    job.job_result.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
                match result.and_then(|result| result["upload"]["bytes"].as_u64()) {
                    Some(bytes) => Stage::Done(bytes),
                    None => return Ok(None),
                }
            }
            JobState::Canceling | JobState::Canceled | JobState::Failed => return Ok(None),
        };
        let image = job.target.unwrap_or_default();
        Ok(Some(Target { job: id, account: job.account, image, stage }))
    }

    async fn terminate(&self, job: JobId) -> Result<(), Fault> {
        let known = self.0.store.job(job).await.map_err(|e| from_store(e, "the upload"))?;
        let Some(known) = known else { return Ok(()) };
        // The token is the right to do this: its holder has the owner's upload in hand.
        let caller = Caller { account: known.account, admin: false, record: None };
        self.0.engine.cancel(&caller, &job.to_string()).await
    }
}
