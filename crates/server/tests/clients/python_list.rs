//! The checklist of the Python SDK, box by box.
//!
//! Source: rest-api.md 7.2.

use serde_json::{Value, json};

use crate::actions;
use crate::calls::{endless, go, job_in, python, servers};
use crate::model::{Client, Query, crashed, submission};
use crate::python::Python;
use crate::support::server::PASSWORD;
use crate::support::{Server, sha512, uuid};

#[test]
fn pythons_unescaped_urls_with_their_noise_are_understood() {
    for server in servers() {
        let python = python(&server);
        for (name, description) in [("a b", "50% of <it>"), ("ümläut+plus", "x|y"), ("b \"q\" \\", "{z}")] {
            let mut fields = submission(&uuid(), &json!({"durationMs": 0}));
            (fields["name"], fields["description"]) = (json!(name), json!(description));
            let job = python.submit(&fields).expect("a submission");
            python.wait_for(job.text("uuid"), "Succeeded");
        }
        let names = |query: &Query| -> Vec<String> {
            let page = python.query(query).unwrap_or_else(|e| panic!("{query:?}: {e:?}"));
            page.jobs.iter().map(|job| job.text("name").to_owned()).collect()
        };
        assert_eq!(names(&Query::of("name=a b")), ["a b"]);
        assert_eq!(names(&Query::of("name=b \"q\" \\")), ["b \"q\" \\"]);
        assert_eq!(names(&Query::of("name~=ümläut%")), ["ümläut+plus"]);
        assert_eq!(names(&Query::of("description~=50% of <%>")), ["a b"]);
        assert_eq!(names(&Query::of("description=x|y")), ["ümläut+plus"]);
        assert_eq!(names(&Query::of("description={z}")), ["b \"q\" \\"]);
        assert_eq!(names(&Query::of("createDate>2017-11-14 10:00:00")).len(), 3);
        let sorted = Query::of("jobResult not null").with("sort", "+name");
        assert_eq!(names(&sorted), ["a b", "b \"q\" \\", "ümläut+plus"], "`+` unescaped is a space");
        let sent = python.wire().log().pop().expect("a query").target;
        let session = python.session.clone().expect("a session");
        let noise = format!("/zstack/v1/longjobs?q=jobResult not null&sort=+name&sessionId={session}");
        assert_eq!(sent, noise, "the model sends it raw");
        // A GET and a DELETE with the uuid once more behind the mark, and one with nothing behind it.
        let id = python.find_named("a b");
        let api_id = python.find(&id).expect("the job").text("apiId").to_owned();
        python.progress(&api_id).expect("progress");
        python.delete(&id).expect("a deletion");
        let log = python.wire().log();
        let deleted = log.iter().find(|e| e.method == "DELETE").expect("it");
        assert_eq!(deleted.target, format!("/zstack/v1/longjobs/{id}?uuid={id}&sessionId={session}"));
        let nobody = Python::new(server.address);
        nobody
            .call(&actions::Action { path: "/login-free", ..actions::VALIDATE }, &json!({}))
            .expect_err("404");
        assert!(nobody.wire().log()[0].target.ends_with("/login-free?"));
    }
}

impl Python {
    fn find_named(&self, name: &str) -> String {
        let page = self.query(&Query::of(&format!("name={name}"))).expect("a query");
        page.jobs[0].text("uuid").to_owned()
    }
}

#[test]
fn pythons_bodies_with_uuid_and_tags_inside_the_action_are_taken() {
    for server in servers() {
        let mut python = python(&server);
        python.request_ip = Some("10.0.0.7");
        let id = job_in(&python, "Succeeded");
        let tags = json!({"uuid": id, "name": "n", "systemTags": ["uploadImage::x"], "userTags": ["u"]});
        let updated = python.call(&actions::UPDATE, &tags).expect("an update");
        assert_eq!(updated["inventory"]["name"], "n");
        let sent = python.wire().log().into_iter().rev().find(|e| e.method == "PUT").expect("it").body;
        let inside: Value = serde_json::from_str(&sent).expect("JSON");
        for key in ["uuid", "systemTags", "userTags", "requestIp"] {
            assert!(inside["updateLongJob"].get(key).is_some(), "{sent}");
        }
        // The path wins over what the body repeats.
        let other = job_in(&python, "Succeeded");
        let admin = server.admin();
        let body = json!({"updateLongJob": {"uuid": other, "name": "of the path"}});
        admin.put(&format!("/longjobs/{id}/actions"), &body).ok();
        assert_eq!(python.find(&id).expect("the job").text("name"), "of the path");
        // Of a submission the tags inside count.
        let tagged = uuid();
        let mut fields = submission(&tagged, &json!({"durationMs": 0}));
        fields["systemTags"] = json!(["uploadImage::ümläut"]);
        python.submit(&fields).expect("a submission");
        let page = python.query(&Query::of("__systemTag__=uploadImage::ümläut")).expect("a query");
        assert_eq!(page.jobs.first().map(|job| job.text("uuid")), Some(tagged.as_str()));
    }
}

#[test]
fn pythons_capital_true_is_true() {
    for server in servers() {
        let python = python(&server);
        for _ in 0..2 {
            job_in(&python, "Succeeded");
        }
        let page = python.query(&Query::default().with("replyWithCount", "true").with("limit", "1"));
        let page = page.expect("a query");
        assert_eq!((page.jobs.len(), page.total), (1, Some(2)));
        assert!(python.wire().log().pop().expect("it").target.contains("replyWithCount=True&limit=1"));
        let count = python.query(&Query::default().with("count", "true")).expect("a count");
        assert_eq!((count.jobs.len(), count.total), (0, Some(2)));
        let not = python.query(&Query::default().with("count", "false")).expect("a query");
        assert_eq!((not.jobs.len(), not.total), (2, None));
        let api_id = not.jobs[0].text("apiId").to_owned();
        let all = python.call(&actions::PROGRESS, &json!({"apiId": api_id, "all": true})).expect("progress");
        assert!(all["inventories"][0]["subTasks"].is_array(), "{all}");
    }
}

#[test]
fn pythons_connections_are_closed_and_no_503_names_a_time_to_wait() {
    for server in servers() {
        let python = python(&server);
        // Each of these is answered 503, at once or at the poll; the wire of the model sees the end of each.
        python.cancel(&uuid()).expect_err("unknown");
        python.query(&Query::of("foo=1")).expect_err("no such field");
        let wrong = json!({"accountName": "admin", "password": sha512("wrong")});
        python.call(&actions::LOG_IN, &wrong).expect_err("a wrong password");
        let mut expired = Python::new(server.address);
        expired.session = Some(uuid());
        expired.delete(&uuid()).expect_err("no session");
        let log: Vec<_> = python.wire().log().into_iter().chain(expired.wire().log()).collect();
        assert_eq!(log.iter().filter(|e| e.response.status == 503).count(), 4);
        for exchange in &log {
            assert_eq!(exchange.response.header("retry-after"), None, "{}", exchange.target);
        }
        assert_eq!((python.resent.get(), expired.resent.get()), (0, 0));
    }
    // A node that drains is not ready: its 503s name no time either.
    for server in servers() {
        let unready = crate::support::http::send(server.address, "GET", "/readyz", &[], b"");
        assert_eq!(unready.header("retry-after"), None);
    }
}

#[test]
fn pythons_location_is_reachable_to_the_letter() {
    for server in servers() {
        for context in ["/zstack", ""] {
            let mut python = python(&server);
            python.context = context;
            // The model connects to the host of the location and to nothing else.
            python.submit(&endless(&uuid())).expect("a submission");
            let poll = python.wire().log().pop().expect("a poll");
            assert!(poll.target.starts_with("/zstack/v1/api-jobs/"), "{}", poll.target);
            let foreign = format!("http://10.255.255.1:81{}", poll.target);
            assert!(crashed(python.poll_at(&foreign)).contains("cannot connect"), "the model would tell");
        }
    }
}

#[test]
fn pythons_fifteen_seconds_are_enough_for_every_long_job_call() {
    for server in servers() {
        let python = python(&server);
        let id = job_in(&python, "Canceling");
        python.clean(&id).expect("a clean");
        python.wait_for(&id, "Canceled");
        python.rerun(&id).expect("a rerun");
        // However long its job takes, a call was done before it was accepted: the first poll has its result.
        let log = python.wire().log();
        let polls: Vec<_> = log.iter().filter(|e| e.target.contains("/api-jobs/")).collect();
        assert!(polls.len() >= 4, "{}", polls.len());
        assert!(polls.iter().all(|poll| poll.response.status == 200), "one poll per call");
    }
}

#[test]
fn python_finds_every_key_under_its_own_name_and_none_where_there_is_none() {
    let server = Server::start("zstack", &[]);
    let python = python(&server);
    let id = uuid();
    let data = "{\"durationMs\":3600000}";
    let fields = json!({"jobName": "APISimulateJobMsg", "jobData": data, "resourceUuid": id});
    let submitted = python.call(&actions::SUBMIT, &fields).expect("a submission");
    let inventory = &submitted["inventory"];
    assert_eq!(inventory["name"], "APISimulateJobMsg");
    for absent in ["description", "jobResult", "targetResourceUuid", "executeTime", "no_such_key"] {
        assert_eq!(inventory.get(absent), None, "absent, not null: {inventory}");
    }
    // What another client wrote has the same keys here.
    let go = go(&server);
    let by_go = uuid();
    go.submit(&endless(&by_go)).expect("a submission");
    assert_eq!(python.find(&by_go).expect("the job").texts, go.find(&by_go).expect("the job").texts);
    // Logging in again is one more session, with its keys.
    let login = json!({"accountName": "admin", "password": sha512(PASSWORD)});
    let session = python.call(&actions::LOG_IN, &login).expect("a login");
    assert_eq!(session["inventory"]["accountUuid"], "36c27e8ff05c4780bf6d2fa65700f22e");
}
