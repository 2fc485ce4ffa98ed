//! Two jobs that mean one image: its record is the first's, and the second is refused without touching it. The jobs wait
//! for a slot until both are in, since a submission for an image that is there is refused at once.
//!
//! Source: resources.md 7.3; docs/differences.md.

use std::process::Command;

use serde_json::{Value, json};

use crate::images::Shelf;
use crate::support::file_server::{FileServer, Serves};
use crate::support::{Caller, Server, until, uuid};

/// So many jobs run at a time from now on.
fn slots(admin: &Caller, count: u32) {
    let body = json!({"updateGlobalConfig": {"value": count.to_string()}});
    admin.put("/global-configurations/longhaul/engine.maxRunning/actions", &body).ok();
}

fn submit(admin: &Caller, name: &str, data: &Value, tags: &[&str]) -> String {
    let params = json!({"jobName": name, "jobData": data.to_string()});
    let made = admin.post("/longjobs", &json!({"params": params, "systemTags": tags})).inventory();
    made["uuid"].as_str().expect("a job").to_owned()
}

fn image(admin: &Caller, id: &str) -> Value {
    admin.get(&format!("/images/{id}")).ok()["inventories"][0].clone()
}

fn refused(admin: &Caller, job: &str, image: &str) {
    admin.wait_for(job, "Failed");
    let told = admin.job(job).expect("the job")["jobResult"].to_string();
    assert!(told.contains("SYS.1007"), "{told}");
    assert!(told.contains(&format!("the uuid[{image}] belongs to another image")), "{told}");
}

#[test]
fn a_second_job_for_the_uuid_of_an_image_under_way_is_refused_and_leaves_it_alone() {
    let server = Server::start("fast", &["--set", "egress.images=127.0.0.1:*"]);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let bytes = vec![7; 3 << 20];
    let stands = FileServer::start(Serves {
        bytes: bytes.clone(),
        tag: Some("\"a\""),
        stands_after: Some(2 << 20),
        ..Serves::default()
    });
    let plain = FileServer::start(Serves { bytes, ..Serves::default() });
    for (first, second) in [
        (stands.url(), plain.url()),
        (stands.url(), "upload://i".to_owned()),
        ("upload://i".to_owned(), plain.url()),
        ("upload://i".to_owned(), "upload://j".to_owned()),
    ] {
        let id = uuid();
        slots(&admin, 0);
        let [first, second] = [("first", first), ("second", second)].map(|(name, url)| {
            let data = json!({
                "name": name, "url": url, "backupStorageUuids": [shelf.uuid], "resourceUuid": id,
                "systemTags": ["qemuga"], "userTags": [name],
            });
            submit(&admin, "APIAddImageMsg", &data, &[])
        });
        slots(&admin, 1);
        until("the first to begin", || (image(&admin, &id)["status"] == "Downloading").then_some(()));
        slots(&admin, 2);
        refused(&admin, &second, &id);
        let under_way = image(&admin, &id);
        assert_eq!((&under_way["status"], &under_way["name"]), (&json!("Downloading"), &json!("first")));
        let tags = admin.get(&format!("/user-tags?q=resourceUuid={id}")).ok();
        assert_eq!(tags["total"], Value::Null);
        assert_eq!(tags["inventories"].as_array().map(Vec::len), Some(1), "{tags}");
        assert_eq!(tags["inventories"][0]["tag"], "first");
        // What the second would have undone is the first's still: its own undo takes it.
        admin.act(&first, "cancelLongJob", &json!({})).ok();
        admin.wait_for(&first, "Canceled");
        assert_eq!(image(&admin, &id), Value::Null);
        assert!(shelf.files().is_empty(), "{:?}", shelf.files());
    }
}

#[test]
fn a_second_template_for_one_uuid_is_refused_and_the_first_is_ready_with_its_own_bytes() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
    let (volume, id) = (admin.full_volume(&pool, 4), uuid());
    slots(&admin, 0);
    let [first, second] = ["first", "second"].map(|name| {
        let data = json!({
            "volumeUuid": volume, "name": name, "backupStorageUuids": [shelf.uuid], "resourceUuid": id,
        });
        submit(&admin, "APICreateDataVolumeTemplateFromVolumeMsg", &data, &["longhaul::throttle::1048576"])
    });
    slots(&admin, 1);
    until("the first to begin", || (image(&admin, &id)["status"] == "Creating").then_some(()));
    slots(&admin, 2);
    refused(&admin, &second, &id);
    assert_eq!(image(&admin, &id)["name"], "first");
    admin.wait_for(&first, "Succeeded");
    let made = image(&admin, &id);
    assert_eq!((&made["status"], &made["name"]), (&json!("Ready"), &json!("first")));
    let path = made["backupStorageRefs"][0]["installPath"].as_str().expect("a path");
    assert!(path.contains(&first), "the file is the first's: {path}");
    assert_eq!(shelf.files(), [path]);
}

#[test]
fn an_image_that_was_deleted_and_made_anew_by_another_job_is_not_finished_by_the_first() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
    let (volume, id) = (admin.full_volume(&pool, 4), uuid());
    let make = |name: &str| {
        let data = json!({
            "volumeUuid": volume, "name": name, "backupStorageUuids": [shelf.uuid], "resourceUuid": id,
        });
        submit(&admin, "APICreateDataVolumeTemplateFromVolumeMsg", &data, &["longhaul::throttle::1048576"])
    };
    let first = make("first");
    until("the first to begin", || (image(&admin, &id)["status"] == "Creating").then_some(()));
    admin.delete(&format!("/images/{id}")).ok();
    let second = make("second");
    until("the second to begin", || (image(&admin, &id)["name"] == "second").then_some(()));
    admin.wait_for(&first, "Failed");
    let told = admin.job(&first).expect("the job")["jobResult"].to_string();
    assert!(told.contains("SYS.1006") && told.contains("its end could not be written"), "{told}");
    assert_eq!(image(&admin, &id)["name"], "second", "it is the second's: {told}");
    admin.wait_for(&second, "Succeeded");
    let path = image(&admin, &id)["backupStorageRefs"][0]["installPath"].as_str().expect("a path").to_owned();
    assert!(path.contains(&second), "{path}");
    assert_eq!(shelf.files(), [path]);
}

/// Writes to the store as an earlier release left it: no image names its job, and the ledger knows nothing of `job`.
fn as_an_earlier_release(server: &Server, job: &str) {
    let script = "import sqlite3, sys\ns = sqlite3.connect(sys.argv[1], timeout=30)\n\
                  print(s.execute('UPDATE image SET job = NULL').rowcount, \
                  s.execute('DELETE FROM intent WHERE job = ?', sys.argv[2:]).rowcount)\ns.commit()";
    let store = server.data_dir().join("longhaul.db");
    let done = Command::new("python3").args(["-c", script]).arg(store).arg(job).output().expect("python3");
    let told = String::from_utf8_lossy(&done.stdout);
    assert_eq!(told.trim(), "2 1", "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn an_image_that_an_earlier_release_began_goes_on_with_the_job_whose_ledger_tells_of_it() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let begin = || {
        let id = uuid();
        let data = json!({
            "name": "i", "url": "upload://i", "backupStorageUuids": [shelf.uuid], "resourceUuid": id,
        });
        let job = submit(&admin, "APIAddImageMsg", &data, &[]);
        // Where to send to is shown after the ledger knows where the bytes go.
        until("the job to show where to send to", || admin.job(&job)?["jobResult"].as_str().map(|_| ()));
        (job, id)
    };
    let ((known, taken), (unknown, left)) = (begin(), begin());
    as_an_earlier_release(&server, &unknown);
    let server = server.killed_and_started_again(&[]);
    let admin = server.admin();
    refused(&admin, &unknown, &left);
    assert_eq!(image(&admin, &left)["status"], "Downloading", "it is nobody's");
    admin.delete(&format!("/images/{left}")).ok();
    assert_eq!(image(&admin, &left), Value::Null);

    until("the job to go on", || {
        let shown = admin.job(&known)?;
        (shown["state"] == "Running" && shown["jobResult"].is_string()).then_some(())
    });
    assert_eq!(image(&admin, &taken)["status"], "Downloading");
    admin.act(&known, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&known, "Canceled");
    assert_eq!(image(&admin, &taken), Value::Null, "it was the job's own again");
}
