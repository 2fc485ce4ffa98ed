//! Answer bodies: one struct per inventory, made from the model's records, and the envelopes around them.
//! Nulls are left out everywhere. Every field has its description here, which the OpenAPI document takes.
//!
//! Source: rest-api.md 5.4 and section 6, resources.md 1 to 4, 6, 7.

mod access_key;
mod answers;
mod backup_storage;
mod bandwidth;
mod bulk;
mod ceph;
mod envelope;
mod evacuation;
mod explain;
mod global_config;
mod identity;
mod image;
mod job;
mod job_type;
mod node;
mod node_facts;
mod plan;
mod progress;
mod storage;
mod tag;
mod timeline;
mod trash;
mod volume;
mod zone;
mod zql;

#[cfg(test)]
mod tests;

pub use access_key::AccessKeyInventory;
pub use answers::{
    CapacityAnswer, CurrentTime, ExportedImageAnswer, GetCurrentTimeAnswer, GetLoginProceduresAnswer,
    GetVersionAnswer, UploadImageJobDetails, UploadImageJobDetailsAnswer, ValidateSessionAnswer,
};
pub use backup_storage::{
    BackupStorageInventory, CephBackupStorageInventory, ImageStoreBackupStorageInventory,
};
pub use bandwidth::BandwidthInventory;
pub use bulk::{BulkAnswer, BulkOutcome, BulkResult};
pub use ceph::{CephPrimaryStorageMonInventory, CephPrimaryStoragePoolInventory};
pub use envelope::{Inventory, custom, empty, many, one, one_of_class, query, to_json};
pub use evacuation::{ArrivedVolume, EvacuatedVolume, EvacuationPlan, EvacuationReport, PlannedVolume};
pub use explain::{ExplainAnswer, ExplainReason, ExplainedReason};
pub use global_config::{GlobalConfigInventory, GlobalConfigOptions, GlobalConfigOptionsAnswer};
pub use identity::{AccountInventory, SessionInventory};
pub use image::{ImageBackupStorageRefInventory, ImageInventory};
pub use job::{LongJobInventory, LongJobState};
pub use job_type::JobTypeInventory;
pub use node::ManagementNodeInventory;
pub use node_facts::{
    GetManagementNodeArchAnswer, GetManagementNodeOSAnswer, GetPlatformTimeZoneAnswer, GetSupportAPIsAnswer,
};
pub use plan::{Plan, PlanAnswer};
pub use progress::{ProgressOpaque, ProgressParts, TaskProgressInventory};
pub use storage::{PrimaryStorageInventory, ScanItemInventory, ScanStatus};
pub use tag::{SystemTagInventory, UserTagInventory};
pub use timeline::TimelineInventory;
pub use trash::{CleanTrashResult, CleanUpTrashAnswer, TrashCleanupResult, TrashInventory};
pub use volume::VolumeInventory;
pub use zone::{ZONE, ZoneInventory};
pub use zql::{ZqlAnswer, ZqlResult, ZqlValue, zql};
