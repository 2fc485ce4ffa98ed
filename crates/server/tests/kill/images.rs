//! `kill -9` of the server while an image comes in, and a start on the same data. The source is an HTTP server of the
//! test's own, which outlives it and keeps a journal of the ranges that it was asked for.

use serde_json::json;

use crate::client::{result, text};
use crate::disks::throttle;
use crate::file_server::{FileServer, Serves};
use crate::place::{MIB, PATIENCE, Place, files, raw_disk, sha256, shown, until};
use crate::server::Plan;

#[test]
fn an_image_whose_server_is_killed_is_gone_on_with_from_what_was_durable() {
    let place = Place::new("image-kill");
    let plan = Plan::new(&place).set("egress.images=127.0.0.1:*");
    let shelf = place.dir("shelf");
    let bytes: Vec<u8> = (0..9 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    // Each answer stands still after 5 MiB, so the first is never whole.
    let source = FileServer::start(Serves {
        bytes: bytes.clone(),
        tag: Some("\"a\""),
        stands_after: Some(5 << 20),
        ..Serves::default()
    });
    let mut server = plan.start();
    let params = json!({"name": "shelf", "url": shelf, "hostname": "localhost"});
    let shelf = text(
        &server.client.ok("POST", "/backup-storage/image-store", &json!({"params": params}))["inventory"]["uuid"],
    );
    let data = json!({"name": "i", "url": source.url(), "backupStorageUuids": [shelf]});
    let job = server.client.submit("APIAddImageMsg", &data, &[]);
    until("bytes that are written", PATIENCE, || {
        let (_, done, _) = server.client.progress(&server.client.job(&job));
        (done == 5 << 20).then_some(())
    });
    server.kill();
    server = plan.start();
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let asked = source.asked();
    assert_eq!((asked.len(), asked[0]), (2, None), "{asked:?}");
    assert!(asked[1].is_some_and(|from| from > 0), "what was durable came once: {asked:?}");
    let image = &result(&ended)["inventory"];
    assert_eq!((&image["status"], &image["actualSize"]), (&json!("Ready"), &json!(9 << 20)));
    let path = text(&image["backupStorageRefs"][0]["installPath"]);
    assert!(std::fs::read(&path).expect("the image") == bytes);
    let directory = std::path::Path::new(&path).parent().expect("a directory");
    assert_eq!(std::fs::read_dir(directory).expect("a directory").count(), 1, "nothing else is left");
}

#[test]
fn an_image_of_a_volume_is_gone_on_with_after_a_kill_of_the_server_and_after_one_of_the_copier() {
    let place = Place::new("template-kill");
    let plan = Plan::new(&place).set("copy.checkpointMillis=200");
    let storage = place.dir("storage");
    let source = place.path("storage/disk.raw");
    raw_disk(&source, 32 * MIB, 7);
    let mut server = plan.start();
    let storage = server.client.add_storage("from", &storage);
    let volume = server.client.adopt(&storage, &shown(&source));
    let shelves: Vec<_> = ["a", "b"]
        .iter()
        .map(|name| {
            let params = json!({"name": name, "url": place.dir(name), "hostname": "localhost"});
            let body = json!({"params": params});
            text(&server.client.ok("POST", "/backup-storage/image-store", &body)["inventory"]["uuid"])
        })
        .collect();
    let data = json!({"name": "i", "volumeUuid": volume, "backupStorageUuids": shelves});
    let rate = throttle(8 * MIB);
    let job = server.client.submit("APICreateDataVolumeTemplateFromVolumeMsg", &data, &[&rate]);
    let copied = |client: &crate::client::Client, bytes: u64| {
        until("bytes that are copied", PATIENCE, || {
            let (stage, done, _) = client.progress(&client.job(&job));
            (stage == "copying" && done >= bytes).then_some(())
        });
    };
    copied(&server.client, 8 * MIB);
    server.kill();
    server = plan.start();
    copied(&server.client, 16 * MIB);
    let victims = server.copiers();
    assert_eq!(victims.len(), 1, "{victims:?}");
    crate::process::signal(victims[0], rustix::process::Signal::KILL);
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let image = &result(&ended)["inventory"];
    assert_eq!((&image["status"], &image["size"]), (&json!("Ready"), &json!(32 * MIB)));
    for (number, name) in ["a", "b"].iter().enumerate() {
        let path = text(&image["backupStorageRefs"][number]["installPath"]);
        assert_eq!(sha256(std::path::Path::new(&path)), sha256(&source));
        let left = files(&shown(&place.path(name)));
        assert_eq!(left.len(), 2, "a directory with the image, and nothing else: {left:?}");
    }
}
