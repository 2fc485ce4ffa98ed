//! The checklist of the legacy clients, box by box.
//!
//! Source: rest-api.md 7.4, section 9.

use serde_json::{Value, json};

use crate::calls::servers;
use crate::legacy::{self, Binding, Mcp, post};
use crate::model::{crashed, failed, submission};
use crate::support::server::PASSWORD;
use crate::support::{Server, http, sha512, until, uuid};

fn binding(server: &Server) -> Binding {
    Binding::logged_in(server.address, "admin", PASSWORD)
}

fn conditions(uuid: &str) -> Value {
    json!({"conditions": [{"name": "uuid", "op": "=", "value": uuid}]})
}

fn state(binding: &Binding, id: &str) -> Option<String> {
    let reply = binding.call(legacy::QUERY, &conditions(id)).expect("a query");
    reply["inventories"][0]["state"].as_str().map(str::to_owned)
}

#[test]
fn legacy_messages_are_taken_with_and_without_the_slash() {
    for server in servers() {
        for path in ["/zstack/api/", "/zstack/api"] {
            let fields = json!({"accountName": "admin", "password": sha512(PASSWORD)});
            let answer = post(server.address, path, legacy::LOG_IN, &fields);
            assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("Done")), "{path}");
        }
    }
}

#[test]
fn legacy_outcomes_are_200_whatever_they_are() {
    for server in servers() {
        let wrong = json!({"accountName": "admin", "password": sha512("wrong")});
        let nobody = json!({"uuid": uuid()});
        let expired = json!({"uuid": uuid(), "session": {"uuid": uuid()}});
        for (class, fields) in [
            (legacy::LOG_IN, &wrong),
            (legacy::CANCEL, &nobody),
            (legacy::CANCEL, &expired),
            (legacy::QUERY, &expired),
            ("org.zstack.header.NoSuchMsg", &nobody),
        ] {
            let answer = post(server.address, "/zstack/api/", class, fields);
            assert_eq!(answer.status, 200, "{class}: {}", answer.text());
        }
        let broken = http::send(server.address, "POST", "/zstack/api", &[], b"{");
        assert_eq!(broken.status, 200, "{}", broken.text());
        assert!(serde_json::from_slice::<Value>(&broken.body).is_err(), "text, as there: {}", broken.text());
        // For MCP these are answers, not transport failures.
        let mcp = Mcp::new(server.address, "admin", PASSWORD);
        failed(mcp.call(legacy::CANCEL, &json!({"uuid": uuid()})), "SYS.1003");
        let other = Mcp::new(server.address, "admin", "wrong");
        failed(other.call(legacy::QUERY, &json!({"conditions": []})), "ID.1000");
        assert!(crashed(binding(&server).call("org.zstack.header.NoSuchMsg", &nobody)).contains("no JSON"));
    }
}

#[test]
fn legacy_answers_are_processing_or_done_with_json_text_for_a_result() {
    for server in servers() {
        let session = json!({"uuid": binding(&server).session});
        let mut fields = submission(&uuid(), &json!({"durationMs": 0}));
        fields["session"] = session.clone();
        let accepted = post(server.address, "/zstack/api/", legacy::SUBMIT, &fields).json();
        assert!(matches!(accepted["state"].as_str(), Some("Processing" | "Done")), "{accepted}");
        let id = accepted["uuid"].as_str().expect("an asynchronous one has an id").to_owned();
        let done = until("it is done", || {
            let target = format!("/zstack/api/result/{id}");
            let polled = http::send(server.address, "GET", &target, &[], b"").json();
            assert!(matches!(polled["state"].as_str(), Some("Processing" | "Done")), "{polled}");
            (polled["state"] == "Done").then_some(polled)
        });
        assert!(done["result"].is_string(), "{done}");
        let query = json!({"conditions": [], "session": session});
        let direct = post(server.address, "/zstack/api/", legacy::QUERY, &query).json();
        assert_eq!((&direct["state"], direct.get("uuid")), (&json!("Done"), None), "a synchronous one");
        assert!(direct["result"].is_string(), "{direct}");
    }
}

#[test]
fn legacy_results_have_one_key_whose_object_says_success_and_error() {
    for server in servers() {
        let binding = binding(&server);
        let id = uuid();
        // The model demands one key and a boolean; each kind of call, in success and in failure.
        let fields = submission(&id, &json!({"durationMs": 0}));
        let event = binding.call(legacy::SUBMIT, &fields).expect("a submission");
        assert_eq!((&event["inventory"]["uuid"], &event["success"]), (&json!(id), &json!(true)));
        let api_id = event["inventory"]["apiId"].clone();
        let progress = binding.call(legacy::PROGRESS, &json!({ "apiId": api_id })).expect("progress");
        assert_eq!(progress["inventories"].as_array().map(Vec::len), Some(1));
        until("it has succeeded", || (state(&binding, &id)? == "Succeeded").then_some(()));
        let updated = binding.call(legacy::UPDATE, &json!({"uuid": id, "name": "n"})).expect("an update");
        assert_eq!(updated["inventory"]["name"], "n");
        let late = failed(binding.call(legacy::CANCEL, &json!({ "uuid": id })), "SYS.1007");
        assert_eq!(late, "cannot cancel longjob that is succeeded");
        let nonsense = json!({"conditions": [{"name": "state", "op": "~~", "value": "x"}]});
        assert_eq!(failed(binding.call(legacy::QUERY, &nonsense), "SYS.1007"), "unknown QueryOp type[~~]");
        binding.call(legacy::DELETE, &json!({ "uuid": id })).expect("a deletion");
        assert_eq!(state(&binding, &id), None);
    }
}

#[test]
fn legacy_results_are_polled_by_the_id_of_the_answer() {
    for server in servers() {
        // Both models take the id of the answer to `/zstack/api/result/`.
        let id = uuid();
        let fields = submission(&id, &json!({"durationMs": 3_600_000}));
        binding(&server).call(legacy::SUBMIT, &fields).expect("a submission");
        let mcp = Mcp::new(server.address, "admin", PASSWORD);
        mcp.call(legacy::CANCEL, &json!({ "uuid": id })).expect("a cancel");
        let unknown = format!("/zstack/api/result/{}", uuid());
        assert_eq!(http::send(server.address, "GET", &unknown, &[], b"").status, 404);
    }
}

#[test]
fn legacy_sessions_that_ended_are_id_1001_and_mcp_logs_in_again() {
    for server in servers() {
        let mcp = Mcp::new(server.address, "admin", PASSWORD);
        let all = json!({"conditions": []});
        mcp.call(legacy::QUERY, &all).expect("a query");
        assert_eq!(*mcp.logins.borrow(), 1, "lazily, at the first call");
        mcp.log_out().expect("a logout");
        mcp.call(legacy::QUERY, &all).expect("a query of a synchronous call");
        assert_eq!(*mcp.logins.borrow(), 2);
        mcp.log_out().expect("a logout");
        let fields = submission(&uuid(), &json!({"durationMs": 0}));
        mcp.call(legacy::SUBMIT, &fields).expect("an asynchronous one");
        assert_eq!(*mcp.logins.borrow(), 3);
        let mut expired = Binding::new(server.address);
        expired.session = Some(uuid());
        failed(expired.call(legacy::QUERY, &all), "ID.1001");
        failed(expired.call(legacy::SUBMIT, &fields), "ID.1001");
    }
}

#[test]
fn legacy_sessions_are_in_the_body_and_not_in_a_header() {
    for server in servers() {
        let session = binding(&server).session.expect("a session");
        let all = json!({"conditions": []});
        let body = json!({ (legacy::QUERY): all }).to_string();
        let header = format!("OAuth {session}");
        let headers = [("Authorization", header.as_str())];
        let answer = http::send(server.address, "POST", "/zstack/api/", &headers, body.as_bytes()).json();
        let inside: Value = serde_json::from_str(answer["result"].as_str().expect("text")).expect("JSON");
        let object = inside.as_object().and_then(|o| o.values().next()).expect("one object");
        assert_eq!(object["error"]["code"], "ID.1001", "{answer}");
        let mut with = Binding::new(server.address);
        with.session = Some(session);
        with.call(legacy::QUERY, &all).expect("with the session inside");
    }
}
