//! The calls about tags themselves: on jobs, volumes, images and storages. An account may touch the tags of
//! what it owns; a storage is nobody's, so its tags are the admins'.
//!
//! Source: rest-api.md 1.6.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_engine::inventory::not_found;
use longhaul_engine::terms;
use longhaul_model::resource::{Tag, Tagged};
use longhaul_model::{AccountId, Code, Fault, TagId, is_choosable_uuid};
use longhaul_store::StoreError;
use longhaul_wire::Op;
use longhaul_wire::inventory::{self, SystemTagInventory};
use longhaul_wire::validate::TAGS_MAX;

use super::{is_dry_run, known};
use crate::answer::Answer;
use crate::app::{App, Called};
use crate::ops::{foreign, required};

/// `createSystemTag` and `createUserTag`.
pub async fn create(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let system = called.call.op() == Op::CreateSystemTag;
    let on = resource(app, called).await?;
    let text = required(called, "tag")?.to_owned();
    let mut tags = put(app, called, on, system, vec![text]).await?;
    Ok(tags.pop().map_or(Answer::Empty, |tag| Answer::Tag(Box::new(tag))))
}

/// `createSystemTags`.
pub async fn create_many(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let on = resource(app, called).await?;
    let texts: Vec<String> = called.call.params.list("tags").into_iter().map(str::to_owned).collect();
    if texts.len() > TAGS_MAX {
        return Err(Fault::invalid(format!("field[tags] has at most {TAGS_MAX} elements")));
    }
    let tags = put(app, called, on, true, texts).await?;
    if is_dry_run(called) {
        return Ok(Answer::Empty);
    }
    let rows: Vec<_> = tags.iter().map(|tag| SystemTagInventory::of(tag, &app.format)).collect();
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

/// `updateSystemTag`: to a text that is known on the same type.
pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let uuid = required(called, "uuid")?;
    let missing = || not_found("uuid", uuid, "SystemTagVO");
    let id: TagId = uuid.parse().map_err(|_| missing())?;
    let known = app.store.tag(id).await.map_err(|e| from_store(e, "the tag"))?;
    let tag = known.filter(|tag| tag.system).ok_or_else(missing)?;
    refuse_stranger(app, called, &tag).await?;
    let text = required(called, "tag")?;
    let on = tag.resource_type.as_str();
    check_text(on, text)?;
    if terms::ALL.iter().any(|term| tag.text.starts_with(term)) {
        return Err(at_submission(&tag.text));
    }
    let others = app.store.tags(&tag.resource_uuid).await.map_err(|e| from_store(e, "the tags"))?;
    let others =
        others.into_iter().filter(|t| t.system && t.resource_type == on && t.id != id).map(|t| t.text);
    known::check_single(on, &others.chain([text.to_owned()]).collect::<Vec<_>>())?;
    if is_dry_run(called) {
        return Ok(Answer::Empty);
    }
    match app.store.update_tag(id, text).await {
        Ok(tag) => Ok(Answer::Tag(Box::new(tag))),
        Err(StoreError::NotFound) => Err(missing()),
        Err(StoreError::Taken) => Err(duplicated(text, true, on, &tag.resource_uuid)),
        Err(error) => Err(from_store(error, "the tag")),
    }
}

/// `deleteTag`: of either kind.
pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let uuid = required(called, "uuid")?;
    let bad = || Fault::new(Code::NotFound, format!("invalid value[{uuid}] of field [uuid]"));
    let id: TagId = uuid.parse().map_err(|_| bad())?;
    match app.store.tag(id).await.map_err(|e| from_store(e, "the tag"))? {
        Some(tag) => {
            refuse_stranger(app, called, &tag).await?;
            if tag.system && terms::ALL.iter().any(|term| tag.text.starts_with(term)) {
                return Err(at_submission(&tag.text));
            }
        }
        None if is_choosable_uuid(uuid) => return Ok(Answer::Empty),
        None => return Err(bad()),
    }
    if !is_dry_run(called) {
        app.store.delete_tag(id).await.map_err(|e| from_store(e, "the tag"))?;
    }
    Ok(Answer::Empty)
}

/// The resource that a call wants tagged, if the caller may touch it.
async fn resource(app: &Arc<App>, called: &Called) -> Result<Tagged, Fault> {
    let (kind, uuid) = (required(called, "resourceType")?, required(called, "resourceUuid")?);
    let missing = || not_found("resourceUuid", uuid, kind);
    let on = Tagged::of(kind, uuid).ok_or_else(missing)?;
    let owner = owner(app, on).await?.ok_or_else(missing)?;
    if called.identity.admin || owner.account == Some(called.identity.account) {
        return Ok(on);
    }
    Err(foreign(&uuid, called))
}

/// Whose a resource is.
struct Owner {
    /// `None`: nobody's.
    account: Option<AccountId>,
}

/// The owner of a resource; `None` if it is not there.
async fn owner(app: &Arc<App>, on: Tagged) -> Result<Option<Owner>, Fault> {
    let asked = |e| from_store(e, "the resource");
    Ok(match on {
        Tagged::Job(id) => {
            app.store.job(id).await.map_err(asked)?.map(|job| Owner { account: Some(job.account) })
        }
        Tagged::Volume(id) => {
            app.store.volume(id).await.map_err(asked)?.map(|volume| Owner { account: Some(volume.account) })
        }
        Tagged::Image(id) => {
            app.store.image(id).await.map_err(asked)?.map(|image| Owner { account: Some(image.account) })
        }
        Tagged::BackupStorage(id) => {
            app.store.backup_storage(id).await.map_err(asked)?.map(|_| Owner { account: None })
        }
        Tagged::Storage(id) => app.store.storage(id).await.map_err(asked)?.map(|_| Owner { account: None }),
    })
}

async fn refuse_stranger(app: &Arc<App>, called: &Called, tag: &Tag) -> Result<(), Fault> {
    if called.identity.admin {
        return Ok(());
    }
    let owner = match Tagged::of(&tag.resource_type, &tag.resource_uuid) {
        Some(on) => owner(app, on).await?,
        None => None,
    };
    match owner {
        Some(Owner { account: Some(account) }) if account == called.identity.account => Ok(()),
        _ => Err(foreign(&tag.id, called)),
    }
}

fn check_text(on: &str, text: &str) -> Result<(), Fault> {
    match known::find(on, text)? {
        Some(known) if known.is_term() => Err(at_submission(text)),
        Some(known) if known.kept => Ok(()),
        _ => Err(Fault::invalid(format!("no system tag matches[{text}] for resourceType[{on}]"))),
    }
}

/// The terms of a job are settled with its submission.
fn at_submission(text: &str) -> Fault {
    Fault::invalid(format!(
        "the system tag[{text}] counts when a job is submitted and cannot be put on, changed or taken off later; \
         cancel the job and submit it with the terms you want"
    ))
}

/// Checks the texts and puts them on; for a dry run only the former, and nothing is answered.
async fn put(
    app: &Arc<App>,
    called: &Called,
    on: Tagged,
    system: bool,
    texts: Vec<String>,
) -> Result<Vec<Tag>, Fault> {
    let kind = on.resource_type();
    let there = app.store.tags(&on.uuid()).await.map_err(|e| from_store(e, "the tags"))?;
    let there: Vec<String> =
        there.into_iter().filter(|t| t.system == system && t.resource_type == kind).map(|t| t.text).collect();
    for (at, text) in texts.iter().enumerate() {
        if text.is_empty() {
            return Err(Fault::invalid("a tag cannot be empty"));
        }
        if system {
            check_text(kind, text)?;
        }
        if there.contains(text) || texts[..at].contains(text) {
            return Err(duplicated(text, system, kind, &on.uuid()));
        }
    }
    if system {
        known::check_single(kind, &[there, texts.clone()].concat())?;
    }
    if is_dry_run(called) {
        return Ok(Vec::new());
    }
    app.store.add_tags(on, system, &texts).await.map_err(|error| match error {
        StoreError::NotFound => not_found("resourceUuid", &on.uuid(), kind),
        // Somebody was faster than the look above.
        StoreError::Taken => duplicated(&texts.join(", "), system, kind, &on.uuid()),
        other => from_store(other, &format!("resource[uuid:{}]", on.uuid())),
    })
}

fn duplicated(text: &str, system: bool, kind: &str, uuid: &str) -> Fault {
    let of = if system { "System" } else { "User" };
    Fault::failed(format!("Duplicated Tag[tag:{text}, type:{of}, resourceType:{kind}, resourceUuid:{uuid}]"))
}
