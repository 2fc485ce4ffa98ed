//! Fields that are answered and queried but not stored, alike in every backend.

/// The one zone that every storage is in.
pub const ZONE_UUID: &str = "3c0d8ac1f3d84c57b8f2a4a1c9b7e052";
/// The type of an account that sees and touches everything.
pub const ADMIN_TYPE: &str = "SystemAdmin";
/// The type of every other account.
pub const NORMAL_TYPE: &str = "Normal";

/// The type of every image.
pub const IMAGE_TYPE: &str = "zstack";

/// The type of an account.
pub const fn account_type(admin: bool) -> &'static str {
    if admin { ADMIN_TYPE } else { NORMAL_TYPE }
}

/// The state of an access key.
pub const fn key_state(enabled: bool) -> &'static str {
    if enabled { "Enabled" } else { "Disabled" }
}

/// The type of a tag, as it is answered and queried.
pub const fn tag_type(system: bool) -> &'static str {
    if system { "System" } else { "User" }
}
