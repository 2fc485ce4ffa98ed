//! A storage of each kind that a disk can be on (a directory with raw files, one with qcow2 images, a pool), made,
//! filled, listed and read back by programs that are not ours.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::client::{Client, text};
use crate::cluster::{self, Pool, rbd};
use crate::place::{Place, assert_clean, files, guest_sha256, qemu_img, sha256, shown};

/// What a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A raw file.
    Raw,
    /// A qcow2 image.
    Qcow2,
    /// An image of a pool.
    Rbd,
}

impl Kind {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Rbd => "rbd",
        }
    }

    /// As the volume's record calls it.
    pub fn format(self) -> &'static str {
        if self == Self::Qcow2 { "qcow2" } else { "raw" }
    }
}

/// Where a storage keeps its disks.
#[derive(Debug)]
enum Where {
    Dir(String),
    Pool(Pool),
}

/// A storage at a server, and what it is.
#[derive(Debug)]
pub struct Side {
    /// What its disks are.
    pub kind: Kind,
    /// Its uuid.
    pub uuid: String,
    place: Where,
}

impl Side {
    /// A new storage, called `name`; its pool is called after `test`.
    pub fn new(client: &Client, kind: Kind, test: &str, name: &str, place: &Place) -> Self {
        if kind != Kind::Rbd {
            let dir = place.dir(name);
            return Self { kind, uuid: client.add_storage(name, &dir), place: Where::Dir(dir) };
        }
        let pool = Pool::new(&format!("kill-{test}-{name}"));
        let params = json!({
            "name": name, "conf": cluster::conf(), "user": "longhaul", "keyring": cluster::keyring(),
            "dataVolumePoolName": pool.0,
        });
        let made = client.ok("POST", "/primary-storage/ceph", &json!({"params": params}));
        Self { kind, uuid: text(&made["inventory"]["uuid"]), place: Where::Pool(pool) }
    }

    /// Everything that is on it, sorted, but a directory's mark.
    pub fn listing(&self) -> Vec<String> {
        match &self.place {
            Where::Dir(dir) => files(dir),
            Where::Pool(pool) => pool.images(),
        }
    }

    /// What `listing` has for the disk at `path`, of the volume `volume`.
    pub fn listed(&self, path: &str, volume: &str) -> Vec<String> {
        match &self.place {
            Where::Dir(dir) => {
                let file = Path::new(path).strip_prefix(dir).expect("below the storage");
                vec![volume.to_owned(), shown(file)]
            }
            Where::Pool(pool) => {
                let start = format!("ceph://{}/", pool.0);
                vec![path.strip_prefix(&start).expect("in the pool").to_owned()]
            }
        }
    }

    /// The path of what `listing` calls `listed`.
    pub fn path_of(&self, listed: &str) -> String {
        match &self.place {
            Where::Dir(dir) => format!("{dir}/{listed}"),
            Where::Pool(pool) => format!("ceph://{}/{listed}", pool.0),
        }
    }

    /// Puts the bytes of `master` there as a disk of this kind; its path.
    pub fn put(&self, name: &str, master: &Path) -> String {
        match &self.place {
            Where::Dir(dir) => {
                let disk = Path::new(dir).join(name);
                match self.kind {
                    Kind::Qcow2 => {
                        qemu_img(&["convert", "-f", "raw", "-O", "qcow2", &shown(master), &shown(&disk)]);
                    }
                    _ => fs::copy(master, &disk).map(|_| ()).unwrap(),
                }
                shown(&disk)
            }
            Where::Pool(pool) => {
                rbd(&["import", "--no-progress", &shown(master), &format!("{}/{name}", pool.0)]);
                format!("ceph://{}/{name}", pool.0)
            }
        }
    }

    /// Bytes that clients wrote to the pool; `None` for a directory.
    pub fn pool_written(&self) -> Option<u64> {
        match &self.place {
            Where::Dir(_) => None,
            Where::Pool(pool) => Some(pool.written()),
        }
    }

    /// The storage's directory; `None` for a pool.
    pub fn dir(&self) -> Option<&Path> {
        match &self.place {
            Where::Dir(dir) => Some(Path::new(dir)),
            Where::Pool(_) => None,
        }
    }
}

/// SHA-256 of the guest's bytes of the disk at `path`, by `qemu-img convert` or `rbd export`; the disk is clean.
pub fn guest_sum(kind: Kind, path: &str, scratch: &Path) -> String {
    let Some(image) = path.strip_prefix("ceph://") else {
        let file = PathBuf::from(path);
        assert_clean(&file, kind.format());
        // A witness beside the disk would be a stray file there.
        if kind == Kind::Raw {
            return sha256(&file);
        }
        let link = scratch.with_extension("disk");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let sum = guest_sha256(&link, kind.format());
        fs::remove_file(link).unwrap();
        return sum;
    };
    cluster::export(image, scratch);
    let sum = sha256(scratch);
    fs::remove_file(scratch).unwrap();
    sum
}
