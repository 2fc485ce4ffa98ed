//! The legacy entry as apibinding, zstack-cli and the MCP servers use it: messages to one path, every outcome
//! inside of a 200.
//!
//! Source: rest-api.md 9, 7.4, 4.4 (rows of the legacy API).

use serde_json::{Value, json};

use crate::inventory::is_timestamp;
use crate::support::http::{self, Response};
use crate::support::jobs::NOTHING_STARTS;
use crate::support::server::PASSWORD;
use crate::support::{Server, sha512, until, uuid};

const IDENTITY: &str = "org.zstack.header.identity";
const LONGJOB: &str = "org.zstack.header.longjob";
const PROGRESS: &str = "org.zstack.header.core.progress";
const NODE: &str = "org.zstack.header.managementnode";
const GENERAL: &str = "org.zstack.header.message";

/// A client of the legacy entry.
struct Client<'s> {
    server: &'s Server,
    session: String,
}

/// What came of a message: the class of its answer and the object under it.
type Outcome = (String, Value);

impl<'s> Client<'s> {
    fn log_in(server: &'s Server, name: &str, password: &str) -> Self {
        let mut client = Self { server, session: String::new() };
        let fields = json!({"accountName": name, "password": sha512(password)});
        let (class, answer) = client.call(&format!("{IDENTITY}.APILogInByAccountMsg"), fields);
        assert_eq!(class, format!("{IDENTITY}.APILogInReply"));
        assert_eq!(answer["inventory"].get("noSessionEvaluation"), None, "hidden here");
        client.session = answer["inventory"]["uuid"].as_str().expect("a session").to_owned();
        client
    }

    fn admin(server: &'s Server) -> Self {
        Self::log_in(server, "admin", PASSWORD)
    }

    fn post(&self, body: &str) -> Response {
        let headers = [("Content-Type", "application/json")];
        http::send(self.server.address, "POST", "/zstack/api/", &headers, body.as_bytes())
    }

    /// Sends a message with the session in it; its first answer.
    fn send(&self, class: &str, mut fields: Value) -> Value {
        if !self.session.is_empty() {
            fields["session"] = json!({"uuid": self.session});
        }
        let mut message = json!({});
        message[class] = fields;
        let response = self.post(&message.to_string());
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// Sends a message and asks for its answer until it is there.
    fn call(&self, class: &str, fields: Value) -> Outcome {
        let first = self.send(class, fields);
        if first["state"] == "Done" {
            return self.opened(&first);
        }
        assert_eq!((&first["state"], first.get("result")), (&json!("Processing"), None), "{first}");
        let path = format!("/zstack/api/result/{}", first["uuid"].as_str().expect("a uuid"));
        until("the result is there", || {
            let response = http::send(self.server.address, "GET", &path, &[], b"");
            assert_eq!(response.status, 200, "{}", response.text());
            let polled = response.json();
            assert_eq!(polled["uuid"], first["uuid"]);
            (polled["state"] == "Done").then(|| self.opened(&polled))
        })
    }

    fn opened(&self, done: &Value) -> Outcome {
        for date in ["createdDate", "finishedDate"] {
            let text = done[date].as_str().unwrap_or_else(|| panic!("{date}: {done}"));
            assert!(is_timestamp(text, self.server.profile), "{text}");
        }
        let text = done["result"].as_str().expect("a result, as text");
        let result: Value = serde_json::from_str(text).expect("JSON");
        let members = result.as_object().expect("an object");
        assert_eq!(members.len(), 1, "{result}");
        let (class, answer) = members.iter().next().expect("a class");
        assert!(answer["success"].is_boolean(), "{result}");
        (class.clone(), answer.clone())
    }

    fn ok(&self, class: &str, fields: Value) -> Value {
        let (answer_class, answer) = self.call(class, fields);
        assert_eq!(answer["success"], true, "{answer_class}: {answer}");
        answer
    }

    /// Class of the answer, code and details of a failure.
    fn refused(&self, class: &str, fields: Value) -> (String, String, String) {
        let (class, answer) = self.call(class, fields);
        assert_eq!(answer["success"], false, "{answer}");
        let text = |key: &str| answer["error"][key].as_str().expect("a text").to_owned();
        (class, text("code"), text("details"))
    }

    fn submit(&self, data: &Value) -> Value {
        let fields = json!({"jobName": "APISimulateJobMsg", "jobData": data.to_string(), "name": "n"});
        self.ok(&format!("{LONGJOB}.APISubmitLongJobMsg"), fields)["inventory"].clone()
    }

    fn jobs(&self, fields: Value) -> Value {
        self.ok(&format!("{LONGJOB}.APIQueryLongJobMsg"), fields)
    }
}

#[test]
fn a_job_lives_its_whole_life_over_messages() {
    for server in Server::both(&[]) {
        let client = Client::admin(&server);
        let fields = json!({
            "jobName": "APISimulateJobMsg", "jobData": "{\"durationMs\":3600000}", "name": "n",
            "systemTags": [], "userTags": ["u"], "timeout": 1_800_000,
        });
        let (class, answer) = client.call(&format!("{LONGJOB}.APISubmitLongJobMsg"), fields);
        assert_eq!(class, format!("{LONGJOB}.APISubmitLongJobEvent"));
        let job = answer["inventory"].clone();
        let id = job["uuid"].as_str().expect("a uuid").to_owned();
        let one = json!({"conditions": [{"name": "uuid", "op": "=", "value": id}]});
        until("it runs", || (client.jobs(one.clone())["inventories"][0]["state"] == "Running").then_some(()));

        let found = client.jobs(one.clone());
        let keys: Vec<&String> = found.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["inventories", "success"], "no schema here");
        assert_eq!(found["inventories"][0]["apiId"], job["apiId"], "the job's own apiId is no hidden field");
        let tagged = json!({"conditions": [{"name": "__userTag__", "op": "=", "value": "u"}]});
        assert_eq!(client.jobs(tagged)["inventories"].as_array().map(Vec::len), Some(1));
        let progress = json!({"apiId": job["apiId"], "all": false});
        let (class, answer) = client.call(&format!("{PROGRESS}.APIGetTaskProgressMsg"), progress);
        assert_eq!(class, format!("{PROGRESS}.APIGetTaskProgressReply"));
        assert_eq!(answer["inventories"].as_array().map(Vec::len), Some(1));

        for (action, event) in [
            ("UpdateLongJob", format!("{LONGJOB}.APIUpdateLongJobEvent")),
            ("CancelLongJob", format!("{LONGJOB}.APICancelLongJobEvent")),
        ] {
            let fields = json!({"uuid": id, "name": "renamed"});
            let (class, answer) = client.call(&format!("{LONGJOB}.API{action}Msg"), fields);
            assert_eq!((class, &answer["success"]), (event, &json!(true)), "{answer}");
        }
        until("it is canceled", || {
            let state = client.jobs(one.clone())["inventories"][0]["state"].clone();
            (state == "Canceled").then_some(())
        });
        let (class, _) = client.call(&format!("{LONGJOB}.APIRerunLongJobMsg"), json!({"uuid": id}));
        assert_eq!(class, format!("{LONGJOB}.APIRerunLongJobEvent"));
        client.ok(&format!("{LONGJOB}.APICancelLongJobMsg"), json!({"uuid": id}));
        until("it is canceled again", || {
            let state = client.jobs(one.clone())["inventories"][0]["state"].clone();
            (state == "Canceled").then_some(())
        });
        let (class, answer) = client.call(&format!("{LONGJOB}.APIDeleteLongJobMsg"), json!({"uuid": id}));
        assert_eq!(
            class,
            format!("{IDENTITY}.APIDeleteAccountEvent"),
            "ZStack's mistake, which clients know"
        );
        assert_eq!(answer, json!({"success": true}));
        assert_eq!(client.jobs(one)["inventories"], json!([]));
    }
}

#[test]
fn synchronous_messages_are_done_at_once_and_have_no_uuid() {
    for server in Server::both(&[]) {
        let client = Client::admin(&server);
        let first = client.send(&format!("{NODE}.APIGetVersionMsg"), json!({}));
        assert_eq!((&first["state"], first.get("uuid")), (&json!("Done"), None));
        let (class, answer) = client.opened(&first);
        assert_eq!(class, format!("{NODE}.APIGetVersionReply"));
        assert_eq!(answer, json!({"version": "5.2.1", "success": true}));
        let own = json!({"sessionUuid": client.session});
        let valid =
            |client: &Client<'_>| client.ok(&format!("{IDENTITY}.APIValidateSessionMsg"), own.clone());
        assert_eq!(valid(&client), json!({"valid": true, "success": true}));
        assert_eq!(client.ok(&format!("{IDENTITY}.APILogOutMsg"), own.clone()), json!({"success": true}));
        assert_eq!(valid(&client), json!({"valid": false, "success": true}));
        let renew = client.refused(&format!("{IDENTITY}.APIRenewSessionMsg"), own.clone());
        assert_eq!((renew.0, renew.1.as_str()), (format!("{GENERAL}.APIEvent"), "ID.1001"));
    }
}

#[test]
fn queries_take_operators_in_words_and_paging_as_fields() {
    let server = Server::start("fast", &NOTHING_STARTS);
    let client = Client::admin(&server);
    for name in ["alpha", "beta", "gamma"] {
        let fields = json!({"jobName": "APISimulateJobMsg", "jobData": "{}", "name": name});
        client.ok(&format!("{LONGJOB}.APISubmitLongJobMsg"), fields);
    }
    let names = |fields: Value| {
        let rows = client.jobs(fields)["inventories"].clone();
        let rows =
            rows.as_array().expect("rows").iter().map(|r| r["name"].as_str().expect("a name").to_owned());
        rows.collect::<Vec<_>>().join(" ")
    };
    for (op, value, found) in [
        ("=", json!("beta"), "beta"),
        ("!=", json!("beta"), "alpha gamma"),
        (">", json!("alpha"), "beta gamma"),
        (">=", json!("beta"), "beta gamma"),
        ("<", json!("beta"), "alpha"),
        ("<=", json!("beta"), "alpha beta"),
        ("in", json!("alpha,gamma"), "alpha gamma"),
        ("not in", json!("alpha,gamma"), "beta"),
        ("like", json!("%m%"), "gamma"),
        ("not like", json!("%m%"), "alpha beta"),
        ("is null", json!(null), ""),
        ("is not null", json!(""), "alpha beta gamma"),
    ] {
        let condition = json!({"name": "name", "op": op, "value": value});
        assert_eq!(names(json!({"conditions": [condition], "sortBy": "name"})), found, "{op}");
    }
    let page = json!({"conditions": [], "sortBy": "name", "sortDirection": "desc", "start": 1, "limit": 1});
    assert_eq!(names(page), "beta");
    let mut counted =
        json!({"conditions": [], "replyWithCount": true, "limit": 1, "fields": ["name"], "sortBy": "name"});
    let answer = client.jobs(counted.clone());
    assert_eq!(answer, json!({"inventories": [{"name": "alpha"}], "total": 3, "success": true}));
    counted["count"] = json!(true);
    assert_eq!(client.jobs(counted), json!({"total": 3, "success": true}));
}

#[test]
fn failures_are_inside_of_the_answer_under_the_general_class() {
    for server in Server::both(&[]) {
        let client = Client::admin(&server);
        let query = format!("{LONGJOB}.APIQueryLongJobMsg");
        let condition = |condition: Value| json!({"conditions": [condition]});
        for (fields, code, details) in [
            (
                condition(json!({"name": "name", "op": "?=", "value": "x"})),
                "SYS.1007",
                "unknown QueryOp type[?=]",
            ),
            (
                condition(json!({"name": "name", "op": "="})),
                "SYS.1007",
                "'value' of query condition {\"name\":\"name\",\"op\":\"=\"} cannot be null",
            ),
            (
                json!({}),
                "SYS.1007",
                "field[conditions] of message[org.zstack.header.message.ApiMessageParamValidator] is mandatory, can not be null",
            ),
        ] {
            let refused = client.refused(&query, fields);
            assert_eq!(refused, (format!("{GENERAL}.APIReply"), code.to_owned(), details.to_owned()));
        }
        let submit = format!("{LONGJOB}.APISubmitLongJobMsg");
        let refused = client.refused(&submit, json!({"jobData": "{}"}));
        assert_eq!((refused.0, refused.1.as_str()), (format!("{GENERAL}.APIEvent"), "SYS.1007"));
        assert!(refused.2.contains("field[jobName]"), "{}", refused.2);
        let refused = client.refused(&submit, json!({"jobName": "APINopeMsg", "jobData": "{}"}));
        assert_eq!(
            (refused.1.as_str(), refused.2.contains("is not an API")),
            ("SYS.1007", true),
            "{}",
            refused.2
        );
        let cancel = format!("{LONGJOB}.APICancelLongJobMsg");
        assert_eq!(client.refused(&cancel, json!({"uuid": uuid()})).1, "SYS.1003");
        let wrong = json!({"accountName": "admin", "password": "x"});
        assert_eq!(client.refused(&format!("{IDENTITY}.APILogInByAccountMsg"), wrong).1, "ID.1000");
    }
}

#[test]
fn the_session_is_in_the_message_and_its_lack_and_its_end_are_told_apart() {
    for server in Server::both(&[]) {
        let nobody = Client { server: &server, session: String::new() };
        for class in [format!("{LONGJOB}.APIQueryLongJobMsg"), format!("{LONGJOB}.APISubmitLongJobMsg")] {
            let (_, code, details) = nobody.refused(&class, json!({}));
            assert_eq!((code.as_str(), details), ("ID.1001", format!("session of message[{class}] is null")));
            let (_, code, details) = nobody.refused(&class, json!({"session": {}}));
            assert_eq!((code.as_str(), details.as_str()), ("ID.1001", "session uuid is null"));
            for session in [uuid(), "malformed".to_owned()] {
                let first = nobody.send(&class, json!({"session": {"uuid": session}}));
                assert_eq!(first["state"], "Done", "a stranger leaves no record");
                let (_, answer) = nobody.opened(&first);
                assert_eq!(answer["error"]["code"], "ID.1001");
                assert_eq!(answer["error"]["details"], "Session expired");
            }
        }
        // The session of the header means nothing here.
        let admin = server.admin();
        let body = json!({format!("{LONGJOB}.APIQueryLongJobMsg"): {"conditions": []}}).to_string();
        let answer = admin.once("POST", "/zstack/api", &[], body.as_bytes());
        assert!(answer.text().contains("ID.1001"), "{}", answer.text());
    }
}

#[test]
fn accounts_see_and_touch_their_own_only() {
    let server = Server::start("zstack", &[]);
    let job = Client::admin(&server).submit(&json!({"durationMs": 3_600_000}));
    server.account("stranger");
    let stranger = Client::log_in(&server, "stranger", "stranger");
    assert_eq!(stranger.jobs(json!({"conditions": []}))["inventories"], json!([]));
    let of_job = json!({"uuid": job["uuid"]});
    assert_eq!(stranger.refused(&format!("{LONGJOB}.APICancelLongJobMsg"), of_job).1, "ID.1002");
    let progress = json!({"apiId": job["apiId"]});
    let seen = stranger.ok(&format!("{PROGRESS}.APIGetTaskProgressMsg"), progress);
    assert_eq!(seen["inventories"], json!([]));
    let create = json!({"name": "mine", "password": "x"});
    assert_eq!(stranger.refused(&format!("{IDENTITY}.APICreateAccountMsg"), create).1, "ID.1002");
}

#[test]
fn what_cannot_be_read_is_told_by_a_bare_text_with_status_200() {
    for server in Server::both(&[]) {
        let client = Client { server: &server, session: String::new() };
        for (body, text) in [
            (
                json!({"org.zstack.APINopeMsg": {}}).to_string(),
                "Unable to deserialize class org.zstack.APINopeMsg",
            ),
            ("{}".to_owned(), "a message is a JSON object with one key, its class, but this one has 0"),
        ] {
            let response = client.post(&body);
            assert_eq!((response.status, response.text().as_str()), (200, text));
        }
        for body in ["", "{", "[]", "{\"a\":1,\"b\":2}", "nonsense"] {
            let response = client.post(body);
            assert_eq!(response.status, 200, "{body}");
            assert!(!response.text().is_empty() && serde_json::from_slice::<Value>(&response.body).is_err());
        }
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
        let response = client.post(&huge);
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

#[test]
fn the_entry_has_two_paths_and_their_methods_and_an_error_page_for_unknown_results() {
    for server in Server::both(&[]) {
        let send = |method: &str, path: &str, body: &str| {
            http::send(server.address, method, path, &[], body.as_bytes())
        };
        let version = json!({format!("{NODE}.APIGetVersionMsg"): {}}).to_string();
        for path in ["/zstack/api", "/zstack/api/"] {
            for method in ["POST", "PUT"] {
                let answer = send(method, path, &version);
                assert_eq!(
                    (answer.status, &answer.json()["state"]),
                    (200, &json!("Done")),
                    "{method} {path}"
                );
            }
            assert_eq!(send("GET", path, "").status, 405);
        }
        let unknown = uuid();
        for method in ["GET", "PUT"] {
            let page = send(method, &format!("/zstack/api/result/{unknown}"), "");
            assert_eq!(page.status, 404);
            assert!(page.text().contains(&format!("No api result[uuid:{unknown}] found")), "{}", page.text());
        }
        assert_eq!(send("DELETE", &format!("/zstack/api/result/{unknown}"), "").status, 405);
        // The answer of a call over REST is none of this entry.
        let java = server.admin().as_kind(crate::support::Kind::Java);
        let body = crate::support::jobs::submission(&uuid(), &json!({"durationMs": 0}));
        let polled = java.post("/longjobs", &body).job.expect("a polled call");
        assert_eq!(send("GET", &format!("/zstack/api/result/{polled}"), "").status, 404);
    }
}

#[test]
fn a_result_survives_a_restart_and_is_never_cut() {
    let server = Server::start("zstack", &["--set", "engine.maxRunningSimulator=0"]);
    let client = Client::admin(&server);
    let long = json!({"result": "x".repeat(70_000)}).to_string();
    let fields = json!({"jobName": "APISimulateJobMsg", "jobData": long, "name": "n"});
    let first = client.send(&format!("{LONGJOB}.APISubmitLongJobMsg"), fields);
    let id = first["uuid"].as_str().expect("a uuid").to_owned();
    let server = server.killed_and_started_again(&NOTHING_STARTS);
    let nobody = Client { server: &server, session: String::new() };
    let polled = http::send(server.address, "GET", &format!("/zstack/api/result/{id}"), &[], b"").json();
    assert_eq!(polled["createdDate"], first["createdDate"]);
    let (class, answer) = nobody.opened(&polled);
    assert_eq!(class, format!("{LONGJOB}.APISubmitLongJobEvent"));
    assert_eq!(answer["inventory"]["jobData"], long.as_str());
    assert_eq!(answer["inventory"]["apiId"], id.as_str(), "the message's uuid is the job's apiId");
}

#[test]
fn apis_of_zstack_that_are_not_here_say_so() {
    for server in Server::both(&[]) {
        let client = Client::admin(&server);
        for (message, class) in [
            ("org.zstack.header.vm.APIStartVmInstanceMsg", "APIEvent"),
            ("org.zstack.header.vm.APIQueryVmInstanceMsg", "APIReply"),
        ] {
            let (answered, code, details) =
                client.refused(message, json!({"uuid": uuid(), "conditions": []}));
            assert_eq!((answered, code.as_str()), (format!("{GENERAL}.{class}"), "SYS.1014"));
            assert!(details.contains("is not offered by this server"), "{details}");
        }
        let nobody = Client { server: &server, session: String::new() };
        let (_, code, _) = nobody.refused("org.zstack.header.vm.APIStartVmInstanceMsg", json!({}));
        assert_eq!(code, "ID.1001", "the session comes first");
    }
}
