//! The answer of a call on many jobs: what became of each. Ours.

use longhaul_model::{Fault, Job};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{LongJobState, Plan};
use crate::error::ErrorBody;

/// The answer of a call on many jobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswer {
    /// What became of each: of submissions in their order, of actions by uuid.
    #[schema(max_items = 1000)]
    pub results: Vec<BulkResult>,
    /// There may be further jobs to act on: give this as `cursor`. Absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub cursor: Option<String>,
    /// How many jobs there are to act on; of a dry run alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub matching: Option<u64>,
}

/// What became of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BulkOutcome {
    /// It was submitted.
    Created,
    /// The same submission had been stored before: it is that job.
    Same,
    /// A dry run found nothing wrong with it.
    Checked,
    /// The action was done, or accepted.
    Done,
    /// It was refused; `error` says why.
    Failed,
}

/// What became of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkResult {
    /// The job; absent where none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub uuid: Option<String>,
    /// What became of it.
    pub outcome: BulkOutcome,
    /// The job's state after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub state: Option<LongJobState>,
    /// The key of its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 32, max_length = 32, nullable = false)]
    pub api_id: Option<String>,
    /// Of a dry run: what it would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Plan, nullable = false)]
    pub plan: Option<Map<String, Value>>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<ErrorBody>,
}

impl BulkResult {
    /// `outcome` for a job as it is now.
    pub fn of(job: &Job, outcome: BulkOutcome) -> Self {
        Self {
            uuid: Some(job.id.to_string()),
            state: Some(job.state.into()),
            api_id: Some(job.api_id.to_string()),
            ..Self::bare(outcome)
        }
    }

    /// Done to the job of that uuid, which is not there any more.
    pub fn gone(uuid: String) -> Self {
        Self { uuid: Some(uuid), ..Self::bare(BulkOutcome::Done) }
    }

    /// A dry run.
    pub fn checked(plan: Map<String, Value>) -> Self {
        Self { plan: Some(plan), ..Self::bare(BulkOutcome::Checked) }
    }

    /// Refused; the job is named if there is one.
    pub fn failed(uuid: Option<String>, fault: &Fault) -> Self {
        Self { uuid, error: Some(ErrorBody::of(fault)), ..Self::bare(BulkOutcome::Failed) }
    }

    fn bare(outcome: BulkOutcome) -> Self {
        Self { uuid: None, outcome, state: None, api_id: None, plan: None, error: None }
    }
}
