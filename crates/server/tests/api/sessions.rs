//! Sessions and accounts: the keys of a session, logging out, validating, renewing, limits; what the node
//! answers to anybody.
//!
//! Source: rest-api.md 1.5, 1.6, 2.1, 2.3.

use serde_json::{Value, json};

use crate::inventory::{is_timestamp, is_uuid};
use crate::support::server::PASSWORD;
use crate::support::{Caller, Kind, Server, sha512, uuid};

const ADMIN: &str = "36c27e8ff05c4780bf6d2fa65700f22e";

fn log_in(server: &Server, name: &str, password: &str) -> crate::support::Answer {
    let nobody = Caller { address: server.address, kind: Kind::Plain, session: String::new() };
    // Everything that the clients may send with it.
    let body = json!({"logInByAccount": {
        "accountName": name, "password": sha512(password), "accountType": "account", "captchaUuid": "",
        "verifyCode": "", "clientInfo": {"clientIp": "10.0.0.1", "clientBrowser": "x"},
    }});
    nobody.put("/accounts/login", &body)
}

#[test]
fn a_session_has_the_contracts_keys_and_the_built_in_admins_uuid() {
    for server in Server::both(&[]) {
        let session = log_in(&server, "admin", PASSWORD).inventory();
        assert!(session["uuid"].as_str().is_some_and(is_uuid), "{session}");
        assert_eq!((&session["accountUuid"], &session["userUuid"]), (&json!(ADMIN), &json!(ADMIN)));
        for key in ["expiredDate", "createDate"] {
            assert!(session[key].as_str().is_some_and(|t| is_timestamp(t, server.profile)), "{session}");
        }
        assert_eq!(session["noSessionEvaluation"], false);
        assert_eq!(session.as_object().map(serde_json::Map::len), Some(6), "{session}");
    }
}

#[test]
fn the_known_password_of_the_contract_is_the_demos() {
    let server = Server::start("zstack", &["--demo"]);
    let known = "b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb980b1d7785e5976ec049b46df5f1326af5a2ea6d103fd07c95385ffab0cacbc86";
    assert_eq!(sha512("password"), known);
    log_in(&server, "admin", "password").ok();
}

#[test]
fn a_session_is_valid_until_it_is_logged_out_and_logging_out_twice_is_no_error() {
    for server in Server::both(&[]) {
        for caller in server.admins() {
            let own = Caller::log_in(server.address, caller.kind, "admin", PASSWORD);
            let path = format!("/accounts/sessions/{}", own.session);
            let valid = |path: &str| caller.get(&format!("{path}/valid")).ok()["valid"].clone();
            assert_eq!(valid(&path), true);
            assert_eq!(
                own.call("DELETE", &format!("{path}?clientInfo.clientIp=1&clientInfo.clientBrowser=2"), b"")
                    .ok(),
                json!({})
            );
            assert_eq!(valid(&path), false);
            assert_eq!(own.get("/zones").error().0, "ID.1001");
            assert_eq!(caller.delete(&path).ok(), json!({}));
            for unknown in [uuid(), "malformed".to_owned()] {
                assert_eq!(valid(&format!("/accounts/sessions/{unknown}")), false);
                assert_eq!(caller.delete(&format!("/accounts/sessions/{unknown}")).ok(), json!({}));
            }
        }
    }
}

#[test]
fn renewing_moves_the_end_of_a_session() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let path = format!("/accounts/sessions/{}/renew", admin.session);
        for params in
            [json!({}), json!({"duration": 60}), json!({"duration": "31536000"}), json!({"duration": 3600.0})]
        {
            let session = admin.put(&path, &json!({ "renewSession": params })).inventory();
            assert_eq!(session["uuid"], admin.session.as_str(), "the path wins over the body");
            assert!(session["expiredDate"].as_str().is_some_and(|t| is_timestamp(t, server.profile)));
        }
        let other = json!({"renewSession": {"sessionUuid": uuid(), "duration": 60}});
        assert_eq!(admin.put(&path, &other).inventory()["uuid"], admin.session.as_str());
        let unknown = format!("/accounts/sessions/{}/renew", uuid());
        assert_eq!(admin.put(&unknown, &json!({"renewSession": {}})).error().0, "ID.1001");
    }
}

#[test]
fn an_account_has_no_more_sessions_than_the_limit() {
    for server in Server::both(&["--set", "session.maxPerAccount=2"]) {
        let first = log_in(&server, "admin", PASSWORD).inventory();
        log_in(&server, "admin", PASSWORD).ok();
        let refused = log_in(&server, "admin", PASSWORD);
        let (code, details) = refused.error();
        assert_eq!(
            (code.as_str(), refused.first),
            ("ID.1006", if server.profile == "fast" { 429 } else { 503 })
        );
        assert!(
            details.starts_with("Login sessions hit limit of max allowed concurrent login sessions"),
            "{details}"
        );
        let caller = Caller { address: server.address, kind: Kind::Plain, session: String::new() };
        caller.delete(&format!("/accounts/sessions/{}", first["uuid"].as_str().expect("a uuid"))).ok();
        log_in(&server, "admin", PASSWORD).ok();
    }
}

#[test]
fn the_authorization_is_taken_trimmed_and_its_scheme_to_the_letter() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let nobody = admin.with("");
        for header in [
            format!("OAuth  {} ", admin.session),
            format!("OAuth{}", admin.session),
            format!("  OAuth {}", admin.session),
        ] {
            assert_eq!(
                nobody.once("GET", "/zones", &[("Authorization", &header)], b"").status,
                200,
                "{header}"
            );
        }
        for header in [format!("oauth {}", admin.session), format!("Bearer {}", admin.session)] {
            assert!(
                nobody.once("GET", "/zones", &[("Authorization", &header)], b"").status >= 400,
                "{header}"
            );
        }
        let go = [("Authorization", format!("OAuth {}", admin.session)), ("x-session-id", uuid())];
        let go: Vec<(&str, &str)> = go.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(nobody.once("GET", "/zones", &go, b"").status, 200, "only `Authorization` counts");
    }
}

#[test]
fn version_and_clock_are_told_to_anybody() {
    for server in Server::both(&[]) {
        let nobody = server.admin().with("");
        let version = nobody.put("/management-nodes/actions", &json!({"getVersion": {}})).ok();
        assert_eq!(version, json!({"version": "5.2.1", "success": true}));
        let time = nobody.put("/management-nodes/actions", &json!({"getCurrentTime": {}})).ok();
        let (ms, s) = (&time["currentTime"]["MillionSeconds"], &time["currentTime"]["Seconds"]);
        assert_eq!(ms.as_i64().map(|ms| ms / 1000), s.as_i64());
        assert_eq!(time["success"], true);
    }
}

#[test]
fn accounts_are_created_changed_and_deleted_with_the_contracts_texts() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let create = |name: &str| {
            admin.post("/accounts", &json!({"params": {"name": name, "password": sha512("one")}}))
        };
        let account = create("somebody").inventory();
        assert_eq!((&account["name"], &account["type"]), (&json!("somebody"), &json!("Normal")));
        assert_eq!(account.get("password"), None);
        let taken = "unable to create an account. An account already called somebody";
        assert_eq!(create("somebody").error(), ("SYS.1007".to_owned(), taken.to_owned()));
        let path = format!("/accounts/{}", account["uuid"].as_str().expect("a uuid"));
        let change = |caller: &Caller, params: Value| caller.put(&path, &json!({ "updateAccount": params }));
        let own = Caller::log_in(server.address, Kind::Plain, "somebody", "one");
        let wrong = change(&own, json!({"password": sha512("two"), "oldPassword": sha512("zero")})).error();
        assert!(wrong.1.starts_with("old password is not equal to the original password"), "{wrong:?}");
        change(&own, json!({"password": sha512("two"), "oldPassword": sha512("one")})).ok();
        assert_eq!(log_in(&server, "somebody", "one").error().0, "ID.1000");
        let own = Caller::log_in(server.address, Kind::Plain, "somebody", "two");
        let denied = own.delete(&path).error();
        assert_eq!(denied, ("SYS.1007".to_owned(), "Only admin can delete account.".to_owned()));
        let built_in = admin.delete(&format!("/accounts/{ADMIN}")).error();
        assert_eq!(built_in.1, "cannot delete builtin admin account.");
        assert_eq!(admin.delete(&format!("{path}?deleteMode=")).ok(), json!({}));
        assert_eq!(own.get("/zones").error().0, "ID.1001", "its sessions went with it");
        assert_eq!(log_in(&server, "somebody", "two").error().0, "ID.1000");
        assert_eq!(admin.delete(&path).ok(), json!({}), "an unknown one is no error");
    }
}

#[test]
fn what_only_admin_may_do_is_refused_to_others_by_its_name() {
    for server in Server::both(&[]) {
        let other = server.account("other");
        let body = json!({"params": {"name": "x", "password": "y"}});
        let text = "request api[name: org.zstack.header.identity.APICreateAccountMsg] is admin only, can not be executed by current user";
        assert_eq!(other.post("/accounts", &body).error(), ("ID.1002".to_owned(), text.to_owned()));
    }
}
