//! The inventory of task progress.
//!
//! Source: rest-api.md 6.3; what `opaque` holds is ours.

use longhaul_model::{ApiId, Progress};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Inventory;
use super::envelope::enter;

/// One report of how far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskProgressInventory {
    /// The task; here always the `apiId`, since a job reports one root task.
    #[schema(min_length = 32, max_length = 32)]
    pub task_uuid: String,
    /// What is done: the job's job name.
    #[schema(max_length = 255)]
    pub task_name: String,
    /// The task that this one is part of; absent for root tasks, which all are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 32, max_length = 32, nullable = false)]
    pub parent_uuid: Option<String>,
    /// Always `Progress`: `content` is a percentage.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// The percentage as text, `0` to `100`.
    #[schema(max_length = 3, pattern = "^[0-9]{1,3}$")]
    pub content: String,
    /// Arguments of the content as JSON array text; always `[]`.
    #[schema(max_length = 2)]
    pub arguments: String,
    /// More than a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub opaque: Option<ProgressOpaque>,
    /// When it was seen, milliseconds since 1970.
    #[schema(minimum = 0)]
    pub time: i64,
    /// The tasks inside of this one, if all were asked for; always empty here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion, nullable = false, max_items = 200)]
    pub sub_tasks: Option<Vec<TaskProgressInventory>>,
}

/// Progress in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressOpaque {
    /// What is being done, in the job type's words: `copying`, `verifying`; empty before the first step.
    #[schema(max_length = 255)]
    pub stage: String,
    /// Bytes done in this stage; 0 where the work is not bytes.
    #[schema(minimum = 0)]
    pub bytes_done: u64,
    /// Bytes of this stage in all; 0 where the work is not bytes.
    #[schema(minimum = 0)]
    pub bytes_total: u64,
    /// Bytes per second of late; 0 = unknown.
    #[schema(minimum = 0)]
    pub rate_bytes_per_second: u64,
    /// Seconds to go, as far as can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub eta_seconds: Option<u64>,
    /// Whether nothing moved for 30 seconds.
    pub stalled: bool,
    /// Most bytes per second that it may move now; 0 = it is paused; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub limit_bytes_per_second: Option<u64>,
    /// What limits it, for people; absent: nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, nullable = false)]
    pub limited_by: Option<String>,
    /// Of a job that submits others, while it runs: how these stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parts: Option<ProgressParts>,
}

/// How the jobs stand that a job has submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressParts {
    /// All of them, as far as known.
    #[schema(minimum = 0)]
    pub total: u32,
    /// Done.
    #[schema(minimum = 0)]
    pub done: u32,
    /// Being worked on.
    #[schema(minimum = 0)]
    pub running: u32,
    /// Something stands in their way.
    #[schema(minimum = 0)]
    pub blocked: u32,
    /// Failed, or canceled by somebody.
    #[schema(minimum = 0)]
    pub failed: u32,
}

impl TaskProgressInventory {
    /// `progress` of the call `api_id` on the wire; `job_name` names the task. `all` adds the empty list of
    /// sub-tasks.
    pub fn of(api_id: &ApiId, job_name: &str, progress: &Progress, all: bool) -> Self {
        Self {
            task_uuid: api_id.to_string(),
            task_name: job_name.to_owned(),
            parent_uuid: None,
            kind: "Progress".to_owned(),
            content: progress.percent.min(100).to_string(),
            arguments: "[]".to_owned(),
            opaque: Some(ProgressOpaque {
                stage: progress.stage.clone(),
                bytes_done: progress.bytes_done,
                bytes_total: progress.bytes_total,
                rate_bytes_per_second: progress.rate_bytes_per_s,
                eta_seconds: progress.eta_s,
                stalled: progress.stalled,
                limit_bytes_per_second: None,
                limited_by: None,
                parts: progress.parts.map(|parts| ProgressParts {
                    total: parts.total,
                    done: parts.done,
                    running: parts.running,
                    blocked: parts.blocked,
                    failed: parts.failed,
                }),
            }),
            time: progress.at_ms,
            sub_tasks: all.then(Vec::new),
        }
    }

    /// With what holds the task back: bytes per second, 0 = paused, and why.
    #[must_use]
    pub fn limited(mut self, bytes_per_second: u64, why: String) -> Self {
        if let Some(opaque) = &mut self.opaque {
            opaque.limit_bytes_per_second = Some(bytes_per_second);
            opaque.limited_by = Some(why);
        }
        self
    }
}

impl Inventory for TaskProgressInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.core.progress.TaskProgressInventory");

    fn nested(&self, path: &str, schema: &mut Map<String, Value>) {
        for (at, task) in self.sub_tasks.iter().flatten().enumerate() {
            enter(task, &format!("{path}.subTasks[{at}]"), schema);
        }
    }
}
