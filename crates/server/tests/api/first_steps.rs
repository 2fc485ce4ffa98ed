//! What somebody meets who tries the server for the first time: a demo that must not become a public server, the
//! first password, and errors that say what was mistyped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::disks::MIGRATE;
use crate::support::server::{TempDir, command};
use crate::support::{Caller, Server, sha512, uuid};

/// Starts `serve` with these flags and kills it once it listens.
fn started(dir: &Path, flags: &[&str]) {
    let mut child = command(dir)
        .args(["--listen", "127.0.0.1:0"])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its stdout")).read_line(&mut line).expect("its first line");
    child.kill().and_then(|()| child.wait()).expect("its end");
    assert!(line.starts_with("listening on"), "{flags:?}: {line:?}");
}

/// What `serve` with these flags says when it is refused.
fn refused(dir: &Path, flags: &[&str]) -> String {
    let out = command(dir).args(flags).output().expect("the server");
    assert!(!out.status.success(), "it started and ended well");
    assert!(out.stdout.is_empty(), "it listened: {}", String::from_utf8_lossy(&out.stdout));
    String::from_utf8(out.stderr).expect("UTF-8")
}

fn submission(job_name: &str, data: &Value, tags: &[&str]) -> Value {
    json!({"params": {"jobName": job_name, "jobData": data.to_string()}, "systemTags": tags})
}

fn details(answer: &crate::support::Answer) -> String {
    let (code, details) = answer.error();
    assert_eq!(code, "SYS.1007", "{details}");
    details
}

#[test]
fn the_data_of_a_demo_are_never_served_without_it_nor_others_as_a_demo() {
    let demo = TempDir::new("demo-mark");
    started(&demo.0, &["--demo"]);
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let told = refused(&demo.0, &["--listen", listen]);
        assert!(told.contains("is a demo's") && told.contains("start it with --demo"), "{told}");
    }
    started(&demo.0, &["--demo"]);

    let other = TempDir::new("no-demo");
    started(&other.0, &[]);
    let told = refused(&other.0, &["--demo", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("a server that is no demo") && told.contains("--data-dir"), "{told}");
    started(&other.0, &[]);
}

#[test]
fn the_file_of_the_first_password_goes_when_the_password_changes() {
    let server = Server::start("fast", &[]);
    let file = server.data_dir().join("admin-password");
    std::fs::write(&file, "as if it had been made up\n").expect("the file");
    let admin = server.admin();
    let ann = server.account("ann");
    let password = |of: &Caller, uuid: &Value| {
        let body = json!({"updateAccount": {"password": sha512("another")}});
        of.put(&format!("/accounts/{}", uuid.as_str().expect("a uuid")), &body).ok();
    };
    let uuid_of = |caller: &Caller| caller.get("/accounts?q=name!=nobody").ok()["inventories"].clone();
    let accounts = uuid_of(&admin);
    let named = |name: &str| {
        let found = accounts.as_array().expect("a list").iter().find(|a| a["name"] == name);
        found.expect("the account")["uuid"].clone()
    };
    password(&ann, &named("ann"));
    assert!(file.exists(), "it is the admin's");
    password(&admin, &named("admin"));
    assert!(!file.exists(), "its password is wrong now");
}

#[test]
fn a_job_type_that_is_not_here_says_where_it_is_or_which_there_are() {
    for profile in ["fast", "zstack"] {
        let plain = Server::start(profile, &["--set", "simulator=false"]);
        let refused =
            |name: &str| details(&plain.admin().post("/longjobs", &submission(name, &json!({}), &[])));
        for name in ["APISimulateJobMsg", "APISimulateRigidJobMsg", "APISimulateOrderedJobMsg"] {
            assert_eq!(refused(name), format!("{name} is not an API; it exists only with serve --simulator"));
        }
        let told = refused("NoSuchMsg");
        assert!(told.starts_with("NoSuchMsg is not an API; GET /v1/job-types"), "{told}");
    }
}

#[test]
fn a_body_without_its_wrapper_is_told_so_in_profile_fast() {
    for server in Server::both(&[]) {
        let bare = json!({"jobName": "APISimulateJobMsg", "jobData": "{}"});
        let told = details(&server.admin().post("/longjobs", &bare));
        assert!(told.starts_with("field[jobName] of message["), "{told}");
        assert_eq!(told.contains("the body has no member [params]"), server.profile == "fast", "{told}");
    }
}

#[test]
fn a_path_that_was_mistyped_does_not_exist_and_was_not_moved_by_anybody() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let missing = pool.dir.0.join("nothing").display().to_string();
    let add = |url: &str| {
        admin.post("/primary-storage/local-storage", &json!({"params": {"name": "s", "url": url}}))
    };
    let of =
        |path: &str, key: &str| json!({"params": {"name": "v", "primaryStorageUuid": pool.uuid, key: path}});
    let told = [
        details(&add(&missing)),
        details(&admin.post("/volumes/adopt", &of(&missing, "installPath"))),
        details(&admin.post("/volumes/import", &of(&missing, "path"))),
    ];
    for (told, field) in told.iter().zip(["url", "installPath", "path"]) {
        assert!(told.starts_with(&format!("the {field}[{missing}] does not exist")), "{told}");
    }
}

#[test]
fn what_is_taken_is_named_the_path_or_the_uuid_that_was_chosen() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let path = pool.dir.0.join("disk.raw");
    std::fs::write(&path, vec![7_u8; 1 << 20]).expect("a disk");
    let other = pool.dir.0.join("other.raw");
    std::fs::write(&other, vec![7_u8; 1 << 20]).expect("a disk");
    let id = uuid();
    let adopt = |path: &Path, id: Option<&str>| {
        let params =
            json!({"name": "v", "primaryStorageUuid": pool.uuid, "installPath": path, "resourceUuid": id});
        admin.post("/volumes/adopt", &json!({"params": params}))
    };
    adopt(&path, Some(&id)).ok();
    let again = details(&adopt(&path, None));
    assert!(again.starts_with("the path[") && !again.contains("uuid["), "{again}");
    let twice = details(&adopt(&other, Some(&id)));
    assert!(twice.starts_with(&format!("the uuid[{id}]")) && !twice.contains("path["), "{twice}");
    let url = pool.dir.0.display().to_string();
    let add = |url: &str, id: Option<&str>| {
        let params = json!({"name": "s", "url": url, "resourceUuid": id});
        details(&admin.post("/primary-storage/local-storage", &json!({"params": params})))
    };
    let again = add(&url, None);
    assert!(again.starts_with("the url[") && !again.contains("uuid["), "{again}");
    let free = TempDir::new("free");
    let twice = add(&free.0.display().to_string(), Some(&pool.uuid));
    assert!(twice.starts_with(&format!("the uuid[{}]", pool.uuid)), "{twice}");
}

#[test]
fn a_dry_run_warns_of_members_that_the_job_type_does_not_know() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let dry = |name: &str, data: &Value| {
        admin.post("/longjobs", &submission(name, data, &["validationOnly"])).ok()["plan"].clone()
    };
    let plan = dry("APISimulateJobMsg", &json!({"durationMS": 5}));
    let told = plan["warnings"][0].as_str().expect("a warning");
    assert!(
        told.starts_with("member[durationMS] of jobData is unknown") && told.contains("durationMs"),
        "{told}"
    );
    assert_eq!(dry("APISimulateJobMsg", &json!({"durationMs": 5})).get("warnings"), None);
    // A submit takes it as ever.
    let job =
        admin.post("/longjobs", &submission("APISimulateJobMsg", &json!({"durationMS": 0}), &[])).inventory();
    assert_eq!(job.get("warnings"), None);
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let volume = admin.volume(&from, &json!({}));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid, "speed": 1});
    assert!(dry(MIGRATE, &data)["warnings"][0].as_str().is_some_and(|told| told.contains("member[speed]")));
}

#[test]
fn an_import_is_named_after_its_volume() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let outside = TempDir::new("outside");
    let file = outside.0.join("disk.raw");
    std::fs::write(&file, vec![7_u8; 1 << 20]).expect("a disk");
    for (name, job) in [
        ("db".to_owned(), "import db".to_owned()),
        ("😀".repeat(127), format!("import {}", "😀".repeat(124))),
    ] {
        let params = json!({"name": name, "primaryStorageUuid": pool.uuid, "path": file});
        assert_eq!(admin.post("/volumes/import", &json!({"params": params})).inventory()["name"], job);
    }
}
