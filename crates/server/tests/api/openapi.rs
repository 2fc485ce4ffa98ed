//! The OpenAPI document of the running server against what it really answers: every key has its schema, every
//! error is the error schema, versions are those of the public reference.

use serde_json::{Value, json};

use crate::support::jobs::submission;
use crate::support::{Server, http, uuid};

fn document(server: &Server) -> Value {
    http::send(server.address, "GET", "/openapi.json", &[], b"").json()
}

/// The schema behind references.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            resolved(
                document,
                document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")),
            )
        }
        None => schema,
    }
}

/// That `value` is what `schema` says: types, keys, required ones, enumerations, alternatives.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolved(document, schema);
    for word in ["oneOf", "anyOf"] {
        if let Some(several) = schema[word].as_array() {
            let tried: Vec<_> = several.iter().map(|s| conforms(document, s, value, at)).collect();
            return if tried.iter().any(Result::is_ok) { Ok(()) } else { Err(format!("{at}: {tried:?}")) };
        }
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        return Err(format!("{at}: {value} is none of {allowed:?}"));
    }
    let fits = match schema["type"].as_str().unwrap_or_else(|| panic!("{at}: an untyped schema: {schema}")) {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: {other}"),
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    if value.as_str().is_some_and(|t| t.encode_utf16().count() as u64 > most) {
        return Err(format!("{at}: longer than {most}"));
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(document, &schema["items"], item, &format!("{at}[{n}]"))?;
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if value.get(required.as_str().expect("a key")).is_none() {
            return Err(format!("{at}: {required} is missing"));
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(known), _) => conforms(document, known, inner, &format!("{at}.{key}"))?,
            (None, Value::Object(_)) => {
                conforms(document, &schema["additionalProperties"], inner, &format!("{at}.{key}"))?;
            }
            (None, Value::Bool(true)) => {}
            (None, _) => return Err(format!("{at}.{key} is not documented")),
        }
    }
    Ok(())
}

#[test]
fn every_answer_is_as_the_document_says() {
    for server in Server::both(&[]) {
        let document = document(&server);
        let admin = server.admin();
        let id = admin.job_in("Canceled");
        let api_id = admin.job(&id).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
        let session = admin.session.clone();
        let login =
            json!({"logInByAccount": {"accountName": "admin", "password": crate::support::sha512("x")}});
        let calls: Vec<(&str, &str, String, Value)> = vec![
            ("get", "/longjobs", "/longjobs?replyWithCount=true".to_owned(), Value::Null),
            ("get", "/longjobs", "/longjobs?count=true".to_owned(), Value::Null),
            ("get", "/longjobs", "/longjobs?fields=uuid,state".to_owned(), Value::Null),
            ("get", "/longjobs", "/longjobs?fields=name".to_owned(), Value::Null),
            ("get", "/accounts", "/accounts?fields=name".to_owned(), Value::Null),
            ("get", "/zones", "/zones?fields=uuid".to_owned(), Value::Null),
            ("get", "/management-nodes", "/management-nodes?fields=uuid".to_owned(), Value::Null),
            ("get", "/longjobs/{uuid}", format!("/longjobs/{id}"), Value::Null),
            ("get", "/longjobs/{uuid}/timeline", format!("/longjobs/{id}/timeline"), Value::Null),
            ("get", "/longjobs/{uuid}/explain", format!("/longjobs/{id}/explain"), Value::Null),
            ("get", "/task-progresses/{apiId}", format!("/task-progresses/{api_id}?all=true"), Value::Null),
            ("get", "/task-progresses/{apiId}", "/task-progresses/x".to_owned(), Value::Null),
            ("get", "/job-types", "/job-types".to_owned(), Value::Null),
            ("get", "/accounts", "/accounts".to_owned(), Value::Null),
            ("get", "/zones", "/zones".to_owned(), Value::Null),
            ("get", "/management-nodes", "/management-nodes".to_owned(), Value::Null),
            ("get", "/primary-storage", "/primary-storage".to_owned(), Value::Null),
            (
                "get",
                "/primary-storage/capacities",
                "/primary-storage/capacities?all=true".to_owned(),
                Value::Null,
            ),
            ("get", "/volumes", "/volumes".to_owned(), Value::Null),
            (
                "get",
                "/accounts/sessions/{sessionUuid}/valid",
                format!("/accounts/sessions/{session}/valid"),
                Value::Null,
            ),
            ("get", "/api-jobs/{uuid}", "/api-jobs/unknown".to_owned(), Value::Null),
            (
                "put",
                "/management-nodes/actions",
                "/management-nodes/actions".to_owned(),
                json!({"getVersion": {}}),
            ),
            (
                "put",
                "/management-nodes/actions",
                "/management-nodes/actions".to_owned(),
                json!({"getCurrentTime": {}}),
            ),
            ("put", "/accounts/login", "/accounts/login".to_owned(), login),
            ("post", "/longjobs", "/longjobs".to_owned(), submission(&uuid(), &json!({}))),
            ("post", "/longjobs", "/longjobs".to_owned(), json!({"params": []})),
            (
                "post",
                "/longjobs/bulk",
                "/longjobs/bulk".to_owned(),
                json!({"params": {"jobs": [submission(&uuid(), &json!({}))["params"], {"jobName": "nope"}]}}),
            ),
            (
                "post",
                "/longjobs/bulk",
                "/longjobs/bulk".to_owned(),
                json!({"params": {"jobs": [submission(&uuid(), &json!({}))["params"]]},
                    "systemTags": ["validationOnly"]}),
            ),
            (
                "put",
                "/longjobs/bulk",
                "/longjobs/bulk".to_owned(),
                json!({"rerunLongJobs": {"q": ["state=Canceled"], "limit": 1}}),
            ),
            (
                "put",
                "/longjobs/bulk",
                "/longjobs/bulk".to_owned(),
                json!({"cancelLongJobs": {"q": ["name=x"], "dryRun": true}}),
            ),
            (
                "put",
                "/longjobs/{uuid}/actions",
                format!("/longjobs/{id}/actions"),
                json!({"updateLongJob": {}}),
            ),
            (
                "put",
                "/longjobs/{uuid}/actions",
                format!("/longjobs/{id}/actions"),
                json!({"resumeLongJob": {}}),
            ),
            ("put", "/longjobs/{uuid}/actions", format!("/longjobs/{id}/actions"), json!({})),
            ("delete", "/longjobs/{uuid}", format!("/longjobs/{id}"), Value::Null),
        ];
        for (method, path, target, body) in calls {
            let text = if body.is_null() { String::new() } else { body.to_string() };
            let answer = admin.once(&method.to_uppercase(), &target, &[], text.as_bytes());
            let at = format!("{} {method} {target} {}", server.profile, answer.status);
            let responses = &document["paths"][path][method]["responses"];
            let response = resolved(&document, &responses[answer.status.to_string()]);
            let content = response["content"]
                .as_object()
                .unwrap_or_else(|| panic!("{at} is not documented: {responses}"));
            let (kind, media) = content.iter().next().expect("one kind of content");
            assert!(
                answer.header("content-type").is_some_and(|k| k.starts_with(kind.as_str())),
                "{at}: {kind}"
            );
            if kind == "application/json" {
                // `fields=` leaves required keys out, which no document can say.
                let checked = conforms(&document, &media["schema"], &answer.json(), "");
                assert!(checked.is_ok() || target.contains("fields="), "{at}: {checked:?} {}", answer.text());
            }
        }
    }
}

#[test]
fn versions_and_ordinals_are_those_of_the_public_reference() {
    for server in Server::both(&[]) {
        let document = document(&server);
        let since = |path: &str, method: &str| document["paths"][path][method]["x-since"].clone();
        assert_eq!(since("/longjobs", "post"), "2.3");
        assert_eq!(since("/longjobs/{uuid}", "delete"), "2.3");
        let actions = document["paths"]["/longjobs/{uuid}/actions"]["put"]["x-actions"].clone();
        let update = actions.as_array().expect("actions").iter().find(|a| a["key"] == "updateLongJob");
        assert_eq!(update.expect("updateLongJob")["since"], "3.9.0");
        let state = &document["components"]["schemas"]["LongJobState"];
        let names =
            json!(["Waiting", "Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"]);
        assert_eq!((&state["enum"], &state["x-enum-ordinal"]), (&names, &json!([0, 1, 2, 3, 4, 5, 6])));
        assert_eq!(document["openapi"].as_str().map(|v| v.starts_with("3.1")), Some(true));
    }
}

/// The body of an operation: `params`, an action's object, or the top level.
fn body<'d>(document: &'d Value, name: &str, wrapper: Option<&str>) -> &'d Value {
    let schema = &document["components"]["schemas"][name];
    let inner = wrapper.map_or(schema, |key| &schema["properties"][key]);
    &resolved(document, inner)["properties"]
}

#[test]
fn parameters_have_the_references_types_and_places() {
    for server in Server::both(&[]) {
        let document = document(&server);
        for (name, wrapper, fields) in [
            (
                "SubmitLongJobRequest",
                "params",
                &["name", "description", "jobName", "jobData", "resourceUuid", "targetResourceUuid"][..],
            ),
            ("UpdateLongJobRequest", "updateLongJob", &["name", "description"]),
        ] {
            for field in fields {
                assert_eq!(body(&document, name, Some(wrapper))[field]["type"], "string", "{name} {field}");
            }
            let required = &document["components"]["schemas"][name]["properties"][wrapper]["required"];
            let must = if wrapper == "params" { json!(["jobName", "jobData"]) } else { Value::Null };
            assert_eq!(required, &must, "all others are optional");
        }
        for name in ["SubmitLongJobRequest", "UpdateLongJobRequest", "DeleteLongJobRequest"] {
            for tags in ["systemTags", "userTags"] {
                assert_eq!(body(&document, name, None)[tags]["type"], "array", "{name} {tags}");
            }
        }
        for (path, method) in [("/longjobs/{uuid}", "delete"), ("/longjobs/{uuid}/actions", "put")] {
            let parameters = document["paths"][path][method]["parameters"].as_array().expect("parameters");
            let uuid = parameters.iter().map(|p| resolved(&document, p)).find(|p| p["name"] == "uuid");
            let uuid = uuid.expect("the uuid");
            assert_eq!(
                (&uuid["in"], &uuid["required"], &uuid["schema"]["type"]),
                (&json!("path"), &json!(true), &json!("string"))
            );
        }
    }
}

#[test]
fn the_documented_inventory_and_error_have_the_references_members_and_types() {
    for server in Server::both(&[]) {
        let document = document(&server);
        let inventory = &document["components"]["schemas"]["LongJobInventory"]["properties"];
        for key in [
            "uuid",
            "name",
            "description",
            "apiId",
            "jobName",
            "jobData",
            "jobResult",
            "targetResourceUuid",
            "managementNodeUuid",
            "createDate",
            "lastOpDate",
        ] {
            assert_eq!(inventory[key]["type"], "string", "{key}");
        }
        assert_eq!(resolved(&document, &inventory["state"])["enum"].as_array().map(Vec::len), Some(7));
        let error = &document["components"]["schemas"]["ErrorCode"]["properties"];
        for key in ["code", "description", "details"] {
            assert_eq!(error[key]["type"], "string", "{key}");
        }
        let cause = error["cause"].to_string();
        assert!(cause.contains("#/components/schemas/ErrorCode"), "a cause is an error: {cause}");
        for reserved in ["elaboration", "opaque"] {
            assert_eq!(error.get(reserved), None, "reserved, and null by being absent");
        }
        let answer =
            document["components"]["schemas"]["LongJobAnswer"]["properties"]["inventory"].to_string();
        assert!(answer.contains("#/components/schemas/LongJobInventory"), "{answer}");
    }
}

#[test]
fn the_document_needs_no_session_and_is_the_running_profiles() {
    let [fast, zstack] = ["fast", "zstack"].map(|profile| document(&Server::start(profile, &[])));
    assert_ne!(fast, zstack);
    let text = zstack["paths"]["/longjobs"]["post"]["responses"]["400"].clone();
    assert!(resolved(&zstack, &text)["content"].get("text/plain").is_some(), "misuse is text in zstack");
    let body = fast["paths"]["/longjobs"]["post"]["responses"]["400"].clone();
    assert!(resolved(&fast, &body)["content"].get("application/json").is_some(), "and JSON in fast");
}
