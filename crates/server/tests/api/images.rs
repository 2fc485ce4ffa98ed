//! Images by URL over HTTP: fetched from a server of the test's own, checked, kept, deleted and brought back.
//! QEMU's tools make the images, so that nothing of the server's own says what they are.
//!
//! Source: resources.md 6, 7, 8; rest-api.md 1.6; design section 8.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::file_server::{FileServer, Serves};
use crate::support::server::TempDir;
use crate::support::{Caller, Server, until, uuid};

/// Sources of tests are on loopback.
const LOOPBACK: [&str; 2] = ["--set", "egress.images=127.0.0.1:*"];

/// A backup storage, and its directory.
pub struct Shelf {
    /// The backup storage's.
    pub uuid: String,
    dir: TempDir,
}

impl Shelf {
    /// One that is empty.
    pub fn of(admin: &Caller) -> Self {
        let dir = TempDir::new("shelf");
        Self { uuid: admin.add_shelf(&dir.0), dir }
    }

    /// The files below it.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir.0).expect("the shelf").flatten() {
            match fs::read_dir(entry.path()) {
                Ok(inner) => found.extend(inner.flatten().map(|f| f.path().display().to_string())),
                Err(_) => found.push(entry.path().display().to_string()),
            }
        }
        found
    }
}

/// Bytes of a raw disk, without a zero.
fn disk(mib: usize) -> Vec<u8> {
    (0..mib << 20).map(|n| (n % 251) as u8 + 1).collect()
}

/// Runs it; it must succeed.
pub fn qemu_img(arguments: &[&str]) {
    let done = Command::new("qemu-img").args(arguments).output().expect("qemu-img");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What it says.
pub fn md5sum(path: &Path) -> String {
    let done = Command::new("md5sum").arg(path).output().expect("md5sum");
    String::from_utf8_lossy(&done.stdout).split(' ').next().unwrap_or_default().to_owned()
}

fn add(caller: &Caller, shelf: &Shelf, url: &str, more: &Value) -> crate::support::Answer {
    let mut params = json!({"name": "i", "url": url, "backupStorageUuids": [shelf.uuid], "format": "raw"});
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    let tags = params.as_object_mut().and_then(|p| p.remove("tags")).unwrap_or(json!([]));
    caller.post("/images", &json!({"params": params, "systemTags": tags}))
}

fn image(caller: &Caller, uuid: &Value) -> Value {
    caller.get(&format!("/images/{}", uuid.as_str().unwrap_or_default())).ok()["inventories"][0].clone()
}

#[test]
fn an_image_comes_by_its_url_with_the_bytes_size_and_digest_of_its_source() {
    for server in Server::both(&LOOPBACK) {
        let admin = server.admin();
        let shelf = Shelf::of(&admin);
        let source = FileServer::start(Serves { bytes: disk(3), ..Serves::default() });
        let made = add(&admin, &shelf, &source.url(), &json!({"tags": ["bootMode::UEFI"]})).inventory();
        assert_eq!(
            (&made["status"], &made["format"], &made["type"]),
            (&json!("Ready"), &json!("raw"), &json!("zstack"))
        );
        assert_eq!((&made["size"], &made["actualSize"]), (&json!(3 << 20), &json!(3 << 20)));
        let copy = &made["backupStorageRefs"][0];
        assert_eq!((&copy["backupStorageUuid"], &copy["status"]), (&json!(shelf.uuid), &json!("Ready")));
        let path = copy["installPath"].as_str().expect("a path");
        assert!(fs::read(path).expect("the copy") == disk(3));
        assert_eq!(made["md5Sum"], json!(md5sum(Path::new(path))));
        for query in [
            format!("backupStorageRef.backupStorageUuid={}", shelf.uuid),
            format!("backupStorage.uuid={}", shelf.uuid),
            "status=Ready".to_owned(),
            "__systemTag__=bootMode::UEFI".to_owned(),
        ] {
            assert_eq!(
                admin.get(&format!("/images?q={query}")).ok()["inventories"][0]["uuid"],
                made["uuid"],
                "{query}"
            );
        }
        assert_eq!(admin.get("/images?q=status=Deleted").ok()["inventories"], json!([]));
    }
}

#[test]
fn a_source_that_breaks_off_is_gone_on_with_where_it_ended_if_its_tag_is_the_same() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let source = FileServer::start(Serves {
        bytes: disk(3),
        tag: Some("\"a\""),
        cuts: vec![1 << 20, 1 << 20],
        ..Serves::default()
    });
    let made = add(&admin, &shelf, &source.url(), &json!({})).inventory();
    assert_eq!(source.asked(), [None, Some(1 << 20), Some(2 << 20)]);
    let path = made["backupStorageRefs"][0]["installPath"].as_str().expect("a path").to_owned();
    assert!(fs::read(path).expect("the copy") == disk(3));

    // Without a tag nothing proves that the bytes are the same, so it starts over.
    let source = FileServer::start(Serves { bytes: disk(2), cuts: vec![1 << 20], ..Serves::default() });
    let made = add(&admin, &shelf, &source.url(), &json!({})).inventory();
    assert_eq!(source.asked(), [None, None]);
    let path = made["backupStorageRefs"][0]["installPath"].as_str().expect("a path").to_owned();
    assert!(fs::read(path).expect("the copy") == disk(2));
}

#[test]
fn a_redirect_to_where_no_rule_allows_is_refused_and_names_the_rule() {
    let server = Server::start("fast", &["--set", "egress.images=127.0.0.1:1"]);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let source = FileServer::start(Serves { bytes: disk(1), ..Serves::default() });
    let (code, details) = add(&admin, &shelf, &source.url(), &json!({})).error();
    assert_eq!(code, "SYS.1002", "{details}");
    assert!(
        details.contains("egress.images") && details.contains(&format!("add the rule {}", source.address)),
        "{details}"
    );
    assert!(source.asked().is_empty(), "it was never connected to");

    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    for (to, rule) in
        [("http://169.254.169.254/latest", "169.254.169.254:80"), ("http://127.0.0.2:9/x", "127.0.0.2:9")]
    {
        let from = FileServer::start(Serves { redirect: Some(to.to_owned()), ..Serves::default() });
        let (_, details) = add(&admin, &shelf, &from.url(), &json!({})).error();
        assert!(details.contains(&format!("add the rule {rule}")), "{details}");
    }
    // The control: a redirect to where a rule allows leads there.
    let from = FileServer::start(Serves { redirect: Some(source.url()), ..Serves::default() });
    assert_eq!(add(&admin, &shelf, &from.url(), &json!({})).inventory()["status"], "Ready");
    assert_eq!(admin.get("/images?count=true").ok()["total"], 1, "what failed leaves no record");
    assert_eq!(shelf.files().len(), 1, "and no file");
}

#[test]
fn what_the_bytes_are_counts_and_what_is_no_whole_image_is_refused() {
    let roots = TempDir::new("roots");
    let server = Server::start("fast", &["--set", &format!("images.fileRoots={}", roots.0.display())]);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let path = |name: &str| roots.0.join(name).display().to_string();
    qemu_img(&["create", "-q", "-f", "qcow2", &path("a.qcow2"), "64M"]);
    qemu_img(&["create", "-q", "-f", "qcow2", "-b", &path("a.qcow2"), "-F", "qcow2", &path("b.qcow2")]);
    qemu_img(&["create", "-q", "-f", "vmdk", &path("c.vmdk"), "64M"]);
    let mut iso = vec![0; 40_000];
    iso[32_769..32_774].copy_from_slice(b"CD001");
    fs::write(path("d.iso"), iso).expect("a file");

    let made = add(&admin, &shelf, &path("a.qcow2"), &json!({"mediaType": "ISO"})).inventory();
    assert_eq!((&made["format"], &made["mediaType"]), (&json!("qcow2"), &json!("RootVolumeTemplate")));
    assert_eq!(
        (&made["size"], &made["url"]),
        (&json!(64 << 20), &json!(format!("file://{}", path("a.qcow2"))))
    );
    let made = add(&admin, &shelf, &path("d.iso"), &json!({})).inventory();
    assert_eq!((&made["format"], &made["mediaType"]), (&json!("iso"), &json!("ISO")));
    fs::write(path("e.img"), disk(1)).expect("a file");
    let told = |format: &str, media_type: &str| json!({"format": format, "mediaType": media_type});
    for (more, said) in [
        (told("qcow2", "RootVolumeTemplate"), "qcow2"),
        (told("iso", "DataVolumeTemplate"), "iso"),
        (told("raw", "ISO"), "iso"), // what ZStack makes of it
    ] {
        let (code, details) = add(&admin, &shelf, &path("e.img"), &more).error();
        assert_eq!(code, "SYS.1002", "{details}");
        assert!(
            details.contains(&format!("it was said to be {said}, but has not the mark of one")),
            "{details}"
        );
    }
    let made = add(&admin, &shelf, &path("e.img"), &told("raw", "DataVolumeTemplate")).inventory();
    assert_eq!((&made["format"], &made["mediaType"]), (&json!("raw"), &json!("DataVolumeTemplate")));
    admin.delete(&format!("/images/{}", made["uuid"].as_str().expect("a uuid"))).ok();
    let gone = json!({"expungeImage": {}});
    admin.put(&format!("/images/{}/actions", made["uuid"].as_str().expect("a uuid")), &gone).ok();
    let made = add(&admin, &shelf, &path("d.iso"), &told("iso", "RootVolumeTemplate")).inventory();
    assert_eq!((&made["format"], &made["mediaType"]), (&json!("iso"), &json!("ISO")));
    for (name, told) in [("b.qcow2", "a.qcow2"), ("c.vmdk", "VMDK")] {
        let (code, details) = add(&admin, &shelf, &path(name), &json!({})).error();
        assert_eq!(code, "SYS.1002", "{details}");
        assert!(details.contains(told), "{name}: {details}");
    }
    assert_eq!(shelf.files().len(), 3, "what was refused left nothing: {:?}", shelf.files());
    let (code, details) = add(&admin, &shelf, "/etc/hostname", &json!({})).error();
    assert_eq!(code, "SYS.1007", "{details}");
    assert!(details.contains("not in white list") && details.contains("images.fileRoots"), "{details}");
    std::os::unix::fs::symlink("/etc/hostname", path("link")).expect("a link");
    let (_, details) = add(&admin, &shelf, &path("link"), &json!({})).error();
    assert!(!details.is_empty(), "a link leads nowhere");
    assert_eq!(shelf.files().len(), 3);
}

#[test]
fn an_expected_checksum_is_enforced_and_the_same_content_is_told() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let source = FileServer::start(Serves { bytes: disk(1), ..Serves::default() });
    let first = add(&admin, &shelf, &source.url(), &json!({})).inventory();
    let md5 = first["md5Sum"].as_str().expect("a digest").to_owned();
    let tag = |digits: &str| json!({"tags": [format!("longhaul::checksum::md5:{digits}")]});
    let second = add(&admin, &shelf, &source.url(), &tag(&md5)).inventory();
    assert_eq!(second["status"], "Ready");
    let job = admin.get(&format!("/longjobs?q=targetResourceUuid={}", second["uuid"].as_str().unwrap())).ok();
    let result: Value =
        serde_json::from_str(job["inventories"][0]["jobResult"].as_str().expect("a result")).expect("JSON");
    assert_eq!(result["image"]["sameContentAs"], json!([first["uuid"]]), "{result}");
    let (code, details) = add(&admin, &shelf, &source.url(), &tag(&"0".repeat(32))).error();
    assert_eq!(code, "SYS.1002");
    assert!(details.contains(&format!("its checksum is md5:{md5}")), "{details}");
}

#[test]
fn a_deleted_image_is_recovered_with_its_bytes_and_expunged_without() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let source = FileServer::start(Serves { bytes: disk(1), ..Serves::default() });
    let made = add(&admin, &shelf, &source.url(), &json!({})).inventory();
    let path = format!("/images/{}", made["uuid"].as_str().expect("a uuid"));
    let act = |key: &str| admin.put(&format!("{path}/actions"), &json!({key: {}}));
    let told = act("recoverImage").error().1;
    assert!(told.ends_with("is not deleted on any backup storage"), "{told}");
    admin.delete(&format!("{path}?deleteMode=Enforcing")).ok();
    assert_eq!(image(&admin, &made["uuid"])["status"], "Deleted");
    assert_eq!(shelf.files().len(), 1, "its bytes are kept");
    let busy = admin.delete(&format!("/backup-storage/{}", shelf.uuid)).error();
    assert_eq!(busy.0, "SYS.1004", "{busy:?}");
    let busy = admin.delete(&format!("/backup-storage/{}", shelf.uuid)).last;
    assert_eq!(busy.status, 409, "it is in use, and nothing of the server failed");
    assert_eq!(act("recoverImage").inventory()["status"], "Ready");
    admin.delete(&path).ok();
    let nowhere = json!({"expungeImage": {"backupStorageUuids": []}});
    let (code, told) = admin.put(&format!("{path}/actions"), &nowhere).error();
    assert_eq!(code, "SYS.1007", "an empty list is not all of them: {told}");
    assert_eq!(shelf.files().len(), 1);
    act("expungeImage").ok();
    assert_eq!(image(&admin, &made["uuid"]), Value::Null);
    assert!(shelf.files().is_empty(), "{:?}", shelf.files());
    admin.delete(&path).ok();

    let direct = json!({"updateGlobalConfig": {"value": "Direct"}});
    admin.put("/global-configurations/image/deletionPolicy/actions", &direct).ok();
    let made = add(&admin, &shelf, &source.url(), &json!({})).inventory();
    admin.delete(&format!("/images/{}", made["uuid"].as_str().expect("a uuid"))).ok();
    assert_eq!(image(&admin, &made["uuid"]), Value::Null);
    assert!(shelf.files().is_empty(), "{:?}", shelf.files());
    admin.delete(&format!("/backup-storage/{}", shelf.uuid)).ok();
}

#[test]
fn what_is_said_of_an_image_changes_with_its_tags() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let source = FileServer::start(Serves { bytes: disk(1), ..Serves::default() });
    let made = add(&admin, &shelf, &source.url(), &json!({"tags": ["bootMode::Legacy"]})).inventory();
    let uuid = made["uuid"].as_str().expect("a uuid");
    let act = |body: Value| admin.put(&format!("/images/{uuid}/actions"), &body);
    let tags = || {
        let found = admin.get(&format!("/system-tags?q=resourceUuid={uuid}&sort=%2Btag")).ok();
        found["inventories"].as_array().expect("tags").iter().map(|t| t["tag"].clone()).collect::<Vec<_>>()
    };
    let changed =
        act(json!({"updateImage": {"name": "n", "architecture": "aarch64", "virtio": false}})).inventory();
    assert_eq!((&changed["name"], &changed["virtio"]), (&json!("n"), &json!(false)));
    assert_eq!(tags(), ["bootMode::UEFI"]);
    let refused = act(json!({"setImageBootMode": {"bootMode": "Legacy"}})).error().1;
    assert_eq!(refused, "The aarch64 architecture does not support legacy.");
    act(json!({"setImageQga": {"enable": true}})).ok();
    act(json!({"setImageQga": {"enable": true}})).ok();
    assert_eq!(tags(), ["bootMode::UEFI", "qemuga"]);
    act(json!({"setImageQga": {"enable": false}})).ok();
    assert_eq!(tags(), ["bootMode::UEFI"]);
    assert_eq!(act(json!({"changeImageState": {"stateEvent": "disable"}})).inventory()["state"], "Disabled");
    assert_eq!(act(json!({"syncImageSize": {}})).inventory()["size"], json!(1 << 20));
    let hash = |algorithm: &str| {
        let body = json!({"calculateImageHash": {"backupStorageUuid": shelf.uuid, "algorithm": algorithm}});
        act(body).inventory()["md5Sum"].as_str().expect("a digest").len()
    };
    assert_eq!((hash("MD5"), hash("SHA1"), hash("SHA256")), (32, 40, 64));
    let of_bs = admin.get("/images/candidate-backup-storage").ok();
    assert_eq!(of_bs["inventories"][0]["uuid"], json!(shelf.uuid));
}

#[test]
fn a_long_job_that_is_canceled_in_the_middle_leaves_neither_record_nor_file() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let bytes = disk(9);
    let source = FileServer::start(Serves {
        bytes,
        tag: Some("\"a\""),
        stands_after: Some(5 << 20),
        ..Serves::default()
    });
    let (job, id) = (uuid(), uuid());
    let data = json!({
        "name": "i", "url": source.url(), "backupStorageUuids": [shelf.uuid], "resourceUuid": id,
        "systemTags": ["qemuga"],
    });
    let params = json!({"jobName": "APIAddImageMsg", "jobData": data.to_string(), "resourceUuid": job});
    admin.post("/longjobs", &json!({"params": params})).ok();
    until("the bytes to come", || (shelf.files().len() == 1).then_some(()));
    let under_way = image(&admin, &json!(id));
    assert_eq!((&under_way["status"], &under_way["size"]), (&json!("Downloading"), &json!(0)));
    admin.put(&format!("/longjobs/{job}/actions"), &json!({"cancelLongJob": {}})).ok();
    admin.wait_for(&job, "Canceled");
    assert_eq!(image(&admin, &json!(id)), Value::Null);
    assert!(shelf.files().is_empty(), "{:?}", shelf.files());
}

#[test]
fn a_backup_storage_is_queried_by_its_kind_and_never_tells_the_password() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let shelf = Shelf::of(&admin);
        let found = admin.get("/backup-storage").ok();
        let one = &found["inventories"][0];
        assert_eq!((&one["uuid"], &one["type"]), (&json!(shelf.uuid), &json!("ImageStoreBackupStorage")));
        assert_eq!(
            (&one["hostname"], &one["sshPort"], &one["password"]),
            (&json!("localhost"), &json!(22), &Value::Null)
        );
        let class = "org.zstack.storage.backup.imagestore.ImageStoreBackupStorageInventory";
        assert_eq!(found["schema"]["inventories[0]"], json!(class));
        assert_eq!(
            admin.get("/backup-storage/image-store").ok()["inventories"][0]["uuid"],
            json!(shelf.uuid)
        );
        assert_eq!(admin.get("/backup-storage/ceph").ok()["inventories"], json!([]));
        let zql =
            admin.get("/zql?zql=query%20imagestorebackupstorage%20where%20status%20=%20'Connected'").ok();
        assert_eq!(zql["results"][0]["inventories"].as_array().map(Vec::len), Some(1), "{zql}");
        let sum = admin.get("/backup-storage/capacities?all=true").ok();
        assert_eq!(sum["totalCapacity"], one["totalCapacity"]);
        let act = |body: Value| admin.put(&format!("/backup-storage/{}/actions", shelf.uuid), &body);
        assert_eq!(
            act(json!({"changeBackupStorageState": {"stateEvent": "disable"}})).inventory()["state"],
            "Disabled"
        );
        let (code, details) = add(&admin, &shelf, "http://h/x", &json!({})).error();
        assert_eq!(code, "SYS.1006");
        assert!(details.starts_with("no backup storage specified in uuids["), "{details}");
        assert_eq!(act(json!({"reconnectBackupStorage": {}})).inventory()["status"], "Connected");
        let twice = json!({"params": {"name": "x", "url": shelf.dir.0, "hostname": "h"}});
        assert_eq!(admin.post("/backup-storage/image-store", &twice).error().0, "SYS.1007");
        assert_eq!(
            admin.get(&format!("/backup-storage/trash?uuid={}", shelf.uuid)).ok()["inventories"],
            json!([])
        );
    }
}
