//! The public reference: its three calls as they stand there, against the demo on port 8080 in a network of
//! its own; the shape of its errors; its deletions with and without tags.
//!
//! Source: longjob-api.txt.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::server::TempDir;
use crate::support::{Caller, Kind, Server, until, uuid};

const VOLUME: &str = "45a53d3d93384433add8ead7616586cf";
const TARGET: &str = "70a0618804864b3dabe8be9824c8028c";
const SESSION: &str = "b86c9016b4f24953a9edefb53ca0678c";
const SCRIPT: &str = include_str!("../../../../docs/reference-examples.sh");

/// The commands of the reference with its `\ ` taken as the line continuations they were.
const COMMANDS: [&str; 3] = [
    r#"curl -H "Content-Type: application/json;charset=UTF-8" \ -H "Authorization: OAuth b86c9016b4f24953a9edefb53ca0678c" \ -X POST -d '{"params":{"name":"migrate-volume","description":"migrate volume to another Ceph primary storage","jobName":"APIPrimaryStorageMigrateVolumeMsg","jobData":"{\"volumeUuid\":\"45a53d3d93384433add8ead7616586cf\", \"dstPrimaryStorageUuid\":\"70a0618804864b3dabe8be9824c8028c\"}","targetResourceUuid":"45a53d3d93384433add8ead7616586cf"}}' \ http://localhost:8080/zstack/v1/longjobs"#,
    r#"curl -H "Content-Type: application/json;charset=UTF-8" \ -H "Authorization: OAuth b86c9016b4f24953a9edefb53ca0678c" \ -X DELETE http://localhost:8080/zstack/v1/longjobs/a87ae356c6583cc7b312412337f96609?"#,
    r#"curl -H "Content-Type: application/json;charset=UTF-8" \ -H "Authorization: OAuth b86c9016b4f24953a9edefb53ca0678c" \ -X PUT -d '{"updateLongJob":{"name":"new-name","description":"new-description"}}' http://localhost:8080/zstack/v1/longjobs/dee3e1e3706f3e52a2cb9a47850508e7/actions"#,
];

#[test]
fn the_script_holds_the_references_three_commands_to_the_letter() {
    let joined = SCRIPT.replace("\\\n", "\\ ");
    let commands: Vec<&str> = joined.lines().filter(|line| line.starts_with("curl")).collect();
    assert_eq!(commands, COMMANDS);
}

fn sha256(path: &Path) -> String {
    let out = Command::new("sha256sum").arg(path).output().expect("sha256sum");
    assert!(out.status.success(), "{}", path.display());
    String::from_utf8(out.stdout).expect("UTF-8")[..64].to_owned()
}

#[test]
fn the_references_examples_answer_its_keys_and_really_move_the_volume() {
    let server = Server::start_apart("-n", "ip link set lo up", "fast", &["--demo"]);
    assert_eq!(server.address.port(), 8080, "the reference's port");
    let source = server.data_dir().join("demo/ceph-a/data-volume.raw");
    let before = sha256(&source);
    let curl = |method: &str, path: &str| -> Value {
        let url = format!("http://localhost:8080/zstack/v1{path}");
        let header = format!("Authorization: OAuth {SESSION}");
        let text = server.beside("-n", &["curl", "-s", "-X", method, "-H", &header, &url]);
        serde_json::from_str(&text).expect("JSON")
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference-examples.sh");
    let out = server.beside("-n", &["sh", script]);
    let answers: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).expect("an answer")).collect();
    let [submitted, deleted, updated] = &answers[..] else { panic!("three answers: {out}") };
    let job = submitted["inventory"]["uuid"].as_str().expect("the job's uuid").to_owned();
    assert_eq!(job.len(), 32);
    assert_eq!(submitted["inventory"]["name"], "migrate-volume");
    assert_eq!(submitted["inventory"]["description"], "migrate volume to another Ceph primary storage");
    assert_eq!(submitted["inventory"]["targetResourceUuid"], VOLUME);
    assert_eq!(submitted.get("error"), None, "no error where the call succeeded");
    assert_eq!(*deleted, json!({}));
    let inventory = &updated["inventory"];
    assert_eq!(inventory["uuid"], "dee3e1e3706f3e52a2cb9a47850508e7");
    assert_eq!(
        (&inventory["name"], &inventory["description"]),
        (&json!("new-name"), &json!("new-description"))
    );

    let ended = until("the migration ends", || {
        let job = curl("GET", &format!("/longjobs/{job}"))["inventories"][0].clone();
        ["Succeeded", "Failed", "Canceled"]
            .contains(&job["state"].as_str().unwrap_or_default())
            .then_some(job)
    });
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let volume = curl("GET", &format!("/volumes/{VOLUME}"))["inventories"][0].clone();
    assert_eq!(volume["primaryStorageUuid"], TARGET);
    let moved = volume["installPath"].as_str().expect("a path");
    assert!(moved.contains("/demo/ceph-b/"), "{moved}");
    assert_eq!(sha256(Path::new(moved)), before, "the same bytes, by another program");
    let result: Value = serde_json::from_str(ended["jobResult"].as_str().expect("a result")).expect("JSON");
    assert_eq!(result["migration"]["newInstallPath"], moved);
    let gone = curl("GET", "/longjobs/a87ae356c6583cc7b312412337f96609");
    assert_eq!(gone["inventories"], json!([]));
}

#[test]
fn a_deletion_answers_the_same_with_tags_in_the_body_in_the_query_and_with_neither() {
    for server in Server::both(&[]) {
        for caller in server.admins() {
            let path = |tags: &str| format!("/longjobs/{}{tags}", caller.job_in("Succeeded"));
            let body = json!({"systemTags": ["uploadImage::x"], "userTags": ["u"]}).to_string();
            let empty = json!({"systemTags": [], "userTags": []}).to_string();
            for (path, body) in [
                (path(""), ""),
                (path("?"), ""),
                (path("?systemTags=uploadImage::x&userTags=u&userTags=v"), ""),
                (path("?systemTags.0=uploadImage::x&userTags.1=u"), ""),
                (path(""), body.as_str()),
                (path(""), empty.as_str()),
                (path("?systemTags=uploadImage::x"), body.as_str()),
            ] {
                assert_eq!(caller.call("DELETE", &path, body.as_bytes()).ok(), json!({}), "{path} {body}");
                assert_eq!(caller.get(&path).ok()["inventories"], json!([]));
            }
            assert_eq!(caller.delete(&format!("/longjobs/{}", uuid())).ok(), json!({}), "an unknown one");
            let (code, details) = caller.delete("/longjobs/malformed").error();
            assert_eq!(
                (code.as_str(), details.as_str()),
                ("SYS.1003", "invalid value[malformed] of field [uuid]")
            );
        }
    }
}

/// That `error` is an ErrorCode of the reference: texts, and the reserved members absent.
fn is_an_error_code(error: &Value) {
    let object = error.as_object().expect("an object");
    let code = error["code"].as_str().expect("a code");
    let (prefix, number) = code.split_once('.').expect("PREFIX.NNNN");
    assert!(prefix.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
    assert!(number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()), "{code}");
    assert!(error["description"].as_str().is_some_and(|d| !d.is_empty()), "{error}");
    assert!(error["details"].as_str().is_some_and(|d| !d.is_empty() && d.len() <= 4096), "{error}");
    for key in object.keys() {
        assert!(["code", "description", "details", "cause"].contains(&key.as_str()), "{key}: {error}");
    }
}

#[test]
fn an_error_has_code_description_and_details_and_neither_elaboration_nor_opaque() {
    for server in Server::both(&[]) {
        for caller in server.admins() {
            let answer =
                caller.post("/longjobs", &json!({"params": {"jobName": "NoSuchMsg", "jobData": "{}"}}));
            let body = answer.last.json();
            assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
            is_an_error_code(&body["error"]);
            assert_eq!(body["error"]["description"], "One or more API argument is invalid");
            assert_eq!(body["error"].get("cause"), None, "nothing else caused it");
        }
    }
}

#[test]
fn a_submission_that_fails_for_a_read_only_target_shows_its_cause() {
    for profile in ["fast", "zstack"] {
        let target = TempDir::new("readonly");
        let path = target.0.display().to_string();
        // A mount of its own, which is made read-only once the storage is there.
        let mount = format!("mount --bind {path} {path}");
        let flags = ["--simulator", "--listen", "127.0.0.1:0"];
        let server = Server::start_apart("-m", &mount, profile, &flags);
        let admin = server.admin();
        let source = TempDir::new("source");
        let add = |name: &str, directory: &TempDir| {
            let body = json!({"params": {"name": name, "url": directory.0}});
            let added = admin.post("/primary-storage/local-storage", &body).inventory();
            added["uuid"].as_str().expect("a storage").to_owned()
        };
        let (from, to) = (add("from", &source), add("to", &target));
        let volume = json!({"params": {"name": "v", "diskSize": 1048576, "primaryStorageUuid": from}});
        let volume = admin.post("/volumes/data", &volume).inventory()["uuid"].as_str().map(str::to_owned);
        server.beside("-m", &["mount", "-o", "remount,ro,bind", &path]);
        let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to}).to_string();
        let body = json!({"params": {"jobName": "APIPrimaryStorageMigrateVolumeMsg", "jobData": data}});
        for kind in Kind::ALL {
            let answer = admin.as_kind(kind).post("/longjobs", &body);
            assert_eq!(answer.error().0, "SYS.1006", "{}", answer.last.text());
            let error = answer.last.json()["error"].clone();
            is_an_error_code(&error);
            is_an_error_code(&error["cause"]);
            assert_eq!(error["cause"]["code"], "SYS.1016");
            assert_eq!(error["cause"].get("cause"), None);
        }
        assert_eq!(admin.get("/longjobs").ok()["inventories"], json!([]), "nothing was stored");
    }
}

#[test]
fn the_references_bodies_with_their_empty_tag_lists_are_taken() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        let body = json!({
            "updateLongJob": {"name": "new-name", "description": "new-description"},
            "systemTags": [], "userTags": [],
        });
        let inventory = admin.put(&format!("/longjobs/{id}/actions"), &body).inventory();
        assert_eq!((&inventory["uuid"], &inventory["name"]), (&json!(id), &json!("new-name")));
        assert_eq!(inventory["description"], "new-description");
        let body = json!({
            "params": {
                "name": "migrate-volume", "description": "d", "jobName": "APISimulateJobMsg", "jobData": "{}",
                "targetResourceUuid": VOLUME,
            },
            "systemTags": [], "userTags": [],
        });
        assert_eq!(admin.post("/longjobs", &body).inventory()["name"], "migrate-volume");
    }
}

#[test]
fn an_unknown_target_of_a_built_in_type_is_not_found_and_a_foreign_volume_is_denied() {
    let server = Server::start("fast", &["--demo"]);
    let admin = Caller { address: server.address, kind: Kind::Plain, session: SESSION.to_owned() };
    let submit = |caller: &Caller, volume: &str, target: &str| {
        let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": target}).to_string();
        caller.post(
            "/longjobs",
            &json!({"params": {"jobName": "APIPrimaryStorageMigrateVolumeMsg", "jobData": data}}),
        )
    };
    let unknown = uuid();
    assert_eq!(submit(&admin, &unknown, TARGET).error().0, "SYS.1003");
    assert_eq!(submit(&admin, VOLUME, &unknown).error().0, "SYS.1003");
    let body = json!({"params": {
        "jobName": "APIPrimaryStorageMigrateVolumeMsg", "targetResourceUuid": unknown,
        "jobData": json!({"volumeUuid": VOLUME, "dstPrimaryStorageUuid": TARGET}).to_string(),
    }});
    let (code, details) = admin.post("/longjobs", &body).error();
    assert!(code == "SYS.1003" || code == "SYS.1007", "{code} {details}");
    let create = json!({"params": {"name": "stranger", "password": crate::support::sha512("x")}});
    admin.post("/accounts", &create).ok();
    let stranger = Caller::log_in(server.address, Kind::Plain, "stranger", "x");
    assert_eq!(submit(&stranger, VOLUME, TARGET).error().0, "ID.1002");
}
