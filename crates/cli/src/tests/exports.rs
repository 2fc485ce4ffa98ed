//! `image export` and `image unexport`: the job, the fetch over breaks, and what came compared with the server's MD5.

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::images::{Store, disk, file, serve};
use super::{Fake, Reply, Scratch, failed, job, rows, run};
use crate::exit::Exit;

const SHELF: &str = "70a0618804864b3dabe8be9824c8028c";
const IMAGE: &str = "45a53d3d93384433add8ead7616586cf";

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server whose export of the image is at `url`, with this MD5, made now.
fn exporting(url: String, md5: String) -> Fake {
    exporting_as(url, md5, false)
}

/// The same; whether it was there before.
fn exporting_as(url: String, md5: String, existed: bool) -> Fake {
    answering(url, md5, existed, || Reply::Json(200, json!({})))
}

/// The same; what it answers when the export is taken back.
fn answering(url: String, md5: String, existed: bool, taken_back: fn() -> Reply) -> Fake {
    Fake::start(move |asked, _| {
        let mut done = job("Succeeded");
        done["jobResult"] =
            json!({"imageUrl": url, "exportMd5Sum": md5, "existed": existed}).to_string().into();
        match asked.method.as_str() {
            "POST" => Reply::Json(200, json!({"inventory": job("Running")})),
            "DELETE" => taken_back(),
            _ if asked.path.contains("/longjobs?") => rows(vec![]),
            _ if asked.path.contains("/longjobs/") => rows(vec![done]),
            _ => rows(vec![json!({
                "uuid": IMAGE, "name": "disk", "status": "Ready", "format": "raw", "backupStorageRefs": [
                    {"backupStorageUuid": SHELF, "status": "Ready", "exportUrl": "http://h/x"},
                    {"backupStorageUuid": IMAGE, "status": "Ready", "exportUrl": null},
                ],
            })]),
        }
    })
}

#[tokio::test]
async fn an_export_goes_on_with_what_came_before_and_is_taken_back_at_the_end() {
    let bytes = disk(3);
    let (url, store) =
        serve(Store { bytes: bytes.clone(), breaks: vec![1 << 20, 1 << 20], ..Store::default() });
    let fake = exporting(url, md5(&bytes));
    let to = file("down", b"");
    let words = ["image", "export", "disk", "--to", &to.display().to_string()];
    assert_eq!(run(&fake, &words).await.exit, Exit::Usage, "what is there is not written over");
    std::fs::remove_file(&to).expect("removed");
    let ran = run(&fake, &words).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert!(ran.out.contains(&md5(&bytes)), "{}", ran.out);
    assert!(std::fs::read(&to).expect("the file") == bytes);
    std::fs::remove_file(&to).expect("removed");
    assert_eq!(store.lock().expect("no panic before").methods, ["GET", "GET", "GET"]);
    let asked = fake.asked();
    let submitted = asked.iter().find(|a| a.method == "POST").expect("a submit").body["params"].clone();
    assert_eq!(
        (&submitted["jobName"], &submitted["name"]),
        (&json!("APIExportImageFromBackupStorageMsg"), &json!("export image disk"))
    );
    let data: Value = submitted["jobData"].as_str().and_then(|d| serde_json::from_str(d).ok()).expect("JSON");
    assert_eq!(data, json!({"imageUuid": IMAGE, "backupStorageUuid": SHELF, "exportFormat": "raw"}));
    let last = asked.last().expect("a call");
    assert!(last.is("DELETE", &format!("/zstack/v1/backup-storage/{SHELF}/exported-images/{IMAGE}")));
}

#[tokio::test]
async fn an_export_of_which_other_bytes_came_fails_with_both_sums_and_leaves_no_file() {
    let bytes = disk(2);
    let (url, _store) = serve(Store { bytes: bytes.clone(), ..Store::default() });
    let mut wrong = bytes.clone();
    wrong[1 << 20] ^= 1;
    let fake = exporting(url, md5(&wrong));
    let to = file("wrong", b"");
    std::fs::remove_file(&to).expect("removed");
    let ran = run(&fake, &["image", "export", "disk", "--to", &to.display().to_string()]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains(&md5(&wrong)) && ran.err.contains(&md5(&bytes)), "{}", ran.err);
    assert!(ran.err.contains("CLI.1009"), "{}", ran.err);
    for left in ["", ".part", ".part.tag"] {
        assert!(!std::path::Path::new(&format!("{}{left}", to.display())).exists(), "{left}");
    }
    assert!(fake.asked().iter().all(|a| a.method != "DELETE"), "the export is there for another try");
}

#[tokio::test]
async fn what_an_earlier_run_left_of_another_content_does_not_get_into_the_file() {
    let bytes = disk(2);
    let (url, store) = serve(Store { bytes: bytes.clone(), ..Store::default() });
    let fake = exporting(url, md5(&bytes));
    let to = file("stale", b"");
    let part = format!("{}.part", to.display());
    std::fs::rename(&to, &part).expect("renamed");
    std::fs::write(&part, vec![9; 1 << 20]).expect("written");
    std::fs::write(format!("{part}.tag"), "\"a\"").expect("written");
    let words = ["image", "export", "disk", "--to", &to.display().to_string()];
    // The server takes the tag for its own, as one that forgot a change would.
    assert_eq!(run(&fake, &words).await.exit, Exit::Failed);
    let ran = run(&fake, &words).await;
    assert_eq!(ran.exit, Exit::Ok, "the next run starts over: {}", ran.err);
    assert!(std::fs::read(&to).expect("the file") == bytes);
    std::fs::remove_file(&to).expect("removed");
    assert_eq!(store.lock().expect("no panic before").methods.len(), 2);
}

#[tokio::test]
async fn an_export_that_was_kept_is_taken_back_where_there_is_one() {
    let fake = exporting("http://h/x".to_owned(), String::new());
    let ran = run(&fake, &["image", "unexport", "disk"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let deletes: Vec<_> = fake.asked().into_iter().filter(|a| a.method == "DELETE").collect();
    assert_eq!(deletes.len(), 1);
    assert!(deletes[0].is("DELETE", &format!("/zstack/v1/backup-storage/{SHELF}/exported-images/{IMAGE}")));
    let none = Fake::start(|_, _| rows(vec![json!({"uuid": IMAGE, "name": "disk", "status": "Ready"})]));
    assert_eq!(run(&none, &["image", "unexport", "disk"]).await.exit, Exit::NotFound);
}

#[tokio::test]
async fn an_export_that_was_there_before_is_left_there_unless_an_earlier_run_made_it() {
    let bytes = disk(1);
    let to = file("left", b"");
    std::fs::remove_file(&to).expect("removed");
    let words = ["image", "export", "disk", "--to", &to.display().to_string()];
    let (url, store) = serve(Store { bytes: bytes.clone(), ..Store::default() });
    let url = format!("{url}.qcow2");
    let deletes = |fake: &Fake| fake.asked().into_iter().filter(|a| a.method == "DELETE").collect::<Vec<_>>();
    let there = exporting_as(url.clone(), md5(&bytes), true);
    assert_eq!(run(&there, &words).await.exit, Exit::Ok);
    assert!(deletes(&there).is_empty(), "somebody else's");
    std::fs::remove_file(&to).expect("removed");
    // A run that makes it and is cut: here by bytes that are others.
    let made = exporting(url.clone(), md5(b"other"));
    assert_eq!(run(&made, &words).await.exit, Exit::Failed);
    let again = exporting_as(url, md5(&bytes), true);
    assert_eq!(run(&again, &words).await.exit, Exit::Ok);
    let taken_back = deletes(&again);
    assert_eq!(taken_back.len(), 1, "the run before made it");
    assert!(taken_back[0].path.ends_with("?exportFormat=qcow2"), "only this one: {}", taken_back[0].path);
    std::fs::remove_file(&to).expect("removed");
    assert!(!std::path::Path::new(&format!("{}.part.made", to.display())).exists());
    assert_eq!(store.lock().expect("no panic before").methods.len(), 3);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_before_the_export_is_made() {
    let scratch = Scratch::new();
    let fake = exporting("http://h/x".to_owned(), String::new());
    let to = scratch.0.join("nope/x").display().to_string();
    let ran = run(&fake, &["image", "export", "disk", "--to", &to]).await;
    assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
    assert!(ran.err.contains(&to) && ran.err.contains("nothing was exported"), "{}", ran.err);
    assert!(fake.asked().is_empty(), "{:?}", fake.asked());
    // The look leaves nothing behind where no export comes.
    let fake = Fake::start(|_, _| failed(503, "SYS.1006", "no"));
    let to = scratch.0.join("x");
    assert_eq!(
        run(&fake, &["image", "export", "disk", "--to", &to.display().to_string()]).await.exit,
        Exit::Failed
    );
    assert_eq!(std::fs::read_dir(&scratch.0).expect("a directory").count(), 0);
}

#[tokio::test]
async fn what_fails_once_the_export_is_made_tells_where_it_is_and_how_it_is_taken_back() {
    let (bytes, scratch) = (disk(1), Scratch::new());
    let to = scratch.0.join("x").display().to_string();
    let words = ["image", "export", "disk", "--to", &to];
    let back = format!("to take the export back: longhaul image unexport {IMAGE} --from {SHELF}");
    let (url, _store) = serve(Store { bytes: bytes.clone(), ..Store::default() });
    let ran = run(&exporting(url.clone(), md5(b"other")), &words).await;
    assert_eq!(ran.exit, Exit::Failed);
    for part in [&back, &url, &format!("to go on: longhaul image export {IMAGE} --to {to}")] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    // The file came, and the export is not taken back: there is nothing to go on with.
    let fake = answering(url.clone(), md5(&bytes), false, || failed(503, "SYS.1006", "not now"));
    let ran = run(&fake, &words).await;
    assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
    for part in [&back, &url, &"not now".to_owned(), &format!("{to} has the image")] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    assert!(!ran.err.contains("to go on"), "{}", ran.err);
    assert!(std::fs::read(&to).expect("the file") == bytes);
}
