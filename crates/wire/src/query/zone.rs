//! Queries on the one zone, which is in no store.
//!
//! Source: rest-api.md section 5, resources.md 2.

use longhaul_model::Fault;

use super::raw::RawQuery;
use super::table::{self, TableAnswer};
use crate::inventory::ZoneInventory;
use crate::profile::Profile;

/// What a query on zones found: at most the one.
pub type ZoneAnswer = TableAnswer<ZoneInventory>;

const KEYS: [&str; 8] =
    ["uuid", "name", "description", "state", "type", "createDate", "lastOpDate", "isDefault"];

/// Answers `raw` over `zone`.
///
/// # Errors
/// As `resolve`.
pub fn zones(raw: &RawQuery, zone: ZoneInventory, profile: Profile) -> Result<ZoneAnswer, Fault> {
    table::answer(raw, vec![zone], &KEYS, profile)
}
