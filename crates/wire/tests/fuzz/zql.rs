//! ZQL. An input is a text of statements.

use jiff::tz::TimeZone;
use longhaul_model::Code;
use longhaul_model::query::{CONDITIONS_MAX, NESTING_MAX};
use longhaul_wire::query::RawTerm;
use longhaul_wire::zql::{Refusal, STATEMENTS_MAX, Statement, TEXT_MAX, parse};
use longhaul_wire::{Headers, Profile, Request, decode, validate};

use crate::query;
use crate::support::corpus;
use crate::support::cost;
use crate::support::promises::{self, Secrets, Seen};
use crate::support::run::Target;
use crate::zql_text::printed;

const WORDS: [&str; 66] = [
    "query ",
    "count ",
    "sum ",
    "search ",
    "longjob",
    "volume",
    "account",
    "zone",
    "primarystorage",
    "systemtag",
    "globalconfig",
    "vminstance",
    ".",
    ",",
    ";",
    " where ",
    " and ",
    " or ",
    "(",
    ")",
    " restrict by (",
    " return with (total)",
    " return with (total{",
    " group by ",
    " order by name asc",
    " order by ",
    " asc",
    " desc",
    " limit ",
    " offset ",
    " filter by ",
    " named as ",
    "'a'",
    "\"b\"",
    "''",
    "'",
    "\"",
    " = ",
    " != ",
    " > ",
    " >= ",
    " < ",
    " <= ",
    " in ",
    " not in ",
    " is null",
    " is not null",
    " like ",
    " not like ",
    " has ",
    " not has ",
    "('a', 'b')",
    "('a,b')",
    "true",
    "false",
    "0",
    "-1",
    "1.5",
    "99999999999",
    "uuid",
    "state",
    "createDate",
    "__systemTag__",
    "executeTime",
    "getapi(",
    " inner join ",
];

/// The target over `property`.
pub fn target(property: &(dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe)) -> Target<'_> {
    let corpus = corpus::load(env!("CARGO_MANIFEST_DIR"), "zql");
    Target { name: "zql", corpus, dictionary: &WORDS, property }
}

/// What must hold of an input.
pub fn property(input: &[u8]) -> Result<Seen, String> {
    with(input, parse)
}

/// The same of another parser.
pub fn with(input: &[u8], parse: impl Fn(&str) -> Result<Vec<Statement>, Refusal>) -> Result<Seen, String> {
    let text = String::from_utf8_lossy(input);
    short_enough(&text)?;
    let secrets = Secrets::of_target("", "");
    let statements = match cost::bounded(text.len(), || parse(&text))? {
        Ok(statements) => statements,
        Err(refusal) => return refused(&refusal, &secrets),
    };
    if statements.is_empty() || statements.len() > STATEMENTS_MAX {
        return Err(format!("{} statements", statements.len()));
    }
    let mut ends = Vec::new();
    for statement in &statements {
        let query = &statement.query;
        let conditions = query.conditions.len() + query.terms.iter().map(comparisons).sum::<usize>();
        let deep = query.terms.iter().map(depth).max().unwrap_or(0);
        if conditions > CONDITIONS_MAX || deep > NESTING_MAX {
            return Err(format!("{conditions} conditions, {deep} deep"));
        }
        let printed = printed(statement);
        match parse(&printed) {
            Ok(again) if again[..] == [statement.clone()] => {}
            // What is printed has parentheses that nobody wrote, and may so be too deep.
            Err(Refusal::Invalid(why)) if why.contains("nested") && conditions > CONDITIONS_MAX / 4 => {}
            other => {
                return Err(format!("{statement:?}\nis printed as {printed}\nwhich is read as {other:?}"));
            }
        }
        ends.push(query::answered(statement.operation, query, &secrets)?);
    }
    let refused = ends.iter().position(|seen| !seen.decoded);
    Ok(ends.swap_remove(refused.unwrap_or(0)))
}

/// A text that is too long is refused before it is parsed.
fn short_enough(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Ok(());
    }
    let query = format!("zql={}", query::escaped(text));
    let headers = Headers { authorization: Some("OAuth x"), ..Headers::default() };
    let zone = TimeZone::UTC;
    let request = Request {
        method: "GET",
        path: "/v1/zql",
        query: Some(&query),
        body: b"",
        headers,
        now_ms: 0,
        zone: &zone,
    };
    let call = decode(&request).map_err(|misuse| format!("no call of ZQL: {misuse:?}"))?;
    let sound = text.trim().encode_utf16().count() <= TEXT_MAX && !text.contains('\0');
    match validate::check(&call, Profile::Fast) {
        Ok(()) if sound && call.params.text("zql") == Some(text.trim()) => Ok(()),
        Err(_) if !sound => Ok(()),
        other => Err(format!("{other:?} of {} characters", text.encode_utf16().count())),
    }
}

/// SYS.1000 is ZStack's own word for bad syntax, in its profile only (D49).
fn refused(refusal: &Refusal, secrets: &Secrets<'_>) -> Result<Seen, String> {
    for profile in Profile::ALL {
        let allowed = match (refusal, profile) {
            (Refusal::Syntax { .. }, Profile::Zstack) => Code::Internal,
            (Refusal::Syntax { .. }, Profile::Fast) | (Refusal::Invalid(_), _) => Code::InvalidArgument,
            (Refusal::NotHere(_), _) => Code::NotImplemented,
        };
        promises::fault(&refusal.to_fault(profile), &[allowed], secrets)?;
    }
    Ok(Seen::refused(&match refusal {
        Refusal::Syntax { message, .. } => message.clone(),
        Refusal::NotHere(details) | Refusal::Invalid(details) => details.clone(),
    }))
}

fn comparisons(term: &RawTerm) -> usize {
    match term {
        RawTerm::One(_) => 1,
        RawTerm::All(terms) | RawTerm::Any(terms) => terms.iter().map(comparisons).sum(),
    }
}

fn depth(term: &RawTerm) -> usize {
    match term {
        RawTerm::One(_) => 0,
        RawTerm::All(terms) | RawTerm::Any(terms) => 1 + terms.iter().map(depth).max().unwrap_or(0),
    }
}

#[test]
fn every_zql_text_of_the_corpus_keeps_the_promises() {
    target(&property).every_member(20);
}

#[test]
fn edits_of_zql_reach_the_grammar() {
    target(&property).reaches_the_grammar(25);
}

#[test]
fn long_zql_texts_cost_in_proportion_to_their_length() {
    target(&property).costs_in_proportion();
}

#[test]
fn any_zql_text_is_answered_or_refused_as_promised() {
    target(&property).fuzz();
}
