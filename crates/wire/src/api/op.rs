//! The names of all operations as a closed enum, so that the server's dispatch is an exhaustive match. What
//! each one is, is in the rows.

use super::{Operation, operations};

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// `POST /longjobs`
    SubmitLongJob,
    /// `GET /longjobs`, `GET /longjobs/{uuid}`
    QueryLongJob,
    /// `DELETE /longjobs/{uuid}`
    DeleteLongJob,
    /// `PUT /longjobs/{uuid}/actions` `updateLongJob`
    UpdateLongJob,
    /// `PUT /longjobs/{uuid}/actions` `cancelLongJob`
    CancelLongJob,
    /// `PUT /longjobs/{uuid}/actions` `rerunLongJob`
    RerunLongJob,
    /// `PUT /longjobs/{uuid}/actions` `resumeLongJob`
    ResumeLongJob,
    /// `PUT /longjobs/{uuid}/actions` `cleanLongJob`
    CleanLongJob,
    /// `PUT /longjobs/{uuid}/actions` `suspendLongJob`, ours
    SuspendLongJob,
    /// `PUT /longjobs/{uuid}/actions` `throttleLongJob`, ours
    ThrottleLongJob,
    /// `POST /longjobs/bulk`, ours
    SubmitLongJobs,
    /// `PUT /longjobs/bulk` `cancelLongJobs`, ours
    CancelLongJobs,
    /// `PUT /longjobs/bulk` `rerunLongJobs`, ours
    RerunLongJobs,
    /// `PUT /longjobs/bulk` `resumeLongJobs`, ours
    ResumeLongJobs,
    /// `PUT /longjobs/bulk` `suspendLongJobs`, ours
    SuspendLongJobs,
    /// `PUT /longjobs/bulk` `deleteLongJobs`, ours
    DeleteLongJobs,
    /// `GET /images/upload-job/details/{imageId}`
    GetUploadImageJobDetails,
    /// `GET /task-progresses/{apiId}`
    GetTaskProgress,
    /// `GET /longjobs/{uuid}/timeline`, ours
    GetLongJobTimeline,
    /// `GET /longjobs/{uuid}/explain`, ours
    ExplainLongJob,
    /// `GET /job-types`, ours
    GetJobTypes,
    /// `GET /api-jobs/{uuid}`, the poll
    GetApiJob,
    /// `PUT /accounts/login` `logInByAccount`
    LogInByAccount,
    /// `PUT /accounts/users/login` `logInByUser`
    LogInByUser,
    /// `PUT /login` `logIn`
    LogIn,
    /// `GET /login/procedures`
    GetLoginProcedures,
    /// `DELETE /accounts/sessions/{sessionUuid}`
    LogOut,
    /// `GET /accounts/sessions/{sessionUuid}/valid`
    ValidateSession,
    /// `PUT /accounts/sessions/{sessionUuid}/renew` `renewSession`
    RenewSession,
    /// `POST /accounts`
    CreateAccount,
    /// `GET /accounts`, `GET /accounts/{uuid}`
    QueryAccount,
    /// `PUT /accounts/{uuid}` `updateAccount`
    UpdateAccount,
    /// `DELETE /accounts/{uuid}`
    DeleteAccount,
    /// `POST /accesskeys`
    CreateAccessKey,
    /// `GET /accesskeys`, `GET /accesskeys/{uuid}`
    QueryAccessKey,
    /// `PUT /accesskeys/{uuid}/actions` `changeAccessKeyState`
    ChangeAccessKeyState,
    /// `DELETE /accesskeys/{uuid}`
    DeleteAccessKey,
    /// `GET /management-nodes`, `GET /management-nodes/{uuid}`
    QueryManagementNode,
    /// `PUT /management-nodes/{uuid}/actions` `drainManagementNode`
    DrainManagementNode,
    /// `PUT /management-nodes/{uuid}/actions` `undrainManagementNode`
    UndrainManagementNode,
    /// `PUT /management-nodes/actions` `getVersion`
    GetVersion,
    /// `PUT /management-nodes/actions` `getCurrentTime`
    GetCurrentTime,
    /// `GET /management-nodes/platform-timezone`
    GetPlatformTimeZone,
    /// `PUT /management-nodes/actions` `getSupportAPIs`
    GetSupportAPIs,
    /// `PUT /management-nodes/actions` `getManagementNodeArch`
    GetManagementNodeArch,
    /// `PUT /management/actions` `getManagementNodeOS`
    GetManagementNodeOS,
    /// `GET /zones`, `GET /zones/{uuid}`
    QueryZone,
    /// `POST /primary-storage/local-storage`
    AddLocalPrimaryStorage,
    /// `POST /primary-storage/smp`
    AddSharedMountPointPrimaryStorage,
    /// `POST /primary-storage/nfs`
    AddNfsPrimaryStorage,
    /// `POST /primary-storage/ceph`
    AddCephPrimaryStorage,
    /// `PUT /primary-storage/{uuid}/actions` `reconnectPrimaryStorage`
    ReconnectPrimaryStorage,
    /// `PUT /primary-storage/{primaryStorageUuid}/actions` `syncPrimaryStorageCapacity`
    SyncPrimaryStorageCapacity,
    /// `GET /primary-storage`, `GET /primary-storage/{uuid}`
    QueryPrimaryStorage,
    /// `GET /primary-storage/ceph`, `GET /primary-storage/ceph/{uuid}`
    QueryCephPrimaryStorage,
    /// `PUT /primary-storage/{uuid}/actions` `updatePrimaryStorage`
    UpdatePrimaryStorage,
    /// `PUT /primary-storage/{uuid}/actions` `changePrimaryStorageState`
    ChangePrimaryStorageState,
    /// `DELETE /primary-storage/{uuid}`
    DeletePrimaryStorage,
    /// `GET /primary-storage/trash`
    GetTrashOnPrimaryStorage,
    /// `PUT /primary-storage/{uuid}/trash/actions` `cleanUpTrashOnPrimaryStorage`
    CleanUpTrashOnPrimaryStorage,
    /// `GET /primary-storage/capacities`
    GetPrimaryStorageCapacity,
    /// `GET /primary-storage/bandwidths`, ours
    GetPrimaryStorageBandwidth,
    /// `GET /primary-storage/{uuid}/scan`, ours
    ScanPrimaryStorage,
    /// `POST /volumes/data`
    CreateDataVolume,
    /// `GET /volumes`, `GET /volumes/{uuid}`
    QueryVolume,
    /// `PUT /volumes/{uuid}/actions` `updateVolume`
    UpdateVolume,
    /// `DELETE /volumes/{uuid}`
    DeleteDataVolume,
    /// `PUT /volumes/{uuid}/actions` `recoverDataVolume`
    RecoverDataVolume,
    /// `PUT /volumes/{uuid}/actions` `expungeDataVolume`
    ExpungeDataVolume,
    /// `POST /volumes/adopt`, ours
    AdoptVolume,
    /// `POST /volumes/import`, ours
    ImportVolume,
    /// `PUT /volumes/{uuid}/actions` `forgetVolume`, ours
    ForgetVolume,
    /// `PUT /primary-storage/volumes/{volumeUuid}/actions` `primaryStorageMigrateVolume`
    PrimaryStorageMigrateVolume,
    /// `GET /backup-storage`, `GET /backup-storage/{uuid}`
    QueryBackupStorage,
    /// `GET /backup-storage/image-store`, `GET /backup-storage/image-store/{uuid}`
    QueryImageStoreBackupStorage,
    /// `GET /backup-storage/ceph`, `GET /backup-storage/ceph/{uuid}`
    QueryCephBackupStorage,
    /// `POST /backup-storage/image-store`
    AddImageStoreBackupStorage,
    /// `POST /backup-storage/ceph`
    AddCephBackupStorage,
    /// `PUT /backup-storage/{uuid}/actions` `updateBackupStorage`
    UpdateBackupStorage,
    /// `PUT /backup-storage/image-store/{uuid}/actions` `updateImageStoreBackupStorage`
    UpdateImageStoreBackupStorage,
    /// `PUT /backup-storage/{uuid}/actions` `changeBackupStorageState`
    ChangeBackupStorageState,
    /// `PUT /backup-storage/{uuid}/actions` `reconnectBackupStorage`
    ReconnectBackupStorage,
    /// `PUT /backup-storage/image-store/{uuid}/actions` `reconnectImageStoreBackupStorage`
    ReconnectImageStoreBackupStorage,
    /// `DELETE /backup-storage/{uuid}`
    DeleteBackupStorage,
    /// `GET /backup-storage/capacities`
    GetBackupStorageCapacity,
    /// `GET /backup-storage/trash`
    GetTrashOnBackupStorage,
    /// `PUT /backup-storage/{uuid}/trash/actions` `cleanUpTrashOnBackupStorage`
    CleanUpTrashOnBackupStorage,
    /// `PUT /backup-storage/images/{imageUuid}/actions` `backupStorageMigrateImage`
    BackupStorageMigrateImage,
    /// `GET /backup-storage/{srcBackupStorageUuid}/migration-candidates`
    GetBackupStorageCandidatesForImageMigration,
    /// `PUT /backup-storage/{backupStorageUuid}/actions` `exportImageFromBackupStorage`
    ExportImageFromBackupStorage,
    /// `DELETE /backup-storage/{backupStorageUuid}/exported-images/{imageUuid}`
    DeleteExportedImageFromBackupStorage,
    /// `GET /images`, `GET /images/{uuid}`
    QueryImage,
    /// `POST /images/root-volume-templates/from/volumes/{rootVolumeUuid}`
    CreateRootVolumeTemplateFromRootVolume,
    /// `POST /images/data-volume-templates/from/volumes/{volumeUuid}`
    CreateDataVolumeTemplateFromVolume,
    /// `POST /volumes/data/from/data-volume-templates/{imageUuid}`
    CreateDataVolumeFromVolumeTemplate,
    /// `POST /images`
    AddImage,
    /// `PUT /images/{uuid}/actions` `updateImage`
    UpdateImage,
    /// `PUT /images/{uuid}/actions` `changeImageState`
    ChangeImageState,
    /// `PUT /images/{uuid}/actions` `syncImageSize`
    SyncImageSize,
    /// `PUT /images/{uuid}/actions` `calculateImageHash`
    CalculateImageHash,
    /// `PUT /images/{uuid}/actions` `setImageBootMode`
    SetImageBootMode,
    /// `PUT /images/{uuid}/actions` `setImageQga`
    SetImageQga,
    /// `DELETE /images/{uuid}`
    DeleteImage,
    /// `PUT /images/{imageUuid}/actions` `expungeImage`
    ExpungeImage,
    /// `PUT /images/{imageUuid}/actions` `recoverImage`
    RecoverImage,
    /// `GET /images/candidate-backup-storage`
    GetCandidateBackupStorageForCreatingImage,
    /// `POST /system-tags`
    CreateSystemTag,
    /// `POST /system-tags/{resourceUuid}/tags`
    CreateSystemTags,
    /// `GET /system-tags`, `GET /system-tags/{uuid}`
    QuerySystemTag,
    /// `PUT /system-tags/{uuid}/actions` `updateSystemTag`
    UpdateSystemTag,
    /// `POST /user-tags`
    CreateUserTag,
    /// `GET /user-tags`, `GET /user-tags/{uuid}`
    QueryUserTag,
    /// `DELETE /tags/{uuid}`
    DeleteTag,
    /// `GET /global-configurations`
    QueryGlobalConfig,
    /// `GET /global-configurations/{category}/{name}`
    GetGlobalConfigOptions,
    /// `PUT /global-configurations/{category}/{name}/actions` `updateGlobalConfig`
    UpdateGlobalConfig,
    /// `PUT /global-configurations/actions` `resetGlobalConfig`
    ResetGlobalConfig,
    /// `GET /zql`
    ZqlQuery,
    /// `PUT /primary-storage/{uuid}/actions` `evacuatePrimaryStorage`, ours
    EvacuatePrimaryStorage,
    /// `GET /primary-storage/{uuid}/evacuation-plan`, ours
    GetEvacuationPlan,
    /// `GET /longjobs/{uuid}/evacuation`, ours
    GetEvacuationReport,
    /// Any API of ZStack that is not here; it has no row in the table but one of `not_here`.
    NotHere,
}

impl Op {
    /// How many there are; a test holds the table to it.
    pub const COUNT: usize = Self::NotHere as usize;

    /// Its row; `None` only for an operation without a row, which a test forbids.
    pub fn row(self) -> Option<&'static Operation> {
        operations().find(|o| o.op == self)
    }
}
