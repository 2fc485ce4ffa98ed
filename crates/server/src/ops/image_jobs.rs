//! The direct calls on images that copy: a long job underneath each, waited for.

use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::inventory::not_found;
use longhaul_engine::{SubmitAnswer, SubmitRequest};
use longhaul_jobs::images::{self, EXPORT_IMAGE, For, MIGRATE_IMAGE, VOLUME_FROM_IMAGE};
use longhaul_model::resource::Tagged;
use longhaul_model::{BackupStorageId, Fault, ImageId, Job, VolumeId};
use longhaul_wire::Profile;
use longhaul_wire::inventory::{self, ExportedImageAnswer};
use serde_json::{Value, json};

use super::{foreign, required, tags};
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::exports;

/// Submits a job and waits for its end; the plan of a dry run instead.
async fn done(app: &Arc<App>, called: &Called, job_name: &str, data: Value) -> Result<Option<Answer>, Fault> {
    Ok(ended(app, called, job_name, data).await?.err())
}

/// The same, with the job at its end.
async fn ended(
    app: &Arc<App>,
    called: &Called,
    job_name: &str,
    data: Value,
) -> Result<Result<Job, Answer>, Fault> {
    let request = SubmitRequest {
        name: None,
        description: None,
        job_name: job_name.to_owned(),
        job_data: data.to_string(),
        data,
        target: None,
        resource_uuid: None,
        system_tags: Vec::new(),
        user_tags: Vec::new(),
        api_id: app.engine.fresh_api_id(),
        dry_run: tags::is_dry_run(called),
    };
    if request.dry_run {
        return Ok(Err(match (app.engine.submit(&called.caller, request).await?, app.format.profile()) {
            (SubmitAnswer::Job(job), _) => Answer::Job(job),
            (SubmitAnswer::Plan(plan), Profile::Fast) => Answer::Json(json!({ "plan": plan }).to_string()),
            (SubmitAnswer::Plan(_), Profile::Zstack) => Answer::Empty,
        }));
    }
    let patience = Duration::from_millis(called.call.api_timeout_ms());
    app.engine.submit_and_wait(&called.caller, request, patience).await.map(Ok)
}

/// The parameters of the call that are there, by their names in `jobData`.
fn given(called: &Called, names: &[&str], data: &mut Value) {
    for name in names {
        if let Some(text) = called.call.params.owned(name) {
            data[*name] = text.into();
        }
    }
}

/// An image of a volume.
pub async fn template(app: &Arc<App>, called: &Called, kind: For) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let id = params.id("resourceUuid").unwrap_or_else(|| ImageId::random(&*app.runtime));
    let mut data = json!({
        "resourceUuid": id.to_string(),
        "name": required(called, "name")?,
        "backupStorageUuids": params.list("backupStorageUuids"),
        "systemTags": tags::kept(called),
        "userTags": tags::user(called),
        "system": params.flag("system"),
        "virtio": params.maybe_flag("virtio").unwrap_or(true),
    });
    given(called, &[kind.field(), "description", "guestOsType", "platform", "architecture"], &mut data);
    match done(app, called, kind.job_name(), data).await? {
        Some(plan) => Ok(plan),
        None => Ok(Answer::Image(Box::new(app.engine.inventory().image(id, "uuid").await?))),
    }
}

/// A volume of an image.
pub async fn volume(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let id = called.call.params.id("resourceUuid").unwrap_or_else(|| VolumeId::random(&*app.runtime));
    let mut data = json!({"resourceUuid": id.to_string()});
    given(called, &["imageUuid", "name", "description", "primaryStorageUuid", "hostUuid"], &mut data);
    if let Some(plan) = done(app, called, VOLUME_FROM_IMAGE, data).await? {
        return Ok(plan);
    }
    tags::put_on(app, called, Tagged::Volume(id)).await?;
    Ok(Answer::Volume(Box::new(app.engine.inventory().volume(id).await?)))
}

/// An image to another backup storage.
pub async fn migrate(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let uuid = required(called, "imageUuid")?;
    let id: ImageId = uuid.parse().map_err(|_| not_found("imageUuid", uuid, "ImageVO"))?;
    let mut data = json!({});
    given(called, &["imageUuid", "srcBackupStorageUuid", "dstBackupStorageUuid"], &mut data);
    match done(app, called, MIGRATE_IMAGE, data).await? {
        Some(plan) => Ok(plan),
        None => Ok(Answer::Image(Box::new(app.engine.inventory().image(id, "uuid").await?))),
    }
}

/// An export, and where it is.
pub async fn export(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    export_of(called)?;
    let mut data = json!({});
    given(called, &["imageUuid", "backupStorageUuid", "exportFormat"], &mut data);
    let job = match ended(app, called, EXPORT_IMAGE, data).await? {
        Ok(job) => job,
        Err(plan) => return Ok(plan),
    };
    let told: Value = serde_json::from_str(job.job_result.as_deref().unwrap_or_default())
        .map_err(|e| Fault::internal(format!("the result of an export: {e}")))?;
    let text = |key: &str| told[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Answer::Json(inventory::custom(&ExportedImageAnswer {
        image_url: text("imageUrl").unwrap_or_default(),
        export_md5_sum: text("exportMd5Sum"),
        existed: told["existed"] == true,
        success: true,
    })))
}

/// The image and the backup storage of an export.
fn export_of(called: &Called) -> Result<(ImageId, BackupStorageId), Fault> {
    let (image, place) = (required(called, "imageUuid")?, required(called, "backupStorageUuid")?);
    Ok((
        image.parse().map_err(|_| not_found("imageUuid", image, "ImageVO"))?,
        place.parse().map_err(|_| not_found("backupStorageUuid", place, "BackupStorageVO"))?,
    ))
}

/// Takes exports back, or that of one format; where there is none, nothing is done.
pub async fn delete_export(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let (image, place) = export_of(called)?;
    let Some(image) = app.engine.inventory().find_image(image).await? else { return Ok(Answer::Empty) };
    if !called.identity.admin && image.account != called.identity.account {
        return Err(foreign(&image.id, called));
    }
    let exports = app.settings.data_dir.join(exports::DIRECTORY);
    let format = called.call.params.text("exportFormat");
    images::delete_exports(&app.desk(), &exports, &image, place, format).await?;
    Ok(Answer::Empty)
}
