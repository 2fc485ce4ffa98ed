//! The inventory of a volume.
//!
//! Source: resources.md 4.2.

use longhaul_model::resource::Volume;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeInventory {
    /// The volume's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// For people. At most 255 UTF-16 units.
    #[schema(max_length = 255)]
    pub name: String,
    /// For people. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// The storage that holds its bytes; absent until it is instantiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub primary_storage_uuid: Option<String>,
    /// The path of its file; absent until it is instantiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096, nullable = false)]
    pub install_path: Option<String>,
    /// `Root` or `Data`.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// `raw` or `qcow2`; absent until it is instantiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16, nullable = false)]
    pub format: Option<String>,
    /// Virtual size in bytes.
    #[schema(minimum = 0)]
    pub size: u64,
    /// Occupied bytes, as last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub actual_size: Option<u64>,
    /// `Enabled` or `Disabled`.
    #[schema(max_length = 16)]
    pub state: String,
    /// `Creating`, `Ready`, `NotInstantiated`, `Deleted`, `Migrating`.
    #[schema(max_length = 16)]
    pub status: String,
    /// Whether several machines may share it; always false here.
    pub is_shareable: bool,
    /// When it was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl VolumeInventory {
    /// `volume` on the wire.
    pub fn of(volume: &Volume, format: &TimeFormat) -> Self {
        Self {
            uuid: volume.id.to_string(),
            name: volume.name.clone(),
            description: volume.description.clone(),
            primary_storage_uuid: volume.storage.map(|s| s.to_string()),
            install_path: volume.install_path.clone(),
            kind: volume.kind.clone(),
            format: volume.format.clone(),
            size: volume.size,
            actual_size: volume.actual_size,
            state: volume.state.clone(),
            status: volume.status.clone(),
            is_shareable: false,
            create_date: format.text(volume.create_ms),
            last_op_date: format.text(volume.last_op_ms),
        }
    }
}

impl Inventory for VolumeInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.volume.VolumeInventory");
}
