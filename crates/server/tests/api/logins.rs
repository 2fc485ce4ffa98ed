//! The three logins and what they ask for: each opens the same session, and says in its own words what is
//! wrong. How often they may be tried is in `login_limits`.
//!
//! Source: rest-api.md 1.5, 2.3.

use serde_json::{Value, json};

use crate::support::server::PASSWORD;
use crate::support::{Answer, Caller, Kind, Server, sha512, until};

const ADMIN: &str = "36c27e8ff05c4780bf6d2fa65700f22e";

fn nobody(server: &Server, kind: Kind) -> Caller {
    Caller { address: server.address, kind, session: String::new() }
}

/// Each way to log in as admin, with everything that clients may send beside it.
fn ways(password: &str) -> Vec<(&'static str, Value)> {
    let password = sha512(password);
    let client = json!({"clientIp": "10.0.0.1", "clientBrowser": "x"});
    vec![
        (
            "/accounts/login",
            json!({"logInByAccount": {"accountName": "admin", "password": password, "accountType": "account",
                "captchaUuid": "", "verifyCode": "", "clientInfo": client}}),
        ),
        (
            "/accounts/users/login",
            json!({"logInByUser": {"accountName": "admin", "userName": "admin", "password": password,
                "clientInfo": client}}),
        ),
        (
            "/accounts/users/login",
            json!({"logInByUser": {"accountUuid": ADMIN, "userName": "admin", "password": password}}),
        ),
        (
            "/login",
            json!({"logIn": {"username": "admin", "password": password, "loginType": "account",
                "captchaUuid": null, "verifyCode": null, "clientInfo": client, "properties": {"a": "b"}}}),
        ),
    ]
}

#[test]
fn every_login_opens_the_same_kind_of_session_for_every_kind_of_caller() {
    for server in Server::both(&[]) {
        for kind in Kind::ALL {
            for (path, body) in ways(PASSWORD) {
                let answer = nobody(&server, kind).put(path, &body);
                assert_eq!(answer.first, 200, "a login is never answered with 202");
                let session = answer.inventory();
                assert_eq!((&session["accountUuid"], &session["userUuid"]), (&json!(ADMIN), &json!(ADMIN)));
                assert_eq!(session.as_object().map(serde_json::Map::len), Some(6), "{session}");
                let own = nobody(&server, kind).with(session["uuid"].as_str().expect("a uuid"));
                assert_eq!(own.get("/accounts").ok()["inventories"][0]["name"], "admin");
            }
        }
    }
}

#[track_caller]
fn refused(server: &Server, answer: &Answer, code: &str, details: &str) {
    let status = match (server.profile, code) {
        ("zstack", _) => 503,
        (_, "SYS.1007") => 400,
        _ => 401,
    };
    assert_eq!(answer.first, status, "{}", answer.last.text());
    let error = answer.error();
    assert_eq!(error.0, code, "{error:?}");
    assert!(error.1.contains(details), "{error:?}");
}

#[test]
fn each_login_says_in_its_own_words_what_is_wrong_and_no_more() {
    for server in Server::both(&[]) {
        server.account("ann");
        let caller = nobody(&server, Kind::Plain);
        let by_user = |mut params: Value, password: &str| {
            params["password"] = json!(sha512(password));
            caller.put("/accounts/users/login", &json!({ "logInByUser": params }))
        };
        let wrong = "wrong account or username or password";
        for (params, password) in [
            (json!({"accountName": "admin", "userName": "admin"}), "wrong"),
            (json!({"accountUuid": ADMIN, "userName": "admin"}), "wrong"),
            (json!({"accountName": "nobody", "userName": "nobody"}), PASSWORD),
            (json!({"accountUuid": "0".repeat(32), "userName": "admin"}), PASSWORD),
            (json!({"accountUuid": "malformed", "userName": "admin"}), PASSWORD),
            (json!({"accountName": "ann", "userName": "admin"}), PASSWORD),
            (json!({"accountName": "admin", "userName": "ann"}), PASSWORD),
        ] {
            refused(&server, &by_user(params, password), "ID.1000", wrong);
        }
        let nameless = by_user(json!({"userName": "admin"}), PASSWORD);
        refused(&server, &nameless, "SYS.1007", "field[accountUuid] or field[accountName]");
        refused(&server, &by_user(json!({"accountName": "admin"}), PASSWORD), "SYS.1007", "field[userName]");
        let by_type = |name: &str, password: &str, login_type: Value| {
            let body = json!({"username": name, "password": sha512(password), "loginType": login_type});
            caller.put("/login", &json!({ "logIn": body }))
        };
        let wrong = "wrong account name or password";
        refused(&server, &by_type("admin", "wrong", json!("account")), "ID.1000", wrong);
        refused(&server, &by_type("nobody", PASSWORD, json!("account")), "ID.1000", wrong);
        refused(&server, &by_type("admin", PASSWORD, json!("ldap")), "SYS.1007", "[account], but ldap found");
        refused(&server, &by_type("admin", PASSWORD, json!(null)), "SYS.1007", "field[loginType]");
        // A wrapper of another login is none: its fields are missing.
        let (_, by_account) = ways(PASSWORD).swap_remove(0);
        refused(&server, &caller.put("/login", &by_account), "SYS.1007", "field[username]");
    }
}

#[test]
fn a_login_asks_for_nothing_but_the_password() {
    for server in Server::both(&[]) {
        for caller in [nobody(&server, Kind::Plain), nobody(&server, Kind::Go).with("null")] {
            for query in ["", "?username=admin&loginType=account", "?username=nobody"] {
                let answer = caller.get(&format!("/login/procedures{query}"));
                assert_eq!(answer.ok(), json!({"procedures": []}), "{query}");
            }
        }
        let other = nobody(&server, Kind::Plain).get("/login/procedures?loginType=ldap");
        refused(&server, &other, "SYS.1007", "[account], but ldap found");
    }
}

#[test]
fn sessions_are_limited_over_all_logins_together() {
    for server in Server::both(&["--set", "session.maxPerAccount=4"]) {
        let caller = nobody(&server, Kind::Plain);
        let first = ways(PASSWORD).into_iter().map(|(path, body)| caller.put(path, &body).inventory()).next();
        let opened: Vec<Value> = ways(PASSWORD)
            .into_iter()
            .skip(1)
            .map(|(path, body)| caller.put(path, &body).inventory()["uuid"].clone())
            .collect();
        assert_eq!(opened.len(), 3);
        for (path, body) in ways(PASSWORD) {
            let refused = caller.put(path, &body);
            assert_eq!(refused.error().0, "ID.1006", "{path}");
        }
        let first = first.expect("a session")["uuid"].as_str().expect("a uuid").to_owned();
        caller.delete(&format!("/accounts/sessions/{first}")).ok();
        let (path, body) = ways(PASSWORD).swap_remove(3);
        caller.put(path, &body).inventory();
    }
}

#[test]
fn a_session_in_use_outlives_its_first_end_and_a_restart() {
    let timeout = format!("session.timeoutSeconds={}", crate::STORE.seconds(3));
    let flags = ["--set", timeout.as_str()];
    let server = Server::start("fast", &flags);
    let (used, unused) = (server.admin(), server.admin());
    let valid = |caller: &Caller| {
        caller.get(&format!("/accounts/sessions/{}/valid", caller.session)).ok() == json!({"valid": true})
    };
    until("the unused one ends", || {
        used.get("/zones").ok();
        (!valid(&unused)).then_some(())
    });
    let server = server.killed_and_started_again(&flags);
    let used = Caller { address: server.address, ..used };
    used.get("/zones").ok();
    assert!(valid(&used));
}

#[test]
fn an_account_has_a_name_that_no_other_has_in_any_case() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let create = |name: &str| {
        let params = json!({"name": name, "password": crate::support::sha512("x")});
        admin.post("/accounts", &json!({"params": params}))
    };
    for name in ["ADMIN", "Admin"] {
        assert!(create(name).error().1.contains("already called"), "{name}");
    }
    for blank in ["", "  "] {
        assert_eq!(create(blank).error().0, "SYS.1007", "{blank:?}");
    }
    let id = create("somebody").inventory()["uuid"].as_str().expect("a uuid").to_owned();
    let rename =
        |name: &str| admin.put(&format!("/accounts/{id}"), &json!({"updateAccount": {"name": name}}));
    assert!(rename("ADMIN").error().1.contains("already called"));
    rename("SomeBody").ok();
}
