//! Emptying a storage: what the plan tells and that it stores nothing, what is refused, what is reported.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::disks::Pool;
use crate::support::{Caller, Server, until};

const EVACUATE: &str = "APIEvacuatePrimaryStorageMsg";

fn start(admin: &Caller, from: &Pool, targets: &[&Pool]) -> String {
    start_of(admin, from, targets, 2)
}

fn start_of(admin: &Caller, from: &Pool, targets: &[&Pool], parallel: u32) -> String {
    let body =
        json!({"evacuatePrimaryStorage": {"dstPrimaryStorageUuids": uuids(targets), "parallel": parallel}});
    let job = admin.put(&format!("/primary-storage/{}/actions", from.uuid), &body).inventory();
    assert_eq!((&job["jobName"], &job["targetResourceUuid"]), (&json!(EVACUATE), &json!(from.uuid)), "{job}");
    job["uuid"].as_str().expect("a uuid").to_owned()
}

fn uuids(pools: &[&Pool]) -> Vec<String> {
    pools.iter().map(|pool| pool.uuid.clone()).collect()
}

fn plan(admin: &Caller, from: &Pool, to: &Pool) -> Value {
    admin
        .get(&format!(
            "/primary-storage/{}/evacuation-plan?dstPrimaryStorageUuids={}&parallel=3",
            from.uuid, to.uuid
        ))
        .ok()
}

fn report(admin: &Caller, job: &str) -> Value {
    admin.get(&format!("/longjobs/{job}/evacuation")).ok()
}

fn jobs(admin: &Caller) -> usize {
    admin.get("/longjobs").ok()["inventories"].as_array().map_or(0, Vec::len)
}

fn on(admin: &Caller, pool: &Pool) -> usize {
    let found = admin.get(&format!("/volumes?q=primaryStorageUuid={}", pool.uuid)).ok();
    found["inventories"].as_array().map_or(0, Vec::len)
}

fn set(admin: &Caller, pool: &str, event: &str) {
    let body = json!({"changePrimaryStorageState": {"stateEvent": event}});
    admin.put(&format!("/primary-storage/{pool}/actions"), &body).ok();
}

/// The rows of the report in that result.
fn rows(admin: &Caller, job: &str, result: &str) -> Vec<Value> {
    let told = report(admin, job);
    let rows = told["volumes"].as_array().cloned().unwrap_or_default();
    rows.into_iter().filter(|row| row["result"] == result).collect()
}

/// So many rows that run, once there are; by their targets.
fn running(admin: &Caller, job: &str, many: usize) -> Vec<Value> {
    until("volumes are on their way", || {
        let mut found = rows(admin, job, "running");
        found.sort_by_key(|row| row["dstPrimaryStorageUuid"].to_string());
        let runs = |row: &Value| admin.state(text(row, "jobUuid")) == "Running";
        (found.len() == many && found.iter().all(runs)).then_some(found)
    })
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("no {key}: {row}"))
}

/// Waits until the job is Suspended for a storage, says why, and sees that it stays so over some rounds of the watch.
#[allow(clippy::disallowed_methods, reason = "that nothing happens is seen after a while only")]
fn stays_suspended(admin: &Caller, job: &str) -> String {
    admin.wait_for(job, "Suspended");
    let happened = || admin.get(&format!("/longjobs/{job}/timeline")).ok()["inventories"].clone();
    let before = happened();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(happened(), before, "it goes on for nothing");
    let told = admin.get(&format!("/longjobs/{job}/explain")).ok();
    assert_eq!(told["reasons"][0]["reason"], "storageAway", "{told}");
    told.to_string()
}

/// A server that looks at its storages each second and copies slowly.
fn slow() -> Server {
    Server::start("fast", &["--set", "copy.bytesPerSecond=4194304", "--set", "storage.watchSeconds=1"])
}

/// A virtual machine that never runs but has a disk.
struct Vm(Child);

impl Vm {
    fn holding(path: &str) -> Self {
        let drive = format!("file={path},format=raw,if=none,id=disk");
        let words = ["-machine", "q35", "-accel", "tcg", "-m", "32", "-S", "-nodefaults", "-display", "none"];
        let disk = ["-monitor", "none", "-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
        let child = Command::new("qemu-system-x86_64")
            .args(words.into_iter().chain(disk))
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-x86_64, from Debian's qemu-system-x86");
        let mut vm = Self(child);
        // While it starts it takes the lock, gives it back and takes it again.
        let mut looks = 0;
        until("QEMU holds the disk", || {
            assert!(vm.0.try_wait().expect("its status").is_none(), "QEMU ended");
            let locks = std::fs::read_dir(format!("/proc/{}/fdinfo", vm.0.id())).ok()?;
            let mut infos = locks.flatten().filter_map(|e| std::fs::read_to_string(e.path()).ok());
            let held = infos.any(|i| i.lines().any(|l| l.contains("lock:") && l.contains(" 101")));
            looks = if held { looks + 1 } else { 0 };
            (looks >= 10).then_some(())
        });
        vm
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn path_of(admin: &Caller, volume: &str) -> String {
    let found = admin.get(&format!("/volumes/{volume}")).ok();
    found["inventories"][0]["installPath"].as_str().expect("a path").to_owned()
}

#[test]
fn a_plan_tells_bytes_target_time_and_blockers_of_each_volume_and_stores_nothing() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let (large, held) = (admin.full_volume(&from, 3), admin.full_volume(&from, 2));
    let vm = Vm::holding(&path_of(&admin, &held));
    let before = (jobs(&admin), std::fs::read_dir(&to.dir.0).expect("a directory").count());
    let told = plan(&admin, &from, &to);
    assert_eq!((&told["movable"], &told["blocked"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!((&told["parallel"], &told["rateFrom"]), (&json!(3), &json!("assumed")));
    assert_eq!(told["bytes"], json!(3 << 20));
    assert!(told["estimateSeconds"].as_u64() >= Some(1));
    let volumes = told["volumes"].as_array().expect("volumes");
    assert_eq!(volumes[0]["volumeUuid"], large.as_str(), "the largest first");
    assert_eq!(volumes[0]["dstPrimaryStorageUuid"], to.uuid.as_str());
    assert_eq!(volumes[0]["blockers"], json!([]));
    let why = volumes[1]["blockers"].to_string();
    assert!(why.contains(&format!("pid {}", vm.0.id())) && why.contains("qemu-system-x86_64"), "{why}");
    let after = (jobs(&admin), std::fs::read_dir(&to.dir.0).expect("a directory").count());
    assert_eq!(before, after, "nothing was stored");
    assert_eq!(on(&admin, &from), 2);
    // The dry run of the call tells the same.
    let body = json!({
        "evacuatePrimaryStorage": {"dstPrimaryStorageUuids": [to.uuid], "parallel": 3},
        "systemTags": ["validationOnly"],
    });
    let dry = admin.put(&format!("/primary-storage/{}/actions", from.uuid), &body).ok();
    assert_eq!(dry["plan"]["evacuation"]["volumes"][1]["blockers"], volumes[1]["blockers"], "{dry}");
    assert_eq!(jobs(&admin), before.0);
}

#[test]
fn all_but_what_is_in_use_is_moved_and_the_report_names_each() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, to, other) = (admin.pool(&json!({})), admin.pool(&json!({})), admin.pool(&json!({})));
    let moved: Vec<_> = (0..3).map(|_| admin.full_volume(&from, 1)).collect();
    let held = admin.full_volume(&from, 1);
    let vm = Vm::holding(&path_of(&admin, &held));
    let job = start(&admin, &from, &[&to, &other]);
    admin.wait_for(&job, "Succeeded");
    let told = report(&admin, &job);
    assert_eq!(
        (&told["complete"], &told["moved"], &told["blocked"]),
        (&json!(false), &json!(3), &json!(1)),
        "{told}"
    );
    let of = |uuid: &str| {
        let rows = told["volumes"].as_array().expect("volumes");
        rows.iter().find(|row| row["volumeUuid"] == uuid).cloned().expect("a row for each volume")
    };
    for uuid in &moved {
        let row = of(uuid);
        assert_eq!(
            (&row["result"], row["blake3"].as_str().map(str::len)),
            (&json!("moved"), Some(64)),
            "{row}"
        );
        let child = admin.job(row["jobUuid"].as_str().expect("a job")).expect("its job");
        assert_eq!(
            (&child["state"], &child["name"]),
            (&json!("Succeeded"), &json!("evacuate pool: volume full"))
        );
        let tags =
            admin.get(&format!("/system-tags?q=resourceUuid={}", row["jobUuid"].as_str().unwrap())).ok();
        assert_eq!(tags["inventories"][0]["tag"], format!("longhaul::parent::{job}").as_str(), "{tags}");
    }
    let row = of(&held);
    assert!(
        row["result"] == "blocked" && row["detail"].to_string().contains(&format!("pid {}", vm.0.id())),
        "{row}"
    );
    assert!(row.get("jobUuid").is_none(), "no job was made for it");
    let markdown = told["markdown"].as_str().expect("markdown");
    assert!(markdown.lines().filter(|l| l.starts_with("| ")).count() == 5, "{markdown}");
    assert_eq!(on(&admin, &from), 1);
    drop(vm);
    // The machine is off: the same job again takes what is left.
    admin.act(&job, "rerunLongJob", &json!({})).ok();
    until("the rest is moved", || (on(&admin, &from) == 0).then_some(()));
    admin.wait_for(&job, "Succeeded");
    let told = report(&admin, &job);
    assert_eq!((&told["complete"], &told["moved"]), (&json!(true), &json!(1)), "{told}");
    // And still tells what the run before moved, with its hashes and by which jobs.
    let earlier = told["earlier"].as_array().expect("rows");
    assert_eq!(earlier.len(), 3, "{told}");
    for uuid in &moved {
        let before = of(uuid);
        let row = earlier.iter().find(|row| row["volumeUuid"] == uuid.as_str()).expect("its row");
        for key in ["blake3", "jobUuid", "result", "name", "dstPrimaryStorageUuid"] {
            assert_eq!(row[key], before[key], "{key}: {row}");
        }
        assert!(
            told["markdown"].as_str().expect("markdown").contains(before["blake3"].as_str().expect("a hash"))
        );
    }
}

#[test]
fn of_two_evacuations_in_a_circle_none_tells_a_storage_empty_that_is_not() {
    let server = Server::start("fast", &["--set", "copy.bytesPerSecond=8388608"]);
    let admin = server.admin();
    let (a, b) = (admin.pool(&json!({})), admin.pool(&json!({})));
    for pool in [&a, &b] {
        admin.full_volume(pool, 12);
    }
    let jobs = [(start(&admin, &a, &[&b]), &a), (start(&admin, &b, &[&a]), &b)];
    for (job, _) in &jobs {
        admin.wait_for(job, "Succeeded");
    }
    assert_eq!(on(&admin, &a) + on(&admin, &b), 2, "no volume is lost");
    let told = jobs.map(|(job, pool)| {
        let told = report(&admin, &job);
        let arrived = told["arrivedMeanwhile"].as_array().expect("a list");
        assert_eq!(told["complete"] == false, !arrived.is_empty(), "{told}");
        assert!(on(&admin, pool) == 0 || told["complete"] == false, "{told}");
        for row in arrived {
            assert!(row["name"] == "full" && row["volumeUuid"].is_string(), "{row}");
            assert!(told["markdown"].as_str().expect("markdown").contains("Came to the storage meanwhile"));
        }
        told
    });
    assert!(told.iter().any(|told| told["complete"] == false), "{told:?}");
}

#[test]
fn what_cannot_be_evacuated_is_refused_with_what_to_do() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let ask = |caller: &Caller, source: &str, params: Value| {
        let body = json!({"evacuatePrimaryStorage": params});
        caller.put(&format!("/primary-storage/{source}/actions"), &body).error()
    };
    let itself = ask(&admin, &from.uuid, json!({"dstPrimaryStorageUuids": [from.uuid]}));
    assert!(itself.0 == "SYS.1007" && itself.1.contains("can not be emptied into itself"), "{itself:?}");
    let nowhere = "0123456789abcdef0123456789abcdef";
    let unknown = ask(&admin, nowhere, json!({"dstPrimaryStorageUuids": [to.uuid]}));
    assert!(unknown.0 == "SYS.1003" && unknown.1.contains(nowhere), "{unknown:?}");
    let unknown = ask(&admin, &from.uuid, json!({"dstPrimaryStorageUuids": [nowhere]}));
    assert!(unknown.0 == "SYS.1003" && unknown.1.contains("dstPrimaryStorageUuids"), "{unknown:?}");
    assert_eq!(ask(&admin, &from.uuid, json!({})).0, "SYS.1007");
    assert_eq!(
        ask(&admin, &from.uuid, json!({"dstPrimaryStorageUuids": [to.uuid], "parallel": 17})).0,
        "SYS.1007"
    );
    set(&admin, &to.uuid, "disable");
    let disabled = ask(&admin, &from.uuid, json!({"dstPrimaryStorageUuids": [to.uuid]}));
    assert!(disabled.1.contains("Disabled; enable it or choose another"), "{disabled:?}");
    let user = server.account("ben");
    let denied = ask(&user, &from.uuid, json!({"dstPrimaryStorageUuids": [to.uuid]}));
    assert!(denied.1.contains("admin only"), "{denied:?}");
    assert_eq!(jobs(&admin), 0);
    let other = admin.submit(&json!({"durationMs": 0}));
    let none = admin.get(&format!("/longjobs/{other}/evacuation")).error();
    assert!(none.1.contains(EVACUATE), "{none:?}");
}

#[test]
fn with_one_slot_an_evacuation_ends_and_a_cancel_cancels_its_jobs() {
    let server =
        Server::start("fast", &["--set", "engine.maxRunning=1", "--set", "copy.bytesPerSecond=1048576"]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    for _ in 0..3 {
        admin.full_volume(&from, 8);
    }
    let job = start(&admin, &from, &[&to]);
    until("a volume is on its way", || {
        let told = report(&admin, &job);
        let running = told["volumes"].as_array()?.iter().filter(|row| row["result"] == "running").count();
        (running == 2).then_some(())
    });
    admin.act(&job, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&job, "Canceled");
    let told = report(&admin, &job);
    assert_eq!(
        (&told["state"], &told["failed"], &told["moved"], &told["pending"]),
        (&json!("Canceled"), &json!(0), &json!(0), &json!(0)),
        "{told}"
    );
    let called_off = rows(&admin, &job, "canceled");
    assert_eq!(called_off.len(), 3, "what was begun and what was not: {told}");
    let begun: Vec<_> = called_off.iter().filter_map(|row| row["jobUuid"].as_str()).collect();
    assert!(begun.len() == 2 && begun.iter().all(|id| admin.state(id) == "Canceled"), "{told}");
    assert_eq!((on(&admin, &from), on(&admin, &to)), (3, 0));
    let scan = admin.get(&format!("/primary-storage/{}/scan", to.uuid)).ok();
    assert_eq!(scan["inventories"], json!([]), "nothing is left on the target");
    // And without the limit it ends, with one slot for all.
    let body = json!({"updateGlobalConfig": {"value": "0"}});
    admin.put("/global-configurations/longhaul/copy.bytesPerSecond/actions", &body).ok();
    admin.act(&job, "rerunLongJob", &json!({})).ok();
    until("all is moved", || (on(&admin, &from) == 0).then_some(()));
    admin.wait_for(&job, "Succeeded");
}

#[test]
fn a_job_that_waits_for_its_storage_keeps_no_place_from_a_volume_for_another() {
    let server = slow();
    let admin = server.admin();
    let (from, a, b) = (admin.pool(&json!({})), admin.pool(&json!({})), admin.pool(&json!({})));
    for _ in 0..2 {
        admin.full_volume(&from, 12);
    }
    let job = start_of(&admin, &from, &[&a, &b], 1);
    let waits = running(&admin, &job, 1).remove(0);
    set(&admin, text(&waits, "dstPrimaryStorageUuid"), "maintain");
    admin.wait_for(text(&waits, "jobUuid"), "Suspended");
    let moved = until("the other is moved meanwhile", || rows(&admin, &job, "moved").pop());
    assert_ne!(moved["dstPrimaryStorageUuid"], waits["dstPrimaryStorageUuid"]);
    // Nothing is left for the storage that is there: only the other brings the job on.
    let why = stays_suspended(&admin, &job);
    assert!(why.contains("Maintenance") && why.contains(text(&waits, "jobUuid")), "{why}");
    set(&admin, text(&waits, "dstPrimaryStorageUuid"), "enable");
    admin.wait_for(&job, "Succeeded");
    assert_eq!(rows(&admin, &job, "moved").len(), 2);
}

#[test]
fn with_every_target_in_maintenance_an_evacuation_is_suspended_until_one_is_enabled() {
    let server = slow();
    let admin = server.admin();
    let (from, a, b) = (admin.pool(&json!({})), admin.pool(&json!({})), admin.pool(&json!({})));
    for _ in 0..2 {
        admin.full_volume(&from, 12);
    }
    let job = start_of(&admin, &from, &[&a, &b], 1);
    let waits = running(&admin, &job, 1).remove(0);
    let (its, other) = if waits["dstPrimaryStorageUuid"] == a.uuid.as_str() { (&a, &b) } else { (&b, &a) };
    for pool in [other, its] {
        set(&admin, &pool.uuid, "maintain");
    }
    let why = stays_suspended(&admin, &job);
    assert!(why.contains("no storage that was named takes volumes; enable one"), "{why}");
    set(&admin, &other.uuid, "disable"); // lets go on what it took, which is nothing
    stays_suspended(&admin, &job);
    set(&admin, &other.uuid, "enable");
    until("the volume that has no job yet is moved", || rows(&admin, &job, "moved").pop());
    stays_suspended(&admin, &job);
    set(&admin, &its.uuid, "enable");
    admin.wait_for(&job, "Succeeded");
    assert_eq!((on(&admin, &from), rows(&admin, &job, "moved").len()), (0, 2));
}

#[test]
fn a_job_that_somebody_suspended_does_not_bring_on_an_evacuation_that_waits_for_a_storage() {
    let server = slow();
    let admin = server.admin();
    let (from, a, b) = (admin.pool(&json!({})), admin.pool(&json!({})), admin.pool(&json!({})));
    for _ in 0..2 {
        admin.full_volume(&from, 12);
    }
    let job = start(&admin, &from, &[&a, &b]);
    let found = running(&admin, &job, 2);
    let [held, waits] = [&found[0], &found[1]].map(|row| text(row, "jobUuid"));
    admin.act(held, "suspendLongJob", &json!({})).ok();
    set(&admin, text(&found[1], "dstPrimaryStorageUuid"), "maintain");
    admin.wait_for(waits, "Suspended");
    stays_suspended(&admin, &job);
    // Without the one that waits for the storage, what is left waits for somebody.
    admin.act(waits, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&job, "Running");
    admin.act(held, "resumeLongJob", &json!({})).ok();
    admin.wait_for(&job, "Succeeded");
    assert_eq!((rows(&admin, &job, "moved").len(), rows(&admin, &job, "canceled").len()), (1, 1));
}
