//! What is changed of images and image storages, and what is refused before a call is made.

use clap::Parser;
use serde_json::{Value, json};

use super::{Fake, Reply, TestCli, rows, run};
use crate::exit::Exit;

const SHELF: &str = "70a0618804864b3dabe8be9824c8028c";
const IMAGE: &str = "45a53d3d93384433add8ead7616586cf";

/// A server with an image for root volumes on two image storages.
fn fake() -> Fake {
    let image = json!({
        "uuid": IMAGE, "name": "disk", "status": "Ready", "state": "Disabled", "mediaType": "RootVolumeTemplate",
        "backupStorageRefs": [
            {"backupStorageUuid": SHELF, "status": "Ready"}, {"backupStorageUuid": IMAGE, "status": "Ready"},
        ],
    });
    Fake::start(move |asked, _| match asked.method.as_str() {
        "GET" if asked.path.contains("-storage") => rows(vec![json!({"uuid": SHELF, "name": "shelf"})]),
        "GET" => rows(vec![image.clone()]),
        _ => Reply::Json(200, json!({"inventory": image})),
    })
}

async fn changed(words: &[&str]) -> (String, Value) {
    let fake = fake();
    let ran = run(&fake, words).await;
    assert_eq!(ran.exit, Exit::Ok, "{words:?}: {}", ran.err);
    let put = fake.asked().into_iter().rfind(|a| a.method == "PUT").expect("a change");
    (put.path, put.body)
}

#[tokio::test]
async fn images_and_image_storages_are_changed_by_their_calls() {
    let image = format!("/zstack/v1/images/{IMAGE}/actions");
    let shelf = format!("/zstack/v1/backup-storage/{SHELF}/actions");
    for (words, path, body) in [
        (
            ["image", "update", "disk", "--for", "data", "--name", "n"].as_slice(),
            &image,
            json!({"updateImage": {"name": "n", "mediaType": "DataVolumeTemplate"}}),
        ),
        (
            &["image", "state", "disk", "disable"],
            &image,
            json!({"changeImageState": {"stateEvent": "disable"}}),
        ),
        (
            &["image", "storage", "state", "shelf", "enable"],
            &shelf,
            json!({"changeBackupStorageState": {"stateEvent": "enable"}}),
        ),
    ] {
        assert_eq!(changed(words).await, (path.clone(), body), "{words:?}");
    }
    assert!(TestCli::try_parse_from(["longhaul", "image", "update", "disk"]).is_err(), "nothing to change");
}

#[tokio::test]
async fn what_the_server_would_refuse_late_is_refused_with_the_command_that_helps() {
    for (words, told) in [
        (
            ["volume", "create", "--name", "v", "--image", "disk", "--storage", "shelf"].as_slice(),
            format!("longhaul image update {IMAGE} --for data"),
        ),
        (&["image", "migrate", "disk", "--to", "shelf"], "--from".to_owned()),
    ] {
        let fake = fake();
        let ran = run(&fake, words).await;
        assert_eq!(ran.exit, Exit::Usage, "{words:?}: {}", ran.err);
        assert!(ran.err.contains(&told), "{told} in {}", ran.err);
        assert!(fake.asked().iter().all(|a| a.method == "GET"), "{words:?}");
    }
    for words in [
        ["volume", "create", "--name", "v"].as_slice(),
        &["volume", "create", "--name", "v", "--image", "i"],
        &["volume", "create", "--name", "v", "--image", "i", "--storage", "s", "--size", "1G"],
        &["image", "upload", "f", "--to", "a", "--to", "b"],
    ] {
        let line = std::iter::once("longhaul").chain(words.iter().copied());
        assert!(TestCli::try_parse_from(line).is_err(), "{words:?}");
    }
}
