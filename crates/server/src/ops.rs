//! What each operation does: take the values out of the call, call one function, wrap its answer. One file
//! per family.

mod accounts;
mod backup_storages;
mod bulk;
mod bulk_actions;
mod ceph;
mod evacuations;
mod explain;
mod global_config;
mod image_jobs;
mod images;
mod jobs;
mod keys;
mod logins;
mod nodes;
mod query;
mod sessions;
mod storages;
pub mod tags;
mod timelines;
mod uploads;
mod volumes;
mod zql;

use std::path::Path;
use std::sync::Arc;

use longhaul_jobs::images::For;
use longhaul_model::resource::StorageKind;
use longhaul_model::{Code, Fault};
use longhaul_wire::Op;
use longhaul_wire::api::not_here;

use crate::answer::Answer;
use crate::app::{App, Called};
use bulk_actions::Action;

/// Performs a call.
///
/// # Errors
/// Whatever it refuses.
pub async fn perform(app: &Arc<App>, called: Called) -> Result<Answer, Fault> {
    let (op, call) = (called.call.op(), called.api_id.clone());
    let answer = dispatch(app, called).await;
    // Of ZQL that is none it is the caller's own fault, as the contract has it, with the caller's own words.
    if let Err(fault) = &answer
        && fault.root().code == Code::Internal
        && op != Op::ZqlQuery
    {
        tracing::error!(?op, %call, %fault, "a call ended in an internal error");
    }
    answer
}

async fn dispatch(app: &Arc<App>, called: Called) -> Result<Answer, Fault> {
    if called.call.op() == Op::NotHere {
        return Err(not_here::fault(called.call.operation)); // whatever tags it came with
    }
    tags::check(&called)?;
    if tags::is_dry_run(&called) && !looks_first(called.call.op()) {
        return Ok(Answer::Json(longhaul_wire::inventory::empty()));
    }
    match called.call.op() {
        Op::SubmitLongJob => jobs::submit(app, &called).await,
        Op::DeleteLongJob => jobs::delete(app, &called).await,
        Op::UpdateLongJob => jobs::update(app, &called).await,
        Op::CancelLongJob => jobs::cancel(app, &called).await,
        Op::RerunLongJob => jobs::rerun(app, &called).await,
        Op::ResumeLongJob => jobs::resume(app, &called).await,
        Op::CleanLongJob => jobs::clean(app, &called).await,
        Op::SubmitLongJobs => bulk::submit(app, &called).await,
        Op::CancelLongJobs => bulk_actions::act(app, &called, Action::Cancel).await,
        Op::RerunLongJobs => bulk_actions::act(app, &called, Action::Rerun).await,
        Op::ResumeLongJobs => bulk_actions::act(app, &called, Action::Resume).await,
        Op::SuspendLongJobs => bulk_actions::act(app, &called, Action::Suspend).await,
        Op::DeleteLongJobs => bulk_actions::act(app, &called, Action::Delete).await,
        Op::SuspendLongJob => jobs::suspend(app, &called).await,
        Op::EvacuatePrimaryStorage => evacuations::start(app, &called).await,
        Op::GetEvacuationPlan => evacuations::plan(app, &called).await,
        Op::GetEvacuationReport => evacuations::report(app, &called).await,
        Op::ThrottleLongJob => jobs::throttle(app, &called).await,
        Op::GetTaskProgress => jobs::progress(app, &called).await,
        Op::GetLongJobTimeline => timelines::timeline(app, &called).await,
        Op::ExplainLongJob => explain::explain(app, &called).await,
        Op::GetJobTypes => Ok(jobs::job_types(app, &called)),
        Op::LogInByAccount => logins::by_account(app, &called).await,
        Op::LogInByUser => logins::by_user(app, &called).await,
        Op::LogIn => logins::by_type(app, &called).await,
        Op::GetLoginProcedures => Ok(logins::procedures()),
        Op::LogOut => sessions::log_out(app, &called).await,
        Op::ValidateSession => sessions::validate(app, &called).await,
        Op::RenewSession => sessions::renew(app, &called).await,
        Op::CreateAccount => accounts::create(app, &called).await,
        Op::UpdateAccount => accounts::update(app, &called).await,
        Op::DeleteAccount => accounts::delete(app, &called).await,
        Op::CreateAccessKey => keys::create(app, &called).await,
        Op::ChangeAccessKeyState => keys::change_state(app, &called).await,
        Op::DeleteAccessKey => keys::delete(app, &called).await,
        Op::GetUploadImageJobDetails => uploads::details(app, &called).await,
        Op::DrainManagementNode => nodes::drain(app, &called, true).await,
        Op::UndrainManagementNode => nodes::drain(app, &called, false).await,
        Op::GetVersion => Ok(nodes::version(app)),
        Op::GetCurrentTime => Ok(nodes::current_time(app)),
        Op::QueryLongJob
        | Op::QueryAccount
        | Op::QueryAccessKey
        | Op::QueryManagementNode
        | Op::QueryZone
        | Op::QueryPrimaryStorage
        | Op::QueryCephPrimaryStorage
        | Op::QueryVolume
        | Op::QueryBackupStorage
        | Op::QueryImageStoreBackupStorage
        | Op::QueryCephBackupStorage
        | Op::QueryImage
        | Op::QuerySystemTag
        | Op::QueryUserTag
        | Op::QueryGlobalConfig => query::query(app, &called).await,
        Op::AddLocalPrimaryStorage => storages::add_directory(app, &called, StorageKind::Local).await,
        Op::AddSharedMountPointPrimaryStorage => {
            storages::add_directory(app, &called, StorageKind::SharedMountPoint).await
        }
        Op::AddNfsPrimaryStorage => storages::add_directory(app, &called, StorageKind::Nfs).await,
        Op::AddCephPrimaryStorage => ceph::add(app, &called).await,
        Op::ReconnectPrimaryStorage => storages::reconnect(app, &called, "uuid").await,
        Op::SyncPrimaryStorageCapacity => storages::reconnect(app, &called, "primaryStorageUuid").await,
        Op::UpdatePrimaryStorage => storages::update(app, &called).await,
        Op::ChangePrimaryStorageState => storages::change_state(app, &called).await,
        Op::DeletePrimaryStorage => storages::delete(app, &called).await,
        Op::GetTrashOnPrimaryStorage => storages::trash(app, &called).await,
        Op::CleanUpTrashOnPrimaryStorage => storages::clean_trash(app, &called).await,
        Op::GetPrimaryStorageCapacity => storages::capacity(app, &called).await,
        Op::GetPrimaryStorageBandwidth => storages::bandwidth(app, &called).await,
        Op::ScanPrimaryStorage => storages::scan(app, &called).await,
        Op::AddImageStoreBackupStorage => backup_storages::add(app, &called).await,
        Op::AddCephBackupStorage => ceph::add_backup(app, &called).await,
        Op::BackupStorageMigrateImage => image_jobs::migrate(app, &called).await,
        Op::ExportImageFromBackupStorage => image_jobs::export(app, &called).await,
        Op::DeleteExportedImageFromBackupStorage => image_jobs::delete_export(app, &called).await,
        Op::GetBackupStorageCandidatesForImageMigration => backup_storages::candidates(app, &called).await,
        Op::UpdateBackupStorage | Op::UpdateImageStoreBackupStorage => {
            backup_storages::update(app, &called).await
        }
        Op::ChangeBackupStorageState => backup_storages::change_state(app, &called).await,
        Op::ReconnectBackupStorage | Op::ReconnectImageStoreBackupStorage => {
            backup_storages::reconnect(app, &called).await
        }
        Op::DeleteBackupStorage => backup_storages::delete(app, &called).await,
        Op::GetBackupStorageCapacity => backup_storages::capacity(app, &called).await,
        Op::GetTrashOnBackupStorage => backup_storages::trash(app, &called).await,
        Op::CleanUpTrashOnBackupStorage => backup_storages::clean_trash(app, &called).await,
        Op::CreateRootVolumeTemplateFromRootVolume => image_jobs::template(app, &called, For::Root).await,
        Op::CreateDataVolumeTemplateFromVolume => image_jobs::template(app, &called, For::Data).await,
        Op::CreateDataVolumeFromVolumeTemplate => image_jobs::volume(app, &called).await,
        Op::AddImage => images::add(app, &called).await,
        Op::UpdateImage => images::update(app, &called).await,
        Op::ChangeImageState => images::change_state(app, &called).await,
        Op::SyncImageSize => images::sync_size(app, &called).await,
        Op::CalculateImageHash => images::hash(app, &called).await,
        Op::SetImageBootMode => images::set_boot_mode(app, &called).await,
        Op::SetImageQga => images::set_qga(app, &called).await,
        Op::DeleteImage => images::delete(app, &called).await,
        Op::ExpungeImage => images::expunge(app, &called).await,
        Op::RecoverImage => images::recover(app, &called).await,
        Op::GetCandidateBackupStorageForCreatingImage => images::candidates(app, &called).await,
        Op::CreateDataVolume => volumes::create(app, &called).await,
        Op::UpdateVolume => volumes::update(app, &called).await,
        Op::DeleteDataVolume => volumes::delete(app, &called).await,
        Op::RecoverDataVolume => volumes::recover(app, &called).await,
        Op::ExpungeDataVolume => volumes::expunge(app, &called).await,
        Op::AdoptVolume => volumes::adopt(app, &called).await,
        Op::ImportVolume => volumes::import(app, &called).await,
        Op::ForgetVolume => volumes::forget(app, &called).await,
        Op::PrimaryStorageMigrateVolume => volumes::migrate(app, &called).await,
        Op::GetPlatformTimeZone => Ok(nodes::time_zone(app)),
        Op::GetSupportAPIs => Ok(nodes::support_apis()),
        Op::GetManagementNodeArch => Ok(nodes::architecture()),
        Op::GetManagementNodeOS => Ok(nodes::operating_system()),
        Op::ZqlQuery => zql::query(app, &called).await,
        Op::NotHere | Op::GetApiJob => Err(Fault::internal("no operation")),
        Op::CreateSystemTag | Op::CreateUserTag => tags::create(app, &called).await,
        Op::CreateSystemTags => tags::create_many(app, &called).await,
        Op::UpdateSystemTag => tags::update(app, &called).await,
        Op::DeleteTag => tags::delete(app, &called).await,
        Op::GetGlobalConfigOptions => global_config::options(&called),
        Op::UpdateGlobalConfig => global_config::update(app, &called).await,
        Op::ResetGlobalConfig => global_config::reset(app, &called).await,
    }
}

/// Whether a dry run of the call checks more than its values, and knows itself that it is one. Of all others it is
/// answered here, once the values are checked; nothing is done.
const fn looks_first(op: Op) -> bool {
    matches!(
        op,
        Op::SubmitLongJob
            | Op::SubmitLongJobs
            | Op::CancelLongJobs
            | Op::RerunLongJobs
            | Op::ResumeLongJobs
            | Op::SuspendLongJobs
            | Op::DeleteLongJobs
            | Op::PrimaryStorageMigrateVolume
            | Op::ImportVolume
            | Op::EvacuatePrimaryStorage
            | Op::AddImage
            | Op::BackupStorageMigrateImage
            | Op::ExportImageFromBackupStorage
            | Op::CreateRootVolumeTemplateFromRootVolume
            | Op::CreateDataVolumeTemplateFromVolume
            | Op::CreateDataVolumeFromVolumeTemplate
            | Op::CreateSystemTag
            | Op::CreateSystemTags
            | Op::CreateUserTag
            | Op::UpdateSystemTag
            | Op::DeleteTag
            | Op::UpdateGlobalConfig
            | Op::ResetGlobalConfig
    )
}

/// Whether the engine writes the call's record in the transaction of its effect.
pub const fn writes_its_record(op: Op) -> bool {
    matches!(
        op,
        Op::SubmitLongJob
            | Op::DeleteLongJob
            | Op::UpdateLongJob
            | Op::CancelLongJob
            | Op::RerunLongJob
            | Op::ResumeLongJob
            | Op::CleanLongJob
            | Op::SuspendLongJob
            | Op::EvacuatePrimaryStorage
            | Op::ThrottleLongJob
    )
}

/// The refusal of what belongs to somebody else.
pub(crate) fn foreign(uuid: &dyn std::fmt::Display, called: &Called) -> Fault {
    Fault::new(
        Code::PermissionDenied,
        format!(
            "operation denied. The resource[uuid: {uuid}] doesn't belong to the account[uuid: {}]",
            called.identity.account
        ),
    )
}

/// `fault`, or, where the path that the caller typed into `field` is not there at all, that: it was never the
/// server's, so nobody has moved it.
pub(crate) fn typed(fault: Fault, field: &str, path: &str) -> Fault {
    let io = fault.cause.as_ref().is_some_and(|cause| cause.code == Code::Io);
    let typed = Path::new(path);
    if io && typed.is_absolute() && matches!(typed.try_exists(), Ok(false)) {
        return Fault::invalid(format!(
            "the {field}[{path}] does not exist on the server's machine; is it spelled right, and is what holds it mounted?"
        ));
    }
    fault
}

/// A value that `validate` has found to be there; its absence is a bug of the table.
pub(crate) fn required<'a>(called: &'a Called, name: &str) -> Result<&'a str, Fault> {
    called
        .call
        .params
        .text(name)
        .ok_or_else(|| Fault::invalid(format!("field[{name}] is mandatory, can not be null")))
}
