//! A volume that becomes another format on its way, by the job and by the call, with `qemu-img` as the witness. To and
//! from pools: `ceph`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::disks::{MIGRATE, Pool};
use crate::support::{Caller, Server};

fn qemu_img(args: &[&str]) {
    let output = Command::new("qemu-img").args(args).output().expect("qemu-img");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

fn volume(admin: &Caller, uuid: &str) -> Value {
    admin.get(&format!("/volumes/{uuid}")).ok()["inventories"][0].clone()
}

fn submission(volume: &str, to: &Pool, format: &Value, tags: &[&str]) -> Value {
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid, "format": format}).to_string();
    json!({"params": {"jobName": MIGRATE, "jobData": data}, "systemTags": tags})
}

fn moved(admin: &Caller, volume: &str, to: &Pool, format: &Value) {
    let job = admin.post("/longjobs", &submission(volume, to, format, &[])).inventory();
    admin.wait_for(&text(&job["uuid"]), "Succeeded");
}

fn call(admin: &Caller, volume: &str, to: &Pool, format: Option<&str>) -> crate::support::Answer {
    let mut params = json!({"dstPrimaryStorageUuid": to.uuid});
    if let Some(format) = format {
        params["format"] = json!(format);
    }
    let path = format!("/primary-storage/volumes/{volume}/actions");
    admin.put(&path, &json!({"primaryStorageMigrateVolume": params}))
}

#[test]
fn a_volume_becomes_the_format_that_was_asked_and_else_stays_what_it_is() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (here, there) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let disk = admin.full_volume(&here, 9);
    let first = text(&volume(&admin, &disk)["installPath"]);
    let now = || {
        let now = volume(&admin, &disk);
        assert_eq!(now["size"], 9 << 20);
        (text(&now["format"]), text(&now["installPath"]))
    };
    let equal = |format: &str, path: &str| {
        qemu_img(&["compare", "-q", "-f", "raw", "-F", format, &first, path]);
        if format == "qcow2" {
            qemu_img(&["check", "-q", "-f", "qcow2", path]);
        }
    };

    let plan = admin.post("/longjobs", &submission(&disk, &there, &json!("qcow2"), &["validationOnly"])).ok();
    let needed = |plan: &Value| plan["neededBytes"].as_u64().expect("bytes");
    assert_eq!((&plan["plan"]["format"], &plan["plan"]["blockers"]), (&json!("qcow2"), &json!([])));
    let kept = admin.post("/longjobs", &submission(&disk, &there, &Value::Null, &["validationOnly"])).ok();
    assert_eq!(kept["plan"]["format"], "raw");
    assert!(needed(&plan["plan"]) > needed(&kept["plan"]), "an image needs room for its map");

    // By the job: raw becomes qcow2. The copy is really one, whatever the record says.
    moved(&admin, &disk, &there, &json!("qcow2"));
    let (format, path) = now();
    assert_eq!(format, "qcow2");
    equal("qcow2", &path);
    assert_eq!(&std::fs::read(&path).expect("the image")[..4], b"QFI\xfb");
    // By the call, without a wish: it stays.
    call(&admin, &disk, &here, None).ok();
    let (format, path) = now();
    assert_eq!(format, "qcow2");
    equal("qcow2", &path);
    // By the call: qcow2 becomes raw.
    call(&admin, &disk, &there, Some("raw")).ok();
    let (format, path) = now();
    assert_eq!(format, "raw");
    equal("raw", &path);
    assert_eq!(std::fs::metadata(&path).expect("the disk").len(), 9 << 20);
    for pool in [&here, &there] {
        let found = admin.get(&format!("/primary-storage/{}/scan", pool.uuid)).ok();
        assert_eq!(found["inventories"], json!([]), "records and files are the same");
    }
}

#[test]
fn a_format_that_is_none_or_cannot_have_the_disks_size_is_refused_with_what_to_do() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (here, there) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let path = here.dir.0.join("odd.raw");
    std::fs::write(&path, vec![7; 4 * 1024 + 77]).expect("a disk");
    let params = json!({"name": "odd", "primaryStorageUuid": here.uuid, "installPath": Path::new(&path)});
    let disk = text(&admin.post("/volumes/adopt", &json!({"params": params})).inventory()["uuid"]);

    for other in [json!("vmdk"), json!(2), json!("")] {
        let refused = admin.post("/longjobs", &submission(&disk, &there, &other, &[])).error();
        assert_eq!(refused.0, "SYS.1007");
        assert!(refused.1.contains("field[format] of jobData are [raw, qcow2]"), "{refused:?}");
    }
    assert_eq!(call(&admin, &disk, &there, Some("vmdk")).error().0, "SYS.1007");
    let refused = call(&admin, &disk, &there, Some("qcow2")).error();
    assert!(
        refused.1.contains("has 4173 bytes") && refused.1.contains("grow the disk to 4608"),
        "{refused:?}"
    );
    let plan = admin.post("/longjobs", &submission(&disk, &there, &json!("qcow2"), &["validationOnly"])).ok();
    assert!(plan["plan"]["blockers"].to_string().contains("whole sectors of 512"), "{plan}");
    // The control: as it is, it moves.
    call(&admin, &disk, &there, Some("raw")).ok();
    assert_eq!(volume(&admin, &disk)["primaryStorageUuid"], json!(there.uuid));
}
