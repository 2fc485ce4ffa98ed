//! Backup storages: where images are kept. What is done with them is in `jobs`.

use super::{CephPool, StorageState};
use crate::id::{BackupStorageId, HostId};

/// What a backup storage is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackupStorageKind {
    /// A directory; it answers as an image store.
    ImageStore,
    /// A pool of RBD images.
    Ceph,
}

impl BackupStorageKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ImageStore, Self::Ceph];

    /// The name on the wire, `type`, and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageStore => "ImageStoreBackupStorage",
            Self::Ceph => "Ceph",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A backup storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupStorage {
    /// Its uuid.
    pub id: BackupStorageId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it is made of.
    pub kind: BackupStorageKind,
    /// Where it is: an absolute directory; `ceph://<fsid>/<pool>` for `Ceph`.
    pub url: String,
    /// How the pool is reached, for `Ceph`.
    pub pool: Option<CephPool>,
    /// The machine whose directory it is; `None` for one that every node sees.
    pub host: Option<HostId>,
    /// That it is a directory of another host, and where that is reached, in words; `None`: it can be reached from
    /// here. Set for whoever reads the record, and never stored.
    pub elsewhere: Option<String>,
    /// The name or address that it was added with; shown, not connected to.
    pub host_name: Option<String>,
    /// The user that it was added with; shown, not used.
    pub username: Option<String>,
    /// The port that it was added with; shown, not connected to.
    pub ssh_port: Option<u16>,
    /// Whether it takes work; never `Maintenance`.
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

impl BackupStorage {
    /// The directory that its images are below; `None` for a pool.
    pub fn directory(&self) -> Option<&str> {
        match self.kind {
            BackupStorageKind::ImageStore => Some(&self.url),
            BackupStorageKind::Ceph => None,
        }
    }

    /// Whether it takes new images now.
    pub fn is_usable(&self) -> bool {
        self.state == StorageState::Enabled && self.status == "Connected"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_by_its_name() {
        for kind in BackupStorageKind::ALL {
            assert_eq!(BackupStorageKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(BackupStorageKind::from_name("SftpBackupStorage"), None);
    }
}
