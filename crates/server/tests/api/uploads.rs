//! Uploads over HTTP, small ones: where the URL stands, what a slice is answered, what the job tells at the end. Large
//! ones, by foreign clients that are killed meanwhile, are in `tests/clients/upload`.
//!
//! Source: longjob-semantics.md g; rest-api.md 1.6; resources.md 7.

use std::fs;

use serde_json::{Value, json};

use crate::support::http::{self, Response};
use crate::support::server::TempDir;
use crate::support::{Caller, Server, until};

/// The reference's sample: the MD5 of one newline.
const NEWLINE_MD5: &str = "68b329da9893e34099c7d8ad5cb9c940";
const IDLE: &str = "/global-configurations/image/upload.max.idle.duration.in.seconds/actions";

/// A job that waits for bytes.
struct Waiting {
    admin: Caller,
    job: String,
    image: String,
    url: String,
}

fn submitted(admin: &Caller, dir: &TempDir, tags: &[&str]) -> String {
    let shelf =
        admin.get(&format!("/backup-storage?q=url={}", dir.0.display())).ok()["inventories"][0]["uuid"]
            .as_str()
            .map_or_else(|| admin.add_shelf(&dir.0), str::to_owned);
    let data = json!({"name": "i", "url": "upload://i", "format": "raw", "backupStorageUuids": [shelf]});
    let params = json!({"jobName": "APIAddImageMsg", "jobData": data.to_string()});
    let made = admin.post("/longjobs", &json!({"params": params, "systemTags": tags})).inventory();
    made["uuid"].as_str().expect("a job").to_owned()
}

/// What the running job shows as its result.
fn shown(admin: &Caller, job: &str) -> Value {
    until("the job shows where to send to", || {
        let result = admin.job(job)?["jobResult"].as_str().map(str::to_owned)?;
        serde_json::from_str(&result).ok()
    })
}

impl Waiting {
    fn start(admin: &Caller, dir: &TempDir, tags: &[&str]) -> Self {
        let job = submitted(admin, dir, tags);
        let image = shown(admin, &job)["inventory"].clone();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            admin: admin.clone(),
            url: text(&image["backupStorageRefs"][0]["installPath"]),
            image: text(&image["uuid"]),
            job,
        }
    }

    fn path(&self) -> &str {
        let rest = self.url.strip_prefix("http://").expect("http");
        &rest[rest.find('/').expect("a path")..]
    }

    /// One slice, as curl sends it.
    fn slice(&self, size: usize, at: usize, bytes: &[u8], more: &[(&str, &str)]) -> Response {
        let (size, at, len) = (size.to_string(), at.to_string(), bytes.len().to_string());
        let mut headers = vec![
            ("Content-Type", "multipart/form-data; boundary=b"),
            ("X-IMAGE-UUID", self.image.as_str()),
            ("X-IMAGE-SIZE", &size),
            ("X-SLICE-OFFSET", &at),
            ("X-SLICE-SIZE", &len),
        ];
        headers.extend(more);
        let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"s\"\r\n\r\n";
        let body = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
        http::send(self.admin.address, "POST", self.path(), &headers, &body)
    }

    fn details(&self, id: &str) -> Value {
        self.admin.get(&format!("/images/upload-job/details/{id}")).ok()
    }

    fn result(&self, state: &str) -> Value {
        self.admin.wait_for(&self.job, state);
        let job = self.admin.job(&self.job).expect("the job");
        serde_json::from_str(job["jobResult"].as_str().expect("a result")).expect("JSON")
    }

    /// Its file, below the storage's directory.
    fn artifact(&self, dir: &TempDir) -> std::path::PathBuf {
        let files = fs::read_dir(dir.0.join(&self.image)).expect("its directory");
        let mut paths = files.map(|file| file.expect("a file").path());
        paths.find(|path| path.extension().is_none()).expect("its file")
    }

    fn percent(&self) -> u64 {
        let api_id = self.admin.job(&self.job).expect("the job")["apiId"].clone();
        let path = format!("/task-progresses/{}", api_id.as_str().expect("an id"));
        let told = self.admin.get(&path).ok()["inventories"][0]["content"].clone();
        told.as_str().and_then(|text| text.parse().ok()).expect("a percentage")
    }

    fn resume(&self) {
        self.admin.act(&self.job, "resumeLongJob", &json!({})).ok();
    }
}

#[test]
fn the_references_sample_is_uploaded_to_the_url_in_the_jobs_result_and_its_md5_matches() {
    for server in Server::both(&[]) {
        let (admin, dir) = (server.admin(), TempDir::new("uploads"));
        let upload = Waiting::start(&admin, &dir, &[&format!("uploadImage::{NEWLINE_MD5}")]);
        let running = shown(&admin, &upload.job);
        assert_eq!(running["success"], true);
        assert_eq!(running["inventory"]["status"], "Downloading");
        assert!(upload.url.starts_with(&format!("http://{}/", admin.address)), "{}", upload.url);
        let known = upload.details(NEWLINE_MD5);
        let only = &known["existingJobDetails"][0];
        assert_eq!(known["success"], true);
        assert_eq!(only["longJobUuid"], json!(upload.job));
        assert_eq!(only["longJobState"], "Running");
        assert_eq!(only["imageUuid"], json!(upload.image));
        assert_eq!((&only["imageUploadUrl"], &only["offset"]), (&json!(upload.url), &json!(0)));
        let taken = upload.slice(1, 0, b"\n", &[("X-SLICE-MD5", NEWLINE_MD5)]);
        assert_eq!(taken.status, 200, "{}", taken.text());
        let result = upload.result("Succeeded");
        assert_eq!(
            (&result["upload"]["md5"], &result["upload"]["md5Matches"]),
            (&json!(NEWLINE_MD5), &json!(true))
        );
        let copy = &result["inventory"]["backupStorageRefs"][0];
        assert_eq!((&result["inventory"]["status"], &copy["status"]), (&json!("Ready"), &json!("Ready")));
        assert_eq!(fs::read(copy["installPath"].as_str().expect("a path")).expect("the file"), b"\n");
        assert_eq!(
            upload.details(NEWLINE_MD5),
            json!({"existingJobDetails": [], "success": true}),
            "it is over"
        );
    }
}

#[test]
fn an_upload_whose_checksum_is_not_what_a_tag_says_fails_and_leaves_nothing() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let sha256 = |digit: &str| format!("longhaul::checksum::sha256:{}", digit.repeat(64));
    let newline =
        "longhaul::checksum::sha256:01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b";
    for (tag, state) in [(newline.to_owned(), "Succeeded"), (sha256("0"), "Failed")] {
        let upload = Waiting::start(&admin, &dir, &["uploadImage::sum", &tag]);
        assert_eq!(upload.slice(1, 0, b"\n", &[]).status, 200);
        let result = upload.result(state);
        if state == "Failed" {
            assert!(
                result["detail"].as_str().is_some_and(|why| why.contains("not what was expected")),
                "{result}"
            );
            assert_eq!(admin.get(&format!("/images/{}", upload.image)).ok()["inventories"], json!([]));
        }
    }
}

#[test]
fn an_id_that_is_no_md5_of_the_content_decides_only_where_the_client_asks_for_it() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let tag = format!("uploadImage::{NEWLINE_MD5}");
    let upload = Waiting::start(&admin, &dir, &[&tag]);
    assert_eq!(upload.slice(1, 0, b"x", &[]).status, 200);
    assert_eq!(upload.result("Succeeded")["upload"]["md5Matches"], false);
    let upload = Waiting::start(&admin, &dir, &[&tag, "longhaul::requireMd5"]);
    assert_eq!(upload.slice(1, 0, b"x", &[]).status, 200);
    let failed = upload.result("Failed");
    assert!(failed["detail"].as_str().expect("why").contains(NEWLINE_MD5), "{failed}");
    let upload = Waiting::start(&admin, &dir, &["uploadImage::any"]);
    assert_eq!(upload.slice(1, 0, b"x", &[("X-IMAGE-MD5", NEWLINE_MD5)]).status, 200);
    upload.result("Failed");
}

#[test]
fn slices_come_in_any_order_a_wrong_one_is_refused_alone_and_the_offset_is_the_first_missing_byte() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let upload = Waiting::start(&admin, &dir, &["uploadImage::slices"]);
    assert_eq!(upload.slice(6, 4, b"ef", &[]).status, 200);
    assert_eq!(upload.details("slices")["existingJobDetails"][0]["offset"], 0);
    let wrong = upload.slice(6, 0, b"ab", &[("X-SLICE-MD5", NEWLINE_MD5)]);
    assert_eq!(wrong.status, 406, "{}", wrong.text());
    assert!(wrong.text().contains("send this slice again"), "{}", wrong.text());
    assert_eq!(upload.slice(6, 0, b"ab", &[]).status, 200);
    assert_eq!(upload.details("slices")["existingJobDetails"][0]["offset"], 2);
    assert_eq!(upload.slice(6, 2, b"cd", &[]).status, 200);
    let result = upload.result("Succeeded");
    let path = result["upload"]["installPath"].as_str().expect("a path");
    assert_eq!(fs::read(path).expect("the file"), b"abcdef");
}

#[test]
fn an_upload_that_is_left_alone_is_suspended_and_goes_on_when_it_is_resumed() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let value = |text: &str| json!({"updateGlobalConfig": {"value": text}});
    admin.put(IDLE, &value("1")).ok();
    let upload = Waiting::start(&admin, &dir, &["uploadImage::idle"]);
    assert_eq!(upload.slice(2, 0, b"a", &[]).status, 200);
    let why = upload.result("Suspended");
    assert!(why.to_string().contains("uploading has been inactive more than 1 sec"), "{why}");
    assert_eq!(why["code"], "LONG_JOB.1002");
    assert_eq!(upload.slice(2, 1, b"b", &[]).status, 423);
    let known = upload.details("idle")["existingJobDetails"][0].clone();
    assert_eq!((&known["longJobState"], &known["offset"]), (&json!("Suspended"), &json!(1)));
    admin.put(IDLE, &value("30")).ok();
    upload.resume();
    until("the slice is taken", || (upload.slice(2, 1, b"b", &[]).status == 200).then_some(()));
    assert_eq!(upload.result("Succeeded")["upload"]["bytes"], 2);
}

#[test]
fn what_was_received_of_a_file_that_is_gone_is_sent_again_and_a_second_name_of_it_takes_nothing_away() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let idle = |text: &str| admin.put(IDLE, &json!({"updateGlobalConfig": {"value": text}})).ok();
    for gone in [true, false] {
        idle("1");
        let upload = Waiting::start(&admin, &dir, &[&format!("uploadImage::{gone}")]);
        assert_eq!(upload.slice(4, 0, b"ab", &[]).status, 200);
        upload.result("Suspended");
        assert_eq!(upload.percent(), 45, "half of what the coming of the bytes is of all");
        let artifact = upload.artifact(&dir);
        if gone {
            fs::remove_file(&artifact).expect("removed");
        } else {
            fs::hard_link(&artifact, dir.0.join("second")).expect("a second name");
        }
        let offset = || upload.details(&gone.to_string())["existingJobDetails"][0]["offset"].clone();
        assert_eq!(offset(), if gone { 0 } else { 2 });
        idle("30");
        upload.resume();
        until("the end is taken", || (upload.slice(4, 2, b"cd", &[]).status == 200).then_some(()));
        if gone {
            assert_eq!((offset(), upload.percent()), (json!(0), 45), "progress does not go back");
            assert_eq!(upload.slice(4, 0, b"ab", &[]).status, 200);
        }
        let result = upload.result("Succeeded");
        let path = result["upload"]["installPath"].as_str().expect("a path");
        assert_eq!(fs::read(path).expect("the file"), b"abcd", "gone: {gone}");
        assert_eq!(upload.percent(), 100);
    }
    assert_eq!(fs::read(dir.0.join("second")).expect("the second name"), b"abcd");
}

#[test]
fn an_upload_that_has_begun_goes_on_over_a_disabled_storage_and_waits_for_one_that_is_away() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let idle = |text: &str| admin.put(IDLE, &json!({"updateGlobalConfig": {"value": text}})).ok();
    let paused = |tag: &str| {
        idle("1");
        let upload = Waiting::start(&admin, &dir, &[tag]);
        assert_eq!(upload.slice(4, 0, b"ab", &[]).status, 200);
        upload.result("Suspended");
        idle("30");
        upload
    };
    let ends = |upload: &Waiting| {
        until("the end is taken", || (upload.slice(4, 2, b"cd", &[]).status == 200).then_some(()));
        let path = upload.result("Succeeded")["upload"]["installPath"].as_str().expect("a path").to_owned();
        assert_eq!(fs::read(path).expect("the file"), b"abcd");
    };
    let (first, second) = (paused("uploadImage::first"), paused("uploadImage::second"));
    let shelf = admin.get("/backup-storage").ok()["inventories"][0]["uuid"].as_str().expect("one").to_owned();
    let state = |event: &str| {
        let body = json!({"changeBackupStorageState": {"stateEvent": event}});
        admin.put(&format!("/backup-storage/{shelf}/actions"), &body).ok();
    };
    state("disable");
    first.resume();
    ends(&first);
    state("enable");
    let elsewhere = dir.0.with_extension("elsewhere");
    fs::rename(&dir.0, &elsewhere).expect("moved away");
    second.resume();
    until("the job waits for its storage", || {
        let why = second.result("Suspended").to_string();
        why.contains("is away").then_some(())
    });
    fs::rename(&elsewhere, &dir.0).expect("moved back");
    admin.wait_for(&second.job, "Running"); // by itself
    ends(&second);
}

#[test]
fn an_upload_whose_client_never_came_back_stays_suspended_until_it_is_canceled_and_leaves_nothing() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    admin.put(IDLE, &json!({"updateGlobalConfig": {"value": "1"}})).ok();
    let upload = Waiting::start(&admin, &dir, &["uploadImage::left"]);
    assert_eq!(upload.slice(4, 0, b"ab", &[]).status, 200);
    upload.result("Suspended");
    assert_eq!(upload.details("left")["existingJobDetails"][0]["offset"], 2);
    let image = admin.get(&format!("/images/{}", upload.image)).ok()["inventories"][0].clone();
    assert_eq!(image["status"], "Downloading");
    assert!(upload.artifact(&dir).exists());
    admin.act(&upload.job, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&upload.job, "Canceled");
    assert_eq!(fs::read_dir(&dir.0).expect("the directory").count(), 0);
    assert_eq!(admin.get(&format!("/images/{}", upload.image)).ok()["inventories"], json!([]));
    assert_eq!(upload.details("left")["existingJobDetails"], json!([]));
    assert_eq!(upload.slice(4, 2, b"cd", &[]).status, 404);
}

#[test]
fn an_image_that_is_deleted_while_it_is_uploaded_ends_its_job_and_leaves_nothing() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let upload = Waiting::start(&admin, &dir, &["uploadImage::gone"]);
    assert_eq!(upload.slice(2, 0, b"a", &[]).status, 200);
    admin.delete(&format!("/images/{}", upload.image)).ok();
    let why = upload.result("Failed");
    assert!(why.to_string().contains(&format!("image [uuid:{}] has been deleted", upload.image)), "{why}");
    assert_eq!(fs::read_dir(&dir.0).expect("the directory").count(), 0);
    assert_eq!(upload.slice(2, 1, b"b", &[]).status, 404);
}

#[test]
fn what_is_no_image_that_stands_by_itself_is_refused_at_the_end() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let upload = Waiting::start(&admin, &dir, &[]);
    // A qcow2 whose header names a backing file of four bytes behind it.
    let mut qcow2 = vec![0; 65_536];
    qcow2[..4].copy_from_slice(b"QFI\xfb");
    qcow2[4..8].copy_from_slice(&2_u32.to_be_bytes());
    qcow2[8..16].copy_from_slice(&1024_u64.to_be_bytes());
    qcow2[16..20].copy_from_slice(&4_u32.to_be_bytes());
    qcow2[20..24].copy_from_slice(&16_u32.to_be_bytes());
    qcow2[24..32].copy_from_slice(&(1_u64 << 20).to_be_bytes());
    qcow2[1024..1028].copy_from_slice(b"/etc");
    assert_eq!(upload.slice(qcow2.len(), 0, &qcow2, &[]).status, 200);
    upload.result("Failed");
    assert_eq!(fs::read_dir(&dir.0).expect("the directory").count(), 0);
}

#[test]
fn a_direct_call_is_told_that_an_upload_is_a_long_job() {
    let server = Server::start("fast", &[]);
    let (admin, dir) = (server.admin(), TempDir::new("uploads"));
    let shelf = admin.add_shelf(&dir.0);
    let params = json!({"name": "i", "url": "upload://i", "format": "raw", "backupStorageUuids": [shelf]});
    let (code, details) = admin.post("/images", &json!({ "params": params })).error();
    assert_eq!(code, "SYS.1007");
    assert!(details.contains("submit APIAddImageMsg"), "{details}");
}
