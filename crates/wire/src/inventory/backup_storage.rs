//! The inventories of backup storages: one shape, with the keys of a kind where the kind has them.
//!
//! Source: resources.md 6.

use std::borrow::Cow;

use longhaul_model::resource::{BackupStorage, BackupStorageKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Inventory, ZONE};
use crate::time::TimeFormat;

/// A backup storage, where images are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStorageInventory {
    /// The backup storage's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// For people. At most 255 UTF-16 units.
    #[schema(max_length = 255)]
    pub name: String,
    /// Where it is: for `ImageStoreBackupStorage` an absolute directory.
    #[schema(max_length = 2048)]
    pub url: String,
    /// For people. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// Bytes in all, as last seen.
    #[schema(minimum = 0)]
    pub total_capacity: u64,
    /// Free bytes, as last seen.
    #[schema(minimum = 0)]
    pub available_capacity: u64,
    /// The kind: `ImageStoreBackupStorage`.
    #[serde(rename = "type")]
    #[schema(max_length = 32)]
    pub kind: String,
    /// `Enabled`; `Disabled`: takes no new image.
    #[schema(max_length = 16)]
    pub state: String,
    /// `Connecting`, `Connected`, `Disconnected`.
    #[schema(max_length = 16)]
    pub status: String,
    /// Uuids of the zones it serves: the one zone.
    #[schema(max_items = 1)]
    pub attached_zone_uuids: Vec<String>,
    /// When it was added.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
    /// The machine it was added with; shown, not connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub hostname: Option<String>,
    /// The user it was added with; shown, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub username: Option<String>,
    /// The port it was added with; shown, not connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535, nullable = false)]
    pub ssh_port: Option<u16>,
}

impl BackupStorageInventory {
    /// `storage` on the wire.
    pub fn of(storage: &BackupStorage, format: &TimeFormat) -> Self {
        Self {
            uuid: storage.id.to_string(),
            name: storage.name.clone(),
            url: storage.url.clone(),
            description: storage.description.clone(),
            total_capacity: storage.total_bytes,
            available_capacity: storage.available_bytes,
            kind: storage.kind.name().to_owned(),
            state: storage.state.name().to_owned(),
            status: storage.status.clone(),
            attached_zone_uuids: vec![ZONE.to_owned()],
            create_date: format.text(storage.create_ms),
            last_op_date: format.text(storage.last_op_ms),
            hostname: storage.host_name.clone(),
            username: storage.username.clone(),
            ssh_port: storage.ssh_port,
        }
    }
}

impl Inventory for BackupStorageInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.storage.backup.BackupStorageInventory");

    /// The class of its kind, since a client that knows the general one loses the keys of the kind.
    fn class(&self) -> Option<&'static str> {
        match BackupStorageKind::from_name(&self.kind) {
            Some(BackupStorageKind::ImageStore) => ImageStoreBackupStorageInventory::CLASS,
            Some(BackupStorageKind::Ceph) => CephBackupStorageInventory::CLASS,
            None => Self::CLASS,
        }
    }
}

macro_rules! of_kind {
    ($($(#[$doc:meta])* $name:ident = $class:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// What every backup storage has.
            #[serde(flatten)]
            pub general: BackupStorageInventory,
        }

        impl $name {
            /// `storage` on the wire.
            pub fn of(storage: &BackupStorage, format: &TimeFormat) -> Self {
                Self { general: BackupStorageInventory::of(storage, format) }
            }
        }

        // The same keys: what flattening makes of them, which a derived schema would write as `allOf`.
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                BackupStorageInventory::schema()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }

        impl Inventory for $name {
            const CLASS: Option<&'static str> = Some($class);

            fn nested(&self, path: &str, schema: &mut Map<String, Value>) {
                self.general.nested(path, schema);
            }
        }
    )*};
}

of_kind! {
    /// A backup storage that is a directory.
    ImageStoreBackupStorageInventory =
        "org.zstack.storage.backup.imagestore.ImageStoreBackupStorageInventory";
    /// A backup storage that is a Ceph pool.
    CephBackupStorageInventory = "org.zstack.storage.ceph.backup.CephBackupStorageInventory";
}
