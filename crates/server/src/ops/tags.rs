//! Which system tags a call may carry. User tags are free.

use longhaul_model::Fault;
use longhaul_wire::Op;

use crate::app::Called;

/// The system tag of a dry run: all checks, nothing stored.
pub const VALIDATION_ONLY: &str = "validationOnly";
/// Most bytes per second of one job's copy: `longhaul::throttle::<bytes/s>`.
pub const THROTTLE: &str = "longhaul::throttle::";
/// The image an upload job is about: `uploadImage::<id>`.
const UPLOAD_IMAGE: &str = "uploadImage::";

/// Refuses unknown system tags. On update, delete and rerun they are checked too, and change nothing.
///
/// # Errors
/// SYS.1007, naming the tag.
pub fn check(called: &Called) -> Result<(), Fault> {
    for tag in &called.call.system_tags {
        if tag == VALIDATION_ONLY || allowed(called.call.op(), tag)? {
            continue;
        }
        return Err(Fault::invalid(format!("no system tag matches {tag}")));
    }
    Ok(())
}

fn allowed(op: Op, tag: &str) -> Result<bool, Fault> {
    let on_job = matches!(
        op,
        Op::SubmitLongJob
            | Op::DeleteLongJob
            | Op::UpdateLongJob
            | Op::CancelLongJob
            | Op::RerunLongJob
            | Op::ResumeLongJob
            | Op::CleanLongJob
            | Op::PrimaryStorageMigrateVolume
            | Op::ImportVolume
    );
    if on_job {
        if let Some(rate) = tag.strip_prefix(THROTTLE) {
            return match rate.parse::<u64>() {
                Ok(_) => Ok(true),
                Err(_) => Err(Fault::invalid(format!(
                    "the system tag[{tag}] must end in a whole number of bytes per second, 0 for no limit"
                ))),
            };
        }
        return Ok(tag.strip_prefix(UPLOAD_IMAGE).is_some_and(|id| !id.is_empty()));
    }
    // Tags that ZStack's clients send with these calls and that mean nothing on these kinds of storage.
    Ok(match op {
        Op::CreateDataVolume => [
            "localStorage::hostUuid::",
            "capability::",
            "volumeProvisioningStrategy::",
            "ephemeral::",
            "qos::",
        ]
        .iter()
        .any(|prefix| tag.starts_with(prefix)),
        Op::AddLocalPrimaryStorage => ["primaryStorage::", "primaryStorageVolumeProvisioningStrategy::"]
            .iter()
            .any(|p| tag.starts_with(p)),
        _ => false,
    })
}

/// Whether the call only asks what it would do.
pub fn is_dry_run(called: &Called) -> bool {
    called.call.system_tags.iter().any(|tag| tag == VALIDATION_ONLY)
}

/// The system tags that are stored.
pub fn kept(called: &Called) -> Vec<String> {
    called.call.system_tags.iter().filter(|tag| *tag != VALIDATION_ONLY).cloned().collect()
}
