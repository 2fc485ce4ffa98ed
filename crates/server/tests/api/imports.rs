//! Imports and the record of the volume to be: while the bytes are on their way it is the job's, and nobody else's.

use serde_json::{Value, json};

use crate::support::disks::Pool;
use crate::support::server::TempDir;
use crate::support::{Answer, Caller, Server, until, uuid};

const THROTTLE: &str = "longhaul::throttle::1048576";
const MIB: usize = 1 << 20;

/// A raw file of `mib` MiB without a zero.
fn file(elsewhere: &TempDir, name: &str, mib: usize) -> String {
    let path = elsewhere.0.join(name);
    std::fs::write(&path, vec![7u8; mib * MIB]).expect("a file for the test");
    path.display().to_string()
}

fn import(admin: &Caller, pool: &Pool, path: &str, volume: &str) -> Answer {
    let data =
        json!({"volumeUuid": volume, "primaryStorageUuid": pool.uuid, "path": path, "name": "imported"});
    let params = json!({"jobName": "APIImportVolumeMsg", "jobData": data.to_string()});
    admin.post("/longjobs", &json!({"params": params, "systemTags": [THROTTLE]}))
}

fn job(answer: &Answer) -> String {
    answer.inventory()["uuid"].as_str().expect("a uuid").to_owned()
}

fn volume(admin: &Caller, uuid: &str) -> Value {
    admin.get(&format!("/volumes/{uuid}")).ok()["inventories"][0].clone()
}

fn wait_creating(admin: &Caller, uuid: &str) {
    until("the record is there", || (volume(admin, uuid)["status"] == "Creating").then_some(()));
}

#[test]
fn a_volume_is_neither_deleted_nor_forgotten_while_it_is_imported() {
    let server = Server::start("fast", &[]);
    let (admin, elsewhere) = (server.admin(), TempDir::new("elsewhere"));
    let (pool, id) = (admin.pool(&json!({})), uuid());
    let imported = job(&import(&admin, &pool, &file(&elsewhere, "a.raw", 4), &id));
    assert_eq!(admin.job(&imported).expect("the job")["targetResourceUuid"], *id);
    wait_creating(&admin, &id);
    let act = |action: &str| admin.put(&format!("/volumes/{id}/actions"), &json!({action: {}}));
    for refused in [admin.delete(&format!("/volumes/{id}")).error(), act("forgetVolume").error()] {
        assert!(refused.1.contains(&imported), "the job is named: {refused:?}");
    }
    assert!(act("expungeDataVolume").error().1.contains("not deleted"), "nor expunged");
    admin.wait_for(&imported, "Succeeded");
    assert_eq!(volume(&admin, &id)["status"], "Ready");
    admin.delete(&format!("/volumes/{id}")).ok();
}

#[test]
fn of_two_imports_with_one_volume_uuid_one_makes_the_volume_and_the_other_is_refused() {
    let server = Server::start("fast", &[]);
    let (admin, elsewhere) = (server.admin(), TempDir::new("elsewhere"));
    let (pool, id) = (admin.pool(&json!({})), uuid());
    let first = job(&import(&admin, &pool, &file(&elsewhere, "a.raw", 2), &id));
    let other = file(&elsewhere, "b.raw", 3);
    let refused = import(&admin, &pool, &other, &id).error();
    assert!(refused.1.contains(&first), "it waits for nothing and names the job: {refused:?}");
    admin.wait_for(&first, "Succeeded");
    let refused = import(&admin, &pool, &other, &id).error();
    assert!(refused.0 == "SYS.1007" && refused.1.contains("belongs to another volume"), "{refused:?}");
    assert_eq!(volume(&admin, &id)["size"], 2 * MIB);
    let scan = admin.get(&format!("/primary-storage/{}/scan", pool.uuid)).ok();
    assert_eq!(scan["inventories"], json!([]), "no other file was made");
    let free = job(&import(&admin, &pool, &other, &uuid()));
    admin.wait_for(&free, "Succeeded");
}

#[test]
fn a_canceled_import_leaves_neither_record_nor_file_and_its_uuid_is_free() {
    let server = Server::start("fast", &[]);
    let (admin, elsewhere) = (server.admin(), TempDir::new("elsewhere"));
    let (pool, id) = (admin.pool(&json!({})), uuid());
    let path = file(&elsewhere, "a.raw", 8);
    let canceled = job(&import(&admin, &pool, &path, &id));
    wait_creating(&admin, &id);
    admin.act(&canceled, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&canceled, "Canceled");
    assert_eq!(admin.get(&format!("/volumes/{id}")).ok()["inventories"], json!([]));
    admin.delete(&format!("/longjobs/{canceled}")).ok();
    let again = job(&import(&admin, &pool, &path, &id));
    wait_creating(&admin, &id);
    admin.act(&again, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&again, "Canceled");
    admin.delete(&format!("/primary-storage/{}", pool.uuid)).ok();
}

#[test]
fn an_import_for_another_target_than_its_volume_is_refused() {
    let server = Server::start("fast", &[]);
    let (admin, elsewhere) = (server.admin(), TempDir::new("elsewhere"));
    let pool = admin.pool(&json!({}));
    let data =
        json!({"primaryStorageUuid": pool.uuid, "path": file(&elsewhere, "a.raw", 1), "name": "imported"});
    let params = json!({
        "jobName": "APIImportVolumeMsg", "jobData": data.to_string(), "targetResourceUuid": pool.uuid,
    });
    let refused = admin.post("/longjobs", &json!({"params": params})).error();
    assert!(refused.0 == "SYS.1007" && refused.1.contains("targetResourceUuid"), "{refused:?}");
}
