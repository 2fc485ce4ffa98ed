//! A long line that waits for room costs the others nothing: it is passed over as a whole, by an index.

#![allow(clippy::disallowed_methods, reason = "how long claims really take is what is measured")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::TempDir;
use futures::executor::block_on;
use longhaul_model::{Limits, NewJob, NodeId, Wait};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{SqliteStore, StoreOptions};
use rusqlite::Connection;

/// Waiting rows of the limited type.
const WAITING: u32 = 100_000;
/// A claim that looks at each of them takes several times as long, one that does not a tenth.
const BOUND: Duration = Duration::from_millis(3);

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
    let directory = TempDir::new();
    let bench = Bench::new(|clock: Arc<HandClock>| {
        let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(()) }
    });
    let limited = "APILimitedMsg".to_owned();
    let limits = Limits { types: BTreeMap::from([(limited.clone(), 0)]), ..Limits::default() };
    block_on(bench.store.set_limits(&limits)).expect("set");
    let (first, _) = block_on(bench.submit(NewJob { job_name: limited, ..bench.new_job() }));
    let connection = Connection::open(directory.file()).expect("opened");
    let more = connection.execute(
        "INSERT INTO job_run (job, class, ready_at_ms, host, rank, lane, gate)
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
         SELECT 1000000 + n, r.class, r.ready_at_ms, r.host, r.rank, r.lane, r.gate FROM n, job_run AS r",
        [WAITING],
    );
    assert_eq!(more, Ok(WAITING as usize));
    let node = block_on(bench.node());
    let indexed = fastest(&bench, node);
    assert!(indexed < BOUND, "{indexed:?}");
    let submit = Instant::now();
    let (_, claim) = block_on(bench.submit(NewJob { claim_for: Some(node), ..bench.new_job() }));
    assert!(claim.is_some(), "it is held up by nobody");
    println!("a claim: {indexed:?}; a submission that starts at once: {:?}", submit.elapsed());
    assert!(matches!(block_on(bench.store.waits_for(first.id)).expect("told")[..], [Wait::Limit { .. }]));

    connection.execute_batch("DROP INDEX job_run_next").expect("dropped");
    let scanned = fastest(&bench, node);
    assert!(scanned > BOUND, "the bound would not notice a scan: {scanned:?}");
}
