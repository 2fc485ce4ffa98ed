//! What any node tells of a job that another one runs, or nobody: what holds its copy back, and who takes it when. And
//! what a node tells of limits that it is started without.

use serde_json::{Value, json};

use crate::client::{Client, MIGRATE, SIMULATE};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{MIB, PATIENCE, Place, raw_disk, shown, until};

fn reasons(client: &Client, job: &str) -> Vec<Value> {
    client.ok("GET", &format!("/longjobs/{job}/explain"), &Value::Null)["reasons"]
        .as_array()
        .expect("a list")
        .clone()
}

fn reason(client: &Client, job: &str, name: &str) -> Option<Value> {
    reasons(client, job).into_iter().find(|reason| reason["reason"] == name)
}

/// What the progress of a job says of its limit.
fn limited_by(client: &Client, job: &str) -> (Value, Value) {
    let api = client.job(job)["apiId"].as_str().expect("an id").to_owned();
    let opaque = client.many(&format!("/task-progresses/{api}"))[0]["opaque"].clone();
    (opaque["limitBytesPerSecond"].clone(), opaque["limitedBy"].clone())
}

#[test]
fn what_holds_a_copy_back_is_told_by_every_node_in_every_attempt() {
    let (place, database) = (Place::new("told"), Database::new("told"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let (from, to) = (place.dir("from"), place.dir("to"));
    let source = place.path("from/disk");
    raw_disk(&source, 32 * MIB, 42);
    let (from_uuid, to_uuid) = (nodes.add_shared("from", &from), nodes.add_shared("to", &to));
    let volume = nodes.client(0).adopt(&from_uuid, &shown(&source));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to_uuid});
    let job = nodes.client(0).submit(MIGRATE, &data, &["longhaul::throttle::65536"]);
    for _ in 0..2 {
        let holder = nodes.runs_on(&job);
        for by in [holder, 1 - holder] {
            let held = until("it is told what holds it back", PATIENCE, || {
                reason(nodes.client(by), &job, "heldBack")
            });
            assert_eq!(held["limitBytesPerSecond"], 65_536, "{held}");
            assert!(held["sentence"].as_str().expect("a text").contains("its own rate"), "{held}");
            assert_eq!(limited_by(nodes.client(by), &job), (json!(65_536), json!("its own rate")));
        }
        let path = format!("/management-nodes/{}/actions", nodes.uuid(holder));
        nodes.client(holder).ok("PUT", &path, &json!({"drainManagementNode": {}}));
        until("another runs it", PATIENCE, || (nodes.runs_on(&job) != holder).then_some(()));
        nodes.client(holder).ok("PUT", &path, &json!({"undrainManagementNode": {}}));
    }
}

#[test]
fn a_job_of_a_node_that_died_says_so_and_who_could_take_it() {
    let (place, database) = (Place::new("silent"), Database::new("silent"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let data = json!({"durationMs": 600_000, "progressSteps": 6000});
    let path = format!("/management-nodes/{}/actions", nodes.uuid(1));
    nodes.client(0).ok("PUT", &path, &json!({"drainManagementNode": {}}));
    let job = nodes.client(0).submit(SIMULATE, &data, &[]);
    assert_eq!(nodes.runs_on(&job), 0);
    let dead = nodes.uuid(0);
    nodes.servers[0].kill();
    let client = nodes.client(1);
    let silent = until("its node is silent", PATIENCE, || reason(client, &job, "nodeSilent"));
    assert_eq!(reasons(client, &job)[0]["reason"], "nodeSilent");
    assert!(silent["managementNodeUuid"] == *dead, "{silent}");
    assert!(silent["until"].is_null(), "nobody would take it, the other is drained: {silent}");
    // Also when its lease is over: the other one is drained.
    until("its node is forgotten", PATIENCE, || {
        client.many("/management-nodes").iter().all(|node| node["uuid"] != *dead).then_some(())
    });
    let now = reasons(client, &job);
    assert_eq!(
        (&now[0]["reason"], &now[1]["reason"]),
        (&json!("drained"), &json!("betweenAttempts")),
        "{now:?}"
    );
    assert!(now[1]["sentence"].as_str().expect("a text").contains("its node is gone"), "{now:?}");
    client.ok("PUT", &path, &json!({"undrainManagementNode": {}}));
    until("it is taken", PATIENCE, || (reasons(client, &job)[0]["reason"] == "works").then_some(()));
}

/// How a node tells a storage.
fn status(client: &Client, storage: &str) -> Value {
    client.one(&format!("/primary-storage/{storage}"))["status"].clone()
}

#[test]
fn what_lies_on_a_host_without_a_node_is_told_as_away_and_nothing_is_told_to_move_there() {
    let (place, database) = (Place::new("lost_host"), Database::new("lost_host"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let (from, to) = (place.dir("from"), place.dir("to"));
    let source = place.path("from/disk");
    raw_disk(&source, 32 * MIB, 42);
    let owner = nodes.client(0);
    let (from_uuid, to_uuid) = (owner.add_storage("from", &from), owner.add_storage("to", &to));
    let volume = owner.adopt(&from_uuid, &shown(&source));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to_uuid});
    let job = owner.submit(MIGRATE, &data, &["longhaul::throttle::65536"]);
    let pace = |client: &Client| {
        let api = client.job(&job)["apiId"].as_str().expect("an id").to_owned();
        client.many(&format!("/task-progresses/{api}"))[0]["opaque"].clone()
    };
    until("its pace is told", PATIENCE, || pace(nodes.client(1))["etaSeconds"].is_u64().then_some(()));
    assert_eq!(status(nodes.client(1), &to_uuid), "Connected");
    nodes.servers[0].kill();
    let client = nodes.client(1);
    until("the storage is away", PATIENCE, || (status(client, &to_uuid) == "Disconnected").then_some(()));
    let chief = || reasons(client, &job)[0].clone();
    until("it is told why", PATIENCE, || (chief()["reason"] == "hostAway").then_some(()));
    let explained = client.ok("GET", &format!("/longjobs/{job}/explain"), &Value::Null);
    for key in ["onRestart", "onNodeLoss"] {
        let told = explained[key].as_str().expect("a text");
        assert!(told.starts_with("changes nothing: nothing runs it"), "{key}: {told}");
    }
    let now = pace(client);
    assert_eq!((&now["rateBytesPerSecond"], &now["etaSeconds"]), (&json!(0), &Value::Null), "{now}");
    assert_eq!(now["limitBytesPerSecond"], Value::Null, "{now}");
    client.cancel(&job);
    assert_eq!((chief()["reason"].clone(), client.state(&job)), (json!("hostAway"), "Canceling".to_owned()));
    nodes.restart(0);
    let client = nodes.client(1);
    until("the storage is back", PATIENCE, || (status(client, &to_uuid) == "Connected").then_some(()));
    assert_eq!(client.final_job(&job, PATIENCE)["state"], "Canceled");
}

#[test]
fn a_node_that_is_started_without_limits_leaves_those_in_force() {
    let (place, database) = (Place::new("limits"), Database::new("limits"));
    let mut nodes = Nodes::start(&place, &database, 1, |plan| plan.set("limits.types=APISimulateJobMsg=1"));
    nodes.add(&place, &database);
    let log = nodes.plans[1].log();
    assert!(log.contains("that are in force stay so"), "{log}");
    assert!(log.contains("limits=types APISimulateJobMsg=1\n"), "as the setting has it: {log}");
    let jobs: Vec<String> =
        (0..2).map(|_| nodes.client(1).submit(SIMULATE, &json!({"durationMs": 600_000}), &[])).collect();
    let waits = |nodes: &Nodes| jobs.iter().filter(|job| nodes.client(1).state(job) == "Waiting").count();
    until("one of them runs", PATIENCE, || (waits(&nodes) == 1).then_some(()));
    let waiting = jobs.iter().find(|job| nodes.client(1).state(job) == "Waiting").expect("one");
    assert_eq!(reasons(nodes.client(1), waiting)[0]["reason"], "limit");
    // Only who says so lifts them, and is heard.
    nodes.plans[0] = nodes.plans[1].clone().set("limits.types=");
    nodes.servers[0].kill();
    nodes.plans[0] = nodes.plans[0].clone().data_dir(&shown(&place.path("data-0")));
    nodes.restart(0);
    until("both run", PATIENCE, || (waits(&nodes) == 0).then_some(()));
    let log = nodes.plans[0].log();
    assert!(log.contains("WARN") && log.contains("other limits of jobs are in force"), "{log}");
}
