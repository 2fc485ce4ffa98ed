//! The floors, measured in the same run: what the disk needs for one sync, and what bare SQLite does with
//! the statements that a submission and a life of a job need, without a server, an API or checks.
//!
//! The log is not moved into the file meanwhile, which the server has to do: the floor is generous.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use longhaul_engine::TokioRuntime;
use longhaul_store::{SqliteStore, StoreOptions};
use rusqlite::{Connection, params};

use crate::place::Place;
use crate::report::{Report, percentile};

/// Syncs of one round.
const SYNCS: usize = 400;
/// Jobs of one round.
const JOBS: u64 = 20_000;
const NODE: &str = "0000000000004000800000000000000a";
const ACCOUNT: &str = "36c27e8ff05c4780bf6d2fa65700f22e";

/// 4 KiB appended, then fdatasync.
pub fn sync(place: &Place, bounds_latency: bool, report: &mut Report) -> Result<()> {
    let path = place.fresh("floor.bin");
    let mut file = File::create(&path)?;
    let block = [7u8; 4096];
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (p50, p99) = (percentile(&mut took, 0.50), percentile(&mut took, 0.99));
    report.add("floor.sync.p50", p50);
    report.add("floor.sync.p99", p99);
    if bounds_latency {
        report.add("latency.p50.limit", 4.0 * p50 + 2.0);
        report.add("latency.p99.limit", 4.0 * p99 + 2.0);
    }
    std::fs::remove_file(path)?;
    Ok(())
}

/// An empty store's file, with the settings of the server's writer.
fn open(place: &Place) -> Result<(Connection, std::path::PathBuf)> {
    let dir = place.fresh("bare");
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("longhaul.db");
    drop(SqliteStore::open(&path, Arc::new(TokioRuntime::new()), StoreOptions::default())?);
    let connection = Connection::open(&path)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0;
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY",
    )?;
    Ok((connection, dir))
}

/// Runs `one` for each job, so many to a commit; answers jobs per second.
fn in_batches(
    connection: &Connection,
    jobs: u32,
    batch: Option<f64>,
    one: impl Fn(&Connection, u32) -> rusqlite::Result<()>,
) -> Result<f64> {
    let batch = batch.map_or(32, |b| b.round() as u32).clamp(1, 256);
    let start = Instant::now();
    let mut next = 0;
    while next < jobs {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for number in next..(next + batch).min(jobs) {
            one(connection, number)?;
        }
        next += batch;
        connection.execute_batch("COMMIT")?;
    }
    Ok(f64::from(jobs) / start.elapsed().as_secs_f64())
}

fn run(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(params).map(|_| ())
}

/// An id as random as the server's, for its indexes.
fn id(number: u32, kind: u128) -> String {
    let mixed =
        (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835 ^ (kind << 1));
    format!("{mixed:032x}")
}

fn insert(connection: &Connection, number: u32) -> rusqlite::Result<()> {
    run(
        connection,
        "INSERT INTO job (uuid, account, name, api_id, job_name, state, target, node, create_ms, last_op_ms,
            started_ms, version, attempt, token, class, ordered)
         VALUES (?1, ?2, ?3, ?4, 'APISimulateJobMsg', 'Waiting', ?5, NULL, ?6, ?6, NULL, 1, 0, 0, 1, 0)
         ON CONFLICT (uuid) DO NOTHING",
        params![
            id(number, 1),
            ACCOUNT,
            format!("job-{number:06}"),
            id(number, 2),
            format!("{:032x}", number / 20),
            1_790_000_000_000_i64 + i64::from(number / 8),
        ],
    )?;
    let row = connection.last_insert_rowid();
    run(
        connection,
        "INSERT INTO job_body (job, request_hash, description, job_data, job_result, sealed_data)
         VALUES (?1, ?2, NULL, '{\"durationMs\":0}', NULL, NULL)",
        params![row, [number as u8; 32]],
    )?;
    run(
        connection,
        "INSERT INTO job_run (job, class, target, node, ready_at_ms) VALUES (?1, 1, NULL, NULL, 0)",
        [row],
    )?;
    note(connection, row, 0)
}

fn note(connection: &Connection, row: i64, kind: i64) -> rusqlite::Result<()> {
    run(
        connection,
        "INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
         VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM timeline WHERE job = ?1), ?2, ?3, ?4, 1, 1, '')",
        params![row, 1_790_000_000_000_i64, kind, [0u8; 17]],
    )
}

/// The four inserts of a submission.
pub fn submit(place: &Place, report: &mut Report) -> Result<()> {
    let (connection, dir) = open(place)?;
    let jobs = u32::try_from(place.scaled(JOBS))?;
    let floor = in_batches(&connection, jobs, report.last("submit.64.batch"), insert)?;
    report.add("floor.submit", floor);
    report.add("submit.of_floor", report.last("submit.64").unwrap_or(f64::NAN) / floor);
    drop(connection);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// Start and success of a job that waits: two updates of the job, one of its body, its run updated and
/// removed, two timeline rows.
pub fn drain(place: &Place, report: &mut Report) -> Result<()> {
    let (connection, dir) = open(place)?;
    let jobs = u32::try_from(place.scaled(JOBS))?;
    in_batches(&connection, jobs, None, insert)?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let floor = in_batches(&connection, jobs, report.last("drain.batch"), |connection, number| {
        let row = i64::from(number) + 1;
        let job =
            "UPDATE job SET node = ?2, last_op_ms = ?3, version = ?4, attempt = 1, token = 1, suspend = NULL,
            retry_at_ms = NULL, started_ms = ?3, execute_s = ?5, state = ?6 WHERE id = ?1";
        let now_ms = 1_790_000_100_000_i64;
        run(connection, job, params![row, NODE, now_ms, 2, None::<i64>, "Running"])?;
        run(
            connection,
            "UPDATE job_run SET node = ?2, ready_at_ms = 0 WHERE place = ?1",
            params![row, NODE],
        )?;
        note(connection, row, 1)?;
        run(connection, job, params![row, NODE, now_ms, 3, 1, "Succeeded"])?;
        run(
            connection,
            "UPDATE job_body SET job_result = ?2 WHERE job = ?1",
            params![row, "{\"inventory\":null,\"success\":true}"],
        )?;
        run(connection, "DELETE FROM job_run WHERE place = ?1", [row])?;
        note(connection, row, 10)
    })?;
    report.add("floor.drain", floor);
    report.add("drain.of_floor", report.last("drain").unwrap_or(f64::NAN) / floor);
    drop(connection);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
