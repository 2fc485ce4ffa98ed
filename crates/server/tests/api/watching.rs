//! Timelines page by page, and calls that wait for the end of a job.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS};
use crate::support::{Caller, Server, http, uuid};

/// Much less than the longest wait, much more than a busy machine needs for a call.
const SOON: Duration = Duration::from_secs(20);

#[allow(clippy::disallowed_methods, reason = "the server is another process, whose clock is the real one")]
fn moment() -> Instant {
    Instant::now()
}

fn rows(answer: Value) -> Vec<Value> {
    answer["inventories"].as_array().expect("rows").clone()
}

#[test]
fn a_timeline_is_read_page_by_page_and_names_who_did_what() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        admin.act(&id, "updateLongJob", &json!({"name": "renamed"})).ok();
        let timeline = |query: &str| rows(admin.get(&format!("/longjobs/{id}/timeline{query}")).ok());
        let all = timeline("");
        assert_eq!(all.len(), 4, "{all:?}");
        let (submitted, started) = (&all[0], &all[1]);
        assert_eq!((&submitted["actorType"], &submitted["actorName"]), (&json!("account"), &json!("admin")));
        assert_eq!(submitted.get("managementNodeUuid"), None);
        assert_eq!(started["managementNodeUuid"], started["actorUuid"]);
        let host = admin.get("/management-nodes").ok()["inventories"][0]["hostName"].clone();
        assert!(host.is_string() && started["actorName"] == host, "{started}");
        let page = |start: u32| timeline(&format!("?start={start}&limit=2"));
        assert_eq!([page(0), page(2), page(4)].concat(), all);
        for bad in ["?limit=0", "?limit=1001", "?start=-1"] {
            let path = format!("/longjobs/{id}/timeline{bad}");
            assert_eq!(admin.get(&path).error().0, "SYS.1007", "{bad}");
        }
    }
}

#[test]
fn the_name_of_a_deleted_account_is_not_told() {
    let server = Server::start("fast", &[]);
    let (admin, owner) = (server.admin(), server.account("owner"));
    let id = owner.job_in("Succeeded");
    let timeline = || rows(admin.get(&format!("/longjobs/{id}/timeline")).ok());
    assert_eq!(timeline()[0]["actorName"], "owner");
    let account = admin.get("/accounts?q=name=owner").ok()["inventories"][0]["uuid"].clone();
    admin.delete(&format!("/accounts/{}", account.as_str().expect("a uuid"))).ok();
    assert_eq!((&timeline()[0]["actorUuid"], timeline()[0].get("actorName")), (&account, None));
}

#[test]
fn a_call_that_waits_is_answered_when_the_job_ends() {
    for server in Server::both(&[]) {
        for caller in server.admins() {
            let id = caller.submit(&json!({"durationMs": 300}));
            let began = moment();
            let job = rows(caller.get(&format!("/longjobs/{id}?wait=60s")).ok()).remove(0);
            assert_eq!(job["state"], "Succeeded", "{:?}", caller.kind);
            assert!(began.elapsed() < SOON);
        }
    }
}

#[test]
fn a_wait_that_is_over_answers_the_job_as_it_is() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = admin.submit(&json!({"durationMs": FOREVER_MS}));
    let began = moment();
    let job = rows(admin.get(&format!("/longjobs/{id}?wait=400ms&fields=uuid")).ok()).remove(0);
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!((&job["state"], &job["uuid"]), (&json!("Running"), &json!(id)));
}

#[test]
fn what_cannot_be_waited_for_is_answered_at_once() {
    let server = Server::start("fast", &[]);
    let (admin, stranger) = (server.admin(), server.account("stranger"));
    let ended = admin.job_in("Failed");
    let running = admin.submit(&json!({"durationMs": FOREVER_MS}));
    let began = moment();
    let found = |caller: &Caller, id: &str| rows(caller.get(&format!("/longjobs/{id}?wait=60s")).ok()).len();
    assert_eq!(found(&admin, &ended), 1);
    assert_eq!(found(&admin, &uuid()), 0);
    assert_eq!(found(&admin, "no-uuid"), 0);
    assert_eq!(found(&stranger, &running), 0, "what is somebody else's is not there");
    assert!(began.elapsed() < SOON);
    assert_eq!(admin.get("/longjobs?wait=60s").ok()["inventories"].as_array().map(Vec::len), Some(2));
    assert!(began.elapsed() < SOON, "a list does not wait");
}

#[test]
fn what_is_no_wait_or_too_long_is_refused_with_what_to_write() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let id = admin.submit(&json!({}));
        for bad in ["61s", "2m", "soon", "", "-1s"] {
            let (code, details) = admin.get(&format!("/longjobs/{id}?wait={bad}")).error();
            assert_eq!(code, "SYS.1007", "{bad}");
            assert!(details.contains("60s"), "{bad}: {details}");
        }
    }
}

/// Asks for `id` with the longest wait, on a connection that is left open.
fn ask_and_wait(server: &Server, session: &str, id: &str) -> TcpStream {
    let mut stream = http::connect(server.address);
    let ask = format!(
        "GET /v1/longjobs/{id}?wait=60s HTTP/1.1\r\nHost: x\r\nAuthorization: OAuth {session}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).expect("sent");
    stream
}

#[test]
fn a_client_that_closes_its_side_is_answered_at_once() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    let id = admin.submit(&json!({}));
    let began = moment();
    let mut stream = ask_and_wait(&server, &admin.session, &id);
    stream.shutdown(Shutdown::Write).expect("half closed");
    let answer = http::read(&mut stream);
    assert_eq!((answer.status, rows(answer.json())[0]["state"].clone()), (200, json!("Waiting")));
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_server_that_stops_answers_those_who_wait() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let admin = server.admin();
    let id = admin.submit(&json!({}));
    let mut stream = ask_and_wait(&server, &admin.session, &id);
    for _ in 0..5 {
        assert_eq!(admin.state(&id), "Waiting"); // calls that came later are answered, so that one is under way
    }
    let began = moment();
    let pid = i32::try_from(server.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
    let answer = http::read(&mut stream);
    assert_eq!((answer.status, rows(answer.json())[0]["state"].clone()), (200, json!("Waiting")));
    assert!(began.elapsed() < SOON);
}
