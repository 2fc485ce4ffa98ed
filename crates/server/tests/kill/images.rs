//! `kill -9` of the server while an image comes in, and a start on the same data. The source is an HTTP server of the
//! test's own, which outlives it and keeps a journal of the ranges that it was asked for.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::client::{result, text};
use crate::disks::throttle;
use crate::file_server::{FileServer, Serves};
use crate::place::{MIB, PATIENCE, Place, files, raw_disk, sha256, shown, until};
use crate::server::{Mounts, Plan, Server};

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
fn what_takes_the_place_of_an_image_on_its_way_is_not_written_to() {
    let place = Place::new("image-swapped");
    let plan = Plan::new(&place).set("egress.images=127.0.0.1:*");
    let directory = place.dir("shelf");
    let bytes: Vec<u8> = (0..9 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    let source = FileServer::start(Serves {
        bytes: bytes.clone(),
        tag: Some("\"a\""),
        stands_after: Some(5 << 20),
        ..Serves::default()
    });
    let mut server = plan.start();
    let shelf = shelf_at(&server, &directory);
    let data = json!({"name": "i", "url": source.url(), "backupStorageUuids": [shelf]});
    let job = server.client.submit("APIAddImageMsg", &data, &[]);
    until("bytes that are written", PATIENCE, || {
        let (_, done, _) = server.client.progress(&server.client.job(&job));
        (done == 5 << 20).then_some(())
    });
    server.kill();
    let found = files(&directory);
    let artifact = found.iter().find(|path| path.contains(&format!("/{job}-"))).expect("its file");
    let artifact = &std::path::Path::new(&directory).join(artifact);
    let other = place.path("other-image");
    std::fs::write(&other, vec![7; 9 << 20]).expect("another image");
    std::fs::remove_file(artifact).expect("removed");
    std::fs::hard_link(&other, artifact).expect("in its place");
    server = plan.start();
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    assert!(std::fs::read(&path).expect("the image") == bytes);
    assert!(std::fs::read(&other).expect("the other") == vec![7; 9 << 20], "not a byte of it changed");
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

fn shelf_at(server: &Server, directory: &str) -> String {
    let params = json!({"name": "shelf", "url": directory, "hostname": "localhost"});
    let made = server.client.ok("POST", "/backup-storage/image-store", &json!({ "params": params }));
    text(&made["inventory"]["uuid"])
}

#[test]
fn a_stop_of_the_server_does_not_wait_for_a_source_that_is_being_opened() {
    let place = Place::new("image-opening");
    let plan = Plan::new(&place).set("egress.images=127.0.0.1:*");
    let source = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut server = plan.start();
    let shelf = shelf_at(&server, &place.dir("shelf"));
    let url = format!("http://{}/image", source.local_addr().expect("its address"));
    let data = json!({"name": "i", "url": url, "backupStorageUuids": [shelf], "format": "raw"});
    let job = server.client.submit("APIAddImageMsg", &data, &[]);
    let (asked, _) = source.accept().expect("it is connected to");
    assert!(server.terminate(Duration::from_secs(5)).success());
    drop(asked);
    server = plan.start();
    let (mut again, _) = source.accept().expect("it is connected to again");
    let _ = again.read(&mut [0; 4096]).expect("its request");
    again.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nimage").expect("an answer");
    assert_eq!(server.client.final_job(&job, PATIENCE)["state"], "Succeeded");
}

#[test]
fn an_image_that_tells_no_size_and_has_no_end_leaves_its_storage_room_and_nothing_else() {
    let place = Place::new("image-endless");
    let small = place.dir("small");
    let mounts = Mounts::new(&format!("mount -t tmpfs -o size=40m tmpfs {small}"));
    let plan = Plan::new(&place).set("egress.images=127.0.0.1:*").inside(&mounts);
    let source = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = plan.start();
    let shelf = shelf_at(&server, &small);
    let url = format!("http://{}/image", source.local_addr().expect("its address"));
    let data = json!({"name": "i", "url": url, "backupStorageUuids": [shelf], "format": "raw"});
    let job = server.client.submit("APIAddImageMsg", &data, &[]);
    let (mut stream, _) = source.accept().expect("it is connected to");
    let _ = stream.read(&mut [0; 4096]).expect("its request");
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"100000\r\n", &vec![b'x'; 1 << 20][..], b"\r\n"].concat();
    let taken = (0..1000).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!((30..100).contains(&taken), "{taken} MiB");
    let ended = server.client.final_job(&job, PATIENCE);
    let told = text(&ended["jobResult"]);
    assert_eq!(ended["state"], "Failed", "{ended}");
    assert!(told.contains("does not tell how large") && told.contains("2097152 bytes stay free"), "{told}");
    let left = mounts.sh(&format!("find {small} -type f | wc -l"));
    assert_eq!(left.trim(), "0", "what came is gone");
}

#[test]
fn an_image_that_there_is_no_room_for_waits_for_it_and_asks_its_source_no_more() {
    let place = Place::new("image-room");
    let small = place.dir("small");
    let mounts = Mounts::new(&format!("mount -t tmpfs -o size=40m tmpfs {small}"));
    let plan =
        Plan::new(&place).set("egress.images=127.0.0.1:*").set("storage.watchSeconds=1").inside(&mounts);
    mounts.sh(&format!("head -c 30M /dev/zero > {small}/fill"));
    let bytes: Vec<u8> = (0..20 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    let source = FileServer::start(Serves { bytes: bytes.clone(), tag: Some("\"a\""), ..Serves::default() });
    let server = plan.start();
    let shelf = shelf_at(&server, &small);
    let data = json!({"name": "i", "url": source.url(), "backupStorageUuids": [shelf], "format": "raw"});
    let job = server.client.submit("APIAddImageMsg", &data, &[]);
    let tries = || {
        let timeline =
            server.client.ok("GET", &format!("/longjobs/{job}/timeline"), &json!(null)).to_string();
        timeline.matches("not enough space: 20971520 bytes are needed").count()
    };
    until("the job waits for room", PATIENCE, || (tries() == 1).then_some(()));
    std::thread::sleep(Duration::from_secs(3)); // rounds of the watch
    assert_eq!(tries(), 1, "while there is none, it is not tried");
    server.client.ok("PUT", &format!("/longjobs/{job}/actions"), &json!({"resumeLongJob": {}}));
    until("resumed by hand it finds none", PATIENCE, || (tries() == 2).then_some(()));
    assert_eq!(source.asked(), [None], "it is known how large the image is");
    mounts.sh(&format!("rm {small}/fill"));
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    let expected = place.path("expected");
    std::fs::write(&expected, &bytes).expect("a file");
    mounts.sh(&format!("cmp {} {path}", shown(&expected)));
}

#[test]
fn a_source_that_falls_silent_is_opened_again_after_a_while_and_gone_on_with() {
    let place = Place::new("image-silent");
    let plan = Plan::new(&place).set("egress.images=127.0.0.1:*");
    let bytes: Vec<u8> = (0..9 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    let source = FileServer::start(Serves {
        bytes: bytes.clone(),
        tag: Some("\"a\""),
        stands_after: Some(5 << 20),
        ..Serves::default()
    });
    let server = plan.start();
    let shelf = shelf_at(&server, &place.dir("shelf"));
    let data = json!({"name": "i", "url": source.url(), "backupStorageUuids": [shelf], "format": "raw"});
    let job = server.client.submit("APIAddImageMsg", &data, &[]);
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    assert_eq!(source.asked(), [None, Some(5 << 20)]);
    assert!(plan.log().contains("nothing came for 30 s"), "{}", plan.log());
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    assert!(std::fs::read(path).expect("the image") == bytes);
}
