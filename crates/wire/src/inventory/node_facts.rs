//! Answers to what is asked of the management node as a machine: zone, architecture, operating system, and
//! which messages it performs.
//!
//! Source: rest-api.md 1.6.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{Op, operations};

/// The answer of GetPlatformTimeZone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GetPlatformTimeZoneAnswer {
    /// Name of the server's zone: `Asia/Shanghai`; its offset where it has no name.
    #[schema(max_length = 64)]
    pub timezone: String,
    /// Its offset from UTC now: `+08:00`.
    #[schema(max_length = 16)]
    pub offset: String,
    /// Always true.
    pub success: bool,
}

/// The answer of GetSupportAPIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetSupportAPIsAnswer {
    /// Simple class names of the messages that this server performs: `APISubmitLongJobMsg`.
    #[schema(max_items = 1000)]
    pub support_apis: Vec<String>,
    /// Always true.
    pub success: bool,
}

impl GetSupportAPIsAnswer {
    /// All messages, in the order of their names. The poll is none.
    pub fn all() -> Self {
        let classes = operations().filter(|o| o.op != Op::GetApiJob).map(|o| o.message_class);
        let simple = |class: &str| class.rsplit('.').next().unwrap_or(class).to_owned();
        let mut names: Vec<String> = classes.map(simple).collect();
        names.sort();
        Self { support_apis: names, success: true }
    }
}

/// The answer of GetManagementNodeArch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GetManagementNodeArchAnswer {
    /// As the kernel names it: `x86_64`.
    #[schema(max_length = 64)]
    pub architecture: String,
    /// Always true.
    pub success: bool,
}

/// The answer of GetManagementNodeOS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GetManagementNodeOSAnswer {
    /// The kernel's name: `Linux`.
    #[schema(max_length = 64)]
    pub name: String,
    /// The kernel's release: `6.1.0-18-amd64`.
    #[schema(max_length = 255)]
    pub version: String,
    /// Always true.
    pub success: bool,
}
