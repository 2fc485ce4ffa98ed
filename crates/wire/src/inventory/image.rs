//! The inventory of an image and of its copies.
//!
//! Source: resources.md 7.2.

use longhaul_model::resource::{Image, ImageRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Inventory;
use super::envelope::enter;
use crate::time::TimeFormat;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInventory {
    /// The image's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub uuid: String,
    /// For people. At most 255 UTF-16 units.
    #[schema(max_length = 255)]
    pub name: String,
    /// For people. At most 2,048 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub description: Option<String>,
    /// `Enabled`, `Disabled`.
    #[schema(max_length = 16)]
    pub state: String,
    /// `Creating`, `Downloading`, `Ready`, `Error`, `Deleted`, `Migrating`.
    #[schema(max_length = 16)]
    pub status: String,
    /// What a guest sees, in bytes; 0 until known.
    #[schema(minimum = 0)]
    pub size: u64,
    /// What is stored, in bytes; 0 until known.
    #[schema(minimum = 0)]
    pub actual_size: u64,
    /// MD5 of what is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub md5_sum: Option<String>,
    /// Where it came from; a password in it is masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048, nullable = false)]
    pub url: Option<String>,
    /// `RootVolumeTemplate`, `DataVolumeTemplate`, `ISO`.
    #[schema(max_length = 32)]
    pub media_type: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, nullable = false)]
    pub guest_os_type: Option<String>,
    /// Always `zstack`.
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    pub kind: String,
    /// `Linux`, `Windows`, `WindowsVirtio`, `Other`, `Paravirtualization`; absent for data templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub platform: Option<String>,
    /// `x86_64`, `aarch64`, `mips64el`, `loongarch64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub architecture: Option<String>,
    /// `qcow2`, `raw`, `iso`.
    #[schema(max_length = 16)]
    pub format: String,
    /// Whether it is of the system's own.
    pub system: bool,
    /// Whether its guests have virtio drivers.
    pub virtio: bool,
    /// When it was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
    /// Its copies, one for each backup storage.
    #[schema(max_items = 1000)]
    pub backup_storage_refs: Vec<ImageBackupStorageRefInventory>,
}

/// A copy of an image on a backup storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageBackupStorageRefInventory {
    /// The image's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub image_uuid: String,
    /// The backup storage's uuid.
    #[schema(pattern = "^[0-9a-f]{32}$", min_length = 32, max_length = 32)]
    pub backup_storage_uuid: String,
    /// Its path: absolute on a directory; while it is uploaded, the URL to upload to.
    #[schema(max_length = 4096)]
    pub install_path: String,
    /// The same words as the image's `status`.
    #[schema(max_length = 16)]
    pub status: String,
    /// Where it can be fetched, if it is exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096, nullable = false)]
    pub export_url: Option<String>,
    /// MD5 of what was exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub export_md5_sum: Option<String>,
    /// When it was made.
    #[schema(max_length = 40)]
    pub create_date: String,
    /// When it was changed last.
    #[schema(max_length = 40)]
    pub last_op_date: String,
}

impl ImageInventory {
    /// `image` on the wire.
    pub fn of(image: &Image, format: &TimeFormat) -> Self {
        let uuid = image.id.to_string();
        let copy = |copy: &ImageRef| ImageBackupStorageRefInventory {
            image_uuid: uuid.clone(),
            backup_storage_uuid: copy.backup_storage.to_string(),
            install_path: copy.install_path.clone(),
            status: copy.status.name().to_owned(),
            export_url: copy.export_url.clone(),
            export_md5_sum: copy.export_md5.clone(),
            create_date: format.text(copy.create_ms),
            last_op_date: format.text(copy.last_op_ms),
        };
        Self {
            name: image.name.clone(),
            description: image.description.clone(),
            state: if image.enabled { "Enabled" } else { "Disabled" }.to_owned(),
            status: image.status.name().to_owned(),
            size: image.size,
            actual_size: image.actual_size,
            md5_sum: image.md5.clone(),
            url: image.url.clone(),
            media_type: image.media_type.clone(),
            guest_os_type: image.guest_os_type.clone(),
            kind: "zstack".to_owned(),
            platform: image.platform.clone(),
            architecture: image.architecture.clone(),
            format: image.format.clone(),
            system: image.system,
            virtio: image.virtio,
            create_date: format.text(image.create_ms),
            last_op_date: format.text(image.last_op_ms),
            backup_storage_refs: image.refs.iter().map(copy).collect(),
            uuid,
        }
    }
}

impl Inventory for ImageInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.image.ImageInventory");

    fn nested(&self, path: &str, schema: &mut Map<String, Value>) {
        for (at, copy) in self.backup_storage_refs.iter().enumerate() {
            enter(copy, &format!("{path}.backupStorageRefs[{at}]"), schema);
        }
    }
}

impl Inventory for ImageBackupStorageRefInventory {
    const CLASS: Option<&'static str> = Some("org.zstack.header.image.ImageBackupStorageRefInventory");
}
