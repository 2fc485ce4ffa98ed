//! The inventory of a long job.
//!
//! Source: longjob-api.txt "#inventory", rest-api.md 6.2.

use longhaul_model::{Job, JobState};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Inventory;
use crate::time::TimeFormat;

/// Where a job is in its life, in the order of the wire's ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LongJobState {
    /// Submitted, not started. Ordinal 0.
    Waiting,
    /// Stopped, may go on. Ordinal 1.
    Suspended,
    /// Being run. Ordinal 2.
    Running,
    /// Ended well. Ordinal 3.
    Succeeded,
    /// To be canceled. Ordinal 4.
    Canceling,
    /// Ended by a cancel. Ordinal 5.
    Canceled,
    /// Ended badly. Ordinal 6.
    Failed,
}

impl From<JobState> for LongJobState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Waiting => Self::Waiting,
            JobState::Suspended => Self::Suspended,
            JobState::Running => Self::Running,
            JobState::Succeeded => Self::Succeeded,
            JobState::Canceling => Self::Canceling,
            JobState::Canceled => Self::Canceled,
            JobState::Failed => Self::Failed,
        }
    }
}

// By hand, since the derive knows no extensions: the ordinals are part of the public reference.
impl PartialSchema for LongJobState {
    fn schema() -> RefOr<Schema> {
        let ordinals: Vec<usize> = (0..JobState::ALL.len()).collect();
        Object::builder()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("Where a job is in its life, in ordinal order."))
            .enum_values(Some(JobState::ALL.map(JobState::name)))
            .extensions(Some(Extensions::builder().add("x-enum-ordinal", ordinals).build()))
            .into()
    }
}

impl ToSchema for LongJobState {}

/// A long job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LongJobInventory {
    /// The UUID of the resource, 32 lower-case hex digits. Uniquely identifies the resource.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// Resource name; the job name where none was given. At most 255 UTF-16 units.
    #[schema(max_length = 255)]
    pub name: String,
    /// Detailed description of the resource. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// The API ID used to associate with TaskProgress: exactly 32 characters, new at each rerun.
    #[schema(min_length = 32, max_length = 32)]
    pub api_id: String,
    /// Job name: the job type that runs.
    #[schema(max_length = 255)]
    pub job_name: String,
    /// Job data as it was sent, JSON text of at most 1 MiB; secrets in it read `******`.
    #[schema(max_length = 1_048_576)]
    pub job_data: String,
    /// Job result, JSON text; absent until there is something to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 16_777_215)]
    pub job_result: Option<String>,
    /// Where the job is in its life.
    pub state: LongJobState,
    /// Target resource UUID: what the job works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub target_resource_uuid: Option<String>,
    /// Management node UUID: the node that holds the job, or held it last while that node lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub management_node_uuid: Option<String>,
    /// Creation time: of the submission or the last rerun, whole seconds.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// Last modification time, whole seconds.
    #[schema(max_length = 40)]
    pub last_op_date: String,
    /// Whole seconds from the first start since the submission or last rerun to the final state; absent
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    pub execute_time: Option<u64>,
}

impl LongJobInventory {
    /// `job` on the wire.
    pub fn of(job: &Job, format: &TimeFormat) -> Self {
        Self {
            uuid: job.id.to_string(),
            name: job.name.clone(),
            description: job.description.clone(),
            api_id: job.api_id.to_string(),
            job_name: job.job_name.clone(),
            job_data: job.job_data.clone(),
            job_result: job.job_result.clone(),
            state: job.state.into(),
            target_resource_uuid: job.target.clone(),
            management_node_uuid: job.node.map(|n| n.to_string()),
            create_date: format.text(job.create_ms),
            last_op_date: format.text(job.last_op_ms),
            execute_time: job.execute_s,
        }
    }
}

impl Inventory for LongJobInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.longjob.LongJobInventory");
}
