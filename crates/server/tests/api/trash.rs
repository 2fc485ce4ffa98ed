//! What is in the trash goes for good only if it is still what was left there and belongs to nobody; and what is
//! taken for a storage, or for a free file, is what it seems to be.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::disks::Pool;
use crate::support::{Answer, Caller, Server};

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn adopt(admin: &Caller, pool: &Pool, path: &Path) -> Answer {
    let params = json!({"name": "disk", "primaryStorageUuid": pool.uuid, "installPath": shown(path)});
    admin.post("/volumes/adopt", &json!({"params": params}))
}

fn uuid_of(answer: &Answer) -> String {
    answer.inventory()["uuid"].as_str().expect("a uuid").to_owned()
}

fn trash(admin: &Caller, pool: &Pool) -> Vec<Value> {
    let listed = admin.get(&format!("/primary-storage/trash?uuid={}", pool.uuid)).ok();
    listed["inventories"].as_array().cloned().unwrap_or_default()
}

fn clean(admin: &Caller, pool: &Pool) -> Value {
    admin
        .put(
            &format!("/primary-storage/{}/trash/actions", pool.uuid),
            &json!({"cleanUpTrashOnPrimaryStorage": {}}),
        )
        .ok()["results"]
        .clone()
}

/// Two storages, and a file of 1 MiB in the first that was moved to the second.
fn moved(admin: &Caller, name: &str) -> (Pool, Pool, std::path::PathBuf) {
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let path = from.dir.0.join(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(&path, vec![7; 1 << 20]).expect("a disk");
    let volume = uuid_of(&adopt(admin, &from, &path));
    admin.wait_for(&admin.migration(&volume, &to), "Succeeded");
    assert_eq!(trash(admin, &from).len(), 1);
    (from, to, path)
}

#[test]
fn a_storage_with_trash_is_deleted_only_by_who_says_that_its_records_may_go() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (from, _to, path) = moved(&admin, "x.raw");
        let one = format!("/primary-storage/{}", from.uuid);
        for mode in ["", "?deleteMode=", "?deleteMode=Permissive"] {
            let (_, details) = admin.delete(&format!("{one}{mode}")).error();
            let told = ["1 items of 1048576 bytes in its trash", "clean them first", "Enforcing"];
            assert!(told.iter().all(|words| details.contains(words)), "{mode}: {details}");
            assert_eq!(trash(&admin, &from).len(), 1, "nothing was dropped");
        }
        admin.delete(&format!("{one}?deleteMode=Enforcing")).ok();
        assert!(path.exists(), "no file is touched");
        assert_eq!(admin.get(&one).ok()["inventories"], json!([]));
    }
    // Cleaned, it is deleted as ever.
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, _to, _path) = moved(&admin, "x.raw");
    clean(&admin, &from);
    admin.delete(&format!("/primary-storage/{}", from.uuid)).ok();
}

#[test]
fn what_is_adopted_out_of_the_trash_is_cleaned_no_more() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, _to, path) = moved(&admin, "x.raw");
    let back = uuid_of(&adopt(&admin, &from, &path));
    assert_eq!(trash(&admin, &from), Vec::<Value>::new(), "it is a volume again");
    assert_eq!(clean(&admin, &from), json!([]));
    assert!(path.exists(), "the file of {back}");
    // And the other way round: what nobody took back goes.
    let (from, _to, path) = moved(&admin, "y.raw");
    assert_eq!(clean(&admin, &from)[0]["success"], true);
    assert!(!path.exists());
}

#[test]
fn what_was_touched_since_it_came_into_the_trash_stays() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, _to, path) = moved(&admin, "x.raw");
    // The clock of the file must be past what the records allow for.
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    fs::write(path.with_extension("new"), b"another file").expect("written");
    fs::rename(path.with_extension("new"), &path).expect("put in its place");
    let result = clean(&admin, &from)[0].clone();
    assert_eq!(result["success"], false);
    assert!(result["error"].to_string().contains("written to, replaced or renamed"), "{result}");
    assert_eq!(fs::read(&path).expect("still there"), b"another file");
    fs::remove_file(&path).expect("removed by hand");
    assert_eq!(clean(&admin, &from)[0]["success"], true);
    assert_eq!(trash(&admin, &from), Vec::<Value>::new());
}

#[test]
fn a_symbolic_link_that_took_a_directorys_place_leads_to_no_removal() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, _to, path) = moved(&admin, "sub/x.raw");
    let other = from.dir.0.join("other");
    fs::create_dir(&other).expect("made");
    fs::write(other.join("x.raw"), b"somebody else's").expect("written");
    let sub = path.parent().expect("a directory");
    fs::rename(sub, from.dir.0.join("aside")).expect("moved aside");
    std::os::unix::fs::symlink("other", sub).expect("a link");
    assert_eq!(clean(&admin, &from)[0]["success"], false);
    assert_eq!(fs::read(other.join("x.raw")).expect("still there"), b"somebody else's");
    assert_eq!(trash(&admin, &from).len(), 1);
}

#[test]
fn a_file_with_a_second_name_is_not_adopted() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let (one, two) = (pool.dir.0.join("one.raw"), pool.dir.0.join("two.raw"));
    fs::write(&one, vec![1; 1 << 20]).expect("a disk");
    fs::hard_link(&one, &two).expect("a second name");
    assert!(adopt(&admin, &pool, &one).error().1.contains("2 names (hard links)"));
    fs::remove_file(&two).expect("removed");
    uuid_of(&adopt(&admin, &pool, &one));
}

#[test]
fn the_data_file_of_an_image_is_neither_moved_nor_removed() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let (data, image) = (from.dir.0.join("data.raw"), from.dir.0.join("top.qcow2"));
    let options = format!("data_file={},data_file_raw=on", shown(&data));
    let mut made = Command::new("qemu-img");
    made.args(["create", "-q", "-f", "qcow2", "-o", &options]).arg(&image).arg("4M");
    assert!(made.status().expect("qemu-img").success());
    let volume = uuid_of(&adopt(&admin, &from, &data));
    let job = json!({"params": {
        "jobName": "APIPrimaryStorageMigrateVolumeMsg",
        "jobData": json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid}).to_string(),
    }});
    let refused = admin.post("/longjobs", &job).error();
    assert!(refused.1.contains(&shown(&image)), "{refused:?}");
    fs::remove_file(&image).expect("the image is gone");
    admin.wait_for(&admin.migration(&volume, &to), "Succeeded");
}

#[test]
fn a_raw_disk_may_begin_like_anything_when_its_record_says_raw() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    for (name, mark) in [("luks.raw", &b"LUKS\xba\xbe"[..]), ("qcow2.raw", &b"QFI\xfb\0\0\0\x03"[..])] {
        let path = from.dir.0.join(name);
        let mut bytes = vec![3; 1 << 20];
        bytes[..mark.len()].copy_from_slice(mark);
        fs::write(&path, &bytes).expect("a disk");
        assert_eq!(
            adopt(&admin, &from, &path).error().0,
            "SYS.1007",
            "{name} is not taken for raw by itself"
        );
        let params = json!({
            "name": name, "primaryStorageUuid": from.uuid, "installPath": shown(&path), "format": "raw",
        });
        let volume = uuid_of(&admin.post("/volumes/adopt", &json!({"params": params})));
        admin.wait_for(&admin.migration(&volume, &to), "Succeeded");
        let listed = admin.get(&format!("/volumes/{volume}")).ok()["inventories"][0].clone();
        assert!(
            fs::read(listed["installPath"].as_str().expect("a path")).expect("the disk") == bytes,
            "{name}"
        );
    }
}

#[test]
fn a_disk_with_dirty_bitmaps_is_refused_because_a_copy_would_lose_them() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let image = from.dir.0.join("disk.qcow2");
    for args in [&["create", "-q", "-f", "qcow2"][..], &["bitmap", "--add"][..]] {
        let mut command = Command::new("qemu-img");
        command.args(args).arg(&image).arg(if args[0] == "create" { "4M" } else { "b0" });
        assert!(command.status().expect("qemu-img").success());
    }
    let volume = uuid_of(&adopt(&admin, &from, &image));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid}).to_string();
    let job = json!({"params": {"jobName": "APIPrimaryStorageMigrateVolumeMsg", "jobData": data}});
    let refused = admin.post("/longjobs", &job).error();
    assert!(refused.1.contains("1 dirty bitmaps") && refused.1.contains("--remove"), "{refused:?}");
}

#[test]
fn a_directory_belongs_to_one_server_and_one_storage_whatever_leads_to_it() {
    let (server, other) = (Server::start("fast", &[]), Server::start("fast", &[]));
    let (admin, stranger) = (server.admin(), other.admin());
    let pool = admin.pool(&json!({}));
    let new = json!({"params": {"name": "s", "url": pool.dir.0}});
    let refused = stranger.post("/primary-storage/local-storage", &new).error();
    assert!(refused.1.contains(&pool.uuid), "{refused:?}");

    // The directory moves, and a link takes its place: nothing is taken for anything else.
    let path = pool.dir.0.join("x.raw");
    fs::write(&path, vec![7; 1 << 20]).expect("a disk");
    uuid_of(&adopt(&admin, &pool, &path));
    let aside = pool.dir.0.with_extension("elsewhere");
    fs::rename(&pool.dir.0, &aside).expect("moved");
    std::os::unix::fs::symlink(&aside, &pool.dir.0).expect("a link");
    let refused = adopt(&admin, &pool, &aside.join("x.raw")).error();
    assert!(refused.1.contains("put the directory itself back there"), "{refused:?}");
    let scan = admin.get(&format!("/primary-storage/{}/scan", pool.uuid)).error();
    assert!(scan.1.contains("is away"), "{scan:?}");
    fs::remove_file(&pool.dir.0).expect("the link");
    fs::rename(&aside, &pool.dir.0).expect("back");
}

#[test]
fn disks_are_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let pool = admin.pool(&json!({}));
    let volume = admin.volume(&pool, &json!({}));
    let listed = admin.get(&format!("/volumes/{volume}")).ok()["inventories"][0].clone();
    let mode =
        fs::metadata(listed["installPath"].as_str().expect("a path")).expect("the disk").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
