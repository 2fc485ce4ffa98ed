//! Images of volumes, volumes of images, images from one backup storage to another, on directories. `qemu-img` and
//! `md5sum` say what the bytes are. Pools: `ceph_images`.
//!
//! Source: resources.md 4, 6, 7.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::images::{Shelf, md5sum, qemu_img};
use crate::support::disks::Pool;
use crate::support::{Caller, Server, uuid};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn template(admin: &Caller, volume: &str, shelves: &[&Shelf]) -> crate::support::Answer {
    let places: Vec<_> = shelves.iter().map(|shelf| shelf.uuid.clone()).collect();
    let params = json!({"name": "t", "backupStorageUuids": places});
    admin.post(
        &format!("/images/data-volume-templates/from/volumes/{volume}"),
        &json!({"params": params, "systemTags": ["qemuga"]}),
    )
}

fn volume_of(admin: &Caller, image: &Value, pool: &Pool) -> crate::support::Answer {
    let params = json!({"name": "v", "primaryStorageUuid": pool.uuid, "hostUuid": uuid()});
    admin.post(
        &format!("/volumes/data/from/data-volume-templates/{}", text(image)),
        &json!({"params": params}),
    )
}

fn paths(image: &Value) -> Vec<PathBuf> {
    let copies = image["backupStorageRefs"].as_array().expect("copies");
    copies.iter().map(|copy| text(&copy["installPath"]).into()).collect()
}

fn adopt(admin: &Caller, pool: &Pool, path: &Path) -> String {
    let params = json!({"name": "d", "primaryStorageUuid": pool.uuid, "installPath": path});
    text(&admin.post("/volumes/adopt", &json!({"params": params})).inventory()["uuid"])
}

#[test]
fn a_volume_becomes_an_image_on_each_backup_storage_and_that_a_volume_again() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (pool, other) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let shelves = [Shelf::of(&admin), Shelf::of(&admin)];
        let disk = admin.full_volume(&pool, 5);
        let source = text(&admin.get(&format!("/volumes/{disk}")).ok()["inventories"][0]["installPath"]);
        let made = template(&admin, &disk, &[&shelves[0], &shelves[1]]).inventory();
        assert_eq!(
            (&made["status"], &made["mediaType"], &made["format"], &made["size"]),
            (&json!("Ready"), &json!("DataVolumeTemplate"), &json!("raw"), &json!(5 << 20))
        );
        assert_eq!((&made["url"], &made["platform"]), (&json!(format!("volume://{disk}")), &Value::Null));
        let bytes = fs::read(&source).expect("the volume");
        for path in paths(&made) {
            assert!(fs::read(&path).expect("the image") == bytes, "{}", path.display());
            assert_eq!(made["md5Sum"], json!(md5sum(&path)));
        }
        assert_eq!([shelves[0].files().len(), shelves[1].files().len()], [1, 1]);
        let tagged = admin.get("/images?q=__systemTag__=qemuga").ok();
        assert_eq!(tagged["inventories"][0]["uuid"], made["uuid"]);

        let volume = volume_of(&admin, &made["uuid"], &other).inventory();
        assert_eq!(
            (&volume["status"], &volume["primaryStorageUuid"], &volume["size"]),
            (&json!("Ready"), &json!(other.uuid), &json!(5 << 20))
        );
        assert!(fs::read(text(&volume["installPath"])).expect("the volume") == bytes);
        assert_eq!(admin.get("/volumes?count=true").ok()["total"], 2);
    }
}

#[test]
fn a_qcow2_volume_becomes_a_qcow2_image_that_stands_by_itself() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
    let at = |name: &str| pool.dir.0.join(name).display().to_string();
    fs::write(at("bytes"), vec![7; 3 << 20]).expect("bytes");
    qemu_img(&["convert", "-f", "raw", "-O", "qcow2", &at("bytes"), &at("base.qcow2")]);
    qemu_img(&["create", "-q", "-f", "qcow2", "-b", &at("base.qcow2"), "-F", "qcow2", &at("top.qcow2")]);
    let disk = adopt(&admin, &pool, Path::new(&at("top.qcow2")));
    let path = format!("/images/root-volume-templates/from/volumes/{disk}");
    let params = json!({"name": "t", "architecture": "aarch64", "virtio": false});
    let made = admin.post(&path, &json!({"params": params})).inventory();
    assert_eq!(
        (&made["mediaType"], &made["format"], &made["platform"], &made["architecture"]),
        (&json!("RootVolumeTemplate"), &json!("qcow2"), &json!("Linux"), &json!("aarch64"))
    );
    let image = paths(&made).remove(0);
    qemu_img(&["check", "-q", "-f", "qcow2", &image.display().to_string()]);
    qemu_img(&["compare", "-f", "qcow2", "-F", "raw", &image.display().to_string(), &at("bytes")]);
    assert_eq!(made["backupStorageRefs"][0]["backupStorageUuid"], json!(shelf.uuid), "where most room is");

    let (code, details) = volume_of(&admin, &made["uuid"], &pool).error();
    assert_eq!(code, "SYS.1007");
    assert!(details.ends_with("is not DataVolumeTemplate, it's RootVolumeTemplate"), "{details}");
    let update = json!({"updateImage": {"mediaType": "DataVolumeTemplate"}});
    admin.put(&format!("/images/{}/actions", text(&made["uuid"])), &update).ok();
    let volume = volume_of(&admin, &made["uuid"], &pool).inventory();
    assert_eq!(volume["format"], "qcow2");
    qemu_img(&["compare", "-f", "qcow2", "-F", "raw", &text(&volume["installPath"]), &at("bytes")]);

    let disable = json!({"changeImageState": {"stateEvent": "disable"}});
    admin.put(&format!("/images/{}/actions", text(&made["uuid"])), &disable).ok();
    let (_, details) = volume_of(&admin, &made["uuid"], &pool).error();
    assert!(details.ends_with("is not Enabled, it's Disabled"), "{details}");
    admin.delete(&format!("/volumes/{disk}")).ok();
    let (_, details) = template(&admin, &disk, &[&shelf]).error();
    assert!(details.contains("is not Ready, it's Deleted"), "{details}");
    assert_eq!(shelf.files().len(), 1, "what was refused left nothing: {:?}", shelf.files());
}

#[test]
fn an_image_moves_and_what_it_leaves_is_trash_until_it_is_cleaned() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let (from, to) = (Shelf::of(&admin), Shelf::of(&admin));
    let made = template(&admin, &admin.full_volume(&pool, 3), &[&from]).inventory();
    let uuid = text(&made["uuid"]);
    let bytes = fs::read(paths(&made).remove(0)).expect("the image");
    let candidates = admin.get(&format!("/backup-storage/{}/migration-candidates", from.uuid)).ok();
    assert_eq!(candidates["inventories"][0]["uuid"], json!(to.uuid));
    let migrate = |from: &Shelf, to: &Shelf| {
        let body = json!({"srcBackupStorageUuid": from.uuid, "dstBackupStorageUuid": to.uuid});
        let path = format!("/backup-storage/images/{uuid}/actions");
        admin.put(&path, &json!({"backupStorageMigrateImage": body}))
    };
    let moved = migrate(&from, &to).inventory();
    assert_eq!(moved["backupStorageRefs"].as_array().map(Vec::len), Some(1));
    assert_eq!(moved["backupStorageRefs"][0]["backupStorageUuid"], json!(to.uuid));
    assert_eq!((&moved["md5Sum"], &moved["status"]), (&made["md5Sum"], &json!("Ready")));
    assert!(fs::read(paths(&moved).remove(0)).expect("the image") == bytes);
    let trash =
        || admin.get(&format!("/backup-storage/trash?uuid={}", from.uuid)).ok()["inventories"].clone();
    let left = trash();
    assert_eq!(
        (&left[0]["trashType"], &left[0]["resourceUuid"], &left[0]["storageType"]),
        (&json!("MigrateImage"), &json!(uuid), &json!("BackupStorageVO"))
    );
    assert_eq!(left[0]["installPath"], made["backupStorageRefs"][0]["installPath"]);
    assert_eq!(from.files().len(), 1);
    let clean = json!({"cleanUpTrashOnBackupStorage": {"trashId": left[0]["trashId"]}});
    let cleaned = admin.put(&format!("/backup-storage/{}/trash/actions", from.uuid), &clean).ok();
    assert_eq!(cleaned["results"][0]["success"], json!(true), "{cleaned}");
    assert_eq!((trash(), from.files()), (json!([]), Vec::new()));
    let again = migrate(&from, &to).error();
    assert!(again.1.contains("is not on the backup storage"), "{again:?}");
    assert_eq!(migrate(&to, &to).error().0, "SYS.1007");
}

/// Fetches an URL of the server, with these lines of the head; status, head and body.
fn fetch(url: &str, method: &str, lines: &str) -> (u16, String, Vec<u8>) {
    let (address, path) = url.strip_prefix("http://").and_then(|u| u.split_once('/')).expect("an URL");
    let mut stream = TcpStream::connect(address).expect("the server");
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    (status, head, answer[end + 4..].to_vec())
}

#[test]
fn an_exported_image_is_fetched_whole_and_in_ranges_until_the_export_is_taken_back() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
        let made = template(&admin, &admin.full_volume(&pool, 3), &[&shelf]).inventory();
        let uuid = text(&made["uuid"]);
        let bytes = fs::read(paths(&made).remove(0)).expect("the image");
        let actions = format!("/backup-storage/{}/actions", shelf.uuid);
        let export = |format: &str| {
            let body = json!({"imageUuid": uuid, "exportFormat": format});
            admin.put(&actions, &json!({"exportImageFromBackupStorage": body}))
        };
        let told = export("raw").ok();
        assert_eq!((&told["success"], &told["exportMd5Sum"]), (&json!(true), &made["md5Sum"]));
        assert_eq!(told["inventory"], Value::Null);
        let url = text(&told["imageUrl"]);
        assert_eq!(export("raw").ok()["imageUrl"], json!(url), "twice is once");
        let copy = &admin.get(&format!("/images/{uuid}")).ok()["inventories"][0]["backupStorageRefs"][0];
        assert_eq!((&copy["exportUrl"], &copy["exportMd5Sum"]), (&json!(url), &made["md5Sum"]));

        let (status, head, body) = fetch(&url, "GET", "");
        assert_eq!(status, 200);
        assert!(body == bytes && head.contains("accept-ranges: bytes"), "{head}");
        let tag = format!("\"{}\"", text(&made["md5Sum"]));
        let range = format!("Range: bytes=1048576-\r\nIf-Range: {tag}\r\n");
        let (status, head, body) = fetch(&url, "GET", &range);
        assert_eq!(status, 206, "{head}");
        assert!(head.contains("content-range: bytes 1048576-3145727/3145728"), "{head}");
        assert!(body == bytes[1 << 20..]);
        let other = fetch(&url, "GET", "Range: bytes=5-\r\nIf-Range: \"another\"\r\n");
        assert_eq!((other.0, other.2.len()), (200, 3 << 20), "another content is whole");
        assert_eq!(fetch(&url, "GET", "Range: bytes=3145728-\r\n").0, 416);
        let (status, head, body) = fetch(&url, "HEAD", "");
        assert_eq!((status, body.len()), (200, 0));
        assert!(head.contains("content-length: 3145728"), "{head}");
        assert_eq!(fetch(&url, "DELETE", "").0, 405);
        let guessed = url.replace(&uuid[..8], "00000000");
        assert_eq!(fetch(&guessed, "GET", "").0, 404);
        let secret = url.rsplit('/').nth(1).expect("a secret");
        assert_eq!(fetch(&url.replace(secret, &"0".repeat(secret.len())), "GET", "").0, 404);

        let refused = export("qcow2").error().1;
        assert!(refused.contains("delete that export first"), "{refused}");
        let exported = format!("/backup-storage/{}/exported-images/{uuid}", shelf.uuid);
        admin.delete(&exported).ok();
        admin.delete(&exported).ok();
        assert_eq!(fetch(&url, "GET", "").0, 404);

        let told = export("qcow2").ok();
        let url = text(&told["imageUrl"]);
        assert!(url.ends_with(".qcow2"), "{url}");
        let file = pool.dir.0.join("fetched.qcow2");
        fs::write(&file, fetch(&url, "GET", "").2).expect("written");
        assert_eq!(told["exportMd5Sum"], json!(md5sum(&file)));
        let (fetched, source) = (file.display().to_string(), paths(&made).remove(0).display().to_string());
        qemu_img(&["compare", "-f", "qcow2", "-F", "raw", &fetched, &source]);
        let directory = server.data_dir().join("image-exports").join(&uuid);
        assert_eq!(fs::read_dir(&directory).expect("exports").count(), 1);
        admin.delete(&exported).ok();
        assert_eq!(fs::read_dir(&directory).map_or(0, Iterator::count), 0, "what was made for it is gone");
        assert_eq!(shelf.files().len(), 1);
    }
}
