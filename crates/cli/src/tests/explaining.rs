//! `job explain`, and the reason of a wait where a job is shown.

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, failed, job, rows, run};
use crate::exit::Exit;

/// A storage's uuid.
const STORAGE: &str = "70a0618804864b3dabe8be9824c8028c";

fn explanation() -> Value {
    json!({
        "uuid": JOB, "state": "Waiting",
        "reasons": [
            {"reason": "behind", "sentence": "it waits for the job 1234, which is Running"},
            {"reason": "limit", "sentence": "3 jobs of the type A run, and 3 may"},
        ],
        "onCancel": "ends it at once", "onRestart": "changes nothing", "onNodeLoss": "changes nothing",
    })
}

fn server(state: &'static str) -> Fake {
    Fake::start(move |asked: &Asked, _| match asked.path.rsplit('/').next() {
        Some("explain") => Reply::Json(200, explanation()),
        Some(last) if last.starts_with("timeline") => rows(vec![]),
        _ if asked.path.contains("/task-progresses/") => rows(vec![]),
        _ if asked.path.contains("/longjobs/") => rows(vec![job(state)]),
        _ => rows(vec![]),
    })
}

#[tokio::test]
async fn every_reason_is_told_and_what_would_become_of_the_job() {
    let fake = server("Waiting");
    let ran = run(&fake, &["job", "explain", JOB]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    for line in [
        format!("job {JOB} is Waiting\n"),
        "  it waits for the job 1234, which is Running\n  3 jobs of the type A run, and 3 may\n".to_owned(),
        "a cancel                 ends it at once\n".to_owned(),
        "the loss of its node     changes nothing\n".to_owned(),
    ] {
        assert!(ran.out.contains(&line), "{line} in\n{}", ran.out);
    }
    assert!(!ran.out.contains("deadline"), "it has none: {}", ran.out);
    assert_eq!(run(&fake, &["-o", "json", "job", "explain", JOB]).await.json(), explanation());
}

#[tokio::test]
async fn a_job_that_waits_is_shown_with_why_and_one_that_has_ended_is_not_asked_about() {
    let ran = run(&server("Waiting"), &["job", "show", JOB]).await;
    assert!(ran.out.contains("why      it waits for the job 1234, which is Running\n"), "{}", ran.out);
    let ended = server("Succeeded");
    let ran = run(&ended, &["job", "show", JOB]).await;
    assert!(!ran.out.contains("why"), "{}", ran.out);
    assert!(ended.asked().iter().all(|asked| !asked.path.ends_with("/explain")));
}

#[tokio::test]
async fn calls_of_the_api_are_told_as_the_commands_that_make_them() {
    let calls = [
        ("resumeLongJob", "`longhaul job resume`"),
        ("suspendLongJob", "`longhaul job suspend`"),
        ("cancelLongJob", "`longhaul job cancel`"),
        ("rerunLongJob", "`longhaul job rerun`"),
        ("throttleLongJob", "`longhaul job throttle`"),
        ("undrainManagementNode", "`longhaul node undrain`"),
    ];
    for (call, command) in calls {
        let fake = Fake::start(move |asked: &Asked, _| match asked.path.ends_with("/explain") {
            true => {
                let sentence = format!("held; {call} lets it go on: {call}s, {call}");
                Reply::Json(200, json!({"reasons": [{"reason": "held", "sentence": sentence}]}))
            }
            false if asked.path.contains("/longjobs/") && !asked.path.contains("timeline") => {
                rows(vec![job("Waiting")])
            }
            false => rows(vec![]),
        });
        let told = format!("held; {command} lets it go on: {call}s, {command}\n");
        for words in [["job", "explain", JOB], ["job", "show", JOB]] {
            let ran = run(&fake, &words).await;
            assert!(ran.out.contains(&told), "{words:?}: {}", ran.out);
        }
        let raw = run(&fake, &["-o", "json", "job", "explain", JOB]).await;
        assert!(raw.out.contains(call) && !raw.out.contains("longhaul job"), "{}", raw.out);
    }
}

#[tokio::test]
async fn a_job_that_never_began_is_shown_without_a_time_that_it_took() {
    for (kinds, took) in
        [(vec!["submitted", "failed"], false), (vec!["submitted", "started", "failed"], true)]
    {
        let fake = Fake::start(move |asked: &Asked, _| {
            if asked.path.contains("/timeline") {
                return rows(kinds.iter().map(|kind| json!({"seq": 1, "kind": kind})).collect());
            }
            let mut job = job("Failed");
            job["executeTime"] = Value::from(1);
            rows(if asked.path.contains("/longjobs/") { vec![job] } else { vec![] })
        });
        let ran = run(&fake, &["job", "show", JOB]).await;
        assert_eq!(ran.out.contains("took     1 s\n"), took, "{}", ran.out);
    }
}

#[tokio::test]
async fn the_free_space_of_a_storage_that_nobody_reaches_is_told_as_of_the_past() {
    for (status, free, why) in
        [("Connected", "free       1 GiB\n", false), ("Disconnected", "free       was 1 GiB\n", true)]
    {
        let fake = Fake::start(move |asked: &Asked, _| {
            if asked.path.contains("bandwidths") {
                return rows(vec![]);
            }
            rows(vec![json!({
                "uuid": STORAGE, "name": "fast", "type": "LocalStorage", "state": "Enabled", "status": status,
                "availableCapacity": 1_u64 << 30, "totalCapacity": 2_u64 << 30, "url": "/disks",
            })])
        });
        let shown = run(&fake, &["storage", "show", STORAGE]).await;
        assert!(shown.out.contains(free), "{}{}", shown.out, shown.err);
        assert_eq!(shown.out.contains("no node of its host is up"), why, "{}", shown.out);
        let listed = run(&fake, &["storage", "list"]).await.out;
        assert_eq!((listed.contains("was 1 GiB"), listed.contains("2 GiB")), (why, true), "{listed}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_explain_is_no_reason_to_fail() {
    let fake = Fake::start(|asked: &Asked, _| match asked.path.ends_with("/explain") {
        true => failed(404, "SYS.1003", "no such API"),
        false if asked.path.contains("/longjobs/") => rows(vec![job("Waiting")]),
        false => rows(vec![]),
    });
    assert_eq!(run(&fake, &["job", "show", JOB]).await.exit, Exit::Ok);
    assert_eq!(run(&fake, &["job", "explain", JOB]).await.exit, Exit::NotFound);
}
