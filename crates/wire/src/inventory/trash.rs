//! The inventories of trash and of its cleaning.
//!
//! Source: resources.md 3.4.

use longhaul_model::Fault;
use longhaul_model::resource::Trash;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Inventory;
use crate::error::ErrorBody;
use crate::time::TimeFormat;

/// Bytes that nothing points at any more, kept until they are cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrashInventory {
    /// Its number.
    #[schema(minimum = 0)]
    pub trash_id: u64,
    /// The resource whose bytes they were.
    #[schema(max_length = 32)]
    pub resource_uuid: String,
    /// The type of that resource: `VolumeVO`.
    #[schema(max_length = 64)]
    pub resource_type: String,
    /// The storage that holds them.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub storage_uuid: String,
    /// `PrimaryStorageVO`, or `BackupStorageVO` of what was an image.
    #[schema(max_length = 64)]
    pub storage_type: String,
    /// Path of the file.
    #[schema(max_length = 4096)]
    pub install_path: String,
    /// Whether it is a folder; always false here.
    pub is_folder: bool,
    /// Bytes it occupied when it was moved to trash.
    #[schema(minimum = 0)]
    pub size: u64,
    /// Why it is here: `MigrateVolume`, `MigrateImage`.
    #[schema(max_length = 32)]
    pub trash_type: String,
    /// When it was moved to trash.
    #[schema(max_length = 40)]
    pub create_date: String,
}

impl TrashInventory {
    /// `trash` on the wire.
    pub fn of(trash: &Trash, format: &TimeFormat) -> Self {
        Self {
            trash_id: trash.id,
            resource_uuid: trash.resource_uuid.clone(),
            resource_type: trash.resource_type.clone(),
            storage_uuid: trash.storage.to_string(),
            storage_type: match trash.resource_type.as_str() {
                "ImageVO" => "BackupStorageVO".to_owned(),
                _ => "PrimaryStorageVO".to_owned(),
            },
            install_path: trash.install_path.clone(),
            is_folder: false,
            size: trash.size,
            trash_type: trash.kind.clone(),
            create_date: format.text(trash.create_ms),
        }
    }
}

impl Inventory for TrashInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.core.trash.InstallPathRecycleInventory");
}

/// What became of one trash item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrashCleanupResult {
    /// Its number.
    #[schema(minimum = 0)]
    pub trash_id: u64,
    /// The resource whose bytes they were; absent for an unknown number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub resource_uuid: Option<String>,
    /// Whether it is gone now; an unknown number is.
    pub success: bool,
    /// Freed bytes.
    #[schema(minimum = 0)]
    pub size: u64,
    /// Why it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<ErrorBody>,
}

/// All of a cleaning in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CleanTrashResult {
    /// The resources whose trash is gone.
    #[schema(max_items = 1_000_000)]
    pub resource_uuids: Vec<String>,
    /// Texts of what failed.
    #[schema(max_items = 1_000_000)]
    pub details: Vec<String>,
    /// Freed bytes in all.
    #[schema(minimum = 0)]
    pub size: u64,
}

/// The answer of CleanUpTrashOnPrimaryStorage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CleanUpTrashAnswer {
    /// All in one.
    pub result: CleanTrashResult,
    /// Each item.
    #[schema(max_items = 1_000_000)]
    pub results: Vec<TrashCleanupResult>,
    /// Always true: an item that stays is told in `results`.
    pub success: bool,
}

impl CleanUpTrashAnswer {
    /// Sums up what became of each item: its number, its record if it is known, and why it stays if it does.
    pub fn of(items: impl IntoIterator<Item = (u64, Option<Trash>, Option<Fault>)>) -> Self {
        let mut result = CleanTrashResult { resource_uuids: Vec::new(), details: Vec::new(), size: 0 };
        let mut results = Vec::new();
        for (trash_id, trash, fault) in items {
            let resource_uuid = trash.as_ref().map(|t| t.resource_uuid.clone());
            let size = if fault.is_none() { trash.map_or(0, |t| t.size) } else { 0 };
            match &fault {
                Some(fault) => result.details.push(fault.to_string()),
                None => result.resource_uuids.extend(resource_uuid.clone()),
            }
            result.size = result.size.saturating_add(size);
            let error = fault.as_ref().map(ErrorBody::of);
            results.push(TrashCleanupResult {
                trash_id,
                resource_uuid,
                success: error.is_none(),
                size,
                error,
            });
        }
        Self { result, results, success: true }
    }
}
