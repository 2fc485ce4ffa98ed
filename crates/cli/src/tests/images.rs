//! Images: what goes to a server of tus and comes from a server of ranges, over breaks.

#![allow(clippy::disallowed_methods, reason = "sockets have real time; a test that hangs ends")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Fake, JOB, Reply, job, rows, run};
use crate::exit::Exit;

const SHELF: &str = "70a0618804864b3dabe8be9824c8028c";

/// A server that holds one file: takes it by tus, gives it in ranges, and breaks off where it was told.
#[derive(Default)]
pub struct Store {
    pub bytes: Vec<u8>,
    pub size: u64,
    /// The number of bytes after which a request's connection breaks, one for each request with a body.
    pub breaks: Vec<usize>,
    pub methods: Vec<String>,
    /// What a POST does to somebody's file before it is answered.
    pub meanwhile: Option<Box<dyn Fn() + Send>>,
    /// Answered to a PATCH in place of taking it.
    pub refuses: Option<&'static str>,
    /// The body of that answer.
    pub why: &'static str,
}

pub fn serve(store: Store) -> (String, Arc<Mutex<Store>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/upload/token", listener.local_addr().expect("its address"));
    let store = Arc::new(Mutex::new(store));
    let shared = Arc::clone(&store);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(&stream, &mut shared.lock().expect("no panic before"));
        }
    });
    (url, store)
}

fn answer(mut stream: &TcpStream, store: &mut Store) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let method = line.split(' ').next()?.to_owned();
    store.methods.push(method.clone());
    let (mut length, mut offset, mut from) = (0, 0, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "upload-offset" => offset = value.parse().ok()?,
            "upload-length" => store.size = value.parse().ok()?,
            "range" => from = value.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok()?,
            _ => {}
        }
    }
    let done = |status: &str, more: String| format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{more}\r\n");
    let head = match method.as_str() {
        "POST" => {
            if let Some(meanwhile) = &store.meanwhile {
                meanwhile();
            }
            done("201", "Content-Length: 0\r\n".to_owned())
        }
        "HEAD" => {
            done("200", format!("Upload-Offset: {}\r\nUpload-Length: {}\r\n", store.bytes.len(), store.size))
        }
        "PATCH" if store.refuses.is_some() => {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let head =
                done(store.refuses.unwrap_or_default(), format!("Content-Length: {}\r\n", store.why.len()));
            head + store.why
        }
        "PATCH" => {
            assert_eq!(offset, store.bytes.len(), "from where the server is");
            let breaks = if store.breaks.is_empty() { length } else { store.breaks.remove(0) };
            let mut body = vec![0; length.min(breaks)];
            reader.read_exact(&mut body).ok()?;
            store.bytes.extend(body);
            if breaks < length {
                return None;
            }
            done("204", format!("Upload-Offset: {}\r\n", store.bytes.len()))
        }
        _ => {
            let total = store.bytes.len();
            let rest = store.bytes.get(from..).unwrap_or_default();
            let breaks = if store.breaks.is_empty() { rest.len() } else { store.breaks.remove(0) };
            let status = if from > 0 { "206" } else { "200" };
            let range = format!("Content-Range: bytes {from}-{}/{total}\r\n", total.saturating_sub(1));
            let head = done(status, format!("Content-Length: {}\r\nETag: \"a\"\r\n{range}", rest.len()));
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&rest[..breaks]).ok()?;
            return None;
        }
    };
    stream.write_all(head.as_bytes()).ok()
}

pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("longhaul-cli-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("written");
    path
}

pub fn disk(mib: usize) -> Vec<u8> {
    (0..mib << 20).map(|n| (n % 251) as u8).collect()
}

fn shelf() -> Reply {
    rows(vec![json!({"uuid": SHELF, "name": "shelf"})])
}

#[tokio::test]
async fn an_upload_goes_on_where_the_connection_broke_and_sends_nothing_twice() {
    let bytes = disk(20);
    let (url, store) = serve(Store { breaks: vec![3 << 20, 16 << 20], ..Store::default() });
    let fake = Fake::start(move |asked, _| {
        if asked.path.contains("/backup-storage") {
            return shelf();
        }
        if asked.path.contains("uploadImage") {
            return rows(vec![]);
        }
        if asked.method == "POST" {
            return Reply::Json(200, json!({"inventory": job("Waiting")}));
        }
        if asked.path.contains("/task-progresses/") {
            return rows(vec![]);
        }
        let mut row = job("Running");
        row["jobResult"] =
            json!({"inventory": {"backupStorageRefs": [{"installPath": url}]}}).to_string().into();
        if asked.path.contains("/longjobs?") || asked.path.contains("q=uuid") {
            row = job("Succeeded");
        }
        rows(vec![row])
    });
    let path = file("up", &bytes);
    let words = ["image", "upload", &path.display().to_string(), "--name", "disk", "--to", "shelf"];
    let ran = tokio::time::timeout(std::time::Duration::from_secs(20), run(&fake, &words)).await;
    std::fs::remove_file(&path).expect("removed");
    let store = store.lock().expect("no panic before");
    assert!(store.bytes == bytes, "{} bytes came", store.bytes.len());
    assert_eq!(store.methods.iter().filter(|m| *m == "POST").count(), 1, "created once");
    assert_eq!(store.methods.iter().filter(|m| *m == "PATCH").count(), 3);
    let asked = fake.asked();
    let submitted = asked.iter().find(|a| a.method == "POST").expect("a submit");
    let data: Value =
        serde_json::from_str(submitted.body["params"]["jobData"].as_str().expect("text")).expect("JSON");
    assert_eq!(data["backupStorageUuids"], json!([SHELF]));
    assert!(data["url"].as_str().is_some_and(|url| url.starts_with("upload://")), "{data}");
    let tag = submitted.body["systemTags"][0].as_str().expect("a tag");
    assert_eq!(tag.strip_prefix("uploadImage::").map(str::len), Some(64), "{tag}");
    drop(ran); // whether the job ends is the server's
}

#[tokio::test]
async fn an_upload_whose_job_still_waits_is_gone_on_with() {
    let bytes = disk(1);
    let (url, store) = serve(Store { bytes: bytes[..5].to_vec(), size: 1 << 20, ..Store::default() });
    let fake = Fake::start(move |asked, _| {
        let mut row = job(if asked.path.contains("uploadImage") { "Suspended" } else { "Running" });
        row["jobResult"] =
            json!({"inventory": {"backupStorageRefs": [{"installPath": url}]}}).to_string().into();
        match asked.method.as_str() {
            "PUT" => Reply::Json(200, json!({"inventory": job("Running")})),
            "POST" => Reply::Text(500, "no second job"),
            _ if asked.path.contains("/task-progresses/") => rows(vec![]),
            _ => rows(vec![row]),
        }
    });
    let path = file("again", &bytes);
    let words = ["image", "upload", &path.display().to_string(), "--to", SHELF];
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), run(&fake, &words)).await;
    std::fs::remove_file(&path).expect("removed");
    assert!(store.lock().expect("no panic before").bytes == bytes);
    let resumed = fake.asked().into_iter().find(|a| a.method == "PUT").expect("a resume");
    assert!(resumed.path.ends_with(&format!("/longjobs/{JOB}/actions")), "{}", resumed.path);
}

#[tokio::test]
async fn an_image_by_its_url_is_asked_of_the_server_and_its_url_is_called_by_nobody() {
    let web = TcpListener::bind("127.0.0.1:0").expect("a port");
    web.set_nonblocking(true).expect("set");
    let url = format!("http://{}/img.qcow2", web.local_addr().expect("its address"));
    let fake = Fake::start(|asked, _| match asked.method.as_str() {
        "POST" => Reply::Json(200, json!({"inventory": job("Running")})),
        _ => rows(vec![json!({"uuid": SHELF, "name": "img"})]),
    });
    let ran = run(&fake, &["image", "add", "cirros", &url, "--to", "img", "--no-wait"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let asked = fake.asked();
    let post = asked.iter().find(|asked| asked.method == "POST").expect("a submission");
    let data = post.body["params"]["jobData"].as_str().expect("a text");
    assert!(data.contains(&url), "{data}");
    assert!(web.accept().is_err(), "the session goes to the server alone");
}

#[tokio::test]
async fn an_image_on_two_storages_is_told_with_both_paths() {
    let fake = Fake::start(|asked, _| {
        let mut done = job("Succeeded");
        let copies = json!([{"installPath": "/a/img.raw"}, {"installPath": "/b/img.raw"}]);
        done["jobResult"] =
            json!({"inventory": {"uuid": SHELF, "backupStorageRefs": copies}}).to_string().into();
        match asked.method.as_str() {
            "POST" => Reply::Json(200, json!({"inventory": job("Running")})),
            _ if asked.path.contains("/longjobs?") => rows(vec![]),
            _ if asked.path.contains("/longjobs/") => rows(vec![done]),
            _ => shelf(),
        }
    });
    let ran = run(&fake, &["image", "add", "img", "http://h/x", "--to", "shelf", "--to", SHELF]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert!(ran.out.contains("path   /a/img.raw\npath   /b/img.raw\n"), "{}", ran.out);
}
