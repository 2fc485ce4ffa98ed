//! Members of `jobData` that its job type does not know: they are ignored, so a dry run tells of them. Only
//! names are looked at; values are the type's `check`.

use serde_json::Value;

/// Most members that are told of.
const TOLD_MAX: usize = 20;

/// A sentence for each member of `data` that `schema`, the job type's JSON Schema, does not name. Empty where the
/// schema names none at all, or allows others.
pub(crate) fn unknown_members(schema: &Value, data: &Value) -> Vec<String> {
    let (Some(known), Some(data)) = (schema["properties"].as_object(), data.as_object()) else {
        return Vec::new();
    };
    if schema.get("additionalProperties").is_some_and(|allowed| *allowed != Value::Bool(false)) {
        return Vec::new();
    }
    let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let unknown = data.keys().filter(|name| !known.contains_key(*name)).take(TOLD_MAX);
    unknown
        .map(|name| {
            format!("member[{name}] of jobData is unknown to this job type and ignored; it knows {names}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_that_the_schema_does_not_name_is_told_with_those_that_it_names() {
        let schema = json!({"properties": {"durationMs": {}, "outcome": {}}});
        let told = unknown_members(&schema, &json!({"durationMS": 1, "outcome": "fail"}));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("member[durationMS]") && told[0].contains("durationMs, outcome"),
            "{told:?}"
        );
        assert!(unknown_members(&schema, &json!({"durationMs": 1})).is_empty());
    }

    #[test]
    fn a_schema_that_names_nothing_or_allows_others_warns_of_nothing() {
        let data = json!({"anything": 1});
        assert!(unknown_members(&json!({"type": "object"}), &data).is_empty());
        let open = json!({"properties": {}, "additionalProperties": true});
        assert!(unknown_members(&open, &data).is_empty());
        let closed = json!({"properties": {}, "additionalProperties": false});
        assert_eq!(unknown_members(&closed, &data).len(), 1);
    }
}
