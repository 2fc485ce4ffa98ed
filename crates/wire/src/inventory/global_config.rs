//! The inventory of a global configuration, and which values it takes.
//!
//! Source: rest-api.md 1.6.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;

/// A global configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalConfigInventory {
    /// Its number.
    #[schema(minimum = 1)]
    pub id: i64,
    /// Its name in its category: `session.timeout`.
    #[schema(max_length = 255)]
    pub name: String,
    /// Its category: `identity`; this server's own are in `longhaul`.
    #[schema(max_length = 255)]
    pub category: String,
    /// What it means, with its unit and bounds.
    #[schema(max_length = 1024)]
    pub description: String,
    /// What the server's settings say: in force as long as nobody chose another value.
    #[schema(max_length = 255)]
    pub default_value: String,
    /// The value in force.
    #[schema(max_length = 255)]
    pub value: String,
}

impl GlobalConfigInventory {
    /// Its class, for answers that are kept as text.
    pub const JAVA_CLASS: &'static str = "org.zstack.core.config.GlobalConfigInventory";
}

impl Inventory for GlobalConfigInventory {
    const CLASS: Option<&'static str> = Some(Self::JAVA_CLASS);
}

/// Which values a global configuration takes; what does not bound it is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalConfigOptions {
    /// The only values it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16, max_length = 255, nullable = false)]
    pub valid_value: Option<Vec<String>>,
    /// The least number it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub number_greater_than_or_equal: Option<i64>,
    /// The greatest number it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub number_less_than_or_equal: Option<i64>,
}

/// The answer of GetGlobalConfigOptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GlobalConfigOptionsAnswer {
    /// Which values it takes.
    pub options: GlobalConfigOptions,
}
