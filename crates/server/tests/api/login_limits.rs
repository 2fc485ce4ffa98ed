//! How often a password may be tried: per account and address, per address, and never so that an attacker
//! locks the owner out.
//!
//! Source: rest-api.md 4.5 (LOGIN_CONTROL), design section 8.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::json;

use crate::support::http::{self, Response};
use crate::support::server::PASSWORD;
use crate::support::{Server, sha512, until};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A connection that comes from `source`.
fn connect(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::from((source, 0))).expect("all of 127/8 is here");
    connect(&socket, &to).expect("the server takes connections");
    TcpStream::from(socket)
}

/// One login by account from `source`.
fn log_in(server: &Server, source: Ipv4Addr, name: &str, password: &str, forwarded: &str) -> Response {
    let body = json!({"logInByAccount": {"accountName": name, "password": sha512(password)}}).to_string();
    let head = format!(
        "PUT /v1/accounts/login HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n{forwarded}Connection: close\r\n\r\n",
        body.len()
    );
    let mut stream = connect(source, server.address);
    stream.write_all((head + &body).as_bytes()).expect("sent");
    http::read(&mut stream)
}

fn code(response: &Response) -> String {
    match response.status {
        200 => "ok".to_owned(),
        _ => response.json()["error"]["code"].as_str().expect("a code").to_owned(),
    }
}

/// The code of a login without further headers.
fn tried(server: &Server, source: Ipv4Addr, name: &str, password: &str) -> String {
    code(&log_in(server, source, name, password, ""))
}

const WRONG: &str = "ID.1000";
const LOCKED: &str = "LOGIN_CONTROL.1002";

#[test]
fn too_many_failures_lock_account_and_address_together_and_say_for_how_long() {
    let flags = ["--set", "login.failuresPerAccount=3", "--set", "login.lockSeconds=100"];
    for server in Server::both(&flags) {
        server.account("ann");
        for _ in 0..3 {
            assert_eq!(tried(&server, HERE, "admin", "wrong"), WRONG);
        }
        let locked = log_in(&server, HERE, "admin", PASSWORD, "");
        assert_eq!(locked.status, if server.profile == "fast" { 429 } else { 503 });
        assert_eq!(code(&locked), LOCKED, "the right password is not tried either");
        let details = locked.json()["error"]["details"].as_str().expect("details").to_owned();
        let seconds: u32 = details
            .split("try again in ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("{details}"));
        assert!((60..=100).contains(&seconds), "{details}");
        assert_eq!(tried(&server, HERE, "ann", "ann"), "ok", "another account from there");
        assert_eq!(tried(&server, ELSEWHERE, "admin", PASSWORD), "ok", "the owner from elsewhere");
        // By whatever login: the account is one.
        let caller = crate::support::Caller {
            address: server.address,
            kind: crate::support::Kind::Java,
            session: String::new(),
        };
        let by_user = json!({"accountName": "admin", "userName": "admin", "password": sha512(PASSWORD)});
        assert_eq!(caller.put("/accounts/users/login", &json!({"logInByUser": by_user})).error().0, LOCKED);
        let by_type = json!({"username": "admin", "loginType": "account", "password": sha512(PASSWORD)});
        assert_eq!(caller.put("/login", &json!({"logIn": by_type})).error().0, LOCKED);
    }
}

#[test]
fn a_lock_ends_by_itself() {
    let flags = ["--set", "login.failuresPerAccount=1", "--set", "login.lockSeconds=1"];
    let server = Server::start("fast", &flags);
    assert_eq!(tried(&server, HERE, "admin", "wrong"), WRONG);
    assert_eq!(tried(&server, HERE, "admin", PASSWORD), LOCKED);
    until("the lock ends", || (tried(&server, HERE, "admin", PASSWORD) == "ok").then_some(()));
}

#[test]
fn a_right_password_takes_the_failures_before_it_back() {
    for server in Server::both(&["--set", "login.failuresPerAccount=3"]) {
        for _ in 0..4 {
            assert_eq!(tried(&server, HERE, "admin", "wrong"), WRONG);
            assert_eq!(tried(&server, HERE, "admin", "wrong"), WRONG);
            assert_eq!(tried(&server, HERE, "admin", PASSWORD), "ok");
        }
    }
}

#[test]
fn an_address_that_fails_on_many_accounts_waits_for_all_of_them() {
    for server in Server::both(&["--set", "login.failuresPerAddress=5"]) {
        for n in 0..5 {
            assert_eq!(tried(&server, HERE, &format!("nobody {n}"), "wrong"), WRONG);
        }
        assert_eq!(tried(&server, HERE, "admin", PASSWORD), LOCKED);
        assert_eq!(tried(&server, HERE, "nobody 9", "wrong"), LOCKED, "whether there is such an account");
        assert_eq!(tried(&server, ELSEWHERE, "admin", PASSWORD), "ok");
    }
}

#[test]
fn a_header_that_names_another_address_counts_behind_known_proxies_only() {
    let limit = ["--set", "login.failuresPerAccount=2"];
    let server = Server::start("fast", &limit);
    let forwarded = |list: &str| format!("X-Forwarded-For: {list}\r\n");
    let by = |server: &Server, list: &str, password: &str| {
        code(&log_in(server, HERE, "admin", password, &forwarded(list)))
    };
    assert_eq!(by(&server, "192.0.2.1", "wrong"), WRONG);
    assert_eq!(by(&server, "192.0.2.2", "wrong"), WRONG);
    assert_eq!(by(&server, "192.0.2.3", PASSWORD), LOCKED, "the header is the client's own word");
    let server = Server::start("fast", &[&limit[..], &["--set", "trustedProxies=1"]].concat());
    assert_eq!(by(&server, "203.0.113.1, 192.0.2.1", "wrong"), WRONG);
    assert_eq!(by(&server, "203.0.113.2, 192.0.2.1", "wrong"), WRONG);
    assert_eq!(by(&server, "203.0.113.3, 192.0.2.1", PASSWORD), LOCKED, "what the proxy saw counts");
    assert_eq!(by(&server, "192.0.2.1, 192.0.2.9", PASSWORD), "ok");
}

#[test]
fn many_tries_at_once_are_no_more_than_one_after_the_other() {
    let server = Server::start("fast", &["--set", "login.failuresPerAccount=4"]);
    let codes: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..24).map(|_| scope.spawn(|| tried(&server, HERE, "admin", "wrong"))).collect();
        all.into_iter().map(|one| one.join().expect("answered")).collect()
    });
    let wrong = codes.iter().filter(|c| *c == WRONG).count();
    // Two hashes are computed at a time: one may be under way when the other locks.
    assert!((4..=5).contains(&wrong), "{codes:?}");
    assert_eq!(codes.iter().filter(|c| *c == LOCKED).count(), 24 - wrong, "{codes:?}");
}
