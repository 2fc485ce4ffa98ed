//! One call: at once, polled, refused, without an answer.

use std::time::Duration;

use serde_json::json;

use super::{Fake, Reply, TOKEN, failed, rows};
use crate::client::Client;
use crate::error::{LOST, UNREACHABLE};
use crate::exit::Exit;

const CALL: &str = "0123456789abcdef0123456789abcdef";

fn client(fake: &Fake) -> Client {
    Client::new(&fake.url, Some(TOKEN.to_owned())).expect("an address")
}

#[tokio::test]
async fn a_call_is_a_plain_one_with_the_session_and_no_header_of_an_sdk() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({"inventory": {"uuid": "x"}})));
    let answer = client(&fake).post(&["longjobs"], &json!({"params": {}})).await;
    assert_eq!(answer, Ok(json!({"inventory": {"uuid": "x"}})));
    let asked = fake.asked().remove(0);
    assert!(asked.is("POST", "/zstack/v1/longjobs"));
    assert_eq!(asked.header("authorization"), Some(format!("OAuth {TOKEN}").as_str()));
    for header in ["x-job-uuid", "x-session-id", "x-web-hook", "prefer", "date"] {
        assert_eq!(asked.header(header), None, "{header}");
    }
}

#[tokio::test]
async fn a_202_is_polled_at_our_server_whatever_host_its_location_names() {
    let fake = Fake::start(|asked, number| match number {
        0 => Reply::Json(
            202,
            json!({"location": format!("http://203.0.113.9:1/zstack/v1/api-jobs/{CALL}"), "apiTimeout": 60_000}),
        ),
        1 | 2 => Reply::Json(202, json!({})),
        _ if asked.path.ends_with(CALL) => Reply::Json(200, json!({"inventory": {"uuid": "y"}})),
        _ => Reply::Text(404, "the job has been expired"),
    });
    let answer = client(&fake).action(&["longjobs", "u", "actions"], "rerunLongJob", &json!({})).await;
    assert_eq!(answer, Ok(json!({"inventory": {"uuid": "y"}})));
    let asked = fake.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked[1..].iter().all(|a| a.is("GET", &format!("/zstack/v1/api-jobs/{CALL}"))));
    assert_eq!(asked[0].body, json!({"rerunLongJob": {}}));
}

#[tokio::test]
async fn an_error_of_a_poll_is_the_error_of_the_call() {
    let fake = Fake::start(|_, number| match number {
        0 => Reply::Json(202, json!({"location": format!("/zstack/v1/api-jobs/{CALL}")})),
        _ => failed(503, "SYS.1003", "no such job"),
    });
    let error = client(&fake).delete(&["longjobs", "u"]).await.expect_err("it failed");
    assert_eq!((error.code.as_str(), error.status, error.exit()), ("SYS.1003", Some(503), Exit::NotFound));
}

#[tokio::test]
async fn a_poll_survives_a_lost_connection() {
    let fake = Fake::start(|_, number| match number {
        0 => Reply::Json(202, json!({"location": format!("/zstack/v1/api-jobs/{CALL}")})),
        1 => Reply::Drop,
        _ => Reply::Json(200, json!({})),
    });
    assert_eq!(client(&fake).delete(&["longjobs", "u"]).await, Ok(json!({})));
}

#[tokio::test]
async fn an_error_in_a_200_a_text_and_an_answer_that_is_no_json_are_errors() {
    let fake = Fake::start(|_, number| match number {
        0 => failed(200, "SYS.1006", "late"),
        1 => Reply::Text(400, "missing header 'Authorization'"),
        2 => Reply::Text(200, "<html>a login page</html>"),
        _ => Reply::Json(202, json!({})),
    });
    let client = client(&fake);
    for (code, details) in [
        ("SYS.1006", "late"),
        ("HTTP.400", "missing header 'Authorization'"),
        ("CLI.1000", "it is no JSON"),
        ("CLI.1000", "a 202 without a location"),
    ] {
        let error = client.get(&["longjobs"], &[]).await.expect_err("it failed");
        assert_eq!(error.code, code);
        assert!(error.details.contains(details), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_and_one_that_hangs_are_told_apart_and_end_alike() {
    let away = Client::new("http://127.0.0.1:1", None).expect("an address");
    let error = away.get(&["longjobs"], &[]).await.expect_err("nobody listens");
    assert_eq!((error.code.as_str(), error.exit()), (UNREACHABLE, Exit::Unreachable));
    let fake = Fake::start(|_, _| Reply::Hang);
    let hangs = Client::with_timeout(&fake.url, None, Duration::from_millis(200)).expect("an address");
    let error = hangs.delete(&["accounts", "sessions", TOKEN]).await.expect_err("no answer");
    assert_eq!((error.code.as_str(), error.exit()), (LOST, Exit::Unreachable));
    assert!(!error.told().contains(TOKEN), "a session is in no error");
    assert_eq!(fake.asked().len(), 1, "what is not idempotent is sent once");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_our_session() {
    let fake = Fake::start(|_, _| Reply::Text(307, ""));
    let error = client(&fake).get(&["longjobs"], &[]).await.expect_err("a redirect");
    assert_eq!(error.code, "HTTP.307");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn all_pages_are_fetched_and_a_row_that_moved_between_them_is_kept_once() {
    let row = |n: usize| json!({"uuid": format!("{n:032x}")});
    let fake = Fake::start(move |asked, _| {
        let start = if asked.path.contains("start=1000") { 999 } else { 0 };
        let end = if start == 0 { 1000 } else { 1004 };
        rows((start..end).map(row).collect())
    });
    let all = client(&fake).list_all(&["longjobs"], &[("q", "name=a&b c")]).await.expect("rows");
    assert_eq!((all.len(), fake.asked().len()), (1004, 2));
    assert!(fake.asked()[0].path.contains("q=name%3Da%26b+c"), "{}", fake.asked()[0].path);
}
