//! Disks over HTTP, made by `qemu-img`: what is imported is a volume like any other, and no call takes away what
//! another disk is made of. Copies that die, and disks that guests hold, are in the suite `kill`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::server::TempDir;
use crate::support::{Answer, Caller, Server, until};

const MIB: u64 = 1024 * 1024;

fn qemu(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("qemu's tools");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Two storages at a server of its own.
struct Rig {
    from: TempDir,
    _to: TempDir,
    from_uuid: String,
    to_uuid: String,
    admin: Caller,
    _server: Server,
}

impl Rig {
    fn new(test: &str) -> Self {
        let server = Server::start("fast", &[]);
        let admin = server.admin();
        let (from, to) = (TempDir::new(&format!("{test}-from")), TempDir::new(&format!("{test}-to")));
        let (from_uuid, to_uuid) = (add_storage(&admin, &from.0), add_storage(&admin, &to.0));
        Self { from, _to: to, from_uuid, to_uuid, admin, _server: server }
    }

    fn path(&self, name: &str) -> String {
        shown(&self.from.0.join(name))
    }

    fn try_adopt(&self, name: &str) -> Answer {
        let params =
            json!({"name": name, "primaryStorageUuid": self.from_uuid, "installPath": self.path(name)});
        self.admin.post("/volumes/adopt", &json!({"params": params}))
    }

    fn adopt(&self, name: &str) -> String {
        text(&self.try_adopt(name).inventory()["uuid"])
    }

    fn submission(&self, volume: &str, tags: &[&str]) -> Value {
        let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": self.to_uuid}).to_string();
        json!({"params": {"jobName": "APIPrimaryStorageMigrateVolumeMsg", "jobData": data}, "systemTags": tags})
    }

    fn plan(&self, volume: &str) -> Value {
        let answer = self.admin.post("/longjobs", &self.submission(volume, &["validationOnly"])).ok();
        answer["plan"].clone()
    }

    fn migrated(&self, volume: &str) -> Value {
        let job = self.admin.post("/longjobs", &self.submission(volume, &[])).inventory();
        let id = text(&job["uuid"]);
        self.admin.wait_for(&id, "Succeeded");
        self.admin.job(&id).expect("the job")
    }

    fn volume(&self, uuid: &str) -> Value {
        self.admin.get(&format!("/volumes/{uuid}")).ok()["inventories"][0].clone()
    }

    /// A raw base of 8 MiB of data, and a qcow2 on it that has 1 MiB of its own.
    fn base_and_overlay(&self) -> (String, String) {
        qemu("qemu-img", &["create", "-q", "-f", "raw", &self.path("base.img"), "8M"]);
        qemu("qemu-io", &["-f", "raw", "-c", "write -P 7 0 8M", &self.path("base.img")]);
        let overlay = self.path("overlay.qcow2");
        qemu("qemu-img", &["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.img", &overlay]);
        qemu("qemu-io", &["-c", "write -P 9 2M 1M", &overlay]);
        (self.adopt("base.img"), self.adopt("overlay.qcow2"))
    }
}

fn add_storage(admin: &Caller, path: &Path) -> String {
    let body = json!({"params": {"name": "storage", "url": path}});
    text(&admin.post("/primary-storage/local-storage", &body).inventory()["uuid"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

#[test]
fn an_imported_disk_is_ready_with_the_success_of_its_job_and_can_be_moved() {
    let rig = Rig::new("import");
    let elsewhere = TempDir::new("elsewhere");
    let file = shown(&elsewhere.0.join("disk.raw"));
    qemu("qemu-img", &["create", "-q", "-f", "raw", &file, "4M"]);
    qemu("qemu-io", &["-f", "raw", "-c", "write -P 5 1M 1M", &file]);
    let data = json!({"primaryStorageUuid": rig.from_uuid, "path": file, "name": "imported"}).to_string();
    let body = json!({"params": {"jobName": "APIImportVolumeMsg", "jobData": data}});
    let id = text(&rig.admin.post("/longjobs", &body).inventory()["uuid"]);
    rig.admin.wait_for(&id, "Succeeded");
    let job = rig.admin.job(&id).expect("the job");
    let result: Value = serde_json::from_str(job["jobResult"].as_str().expect("a result")).expect("JSON");
    let volume = text(&result["inventory"]["uuid"]);
    let without_date = |mut volume: Value| {
        volume.as_object_mut().expect("an object").remove("lastOpDate"); // that of the commit is a moment later
        volume
    };
    let told = without_date(result["inventory"].clone());
    assert_eq!(without_date(rig.volume(&volume)), told, "the record is what the result says");
    assert_eq!(rig.volume(&volume)["status"], "Ready");
    rig.migrated(&volume);
    let moved = text(&rig.volume(&volume)["installPath"]);
    qemu("qemu-img", &["compare", "-q", "-f", "raw", "-F", "raw", &file, &moved]);
}

#[test]
fn a_backing_file_is_neither_moved_nor_removed_while_an_image_is_made_of_it() {
    let rig = Rig::new("backing");
    let (base, overlay) = rig.base_and_overlay();
    let blockers = rig.plan(&base)["blockers"].to_string();
    assert!(blockers.contains(&rig.path("overlay.qcow2")), "{blockers}");
    let refused = rig.admin.post("/longjobs", &rig.submission(&base, &[])).error();
    assert_eq!(refused.0, "SYS.1006");
    assert!(
        refused.1.contains("is the backing file of") && refused.1.contains("migrate those first"),
        "{refused:?}"
    );

    rig.admin.delete(&format!("/volumes/{base}")).ok();
    let refused =
        rig.admin.put(&format!("/volumes/{base}/actions"), &json!({"expungeDataVolume": {}})).error();
    assert!(refused.1.contains(&rig.path("overlay.qcow2")), "{refused:?}");
    assert_eq!(rig.volume(&base)["status"], "Deleted", "nothing was touched");
    qemu("qemu-img", &["check", "-q", &rig.path("overlay.qcow2")]);

    let before = shown(&rig.from.0.join("before.raw"));
    qemu("qemu-img", &["convert", "-O", "raw", &rig.path("overlay.qcow2"), &before]);
    let plan = rig.plan(&overlay);
    assert_eq!((&plan["layers"], &plan["blockers"]), (&json!(2), &json!([])));
    assert!(plan["bytes"].as_u64() >= Some(8 * MIB), "the base is copied too: {plan}");
    rig.migrated(&overlay);
    let moved = text(&rig.volume(&overlay)["installPath"]);
    qemu("qemu-img", &["compare", "-q", "-F", "raw", &moved, &before]);

    // The source of the overlay lies in the trash and still needs its base.
    let expunge = || rig.admin.put(&format!("/volumes/{base}/actions"), &json!({"expungeDataVolume": {}}));
    assert_eq!(expunge().error().0, "SYS.1006");
    let path = format!("/primary-storage/{}/trash/actions", rig.from_uuid);
    rig.admin.put(&path, &json!({"cleanUpTrashOnPrimaryStorage": {}})).ok();
    expunge().ok();
    assert!(!Path::new(&rig.path("base.img")).exists());
}

#[test]
fn trash_that_became_a_backing_file_stays_until_nothing_is_made_of_it() {
    let rig = Rig::new("trash");
    qemu("qemu-img", &["create", "-q", "-f", "qcow2", &rig.path("disk.qcow2"), "4M"]);
    let volume = rig.adopt("disk.qcow2");
    rig.migrated(&volume);
    let overlay = rig.path("late.qcow2");
    qemu("qemu-img", &["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "disk.qcow2", &overlay]);
    let path = format!("/primary-storage/{}/trash/actions", rig.from_uuid);
    let clean = || rig.admin.put(&path, &json!({"cleanUpTrashOnPrimaryStorage": {}})).ok();
    let answer = clean();
    assert_eq!(answer["results"][0]["success"], false, "{answer}");
    assert!(answer.to_string().contains("is the backing file of"), "{answer}");
    assert!(Path::new(&rig.path("disk.qcow2")).exists());
    std::fs::remove_file(overlay).expect("the overlay");
    assert_eq!(clean()["results"][0]["success"], true);
    assert!(!Path::new(&rig.path("disk.qcow2")).exists());
}

#[test]
fn a_broken_chain_is_not_adopted_and_one_that_broke_is_told_by_scan() {
    let rig = Rig::new("broken");
    let (_, overlay) = rig.base_and_overlay();
    std::fs::remove_file(rig.path("base.img")).expect("the base");
    let items = rig.admin.get(&format!("/primary-storage/{}/scan", rig.from_uuid)).ok();
    let changed =
        items["inventories"].as_array().expect("a list").iter().find(|i| i["volumeUuid"] == *overlay);
    let changed = changed.unwrap_or_else(|| panic!("the overlay is not told: {items}"));
    assert_eq!(changed["status"], "Changed");
    assert!(changed["detail"].as_str().is_some_and(|d| d.contains("base.img")), "{changed}");
    rig.admin.put(&format!("/volumes/{overlay}/actions"), &json!({"forgetVolume": {}})).ok();
    let refused = rig.try_adopt("overlay.qcow2").error();
    assert!(refused.1.contains("does not exist"), "{refused:?}");
}

#[test]
fn images_of_other_formats_and_empty_files_are_no_raw_disks() {
    let rig = Rig::new("foreign");
    for format in ["vmdk", "vhdx", "vdi", "vpc", "qed"] {
        let name = format!("disk.{format}");
        qemu("qemu-img", &["create", "-q", "-f", format, &rig.path(&name), "8M"]);
        let refused = rig.try_adopt(&name).error();
        assert!(refused.1.contains("convert it with qemu-img"), "{format}: {refused:?}");
    }
    std::fs::write(rig.path("empty.img"), "").expect("a file");
    assert!(rig.try_adopt("empty.img").error().1.contains("it is empty"));
    qemu("qemu-img", &["create", "-q", "-f", "raw", &rig.path("control.img"), "8M"]);
    rig.adopt("control.img");
}

#[test]
fn a_storage_inside_of_another_is_refused() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let outer = TempDir::new("nested");
    let (middle, inner) = (outer.0.join("middle"), outer.0.join("middle/inner"));
    std::fs::create_dir_all(&inner).expect("directories");
    let known = add_storage(&admin, &middle);
    for url in [&inner, &outer.0] {
        let body = json!({"params": {"name": "nested", "url": url}});
        let refused = admin.post("/primary-storage/local-storage", &body).error();
        let (url, middle) = (url.display(), middle.display());
        let told = format!(
            "the url[{url}] and that of primary storage[uuid:{known}, name:storage], [{middle}], lie in each other; \
             give directories side by side"
        );
        assert_eq!(refused, ("SYS.1007".to_owned(), told));
    }
}

#[test]
fn a_storage_around_or_in_what_is_the_servers_own_is_refused() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let exports = server.data_dir().join("image-exports");
    std::fs::create_dir_all(&exports).expect("a directory");
    for url in [server.data_dir().parent().expect("a parent"), &server.data_dir(), &exports] {
        let refused = ["primary-storage/local-storage", "backup-storage/image-store"].map(|kind| {
            let body = json!({"params": {"name": "own", "url": url, "hostname": "h", "username": "u", "password": "p"}});
            admin.post(&format!("/{kind}"), &body).error()
        });
        let told = format!(
            "the url[{}] is, holds or lies in what is this server's own, its data directory; give another directory",
            url.display()
        );
        assert_eq!(refused, [("SYS.1007".to_owned(), told.clone()), ("SYS.1007".to_owned(), told)]);
    }
}

#[test]
fn a_volume_that_a_job_moves_is_not_deleted() {
    let rig = Rig::new("moving");
    qemu("qemu-img", &["create", "-q", "-f", "raw", &rig.path("disk.img"), "32M"]);
    qemu("qemu-io", &["-f", "raw", "-c", "write -P 3 0 32M", &rig.path("disk.img")]);
    let volume = rig.adopt("disk.img");
    let body = rig.submission(&volume, &["longhaul::throttle::1048576"]);
    let id = text(&rig.admin.post("/longjobs", &body).inventory()["uuid"]);
    rig.admin.wait_for(&id, "Running");
    let refused = rig.admin.delete(&format!("/volumes/{volume}")).error();
    assert!(refused.1.contains(&id) && refused.1.contains("cancel it or wait"), "{refused:?}");
    rig.admin.act(&id, "cancelLongJob", &json!({})).ok();
    rig.admin.wait_for(&id, "Canceled");
    until("the volume can be deleted", || {
        (rig.admin.delete(&format!("/volumes/{volume}")).last.status == 200).then_some(())
    });
}
