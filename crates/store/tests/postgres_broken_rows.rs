//! A job whose row cannot be read, as a bug or a damaged disk leaves it, holds up no other: on PostgreSQL, what
//! `sqlite_broken_rows.rs` holds the embedded store to. Bytes that are no text cannot be in its columns.

#[path = "common/database.rs"]
mod database;

use std::sync::Arc;

use database::Schema;
use futures::executor::block_on;
use longhaul_model::query::{Filter, Page, Query, Resource, Rows};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{Clock, FreeSlots, JobId, JobState, NodeId, SlotClass};
use longhaul_store::conformance::{Bench, Fresh, HandClock};
use longhaul_store::{PostgresOptions, PostgresStore};

/// What is broken, of the job `{}`; and whether the rest of it can be read once it is ended.
const BREAKS: [(&str, bool); 6] = [
    ("UPDATE job SET state = 'Wading' WHERE uuid = '{}'", true),
    ("UPDATE job SET suspend = 99 WHERE uuid = '{}'", true),
    ("UPDATE job_body SET terms = '{' WHERE job = (SELECT id FROM job WHERE uuid = '{}')", true),
    ("UPDATE job SET attempt = -1 WHERE uuid = '{}'", false),
    ("UPDATE job SET api_id = 'short' WHERE uuid = '{}'", false),
    ("DELETE FROM job_body WHERE job = (SELECT id FROM job WHERE uuid = '{}')", false),
];

/// A bench, and what was stored in it: two jobs on one target, one on another, the first of which is then broken by
/// `sql`.
fn broken(sql: &str) -> (Bench, Vec<JobId>, Arc<Schema>) {
    let schema = Arc::new(Schema::new());
    let open = |clock: Arc<HandClock>| {
        let time: Arc<dyn Clock> = clock.clone();
        let options = PostgresOptions { clock: Some(time), ..PostgresOptions::default() };
        let store = PostgresStore::open(schema.url(), clock, options).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(schema.clone()) }
    };
    let bench = Bench::new(open);
    let mut ids = Vec::new();
    for target in ["disk", "disk", "other"] {
        ids.push(block_on(bench.submit(bench.new_ordered_job(target))).0.id);
    }
    let sql = sql.replace("{}", &ids[0].to_string());
    let changed = schema.count(&format!("WITH w AS ({sql} RETURNING 1) SELECT count(*) FROM w"));
    assert_eq!(changed, 1, "{sql}");
    (bench, ids, schema)
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

/// Claims for one slot, again and again; what was given by so many claims.
fn one_by_one(bench: &Bench, node: NodeId, claims: u32) -> Vec<JobId> {
    let mut claimed = Vec::new();
    for _ in 0..claims {
        let slots = [FreeSlots::new(SlotClass::Simulator, 1)];
        let given = block_on(bench.store.claim(node, &slots, &[])).expect("claimed");
        claimed.extend(given.into_iter().map(|claimed| claimed.job.id));
    }
    claimed
}

#[test]
fn a_job_that_cannot_be_read_is_ended_with_the_reason_and_holds_up_no_other() {
    for (sql, _) in BREAKS {
        let (bench, ids, _schema) = broken(sql);
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
fn one_at_the_head_of_the_line_holds_up_no_other_where_a_single_slot_is_free() {
    for (sql, _) in BREAKS {
        let (bench, ids, _schema) = broken(sql);
        let node = block_on(bench.node());
        assert_eq!(one_by_one(&bench, node, 3), [ids[1], ids[2]], "{sql}");
    }
}

#[test]
fn a_place_in_the_queue_without_its_job_holds_up_no_other() {
    let (bench, ids, schema) = broken("DELETE FROM job WHERE uuid = '{}'");
    let node = block_on(bench.node());
    assert_eq!(one_by_one(&bench, node, 3), [ids[1], ids[2]], "the next on its target goes, and the rest");
    assert_eq!(schema.count("SELECT count(*) FROM job_run"), 2, "its place is gone");
}

#[test]
fn what_of_a_job_that_cannot_be_read_is_not_needed_is_cleared_so_that_the_rest_is_read() {
    for (sql, _) in BREAKS.into_iter().filter(|(_, reads_on)| *reads_on) {
        let (bench, ids, _schema) = broken(sql);
        let node = block_on(bench.node());
        block_on(bench.claim_all(node));
        let job = block_on(bench.job(ids[0]));
        assert_eq!(job.state, JobState::Failed, "{sql}");
        assert!(job.job_result.expect("a result").contains("cannot be read"), "{sql}");
        assert_eq!(listed(&bench).len(), 3);
    }
}
