//! Oddities of ZStack's server that no other test here holds: several actions in one body, and what is not
//! there for browsers.
//!
//! Source: rest-api.md section 8.

use serde_json::json;

use crate::support::{Server, http};

#[test]
fn of_several_actions_in_one_body_one_is_done() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        let path = format!("/longjobs/{id}/actions");
        let name = || admin.job(&id).expect("the job")["name"].clone();
        // Keys that name no action are none, wherever they stand; of two actions here it is the first.
        let unknown = json!({"noSuchAction": {}, "updateLongJob": {"name": "one"}, "noOther": null});
        assert_eq!(admin.put(&path, &unknown).inventory()["name"], "one");
        let first = json!({"updateLongJob": {"name": "two"}, "cleanLongJob": {}});
        assert_eq!(admin.put(&path, &first).inventory()["name"], "two");
        let second = json!({"cleanLongJob": {}, "updateLongJob": {"name": "three"}});
        assert_eq!(admin.put(&path, &second).error().0, "LONG_JOB.1003");
        assert_eq!(name(), "two", "the other one was not done besides");
    }
}

#[test]
fn nothing_is_said_to_browsers_of_other_sites() {
    for server in Server::both(&[]) {
        let session = format!("OAuth {}", server.admin().session);
        for method in ["OPTIONS", "PATCH", "GET", "POST"] {
            let headers = [
                ("Authorization", session.as_str()),
                ("Origin", "http://elsewhere.example"),
                ("Access-Control-Request-Method", "PUT"),
            ];
            let answer = http::send(server.address, method, "/zstack/v1/longjobs", &headers, b"");
            assert_eq!(answer.status == 405, matches!(method, "OPTIONS" | "PATCH"), "{}", answer.text());
            let told = answer.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
            assert!(!told, "{method}: {:?}", answer.headers);
        }
    }
}
