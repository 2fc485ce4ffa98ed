//! Following a job: lines, limits, a server that goes away, and what each end means.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, TOKEN, failed, job, progress, rows, run, run_with};
use crate::client::Client;
use crate::config::Env;
use crate::exit::Exit;
use crate::pause::moment;
use crate::watch::{End, Follow, Lines, Show, follow, follow_job};

/// Answers the job in these states, one after the other, the last one for ever; `None` drops the connection.
fn going_through(states: Vec<Option<Value>>) -> Fake {
    explained("slot", "it waits for a slot", states)
}

/// The same, each time with this reason.
fn explained(reason: &'static str, sentence: &'static str, states: Vec<Option<Value>>) -> Fake {
    let step = std::sync::atomic::AtomicUsize::new(0);
    Fake::start(move |asked: &Asked, _| {
        if asked.path.contains("/task-progresses/") {
            return Reply::Json(200, progress(35, "copying"));
        }
        if asked.path.ends_with("/explain") {
            return Reply::Json(200, json!({"reasons": [{"reason": reason, "sentence": sentence}]}));
        }
        let at = step.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(states.len() - 1);
        match &states[at] {
            Some(job) => rows(vec![job.clone()]),
            None => Reply::Drop,
        }
    })
}

fn client(fake: &Fake) -> Client {
    Client::new(&fake.url, Some(TOKEN.to_owned())).expect("an address")
}

fn ended(state: &str, result: &Value) -> Value {
    let mut job = job(state);
    job["jobResult"] = Value::from(result.to_string());
    job["executeTime"] = Value::from(75);
    job
}

#[tokio::test]
async fn where_there_is_no_terminal_each_change_is_a_line() {
    let done = ended("Succeeded", &json!({"success": true}));
    let running = || Some(job("Running"));
    let fake = going_through(vec![Some(job("Waiting")), running(), running(), Some(done)]);
    let mut text = Vec::new();
    let followed = follow(&client(&fake), JOB, &Follow::default(), &mut Lines::new(&mut text)).await;
    assert_eq!(followed.map(|f| f.end), Ok(End::Final));
    assert_eq!(
        String::from_utf8(text).as_deref(),
        Ok(
            "nightly:  35%  Waiting: it waits for a slot\nnightly:  35%  copying  1 GiB of 3 GiB  100 MiB/s  20 s left\nnightly: Succeeded in 1 min 15 s\n"
        )
    );
}

#[tokio::test]
async fn a_server_that_goes_away_for_a_while_does_not_end_the_watching() {
    let fake = going_through(vec![Some(job("Running")), None, None, Some(ended("Succeeded", &json!({})))]);
    let mut text = Vec::new();
    let followed = follow(&client(&fake), JOB, &Follow::default(), &mut Lines::new(&mut text)).await;
    assert!(followed.is_ok());
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text.matches("trying again").count(), 1, "told once: {text}");
}

#[tokio::test]
async fn a_server_that_stays_away_ends_it() {
    let fake = going_through(vec![Some(job("Running")), None]);
    let how = Follow { show: Show::Nothing, away: Duration::from_millis(300), ..Follow::default() };
    let error = follow_job(&client(&fake), JOB, &how).await.expect_err("it is away");
    assert_eq!(error.exit(), Exit::Unreachable);
}

#[tokio::test]
async fn a_wait_with_a_time_ends_in_time_though_the_server_was_never_there() {
    let ran = run_with(
        Env { token: Some(TOKEN.to_owned()), ..Env::default() },
        Some("http://127.0.0.1:1"),
        &["job", "wait", JOB, "--timeout", "1s"],
    );
    assert_eq!(ran.await.exit, Exit::Unreachable);
}

#[tokio::test]
async fn a_job_that_stays_suspended_ends_the_following_and_says_so() {
    let fake = going_through(vec![Some(job("Suspended"))]);
    let how =
        Follow { show: Show::Nothing, suspended: Some(Duration::from_millis(200)), ..Follow::default() };
    let followed = follow_job(&client(&fake), JOB, &how).await;
    assert_eq!(followed.map(|f| f.end), Ok(End::Suspended));
}

#[tokio::test]
async fn a_job_that_only_somebody_lets_go_on_ends_the_wait_within_seconds_and_says_how() {
    for (state, reason, told) in [
        ("Suspended", "suspendedByUser", "stays Suspended"),
        ("Suspended", "interrupted", "stays Suspended"),
        ("Waiting", "held", "stays held"),
    ] {
        let fake = explained(reason, "somebody did it; resumeLongJob lets it go on", vec![Some(job(state))]);
        let began = moment();
        let ran = run(&fake, &["job", "wait", JOB]).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{reason}: {:?}", began.elapsed());
        assert_eq!(ran.exit, Exit::JobSuspended, "{}", ran.err);
        for part in [told, "`longhaul job resume` lets it go on", &format!("longhaul job resume {JOB}")] {
            assert!(ran.err.contains(part), "{reason}, {part}: {}", ran.err);
        }
    }
}

#[tokio::test]
async fn a_job_that_is_tried_again_by_itself_is_waited_for_and_so_is_one_that_only_waits() {
    for (state, reason) in [("Suspended", "retried"), ("Waiting", "slot")] {
        let fake = explained(reason, "it goes on by itself", vec![Some(job(state))]);
        let how = Follow {
            suspended: Some(Duration::from_millis(100)),
            timeout: Some(Duration::from_secs(1)),
            show: Show::Nothing,
            ..Follow::default()
        };
        let followed = follow_job(&client(&fake), JOB, &how).await;
        assert_eq!(followed.map(|f| f.end), Ok(End::TimedOut), "{reason}");
    }
}

#[tokio::test]
async fn a_wait_whose_time_is_over_while_the_job_is_stopped_says_that_and_advises_a_resume() {
    for (state, reason, told) in
        [("Suspended", "storageAway", "the job is Suspended"), ("Waiting", "held", "the job is held")]
    {
        let fake = explained(reason, "it stands", vec![Some(job(state))]);
        let ran = run(&fake, &["job", "wait", JOB, "--timeout", "1s"]).await;
        assert_eq!(ran.exit, Exit::TimedOut, "{}", ran.err);
        assert!(ran.err.contains(told) && ran.err.contains("it stands"), "{}", ran.err);
        assert!(ran.err.contains(&format!("longhaul job resume {JOB}")), "{}", ran.err);
        assert!(!ran.err.contains("the job goes on"), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_running_job_that_nobody_works_on_is_watched_with_the_reason() {
    for state in ["Running", "Canceling"] {
        let mut left = job(state);
        left["managementNodeUuid"] = Value::Null;
        let states = vec![Some(left), Some(ended("Canceled", &json!({})))];
        let fake = explained("hostAway", "its host has no node", states);
        let ran = run(&fake, &["job", "watch", JOB]).await;
        assert_eq!(ran.exit, Exit::JobCanceled, "{}", ran.err);
        assert!(fake.asked().iter().any(|asked| asked.path.ends_with("/explain")), "{state}");
    }
    let mut left = job("Running");
    left["managementNodeUuid"] = Value::Null;
    let fake =
        explained("hostAway", "its host has no node", vec![Some(left), Some(ended("Canceled", &json!({})))]);
    let mut text = Vec::new();
    let followed = follow(&client(&fake), JOB, &Follow::default(), &mut Lines::new(&mut text)).await;
    assert!(followed.is_ok());
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("copying") && text.contains("  its host has no node\n"), "{text}");
}

#[tokio::test]
async fn each_end_has_its_exit_code() {
    let fake = going_through(vec![Some(job("Running")), Some(ended("Succeeded", &json!({})))]);
    assert_eq!(run(&fake, &["job", "wait", JOB]).await.exit, Exit::Ok);
    let fake = going_through(vec![Some(ended("Canceled", &json!({"detail": "canceled"})))]);
    assert_eq!(run(&fake, &["job", "watch", JOB]).await.exit, Exit::JobCanceled);
    let fake = going_through(vec![Some(job("Running"))]);
    let ran = run(&fake, &["job", "wait", JOB, "--timeout", "1s"]).await;
    assert_eq!(ran.exit, Exit::TimedOut);
    assert!(ran.err.contains("the job goes on"), "{}", ran.err);
}

#[tokio::test]
async fn a_failed_job_tells_code_details_and_cause_on_stderr_and_ends_with_5() {
    let result = json!({"code": "SYS.1006", "detail": "the target is not writable", "cause": "EROFS"});
    let fake = going_through(vec![Some(ended("Failed", &result))]);
    let ran = run(&fake, &["job", "wait", JOB]).await;
    assert_eq!(
        (ran.exit, ran.out.as_str()),
        (Exit::JobFailed, &*format!("job {JOB} ended Failed in 1 min 15 s\n"))
    );
    assert!(
        ran.err.starts_with(&format!(
            "error: the job {JOB} ended Failed (SYS.1006)\n  the target is not writable\n  caused by: EROFS\n  what to do: "
        )),
        "{}",
        ran.err
    );
    assert!(ran.err.contains(&format!("longhaul job rerun {JOB}")));
}

#[tokio::test]
async fn a_job_that_is_not_there_ends_with_3() {
    let fake = Fake::start(|_, _| rows(vec![]));
    assert_eq!(run(&fake, &["job", "wait", JOB]).await.exit, Exit::NotFound);
    let fake = Fake::start(|_, _| failed(401, "ID.1001", "Session expired"));
    assert_eq!(run(&fake, &["job", "wait", JOB]).await.exit, Exit::Denied);
}

#[tokio::test]
async fn who_waits_silently_lets_the_server_wait_and_who_watches_does_not() {
    let of = |words: &'static [&'static str]| async move {
        let fake = going_through(vec![Some(job("Running")), Some(ended("Succeeded", &json!({})))]);
        assert_eq!(run(&fake, words).await.exit, Exit::Ok);
        fake.asked()
            .into_iter()
            .map(|asked| asked.path)
            .filter(|path| !path.contains("task"))
            .collect::<Vec<_>>()
    };
    // The first look is to know how it stands.
    let looked = format!("/zstack/v1/longjobs/{JOB}");
    let waited = format!("{looked}?wait=3000ms");
    assert_eq!(of(&["job", "wait", JOB]).await, [looked, waited]);
    let short = of(&["--request-timeout", "4s", "job", "wait", JOB, "--timeout", "60s"]).await;
    assert!(short[1].ends_with("?wait=2000ms"), "half of the time of a request: {short:?}");
    assert!(of(&["job", "watch", JOB]).await.iter().all(|path| !path.contains("wait")));
}

#[tokio::test]
async fn a_failure_of_the_request_itself_is_not_advised_to_be_run_again() {
    for (code, advice) in [("SYS.1006", "longhaul job rerun"), ("SYS.1007", "submit another request")] {
        let fake = going_through(vec![Some(ended("Failed", &json!({"code": code, "detail": "no"})))]);
        let ran = run(&fake, &["job", "wait", JOB]).await;
        assert!(ran.err.contains(advice), "{advice}: {}", ran.err);
    }
}

#[tokio::test]
async fn progress_that_says_nothing_yet_is_no_zero_percent() {
    let steps = std::sync::atomic::AtomicUsize::new(0);
    let fake = Fake::start(move |asked: &Asked, _| {
        if asked.path.contains("/task-progresses/") {
            let nothing = json!({"inventories": [{"content": "0", "opaque": {"stage": ""}}]});
            return Reply::Json(200, nothing);
        }
        if asked.path.contains("/explain") || asked.path.contains("/timeline") {
            return rows(vec![]);
        }
        let step = steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        rows(vec![if step < 2 { job("Running") } else { ended("Succeeded", &json!({})) }])
    });
    let shown = run(&fake, &["job", "show", JOB]).await;
    assert!(shown.out.contains("Running") && !shown.out.contains('%'), "{}", shown.out);
    let mut text = Vec::new();
    let followed = follow(&client(&fake), JOB, &Follow::default(), &mut Lines::new(&mut text)).await;
    assert!(followed.is_ok());
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text, "nightly: Running\nnightly: Succeeded in 1 min 15 s\n");
}
