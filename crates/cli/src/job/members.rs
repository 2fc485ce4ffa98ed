//! What `job submit` tells of members of `jobData` that the job type does not know. The API takes and ignores
//! them, as ZStack does, so a misspelled one would otherwise go unnoticed.

use serde_json::Value;

use crate::run::Context;

/// Tells, on stderr, of members of `data`, JSON text, that the schema of `job_name` does not name. Silent where the
/// server has no schemas (ZStack's own) or does not answer: the job is submitted, and that is what counts.
pub async fn warn_of_unknown(context: &mut Context, job_name: &str, data: &str) {
    let Ok(Value::Object(data)) = serde_json::from_str(data) else { return };
    if data.is_empty() {
        return;
    }
    let Ok(types) = context.client.list(&["job-types"], &[]).await else { return };
    let schema = types.iter().find(|t| t["jobName"] == job_name).and_then(|t| t["jobDataSchema"].as_str());
    let schema: Value = schema.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let Some(known) = schema["properties"].as_object() else { return };
    let unknown: Vec<&str> =
        data.keys().map(String::as_str).filter(|name| !known.contains_key(*name)).collect();
    if unknown.is_empty() {
        return;
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    context.console.note(&format!(
        "warning: {job_name} ignores {} in its data; it knows {}",
        unknown.join(", "),
        names.join(", ")
    ));
}
