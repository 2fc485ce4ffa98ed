//! The inventory of a management node.
//!
//! Source: rest-api.md 1.6.

use longhaul_model::resource::Node;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// A management node: one server process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagementNodeInventory {
    /// The node's uuid, new at each process start.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// Name or address of its machine.
    #[schema(max_length = 255)]
    pub host_name: String,
    /// When it joined.
    #[schema(max_length = 40)]
    pub join_date: String,
    /// Its newest heartbeat.
    #[schema(max_length = 40)]
    pub heart_beat: String,
    /// Where its API is reached; absent of a node that does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(max_length = 255, nullable = false)]
    pub address: Option<String>,
    /// The release that it runs; absent of a node that does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(max_length = 255, nullable = false)]
    pub version: Option<String>,
    /// Whether its host is drained: it takes no jobs.
    #[serde(default)]
    pub drained: bool,
}

impl ManagementNodeInventory {
    /// `node` on the wire.
    pub fn of(node: &Node, format: &TimeFormat) -> Self {
        Self {
            uuid: node.id.to_string(),
            host_name: node.host_name.clone(),
            join_date: format.text(node.join_ms),
            heart_beat: format.text(node.heartbeat_ms),
            address: node.address.clone(),
            version: node.version.clone(),
            drained: node.drained,
        }
    }
}

impl Inventory for ManagementNodeInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.managementnode.ManagementNodeInventory");
}
