//! The inventory of a Ceph pool as a primary storage: what every primary storage has, and the keys of the kind.
//! Passwords of monitors are in none of them: nobody logs in there.
//!
//! Source: resources.md 3.4.

use longhaul_model::resource::Storage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Inventory;
use super::envelope::enter;
use crate::time::TimeFormat;

/// The port of a monitor whose address names none.
const MON_PORT: u16 = 6789;

/// A monitor of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CephPrimaryStorageMonInventory {
    /// Its name or address.
    #[schema(max_length = 255)]
    pub hostname: String,
    /// The same.
    #[schema(max_length = 255)]
    pub mon_addr: String,
    /// Its port.
    #[schema(minimum = 1, maximum = 65535)]
    pub mon_port: u16,
    /// The primary storage that names it.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub primary_storage_uuid: String,
    /// `Connected` or `Disconnected`, as the storage.
    #[schema(max_length = 16)]
    pub status: String,
    /// When the storage was added.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When the storage was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

/// The pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CephPrimaryStoragePoolInventory {
    /// The storage's uuid: it has the one pool.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// The primary storage that it is.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub primary_storage_uuid: String,
    /// Its name.
    #[schema(max_length = 255)]
    pub pool_name: String,
    /// Always `Data`.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// Free bytes, as last seen.
    #[schema(minimum = 0)]
    pub available_capacity: u64,
    /// Bytes that are used, as last seen.
    #[schema(minimum = 0)]
    pub used_capacity: u64,
    /// Bytes in all, as last seen.
    #[schema(minimum = 0)]
    pub total_capacity: u64,
    /// When the storage was added.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When the storage was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl CephPrimaryStorageMonInventory {
    /// The monitors that the record of `storage` names; none where a ceph.conf does.
    pub fn of(storage: &Storage, format: &TimeFormat) -> Vec<Self> {
        let named = storage.pool.iter().flat_map(|pool| &pool.monitors);
        named
            .map(|address| {
                let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Self {
                    hostname: host.to_owned(),
                    mon_addr: host.to_owned(),
                    mon_port: port.parse().unwrap_or(MON_PORT),
                    primary_storage_uuid: storage.id.to_string(),
                    status: storage.status.clone(),
                    create_date: format.text(storage.create_ms),
                    last_op_date: format.text(storage.last_op_ms),
                }
            })
            .collect()
    }
}

impl CephPrimaryStoragePoolInventory {
    /// The pool of `storage`, if it is one.
    pub fn of(storage: &Storage, format: &TimeFormat) -> Option<Self> {
        let pool = storage.pool.as_ref()?;
        Some(Self {
            uuid: storage.id.to_string(),
            primary_storage_uuid: storage.id.to_string(),
            pool_name: pool.pool.clone(),
            kind: "Data".to_owned(),
            available_capacity: storage.available_bytes,
            used_capacity: storage.total_bytes.saturating_sub(storage.available_bytes),
            total_capacity: storage.total_bytes,
            create_date: format.text(storage.create_ms),
            last_op_date: format.text(storage.last_op_ms),
        })
    }
}

impl Inventory for CephPrimaryStorageMonInventory {
    const CLASS: Option<&'static str> =
        Some("org.zstack.storage.ceph.primary.CephPrimaryStorageMonInventory");
}

impl Inventory for CephPrimaryStoragePoolInventory {
    const CLASS: Option<&'static str> =
        Some("org.zstack.storage.ceph.primary.CephPrimaryStoragePoolInventory");
}

/// Enters what is below a storage's inventory at `path`.
pub(super) fn nested(
    mons: &[CephPrimaryStorageMonInventory],
    pools: &[CephPrimaryStoragePoolInventory],
    path: &str,
    schema: &mut Map<String, Value>,
) {
    for (at, mon) in mons.iter().enumerate() {
        enter(mon, &format!("{path}.mons[{at}]"), schema);
    }
    for (at, pool) in pools.iter().enumerate() {
        enter(pool, &format!("{path}.pools[{at}]"), schema);
    }
}
