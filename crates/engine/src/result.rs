//! What is written to `jobResult`: always JSON.

use longhaul_model::{Code, Fault, JobId};
use serde_json::{Map, Value, json};

use crate::handler::Success;

/// A success: `{"inventory":…,"success":true}` and the type's own keys.
pub fn success(success: &Success) -> String {
    let mut object = Map::new();
    if let Some(inventory) = &success.inventory {
        object.insert("inventory".to_owned(), inventory.clone());
    }
    object.insert("success".to_owned(), Value::Bool(true));
    object.extend(success.extra.clone());
    Value::Object(object).to_string()
}

/// A failure: `{"code","detail","cause"}`; `cause` is the root's details where there is one.
pub fn failure(fault: &Fault, code_text: fn(Code) -> &'static str) -> String {
    let mut object = Map::new();
    object.insert("code".to_owned(), json!(code_text(fault.code)));
    object.insert("detail".to_owned(), json!(fault.details));
    if fault.cause.is_some() {
        object.insert("cause".to_owned(), json!(fault.root().details));
    }
    Value::Object(object).to_string()
}

/// A cancel: `{"detail":…,"receipt":{…}}`; the receipt says what was removed.
pub fn canceled(job: JobId, receipt: Map<String, Value>) -> String {
    json!({"detail": format!("long job[uuid:{job}] has been canceled"), "receipt": receipt}).to_string()
}
