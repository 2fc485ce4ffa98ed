//! The cluster of the tests and what they ask it: `tests/tools/ceph-dev-cluster.sh` starts it, with cephx.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use longhaul_jobs::rbd::{CephPool, Pool};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// Names the ceph.conf.
const CONF: &str = "LONGHAUL_TEST_CEPH_CONF";

pub fn conf() -> PathBuf {
    let conf = std::env::var_os(CONF).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "{CONF} is not set: start a cluster and name its conf,\n  export {CONF}=$(CEPH_DEV_CEPHX=1 \
             tests/tools/ceph-dev-cluster.sh start DIR)\n(it needs the packages ceph-mon ceph-mgr ceph-osd \
             ceph-common)"
        )
    });
    assert!(conf.exists(), "{} is not there; start the cluster again", conf.display());
    turn(&conf);
    conf
}

/// A file that each process of a test holds a lock on: shared, but alone while it stops the OSD or the monitor, since the
/// others would wait for that in vain.
fn turn(conf: &Path) -> &'static File {
    static TURN: OnceLock<File> = OnceLock::new();
    TURN.get_or_init(|| {
        let file = File::create(conf.with_file_name("tests.lock")).unwrap();
        flock(&file, FlockOperation::LockShared).unwrap();
        file
    })
}

/// A file of the cluster's directory.
pub fn file(name: &str) -> PathBuf {
    conf().parent().unwrap().join(name)
}

/// The pool by the restricted user and its key, without a conf, as a storage is added by its monitors.
pub fn pool_named(pool: &str) -> CephPool {
    let told = ceph(&["mon", "dump", "-f", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let address = told["mons"][0]["public_addrs"]["addrvec"][0]["addr"].as_str().unwrap();
    CephPool {
        monitors: vec![address.to_owned()],
        conf: None,
        user: "longhaul".into(),
        keyring: Some(file("client.longhaul.keyring").to_str().unwrap().into()),
        pool: pool.into(),
        fsid: String::new(),
    }
}

pub fn pool() -> Pool {
    Pool::connect(&pool_named("ps-a")).unwrap()
}

fn run(program: &str, args: &[&str]) -> Output {
    let conf = conf();
    Command::new(program)
        .args(["--conf", conf.to_str().unwrap()])
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn said(program: &str, args: &[&str]) -> String {
    let out = run(program, args);
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

pub fn rbd(args: &[&str]) -> String {
    said("rbd", args)
}

pub fn ceph(args: &[&str]) -> String {
    said("ceph", args)
}

/// The bytes of an image as the `rbd` program sees them.
pub fn exported(spec: &str, to: &Path) -> Vec<u8> {
    let _ = std::fs::remove_file(to);
    rbd(&["export", "--no-progress", spec, to.to_str().unwrap()]);
    let bytes = std::fs::read(to).unwrap();
    std::fs::remove_file(to).unwrap();
    bytes
}

/// The job of the tests' copies: snapshots of copies are known by such names.
pub const JOB: &str = "0123456789abcdef0123456789abcdef";

/// Who was killed counts as a client of an image until the cluster has missed it for half a minute, or is told.
pub fn forget_clients(spec: &str) {
    while let Some(client) = rbd(&["status", spec]).split_once("watcher=").map(|(_, rest)| rest.to_owned()) {
        ceph(&["osd", "blocklist", "add", client.split(' ').next().unwrap(), "60"]);
    }
}

/// An image of one test, removed at its begin and end with its snapshots.
pub struct Named(pub String);

impl Named {
    /// In the pool `ps-a`.
    pub fn new(name: &str) -> Self {
        Self::in_pool("ps-a", name)
    }

    pub fn in_pool(pool: &str, name: &str) -> Self {
        conf();
        let this = Self(format!("{pool}/{name}"));
        this.remove();
        this
    }

    /// Without the pool.
    pub fn image(&self) -> &str {
        self.0.split_once('/').unwrap().1
    }

    pub fn remove(&self) {
        run("rbd", &["snap", "purge", "--no-progress", &self.0]);
        run("rbd", &["rm", "--no-progress", &self.0]);
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The cluster is this test's alone until this is dropped. Taken before what is to meet a stopped daemon begins: while it is
/// waited for, others stop daemons, and a copy that runs ends or fails by theirs.
pub struct Alone(());

impl Alone {
    /// Waits until nobody else uses it.
    pub fn wait() -> Self {
        flock(turn(&conf()), FlockOperation::LockExclusive).unwrap();
        Self(())
    }

    /// Stops its OSD.
    pub fn stop_osd(self) -> Stopped {
        Stopped::daemon("osd.0.pid", self)
    }

    /// Stops its monitor.
    pub fn stop_monitor(self) -> Stopped {
        Stopped::daemon("mon.a.pid", self)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        flock(turn(&conf()), FlockOperation::LockShared).unwrap();
    }
}

/// The cluster's one OSD, or its monitor, stopped by a signal until this is dropped: it answers nothing meanwhile.
pub struct Stopped {
    daemon: Pid,
    _alone: Alone,
}

impl Stopped {
    fn daemon(pid_file: &str, alone: Alone) -> Self {
        let pid = std::fs::read_to_string(file(pid_file)).unwrap();
        let daemon = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(daemon, Signal::STOP).unwrap();
        Self { daemon, _alone: alone }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Goes on before the others do: fields are dropped after this.
        kill_process(self.daemon, Signal::CONT).unwrap();
    }
}
