//! The answers. Whatever comes of a message is inside of `result`, a JSON text with one key, the class of the
//! answer; HTTP knows success only. Results are never cut, however long they are.
//!
//! Source: rest-api.md 9.

use longhaul_model::{ApiId, Fault};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::{Kind, Operation};
use crate::decode::Misuse;
use crate::error::ErrorBody;
use crate::inventory::to_json;
use crate::profile::Profile;
use crate::reply::Reply;
use crate::time::TimeFormat;

const TEXT: &str = "text/plain;charset=utf-8";
const HTML: &str = "text/html;charset=utf-8";

/// Classes of answers that are not named after their message.
const ANSWERS: [(&str, &str); 8] = [
    ("org.zstack.header.identity.APILogInByAccountMsg", "org.zstack.header.identity.APILogInReply"),
    ("org.zstack.header.identity.APILogInByUserMsg", "org.zstack.header.identity.APILogInReply"),
    ("org.zstack.header.identity.login.APILogInMsg", "org.zstack.header.identity.APILogInReply"),
    (
        "org.zstack.storage.primary.local.APIAddLocalPrimaryStorageMsg",
        "org.zstack.header.storage.primary.APIAddPrimaryStorageEvent",
    ),
    (
        "org.zstack.storage.primary.smp.APIAddSharedMountPointPrimaryStorageMsg",
        "org.zstack.header.storage.primary.APIAddPrimaryStorageEvent",
    ),
    (
        "org.zstack.storage.ceph.primary.APIAddCephPrimaryStorageMsg",
        "org.zstack.header.storage.primary.APIAddPrimaryStorageEvent",
    ),
    (
        "org.zstack.storage.primary.nfs.APIAddNfsPrimaryStorageMsg",
        "org.zstack.header.storage.primary.APIAddPrimaryStorageEvent",
    ),
    // ZStack publishes another deletion's event here, and clients have seen no other.
    ("org.zstack.header.longjob.APIDeleteLongJobMsg", "org.zstack.header.identity.APIDeleteAccountEvent"),
];

/// The object around every answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<&'a str>,
    state: &'a str,
    created_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

/// The answer of a synchronous message that succeeded: `body` is what REST answers. Moments are in ms since 1970.
pub fn done(operation: &Operation, body: &str, created_ms: i64, now_ms: i64, format: &TimeFormat) -> Reply {
    let result = result(operation.message_class, "Reply", body);
    envelope(None, "Done", created_ms, Some(now_ms), Some(result), format)
}

/// The answer of a message that failed and leaves nothing to ask for.
pub fn failed(operation: &Operation, fault: &Fault, now_ms: i64, format: &TimeFormat) -> Reply {
    let kind = if operation.kind == Kind::Async { "Event" } else { "Reply" };
    envelope(None, "Done", now_ms, Some(now_ms), Some(failure(kind, fault)), format)
}

/// That a message is worked on.
pub fn processing(id: &ApiId, created_ms: i64, format: &TimeFormat) -> Reply {
    envelope(Some(id), "Processing", created_ms, None, None, format)
}

/// The answer of an asynchronous message of this class; `times` are when it came and when its answer did.
pub fn finished(
    id: &ApiId,
    class: &str,
    outcome: &Result<String, Fault>,
    times: (i64, i64),
    format: &TimeFormat,
) -> Reply {
    let result = match outcome {
        Ok(body) => result(class, "Event", body),
        Err(fault) => failure("Event", fault),
    };
    envelope(Some(id), "Done", times.0, Some(times.1), Some(result), format)
}

/// A message that could not be read: its text, bare.
pub fn not_decoded(text: String) -> Reply {
    Reply { status: 200, content_type: TEXT, body: text }
}

/// No such result: an error page, which is all that this entry ever answers with another status than 200,
/// besides `wrong_method`.
pub fn unknown_result(uuid: &str) -> Reply {
    let shown = uuid.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = format!("No api result[uuid:{shown}] found");
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><title>404</title></head><body><h1>404</h1><p>{text}</p></body></html>"
    );
    Reply { status: 404, content_type: HTML, body }
}

/// A method that the path does not take.
pub fn wrong_method(method: &str) -> Reply {
    let body = Misuse::UnknownMethod(method.to_owned()).text(Profile::Zstack);
    Reply { status: 405, content_type: TEXT, body }
}

fn envelope(
    id: Option<&ApiId>,
    state: &str,
    created_ms: i64,
    finished_ms: Option<i64>,
    result: Option<String>,
    format: &TimeFormat,
) -> Reply {
    Reply::ok(to_json(&Envelope {
        uuid: id.map(ApiId::as_str),
        state,
        created_date: format.text(created_ms),
        finished_date: finished_ms.map(|ms| format.text(ms)),
        result,
    }))
}

/// A success: the body of REST without what this entry hides, under the class of its answer.
fn result(message_class: &str, kind: &str, body: &str) -> String {
    let mut answer: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    answer.remove("schema");
    if let Some(Value::Object(inventory)) = answer.get_mut("inventory") {
        inventory.remove("noSessionEvaluation");
    }
    answer.insert("success".to_owned(), Value::Bool(true));
    under(&answer_class(message_class, kind), answer)
}

/// A failure: under the general class of replies or events.
fn failure(kind: &str, fault: &Fault) -> String {
    let mut answer = Map::new();
    answer.insert("success".to_owned(), Value::Bool(false));
    let error = serde_json::to_value(ErrorBody::of(fault)).unwrap_or_default();
    answer.insert("error".to_owned(), error);
    under(&format!("org.zstack.header.message.API{kind}"), answer)
}

fn under(class: &str, answer: Map<String, Value>) -> String {
    let mut result = Map::new();
    result.insert(class.to_owned(), Value::Object(answer));
    to_json(&result)
}

/// `…APISubmitLongJobEvent` for `…APISubmitLongJobMsg`.
fn answer_class(message_class: &str, kind: &str) -> String {
    match ANSWERS.iter().find(|(message, _)| *message == message_class) {
        Some((_, answer)) => (*answer).to_owned(),
        None => format!("{}{kind}", message_class.strip_suffix("Msg").unwrap_or(message_class)),
    }
}
