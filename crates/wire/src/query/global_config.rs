//! Queries on the global configurations, which are in no store but for values that somebody chose.
//!
//! Source: rest-api.md 1.6, section 5.

use longhaul_model::Fault;

use super::raw::RawQuery;
use super::table::{self, TableAnswer};
use crate::inventory::GlobalConfigInventory;
use crate::profile::Profile;

const KEYS: [&str; 6] = ["id", "name", "category", "description", "defaultValue", "value"];

/// Answers `raw` over `rows`.
///
/// # Errors
/// As `resolve`.
pub fn global_configs(
    raw: &RawQuery,
    rows: Vec<GlobalConfigInventory>,
    profile: Profile,
) -> Result<TableAnswer<GlobalConfigInventory>, Fault> {
    table::answer(raw, rows, &KEYS, profile)
}
