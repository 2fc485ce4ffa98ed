//! The rows of the credential matrix of backup storages and images.

use serde_json::{Value, json};

use crate::credential_rows::{
    Foreign::{Allowed, Denied, Nothing},
    Row, asynchronous, sync,
};
use crate::credentials::Stake;

/// All of them.
pub fn rows(stake: &Stake) -> Vec<Row> {
    [places(stake), images(stake)].into_iter().flatten().collect()
}

fn places(stake: &Stake) -> Vec<Row> {
    let (one, of_store) =
        (format!("/backup-storage/{}", stake.shelf), format!("/backup-storage/image-store/{}", stake.shelf));
    let admin_only = Denied("ID.1002");
    let action = |id, path: &str, key: &str| {
        let mut body = json!({});
        body[key] = json!({"name": "mine", "stateEvent": "disable"});
        asynchronous(id, format!("{path}/actions"), body, admin_only)
    };
    vec![
        sync("get /backup-storage", "/backup-storage".to_owned(), Allowed),
        sync("get /backup-storage/{uuid}", one.clone(), Allowed),
        sync("get /backup-storage/image-store", "/backup-storage/image-store".to_owned(), Allowed),
        sync("get /backup-storage/image-store/{uuid}", of_store.clone(), Allowed),
        sync("get /primary-storage/ceph", "/primary-storage/ceph".to_owned(), Allowed),
        sync("get /primary-storage/ceph/{uuid}", format!("/primary-storage/ceph/{}", stake.storage), Allowed),
        sync("get /backup-storage/ceph", "/backup-storage/ceph".to_owned(), Allowed),
        sync("get /backup-storage/ceph/{uuid}", format!("/backup-storage/ceph/{}", stake.shelf), Allowed),
        asynchronous(
            "post /backup-storage/image-store",
            "/backup-storage/image-store".to_owned(),
            json!({"params": {"name": "mine", "url": "/tmp", "hostname": "h"}}),
            admin_only,
        ),
        asynchronous(
            "post /backup-storage/ceph",
            "/backup-storage/ceph".to_owned(),
            json!({"params": {"name": "mine", "conf": "/no/such/ceph.conf", "poolName": "p"}}),
            admin_only,
        ),
        sync(
            "get /backup-storage/{srcBackupStorageUuid}/migration-candidates",
            format!("{one}/migration-candidates"),
            Allowed,
        ),
        asynchronous(
            "put /backup-storage/images/{imageUuid}/actions",
            format!("/backup-storage/images/{}/actions", stake.image),
            json!({"backupStorageMigrateImage": {
                "srcBackupStorageUuid": stake.shelf, "dstBackupStorageUuid": stake.storage,
            }}),
            admin_only,
        ),
        asynchronous(
            "put /backup-storage/{backupStorageUuid}/actions",
            format!("{one}/actions"),
            json!({"exportImageFromBackupStorage": {"imageUuid": stake.image}}),
            admin_only,
        ),
        asynchronous(
            "delete /backup-storage/{backupStorageUuid}/exported-images/{imageUuid}",
            format!("{one}/exported-images/{}", stake.image),
            Value::Null,
            admin_only,
        ),
        action("put /backup-storage/{uuid}/actions updateBackupStorage", &one, "updateBackupStorage"),
        action(
            "put /backup-storage/{uuid}/actions changeBackupStorageState",
            &one,
            "changeBackupStorageState",
        ),
        action("put /backup-storage/{uuid}/actions reconnectBackupStorage", &one, "reconnectBackupStorage"),
        action(
            "put /backup-storage/image-store/{uuid}/actions updateImageStoreBackupStorage",
            &of_store,
            "updateImageStoreBackupStorage",
        ),
        action(
            "put /backup-storage/image-store/{uuid}/actions reconnectImageStoreBackupStorage",
            &of_store,
            "reconnectImageStoreBackupStorage",
        ),
        asynchronous("delete /backup-storage/{uuid}", one.clone(), Value::Null, admin_only),
        sync("get /backup-storage/capacities", "/backup-storage/capacities?all=true".to_owned(), Allowed),
        sync("get /backup-storage/trash", format!("/backup-storage/trash?uuid={}", stake.shelf), admin_only),
        asynchronous(
            "put /backup-storage/{uuid}/trash/actions",
            format!("{one}/trash/actions"),
            json!({"cleanUpTrashOnBackupStorage": {}}),
            admin_only,
        ),
    ]
}

fn images(stake: &Stake) -> Vec<Row> {
    let one = format!("/images/{}", stake.image);
    let denied = Denied("ID.1002");
    let action = |id, key: &str| {
        let mut body = json!({});
        body[key] = json!({
            "name": "mine", "stateEvent": "disable", "backupStorageUuid": stake.shelf, "bootMode": "UEFI",
            "enable": true,
        });
        asynchronous(id, format!("{one}/actions"), body, denied)
    };
    vec![
        sync("get /images", "/images".to_owned(), Nothing),
        sync("get /images/{uuid}", one.clone(), Nothing),
        // What a normal account may do, asked for wrongly.
        asynchronous(
            "post /images",
            "/images".to_owned(),
            json!({"params": {"name": "mine", "url": "nonsense", "backupStorageUuids": [stake.shelf]}}),
            Denied("SYS.1007"),
        ),
        asynchronous(
            "post /images/root-volume-templates/from/volumes/{rootVolumeUuid}",
            format!("/images/root-volume-templates/from/volumes/{}", stake.volume),
            json!({"params": {"name": "mine"}}),
            denied,
        ),
        asynchronous(
            "post /images/data-volume-templates/from/volumes/{volumeUuid}",
            format!("/images/data-volume-templates/from/volumes/{}", stake.volume),
            json!({"params": {"name": "mine"}}),
            denied,
        ),
        asynchronous(
            "post /volumes/data/from/data-volume-templates/{imageUuid}",
            format!("/volumes/data/from/data-volume-templates/{}", stake.image),
            json!({"params": {"name": "mine", "primaryStorageUuid": stake.storage}}),
            denied,
        ),
        action("put /images/{uuid}/actions updateImage", "updateImage"),
        action("put /images/{uuid}/actions changeImageState", "changeImageState"),
        action("put /images/{uuid}/actions syncImageSize", "syncImageSize"),
        action("put /images/{uuid}/actions calculateImageHash", "calculateImageHash"),
        action("put /images/{uuid}/actions setImageBootMode", "setImageBootMode"),
        action("put /images/{uuid}/actions setImageQga", "setImageQga"),
        action("put /images/{imageUuid}/actions expungeImage", "expungeImage"),
        action("put /images/{imageUuid}/actions recoverImage", "recoverImage"),
        asynchronous("delete /images/{uuid}", one.clone(), Value::Null, denied),
        sync("get /images/candidate-backup-storage", "/images/candidate-backup-storage".to_owned(), Allowed),
        sync("get /images/upload-job/details/{imageId}", "/images/upload-job/details/x".to_owned(), Allowed),
    ]
}
