//! A rolling upgrade, with two versions of the schema: what nodes of this release do while a node of the next one has
//! brought the schema up to date under them.

use std::time::Duration;

use serde_json::json;

use crate::client::SIMULATE;
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, until};
use crate::witness::Witness;

const JOBS: usize = 10;

/// What a node of the next release does to the schema at its start: a migration of every kind that the rule allows. It
/// says which schema is the oldest that works beside it, `steps` before its own.
fn bring_to_the_next_schema(database: &Database, steps: u64) {
    let newest = database.number("SELECT max(number) FROM schema_migration");
    database.insists(&format!(
        "BEGIN;
         ALTER TABLE job ADD COLUMN of_the_next TEXT;
         ALTER TABLE job_body ADD COLUMN of_the_next BYTEA;
         ALTER TABLE job_run ADD COLUMN of_the_next BIGINT NOT NULL DEFAULT 7;
         ALTER TABLE node ADD COLUMN of_the_next TEXT;
         ALTER TABLE checkpoint ADD COLUMN of_the_next BIGINT;
         ALTER TABLE timeline ADD COLUMN of_the_next BIGINT;
         CREATE TABLE of_the_next (job BIGINT PRIMARY KEY, text TEXT NOT NULL);
         CREATE INDEX job_of_the_next ON job (of_the_next, uuid);
         UPDATE job SET of_the_next = 'written by the next release';
         INSERT INTO schema_migration (number, file, sha256, oldest)
             VALUES ({next}, 'of_the_next.sql', 'another', {oldest});
         COMMIT",
        next = newest + 1,
        oldest = newest + 1 - steps,
    ));
}

#[test]
fn nodes_of_the_schema_before_go_on_take_over_and_start_again_beside_the_next_one() {
    let (place, database) = (Place::new("upgrade"), Database::new("upgrade"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let data = json!({"durationMs": 12_000, "progressSteps": 60});
    let mut jobs: Vec<String> = (0..JOBS).map(|n| nodes.client(n % 2).submit(SIMULATE, &data, &[])).collect();
    let mut witness = Witness::new(&place.path("journal"));
    until("every body has begun", PATIENCE, || {
        witness.look();
        (witness.tokens().len() == JOBS).then_some(())
    });
    let before: Vec<String> = (0..2).map(|node| nodes.uuid(node)).collect();
    bring_to_the_next_schema(&database, 1);
    jobs.extend((0..JOBS).map(|n| nodes.client(n % 2).submit(SIMULATE, &data, &[])));
    assert_eq!(
        (nodes.uuid(0), nodes.uuid(1)),
        (before[0].clone(), before[1].clone()),
        "nobody lost its lease"
    );
    nodes.servers[0].kill();
    until("the other one has its jobs", Duration::from_secs(15), || {
        witness.look();
        let there = database.number(&format!("SELECT count(*) FROM job_run WHERE node = '{}'", before[1]));
        (there == 2 * JOBS as u64).then_some(())
    });
    nodes.restart(0);
    let late = nodes.client(0).submit(SIMULATE, &json!({"durationMs": 100}), &[]);
    jobs.push(late);
    for job in &jobs {
        assert_eq!(nodes.client(0).final_job(job, PATIENCE)["state"], "Succeeded", "{}", nodes.log());
    }
    witness.look();
    assert_eq!(witness.ended_twice(), Vec::<String>::new());
    let kept = "SELECT count(*) FROM job WHERE of_the_next = 'written by the next release'";
    assert_eq!(database.number(kept), JOBS as u64, "what the next release wrote is left alone");
}

#[test]
fn a_schema_that_this_release_cannot_work_beside_lets_no_node_start_and_stays_as_it_is() {
    let (place, database) = (Place::new("toonew"), Database::new("toonew"));
    let mut nodes = Nodes::start(&place, &database, 1, |plan| plan);
    assert!(nodes.servers[0].terminate(PATIENCE).success());
    bring_to_the_next_schema(&database, 0);
    let rows = database.rows("SELECT * FROM schema_migration ORDER BY number");
    assert!(!nodes.plans[0].start_in_vain().success());
    assert!(nodes.log().contains("newer"), "{}", nodes.log());
    assert_eq!(database.rows("SELECT * FROM schema_migration ORDER BY number"), rows);
    assert_eq!(database.number("SELECT count(*) FROM node"), 0, "it did not join");
}
