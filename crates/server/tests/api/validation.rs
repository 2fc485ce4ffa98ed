//! Calls with values that are refused: code, details and status, in both profiles.
//!
//! Source: rest-api.md 1.4, 1.5, 4.4.

use serde_json::{Value, json};

use crate::support::jobs::submission;
use crate::support::{Caller, Server, uuid};

const UNKNOWN: &str = "45a53d3d93384433add8ead7616586cf";
const VALIDATOR: &str = "org.zstack.header.message.ApiMessageParamValidator";

fn mandatory(field: &str) -> String {
    format!("field[{field}] of message[{VALIDATOR}] is mandatory, can not be null")
}

fn too_long(field: &str, most: usize, is: usize) -> String {
    format!(
        "field[{field}] of message[{VALIDATOR}] exceeds max length of string. expected was <= {most}, actual was {is}"
    )
}

fn status_in_fast(code: &str) -> u16 {
    match code {
        "SYS.1007" => 400,
        "SYS.1003" => 404,
        other => panic!("{other}"),
    }
}

/// Calls and asserts the refusal, for curl and an SDK.
#[track_caller]
fn refused(server: &Server, method: &str, path: &str, body: &Value, code: &str, details: &str) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    for caller in server.admins().iter().take(2) {
        let answer = caller.call(method, path, body.as_bytes());
        assert_eq!(answer.error(), (code.to_owned(), details.to_owned()), "{method} {path} {body}");
        if server.profile == "fast" && answer.first != 202 && caller.kind == crate::support::Kind::Plain {
            assert_eq!(answer.first, status_in_fast(code), "{method} {path} {body}");
        } else {
            assert_eq!(answer.last.status, 503, "{method} {path} {body}");
        }
    }
}

fn submit(params: Value) -> Value {
    json!({ "params": params })
}

#[test]
fn a_submission_is_checked_field_by_field_with_the_contracts_texts() {
    let fine = |field: &str, value: Value| {
        let mut params = json!({"jobName": "APISimulateJobMsg", "jobData": "{}"});
        params[field] = value;
        submit(params)
    };
    let regex = "'[0-9a-f]{8}[0-9a-f]{4}[1-5][0-9a-f]{3}[89ab][0-9a-f]{3}[0-9a-f]{12}'";
    let bad_uuid = |sent: &str| {
        format!(
            "resourceUuid[{sent}] is not a valid uuid. A valid uuid is a UUID(v4 recommended) with '-' stripped. see http://en.wikipedia.org/wiki/Universally_unique_identifier for format of UUID, the regular expression uses to validate a UUID is {regex}"
        )
    };
    let upper = UNKNOWN.to_uppercase();
    let no_version = "45a53d3d93380433add8ead7616586cf";
    let rows = [
        (json!({"params": null}), mandatory("jobName")),
        (submit(json!({})), mandatory("jobName")),
        (submit(json!({"jobName": null, "jobData": "{}"})), mandatory("jobName")),
        (submit(json!({"jobName": "APISimulateJobMsg"})), mandatory("jobData")),
        (fine("name", json!("n".repeat(256))), too_long("name", 255, 256)),
        (fine("name", json!("😀".repeat(128))), too_long("name", 255, 256)),
        (fine("description", json!("d".repeat(2049))), too_long("description", 2048, 2049)),
        (fine("jobName", json!("j".repeat(256))), too_long("jobName", 255, 256)),
        (fine("targetResourceUuid", json!("a".repeat(33))), too_long("targetResourceUuid", 32, 33)),
        (
            fine("jobName", json!("NoSuchMsg")),
            "NoSuchMsg is not an API; GET /v1/job-types lists the job types of this server".to_owned(),
        ),
        (fine("resourceUuid", json!("x")), bad_uuid("x")),
        (fine("resourceUuid", json!(upper)), bad_uuid(&upper)),
        (fine("resourceUuid", json!(no_version)), bad_uuid(no_version)),
        (fine("tagUuids", json!([null])), "field[tagUuids] cannot contain a NULL element".to_owned()),
    ];
    for server in Server::both(&[]) {
        for (body, details) in &rows {
            refused(&server, "POST", "/longjobs", body, "SYS.1007", details);
        }
        let tag = "invalid field[tagUuids], resource[uuids:[45a53d3d93384433add8ead7616586cf], type:TagPatternVO] not found";
        refused(&server, "POST", "/longjobs", &fine("tagUuids", json!([UNKNOWN])), "SYS.1003", tag);
        assert_eq!(server.admin().get("/longjobs").ok()["inventories"], json!([]), "nothing was stored");
    }
}

#[test]
fn broken_job_data_is_told_as_an_invalid_argument() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        for data in ["", "x", "null", "[]", "3", "{", "{\"durationMs\":}", "{\"durationMs\":0}}"] {
            let (code, details) = admin
                .post("/longjobs", &submit(json!({"jobName": "APISimulateJobMsg", "jobData": data})))
                .error();
            assert_eq!(code, "SYS.1007", "{data}");
            assert!(details.starts_with("field[jobData] is not a JSON object: "), "{data}: {details}");
        }
        let wrong = submission(&uuid(), &json!({"durationMs": -1}));
        let (code, details) = admin.post("/longjobs", &wrong).error();
        assert!(code == "SYS.1007" && details.contains("field[durationMs]"), "{code} {details}");
        // Scalars become text first: 5 is the text of no object.
        let (_, details) =
            admin.post("/longjobs", &submit(json!({"jobName": "APISimulateJobMsg", "jobData": 5}))).error();
        assert_eq!(details, "field[jobData] is not a JSON object: it is another JSON value");
    }
}

#[test]
fn every_action_on_an_unknown_or_malformed_uuid_is_not_found() {
    for server in Server::both(&[]) {
        for action in ["updateLongJob", "cancelLongJob", "rerunLongJob", "resumeLongJob", "cleanLongJob"] {
            for id in [UNKNOWN, "not-a-uuid"] {
                let path = format!("/longjobs/{id}/actions");
                let details = format!("invalid field[uuid], resource[uuid:{id}, type:LongJobVO] not found");
                let mut body = json!({});
                // A value of null counts as the key being there.
                body[action] = if id == UNKNOWN { json!({"name": "n"}) } else { Value::Null };
                refused(&server, "PUT", &path, &body, "SYS.1003", &details);
            }
        }
        refused(
            &server,
            "DELETE",
            "/longjobs/xyz",
            &Value::Null,
            "SYS.1003",
            "invalid value[xyz] of field [uuid]",
        );
        assert_eq!(server.admin().delete(&format!("/longjobs/{UNKNOWN}")).ok(), json!({}));
    }
}

#[test]
fn an_update_is_checked_against_the_same_lengths() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        let path = format!("/longjobs/{id}/actions");
        for (field, most) in [("name", 255), ("description", 2048)] {
            let mut params = json!({});
            params[field] = json!("x".repeat(most + 1));
            let body = json!({ "updateLongJob": params });
            refused(&server, "PUT", &path, &body, "SYS.1007", &too_long(field, most, most + 1));
            params[field] = json!("x".repeat(most));
            assert_eq!(admin.act(&id, "updateLongJob", &params).inventory()[field], params[field]);
        }
    }
}

#[test]
fn values_out_of_their_set_or_range_are_told_with_it() {
    for server in Server::both(&[]) {
        let renew = format!("/accounts/sessions/{UNKNOWN}/renew");
        for duration in [json!(59), json!(31_536_001), json!("59.0")] {
            let body = json!({"renewSession": {"duration": duration}});
            refused(
                &server,
                "PUT",
                &renew,
                &body,
                "SYS.1007",
                "field[duration] must be in range of [60, 31536000]",
            );
        }
        let state = json!({"changePrimaryStorageState": {"stateEvent": "explode"}});
        let details = format!(
            "valid value for field[stateEvent] of message[{VALIDATOR}] are [enable, disable, maintain, deleting], but explode found"
        );
        refused(&server, "PUT", &format!("/primary-storage/{UNKNOWN}/actions"), &state, "SYS.1007", &details);
        for id in ["xyz", "45A53D3D93384433ADD8EAD7616586CF"] {
            let details = format!("parameter apiId[{id}] is not a valid uuid.");
            refused(&server, "GET", &format!("/task-progresses/{id}"), &Value::Null, "SYS.1007", &details);
        }
        // The key of the old documentation means a login without parameters.
        let old = json!({"logIn": {"accountName": "admin", "password": "x"}});
        let (code, details) = server.admin().put("/accounts/login", &old).error();
        assert!(code == "SYS.1007" && details.starts_with(&mandatory("accountName")), "{code} {details}");
        assert_eq!(details.contains("[logInByAccount]"), server.profile == "fast", "{details}");
    }
}

fn job_with(caller: &Caller, params: Value) -> Value {
    let mut all = json!({"jobName": "APISimulateJobMsg", "jobData": "{\"durationMs\":0}"});
    for (key, value) in params.as_object().expect("an object") {
        all[key] = value.clone();
    }
    caller.post("/longjobs", &submit(all)).inventory()
}

#[test]
fn texts_are_trimmed_scalars_become_text_and_lengths_count_utf_16_units() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        assert_eq!(job_with(&admin, json!({"name": "  n  ", "description": "\t d \n"}))["name"], "n");
        assert_eq!(job_with(&admin, json!({"description": "\t d \n"}))["description"], "d");
        assert_eq!(job_with(&admin, json!({"name": 5}))["name"], "5");
        assert_eq!(job_with(&admin, json!({"name": true, "description": 1.5}))["name"], "true");
        assert_eq!(job_with(&admin, json!({"description": 1.5}))["description"], "1.5");
        assert_eq!(job_with(&admin, json!({}))["name"], "APISimulateJobMsg", "the job name by default");
        assert_eq!(job_with(&admin, json!({"name": ""}))["name"], "APISimulateJobMsg");
        assert_eq!(job_with(&admin, json!({"description": "", "targetResourceUuid": ""}))["description"], "");
        let wide = "😀".repeat(127);
        assert_eq!(job_with(&admin, json!({"name": wide}))["name"], wide.as_str());
        assert_eq!(
            job_with(&admin, json!({"name": "Überprüfung 检查 <&='\">"}))["name"],
            "Überprüfung 检查 <&='\">"
        );
        let id = uuid();
        let spaced = format!(" {id} ");
        assert_eq!(
            job_with(&admin, json!({"resourceUuid": spaced, "noSuchField": {"a": 1}}))["uuid"],
            id.as_str()
        );
    }
}

#[test]
fn job_data_without_quotes_is_understood_and_kept_as_it_was_sent() {
    let server = Server::start("zstack", &[]);
    let admin = server.admin();
    let sent = "{durationMs: 0, outcome: fail}";
    let job = job_with(&admin, json!({"jobData": sent}));
    assert_eq!(job["jobData"], sent);
    admin.wait_for(job["uuid"].as_str().expect("a uuid"), "Failed");
}

#[test]
fn an_update_with_neither_field_answers_the_job_and_absent_fields_stay() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.job_in("Succeeded");
        let same = admin.act(&id, "updateLongJob", &json!({})).inventory();
        assert_eq!((&same["name"], &same["description"]), (&json!("a job"), &json!("of a test")));
        let renamed =
            admin.act(&id, "updateLongJob", &json!({"name": "new", "description": null})).inventory();
        assert_eq!((&renamed["name"], &renamed["description"]), (&json!("new"), &json!("of a test")));
    }
}
