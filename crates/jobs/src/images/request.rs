//! What `jobData` of AddImage says, with ZStack's defaults.
//!
//! Source: rest-api.md 1.6, resources.md 7.1.

use longhaul_engine::secrets::mask_urls;
use longhaul_model::resource::{Image, ImageRef, ImageStatus};
use longhaul_model::{AccountId, BackupStorageId, Fault, ImageId, JobId};
use serde_json::Value;

use crate::migrate;
use crate::upload::SCHEME;

/// Most backup storages of one image.
pub const PLACES_MAX: usize = 16;
const URL_MAX: usize = 1024;
const MEDIA_TYPES: [&str; 3] = ["RootVolumeTemplate", "DataVolumeTemplate", "ISO"];
const PLATFORMS: [&str; 5] = ["Linux", "Windows", "Other", "Paravirtualization", "WindowsVirtio"];

/// An image to be added.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its uuid: that in `upload://<uuid>/<name>`, or the job's, where none is given, so that every attempt means the same image.
    pub image: ImageId,
    /// Where it comes from, with `file://` before a path.
    pub url: String,
    /// Where it is kept.
    pub places: Vec<BackupStorageId>,
    /// The format that it was said to have.
    pub format: Option<String>,
    /// Its system tags.
    pub system_tags: Vec<String>,
    /// Its user tags.
    pub user_tags: Vec<String>,
    name: String,
    description: Option<String>,
    media_type: String,
    guest_os_type: Option<String>,
    platform: Option<String>,
    architecture: String,
    system: bool,
    virtio: bool,
}

impl Request {
    /// Reads `jobData` of an image that comes by its URL.
    ///
    /// # Errors
    /// SYS.1007 with ZStack's texts.
    pub fn read(data: &Value, job: JobId) -> Result<Self, Fault> {
        let from = data.get("url").and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
        let from = from.ok_or_else(|| {
            Fault::invalid("field[url] of jobData is mandatory, can not be null".to_owned())
        })?;
        let request = Self::read_as(data, job, url(from.to_owned())?, None)?;
        if request.places.is_empty() {
            return Err(Fault::invalid(format!(
                "field[backupStorageUuids] of jobData must name 1 to {PLACES_MAX} backup storages"
            )));
        }
        Ok(request)
    }

    /// Reads `jobData` of an image that is made of a volume; it need not say where the image is kept.
    ///
    /// # Errors
    /// SYS.1007 with ZStack's texts.
    pub fn of_volume(data: &Value, job: JobId, url: String, media_type: &str) -> Result<Self, Fault> {
        Self::read_as(data, job, url, Some(media_type))
    }

    fn read_as(data: &Value, job: JobId, url: String, media_type: Option<&str>) -> Result<Self, Fault> {
        let text = |field: &str| {
            data.get(field)
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let must = |field: &str| {
            text(field).ok_or_else(|| {
                Fault::invalid(format!("field[{field}] of jobData is mandatory, can not be null"))
            })
        };
        let flag = |field: &str| data.get(field).and_then(Value::as_bool);
        let list = |field: &str| -> Vec<String> {
            let items = data.get(field).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let one_of = |field: &str, allowed: &[&str]| match text(field) {
            Some(value) if !allowed.contains(&value.as_str()) => Err(Fault::invalid(format!(
                "valid value for field[{field}] of jobData are [{}], but {value} found",
                allowed.join(", ")
            ))),
            value => Ok(value),
        };
        let places: Vec<BackupStorageId> = list("backupStorageUuids")
            .iter()
            .map(|uuid| {
                uuid.parse().map_err(|_| {
                    longhaul_engine::inventory::not_found("backupStorageUuids", uuid, "BackupStorageVO")
                })
            })
            .collect::<Result<_, _>>()?;
        if places.len() > PLACES_MAX {
            return Err(Fault::invalid(format!(
                "field[backupStorageUuids] of jobData must name 1 to {PLACES_MAX} backup storages"
            )));
        }
        let media_type = match media_type {
            Some(given) => given.to_owned(),
            None => one_of("mediaType", &MEDIA_TYPES)?.unwrap_or_else(|| MEDIA_TYPES[0].to_owned()),
        };
        let format = if media_type == "ISO" { Some("iso".to_owned()) } else { text("format") };
        match format.as_deref() {
            None | Some("qcow2" | "raw" | "iso") => {}
            Some("vmdk") => {
                return Err(Fault::invalid(
                    "vmdk images are not taken; convert it with qemu-img convert -O qcow2",
                ));
            }
            Some(other) => return Err(Fault::invalid(format!("unknown format[{other}]"))),
        }
        let system = flag("system").unwrap_or(false);
        if system && format.as_deref() == Some("iso") {
            return Err(Fault::invalid("ISO cannot be used as system image"));
        }
        if let Some(kind) = text("type").filter(|kind| kind != "zstack") {
            return Err(Fault::invalid(format!("unsupported image type[{kind}]")));
        }
        let is_data = media_type == "DataVolumeTemplate";
        let platform = one_of("platform", &PLATFORMS)?.or_else(|| (!is_data).then(|| "Linux".to_owned()));
        let platform = platform.map(|platform| match platform.as_str() {
            "Paravirtualization" => "Other".to_owned(),
            "WindowsVirtio" => "Windows".to_owned(),
            _ => platform,
        });
        let guest_os_type = text("guestOsType").or_else(|| platform.clone().filter(|_| !is_data));
        Ok(Self {
            image: match (text("resourceUuid"), named(&url)) {
                (Some(_), _) => migrate::id(data, "resourceUuid", "ImageVO")?,
                (None, named) => named.unwrap_or(ImageId::from_bits(job.bits())),
            },
            url,
            places,
            format,
            system_tags: list("systemTags"),
            user_tags: list("userTags"),
            name: must("name")?,
            description: text("description"),
            media_type,
            guest_os_type,
            platform,
            architecture: text("architecture").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            system,
            virtio: flag("virtio").unwrap_or(true),
        })
    }

    /// The image as it is while its bytes are on their way to these backup storages.
    pub fn image(&self, account: AccountId, places: &[BackupStorageId]) -> Image {
        let copy = |place: &BackupStorageId| ImageRef {
            backup_storage: *place,
            install_path: String::new(),
            status: ImageStatus::Downloading,
            export_url: None,
            export_md5: None,
            more_exports: Vec::new(),
            create_ms: 0,
            last_op_ms: 0,
        };
        Image {
            id: self.image,
            account,
            job: None,
            name: self.name.clone(),
            description: self.description.clone(),
            enabled: true,
            status: ImageStatus::Downloading,
            size: 0,
            actual_size: 0,
            md5: None,
            blake3: None,
            url: Some(mask_urls(&self.url)),
            media_type: self.media_type.clone(),
            guest_os_type: self.guest_os_type.clone(),
            platform: self.platform.clone(),
            architecture: Some(self.architecture.clone()),
            format: self.format.clone().unwrap_or_else(|| "raw".to_owned()),
            system: self.system,
            virtio: self.virtio,
            deleted_ms: None,
            create_ms: 0,
            last_op_ms: 0,
            refs: places.iter().map(copy).collect(),
        }
    }
}

/// The uuid in `upload://<uuid>/<name>`, where ZStack's agent for Ceph looks for it.
fn named(url: &str) -> Option<ImageId> {
    url.strip_prefix(SCHEME)?.split_once('/')?.0.parse().ok()
}

fn url(text: String) -> Result<String, Fault> {
    if text.encode_utf16().count() > URL_MAX {
        return Err(Fault::invalid(format!("field[url] of jobData has more than {URL_MAX} characters")));
    }
    if text.starts_with('/') {
        return Ok(format!("file://{text}"));
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https" | "file" | "upload") => Ok(text),
        Some("ftp" | "sftp" | "zstore") => Err(Fault::invalid(format!(
            "images are not fetched by {}://; serve it over http or https",
            scheme.unwrap_or_default()
        ))),
        _ => Err(Fault::invalid(
            "url must starts with 'file:///', 'http://', 'https://'， 'ftp://', 'sftp://' or '/'",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<Request, String> {
        let mut data =
            json!({"name": "i", "url": "/srv/i", "backupStorageUuids": [BackupStorageId::v4(1).to_string()]});
        change(&mut data);
        Request::read(&data, JobId::v4(7)).map_err(|fault| fault.details)
    }

    #[test]
    fn what_is_not_said_has_the_contracts_default() {
        let image = read(|_| {}).unwrap().image(AccountId::v4(1), &[]);
        assert_eq!((image.id.bits(), image.url.as_deref()), (JobId::v4(7).bits(), Some("file:///srv/i")));
        assert_eq!(
            (image.media_type.as_str(), image.platform.as_deref()),
            ("RootVolumeTemplate", Some("Linux"))
        );
        let iso = read(|data| data["mediaType"] = json!("ISO")).unwrap();
        assert_eq!(iso.format.as_deref(), Some("iso"));
        let data = read(|data| data["mediaType"] = json!("DataVolumeTemplate")).unwrap();
        assert_eq!(data.image(AccountId::v4(1), &[]).platform, None);
        let windows = read(|data| data["platform"] = json!("WindowsVirtio")).unwrap();
        assert_eq!(windows.platform.as_deref(), Some("Windows"));
    }

    #[test]
    fn an_upload_may_name_its_image_in_its_url() {
        let id = ImageId::v4(3);
        let of = |url: String| read(|data| data["url"] = json!(url)).unwrap().image;
        assert_eq!(of(format!("upload://{id}/name")), id);
        for other in [format!("upload://{id}"), "upload://name".to_owned(), format!("http://{id}/name")] {
            assert_eq!(of(other).bits(), JobId::v4(7).bits());
        }
        let other = ImageId::v4(4);
        let both = read(|data| {
            (data["url"], data["resourceUuid"]) =
                (json!(format!("upload://{id}/n")), json!(other.to_string()));
        });
        assert_eq!(both.unwrap().image, other);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_contracts_text() {
        for (key, value, told) in [
            ("format", json!("floppy"), "unknown format[floppy]"),
            ("type", json!("other"), "unsupported image type[other]"),
            (
                "url",
                json!("gopher://x"),
                "url must starts with 'file:///', 'http://', 'https://'， 'ftp://', 'sftp://' or '/'",
            ),
        ] {
            assert_eq!(read(|data| data[key] = value).unwrap_err(), told);
        }
        let system = read(|data| (data["system"], data["format"]) = (json!(true), json!("iso")));
        assert_eq!(system.unwrap_err(), "ISO cannot be used as system image");
        assert!(read(|data| data["backupStorageUuids"] = json!([])).unwrap_err().contains("1 to 16"));
        assert!(read(|data| data["format"] = json!("vmdk")).unwrap_err().contains("qemu-img convert"));
    }

    #[test]
    fn a_password_in_a_url_is_masked() {
        let shown = |url: &str| {
            read(|data| data["url"] = json!(url))
                .unwrap()
                .image(AccountId::v4(1), &[])
                .url
                .unwrap_or_default()
        };
        assert_eq!(shown("http://me:s@h/x@y?sig=t&v=1"), "http://me:******@h/x@y?sig=******&v=1");
        for same in ["http://me@h/x", "http://h/a:b@c", "file:///x"] {
            assert_eq!(shown(same), same);
        }
    }
}
