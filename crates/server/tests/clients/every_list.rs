//! The checklist of every client, box by box, with all three models.
//!
//! Source: rest-api.md 7.5.

use serde_json::json;

use crate::actions;
use crate::calls::{endless, go, java, job_in, python, servers};
use crate::model::{Client, Query, submission};
use crate::support::{Server, http, sha512, uuid};

fn models(server: &Server) -> [Box<dyn Client>; 3] {
    [Box::new(java(server)), Box::new(python(server)), Box::new(go(server))]
}

#[test]
fn a_poll_needs_nobody_and_answers_the_same_until_it_expires() {
    for server in servers() {
        let python = python(&server);
        let id = uuid();
        let mut fields = submission(&id, &json!({"durationMs": 0}));
        fields["name"] = json!("once");
        python.submit(&fields).expect("a submission");
        let poll = python.wire().log().pop().expect("a poll").target;
        python.wait_for(&id, "Succeeded");
        python.cancel(&id).expect_err("too late");
        let refused = python.wire().log().pop().expect("a poll").target;
        for _ in 0..3 {
            let answer = http::send(server.address, "GET", &poll, &[], b"");
            assert_eq!((answer.status, &answer.json()["inventory"]["uuid"]), (200, &json!(id)));
            // Which job it is stays the same; how far it is, is told as of now (D29).
            assert_eq!(answer.json()["inventory"]["state"], "Succeeded");
            let answer = http::send(server.address, "GET", &refused, &[], b"");
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("SYS.1007")));
        }
        // They are kept in the store, not in memory: a restart takes none away. That the time is 3 hours is
        // held by a test of the store, whose clock is moved by hand (docs/contract-rows.md 3.4-7).
        let server = server.killed_and_started_again(&["--set", "timezone=Asia/Shanghai"]);
        for (target, status) in [(&poll, 200), (&refused, 503)] {
            assert_eq!(http::send(server.address, "GET", target, &[], b"").status, status);
        }
    }
}

#[test]
fn errors_of_calls_are_503_at_once_or_at_the_poll_and_never_another_status() {
    for server in servers() {
        let (java, python, go) = (java(&server), python(&server), go(&server));
        let other = server.account("other");
        let foreign = other.submit(&json!({"durationMs": 3_600_000}));
        for client in [&java as &dyn Client, &python, &go] {
            let id = job_in(client, "Succeeded");
            client.cancel(&uuid()).expect_err("not found");
            client.cancel(&id).expect_err("in the wrong state");
            client.clean(&id).expect_err("not supported");
            client.delete("no-uuid").expect_err("malformed");
            client.progress("no-uuid").expect_err("malformed");
            client.query(&Query::of("foo=1")).expect_err("no such field");
            let mut taken = submission(&id, &json!({"durationMs": 1}));
            taken["name"] = json!("another");
            client.submit(&taken).expect_err("taken");
        }
        let wrong = json!({"accountName": "admin", "password": sha512("wrong")});
        java.call(&actions::LOG_IN, &wrong).expect_err("a wrong password");
        python.call(&actions::LOG_IN, &wrong).expect_err("a wrong password");
        go.call(&actions::LOG_IN, &wrong).expect_err("a wrong password");
        // No session, and somebody else's job.
        let mut stranger = crate::go::Go::new(server.address);
        stranger.session = Some(uuid());
        stranger.query(&Query::default()).expect_err("no session");
        stranger.cancel(&foreign).expect_err("no session");
        stranger.session = Some(server.account("third").session);
        stranger.cancel(&foreign).expect_err("somebody else's");
        let wires = [java.wire(), python.wire(), go.wire(), stranger.wire()];
        let log: Vec<_> = wires.into_iter().flat_map(|wire| wire.log()).collect();
        assert_eq!(log.iter().filter(|e| e.response.status == 503).count(), 3 * 8 + 3);
        for exchange in &log {
            let status = exchange.response.status;
            assert!(matches!(status, 200 | 202 | 503), "{status}: {} {}", exchange.method, exchange.target);
        }
    }
}

#[test]
fn nothing_is_null_and_unknown_keys_and_parameters_change_nothing() {
    for server in servers() {
        let (java, python) = (java(&server), python(&server));
        let id = uuid();
        let mut fields = submission(&id, &json!({"durationMs": 0}));
        (fields["noSuchKey"], fields["apiVersion"]) = (json!({"deep": [1]}), json!(null));
        java.submit(&fields).expect("unknown keys in a body");
        python.wait_for(&id, "Succeeded");
        let noisy = Query::of(&format!("uuid={id}")).with("condition", "name=x").with("sortBy", "nothing");
        let page = python.query(&noisy.with("deleteMode", "x")).expect("unknown parameters");
        assert_eq!(page.jobs.len(), 1);
        python.call(&actions::PROGRESS, &json!({"apiId": uuid(), "noSuch": "x"})).expect("and of others");
        for exchange in java.wire().log().iter().chain(&python.wire().log()) {
            let text = exchange.response.text();
            assert!(!text.contains(":null") && !text.contains(": null"), "{}: {text}", exchange.target);
        }
    }
}

#[test]
fn a_chosen_job_uuid_is_taken_on_any_request_and_is_the_id_of_asynchronous_ones() {
    for server in servers() {
        let admin = server.admin();
        let login = json!({"logInByAccount": {"accountName": "admin", "password": sha512("correct horse")}});
        let unknown = format!("/longjobs/{}", uuid());
        for (method, path, body, asynchronous) in [
            ("PUT", "/accounts/login", login.to_string(), false),
            ("GET", "/longjobs", String::new(), false),
            ("POST", "/longjobs", json!({ "params": endless(&uuid()) }).to_string(), true),
            ("DELETE", unknown.as_str(), String::new(), true),
        ] {
            let chosen = uuid();
            let more = [("X-Job-UUID", chosen.as_str())];
            let answer = admin.once(method, path, &more, body.as_bytes());
            assert_eq!(answer.status, if asynchronous { 202 } else { 200 }, "{method} {path}");
            if asynchronous {
                let location = answer.json()["location"].as_str().expect("a location").to_owned();
                assert!(location.ends_with(&format!("/api-jobs/{chosen}")), "{location}");
                assert_eq!(admin.follow(answer).job, Some(chosen.clone()));
            }
            if method == "POST" {
                let page = java(&server).query(&Query::of(&format!("apiId={chosen}"))).expect("a query");
                assert_eq!(page.jobs.len(), 1, "it is the job's apiId");
            }
        }
    }
}

#[test]
fn an_asynchronous_call_is_accepted_before_its_job_has_done_anything() {
    for server in servers() {
        for client in models(&server) {
            let id = uuid();
            let job = client.submit(&endless(&id)).expect("a submission");
            assert_eq!(job.text("state"), "Running", "{}", client.name());
            assert_eq!(client.progress(job.text("apiId")), Ok(vec!["0".to_owned()]), "{}", client.name());
            client.cancel(&id).expect("a cancel");
            client.wait_for(&id, "Canceled");
        }
    }
}
