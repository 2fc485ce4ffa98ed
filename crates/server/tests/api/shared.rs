//! Directories that every node sees, over HTTP: a mark tells the storage from an empty mount point, and what is
//! not mounted takes no work.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::disks::Pool;
use crate::support::server::TempDir;
use crate::support::{Caller, Server, until, uuid};

const MARK: &str = ".longhaul-storage";

fn body(path: &Path, id: Option<&str>) -> Value {
    let mut params = json!({"name": "shared", "url": path});
    if let Some(id) = id {
        params["resourceUuid"] = id.into();
    }
    json!({"params": params})
}

fn shared_pool(admin: &Caller) -> Pool {
    let dir = TempDir::new("shared");
    let made = admin.post("/primary-storage/smp", &body(&dir.0, None)).inventory();
    assert_eq!(made["type"], "SharedMountPoint");
    assert_eq!((&made["url"], &made["mountPath"]), (&json!(dir.0), &json!(dir.0)));
    Pool { uuid: made["uuid"].as_str().expect("a uuid").to_owned(), dir }
}

fn volume(admin: &Caller, uuid: &str) -> Value {
    admin.get(&format!("/volumes/{uuid}")).ok()["inventories"][0].clone()
}

#[test]
fn a_disk_moves_to_a_shared_directory_and_back() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (local, shared) = (admin.pool(&json!({})), shared_pool(&admin));
    let disk = admin.full_volume(&local, 3);
    let bytes = fs::read(volume(&admin, &disk)["installPath"].as_str().expect("a path")).expect("the disk");
    for to in [&shared, &local] {
        admin.wait_for(&admin.migration(&disk, to), "Succeeded");
        let moved = volume(&admin, &disk);
        assert_eq!(moved["primaryStorageUuid"], json!(to.uuid));
        assert!(fs::read(moved["installPath"].as_str().expect("a path")).expect("the disk") == bytes);
        let trash = if to.uuid == shared.uuid { &local } else { &shared };
        let listed = admin.get(&format!("/primary-storage/trash?uuid={}", trash.uuid)).ok();
        assert_eq!(listed["inventories"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn a_shared_directory_that_is_not_mounted_takes_no_work_and_nothing_is_written_where_it_should_be() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (local, shared) = (admin.pool(&json!({})), shared_pool(&admin));
    let disk = admin.full_volume(&local, 1);
    let reconnect =
        |key: &str| admin.put(&format!("/primary-storage/{}/actions", shared.uuid), &json!({key: {}}));
    assert_eq!(reconnect("reconnectPrimaryStorage").inventory()["status"], "Connected");

    // What is mounted goes away; the directory under it is empty.
    let (point, aside) = (shared.dir.0.clone(), shared.dir.0.with_extension("aside"));
    fs::rename(&point, &aside).expect("moved aside");
    fs::create_dir(&point).expect("an empty mount point");
    let refused = reconnect("reconnectPrimaryStorage");
    let told = String::from_utf8_lossy(&refused.last.body);
    assert!(told.contains("mount the shared directory there"), "{told}");
    let mend = format!("echo {} > {}", shared.uuid, point.join(MARK).display());
    assert!(told.contains(&mend), "{told}");
    let listed = admin.get(&format!("/primary-storage?q=uuid={}", shared.uuid)).ok();
    assert_eq!(listed["inventories"][0]["status"], "Disconnected");
    let data = json!({"volumeUuid": disk, "dstPrimaryStorageUuid": shared.uuid}).to_string();
    let submission = json!({"params": {"jobName": "APIPrimaryStorageMigrateVolumeMsg", "jobData": data}});
    let refused = admin.post("/longjobs", &submission).error();
    assert!(refused.1.contains("is away"), "{refused:?}");
    let new = json!({"params": {"name": "v", "diskSize": 1 << 20, "primaryStorageUuid": shared.uuid}});
    assert!(admin.post("/volumes/data", &new).error().1.contains("is away"));
    assert_eq!(
        fs::read_dir(&point).expect("readable").count(),
        0,
        "nothing was written below the mount point"
    );

    fs::remove_dir(&point).expect("the empty directory");
    fs::rename(&aside, &point).expect("mounted again");
    assert_eq!(reconnect("syncPrimaryStorageCapacity").inventory()["status"], "Connected");
    admin.wait_for(&admin.migration(&disk, &shared), "Succeeded");
}

#[test]
fn a_shared_directory_is_one_storage_until_its_record_is_deleted() {
    let server = Server::start("fast", &[]);
    let other_server = Server::start("fast", &[]);
    let (admin, other) = (server.admin(), other_server.admin());
    let shared = shared_pool(&admin);
    let mark = shared.dir.0.join(MARK);
    assert_eq!(fs::read_to_string(&mark).expect("the mark").trim(), shared.uuid);
    let of_mark = json!({"params": {"name": "v", "primaryStorageUuid": shared.uuid, "installPath": mark}});
    let refused = admin.post("/volumes/adopt", &of_mark).error();
    assert!(refused.1.contains("it is the mark by which the storage is told"), "{refused:?}");

    let refused = other.post("/primary-storage/smp", &body(&shared.dir.0, Some(&uuid()))).error();
    assert!(refused.1.contains(&format!("[uuid:{}]", shared.uuid)), "{refused:?}");
    assert!(mark.exists(), "the refusal left the mark");
    let same = other.post("/primary-storage/smp", &body(&shared.dir.0, Some(&shared.uuid))).inventory();
    assert_eq!(same["uuid"], json!(shared.uuid), "another installation may know it under the same uuid");

    assert_eq!(admin.delete(&format!("/primary-storage/{}", shared.uuid)).ok(), json!({}));
    assert!(!mark.exists());
}

#[test]
fn an_export_that_is_not_mounted_is_refused_with_what_to_do() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    for (url, told) in [
        ("192.0.2.1:/no/such/export", "is not mounted on this host; mount it first"),
        ("/srv/disks", "give it as host:/path"),
        ("a/b:/disks", "give it as host:/path"),
    ] {
        let refused = admin.post("/primary-storage/nfs", &body(Path::new(url), None)).error();
        assert_eq!(refused.0, "SYS.1007", "{url}");
        assert!(refused.1.contains(told), "{url}: {refused:?}");
    }
}

#[test]
fn a_job_whose_storage_goes_away_is_suspended_and_goes_on_by_itself_when_it_is_back() {
    let server = Server::start("fast", &["--set", "storage.watchSeconds=1"]);
    let admin = server.admin();
    let (local, shared) = (admin.pool(&json!({})), shared_pool(&admin));
    let disk = admin.full_volume(&local, 8);
    let bytes = fs::read(volume(&admin, &disk)["installPath"].as_str().expect("a path")).expect("the disk");
    let data = json!({"volumeUuid": disk, "dstPrimaryStorageUuid": shared.uuid}).to_string();
    let submission = json!({
        "params": {"jobName": "APIPrimaryStorageMigrateVolumeMsg", "jobData": data},
        "systemTags": ["longhaul::throttle::4194304"],
    });
    let job = admin.post("/longjobs", &submission).inventory();
    let id = job["uuid"].as_str().expect("a uuid").to_owned();
    until("the copy has begun", || shared.dir.0.join(&disk).exists().then_some(()));
    let (point, aside) = (shared.dir.0.clone(), shared.dir.0.with_extension("aside"));
    fs::rename(&point, &aside).expect("moved aside");
    fs::create_dir(&point).expect("an empty mount point");
    admin.wait_for(&id, "Suspended");
    let told = admin.job(&id).expect("the job")["jobResult"].to_string();
    assert!(told.contains("PS.1003") && told.contains("is away"), "{told}");
    assert_eq!(
        fs::read_dir(&point).expect("readable").count(),
        0,
        "nothing was written below the mount point"
    );
    fs::remove_dir(&point).expect("the empty directory");
    fs::rename(&aside, &point).expect("mounted again");
    admin.wait_for(&id, "Succeeded");
    let moved = volume(&admin, &disk);
    assert!(fs::read(moved["installPath"].as_str().expect("a path")).expect("the disk") == bytes);
    let timeline = admin.get(&format!("/longjobs/{id}/timeline")).ok().to_string();
    assert!(timeline.contains("what it waited for is there"), "{timeline}");
}

#[test]
fn what_is_the_servers_own_becomes_no_storage() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let own = server.data_dir();
    let exports = own.join("image-exports");
    fs::create_dir_all(&exports).expect("made");
    for path in [own.as_path(), own.parent().expect("a parent"), &exports, Path::new("/")] {
        for kind in ["primary-storage/local-storage", "primary-storage/smp", "backup-storage/image-store"] {
            let params =
                json!({"name": "own", "url": path, "hostname": "h", "username": "u", "password": "p"});
            let (code, told) = admin.post(&format!("/{kind}"), &json!({"params": params})).error();
            assert_eq!(code, "SYS.1007", "{kind} {}: {told}", path.display());
            assert!(told.contains("this server's own"), "{told}");
        }
    }
    assert!(!own.join(MARK).exists(), "nothing was marked");
}
