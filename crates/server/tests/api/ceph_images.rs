//! A pool of a real Ceph cluster as a backup storage: images come to it by their URL, of volumes, and from
//! directories; volumes are made of them. `rbd` and `qemu-img` say what the bytes are.
//!
//! Source: resources.md 6, 7.

use std::fs;

use serde_json::{Value, json};

use crate::ceph::{add, bytes_at, conf, rbd, turn};
use crate::images::{Shelf, qemu_img};
use crate::support::file_server::{FileServer, Serves};
use crate::support::server::TempDir;
use crate::support::{Caller, Server};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn add_backup(admin: &Caller, pool: &str) -> crate::support::Answer {
    let keyring = conf().with_file_name("client.longhaul.keyring");
    let params =
        json!({"name": pool, "conf": conf(), "user": "longhaul", "keyring": keyring, "poolName": pool});
    admin.post("/backup-storage/ceph", &json!({"params": params}))
}

fn path_of(image: &Value, place: &str) -> String {
    let copies = image["backupStorageRefs"].as_array().expect("copies");
    let copy = copies.iter().find(|copy| copy["backupStorageUuid"] == *place).expect("a copy there");
    text(&copy["installPath"])
}

fn volume_of(admin: &Caller, image: &Value, storage: &str) -> Value {
    let path = format!("/volumes/data/from/data-volume-templates/{}", text(&image["uuid"]));
    admin.post(&path, &json!({"params": {"name": "v", "primaryStorageUuid": storage}})).inventory()
}

/// Deletes an image for good; a child that read it may still have it for a moment.
fn expunge(admin: &Caller, image: &Value) {
    let path = format!("/images/{}", text(&image["uuid"]));
    admin.delete(&path).ok();
    crate::support::until("the image to be gone", || {
        let _ = admin.put(&format!("{path}/actions"), &json!({"expungeImage": {}}));
        admin.get(&path).ok()["inventories"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
}

#[test]
fn an_image_by_its_url_is_in_the_pool_what_a_guest_sees_and_becomes_volumes_of_every_kind() {
    let _turn = turn();
    let server = Server::start("fast", &["--set", "egress.images=127.0.0.1:*"]);
    let admin = server.admin();
    let made = add_backup(&admin, "ps-b").inventory();
    assert_eq!((&made["type"], &made["status"]), (&json!("Ceph"), &json!("Connected")));
    let place = text(&made["uuid"]);
    let twice = add(&admin, "ps-b").error().1;
    assert!(twice.contains("give volumes a pool of their own"), "{twice}");
    let pool = text(&add(&admin, "ps-a").inventory()["uuid"]);
    let found = admin.get("/primary-storage/ceph").ok();
    let one = &found["inventories"][0];
    assert_eq!((&one["uuid"], &one["pools"][0]["poolName"]), (&json!(pool), &json!("ps-a")));
    assert!(one["fsid"].as_str().is_some_and(|fsid| fsid.len() == 36), "{one}");
    let class = "org.zstack.storage.ceph.primary.CephPrimaryStorageInventory";
    assert_eq!(found["schema"]["inventories[0]"], json!(class));
    assert_eq!(
        admin.get(&format!("/primary-storage/ceph/{pool}")).ok()["inventories"][0]["uuid"],
        json!(pool)
    );
    let local = admin.pool(&json!({}));
    assert_eq!(admin.get("/primary-storage/ceph?count=true").ok()["total"], 1, "directories are none");

    let dir = TempDir::new("source");
    let at = |name: &str| dir.0.join(name).display().to_string();
    let bytes: Vec<u8> = (0..6 << 20).map(|n: usize| (n % 253) as u8 + 1).collect();
    fs::write(at("raw"), &bytes).expect("bytes");
    qemu_img(&["convert", "-f", "raw", "-O", "qcow2", &at("raw"), &at("qcow2")]);
    let qcow2 = fs::read(at("qcow2")).expect("an image");
    let source = FileServer::start(Serves { bytes: qcow2, ..Serves::default() });
    let params = json!({
        "name": "i", "url": source.url(), "backupStorageUuids": [place], "mediaType": "DataVolumeTemplate",
    });
    let image = admin.post("/images", &json!({"params": params})).inventory();
    assert_eq!((&image["status"], &image["format"]), (&json!("Ready"), &json!("raw")));
    assert_eq!(image["size"], json!(6 << 20));
    let path = path_of(&image, &place);
    assert!(path.starts_with(&format!("ceph://ps-b/{}.", text(&image["uuid"]))), "{path}");
    assert!(bytes_at(&path) == bytes);
    let staging = fs::read_dir(server.data_dir().join("image-staging")).expect("the staging directory");
    let left: usize = staging.flatten().map(|d| fs::read_dir(d.path()).map_or(1, Iterator::count)).sum();
    assert_eq!(left, 0, "what came first is gone");

    for storage in [&local.uuid, &pool] {
        let volume = volume_of(&admin, &image, storage);
        assert_eq!((&volume["format"], &volume["size"]), (&json!("raw"), &json!(6 << 20)));
        assert!(bytes_at(&text(&volume["installPath"])) == bytes, "{volume}");
        if storage == &pool {
            of_a_volume_of_a_pool(&admin, &volume, &place, &bytes);
            let path = format!("/volumes/{}", text(&volume["uuid"]));
            admin.delete(&path).ok();
            admin.put(&format!("{path}/actions"), &json!({"expungeDataVolume": {}})).ok();
        }
    }
    expunge(&admin, &image);
    for name in ["ps-a", "ps-b"] {
        assert!(!rbd(&["ls", name]).contains(&text(&image["uuid"])), "nothing of it is left in {name}");
    }
}

/// An image of it on the pool, moved to a directory and back.
fn of_a_volume_of_a_pool(admin: &Caller, volume: &Value, place: &str, bytes: &[u8]) {
    let path = format!("/images/data-volume-templates/from/volumes/{}", text(&volume["uuid"]));
    let params = json!({"name": "t", "backupStorageUuids": [place]});
    let image = admin.post(&path, &json!({"params": params})).inventory();
    assert_eq!((&image["format"], &image["md5Sum"]), (&json!("raw"), &json!("not calculated")));
    assert!(bytes_at(&path_of(&image, place)) == bytes);
    let shelf = Shelf::of(admin);
    let migrate = |from: &str, to: &str| {
        let body = json!({"srcBackupStorageUuid": from, "dstBackupStorageUuid": to});
        let path = format!("/backup-storage/images/{}/actions", text(&image["uuid"]));
        admin.put(&path, &json!({"backupStorageMigrateImage": body})).inventory()
    };
    let moved = migrate(place, &shelf.uuid);
    assert!(fs::read(path_of(&moved, &shelf.uuid)).expect("a file") == bytes);
    let back = migrate(&shelf.uuid, place);
    assert!(bytes_at(&path_of(&back, place)) == bytes);
    let clean = |of: &str| {
        crate::support::until("the trash to be clean", || {
            let path = format!("/backup-storage/{of}/trash/actions");
            let cleaned = admin.put(&path, &json!({"cleanUpTrashOnBackupStorage": {}})).ok();
            (cleaned["results"][0]["success"] == true).then_some(())
        });
    };
    clean(place);
    clean(&shelf.uuid);
    expunge(admin, &image);
    assert!(!rbd(&["ls", "ps-b"]).contains(&text(&image["uuid"])), "nothing of it is left");
}

#[test]
fn a_pool_that_is_not_there_is_no_backup_storage() {
    let _turn = turn();
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (code, told) = add_backup(&admin, "no-such-pool").error();
    assert_eq!(code, "SYS.1002", "{told}");
    assert!(told.contains("no-such-pool"), "{told}");
    assert_eq!(admin.get("/backup-storage").ok()["inventories"], json!([]));
    let import = json!({"params": {"name": "x", "conf": conf(), "importImages": true}});
    let told = admin.post("/backup-storage/ceph", &import).error().1;
    assert_eq!(told, "poolName is required when importImages is true");
    let empty = json!({"params": {"name": "x", "conf": conf(), "poolName": ""}});
    let told = admin.post("/backup-storage/ceph", &empty).error().1;
    assert_eq!(told, "poolName can be null but cannot be an empty string");
}
