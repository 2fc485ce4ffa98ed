//! What the contract says of backup storages, images and their tags beyond the ways of an image: bounds, refusals with
//! their texts, what is answered as what.
//!
//! Source: resources.md 6, 7, 8.

use std::fs;

use serde_json::{Value, json};

use crate::image_copies::{paths, template, text};
use crate::images::Shelf;
use crate::support::disks::Pool;
use crate::support::{Caller, Server, uuid};

/// A raw image of 1 MiB for data volumes.
fn image(admin: &Caller, pool: &Pool, shelf: &Shelf) -> Value {
    template(admin, &admin.full_volume(pool, 1), &[shelf]).inventory()
}

fn long(units: usize) -> String {
    "x".repeat(units)
}

#[test]
fn what_is_said_of_a_backup_storage_changes_within_its_bounds() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let shelf = Shelf::of(&admin);
        let of_all = format!("/backup-storage/{}/actions", shelf.uuid);
        let of_directories = format!("/backup-storage/image-store/{}/actions", shelf.uuid);
        let made = admin.get(&format!("/backup-storage/{}", shelf.uuid)).ok()["inventories"][0].clone();
        assert_eq!(made["description"], Value::Null, "absent where none was given");
        let said = json!({"name": long(255), "description": long(2048)});
        let changed = admin.put(&of_all, &json!({"updateBackupStorage": said})).inventory();
        assert_eq!((&changed["name"], &changed["description"]), (&said["name"], &said["description"]));
        for (key, units) in [("name", 256), ("description", 2049)] {
            for (path, action) in
                [(&of_all, "updateBackupStorage"), (&of_directories, "updateImageStoreBackupStorage")]
            {
                let (code, told) = admin.put(path, &json!({action: {key: long(units)}})).error();
                assert_eq!(code, "SYS.1007");
                assert!(told.contains(&format!("[{key}]")), "{told}");
            }
        }
        let said = json!({
            "name": "n", "hostname": "shelf.example", "username": "u", "password": "s3cret", "sshPort": 2222,
        });
        let changed = admin.put(&of_directories, &json!({"updateImageStoreBackupStorage": said})).inventory();
        assert_eq!((&changed["name"], &changed["hostname"]), (&json!("n"), &json!("shelf.example")));
        assert_eq!((&changed["username"], &changed["sshPort"]), (&json!("u"), &json!(2222)));
        assert_eq!((&changed["description"], &changed["password"]), (&json!(long(2048)), &Value::Null));
        let back = admin.put(&of_directories, &json!({"reconnectImageStoreBackupStorage": {}})).inventory();
        assert_eq!((&back["status"], &back["uuid"]), (&json!("Connected"), &json!(shelf.uuid)));
        let nobody = format!("/backup-storage/image-store/{}/actions", uuid());
        let (code, told) = admin.put(&nobody, &json!({"reconnectImageStoreBackupStorage": {}})).error();
        assert_eq!(code, "SYS.1003", "{told}");
    }
}

#[test]
fn a_deletion_that_cannot_be_is_told_with_its_cause_and_of_what_is_unknown_it_succeeds() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
        assert_eq!(admin.delete(&format!("/backup-storage/{}", uuid())).ok(), json!({}));
        let made = image(&admin, &pool, &shelf);
        let answer = admin.delete(&format!("/backup-storage/{}?deleteMode=Enforcing", shelf.uuid));
        let (code, told) = answer.error();
        assert_eq!(code, "SYS.1004");
        assert!(told.contains(&format!("image[uuid:{}]", text(&made["uuid"]))), "{told}");
        let error = answer.last.json()["error"].clone();
        assert_eq!(error["cause"]["code"], "SYS.1006", "{error}");
        assert!(told.ends_with(&text(&error["cause"]["details"])), "the details repeat it: {error}");

        // An image whose bytes cannot be removed.
        let direct = json!({"updateGlobalConfig": {"value": "Direct"}});
        admin.put("/global-configurations/image/deletionPolicy/actions", &direct).ok();
        let path = paths(&made).remove(0);
        let (root, aside) =
            (path.parent().and_then(|p| p.parent()).expect("the shelf"), pool.dir.0.join("aside"));
        fs::rename(root, &aside).expect("moved");
        let answer = admin.delete(&format!("/images/{}", text(&made["uuid"])));
        let (code, told) = answer.error();
        assert_eq!(code, "SYS.1004", "{told}");
        let named = format!("the image[uuid:{}, name:t] cannot be deleted: ", text(&made["uuid"]));
        assert!(told.starts_with(&named), "{told}");
        let cause = answer.last.json()["error"]["cause"].clone();
        assert!(told.ends_with(&text(&cause["details"])), "{told} {cause}");
        let kept = admin.get(&format!("/images/{}", text(&made["uuid"]))).ok()["inventories"][0].clone();
        assert_eq!(kept["status"], "Deleted", "its bytes are there, so it may be recovered");
        fs::rename(&aside, root).expect("moved back");
        admin.delete(&format!("/images/{}", text(&made["uuid"]))).ok();
        assert!(shelf.files().is_empty(), "{:?}", shelf.files());
    }
}

#[test]
fn an_image_is_not_where_it_is_not() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (pool, shelf, other) = (admin.pool(&json!({})), Shelf::of(&admin), Shelf::of(&admin));
        let made = image(&admin, &pool, &shelf);
        let id = text(&made["uuid"]);
        let image = format!("image[uuid:{id}, name:t]");
        let act = |body: Value| admin.put(&format!("/images/{id}/actions"), &body).error();
        let export = json!({"exportImageFromBackupStorage": {"imageUuid": id}});
        let name =
            text(&admin.get(&format!("/backup-storage/{}", other.uuid)).ok()["inventories"][0]["name"]);
        let told = admin.put(&format!("/backup-storage/{}/actions", other.uuid), &export).error();
        let expected =
            format!("image[uuid: {id}] is not on backup storage[uuid:{}, name:{name}]", other.uuid);
        assert_eq!(told, ("SYS.1006".to_owned(), expected));

        let elsewhere = format!("the {image} is not on the backup storage[uuid:{}]", other.uuid);
        let hash = json!({"calculateImageHash": {"backupStorageUuid": other.uuid}});
        assert_eq!(act(hash), ("SYS.1007".to_owned(), elsewhere.clone()));
        let delete = format!("/images/{id}?backupStorageUuids={}", other.uuid);
        assert_eq!(admin.delete(&delete).error().1, elsewhere);

        let on = |action: &str, place: &Shelf| json!({action: {"backupStorageUuids": [place.uuid]}});
        for action in ["recoverImage", "expungeImage"] {
            let (code, told) = act(on(action, &shelf));
            assert_eq!(
                (code.as_str(), told),
                ("SYS.1006", format!("the {image} is not deleted on any backup storage"))
            );
        }
        admin.delete(&format!("/images/{id}")).ok();
        for action in ["recoverImage", "expungeImage"] {
            assert_eq!(act(on(action, &other)), ("SYS.1007".to_owned(), elsewhere.clone()), "{action}");
        }
        let nowhere = format!("No connected backup storage found for {image}");
        for body in
            [json!({"syncImageSize": {}}), json!({"calculateImageHash": {"backupStorageUuid": shelf.uuid}})]
        {
            assert_eq!(act(body), ("SYS.1006".to_owned(), nowhere.clone()));
        }
    }
}

#[test]
fn a_copy_that_is_not_deleted_is_neither_recovered_nor_expunged() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (pool, shelves) = (admin.pool(&json!({})), [Shelf::of(&admin), Shelf::of(&admin)]);
    let volume = admin.full_volume(&pool, 1);
    let id = text(&template(&admin, &volume, &[&shelves[0], &shelves[1]]).inventory()["uuid"]);
    admin.delete(&format!("/images/{id}?backupStorageUuids={}", shelves[0].uuid)).ok();
    let act = |action: &str| {
        let body = json!({action: {"backupStorageUuids": [shelves[1].uuid]}});
        admin.put(&format!("/images/{id}/actions"), &body).error()
    };
    let (image, place) = (format!("the image[uuid:{id}, name:t]"), &shelves[1].uuid);
    let told = format!("{image}'s status[Ready] is not Deleted on the backup storage[uuid:{place}]");
    assert_eq!(act("recoverImage"), ("SYS.1007".to_owned(), told));
    let told = format!("{image} is not deleted on the backup storage[uuid:{place}]");
    assert_eq!(act("expungeImage"), ("SYS.1007".to_owned(), told));
    assert_eq!([shelves[0].files().len(), shelves[1].files().len()], [1, 1]);
}

#[test]
fn what_is_said_of_an_image_changes_within_its_bounds_and_is_answered_with_its_types() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
        let made = image(&admin, &pool, &shelf);
        for absent in ["description", "guestOsType", "systemTags"] {
            assert_eq!(made.get(absent), None, "{made}");
        }
        assert_eq!((&made["system"], &made["virtio"]), (&json!(false), &json!(true)));
        let path = format!("/images/{}/actions", text(&made["uuid"]));
        let update = |said: &Value| admin.put(&path, &json!({"updateImage": said}));
        let said = json!({
            "name": long(255), "description": long(2048), "guestOsType": long(255), "mediaType": "RootVolumeTemplate",
            "format": "raw", "system": true, "platform": "Windows", "architecture": "x86_64", "virtio": false,
        });
        let changed = update(&said).inventory();
        for (key, value) in said.as_object().expect("an object") {
            assert_eq!(&changed[key], value, "{key}");
        }
        let tags =
            admin.get(&format!("/system-tags?q=resourceUuid={}&q=tag~=bootMode%", text(&made["uuid"]))).ok();
        assert_eq!(tags["inventories"][0]["tag"], "bootMode::Legacy", "x86_64 on a system image: {tags}");
        for (key, value) in [
            ("name", long(256)),
            ("description", long(2049)),
            ("guestOsType", long(256)),
            ("architecture", long(33)),
            ("mediaType", "Template".to_owned()),
            ("format", "vmdk".to_owned()),
            ("platform", "Plan9".to_owned()),
        ] {
            let (code, told) = update(&json!({key: value})).error();
            assert_eq!(code, "SYS.1007");
            assert!(told.contains(&format!("[{key}]")), "{told}");
        }
        let now = admin.get(&format!("/images/{}", text(&made["uuid"]))).ok()["inventories"][0].clone();
        assert_eq!(now, changed, "what was refused changed nothing");
    }
}

#[test]
fn hints_for_the_making_of_volumes_and_storages_are_taken_and_kept_where_the_contract_keeps_them() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let strategy = "primaryStorageVolumeProvisioningStrategy::ThinProvisioning";
        let pool = admin.pool(&json!({"systemTags": [strategy]}));
        let kept = |uuid: &str| {
            let found = admin.get(&format!("/system-tags?q=resourceUuid={uuid}")).ok();
            let rows = found["inventories"].as_array().expect("tags").clone();
            rows.iter().map(|row| text(&row["tag"])).collect::<Vec<_>>()
        };
        assert_eq!(kept(&pool.uuid), [strategy]);
        let hints = ["ephemeral::volume::fastCreate", "ephemeral::volume::flatten"];
        let strategy = "volumeProvisioningStrategy::ThickProvisioning";
        let volume = admin.volume(&pool, &json!({"systemTags": [hints[0], hints[1], strategy]}));
        assert_eq!(kept(&volume), [strategy], "hints for the creation are not stored");
        for hint in hints {
            let (code, told) = admin.tag("system", "VolumeVO", &volume, hint).error();
            assert_eq!(code, "SYS.1007", "later it means nothing: {told}");
        }
    }
}
