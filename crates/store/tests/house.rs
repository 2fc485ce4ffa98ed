//! What is done with a store as a whole: a check finds what is broken, a backup is a store of one moment.

mod common;
#[path = "common/furnished.rs"]
mod furnished;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::TempDir;
use furnished::furnish;
use futures::executor::block_on;
use longhaul_model::{JobId, NewJob};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::house::relations::RELATIONS;
use longhaul_store::house::tables::{COUNTS, TABLES};
use longhaul_store::house::{self, BackupError, Report};
use longhaul_store::sqlite::{MIGRATIONS, OpenError};
use longhaul_store::{Jobs, SqliteStore, StoreOptions};
use rusqlite::Connection;

fn bench(directory: &TempDir) -> Bench {
    Bench::new(|clock| {
        let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(()) }
    })
}

/// A closed store with rows in every table.
fn closed_store() -> TempDir {
    let directory = TempDir::new();
    let t = bench(&directory);
    block_on(furnish(&t));
    directory
}

fn check(path: &Path) -> Report {
    house::check(path, |_| {}).expect("read")
}

fn broken_by(sql: &str) -> Report {
    let directory = closed_store();
    Connection::open(directory.file()).expect("opened").execute_batch(sql).expect(sql);
    check(&directory.file())
}

#[test]
fn a_store_with_rows_in_every_table_is_sound() {
    let directory = closed_store();
    let report = check(&directory.file());
    assert_eq!(report.findings, []);
    assert_eq!(report.rules, RELATIONS.len() + 1);
    assert_eq!(report.schema as usize, MIGRATIONS.len());
    for (table, rows) in report.rows {
        assert!(rows > 0, "nothing in {table}: what is said of it is said of nothing");
    }
}

#[test]
fn the_list_of_tables_is_that_of_the_schema_with_its_keys() {
    let directory = closed_store();
    let connection = Connection::open(directory.file()).expect("opened");
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let there: BTreeSet<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
    let listed: BTreeSet<String> =
        TABLES.iter().chain([&COUNTS]).map(|table| table.name.to_owned()).collect();
    assert_eq!(listed, there, "a new table belongs into crates/store/src/house/tables.rs");
    for table in TABLES.iter().chain([&COUNTS]) {
        let mut statement =
            connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk").unwrap();
        let key: Vec<String> = statement
            .query_map([table.name], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert_eq!(key, table.key, "{}", table.name);
    }
}

#[test]
fn each_broken_rule_is_found_with_an_example_and_no_other() {
    let cases = [
        ("every job is in a state", "UPDATE job SET state = 'Sleeping' WHERE state = 'Waiting';
            UPDATE job_count SET state = 'Sleeping' WHERE state = 'Waiting'"),
        ("every job has its request", "DELETE FROM job_body WHERE job = (SELECT min(id) FROM job)"),
        ("what belongs to a job", "INSERT INTO checkpoint (job, page, bytes) VALUES (99999, 1, x'00')"),
        ("a job that is not final", "DELETE FROM job_run WHERE job = (SELECT id FROM job WHERE state = 'Waiting' LIMIT 1)"),
        ("a job that is not final", "INSERT INTO job_run (job, class, canceling) SELECT id, class, 0 FROM job WHERE state = 'Succeeded' LIMIT 1"),
        ("the queue says", "UPDATE job_run SET class = 77 WHERE place = (SELECT min(place) FROM job_run)"),
        ("a job that is held", "UPDATE job_run SET node = 'nobody' WHERE node IS NOT NULL; UPDATE job SET node = 'nobody' WHERE state = 'Running'"),
        ("one job at a time", "UPDATE job_run SET node = NULL; UPDATE job_run SET target = 't' WHERE job IN (SELECT id FROM job WHERE state = 'Running');
            UPDATE job SET ordered = 1, target = 't' WHERE state = 'Running'"),
        ("the timeline of every job", "DELETE FROM timeline WHERE seq = 1 AND job = (SELECT max(job) FROM timeline WHERE seq = 2)"),
        ("the timeline of every job", "DELETE FROM timeline WHERE job = (SELECT id FROM job WHERE state = 'Waiting' LIMIT 1)"),
        ("tokens only grow", "UPDATE timeline SET token = 1000 WHERE seq = 1 AND job = (SELECT max(job) FROM timeline)"),
        ("a final job has no checkpoint", "INSERT INTO checkpoint (job, page, bytes) SELECT id, 1, x'00' FROM job WHERE state = 'Succeeded' LIMIT 1"),
        ("the counts are", "UPDATE job_count SET n = n + 1 WHERE state = 'Waiting'"),
        ("the counts are", "INSERT INTO job_count VALUES ('a', 'b', 'Waiting', 1)"),
        ("everything has an owner", "UPDATE volume SET account = 'nobody'"),
        ("everything has an owner", "UPDATE access_key SET account = (SELECT uuid FROM retired_account LIMIT 1)"),
        ("what lies on a storage", "UPDATE trash SET storage = 'nowhere'"),
        ("what lies on a storage", "UPDATE image_ref SET image = 'none'"),
        ("tags are of something", "UPDATE tag SET resource_uuid = 'nothing'"),
        ("tags are of something", "UPDATE web_hook SET id = 'nothing'"),
    ];
    let mut seen = BTreeSet::new();
    for (rule, sql) in cases {
        let report = broken_by(sql);
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(found.len(), 1, "{sql}: {:#?}", report.findings);
        assert!(found[0].starts_with(rule), "{sql}: {found:?}");
        assert!(!report.findings[0].examples[0].is_empty() && report.findings[0].broken > 0);
        seen.insert(found[0].to_owned());
    }
    assert_eq!(seen.len(), RELATIONS.len(), "a rule that no case breaks may be unable to be broken");
}

#[test]
fn a_damaged_page_is_found_and_rows_are_not_looked_into() {
    let directory = closed_store();
    let connection = Connection::open(directory.file()).expect("opened");
    let root: u64 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'job_state'", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
        .unsigned_abs();
    drop(connection);
    let file = OpenOptions::new().write(true).open(directory.file()).unwrap();
    file.write_all_at(&[0; 4096], (root - 1) * 4096).unwrap();
    drop(file);
    let report = check(&directory.file());
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert_eq!(report.findings[0].rule, "the file is sound");
    assert!(!report.looked_into_rows());
}

#[test]
fn of_a_store_of_an_earlier_release_the_file_alone_is_looked_at() {
    let directory = TempDir::new();
    let connection = Connection::open(directory.file()).expect("opened");
    connection.execute_batch(MIGRATIONS[0].sql).unwrap();
    connection.execute_batch("PRAGMA application_id = 0x4c6e6748; PRAGMA user_version = 1").unwrap();
    drop(connection);
    let report = check(&directory.file());
    assert!(report.sound() && !report.looked_into_rows());
    assert_eq!(report.schema, 1);
}

#[test]
fn what_is_no_store_is_refused_and_none_is_made() {
    let directory = TempDir::new();
    assert!(matches!(house::check(&directory.file(), |_| {}), Err(OpenError::Unusable { .. })));
    assert!(!directory.file().exists());
    std::fs::write(directory.file(), vec![7; 8192]).unwrap();
    assert!(matches!(house::check(&directory.file(), |_| {}), Err(OpenError::Foreign { .. })));
}

#[test]
fn a_backup_is_a_sound_store_of_one_moment_while_others_write() {
    let directory = TempDir::new();
    let t = bench(&directory);
    block_on(furnish(&t));
    let before: Vec<JobId> = (0..200).map(|_| block_on(t.submit(t.new_job())).0.id).collect();
    let copy = directory.file().with_extension("copy");
    let done = AtomicBool::new(false);
    let (store, jobs): (_, Vec<NewJob>) = (t.store.clone(), (0..20_000).map(|_| t.new_job()).collect());
    let (made, written) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let until_done = jobs.into_iter().take_while(|_| !done.load(Ordering::SeqCst));
            until_done.fold(0, |stored, new| {
                block_on(store.submit(new, None)).expect("stored");
                stored + 1
            })
        });
        let mut told = Vec::new();
        let made = house::backup(&directory.file(), &copy, |copied, all| told.push((copied, all)), |_| {});
        done.store(true, Ordering::SeqCst);
        assert_eq!(told.last().map(|(copied, all)| copied == all), Some(true), "{told:?}");
        (made.expect("made"), writing.join().expect("written"))
    });
    assert!(made.report.sound(), "{:#?}", made.report.findings);
    let bytes = std::fs::metadata(&copy).unwrap();
    assert_eq!((bytes.len(), bytes.permissions().mode() & 0o777), (made.bytes, 0o600));
    let beside: Vec<_> = ["copy-wal", "copy-shm", "copy-journal"]
        .iter()
        .filter(|end| directory.file().with_extension(end).exists())
        .collect();
    assert!(beside.is_empty(), "the backup needs {beside:?}");
    let restored = SqliteStore::open(&copy, HandClock::new(), StoreOptions::default()).expect("opened");
    for job in before {
        assert!(block_on(restored.job(job)).unwrap().is_some(), "what was there before is in it");
    }
    let jobs = made.report.rows.iter().find(|(table, _)| *table == "job").map_or(0, |(_, rows)| *rows);
    assert!(jobs >= 200 && written > 0, "{jobs} jobs, {written} written meanwhile");
}

#[test]
fn a_backup_replaces_no_file_and_leaves_the_store_as_it_is() {
    let directory = closed_store();
    let before = std::fs::read(directory.file()).unwrap();
    let copy = directory.file().with_extension("copy");
    std::fs::write(&copy, b"mine").unwrap();
    let refused = house::backup(&directory.file(), &copy, |_, _| {}, |_| {});
    assert!(matches!(refused, Err(BackupError::Target { .. })), "{refused:?}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"mine");
    std::fs::remove_file(&copy).unwrap();
    house::backup(&directory.file(), &copy, |_, _| {}, |_| {}).expect("made");
    assert_eq!(std::fs::read(directory.file()).unwrap(), before);
}

#[test]
fn the_backup_of_a_damaged_store_says_so() {
    let directory = closed_store();
    Connection::open(directory.file()).unwrap().execute_batch("UPDATE job_count SET n = n + 1").unwrap();
    let copy = directory.file().with_extension("copy");
    let made = house::backup(&directory.file(), &copy, |_, _| {}, |_| {}).expect("made");
    assert!(!made.report.sound());
}
