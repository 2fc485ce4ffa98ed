//! Plans of PostgreSQL that were made while the tables had a few rows, and are kept, do not read tables from end to end
//! when they have become large. The witness is the database's own count of the rows that its scans met. And the samples
//! that such plans do not need are small, by what the database says of them; nor is any statement compiled first.

#[path = "common/database.rs"]
mod database;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use database::Schema;
use futures::executor::block_on;
use futures::future::join_all;
use longhaul_model::progress::Progress;
use longhaul_model::resource::ApiOutcome;
use longhaul_model::{Claim, Clock, HostId, JobEvent, Limits, NewJob, NodeId, Pages, Submitted};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{Deliveries, Gone, PostgresOptions, PostgresStore};

/// Rows that the tables get at once.
const ADDED: u32 = 20_000;
/// What all calls of a round may meet. A single scan meets `ADDED` rows.
const MET_MAX: i64 = 15_000;
const LIMITED: &str = "APILimitedMsg";

/// What is asked about a job again and again: the database keeps the plan of what is read from the sixth time on.
async fn polls(t: &Bench, job: &NewJob) {
    for _ in 0..6 {
        assert!(t.store.job(job.id).await.expect("told").is_some());
        assert!(t.store.progress(&job.api_id).await.expect("told").is_some());
        assert!(t.store.request_hash(job.id).await.expect("told").is_some());
        assert!(!t.store.timeline(job.id).await.expect("told").is_empty());
        assert!(!t.store.timeline_page(job.id, 0, 10).await.expect("told").is_empty());
        t.store.progress_history(job.id).await.expect("told");
        t.store.intents(job.id).await.expect("told");
        t.store.tags(&job.id.to_string()).await.expect("told");
    }
}

/// An asynchronous call and its web hook.
async fn answered(t: &Bench) {
    let host = HostId::from_bits(7);
    let record = t.hooked_record(None);
    t.store.create_record(record.clone()).await.expect("stored");
    t.store.finish_record(&record.id, ApiOutcome::Empty).await.expect("stored");
    for _ in 0..6 {
        assert!(t.store.record(&record.id).await.expect("told").is_some());
        assert!(t.store.next_delivery().await.expect("told").is_some());
    }
    assert_eq!(t.store.take_deliveries(host, 10, 1000).await.expect("taken").len(), 1);
    assert_eq!(t.store.free_deliveries(Gone::Host(host), 500).await, Ok(1));
    t.store.end_delivery(&record.id).await.expect("ended");
}

/// One job of everything in the life of jobs, many of them at once where there is such a call.
async fn round(t: &Bench, node: NodeId) {
    let jobs: Vec<NewJob> = (0..40).map(|_| t.new_job()).collect();
    t.store.submit_many(jobs.clone()).await.expect("submitted");
    assert!(matches!(t.store.submit(jobs[0].clone(), None).await, Ok(Submitted::Same(_))));
    let (ordered, _) = t.submit(t.new_ordered_job("volume")).await;
    t.submit(t.new_ordered_job("volume")).await;
    let claims: Vec<Claim> = t.claim_all(node).await.into_iter().map(|claimed| claimed.claim).collect();
    assert_eq!(claims.len(), 41, "the second on the target waits for the first");

    let pages = Pages::from([(0, b"a page".to_vec())]);
    let saved = join_all(claims.iter().map(|claim| t.store.save_checkpoint(claim, &pages))).await;
    assert!(saved.iter().all(Result::is_ok), "{saved:?}");
    for done in [1, 2] {
        let reports: Vec<(Claim, Progress)> =
            claims.iter().map(|claim| (*claim, Progress { bytes_done: done, ..Progress::none(1) })).collect();
        t.store.save_progress(&reports).await.expect("saved");
    }
    t.cancel(claims[0].job).await;
    assert_eq!(t.store.canceling(node).await.expect("told").len(), 1);
    t.store.held(node).await.expect("told");
    assert_eq!(t.store.claims(node).await.expect("told").len(), 41);
    t.store.heartbeat(node).await.expect("renewed");
    polls(t, &jobs[2]).await;

    t.apply(&claims[0], JobEvent::Stopped).await.expect("stopped");
    let left: Vec<&Claim> = claims.iter().skip(2).collect();
    let ended = join_all(left.iter().map(|claim| t.apply(claim, JobEvent::Succeed))).await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    t.store.release(&claims[1], "").await.expect("released");
    let again = t.rerun(ordered.id).await;
    assert!(t.claim_all(node).await.len() >= 2, "{again:?}");
    for claim in t.store.claims(node).await.expect("told") {
        t.apply(&claim, JobEvent::Fail).await.expect("failed");
    }
    for claimed in t.claim_all(node).await {
        t.apply(&claimed.claim, JobEvent::Fail).await.expect("failed");
    }
    for _ in 0..6 {
        t.store.overdue(10).await.expect("told");
    }
    answered(t).await;
}

/// Jobs, with all that is kept of them but their runs; and answers of calls.
fn add_jobs(schema: &Schema) {
    schema.run(&format!(
        "INSERT INTO job (uuid, account, name, api_id, job_name, state, create_ms, last_op_ms, version, attempt, token,
            class, ordered)
         SELECT md5('j' || n), account, 'added', md5('a' || n), job_name, 'Running', create_ms + 1, last_op_ms, 1, 1, 1,
            class, 0 FROM generate_series(1, {ADDED}) AS s(n), (SELECT * FROM job LIMIT 1) AS j"
    ));
    schema.run(
        "INSERT INTO job_body (job, request_hash, job_data) SELECT id, '', '{}' FROM job WHERE name = 'added';
         INSERT INTO progress (job, token, percent, stage, bytes_done, bytes_total, rate, stalled, at_ms)
            SELECT id, 1, 0, '', 0, 0, 0, 0, 0 FROM job WHERE name = 'added';
         INSERT INTO progress_history (job, attempt, n, percent, stage, bytes_done, bytes_total, rate, stalled, at_ms)
            SELECT id, 1, 1, 0, '', 0, 0, 0, 0, 0 FROM job WHERE name = 'added';
         INSERT INTO checkpoint (job, page, bytes) SELECT id, 0, '' FROM job WHERE name = 'added';
         INSERT INTO api_record (id, account, expires_ms, outcome)
            SELECT md5('r' || id), account, 9000000000000, '\"Empty\"' FROM job WHERE name = 'added';",
    );
}

/// Runs of these jobs, on another node; and as many that have no room.
fn add_runs(schema: &Schema) {
    schema.run(&format!(
        "INSERT INTO job_run (job, class, ready_at_ms, rank, lane, gate)
         SELECT 1000000 + n, r.class, 0, 5, r.lane, r.gate FROM generate_series(1, {ADDED}) AS s(n),
            (SELECT * FROM job_run WHERE gate <> '') AS r;
         INSERT INTO job_run (job, class, node, counted)
            SELECT id, class, 'another', 1 FROM job WHERE name = 'added';"
    ));
}

/// What scans met so far, by table or index.
fn met(schema: &Schema) -> (i64, String) {
    let of_all = "(SELECT relname AS name, seq_tup_read AS n FROM pg_stat_user_tables WHERE schemaname = current_schema()
         UNION ALL SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = current_schema()) AS met";
    let sum = schema.count(&format!("SELECT coalesce(sum(n), 0)::BIGINT FROM {of_all}"));
    (sum, schema.text(&format!("SELECT string_agg(name || ' ' || n, ', ' ORDER BY n DESC) FROM {of_all}")))
}

/// Waits until no connection is left that did `what`: it counts what it met at its end.
fn until_gone(schema: &Schema, what: &str) {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {what}");
    while schema.count(&sql) > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What tables have when the plans are made. All is counted then, as on a server that was nearly idle for a while; what
/// comes later is not.
#[derive(Debug, Clone, Copy)]
enum Small {
    /// Next to nothing.
    All,
    /// Some forty jobs, one of them waits.
    Worked,
    /// Only few runs: all the jobs have ended.
    Runs,
}

/// What the scans of a round over large tables meet, with the plans of before. `broken` is done to the tables before
/// that round.
fn met_by_a_round(small: Small, broken: &str) -> (i64, String) {
    let schema = Arc::new(Schema::new());
    let bench = Bench::new(|clock: Arc<HandClock>| {
        let time: Arc<dyn Clock> = clock.clone();
        let defaults = PostgresOptions::default();
        let options = PostgresOptions { clock: Some(time), connections: 1, read_connections: 1, ..defaults };
        let url = format!("{}&application_name={}", schema.url(), schema.name());
        let store = PostgresStore::open(&url, clock, options).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(schema.clone()) }
    });
    let limits = Limits { types: BTreeMap::from([(LIMITED.to_owned(), 0)]), ..Limits::default() };
    let node = block_on(async {
        bench.store.set_limits(&limits).await.expect("set");
        bench.submit(NewJob { job_name: LIMITED.to_owned(), ..bench.new_job() }).await;
        bench.node().await
    });
    match small {
        Small::All => {}
        Small::Worked => block_on(round(&bench, node)),
        Small::Runs => add_jobs(&schema),
    }
    schema.each_table("ALTER TABLE {} SET (autovacuum_enabled = off)");
    schema.each_table("VACUUM ANALYZE {}");
    block_on(round(&bench, node));
    if !matches!(small, Small::Runs) {
        add_jobs(&schema);
    }
    add_runs(&schema);
    schema.run(broken);
    until_gone(&schema, &format!("query LIKE '%search_path = {};%'", schema.name()));
    let (until_now, _) = met(&schema);
    block_on(round(&bench, node));
    drop(bench);
    until_gone(&schema, &format!("application_name = '{}'", schema.name()));
    let (all, told) = met(&schema);
    (all - until_now, told)
}

#[test]
fn plans_from_when_the_tables_were_small_read_none_of_them_from_end_to_end() {
    for small in [Small::All, Small::Worked, Small::Runs] {
        let (many, told) = met_by_a_round(small, "");
        println!("{small:?}: {many} rows met by a round");
        assert!(many < MET_MAX, "{small:?}: {many} rows: {told}");
    }
    let (scanned, told) = met_by_a_round(Small::All, "DROP INDEX job_run_next");
    assert!(scanned > i64::from(ADDED), "a scan would not be noticed: {scanned} rows: {told}");
}

/// Rows that ANALYZE takes of a table, as it says itself.
fn sampled(schema: &Schema, table: &str) -> u32 {
    let said = schema.noticed(&format!("ANALYZE VERBOSE {table}"));
    let of_rows = said.iter().find_map(|line| line.split_once(" rows in sample")?.0.rsplit(' ').next());
    of_rows.and_then(|rows| rows.parse().ok()).unwrap_or_else(|| panic!("{table}: {said:?}"))
}

#[test]
fn of_tables_that_grow_with_every_job_small_samples_are_taken() {
    let schema = Schema::new();
    drop(PostgresStore::open(schema.url(), HandClock::new(), PostgresOptions::default()).expect("opened"));
    schema.each_table("ALTER TABLE {} SET (autovacuum_enabled = off)");
    schema.run(&format!(
        "INSERT INTO job (uuid, account, name, api_id, job_name, state, create_ms, last_op_ms, version, attempt, token,
            class, ordered)
         SELECT md5('j' || n), 'a', 'n' || n, md5('a' || n), 't', 'Running', n, n, 1, 1, 1, 1, 0
         FROM generate_series(1, {ADDED}) AS s(n);
         INSERT INTO job_body (job, request_hash, job_data) SELECT id, '', '{{}}' FROM job;
         INSERT INTO job_run (job, class) SELECT id, 1 FROM job;
         INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
            SELECT id, 1, 0, 0, '', 1, 1, '' FROM job"
    ));
    for table in ["job", "job_state", "job_body", "job_run", "timeline"] {
        assert_eq!(sampled(&schema, table), 6000, "{table}: 300 for each unit of the largest target");
    }
    schema.run("ALTER TABLE job ALTER COLUMN name SET STATISTICS -1");
    assert_eq!(sampled(&schema, "job"), ADDED, "one column of its own would make it the default again");
}

#[test]
fn no_statement_of_a_store_is_compiled() {
    let schema = Schema::new();
    let store =
        PostgresStore::open(schema.url(), HandClock::new(), PostgresOptions::default()).expect("opened");
    let read = || block_on(store.next_delivery());
    let written = || block_on(store.free_deliveries(Gone::All, 500));
    schema.fail_where_jit_is("on");
    assert_eq!(read(), Ok(None));
    assert_eq!(written(), Ok(0));
    schema.fail_where_jit_is("off");
    assert!(read().is_err() && written().is_err(), "the check above would pass whatever is set");
}
