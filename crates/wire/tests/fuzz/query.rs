//! The query string: conditions, paging, sorting, selection, over REST. An input is a path with its query string.

use jiff::tz::TimeZone;
use longhaul_model::query::{CONDITIONS_MAX, Condition, LIMIT_MAX, LIST_MAX, Term};
use longhaul_model::{Code, Fault};
use longhaul_wire::api::{Kind, Operation, Target as Asked};
use longhaul_wire::inventory::{GlobalConfigInventory, ZoneInventory};
use longhaul_wire::query::{OPERATORS, RawQuery, Resolved, global_configs, resolve, zones};
use longhaul_wire::{Call, Headers, Misuse, Profile, Request, TimeFormat, decode, validate};

use crate::support::cost;
use crate::support::promises::{self, AUTHORIZATION, Secrets, Seen};
use crate::support::run::Target;
use crate::support::{ZONE, corpus};

const WORDS: [&str; 64] = [
    "q=",
    "&q=",
    "&",
    "limit=",
    "start=",
    "count=true",
    "replyWithCount=True",
    "sort=+",
    "sort=-",
    "fields=",
    "filterName=",
    "groupBy=",
    "uuid",
    "name",
    "state",
    "createDate",
    "lastOpDate",
    "executeTime",
    "jobResult",
    "__systemTag__",
    "__userTag__",
    "__tagUuid__",
    "isDefault",
    "id",
    "zone.uuid",
    "!=",
    ">=",
    "<=",
    "!?=",
    "!~=",
    "~=",
    "?=",
    "=",
    ">",
    "<",
    " is null",
    " not null",
    "%20",
    "%3D",
    "%3E%3D",
    "+",
    ",",
    "Running",
    "null",
    "true",
    "0",
    "-1",
    "10000",
    "10001",
    "2147483648",
    "1.5",
    "1e400",
    "NaN",
    "2017-11-14 22:20:57",
    "2017-11-14T22:20:57+08:00",
    "2017-02-29",
    "Nov 14, 2017 10:20:57 PM",
    "9999-12-31T23:59:59Z",
    "-009999-01-02T01:59:59Z",
    "%25img%25",
    "_",
    "all=",
    "zoneUuids.1=",
    "sessionId=c4n4ry5ecret9",
];

/// The target over `decode`.
pub fn target(property: &(dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe)) -> Target<'_> {
    let corpus = corpus::load(env!("CARGO_MANIFEST_DIR"), "query");
    Target { name: "query", corpus, dictionary: &WORDS, property }
}

/// What must hold of an input.
pub fn property(input: &[u8]) -> Result<Seen, String> {
    with(input, decode)
}

/// The same of another decoder.
pub fn with(input: &[u8], decode: impl Fn(&Request<'_>) -> Result<Call, Misuse>) -> Result<Seen, String> {
    let text = String::from_utf8_lossy(input);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let secrets = Secrets::of_target(path, query);
    let call = match cost::bounded(text.len(), || decode(&request(path, query)))? {
        Ok(call) => call,
        Err(misuse) => {
            promises::misuse(&misuse, &secrets)?;
            return Ok(Seen::refused(&misuse.text(Profile::Fast)));
        }
    };
    let Some(raw) = &call.query else {
        return match validate::check(&call, Profile::Fast) {
            Ok(()) => Ok(Seen::decoded(call.operation.name)),
            Err(fault) => {
                promises::fault(&fault, &[Code::InvalidArgument, Code::NotFound], &secrets)?;
                Ok(Seen::refused(&fault.details))
            }
        };
    };
    let printed = printed(raw);
    let again = decode(&request(path, &printed)).map(|call| call.query);
    if again.as_ref().ok() != Some(&call.query) {
        return Err(format!("{raw:?} is printed as {printed}, which is read as {again:?}"));
    }
    answered(call.operation, raw, &secrets)
}

fn request<'r>(path: &'r str, query: &'r str) -> Request<'r> {
    let headers = Headers { authorization: Some(AUTHORIZATION), ..Headers::default() };
    Request { method: "GET", path, query: Some(query), body: b"", headers, now_ms: 0, zone: &ZONE }
}

/// What must hold of a query that could be read: it gets its types in both profiles alike, within all limits, or is
/// refused with a code that belongs there.
pub fn answered(
    operation: &'static Operation,
    raw: &RawQuery,
    secrets: &Secrets<'_>,
) -> Result<Seen, String> {
    let Kind::Query(asked) = operation.kind else { return Err(format!("{} is no query", operation.name)) };
    let mut told = Vec::new();
    for profile in Profile::ALL {
        let format = TimeFormat::new(profile, TimeZone::fixed(jiff::tz::offset(8)));
        let length = format!("{raw:?}").len();
        let outcome: Result<Option<Resolved>, Fault> = cost::bounded(length, || match asked {
            Asked::Stored(resource) => resolve(raw, resource, &format).map(Some),
            Asked::Zone => zones(raw, ZoneInventory::of(0, &format), profile).map(|_| None),
            Asked::GlobalConfig => global_configs(raw, vec![configuration()], profile).map(|_| None),
        })?;
        told.push(match outcome {
            Ok(resolved) => {
                resolved.map_or(Ok(()), |resolved| within_limits(&resolved))?;
                None
            }
            Err(fault) => {
                unknown_field_only(profile, &fault)?;
                promises::fault(&fault, &[Code::InvalidArgument, Code::Internal], secrets)?;
                Some(fault)
            }
        });
    }
    match &told[..] {
        [None, None] => Ok(Seen::decoded(operation.name)),
        [Some(fault), Some(_)] => Ok(Seen::refused(&fault.details)),
        _ => Err(format!("the profiles disagree: {told:?}")),
    }
}

/// SYS.1000 is ZStack's own word for an unknown field, in its profile only (D19).
fn unknown_field_only(profile: Profile, fault: &Fault) -> Result<(), String> {
    let texts = ["inventory class[", "invalid nested query condition[", "error no viable", "inventory[${"];
    let known = profile == Profile::Zstack && texts.iter().any(|text| fault.details.starts_with(text));
    if fault.code != Code::Internal || known { Ok(()) } else { Err(format!("{profile:?}: {fault:?}")) }
}

fn configuration() -> GlobalConfigInventory {
    let text = |text: &str| text.to_owned();
    GlobalConfigInventory {
        id: 1,
        name: text("session.timeout"),
        category: text("identity"),
        description: text("in s"),
        default_value: text("7200"),
        value: text("7200"),
    }
}

fn within_limits(resolved: &Resolved) -> Result<(), String> {
    let filter = &resolved.query.filter;
    let mut seen: Vec<&Condition> = filter.conditions.iter().collect();
    filter.terms.iter().for_each(|term| conditions_in(term, &mut seen));
    // A moment in `=` is two conditions: from its second to the next.
    if seen.len() > 4 * CONDITIONS_MAX {
        return Err(format!("{} conditions", seen.len()));
    }
    if let Some(long) = seen.iter().find(|c| c.values.len() > LIST_MAX.max(CONDITIONS_MAX)) {
        return Err(format!("{} values of {:?}", long.values.len(), long.field));
    }
    let limit = resolved.query.page.limit;
    if limit > LIMIT_MAX { Err(format!("a limit of {limit}")) } else { Ok(()) }
}

fn conditions_in<'t>(term: &'t Term, seen: &mut Vec<&'t Condition>) {
    match term {
        Term::One(condition) => seen.push(condition),
        Term::All(terms) | Term::Any(terms) => terms.iter().for_each(|term| conditions_in(term, seen)),
    }
}

/// A query string that means `raw`.
fn printed(raw: &RawQuery) -> String {
    let mut pairs = Vec::new();
    for condition in &raw.conditions {
        let sign = OPERATORS.iter().find(|(_, op, _)| *op == condition.op).map_or("", |(sign, _, _)| *sign);
        pairs.push(("q", format!("{} {sign}{}", condition.name, condition.value)));
    }
    let numbers = [("limit", raw.limit), ("start", raw.start)];
    pairs.extend(numbers.into_iter().filter_map(|(name, n)| Some((name, n?.to_string()))));
    let flags = [("count", raw.count), ("replyWithCount", raw.reply_with_count)];
    pairs.extend(flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name, "true".to_owned())));
    let texts = [("sort", &raw.sort), ("fields", &raw.fields), ("filterName", &raw.filter_name)];
    pairs.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))));
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    pairs.join("&")
}

/// Everything but letters and digits percent-encoded.
pub fn escaped(text: &str) -> String {
    let octet = |byte: &u8| match char::from(*byte) {
        c if c.is_ascii_alphanumeric() => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.as_bytes().iter().map(octet).collect()
}

#[test]
fn every_query_of_the_corpus_keeps_the_promises() {
    target(&property).every_member(30);
}

#[test]
fn edits_of_queries_reach_the_grammar() {
    target(&property).reaches_the_grammar(25);
}

#[test]
fn long_queries_cost_in_proportion_to_their_length() {
    target(&property).costs_in_proportion();
}

#[test]
fn any_query_is_answered_or_refused_as_promised() {
    target(&property).fuzz();
}
