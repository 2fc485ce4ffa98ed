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
    /// How long the copy would take, in seconds, at the rate allowed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub estimate_seconds: Option<u64>,
    /// How long a simulated job would run, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub duration_ms: Option<u64>,
    /// What would become of each volume, where the job empties a primary storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub evacuation: Option<EvacuationPlan>,
    /// What would refuse the job now, for people; empty if nothing does.
    #[schema(max_items = 100)]
    pub blockers: Vec<String>,
}
