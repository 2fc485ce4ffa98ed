//! The release before beside this schema, as in a rolling upgrade: the statements that a node of schema 3 sends, recorded
//! from that release, are sent again once a node of this one has brought the schema up to date under it. Each must
//! answer what it answered on a schema of its own, and what it wrote must be what this release reads.
//!
//! `fixtures/schema_3.jsonl` was made by the release before 0004_job_state.sql on a database that logs all statements: a
//! store as `common/furnished.rs` makes it (`before`); then, of a node that works (`beside`): lists by state and owner,
//! submissions alone and many at once, claims, ends of each kind, checkpoints, a rerun, a hold, a cancel, a takeover, a
//! deletion, a sweep. Parameters stand in their places. A later schema that is to have older nodes beside it gets a
//! recording of its own predecessor in the place of this one, unless it changes nothing that a statement could see, as
//! 0005_versions.sql, which says how full pages are filled, 0006_one_way.sql, which says in which order rows are found, and
//! 0007_statistics.sql, which says how many rows are looked at to know what is common.

#[path = "common/database.rs"]
mod database;

use std::sync::Arc;

use database::Schema;
use futures::executor::block_on;
use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Value};
use longhaul_model::resource::NewNode;
use longhaul_model::{Clock, FreeSlots, HostId, JobEvent, JobState, NodeId, SlotClass, Transition};
use longhaul_store::conformance::{HandClock, SECOND};
use longhaul_store::postgres::{MIGRATIONS, check};
use longhaul_store::{Gone, Jobs, Nodes, PostgresOptions, PostgresStore, Queries};
use sha2::{Digest, Sha256};
use tokio_postgres::SimpleQueryMessage;

const RECORDED: &str = include_str!("fixtures/schema_3.jsonl");
/// The schema of the release that was recorded.
const BEFORE: usize = 3;
/// Migrations that no statement could see.
const UNSEEN: [&str; 3] = ["0005_versions.sql", "0006_one_way.sql", "0007_statistics.sql"];
/// Later than anything of the recording.
const LATER_MS: i64 = 3600 * SECOND;

/// The statements of a stage of the recording.
fn recorded(stage: &str) -> Vec<String> {
    let lines = RECORDED.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let of_stage = lines.filter(|line: &serde_json::Value| line["stage"] == stage);
    of_stage.map(|line| line["sql"].as_str().expect("a statement").to_owned()).collect()
}

/// A schema as the release before leaves it that nobody used.
fn schema_before() -> Schema {
    let schema = Schema::new();
    schema.run(
        "CREATE TABLE schema_migration (number BIGINT PRIMARY KEY, file TEXT NOT NULL, sha256 TEXT NOT NULL,
            oldest BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())",
    );
    for (number, migration) in (1..).zip(&MIGRATIONS[..BEFORE]) {
        let sha256 =
            Sha256::digest(migration.sql.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
        schema.run(&format!(
            "{}; INSERT INTO schema_migration (number, file, sha256, oldest) VALUES ({number}, '{}', '{sha256}', {})",
            migration.sql, migration.file, migration.oldest
        ));
    }
    schema
}

/// What each statement answers, on one connection: its rows, sorted, and how many it wrote.
fn replayed(schema: &Schema, statements: &[String]) -> Vec<Vec<String>> {
    let (runtime, client) = schema.hold_open("SELECT 1");
    let answer = |sql: &String| {
        let messages = runtime.block_on(client.simple_query(sql)).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let mut rows: Vec<String> = messages.iter().map(shown).collect();
        rows.sort();
        rows
    };
    statements.iter().map(answer).collect()
}

fn shown(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::Row(row) => {
            format!("{:?}", (0..row.len()).map(|at| row.get(at)).collect::<Vec<_>>())
        }
        SimpleQueryMessage::CommandComplete(rows) => format!("{rows} rows"),
        _ => String::new(),
    }
}

/// A node's store of this release there, at a time after the recording.
fn open(schema: &Schema) -> (PostgresStore, Arc<HandClock>) {
    let clock = HandClock::new();
    clock.advance(LATER_MS);
    let time: Arc<dyn Clock> = clock.clone();
    let options = PostgresOptions { clock: Some(time), ..PostgresOptions::default() };
    (PostgresStore::open(schema.url(), clock.clone(), options).expect("opened"), clock)
}

/// What a check of the store finds.
fn findings(schema: &Schema) -> Vec<String> {
    let report = block_on(check(schema.url(), |_| {})).expect("read");
    assert_eq!(usize::try_from(report.schema), Ok(MIGRATIONS.len()));
    report.findings.iter().map(|finding| format!("{finding:?}")).collect()
}

fn in_state(store: &PostgresStore, state: &str) -> u64 {
    let is = Condition { field: Field::State, op: Op::Eq, values: vec![Value::Text(state.to_owned())] };
    let query = Query {
        resource: Resource::Job,
        filter: Filter { conditions: vec![is], ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: 1 },
        want_rows: false,
        want_total: true,
        without_bodies: true,
    };
    block_on(store.query(&query)).expect("answered").total.expect("counted")
}

#[test]
fn a_node_of_the_release_before_is_answered_as_before_and_what_it_writes_is_read() {
    let (before, beside) = (recorded("before"), recorded("beside"));
    assert!(before.len() > 50 && beside.len() > 100, "{} and {}", before.len(), beside.len());
    let alone = schema_before();
    let first = replayed(&alone, &before);
    let expected = replayed(&alone, &beside);

    let schema = schema_before();
    assert_eq!(replayed(&schema, &before), first, "the recording is the same twice");
    let (store, clock) = open(&schema);
    assert_eq!(findings(&schema), Vec::<String>::new());
    let answered = replayed(&schema, &beside);
    for ((sql, answered), expected) in beside.iter().zip(&answered).zip(&expected) {
        assert_eq!(answered, expected, "{sql}");
    }
    assert_eq!(findings(&schema), Vec::<String>::new());
    for state in JobState::ALL {
        let sql = format!("SELECT count(*) FROM job WHERE state = '{}'", state.name());
        assert_eq!(Ok(in_state(&store, state.name())), u64::try_from(schema.count(&sql)), "{state:?}");
    }

    // And a node of this release takes over what that node leaves.
    let node = NodeId::v4(77);
    let join = NewNode::new(node, HostId::v4(77), "of this release");
    block_on(store.join(join, Gone::Unproven)).expect("joined");
    for _ in 0..6 {
        clock.advance(SECOND);
        block_on(store.heartbeat(node)).expect("renewed");
    }
    let slots = [FreeSlots::new(SlotClass::Simulator, 100)];
    let claimed = block_on(store.claim(node, &slots, &[])).expect("claimed");
    assert!(claimed.iter().any(|claimed| claimed.taken_over && !claimed.checkpoint.is_empty()));
    for claimed in &claimed {
        let event = match claimed.job.state {
            JobState::Canceling => JobEvent::Stopped,
            _ => JobEvent::Succeed,
        };
        block_on(store.apply(&claimed.claim, Transition::plain(event))).expect("ended");
    }
    assert_eq!(findings(&schema), Vec::<String>::new());
}

#[test]
fn without_what_the_migration_leaves_the_writes_of_that_node_would_be_seen_to_be_lost() {
    let schema = schema_before();
    replayed(&schema, &recorded("before"));
    drop(open(&schema));
    for trigger in ["insert", "update", "delete"] {
        schema.run(&format!("DROP TRIGGER job_state_{trigger} ON job"));
    }
    replayed(&schema, &recorded("beside"));
    assert!(!findings(&schema).is_empty(), "the check above would pass whatever happens");
}

#[test]
fn a_transaction_of_the_release_before_that_is_under_way_is_waited_for_and_counts() {
    let schema = schema_before();
    replayed(&schema, &recorded("before"));
    let canceled = "SELECT count(*) FROM job WHERE state = 'Canceled'";
    let before = schema.count(canceled);
    let (runtime, client) = schema.hold_open(
        "BEGIN; UPDATE job SET state = 'Canceled' WHERE id = (SELECT min(id) FROM job WHERE state = 'Waiting')",
    );
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'job'::REGCLASS";
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| drop(open(&schema)));
        while schema.count(waits) == 0 {
            assert!(!opened.is_finished(), "it did not wait for the transaction");
            std::thread::yield_now();
        }
        runtime.block_on(client.batch_execute("COMMIT")).expect("stored");
        opened.join().expect("it opens");
        assert_eq!(schema.count(canceled), before + 1, "it is stored");
        assert_eq!(schema.count("SELECT count(*) FROM job_state WHERE state = 'Canceled'"), before + 1);
    });
    let other = "SELECT count(*) FROM job AS j JOIN job_state AS s ON s.job = j.id WHERE s.state <> j.state";
    assert_eq!(schema.count(other), 0);
}

#[test]
fn the_newest_migration_lets_the_release_before_work_on() {
    let newest = MIGRATIONS.last().expect("there are some");
    assert!(newest.oldest < MIGRATIONS.len() as i64, "{}", newest.file);
    let seen = MIGRATIONS.iter().filter(|migration| !UNSEEN.contains(&migration.file)).count();
    assert_eq!(seen, BEFORE + 1, "the recording is of the release before that");
    assert!(newest.oldest <= BEFORE as i64, "it would not work beside the newest");
}
