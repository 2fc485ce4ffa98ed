//! The Ceph cluster of the tests, as its own programs see it: pools of one test, their images, the OSD killed and
//! started again. `tests/tools/ceph-dev-cluster.sh` starts it, with cephx.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::place::{PATIENCE, said, shown, until};
use crate::process;

/// Names the ceph.conf.
const CONF: &str = "LONGHAUL_TEST_CEPH_CONF";

/// The cluster's ceph.conf.
pub fn conf() -> PathBuf {
    let conf = std::env::var_os(CONF).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "{CONF} is not set: start a cluster and name its conf,\n  export {CONF}=$(CEPH_DEV_CEPHX=1 \
             tests/tools/ceph-dev-cluster.sh start DIR)"
        )
    });
    assert!(conf.exists(), "{} is not there; start the cluster again", conf.display());
    conf
}

/// The key of the restricted user that storages are added with.
pub fn keyring() -> String {
    shown(&conf().with_file_name("client.longhaul.keyring"))
}

/// A turn at the cluster: with others, or alone while its OSD is killed, since the others would wait for that in vain.
pub fn turn(alone: bool) -> File {
    let file = File::create(conf().with_file_name("tests.lock")).unwrap();
    if alone {
        file.lock().unwrap()
    } else {
        file.lock_shared().unwrap()
    }
    file
}

fn words<'a>(conf: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    ["--conf", conf].into_iter().chain(args.iter().copied()).collect()
}

/// What `rbd` says, as the cluster's admin.
pub fn rbd(args: &[&str]) -> String {
    said("rbd", &words(&shown(&conf()), args))
}

/// What `ceph` says, as the cluster's admin.
pub fn ceph(args: &[&str]) -> String {
    said("ceph", &words(&shown(&conf()), args))
}

/// A pool of one test, made empty and deleted at its end.
#[derive(Debug)]
pub struct Pool(pub String);

impl Pool {
    /// The pool of that name.
    pub fn new(name: &str) -> Self {
        let pool = Self(name.to_owned());
        pool.delete();
        ceph(&["osd", "pool", "create", name, "8"]);
        rbd(&["pool", "init", name]);
        pool
    }

    fn delete(&self) {
        ceph(&["osd", "pool", "delete", &self.0, &self.0, "--yes-i-really-really-mean-it"]);
    }

    /// Its images, and what is in its trash.
    pub fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = rbd(&["ls", &self.0]).lines().map(str::to_owned).collect();
        images.extend(rbd(&["trash", "ls", &self.0]).lines().map(|line| format!("in rbd's trash: {line}")));
        images.sort();
        images
    }

    /// Bytes that clients wrote to it so far, by the word of the OSD, which is some seconds old.
    pub fn written(&self) -> u64 {
        let told = said("rados", &words(&shown(&conf()), &["df", "-f", "json"]));
        let told: Value = serde_json::from_str(&told).unwrap();
        let pool = told["pools"].as_array().unwrap().iter().find(|pool| pool["name"] == *self.0);
        pool.and_then(|pool| pool["write_bytes"].as_u64()).expect("the pool's figures")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.delete();
        }
    }
}

/// Writes the bytes of the image `pool/name` to a file, by `rbd export`.
pub fn export(image: &str, to: &Path) {
    let _ = fs::remove_file(to);
    rbd(&["export", "--no-progress", image, &shown(to)]);
}

/// The image is in nobody's hands: no watcher, no lock.
pub fn assert_let_go(image: &str) {
    until("nobody has the image open", PATIENCE, || {
        rbd(&["status", image]).contains("Watchers: none").then_some(())
    });
    assert_eq!(rbd(&["lock", "ls", image]).trim(), "", "no lock is left on {image}");
}

/// The names of an image's snapshots.
pub fn snapshots(image: &str) -> Vec<String> {
    let told: Value = serde_json::from_str(&rbd(&["snap", "ls", "--format", "json", image])).unwrap();
    told.as_array().unwrap().iter().map(|snap| snap["name"].as_str().unwrap().to_owned()).collect()
}

/// Kills the cluster's one OSD and starts it again. For who has its turn alone.
pub fn kill_and_restart_osd() {
    let dir = conf().parent().unwrap().to_owned();
    let pid = fs::read_to_string(dir.join("osd.0.pid")).unwrap().trim().parse().unwrap();
    process::signal(pid, Signal::KILL);
    process::wait_gone(pid);
    // Else the script takes the old one for up.
    ceph(&["osd", "down", "0"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tools/ceph-dev-cluster.sh");
    let started = Command::new(script).arg("start").arg(&dir).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
}
