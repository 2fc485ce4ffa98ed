//! The inventory of a row of a job's timeline. Ours.

use longhaul_model::timeline::{Actor, TimelineKind, TimelineRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::time::TimeFormat;

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineInventory {
    /// 1, 2, 3 … per job, without a gap.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// When, whole seconds.
    #[schema(max_length = 40)]
    pub date: String,
    /// When, milliseconds since 1970.
    #[schema(minimum = 0)]
    pub time: i64,
    /// What: `submitted`, `started`, `resumed`, `takenOver`, `suspended`, `released`, `cancelRequested`,
    /// `updated`, `cleanRequested`, `resumeRequested`, `succeeded`, `canceled`, `failed`, `rerun`,
    /// `suspendRequested`.
    #[schema(max_length = 32)]
    pub kind: String,
    /// Who: `account` or `node`.
    #[schema(max_length = 16)]
    pub actor_type: String,
    /// The uuid of that account or management node.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub actor_uuid: String,
    /// The account's name, or the host name of the node; absent where that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub actor_name: Option<String>,
    /// The management node that did it; absent where an account did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32, nullable = false)]
    pub management_node_uuid: Option<String>,
    /// Which attempt, over all reruns; 0 before the first.
    #[schema(minimum = 0)]
    pub attempt: u32,
    /// The fencing token at that time; 0 before the first claim.
    #[schema(minimum = 0)]
    pub token: u64,
    /// Why, for people; may be empty.
    #[schema(max_length = 4096)]
    pub detail: String,
}

impl TimelineInventory {
    /// `row` on the wire; `actor_name` is who its actor is for people, if that is known.
    pub fn of(row: &TimelineRow, actor_name: Option<String>, format: &TimeFormat) -> Self {
        let (actor_type, actor_uuid) = match row.actor {
            Actor::Account(id) => ("account", id.to_string()),
            Actor::Node(id) => ("node", id.to_string()),
        };
        let management_node_uuid = matches!(row.actor, Actor::Node(_)).then(|| actor_uuid.clone());
        Self {
            seq: row.seq,
            date: format.text(row.at_ms),
            time: row.at_ms,
            kind: kind_name(row.kind).to_owned(),
            actor_type: actor_type.to_owned(),
            actor_uuid,
            actor_name,
            management_node_uuid,
            attempt: row.attempt,
            token: row.token,
            detail: row.detail.clone(),
        }
    }
}

const fn kind_name(kind: TimelineKind) -> &'static str {
    match kind {
        TimelineKind::Submitted => "submitted",
        TimelineKind::Started => "started",
        TimelineKind::Resumed => "resumed",
        TimelineKind::TakenOver => "takenOver",
        TimelineKind::Suspended => "suspended",
        TimelineKind::Released => "released",
        TimelineKind::CancelRequested => "cancelRequested",
        TimelineKind::Updated => "updated",
        TimelineKind::CleanRequested => "cleanRequested",
        TimelineKind::ResumeRequested => "resumeRequested",
        TimelineKind::Succeeded => "succeeded",
        TimelineKind::Canceled => "canceled",
        TimelineKind::Failed => "failed",
        TimelineKind::Rerun => "rerun",
        TimelineKind::SuspendRequested => "suspendRequested",
    }
}

impl Inventory for TimelineInventory {
    const CLASS: Option<&'static str> = None;
}
