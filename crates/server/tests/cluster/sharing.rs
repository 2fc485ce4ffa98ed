//! Any node answers any request: what one was told, the others know, at once or within two seconds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{SIMULATE, text};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, until};

/// Within this, a change on one node counts on all.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

fn action(key: &str) -> Value {
    json!({ key: {} })
}

#[test]
fn a_job_is_seen_changed_canceled_rerun_and_deleted_through_any_node() {
    let (place, database) = (Place::new("sharing"), Database::new("sharing"));
    let nodes = Nodes::start(&place, &database, 3, |plan| plan);
    let clients: Vec<_> = nodes.servers.iter().map(|server| &server.client).collect();
    let job = clients[0].submit(SIMULATE, &json!({"durationMs": 600_000, "progressSteps": 6000}), &[]);
    let path = format!("/longjobs/{job}/actions");
    let holder = nodes.runs_on(&job);
    let others: Vec<usize> = (0..3).filter(|node| *node != holder).collect();
    for client in &clients {
        assert_eq!(client.state(&job), "Running");
    }
    until("another node tells its progress", PATIENCE, || {
        let client = clients[others[0]];
        (client.progress(&client.job(&job)).0 == "simulating").then_some(())
    });
    let renamed = clients[others[0]].ok("PUT", &path, &json!({"updateLongJob": {"name": "renamed"}}));
    assert_eq!(renamed["inventory"]["name"], "renamed");
    let asked = Instant::now();
    clients[others[1]].ok("PUT", &path, &action("cancelLongJob"));
    until("the cancel is done", HEARD_WITHIN, || (clients[holder].state(&job) == "Canceled").then_some(()));
    assert!(asked.elapsed() < HEARD_WITHIN);
    clients[others[0]].ok("PUT", &path, &action("rerunLongJob"));
    nodes.runs_on(&job);
    clients[others[1]].ok("PUT", &path, &action("cancelLongJob"));
    clients[0].final_job(&job, PATIENCE);
    clients[2].ok("DELETE", &format!("/longjobs/{job}"), &Value::Null);
    for client in &clients {
        assert_eq!(client.many(&format!("/longjobs/{job}")), Vec::<Value>::new());
    }
}

#[test]
fn every_node_is_listed_with_its_own_heartbeat_and_goes_when_it_is_gone() {
    let (place, database) = (Place::new("listed"), Database::new("listed"));
    let mut nodes = Nodes::start(&place, &database, 3, |plan| plan);
    for by in 0..3 {
        assert_eq!(nodes.client(by).many("/management-nodes").len(), 3);
        let known = nodes.listed(by, (by + 1) % 3).expect("it is listed");
        assert_eq!(
            (&known["drained"], &known["version"]),
            (&json!(false), &json!(env!("CARGO_PKG_VERSION")))
        );
    }
    let beat = |nodes: &Nodes, node| text(&nodes.listed(node, 0).expect("it is listed")["heartBeat"]);
    let first: Vec<String> = (0..3).map(|node| beat(&nodes, node)).collect();
    until("every heart has beaten", PATIENCE, || {
        (0..3).all(|node| beat(&nodes, node) != first[node]).then_some(())
    });
    nodes.servers[2].kill();
    until("the one that was killed is not listed any more", Duration::from_secs(6), || {
        (nodes.client(0).many("/management-nodes").len() == 2).then_some(())
    });
}

#[test]
fn a_session_that_ended_on_one_node_is_refused_by_the_others_within_two_seconds() {
    let (place, database) = (Place::new("sessions"), Database::new("sessions"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let here = nodes.plans[0].log_in(&nodes.servers[0]);
    let there = here.at(nodes.client(1));
    assert_eq!(there.call("GET", "/longjobs", &Value::Null).0, 200);
    let path = format!("/accounts/sessions/{}", here.session());
    here.ok("DELETE", &path, &Value::Null);
    assert_eq!(here.call("GET", "/longjobs", &Value::Null).0, 401, "at once where it was ended");
    until("the other node refuses it", HEARD_WITHIN, || {
        (there.call("GET", "/longjobs", &Value::Null).0 == 401).then_some(())
    });
    assert_eq!(
        nodes.client(1).call("GET", "/longjobs", &Value::Null).0,
        200,
        "the control: another one lives"
    );
}

#[test]
fn a_job_whose_body_does_not_end_is_cleaned_through_a_node_that_does_not_run_it() {
    let (place, database) = (Place::new("cleaned"), Database::new("cleaned"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let data = json!({"durationMs": 600_000, "onCancel": "ignore"});
    let job = nodes.client(0).submit(SIMULATE, &data, &[]);
    let holder = nodes.runs_on(&job);
    let other = nodes.client(1 - holder);
    let path = format!("/longjobs/{job}/actions");
    other.ok("PUT", &path, &action("cancelLongJob"));
    assert_eq!(other.state(&job), "Canceling", "its body goes on");
    let asked = Instant::now();
    other.ok("PUT", &path, &action("cleanLongJob"));
    until("it is dropped and undone", HEARD_WITHIN, || (other.state(&job) == "Canceled").then_some(()));
    assert!(asked.elapsed() < HEARD_WITHIN, "{:?}", asked.elapsed());
}

#[test]
fn a_global_configuration_counts_on_every_node_within_two_seconds() {
    let (place, database) = (Place::new("configs"), Database::new("configs"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let job = nodes.client(1).submit(SIMULATE, &json!({"durationMs": 600_000}), &[]);
    let told = |node: usize| {
        let client = nodes.client(node);
        client.many(&format!("/task-progresses/{}", text(&client.job(&job)["apiId"]))).len()
    };
    assert_eq!((told(0), told(1)), (1, 1));
    let path = "/global-configurations/progress/progress.on/actions";
    nodes.client(0).ok("PUT", path, &json!({"updateGlobalConfig": {"value": "false"}}));
    assert_eq!(told(0), 0, "at once where it was changed");
    until("the other node does as told", HEARD_WITHIN, || (told(1) == 0).then_some(()));
    nodes.client(1).ok("PUT", path, &json!({"updateGlobalConfig": {"value": "true"}}));
    until("and the other way round", HEARD_WITHIN, || (told(0) == 1).then_some(()));
}

#[test]
fn a_directory_of_another_host_is_refused_with_where_to_ask() {
    let (place, database) = (Place::new("elsewhere"), Database::new("elsewhere"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let (mine, other) = (nodes.client(0), nodes.client(1));
    let storage = mine.add_storage("mine", &place.dir("disks"));
    let path = format!("/primary-storage/{storage}/scan");
    assert_eq!(mine.many(&path), Vec::<Value>::new());
    let (status, answer) = other.call("GET", &path, &Value::Null);
    let told = answer["error"].to_string();
    assert!(status >= 400 && told.contains(&format!("http://{}", mine.address())), "{status} {told}");
    assert_eq!(
        other.one(&format!("/primary-storage/{storage}"))["status"],
        "Connected",
        "it is not called away"
    );
}
