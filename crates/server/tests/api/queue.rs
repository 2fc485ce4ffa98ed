//! What a submitter asks of the queue, seen from outside: priority, delay, deadline, retries; suspending and
//! resuming. What a claim gives first is tried by the store's conformance suite, all of it together by the simulation.

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, submission};
use crate::support::{Caller, Server, until, uuid};

/// One job at a time.
const ONE: [&str; 2] = ["--set", "engine.maxRunningSimulator=1"];

fn tagged(admin: &Caller, data: &Value, tags: &[&str]) -> (String, crate::support::Answer) {
    let id = uuid();
    let mut body = submission(&id, data);
    body["systemTags"] = json!(tags);
    let answer = admin.post("/longjobs", &body);
    (id, answer)
}

fn taken(admin: &Caller, data: &Value, tags: &[&str]) -> String {
    let (id, answer) = tagged(admin, data, tags);
    answer.ok();
    id
}

fn kinds(admin: &Caller, id: &str) -> Vec<String> {
    let rows = admin.get(&format!("/longjobs/{id}/timeline")).ok();
    let rows = rows["inventories"].as_array().expect("a list").clone();
    rows.iter().map(|row| row["kind"].as_str().expect("a kind").to_owned()).collect()
}

fn result(admin: &Caller, id: &str) -> Value {
    let job = admin.job(id).expect("the job");
    serde_json::from_str(job["jobResult"].as_str().expect("a result")).expect("JSON")
}

#[test]
fn of_waiting_jobs_the_higher_priority_starts_first() {
    let server = Server::start("fast", &ONE);
    let admin = server.admin();
    let running = taken(&admin, &json!({"durationMs": FOREVER_MS}), &[]);
    admin.wait_for(&running, "Running");
    let forever = json!({"durationMs": FOREVER_MS});
    let low = taken(&admin, &forever, &["longhaul::priority::1"]);
    let usual = taken(&admin, &forever, &[]);
    let high = taken(&admin, &forever, &["longhaul::priority::9"]);
    for (ends, starts) in [(&running, &high), (&high, &usual), (&usual, &low)] {
        admin.act(ends, "cancelLongJob", &json!({})).ok();
        admin.wait_for(starts, "Running");
    }
}

#[test]
fn a_delayed_job_waits_for_its_moment() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = taken(&admin, &json!({"durationMs": 0}), &["longhaul::notBefore::2999-01-01T00:00:00+01:00"]);
    let past = taken(&admin, &json!({"durationMs": 0}), &["longhaul::notBefore::2017-11-14T22:20:57Z"]);
    admin.wait_for(&past, "Succeeded");
    assert_eq!(admin.state(&id), "Waiting");
    admin.act(&id, "cancelLongJob", &json!({})).ok();
    assert_eq!(admin.state(&id), "Canceled");
}

#[test]
fn a_job_past_its_deadline_fails_whether_it_waits_or_runs() {
    let server = Server::start("fast", &ONE);
    let admin = server.admin();
    let data = json!({"durationMs": FOREVER_MS});
    let running = taken(&admin, &data, &["longhaul::deadline::2"]);
    let waiting = taken(&admin, &data, &["longhaul::deadline::1"]);
    for (id, text) in [(&waiting, "had not started"), (&running, "was stopped")] {
        admin.wait_for(id, "Failed");
        let result = result(&admin, id);
        assert_eq!(result["code"], "LONG_JOB.1101");
        assert!(result["detail"].as_str().expect("a text").contains(text), "{result}");
    }
    assert_eq!(kinds(&admin, &waiting), ["submitted", "failed"]);
}

#[test]
fn a_fault_that_may_pass_is_tried_again_as_often_as_was_asked_for() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let fails = json!({"durationMs": 0, "outcome": "fail"});
    let twice = taken(&admin, &fails, &["longhaul::retry::2"]);
    let wrong = json!({"durationMs": 0, "outcome": "fail", "errorCode": "SYS.1007"});
    let once = taken(&admin, &wrong, &["longhaul::retry::2"]);
    admin.wait_for(&once, "Failed");
    assert_eq!(kinds(&admin, &once), ["submitted", "started", "failed"], "it would be as wrong again");
    // Interrupted, it goes on from its checkpoint by itself and succeeds.
    let passes = json!({"durationMs": 100, "outcome": "interrupt"});
    let passes = taken(&admin, &passes, &["longhaul::retry::1"]);
    admin.wait_for(&passes, "Succeeded");
    assert_eq!(kinds(&admin, &passes), ["submitted", "started", "suspended", "resumed", "succeeded"]);
    admin.wait_for(&twice, "Failed");
    assert_eq!(
        kinds(&admin, &twice),
        ["submitted", "started", "suspended", "resumed", "suspended", "resumed", "failed"]
    );
    let rows = admin.get(&format!("/longjobs/{twice}/timeline")).ok();
    let detail = rows["inventories"][2]["detail"].as_str().expect("a text").to_owned();
    assert!(detail.contains("retry 1 of 2"), "{detail}");
}

#[test]
fn a_job_between_two_tries_is_suspended_until_it_is_resumed() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let fails = json!({"durationMs": 0, "outcome": "fail"});
        let id = taken(&admin, &fails, &["longhaul::retry::9"]);
        let tries = |kind: &str| kinds(&admin, &id).iter().filter(|known| *known == kind).count();
        // The fourth comes after 4 s at the earliest.
        until("it waits for its fourth retry", || (tries("suspended") == 4).then_some(()));
        for _ in 0..2 {
            let job = admin.act(&id, "suspendLongJob", &json!({})).inventory();
            assert_eq!(job["state"], "Suspended");
        }
        let answer = admin.get(&format!("/longjobs/{id}/explain")).ok();
        assert_eq!(answer["reasons"][0]["reason"], "suspendedByUser", "{answer}");
        assert_eq!((tries("suspendRequested"), tries("resumed")), (1, 3));
        admin.act(&id, "resumeLongJob", &json!({})).ok();
        until("it is tried again", || (tries("resumed") == 4).then_some(()));
        admin.act(&id, "cancelLongJob", &json!({})).ok();
        admin.wait_for(&id, "Canceled");
    }
}

#[test]
fn a_held_job_waits_until_it_is_resumed() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let id = taken(&admin, &json!({"durationMs": 0}), &[]);
        for _ in 0..2 {
            let job = admin.act(&id, "suspendLongJob", &json!({})).inventory();
            assert_eq!(job["state"], "Waiting");
        }
        let setting = json!({"updateGlobalConfig": {"value": "1"}});
        admin.put("/global-configurations/longhaul/engine.maxRunningSimulator/actions", &setting).ok();
        let other = taken(&admin, &json!({"durationMs": 0}), &[]);
        admin.wait_for(&other, "Succeeded");
        assert_eq!(admin.state(&id), "Waiting");
        assert_eq!(admin.act(&id, "resumeLongJob", &json!({})).inventory()["uuid"], id.as_str());
        admin.wait_for(&id, "Succeeded");
        assert_eq!(kinds(&admin, &id)[..3], ["submitted", "suspendRequested", "resumeRequested"]);
    }
}

#[test]
fn a_suspended_running_job_goes_on_from_its_checkpoint() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = taken(&admin, &json!({"durationMs": 4000, "progressSteps": 40}), &[]);
    let percent = || {
        let api = admin.job(&id).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
        let rows = admin.get(&format!("/task-progresses/{api}")).ok();
        rows["inventories"][0]["content"].as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0)
    };
    until("it has done something", || (percent() > 5).then_some(()));
    admin.act(&id, "suspendLongJob", &json!({})).ok();
    admin.wait_for(&id, "Suspended");
    let reached = percent();
    assert!(reached > 5 && reached < 99, "{reached}");
    admin.act(&id, "resumeLongJob", &json!({})).ok();
    admin.wait_for(&id, "Succeeded");
    assert_eq!(
        kinds(&admin, &id),
        ["submitted", "started", "suspendRequested", "suspended", "resumeRequested", "resumed", "succeeded"]
    );
}

#[test]
fn terms_that_are_none_are_refused_and_settled_terms_are_not_changed() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let data = json!({"durationMs": 0});
        for tag in [
            "longhaul::priority::10",
            "longhaul::notBefore::tomorrow",
            "longhaul::deadline::0",
            "longhaul::retry::-1",
        ] {
            let (id, answer) = tagged(&admin, &data, &[tag]);
            let (code, details) = answer.error();
            assert!(code == "SYS.1007" && details.contains(tag), "{details}");
            assert_eq!(admin.job(&id), None);
        }
        let id = taken(&admin, &data, &["longhaul::priority::1"]);
        let (code, details) = admin.tag("system", "LongJobVO", &id, "longhaul::retry::1").error();
        assert!(code == "SYS.1007" && details.contains("when a job is submitted"), "{details}");
        let tags = admin.get(&format!("/system-tags?q=resourceUuid={id}")).ok();
        let tag = tags["inventories"][0]["uuid"].as_str().expect("a tag").to_owned();
        let change = json!({"updateSystemTag": {"tag": "longhaul::priority::2"}});
        let changed = admin.put(&format!("/system-tags/{tag}/actions"), &change).error();
        let deleted = admin.delete(&format!("/tags/{tag}")).error();
        assert_eq!((changed.0.as_str(), deleted.0.as_str()), ("SYS.1007", "SYS.1007"));
    }
}
