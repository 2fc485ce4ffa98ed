//! Uploads that end early: what is left is told with the commands that go on and that take it back, and what cannot be
//! sent is not begun.

use std::io::Write;
use std::os::unix::fs::FileTypeExt;

use serde_json::json;

use super::images::{Store, disk, file, serve};
use super::{Fake, JOB, Reply, Scratch, job, rows, run};
use crate::exit::Exit;

/// A server whose upload job tells `url`, and is in `state` from the second look on.
fn uploading(url: String, state: &'static str) -> Fake {
    let looks = std::sync::atomic::AtomicUsize::new(0);
    Fake::start(move |asked, _| {
        if asked.path.contains("-storage") {
            return rows(vec![json!({"uuid": JOB, "name": "shelf"})]);
        }
        if asked.method == "POST" {
            return Reply::Json(200, json!({"inventory": job("Waiting")}));
        }
        if asked.path.contains("/task-progresses/") || asked.path.contains("uploadImage") {
            return rows(vec![]);
        }
        let look = looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut row = job(if look == 0 { "Running" } else { state });
        row["jobResult"] =
            json!({"inventory": {"backupStorageRefs": [{"installPath": url}]}}).to_string().into();
        rows(vec![row])
    })
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_begun() {
    let scratch = Scratch::new();
    let pipe = scratch.0.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    assert!(pipe.metadata().expect("a pipe").file_type().is_fifo());
    let empty = scratch.0.join("empty");
    std::fs::write(&empty, b"").expect("written");
    for path in [scratch.0.join("none"), scratch.0.clone(), pipe, empty] {
        let fake = Fake::start(|_, _| Reply::Text(500, "not to be asked"));
        let ran = run(&fake, &["image", "upload", &path.display().to_string(), "--to", "shelf"]).await;
        assert!([Exit::Usage, Exit::Failed].contains(&ran.exit), "{}", path.display());
        assert!(ran.err.to_lowercase().contains("nothing was submitted"), "{}", ran.err);
        assert!(fake.asked().is_empty(), "{}: {:?}", path.display(), fake.asked());
    }
}

#[tokio::test]
async fn a_file_that_is_changed_while_it_is_sent_is_not_mixed_and_what_is_left_is_told() {
    let path = file("changed", &disk(1));
    let changed = path.clone();
    let append = move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(&changed).expect("the file");
        file.write_all(b"more").expect("written");
    };
    let (url, store) = serve(Store { meanwhile: Some(Box::new(append)), ..Store::default() });
    let fake = uploading(url, "Running");
    let ran = run(&fake, &["image", "upload", &path.display().to_string(), "--to", "shelf"]).await;
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
    assert!(ran.err.contains("changed while it was sent"), "{}", ran.err);
    assert!(ran.err.contains(&format!("longhaul job cancel {JOB}")), "{}", ran.err);
    assert!(!ran.err.contains("to go on:"), "the same command would begin another one: {}", ran.err);
    assert!(store.lock().expect("no panic before").bytes.is_empty(), "nothing of it was sent");
}

#[tokio::test]
async fn a_server_that_refuses_leaves_a_job_of_which_both_ways_on_are_told() {
    let path = file("it's refused", &disk(1));
    let (url, _store) = serve(Store { refuses: Some("400"), ..Store::default() });
    let fake = uploading(url, "Running");
    let given = path.display().to_string();
    let words = ["image", "upload", &given, "--name", "my disk", "--to", "shelf", "--for", "data"];
    let ran = run(&fake, &words).await;
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
    let again = format!(
        "to go on: longhaul image upload --url {} '{}' --name 'my disk' --to shelf --for data",
        fake.url,
        given.replace('\'', r"'\''")
    );
    assert!(ran.err.contains(&again), "{again} in {}", ran.err);
    assert!(ran.err.contains(&format!("to take it back: longhaul job cancel {JOB}")), "{}", ran.err);
}

#[tokio::test]
async fn a_job_that_was_canceled_meanwhile_says_so_itself() {
    let path = file("canceled", &disk(1));
    let (url, _store) = serve(Store { refuses: Some("404"), ..Store::default() });
    let fake = uploading(url, "Canceled");
    let ran = run(&fake, &["image", "upload", &path.display().to_string(), "--to", "shelf"]).await;
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(ran.exit, Exit::JobCanceled, "{}", ran.err);
    assert!(!ran.err.contains("to take it back"), "nothing is left: {}", ran.err);
}

#[tokio::test]
async fn a_storage_without_room_ends_the_upload_at_once_with_the_servers_reason() {
    let path = file("no-room", &disk(1));
    let why = r#"{"error":{"code":"SYS.1006","description":"An operation failed","details":"not enough space: 9 bytes"}}"#;
    let (url, store) = serve(Store { refuses: Some("507"), why, ..Store::default() });
    let fake = uploading(url, "Running");
    let began = crate::pause::moment();
    let ran = run(&fake, &["image", "upload", &path.display().to_string(), "--to", "shelf"]).await;
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
    for part in ["not enough space: 9 bytes", "SYS.1006", "make room", "to take it back: longhaul job cancel"]
    {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    assert_eq!(store.lock().expect("no panic before").methods.iter().filter(|m| *m == "PATCH").count(), 1);
    assert!(began.elapsed().as_secs() < 30, "it is not tried again");
}
