//! Sixty volumes leave a storage while the server is killed once and a virtual machine holds one of them: the report
//! is complete, 59 hashes are those of the guests' bytes, one blocker is named, nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::in_use::Vm;
use crate::place::{
    MIB, PATIENCE, Place, assert_clean, disk, files, guest_blake3, guest_sha256, shown, until,
};
use crate::process;
use crate::server::Plan;

const VOLUMES: u64 = 60;
/// Which of them is held.
const HELD: u64 = 30;
const LONG: Duration = Duration::from_secs(300);

struct Disk {
    path: PathBuf,
    format: &'static str,
    sha256: String,
}

/// A checksum of the report's own, and the parts of the progress: percent, done.
fn progress(client: &Client, job: &str) -> (u64, u64) {
    let job = client.job(job);
    let rows = client.many(&format!("/task-progresses/{}", text(&job["apiId"])));
    let row = rows.first().cloned().unwrap_or_default();
    let percent = row["content"].as_str().and_then(|c| c.parse().ok()).unwrap_or(0);
    (percent, row["opaque"]["parts"]["done"].as_u64().unwrap_or(0))
}

#[test]
fn sixty_volumes_of_mixed_formats_leave_a_storage_over_a_kill_and_the_report_names_each() {
    let place = Place::new("evacuate");
    let plan = Plan::new(&place).set("copy.bytesPerSecond=8388608");
    let mut server = plan.start();
    let (from, to, other) = (place.dir("from"), place.dir("to"), place.dir("other"));
    let [from_uuid, to_uuid, other_uuid] = [("from", &from), ("to", &to), ("other", &other)]
        .map(|(name, dir)| server.client.add_storage(name, dir));
    let mut disks = BTreeMap::new();
    let mut held = String::new();
    for n in 0..VOLUMES {
        let format = if n % 2 == 0 { "raw" } else { "qcow2" };
        let path = Path::new(&from).join(format!("disk-{n}"));
        disk(&path, format, MIB + n % 3 * MIB / 2, n + 1);
        let sha256 = guest_sha256(&path, format);
        let volume = server.client.adopt(&from_uuid, &shown(&path));
        if n == HELD {
            held.clone_from(&volume);
        }
        disks.insert(volume, Disk { path, format, sha256 });
    }
    let vm = Vm::holding_file(&disks[&held].path, disks[&held].format, false);

    let body =
        json!({"evacuatePrimaryStorage": {"dstPrimaryStorageUuids": [to_uuid, other_uuid], "parallel": 4}});
    let started = server.client.ok("PUT", &format!("/primary-storage/{from_uuid}/actions"), &body);
    let job = text(&started["inventory"]["uuid"]);

    // In the middle, with jobs on their way.
    let (percent, done) = until("a third is done and some are being copied", LONG, || {
        let (percent, done) = progress(&server.client, &job);
        (done >= VOLUMES / 3 && !server.copiers().is_empty()).then_some((percent, done))
    });
    assert!(done < VOLUMES - 1, "the kill comes in the middle, not after {done}");
    let copiers = server.copiers();
    server.kill();
    copiers.into_iter().for_each(process::wait_gone);
    server = plan.start();
    let client = server.client.clone();
    let mut last = percent;
    until("the evacuation ends", LONG, || {
        let (now, _) = progress(&client, &job);
        assert!(now >= last, "progress goes back from {last} to {now}");
        last = now;
        let state = client.state(&job);
        assert!(["Running", "Succeeded"].contains(&state.as_str()), "{}", client.job(&job));
        (state == "Succeeded").then_some(())
    });

    let report = client.ok("GET", &format!("/longjobs/{job}/evacuation"), &Value::Null);
    let counts =
        ["moved", "blocked", "failed", "pending", "notTaken"].map(|key| report[key].as_u64().unwrap());
    assert_eq!(counts, [VOLUMES - 1, 1, 0, 0, 0], "{report}");
    assert_eq!(report["complete"], false);
    let rows = report["volumes"].as_array().unwrap();
    let named: BTreeSet<_> = rows.iter().map(|row| text(&row["volumeUuid"])).collect();
    assert_eq!(named, disks.keys().cloned().collect(), "each volume once");
    assert_eq!(rows.len(), disks.len());
    let mut children = BTreeSet::new();
    for row in rows {
        let uuid = text(&row["volumeUuid"]);
        let disk = &disks[&uuid];
        let volume = client.volume(&uuid);
        if uuid == held {
            assert_eq!(row["result"], "blocked");
            let why = text(&row["detail"]);
            assert!(
                why.contains(&format!("pid {}", vm.pid())) && why.contains("qemu-system-x86_64"),
                "{why}"
            );
            assert_eq!(volume["primaryStorageUuid"], *from_uuid);
            assert_eq!(volume["installPath"], *shown(&disk.path));
            continue;
        }
        assert_eq!(row["result"], "moved", "{row}");
        assert!([&to_uuid, &other_uuid].iter().any(|to| volume["primaryStorageUuid"] == **to), "{volume}");
        assert_eq!(volume["primaryStorageUuid"], row["dstPrimaryStorageUuid"]);
        let target = PathBuf::from(text(&volume["installPath"]));
        assert_clean(&target, disk.format);
        assert_eq!(guest_sha256(&target, disk.format), disk.sha256, "the guest's bytes of {uuid}");
        assert_eq!(
            text(&row["blake3"]),
            guest_blake3(&target, disk.format),
            "the hash of {uuid} in the report"
        );
        children.insert(text(&row["jobUuid"]));
    }
    assert_eq!(children.len() as u64, VOLUMES - 1, "one job for each");
    let jobs = client.many("/longjobs?q=jobName=APIPrimaryStorageMigrateVolumeMsg&limit=1000");
    assert_eq!(jobs.len() as u64, VOLUMES - 1, "and none twice");

    // Nothing is left over: on the source the trash and the disk in use, on the targets the volumes.
    let mut left: BTreeSet<_> = client.trash(&from_uuid).iter().map(|t| text(&t["installPath"])).collect();
    assert_eq!(left.len() as u64, VOLUMES - 1);
    left.insert(shown(&disks[&held].path));
    let there: BTreeSet<_> = files(&from).iter().map(|f| shown(&Path::new(&from).join(f))).collect();
    assert_eq!(there, left);
    let moved: usize =
        [&to, &other].iter().map(|dir| files(dir).iter().filter(|f| f.contains('/')).count()).sum();
    assert_eq!(moved as u64, VOLUMES - 1, "one file for each volume");
    for storage in [&from_uuid, &to_uuid, &other_uuid] {
        assert_eq!(client.scan(storage), Vec::<Value>::new());
    }
    until("no process is left", PATIENCE, || server.copiers().is_empty().then_some(()));
}
