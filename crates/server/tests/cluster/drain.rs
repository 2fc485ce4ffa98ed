//! A host that is drained until further notice, over the API and by the command line.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, MIGRATE, SIMULATE, text};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{MIB, PATIENCE, Place, guest_sha256, raw_disk, shown, until};
use crate::witness::Witness;

/// From the moment when a node hears of it to the run elsewhere.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(3);

fn command(client: &Client, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command
        .args(words)
        .env("LONGHAUL_URL", format!("http://{}", client.address()))
        .env("LONGHAUL_TOKEN", client.session());
    command
}

fn longhaul(client: &Client, words: &[&str]) -> String {
    let out = command(client, words).output().unwrap();
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn kinds(client: &Client, job: &str) -> Vec<String> {
    client.timeline(job).iter().map(|row| text(&row["kind"])).collect()
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

/// Moves the disk at `source` from a directory of the first node alone to another such one, slowly; the volume and the job,
/// which is under way.
fn bound_move(place: &Place, nodes: &Nodes, source: &Path) -> (String, String) {
    let (from, to) = (place.dir("from"), place.dir("to"));
    let client = nodes.client(0);
    let (from, to) = (client.add_storage("from", &from), client.add_storage("to", &to));
    let volume = client.adopt(&from, &shown(source));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to});
    let job = client.submit(MIGRATE, &data, &[&format!("longhaul::throttle::{}", 4 * MIB)]);
    until("the copy is under way", PATIENCE, || (client.progress(&client.job(&job)).1 > MIB).then_some(()));
    (volume, job)
}

#[test]
fn a_drained_node_ends_the_job_of_its_own_storage_itself_and_who_waits_is_told() {
    let (place, database) = (Place::new("drained-bound"), Database::new("drainedbound"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let source = place.path("from/disk");
    raw_disk(&source, 32 * MIB, 7);
    let before = guest_sha256(&source, "raw");
    let (volume, job) = bound_move(&place, &nodes, &source);
    let node = nodes.uuid(0);
    let waits = command(nodes.client(1), &["node", "drain", &node, "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = nodes.client(1).final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}\n{}", nodes.log());
    let out = waits.wait_with_output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, out) = (said(&out.stderr), said(&out.stdout));
    assert!(told.contains(&format!("{job}  kill  ")), "its uuid and its name: {told}");
    assert!(out.contains("has no jobs"), "{out}");
    assert_eq!(kinds(nodes.client(1), &job), ["submitted", "started", "succeeded"], "its first attempt");
    let target = text(&nodes.client(1).volume(&volume)["installPath"]);
    assert_eq!(guest_sha256(Path::new(&target), "raw"), before);
}

#[test]
fn the_last_node_keeps_what_it_runs_when_it_is_drained_until_another_one_takes_jobs() {
    let (place, database) = (Place::new("drained-last"), Database::new("drainedlast"));
    let mut nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let data = json!({"durationMs": 600_000, "progressSteps": 6000});
    let job = nodes.client(0).submit(SIMULATE, &data, &[]);
    nodes.runs_on(&job);
    let node = nodes.uuid(0);
    let out = command(nodes.client(0), &["node", "drain", &node]).output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(told.contains("no other node takes jobs"), "{told}");
    let noted = |nodes: &Nodes| nodes.plans[0].journal().matches(&job).count();
    let before = noted(&nodes);
    // One checkpoint more could be its last.
    until("it goes on where it is", PATIENCE, || (noted(&nodes) > before + 1).then_some(()));
    assert_eq!(kinds(nodes.client(0), &job), ["submitted", "started"], "its first attempt");
    nodes.add(&place, &database);
    until("the other one has it", HANDED_OVER_WITHIN, || (nodes.runs_on(&job) == 1).then_some(()));
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
