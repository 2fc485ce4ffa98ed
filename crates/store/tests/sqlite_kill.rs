//! What was acknowledged survives `kill -9`, and a full disk refuses without losing anything. The witness is a
//! child process's journal, outside the store.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::TempDir;
use futures::executor::block_on;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{JobId, JobState};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{Events, Jobs, Queries, SqliteStore, StoreError, StoreOptions};

const STORE: &str = "LONGHAUL_TEST_STORE";
const ROUNDS: usize = 5;
const ACKNOWLEDGED: usize = 400;

/// The child: not a test by itself, it submits until it is killed and prints what was acknowledged.
#[test]
fn child_submits_until_it_is_killed() {
    let Ok(path) = std::env::var(STORE) else { return };
    let store = SqliteStore::open(path.as_ref(), HandClock::new(), StoreOptions::default()).expect("opened");
    let store = Arc::new(store);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || {
                // A bench of its own per thread for its words; ids must differ between processes and threads.
                let t = Bench::new(|_| Fresh { store, keep: Box::new(()) });
                loop {
                    let mut new = t.new_job();
                    new.id = JobId::v4(u128::from(random()) << 64 | u128::from(random()));
                    let id = block_on(t.submit(new)).0.id;
                    println!("acknowledged {id}");
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

fn child(path: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["child_submits_until_it_is_killed", "--exact", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started")
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let directory = TempDir::new();
    let mut journal: Vec<JobId> = Vec::new();
    for round in 1..=ROUNDS {
        let mut writer = child(&directory.file());
        let mut lines = BufReader::new(writer.stdout.take().expect("piped")).lines();
        let acknowledged = |line: &str| -> Option<JobId> {
            line.split("acknowledged ").nth(1).and_then(|id| id.get(..32)).and_then(|id| id.parse().ok())
        };
        let mut seen = 0;
        while seen < ACKNOWLEDGED {
            let line = lines.next().expect("the child goes on").expect("text");
            if let Some(id) = acknowledged(&line) {
                journal.push(id);
                seen += 1;
            }
        }
        writer.kill().expect("killed");
        // What was printed before the kill was acknowledged before it.
        journal.extend(lines.map_while(Result::ok).filter_map(|line| acknowledged(&line)));
        writer.wait().expect("ended");
        let store = SqliteStore::open(&directory.file(), HandClock::new(), StoreOptions::default());
        let store = store.expect("opened after a kill");
        for id in &journal {
            assert!(block_on(store.job(*id)).unwrap().is_some(), "round {round}: {id} is lost");
            let rows = block_on(store.timeline(*id)).unwrap();
            assert_eq!(rows.iter().map(|r| r.kind).collect::<Vec<_>>(), [TimelineKind::Submitted]);
        }
        let waiting = block_on(store.counts(None)).unwrap();
        let waiting = waiting.iter().find(|(state, _)| *state == JobState::Waiting).unwrap().1;
        assert!(waiting >= journal.len() as u64, "counts are of the same commit");
    }
    assert!(journal.len() >= ROUNDS * ACKNOWLEDGED);
}

/// A limit of this process on the size of files stands for a full disk: writes beyond it fail the same way.
#[test]
fn a_full_disk_refuses_and_later_writes_succeed() {
    let Ok(path) = std::env::var(STORE) else {
        // In a process of its own: the limit holds for all of it.
        let directory = TempDir::new();
        // Without the trap the limit's signal would end the process before the write could fail.
        let done = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().expect("this test"))
            .args(["a_full_disk_refuses_and_later_writes_succeed", "--exact", "--nocapture"])
            .env(STORE, directory.file())
            .output()
            .expect("run");
        assert!(done.status.success(), "{done:?}");
        return;
    };
    let mut opened = None;
    let t = Bench::new(|clock| {
        let options =
            StoreOptions { on_fatal: Arc::new(|why| panic!("not fatal: {why}")), ..StoreOptions::default() };
        let store = Arc::new(SqliteStore::open(path.as_ref(), clock, options).expect("opened"));
        opened = Some(store.clone());
        Fresh { store, keep: Box::new(()) }
    });
    let before = block_on(t.submit(t.new_job())).0;
    limit_files_to(1024 * 1024);
    let mut big = t.new_job();
    big.job_data = format!("\"{}\"", "x".repeat(4 * 1024 * 1024));
    let refused = block_on(t.store.submit(big.clone(), None));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(block_on(t.store.job(big.id)), Ok(None));
    assert_eq!(block_on(t.job(before.id)), before);
    block_on(t.submit(t.new_job())); // a small one still fits
    limit_files_to(u64::MAX);
    let stored = block_on(t.submit(big)).0;
    assert_eq!(block_on(t.job(stored.id)), stored);
}

fn limit_files_to(bytes: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = if bytes == u64::MAX { maximum } else { Some(bytes) };
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).expect("a softer limit is always allowed");
}
