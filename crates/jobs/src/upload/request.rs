//! What the `jobData` of an AddImage with an `upload://` url says, and the image's record that it begins with.
//!
//! Source: rest-api.md 1.6, resources.md 7.3.

use longhaul_model::resource::{Image, ImageRef, ImageStatus};
use longhaul_model::{AccountId, BackupStorageId, Fault, ImageId, JobId};
use serde_json::Value;

/// What the url of an upload begins with.
pub const SCHEME: &str = "upload://";
const FORMATS: [&str; 4] = ["qcow2", "raw", "vmdk", "iso"];

/// The request of an upload.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub image: ImageId,
    pub place: BackupStorageId,
    data: Value,
    url: String,
    name: String,
    format: String,
}

impl Request {
    /// The image's uuid is `resourceUuid`; else the one in `upload://<uuid>/<name>`; else the job's, so that every
    /// attempt means the same image.
    pub fn read(data: &Value, job: JobId) -> Result<Self, Fault> {
        let must = |field: &str| {
            text(data, field).ok_or_else(|| {
                Fault::invalid(format!("field[{field}] of jobData is mandatory, can not be null"))
            })
        };
        let url = must("url")?;
        let Some(rest) = url.strip_prefix(SCHEME) else {
            return Err(Fault::invalid(format!("the url of an upload begins with {SCHEME}, not [{url}]")));
        };
        let named = rest.split('/').next().and_then(|first| first.parse::<ImageId>().ok());
        let image = match text(data, "resourceUuid") {
            Some(uuid) => uuid.parse().map_err(|_| {
                Fault::invalid(format!("field[resourceUuid] of jobData must be a uuid, not [{uuid}]"))
            })?,
            None => named.unwrap_or(ImageId::from_bits(job.bits())),
        };
        let format = must("format")?;
        if !FORMATS.contains(&format.as_str()) {
            return Err(Fault::invalid(format!("unknown format[{format}]")));
        }
        let places = data.get("backupStorageUuids").and_then(Value::as_array).map(Vec::as_slice);
        let [place] = places.unwrap_or_default() else {
            return Err(Fault::invalid(
                "field[backupStorageUuids] of jobData must name one backup storage: an upload \
                 goes to one, and from there to others with APIBackupStorageMigrateImageMsg",
            ));
        };
        let place = place.as_str().and_then(|uuid| uuid.trim().parse().ok()).ok_or_else(|| {
            Fault::invalid(format!("field[backupStorageUuids] of jobData must hold uuids, not [{place}]"))
        })?;
        Ok(Self { image, place, data: data.clone(), name: must("name")?, url, format })
    }

    /// The record with which the image begins.
    pub fn record(&self, account: AccountId, now_ms: i64) -> Image {
        let flag = |field: &str, default| self.data.get(field).and_then(Value::as_bool).unwrap_or(default);
        let iso = self.format == "iso";
        let media = if iso { "ISO" } else { "RootVolumeTemplate" };
        Image {
            id: self.image,
            account,
            name: self.name.clone(),
            description: text(&self.data, "description"),
            enabled: true,
            status: ImageStatus::Downloading,
            size: 0,
            actual_size: 0,
            md5: None,
            blake3: None,
            url: Some(self.url.clone()),
            media_type: text(&self.data, "mediaType").unwrap_or_else(|| media.to_owned()),
            guest_os_type: text(&self.data, "guestOsType"),
            platform: text(&self.data, "platform"),
            architecture: text(&self.data, "architecture"),
            format: self.format.clone(),
            system: flag("system", false),
            virtio: flag("virtio", true),
            deleted_ms: None,
            create_ms: now_ms,
            last_op_ms: now_ms,
            refs: vec![ImageRef {
                backup_storage: self.place,
                install_path: String::new(),
                status: ImageStatus::Downloading,
                export_url: None,
                export_md5: None,
                create_ms: now_ms,
                last_op_ms: now_ms,
            }],
        }
    }
}

fn text(data: &Value, field: &str) -> Option<String> {
    data.get(field).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}
