//! A holder paused past its lease, server and copier both: the copier that wakes up before its server writes nothing,
//! on each kind of target, and the attempt that takes over goes on and ends bit for bit. The control is woken within
//! its lease, and goes on itself. Two attempts side by side: `jobs`, its tests `fences`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{MIGRATE, text};
use crate::cluster::{self, ceph, rbd};
use crate::disks::throttle;
use crate::kinds::{Kind, Side, guest_sum};
use crate::place::{MIB, PATIENCE, Place, raw_disk, sha256, until};
use crate::process;
use crate::server::Plan;

const DISK: u64 = 64 * MIB + 512;
const RATE: u64 = 16 * MIB;
/// A lease is 4 s; on a busy machine the last confirmation comes late.
const PAST_THE_LEASE: Duration = Duration::from_secs(6);

/// The bytes of a half-filled target, by SHA-256: of the file as it is, or of the image by `rbd export`.
fn bytes(path: &str, scratch: &Path) -> String {
    match path.strip_prefix("ceph://") {
        None => sha256(Path::new(path)),
        Some(image) => {
            cluster::export(image, scratch);
            sha256(scratch)
        }
    }
}

/// The address by which the cluster knows who has the image open.
fn watcher(image: &str) -> String {
    let told: Value = serde_json::from_str(&rbd(&["status", "--format", "json", image])).unwrap();
    text(&told["watchers"][0]["address"])
}

fn paused(kind: Kind, past_the_lease: bool) {
    let test = format!("fence-{}-{past_the_lease}", kind.name());
    let _turn = (kind == Kind::Rbd).then(|| cluster::turn(false));
    let place = Place::new(&test);
    let plan = Plan::new(&place).set("copy.checkpointMillis=200");
    let server = plan.start();
    let client = &server.client;
    let from = Side::new(client, Kind::Raw, &test, "from", &place);
    let to = Side::new(client, kind, &test, "to", &place);
    let master = place.path("master");
    raw_disk(&master, DISK, 7);
    let volume = client.adopt(&from.uuid, &from.put("disk", &master));
    let mut data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid});
    if kind != Kind::Rbd {
        data["format"] = json!(kind.format());
    }
    let job = client.submit(MIGRATE, &data, &[&throttle(RATE)]);
    let copier = until("a quarter is copied", PATIENCE, || {
        let (stage, done, total) = client.progress(&client.job(&job));
        let copiers = server.copiers();
        let copier = copiers.into_iter().find(|pid| process::has_thread(*pid, "lease"))?;
        (stage == "copying" && done >= total / 4).then_some(copier)
    });
    // A directory has one directory for the volume, and the copy in it.
    let target = to.path_of(to.listing().last().expect("the copy"));
    let address = target.strip_prefix("ceph://").map(watcher);
    let shut_out = |address: &str| ceph(&["osd", "blocklist", "ls"]).contains(address);
    assert!(!address.as_deref().is_some_and(shut_out));
    let scratch = place.path("witness");
    assert!(process::stop(server.pid()) && process::stop(copier));
    let began = Instant::now();
    if past_the_lease {
        let (before, io) = (bytes(&target, &scratch), process::io(copier).unwrap());
        until("the lease is over", PAST_THE_LEASE * 2, || (began.elapsed() > PAST_THE_LEASE).then_some(()));
        process::signal(copier, Signal::CONT);
        process::wait_gone(copier);
        // Not waited for by its server yet, so the kernel still has its figures.
        assert_eq!(process::io(copier).unwrap().write_bytes, io.write_bytes, "by the kernel's word");
        assert_eq!(bytes(&target, &scratch), before, "by the storage's word");
    } else {
        process::signal(copier, Signal::CONT);
    }
    process::signal(server.pid(), Signal::CONT);
    let job = client.final_job(&job, PATIENCE * 2);
    assert_eq!(job["state"], "Succeeded", "{job}\n{}", plan.log());
    // In the control it was the woken one that wrote the rest.
    assert_eq!(plan.log().contains("the copying process ended"), past_the_lease, "{}", plan.log());
    if let Some(address) = &address {
        assert_eq!(shut_out(address), past_the_lease, "{address} on the cluster's blocklist");
    }
    let moved = text(&client.volume(&volume)["installPath"]);
    assert_eq!(guest_sum(kind, &moved, &scratch), sha256(&master));
    assert_eq!(to.listing(), to.listed(&moved, &volume), "one copy and nothing else");
    let _ = fs::remove_file(&scratch);
    drop(server);
}

#[test]
fn a_copier_of_a_raw_target_woken_past_its_lease_writes_nothing() {
    paused(Kind::Raw, true);
    paused(Kind::Raw, false);
}

#[test]
fn a_copier_of_a_qcow2_target_woken_past_its_lease_writes_nothing() {
    paused(Kind::Qcow2, true);
    paused(Kind::Qcow2, false);
}

#[test]
fn a_copier_of_an_image_woken_past_its_lease_writes_nothing_and_is_shut_out() {
    paused(Kind::Rbd, true);
    paused(Kind::Rbd, false);
}
