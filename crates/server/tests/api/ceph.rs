//! Pools of a real Ceph cluster as primary storages, with cephx: disks move between directories and pools and
//! are the same at each stop, as `rbd` and `qemu-img` see them. `LONGHAUL_TEST_CEPH_CONF` names the cluster.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::disks::{MIGRATE, Pool};
use crate::support::server::TempDir;
use crate::support::{Answer, Caller, Server, until, uuid};

/// The cluster.
pub fn conf() -> PathBuf {
    let conf = std::env::var_os("LONGHAUL_TEST_CEPH_CONF").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "LONGHAUL_TEST_CEPH_CONF is not set; start a cluster: \
             export LONGHAUL_TEST_CEPH_CONF=$(CEPH_DEV_CEPHX=1 tests/tools/ceph-dev-cluster.sh start DIR)"
        )
    });
    assert!(conf.exists(), "{}", conf.display());
    conf
}

/// Runs `rbd` as the cluster's admin; its words.
pub fn rbd(args: &[&str]) -> String {
    let output = Command::new("rbd").arg("--conf").arg(conf()).args(args).output().expect("rbd");
    assert!(output.status.success(), "rbd {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Other tests stop the cluster's OSD and hold this alone meanwhile.
pub fn turn() -> fs::File {
    let file = fs::File::create(conf().with_file_name("tests.lock")).expect("a lock");
    file.lock_shared().expect("locked");
    file
}

pub fn add(admin: &Caller, pool: &str) -> Answer {
    let keyring = conf().with_file_name("client.longhaul.keyring");
    let params = json!({
        "name": pool, "conf": conf(), "user": "longhaul", "keyring": keyring, "dataVolumePoolName": pool,
    });
    admin.post("/primary-storage/ceph", &json!({"params": params}))
}

fn volume(admin: &Caller, uuid: &str) -> Value {
    admin.get(&format!("/volumes/{uuid}")).ok()["inventories"][0].clone()
}

fn path_of(admin: &Caller, uuid: &str) -> String {
    volume(admin, uuid)["installPath"].as_str().expect("a path").to_owned()
}

/// The guest's bytes of a disk, by a program that is not ours.
pub fn bytes_at(path: &str) -> Vec<u8> {
    match path.strip_prefix("ceph://") {
        None => fs::read(path).expect("the disk"),
        Some(image) => {
            let out = TempDir::new("export").0.with_extension(uuid());
            rbd(&["export", "--no-progress", image, &out.display().to_string()]);
            let bytes = fs::read(&out).expect("the export");
            fs::remove_file(&out).expect("removed");
            bytes
        }
    }
}

fn migrate(admin: &Caller, volume: &str, to: &str) -> Value {
    migrate_by(admin, &json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to}))
}

fn migrate_by(admin: &Caller, data: &Value) -> Value {
    let data = data.to_string();
    let job = admin.post("/longjobs", &json!({"params": {"jobName": MIGRATE, "jobData": data}})).inventory();
    let id = job["uuid"].as_str().expect("a uuid").to_owned();
    admin.wait_for(&id, "Succeeded");
    serde_json::from_str(admin.job(&id).expect("the job")["jobResult"].as_str().expect("a result"))
        .expect("JSON")
}

/// Cleans the trash, which waits a moment for the process that held the last copy's source.
fn clean(admin: &Caller, storage: &str) {
    let path = format!("/primary-storage/{storage}/trash/actions");
    until("the source is given back", || {
        let cleaned = admin.put(&path, &json!({"cleanUpTrashOnPrimaryStorage": {}})).ok();
        let results = cleaned["results"].as_array().expect("results");
        results.iter().all(|result| result["success"] == true).then_some(())
    });
}

fn trash(admin: &Caller, storage: &str) -> usize {
    let listed = admin.get(&format!("/primary-storage/trash?uuid={storage}")).ok();
    listed["inventories"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_disk_moves_from_a_directory_over_two_pools_to_a_shared_directory_and_back() {
    let _turn = turn();
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let local = admin.pool(&json!({}));
    let dir = TempDir::new("shared");
    let smp = admin.post("/primary-storage/smp", &json!({"params": {"name": "s", "url": dir.0}})).inventory();
    let smp = Pool { uuid: smp["uuid"].as_str().expect("a uuid").to_owned(), dir };
    let [a, b] = ["ps-a", "ps-b"].map(|pool| {
        let made = add(&admin, pool).inventory();
        assert_eq!(
            (&made["type"], &made["mountPath"], &made["status"]),
            (&json!("Ceph"), &json!("Ceph"), &json!("Connected"))
        );
        assert!(made["totalCapacity"].as_u64() > Some(0));
        made["uuid"].as_str().expect("a uuid").to_owned()
    });
    assert!(add(&admin, "ps-a").error().1.contains("already belongs"), "a pool is one storage");

    let disk = admin.full_volume(&local, 9);
    let bytes = bytes_at(&path_of(&admin, &disk));
    let mut from = local.uuid.clone();
    for to in [&a, &b, &smp.uuid, &local.uuid] {
        let result = migrate(&admin, &disk, to);
        let moved = volume(&admin, &disk);
        assert_eq!(moved["primaryStorageUuid"], json!(to));
        assert_eq!(moved["format"], "raw");
        let path = path_of(&admin, &disk);
        assert_eq!(result["migration"]["newInstallPath"], json!(path));
        assert_eq!(path.starts_with("ceph://"), to == &a || to == &b, "{path}");
        assert!(bytes_at(&path) == bytes, "at {path}");
        assert_eq!(trash(&admin, &from), 1, "the source is in the trash");
        from.clone_from(to);
    }
    for pool in [&a, &b] {
        clean(&admin, pool);
    }
    for pool in ["ps-a", "ps-b"] {
        assert!(!rbd(&["ls", pool]).contains(&disk), "nothing of it is left in {pool}");
    }
}

#[test]
fn an_image_of_a_pool_is_raw_and_becomes_what_was_asked_in_a_directory() {
    let _turn = turn();
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let local = admin.pool(&json!({}));
    let a = add(&admin, "ps-a").inventory()["uuid"].as_str().expect("a uuid").to_owned();
    let disk = admin.full_volume(&local, 9);
    let bytes = bytes_at(&path_of(&admin, &disk));
    let call = |to: &str, format: Option<&str>| {
        let mut params = json!({"dstPrimaryStorageUuid": to});
        if let Some(format) = format {
            params["format"] = json!(format);
        }
        let path = format!("/primary-storage/volumes/{disk}/actions");
        admin.put(&path, &json!({"primaryStorageMigrateVolume": params}))
    };
    let refused = call(&a, Some("qcow2")).error();
    assert_eq!(refused.0, "SYS.1007");
    assert!(refused.1.contains("is a Ceph pool, whose images are raw; leave it out"), "{refused:?}");

    call(&a, Some("raw")).ok();
    assert!(bytes_at(&path_of(&admin, &disk)) == bytes);
    call(&local.uuid, Some("qcow2")).ok();
    let image = path_of(&admin, &disk);
    assert_eq!(volume(&admin, &disk)["format"], "qcow2");
    let raw = local.dir.0.join("witness");
    let words = ["convert", "-f", "qcow2", "-O", "raw", &image, &raw.display().to_string()];
    assert!(Command::new("qemu-img").args(words).status().expect("qemu-img").success());
    assert!(fs::read(&raw).expect("the witness") == bytes);
    // A qcow2 that nobody wishes anything for is raw in a pool, and raw it stays.
    call(&a, None).ok();
    assert_eq!(volume(&admin, &disk)["format"], "raw");
    assert!(bytes_at(&path_of(&admin, &disk)) == bytes);
    call(&local.uuid, None).ok();
    assert_eq!(volume(&admin, &disk)["format"], "raw");
    assert!(bytes_at(&path_of(&admin, &disk)) == bytes);
    clean(&admin, &a);
    assert!(!rbd(&["ls", "ps-a"]).contains(&disk));
}

#[test]
fn an_image_is_found_adopted_and_refused_for_what_a_copy_would_lose() {
    let _turn = turn();
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let local = admin.pool(&json!({}));
    let a = add(&admin, "ps-a").inventory()["uuid"].as_str().expect("a uuid").to_owned();
    let name = format!("made-by-hand-{}", uuid());
    let image = format!("ps-a/{name}");
    rbd(&["create", "--size", "8M", &image]);
    rbd(&["bench", "--io-type", "write", "--io-size", "64K", "--io-total", "4M", &image]);
    rbd(&["snap", "create", &format!("{image}@kept")]);
    let found = admin.get(&format!("/primary-storage/{a}/scan")).ok().to_string();
    assert!(found.contains(&format!("ceph://ps-a/{name}")), "{found}");
    let params =
        json!({"name": "adopted", "primaryStorageUuid": a, "installPath": format!("ceph://{image}")});
    let disk = admin.post("/volumes/adopt", &json!({"params": params})).inventory();
    assert_eq!((&disk["size"], &disk["format"]), (&json!(8 << 20), &json!("raw")));
    let disk = disk["uuid"].as_str().expect("a uuid").to_owned();

    let data = json!({"volumeUuid": disk, "dstPrimaryStorageUuid": local.uuid}).to_string();
    let submission = json!({"params": {"jobName": MIGRATE, "jobData": data}});
    let refused = admin.post("/longjobs", &submission).error();
    assert!(refused.1.contains("1 snapshots (kept)") && refused.1.contains("\"drop\""), "{refused:?}");
    let bytes = bytes_at(&format!("ceph://{image}"));
    migrate_by(
        &admin,
        &json!({"volumeUuid": disk, "dstPrimaryStorageUuid": local.uuid, "snapshots": "drop"}),
    );
    assert!(bytes_at(&path_of(&admin, &disk)) == bytes);
    assert!(rbd(&["snap", "ls", &image]).contains("kept"), "it stays behind, in the trash");
    clean(&admin, &a);
    assert!(!rbd(&["ls", "ps-a"]).contains(&name));
}

#[test]
fn an_image_is_adopted_with_its_snapshots_and_moves_to_another_pool_with_them() {
    let _turn = turn();
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let [a, b] = ["ps-a", "ps-b"]
        .map(|pool| add(&admin, pool).inventory()["uuid"].as_str().expect("a uuid").to_owned());
    let name = format!("with-snapshots-{}", uuid());
    let image = format!("ps-a/{name}");
    let file = TempDir::new("import").0.with_extension(uuid());
    let mut bytes = vec![7u8; 9 << 20];
    fs::write(&file, &bytes).expect("written");
    rbd(&["import", "--no-progress", &file.display().to_string(), &image]);
    rbd(&["snap", "create", &format!("{image}@monday")]);
    rbd(&["bench", "--io-type", "write", "--io-size", "64K", "--io-total", "1M", &image]);
    rbd(&["snap", "create", &format!("{image}@tuesday")]);
    rbd(&["snap", "protect", &format!("{image}@tuesday")]);
    rbd(&["resize", "--size", "12M", &image]);
    fs::remove_file(&file).expect("removed");
    let found = admin.get(&format!("/primary-storage/{a}/scan")).ok();
    let items = found["inventories"].as_array().expect("items");
    let item = items.iter().find(|i| i["installPath"] == json!(format!("ceph://{image}"))).expect("it");
    assert!(item["detail"].as_str().expect("text").contains("with 2 snapshots"), "{item}");
    let params =
        json!({"name": "adopted", "primaryStorageUuid": a, "installPath": format!("ceph://{image}")});
    let disk = admin.post("/volumes/adopt", &json!({"params": params})).inventory();
    let disk = disk["uuid"].as_str().expect("a uuid").to_owned();

    let result = migrate(&admin, &disk, &b);
    let moved = path_of(&admin, &disk);
    let kept = result["migration"]["snapshots"].as_array().expect("snapshots").clone();
    assert_eq!(
        kept.iter().map(|s| (s["name"].clone(), s["protected"].clone())).collect::<Vec<_>>(),
        [(json!("monday"), json!(false)), (json!("tuesday"), json!(true))]
    );
    for snapshot in ["monday", "tuesday"] {
        let was = bytes_at(&format!("ceph://{image}@{snapshot}"));
        assert!(bytes_at(&format!("{moved}@{snapshot}")) == was, "at {snapshot}");
        assert_eq!(was.len(), 9 << 20);
        assert_eq!(was == bytes, snapshot == "monday", "it is of its day");
    }
    bytes = bytes_at(&format!("ceph://{image}"));
    assert!(bytes.len() == 12 << 20 && bytes_at(&moved) == bytes, "as it is now");
    clean(&admin, &a);
    assert!(!rbd(&["ls", "ps-a"]).contains(&name), "the source goes with its snapshots");
    // Deleted for good, it goes with them as well.
    admin.delete(&format!("/volumes/{disk}")).ok();
    admin.put(&format!("/volumes/{disk}/actions"), &json!({"expungeDataVolume": {}})).ok();
    assert!(!rbd(&["ls", "ps-b"]).contains(&disk));
}

#[test]
fn a_pool_or_a_cluster_that_is_not_there_is_refused_with_what_to_do() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let _turn = turn();
    let missing = add(&admin, "no-such-pool");
    let told = String::from_utf8_lossy(&missing.last.body).into_owned();
    assert!(told.contains("no-such-pool"), "{told}");
    let no_conf =
        json!({"params": {"name": "x", "conf": "/no/such/ceph.conf", "dataVolumePoolName": "ps-a"}});
    let told = admin.post("/primary-storage/ceph", &no_conf);
    assert!(String::from_utf8_lossy(&told.last.body).contains("/no/such/ceph.conf"));
    let nothing = json!({"params": {"name": "x", "dataVolumePoolName": "ps-a"}});
    assert!(admin.post("/primary-storage/ceph", &nothing).error().1.contains("monUrls"));
}
