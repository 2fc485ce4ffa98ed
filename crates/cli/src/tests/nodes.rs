//! `node`: what a drain waits for, what it leaves, and how a node is named.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, job, rows, run};
use crate::exit::Exit;

const NODE: &str = "0a6f4f2e8f1b4b5d9a3c2d1e0f9a8b7c";
const OTHER: &str = "0a6f4f2e11111111111111111111111b";
const STAYS: &str = "its node is drained, and nobody else could go on with it";

fn node(uuid: &str, address: &str, drained: bool) -> Value {
    json!({"uuid": uuid, "hostName": "vm", "joinDate": "j", "heartBeat": "b", "address": address, "version": "1",
        "drained": drained})
}

fn begun(job: Option<Value>) -> Reply {
    let rows: Vec<Value> = job.into_iter().collect();
    Reply::Json(200, json!({"inventories": rows, "total": rows.len(), "schema": {}}))
}

/// Two nodes, of which the second is drained or not; the first has its job for so many looks, which is nobody's then, or
/// has ended.
fn cluster(other_drained: bool, looks: usize, stranded: bool) -> Fake {
    let looked = AtomicUsize::new(0);
    Fake::start(move |asked: &Asked, _| {
        let drained = node(NODE, "http://10.0.0.1:8080", true);
        if asked.method == "PUT" {
            return Reply::Json(200, json!({"inventory": drained}));
        }
        if asked.path.contains("/management-nodes") {
            return rows(vec![drained, node(OTHER, "http://10.0.0.2:8080", other_drained)]);
        }
        if asked.path.ends_with("/explain") {
            let of_node = if stranded { "drained" } else { "nodeDrained" };
            return Reply::Json(
                200,
                json!({"reasons": [
                    {"reason": "works", "sentence": "an attempt works on it"}, {"reason": of_node, "sentence": STAYS},
                ]}),
            );
        }
        if asked.path.contains("null") {
            return begun(stranded.then(|| job("Running")));
        }
        begun((looked.fetch_add(1, Ordering::Relaxed) < looks).then(|| job("Running")))
    })
}

#[tokio::test]
async fn a_drain_that_waits_tells_what_for_once_and_says_when_it_is_done() {
    let ran = run(&cluster(false, 3, false), &["node", "drain", NODE, "--wait"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert_eq!(ran.err.matches(&format!("  {JOB}  nightly  {STAYS}\n")).count(), 1, "{}", ran.err);
    assert_eq!(ran.err.matches("1 job is still on node").count(), 1, "{}", ran.err);
    assert!(!ran.err.contains("no other node"), "{}", ran.err);
    assert_eq!(ran.out, format!("node {NODE} vm is drained and has no jobs\n"));
}

#[tokio::test]
async fn who_drains_the_last_node_that_takes_jobs_is_told_so() {
    let ran = run(&cluster(true, 1, false), &["node", "drain", NODE]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let undrain = format!("longhaul node undrain {NODE}");
    assert!(ran.err.contains("no other node takes jobs") && ran.err.contains(&undrain), "{}", ran.err);
    assert!(ran.out.contains("is drained; 1 job is still there"), "{}", ran.out);
}

#[tokio::test]
async fn a_job_that_nobody_runs_for_a_drain_is_told_instead_of_no_jobs() {
    let ran = run(&cluster(true, 0, true), &["node", "drain", NODE, "--wait"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert!(!ran.out.contains("has no jobs") && ran.out.contains("1 job has begun"), "{}", ran.out);
    assert!(ran.err.contains(&format!("  {JOB}  nightly  {STAYS}")), "{}", ran.err);
}

#[tokio::test]
async fn a_job_that_was_given_back_and_that_nobody_takes_is_waited_for_no_more() {
    let ran = run(&cluster(true, usize::MAX, true), &["node", "drain", NODE, "--wait"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert!(ran.out.contains("runs no jobs, but 2 jobs have begun"), "{}", ran.out);
}

#[tokio::test]
async fn nodes_are_listed_with_how_many_jobs_they_run() {
    let ran = run(&cluster(false, 1, false), &["node", "list"]).await;
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].contains("STATE    JOBS"), "{}", ran.out);
    assert!(lines[1].contains("drained  1 ") && lines[2].contains("working  0 "), "{}", ran.out);
}

#[tokio::test]
async fn a_name_of_two_nodes_is_refused_with_their_addresses_and_too_few_digits_say_how_many_are_needed() {
    let fake = cluster(false, 0, false);
    for text in ["vm", "0a6f4f2e"] {
        let ran = run(&fake, &["node", "drain", text]).await;
        assert_eq!(ran.exit, Exit::Usage, "{}", ran.err);
        for part in [NODE, OTHER, "http://10.0.0.1:8080", "http://10.0.0.2:8080"] {
            assert!(ran.err.contains(part), "{part} in {}", ran.err);
        }
    }
    let ran = run(&fake, &["node", "drain", "0a6f4f2"]).await;
    assert_eq!(ran.exit, Exit::NotFound);
    assert!(ran.err.contains("first 8 digits"), "{}", ran.err);
    assert_eq!(run(&fake, &["node", "undrain", "http://10.0.0.1:8080"]).await.exit, Exit::Ok);
}
