//! What a canceled job made in pools of a real Ceph cluster: all that can be removed is, and the rest is told. Witness
//! from outside: `rbd`. `LONGHAUL_TEST_CEPH_CONF` names the cluster.

use std::process::Command;

use serde_json::json;

use crate::ceph::{add, conf, rbd, turn};
use crate::support::disks::MIGRATE;
use crate::support::{Server, until, uuid};

/// A pool of this test, gone with it.
struct Own(String);

impl Own {
    fn new() -> Self {
        let this = Self(format!("undo-{}", uuid()));
        this.ceph(&["osd", "pool", "create", &this.0, "8"]);
        this.ceph(&["osd", "pool", "application", "enable", &this.0, "rbd"]);
        this
    }

    fn ceph(&self, args: &[&str]) {
        let output = Command::new("ceph").arg("--conf").arg(conf()).args(args).output().expect("ceph");
        assert!(output.status.success(), "ceph {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn delete(&self) {
        self.ceph(&["config", "set", "mon", "mon_allow_pool_delete", "true"]);
        self.ceph(&["osd", "pool", "rm", &self.0, &self.0, "--yes-i-really-really-mean-it"]);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.delete();
    }
}

#[test]
fn a_cancel_removes_the_snapshot_of_the_source_though_the_target_pool_is_gone_and_tells_what_is_left() {
    let _turn = turn();
    let server = Server::start("fast", &["--set", "copy.bytesPerSecond=1048576"]);
    let admin = server.admin();
    let own = Own::new();
    let [from, to] = ["ps-a", &own.0]
        .map(|pool| add(&admin, pool).inventory()["uuid"].as_str().expect("a uuid").to_owned());
    let image = format!("ps-a/source-{}", uuid());
    rbd(&["create", "--size", "64M", &image]);
    rbd(&["bench", "--io-type", "write", "--io-size", "1M", "--io-total", "64M", &image]);
    let params = json!({"name": "d", "primaryStorageUuid": from, "installPath": format!("ceph://{image}")});
    let disk = admin.post("/volumes/adopt", &json!({"params": params})).inventory();
    let data = json!({"volumeUuid": disk["uuid"], "dstPrimaryStorageUuid": to}).to_string();
    let call = json!({"params": {"jobName": MIGRATE, "jobData": data}});
    let job = admin.post("/longjobs", &call).inventory()["uuid"].as_str().expect("a uuid").to_owned();
    let snapshots = || rbd(&["snap", "ls", &image]);
    until("the copy has its snapshot", || snapshots().contains("longhaul-").then_some(()));
    until("the copy has its image", || rbd(&["ls", &own.0]).contains(&job).then_some(()));
    own.delete();
    admin.act(&job, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&job, "Canceled");
    let told = admin.job(&job).expect("the job")["jobResult"].to_string();
    let left = snapshots();
    assert!(!left.contains("longhaul-"), "the source's pool is fine, so its snapshot goes: {left}; {told}");
    assert!(told.contains("notRemoved") && told.contains(&format!("ceph://{}/", own.0)), "{told}");
    rbd(&["rm", "--no-progress", &image]);
}
