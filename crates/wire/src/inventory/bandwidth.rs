//! The inventory of a storage's bandwidth; ours, ZStack has none.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;

/// What may be moved to and from a primary storage now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BandwidthInventory {
    /// The primary storage.
    #[schema(min_length = 32, max_length = 32)]
    pub primary_storage_uuid: String,
    /// Its name.
    #[schema(max_length = 255)]
    pub name: String,
    /// Bytes per second for all copies together; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub bytes_per_second: Option<u64>,
    /// Whether its copies stand still.
    pub paused: bool,
    /// The window that this is of; absent outside of all windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub window: Option<String>,
    /// When that window ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40, nullable = false)]
    pub until: Option<String>,
    /// The zone whose clocks its windows mean; absent where no budget is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub time_zone: Option<String>,
    /// Copies that share it now.
    #[schema(minimum = 0)]
    pub copies: u32,
}

impl Inventory for BandwidthInventory {
    const CLASS: Option<&'static str> = None;
}
