//! Images of volumes, volumes of images, images from one backup storage to another, on directories. `qemu-img` and
//! `md5sum` say what the bytes are. Pools: `ceph_images`; exports: `image_exports`.
//!
//! Source: resources.md 4, 6, 7.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::images::{Shelf, md5sum, qemu_img};
use crate::support::disks::Pool;
use crate::support::{Caller, Server, uuid};

/// A text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// An image for data volumes of a volume.
pub fn template(admin: &Caller, volume: &str, shelves: &[&Shelf]) -> crate::support::Answer {
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

/// Where the copies of an image lie.
pub fn paths(image: &Value) -> Vec<PathBuf> {
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

#[test]
fn the_holes_of_an_image_are_holes_in_its_copies() {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let shelves = [Shelf::of(&admin), Shelf::of(&admin)];
    let source = pool.dir.0.join("thin.raw");
    let file = fs::File::create(&source).expect("a file");
    file.set_len(64 << 20).expect("a hole");
    for at in [0, 17 << 20, (64 << 20) - 4096] {
        file.write_all_at(&[9; 4096], at).expect("bytes");
    }
    let disk = adopt(&admin, &pool, &source);
    let made = template(&admin, &disk, &[&shelves[0], &shelves[1]]).inventory();
    let copies = paths(&made);
    assert_eq!(copies.len(), 2);
    for copy in copies {
        assert!(fs::read(&copy).expect("a copy") == fs::read(&source).expect("the volume"));
        let on_disk = fs::metadata(&copy).expect("a copy").blocks() * 512;
        assert!(on_disk < 1 << 20, "{on_disk} bytes are taken by {}", copy.display());
    }
}
