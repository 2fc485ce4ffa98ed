//! The lint of the document: no untyped object, every field described and bounded, every error the error
//! schema, unique ids, every operation of the table.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::api::{Op, operations};

fn parsed(profile: Profile) -> Value {
    serde_json::from_str(&super::json(profile)).unwrap_or_default()
}

fn each_operation(doc: &Value) -> Vec<(String, Value)> {
    let paths = doc["paths"].as_object().cloned().unwrap_or_default();
    let flat = paths.into_iter().flat_map(|(path, item)| {
        let methods = item.as_object().cloned().unwrap_or_default();
        methods.into_iter().map(move |(method, op)| (format!("{method} {path}"), op))
    });
    flat.collect()
}

/// Calls `check` for every object of the document with its place.
fn walk(place: &str, value: &Value, check: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(object) => {
            check(place, value);
            for (key, inner) in object {
                walk(&format!("{place}/{key}"), inner, check);
            }
        }
        Value::Array(list) => {
            for (at, inner) in list.iter().enumerate() {
                walk(&format!("{place}/{at}"), inner, check);
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_is_the_same_text_at_every_call() {
    for profile in Profile::ALL {
        assert_eq!(super::json(profile), super::json(profile));
    }
}

#[test]
fn every_operation_of_the_table_is_in_the_document_once() {
    for profile in Profile::ALL {
        let doc = parsed(profile);
        assert_eq!(doc["openapi"], "3.1.0");
        let mut names = Vec::new();
        for (place, op) in each_operation(&doc) {
            match op["x-actions"].as_array() {
                Some(actions) => {
                    names.extend(actions.iter().filter_map(|a| a["name"].as_str().map(str::to_owned)))
                }
                None => names.extend(op["operationId"].as_str().map(str::to_owned)),
            }
            assert!(op["x-since"].is_string(), "{place}");
        }
        names.retain(|n| !n.ends_with("ByUuid"));
        let unique: HashSet<_> = names.iter().cloned().collect();
        assert_eq!((names.len(), unique.len()), (Op::COUNT, Op::COUNT));
        assert!(operations().all(|o| unique.contains(o.name)));
    }
}

#[test]
fn operation_ids_are_unique_and_path_variables_are_declared() {
    for profile in Profile::ALL {
        let mut ids = HashSet::new();
        for (place, op) in each_operation(&parsed(profile)) {
            assert!(ids.insert(op["operationId"].to_string()), "{place}");
            for var in place.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')) {
                let declared = op["parameters"].as_array().is_some_and(|all| {
                    all.iter().any(|p| p["name"] == var && p["in"] == "path" && p["required"] == true)
                });
                assert!(declared, "{place} {var}");
            }
            let parameters = op["parameters"].as_array().cloned().unwrap_or_default();
            let keys: HashSet<_> =
                parameters.iter().map(|p| format!("{}{}{}", p["name"], p["in"], p["$ref"])).collect();
            assert_eq!(keys.len(), parameters.len(), "{place}");
        }
    }
}

#[test]
fn no_object_is_untyped_and_every_field_is_described_and_bounded() {
    for profile in Profile::ALL {
        let doc = parsed(profile);
        walk("", &doc, &mut |place, node| {
            assert!(
                !node.as_object().is_some_and(|o| o.get("default") == Some(&json!(null))),
                "null: {place}"
            );
            if node["type"] == "object" {
                let typed = node["properties"].is_object()
                    || ![json!(null), json!(true)].contains(&node["additionalProperties"]);
                assert!(typed, "untyped: {place}");
            }
            for (name, field) in node["properties"].as_object().into_iter().flatten() {
                assert!(described(&doc, field), "no description: {place}/{name}: {field}");
                assert!(bounded(&doc, field), "no bounds: {place}/{name}: {field}");
            }
            if node["in"].is_string() && node["name"].is_string() && !node["schema"].is_null() {
                assert!(node["description"].is_string() && bounded(&doc, &node["schema"]), "{place}");
            }
        });
    }
}

fn described(doc: &Value, field: &Value) -> bool {
    field["description"].is_string() || target(doc, field).is_some_and(|t| t["description"].is_string())
}

fn target<'d>(doc: &'d Value, field: &Value) -> Option<&'d Value> {
    doc.pointer(field["$ref"].as_str()?.strip_prefix('#')?)
}

fn bounded(doc: &Value, field: &Value) -> bool {
    match field["type"].as_str() {
        Some("string") => !field["maxLength"].is_null() || !field["enum"].is_null(),
        Some("integer") => !field["minimum"].is_null(),
        Some("array") => !field["maxItems"].is_null(),
        Some("boolean" | "object") => true,
        _ => target(doc, field).is_some(),
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    for profile in Profile::ALL {
        let doc = parsed(profile);
        let mut used = HashSet::new();
        walk("", &doc, &mut |place, node| {
            if let Some(to) = node["$ref"].as_str() {
                assert!(target(&doc, node).is_some(), "{place} -> {to}");
                used.insert(to.to_owned());
            }
        });
        for name in doc["components"]["schemas"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(used.contains(&format!("#/components/schemas/{name}")), "unused: {name}");
        }
    }
}

#[test]
fn every_error_body_is_the_error_schema_and_misuse_is_text_in_zstack_only() {
    let error = json!({"$ref": "#/components/schemas/ErrorAnswer"});
    for profile in Profile::ALL {
        let doc = parsed(profile);
        for (place, op) in each_operation(&doc) {
            for (status, answer) in op["responses"].as_object().into_iter().flatten() {
                let answer = target(&doc, answer).unwrap_or(answer);
                let content = answer["content"].as_object().cloned().unwrap_or_default();
                if ["414", "431"].contains(&status.as_str()) {
                    assert_eq!(answer["content"], json!(null), "{place} {status}: refused before it is read");
                    continue;
                }
                let text = profile == Profile::Zstack && status.starts_with(['4', '5']) && status != "503";
                let want = if text { "text/plain" } else { "application/json" };
                assert_eq!(content.keys().collect::<Vec<_>>(), [want], "{place} {status}");
                if status.starts_with(['4', '5']) && !text {
                    assert_eq!(content[want]["schema"], error, "{place} {status}");
                }
            }
        }
    }
}

#[test]
fn rows_of_a_query_may_be_the_keys_that_fields_asked_for() {
    for profile in Profile::ALL {
        let doc = parsed(profile);
        let schemas = &doc["components"]["schemas"];
        let queries =
            schemas.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("QueryAnswer"));
        let mut seen = 0;
        for (name, answer) in queries {
            let rows = &answer["properties"]["inventories"]["items"]["anyOf"];
            let [whole, part] = [0, 1].map(|at| {
                let reference = rows[at]["$ref"].as_str().unwrap_or_default();
                &schemas[reference.rsplit('/').next().unwrap_or_default()]
            });
            assert_eq!(part["properties"], whole["properties"], "{name}");
            assert!(whole["required"].is_array() && part["required"].is_null(), "{name}");
            seen += 1;
        }
        assert!(seen >= 9, "{seen} kinds of queries");
    }
}

#[test]
fn every_operation_says_what_is_refused_before_it_is_a_request() {
    for profile in Profile::ALL {
        for (place, op) in each_operation(&parsed(profile)) {
            for status in ["414", "431"] {
                assert!(op["responses"][status].is_object(), "{place} {status}");
            }
        }
    }
}

#[test]
fn job_states_are_listed_in_ordinal_order_with_their_ordinals() {
    let state = &parsed(Profile::Fast)["components"]["schemas"]["LongJobState"];
    let names = ["Waiting", "Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"];
    assert_eq!(state["enum"], json!(names));
    assert_eq!(state["x-enum-ordinal"], json!([0, 1, 2, 3, 4, 5, 6]));
}

#[test]
fn versions_of_the_public_reference_are_told() {
    let doc = parsed(Profile::Zstack);
    assert_eq!(doc["paths"]["/longjobs"]["post"]["x-since"], "2.3");
    assert_eq!(doc["paths"]["/longjobs/{uuid}"]["delete"]["x-since"], "2.3");
    let actions = &doc["paths"]["/longjobs/{uuid}/actions"]["put"]["x-actions"];
    assert_eq!((&actions[0]["name"], &actions[0]["since"]), (&json!("UpdateLongJob"), &json!("3.9.0")));
}

#[test]
fn calls_without_a_session_say_so() {
    for (place, op) in each_operation(&parsed(Profile::Fast)) {
        let free = [
            "login",
            "procedures",
            "sessions/{sessionUuid}",
            "valid",
            "api-jobs/{uuid}",
            "management-nodes/actions",
            "management/actions",
        ];
        let empty = op["security"] == json!([]);
        assert_eq!(empty, free.iter().any(|f| place.ends_with(f)), "{place}");
    }
}

#[test]
fn a_dry_run_answers_a_plan_in_fast_only() {
    for row in operations().filter(|r| r.plans) {
        assert!(matches!(
            row.op,
            Op::SubmitLongJob
                | Op::ImportVolume
                | Op::PrimaryStorageMigrateVolume
                | Op::AddImage
                | Op::BackupStorageMigrateImage
                | Op::CreateRootVolumeTemplateFromRootVolume
                | Op::CreateDataVolumeTemplateFromVolume
                | Op::CreateDataVolumeFromVolumeTemplate
                | Op::ExportImageFromBackupStorage
                | Op::EvacuatePrimaryStorage
        ));
    }
    let text = super::json(Profile::Fast);
    assert_eq!(text.matches("#/components/schemas/PlanAnswer").count(), 11, "ten calls and the poll");
    assert!(!super::json(Profile::Zstack).contains("PlanAnswer"));
}
