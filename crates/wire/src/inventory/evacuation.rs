//! The plan and the report of an evacuation: every volume of a primary storage moves to others. Ours. The report is
//! told as JSON and, for people, as markdown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an evacuation would do. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvacuationPlan {
    /// The storage to empty.
    #[schema(max_length = 32)]
    pub primary_storage_uuid: String,
    /// Where its volumes may go.
    #[schema(max_items = 32)]
    pub dst_primary_storage_uuids: Vec<String>,
    /// Volumes that would be moved at a time.
    #[schema(minimum = 1, maximum = 16)]
    pub parallel: u32,
    /// Volumes that could be moved now.
    #[schema(minimum = 0)]
    pub movable: u64,
    /// Volumes that something stands in the way of.
    #[schema(minimum = 0)]
    pub blocked: u64,
    /// Volumes beyond what one evacuation takes.
    #[schema(minimum = 0)]
    pub not_taken: u64,
    /// Bytes to copy, of the volumes that could be moved.
    #[schema(minimum = 0)]
    pub bytes: u64,
    /// How long it would take from now on, in seconds, by the budgets and windows of the storages, `parallel` at a time.
    /// Absent: not within 60 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub estimate_seconds: Option<u64>,
    /// Bytes per second of the first volume, its read-back included, once it moves; 0 = it does not.
    #[schema(minimum = 0)]
    pub rate_bytes_per_second: u64,
    /// Where the rate is from: `measured` of recent migrations, `limit` of copies, `budget` of a storage, or `assumed`.
    #[schema(max_length = 16)]
    pub rate_from: String,
    /// When the first begins to move, where something pauses it now; by the clocks of that storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub begins_at: Option<String>,
    /// What it waits for until then: a window or a budget of a storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, nullable = false)]
    pub waits_for: Option<String>,
    /// Each volume, the largest first.
    #[schema(max_items = 1000)]
    pub volumes: Vec<PlannedVolume>,
}

/// A volume in the plan of an evacuation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedVolume {
    /// The volume.
    #[schema(max_length = 32)]
    pub volume_uuid: String,
    /// Its name.
    #[schema(max_length = 255)]
    pub name: String,
    /// Bytes to copy.
    #[schema(minimum = 0)]
    pub bytes: u64,
    /// Bytes that its target must have free.
    #[schema(minimum = 0)]
    pub needed_bytes: u64,
    /// Where it would go; absent where nothing has room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub dst_primary_storage_uuid: Option<String>,
    /// How long it would take from its turn on, in seconds. Absent: not within 60 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub estimate_seconds: Option<u64>,
    /// What stands in its way, for people; empty if nothing does.
    #[schema(max_items = 100)]
    pub blockers: Vec<String>,
}

/// What an evacuation did, or has done so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvacuationReport {
    /// The job.
    #[serde(default)]
    #[schema(max_length = 32)]
    pub job_uuid: String,
    /// The job's state.
    #[serde(default)]
    #[schema(max_length = 16)]
    pub state: String,
    /// The storage to empty.
    #[schema(max_length = 32)]
    pub primary_storage_uuid: String,
    /// Where its volumes may go.
    #[schema(max_items = 32)]
    pub dst_primary_storage_uuids: Vec<String>,
    /// Volumes that are moved at a time.
    #[schema(minimum = 1, maximum = 16)]
    pub parallel: u32,
    /// Whether every volume left the storage, and none was there or on its way there when the job ended.
    pub complete: bool,
    /// Volumes that left the storage.
    #[schema(minimum = 0)]
    pub moved: u64,
    /// Volumes that something stood in the way of; they were not touched.
    #[schema(minimum = 0)]
    pub blocked: u64,
    /// Volumes whose job failed; they are where they were.
    #[schema(minimum = 0)]
    pub failed: u64,
    /// Volumes whose job was canceled, or whose turn had not come when the evacuation was; they are where they were.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub canceled: u64,
    /// Volumes whose turn has not come, or whose job is on its way.
    #[schema(minimum = 0)]
    pub pending: u64,
    /// Volumes beyond what one evacuation takes; a rerun takes them.
    #[schema(minimum = 0)]
    pub not_taken: u64,
    /// Bytes that the moved volumes occupied.
    #[schema(minimum = 0)]
    pub bytes_moved: u64,
    /// Each volume.
    #[schema(max_items = 1000)]
    pub volumes: Vec<EvacuatedVolume>,
    /// What was on the storage again when the job ended, or on its way there.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub arrived_meanwhile: Vec<ArrivedVolume>,
    /// What earlier runs of the job moved, each with the job that did, as far as its record is still there.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub earlier: Vec<EvacuatedVolume>,
    /// The same for people, as markdown.
    #[serde(default)]
    #[schema(max_length = 2_097_152)]
    pub markdown: String,
}

/// What became of a volume in an evacuation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvacuatedVolume {
    /// The volume.
    #[schema(max_length = 32)]
    pub volume_uuid: String,
    /// Its name.
    #[schema(max_length = 255)]
    pub name: String,
    /// `moved`; `left`: gone from the storage by somebody else's doing; `blocked`: not touched; `failed`; `canceled`;
    /// `pending`; `running`.
    #[schema(max_length = 16)]
    pub result: String,
    /// Bytes that it occupied.
    #[schema(minimum = 0)]
    pub bytes: u64,
    /// Where it went, or is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub dst_primary_storage_uuid: Option<String>,
    /// The job that moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub job_uuid: Option<String>,
    /// BLAKE3 of what the guest sees, as it was read back from the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub blake3: Option<String>,
    /// Seconds that its job took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub seconds: Option<u64>,
    /// Why it is where it is; may be empty.
    #[schema(max_length = 512)]
    pub detail: String,
}

/// What came to a storage while it was emptied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArrivedVolume {
    /// The volume; absent where a job brings something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub volume_uuid: Option<String>,
    /// Its name, or the job's.
    #[schema(max_length = 255)]
    pub name: String,
    /// The job that was writing it to the storage; absent where it lies there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub job_uuid: Option<String>,
    /// What is known of it.
    #[schema(max_length = 512)]
    pub detail: String,
}

impl EvacuationReport {
    /// With what the job is and its markdown.
    #[must_use]
    pub fn of_job(mut self, job_uuid: String, state: &str) -> Self {
        self.job_uuid = job_uuid;
        state.clone_into(&mut self.state);
        self.markdown = self.as_markdown();
        self
    }

    fn as_markdown(&self) -> String {
        let mut text = format!(
            "# Evacuation of primary storage {}\n\nJob {}, {}. {} moved ({} bytes), {} blocked, {} failed, {} pending",
            self.primary_storage_uuid,
            self.job_uuid,
            self.state,
            self.moved,
            self.bytes_moved,
            self.blocked,
            self.failed,
            self.pending
        );
        if self.not_taken > 0 {
            text.push_str(&format!(", {} not taken", self.not_taken));
        }
        if self.canceled > 0 {
            text.push_str(&format!(", {} canceled", self.canceled));
        }
        text.push_str(if self.complete {
            ". The storage is empty.\n"
        } else {
            ". The storage is not empty.\n"
        });
        table(&mut text, &self.volumes);
        if !self.arrived_meanwhile.is_empty() {
            text.push_str(
                "\n## Came to the storage meanwhile\n\n| volume | name | job | detail |\n|---|---|---|---|\n",
            );
        }
        for arrived in &self.arrived_meanwhile {
            let id = |id: &Option<String>| id.clone().unwrap_or_default();
            let (volume, job) = (id(&arrived.volume_uuid), id(&arrived.job_uuid));
            let (name, detail) = (cell(&arrived.name), cell(&arrived.detail));
            text.push_str(&format!("| {volume} | {name} | {job} | {detail} |\n"));
        }
        if !self.earlier.is_empty() {
            text.push_str("\n## Moved by earlier runs\n");
            table(&mut text, &self.earlier);
        }
        text
    }
}

fn table(text: &mut String, volumes: &[EvacuatedVolume]) {
    text.push_str("\n| volume | name | result | bytes | target | seconds | BLAKE3 | detail |\n");
    text.push_str("|---|---|---|---:|---|---:|---|---|\n");
    for volume in volumes {
        let cells = [
            volume.volume_uuid.clone(),
            cell(&volume.name),
            volume.result.clone(),
            volume.bytes.to_string(),
            volume.dst_primary_storage_uuid.clone().unwrap_or_default(),
            volume.seconds.map(|s| s.to_string()).unwrap_or_default(),
            volume.blake3.clone().unwrap_or_default(),
            cell(&volume.detail),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

/// Any text within one cell of a table.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '<' | '>' | '[' | ']' | '*' | '_' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_cell() {
        let volume = EvacuatedVolume { name: "a|b\n# c".to_owned(), ..EvacuatedVolume::default() };
        let report = EvacuationReport { volumes: vec![volume], ..EvacuationReport::default() };
        let told = report.of_job("j".to_owned(), "Succeeded").markdown;
        let row = told.lines().last().unwrap();
        assert!(row.contains("a\\|b # c") && row.matches(" | ").count() == 7, "{row}");
        assert!(told.contains("not empty"), "{told}");
    }
}
