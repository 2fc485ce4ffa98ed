//! What belongs to a job beside its inventory: tags, progress, timeline, ownership, secrets.
//!
//! Source: rest-api.md 1.3, 1.6 (tags), 2.3 (ownership), 6.3; design sections 4 and 7.

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, submission};
use crate::support::{Caller, Server, until, uuid};

fn found(caller: &Caller, query: &str) -> Vec<String> {
    let rows = caller.get(&format!("/longjobs?{query}")).ok()["inventories"].clone();
    rows.as_array().expect("rows").iter().map(|r| r["uuid"].as_str().expect("a uuid").to_owned()).collect()
}

#[test]
fn the_upload_image_tag_is_stored_and_found_wherever_a_client_puts_it() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let tag = |n: usize| format!("uploadImage::68b329da9893e34099c7d8ad5cb9c94{n}");
        let mut ids = Vec::new();
        // Top level (Go, the reference), inside the wrapper (Java, Python), both: then the top level counts.
        for n in 0..3 {
            let id = uuid();
            let mut body = submission(&id, &json!({"durationMs": 0}));
            if n != 1 {
                body["systemTags"] = json!([tag(n)]);
                body["userTags"] = json!([format!("mine {n}")]);
            }
            if n != 0 {
                let inside = if n == 1 { tag(1) } else { tag(9) };
                body["params"]["systemTags"] = json!([inside]);
                body["params"]["userTags"] = json!([format!("mine {}", if n == 1 { 1 } else { 9 })]);
            }
            admin.post("/longjobs", &body).ok();
            ids.push(id);
        }
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(found(&admin, &format!("q=__systemTag__={}", tag(n))), [id.as_str()]);
            assert_eq!(found(&admin, &format!("q=__userTag__=mine%20{n}")), [id.as_str()]);
        }
        assert_eq!(found(&admin, &format!("q=__systemTag__={}", tag(9))), [""; 0]);
        assert_eq!(found(&admin, "q=__systemTag__~=uploadImage::%25").len(), 3);
        assert_eq!(found(&admin, &format!("q=__systemTag__!={}", tag(0))).len(), 2);
        assert_eq!(found(&admin, "q=__systemTag__!~=uploadImage::%25").len(), 0);
        assert_eq!(found(&admin, &format!("q=__systemTag__?={},{}", tag(0), tag(1))).len(), 2);
        assert_eq!(found(&admin, &format!("q=__tagUuid__={}", uuid())), [""; 0]);
    }
}

#[test]
fn an_unknown_system_tag_is_refused_by_every_call_on_jobs_and_changes_nothing() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        let path = format!("/longjobs/{id}");
        let refused = ("SYS.1007".to_owned(), "no system tag matches noSuch::tag".to_owned());
        let mut body = submission(&uuid(), &json!({}));
        body["systemTags"] = json!(["noSuch::tag"]);
        assert_eq!(admin.post("/longjobs", &body).error(), refused);
        for action in ["updateLongJob", "rerunLongJob", "cancelLongJob", "cleanLongJob", "resumeLongJob"] {
            let mut body = json!({"systemTags": ["noSuch::tag"]});
            body[action] = json!({"name": "n"});
            assert_eq!(admin.put(&format!("{path}/actions"), &body).error(), refused, "{action}");
        }
        assert_eq!(admin.delete(&format!("{path}?systemTags=noSuch::tag")).error(), refused);
        let body = json!({"systemTags": ["noSuch::tag"]}).to_string();
        assert_eq!(admin.call("DELETE", &path, body.as_bytes()).error(), refused);
        for empty in ["uploadImage::", "uploadImage"] {
            let body = json!({"updateLongJob": {}, "systemTags": [empty]});
            assert_eq!(admin.put(&format!("{path}/actions"), &body).error().0, "SYS.1007", "{empty}");
        }
        assert_eq!(admin.job(&id).expect("the job")["name"], "a job");
    }
}

#[test]
fn tags_on_update_delete_and_rerun_are_taken_and_change_nothing() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        for action in ["updateLongJob", "rerunLongJob"] {
            let mut body = json!({"systemTags": ["uploadImage::x"], "userTags": ["y"]});
            body[action] = json!({});
            admin.put(&format!("/longjobs/{id}/actions"), &body).ok();
            admin.wait_for(&id, "Succeeded");
        }
        assert_eq!(found(&admin, "q=__systemTag__=uploadImage::x"), [""; 0]);
        assert_eq!(found(&admin, "q=__userTag__=y"), [""; 0]);
    }
}

#[test]
fn a_dry_run_checks_everything_and_stores_nothing() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = uuid();
        let mut body = submission(&id, &json!({"durationMs": 7}));
        body["systemTags"] = json!(["validationOnly"]);
        let answer = admin.post("/longjobs", &body).ok();
        if server.profile == "fast" {
            assert_eq!(answer["plan"]["durationMs"], 7);
        } else {
            assert_eq!(answer, json!({}));
        }
        assert_eq!(admin.job(&id), None);
        body["params"]["jobData"] = json!("{\"durationMs\":-1}");
        assert_eq!(admin.post("/longjobs", &body).error().0, "SYS.1007");
    }
}

#[test]
fn progress_is_exactly_one_row_from_the_submission_to_the_deletion() {
    for profile in ["fast", "zstack"] {
        let waiting = Server::start(profile, &NOTHING_STARTS);
        let admin = waiting.admin();
        let api_id = uuid();
        let body = submission(&uuid(), &json!({})).to_string();
        let sent = admin.once("POST", "/longjobs", &[("X-Job-UUID", &api_id)], body.as_bytes());
        assert_eq!(admin.follow(sent).inventory()["apiId"], api_id.as_str());
        let rows = admin.get(&format!("/task-progresses/{api_id}")).ok()["inventories"].clone();
        assert_eq!((rows.as_array().map(Vec::len), &rows[0]["content"]), (Some(1), &json!("0")));

        let running = Server::start(profile, &[]);
        let admin = running.admin();
        let id = admin.submit(&json!({"durationMs": 500, "progressSteps": 50}));
        let api_id = admin.job(&id).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
        let path = format!("/task-progresses/{api_id}");
        let mut last = 0;
        until("it is at 100", || {
            let rows = admin.get(&path).ok()["inventories"].clone();
            assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
            let row = &rows[0];
            let percent: u64 = row["content"].as_str().and_then(|c| c.parse().ok()).expect("a percentage");
            assert!(percent >= last, "{percent} after {last}");
            last = percent;
            row_is_well_formed(row, &api_id);
            (percent == 100).then_some(())
        });
        assert_eq!(admin.state(&id), "Succeeded", "100 is not told before the success");
        let all = admin.get(&format!("{path}?all=true")).ok()["inventories"].clone();
        let all = all.as_array().expect("rows");
        assert!(
            all.windows(2).all(|w| w[0]["time"].as_i64() <= w[1]["time"].as_i64()),
            "in the order of time"
        );
        all.iter().for_each(|row| assert!(row["subTasks"].is_array(), "{row}"));
        admin.delete(&format!("/longjobs/{id}")).ok();
        assert_eq!(admin.get(&path).ok(), json!({"inventories": []}));
        assert_eq!(admin.get(&format!("/task-progresses/{}", uuid())).ok(), json!({"inventories": []}));
    }
}

fn row_is_well_formed(row: &Value, api_id: &str) {
    assert_eq!(row["type"], "Progress");
    assert_eq!(row["taskUuid"], api_id);
    assert_eq!(row["taskName"], "APISimulateJobMsg");
    assert_eq!(row["arguments"], "[]");
    assert!(row["time"].as_i64().is_some_and(|t| t > 1_500_000_000_000), "{row}");
    assert!(row.get("opaque").is_none_or(Value::is_object), "{row}");
    assert_eq!((row.get("parentUuid"), row.get("subTasks")), (None, None), "{row}");
}

#[test]
fn progress_is_asked_for_by_the_api_id_of_the_call_not_by_the_jobs_uuid() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = admin.job_in("Succeeded");
    assert_eq!(admin.get(&format!("/task-progresses/{id}")).ok()["inventories"], json!([]));
}

#[test]
fn an_account_sees_its_own_jobs_and_admin_sees_all() {
    for server in Server::both(&[]) {
        let (admin, one, other) = (server.admin(), server.account("one"), server.account("other"));
        let (mine, theirs) = (one.job_in("Succeeded"), other.job_in("Succeeded"));
        assert_eq!(found(&one, ""), [mine.as_str()]);
        assert_eq!(found(&other, ""), [theirs.as_str()]);
        assert_eq!(found(&admin, "").len(), 2);
        assert_eq!(found(&one, &format!("q=uuid={theirs}")), [""; 0]);
        let count = one.get("/longjobs?count=true").ok();
        assert_eq!(count["total"], 1, "also counts are of what is seen");
        let total = one.get("/longjobs?replyWithCount=true&limit=0").ok();
        assert_eq!(total["total"], 1);
        let (code, details) = one.act(&theirs, "updateLongJob", &json!({"name": "n"})).error();
        assert_eq!(code, "ID.1002");
        assert!(details.contains(&theirs) && details.contains("doesn't belong to the account"), "{details}");
        assert_eq!(one.delete(&format!("/longjobs/{theirs}")).error().0, "ID.1002");
        assert_eq!(
            admin.act(&mine, "updateLongJob", &json!({"name": "by admin"})).inventory()["name"],
            "by admin"
        );
    }
}

#[test]
fn secrets_in_job_data_are_masked_in_every_answer_and_in_the_log() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = uuid();
        let secret = "hunter2-is-secret";
        let data = json!({"durationMs": 100, "sshPassword": secret, "nested": [{"apiToken": secret}], "keyboard": "us"});
        let body = submission(&id, &data);
        let shown = admin.post("/longjobs", &body).inventory()["jobData"].as_str().map(str::to_owned);
        let shown: Value = serde_json::from_str(&shown.expect("jobData")).expect("JSON");
        assert_eq!(shown["sshPassword"], "******");
        assert_eq!(shown["nested"][0]["apiToken"], "******");
        assert_eq!(shown["keyboard"], "us");
        admin.wait_for(&id, "Succeeded");
        let api_id = admin.job(&id).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
        for path in [
            "/longjobs".to_owned(),
            format!("/longjobs/{id}"),
            format!("/longjobs/{id}/timeline"),
            format!("/task-progresses/{api_id}?all=true"),
            format!("/api-jobs/{api_id}"),
        ] {
            let text = String::from_utf8(admin.once("GET", &path, &[], b"").body).expect("UTF-8");
            assert!(!text.contains(secret), "{path}: {text}");
        }
        // The same submission is still recognised, and a rerun still has its secret.
        assert_eq!(admin.post("/longjobs", &body).inventory()["uuid"], id.as_str());
        admin.act(&id, "rerunLongJob", &json!({})).ok();
        admin.wait_for(&id, "Succeeded");
        assert!(!server.log().contains(secret), "{}", server.log());
        for entry in std::fs::read_dir(server.data_dir()).expect("the data directory").flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let clear = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!clear, "{} holds the secret in clear", entry.path().display());
        }
        assert_eq!(server.rows_with(secret), Vec::<String>::new(), "rows that hold the secret in clear");
    }
}

#[test]
fn the_timeline_numbers_everything_that_happened_without_a_gap() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = admin.job_in("Canceled");
    admin.act(&id, "rerunLongJob", &json!({})).ok();
    let rows = admin.get(&format!("/longjobs/{id}/timeline")).ok()["inventories"].clone();
    let numbers: Vec<u64> = rows.as_array().expect("rows").iter().filter_map(|r| r["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() >= 5, "{rows}");
    assert_eq!(admin.get(&format!("/longjobs/{}/timeline", uuid())).error().0, "SYS.1003");
}

#[test]
fn sixty_four_equal_submissions_make_one_job() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = uuid();
    let body = submission(&id, &json!({"durationMs": FOREVER_MS}));
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let sent: Vec<_> =
            (0..64).map(|_| scope.spawn(|| admin.post("/longjobs", &body).inventory())).collect();
        sent.into_iter().map(|s| s.join().expect("an answer")).collect()
    });
    assert!(answers.iter().all(|a| a["uuid"] == id.as_str() && a["apiId"] == answers[0]["apiId"]));
    assert_eq!(found(&admin, ""), [id.as_str()]);
    admin.act(&id, "cancelLongJob", &json!({})).ok();
    admin.wait_for(&id, "Canceled");
    admin.delete(&format!("/longjobs/{id}")).ok();
    admin.post("/longjobs", &submission(&id, &json!({"durationMs": 0}))).ok();
    admin.wait_for(&id, "Succeeded");
}

#[test]
fn two_submissions_that_differ_only_in_the_order_of_keys_and_tags_are_the_same() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = uuid();
    let body = |data: &str, tags: [&str; 2]| json!({"params": {"jobName": "APISimulateJobMsg", "jobData": data, "resourceUuid": id}, "userTags": tags});
    let first =
        admin.post("/longjobs", &body("{\"durationMs\":0,\"progressSteps\":3}", ["a", "b"])).inventory();
    let again =
        admin.post("/longjobs", &body("{ \"progressSteps\":3, \"durationMs\":0 }", ["b", "a"])).inventory();
    assert_eq!(first["apiId"], again["apiId"]);
    let other = body("{\"durationMs\":0,\"progressSteps\":3}", ["a", "c"]);
    assert_eq!(admin.post("/longjobs", &other).error().0, "LONG_JOB.1100");
}
