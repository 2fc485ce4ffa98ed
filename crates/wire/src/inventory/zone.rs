//! The inventory of the one zone, which every installation has and which nobody can change.
//!
//! Source: resources.md 2.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// The uuid of the one zone, the same in every installation.
pub const ZONE: &str = "3c0d8ac1f3d84c57b8f2a4a1c9b7e052";

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneInventory {
    /// The zone's uuid, the same in every installation.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// Always `zone`.
    #[schema(max_length = 255)]
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// Always `Enabled`.
    #[schema(max_length = 16)]
    pub state: String,
    /// Always `zstack`.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// Always true.
    pub is_default: bool,
    /// When this installation was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// The same as `createDate`.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl ZoneInventory {
    /// The zone of an installation that was made at `born_ms` since 1970.
    pub fn of(born_ms: i64, format: &TimeFormat) -> Self {
        Self {
            uuid: ZONE.to_owned(),
            name: "zone".to_owned(),
            description: Some("the one zone of this installation".to_owned()),
            state: "Enabled".to_owned(),
            kind: "zstack".to_owned(),
            is_default: true,
            create_date: format.text(born_ms),
            last_op_date: format.text(born_ms),
        }
    }
}

impl Inventory for ZoneInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.zone.ZoneInventory");
}
