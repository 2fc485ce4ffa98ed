//! The inventories of system tags and user tags. They differ in two keys and in their class.
//!
//! Source: rest-api.md 1.6 "Tag inventories".

use longhaul_model::resource::Tag;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// A system tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemTagInventory {
    /// The tag's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// The uuid of the resource that has it.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub resource_uuid: String,
    /// `LongJobVO`, `PrimaryStorageVO` or `VolumeVO`.
    #[schema(max_length = 255)]
    pub resource_type: String,
    /// Its text.
    #[schema(max_length = 2048)]
    pub tag: String,
    /// Always `System`.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// Whether it is the server's own; always false here.
    pub inherent: bool,
    /// When it was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl SystemTagInventory {
    /// `tag` on the wire.
    pub fn of(tag: &Tag, format: &TimeFormat) -> Self {
        Self {
            uuid: tag.id.to_string(),
            resource_uuid: tag.resource_uuid.clone(),
            resource_type: tag.resource_type.clone(),
            tag: tag.text.clone(),
            kind: "System".to_owned(),
            inherent: false,
            create_date: format.text(tag.create_ms),
            last_op_date: format.text(tag.last_op_ms),
        }
    }
}

impl Inventory for SystemTagInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.tag.SystemTagInventory");
}

/// A user tag. Its pattern (`tagPatternUuid`, `tagPattern`) is always absent: no installation has patterns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTagInventory {
    /// The tag's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// The uuid of the resource that has it.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub resource_uuid: String,
    /// `LongJobVO`, `PrimaryStorageVO` or `VolumeVO`.
    #[schema(max_length = 255)]
    pub resource_type: String,
    /// Its text.
    #[schema(max_length = 2048)]
    pub tag: String,
    /// Always `User`.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// When it was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl UserTagInventory {
    /// `tag` on the wire.
    pub fn of(tag: &Tag, format: &TimeFormat) -> Self {
        Self {
            uuid: tag.id.to_string(),
            resource_uuid: tag.resource_uuid.clone(),
            resource_type: tag.resource_type.clone(),
            tag: tag.text.clone(),
            kind: "User".to_owned(),
            create_date: format.text(tag.create_ms),
            last_op_date: format.text(tag.last_op_ms),
        }
    }
}

impl Inventory for UserTagInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.tag.UserTagInventory");
}
