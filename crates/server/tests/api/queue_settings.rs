//! What the settings say of the queue, seen from outside: limits over all nodes, and which jobs are kept that have ended.
//! What a submitter asks for is in `queue`.

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, submission};
use crate::support::{Caller, Server, until, uuid};

fn of_type(caller: &Caller, job_name: &str, data: &Value) -> String {
    let id = uuid();
    let mut body = submission(&id, data);
    body["params"]["jobName"] = json!(job_name);
    caller.post("/longjobs", &body).ok();
    id
}

/// Lets the janitor make a round now, as any changed configuration does.
fn sweep(admin: &Caller) {
    let body = json!({"updateGlobalConfig": {"value": "60"}});
    admin.put("/global-configurations/longhaul/drainSeconds/actions", &body).ok();
}

#[test]
fn a_type_or_an_account_at_its_limit_waits_and_is_passed_until_a_start_says_otherwise() {
    let limits = ["--set", "limits.types=APISimulateJobMsg=1", "--set", "limits.eachAccount=2"];
    let server = Server::start("fast", &limits);
    let (admin, other) = (server.admin(), server.account("other"));
    let forever = json!({"durationMs": FOREVER_MS});
    let first = of_type(&admin, "APISimulateJobMsg", &forever);
    admin.wait_for(&first, "Running");
    let full_type = of_type(&other, "APISimulateJobMsg", &forever);
    let passes = of_type(&admin, "APISimulateRigidJobMsg", &forever);
    admin.wait_for(&passes, "Running");
    let full_account = of_type(&admin, "APISimulateRigidJobMsg", &forever);
    let passes_too = of_type(&other, "APISimulateRigidJobMsg", &json!({"durationMs": 0}));
    other.wait_for(&passes_too, "Succeeded");
    assert_eq!((other.state(&full_type), admin.state(&full_account)), ("Waiting".into(), "Waiting".into()));
    admin.act(&first, "cancelLongJob", &json!({})).ok();
    for id in [&full_type, &full_account] {
        admin.wait_for(id, "Running");
    }

    let next = of_type(&other, "APISimulateJobMsg", &forever);
    let mut server = server.killed_and_started_again(&[]);
    if !server.rows_with("APISimulateJobMsg").is_empty() {
        // A database has other nodes, which may have set them: they stay until a start says otherwise.
        assert!(server.log().contains("that are in force stay so"), "{}", server.log());
        assert_eq!(server.admin().state(&next), "Waiting");
        server = server.killed_and_started_again(&["--set", "limits.types="]);
    }
    server.admin().wait_for(&next, "Running");
}

#[test]
fn of_jobs_that_have_ended_the_newest_are_kept_and_those_that_have_not_all() {
    let server =
        Server::start("fast", &["--set", "retention.jobs=2", "--set", "engine.maxRunningSimulator=1"]);
    let admin = server.admin();
    let ended: Vec<_> = std::iter::repeat_with(|| {
        let id = admin.submit(&json!({"durationMs": 0}));
        admin.wait_for(&id, "Succeeded");
        id
    })
    .take(4)
    .collect();
    let forever = json!({"durationMs": FOREVER_MS});
    let open = [admin.submit(&forever), admin.submit(&forever)];
    sweep(&admin);
    until("two are gone", || ended[..2].iter().all(|id| admin.job(id).is_none()).then_some(()));
    sweep(&admin);
    for id in ended[2..].iter().chain(&open) {
        assert!(admin.job(id).is_some(), "{id}");
    }
    let gone = &ended[0];
    assert_eq!(admin.get(&format!("/longjobs/{gone}/timeline")).error().0, "SYS.1003");
}

#[test]
fn a_job_that_ended_long_enough_ago_is_removed() {
    let server = Server::start("fast", &["--set", "retention.seconds=1"]);
    let admin = server.admin();
    let open = admin.submit(&json!({"durationMs": FOREVER_MS}));
    let id = admin.submit(&json!({"durationMs": 0}));
    until("it is gone", || {
        sweep(&admin);
        admin.job(&id).is_none().then_some(())
    });
    admin.wait_for(&open, "Running");
}
