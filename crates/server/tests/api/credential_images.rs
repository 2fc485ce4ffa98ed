//! The rows of the credential matrix of backup storages and images.

use crate::credential_rows::{
    Foreign::{Allowed, Nothing},
    Row, sync,
};
use crate::credentials::Stake;

/// All of them.
pub fn rows(_stake: &Stake) -> Vec<Row> {
    let id = crate::support::uuid();
    vec![
        sync("get /backup-storage", "/backup-storage".to_owned(), Allowed),
        sync("get /backup-storage/{uuid}", format!("/backup-storage/{id}"), Allowed),
        sync("get /backup-storage/image-store", "/backup-storage/image-store".to_owned(), Allowed),
        sync("get /backup-storage/image-store/{uuid}", format!("/backup-storage/image-store/{id}"), Allowed),
        sync("get /backup-storage/ceph", "/backup-storage/ceph".to_owned(), Allowed),
        sync("get /backup-storage/ceph/{uuid}", format!("/backup-storage/ceph/{id}"), Allowed),
        sync("get /images", "/images".to_owned(), Nothing),
        sync("get /images/{uuid}", format!("/images/{id}"), Nothing),
    ]
}
