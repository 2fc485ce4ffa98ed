//! A long line that waits for room costs the others nothing on PostgreSQL either: it is passed over as a whole, by an index.

#![allow(clippy::disallowed_methods, reason = "how long claims really take is what is measured")]

#[path = "common/database.rs"]
mod database;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use database::Schema;
use futures::executor::block_on;
use longhaul_model::{Clock, Limits, NewJob, NodeId, Wait};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{PostgresOptions, PostgresStore};

/// Waiting rows of the limited type.
const WAITING: u32 = 100_000;
/// What the rows may add to a claim. One that looks at each of them takes several times as long, one that does not adds
/// hardly anything.
const ADDED_MAX: Duration = Duration::from_millis(5);

/// How long the fastest of some claims takes that find nothing.
fn fastest(bench: &Bench, node: NodeId) -> Duration {
    let once = || {
        let start = Instant::now();
        assert!(block_on(bench.claim_all(node)).is_empty());
        start.elapsed()
    };
    (0..20).map(|_| once()).min().expect("twenty")
}

#[test]
fn a_hundred_thousand_rows_without_room_cost_a_claim_next_to_nothing() {
    let schema = Arc::new(Schema::new());
    let bench = Bench::new(|clock: Arc<HandClock>| {
        let time: Arc<dyn Clock> = clock.clone();
        let options = PostgresOptions { clock: Some(time), ..PostgresOptions::default() };
        let store = PostgresStore::open(schema.url(), clock, options).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(schema.clone()) }
    });
    let limited = "APILimitedMsg".to_owned();
    let limits = Limits { types: BTreeMap::from([(limited.clone(), 0)]), ..Limits::default() };
    block_on(bench.store.set_limits(&limits)).expect("set");
    let (first, _) = block_on(bench.submit(NewJob { job_name: limited, ..bench.new_job() }));
    let node = block_on(bench.node());
    let alone = fastest(&bench, node);
    schema.run(&format!(
        "INSERT INTO job_run (job, class, ready_at_ms, host, rank, lane, gate)
         SELECT 1000000 + n, r.class, r.ready_at_ms, r.host, r.rank, r.lane, r.gate
         FROM generate_series(1, {WAITING}) AS s(n), job_run AS r"
    ));
    assert_eq!(schema.count("SELECT count(*) FROM job_run"), i64::from(WAITING) + 1);
    let indexed = fastest(&bench, node);
    assert!(indexed < alone + ADDED_MAX, "{indexed:?}, {alone:?} without them");
    let submit = Instant::now();
    let (_, claim) = block_on(bench.submit(NewJob { claim_for: Some(node), ..bench.new_job() }));
    assert!(claim.is_some(), "it is held up by nobody");
    println!(
        "a claim: {indexed:?}, {alone:?} without rows; a submission that starts at once: {:?}",
        submit.elapsed()
    );
    assert!(matches!(block_on(bench.store.waits_for(first.id)).expect("told")[..], [Wait::Limit { .. }]));

    schema.run("DROP INDEX job_run_next");
    let scanned = fastest(&bench, node);
    assert!(scanned > alone + ADDED_MAX, "the bound would not notice a scan: {scanned:?}, {alone:?}");
}
