//! One action on all jobs that a query finds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, data, submission};
use crate::support::{Caller, Server, uuid};

fn act(caller: &Caller, action: &str, params: &Value) -> Value {
    let mut body = json!({});
    body[action] = params.clone();
    caller.put("/longjobs/bulk", &body).ok()
}

/// Submits jobs that come to `state`, in one call; answers their uuids.
fn submit(caller: &Caller, count: usize, state: &str, name: &str) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|_| uuid()).collect();
    let jobs: Vec<Value> = ids
        .iter()
        .map(|id| {
            let mut params = submission(id, &data(state))["params"].clone();
            params["name"] = json!(name);
            params
        })
        .collect();
    caller.post("/longjobs/bulk", &json!({"params": {"jobs": jobs}})).ok();
    ids
}

fn uuids(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().expect("results");
    results.iter().map(|result| result["uuid"].as_str().expect("a uuid").to_owned()).collect()
}

fn count(caller: &Caller, condition: &str) -> u64 {
    caller.get(&format!("/longjobs?count=true&q={condition}")).ok()["total"].as_u64().expect("a total")
}

#[test]
fn a_call_acts_on_a_bounded_number_and_its_cursor_leads_to_all_others_once() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let mut all = submit(&admin, 230, "Waiting", "mine");
        submit(&admin, 3, "Waiting", "other");
        let params = json!({"q": ["name=mine"]});
        let dry = act(&admin, "cancelLongJobs", &json!({"q": ["name=mine"], "dryRun": true}));
        assert_eq!(dry, json!({"results": [], "matching": 230}));
        assert_eq!(count(&admin, "state=Waiting"), 233, "a dry run does nothing");
        let (mut seen, mut calls, mut cursor) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let mut params = params.clone();
            params["cursor"] = cursor;
            let answer = act(&admin, "cancelLongJobs", &params);
            let canceled = |results: &Vec<Value>| results.iter().all(|r| r["state"] == "Canceled");
            assert!(answer["results"].as_array().is_some_and(canceled), "{answer}");
            calls.push(uuids(&answer).len());
            seen.extend(uuids(&answer));
            cursor = answer["cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(calls, [100, 100, 30]);
        all.sort();
        assert_eq!(seen, all, "each once, in the order of their uuids");
        assert_eq!((count(&admin, "state=Canceled"), count(&admin, "state=Waiting")), (230, 3));
    }
}

#[test]
fn each_action_takes_the_jobs_that_it_is_for_and_leaves_the_others() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let states = ["Running", "Suspended", "Succeeded", "Failed", "Canceled", "Canceling"];
    let jobs: Vec<String> = states.iter().map(|state| admin.job_in(state)).collect();
    let all = json!({"q": ["createDate not null"]});
    let of = |wanted: &[&str]| -> BTreeSet<String> {
        states
            .iter()
            .zip(&jobs)
            .filter(|(state, _)| wanted.contains(state))
            .map(|(_, id)| id.clone())
            .collect()
    };
    let done = |action: &str| -> BTreeSet<String> {
        let answer = act(&admin, action, &all);
        let results = answer["results"].as_array().expect("results");
        assert!(results.iter().all(|result| result["outcome"] == "done"), "{action}: {answer}");
        uuids(&answer).into_iter().collect()
    };
    assert_eq!(done("resumeLongJobs"), of(&["Suspended"]));
    admin.wait_for(&jobs[1], "Succeeded");
    assert_eq!(done("cancelLongJobs"), of(&["Running"]));
    admin.wait_for(&jobs[0], "Canceled");
    let ended = of(&["Running", "Suspended", "Succeeded", "Failed", "Canceled"]);
    assert_eq!(done("deleteLongJobs"), ended);
    assert_eq!(count(&admin, "createDate not null"), 1, "that is being canceled stays");
    let again = admin.job_in("Failed");
    assert_eq!(done("rerunLongJobs"), BTreeSet::from([again.clone()]));
    admin.wait_for(&again, "Failed");
}

#[test]
fn what_waits_is_held_by_a_suspend_of_all_and_goes_on_with_a_resume_of_all() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let mut held = submit(&admin, 3, "Waiting", "held");
        held.sort();
        for count in [900, 200] {
            submit(&admin, count, "Waiting", "free");
        }
        let all = json!({"q": ["createDate not null"], "limit": 2});
        let suspended = act(&admin, "suspendLongJobs", &json!({"q": ["name=held"]}));
        assert_eq!(uuids(&suspended), held);
        assert!(suspended["results"][0]["state"] == "Waiting", "{suspended}");
        let dry = json!({"q": all["q"], "dryRun": true});
        assert_eq!(act(&admin, "resumeLongJobs", &dry)["matching"], 3, "the others are held by nobody");
        let first = act(&admin, "resumeLongJobs", &all);
        let rest = act(&admin, "resumeLongJobs", &json!({"q": all["q"], "cursor": first["cursor"]}));
        assert_eq!([uuids(&first), uuids(&rest)].concat(), held, "over more than one page of what waits");
        assert_eq!((uuids(&first).len(), &rest["cursor"]), (2, &Value::Null));
        assert_eq!(act(&admin, "resumeLongJobs", &dry)["matching"], 0);
    }
}

#[test]
fn what_runs_is_stopped_by_a_suspend_of_all() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let states = ["Running", "Succeeded", "Canceling"];
    let jobs: Vec<String> = states.iter().map(|state| admin.job_in(state)).collect();
    let answer = act(&admin, "suspendLongJobs", &json!({"q": ["createDate not null"]}));
    assert_eq!(uuids(&answer), [jobs[0].clone()], "{answer}");
    admin.wait_for(&jobs[0], "Suspended");
}

#[test]
fn an_account_acts_on_its_own_jobs_alone() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let (admin, owner, stranger) = (server.admin(), server.account("owner"), server.account("stranger"));
    let ids = submit(&owner, 3, "Waiting", "theirs");
    let all = json!({"q": ["name=theirs"]});
    assert_eq!(act(&stranger, "cancelLongJobs", &all), json!({"results": []}));
    assert_eq!(
        act(&stranger, "cancelLongJobs", &json!({"q": ["name=theirs"], "dryRun": true}))["matching"],
        0
    );
    let one = json!({"q": [format!("uuid={}", ids[0])]});
    assert_eq!(act(&stranger, "cancelLongJobs", &one), json!({"results": []}));
    assert_eq!(count(&owner, "state=Waiting"), 3);
    assert_eq!(uuids(&act(&admin, "cancelLongJobs", &all)).len(), 3, "admins act on all");
}

#[test]
fn what_is_refused_for_one_job_is_told_of_it_and_done_to_the_others() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let stubborn = admin.submit(&json!({"durationMs": FOREVER_MS, "onCancel": "refuse"}));
    let other = admin.submit(&json!({"durationMs": FOREVER_MS}));
    for id in [&stubborn, &other] {
        admin.wait_for(id, "Running");
    }
    let answer = act(&admin, "cancelLongJobs", &json!({"q": ["state=Running"]}));
    for result in answer["results"].as_array().expect("results") {
        let refused = result["uuid"] == stubborn.as_str();
        assert_eq!(result["outcome"], if refused { "failed" } else { "done" }, "{answer}");
        assert_eq!(result["error"]["code"], if refused { json!("LONG_JOB.1001") } else { Value::Null });
    }
    admin.wait_for(&other, "Canceled");
}

#[test]
fn a_call_without_a_condition_or_with_a_bad_one_does_nothing() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        submit(&admin, 2, "Waiting", "mine");
        for (params, told) in [
            (json!({}), "field[q]"),
            (json!({"q": []}), "nonempty list"),
            (json!({"q": ["name"]}), "name"),
            (json!({"q": ["nonsense=1"]}), "nonsense"),
            (json!({"q": ["name=mine"], "limit": 0}), "[1, 1000]"),
            (json!({"q": ["name=mine"], "limit": 1001}), "[1, 1000]"),
            (json!({"q": ["name=mine"], "cursor": "xyz"}), "cursor"),
        ] {
            for action in ["cancelLongJobs", "deleteLongJobs", "rerunLongJobs", "resumeLongJobs"] {
                let mut body = json!({});
                body[action] = params.clone();
                let (code, details) = admin.put("/longjobs/bulk", &body).error();
                assert!(["SYS.1007", "SYS.1000"].contains(&code.as_str()), "{code}");
                assert!(details.contains(told), "{told}: {details}");
            }
        }
        let body = json!({"cancelLongJobs": {"q": ["name=mine"]}, "systemTags": ["validationOnly"]});
        assert_eq!(admin.put("/longjobs/bulk", &body).ok()["matching"], 2);
        assert_eq!(count(&admin, "state=Waiting"), 2);
    }
}

#[test]
fn a_rerun_of_many_takes_each_once_however_fast_it_ends_again() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let ids = submit(&admin, 25, "Succeeded", "quick");
    for id in &ids {
        admin.wait_for(id, "Succeeded");
    }
    let (mut reran, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let answer =
            act(&admin, "rerunLongJobs", &json!({"q": ["name=quick"], "limit": 10, "cursor": cursor}));
        reran.extend(uuids(&answer));
        for id in uuids(&answer) {
            admin.wait_for(&id, "Succeeded");
        }
        cursor = answer["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let once: BTreeSet<&String> = reran.iter().collect();
    assert_eq!((reran.len(), once.len()), (25, 25));
}
