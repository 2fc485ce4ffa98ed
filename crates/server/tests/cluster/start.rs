//! What a node of a cluster refuses to start with, and what nothing of it shows.

use std::fs;

use serde_json::json;

use crate::client::SIMULATE;
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, shown, until};
use crate::server::Plan;

#[test]
fn a_node_with_another_key_is_refused_with_what_to_do() {
    let (place, database) = (Place::new("key"), Database::new("key"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let other = Plan::new(&place).data_dir(&shown(&place.path("other"))).env("LONGHAUL_STORE", &database.url);
    assert!(!other.start_in_vain().success());
    assert!(other.log().contains("--secret-key-file"), "{}", other.log());
    assert!(!place.path("other/secret.key").exists(), "none is made");
    fs::write(place.path("wrong.key"), [8; 32]).unwrap();
    let wrong = other.set(&format!("secretKeyFile={}", shown(&place.path("wrong.key"))));
    assert!(!wrong.start_in_vain().success());
    assert!(wrong.log().contains("is not the key of this store"), "{}", wrong.log());
    assert_eq!(nodes.client(0).many("/management-nodes").len(), 1);
}

#[test]
fn the_databases_password_is_in_no_log_and_in_no_command_line() {
    let (place, database) = (Place::new("password"), Database::new("password"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan.env("LONGHAUL_LOG", "debug"));
    let password = database.url.split_once("://").unwrap().1.split_once('@').unwrap().0;
    let password = password.split_once(':').expect("a URL with a password").1.to_owned();
    let job = nodes.client(0).submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    nodes.client(0).final_job(&job, PATIENCE);
    let pid = nodes.servers[0].pid();
    assert!(!fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains(&password));
    let refused = Plan::new(&place)
        .data_dir(&shown(&place.path("refused")))
        .set(&format!("store.url={}", database.url));
    assert!(!refused.start_in_vain().success(), "a password on the command line");
    assert!(nodes.log().contains("PGPASSFILE"), "{}", nodes.log());
    assert!(!nodes.log().contains(&password), "the log has it");
}

#[test]
fn a_call_that_a_dead_node_left_is_answered_by_another() {
    let (place, database) = (Place::new("cut"), Database::new("cut"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    // As a process leaves it that dies in the middle of a call: the row is there, its answer is not.
    let host = fs::read_to_string(place.path("data-0/host.uuid")).unwrap().trim().to_owned();
    let id = "0123456789abcdef0123456789abcdef";
    database.rows(&format!(
        "INSERT INTO api_record (id, account, expires_ms, host) VALUES ('{id}', '36c27e8ff05c4780bf6d2fa65700f22e', \
         9000000000000, '{host}')"
    ));
    let poll = || nodes.client(1).try_call("GET", &format!("/api-jobs/{id}"), None).expect("an answer");
    assert_eq!(poll().0, 202, "it is worked on, as far as anybody knows");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(poll().0, 202, "its node lives");
    nodes.servers[0].kill();
    let poll = || nodes.client(1).try_call("GET", &format!("/api-jobs/{id}"), None).expect("an answer");
    let (status, answer) = until("another node answers it", PATIENCE, || {
        let told = poll();
        (told.0 != 202).then_some(told)
    });
    assert_eq!(status, 503);
    assert!(answer["error"]["details"].as_str().unwrap().contains("send it again"), "{answer}");
}
