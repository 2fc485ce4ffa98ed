//! How each LongJob call fails for the users of each client: asynchronous calls with the server's code where
//! the client reads it at the poll, synchronous ones with what the client makes of a 503.
//!
//! Source: rest-api.md 1.4 "State preconditions", 3.6, 4.4.

use serde_json::json;

use crate::calls::{go, java, job_in, python, servers};
use crate::model::{Client, Failure, Query, Seen, submission};
use crate::support::{Server, uuid};

#[test]
fn every_refusal_reaches_the_users_of_the_java_sdk() {
    for server in servers() {
        every_refusal(&java(&server), &server);
    }
}

#[test]
fn every_refusal_reaches_the_users_of_the_python_sdk() {
    for server in servers() {
        let python = python(&server);
        every_refusal(&python, &server);
        assert_eq!(python.resent.get(), 0, "no call is sent twice");
    }
}

#[test]
fn every_refusal_reaches_the_users_of_the_go_sdk() {
    for server in servers() {
        every_refusal(&go(&server), &server);
    }
}

fn every_refusal(client: &dyn Client, server: &Server) {
    let (running, succeeded) = (job_in(client, "Running"), job_in(client, "Succeeded"));
    let (unknown, malformed) = (uuid(), "no-uuid");
    let shown = |failure: Option<Failure>, code: &str, details: &str, polled: bool| {
        let call = format!("{} in {}: {code} {details}", client.name(), server.profile);
        let failure = failure.unwrap_or_else(|| panic!("{call}: it succeeds"));
        assert!(client.shows(&failure, code, details, polled), "{call}: {failure:?}");
    };
    let mut nonsense = submission(&uuid(), &json!({}));
    nonsense["jobName"] = json!("NoSuchMsg");
    shown(client.submit(&nonsense).err(), "SYS.1007", "NoSuchMsg is not an API", true);
    let not_found = format!("invalid field[uuid], resource[uuid:{unknown}, type:LongJobVO] not found");
    for failure in [
        client.update(&unknown, &json!({"name": "n"})).err(),
        client.cancel(&unknown).err(),
        client.rerun(&unknown).err(),
        client.resume(&unknown).err(),
        client.clean(&unknown).err(),
    ] {
        shown(failure, "SYS.1003", &not_found, true);
    }
    shown(client.delete(malformed).err(), "SYS.1003", "invalid value[no-uuid] of field [uuid]", true);
    let only = "longjob only when it's succeeded, canceled, or failed";
    shown(client.delete(&running).err(), "SYS.1007", &format!("delete {only}"), true);
    shown(client.rerun(&running).err(), "SYS.1007", &format!("rerun {only}"), true);
    shown(client.cancel(&succeeded).err(), "SYS.1007", "cannot cancel longjob that is succeeded", true);
    let suspended = "can only resume longjob that is Suspended";
    shown(client.resume(&running).err(), "SYS.1007", suspended, true);
    let canceling = "not supported or state is not Canceling";
    shown(client.clean(&running).err(), "LONG_JOB.1003", canceling, true);
    // Synchronous calls.
    let invalid = "parameter apiId[no-uuid] is not a valid uuid.";
    shown(client.progress(malformed).err(), "SYS.1007", invalid, false);
    let code = if server.profile == "fast" { "SYS.1007" } else { "SYS.1000" };
    shown(seen(client.query(&Query::of("foo=1"))), code, "foo", false);
}

fn seen<T>(seen: Seen<T>) -> Option<Failure> {
    seen.err()
}
