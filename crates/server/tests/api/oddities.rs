//! Oddities of ZStack's server that no other test here holds: several actions in one body, and what is not
//! there for browsers.
//!
//! Source: rest-api.md section 8.

use serde_json::json;

use crate::support::server::TempDir;
use crate::support::{Kind, Server, http};

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

#[test]
fn a_dry_run_of_any_call_does_nothing() {
    for server in Server::both(&[]) {
        for admin in [server.admin(), server.admin().as_kind(Kind::Java)] {
            let id = admin.job_in("Succeeded");
            let storage = TempDir::new("dry-run");
            let tags = json!(["validationOnly"]);
            let new = json!({"params": {"name": "dry", "url": storage.0}, "systemTags": tags});
            assert_eq!(admin.post("/primary-storage/local-storage", &new).ok(), json!({}));
            let account = json!({"params": {"name": "dry", "password": "0"}, "systemTags": tags});
            assert_eq!(admin.post("/accounts", &account).ok(), json!({}));
            let rename = json!({"updateLongJob": {"name": "dry"}, "systemTags": tags});
            assert_eq!(admin.put(&format!("/longjobs/{id}/actions"), &rename).ok(), json!({}));
            assert_eq!(admin.delete(&format!("/longjobs/{id}?systemTags=validationOnly")).ok(), json!({}));
            for path in ["/primary-storage", "/accounts", "/longjobs"] {
                let found = admin.get(&format!("{path}?q=name=dry")).ok();
                assert_eq!(found["inventories"], json!([]), "{path}");
            }
            assert!(admin.job(&id).is_some(), "the job is still there");
            // The control: without the tag it is done.
            admin.delete(&format!("/longjobs/{id}")).ok();
            assert!(admin.job(&id).is_none());
        }
    }
}
