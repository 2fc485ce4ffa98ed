//! The answer of a dry run (system tag `validationOnly`): what the job would do and what stands in its way.
//! Ours; job types fill in the keys that mean something to them.
//!
//! Source: design section 7 "system tag `validationOnly`".

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EvacuationPlan;

/// The answer of a dry run in profile `fast`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PlanAnswer {
    /// What the job would do.
    pub plan: Plan,
}

/// What a job would do. Keys that its type does not know are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The volume that would be worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub volume_uuid: Option<String>,
    /// The storage that it would leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub src_primary_storage_uuid: Option<String>,
    /// The storage that it would go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub dst_primary_storage_uuid: Option<String>,
    /// What a guest sees, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub guest_bytes: Option<u64>,
    /// Bytes that would be copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub bytes: Option<u64>,
    /// Bytes that the target storage must have free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub needed_bytes: Option<u64>,
    /// Bytes that it has free now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub free_bytes: Option<u64>,
    /// How long the job would take from now on, in seconds, its read-back included, by its own rate and the budgets and
    /// windows of its storages. Absent: not within 60 days, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub estimate_seconds: Option<u64>,
    /// Bytes per second, its read-back included, once it moves; 0 = it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub rate_bytes_per_second: Option<u64>,
    /// Where the rate is from: `measured`, `limit`, `budget` or `assumed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16, nullable = false)]
    pub rate_from: Option<String>,
    /// When it begins to move, where something pauses it now; by the clocks of that storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub begins_at: Option<String>,
    /// What it waits for until then: a window or a budget of a storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, nullable = false)]
    pub waits_for: Option<String>,
    /// How long a simulated job would run, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub duration_ms: Option<u64>,
    /// What would become of each volume, where the job empties a primary storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub evacuation: Option<EvacuationPlan>,
    /// What would refuse the job now, for people; empty or absent if nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub blockers: Vec<String>,
    /// Members of `jobData` that its type does not know and ignores; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub warnings: Vec<String>,
}
