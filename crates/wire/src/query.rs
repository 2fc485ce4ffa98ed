//! The query grammar, in two steps: `RawQuery` splits the text (what fails there is a `Misuse`), `resolve`
//! gives fields and values their types (what fails there is a `Fault`). Between them the server checks the
//! session. What is in no store is asked in `table`: the one zone, the global configurations.
//!
//! Source: rest-api.md section 5.

mod global_config;
mod raw;
mod resolve;
mod table;
mod value;
mod wait;
mod zone;

#[cfg(test)]
mod tests;

pub use global_config::global_configs;
pub use raw::{RawCondition, RawQuery, RawTerm};
pub use resolve::{Resolved, resolve};
pub use table::TableAnswer;
pub use wait::{WAIT_MAX_S, parse_wait};
pub use zone::{ZoneAnswer, zones};

use longhaul_model::query::{Op, Resource};

/// The operators: text, meaning, and the name that one error text prints. The first of this list that occurs
/// anywhere in a condition is taken, not the leftmost.
pub const OPERATORS: [(&str, Op, &str); 12] = [
    ("!=", Op::Ne, "!="),
    (">=", Op::Ge, ">="),
    ("<=", Op::Le, "<="),
    ("!?=", Op::NotIn, "not in"),
    ("!~=", Op::NotLike, "not like"),
    ("~=", Op::Like, "like"),
    ("?=", Op::In, "in"),
    ("=", Op::Eq, "="),
    (">", Op::Gt, ">"),
    ("<", Op::Lt, "<"),
    ("is null", Op::IsNull, "is null"),
    ("not null", Op::NotNull, "is not null"),
];

/// The inventory class that error texts and the schema map print.
pub const fn class_of(resource: Resource) -> &'static str {
    match resource {
        Resource::Job => "org.zstack.header.longjob.LongJobInventory",
        Resource::Account => "org.zstack.header.identity.AccountInventory",
        Resource::Node => "org.zstack.header.managementnode.ManagementNodeInventory",
        Resource::Storage => "org.zstack.header.storage.primary.PrimaryStorageInventory",
        Resource::Volume => "org.zstack.header.volume.VolumeInventory",
        Resource::AccessKey => "org.zstack.accessKey.AccessKeyInventory",
        Resource::SystemTag => "org.zstack.header.tag.SystemTagInventory",
        Resource::UserTag => "org.zstack.header.tag.UserTagInventory",
        Resource::BackupStorage => "org.zstack.header.storage.backup.BackupStorageInventory",
        Resource::Image => "org.zstack.header.image.ImageInventory",
    }
}
