//! Many jobs by one command: from a file, and by conditions.

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, Scratch, failed, job, rows, run};
use crate::exit::Exit;

/// A server that answers each job of a submission, every third one refused.
fn submitting() -> Fake {
    Fake::start(|asked: &Asked, _| {
        let jobs = asked.body["params"]["jobs"].as_array().cloned().unwrap_or_default();
        let results: Vec<Value> = jobs
            .iter()
            .map(|job| match job["name"] == "bad" {
                true => json!({"uuid": job["resourceUuid"], "outcome": "failed",
                    "error": {"code": "SYS.1007", "description": "d", "details": "no such thing"}}),
                false => json!({"uuid": job["resourceUuid"], "outcome": "created", "state": "Waiting"}),
            })
            .collect();
        Reply::Json(200, json!({"results": results}))
    })
}

fn file(lines: &[&str]) -> (Scratch, String) {
    let scratch = Scratch::new();
    let path = scratch.0.join("jobs.jsonl");
    std::fs::write(&path, lines.join("\n")).expect("a file");
    let path = path.to_str().expect("UTF-8").to_owned();
    (scratch, path)
}

#[tokio::test]
async fn every_line_of_a_file_is_submitted_and_what_is_refused_is_told_with_its_line() {
    let fake = submitting();
    let good = r#"{"jobName":"A","jobData":{"n":1}}"#;
    let bad = r#"{"jobName":"A","name":"bad"}"#;
    let (_scratch, path) = file(&[good, "", bad, good]);
    let ran = run(&fake, &["job", "submit", "--from", &path]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert_eq!(ran.out, "submitted 2 jobs, 1 refused\n");
    assert!(ran.err.contains("line 3: no such thing (SYS.1007)"), "{}", ran.err);
    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].is("POST", "/zstack/v1/longjobs/bulk"));
    let jobs = asked[0].body["params"]["jobs"].as_array().expect("jobs");
    assert_eq!((jobs.len(), &jobs[0]["jobData"]), (3, &json!("{\"n\":1}")));
    assert!(jobs.iter().all(|job| job["resourceUuid"].as_str().is_some_and(|uuid| uuid.len() == 32)));
    let shown = run(&fake, &["-o", "json", "job", "submit", "--from", &path]).await.json();
    assert_eq!(shown.as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_long_file_is_sent_in_calls_of_a_thousand() {
    let fake = submitting();
    let line = r#"{"jobName":"A"}"#;
    let (_scratch, path) = file(&vec![line; 2300]);
    let ran = run(&fake, &["job", "submit", "--from", &path]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "submitted 2300 jobs\n"));
    let sizes: Vec<usize> =
        fake.asked().iter().flat_map(|a| a.body["params"]["jobs"].as_array().map(Vec::len)).collect();
    assert_eq!(sizes, [1000, 1000, 300]);
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_reason_to_give_up_and_the_jobs_stay_the_same() {
    let fake = Fake::start(|asked: &Asked, number| {
        let jobs = asked.body["params"]["jobs"].as_array().cloned().unwrap_or_default();
        let same = |job: &Value| json!({"uuid": job["resourceUuid"], "outcome": "same", "state": "Running"});
        match number {
            0 => Reply::Drop,
            _ => Reply::Json(200, json!({"results": jobs.iter().map(same).collect::<Vec<_>>()})),
        }
    });
    let (_scratch, path) = file(&[r#"{"jobName":"A"}"#]);
    let ran = run(&fake, &["job", "submit", "--from", &path]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "submitted 0 jobs, 1 was there already\n"));
    let asked = fake.asked();
    assert_eq!(asked[0].body, asked[1].body);
}

#[tokio::test]
async fn a_mistake_in_a_file_submits_nothing() {
    let fake = submitting();
    let (_scratch, path) = file(&[r#"{"jobName":"A"}"#, "nonsense"]);
    let ran = run(&fake, &["job", "submit", "--from", &path]).await;
    assert_eq!((ran.exit, fake.asked().len()), (Exit::Usage, 0));
    assert!(ran.err.contains("line 2"), "{}", ran.err);
    let ran = run(&fake, &["job", "submit", "--from", "/nonexistent/file"]).await;
    assert_eq!((ran.exit, fake.asked().len()), (Exit::Failed, 0));
}

/// A server with so many jobs that conditions find, which it gives two at a time.
fn acting(count: u64) -> Fake {
    Fake::start(move |asked: &Asked, _| {
        let Some((_, params)) = asked.body.as_object().and_then(|body| body.iter().next()) else {
            return rows(vec![job("Canceling")]);
        };
        if params["dryRun"] == true {
            return Reply::Json(200, json!({"results": [], "matching": count}));
        }
        let from: u64 = params["cursor"].as_str().and_then(|c| c.parse().ok()).unwrap_or(0);
        let to = count.min(from + 2);
        let done = |n| json!({"uuid": format!("job-{n}"), "outcome": "done", "state": "Canceled"});
        let mut answer = json!({"results": (from..to).map(done).collect::<Vec<_>>()});
        if to < count {
            answer["cursor"] = json!(to.to_string());
        }
        Reply::Json(200, answer)
    })
}

#[tokio::test]
async fn what_conditions_find_is_counted_and_acted_on_until_there_are_no_further_ones() {
    for (action, key, told) in [
        ("cancel", "cancelLongJobs", "canceled 5 jobs\n"),
        ("rerun", "rerunLongJobs", "reran 5 jobs\n"),
        ("resume", "resumeLongJobs", "resumed 5 jobs\n"),
        ("suspend", "suspendLongJobs", "suspended 5 jobs\n"),
        ("delete", "deleteLongJobs", "deleted 5 jobs\n"),
    ] {
        let fake = acting(5);
        let words = ["job", action, "--where", "name=x", "--where", "state=Running", "--yes"];
        let ran = run(&fake, &words).await;
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, told), "{}", ran.err);
        let asked = fake.asked();
        assert_eq!(asked.len(), 1 + 3);
        assert!(asked.iter().all(|a| a.is("PUT", "/zstack/v1/longjobs/bulk")));
        assert!(asked.iter().all(|a| a.body[key]["q"] == json!(["name=x", "state=Running"])), "{key}");
    }
}

#[tokio::test]
async fn more_than_one_job_is_asked_for_and_one_is_not() {
    let many = acting(2);
    let ran = run(&many, &["job", "cancel", "--where", "name=x"]).await;
    assert_eq!((ran.exit, many.asked().len()), (Exit::Usage, 1), "only counted: there is no terminal");
    assert!(ran.err.contains("cancel 2 jobs") && ran.err.contains("--yes"), "{}", ran.err);
    let one = acting(1);
    let ran = run(&one, &["job", "cancel", "--where", "name=x"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "canceled 1 job\n"));
    let none = acting(0);
    let ran = run(&none, &["job", "delete", "--where", "name=x"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "there are 0 jobs to delete\n"));
    let dry = acting(1);
    let ran = run(&dry, &["job", "cancel", "--where", "name=x", "--dry-run"]).await;
    assert_eq!((ran.out.as_str(), dry.asked().len()), ("there is 1 job to cancel\n", 1));
    let dry = acting(7);
    let ran = run(&dry, &["job", "rerun", "--where", "name=x", "--dry-run"]).await;
    assert_eq!((ran.out.as_str(), dry.asked().len()), ("there are 7 jobs to rerun\n", 1));
}

#[tokio::test]
async fn what_is_refused_of_many_is_told_and_fails_the_command() {
    let fake = Fake::start(|asked: &Asked, _| {
        if asked.body["cancelLongJobs"]["dryRun"] == true {
            return Reply::Json(200, json!({"results": [], "matching": 2}));
        }
        let error = json!({"code": "LONG_JOB.1001", "description": "d", "details": "not now"});
        Reply::Json(
            200,
            json!({"results": [
                {"uuid": "a", "outcome": "done", "state": "Canceling"},
                {"uuid": "b", "outcome": "failed", "error": error},
            ]}),
        )
    });
    let ran = run(&fake, &["job", "cancel", "--where", "name=x", "--yes"]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert_eq!(ran.out, "canceled 1 job, 1 refused; of these 1 still being undone\n");
    assert!(ran.err.contains("job b: not now (LONG_JOB.1001)"), "{}", ran.err);
}

#[tokio::test]
async fn a_condition_on_a_state_that_there_is_not_is_refused_before_anything_is_asked() {
    for (condition, named) in [
        ("state=Foo", "Foo"),
        ("state!=running", "running"),
        ("state?=Running,Suspendet", "Suspendet"),
        ("state !?= Done", "Done"),
    ] {
        for words in [["job", "suspend", "--where", condition], ["job", "list", "--q", condition]] {
            let fake = acting(0);
            let ran = run(&fake, &words).await;
            assert_eq!((ran.exit, fake.asked().len()), (Exit::Usage, 0), "{words:?}: {}", ran.err);
            assert!(ran.err.contains(&format!("no state \"{named}\"")), "{}", ran.err);
            assert!(ran.err.contains("states are Waiting, "), "{}", ran.err);
        }
    }
    for condition in
        ["state?=Running,Suspended", "state!=Failed", "state~=Run%", "stateful=x", "name=state=x"]
    {
        let fake = acting(0);
        let ran = run(&fake, &["job", "suspend", "--where", condition]).await;
        assert_eq!((ran.exit, fake.asked().len()), (Exit::Ok, 1), "{condition}: {}", ran.err);
    }
}

#[tokio::test]
async fn a_server_without_the_call_is_told_of() {
    let fake = Fake::start(|_, _| failed(404, "SYS.1003", "no api"));
    let ran = run(&fake, &["job", "cancel", "--where", "name=x", "--yes"]).await;
    assert_eq!(ran.exit, Exit::NotFound);
    let fake = acting(3);
    assert_eq!(run(&fake, &["job", "cancel", JOB]).await.exit, Exit::Ok, "one by its uuid as before");
    assert_eq!(fake.asked()[0].path, format!("/zstack/v1/longjobs/{JOB}/actions"));
}
