//! Tags that a call carries: which system tags are taken, what is kept of them. Which there are is in
//! `known`; the calls about tags themselves are in `calls`.

mod calls;
mod known;

use std::sync::Arc;

use longhaul_model::Fault;
use longhaul_model::resource::Tagged;
use longhaul_wire::Op;

use crate::app::{App, Called};
pub use calls::{create, create_many, delete, update};
pub use known::{BOOT_MODE, QEMU_AGENT};

/// The system tag of a dry run: all checks, nothing stored.
pub const VALIDATION_ONLY: &str = "validationOnly";

/// Refuses unknown system tags. On update, delete and rerun they are checked too, and change nothing.
///
/// # Errors
/// SYS.1007, naming the tag.
pub fn check(called: &Called) -> Result<(), Fault> {
    let on = tagged_by(called.call.op());
    for tag in called.call.system_tags.iter().filter(|tag| *tag != VALIDATION_ONLY) {
        match on {
            Some(on) if known::find(on, tag)?.is_some() => {}
            _ => return Err(Fault::invalid(format!("no system tag matches {tag}"))),
        }
    }
    match on {
        Some(on) => known::check_single(on, &kept(called)),
        None => Ok(()),
    }
}

/// The resource type that a call's system tags are about.
fn tagged_by(op: Op) -> Option<&'static str> {
    match op {
        Op::SubmitLongJob
        | Op::DeleteLongJob
        | Op::UpdateLongJob
        | Op::CancelLongJob
        | Op::RerunLongJob
        | Op::ResumeLongJob
        | Op::CleanLongJob
        | Op::SuspendLongJob
        | Op::ThrottleLongJob
        | Op::PrimaryStorageMigrateVolume
        | Op::BackupStorageMigrateImage
        | Op::ExportImageFromBackupStorage
        | Op::ImportVolume
        | Op::EvacuatePrimaryStorage => Some(known::JOB),
        Op::AddImage
        | Op::CreateRootVolumeTemplateFromRootVolume
        | Op::CreateDataVolumeTemplateFromVolume => Some(known::IMAGE),
        Op::AddImageStoreBackupStorage | Op::AddCephBackupStorage => Some(known::BACKUP_STORAGE),
        Op::CreateDataVolume | Op::CreateDataVolumeFromVolumeTemplate | Op::AdoptVolume => {
            Some(known::VOLUME)
        }
        Op::AddLocalPrimaryStorage
        | Op::AddSharedMountPointPrimaryStorage
        | Op::AddNfsPrimaryStorage
        | Op::AddCephPrimaryStorage => Some(known::STORAGE),
        _ => None,
    }
}

/// Whether the call only asks what it would do.
pub fn is_dry_run(called: &Called) -> bool {
    called.call.system_tags.iter().any(|tag| tag == VALIDATION_ONLY)
}

/// The system tags that are stored, each once.
pub fn kept(called: &Called) -> Vec<String> {
    let on = tagged_by(called.call.op());
    let stored = |tag: &&String| match on.map(|on| known::find(on, tag)) {
        Some(Ok(Some(known))) => known.kept,
        _ => false,
    };
    once(called.call.system_tags.iter().filter(stored))
}

/// Refuses system tags that images do not have; those of them that are stored, each once.
///
/// # Errors
/// SYS.1007, naming the tag.
pub fn of_image(tags: &[String]) -> Result<Vec<String>, Fault> {
    let mut stored = Vec::new();
    for tag in tags {
        match known::find(known::IMAGE, tag)? {
            Some(known) if known.kept && !stored.contains(tag) => stored.push(tag.clone()),
            Some(_) => {}
            None => return Err(Fault::invalid(format!("no system tag matches {tag}"))),
        }
    }
    known::check_single(known::IMAGE, &stored)?;
    Ok(stored)
}

/// The user tags, each once.
pub fn user(called: &Called) -> Vec<String> {
    once(called.call.user_tags.iter())
}

fn once<'t>(tags: impl Iterator<Item = &'t String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for tag in tags {
        if !all.contains(tag) {
            all.push(tag.clone());
        }
    }
    all
}

/// Puts the tags of a call on the resource that it has just made.
///
/// # Errors
/// The store does not take them; the resource is there all the same, which is said.
pub async fn put_on(app: &Arc<App>, called: &Called, on: Tagged) -> Result<(), Fault> {
    for (system, texts) in [(true, kept(called)), (false, user(called))] {
        if texts.is_empty() {
            continue;
        }
        if let Err(error) = app.store.add_tags(on, system, &texts).await {
            let (kind, uuid) = (on.resource_type(), on.uuid());
            let cause = longhaul_engine::fault::from_store(error, "the tags");
            return Err(Fault::failed(format!(
                "resource[uuid:{uuid}, type:{kind}] was made, but without its tags; create the tags by themselves"
            ))
            .because(cause));
        }
    }
    Ok(())
}
