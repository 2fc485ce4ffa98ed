//! The inventories of primary storages and of what a scan finds on them.
//!
//! Source: resources.md 3.4; the scan is ours.

use longhaul_model::resource::Storage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ceph::{self, CephPrimaryStorageMonInventory, CephPrimaryStoragePoolInventory};
use super::{Inventory, ZONE};
use crate::time::TimeFormat;

/// A primary storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrimaryStorageInventory {
    /// The storage's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// The one zone.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub zone_uuid: String,
    /// For people. At most 255 UTF-16 units.
    #[schema(max_length = 255)]
    pub name: String,
    /// Where it is, as given: for `LocalStorage` an absolute directory.
    #[schema(max_length = 2048)]
    pub url: String,
    /// For people. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// Bytes in all, as last seen; nothing is over-provisioned, so the same as the physical figure.
    #[schema(minimum = 0)]
    pub total_capacity: u64,
    /// Free bytes, as last seen.
    #[schema(minimum = 0)]
    pub available_capacity: u64,
    /// Bytes of the file system in all, as last seen.
    #[schema(minimum = 0)]
    pub total_physical_capacity: u64,
    /// Free bytes of the file system, as last seen.
    #[schema(minimum = 0)]
    pub available_physical_capacity: u64,
    /// The kind: `LocalStorage`.
    #[serde(rename = "type")]
    #[schema(max_length = 32)]
    pub kind: String,
    /// `Enabled`; `Disabled`: takes no new volume; `Maintenance`: takes no work at all.
    #[schema(max_length = 16)]
    pub state: String,
    /// `Connecting`, `Connected`, `Disconnected`.
    #[schema(max_length = 16)]
    pub status: String,
    /// Where it is mounted: the same as `url`.
    #[schema(max_length = 2048)]
    pub mount_path: String,
    /// When it was added.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
    /// Uuids of clusters; always empty, there are none here.
    #[schema(max_items = 0)]
    pub attached_cluster_uuids: Vec<String>,
    /// The monitors that it was added with, of `Ceph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000, nullable = false)]
    pub mons: Option<Vec<CephPrimaryStorageMonInventory>>,
    /// The pool, of `Ceph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1, nullable = false)]
    pub pools: Option<Vec<CephPrimaryStoragePoolInventory>>,
    /// The cluster's fsid, of `Ceph`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub fsid: Option<String>,
}

impl PrimaryStorageInventory {
    /// `storage` on the wire.
    pub fn of(storage: &Storage, format: &TimeFormat) -> Self {
        Self {
            uuid: storage.id.to_string(),
            zone_uuid: ZONE.to_owned(),
            name: storage.name.clone(),
            url: storage.url.clone(),
            description: storage.description.clone(),
            total_capacity: storage.total_bytes,
            available_capacity: storage.available_bytes,
            total_physical_capacity: storage.total_bytes,
            available_physical_capacity: storage.available_bytes,
            kind: storage.kind.name().to_owned(),
            state: storage.state.name().to_owned(),
            status: storage.status.clone(),
            mount_path: storage.mount_path().to_owned(),
            create_date: format.text(storage.create_ms),
            last_op_date: format.text(storage.last_op_ms),
            attached_cluster_uuids: Vec::new(),
            mons: storage.pool.as_ref().map(|_| CephPrimaryStorageMonInventory::of(storage, format)),
            pools: CephPrimaryStoragePoolInventory::of(storage, format).map(|pool| vec![pool]),
            fsid: storage.pool.as_ref().map(|pool| pool.fsid.clone()),
        }
    }
}

impl Inventory for PrimaryStorageInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.storage.primary.PrimaryStorageInventory");

    /// The class of its kind, since a client that knows the general one loses the keys of the kind.
    fn class(&self) -> Option<&'static str> {
        match self.fsid {
            Some(_) => Some("org.zstack.storage.ceph.primary.CephPrimaryStorageInventory"),
            None => Self::CLASS,
        }
    }

    fn nested(&self, path: &str, schema: &mut Map<String, Value>) {
        let (mons, pools) = (self.mons.as_deref(), self.pools.as_deref());
        ceph::nested(mons.unwrap_or_default(), pools.unwrap_or_default(), path, schema);
    }
}

/// How a file and the records fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ScanStatus {
    /// A file that no record points at; it can be adopted.
    Unmanaged,
    /// A volume whose file is not there.
    Missing,
    /// A volume whose file is not what its record says.
    Changed,
}

/// One finding of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanItemInventory {
    /// Path of the file.
    #[schema(max_length = 4096)]
    pub install_path: String,
    /// What was found.
    pub status: ScanStatus,
    /// The volume whose file it is or should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub volume_uuid: Option<String>,
    /// `raw` or `qcow2`, if there is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16, nullable = false)]
    pub format: Option<String>,
    /// Virtual size in bytes, if there is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub size: Option<u64>,
    /// Occupied bytes, if there is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub actual_size: Option<u64>,
    /// What differs or what to do, for people.
    #[schema(max_length = 4096)]
    pub detail: String,
}

impl Inventory for ScanItemInventory {
    const CLASS: Option<&'static str> = None;
}
