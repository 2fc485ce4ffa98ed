//! The database fails over to another address: its primary is killed for good, and its standby, which had acknowledged
//! all, takes over.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::client::{Client, SIMULATE, text};
use crate::database::Pair;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, POLL, Place, until};
use crate::witness::Witness;

const RUNNING: usize = 20;

/// Submits until it is told to stop; the uuids that were acknowledged.
fn submitted(client: &Client, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Acquire) {
        match client.try_submit(SIMULATE, &json!({"durationMs": 5}), None, &[]) {
            Ok((200, answer)) => acknowledged.push(text(&answer["inventory"]["uuid"])),
            // The database is away: the caller is told, and tries again.
            Ok(_) | Err(_) => std::thread::sleep(POLL),
        }
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_and_no_job_begins_again_when_the_database_fails_over() {
    let (place, pair) = (Place::new("failover"), Pair::new("failover"));
    let database = pair.primary.database.by(&pair.url);
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let data = json!({"durationMs": 15_000, "progressSteps": 150});
    let running: Vec<String> =
        (0..RUNNING).map(|n| nodes.client(n % 2).submit(SIMULATE, &data, &[])).collect();
    let mut witness = Witness::new(&place.path("journal"));
    until("every body has begun", PATIENCE, || {
        witness.look();
        (witness.tokens().len() == RUNNING).then_some(())
    });
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let (nodes, stop) = (&nodes, &stop);
        let clients: Vec<_> =
            (0..2).map(|node| scope.spawn(move || submitted(nodes.client(node), stop))).collect();
        std::thread::sleep(std::time::Duration::from_secs(1));
        pair.fail_over();
        // It is over when both nodes take jobs again.
        for node in 0..2 {
            until("a node works with the other server", PATIENCE, || {
                let answer = nodes.client(node).try_submit(SIMULATE, &json!({"durationMs": 5}), None, &[]);
                answer.is_ok_and(|(status, _)| status == 200).then_some(())
            });
        }
        stop.store(true, Ordering::Release);
        clients.into_iter().flat_map(|client| client.join().expect("joined")).collect()
    });
    assert!(acknowledged.len() > 20, "{} submissions", acknowledged.len());
    let after = pair.primary.database.by(&pair.other);
    let there: BTreeSet<String> = after.rows("SELECT uuid FROM job").into_iter().collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|uuid| !there.contains(*uuid)).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    for job in acknowledged.iter().chain(&running) {
        assert_eq!(nodes.client(0).final_job(job, PATIENCE)["state"], "Succeeded", "{}", nodes.log());
    }
    witness.look();
    assert_eq!(witness.ended_twice(), Vec::<String>::new());
    let begun_again = running.iter().filter(|job| witness.tokens()[*job] > 1).count();
    assert_eq!(begun_again, 0, "nodes that live keep their jobs over it");
    // By the database's own word it is the other server that all of this is on.
    assert_eq!(after.rows("SELECT pg_is_in_recovery()"), ["f"]);
}
