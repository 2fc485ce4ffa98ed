//! Answers that would be too large, over every way to ask: refused with what to ask for instead, and the same rows
//! answered where less of them is wanted.

use serde_json::{Value, json};

use crate::support::jobs::NOTHING_STARTS;
use crate::support::{Caller, Server, uuid};

/// More than the 32 MiB of one answer.
const JOBS: usize = 34;

fn fill(account: &Caller) {
    for _ in 0..JOBS {
        let data = json!({"durationMs": 0, "note": "x".repeat((1 << 20) - 64)});
        let params =
            json!({"jobName": "APISimulateJobMsg", "jobData": data.to_string(), "resourceUuid": uuid()});
        account.post("/longjobs", &json!({"params": params})).ok();
    }
}

fn refused(error: &(String, String)) {
    assert_eq!(error.0, "SYS.1007", "{error:?}");
    assert!(error.1.contains("limit") && error.1.contains("fields"), "it says what to ask for: {error:?}");
}

fn count(answer: &Value) -> usize {
    answer["inventories"].as_array().expect("inventories").len()
}

#[test]
fn rows_of_more_than_an_answer_holds_are_refused_and_fewer_or_parts_of_them_are_answered() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let account = server.account("somebody");
    fill(&account);
    refused(&account.get("/longjobs?limit=10000").error());
    refused(&account.get("/longjobs?fields=uuid,jobData").error());
    assert_eq!(count(&account.get("/longjobs?limit=20").ok()), 20);
    let names = account.get("/longjobs?limit=10000&fields=uuid,state").ok();
    assert_eq!(count(&names), JOBS);
    assert_eq!(names["inventories"][0].as_object().map(serde_json::Map::len), Some(2), "no jobData: {names}");
    assert_eq!(account.get("/longjobs?count=true").ok()["total"], JOBS);

    let zql = |text: &str| account.get(&format!("/zql?zql={}", text.replace(' ', "%20")));
    refused(&zql("query longjob").error());
    refused(&zql("query longjob limit 20;query longjob limit 20").error());
    assert_eq!(count(&zql("query longjob limit 20").ok()["results"][0]), 20);
    assert_eq!(count(&zql("query longjob.uuid").ok()["results"][0]), JOBS);
}

#[test]
fn who_does_not_read_its_answer_keeps_no_other_from_being_answered() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let account = server.account("somebody");
    fill(&account);
    let ask = format!(
        "GET /zstack/v1/longjobs?limit=20 HTTP/1.1\r\nHost: a\r\nAuthorization: OAuth {}\r\n\r\n",
        account.session
    );
    let unread: Vec<std::net::TcpStream> = (0..6)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
            std::io::Write::write_all(&mut stream, ask.as_bytes()).expect("sent");
            stream
        })
        .collect();
    assert_eq!(count(&account.get("/longjobs?limit=20").ok()), 20);
    drop(unread);
}
