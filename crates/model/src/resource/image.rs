//! Images: what the record of one says, and how its state follows from that of its copies. What is done with
//! them is in `jobs`.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, BackupStorageId, ImageId, JobId};

/// How far an image, or one of its copies, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageStatus {
    /// Its record is there, its bytes are not yet asked for; or they are made from a volume.
    Creating,
    /// Its bytes are on their way.
    Downloading,
    /// Its bytes are there.
    Ready,
    /// Its bytes are not what they should be.
    Error,
    /// Deleted; its bytes are kept until it is expunged.
    Deleted,
    /// Its bytes go to another backup storage.
    Migrating,
}

impl ImageStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Creating, Self::Downloading, Self::Ready, Self::Error, Self::Deleted, Self::Migrating];

    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Downloading => "Downloading",
            Self::Ready => "Ready",
            Self::Error => "Error",
            Self::Deleted => "Deleted",
            Self::Migrating => "Migrating",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its uuid.
    pub id: ImageId,
    /// Whose.
    pub account: AccountId,
    /// The job that makes it, or made it: no other fills, finishes or removes it meanwhile. `None` in records that
    /// an earlier release began.
    pub job: Option<JobId>,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether new volumes may be made of it.
    pub enabled: bool,
    /// How far it is.
    pub status: ImageStatus,
    /// What a guest sees, in bytes; 0 until known.
    pub size: u64,
    /// What was stored, in bytes; 0 until known.
    pub actual_size: u64,
    /// MD5 of what was stored, 32 hex digits.
    pub md5: Option<String>,
    /// BLAKE3 of what was stored, 64 hex digits.
    pub blake3: Option<String>,
    /// Where it came from, its password masked.
    pub url: Option<String>,
    /// `RootVolumeTemplate`, `DataVolumeTemplate`, `ISO`.
    pub media_type: String,
    /// For people.
    pub guest_os_type: Option<String>,
    /// `Linux`, `Windows`, `WindowsVirtio`, `Other`, `Paravirtualization`.
    pub platform: Option<String>,
    /// `x86_64`, `aarch64` …
    pub architecture: Option<String>,
    /// `qcow2`, `raw`, `iso`.
    pub format: String,
    /// Whether it is of the system's own.
    pub system: bool,
    /// Whether guests of it have virtio drivers.
    pub virtio: bool,
    /// When it was deleted, ms since 1970; its bytes are kept until it is expunged.
    pub deleted_ms: Option<i64>,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
    /// Its copies, at most one on each backup storage, by the backup storage's uuid.
    pub refs: Vec<ImageRef>,
}

/// A copy of an image on a backup storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// Where.
    pub backup_storage: BackupStorageId,
    /// Its path: absolute on a directory, `ceph://<pool>/<image>` on a pool; empty until it is known.
    pub install_path: String,
    /// How far it is.
    pub status: ImageStatus,
    /// Where its newest export can be fetched, if it has one.
    pub export_url: Option<String>,
    /// MD5 of what was exported; stays when the export is gone.
    pub export_md5: Option<String>,
    /// Its exports beside that, in other formats, oldest first.
    pub more_exports: Vec<Export>,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
}

/// One of several exports of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Where it can be fetched; it ends with the format.
    pub url: String,
    /// MD5 of what is served there, 32 hex digits.
    pub md5: String,
}

impl ImageRef {
    /// All its exports, the newest first: URL and MD5.
    pub fn exports(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let newest = self.export_url.as_deref().map(|url| (url, self.export_md5.as_deref()));
        newest
            .into_iter()
            .chain(self.more_exports.iter().rev().map(|e| (e.url.as_str(), Some(e.md5.as_str()))))
    }

    /// Has a new export, which takes nothing from the others.
    pub fn add_export(&mut self, new: Export) {
        if let Some(url) = self.export_url.take() {
            self.more_exports.push(Export { url, md5: self.export_md5.take().unwrap_or_default() });
        }
        (self.export_url, self.export_md5) = (Some(new.url), Some(new.md5));
    }

    /// Has those exports no more whose URL is `gone`; the MD5 of the last stays.
    pub fn drop_exports(&mut self, gone: impl Fn(&str) -> bool) {
        self.more_exports.retain(|export| !gone(&export.url));
        if self.export_url.as_deref().is_some_and(&gone) {
            self.export_url = None;
            if let Some(next) = self.more_exports.pop() {
                (self.export_url, self.export_md5) = (Some(next.url), Some(next.md5));
            }
        }
    }
}

/// What is known of an image once its bytes are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// What a guest sees, in bytes.
    pub size: u64,
    /// What was stored, in bytes.
    pub actual_size: u64,
    /// MD5 of what came, or was stored, 32 hex digits; `not calculated` of a disk that went to a pool.
    pub md5: String,
    /// BLAKE3 of what came, or was stored, 64 hex digits.
    pub blake3: String,
    /// `qcow2`, `raw`, `iso`, as the bytes say.
    pub format: String,
}

impl Image {
    /// Its copy on a backup storage.
    pub fn on(&self, backup_storage: BackupStorageId) -> Option<&ImageRef> {
        self.refs.iter().find(|r| r.backup_storage == backup_storage)
    }

    /// Whether its bytes are still on their way.
    pub fn is_under_way(&self) -> bool {
        matches!(self.status, ImageStatus::Creating | ImageStatus::Downloading)
    }

    /// Whether `job` makes it, and is not done with it.
    pub fn is_made_by(&self, job: JobId) -> bool {
        self.job == Some(job) && self.is_under_way()
    }

    /// What its record knows of its bytes.
    pub fn facts(&self) -> ImageFacts {
        ImageFacts {
            size: self.size,
            actual_size: self.actual_size,
            md5: self.md5.clone().unwrap_or_default(),
            blake3: self.blake3.clone().unwrap_or_default(),
            format: self.format.clone(),
        }
    }

    /// Its copy on `from` is on `to` now, and exported no more. One that was deleted meanwhile stays deleted.
    pub fn move_copy(
        &mut self,
        from: BackupStorageId,
        to: BackupStorageId,
        install_path: &str,
        format: &str,
        now_ms: i64,
    ) {
        if let Some(copy) = self.refs.iter_mut().find(|r| r.backup_storage == from) {
            copy.backup_storage = to;
            install_path.clone_into(&mut copy.install_path);
            copy.drop_exports(|_| true);
            copy.last_op_ms = now_ms.max(copy.last_op_ms);
        }
        self.refs.sort_by_key(|r| r.backup_storage);
        format.clone_into(&mut self.format);
    }

    /// Its bytes are complete on a backup storage. The image is Ready once no copy is on its way any more, unless
    /// it was deleted meanwhile. Data of the format iso makes a root template an ISO, qcow2 an ISO a template.
    pub fn make_ready(&mut self, on: BackupStorageId, install_path: &str, facts: &ImageFacts, now_ms: i64) {
        if let Some(copy) = self.refs.iter_mut().find(|r| r.backup_storage == on) {
            install_path.clone_into(&mut copy.install_path);
            copy.last_op_ms = now_ms.max(copy.last_op_ms);
            if copy.status != ImageStatus::Deleted {
                copy.status = ImageStatus::Ready;
            }
        }
        self.size = facts.size;
        self.actual_size = facts.actual_size;
        self.md5 = Some(facts.md5.clone());
        self.blake3 = Some(facts.blake3.clone());
        facts.format.clone_into(&mut self.format);
        match (facts.format.as_str(), self.media_type.as_str()) {
            ("iso", "RootVolumeTemplate") => "ISO".clone_into(&mut self.media_type),
            ("qcow2", "ISO") => "RootVolumeTemplate".clone_into(&mut self.media_type),
            _ => {}
        }
        let under_way = |r: &ImageRef| matches!(r.status, ImageStatus::Creating | ImageStatus::Downloading);
        if self.deleted_ms.is_none() && !self.refs.iter().any(under_way) {
            self.status = ImageStatus::Ready;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(media_type: &str, copies: u64) -> Image {
        let copy = |n: u64| ImageRef {
            backup_storage: BackupStorageId::v4(u128::from(n)),
            install_path: String::new(),
            status: ImageStatus::Downloading,
            export_url: None,
            export_md5: None,
            more_exports: Vec::new(),
            create_ms: 1,
            last_op_ms: 1,
        };
        Image {
            id: ImageId::v4(1),
            account: AccountId::v4(2),
            job: Some(JobId::v4(3)),
            name: "disk".to_owned(),
            description: None,
            enabled: true,
            status: ImageStatus::Downloading,
            size: 0,
            actual_size: 0,
            md5: None,
            blake3: None,
            url: None,
            media_type: media_type.to_owned(),
            guest_os_type: None,
            platform: None,
            architecture: None,
            format: "raw".to_owned(),
            system: false,
            virtio: true,
            deleted_ms: None,
            create_ms: 1,
            last_op_ms: 1,
            refs: (0..copies).map(copy).collect(),
        }
    }

    fn facts(format: &str) -> ImageFacts {
        let digest = |digits| "0".repeat(digits);
        ImageFacts {
            size: 10,
            actual_size: 5,
            md5: digest(32),
            blake3: digest(64),
            format: format.to_owned(),
        }
    }

    #[test]
    fn an_image_is_ready_once_its_last_copy_is() {
        let mut image = image("RootVolumeTemplate", 2);
        image.make_ready(BackupStorageId::v4(0), "/a", &facts("qcow2"), 7);
        assert_eq!((image.status, image.refs[0].status), (ImageStatus::Downloading, ImageStatus::Ready));
        image.make_ready(BackupStorageId::v4(1), "/b", &facts("qcow2"), 8);
        assert_eq!((image.status, image.refs[1].install_path.as_str()), (ImageStatus::Ready, "/b"));
    }

    #[test]
    fn a_copy_that_moved_is_where_it_went_and_exported_no_more() {
        let mut image = image("RootVolumeTemplate", 2);
        image.refs[0].export_url = Some("http://h/x".to_owned());
        image.move_copy(BackupStorageId::v4(0), BackupStorageId::v4(9), "/c", "raw", 7);
        assert!(image.on(BackupStorageId::v4(0)).is_none());
        let moved = image.on(BackupStorageId::v4(9)).expect("the copy");
        assert_eq!((moved.install_path.as_str(), &moved.export_url, moved.last_op_ms), ("/c", &None, 7));
        assert_eq!(image.refs.len(), 2);
    }

    #[test]
    fn what_was_deleted_meanwhile_stays_deleted() {
        let mut image = image("ISO", 1);
        (image.status, image.deleted_ms) = (ImageStatus::Deleted, Some(3));
        image.refs[0].status = ImageStatus::Deleted;
        image.make_ready(BackupStorageId::v4(0), "/a", &facts("iso"), 7);
        assert_eq!((image.status, image.refs[0].status), (ImageStatus::Deleted, ImageStatus::Deleted));
    }

    #[test]
    fn the_bytes_say_what_the_image_is() {
        for (told, format, is) in [
            ("RootVolumeTemplate", "iso", "ISO"),
            ("ISO", "qcow2", "RootVolumeTemplate"),
            ("DataVolumeTemplate", "iso", "DataVolumeTemplate"),
            ("ISO", "raw", "ISO"),
        ] {
            let mut image = image(told, 1);
            image.make_ready(BackupStorageId::v4(0), "/a", &facts(format), 7);
            assert_eq!((image.media_type.as_str(), image.format.as_str()), (is, format));
        }
    }

    #[test]
    fn exports_of_several_formats_stand_beside_each_other_and_each_goes_alone() {
        let mut copy = image("ISO", 1).refs.remove(0);
        let urls = |copy: &ImageRef| copy.exports().map(|(url, _)| url.to_owned()).collect::<Vec<_>>();
        for (url, md5) in [("a.raw", "1"), ("b.qcow2", "2"), ("c.iso", "3")] {
            copy.add_export(Export { url: url.to_owned(), md5: md5.to_owned() });
        }
        assert_eq!(urls(&copy), ["c.iso", "b.qcow2", "a.raw"]);
        assert_eq!(copy.exports().map(|(_, md5)| md5).collect::<Vec<_>>(), [Some("3"), Some("2"), Some("1")]);
        copy.drop_exports(|url| url == "a.raw");
        assert_eq!((urls(&copy).len(), copy.export_url.as_deref()), (2, Some("c.iso")));
        copy.drop_exports(|url| url == "c.iso");
        assert_eq!((urls(&copy), copy.export_md5.as_deref()), (vec!["b.qcow2".to_owned()], Some("2")));
        copy.drop_exports(|_| true);
        assert_eq!((urls(&copy).len(), copy.export_md5.as_deref()), (0, Some("2")), "the MD5 stays");
    }

    #[test]
    fn an_image_is_its_jobs_until_it_is_ready() {
        let mut image = image("ISO", 1);
        let (mine, other) = (JobId::v4(3), JobId::v4(4));
        for status in ImageStatus::ALL {
            image.status = status;
            let under_way = matches!(status, ImageStatus::Creating | ImageStatus::Downloading);
            assert_eq!((image.is_made_by(mine), image.is_made_by(other)), (under_way, false), "{status:?}");
        }
        (image.status, image.job) = (ImageStatus::Downloading, None);
        assert!(!image.is_made_by(mine), "what an earlier release began is nobody's");
    }

    #[test]
    fn every_status_is_read_back_by_its_name() {
        for status in ImageStatus::ALL {
            assert_eq!(ImageStatus::from_name(status.name()), Some(status));
        }
    }
}
