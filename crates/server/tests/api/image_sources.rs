//! Images from sources that lie, stall, never end or know a secret: what comes is the image or nothing. The source is a
//! server of the test's own, whose every byte the test says; `sha256sum` is the witness of what lies on the storage.
//!
//! Source: design section 8; RFC 9110, sections 8.8 and 14.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::images::Shelf;
use crate::support::receiver::{Answers, Receiver, Told};
use crate::support::server::TempDir;
use crate::support::{Caller, Server, until, uuid};

const LOOPBACK: [&str; 2] = ["--set", "egress.images=127.0.0.1:*"];
const MIB: usize = 1 << 20;

fn add(caller: &Caller, shelf: &Shelf, url: &str) -> crate::support::Answer {
    let params = json!({"name": "i", "url": url, "backupStorageUuids": [shelf.uuid], "format": "raw"});
    caller.post("/images", &json!({ "params": params }))
}

/// Submits a long job; its uuid.
fn submit(caller: &Caller, shelf: &Shelf, url: &str) -> String {
    let id = uuid();
    let data = json!({"name": "i", "url": url, "backupStorageUuids": [shelf.uuid], "format": "raw"});
    let params = json!({"jobName": "APIAddImageMsg", "jobData": data.to_string(), "resourceUuid": id});
    caller.post("/longjobs", &json!({ "params": params })).ok();
    id
}

/// Bytes of a raw disk that differ from those of another seed everywhere.
fn disk(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|n| (n % 241) as u8 + seed).collect()
}

fn sha256sum(path: &str) -> String {
    let done = Command::new("sha256sum").arg(path).output().expect("sha256sum");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).split(' ').next().unwrap_or_default().to_owned()
}

/// Where the range that is asked for begins.
fn begins(told: &Told) -> Option<usize> {
    told.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn answer(status: &str, headers: &[String], body: &[u8]) -> Answers {
    let head: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    Answers::Bytes([format!("HTTP/1.1 {status}\r\n{head}\r\n").as_bytes(), body].concat())
}

fn whole(bytes: &[u8], tag: &str) -> Answers {
    answer("200 OK", &[format!("etag: {tag}"), format!("content-length: {}", bytes.len())], bytes)
}

/// What a server may send that is asked for the rest of 3 MiB from an offset on, and has other bytes by now.
type Rest = fn(from: usize, new: &[u8]) -> Answers;

#[test]
fn bytes_of_two_files_never_come_together_in_one_image_nor_half_of_one() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let (old, new) = (disk(3 * MIB, 1), disk(3 * MIB, 9));
    let dir = TempDir::new("expected");
    let expected = dir.0.join("new").display().to_string();
    std::fs::write(&expected, &new).expect("a file");
    let rests: [(&str, Rest); 6] = [
        ("the rest of other bytes, as their tag tells", |from, new| {
            let range = format!("content-range: bytes {from}-{}/{}", 3 * MIB - 1, 3 * MIB);
            answer("206 P", &["etag: \"b\"".to_owned(), range], &new[from..])
        }),
        ("the rest without a tag", |from, new| {
            let range = format!("content-range: bytes {from}-{}/{}", 3 * MIB - 1, 3 * MIB);
            answer("206 P", &[range], &new[from..])
        }),
        ("the rest with a weak tag", |from, new| {
            let range = format!("content-range: bytes {from}-{}/{}", 3 * MIB - 1, 3 * MIB);
            answer("206 P", &["etag: W/\"a\"".to_owned(), range], &new[from..])
        }),
        ("the rest of fewer bytes", |from, new| {
            let range = format!("content-range: bytes {from}-{}/{}", 2 * MIB - 1, 2 * MIB);
            answer("206 P", &["etag: \"a\"".to_owned(), range], &new[from..2 * MIB])
        }),
        ("a part of the rest, of an unknown number of bytes", |from, new| {
            let range = format!("content-range: bytes {from}-{}/*", 2 * MIB - 1);
            answer("206 P", &["etag: \"a\"".to_owned(), range], &new[from..2 * MIB])
        }),
        ("that it ends where the first answer broke off", |from, _| {
            answer("416 R", &[format!("content-range: bytes */{from}"), "content-length: 0".to_owned()], &[])
        }),
    ];
    for (what, rest) in rests {
        let (first, then) = (old.clone(), new.clone());
        let source = Receiver::start(move |told, before| match (before, begins(told)) {
            (0, _) => {
                let head = ["etag: \"a\"".to_owned(), format!("content-length: {}", 3 * MIB)];
                answer("200 OK", &head, &first[..MIB]) // and closes
            }
            (_, Some(from)) => rest(from, &then),
            (_, None) => whole(&then, "\"b\""),
        });
        let made = add(&admin, &shelf, &source.url("/image")).inventory();
        let path = made["backupStorageRefs"][0]["installPath"].as_str().expect("a path");
        assert_eq!(sha256sum(path), sha256sum(&expected), "{what}");
        let asked: Vec<_> = source.journal().iter().map(begins).collect();
        assert_eq!(asked, [None, Some(MIB), None], "{what}");
    }
    // The control: the same rest with the same tag is taken.
    let bytes = new.clone();
    let source = Receiver::start(move |told, _| match begins(told) {
        None => {
            let head = ["etag: \"b\"".to_owned(), format!("content-length: {}", 3 * MIB)];
            answer("200 OK", &head, &bytes[..MIB])
        }
        Some(from) => {
            let range = format!("content-range: bytes {from}-{}/{}", 3 * MIB - 1, 3 * MIB);
            answer("206 P", &["etag: \"b\"".to_owned(), range], &bytes[from..])
        }
    });
    let made = add(&admin, &shelf, &source.url("/image")).inventory();
    let path = made["backupStorageRefs"][0]["installPath"].as_str().expect("a path");
    assert_eq!((sha256sum(path), source.journal().len()), (sha256sum(&expected), 2));
}

#[test]
fn a_source_whose_answers_never_fit_together_is_given_up_with_what_happened() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let bytes = disk(2 * MIB, 1);
    // Each beginning is a little longer, and each rest is one of fewer bytes than came already: there is no end to it.
    let source = Receiver::start(move |told, before| match begins(told) {
        None => {
            let head = ["etag: \"a\"".to_owned(), format!("content-length: {}", 2 * MIB)];
            answer("200 OK", &head, &bytes[..MIB + before * 4096])
        }
        Some(from) => {
            let range = format!("content-range: bytes {from}-{}/5", from + 9);
            answer("206 P", &["etag: \"a\"".to_owned(), range], &bytes[..10])
        }
    });
    let job = submit(&admin, &shelf, &source.url("/image"));
    admin.wait_for(&job, "Failed");
    let told = admin.job(&job).expect("the job")["jobResult"].to_string();
    assert!(told.contains("begun anew 5 times") && told.contains("of 5"), "{told}");
    assert!(shelf.files().is_empty(), "{:?}", shelf.files());
    assert_eq!(source.journal().len(), 12, "six times its beginning, six times a rest");
}

#[test]
fn bytes_that_are_encoded_are_no_image() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let sends = |header: &'static str| {
        Receiver::start(move |_, _| {
            answer("200 OK", &[header.to_owned(), "content-length: 4".to_owned()], b"\x1f\x8b\x08\x00")
        })
    };
    let source = sends("content-encoding: gzip");
    let (code, details) = add(&admin, &shelf, &source.url("/image")).error();
    assert_eq!(code, "SYS.1002", "{details}");
    assert!(details.contains("encoded (gzip)") && details.contains("turn that encoding off"), "{details}");
    assert!(source.journal()[0].header("accept-encoding") == Some("identity") && shelf.files().is_empty());
    let plain = sends("content-encoding: identity");
    assert_eq!(add(&admin, &shelf, &plain.url("/image")).inventory()["status"], "Ready", "the control");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test watches another process, whose clock is the real one")]
fn a_cancel_ends_the_opening_of_a_url_at_once() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    // One is connected to and answers nothing, the other does not even speak TLS.
    let silent = Receiver::start(|_, _| Answers::Never);
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let https = format!("https://{}/image", mute.local_addr().expect("its address"));
    for url in [silent.url("/image"), https] {
        let job = submit(&admin, &shelf, &url);
        let connection = url.starts_with("https").then(|| mute.accept().expect("it is connected to"));
        if connection.is_none() {
            until("it is asked", || (!silent.journal().is_empty()).then_some(()));
        }
        let start = Instant::now();
        admin.put(&format!("/longjobs/{job}/actions"), &json!({"cancelLongJob": {}})).ok();
        admin.wait_for(&job, "Canceled");
        assert!(start.elapsed() < Duration::from_secs(3), "{url}: {:?}", start.elapsed());
    }
    assert!(shelf.files().is_empty(), "{:?}", shelf.files());
}

#[test]
fn an_image_that_is_larger_than_allowed_is_refused_and_one_without_an_end_is_cut_there() {
    let server = Server::start("fast", &[&LOOPBACK[..], &["--set", "images.urlBytesMax=1048576"]].concat());
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let large = Receiver::start(|_, _| {
        let head = [format!("content-length: {}", MIB + 1)];
        answer("200 OK", &head, &[1; 10])
    });
    let endless = Receiver::start(|_, _| Answers::Endless);
    for (source, told) in
        [(&large, "1048577 bytes, and the setting"), (&endless, " bytes and more, and the setting")]
    {
        let (code, details) = add(&admin, &shelf, &source.url("/image")).error();
        assert_eq!(code, "SYS.1002", "{details}");
        assert!(details.contains(told) && details.contains("images.urlBytesMax allows 1048576"), "{details}");
        assert_eq!(source.journal().len(), 1, "it is not tried again");
        assert!(shelf.files().is_empty(), "{:?}", shelf.files());
    }
    let allowed = Receiver::start(|_, _| whole(&disk(MIB, 1), "\"a\""));
    assert_eq!(add(&admin, &shelf, &allowed.url("/image")).inventory()["status"], "Ready", "the control");
}

#[test]
fn an_image_that_its_storage_could_never_hold_is_refused_at_once() {
    let server =
        Server::start("fast", &[&LOOPBACK[..], &["--set", "images.urlBytesMax=70368744177664"]].concat());
    let admin = server.admin();
    let shelf = Shelf::of(&admin);
    let source =
        Receiver::start(|_, _| answer("200 OK", &["content-length: 70368744177664".to_owned()], &[1; 10]));
    let (_, details) = add(&admin, &shelf, &source.url("/image")).error();
    assert!(details.contains("has 70368744177664 bytes and its backup storage"), "{details}");
    assert!(shelf.files().is_empty(), "{:?}", shelf.files());
}

#[test]
fn a_login_and_a_signature_in_a_url_are_used_and_never_shown() {
    for server in Server::both(&LOOPBACK) {
        let admin = server.admin();
        let shelf = Shelf::of(&admin);
        let source = Receiver::start(|_, _| whole(&disk(MIB, 1), "\"a\""));
        let host = source.address;
        let url = format!("http://me:pa%24%24word@{host}/image?X-Amz-Date=1&X-Amz-Signature=5igned");
        let job = submit(&admin, &shelf, &url);
        admin.wait_for(&job, "Succeeded");
        let told = &source.journal()[0];
        assert_eq!(told.header("authorization"), Some("Basic bWU6cGEkJHdvcmQ="), "me:pa$$word");
        assert_eq!(told.target, "/image?X-Amz-Date=1&X-Amz-Signature=5igned");
        let shown = format!("http://me:******@{host}/image?X-Amz-Date=1&X-Amz-Signature=******");
        let data = admin.job(&job).expect("the job")["jobData"].as_str().expect("a text").to_owned();
        let data: Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!((&data["url"], &data["name"]), (&json!(shown), &json!("i")));
        let images = admin.get("/images").ok();
        assert_eq!(images["inventories"][0]["url"], json!(shown));
        for path in [format!("/longjobs/{job}"), format!("/longjobs/{job}/timeline"), "/images".to_owned()] {
            let all = admin.get(&path).ok().to_string();
            assert!(!all.contains("word") && !all.contains("5igned"), "{path}: {all}");
        }
        assert!(!server.log().contains("word@") && !server.log().contains("5igned"), "{}", server.log());
    }
}
