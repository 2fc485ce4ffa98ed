//! The LongJob calls of programs that have an access key and no session, through each client: what is signed,
//! the zone in its date, and what goes along with a poll.
//!
//! Source: rest-api.md 2.1, 3.6 "Authorization on polls", 7.1, 7.3.

use jiff::tz::TimeZone;

use crate::calls::{ZONE, every_call, servers};
use crate::go::Go;
use crate::java::Java;
use crate::model::{Client, Query, failed};
use crate::python::Python;
use crate::support::{Kind, Server, Signer};

fn key(server: &Server, kind: Kind) -> Option<Signer> {
    Some(Signer::of(&server.admin()).as_kind(kind))
}

fn java(server: &Server, key: Option<Signer>) -> Java {
    let mut java = Java::new(server.address, TimeZone::get(ZONE).expect("the zone"));
    java.key = key;
    java
}

fn go(server: &Server, key: Option<Signer>) -> Go {
    let mut go = Go::new(server.address);
    go.key = key;
    go
}

#[test]
fn java_with_an_access_key_makes_every_call_and_polls_with_oauth_null() {
    for server in servers() {
        every_call(&java(&server, key(&server, Kind::Java)), &server);
    }
}

#[test]
fn python_with_an_access_key_makes_every_call_and_polls_with_oauth_none() {
    for server in servers() {
        let mut python = Python::new(server.address);
        python.key = key(&server, Kind::Python);
        every_call(&python, &server);
        assert_eq!(python.resent.get(), 0, "no call is sent twice");
    }
}

#[test]
fn go_with_an_access_key_makes_every_call_and_polls_with_a_stale_signature_or_with_its_own() {
    for server in servers() {
        for signs_polls in [false, true] {
            let mut go = go(&server, key(&server, Kind::Go));
            go.signs_polls = signs_polls;
            every_call(&go, &server);
        }
    }
}

#[test]
fn a_wrong_secret_is_told_as_each_client_looks_for_it() {
    for server in servers() {
        let wrong = |kind| key(&server, kind).map(|key| Signer { secret: "0".repeat(40), ..key });
        let go = go(&server, wrong(Kind::Go));
        // Go tells a wrong key from other errors by one of these texts, on every call, before any poll.
        for seen in [go.query(&Query::default()).err(), go.cancel(&crate::support::uuid()).err()] {
            let details = failed::<()>(Err(seen.expect("a refusal")), "ID.1000");
            assert!(
                details.contains("wrong accessKey signature") || details.contains("access key id"),
                "{details}"
            );
        }
        let java = java(&server, wrong(Kind::Java));
        let details = failed(java.query(&Query::default()), "sdk.1000");
        assert!(details.contains("ID.1000"), "{details}");
    }
}
