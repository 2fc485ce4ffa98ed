//! The inventory of an access key.
//!
//! Source: rest-api.md 1.6 (the capital letters of its id and secret).

use longhaul_model::resource::AccessKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// What a secret looks like to everybody but who created the key.
const MASK: &str = "******";

/// A key that signs requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessKeyInventory {
    /// The key's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// For people. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// Whose requests it signs.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub account_uuid: String,
    /// The same as `accountUuid`: accounts have no users here.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub user_uuid: String,
    /// What a signed request names the key by.
    #[serde(rename = "AccessKeyID")]
    #[schema(pattern = "^[0-9A-Za-z]{10,20}$", min_length = 10, max_length = 20)]
    pub access_key_id: String,
    /// The secret that signs, in the answer of CreateAccessKey alone; everywhere else `******`.
    #[serde(rename = "AccessKeySecret")]
    #[schema(max_length = 40)]
    pub access_key_secret: String,
    /// `Enabled` or `Disabled`.
    #[schema(max_length = 16)]
    pub state: String,
    /// When it was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl AccessKeyInventory {
    /// `key` on the wire, its secret masked.
    pub fn of(key: &AccessKey, format: &TimeFormat) -> Self {
        Self {
            uuid: key.id.to_string(),
            description: key.description.clone(),
            account_uuid: key.account.to_string(),
            user_uuid: key.account.to_string(),
            access_key_id: key.access_id.clone(),
            access_key_secret: MASK.to_owned(),
            state: if key.enabled { "Enabled" } else { "Disabled" }.to_owned(),
            create_date: format.text(key.create_ms),
            last_op_date: format.text(key.last_op_ms),
        }
    }

    /// The same with its secret, for who made the key.
    #[must_use]
    pub fn with_secret(self, secret: &str) -> Self {
        Self { access_key_secret: secret.to_owned(), ..self }
    }
}

impl Inventory for AccessKeyInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.accessKey.AccessKeyInventory");
}
