//! The checklist of the Java SDK, box by box.
//!
//! Source: rest-api.md 7.1.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::actions;
use crate::calls::{ZONE, endless, java, job_in, servers};
use crate::dates;
use crate::java::Java;
use crate::model::{Client, Failure, Moment, Query, crashed, failed, submission};
use crate::support::server::PASSWORD;
use crate::support::{Kind, Server, sha512, uuid};

const LONG_JOB: &str = "org.zstack.header.longjob.LongJobInventory";

#[test]
fn java_casts_every_row_of_a_list_by_its_schema_and_a_single_object_without_one() {
    for server in servers() {
        let java = java(&server);
        for _ in 0..3 {
            job_in(&java, "Succeeded");
        }
        let answer = java.call(&actions::QUERY, &json!({})).expect("a query");
        assert_eq!(answer.jobs(&java.zone).expect("casts").len(), 3);
        assert_eq!(answer.class("inventories[2]"), Some(LONG_JOB));
        // Who does not send X-JSON-Schema gets single objects without a map; Java's result class knows them.
        let plain = server.admin().as_kind(Kind::Python);
        let body = json!({ "params": endless(&uuid()) });
        let text = plain.post("/longjobs", &body).last.text();
        let single = crate::java_answer::JavaAnswer::read(&text).expect("an answer");
        assert_eq!(single.class("inventory"), None, "{text}");
        assert_eq!(single.job(&java.zone).expect("a job").text("state"), "Running");
    }
}

#[test]
fn java_finds_no_schema_entry_that_points_at_nothing() {
    for server in servers() {
        let java = java(&server);
        let id = job_in(&java, "Succeeded");
        let api_id = java.find(&id).expect("the job").text("apiId").to_owned();
        let uuid_of = |value: Value| value["uuid"].as_str().expect("a uuid").to_owned();
        let zone =
            uuid_of(java.call(&actions::ZONES, &json!({})).expect("zones").body()["inventories"][0].clone());
        let directory = crate::support::server::TempDir::new("java");
        let storage = json!({"name": "s", "url": directory.0, "zoneUuid": zone});
        let storage = uuid_of(java.call(&actions::ADD_STORAGE, &storage).expect("a storage").single());
        let volume = json!({"name": "v", "diskSize": 1 << 20, "primaryStorageUuid": storage});
        java.call(&actions::CREATE_VOLUME, &volume).expect("a volume");
        // Each throws where an entry points at what is absent or null; `entries` says that it is no empty test.
        for (action, fields, entries) in [
            (&actions::QUERY, json!({"q": [format!("uuid={id}")]}), 1),
            (&actions::QUERY, json!({"q": ["name=nobody"]}), 0),
            (&actions::QUERY, json!({"count": true}), 0),
            (&actions::QUERY, json!({"fields": "uuid,state"}), 1),
            (&actions::QUERY_ONE, json!({"uuid": uuid()}), 0),
            (&actions::PROGRESS, json!({"apiId": api_id, "all": true}), 1),
            (&actions::PROGRESS, json!({"apiId": uuid()}), 0),
            (&actions::UPDATE, json!({"uuid": id, "name": "n"}), 1),
            (&actions::STORAGES, json!({}), 1),
            (&actions::ZONES, json!({}), 1),
            (&actions::VERSION, json!({}), 0),
            (&actions::DELETE, json!({"uuid": id}), 0),
        ] {
            let answer = java.call(action, &fields).unwrap_or_else(|e| panic!("{action:?} {fields}: {e:?}"));
            let schema = answer.body().get("schema").and_then(Value::as_object);
            assert!(schema.map_or(0, serde_json::Map::len) >= entries, "{action:?} {fields}: {schema:?}");
        }
    }
}

#[test]
fn java_reads_every_moment_in_both_profiles() {
    for server in servers() {
        let java = java(&server);
        let job = java.find(&job_in(&java, "Succeeded")).expect("the job");
        assert!(matches!((&job.created, &job.changed), (Moment::At(_), Moment::At(_))), "{job:?}");
        let mut other = Java::new(server.address, TimeZone::get("America/New_York").expect("the zone"));
        other.session.clone_from(&java.session);
        let there = other.find(job.text("uuid")).expect("the job");
        // Text without a zone is the JVM's own time; with an offset it is the same moment everywhere.
        assert_eq!(there.created == job.created, server.profile == "fast", "{there:?}");
        let fields = json!({"accountName": "admin", "password": sha512(PASSWORD)});
        let session = java.call(&actions::LOG_IN, &fields).expect("a login").single();
        for key in ["expiredDate", "createDate"] {
            let read = dates::gson(session[key].as_str().expect("text"), &java.zone);
            assert!(read.is_some(), "{session}");
        }
    }
    assert_eq!(TimeZone::get(ZONE).expect("the zone").iana_name(), Some(ZONE));
}

#[test]
fn java_is_never_answered_202_by_a_synchronous_call() {
    for server in servers() {
        let java = java(&server);
        let session = java.session.clone().expect("a session");
        let login = json!({"accountName": "admin", "password": sha512(PASSWORD)});
        for (action, fields) in [
            (&actions::LOG_IN, login),
            (&actions::VALIDATE, json!({ "sessionUuid": session })),
            (&actions::QUERY, json!({})),
            (&actions::QUERY_ONE, json!({ "uuid": uuid() })),
            (&actions::PROGRESS, json!({ "apiId": uuid() })),
            (&actions::ZONES, json!({})),
            (&actions::VERSION, json!({})),
            (&actions::LOG_OUT, json!({ "sessionUuid": session })),
        ] {
            java.call(action, &fields).unwrap_or_else(|e| panic!("{action:?}: {e:?}"));
        }
        let other = crashed(java.call(&actions::Action { poll: false, ..actions::SUBMIT }, &json!({})));
        assert!(other.contains("202"), "the model would tell: {other}");
    }
}

#[test]
fn java_sees_no_status_but_200_202_and_503_for_calls_that_exist() {
    for server in servers() {
        let java = java(&server);
        let id = job_in(&java, "Succeeded");
        java.cancel(&id).expect_err("too late");
        java.update(&id, &json!({})).expect("an update of nothing");
        java.delete(&id).expect("a deletion");
        java.query(&Query::of("foo=1")).expect_err("no such field");
        let log = java.wire().log();
        for exchange in &log {
            let polls = exchange.target.contains("/api-jobs/");
            let known = matches!((exchange.response.status, polls), (200 | 202, _) | (503, _));
            assert!(known, "{} {}: {:?}", exchange.method, exchange.target, exchange.response);
            assert!(!exchange.response.body.is_empty(), "{} {}", exchange.method, exchange.target);
        }
        assert!(log.iter().filter(|e| e.target.contains("/api-jobs/")).count() >= 4, "polls are among them");
    }
}

#[test]
fn java_reads_code_description_and_details_of_a_failed_call_at_its_poll() {
    for server in servers() {
        let java = java(&server);
        let failure = java.cancel(&uuid()).expect_err("it is unknown");
        let Failure::Error { code, description, details } = failure else { panic!("{failure:?}") };
        assert_eq!((code.as_str(), description.as_str()), ("SYS.1003", "A resource can not be found"));
        assert!(details.contains("type:LongJobVO"), "{details}");
        let polled = java.wire().log().pop().expect("a poll").response;
        assert_eq!(polled.status, 503);
        assert_eq!(polled.json().as_object().map(serde_json::Map::len), Some(1), "{}", polled.text());
        // What is no 503 degrades: a poll of a call that nobody knows.
        let location = format!("http://{}/zstack/v1/api-jobs/{}", java.host, uuid());
        let details = failed(java.poll_at(&location), "sdk.1000");
        assert!(details.contains("the job has been expired"), "{details}");
    }
}

#[test]
fn java_sees_a_refused_login_as_sdk_1000_with_the_body_in_its_details() {
    for server in servers() {
        let java = java(&server);
        let fields = json!({"accountName": "admin", "password": sha512("wrong")});
        let details = failed(java.call(&actions::LOG_IN, &fields), "sdk.1000");
        let body: Value = serde_json::from_str(&details).expect("the raw body");
        assert_eq!(body["error"]["code"], "ID.1000");
        assert_eq!(body["error"]["details"], "wrong account name or password");
        assert_eq!(java.wire().log().pop().map(|e| e.response.status), Some(503));
    }
}

#[test]
fn java_reaches_the_location_as_it_is_and_rewritten_from_behind_a_proxy() {
    for server in servers() {
        let mut java = java(&server);
        let location = java.accepted(&actions::SUBMIT, &endless(&uuid()));
        assert!(location.starts_with(&format!("http://{}/zstack/v1/api-jobs/", java.host)), "{location}");
        // A proxy writes another host, which the client cannot reach; the literal part leads it back.
        java.proxied_host = Some("10.255.255.1:81".to_owned());
        let foreign = java.accepted(&actions::SUBMIT, &endless(&uuid()));
        assert!(foreign.starts_with("http://10.255.255.1:81/zstack/v1/api-jobs/"), "{foreign}");
        assert_eq!(
            java.poll_at(&foreign).and_then(|a| a.job(&java.zone)).expect("a job").text("state"),
            "Running"
        );
        // Neither: what the model would say.
        let odd = crashed(java.poll_at("http://10.255.255.1:81/v1/api-jobs/x"));
        assert!(odd.contains("array index"), "{odd}");
    }
}

#[test]
fn javas_headers_are_taken_on_every_call() {
    for server in servers() {
        let mut java = java(&server);
        java.api_timeout_s = Some(7);
        java.more = vec![
            ("date", "Tue, 14 Nov 2017 22:20:57 Asia/Shanghai".to_owned()),
            ("X-Request-Ip", "10.0.0.7".to_owned()),
        ];
        let id = uuid();
        java.submit(&endless(&id)).expect("a submission");
        let submitted = java.wire().log().into_iter().rev().find(|e| e.method == "POST").expect("it");
        assert_eq!(submitted.response.json()["apiTimeout"], 7000);
        let api_id = java.find(&id).expect("the job").text("apiId").to_owned();
        let location = submitted.response.json()["location"].as_str().expect("a location").to_owned();
        assert!(location.ends_with(&format!("/{api_id}")), "X-Job-UUID is the id of the call: {location}");
        java.progress(&api_id).expect("progress");
        let login = json!({"accountName": "admin", "password": sha512(PASSWORD)});
        java.call(&actions::LOG_IN, &login).expect("a login with all of them");
    }
}

#[test]
fn java_polls_with_oauth_null_where_it_has_no_session() {
    for server in servers() {
        let with = java(&server);
        let location = with.accepted(&actions::SUBMIT, &endless(&uuid()));
        let without = Java::new(server.address, with.zone.clone());
        let job = without.poll_at(&location).and_then(|answer| answer.job(&with.zone));
        assert_eq!(job.expect("a job").text("state"), "Running");
    }
}

#[test]
fn java_has_its_first_byte_within_ten_seconds_of_a_call_that_takes_minutes() {
    for profile in ["fast", "zstack"] {
        let server = Server::start(profile, &[]);
        let java = java(&server);
        // Its body runs for hours, and so does its cancel; the wire of the model gives up after 10 s.
        job_in(&java, "Canceling");
        for exchange in java.wire().log().iter().filter(|e| e.method != "GET") {
            let login = exchange.target.ends_with("/login");
            assert_eq!(exchange.response.status, if login { 200 } else { 202 }, "{}", exchange.target);
        }
    }
}

#[test]
fn javas_tags_inside_the_wrapper_are_the_jobs_tags() {
    for server in servers() {
        let java = java(&server);
        let id = uuid();
        let mut fields = submission(&id, &json!({"durationMs": 0}));
        fields["systemTags"] = json!(["uploadImage::68b329da9893e34099c7d8ad5cb9c940"]);
        fields["userTags"] = json!(["blue & green", "b"]);
        java.submit(&fields).expect("a submission");
        let sent = java.wire().log().into_iter().rev().find(|e| e.method == "POST").expect("it").body;
        let sent: Value = serde_json::from_str(&sent).expect("JSON");
        let keys: Vec<_> = sent.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["params"]);
        for tag in ["__systemTag__=uploadImage::68b329da9893e34099c7d8ad5cb9c940", "__userTag__=blue & green"]
        {
            let page = java.query(&Query::of(tag)).expect("a query");
            assert_eq!(page.jobs.first().map(|job| job.text("uuid")), Some(id.as_str()), "{tag}");
        }
        // On a deletion they are in the query string.
        java.wait_for(&id, "Succeeded");
        let tags = json!({"uuid": id, "systemTags": ["uploadImage::x"], "userTags": ["blue & green", "b"]});
        java.call(&actions::DELETE, &tags).expect("a deletion");
        assert_eq!(java.find(&id), None);
    }
}

#[test]
fn java_without_a_context_path_is_served_as_well() {
    for server in servers() {
        let mut java = java(&server);
        java.context = "";
        let id = job_in(&java, "Succeeded");
        assert_eq!(java.find(&id).expect("the job").text("uuid"), id);
        java.delete(&id).expect("a deletion");
        let first = java.wire().log().into_iter().find(|e| e.method == "POST").expect("it");
        assert_eq!(first.target, "/v1/longjobs");
    }
}

#[test]
fn java_knows_the_name_of_every_state() {
    for server in servers() {
        let java = java(&server);
        for state in ["Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"] {
            let id = job_in(&java, state);
            assert_eq!(java.find(&id).expect("the job").text("state"), state, "null where it is unknown");
        }
    }
    let waiting = Server::start("zstack", &crate::support::jobs::NOTHING_STARTS);
    let java = java(&waiting);
    assert_eq!(java.submit(&endless(&uuid())).expect("a submission").text("state"), "Waiting");
}

#[test]
fn javas_completion_is_called_since_no_asynchronous_call_of_an_sdk_is_answered_at_once() {
    for server in servers() {
        let java = java(&server);
        let id = job_in(&java, "Succeeded");
        let fields = json!({"uuid": id, "name": "n"});
        let answer = java.call_with_completion(&actions::UPDATE, &fields).expect("the completion is called");
        assert_eq!(answer.single()["name"], "n");
        let never = java.call_with_completion(&actions::VERSION, &json!({}));
        assert_eq!(never.expect_err("the model would tell"), Failure::Never);
    }
}
