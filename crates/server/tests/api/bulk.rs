//! Many submissions in one call: each is answered by itself, as the call that submits it alone.

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, data, submission};
use crate::support::{Caller, Kind, Server, uuid};

/// The parameters of one simulated job.
fn job(id: &str) -> Value {
    submission(id, &json!({"durationMs": FOREVER_MS}))["params"].clone()
}

fn send(caller: &Caller, jobs: &[Value]) -> Vec<Value> {
    let answer = caller.post("/longjobs/bulk", &json!({"params": {"jobs": jobs}})).ok();
    assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1), "{answer}");
    answer["results"].as_array().expect("results").clone()
}

fn outcomes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["outcome"].as_str().expect("an outcome")).collect()
}

#[test]
fn each_job_of_a_call_is_answered_in_its_order_and_stands_by_itself() {
    for server in Server::both(&NOTHING_STARTS) {
        for caller in server.admins() {
            let (good, other) = (uuid(), uuid());
            let jobs = [
                job(&good),
                json!({"jobName": "NoSuchJob", "jobData": "{}"}),
                json!({"jobName": "APISimulateJobMsg", "jobData": "{"}),
                json!({"jobData": "{}"}),
                json!({"jobName": "APISimulateJobMsg", "jobData": {"durationMs": 1}}),
                json!({"jobName": "APISimulateJobMsg", "jobData": "{}", "systemTags": ["no::such::tag"]}),
                json!({"jobName": "APISimulateJobMsg", "jobData": "{}", "resourceUuid": "short"}),
                json!("a job"),
                Value::Null,
                job(&other),
                job(&good),
                submission(&good, &data("Failed"))["params"].clone(),
            ];
            let results = send(&caller, &jobs);
            let (c, f) = ("created", "failed");
            assert_eq!(outcomes(&results), [c, f, f, f, f, f, f, f, f, c, "same", f], "{:?}", caller.kind);
            let code = |at: usize| results[at]["error"]["code"].as_str().expect("a code");
            assert!((1..9).all(|at| code(at) == "SYS.1007"), "{results:?}");
            assert_eq!((code(11), &results[11]["uuid"]), ("LONG_JOB.1100", &json!(good)));
            assert_eq!((&results[0]["uuid"], &results[0]["state"]), (&json!(good), &json!("Waiting")));
            let stored = caller.job(&good).expect("stored");
            assert_eq!(results[0]["apiId"], stored["apiId"]);
            assert_eq!(stored["name"], "a job");
        }
    }
}

#[test]
fn a_refusal_in_a_call_reads_as_the_refusal_of_the_job_alone() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    for bad in [
        json!({"jobName": "NoSuchJob", "jobData": "{}"}),
        json!({"jobName": "APISimulateJobMsg", "jobData": "{\"durationMs\":-1}"}),
        json!({"jobName": "APISimulateJobMsg", "jobData": "{}", "name": "n".repeat(256)}),
        json!({"jobName": "APISimulateJobMsg", "jobData": "{}", "tagUuids": [uuid()]}),
        json!({"jobName": 7, "jobData": "{}"}),
    ] {
        let alone = admin.post("/longjobs", &json!({"params": bad})).last.json();
        assert_eq!(send(&admin, std::slice::from_ref(&bad))[0]["error"], alone["error"], "{bad}");
    }
}

#[test]
fn tags_of_each_job_are_its_own_and_secrets_are_masked() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    let ids = [uuid(), uuid()];
    let mut jobs = ids.clone().map(|id| job(&id));
    jobs[0]["userTags"] = json!(["nightly"]);
    jobs[1]["jobData"] = json!("{\"password\":\"hunter22\"}");
    send(&admin, &jobs);
    let tagged = admin.get("/longjobs?q=__userTag__=nightly&fields=uuid").ok()["inventories"].clone();
    assert_eq!(tagged, json!([{"uuid": ids[0]}]));
    let shown = admin.job(&ids[1]).expect("the job")["jobData"].to_string();
    assert!(shown.contains("******") && !shown.contains("hunter22"), "{shown}");
}

#[test]
fn a_call_sent_again_is_the_same_jobs() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    let jobs: Vec<Value> = (0..1000).map(|_| job(&uuid())).collect();
    assert!(send(&admin, &jobs).iter().all(|result| result["outcome"] == "created"));
    assert!(send(&admin, &jobs).iter().all(|result| result["outcome"] == "same"));
    assert_eq!(admin.get("/longjobs?count=true").ok()["total"], 1000);
}

#[test]
fn what_is_submitted_by_the_batch_runs_in_its_order_and_a_uuid_of_somebody_elses_is_refused() {
    let server = Server::start("fast", &[]);
    let (admin, owner) = (server.admin(), server.account("owner"));
    let taken = admin.submit(&json!({"durationMs": FOREVER_MS}));
    let ids: Vec<String> = (0..20).map(|_| uuid()).collect();
    let mut jobs: Vec<Value> =
        ids.iter().map(|id| submission(id, &json!({"durationMs": 0}))["params"].clone()).collect();
    jobs.push(job(&taken));
    let results = send(&owner, &jobs);
    assert_eq!(results[20]["error"]["code"], "LONG_JOB.1100");
    assert_eq!(results[20]["state"], Value::Null, "nothing is told of it");
    for id in &ids {
        owner.wait_for(id, "Succeeded");
    }
}

#[test]
fn a_dry_run_checks_each_and_stores_nothing() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let body = json!({
            "params": {"jobs": [job(&uuid()), {"jobName": "NoSuchJob", "jobData": "{}"}]},
            "systemTags": ["validationOnly"],
        });
        let results =
            admin.post("/longjobs/bulk", &body).ok()["results"].as_array().expect("results").clone();
        assert_eq!(outcomes(&results), ["checked", "failed"]);
        assert_eq!(results[0]["plan"]["durationMs"], FOREVER_MS);
        assert_eq!(admin.get("/longjobs?count=true").ok()["total"], 0);
    }
}

#[test]
fn no_jobs_too_many_and_no_list_are_refused_as_a_whole() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    for (jobs, told) in [
        (json!([]), "1 to 1000 elements"),
        (json!(vec![Value::Null; 1001]), "send further ones in a further call"),
        (Value::Null, "field[jobs]"),
        (json!("x"), "a list"),
        (json!({}), "a list"),
    ] {
        let (code, details) = admin.post("/longjobs/bulk", &json!({"params": {"jobs": jobs}})).error();
        assert_eq!(code, "SYS.1007");
        assert!(details.contains(told), "{told}: {details}");
    }
    let body = json!({"params": {"jobs": [job(&uuid())]}, "systemTags": ["longhaul::throttle::1048576"]});
    assert_eq!(admin.post("/longjobs/bulk", &body).error().0, "SYS.1007", "tags belong to the jobs");
    assert_eq!(admin.get("/longjobs?count=true").ok()["total"], 0);
    let java = admin.as_kind(Kind::Java);
    assert_eq!(send(&java, &[job(&uuid())]).len(), 1);
}
