//! Images: add by URL, change, delete and bring back, look at the bytes anew.

use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::fault::from_store;
use longhaul_engine::inventory::not_found;
use longhaul_engine::{SubmitAnswer, SubmitRequest};
use longhaul_jobs::images::{ADD_IMAGE, Algorithm};
use longhaul_jobs::manage::{backup_storages, images};
use longhaul_jobs::upload::SCHEME;
use longhaul_model::resource::{Image, Tagged};
use longhaul_model::{BackupStorageId, Code, Fault, ImageId, is_choosable_uuid};
use longhaul_wire::Profile;
use longhaul_wire::inventory::{self, BackupStorageInventory, ImageInventory, Inventory as _};
use serde_json::json;

use super::tags::{self, BOOT_MODE, QEMU_AGENT};
use super::{foreign, required};
use crate::answer::Answer;
use crate::app::{App, Called};

/// The image of a path variable, if the caller may touch it.
async fn owned(app: &Arc<App>, called: &Called, field: &str) -> Result<Image, Fault> {
    let uuid = required(called, field)?;
    let id: ImageId = uuid.parse().map_err(|_| not_found(field, uuid, "ImageVO"))?;
    let image = app.engine.inventory().image(id, field).await?;
    if called.identity.admin || image.account == called.identity.account {
        Ok(image)
    } else {
        Err(foreign(&id, called))
    }
}

fn answer(image: Image) -> Answer {
    Answer::Image(Box::new(image))
}

/// The parameter that names backup storages.
const PLACES: &str = "backupStorageUuids";

/// The backup storages that the call names; none where it is about all of them.
fn places(called: &Called) -> Result<Vec<BackupStorageId>, Fault> {
    let read =
        |uuid: &str| uuid.parse().map_err(|_| not_found("backupStorageUuids", uuid, "BackupStorageVO"));
    let params = &called.call.params;
    let named: Vec<_> = params.list(PLACES).into_iter().filter(|uuid| !uuid.is_empty()).collect();
    // Taken for "all", a list that its caller meant to fill would remove every copy.
    if named.is_empty() && params.get(PLACES).is_some() {
        return Err(Fault::invalid(format!(
            "field[{PLACES}] cannot be an empty list; leave it out for all of them"
        )));
    }
    named.into_iter().map(read).collect()
}

/// The direct call: a long job underneath, waited for.
pub async fn add(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let id = params.id("resourceUuid").unwrap_or_else(|| ImageId::random(&*app.runtime));
    let name = required(called, "name")?;
    if required(called, "url")?.trim().starts_with(SCHEME) {
        return Err(Fault::invalid(
            "where an upload's bytes are to be sent is told by its long job: submit APIAddImageMsg as one, with these \
             fields in jobData",
        ));
    }
    let mut data = json!({
        "resourceUuid": id.to_string(),
        "name": name,
        "url": required(called, "url")?,
        "backupStorageUuids": params.list("backupStorageUuids"),
        "systemTags": tags::kept(called),
        "userTags": tags::user(called),
    });
    for key in ["description", "mediaType", "guestOsType", "architecture", "format", "platform", "type"] {
        if let Some(text) = params.owned(key) {
            data[key] = text.into();
        }
    }
    data["system"] = params.flag("system").into();
    data["virtio"] = params.maybe_flag("virtio").unwrap_or(true).into();
    let request = SubmitRequest {
        name: None,
        description: None,
        job_name: ADD_IMAGE.to_owned(),
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
        return Ok(match (app.engine.submit(&called.caller, request).await?, app.format.profile()) {
            (SubmitAnswer::Job(job), _) => Answer::Job(job),
            (SubmitAnswer::Plan(plan), Profile::Fast) => Answer::Json(json!({ "plan": plan }).to_string()),
            (SubmitAnswer::Plan(_), Profile::Zstack) => Answer::Empty,
        });
    }
    let patience = Duration::from_millis(called.call.api_timeout_ms());
    let done = app.engine.submit_and_wait(&called.caller, request, patience).await;
    done.map_err(|why| match why.code {
        // What a submission is refused with is not about the bytes.
        Code::OperationFailed if why.details.starts_with("long job[") => Fault::new(
            Code::CannotCreate,
            format!(
                "Failed to download image[name:{name}] on all backup storage[{}]. {}",
                params.list("backupStorageUuids").join(", "),
                why.details
            ),
        )
        .because(why),
        _ => why,
    })?;
    Ok(answer(app.engine.inventory().image(id, "uuid").await?))
}

pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "uuid").await?;
    let params = &called.call.params;
    let text = |key: &str| params.owned(key);
    let (system, virtio) = (params.maybe_flag("system"), params.maybe_flag("virtio"));
    let inventory = app.engine.inventory();
    let changed = inventory.change_image(image.id, |image| {
        image.name = text("name").unwrap_or_else(|| image.name.clone());
        image.description = text("description").or_else(|| image.description.clone());
        image.guest_os_type = text("guestOsType").or_else(|| image.guest_os_type.clone());
        image.media_type = text("mediaType").unwrap_or_else(|| image.media_type.clone());
        image.format = text("format").unwrap_or_else(|| image.format.clone());
        image.platform = text("platform").or_else(|| image.platform.clone());
        image.architecture = text("architecture").or_else(|| image.architecture.clone());
        image.system = system.unwrap_or(image.system);
        image.virtio = virtio.unwrap_or(image.virtio);
        Ok(())
    });
    let changed = changed.await?;
    match params.text("architecture") {
        Some("aarch64") => put_boot_mode(app, changed.id, "UEFI").await?,
        Some("x86_64") if changed.system => put_boot_mode(app, changed.id, "Legacy").await?,
        _ => {}
    }
    Ok(answer(changed))
}

pub async fn change_state(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "uuid").await?;
    let enabled = required(called, "stateEvent")? == "enable";
    let inventory = app.engine.inventory();
    let changed = inventory.change_image(image.id, |image| {
        image.enabled = enabled;
        Ok(())
    });
    Ok(answer(changed.await?))
}

pub async fn sync_size(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "uuid").await?;
    Ok(answer(images::sync_size(&app.desk(), image.id).await?))
}

/// The digest is answered as `md5Sum`, whatever it is; an MD5 alone is kept.
pub async fn hash(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "uuid").await?;
    let uuid = required(called, "backupStorageUuid")?;
    let place = uuid.parse().map_err(|_| not_found("backupStorageUuid", uuid, "BackupStorageVO"))?;
    let name = called.call.params.text("algorithm").unwrap_or("MD5");
    let algorithm = Algorithm::from_name(name).ok_or_else(|| {
        Fault::invalid(format!("the algorithm[{name}] must be one of {:?}", Algorithm::NAMES))
    })?;
    let (mut image, digest) = images::hash(&app.desk(), image.id, place, algorithm).await?;
    image.md5 = Some(digest);
    Ok(Answer::Inventory {
        class: ImageInventory::CLASS.unwrap_or_default().to_owned(),
        inventory: inventory::to_json(&ImageInventory::of(&image, &app.format)),
    })
}

pub async fn set_boot_mode(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "uuid").await?;
    let mode = required(called, "bootMode")?;
    if image.architecture.as_deref() == Some("aarch64") && mode == "Legacy" {
        return Err(Fault::invalid("The aarch64 architecture does not support legacy."));
    }
    put_boot_mode(app, image.id, mode).await?;
    Ok(Answer::Empty)
}

pub async fn set_qga(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "uuid").await?;
    let wanted = called.call.params.flag("enable").then(|| QEMU_AGENT.to_owned());
    replace_tag(app, image.id, |tag| tag == QEMU_AGENT, wanted).await?;
    Ok(Answer::Empty)
}

async fn put_boot_mode(app: &Arc<App>, id: ImageId, mode: &str) -> Result<(), Fault> {
    replace_tag(app, id, |tag| tag.starts_with(BOOT_MODE), Some(format!("{BOOT_MODE}{mode}"))).await
}

/// Puts a system tag in the place of those that `other` tells.
async fn replace_tag(
    app: &Arc<App>,
    id: ImageId,
    other: fn(&str) -> bool,
    wanted: Option<String>,
) -> Result<(), Fault> {
    let asked = |e| from_store(e, "the tags of the image");
    let mut there = false;
    for tag in app.store.tags(&id.to_string()).await.map_err(asked)? {
        if !tag.system || tag.resource_type != "ImageVO" || !other(&tag.text) {
            continue;
        }
        if Some(&tag.text) == wanted.as_ref() {
            there = true;
        } else {
            app.store.delete_tag(tag.id).await.map_err(asked)?;
        }
    }
    if let (false, Some(text)) = (there, wanted) {
        app.store.add_tags(Tagged::Image(id), true, &[text]).await.map_err(asked)?;
    }
    Ok(())
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let uuid = required(called, "uuid")?;
    let bad = || Fault::new(Code::NotFound, format!("invalid value[{uuid}] of field [uuid]"));
    let id: ImageId = uuid.parse().map_err(|_| bad())?;
    if app.engine.inventory().find_image(id).await?.is_none() {
        return if is_choosable_uuid(uuid) { Ok(Answer::Empty) } else { Err(bad()) };
    }
    let image = owned(app, called, "uuid").await?;
    let policy = app.configs.in_force().image_deletion;
    images::delete(&app.desk(), image.id, &places(called)?, policy).await?;
    Ok(Answer::Empty)
}

pub async fn expunge(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "imageUuid").await?;
    images::expunge(&app.desk(), image.id, &places(called)?).await?;
    Ok(Answer::Empty)
}

pub async fn recover(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let image = owned(app, called, "imageUuid").await?;
    Ok(answer(images::recover(&app.desk(), image.id, &places(called)?).await?))
}

/// Backup storages with room for a volume of the caller's, or for anything.
pub async fn candidates(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    if let Some(snapshot) = params.text("volumeSnapshotUuid") {
        return Err(not_found("volumeSnapshotUuid", snapshot, "VolumeSnapshotVO"));
    }
    let needed = match params.text("volumeUuid") {
        None => 0,
        Some(uuid) => {
            let id = uuid.parse().map_err(|_| not_found("volumeUuid", uuid, "VolumeVO"))?;
            let volume = app.engine.inventory().volume(id).await?;
            if !called.identity.admin && volume.account != called.identity.account {
                return Err(foreign(&id, called));
            }
            volume.actual_size.unwrap_or(volume.size)
        }
    };
    let found = backup_storages::candidates(&app.desk(), app.engine.host(), needed).await?;
    let rows: Vec<_> = found.iter().map(|place| BackupStorageInventory::of(place, &app.format)).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}
