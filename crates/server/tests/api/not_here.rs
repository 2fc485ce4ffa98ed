//! APIs that ZStack has and this server has not: told so, with a code that clients know, instead of 404.
//!
//! Source: rest-api.md 4.5 (SYS.1014), 1.2 (routing).

use serde_json::json;

use crate::support::{Caller, Kind, Server, http, uuid};

/// Method, path, body, and whether ZStack answers it asynchronously.
fn requests() -> Vec<(&'static str, String, String, bool)> {
    let one = uuid();
    vec![
        ("GET", "/vm-instances".to_owned(), String::new(), false),
        ("GET", format!("/vm-instances/{one}"), String::new(), false),
        ("GET", "/batch-queries?script=x".to_owned(), String::new(), false),
        ("GET", "/volumes/formats".to_owned(), String::new(), false),
        (
            "POST",
            "/vm-instances".to_owned(),
            json!({"params": {"name": "i"}, "systemTags": ["vmSystemTag::x"]}).to_string(),
            true,
        ),
        ("POST", "/zones".to_owned(), json!({"params": {"name": "z"}}).to_string(), true),
        ("DELETE", format!("/hosts/{one}?deleteMode=Permissive"), String::new(), true),
        ("PUT", format!("/vm-instances/{one}/actions"), json!({"startVmInstance": {}}).to_string(), true),
        ("PUT", format!("/volumes/{one}/actions"), json!({"syncVolumeSize": {}}).to_string(), true),
    ]
}

#[test]
fn an_api_that_is_not_here_is_sys_1014_with_a_sentence_in_the_form_of_its_kind() {
    for server in Server::both(&[]) {
        for caller in server.admins() {
            for (method, path, body, asynchronous) in requests() {
                let answer = caller.call(method, &path, body.as_bytes());
                let cell = format!("{} {:?}: {method} {path}", server.profile, caller.kind);
                let (code, details) = answer.error();
                assert_eq!(code, "SYS.1014", "{cell}: {details}");
                assert!(details.contains("is not offered by this server"), "{cell}: {details}");
                let plain = server.profile == "fast" && caller.kind == Kind::Plain;
                let (first, last) = match (plain, asynchronous) {
                    (true, _) => (501, 501),
                    (false, true) => (202, 503),
                    (false, false) => (503, 503),
                };
                assert_eq!((answer.first, answer.last.status), (first, last), "{cell}");
            }
        }
    }
}

#[test]
fn the_session_comes_first() {
    for server in Server::both(&[]) {
        let stranger = Caller { address: server.address, kind: Kind::Plain, session: uuid() };
        for (method, path, body, _) in requests() {
            let answer = stranger.call(method, &path, body.as_bytes());
            assert_eq!(answer.error().0, "ID.1001", "{method} {path}");
        }
        let none = http::send(server.address, "GET", "/zstack/v1/vm-instances", &[], b"");
        assert_eq!(none.status, if server.profile == "fast" { 401 } else { 400 });
        let open = http::send(server.address, "GET", "/zstack/v1/login/procedures", &[], b"");
        assert_ne!(open.status, 404, "{}", open.text());
    }
}

#[test]
fn what_not_even_zstack_has_is_still_not_found_and_what_is_here_is_answered() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let nothing = admin.once("GET", "/no-such-thing", &[], b"");
        assert_eq!(nothing.status, 404);
        assert!(nothing.text().contains("no api mapping to /v1/no-such-thing"), "{}", nothing.text());
        let wrong = admin.once("DELETE", "/vm-instances", &[], b"");
        assert!(wrong.text().contains("No delete API found for the path"), "{}", wrong.text());
        let action = admin.once("PUT", "/vm-instances/x/actions", &[], b"{\"nope\":{}}");
        assert_eq!(action.status, 400);
        assert!(action.text().contains("doesn't contain action mapping"), "{}", action.text());
        admin.get("/zones").ok();
        admin.get(&format!("/volumes/{}", uuid())).ok();
    }
}
