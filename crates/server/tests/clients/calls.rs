//! Every LongJob call through each client, in both reply profiles: what the user gets is the job, whole, with
//! its moments where the client reads them. How each call fails is in `refusals`.
//!
//! Source: rest-api.md 1.3, 1.4, 3.6, 6.1, 6.2; section 7.

use jiff::tz::TimeZone;
use serde_json::json;

use crate::go::Go;
use crate::java::Java;
use crate::model::{Client, Job, Moment, Query, submission};
use crate::python::Python;
use crate::support::jobs::{FOREVER_MS, data};
use crate::support::server::PASSWORD;
use crate::support::{Server, uuid};

/// The zone of the servers here and of the JVM, which Go takes for granted.
pub const ZONE: &str = "Asia/Shanghai";

/// A server per reply profile, in the zone that Go takes for granted.
pub fn servers() -> Vec<Server> {
    Server::both(&["--set", "timezone=Asia/Shanghai"])
}

/// The Java SDK as admin.
pub fn java(server: &Server) -> Java {
    Java::logged_in(server.address, TimeZone::get(ZONE).expect("the zone"), "admin", PASSWORD)
}

/// The Python SDK as admin.
pub fn python(server: &Server) -> Python {
    Python::logged_in(server.address, "admin", PASSWORD)
}

/// The Go SDK as admin.
pub fn go(server: &Server) -> Go {
    Go::logged_in(server.address, "admin", PASSWORD)
}

#[test]
fn every_long_job_call_passes_through_the_java_sdk_in_both_profiles() {
    for server in servers() {
        every_call(&java(&server), &server);
    }
}

#[test]
fn every_long_job_call_passes_through_the_python_sdk_in_both_profiles() {
    for server in servers() {
        let python = python(&server);
        every_call(&python, &server);
        assert_eq!(python.resent.get(), 0, "no call is sent twice");
    }
}

#[test]
fn every_long_job_call_passes_through_the_go_sdk_in_both_profiles() {
    for server in servers() {
        every_call(&go(&server), &server);
    }
}

/// The nine calls, each to its success.
pub fn every_call(client: &dyn Client, server: &Server) {
    let name = client.name();
    // Submit: the job as it was sent, running, with the moments of now.
    let id = uuid();
    let mut fields = submission(&id, &data("Running"));
    fields["systemTags"] = json!([format!("uploadImage::{id}")]);
    fields["userTags"] = json!([format!("of {id}")]);
    let job = client.submit(&fields).expect("a submission");
    for (key, text) in fields.as_object().expect("fields") {
        if let Some(text) = text.as_str() {
            let key = if key == "resourceUuid" { "uuid" } else { key };
            assert_eq!(job.text(key), text, "{name}: {key}");
        }
    }
    assert_eq!(job.text("state"), "Running", "{name}");
    assert_eq!((job.text("apiId").len(), job.text("jobResult"), job.seconds), (32, "", None), "{name}");
    is_of_now(&job, server, name);

    // Query: by its name with spaces and umlauts, by its tags; the same job.
    for condition in [
        format!("uuid={id}"),
        format!("name={}", job.text("name")),
        format!("__systemTag__=uploadImage::{id}"),
        format!("__userTag__=of {id}"),
    ] {
        let page = client.query(&Query::of(&condition).with("limit", "10")).expect("a query");
        let found: Vec<&str> = page.jobs.iter().map(|job| job.text("uuid")).collect();
        assert_eq!(found, [id.as_str()], "{name}: {condition}");
        is_of_now(&page.jobs[0], server, name);
    }
    let none = client.query(&Query::of("name=nobody")).expect("a query");
    assert_eq!(none.jobs, [], "{name}");

    // Progress: by the apiId; one row.
    let rows = client.progress(job.text("apiId")).expect("progress");
    assert!(matches!(&rows[..], [percent] if percent.parse::<u8>().is_ok()), "{name}: {rows:?}");

    // Update, in any state; what is left out stays.
    let updated = client.update(&id, &json!({"name": "another name"})).expect("an update");
    assert_eq!(updated.text("name"), "another name", "{name}");
    assert_eq!(updated.text("description"), job.text("description"), "{name}");

    // Cancel; rerun of what was canceled: the same uuid, another apiId.
    client.cancel(&id).expect("a cancel");
    let canceled = client.wait_for(&id, "Canceled");
    assert!(canceled.seconds.is_some_and(|s| s >= 1) && !canceled.text("jobResult").is_empty(), "{name}");
    let again = client.rerun(&id).expect("a rerun");
    assert_eq!((again.text("uuid"), again.text("state")), (id.as_str(), "Running"), "{name}");
    assert_ne!(again.text("apiId"), job.text("apiId"), "{name}");
    assert_eq!((again.text("jobResult"), again.seconds), ("", None), "{name}");

    // Resume of a suspended one, clean of one that will not end.
    let suspended = submit(client, "Suspended");
    client.wait_for(&suspended, "Suspended");
    assert_eq!(client.resume(&suspended).expect("a resume").text("uuid"), suspended, "{name}");
    client.wait_for(&suspended, "Succeeded");
    let stuck = submit(client, "Canceling");
    client.wait_for(&stuck, "Running");
    client.cancel(&stuck).expect("a cancel");
    client.wait_for(&stuck, "Canceling");
    client.clean(&stuck).expect("a clean");
    client.wait_for(&stuck, "Canceled");

    // Delete: gone, and no error where nothing is.
    for gone in [&suspended, &suspended, &stuck] {
        client.delete(gone).expect("a deletion");
        assert_eq!(client.find(gone), None, "{name}");
    }
}

/// Submits a job that comes to `state`.
fn submit(client: &dyn Client, state: &str) -> String {
    let id = uuid();
    client.submit(&submission(&id, &data(state))).expect("a submission");
    id
}

/// Both moments are now for who reads them, and text of the profile's form for who keeps text.
fn is_of_now(job: &Job, server: &Server, name: &str) {
    let now = jiff::Timestamp::now().as_second();
    for moment in [&job.created, &job.changed] {
        match moment {
            Moment::At(second) => assert!((now - 60..=now + 1).contains(second), "{name}: {second} at {now}"),
            Moment::Text(text) if server.profile == "fast" => {
                assert!(text.len() == 25 && text.ends_with("+08:00"), "{name}: {text}");
            }
            Moment::Text(text) => assert!(text.ends_with("AM") || text.ends_with("PM"), "{name}: {text}"),
            Moment::Zero => panic!("{name}: no moment in {job:?}"),
        }
    }
}

/// A job in `state`, made by `client`.
pub fn job_in(client: &dyn Client, state: &str) -> String {
    let id = submit(client, state);
    if matches!(state, "Canceled" | "Canceling") {
        client.wait_for(&id, "Running");
        client.cancel(&id).expect("a cancel");
    }
    client.wait_for(&id, state);
    id
}

/// A job that runs until it is canceled.
pub fn endless(id: &str) -> serde_json::Value {
    submission(id, &json!({ "durationMs": FOREVER_MS }))
}
