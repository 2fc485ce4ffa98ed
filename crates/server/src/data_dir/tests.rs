//! The lock, the mark of a demo, the keys.

use std::sync::Arc;

use longhaul_model::ADMIN;
use longhaul_model::resource::Account;
use longhaul_store::conformance::HandClock;
use longhaul_store::{MemoryStore, StoreOptions};

use super::*;

#[test]
fn a_second_server_is_refused_with_the_pid_of_the_first() {
    let dir = std::env::temp_dir().join(format!("longhaul-lock-{}", std::process::id()));
    let first = DataDir::open(&dir).unwrap();
    let refused = DataDir::open(&dir).unwrap_err().to_string();
    assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
    let refused = DataDir::open_by("--from", &dir).unwrap_err().to_string();
    assert!(refused.contains("with --from") && !refused.contains("--data-dir"), "{refused}");
    drop(first);
    assert_eq!(fs::read_to_string(dir.join("lock")).unwrap(), "", "whoever gets its pid next is no server");
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

#[test]
fn a_first_password_that_waits_in_its_file_is_taken_and_never_replaced() {
    let path = std::env::temp_dir().join(format!("longhaul-first-password-{}", std::process::id()));
    let dir = DataDir::open(&path).unwrap();
    let first = dir.admin_password().unwrap();
    assert!(first.made && first.clear.len() >= 24);
    let again = dir.admin_password().unwrap();
    assert!(!again.made);
    assert_eq!((again.clear, &again.file), (first.clear, &first.file));
    // As a process leaves it that dies while it writes: nobody was told that one.
    fs::write(&first.file, "half").unwrap();
    let whole = dir.admin_password().unwrap();
    assert!(whole.made && whole.clear != "half");
    fs::remove_dir_all(&path).unwrap();
}

#[tokio::test]
async fn a_directory_belongs_to_the_cluster_that_it_joined_and_to_no_other_and_none_is_begun_in_an_empty_one()
{
    let path = std::env::temp_dir().join(format!("longhaul-belongs-{}", std::process::id()));
    let made = |uuid: u128| {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(HandClock::new(), StoreOptions::default()));
        (store, format!("{uuid:032x}"))
    };
    let ((one, a), (two, b), (empty, c)) = (made(1), made(2), made(3));
    let admin = |store: Arc<dyn Store>| async move {
        let (name, password_hash) = ("admin".to_owned(), "x".to_owned());
        let (create_ms, last_op_ms, description) = (0, 0, None);
        let account =
            Account { id: ADMIN, name, description, admin: true, password_hash, create_ms, last_op_ms };
        store.create_account(account).await.unwrap();
    };
    admin(one.clone()).await;
    admin(two.clone()).await;
    let dir = DataDir::open(&path).unwrap();
    assert_eq!(dir.belongs().unwrap(), None);
    let (key, cluster) = dir.join(None, None, &*one, "postgres://one/d", &a).await.unwrap();
    assert_eq!(cluster.id, a);
    assert_eq!(dir.belongs().unwrap(), None, "not before there is something in the store");
    dir.remember(&cluster).unwrap();
    let belongs = dir.belongs().unwrap();
    let again = dir.join(belongs.as_ref(), None, &*one, "postgres://moved/d", &b).await.unwrap();
    assert_eq!(again, (key, Cluster { id: a.clone(), place: "postgres://moved/d".to_owned() }));

    let other = DataDir::open(&path.join("other")).unwrap();
    fs::write(path.join("other").join(KEY_FILE), key).unwrap();
    other.join(None, None, &*two, "postgres://two/d", &b).await.unwrap();
    let refused =
        dir.join(belongs.as_ref(), None, &*two, "postgres://two/d", &c).await.unwrap_err().to_string();
    assert!(refused.contains("another cluster") && refused.contains("postgres://one/d"), "{refused}");
    assert!(refused.contains(CLUSTER_FILE), "how to do it on purpose: {refused}");
    let refused =
        dir.join(belongs.as_ref(), None, &*empty, "postgres://no/d", &c).await.unwrap_err().to_string();
    assert!(refused.contains("which is empty") && refused.contains("postgres://one/d"), "{refused}");
    assert_eq!(empty.kept("cluster", "untouched").await.unwrap(), "untouched");
    assert!(dir.may_embed().unwrap_err().to_string().contains("--store"));
    assert!(dir.hold_to(true).unwrap_err().to_string().contains("is no demo"));
    // A store of an earlier release has no id: it gets the one that is known.
    let (older, d) = made(4);
    admin(older.clone()).await;
    assert_eq!(dir.join(belongs.as_ref(), None, &*older, "postgres://older/d", &d).await.unwrap().1.id, a);
    fs::remove_dir_all(&path).unwrap();
}

#[tokio::test]
async fn a_store_that_has_moved_says_when_and_to_which_cluster_whatever_the_time_of_the_file() {
    let path = std::env::temp_dir().join(format!("longhaul-moved-{}", std::process::id()));
    let dir = DataDir::open(&path).unwrap();
    let (moved_ms, id) = (1_769_904_000_000, format!("{:032x}", 1)); // 2026-02-01
    dir.mark_moved("postgres://one/d", moved_ms, &id).unwrap();
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(86_400);
    File::options().append(true).open(path.join(MOVED_FILE)).unwrap().set_modified(long_ago).unwrap();
    let told = dir.moved_to().unwrap().expect("it has moved");
    assert_eq!(told.to_string(), "postgres://one/d (2026-02-01 00:00:00 UTC)");

    let belongs = dir.belongs().unwrap();
    let store = |key: &'static str| async move {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(HandClock::new(), StoreOptions::default()));
        let (name, password_hash) = ("admin".to_owned(), "x".to_owned());
        let (create_ms, last_op_ms, description) = (0, 0, None);
        let account =
            Account { id: ADMIN, name, description, admin: true, password_hash, create_ms, last_op_ms };
        store.create_account(account).await.unwrap();
        store.kept("cluster", key).await.unwrap();
        store
    };
    let other = store("another").await;
    let refused = dir.join(belongs.as_ref(), None, &*other, "postgres://two/d", "fresh").await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("another cluster") && refused.contains("postgres://one/d"), "{refused}");
    fs::remove_file(path.join(KEY_FILE)).unwrap();
    let own = store("00000000000000000000000000000001").await;
    assert_eq!(dir.join(belongs.as_ref(), None, &*own, "postgres://3/d", "fresh").await.unwrap().1.id, id);
    // As an earlier build wrote it.
    fs::write(path.join(MOVED_FILE), "postgres://one/d\n").unwrap();
    assert_eq!(dir.moved_to().unwrap().expect("it has moved").to_string(), "postgres://one/d");
    fs::remove_dir_all(&path).unwrap();
}
