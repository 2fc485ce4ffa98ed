//! Primary storages: what kinds there are, and what the record of one says. What is done with them is in
//! `jobs`.

use serde::{Deserialize, Serialize};

use crate::id::{HostId, StorageId};

/// What a primary storage is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StorageKind {
    /// A directory of one host.
    Local,
    /// A directory that every node sees under the same path.
    SharedMountPoint,
    /// The same, known by the export that is mounted there.
    Nfs,
    /// A pool of RBD images.
    Ceph,
}

impl StorageKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Local, Self::SharedMountPoint, Self::Nfs, Self::Ceph];

    /// The name on the wire, `type`, and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "LocalStorage",
            Self::SharedMountPoint => "SharedMountPoint",
            Self::Nfs => "NFS",
            Self::Ceph => "Ceph",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whether a storage takes new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageState {
    /// Takes work.
    Enabled,
    /// Takes no new volume.
    Disabled,
    /// Takes no work at all: copies from and to it are suspended until it is enabled.
    Maintenance,
}

impl StorageState {
    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::Maintenance => "Maintenance",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled, Self::Maintenance].into_iter().find(|s| s.name() == name)
    }
}

/// A primary storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Its uuid.
    pub id: StorageId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it is made of.
    pub kind: StorageKind,
    /// Where it is: an absolute directory; `host:/export` for `Nfs`; `ceph://<fsid>/<pool>` for `Ceph`.
    pub url: String,
    /// The absolute directory, where `url` is not one: the mount point of an `Nfs`.
    pub mount: Option<String>,
    /// How the pool is reached, for `Ceph`.
    pub pool: Option<CephPool>,
    /// The machine it belongs to, for kinds that belong to one.
    pub host: Option<HostId>,
    /// That it is a directory of another host, and where that is reached, in words; `None`: it can be reached from
    /// here. Set for whoever reads the record, and never stored.
    pub elsewhere: Option<String>,
    /// Whether it takes work.
    pub state: StorageState,
    /// `Connecting`, `Connected`, `Disconnected`.
    pub status: String,
    /// Bytes, as last seen.
    pub total_bytes: u64,
    /// Bytes, as last seen.
    pub available_bytes: u64,
    /// ms since 1970.
    pub create_ms: i64,
    /// ms since 1970.
    pub last_op_ms: i64,
}

impl Storage {
    /// The directory that its disks are below; `None` for a pool.
    pub fn directory(&self) -> Option<&str> {
        match self.kind {
            StorageKind::Local | StorageKind::SharedMountPoint | StorageKind::Nfs => {
                Some(self.mount.as_deref().unwrap_or(&self.url))
            }
            StorageKind::Ceph => None,
        }
    }

    /// What the wire calls `mountPath`: the directory, or the name of the kind for a pool.
    pub fn mount_path(&self) -> &str {
        self.directory().unwrap_or(StorageKind::Ceph.name())
    }
}

/// How a pool of a Ceph cluster is reached. It names files and holds no key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CephPool {
    /// Addresses of monitors, `host:port`; may be empty where `conf` names them.
    pub monitors: Vec<String>,
    /// Absolute path of a `ceph.conf` on each node.
    pub conf: Option<String>,
    /// Who logs in, without the `client.` in front.
    pub user: String,
    /// Absolute path of the keyring on each node; `None` where `conf` names it, or the cluster asks for none.
    pub keyring: Option<String>,
    /// The pool's name.
    pub pool: String,
    /// The cluster's fsid, as it was when the storage was added: another cluster behind the same address is
    /// another storage.
    pub fsid: String,
}

impl CephPool {
    /// The path of an image, as records have it.
    pub fn path(&self, image: &str) -> String {
        format!("ceph://{}/{image}", self.pool)
    }

    /// The image that such a path names; `None` for a path elsewhere.
    pub fn image<'p>(&self, path: &'p str) -> Option<&'p str> {
        let image = path.strip_prefix("ceph://")?.strip_prefix(self.pool.as_str())?.strip_prefix('/')?;
        (!image.is_empty() && !image.contains('/')).then_some(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_by_its_name() {
        for kind in StorageKind::ALL {
            assert_eq!(StorageKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(StorageKind::from_name("Floppy"), None);
    }

    #[test]
    fn a_path_names_an_image_of_its_own_pool_alone() {
        let pool = CephPool {
            monitors: Vec::new(),
            conf: None,
            user: "admin".to_owned(),
            keyring: None,
            pool: "ps-a".to_owned(),
            fsid: String::new(),
        };
        assert_eq!(pool.image(&pool.path("disk")), Some("disk"));
        for other in ["ceph://ps-ab/disk", "ceph://ps-a/", "ceph://ps-a/x/y", "/ps-a/disk", "ceph://ps-a"] {
            assert_eq!(pool.image(other), None, "{other}");
        }
    }
}
