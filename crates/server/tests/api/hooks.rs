//! Web hooks: what a receiver is sent, when again, and which URLs are called at all. The receiver is the test's
//! own and keeps a journal. What a restart does to them is in `../kill/restarts.rs`.
//!
//! Source: rest-api.md 3.2, 3.3, 3.5, design section 8.

use serde_json::{Value, json};

use crate::support::caller::Kind;
use crate::support::http::Response;
use crate::support::jobs::submission;
use crate::support::receiver::{Answers, Receiver, Told};
use crate::support::{Caller, Server, until, uuid};

/// Receivers of tests are on loopback.
const LOOPBACK: [&str; 2] = ["--set", "egress.webhooks=127.0.0.0/8:*"];

fn submit(caller: &Caller, hook: &str, id: &str, more: &[(&str, &str)]) -> Response {
    let body = submission(id, &json!({"durationMs": 0})).to_string();
    let headers: Vec<(&str, &str)> = [("X-Web-Hook", hook)].into_iter().chain(more.iter().copied()).collect();
    caller.once("POST", "/longjobs", &headers, body.as_bytes())
}

/// The id of the call that was accepted.
fn accepted(response: &Response) -> String {
    assert_eq!(response.status, 202, "{}", response.text());
    let location = response.json()["location"].as_str().expect("a location").to_owned();
    location.rsplit('/').next().expect("an id").to_owned()
}

/// Waits for `count` deliveries to that path; all of them.
fn wait_told(receiver: &Receiver, target: &str, count: usize) -> Vec<Told> {
    until(&format!("{count} deliveries to {target}"), || {
        let told = receiver.told(target);
        (told.len() >= count).then_some(told)
    })
}

/// A later call has been told at its second try: whatever was on its way before, or would have been sent a second
/// time, has come too.
fn wait_for_a_later_second_try(caller: &Caller) {
    let later = Receiver::start(|_, before| Answers::Status(if before == 0 { 500 } else { 200 }));
    accepted(&submit(caller, &later.url("/later"), &uuid(), &[]));
    wait_told(&later, "/later", 2);
}

#[test]
fn the_answer_is_sent_to_the_hook_with_the_contracts_headers_and_as_the_poll_gives_it() {
    for server in Server::both(&LOOPBACK) {
        let receiver = Receiver::taking_all();
        for kind in [Kind::Plain, Kind::Java, Kind::Go] {
            let caller = server.admin().as_kind(kind);
            let job = uuid();
            submit(&caller, &receiver.url("/setup"), &job, &[]);
            caller.wait_for(&job, "Succeeded");
            let calls = [
                ("POST", "/longjobs".to_owned(), submission(&uuid(), &json!({"durationMs": 0})), true),
                ("PUT", format!("/longjobs/{job}/actions"), json!({"updateLongJob": {"name": "new"}}), true),
                ("PUT", format!("/longjobs/{job}/actions"), json!({"resumeLongJob": {}}), false),
                ("POST", "/volumes/data".to_owned(), json!({"params": {"name": "v"}}), true),
                ("POST", "/longjobs".to_owned(), json!({"params": {"jobName": "x"}}), false),
                ("DELETE", format!("/longjobs/{job}"), Value::Null, true),
                ("DELETE", "/longjobs/nonsense".to_owned(), Value::Null, false),
            ];
            for (method, path, body, succeeds) in calls {
                let target = format!("/hook/{}?token=a%20b&empty=", uuid());
                let body = if body.is_null() { String::new() } else { body.to_string() };
                let url = receiver.url(&target);
                let answer = caller.once(method, &path, &[("X-Web-Hook", &url)], body.as_bytes());
                let id = accepted(&answer);
                let told = wait_told(&receiver, &target, 1).remove(0);
                assert_eq!((told.method.as_str(), told.job()), ("POST", id.as_str()), "{method} {path}");
                assert_eq!(told.header("Content-Type"), Some("application/json; charset=utf-8"));
                assert_eq!(told.header("X-Job-Success"), Some(if succeeds { "true" } else { "false" }));
                assert_eq!(told.header("X-Job-Batch"), None, "no call here is a batch");
                assert_eq!(told.header("Host"), Some(receiver.address.to_string().as_str()));
                assert_eq!(told.header("Authorization"), None, "the session is nobody's business");
                let polled = until("the poll", || {
                    let polled = caller.once("GET", &format!("/api-jobs/{id}"), &[], b"");
                    (polled.status != 202).then_some(polled)
                });
                assert_eq!(polled.status, if succeeds { 200 } else { 503 }, "{}", polled.text());
                if method == "POST" && path == "/longjobs" && succeeds {
                    // The job moves on between the two; its keys and its schema do not.
                    let schema = json!({"inventory": "org.zstack.header.longjob.LongJobInventory"});
                    let wanted = (kind == Kind::Java).then_some(&schema);
                    assert_eq!(told.json().get("schema"), wanted, "{kind:?}");
                    assert_eq!(told.json()["inventory"]["uuid"], polled.json()["inventory"]["uuid"]);
                } else {
                    assert_eq!(told.body, polled.text(), "{method} {path}");
                }
            }
        }
        assert!(receiver.journal().iter().all(|t| t.target != "/"), "{:?}", receiver.journal());
    }
}

#[test]
fn the_schema_is_told_where_the_original_request_asked_for_it() {
    let server = Server::start("zstack", &LOOPBACK);
    let receiver = Receiver::taking_all();
    let admin = server.admin();
    submit(&admin, &receiver.url("/with"), &uuid(), &[("X-JSON-Schema", "true")]);
    submit(&admin, &receiver.url("/without"), &uuid(), &[]);
    let class = json!({"inventory": "org.zstack.header.longjob.LongJobInventory"});
    assert_eq!(wait_told(&receiver, "/with", 1)[0].json()["schema"], class);
    assert_eq!(wait_told(&receiver, "/without", 1)[0].json().get("schema"), None);
}

#[test]
fn a_hook_is_called_again_two_seconds_apart_until_it_answers_2xx() {
    // The ways in which a receiver can fail, one after the other; among them what Java's answers to a call that
    // it does not wait for yet, and a redirect.
    let elsewhere = Receiver::taking_all();
    let redirect =
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url("/"));
    let receiver = Receiver::start(move |_, before| match before {
        0 => Answers::Closes,
        1 => Answers::Status(400),
        2 => Answers::Status(404),
        3 => Answers::Bytes(redirect.clone().into_bytes()),
        4 => Answers::Bytes(b"this is not HTTP at all\r\n\r\n".to_vec()),
        5 => Answers::Bytes(
            format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(1_000_000)).into_bytes(),
        ),
        _ => Answers::Status(204),
    });
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    accepted(&submit(&admin, &receiver.url("/hook"), &uuid(), &[]));
    let told = wait_told(&receiver, "/hook", 7);
    wait_for_a_later_second_try(&admin);
    assert_eq!(receiver.told("/hook").len(), 7, "what was taken is not sent again");
    for pair in told.windows(2) {
        let apart = pair[1].at.duration_since(pair[0].at).as_millis();
        assert!((1_900..6_000).contains(&apart), "{apart} ms");
        assert_eq!(pair[0].job(), pair[1].job());
        assert_eq!(pair[0].json()["inventory"]["uuid"], pair[1].json()["inventory"]["uuid"]);
    }
    assert!(elsewhere.journal().is_empty(), "a redirect is not followed");
}

#[test]
fn a_body_without_end_after_a_2xx_is_left_alone() {
    let receiver =
        Receiver::start(|_, before| if before == 0 { Answers::Endless } else { Answers::Status(200) });
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    accepted(&submit(&admin, &receiver.url("/hook"), &uuid(), &[]));
    wait_told(&receiver, "/hook", 1);
    wait_for_a_later_second_try(&admin);
    assert_eq!(receiver.told("/hook").len(), 1);
}

#[test]
fn receivers_that_hang_hold_up_nobody_else() {
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let hanging = Receiver::start(|_, _| Answers::Never);
    for n in 0..40 {
        accepted(&submit(&admin, &hanging.url(&format!("/hang/{n}")), &uuid(), &[]));
    }
    until("they hang", || (hanging.journal().len() >= 40).then_some(()));
    let receiver = Receiver::taking_all();
    let sent = std::time::Duration::from_secs(5);
    accepted(&submit(&admin, &receiver.url("/hook"), &uuid(), &[]));
    let told = wait_told(&receiver, "/hook", 1);
    let first = hanging.journal()[0].at;
    assert!(told[0].at.duration_since(first) < sent, "before the first of them was given up");
    // A try that hangs ends, and is made again.
    until("a second try", || (hanging.told("/hang/0").len() >= 2).then_some(()));
}

#[test]
fn sixty_four_calls_at_once_are_told_exactly_once_each() {
    let server = Server::start("fast", &LOOPBACK);
    let receiver = Receiver::taking_all();
    let admin = server.admin();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..64)
            .map(|n| {
                let (admin, receiver) = (&admin, &receiver);
                scope.spawn(move || {
                    accepted(&submit(admin, &receiver.url(&format!("/hook/{n}")), &uuid(), &[]))
                })
            })
            .collect();
        calls.into_iter().map(|c| c.join().expect("a call")).collect()
    });
    until("64 deliveries", || (receiver.journal().len() >= 64).then_some(()));
    wait_for_a_later_second_try(&admin);
    for (n, id) in ids.iter().enumerate() {
        let told = receiver.told(&format!("/hook/{n}"));
        assert_eq!(told.len(), 1, "{n}");
        assert_eq!((told[0].job(), told[0].header("X-Job-Success")), (id.as_str(), Some("true")));
    }
}

#[test]
fn calls_without_the_header_and_synchronous_calls_tell_nobody() {
    let server = Server::start("zstack", &LOOPBACK);
    let receiver = Receiver::taking_all();
    let admin = server.admin();
    let url = receiver.url("/hook");
    assert_eq!(admin.once("GET", "/longjobs", &[("X-Web-Hook", &url)], b"").status, 200);
    assert_eq!(admin.once("GET", "/longjobs", &[("X-Web-Hook", "nonsense")], b"").status, 200);
    // Python's SDK has the name of the header wrong, and polls.
    let body = submission(&uuid(), &json!({"durationMs": 0})).to_string();
    let answer = admin.once("POST", "/longjobs", &[("webhook", &url)], body.as_bytes());
    admin.follow(answer).ok();
    wait_for_a_later_second_try(&admin);
    assert!(receiver.journal().is_empty());
}

#[test]
fn a_hook_that_may_not_be_called_is_refused_at_the_call_and_says_what_to_do() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let own = format!("http://{}/zstack/v1/longjobs", server.address);
        let long = format!("http://receiver.example/{}", "a".repeat(2048));
        for (url, told) in [
            ("nonsense", "http://receiver.example"),
            ("", "http://receiver.example"),
            ("https://127.0.0.1/", "https"),
            ("file:///etc/passwd", "http://"),
            (long.as_str(), "2048"),
            ("http://127.0.0.1:9000/hook", "add the rule 127.0.0.1:9000"),
            ("http://0x7f.1:9000/hook", "add the rule 127.0.0.1:9000"),
            ("http://[::1]:9000/hook", "add the rule [::1]:9000"),
            ("http://localhost:9000/hook", "a loopback address"),
            ("http://169.254.169.254/latest/meta-data/", "a metadata service"),
            ("http://[::ffff:169.254.169.254]/", "a metadata service"),
            ("http://0.0.0.0:9000/", "an unspecified address"),
            ("http://224.0.0.1/", "a multicast address"),
            (own.as_str(), "this server's own listener"),
        ] {
            let (id, job) = (uuid(), uuid());
            let answer = submit(&admin, url, &job, &[("X-Job-UUID", &id)]);
            assert_eq!(answer.status, 400, "{url}: {}", answer.text());
            let text = match server.profile {
                "zstack" => answer.text(),
                _ => {
                    assert_eq!(answer.json()["error"]["code"], "SYS.1007", "{url}");
                    answer.json()["error"]["details"].as_str().expect("details").to_owned()
                }
            };
            assert!(text.starts_with("Invalid header[X-Web-Hook], "), "{text}");
            assert!(text.contains(told), "{url}: {text}");
            assert_eq!(admin.job(&job), None, "{url}: nothing was done");
            let poll = admin.once("GET", &format!("/api-jobs/{id}"), &[], b"");
            assert_eq!(poll.status, 404, "{url}: the id is free");
        }
    }
}

#[test]
fn a_rule_that_names_the_receiver_opens_it_and_nothing_beside_it() {
    let (open, shut) = (Receiver::taking_all(), Receiver::taking_all());
    let server = Server::start("fast", &["--set", &format!("egress.webhooks={}", open.address)]);
    let admin = server.admin();
    accepted(&submit(&admin, &open.url("/hook"), &uuid(), &[]));
    // The name of loopback means the same address, looked up at the call and at the try.
    let by_name = format!("http://localhost:{}/by-name", open.address.port());
    accepted(&submit(&admin, &by_name, &uuid(), &[]));
    assert_eq!(submit(&admin, &shut.url("/hook"), &uuid(), &[]).status, 400);
    wait_told(&open, "/hook", 1);
    let named = wait_told(&open, "/by-name", 1).remove(0);
    assert_eq!(named.header("Host"), Some(format!("localhost:{}", open.address.port()).as_str()));
    accepted(&submit(&admin, &open.url("/last"), &uuid(), &[]));
    wait_told(&open, "/last", 1);
    assert!(shut.journal().is_empty());
}

#[test]
fn a_demo_tells_receivers_on_loopback_without_a_rule_but_not_itself() {
    let server = Server::start("fast", &["--demo"]);
    let admin = Caller::log_in(server.address, Kind::Plain, "admin", "password");
    let receiver = Receiver::taking_all();
    accepted(&submit(&admin, &receiver.url("/hook"), &uuid(), &[]));
    wait_told(&receiver, "/hook", 1);
    let own = submit(&admin, &format!("http://{}/", server.address), &uuid(), &[]);
    assert_eq!(own.status, 400, "{}", own.text());
}

#[test]
fn nobody_is_called_for_somebody_without_a_session_who_is_told_at_once() {
    for server in Server::both(&LOOPBACK) {
        let receiver = Receiver::taking_all();
        let nobody = server.admin().with(&uuid());
        let answer = submit(&nobody, &receiver.url("/hook"), &uuid(), &[]);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "ID.1001");
        wait_for_a_later_second_try(&server.admin());
        assert!(receiver.told("/hook").is_empty());
    }
}

#[test]
fn credentials_of_the_url_are_sent_and_nothing_of_it_but_the_host_is_logged() {
    let receiver = Receiver::start(|_, before| Answers::Status(if before == 0 { 500 } else { 200 }));
    let server = Server::start("fast", &LOOPBACK);
    let admin = server.admin();
    let url = format!("http://canary-user:canary-pass@{}/canary-path?canary-query=1", receiver.address);
    let id = accepted(&submit(&admin, &url, &uuid(), &[]));
    let told = wait_told(&receiver, "/canary-path?canary-query=1", 2);
    assert_eq!(told[1].header("Authorization"), Some("Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3M="));
    assert_eq!(told[1].header("Host"), Some(receiver.address.to_string().as_str()));
    let log = until("the failed try is in the log", || {
        let log = server.log();
        log.contains(&id).then_some(log)
    });
    assert!(log.contains(&receiver.address.to_string()), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn an_account_is_told_of_its_own_refusals_and_a_dry_run_of_its_plan() {
    let server = Server::start("fast", &LOOPBACK);
    let receiver = Receiver::taking_all();
    let (admin, other) = (server.admin(), server.account("other"));
    let job = admin.submit(&json!({"durationMs": 0}));
    let url = receiver.url("/foreign");
    accepted(&other.once("DELETE", &format!("/longjobs/{job}"), &[("X-Web-Hook", &url)], b""));
    let told = wait_told(&receiver, "/foreign", 1).remove(0);
    assert_eq!(
        (told.header("X-Job-Success"), &told.json()["error"]["code"]),
        (Some("false"), &json!("ID.1002"))
    );
    let mut dry = submission(&uuid(), &json!({"durationMs": 0}));
    dry["systemTags"] = json!(["validationOnly"]);
    let url = receiver.url("/dry");
    accepted(&admin.once("POST", "/longjobs", &[("X-Web-Hook", &url)], dry.to_string().as_bytes()));
    let told = wait_told(&receiver, "/dry", 1).remove(0);
    assert_eq!(told.header("X-Job-Success"), Some("true"));
    assert!(told.json()["plan"].is_object(), "{}", told.body);
}
