//! The inventories of sessions and accounts.
//!
//! Source: rest-api.md 2.3, resources.md 1.

use longhaul_model::resource::{Account, Session};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// A login session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInventory {
    /// The session's uuid, a secret: whoever has it is logged in.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// The account that is logged in.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub account_uuid: String,
    /// The same as `accountUuid`: accounts have no users here.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub user_uuid: String,
    /// When the session ends if it is not used; each use moves it.
    #[schema(max_length = 40)]
    pub expired_date: String,
    /// When the session began.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// Always false: every call evaluates the session.
    pub no_session_evaluation: bool,
}

impl SessionInventory {
    /// `session` on the wire, its secret included.
    pub fn of(session: &Session, format: &TimeFormat) -> Self {
        Self {
            uuid: session.id.to_string(),
            account_uuid: session.account.to_string(),
            user_uuid: session.account.to_string(),
            expired_date: format.text(session.expires_ms),
            create_date: format.text(session.create_ms),
            no_session_evaluation: false,
        }
    }
}

impl Inventory for SessionInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.identity.SessionInventory");
}

/// An account. Its password never appears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountInventory {
    /// The account's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// Unique over all accounts. At most 255 UTF-16 units.
    #[schema(max_length = 255)]
    pub name: String,
    /// For people. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// `SystemAdmin` or `Normal`.
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

impl AccountInventory {
    /// `account` on the wire.
    pub fn of(account: &Account, format: &TimeFormat) -> Self {
        Self {
            uuid: account.id.to_string(),
            name: account.name.clone(),
            description: account.description.clone(),
            kind: if account.admin { "SystemAdmin" } else { "Normal" }.to_owned(),
            create_date: format.text(account.create_ms),
            last_op_date: format.text(account.last_op_ms),
        }
    }
}

impl Inventory for AccountInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.identity.AccountInventory");
}
