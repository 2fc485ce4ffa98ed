//! A job whose row cannot be read, as a bug or a damaged disk leaves it, holds up no other.

mod common;

use std::sync::Arc;

use common::TempDir;
use futures::executor::block_on;
use longhaul_model::query::{Filter, Page, Query, Resource, Rows};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{FreeSlots, JobId, JobState, SlotClass};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{SqliteStore, StoreOptions};
use rusqlite::Connection;

/// A bench, and what was stored in it with `jobs` jobs on one target, the first of which is then broken by `sql`.
fn broken(directory: &TempDir, sql: &str) -> (Bench, Vec<JobId>) {
    let open = |clock: Arc<HandClock>| {
        let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(()) }
    };
    let bench = Bench::new(open);
    let mut ids = Vec::new();
    for target in ["disk", "disk", "other"] {
        ids.push(block_on(bench.submit(bench.new_ordered_job(target))).0.id);
    }
    let connection = Connection::open(directory.file()).expect("opened");
    let changed = connection.execute(sql, [ids[0].to_string()]).expect("broken");
    assert_eq!(changed, 1, "{sql}");
    (bench, ids)
}

fn listed(bench: &Bench) -> Vec<JobId> {
    let query = Query {
        resource: Resource::Job,
        filter: Filter::default(),
        sort: None,
        page: Page { start: 0, limit: 100 },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    match block_on(bench.store.query(&query)).expect("answered").rows {
        Rows::Jobs(jobs) => jobs.into_iter().map(|job| job.id).collect(),
        rows => panic!("{rows:?}"),
    }
}

#[test]
fn a_job_that_cannot_be_read_is_ended_with_the_reason_and_holds_up_no_other() {
    for sql in [
        "UPDATE job SET state = 'Wading' WHERE uuid = ?1",
        "UPDATE job SET suspend = 99 WHERE uuid = ?1",
        "UPDATE job SET attempt = -1 WHERE uuid = ?1",
        "UPDATE job SET api_id = 'short' WHERE uuid = ?1",
        "UPDATE job_body SET terms = '{' WHERE job = (SELECT id FROM job WHERE uuid = ?1)",
        "UPDATE job_body SET job_data = x'ff' WHERE job = (SELECT id FROM job WHERE uuid = ?1)",
        "DELETE FROM job_body WHERE job = (SELECT id FROM job WHERE uuid = ?1)",
    ] {
        let directory = TempDir::new();
        let (bench, ids) = broken(&directory, sql);
        assert_eq!(listed(&bench).len(), 2, "the others are listed: {sql}");
        let node = block_on(bench.node());
        let claimed: Vec<JobId> =
            block_on(bench.claim_all(node)).into_iter().map(|claimed| claimed.job.id).collect();
        assert_eq!(claimed, [ids[2]], "{sql}");
        let claimed: Vec<JobId> =
            block_on(bench.claim_all(node)).into_iter().map(|claimed| claimed.job.id).collect();
        assert_eq!(claimed, [ids[1]], "the next on its target goes: {sql}");
        let last = block_on(bench.store.timeline(ids[0])).expect("read").pop().expect("a row");
        assert_eq!(last.kind, TimelineKind::Failed, "{sql}");
        assert!(last.detail.contains("cannot be read"), "{}", last.detail);
        let failed = block_on(bench.store.counts(None)).expect("counted");
        let failed = failed.into_iter().find(|(state, _)| *state == JobState::Failed).map(|(_, n)| n);
        assert_eq!(failed, Some(1), "{sql}");
    }
}

#[test]
fn what_of_a_job_that_cannot_be_read_is_not_needed_is_cleared_so_that_the_rest_is_read() {
    for sql in [
        "UPDATE job SET state = 'Wading' WHERE uuid = ?1",
        "UPDATE job SET suspend = 99 WHERE uuid = ?1",
        "UPDATE job_body SET terms = '{' WHERE job = (SELECT id FROM job WHERE uuid = ?1)",
    ] {
        let directory = TempDir::new();
        let (bench, ids) = broken(&directory, sql);
        let node = block_on(bench.node());
        block_on(bench.claim_all(node));
        let job = block_on(bench.job(ids[0]));
        assert_eq!(job.state, JobState::Failed, "{sql}");
        assert!(job.job_result.expect("a result").contains("cannot be read"), "{sql}");
        assert_eq!(listed(&bench).len(), 3);
    }
}

#[test]
fn a_place_in_the_queue_without_its_job_holds_up_no_other() {
    let directory = TempDir::new();
    let (bench, ids) = broken(&directory, "DELETE FROM job WHERE uuid = ?1");
    let node = block_on(bench.node());
    let mut claimed = Vec::new();
    for _ in 0..3 {
        let slots = [FreeSlots::new(SlotClass::Simulator, 1)];
        let given = block_on(bench.store.claim(node, &slots, &[])).expect("claimed");
        claimed.extend(given.into_iter().map(|claimed| claimed.job.id));
    }
    assert_eq!(claimed, [ids[1], ids[2]], "the next on its target goes, and the rest");
}
