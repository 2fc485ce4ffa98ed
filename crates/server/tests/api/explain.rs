//! Why a job is where it is, over the API.

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, submission};
use crate::support::{Caller, Server, uuid};

fn explain(caller: &Caller, id: &str) -> Value {
    caller.get(&format!("/longjobs/{id}/explain")).ok()
}

fn chief(answer: &Value) -> (&str, &str) {
    let reason = &answer["reasons"][0];
    (reason["reason"].as_str().expect("a reason"), reason["sentence"].as_str().expect("a sentence"))
}

#[test]
fn a_job_in_every_state_says_why_it_is_there_and_what_can_be_done() {
    for server in Server::both(&[]) {
        for (state, reason, told, on_cancel) in [
            ("Running", "works", "attempt 1", "undoes what it made"),
            ("Suspended", "interrupted", "resumeLongJob", "undoes what it made"),
            ("Canceling", "undoing", "being undone", "it is being canceled"),
            ("Succeeded", "succeeded", "jobResult", "it has ended"),
            ("Failed", "failed", "rerunLongJob", "it has ended"),
            ("Canceled", "canceled", "rerunLongJob", "it has ended"),
        ] {
            for caller in server.admins() {
                let id = caller.job_in(state);
                let answer = explain(&caller, &id);
                assert_eq!((&answer["uuid"], &answer["state"]), (&json!(id), &json!(state)));
                let (named, sentence) = chief(&answer);
                assert_eq!(named, reason, "{answer}");
                assert!(sentence.contains(told), "{told}: {sentence}");
                assert!(answer["onCancel"].as_str().is_some_and(|text| text.contains(on_cancel)), "{answer}");
                for key in ["onRestart", "onNodeLoss"] {
                    assert!(answer[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {answer}");
                }
            }
        }
    }
}

#[test]
fn a_waiting_job_says_what_it_waits_for() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    let first = admin.submit(&json!({"durationMs": FOREVER_MS}));
    let second = admin.submit(&json!({"durationMs": FOREVER_MS}));
    let answer = explain(&admin, &second);
    assert_eq!(chief(&answer).0, "slot", "{answer}");
    assert_eq!(answer["reasons"][0]["ahead"], 1, "{first} goes before it");
    assert!(chief(&answer).1.contains("engine.maxRunningSimulator"), "{answer}");
    assert_eq!(answer["onCancel"], "ends it at once as Canceled; it has done nothing");
}

#[test]
fn a_job_that_is_held_delayed_or_drained_away_says_so() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    let id = admin.submit(&json!({}));
    admin.act(&id, "suspendLongJob", &json!({})).ok();
    assert_eq!(chief(&explain(&admin, &id)).0, "held");
    let mut body = submission(&uuid(), &json!({}));
    body["systemTags"] = json!(["longhaul::notBefore::2999-01-01T00:00:00Z"]);
    let both = admin.post("/longjobs", &body).inventory()["uuid"].as_str().expect("a uuid").to_owned();
    admin.act(&both, "suspendLongJob", &json!({})).ok();
    let answer = explain(&admin, &both);
    let told = [&answer["reasons"][0]["reason"], &answer["reasons"][1]["reason"]];
    assert_eq!(told, [&json!("held"), &json!("notBefore")], "{answer}");
    let mut body = submission(&uuid(), &json!({}));
    body["systemTags"] = json!(["longhaul::notBefore::2999-01-01T00:00:00Z", "longhaul::deadline::60"]);
    let later = admin.post("/longjobs", &body).inventory()["uuid"].as_str().expect("a uuid").to_owned();
    let answer = explain(&admin, &later);
    assert_eq!(chief(&answer).0, "notBefore");
    assert_eq!(answer["reasons"][0]["until"], "2999-01-01T00:00:00+00:00");
    assert!(answer["deadline"].is_string(), "{answer}");
    let node = admin.get("/management-nodes").ok()["inventories"][0]["uuid"].clone();
    let node = node.as_str().expect("a node");
    admin.put(&format!("/management-nodes/{node}/actions"), &json!({"drainManagementNode": {}})).ok();
    let waiting = admin.submit(&json!({}));
    let answer = explain(&admin, &waiting);
    assert_eq!(chief(&answer).0, "drained", "{answer}");
    assert!(chief(&answer).1.contains("undrainManagementNode"));
}

#[test]
fn what_is_unknown_or_somebody_elses_is_not_explained() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let (admin, stranger) = (server.admin(), server.account("stranger"));
    let id = admin.submit(&json!({}));
    assert_eq!(stranger.get(&format!("/longjobs/{id}/explain")).error().0, "ID.1002");
    assert_eq!(admin.get(&format!("/longjobs/{}/explain", uuid())).error().0, "SYS.1003");
    assert_eq!(admin.get("/longjobs/nonsense/explain").error().0, "SYS.1003");
}
