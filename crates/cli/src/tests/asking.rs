//! What is asked before something is gone, and how a failure is told to programs.

use serde_json::{Value, json};

use super::{Fake, JOB, Reply, failed, job, rows, run};
use crate::exit::Exit;

const STORAGE: &str = "70a0618804864b3dabe8be9824c8028c";

/// A server with one storage, and so much in its trash.
fn with_trash(items: usize) -> Fake {
    Fake::start(move |asked, _| match asked.method.as_str() {
        "GET" if asked.path.contains("/trash") => {
            rows((1..=items).map(|id| json!({"trashId": id, "size": 1 << 20})).collect())
        }
        "GET" if asked.path.contains("/volumes") => rows(vec![]),
        "GET" => rows(vec![json!({"uuid": STORAGE, "name": "fast"})]),
        _ => Reply::Json(200, json!({"result": {"size": 1 << 20}, "results": [{"success": true}]})),
    })
}

#[tokio::test]
async fn trash_is_cleaned_by_a_script_only_where_it_says_yes() {
    for of in [["storage", "trash"].as_slice(), &["image", "storage", "trash"]] {
        for more in [[].as_slice(), &["--id", "2"]] {
            let fake = with_trash(2);
            let words = [of, &["clean", "fast"], more].concat();
            let ran = run(&fake, &words).await;
            assert_eq!(ran.exit, Exit::Usage, "{words:?}");
            assert!(
                ran.err.contains("items of trash (2 MiB)") || ran.err.contains("1 item of trash (1 MiB)")
            );
            assert!(ran.err.contains("--yes"), "{}", ran.err);
            assert!(fake.asked().iter().all(|a| a.method == "GET"), "nothing was cleaned");
            let ran = run(&fake, &[words.as_slice(), &["--yes"]].concat()).await;
            assert_eq!(
                (ran.exit, ran.out.as_str()),
                (Exit::Ok, "deleted 1 item, 1 MiB freed\n"),
                "{}",
                ran.err
            );
        }
    }
    assert_eq!(run(&with_trash(0), &["storage", "trash", "clean", "fast"]).await.exit, Exit::Ok);
}

#[tokio::test]
async fn a_storage_whose_trash_is_forgotten_with_it_goes_only_after_that_was_told() {
    for of in [["storage"].as_slice(), &["image", "storage"]] {
        let words = [of, &["delete", "fast"]].concat();
        let fake = with_trash(3);
        let ran = run(&fake, &words).await;
        assert_eq!(ran.exit, Exit::Usage);
        assert!(ran.err.contains("also forget 3 items of trash (3 MiB), whose files stay"), "{}", ran.err);
        assert!(fake.asked().iter().all(|a| a.method == "GET"), "nothing was deleted");
        assert_eq!(run(&fake, &[words.as_slice(), &["--with-trash"]].concat()).await.exit, Exit::Ok);
        assert_eq!(run(&with_trash(0), &words).await.exit, Exit::Ok, "nothing else goes");
    }
}

#[tokio::test]
async fn a_storage_that_holds_volumes_is_refused_before_its_trash_is_asked_about() {
    let fake = Fake::start(|asked, _| {
        let row = |uuid: &str, name: &str| rows(vec![json!({"uuid": uuid, "name": name})]);
        match asked.method.as_str() {
            "GET" if asked.path.contains("/trash") => rows(vec![json!({"trashId": 1, "size": 5})]),
            "GET" if asked.path.contains("/volumes") => row(JOB, "db"),
            _ => row(STORAGE, "fast"),
        }
    });
    let ran = run(&fake, &["storage", "delete", "fast"]).await;
    assert_eq!(ran.exit, Exit::Failed, "{}", ran.err);
    for part in ["still holds volumes", JOB, "db", &format!("longhaul volume list --storage {STORAGE}")] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
    assert!(!ran.err.contains("--with-trash"), "{}", ran.err);
    let asked = fake.asked();
    assert!(asked.iter().all(|a| a.method == "GET"), "nothing was deleted");
    let volumes = asked.iter().find(|a| a.path.contains("/volumes")).expect("a question");
    assert!(volumes.path.contains(&format!("q=primaryStorageUuid%3D{STORAGE}")), "{volumes:?}");
}

fn last_line(err: &str) -> Value {
    err.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("the last line is JSON")
}

#[tokio::test]
async fn with_json_output_a_failure_is_one_line_of_json_on_stderr() {
    let fake = Fake::start(|_, _| failed(403, "ID.1002", "not yours"));
    let ran = run(&fake, &["-o", "json", "job", "list"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Denied, ""));
    assert_eq!(
        last_line(&ran.err),
        json!({
            "error": {"code": "ID.1002", "description": "described", "details": "not yours"},
            "exit": 4, "whatToDo": "log in as the owner or as admin",
        })
    );
    let fake = Fake::start(|_, _| rows(vec![]));
    let told = last_line(&run(&fake, &["-o", "json", "volume", "show", "db"]).await.err);
    assert_eq!((&told["error"]["code"], &told["exit"]), (&json!("SYS.1003"), &json!(3)));
}

#[tokio::test]
async fn with_json_output_a_failed_job_is_told_with_its_cause_beside_its_object() {
    let result = json!({"code": "SYS.1006", "detail": "not writable", "cause": "EROFS"});
    let fake = Fake::start(move |_, _| {
        let mut row = job("Failed");
        row["jobResult"] = json!(result.to_string());
        rows(vec![row])
    });
    let ran = run(&fake, &["-o", "json", "job", "wait", JOB]).await;
    assert_eq!((ran.exit, &ran.json()["state"]), (Exit::JobFailed, &json!("Failed")));
    let told = last_line(&ran.err);
    assert_eq!(
        (&told["error"]["code"], &told["error"]["details"]),
        (&json!("SYS.1006"), &json!("not writable"))
    );
    assert_eq!(told["error"]["cause"]["description"], "EROFS");
    assert_eq!(told["exit"], 5);
    let running = Fake::start(|_, _| rows(vec![job("Running")]));
    let ran = run(&running, &["-o", "json", "job", "wait", JOB, "--timeout", "1s"]).await;
    assert_eq!((ran.exit, &last_line(&ran.err)["error"]["code"]), (Exit::TimedOut, &json!("CLI.1007")));
}
