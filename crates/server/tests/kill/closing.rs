//! A server that stops in order leaves all of its store in one file; one that is killed leaves a log, which the next start
//! reads. The witness is SQLite itself, by another program that is given the file alone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::client::SIMULATE;
use crate::place::{PATIENCE, Place, said, shown};
use crate::server::Plan;

const COUNT: &str = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM job').fetchone()[0])";
/// Reads, says so, and stays in the middle of its transaction until its input ends.
const HOLD: &str = "import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute('BEGIN')
c.execute('SELECT count(*) FROM job').fetchone()
print('open', flush=True)
sys.stdin.read()";

fn log_bytes(place: &Place) -> u64 {
    fs::metadata(place.path("data/longhaul.db-wal")).map_or(0, |log| log.len())
}

/// Jobs in the store's file, without its log.
fn in_the_file(place: &Place) -> usize {
    let alone = place.path("alone.db");
    fs::copy(place.path("data/longhaul.db"), &alone).unwrap();
    said("python3", &["-c", COUNT, &shown(&alone)]).trim().parse().expect("a number")
}

fn holding(file: &Path) -> Child {
    let mut reader = Command::new("python3")
        .args(["-c", HOLD, &shown(file)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut line = String::new();
    BufReader::new(reader.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "open");
    reader
}

#[test]
fn a_stop_in_order_leaves_no_log_and_after_a_kill_the_log_is_read() {
    let place = Place::new("closing");
    let plan = Plan::new(&place);
    let mut server = plan.start();
    let instant = json!({"durationMs": 0});
    let mut jobs: Vec<String> = (0..5).map(|_| server.client.submit(SIMULATE, &instant, &[])).collect();
    // One that still runs gives its claim back before the end.
    jobs.push(server.client.submit(SIMULATE, &json!({"durationMs": 60_000, "progressSteps": 600}), &[]));
    assert!(log_bytes(&place) > 0, "they are in the log");
    assert!(server.terminate(PATIENCE).success());
    assert_eq!(log_bytes(&place), 0, "{}", plan.log());
    assert_eq!(in_the_file(&place), jobs.len());

    let mut server = plan.start();
    jobs.push(server.client.submit(SIMULATE, &instant, &[]));
    server.kill();
    assert!(log_bytes(&place) > 0, "nobody closed it");
    let server = plan.start();
    for job in &jobs {
        assert_eq!(server.client.job(job)["uuid"], *job);
    }
}

#[test]
fn a_program_that_reads_the_store_keeps_no_server_from_ending() {
    let place = Place::new("held-open");
    let plan = Plan::new(&place);
    let mut server = plan.start();
    let first = server.client.submit(SIMULATE, &json!({"durationMs": 0}), &[]);
    let mut reader = holding(&place.path("data/longhaul.db"));
    let second = server.client.submit(SIMULATE, &json!({"durationMs": 0}), &[]);
    assert!(server.terminate(PATIENCE).success());
    drop(reader.stdin.take());
    assert!(reader.wait().expect("it ends").success());
    let server = plan.start();
    for job in [&first, &second] {
        assert_eq!(server.client.final_job(job, PATIENCE)["state"], "Succeeded");
    }
}
