//! Commands of the groups: what they send and print.

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use super::{Asked, Fake, JOB, Reply, TestCli, failed, job, rows, run};
use crate::exit::Exit;
use crate::lookup::is_uuid;
use crate::reference_markdown;

const VOLUME: &str = "45a53d3d93384433add8ead7616586cf";
const STORAGE: &str = "70a0618804864b3dabe8be9824c8028c";

#[tokio::test]
async fn a_submit_whose_connection_is_lost_is_sent_again_under_the_same_uuid() {
    let fake = Fake::start(|asked, number| match number {
        0 => Reply::Drop,
        1 => failed(503, "SYS.1010", "not stored"),
        _ => {
            let mut answer = job("Running");
            answer["uuid"] = asked.body["params"]["resourceUuid"].clone();
            Reply::Json(200, json!({"inventory": answer}))
        }
    });
    let words = [
        "job",
        "submit",
        "APISimulateJobMsg",
        "--data",
        "{\"durationMs\": 1}",
        "--system-tag",
        "longhaul::x",
    ];
    let ran = run(&fake, &words).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let asked = fake.asked();
    let asked = &asked[..3]; // then it looks whether the job type knows the data
    assert!(fake.asked().iter().skip(3).all(|a| a.method == "GET"));
    assert!(asked.iter().all(|a| a.body == asked[0].body));
    assert!(asked[0].body["params"]["resourceUuid"].as_str().is_some_and(is_uuid));
    assert_eq!(asked[0].body["params"]["jobData"], "{\"durationMs\": 1}", "as it was written");
    assert_eq!(asked[0].body["systemTags"], json!(["longhaul::x"]));
    assert_eq!(ran.err.matches("sending the same submit again").count(), 2, "{}", ran.err);
}

#[tokio::test]
async fn a_submit_warns_of_members_that_the_job_type_does_not_know() {
    let fake = Fake::start(|asked, _| {
        if asked.path.ends_with("/job-types") {
            let schema = r#"{"properties": {"durationMs": {}}}"#;
            return rows(vec![json!({"jobName": "APISimulateJobMsg", "jobDataSchema": schema})]);
        }
        Reply::Json(200, json!({"inventory": job("Running")}))
    });
    let submit = |data| ["job", "submit", "APISimulateJobMsg", "--data", data];
    let ran = run(&fake, &submit("{\"durationMS\": 1}")).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    assert_eq!(ran.err, "warning: APISimulateJobMsg ignores durationMS in its data; it knows durationMs\n");
    assert_eq!(run(&fake, &submit("{\"durationMs\": 1}")).await.err, "");
    let old = Fake::start(|asked, _| match asked.method.as_str() {
        "GET" => failed(404, "SYS.1007", "no such API"),
        _ => Reply::Json(200, json!({"inventory": job("Running")})),
    });
    let ran = run(&old, &submit("{\"durationMS\": 1}")).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Ok, ""), "a server that has no job types");
}

#[tokio::test]
async fn a_uuid_is_sent_without_its_dashes_and_capitals() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({"inventory": job("Running")})));
    let uuid = "1E9F3BB0-C5A8-4A6D-B1A2-C3D4E5F60718";
    run(&fake, &["job", "submit", "APISimulateJobMsg", "--uuid", uuid]).await;
    assert_eq!(fake.asked()[0].body["params"]["resourceUuid"], "1e9f3bb0c5a84a6db1a2c3d4e5f60718");
}

#[tokio::test]
async fn a_list_is_a_table_for_people_and_the_apis_objects_for_programs() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({"inventories": [job("Running")], "total": 7})));
    let words =
        ["job", "list", "--state", "running", "--state", "Waiting", "--q", "name~=%n%", "--limit", "1"];
    let ran = run(&fake, &words).await;
    assert_eq!(
        ran.out,
        format!(
            "UUID                              NAME     JOB                STATE    CREATED               TOOK\n\
             {JOB}  nightly  APISimulateJobMsg  Running  2026-01-02T03:04:05Z\n"
        )
    );
    assert_eq!(ran.err, "1 of 7 jobs; --limit or --all shows more\n");
    let path = fake.asked()[0].path.clone();
    for part in ["q=name%7E%3D%25n%25", "q=state%3F%3DRunning%2CWaiting", "sort=-createDate", "limit=1"] {
        assert!(path.contains(part), "{path}");
    }
    let words: Vec<&str> = ["-o", "json"].into_iter().chain(words).collect();
    assert_eq!(run(&fake, &words).await.json(), json!([job("Running")]));
}

#[tokio::test]
async fn a_job_is_shown_with_its_timeline_and_its_decoded_result() {
    let mut done = job("Succeeded");
    done["jobResult"] = Value::from("{\"success\":true}");
    let fake = Fake::start(move |asked: &Asked, _| {
        if asked.path.contains("/timeline?") {
            return rows(vec![json!({"seq": 1, "date": "d", "kind": "submitted", "actorType": "account",
                "actorUuid": "36c27e8ff05c4780bf6d2fa65700f22e", "attempt": 0, "detail": "by hand"})]);
        }
        rows(if asked.path.contains("/task-progresses/") { vec![] } else { vec![done.clone()] })
    });
    let ran = run(&fake, &["job", "show", JOB]).await;
    for part in ["state    Succeeded\n", "\"success\": true", "submitted  0        account 36c27e8f  by hand"]
    {
        assert!(ran.out.contains(part), "{part} in\n{}", ran.out);
    }
    let shown = run(&fake, &["-o", "json", "job", "show", JOB]).await.json();
    assert_eq!((&shown["jobResult"]["success"], &shown["progress"]), (&json!(true), &Value::Null));
    assert_eq!(shown["timeline"][0]["kind"], "submitted");
}

#[tokio::test]
async fn actions_are_sent_under_their_names() {
    let fake = Fake::start(|asked: &Asked, _| match asked.method.as_str() {
        "GET" => rows(vec![job("Canceling")]),
        _ if asked.body.get("cleanLongJob").is_some() || asked.method == "DELETE" => {
            Reply::Json(200, json!({}))
        }
        _ => Reply::Json(200, json!({"inventory": job("Waiting")})),
    });
    for (words, key) in [
        (vec!["job", "cancel", JOB], "cancelLongJob"),
        (vec!["job", "rerun", JOB], "rerunLongJob"),
        (vec!["job", "resume", JOB], "resumeLongJob"),
        (vec!["job", "clean", JOB], "cleanLongJob"),
        (vec!["job", "suspend", JOB], "suspendLongJob"),
        (vec!["job", "throttle", JOB, "50M"], "throttleLongJob"),
        (vec!["job", "throttle", JOB, "none"], "throttleLongJob"),
        (vec!["job", "update", JOB, "--name", "n"], "updateLongJob"),
    ] {
        let ran = run(&fake, &words).await;
        assert_eq!(ran.exit, Exit::Ok, "{key}: {}", ran.err);
        let put = fake.asked().into_iter().rfind(|a| a.method == "PUT").expect("an action");
        assert!(put.is("PUT", &format!("/zstack/v1/longjobs/{JOB}/actions")) && put.body.get(key).is_some());
    }
    assert_eq!(run(&fake, &["job", "delete", JOB]).await.exit, Exit::Ok);
    assert!(TestCli::try_parse_from(["longhaul", "job", "update", JOB]).is_err(), "nothing to change");
}

fn migration(blockers: Value) -> Fake {
    Fake::start(move |asked: &Asked, _| {
        let path = asked.path.clone();
        if asked.method == "POST" && asked.body["systemTags"][0] == "validationOnly" {
            let mut plan = json!({
                "bytes": 1_u64 << 30, "estimateSeconds": 90, "format": "qcow2", "blockers": blockers,
            });
            if asked.body["params"]["jobData"].as_str().is_some_and(|data| data.contains("\"drop\"")) {
                (plan["snapshots"], plan["droppedSnapshots"]) = (json!(3), json!(3));
            }
            Reply::Json(200, json!({"plan": plan}))
        } else if asked.method == "POST" {
            Reply::Json(200, json!({"inventory": job("Running")}))
        } else if path.contains("/volumes") {
            let named = |status: &str, uuid: &str| json!({"uuid": uuid, "name": "disk", "size": 5, "format": "raw", "status": status});
            rows(vec![named("Deleted", STORAGE), named("Ready", VOLUME)])
        } else if path.contains("/primary-storage") {
            rows(vec![json!({"uuid": STORAGE, "name": "fast"})])
        } else {
            let mut done = job("Succeeded");
            let moved = json!({"migration": {"oldInstallPath": "/a", "newInstallPath": "/b", "blake3": "af13", "bytes": 5}});
            done["jobResult"] = Value::from(moved.to_string());
            rows(vec![done])
        }
    })
}

#[tokio::test]
async fn a_volume_is_moved_by_names_as_a_long_job_and_the_proof_is_printed() {
    let fake = migration(json!([]));
    let ran = run(&fake, &["volume", "migrate", "disk", "--to", "fast", "--rate", "100M"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    for part in ["moved to   fast", "from path  /a", "to path    /b", "BLAKE3     af13"] {
        assert!(ran.out.contains(part), "{part} in\n{}", ran.out);
    }
    let sent = fake.asked().into_iter().find(|a| a.method == "POST").expect("a submit").body;
    let data: Value =
        sent["params"]["jobData"].as_str().and_then(|d| serde_json::from_str(d).ok()).expect("JSON");
    assert_eq!(data, json!({"volumeUuid": VOLUME, "dstPrimaryStorageUuid": STORAGE}));
    assert_eq!(sent["params"]["targetResourceUuid"], VOLUME);
    assert_eq!(sent["systemTags"], json!(["longhaul::throttle::104857600"]));
}

#[tokio::test]
async fn the_format_to_become_is_sent_and_another_word_is_refused_before() {
    let fake = migration(json!([]));
    let words = ["volume", "migrate", "disk", "--to", "fast", "--format", "qcow2"];
    assert_eq!(run(&fake, &words).await.exit, Exit::Ok);
    let sent = fake.asked().into_iter().find(|a| a.method == "POST").expect("a submit").body;
    let data = sent["params"]["jobData"].as_str().expect("jobData");
    let want = json!({"volumeUuid": VOLUME, "dstPrimaryStorageUuid": STORAGE, "format": "qcow2"});
    assert_eq!(serde_json::from_str::<Value>(data).expect("JSON"), want);
    let other = ["longhaul", "volume", "migrate", "disk", "--to", "fast", "--format", "vmdk"];
    assert!(TestCli::try_parse_from(other).is_err());
}

#[tokio::test]
async fn a_plan_tells_what_would_be_copied_and_ends_with_1_where_something_stands_in_the_way() {
    let ran = run(&migration(json!([])), &["volume", "migrate", "disk", "--to", "fast", "--plan"]).await;
    assert_eq!(ran.exit, Exit::Ok);
    let told = "format    qcow2, is raw now\nto copy   1 GiB\nestimate  1 min 30 s\nblockers  none\n";
    assert!(ran.out.contains(told), "{}", ran.out);
    let fake = migration(json!(["the disk is in use by pid 7"]));
    let ran = run(&fake, &["volume", "migrate", "disk", "--to", "fast", "--plan"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, "blocked: the disk is in use by pid 7\n"));
    let ran = run(&fake, &["-o", "json", "volume", "migrate", "disk", "--to", "fast", "--plan"]).await;
    assert_eq!(ran.json()["plan"]["bytes"], 1_u64 << 30);
}

#[tokio::test]
async fn snapshots_are_left_behind_only_where_that_was_said_and_the_plan_tells_how_many() {
    let fake = migration(json!([]));
    let words = ["volume", "migrate", "disk", "--to", "fast", "--plan", "--drop-snapshots"];
    let ran = run(&fake, &words).await;
    assert!(ran.out.contains("snapshots  3, of which 3 are left behind\n"), "{}", ran.out);
    let ran = run(&fake, &words[..6]).await;
    assert!(!ran.out.contains("snapshots"), "{}", ran.out);
}

#[tokio::test]
async fn a_name_that_fits_two_is_refused_with_both_uuids() {
    let two = || vec![json!({"uuid": VOLUME, "name": "a"}), json!({"uuid": STORAGE, "name": "a"})];
    let fake = Fake::start(move |_, _| rows(two()));
    let ran = run(&fake, &["storage", "scan", "a"]).await;
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains(VOLUME) && ran.err.contains(STORAGE), "{}", ran.err);
    assert_eq!(run(&fake, &["storage", "delete", "b"]).await.exit, Exit::NotFound);
}

#[tokio::test]
async fn trash_that_stays_is_told_and_ends_with_1() {
    let fake = Fake::start(|asked: &Asked, _| {
        if asked.method == "GET" {
            return rows(vec![json!({"uuid": STORAGE, "name": "fast"})]);
        }
        let kept = json!({"trashId": 2, "success": false, "error": {"code": "SYS.1006", "description": "d", "details": "in use"}});
        let results = json!([{"trashId": 1, "success": true, "size": 1024}, kept]);
        Reply::Json(200, json!({"result": {"size": 1024}, "results": results, "success": true}))
    });
    let ran = run(&fake, &["storage", "trash", "clean", "fast", "--yes"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Failed, "deleted 1 item, 1 KiB freed\n"));
    assert!(ran.err.contains("item 2 stays\nerror: d (SYS.1006)\n  in use"), "{}", ran.err);
}

#[tokio::test]
async fn completions_need_no_server_and_name_every_group() {
    let fake = Fake::start(|_, _| Reply::Drop);
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&fake, &["completions", shell]).await;
        assert_eq!(ran.exit, Exit::Ok);
        assert!(["migrate", "trash", "rerun"].iter().all(|word| ran.out.contains(word)), "{shell}");
    }
    assert!(fake.asked().is_empty());
}

#[test]
fn the_reference_has_every_command_and_every_exit_code() {
    let text = reference_markdown(&TestCli::command());
    for part in
        ["### `longhaul volume migrate`", "### `longhaul storage trash clean`", "| 130 |", "`--rate <RATE>`"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(
        text.matches("`--request-timeout <TIME>`").count(),
        1,
        "options of all commands are told once"
    );
    TestCli::command().debug_assert();
}
