//! A node that is told to stop while others go on: the balancer is told first, callers are answered until the last job has
//! gone or ended, and what is asked of it meanwhile is done by the others.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::client::{SIMULATE, result, text};
use crate::database::Database;
use crate::drain::ready;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, until};
use crate::process;

/// The simulator's job type of which no attempt goes on from another.
const RIGID: &str = "APISimulateRigidJobMsg";
/// From the signal to the run elsewhere.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn a_node_that_is_told_to_stop_answers_until_the_last_job_has_gone_or_ended() {
    let (place, database) = (Place::new("node-stops"), Database::new("nodestops"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let rigid = nodes.client(0).submit(RIGID, &json!({"durationMs": 10_000}), &[]);
    let node = nodes.runs_on(&rigid);
    let (other, client) = (1 - node, nodes.client(node).clone());
    let long = json!({"durationMs": 600_000, "progressSteps": 6000});
    let mut move_on: Vec<String> = (0..4).map(|_| client.submit(SIMULATE, &long, &[])).collect();
    assert!(move_on.iter().filter(|job| nodes.runs_on(job) == node).count() > 0, "it has its share");
    process::signal(nodes.servers[node].pid(), Signal::TERM);
    let why = until("it is not ready, and says so", HANDED_OVER_WITHIN, || {
        let (status, why) = ready(&client);
        (status == 503).then_some(why)
    });
    assert!(why.contains("the node stops"), "{why}");
    move_on.push(client.submit(SIMULATE, &long, &[]));
    let there = nodes.uuid(other);
    until("the other one has what goes on", HANDED_OVER_WITHIN, || {
        move_on.iter().all(|job| client.job(job)["managementNodeUuid"] == *there).then_some(())
    });
    assert_eq!(client.state(&rigid), "Running");
    let ended = client.one(&format!("/longjobs/{rigid}?wait=30s"));
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    assert!(nodes.servers[node].stopped(PATIENCE).success());
    let kinds: Vec<String> = nodes.client(other).timeline(&rigid).iter().map(|r| text(&r["kind"])).collect();
    assert_eq!(kinds, ["submitted", "started", "succeeded"]);
}

#[test]
fn a_job_that_does_not_end_in_time_fails_with_why_and_no_node_takes_it() {
    let (place, database) = (Place::new("node-stopped"), Database::new("nodestopped"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan.set("drainSeconds=3"));
    let rigid = nodes.client(0).submit(RIGID, &json!({"durationMs": 600_000}), &[]);
    let node = nodes.runs_on(&rigid);
    assert!(nodes.servers[node].terminate(Duration::from_secs(20)).success());
    let job = nodes.client(1 - node).job(&rigid);
    let why = result(&job);
    assert_eq!((&job["state"], &why["code"]), (&json!("Failed"), &json!("SYS.1012")), "{job}");
    let detail = text(&why["detail"]);
    assert!(detail.contains("told to stop") && detail.contains("drainSeconds"), "{detail}");
}
