//! Where jobs run: each node takes its share, whichever is asked, and no node waits for others that take none.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::SIMULATE;
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, until};
use crate::witness::Witness;

const JOBS: usize = 30;
/// Within this, every node has its share.
const SHARED_WITHIN: Duration = Duration::from_secs(3);

/// How many jobs the database has on which node; nodes without one are not named.
fn held(database: &Database) -> BTreeMap<String, usize> {
    let rows = database.rows("SELECT node, count(*) FROM job_run WHERE node IS NOT NULL GROUP BY node");
    let pair = |row: String| {
        let (node, many) = row.split_once('|').expect("two columns");
        (node.to_owned(), many.parse().expect("a number"))
    };
    rows.into_iter().map(pair).collect()
}

/// Waits until each node knows of the others: its heart has beaten since the last one joined.
fn know_each_other(database: &Database) {
    let sql = "SELECT count(*) FROM node WHERE heartbeat_ms <= (SELECT max(join_ms) FROM node)";
    until("every heart has beaten", PATIENCE, || (database.number(sql) == 0).then_some(()));
}

fn submit_all(nodes: &Nodes) {
    let data = json!({"durationMs": 600_000, "progressSteps": 6000});
    for _ in 0..JOBS {
        nodes.client(0).submit(SIMULATE, &data, &[]);
    }
}

/// Waits until each job has begun under that token, by the journal.
fn begun(place: &Place, tokens: impl Fn(&BTreeMap<String, u64>) -> bool) {
    let mut witness = Witness::new(&place.path("journal"));
    until("the bodies have begun", PATIENCE, || {
        witness.look();
        tokens(&witness.tokens()).then_some(())
    });
}

#[test]
fn jobs_asked_of_one_node_run_on_all_and_those_of_a_drained_one_on_all_others() {
    let (place, database) = (Place::new("placement"), Database::new("placement"));
    let nodes = Nodes::start(&place, &database, 3, |plan| plan);
    let uuids: Vec<String> = (0..3).map(|node| nodes.uuid(node)).collect();
    know_each_other(&database);
    submit_all(&nodes);
    let shared = Instant::now();
    let before = until("each node has its share", SHARED_WITHIN, || {
        let held = held(&database);
        let all = held.values().sum::<usize>() == JOBS;
        (all && uuids.iter().all(|node| held.get(node).is_some_and(|many| *many >= 6))).then_some(held)
    });
    println!("{before:?} after {:?}", shared.elapsed());
    begun(&place, |tokens| tokens.len() == JOBS);
    let path = format!("/management-nodes/{}/actions", uuids[0]);
    nodes.client(1).ok("PUT", &path, &json!({"drainManagementNode": {}}));
    let after = until("the others have them", SHARED_WITHIN, || {
        let held = held(&database);
        (held.len() == 2 && held.values().sum::<usize>() == JOBS).then_some(held)
    });
    println!("{after:?}");
    let more = |node: usize| after.get(&uuids[node]).is_some_and(|many| *many > before[&uuids[node]]);
    assert!(more(1) && more(2), "{before:?} {after:?}");
    let moved = before[&uuids[0]];
    begun(&place, |tokens| tokens.values().filter(|token| **token == 2).count() == moved);
}

#[test]
fn one_node_takes_all_at_once_while_the_others_are_drained() {
    let (place, database) = (Place::new("undrained"), Database::new("undrained"));
    let nodes = Nodes::start(&place, &database, 3, |plan| plan);
    for node in [1, 2] {
        let path = format!("/management-nodes/{}/actions", nodes.uuid(node));
        nodes.client(0).ok("PUT", &path, &json!({"drainManagementNode": {}}));
    }
    know_each_other(&database);
    submit_all(&nodes);
    until("all run on the one", Duration::from_secs(1), || {
        (held(&database) == BTreeMap::from([(nodes.uuid(0), JOBS)])).then_some(())
    });
    begun(&place, |tokens| tokens.len() == JOBS && tokens.values().all(|token| *token == 1));
}
