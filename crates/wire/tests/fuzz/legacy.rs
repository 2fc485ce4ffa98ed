//! Messages of the legacy entry, those that are answered at once and those that are asked for later. An input is the
//! body.

use jiff::tz::TimeZone;
use longhaul_model::{Code, Fault};
use longhaul_wire::legacy::{self, Message};
use longhaul_wire::{Profile, TimeFormat, validate};
use serde_json::{Map, Value};

use crate::bodies;
use crate::query;
use crate::support::corpus;
use crate::support::cost;
use crate::support::promises::{self, Secrets, Seen};
use crate::support::run::Target;

const WORDS: [&str; 58] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e400",
    "2147483648",
    "\"org.zstack.header.longjob.APIQueryLongJobMsg\"",
    "\"org.zstack.header.longjob.APISubmitLongJobMsg\"",
    "\"org.zstack.header.identity.APILogInByAccountMsg\"",
    "\"org.zstack.header.vm.APICreateVmInstanceMsg\"",
    "\"session\"",
    "\"uuid\"",
    "\"timeout\"",
    "\"systemTags\"",
    "\"userTags\"",
    "\"conditions\"",
    "\"name\"",
    "\"op\"",
    "\"value\"",
    "\"limit\"",
    "\"start\"",
    "\"count\"",
    "\"replyWithCount\"",
    "\"sortBy\"",
    "\"sortDirection\"",
    "\"fields\"",
    "\"filterName\"",
    "\"=\"",
    "\"!=\"",
    "\"in\"",
    "\"not in\"",
    "\"is null\"",
    "\"is not null\"",
    "\"like\"",
    "\"not like\"",
    "\"asc\"",
    "\"desc\"",
    "\"createDate\"",
    "\"state\"",
    "\"jobData\"",
    "\"password\"",
    "\"c4n4ry5ecret9\"",
    "\"2017-11-14 22:20:57\"",
    "\\u0000",
    "\\\"",
    "45a53d3d93384433add8ead7616586cf",
    ".Msg",
    "\u{feff}",
];

/// The target over `property`.
pub fn target(property: &(dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe)) -> Target<'_> {
    let corpus = corpus::load(env!("CARGO_MANIFEST_DIR"), "legacy");
    Target { name: "legacy", corpus, dictionary: &WORDS, property }
}

/// What must hold of an input.
pub fn property(input: &[u8]) -> Result<Seen, String> {
    with(input, legacy::decode)
}

/// The same of another decoder.
pub fn with(input: &[u8], decode: impl Fn(&[u8]) -> Result<Message, String>) -> Result<Seen, String> {
    let text = String::from_utf8_lossy(input);
    let secrets = Secrets::of_body(&text);
    let message = match cost::bounded(input.len(), || decode(input))? {
        Ok(message) => message,
        Err(told) => {
            promises::text(&told, &secrets)?;
            promises::sized(&told)?;
            return Ok(Seen::refused(&told));
        }
    };
    read_again(&text, &message, &decode)?;
    let call = &message.call;
    if message.no_session.is_some() && !call.operation.auth {
        return Err("a session is asked for where none is needed".to_owned());
    }
    if let Some(fault) = &message.no_session {
        return refused(&message, fault, &[Code::InvalidSession], &secrets);
    }
    if let Some(fault) = &message.refusal {
        return refused(&message, fault, &[Code::InvalidArgument], &secrets);
    }
    if let Some(raw) = &call.query {
        return query::answered(call.operation, raw, &secrets);
    }
    if let Err(fault) = validate::check(call, Profile::Zstack) {
        return refused(&message, &fault, &[Code::InvalidArgument, Code::NotFound], &secrets);
    }
    bodies::within_bounds(call)?;
    Ok(Seen::decoded(call.operation.name))
}

/// A message that is refused has its fault inside of the envelope.
fn refused(
    message: &Message,
    fault: &Fault,
    allowed: &[Code],
    secrets: &Secrets<'_>,
) -> Result<Seen, String> {
    promises::fault(fault, allowed, secrets)?;
    let format = TimeFormat::new(Profile::Zstack, TimeZone::UTC);
    let reply = legacy::failed(message.call.operation, fault, 0, &format);
    let envelope: Value = serde_json::from_str(&reply.body).map_err(|e| e.to_string())?;
    let result = envelope["result"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let failure = result.as_ref().and_then(Value::as_object).and_then(|object| object.values().next());
    match (reply.status, failure.map(|f| &f["success"])) {
        (200, Some(Value::Bool(false))) => Ok(Seen::refused(&fault.details)),
        _ => Err(format!("no answer of this entry: {reply:?}")),
    }
}

/// The same object from another writer is the same message.
fn read_again(
    text: &str,
    message: &Message,
    decode: &impl Fn(&[u8]) -> Result<Message, String>,
) -> Result<(), String> {
    let object: Map<String, Value> = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|e| format!("read, though it is no object: {e}"))?;
    let object = Value::Object(object);
    bodies::shallow(&object)?;
    for again in [object.to_string(), format!("\n{object:#} ")] {
        let second = decode(again.as_bytes());
        if second.as_ref().ok() != Some(message) {
            return Err(format!("{message:?}\nis read as {second:?}\nfrom {again}"));
        }
    }
    Ok(())
}

#[test]
fn every_message_of_the_corpus_keeps_the_promises() {
    target(&property).every_member(25);
}

#[test]
fn edits_of_messages_reach_the_grammar() {
    target(&property).reaches_the_grammar(32);
}

#[test]
fn long_messages_cost_in_proportion_to_their_length() {
    target(&property).costs_in_proportion();
}

#[test]
fn any_message_is_a_call_or_refused_as_promised() {
    target(&property).fuzz();
}
