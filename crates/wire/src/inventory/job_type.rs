//! The inventory of a job type. Ours.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;

/// A job type: what can be submitted under a `jobName`, and what can be done with such jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobTypeInventory {
    /// The `jobName` to submit.
    #[schema(max_length = 255)]
    pub job_name: String,
    /// What such a job does, for people.
    #[schema(max_length = 2048)]
    pub description: String,
    /// JSON Schema (2020-12) of `jobData`, as JSON text.
    #[schema(max_length = 65_536)]
    pub job_data_schema: String,
    /// Whether a running job can be canceled.
    pub cancelable: bool,
    /// Whether a suspended job can be resumed.
    pub resumable: bool,
    /// Whether what a canceled job left behind can be cleaned.
    pub cleanable: bool,
    /// Whether jobs on one target run one at a time, in the order of submission.
    pub ordered: bool,
}

impl Inventory for JobTypeInventory {
    const CLASS: Option<&'static str> = None;
}
