//! From a message to a call. What cannot be read at all is answered with a bare text; what is wrong with a
//! message that can be read is a fault, told after the session was looked up.
//!
//! Source: rest-api.md 9, 4.4 (legacy rows).

use longhaul_model::{Code, Fault};
use serde_json::{Map, Value};

use super::query;
use crate::api::{Kind, Op, Operation, not_here, operations};
use crate::decode::Call;
use crate::decode::{Misuse, Params, object, texts};
use crate::error::cut;
use crate::profile::{Caller, Profile};

/// A message that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The call.
    pub call: Call,
    /// That it needs a session and has none.
    pub no_session: Option<Fault>,
    /// What is wrong with it besides; told once the session is known to be valid.
    pub refusal: Option<Fault>,
}

/// Reads the body of a request.
///
/// # Errors
/// The text that is answered bare.
pub fn decode(body: &[u8]) -> Result<Message, String> {
    read(body).map_err(|error| match error {
        Unreadable::Text(text) => cut(&text),
        Unreadable::Misuse(misuse) => misuse.text(Profile::Fast),
    })
}

/// Why a message cannot be read.
enum Unreadable {
    Text(String),
    Misuse(Misuse),
}

impl From<Misuse> for Unreadable {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

fn read(body: &[u8]) -> Result<Message, Unreadable> {
    let body = object(body)?.unwrap_or_default();
    let mut members = body.iter();
    let (Some((class, fields)), None) = (members.next(), members.next()) else {
        return Err(Unreadable::Text(format!(
            "a message is a JSON object with one key, its class, but this one has {}",
            body.len()
        )));
    };
    let operation =
        named(class).ok_or_else(|| Unreadable::Text(format!("Unable to deserialize class {class}")))?;
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null => &Map::new(),
        other => return Err(Misuse::of_type(class, "an object", other).into()),
    };
    let (session, no_session) = session(class, operation, fields)?;
    let (query, refusal) = match operation.kind {
        Kind::Query(_) => {
            let (query, refusal) = query::read(fields)?;
            (Some(query), refusal)
        }
        Kind::Sync | Kind::Async => (None, None),
    };
    let timeout_ms = query::whole(fields, "timeout")?.and_then(|ms| u64::try_from(ms).ok());
    let call = Call {
        operation,
        params: Params::from_message(operation, fields)?,
        system_tags: tags(fields, "systemTags")?,
        user_tags: tags(fields, "userTags")?,
        session,
        signed: None,
        job_uuid: None,
        api_timeout_s: timeout_ms.map(|ms| ms / 1000),
        web_hook: None,
        wants_schema: false,
        caller: Caller::Sdk,
        query,
        no_wrapper: None,
    };
    Ok(Message { call, no_session, refusal })
}

/// The operation behind a class: one of ours by its whole name, one that is not here by its last part.
fn named(class: &str) -> Option<&'static Operation> {
    let own = operations().find(|o| o.message_class == class && o.op != Op::GetApiJob);
    own.or_else(|| {
        let (package, simple) = class.rsplit_once('.')?;
        let known = package == "org.zstack" || package.starts_with("org.zstack.");
        not_here::named(simple.strip_prefix("API")?.strip_suffix("Msg")?).filter(|_| known)
    })
}

/// The session's uuid, and what is wrong where one is needed.
fn session(
    class: &str,
    operation: &Operation,
    fields: &Map<String, Value>,
) -> Result<(Option<String>, Option<Fault>), Misuse> {
    let missing = |details: String| operation.auth.then(|| Fault::new(Code::InvalidSession, details));
    match fields.get("session") {
        None | Some(Value::Null) => Ok((None, missing(format!("session of message[{class}] is null")))),
        Some(Value::Object(session)) => match query::scalar(session, "uuid")? {
            Some(uuid) => Ok((Some(uuid.trim().to_owned()), None)),
            None => Ok((None, missing("session uuid is null".to_owned()))),
        },
        Some(other) => Err(Misuse::of_type("session", "an object", other)),
    }
}

fn tags(fields: &Map<String, Value>, name: &str) -> Result<Vec<String>, Misuse> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => texts(name, list).map(|list| list.into_iter().flatten().collect()),
    }
}
