//! A SQLite store moves to PostgreSQL, all of it or nothing; a store there is checked by the same rules.

mod common;
#[path = "common/database.rs"]
mod database;
#[path = "common/furnished.rs"]
mod furnished;

use std::sync::Arc;

use common::TempDir;
use database::Schema;
use furnished::{Furnished, furnish};
use futures::executor::block_on;
use longhaul_model::query::{Filter, Page, Query, Resource};
use longhaul_model::resource::Trash;
use longhaul_model::{JobEvent, JobState, Runtime, Transition};
use longhaul_store::conformance::{Bench, Fresh, HandClock, SECOND};
use longhaul_store::house::Report;
use longhaul_store::house::source::{Source, SourceError};
use longhaul_store::postgres::{Compared, MoveError, Mover, OpenError, PostgresOptions, check};
use longhaul_store::{Events, Jobs, PostgresStore, Queries, SqliteStore, StoreOptions};
use rusqlite::Connection;

/// A furnished store in a file, closed, with the clock that it lived by.
fn source() -> (TempDir, Arc<HandClock>, Furnished) {
    let directory = TempDir::new();
    let t = Bench::new(|clock| {
        let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
        Fresh { store: Arc::new(store), keep: Box::new(()) }
    });
    let furnished = block_on(furnish(&t));
    (directory, t.clock.clone(), furnished)
}

fn open(schema: &Schema, clock: Arc<HandClock>) -> PostgresStore {
    let options = PostgresOptions { clock: Some(clock.clone()), ..PostgresOptions::default() };
    PostgresStore::open(schema.url(), clock, options).expect("opened")
}

fn moved(directory: &TempDir, schema: &Schema) -> Result<Vec<Compared>, MoveError> {
    block_on(async {
        let source = Source::open(&directory.file())?;
        let mover = Mover::begin(schema.url()).await?;
        let compared = mover.send(&source, |_| {}).await?;
        mover.keep().await?;
        Ok(compared)
    })
}

fn checked(schema: &Schema) -> Report {
    block_on(check(schema.url(), |_| {})).expect("read")
}

fn rows(report: &Report) -> u64 {
    report.rows.iter().map(|(_, rows)| rows).sum()
}

#[test]
fn a_store_that_moved_is_equal_sound_and_goes_on() {
    let (directory, clock, was) = source();
    let schema = Schema::new();
    let store = open(&schema, clock.clone());
    let compared = moved(&directory, &schema).expect("moved");
    assert!(compared.iter().all(|both| both.sent == both.arrived));
    assert_eq!(
        compared.iter().filter(|both| both.sent.rows == 0).map(|both| both.table).collect::<Vec<_>>(),
        ["meta"]
    );
    let report = checked(&schema);
    assert_eq!(report.findings, []);

    let before =
        SqliteStore::open(&directory.file(), clock.clone(), StoreOptions::default()).expect("opened");
    for id in [was.waiting, was.running.job] {
        assert_eq!(block_on(store.job(id)), block_on(before.job(id)));
        assert_eq!(block_on(store.timeline(id)), block_on(before.timeline(id)));
    }
    assert_eq!(block_on(store.counts(None)), block_on(before.counts(None)));
    let all = Query {
        resource: Resource::Job,
        filter: Filter::default(),
        sort: None,
        page: Page { start: 0, limit: 1000 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    };
    assert_eq!(block_on(store.query(&all)), block_on(before.query(&all)));

    // Its former node holds what it held.
    assert_eq!(block_on(store.claims(was.running.node)), block_on(before.claims(was.running.node)));
    let t = Bench::new(|_| Fresh { store: Arc::new(store), keep: Box::new(schema) });
    // Its chance is counted from the start, as the other bench's was: past what that one drew.
    (0..1000).for_each(|_| assert_ne!(t.clock.random_u128(), 0));
    let node = block_on(t.node());
    for _ in 0..20 {
        clock.advance(SECOND);
        block_on(t.store.heartbeat(node)).expect("renewed");
    }
    let claimed = block_on(t.claim_all(node));
    let taken = claimed.iter().find(|claimed| claimed.job.id == was.running.job).expect("taken over");
    assert!(taken.taken_over && taken.claim.token > was.running.token);
    assert_eq!(taken.checkpoint.keys().copied().collect::<Vec<_>>(), [0, 7]);
    let started = claimed.iter().find(|claimed| claimed.job.id == was.waiting).expect("started");
    let ended =
        block_on(t.store.apply(&started.claim, Transition::plain(JobEvent::Succeed))).expect("applied");
    assert_eq!(ended.state, JobState::Succeeded);

    // No number that was ever given is given again.
    let known = block_on(t.store.trash(was.storage)).expect("read").remove(0);
    let fresh = Trash { id: 0, install_path: "/disks/newest".to_owned(), ..known };
    let trash = block_on(t.store.add_trash(fresh)).expect("stored");
    assert!(trash.id > was.last_trash, "{} after {}", trash.id, was.last_trash);
    block_on(t.submit(t.new_job()));
}

#[test]
fn a_database_with_anything_in_it_is_refused_and_stays_as_it_is() {
    let (directory, clock, _) = source();
    let schema = Schema::new();
    drop(open(&schema, clock));
    moved(&directory, &schema).expect("moved");
    let before = rows(&checked(&schema));
    match moved(&directory, &schema) {
        Err(MoveError::NotEmpty { table: "account", rows: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(rows(&checked(&schema)), before);
}

#[test]
fn a_move_that_breaks_off_leaves_nothing_and_is_begun_anew() {
    let (directory, clock, _) = source();
    let schema = Schema::new();
    drop(open(&schema, clock));
    // Given up before it was kept.
    block_on(async {
        let source = Source::open(&directory.file()).expect("opened");
        let mover = Mover::begin(schema.url()).await.expect("begun");
        mover.send(&source, |_| {}).await.expect("sent");
    });
    assert_eq!(rows(&checked(&schema)), 0);
    // The database goes away in the middle.
    let broken = block_on(async {
        let source = Source::open(&directory.file()).expect("opened");
        let mover = Mover::begin(schema.url()).await.expect("begun");
        let mut killed = false;
        let sent = mover.send(&source, |_| {
            if !std::mem::replace(&mut killed, true) {
                schema.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'job'::regclass AND mode = 'ExclusiveLock'");
            }
        });
        sent.await
    });
    assert!(matches!(broken, Err(MoveError::Database { .. })), "{broken:?}");
    assert_eq!(rows(&checked(&schema)), 0);
    moved(&directory, &schema).expect("moved");
    assert!(rows(&checked(&schema)) > 0);
}

#[test]
fn what_arrives_otherwise_than_it_was_sent_is_noticed_and_not_kept() {
    let (directory, clock, _) = source();
    for (table, change) in [
        ("volume", "NEW.name := NEW.name || ' '"),
        ("job", "NEW.started_ms := coalesce(NEW.started_ms, 0)"),
        ("checkpoint", "NEW.bytes := NEW.bytes || '\\x00'"),
    ] {
        let schema = Schema::new();
        drop(open(&schema, clock.clone()));
        schema.run(&format!(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change}; RETURN NEW; END $$;
             CREATE TRIGGER spoil BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION spoil()"
        ));
        match moved(&directory, &schema) {
            Err(MoveError::Unequal { table: found }) if found == table => {}
            other => panic!("{table}: {other:?}"),
        }
        assert_eq!(rows(&checked(&schema)), 0);
    }
}

#[test]
fn a_row_that_goes_missing_on_the_way_is_noticed() {
    let (directory, clock, _) = source();
    let schema = Schema::new();
    drop(open(&schema, clock));
    schema.run(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER lose BEFORE INSERT ON tag FOR EACH ROW WHEN (NEW.system = 1) EXECUTE FUNCTION lose()",
    );
    assert!(matches!(moved(&directory, &schema), Err(MoveError::Unequal { table: "tag" })));
}

#[test]
fn a_value_that_no_other_database_takes_is_named_before_anything_is_kept() {
    let (directory, clock, _) = source();
    for (sql, table, column) in [
        ("UPDATE volume SET name = 'a' || char(0) || 'b'", "volume", "name"),
        ("UPDATE storage SET total_bytes = 'many'", "storage", "total_bytes"),
    ] {
        Connection::open(directory.file()).expect("opened").execute_batch(sql).expect(sql);
        let schema = Schema::new();
        drop(open(&schema, clock.clone()));
        match moved(&directory, &schema) {
            Err(MoveError::Source(SourceError::Value { table: t, column: c, key, .. }))
                if t == table && c == column =>
            {
                assert_eq!(key.len(), 32);
            }
            other => panic!("{sql}: {other:?}"),
        }
        assert_eq!(rows(&checked(&schema)), 0);
        Connection::open(directory.file()).unwrap().execute_batch("UPDATE volume SET name = 'disk'").unwrap();
    }
}

#[test]
fn a_broken_rule_is_found_on_postgresql_too() {
    let (directory, clock, _) = source();
    for (rule, sql) in [
        ("every job has its request", "DELETE FROM job_body WHERE job = (SELECT min(id) FROM job)"),
        (
            "the timeline of every job",
            "DELETE FROM timeline WHERE seq = 1 AND job = (SELECT max(job) FROM timeline WHERE seq = 2)",
        ),
        ("the counts are", "UPDATE job_count SET n = n + 1 WHERE state = 'Waiting'"),
        (
            "the states of jobs are",
            "UPDATE job_state SET state = 'Failed' WHERE job = (SELECT min(id) FROM job)",
        ),
        ("everything has an owner", "UPDATE volume SET account = 'nobody'"),
        ("tags are of something", "UPDATE web_hook SET id = 'nothing'"),
    ] {
        let schema = Schema::new();
        drop(open(&schema, clock.clone()));
        moved(&directory, &schema).expect("moved");
        // The control: counts are sums of shards.
        schema.run("INSERT INTO job_count SELECT account, job_name, state, -2, 7 FROM job_count WHERE state = 'Waiting';
            UPDATE job_count SET n = n + 2 WHERE state = 'Waiting' AND shard = 0");
        assert_eq!(checked(&schema).findings, []);
        schema.run(sql);
        let found = checked(&schema).findings;
        assert!(found.len() == 1 && found[0].rule.starts_with(rule), "{sql}: {found:#?}");
        let remedy = &found[0].remedy;
        assert!(
            !remedy.contains("--file") && !remedy.contains("store copy"),
            "of another database: {remedy}"
        );
        // What is advised in statements mends it.
        if let Some((_, statements)) = remedy.split_once("transaction: ") {
            let (statements, _) = statements.rsplit_once("; and report").expect("an end");
            schema.run(&format!("BEGIN; {statements}; COMMIT"));
            assert_eq!(checked(&schema).findings, [], "{remedy}");
        }
    }
}

#[test]
fn tables_without_their_history_are_no_sound_store_and_none_begins_in_them() {
    let (_, clock, _) = source();
    let schema = Schema::new();
    drop(open(&schema, clock.clone()));
    assert!(checked(&schema).holds_nothing(), "the control: its tables, its history, and nothing stored");
    // As `pg_dump --schema-only` leaves it that is restored.
    schema.run("TRUNCATE schema_migration");
    let refused = block_on(check(schema.url(), |_| {})).expect_err("there is no store");
    assert!(matches!(refused, OpenError::Hollow), "{refused}");
    assert!(refused.to_string().contains("--schema-only"), "{refused}");
    for may_begin in [true, false] {
        let options = PostgresOptions { may_begin, ..PostgresOptions::default() };
        let refused = PostgresStore::open(schema.url(), clock.clone(), options).err().expect("refused");
        assert!(matches!(refused, OpenError::Hollow), "{refused}");
    }
    assert_eq!(schema.count("SELECT count(*) FROM schema_migration"), 0, "nothing is begun");
}

#[test]
fn a_database_with_tables_of_something_else_is_not_called_empty() {
    let schema = Schema::new();
    let said = || block_on(check(schema.url(), |_| {})).expect_err("there is no store").to_string();
    assert!(said().contains("nothing was ever stored"), "{}", said());
    schema.run("CREATE TABLE invoices (n INT); CREATE TABLE customers (n INT)");
    assert!(said().contains("2 tables of something else") && !said().contains("nothing was"), "{}", said());
}
