//! What the client reads out of the API's objects. Keys that it does not know stay in the object, which is
//! what JSON output prints.

use longhaul_model::JobState;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::ClientError;

/// Reads one view out of an object.
pub fn read<T: for<'de> Deserialize<'de>>(object: &Value) -> Result<T, ClientError> {
    T::deserialize(object).map_err(|e| ClientError::bad_answer(e.to_string()))
}

/// Reads a view out of every object.
pub fn read_all<T: for<'de> Deserialize<'de>>(objects: &[Value]) -> Result<Vec<T>, ClientError> {
    objects.iter().map(read).collect()
}

/// A long job.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its uuid.
    pub uuid: String,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// For people.
    #[serde(default, deserialize_with = "or_empty")]
    pub description: String,
    /// The key of its progress.
    #[serde(default)]
    pub api_id: String,
    /// Its job type.
    #[serde(default)]
    pub job_name: String,
    /// What was asked for, JSON text.
    #[serde(default)]
    pub job_data: String,
    /// What came of it, JSON text; empty until there is something to tell.
    #[serde(default, deserialize_with = "or_empty")]
    pub job_result: String,
    /// Where it is in its life.
    pub state: JobState,
    /// What it works on; empty if nothing.
    #[serde(default, deserialize_with = "or_empty")]
    pub target_resource_uuid: String,
    /// Who holds it.
    #[serde(default, deserialize_with = "or_empty")]
    pub management_node_uuid: String,
    /// When it was submitted or rerun.
    #[serde(default)]
    pub create_date: String,
    /// When it changed last.
    #[serde(default)]
    pub last_op_date: String,
    /// Seconds that it took.
    #[serde(default)]
    pub execute_time: Option<u64>,
    /// Why it waits, where that was asked; it is no part of the object.
    #[serde(skip)]
    pub why: Why,
}

/// The chief reason why a job is where it is; empty where it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Why {
    /// Its name.
    pub reason: String,
    /// It in words, with what can be done.
    pub sentence: String,
}

impl Job {
    /// Whether it has begun and nobody works on it, as far as that is told.
    pub fn is_left(&self) -> bool {
        matches!(self.state, JobState::Running | JobState::Canceling) && self.management_node_uuid.is_empty()
    }

    /// Whether nothing but a resume lets it go on: somebody holds it, or it is Suspended.
    pub fn is_stopped(&self) -> bool {
        self.state == JobState::Suspended || self.why.reason == "held"
    }

    /// Its result, decoded; a JSON text if it is no JSON.
    pub fn result(&self) -> Option<Value> {
        if self.job_result.is_empty() {
            return None;
        }
        Some(serde_json::from_str(&self.job_result).unwrap_or_else(|_| Value::from(self.job_result.as_str())))
    }

    /// Why it failed, from its result.
    pub fn failure(&self) -> ClientError {
        let result = self.result().unwrap_or_default();
        let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
        let detail = text("detail");
        let mut error = ClientError::new(
            &text("code"),
            &format!("the job {} ended {}", self.uuid, self.state.name()),
            if detail.is_empty() { result.as_str().unwrap_or_default().to_owned() } else { detail },
        );
        error.cause = match &result["cause"] {
            Value::String(cause) if !cause.is_empty() => {
                Some(Box::new(ClientError::new("", cause, String::new())))
            }
            object @ Value::Object(_) => Some(Box::new(ClientError::of_object(object))),
            _ => None,
        };
        error
    }
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u64,
    /// What is being done.
    pub stage: String,
    /// Bytes done; 0 where the work is not bytes.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// Bytes per second; 0 = unknown.
    pub rate_bytes_per_second: u64,
    /// Seconds to go.
    pub eta_seconds: Option<u64>,
    /// Whether nothing moves.
    pub stalled: bool,
    /// Of a job that submits others: how many of them there are, are done, are blocked, have failed.
    pub parts: Option<[u64; 4]>,
    /// Most bytes per second now; 0 = paused.
    pub limit_bytes_per_second: Option<u64>,
    /// What limits it; empty = nothing.
    pub limited_by: String,
}

impl Storage {
    /// How much is free, in words: what was seen last of one that nobody can reach is of the past.
    pub fn free(&self) -> String {
        let free = crate::human::bytes(self.available_capacity);
        if self.status == "Disconnected" { format!("was {free}") } else { free }
    }
}

impl Progress {
    /// From the newest of the rows that GetTaskProgress answers; `None` where there is none yet.
    pub fn of_rows(rows: &[Value]) -> Option<Self> {
        let row = rows.last()?;
        let percent: u64 = row["content"].as_str().and_then(|c| c.trim().parse().ok()).unwrap_or(0);
        let opaque = &row["opaque"];
        let number = |key: &str| opaque[key].as_u64().unwrap_or(0);
        Some(Self {
            percent: percent.min(100),
            stage: opaque["stage"].as_str().unwrap_or_default().to_owned(),
            bytes_done: number("bytesDone"),
            bytes_total: number("bytesTotal"),
            rate_bytes_per_second: number("rateBytesPerSecond"),
            eta_seconds: opaque["etaSeconds"].as_u64(),
            stalled: opaque["stalled"].as_bool().unwrap_or(false),
            parts: opaque["parts"].is_object().then(|| {
                ["total", "done", "blocked", "failed"].map(|key| opaque["parts"][key].as_u64().unwrap_or(0))
            }),
            limit_bytes_per_second: opaque["limitBytesPerSecond"].as_u64(),
            limited_by: opaque["limitedBy"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Whether it has no stage and no number yet, as of a job that was taken up just now: no 0 % of anything.
    pub fn is_blank(&self) -> bool {
        self.percent == 0 && self.stage.is_empty() && self.bytes_total == 0
    }

    /// What holds it back, in words; `None` where nothing does.
    pub fn limit(&self) -> Option<String> {
        let rate = self.limit_bytes_per_second?;
        Some(match rate {
            0 => format!("paused by {}", self.limited_by),
            rate => format!("at most {}/s by {}", crate::human::bytes(rate), self.limited_by),
        })
    }
}

/// A row of a job's timeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineRow {
    /// 1, 2, 3 … per job.
    pub seq: u64,
    /// When.
    #[serde(default)]
    pub date: String,
    /// What happened.
    #[serde(default)]
    pub kind: String,
    /// `account` or `node`.
    #[serde(default)]
    pub actor_type: String,
    /// Whose doing.
    #[serde(default)]
    pub actor_uuid: String,
    /// Their name; empty if it is not known.
    #[serde(default, deserialize_with = "or_empty")]
    pub actor_name: String,
    /// Which attempt.
    #[serde(default)]
    pub attempt: u32,
    /// The fencing token.
    #[serde(default)]
    pub token: u64,
    /// Why.
    #[serde(default)]
    pub detail: String,
}

/// Declares views of which every key may be absent.
macro_rules! lenient {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub(crate) struct $name { $($(#[$attr])* pub $field: $ty,)* }
    )*};
}

lenient! {
    /// A primary storage.
    Storage {
        uuid: String,
        name: String,
        url: String,
        #[serde(rename = "type")]
        kind: String,
        state: String,
        status: String,
        total_capacity: u64,
        available_capacity: u64,
    }
    /// A volume.
    Volume {
        uuid: String,
        name: String,
        #[serde(deserialize_with = "or_empty")]
        description: String,
        #[serde(deserialize_with = "or_empty")]
        primary_storage_uuid: String,
        #[serde(deserialize_with = "or_empty")]
        install_path: String,
        #[serde(deserialize_with = "or_empty")]
        format: String,
        size: u64,
        actual_size: Option<u64>,
        state: String,
        status: String,
        create_date: String,
        last_op_date: String,
    }
    /// An image.
    Image {
        uuid: String,
        name: String,
        #[serde(deserialize_with = "or_empty")]
        description: String,
        state: String,
        status: String,
        size: u64,
        actual_size: u64,
        #[serde(deserialize_with = "or_empty")]
        md5_sum: String,
        #[serde(deserialize_with = "or_empty")]
        url: String,
        media_type: String,
        format: String,
        create_date: String,
        backup_storage_refs: Vec<ImageCopy>,
    }
    /// A copy of an image.
    ImageCopy {
        backup_storage_uuid: String,
        install_path: String,
        status: String,
        #[serde(deserialize_with = "or_empty")]
        export_url: String,
    }
    /// A finding of a scan.
    ScanItem {
        install_path: String,
        status: String,
        #[serde(deserialize_with = "or_empty")]
        volume_uuid: String,
        #[serde(deserialize_with = "or_empty")]
        format: String,
        size: Option<u64>,
        actual_size: Option<u64>,
        detail: String,
    }
    /// An item of a storage's trash.
    Trash {
        trash_id: u64,
        resource_uuid: String,
        install_path: String,
        size: u64,
        trash_type: String,
        create_date: String,
    }
    /// An account.
    Account {
        uuid: String,
        name: String,
        #[serde(rename = "type")]
        kind: String,
        create_date: String,
    }
    /// A management node.
    Node {
        uuid: String,
        host_name: String,
        join_date: String,
        heart_beat: String,
        address: String,
        version: String,
        drained: bool,
    }
    /// A job type.
    JobType {
        job_name: String,
        description: String,
        cancelable: bool,
        resumable: bool,
        cleanable: bool,
        ordered: bool,
    }
    /// A session: its uuid is a secret and never printed.
    Session { uuid: String, account_uuid: String, expired_date: String, }
}

fn or_empty<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(source)?.unwrap_or_default())
}
