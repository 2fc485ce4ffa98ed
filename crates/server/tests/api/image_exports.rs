//! Exports of images: fetched whole and in ranges, compared by their digests, in several formats beside each other, until
//! each is taken back. `qemu-img` and `md5sum` say what the bytes are.
//!
//! Source: resources.md 6; RFC 9110 section 14; RFC 9530.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::image_copies::{paths, template, text};
use crate::images::{Shelf, md5sum, qemu_img};
use crate::support::disks::Pool;
use crate::support::{Caller, Server};

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

/// An image of 3 MiB on a shelf.
struct Rig {
    admin: Caller,
    pool: Pool,
    shelf: Shelf,
    image: String,
    source: PathBuf,
    server: Server,
}

impl Rig {
    fn at(server: Server) -> Self {
        let admin = server.admin();
        let (pool, shelf) = (admin.pool(&json!({})), Shelf::of(&admin));
        let made = template(&admin, &admin.full_volume(&pool, 3), &[&shelf]).inventory();
        let (image, source) = (text(&made["uuid"]), paths(&made).remove(0));
        Self { admin, pool, shelf, image, source, server }
    }

    /// The answer to an export, in a format or as it is stored.
    fn export(&self, format: Option<&str>) -> Value {
        let mut body = json!({"imageUuid": self.image});
        if let Some(format) = format {
            body["exportFormat"] = json!(format);
        }
        let path = format!("/backup-storage/{}/actions", self.shelf.uuid);
        self.admin.put(&path, &json!({"exportImageFromBackupStorage": body})).ok()
    }

    fn take_back(&self, query: &str) {
        let path = format!("/backup-storage/{}/exported-images/{}{query}", self.shelf.uuid, self.image);
        self.admin.delete(&path).ok();
    }

    fn copy(&self) -> Value {
        self.admin.get(&format!("/images/{}", self.image)).ok()["inventories"][0]["backupStorageRefs"][0]
            .clone()
    }

    /// What was made for exports.
    fn made(&self) -> usize {
        let directory = self.server.data_dir().join("image-exports").join(&self.image);
        fs::read_dir(directory).map_or(0, Iterator::count)
    }

    /// That the URL serves a qcow2 with the disk of the image, of that MD5.
    fn serves_qcow2(&self, told: &Value) {
        let file = self.pool.dir.0.join("fetched.qcow2");
        fs::write(&file, fetch(&text(&told["imageUrl"]), "GET", "").2).expect("written");
        assert_eq!(told["exportMd5Sum"], json!(md5sum(&file)));
        let (fetched, source) = (file.display().to_string(), self.source.display().to_string());
        qemu_img(&["compare", "-f", "qcow2", "-F", "raw", &fetched, &source]);
    }
}

#[test]
fn an_exported_image_is_fetched_whole_and_in_ranges_until_the_export_is_taken_back() {
    for server in Server::both(&[]) {
        let rig = Rig::at(server);
        let bytes = fs::read(&rig.source).expect("the image");
        let md5 = md5sum(&rig.source);
        let told = rig.export(Some("raw"));
        assert_eq!((&told["success"], &told["exportMd5Sum"]), (&json!(true), &json!(md5)));
        assert_eq!((&told["inventory"], &told["existed"]), (&Value::Null, &Value::Null));
        let url = text(&told["imageUrl"]);
        let again = rig.export(Some("raw"));
        assert_eq!((&again["imageUrl"], &again["existed"]), (&json!(url), &json!(true)), "twice is once");
        assert_eq!((&rig.copy()["exportUrl"], &rig.copy()["exportMd5Sum"]), (&json!(url), &json!(md5)));

        let (status, head, body) = fetch(&url, "GET", "");
        assert_eq!(status, 200);
        assert!(body == bytes && head.contains("accept-ranges: bytes"), "{head}");
        let tag = format!("\"{md5}\"");
        let range = format!("Range: bytes=1048576-\r\nIf-Range: {tag}\r\n");
        let (status, head, body) = fetch(&url, "GET", &range);
        assert_eq!(status, 206, "{head}");
        assert!(head.contains("content-range: bytes 1048576-3145727/3145728"), "{head}");
        assert!(body == bytes[1 << 20..]);
        let (status, head, body) = fetch(&url, "HEAD", "");
        assert_eq!((status, body.len()), (200, 0));
        assert!(head.contains("content-length: 3145728"), "{head}");
        assert_eq!(fetch(&url, "DELETE", "").0, 405);
        let guessed = url.replace(&rig.image[..8], "00000000");
        assert_eq!(fetch(&guessed, "GET", "").0, 404);
        let secret = url.rsplit('/').nth(1).expect("a secret");
        assert_eq!(fetch(&url.replace(secret, &"0".repeat(secret.len())), "GET", "").0, 404);

        rig.take_back("");
        rig.take_back("");
        assert_eq!(fetch(&url, "GET", "").0, 404);
        assert_eq!((&rig.copy()["exportUrl"], &rig.copy()["exportMd5Sum"]), (&Value::Null, &json!(md5)));
        assert_eq!(rig.shelf.files().len(), 1);
    }
}

#[test]
fn a_range_is_answered_as_rfc_9110_has_it() {
    let rig = Rig::at(Server::start("fast", &[]));
    let bytes = fs::read(&rig.source).expect("the image");
    let url = text(&rig.export(None)["imageUrl"]);
    let total = bytes.len();
    let asked = |lines: &str| fetch(&url, "GET", lines);
    for (range, first, last) in [
        ("bytes=0-3", 0, 3),
        ("bytes=-5", total - 5, total - 1),
        ("bytes=3145727-9999999", total - 1, total - 1),
        ("bytes=-99999999999999999999999", 0, total - 1),
    ] {
        let (status, head, body) = asked(&format!("Range: {range}\r\n"));
        assert_eq!(status, 206, "{range}: {head}");
        assert!(head.contains(&format!("content-range: bytes {first}-{last}/{total}")), "{range}: {head}");
        assert!(body == bytes[first..=last], "{range}");
    }
    // What is no range is ignored; several may be, and are.
    for range in ["bytes=5-2", "bytes=a-b", "bytes=-", "bytes=+1-3", "junk", "items=0-1", "bytes=0-1,3-4"] {
        let (status, head, body) = asked(&format!("Range: {range}\r\n"));
        assert_eq!((status, body.len()), (200, total), "{range}: {head}");
        assert!(!head.contains("content-range"), "{range}: {head}");
    }
    for range in ["bytes=3145728-", "bytes=-0", "bytes=99999999999999999999999-", "bytes=4000000-4000001,-0"]
    {
        let (status, head, body) = asked(&format!("Range: {range}\r\n"));
        assert_eq!((status, body.len()), (416, 0), "{range}: {head}");
        assert!(head.contains(&format!("content-range: bytes */{total}")), "{range}: {head}");
    }
    let tag = format!("\"{}\"", md5sum(&rig.source));
    for (condition, status) in [
        (tag.as_str(), 206),
        ("\"another\"", 200),
        (&format!("W/{tag}"), 200),
        ("Fri, 27 Nov 2099 12:00:00 GMT", 200),
        ("caf\u{e9}", 200),
    ] {
        let found = asked(&format!("Range: bytes=5-\r\nIf-Range: {condition}\r\n"));
        assert_eq!(
            (found.0, found.2.len()),
            (status, if status == 206 { total - 5 } else { total }),
            "{condition}"
        );
    }
    assert_eq!(asked("If-Range: \"another\"\r\n").0, 200, "without a range it says nothing");
    let (status, head, _) = fetch(&url, "HEAD", "Range: bytes=0-3\r\n");
    assert_eq!(status, 200, "a range is for GET: {head}");
    assert!(head.contains(&format!("content-length: {total}")), "{head}");
    assert_eq!(asked("Range: bytes=0-3\r\nRange: bytes=5-6\r\n").0, 200, "two of them are none");
}

#[test]
fn what_is_fetched_can_be_compared_with_the_digest_that_comes_along() {
    let rig = Rig::at(Server::start("fast", &[]));
    for format in ["raw", "qcow2"] {
        let told = rig.export(Some(format));
        let url = text(&told["imageUrl"]);
        let (_, head, body) = fetch(&url, "GET", "");
        let file = rig.pool.dir.0.join("fetched");
        fs::write(&file, &body).expect("written");
        let md5 = md5sum(&file);
        let script = "import base64, sys; print(base64.b64encode(bytes.fromhex(sys.argv[1])).decode())";
        let printed =
            std::process::Command::new("python3").args(["-c", script, &md5]).output().expect("python3");
        let base64 = String::from_utf8_lossy(&printed.stdout).trim().to_lowercase(); // as the head was made
        for line in [
            format!("etag: \"{md5}\""),
            format!("content-md5: {base64}"),
            format!("repr-digest: md5=:{base64}:"),
        ] {
            assert!(head.lines().any(|l| l == line), "{line}: {head}");
        }
        assert_eq!(told["exportMd5Sum"], json!(md5));
        // Of a part the digest is still that of the whole, and there is none of the part.
        let (status, head, _) = fetch(&url, "GET", "Range: bytes=1-2\r\n");
        assert_eq!(status, 206);
        assert!(
            head.contains(&format!("repr-digest: md5=:{base64}:")) && !head.contains("content-md5"),
            "{head}"
        );
    }
}

#[test]
fn exports_in_several_formats_stand_beside_each_other_and_each_is_taken_back_alone() {
    for server in Server::both(&[]) {
        let rig = Rig::at(server);
        let (qcow2, plain) = (rig.export(Some("qcow2")), rig.export(None));
        rig.serves_qcow2(&qcow2);
        assert!(text(&plain["imageUrl"]).ends_with(".raw"), "as it is stored, whatever is there: {plain}");
        assert!(fetch(&text(&plain["imageUrl"]), "GET", "").2 == fs::read(&rig.source).expect("the image"));
        assert_eq!((&plain["existed"], &plain["exportMd5Sum"]), (&Value::Null, &json!(md5sum(&rig.source))));
        for (format, told) in [(Some("qcow2"), &qcow2), (Some("raw"), &plain), (None, &plain)] {
            let again = rig.export(format);
            assert_eq!(
                (&again["imageUrl"], &again["existed"]),
                (&told["imageUrl"], &json!(true)),
                "{format:?}"
            );
            assert_eq!(again["exportMd5Sum"], told["exportMd5Sum"], "{format:?}");
        }
        assert_eq!((&rig.copy()["exportUrl"], rig.made()), (&plain["imageUrl"], 1), "the newest is shown");
        let served = |told: &Value| fetch(&text(&told["imageUrl"]), "HEAD", "").0;
        rig.take_back("?exportFormat=raw");
        assert_eq!((served(&plain), served(&qcow2), rig.made()), (404, 200, 1));
        assert_eq!(
            (&rig.copy()["exportUrl"], &rig.copy()["exportMd5Sum"]),
            (&qcow2["imageUrl"], &qcow2["exportMd5Sum"])
        );
        rig.take_back("?exportFormat=raw");
        rig.serves_qcow2(&qcow2);
        let plain = rig.export(None);
        rig.take_back("?exportFormat=qcow2");
        assert_eq!((served(&plain), served(&qcow2), rig.made()), (200, 404, 0));
        let qcow2 = rig.export(Some("qcow2"));
        rig.take_back("");
        assert_eq!(
            (served(&plain), served(&qcow2), rig.made()),
            (404, 404, 0),
            "without a format all of them"
        );
    }
}

#[test]
fn an_export_that_converts_works_with_a_relative_data_directory() {
    let rig = Rig::at(Server::start_relative("fast", &[]));
    rig.serves_qcow2(&rig.export(Some("qcow2")));
    rig.take_back("");
    assert_eq!(rig.made(), 0, "what was made for it is gone");
}
