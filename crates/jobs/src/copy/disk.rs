//! Which disk a copy is from or to, on whose behalf, and by what a disk is known again. Opening it: `source`,
//! `target`.

use std::path::{Path, PathBuf};

use longhaul_model::resource::CephPool;
use serde::{Deserialize, Serialize};

use crate::storage::{Format, Identity};

/// A disk: a file below a storage's root, or an image of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskRef {
    /// A file.
    File {
        /// The storage's directory, absolute.
        root: PathBuf,
        /// The file, relative to it.
        path: PathBuf,
        /// Its format, as its record says.
        format: Format,
    },
    /// An RBD image; its format is raw.
    Image {
        /// Its pool.
        pool: CephPool,
        /// Its name there.
        image: String,
    },
}

impl DiskRef {
    /// The file `path` below `root`.
    pub fn file(root: impl Into<PathBuf>, path: impl Into<PathBuf>, format: Format) -> Self {
        Self::File { root: root.into(), path: path.into(), format }
    }

    /// The image of that name.
    pub fn image(pool: CephPool, image: impl Into<String>) -> Self {
        Self::Image { pool, image: image.into() }
    }

    /// Its format.
    pub fn format(&self) -> Format {
        match self {
            Self::File { format, .. } => *format,
            Self::Image { .. } => Format::Raw,
        }
    }

    /// Its path, or its URL.
    pub fn path_for_people(&self) -> PathBuf {
        match self {
            Self::File { root, path, .. } => root.join(path),
            Self::Image { pool, image } => pool.path(image).into(),
        }
    }

    /// The disk at `path` of a storage that is the directory `root` or the pool `pool`, as records have it.
    pub fn recorded(root: Option<&str>, pool: Option<&CephPool>, path: &str, format: Format) -> Self {
        match (pool, root) {
            (Some(pool), None) => Self::image(pool.clone(), pool.image(path).unwrap_or(path)),
            (_, root) => {
                let root = root.unwrap_or_default();
                let relative = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
                Self::file(root, relative, format)
            }
        }
    }

    /// The storage's directory; `None` for an image.
    pub fn root(&self) -> Option<&Path> {
        match self {
            Self::File { root, .. } => Some(root),
            Self::Image { .. } => None,
        }
    }
}

/// On whose behalf a copy is made. Only a later attempt of the same job takes its disks over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The job's uuid.
    pub job: String,
    /// The attempt's fencing token.
    pub token: u64,
}

/// Which image it is, and as of when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// The cluster's id.
    pub fsid: String,
    /// The image's id in its pool.
    pub image: String,
    /// Bytes of the disk.
    pub bytes: u64,
    /// The number of the snapshot that is copied.
    pub snapshot: u64,
}

/// One file or image of a source, and as of when: a copy goes on only from the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Either")]
pub enum SourceIdentity {
    /// A file.
    File(Identity),
    /// An image.
    Image(ImageIdentity),
}

impl SourceIdentity {
    /// Whether `now`, found at the same place, is that file or image as it was.
    pub fn is_still(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::File(was), Self::File(now)) => was.is_still(now),
            (was, now) => was == now,
        }
    }
}

/// Both kinds in one. By hand, since an untagged enum cannot read the time of a file, which has 128 bits.
#[derive(Deserialize)]
struct Either {
    dev: Option<u64>,
    ino: Option<u64>,
    len: Option<u64>,
    mtime_ns: Option<i128>,
    fsid: Option<String>,
    image: Option<String>,
    bytes: Option<u64>,
    snapshot: Option<u64>,
}

impl TryFrom<Either> for SourceIdentity {
    type Error = &'static str;

    fn try_from(e: Either) -> Result<Self, Self::Error> {
        if let (Some(dev), Some(ino), Some(len), Some(mtime_ns)) = (e.dev, e.ino, e.len, e.mtime_ns) {
            return Ok(Self::File(Identity { dev, ino, len, mtime_ns }));
        }
        match (e.fsid, e.image, e.bytes, e.snapshot) {
            (Some(fsid), Some(image), Some(bytes), Some(snapshot)) => {
                Ok(Self::Image(ImageIdentity { fsid, image, bytes, snapshot }))
            }
            _ => Err("neither a file nor an image"),
        }
    }
}

/// Which file or image a target is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetIdentity {
    /// Device and inode of a file.
    File(u64, u64),
    /// An image.
    Image {
        /// The cluster's id.
        fsid: String,
        /// The image's id in its pool.
        image: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_back_and_those_of_an_earlier_release_too() {
        let file = Identity { dev: 1, ino: 2, len: 3, mtime_ns: 1_764_230_000_123_456_789 };
        let image = ImageIdentity { fsid: "f".into(), image: "10b".into(), bytes: 4096, snapshot: 4 };
        for source in [SourceIdentity::File(file), SourceIdentity::Image(image)] {
            let text = serde_json::to_string(&source).unwrap();
            assert_eq!(serde_json::from_str::<SourceIdentity>(&text).unwrap(), source, "{text}");
        }
        let earlier = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<SourceIdentity>(&earlier).unwrap(), SourceIdentity::File(file));
        assert!(serde_json::from_str::<SourceIdentity>(r#"{"dev": 1}"#).is_err());
        assert_eq!(serde_json::from_str::<TargetIdentity>("[1, 9]").unwrap(), TargetIdentity::File(1, 9));
    }
}
