//! Signed requests: each SDK's date, headers and polls; whose request it is; and what is refused.
//!
//! Source: rest-api.md 2.1, 2.2, 3.6.

use serde_json::json;

use crate::credential_rows::rows;
use crate::credentials::Stake;
use crate::support::http::Response;
use crate::support::jobs::{data, submission};
use crate::support::{Kind, Server, Signer, uuid};

#[track_caller]
fn refused(server: &Server, answer: &Response) {
    // The first answer, in both profiles: an SDK that signs reads the reason there.
    assert_eq!(answer.status, 503, "{}: {}", server.profile, answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "ID.1000", "{error}");
    let details = error["details"].as_str().expect("details");
    assert!(details.contains("wrong accessKey signature") && details.contains("access key id"), "{details}");
}

#[test]
fn every_kind_of_caller_works_with_a_key_as_with_a_session() {
    for server in Server::both(&[]) {
        let key = Signer::of(&server.admin());
        for kind in Kind::ALL {
            let key = key.as_kind(kind);
            let id = uuid();
            let submitted = key.post("/longjobs", &submission(&id, &data("Running")));
            assert_eq!(submitted.first, 202, "who signs is an SDK");
            assert_eq!(submitted.inventory()["uuid"], id.as_str());
            let found = key.get(&format!("/longjobs?q=uuid={id}&limit=1")).ok();
            assert_eq!(found["inventories"][0]["uuid"], id.as_str());
            assert_eq!(key.get(&format!("/longjobs/{id}")).ok()["inventories"][0]["uuid"], id.as_str());
            let actions = format!("/longjobs/{id}/actions");
            let renamed = key.put(&actions, &json!({"updateLongJob": {"name": "signed"}}));
            assert_eq!((renamed.first, renamed.inventory()["name"].clone()), (202, json!("signed")));
            assert_eq!(key.put(&actions, &json!({"cancelLongJob": {}})).ok(), json!({}));
            server.admin().wait_for(&id, "Canceled");
            assert_eq!(key.delete(&format!("/longjobs/{id}?deleteMode=")).ok(), json!({}));
            // A failure behind a 202 is at the poll, as with a session.
            let missing = key.put(&format!("/longjobs/{}/actions", uuid()), &json!({"cancelLongJob": {}}));
            assert_eq!((missing.first, missing.error().0.as_str()), (202, "SYS.1003"));
        }
    }
}

#[test]
fn both_prefixes_are_signed_alike() {
    for server in Server::both(&[]) {
        let key = Signer::of(&server.admin());
        for path in ["/v1/zones", "/zstack/v1/zones", "/zstack/v1/zones?", "/v1/zones?limit=1"] {
            assert_eq!(key.once("GET", path, &[], b"").status, 200, "{path}");
        }
    }
}

#[test]
fn a_signed_request_is_its_accounts_whatever_session_is_sent_beside_it() {
    for server in Server::both(&[]) {
        let (admin, ann) = (server.admin(), server.account("ann"));
        let foreign = admin.job_in("Running");
        let key = Signer::of(&ann);
        let own = ann.job_in("Running");
        let answer = key.once("GET", "/longjobs", &[("X-Session-Id", &admin.session)], b"").json();
        let seen: Option<Vec<_>> =
            answer["inventories"].as_array().map(|jobs| jobs.iter().map(|j| j["uuid"].clone()).collect());
        assert_eq!(seen, Some(vec![json!(own)]));
        let denied = key.put(&format!("/longjobs/{foreign}/actions"), &json!({"cancelLongJob": {}}));
        assert_eq!(denied.error().0, "ID.1002");
        let account = json!({"params": {"name": "x", "password": "y"}});
        assert_eq!(key.post("/accounts", &account).error().0, "ID.1002");
        // What a key may not see with a session it does not have.
        let made = Signer::of(&admin).get("/longjobs").ok();
        assert_eq!(made["inventories"].as_array().map(Vec::len), Some(2), "admin's key sees all");
    }
}

#[test]
fn a_signature_fits_its_method_its_date_and_its_path_alone() {
    for server in Server::both(&[]) {
        let key = Signer::of(&server.admin());
        let (date, other_date) = (key.date(0), key.date(1));
        let right = key.authorization("GET", &date, "/zones");
        let send = |method: &str, path: &str, date: &str, authorization: &str| {
            let more = [("Authorization", authorization), ("Date", date)];
            key.caller.once(method, path, &more, b"")
        };
        assert_eq!(send("GET", "/zones", &date, &right).status, 200);
        refused(&server, &send("GET", "/zones", &other_date, &right));
        refused(&server, &send("GET", "/accounts", &date, &right));
        refused(&server, &send("DELETE", &format!("/longjobs/{}", uuid()), &date, &right));
        let zones = format!("/zones/{}", uuid());
        refused(&server, &send("GET", &zones, &date, &right));
        let another = Signer { secret: "0".repeat(40), ..key.clone() };
        refused(&server, &another.once("GET", "/zones", &[], b""));
        let unknown = Signer { access_id: "Nobody00000000000000".to_owned(), ..key.clone() };
        refused(&server, &unknown.once("GET", "/zones", &[], b""));
        for garbage in ["x", "====", "%", &"A".repeat(4000)] {
            let authorization = format!("ZStack {}:{garbage}", key.access_id);
            refused(&server, &send("GET", "/zones", &date, &authorization));
        }
    }
}

#[test]
fn a_right_signature_of_another_hour_is_too_skewed() {
    for server in Server::both(&[]) {
        for kind in Kind::ALL {
            let key = Signer::of(&server.admin()).as_kind(kind);
            for (later_s, fine) in [(-14 * 60, true), (14 * 60, true), (-16 * 60, false), (16 * 60, false)] {
                let date = key.date(later_s);
                let authorization = key.authorization("GET", &date, "/zones");
                let more = [("Authorization", authorization.as_str()), ("Date", date.as_str())];
                let answer = key.caller.once("GET", "/zones", &more, b"");
                assert_eq!(answer.status, if fine { 200 } else { 403 }, "{date}: {}", answer.text());
                assert_eq!(answer.text().contains("requestTimeTooSkewed"), !fine);
            }
        }
    }
}

#[test]
fn a_disabled_or_deleted_key_signs_nothing_from_then_on() {
    for server in Server::both(&[]) {
        let (admin, ann) = (server.admin(), server.account("ann"));
        let key = Signer::of(&ann);
        key.get("/zones").ok();
        let actions = format!("/accesskeys/{}/actions", key.uuid);
        let state = |event: &str| json!({"changeAccessKeyState": {"stateEvent": event}});
        ann.put(&actions, &state("disable")).ok();
        refused(&server, &key.once("GET", "/zones", &[], b""));
        admin.put(&actions, &state("enable")).ok();
        key.get("/zones").ok();
        ann.delete(&format!("/accesskeys/{}", key.uuid)).ok();
        refused(&server, &key.once("GET", "/zones", &[], b""));
        // A key may delete itself, and goes with its account.
        let last = Signer::of(&ann);
        last.delete(&format!("/accesskeys/{}", last.uuid)).ok();
        refused(&server, &last.once("GET", "/zones", &[], b""));
        let orphan = Signer::of(&ann);
        orphan.get("/zones").ok();
        let own = ann.get("/accounts").ok()["inventories"][0]["uuid"].as_str().map(str::to_owned);
        admin.delete(&format!("/accounts/{}", own.expect("an account"))).ok();
        refused(&server, &orphan.once("GET", "/zones", &[], b""));
    }
}

#[test]
fn no_operation_works_with_a_wrong_signature() {
    for server in Server::both(&["--set", &crate::credentials::file_roots()]) {
        let stake = Stake::of(&server.admin());
        let right = Signer::of(&server.admin());
        let wrong = Signer { secret: "not the secret of this key".to_owned(), ..right.clone() };
        for row in rows(&stake) {
            let method = row.id.split(' ').next().unwrap_or_default().to_uppercase();
            let body = if row.body.is_null() { String::new() } else { row.body.to_string() };
            let answer = wrong.once(&method, &row.path, &[], body.as_bytes());
            if row.open {
                assert_eq!(answer.status, row.open_status, "{}", row.id);
            } else {
                refused(&server, &answer);
            }
        }
        stake.check(&server.admin());
        right.get("/zones").ok();
    }
}
