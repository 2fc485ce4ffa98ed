//! What the targets have found, one test each. Their inputs are members of the corpora too.

use longhaul_wire::error::DETAILS_MAX;
use longhaul_wire::{Caller, Headers, Profile, Reply, Request, decode, legacy, zql};

use crate::support::cost;
use crate::support::promises::CANARY;
use crate::support::{ZONE, corpus};

/// What a client is told of a request that is no call, in each profile.
fn told(method: &str, path: &str, body: &str) -> [String; 2] {
    let headers = Headers { authorization: Some("OAuth x"), ..Headers::default() };
    let request =
        Request { method, path, query: None, body: body.as_bytes(), headers, now_ms: 0, zone: &ZONE };
    let misuse = decode(&request).expect_err("no call");
    Profile::ALL.map(|profile| Reply::misuse(profile, Caller::Plain, &misuse).body)
}

/// The parser's own message quotes a text that stands in the place of an object, and with it a whole body that was
/// encoded twice.
#[test]
fn a_body_that_was_encoded_twice_is_not_quoted() {
    let members = corpus::load(env!("CARGO_MANIFEST_DIR"), "bodies");
    let member = String::from_utf8_lossy(&corpus::named(&members, "login-encoded-twice").bytes).into_owned();
    let (_, twice) = member.split_once('\n').expect("a body");
    for text in told("PUT", "/v1/accounts/login", twice) {
        assert!(text.contains("another JSON value") && !text.contains(CANARY), "{text}");
    }
    let members = corpus::load(env!("CARGO_MANIFEST_DIR"), "legacy");
    let text = legacy::decode(&corpus::named(&members, "encoded-twice").bytes).expect_err("no message");
    assert!(text.contains("another JSON value") && !text.contains(CANARY), "{text}");
}

/// What a condition has besides name, operator and value was quoted too.
#[test]
fn an_incomplete_condition_is_told_with_its_own_members_only() {
    let members = corpus::load(env!("CARGO_MANIFEST_DIR"), "legacy");
    let message = legacy::decode(&corpus::named(&members, "query-no-name").bytes).expect("a message");
    let details = message.refusal.expect("a refusal").details;
    assert_eq!(details, r#"'name' of query condition {"op":"=","value":"x"} cannot be null"#);
}

/// In profile `zstack` and over the legacy entry the text is the body, and was as long as what it quotes.
#[test]
fn a_text_that_quotes_a_long_request_is_cut_as_details_are() {
    let long = "x".repeat(100_000);
    for text in told("POST", &format!("/v1/{long}"), "") {
        assert!(text.len() < DETAILS_MAX + 200 && text.contains("..."), "{} bytes", text.len());
    }
    let plain = &told("POST", &format!("/v1/{long}"), "")[1];
    assert_eq!((plain.len(), plain.ends_with("x...")), (DETAILS_MAX, true));
    let text = legacy::decode(format!("{{\"{long}\":{{}}}}").as_bytes()).expect_err("no such class");
    assert_eq!((text.len(), text.ends_with("x...")), (DETAILS_MAX, true));
}

/// Each part of a name with dots copied all of it that had been read.
#[test]
fn a_name_of_many_parts_costs_in_proportion_to_its_length() {
    let cost = |parts: usize| {
        let text = format!("query longjob where {}a = 1", "a.".repeat(parts));
        let (read, cost) = cost::of(|| zql::parse(&text));
        assert!(read.is_ok());
        cost
    };
    let (short, long) = (cost(2_000), cost(20_000));
    assert!(long < 20 * short, "ten times as long: {short} and {long} bytes");
}

/// The path that is signed is decoded, so a slash and an escaped one were the same in it.
#[test]
fn an_escaped_slash_is_no_part_of_a_signed_path() {
    let signed = |path: &str| {
        let headers = Headers {
            authorization: Some("ZStack id:signature"),
            date: Some("Thu, 01 Jan 1970 00:00:00 GMT"),
            ..Headers::default()
        };
        decode(&Request { method: "DELETE", path, query: None, body: b"", headers, now_ms: 0, zone: &ZONE })
    };
    assert!(signed("/v1/longjobs/a%20b").is_ok());
    for path in ["/v1/longjobs/a%2Fb", "/zstack/v1/longjobs/%2f"] {
        let misuse = signed(path).expect_err(path);
        assert!(misuse.text(Profile::Fast).contains("escaped slash"), "{misuse:?}");
        assert_eq!(misuse.fast_status(Caller::Sdk), 400);
    }
}
