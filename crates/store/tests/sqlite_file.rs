//! What is special to a store in a file: what stops, what is refused, what fails, what is counted.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use common::TempDir;
use futures::executor::block_on;
use futures::future::join_all;
use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Value};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{JobState, NewJob};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::options::CommitFault;
use longhaul_store::sqlite::{MIGRATIONS, OpenError};
use longhaul_store::{Jobs, SqliteStore, StoreError, StoreOptions};
use sha2::{Digest, Sha256};

fn bench(directory: &TempDir, options: StoreOptions) -> (Bench, Arc<SqliteStore>) {
    let mut opened = None;
    let bench = Bench::new(|clock| {
        let store = Arc::new(SqliteStore::open(&directory.file(), clock, options).expect("opened"));
        opened = Some(store.clone());
        Fresh { store, keep: Box::new(()) }
    });
    (bench, opened.expect("just opened"))
}

fn open_error(directory: &TempDir) -> OpenError {
    match SqliteStore::open(&directory.file(), HandClock::new(), StoreOptions::default()) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn what_was_stored_is_there_after_a_reopening() {
    let directory = TempDir::new();
    let (t, store) = bench(&directory, StoreOptions::default());
    let claim = block_on(t.submit_and_claim());
    let job = block_on(t.job(claim.job));
    drop((t, store));
    let clock = HandClock::new();
    let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
    assert_eq!(block_on(store.job(claim.job)), Ok(Some(job)));
    assert_eq!(block_on(store.claims(claim.node)), Ok(vec![claim]));
}

#[test]
fn group_commit_groups() {
    let directory = TempDir::new();
    let (t, store) = bench(&directory, StoreOptions::default());
    let before = store.stats();
    block_on(join_all((0..500).map(|_| t.submit(t.new_job()))));
    let after = store.stats();
    assert_eq!(after.writes - before.writes, 500);
    assert!(after.commits - before.commits < 250, "{after:?}");
    assert!(after.largest_batch > 1, "{after:?}");
}

#[test]
fn a_refused_write_is_rolled_back_alone() {
    let directory = TempDir::new();
    let (t, store) = bench(&directory, StoreOptions::default());
    let taken = t.new_job();
    block_on(t.submit(taken.clone()));
    let jobs: Vec<NewJob> = (0..100)
        .map(|n| if n % 2 == 0 { t.new_job() } else { NewJob { request_hash: [7; 32], ..taken.clone() } })
        .collect();
    let answers = block_on(join_all(jobs.into_iter().map(|new| t.store.submit(new, None))));
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 50);
    assert_eq!(answers.iter().filter(|a| matches!(a, Err(StoreError::Taken))).count(), 50);
    assert_eq!(store.stats().refused, 50);
    assert_eq!(block_on(t.kinds(taken.id)), [TimelineKind::Submitted]);
}

#[test]
fn a_failed_commit_fails_the_whole_batch_and_later_writes_succeed() {
    let directory = TempDir::new();
    let failing = Arc::new(AtomicBool::new(false));
    let asked = failing.clone();
    let options = StoreOptions {
        commit_fault: Some(Arc::new(move || asked.load(Ordering::SeqCst).then_some(CommitFault::Refused))),
        on_fatal: Arc::new(|_| panic!("a refused commit is not fatal")),
        ..StoreOptions::default()
    };
    let (t, store) = bench(&directory, options);
    failing.store(true, Ordering::SeqCst);
    let jobs: Vec<NewJob> = (0..64).map(|_| t.new_job()).collect();
    let answers = block_on(join_all(jobs.iter().map(|new| t.store.submit(new.clone(), None))));
    assert!(answers.iter().all(|a| matches!(a, Err(StoreError::Unavailable(_)))), "{answers:?}");
    assert!(store.stats().failed_commits < 64, "whole batches failed");
    failing.store(false, Ordering::SeqCst);
    for new in &jobs {
        assert_eq!(block_on(t.store.job(new.id)), Ok(None));
    }
    assert_eq!(block_on(t.store.counts(None)).unwrap().iter().map(|(_, n)| n).sum::<u64>(), 0);
    for new in jobs {
        assert_eq!(block_on(t.submit(new)).0.state, JobState::Waiting);
    }
}

#[test]
fn after_a_failed_sync_the_hook_is_called_and_nothing_is_promised_any_more() {
    let directory = TempDir::new();
    let failing = Arc::new(AtomicBool::new(true));
    let calls = Arc::new(AtomicU32::new(0));
    let (asked, called) = (failing.clone(), calls.clone());
    let options = StoreOptions {
        commit_fault: Some(Arc::new(move || asked.load(Ordering::SeqCst).then_some(CommitFault::SyncFailed))),
        on_fatal: Arc::new(move |_| {
            called.fetch_add(1, Ordering::SeqCst);
        }),
        ..StoreOptions::default()
    };
    let (t, _store) = bench(&directory, options);
    let new = t.new_job();
    let lost = block_on(t.store.submit(new.clone(), None));
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    failing.store(false, Ordering::SeqCst);
    let later = block_on(t.store.submit(new, None));
    assert!(matches!(later, Err(StoreError::Unavailable(_))), "a later sync proves nothing: {later:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_full_queue_refuses_and_a_dropped_caller_does_not_withdraw() {
    let directory = TempDir::new();
    let gate = Arc::new(Mutex::new(()));
    let held = gate.clone();
    let options = StoreOptions {
        queue_max: 8,
        commit_fault: Some(Arc::new(move || {
            drop(held.lock().unwrap());
            None
        })),
        ..StoreOptions::default()
    };
    let (t, store) = bench(&directory, options);
    let jobs: Vec<NewJob> = (0..30).map(|_| t.new_job()).collect();
    let closed = gate.lock().unwrap();
    let mut writes = Vec::new();
    for new in &jobs {
        let mut write = store.submit(new.clone(), None);
        let waker = futures::task::noop_waker();
        let polled = write.as_mut().poll(&mut std::task::Context::from_waker(&waker));
        if let std::task::Poll::Ready(answer) = polled {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        } else {
            writes.push(new.id);
        }
        drop(write);
    }
    drop(closed);
    assert!((8..=24).contains(&writes.len()), "one batch is out of the queue: {}", writes.len());
    // Behind all that was queued, once there is room.
    while block_on(t.store.submit(t.new_job(), None)).is_err() {
        std::thread::yield_now();
    }
    for id in writes {
        assert!(block_on(store.job(id)).unwrap().is_some(), "the write of a dropped caller is made");
    }
}

#[test]
fn a_query_ends_at_its_time_limit() {
    let directory = TempDir::new();
    let options = StoreOptions { query_limit: std::time::Duration::ZERO, ..StoreOptions::default() };
    let (t, _store) = bench(&directory, options);
    block_on(join_all((0..2000).map(|_| t.submit(t.new_job()))));
    let like = |pattern: &str| Condition {
        field: Field::JobData,
        op: Op::Like,
        values: vec![Value::Text(pattern.to_owned())],
    };
    let query = Query {
        resource: Resource::Job,
        filter: Filter { conditions: vec![like("%x%")], ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: 10 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    };
    assert_eq!(block_on(t.store.query(&query)), Err(StoreError::TooSlow { limit_s: 0 }));
}

#[test]
fn a_store_from_a_newer_release_is_refused_untouched() {
    let directory = TempDir::new();
    drop(bench(&directory, StoreOptions::default()));
    let raw = rusqlite::Connection::open(directory.file()).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    drop(raw);
    let before = std::fs::read(directory.file()).unwrap();
    let error = open_error(&directory);
    assert!(matches!(error, OpenError::Newer { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("newer release"), "{error}");
    assert_eq!(std::fs::read(directory.file()).unwrap(), before);
}

#[test]
fn a_newer_store_is_refused_even_if_only_its_log_says_so() {
    let directory = TempDir::new();
    drop(bench(&directory, StoreOptions::default()));
    let copy = TempDir::new();
    let raw = rusqlite::Connection::open(directory.file()).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    let log = |directory: &TempDir| directory.file().with_extension("db-wal");
    std::fs::copy(directory.file(), copy.file()).unwrap();
    std::fs::copy(log(&directory), log(&copy)).unwrap();
    let before = (std::fs::read(copy.file()).unwrap(), std::fs::read(log(&copy)).unwrap());
    let error = open_error(&copy);
    assert!(matches!(error, OpenError::Newer { found: 999, .. }), "{error}");
    assert_eq!((std::fs::read(copy.file()).unwrap(), std::fs::read(log(&copy)).unwrap()), before);
}

#[test]
fn what_is_not_a_store_is_refused_with_a_clear_message() {
    let directory = TempDir::new();
    std::fs::write(directory.file(), "not a database at all, but long enough ".repeat(10)).unwrap();
    assert!(matches!(open_error(&directory), OpenError::Foreign { .. }));
    std::fs::remove_file(directory.file()).unwrap();
    let foreign = rusqlite::Connection::open(directory.file()).unwrap();
    foreign.execute_batch("PRAGMA user_version = 3; CREATE TABLE t (x)").unwrap();
    drop(foreign);
    assert!(matches!(open_error(&directory), OpenError::Foreign { .. }));
    std::fs::remove_file(directory.file()).unwrap();
    std::fs::create_dir(directory.file()).unwrap();
    let error = open_error(&directory);
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    let missing = directory.file().join("no").join("longhaul.db");
    let error = SqliteStore::open(&missing, HandClock::new(), StoreOptions::default()).err().unwrap();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("check that its directory exists"), "{error}");
}

#[test]
fn session_ids_are_not_in_the_file() {
    let directory = TempDir::new();
    let (t, store) = bench(&directory, StoreOptions::default());
    let session = longhaul_model::resource::Session {
        id: longhaul_model::SessionId::random(&*t.clock),
        account: t.account,
        create_ms: 0,
        expires_ms: i64::MAX,
    };
    assert_eq!(block_on(t.store.create_session(&session, 1)), Ok(true));
    drop((t, store));
    let file = std::fs::read(directory.file()).unwrap();
    let (text, bits) = (session.id.to_string(), session.id.bits().to_be_bytes());
    assert!(!file.windows(32).any(|w| w == text.as_bytes()) && !file.windows(16).any(|w| w == bits));
}

#[test]
fn a_merged_migration_is_never_edited() {
    let locked = include_str!("../migrations/sqlite/migrations.lock");
    let lines: Vec<String> = MIGRATIONS
        .iter()
        .map(|m| {
            let sum: String = Sha256::digest(m.sql).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{sum}  {}", m.file)
        })
        .collect();
    assert_eq!(locked.lines().collect::<Vec<_>>(), lines, "add a migration instead of editing one");
}

#[test]
fn every_migration_file_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    files.sort();
    assert_eq!(files, MIGRATIONS.map(|m| m.file));
}
