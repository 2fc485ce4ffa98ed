//! `job explain`, and the reason of a wait where a job is shown.

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, failed, job, rows, run};
use crate::exit::Exit;

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
async fn a_server_that_does_not_explain_is_no_reason_to_fail() {
    let fake = Fake::start(|asked: &Asked, _| match asked.path.ends_with("/explain") {
        true => failed(404, "SYS.1003", "no such API"),
        false if asked.path.contains("/longjobs/") => rows(vec![job("Waiting")]),
        false => rows(vec![]),
    });
    assert_eq!(run(&fake, &["job", "show", JOB]).await.exit, Exit::Ok);
    assert_eq!(run(&fake, &["job", "explain", JOB]).await.exit, Exit::NotFound);
}
