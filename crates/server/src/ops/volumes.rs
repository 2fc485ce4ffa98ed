//! Volumes: create, change, delete and bring back, adopt, import, forget, and the direct call that migrates.

use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::inventory::not_found;
use longhaul_engine::{SubmitAnswer, SubmitRequest};
use longhaul_jobs::manage::volumes::{self, NewVolume};
use longhaul_jobs::storage::Format;
use longhaul_jobs::{import, migrate};
use longhaul_model::resource::{Tagged, Volume};
use longhaul_model::{AccountId, Fault, NAME_MAX, VolumeId, is_choosable_uuid};
use longhaul_wire::Profile;
use serde_json::{Value, json};

use super::{foreign, required, tags, typed};
use crate::answer::Answer;
use crate::app::{App, Called};

/// The volume of a path variable, if the caller may touch it.
async fn owned(app: &Arc<App>, called: &Called, field: &str) -> Result<Volume, Fault> {
    let uuid = required(called, field)?;
    let id: VolumeId = uuid.parse().map_err(|_| not_found(field, uuid, "VolumeVO"))?;
    let known =
        app.store.volume(id).await.map_err(|e| longhaul_engine::fault::from_store(e, "the volume"))?;
    let volume = known.ok_or_else(|| not_found(field, uuid, "VolumeVO"))?;
    if called.identity.admin || volume.account == called.identity.account {
        Ok(volume)
    } else {
        Err(foreign(&id, called))
    }
}

/// Like `owned`; `None` for an unknown uuid that could be one, which a deletion does not mind.
async fn owned_or_gone(app: &Arc<App>, called: &Called) -> Result<Option<Volume>, Fault> {
    let uuid = required(called, "uuid")?;
    match uuid.parse::<VolumeId>() {
        Ok(id) => {
            let known = app
                .store
                .volume(id)
                .await
                .map_err(|e| longhaul_engine::fault::from_store(e, "the volume"))?;
            if known.is_some() {
                return owned(app, called, "uuid").await.map(Some);
            }
            if is_choosable_uuid(uuid) {
                return Ok(None);
            }
            Err(Fault::new(longhaul_model::Code::NotFound, format!("invalid value[{uuid}] of field [uuid]")))
        }
        Err(_) => {
            Err(Fault::new(longhaul_model::Code::NotFound, format!("invalid value[{uuid}] of field [uuid]")))
        }
    }
}

fn answer(volume: Volume) -> Answer {
    Answer::Volume(Box::new(volume))
}

fn new_volume(called: &Called, account: AccountId) -> Result<NewVolume, Fault> {
    Ok(NewVolume {
        id: called.call.params.id("resourceUuid"),
        account,
        name: required(called, "name")?.to_owned(),
        description: called.call.params.owned("description"),
    })
}

pub async fn create(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    if let Some(offering) = params.text("diskOfferingUuid") {
        return Err(not_found("diskOfferingUuid", offering, "DiskOfferingVO"));
    }
    let size = u64::try_from(params.int("diskSize").unwrap_or(0))
        .map_err(|_| Fault::invalid("unexpected disk size settings"))?;
    let new = new_volume(called, called.identity.account)?;
    let volume = volumes::create(&app.desk(), &new, size, params.id("primaryStorageUuid")).await?;
    tags::put_on(app, called, Tagged::Volume(volume.id)).await?;
    Ok(answer(volume))
}

pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let volume = owned(app, called, "uuid").await?;
    let params = &called.call.params;
    let (name, description) = (params.owned("name"), params.owned("description"));
    if name.is_none() && description.is_none() {
        return Ok(answer(volume));
    }
    let inventory = app.engine.inventory();
    let changed = inventory.change_volume(volume.id, |volume| {
        if let Some(name) = &name {
            volume.name.clone_from(name);
        }
        if description.is_some() {
            volume.description.clone_from(&description);
        }
        Ok(())
    });
    Ok(answer(changed.await?))
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    if let Some(volume) = owned_or_gone(app, called).await? {
        volumes::delete(&app.desk(), volume.id).await?;
    }
    Ok(Answer::Empty)
}

pub async fn recover(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let volume = owned(app, called, "uuid").await?;
    Ok(answer(volumes::recover(&app.desk(), volume.id).await?))
}

pub async fn expunge(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    if let Some(volume) = owned_or_gone(app, called).await? {
        volumes::expunge(&app.desk(), volume.id).await?;
    }
    Ok(Answer::Empty)
}

pub async fn forget(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let volume = owned(app, called, "uuid").await?;
    volumes::forget(&app.desk(), volume.id).await.map(|()| Answer::Empty)
}

pub async fn adopt(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let account = match params.text("accountUuid") {
        None => called.identity.account,
        Some(uuid) => {
            let missing = || not_found("accountUuid", uuid, "AccountVO");
            let id: AccountId = uuid.parse().map_err(|_| missing())?;
            let known = app
                .store
                .account(id)
                .await
                .map_err(|e| longhaul_engine::fault::from_store(e, "the account"))?;
            known.ok_or_else(missing)?.id
        }
    };
    let storage = required(called, "primaryStorageUuid")?;
    let storage =
        storage.parse().map_err(|_| not_found("primaryStorageUuid", storage, "PrimaryStorageVO"))?;
    let new = new_volume(called, account)?;
    let path = required(called, "installPath")?;
    let format = match params.text("format") {
        Some("raw") => Some(Format::Raw),
        Some("qcow2") => Some(Format::Qcow2),
        _ => None,
    };
    let volume = volumes::adopt(&app.desk(), &new, storage, path, format).await;
    let volume = volume.map_err(|fault| typed(fault, "installPath", path))?;
    tags::put_on(app, called, Tagged::Volume(volume.id)).await?;
    Ok(answer(volume))
}

/// The name of the job that imports the volume of that name, cut to what a job's name may have.
fn import_name(volume: &str) -> String {
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= NAME_MAX
    };
    format!("import {volume}").chars().take_while(fits).collect()
}

fn submission(app: &Arc<App>, called: &Called, job_name: &str, data: serde_json::Value) -> SubmitRequest {
    SubmitRequest {
        name: None,
        description: None,
        job_name: job_name.to_owned(),
        job_data: data.to_string(),
        data,
        target: None,
        resource_uuid: None,
        system_tags: tags::kept(called),
        user_tags: tags::user(called),
        api_id: app.engine.fresh_api_id(),
        dry_run: tags::is_dry_run(called),
    }
}

/// Imports a file from elsewhere as a copy: a long job, whose inventory is answered.
pub async fn import(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let data = json!({
        "volumeUuid": params.owned("resourceUuid"),
        "primaryStorageUuid": required(called, "primaryStorageUuid")?,
        "path": required(called, "path")?,
        "name": required(called, "name")?,
        "description": params.owned("description"),
        "format": params.owned("format"),
    });
    let name = import_name(required(called, "name")?);
    let request = SubmitRequest { name: Some(name), ..submission(app, called, import::IMPORT, data) };
    let path = required(called, "path")?;
    let answer = app.engine.submit(&called.caller, request).await;
    submitted(app, answer.map_err(|fault| typed(fault, "path", path))?)
}

/// The direct call: a long job underneath, waited for.
pub async fn migrate(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let volume = owned(app, called, "volumeUuid").await?;
    let mut data = json!({
        "volumeUuid": volume.id.to_string(),
        "dstPrimaryStorageUuid": required(called, "dstPrimaryStorageUuid")?,
    });
    if let Some(format) = called.call.params.text("format") {
        data["format"] = Value::from(format);
    }
    let mut request = submission(app, called, migrate::MIGRATE, data);
    request.target = Some(volume.id.to_string());
    if request.dry_run {
        return submitted(app, app.engine.submit(&called.caller, request).await?);
    }
    let patience = Duration::from_millis(called.call.api_timeout_ms());
    app.engine.submit_and_wait(&called.caller, request, patience).await?;
    Ok(answer(app.engine.inventory().volume(volume.id).await?))
}

fn submitted(app: &Arc<App>, answer: SubmitAnswer) -> Result<Answer, Fault> {
    Ok(match (answer, app.format.profile()) {
        (SubmitAnswer::Job(job), _) => Answer::Job(job),
        (SubmitAnswer::Plan(plan), Profile::Fast) => Answer::Json(json!({ "plan": plan }).to_string()),
        (SubmitAnswer::Plan(_), Profile::Zstack) => Answer::Json("{}".to_owned()),
    })
}
