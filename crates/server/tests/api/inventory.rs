//! The inventory of a long job in each of its seven states: every key with its type, in both profiles; how
//! moments, numbers and absent values are written.
//!
//! Source: longjob-api.txt "#inventory" and "#state", rest-api.md 6.1, 6.2.

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, submission};
use crate::support::{Caller, Server, uuid};

const STATES: [&str; 7] = ["Waiting", "Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"];

/// Key, type, and the states in which it is there.
const KEYS: [(&str, &str, &[&str]); 13] = [
    ("uuid", "uuid", &STATES),
    ("name", "text", &STATES),
    ("description", "text", &STATES),
    ("apiId", "uuid", &STATES),
    ("jobName", "text", &STATES),
    ("jobData", "json text", &STATES),
    ("jobResult", "json text", &["Suspended", "Succeeded", "Canceled", "Failed"]),
    ("targetResourceUuid", "uuid", &STATES),
    ("managementNodeUuid", "uuid", &["Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"]),
    ("createDate", "timestamp", &STATES),
    ("lastOpDate", "timestamp", &STATES),
    ("state", "state", &STATES),
    ("executeTime", "seconds", &["Succeeded", "Canceled", "Failed"]),
];

pub fn is_uuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// `2017-11-14T22:20:57+00:00` in `fast`, `Nov 14, 2017 10:20:57 PM` in `zstack`.
pub fn is_timestamp(text: &str, profile: &str) -> bool {
    let form =
        |text: &str| -> String { text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect() };
    if profile == "fast" {
        return form(text) == "9999-99-99T99:99:99+99:99";
    }
    let Some((month, rest)) = text.split_once(' ') else { return false };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = ["9, 9999 ", "99, 9999 "];
    let hours = ["9:99:99 AM", "99:99:99 AM", "9:99:99 PM", "99:99:99 PM"];
    let zero = rest.starts_with('0') || rest.contains(" 0");
    months.contains(&month)
        && !zero
        && days.iter().any(|d| hours.iter().any(|h| form(rest) == format!("{d}{h}")))
}

fn has_type(value: &Value, kind: &str, profile: &str) -> bool {
    let text = value.as_str();
    match kind {
        "uuid" => text.is_some_and(is_uuid),
        "text" => text.is_some(),
        "json text" => text.is_some_and(|t| serde_json::from_str::<Value>(t).is_ok()),
        "timestamp" => text.is_some_and(|t| is_timestamp(t, profile)),
        "state" => text.is_some_and(|t| STATES.contains(&t)),
        "seconds" => value.as_u64().is_some_and(|s| s >= 1),
        other => panic!("{other}"),
    }
}

fn in_state(running: &Caller, waiting: &Caller, state: &str) -> Value {
    let admin = if state == "Waiting" { waiting } else { running };
    let id = admin.job_in(state);
    let job = admin.job(&id).expect("the job");
    assert_eq!((&job["state"], &job["uuid"]), (&json!(state), &json!(id)));
    job
}

#[test]
fn every_key_of_the_inventory_has_its_type_in_each_of_the_seven_states() {
    for profile in ["fast", "zstack"] {
        let (running, waiting) = (Server::start(profile, &[]), Server::start(profile, &NOTHING_STARTS));
        let (running, waiting) = (running.admin(), waiting.admin());
        for state in STATES {
            let job = in_state(&running, &waiting, state);
            for (key, kind, states) in KEYS {
                let cell = format!("{profile} {state} {key}: {job}");
                match job.get(key) {
                    Some(value) => assert!(has_type(value, kind, profile), "{cell}"),
                    None => assert!(!states.contains(&state), "{cell}"),
                }
                if job.get(key).is_some() && key == "executeTime" {
                    assert!(states.contains(&state), "{cell}");
                }
            }
            let known: Vec<&str> = KEYS.iter().map(|(key, _, _)| *key).collect();
            for key in job.as_object().expect("an object").keys() {
                assert!(known.contains(&key.as_str()), "{profile} {state}: {key} is no key of the contract");
            }
        }
    }
}

#[test]
fn a_submission_is_answered_running_where_a_slot_is_free_and_waiting_where_none_is() {
    for profile in ["fast", "zstack"] {
        let body = submission(&uuid(), &json!({"durationMs": FOREVER_MS}));
        let running = Server::start(profile, &[]);
        assert_eq!(running.admin().post("/longjobs", &body).inventory()["state"], "Running");
        let waiting = Server::start(profile, &NOTHING_STARTS);
        assert_eq!(waiting.admin().post("/longjobs", &body).inventory()["state"], "Waiting");
    }
}

#[test]
fn what_is_sent_is_what_is_stored_and_what_is_not_sent_is_absent() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = uuid();
        let data = "{\"durationMs\": 0,  \"note\":\"<&='\\u003e>\"}";
        let body = json!({"params": {
            "name": "n", "description": "d", "jobName": "APISimulateJobMsg", "jobData": data,
            "resourceUuid": id, "targetResourceUuid": "45a53d3d93384433add8ead7616586cf",
        }});
        admin.post("/longjobs", &body).ok();
        let job = admin.job(&id).expect("the job");
        for key in ["name", "description", "jobName", "jobData", "targetResourceUuid"] {
            assert_eq!(job[key], body["params"][key], "{key}");
        }
        let bare = json!({"params": {"jobName": "APISimulateJobMsg", "jobData": "{}"}});
        let bare = admin.post("/longjobs", &bare).inventory();
        for key in ["description", "targetResourceUuid", "executeTime"] {
            assert_eq!(bare.get(key), None, "{key}: nulls are left out");
        }
    }
}

#[test]
fn the_result_is_json_for_a_success_a_failure_and_a_cancel() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let result = |id: &str| -> Value {
            let job = admin.job(id).expect("the job");
            serde_json::from_str(job["jobResult"].as_str().expect("a result")).expect("JSON")
        };
        let id = admin.submit(&json!({"durationMs": 0, "result": {"answer": [42]}}));
        admin.wait_for(&id, "Succeeded");
        assert_eq!(result(&id), json!({"success": true, "result": {"answer": [42]}}));
        let id = admin.submit(
            &json!({"durationMs": 0, "outcome": "fail", "errorCode": "SYS.1001", "errorDetails": "too slow"}),
        );
        admin.wait_for(&id, "Failed");
        assert_eq!(result(&id), json!({"code": "SYS.1001", "detail": "too slow"}));
        let id = admin.job_in("Canceled");
        assert_eq!(result(&id)["detail"], format!("long job[uuid:{id}] has been canceled"));
        assert!(result(&id)["receipt"].is_object());
    }
}

#[test]
fn the_code_of_a_failure_decides_the_state_it_ends_in() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    for (code, state) in [
        ("SYS.1012", "Suspended"),
        ("LONG_JOB.1002", "Suspended"),
        ("LONG_JOB.1000", "Canceled"),
        ("SYS.1000", "Failed"),
    ] {
        let id = admin.submit(&json!({"durationMs": 0, "outcome": "fail", "errorCode": code}));
        admin.wait_for(&id, state);
    }
}

#[test]
fn a_rerun_keeps_the_uuid_takes_a_new_api_id_and_clears_what_the_former_run_left() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.submit(&json!({"durationMs": 400}));
        admin.wait_for(&id, "Succeeded");
        let before = admin.job(&id).expect("the job");
        let chosen = uuid();
        let body = json!({"rerunLongJob": {}, "systemTags": [], "userTags": ["ignored"]}).to_string();
        let path = format!("/longjobs/{id}/actions");
        admin.follow(admin.once("PUT", &path, &[("X-Job-UUID", &chosen)], body.as_bytes())).ok();
        let running = admin.job(&id).expect("the job");
        assert_eq!((&running["state"], &running["apiId"]), (&json!("Running"), &json!(chosen)));
        assert_eq!((running.get("jobResult"), running.get("executeTime")), (None, None));
        for key in ["uuid", "name", "description", "jobName", "jobData", "targetResourceUuid"] {
            assert_eq!(running[key], before[key], "{key}");
        }
        admin.wait_for(&id, "Succeeded");
        assert_eq!(admin.get("/longjobs?q=__userTag__=ignored").ok()["inventories"], json!([]));
    }
}

#[test]
fn a_resumed_job_keeps_its_api_id_and_goes_on_from_its_checkpoint() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Suspended");
        let before = admin.job(&id).expect("the job");
        let resumed = admin.act(&id, "resumeLongJob", &json!({})).inventory();
        assert_eq!(resumed["apiId"], before["apiId"]);
        admin.wait_for(&id, "Succeeded");
    }
}
