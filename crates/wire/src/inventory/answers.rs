//! Answers that are no inventories.
//!
//! Source: rest-api.md 1.5, 1.6, resources.md 3.1.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of ValidateSession. It has no other key, since Go reads all of it as booleans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValidateSessionAnswer {
    /// Whether the session is valid now.
    pub valid: bool,
}

/// The answer of GetLoginProcedures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GetLoginProceduresAnswer {
    /// What a login asks for besides name and password: always empty.
    #[schema(max_items = 0)]
    pub procedures: Vec<String>,
}

/// The answer of GetVersion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GetVersionAnswer {
    /// The ZStack version that this server is compatible with: `5.2.1`.
    #[schema(max_length = 32)]
    pub version: String,
    /// Always true.
    pub success: bool,
}

impl GetVersionAnswer {
    /// Of this version.
    pub fn of(version: &str) -> Self {
        Self { version: version.to_owned(), success: true }
    }
}

/// The server's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CurrentTime {
    /// Milliseconds since 1970.
    #[serde(rename = "MillionSeconds")]
    #[schema(minimum = 0)]
    pub million_seconds: i64,
    /// Seconds since 1970.
    #[serde(rename = "Seconds")]
    #[schema(minimum = 0)]
    pub seconds: i64,
}

/// The answer of GetCurrentTime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetCurrentTimeAnswer {
    /// The server's clock.
    pub current_time: CurrentTime,
    /// Always true.
    pub success: bool,
}

impl GetCurrentTimeAnswer {
    /// At `now_ms` since 1970.
    pub fn of(now_ms: i64) -> Self {
        let current_time = CurrentTime { million_seconds: now_ms, seconds: now_ms.div_euclid(1000) };
        Self { current_time, success: true }
    }
}

/// The answer of GetPrimaryStorageCapacity: sums over the storages that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapacityAnswer {
    /// Bytes in all.
    #[schema(minimum = 0)]
    pub total_capacity: u64,
    /// Free bytes.
    #[schema(minimum = 0)]
    pub available_capacity: u64,
    /// Bytes of the file systems in all.
    #[schema(minimum = 0)]
    pub total_physical_capacity: u64,
    /// Free bytes of the file systems.
    #[schema(minimum = 0)]
    pub available_physical_capacity: u64,
}

/// The answer of GetUploadImageJobDetails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadImageJobDetailsAnswer {
    /// The jobs.
    #[schema(max_items = 1000)]
    pub existing_job_details: Vec<UploadImageJobDetails>,
    /// Always true.
    pub success: bool,
}

/// A job that waits for the rest of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadImageJobDetails {
    /// The job.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub long_job_uuid: String,
    /// Its state, never a final one.
    #[schema(max_length = 16)]
    pub long_job_state: String,
    /// The image that it becomes.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub image_uuid: String,
    /// Where to send it.
    #[schema(max_length = 4096)]
    pub image_upload_url: String,
    /// The first byte that is missing: what is before it is durable and verified.
    #[schema(minimum = 0)]
    pub offset: u64,
}

/// Where an exported image can be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedImageAnswer {
    /// The URL; whoever has it may fetch the image.
    #[schema(max_length = 2048)]
    pub image_url: String,
    /// MD5 of what is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub export_md5_sum: Option<String>,
    /// Whether there was such an export before, which others may be fetching; absent where it was made now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existed: bool,
    /// Always true.
    pub success: bool,
}
