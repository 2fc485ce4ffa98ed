//! A host that is drained until further notice, over the API and by the command line.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, SIMULATE};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, until};
use crate::witness::Witness;

/// From the moment when a node hears of it to the run elsewhere.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(3);

fn longhaul(client: &Client, words: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(words)
        .env("LONGHAUL_URL", format!("http://{}", client.address()))
        .env("LONGHAUL_TOKEN", client.session())
        .output()
        .unwrap();
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// What a node says of itself: the status, and why.
pub fn ready(client: &Client) -> (u16, String) {
    let url = format!("http://{}/readyz", client.address());
    let out = Command::new("curl").args(["-s", "-w", "\n%{http_code}", &url]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().unwrap(), body.to_owned())
}

#[test]
fn a_drained_node_hands_its_jobs_over_and_takes_none_until_it_is_undrained() {
    let (place, database) = (Place::new("drained"), Database::new("drained"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let data = json!({"durationMs": 600_000, "progressSteps": 6000});
    let jobs: Vec<String> = (0..10).map(|_| nodes.client(0).submit(SIMULATE, &data, &[])).collect();
    let mut witness = Witness::new(&place.path("journal"));
    until("every body has begun", PATIENCE, || {
        witness.look();
        (witness.tokens().len() == 10).then_some(())
    });
    let uuid = nodes.uuid(0);
    let told = longhaul(nodes.client(1), &["node", "drain", &uuid]);
    assert!(told.contains("is drained"), "{told}");
    until("all of them run on the other node", HANDED_OVER_WITHIN, || {
        let there = nodes.uuid(1);
        jobs.iter().all(|job| nodes.client(1).job(job)["managementNodeUuid"] == *there).then_some(())
    });
    assert_eq!(
        longhaul(nodes.client(1), &["node", "drain", &uuid, "--wait"]).matches("has no jobs").count(),
        1
    );
    assert!(longhaul(nodes.client(1), &["node", "list"]).contains("drained"));
    let (status, body) = ready(nodes.client(0));
    assert!(status == 503 && body.contains("undrain"), "{status} {body}");
    assert_eq!(ready(nodes.client(1)).0, 200);
    let new = nodes.client(0).submit(SIMULATE, &data, &[]);
    assert_eq!(nodes.runs_on(&new), 1, "it takes none, whoever is asked");
    // A drain is the host's: it outlives the process.
    assert!(nodes.servers[0].terminate(PATIENCE).success());
    nodes.restart(0);
    assert_eq!(nodes.listed(0, 1).expect("it is listed")["drained"], true);
    nodes.servers[1].kill();
    std::thread::sleep(Duration::from_secs(7));
    let state = nodes.client(0).job(&new);
    assert_eq!(
        (&state["state"], &state["managementNodeUuid"]),
        (&json!("Running"), &Value::Null),
        "nobody has it"
    );
    let uuid = nodes.uuid(0);
    longhaul(nodes.client(0), &["node", "undrain", &uuid]);
    until("it takes jobs again", PATIENCE, || {
        (nodes.client(0).job(&new)["managementNodeUuid"] == *uuid).then_some(())
    });
    assert_eq!(ready(nodes.client(0)).0, 200);
}

#[test]
fn only_an_admin_drains_a_node() {
    let (place, database) = (Place::new("drainer"), Database::new("drainer"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let path = format!("/management-nodes/{}/actions", nodes.uuid(0));
    let unknown = format!("/management-nodes/{}/actions", "0".repeat(32));
    let body = json!({"drainManagementNode": {}});
    let (status, answer) = nodes.client(0).call("PUT", &unknown, &body);
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("SYS.1003")), "{answer}");
    let drained = nodes.client(0).ok("PUT", &path, &body);
    assert_eq!(drained["inventory"]["drained"], true);
    let undrained = nodes.client(0).ok("PUT", &path, &json!({"undrainManagementNode": {}}));
    assert_eq!(undrained["inventory"]["drained"], false);
}
