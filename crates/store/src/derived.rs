//! Fields that are answered and queried but not stored, alike in every backend.

/// The one zone that every storage is in.
pub const ZONE_UUID: &str = "3aa1a2e8f2f04e6b9d0c5a6b7c8d9e0f";
/// The type of an account that sees and touches everything.
pub const ADMIN_TYPE: &str = "SystemAdmin";
/// The type of every other account.
pub const NORMAL_TYPE: &str = "Normal";

/// The type of an account.
pub const fn account_type(admin: bool) -> &'static str {
    if admin { ADMIN_TYPE } else { NORMAL_TYPE }
}
