//! JSON bodies of every operation. An input is the method, a space, the path with its query string, a line end,
//! and the body.

use std::collections::BTreeSet;

use longhaul_model::Code;
use longhaul_wire::api::{self, Kind};
use longhaul_wire::decode::{NESTING_MAX, Value};
use longhaul_wire::validate::{TAG_MAX, TAGS_MAX};
use longhaul_wire::{Call, Headers, Misuse, Op, Profile, Request, decode, job_data, validate};
use serde_json::{Map, Value as Json};

use crate::support::cost;
use crate::support::promises::{self, AUTHORIZATION, CANARY, Secrets, Seen};
use crate::support::run::Target;
use crate::support::{ZONE, corpus};

const WORDS: [&str; 60] = [
    "GET ",
    "POST ",
    "PUT ",
    "DELETE ",
    "HEAD ",
    "PATCH ",
    "/zstack",
    "/v1/longjobs",
    "/actions",
    "\n",
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
    "3.0",
    "9223372036854775807",
    "18446744073709551616",
    "\"params\"",
    "\"cancelLongJob\"",
    "\"updateLongJob\"",
    "\"rerunLongJob\"",
    "\"logInByAccount\"",
    "\"systemTags\"",
    "\"userTags\"",
    "\"tagUuids\"",
    "\"name\"",
    "\"description\"",
    "\"jobName\"",
    "\"jobData\"",
    "\"targetResourceUuid\"",
    "\"resourceUuid\"",
    "\"uuid\"",
    "\"password\"",
    "\"AccessKeySecret\"",
    "\"AccessKeyID\"",
    "\"diskSize\"",
    "\"stateEvent\"",
    "\"c4n4ry5ecret9\"",
    "\\u0000",
    "\\n",
    "\\\"",
    "{\\\"a\\\":1}",
    "{a:1}",
    "45a53d3d93384433add8ead7616586cf",
    "?deleteMode=",
    "?userTags=a&userTags=b",
    "?all=true",
    "validationOnly",
    "\u{feff}",
];

/// The target over `property`.
pub fn target(property: &(dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe)) -> Target<'_> {
    let corpus = corpus::load(env!("CARGO_MANIFEST_DIR"), "bodies");
    Target { name: "bodies", corpus, dictionary: &WORDS, property }
}

/// What must hold of an input.
pub fn property(input: &[u8]) -> Result<Seen, String> {
    with(input, decode)
}

/// The same of another decoder.
pub fn with(input: &[u8], decode: impl Fn(&Request<'_>) -> Result<Call, Misuse>) -> Result<Seen, String> {
    let (line, body) = split(input);
    let text = String::from_utf8_lossy(body);
    let secrets = Secrets::of_body(&text);
    let call = match cost::bounded(input.len(), || decode(&request(&line, body)))? {
        Ok(call) => call,
        Err(misuse) => {
            if !line.contains(CANARY) {
                promises::misuse(&misuse, &secrets)?;
            }
            return Ok(Seen::refused(&misuse.text(Profile::Fast)));
        }
    };
    if call.op() != Op::GetApiJob {
        read_again(&line, &text, &call, &decode)?;
    }
    if let Err(fault) = validate::check(&call, Profile::Fast) {
        if !line.contains(CANARY) {
            promises::fault(&fault, &[Code::InvalidArgument, Code::NotFound], &secrets)?;
        }
        return Ok(Seen::refused(&fault.details));
    }
    within_bounds(&call)?;
    if let Some(data) = call.params.text("jobData") {
        match cost::bounded(data.len(), || job_data::parse(data))? {
            Ok(value) => shallow(&value)?,
            Err(fault) => {
                promises::fault(&fault, &[Code::InvalidArgument], &secrets)?;
                return Ok(Seen::refused(&fault.details));
            }
        }
    }
    Ok(Seen::decoded(call.operation.name))
}

/// Method and target, and the body.
fn split(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, rest) = input.split_at(end);
    (String::from_utf8_lossy(line).into_owned(), rest.get(1..).unwrap_or_default())
}

fn request<'r>(line: &'r str, body: &'r [u8]) -> Request<'r> {
    let (method, target) = line.split_once(' ').unwrap_or((line, ""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = Headers { authorization: Some(AUTHORIZATION), ..Headers::default() };
    Request { method, path, query: Some(query), body, headers, now_ms: 0, zone: &ZONE }
}

/// The body's object as another writer would send it is the same call, and it is not nested too deep.
fn read_again(
    line: &str,
    text: &str,
    call: &Call,
    decode: &impl Fn(&Request<'_>) -> Result<Call, Misuse>,
) -> Result<(), String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(());
    }
    let object: Map<String, Json> =
        serde_json::from_str(text).map_err(|e| format!("read, though it is no object: {e}"))?;
    let object = Json::Object(object);
    shallow(&object)?;
    for again in [object.to_string(), format!(" {object:#}\r\n")] {
        let second = decode(&request(line, again.as_bytes()));
        if second.as_ref().ok() != Some(call) {
            return Err(format!("{call:?}\nis read as {second:?}\nfrom {again}"));
        }
    }
    Ok(())
}

/// That it is nested no deeper than a body may be.
pub fn shallow(value: &Json) -> Result<(), String> {
    let deep = depth(value);
    if deep > NESTING_MAX { Err(format!("nested {deep} deep")) } else { Ok(()) }
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Json::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The bounds of the table, looked at once more.
pub fn within_bounds(call: &Call) -> Result<(), String> {
    let units = |text: &str| text.encode_utf16().count();
    for param in call.operation.params {
        let texts = match call.params.get(param.name) {
            None if param.required => return Err(format!("{} is missing", param.name)),
            Some(Value::Text(text)) => vec![text.as_str()],
            Some(Value::List(_)) => call.params.list(param.name),
            Some(Value::Int(number)) => match param.range {
                Some((low, high)) if *number < low || *number > high => {
                    return Err(format!("{} is {number}", param.name));
                }
                _ => continue,
            },
            _ => continue,
        };
        for text in texts {
            if text.contains('\0') || param.max_units.is_some_and(|max| units(text) > max) {
                return Err(format!("{} is out of bounds: {text:?}", param.name));
            }
        }
    }
    for tags in [&call.system_tags, &call.user_tags] {
        if tags.len() > TAGS_MAX || tags.iter().any(|tag| units(tag) > TAG_MAX || tag.contains('\0')) {
            return Err(format!("{} tags", tags.len()));
        }
    }
    Ok(())
}

#[test]
fn every_body_of_the_corpus_keeps_the_promises() {
    target(&property).every_member(60);
}

#[test]
fn the_corpus_calls_every_operation_that_is_no_query() {
    let target = target(&property);
    let called = |input: &[u8]| {
        let (line, body) = split(input);
        decode(&request(&line, body)).ok().map(|call| call.op())
    };
    let called: BTreeSet<Op> = target.corpus.iter().filter_map(|member| called(&member.bytes)).collect();
    let missing = api::operations().filter(|o| !matches!(o.kind, Kind::Query(_)) && !called.contains(&o.op));
    let missing: Vec<&str> = missing.map(|operation| operation.name).collect();
    assert!(
        missing.is_empty(),
        "add corpus/bodies/NAME.txt (`METHOD PATH`, line end, body) of each: {missing:?}"
    );
}

#[test]
fn edits_of_bodies_reach_the_grammar() {
    target(&property).reaches_the_grammar(60);
}

#[test]
fn long_bodies_cost_in_proportion_to_their_length() {
    target(&property).costs_in_proportion();
}

#[test]
fn any_body_is_a_call_or_refused_as_promised() {
    target(&property).fuzz();
}
