//! The lock, the mark of a demo, the keys.

use std::sync::Arc;

use longhaul_store::conformance::HandClock;
use longhaul_store::{MemoryStore, StoreOptions};

use super::*;

#[test]
fn a_second_server_is_refused_with_the_pid_of_the_first() {
    let dir = std::env::temp_dir().join(format!("longhaul-lock-{}", std::process::id()));
    let first = DataDir::open(&dir).unwrap();
    let refused = DataDir::open(&dir).unwrap_err().to_string();
    assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
    drop(first);
    DataDir::open(&dir).unwrap();
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_demos_directory_stays_a_demos_and_no_other_becomes_one() {
    let path = std::env::temp_dir().join(format!("longhaul-mark-{}", std::process::id()));
    let (demo, other) = (path.join("a"), path.join("b"));
    let dir = DataDir::open(&demo).unwrap();
    dir.hold_to(true).unwrap();
    dir.hold_to(true).unwrap();
    let refused = dir.hold_to(false).unwrap_err().to_string();
    assert!(refused.contains("is a demo's") && refused.contains("--demo"), "{refused}");
    let dir = DataDir::open(&other).unwrap();
    dir.hold_to(false).unwrap();
    dir.store_path().unwrap();
    dir.hold_to(false).unwrap();
    let refused = dir.hold_to(true).unwrap_err().to_string();
    assert!(refused.contains("is no demo") && refused.contains("--data-dir"), "{refused}");
    assert!(!other.join(DEMO_MARK).exists(), "a refused directory is not marked");
    fs::remove_dir_all(&path).unwrap();
}

#[test]
fn the_secret_key_is_made_once_and_private() {
    let path = std::env::temp_dir().join(format!("longhaul-key-{}", std::process::id()));
    let dir = DataDir::open(&path).unwrap();
    let key = dir.secret_key(None).unwrap();
    assert_eq!(dir.secret_key(None).unwrap(), key);
    let mode = fs::metadata(path.join("secret.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(path.join("secret.key"), b"short").unwrap();
    assert!(dir.secret_key(None).is_err());
    fs::remove_dir_all(&path).unwrap();
}

#[test]
fn another_secret_key_and_a_missing_one_are_refused_with_what_to_do() {
    let path = std::env::temp_dir().join(format!("longhaul-key-check-{}", std::process::id()));
    let dir = DataDir::open(&path).unwrap();
    let key = dir.secret_key(None).unwrap();
    fs::write(path.join("secret.key"), [7; 32]).unwrap();
    let refused = dir.secret_key(None).unwrap_err().to_string();
    assert!(refused.contains("is not the key") && refused.contains("backup"), "{refused}");
    fs::remove_file(path.join("secret.key")).unwrap();
    let refused = dir.secret_key(None).unwrap_err().to_string();
    assert!(refused.contains("is gone") && refused.contains("backup"), "{refused}");
    assert!(!path.join("secret.key").exists(), "no new one is made");
    fs::write(path.join("secret.key"), key).unwrap();
    assert_eq!(dir.secret_key(None).unwrap(), key, "the control: its own is taken");
    fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_store_of_an_earlier_release_keeps_its_key_and_gets_its_check() {
    let path = std::env::temp_dir().join(format!("longhaul-key-before-{}", std::process::id()));
    let dir = DataDir::open(&path).unwrap();
    fs::write(path.join("longhaul.db"), b"rows").unwrap();
    assert!(dir.secret_key(None).is_err(), "without a check too, a store needs its key");
    fs::write(path.join("secret.key"), [7; 32]).unwrap();
    assert_eq!(dir.secret_key(None).unwrap(), [7; 32]);
    fs::write(path.join("secret.key"), [8; 32]).unwrap();
    assert!(dir.secret_key(None).is_err());
    fs::remove_dir_all(&path).unwrap();
}

#[tokio::test]
async fn nodes_of_one_store_need_one_key_and_the_first_makes_it() {
    let path = std::env::temp_dir().join(format!("longhaul-shared-key-{}", std::process::id()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(HandClock::new(), StoreOptions::default()));
    let (first, second) = (DataDir::open(&path.join("1")).unwrap(), DataDir::open(&path.join("2")).unwrap());
    let key = first.shared_secret_key(None, &*store).await.unwrap();
    assert_eq!(first.shared_secret_key(None, &*store).await.unwrap(), key);
    let refused = second.shared_secret_key(None, &*store).await.unwrap_err().to_string();
    assert!(refused.contains("is not there") && refused.contains("--secret-key-file"), "{refused}");
    assert!(!path.join("2").join(KEY_FILE).exists(), "none is made");
    fs::write(path.join("2").join(KEY_FILE), [7; 32]).unwrap();
    let refused = second.shared_secret_key(None, &*store).await.unwrap_err().to_string();
    assert!(refused.contains("is not the key of this store"), "{refused}");
    let file = path.join("1").join(KEY_FILE);
    assert_eq!(second.shared_secret_key(Some(&file), &*store).await.unwrap(), key);
    let gone = second.shared_secret_key(Some(&path.join("gone")), &*store).await.unwrap_err().to_string();
    assert!(gone.contains("is not there"), "{gone}");
    fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_host_is_known_by_its_directory_and_by_what_an_earlier_release_kept() {
    let path = std::env::temp_dir().join(format!("longhaul-host-{}", std::process::id()));
    let (one, before) = (DataDir::open(&path.join("1")).unwrap(), DataDir::open(&path.join("2")).unwrap());
    let [a, b, c] = [1, 2, 3].map(HostId::from_bits);
    assert_eq!(one.host(None, a).unwrap(), a);
    assert_eq!(one.host(Some(b), c).unwrap(), a, "the same ever after");
    assert_eq!(before.host(Some(b), c).unwrap(), b);
    fs::write(path.join("1").join(HOST_FILE), "x").unwrap();
    assert!(one.host(None, c).unwrap_err().to_string().contains("32 hexadecimal"));
    fs::remove_dir_all(&path).unwrap();
}
