//! Negative controls: each target over a parser that is broken on purpose fails, under bolero's engine as it runs the
//! target itself. A promise whose breach nobody would see is none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use longhaul_model::query::Op;
use longhaul_wire::legacy::{self, Message};
use longhaul_wire::query::RawTerm;
use longhaul_wire::zql::{self, Refusal, Statement};
use longhaul_wire::{Call, Misuse, Request, decode};
use serde_json::{Map, Value};

use crate::support::promises::Seen;
use crate::support::run::Target;

/// A target that has found a broken parser ends at once; all of these are found in a few seconds.
const WITHIN: Duration = Duration::from_secs(300);

type Property<'p> = &'p (dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe);

/// That the target over this property fails, and says this of the input that it has found; a panic is told as one.
fn is_found(target: fn(Property<'_>) -> Target<'_>, broken: Property<'_>, told: &str) {
    let last = Mutex::new(String::new());
    let keep = |text: &str| text.clone_into(&mut last.lock().unwrap_or_else(PoisonError::into_inner));
    let watched = |input: &[u8]| {
        keep("a panic");
        broken(input).inspect(|_| keep("")).inspect_err(|why| keep(why))
    };
    let run = || target(&watched).fuzz_for(WITHIN, Duration::ZERO);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "a broken parser went through");
    let last = last.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(last.contains(told), "{last}");
}

#[test]
fn a_zql_parser_that_panics_is_found() {
    is_found(
        crate::zql::target,
        &|input| {
            crate::zql::with(input, |text| {
                let statements = zql::parse(text)?;
                let conditions = statements.iter().flat_map(|statement| &statement.query.conditions);
                assert!(
                    conditions.into_iter().all(|c| c.op != Op::Eq || !c.value.is_empty()),
                    "no first letter"
                );
                Ok(statements)
            })
        },
        "a panic",
    );
}

/// As if `and` and `or` were alike.
#[test]
fn a_zql_parser_that_mixes_up_and_and_or_is_found() {
    fn mixed(statement: &mut Statement) {
        for term in &mut statement.query.terms {
            if let RawTerm::Any(terms) = term {
                terms.reverse();
            }
        }
    }
    is_found(
        crate::zql::target,
        &|input| {
            crate::zql::with(input, |text| {
                let mut statements = zql::parse(text)?;
                statements.iter_mut().for_each(mixed);
                Ok(statements)
            })
        },
        "is printed as",
    );
}

#[test]
fn a_zql_parser_that_repeats_its_work_is_found() {
    is_found(
        crate::zql::target,
        &|input| {
            crate::zql::with(input, |text: &str| -> Result<Vec<Statement>, Refusal> {
                let copies: usize = (0..text.len()).map(|at| text.as_bytes()[at..].to_vec().len()).sum();
                assert!(copies >= text.len());
                zql::parse(text)
            })
        },
        "allocated",
    );
}

#[test]
fn a_query_parser_that_loses_a_condition_is_found() {
    is_found(
        crate::query::target,
        &|input| {
            crate::query::with(input, |request| {
                let mut call = decode(request)?;
                if let Some(query) = call.query.as_mut().filter(|query| query.conditions.len() > 1) {
                    query.conditions.pop();
                }
                Ok(call)
            })
        },
        "is printed as",
    );
}

#[test]
fn a_query_parser_that_tells_what_else_was_sent_is_found() {
    is_found(
        crate::query::target,
        &|input| {
            crate::query::with(input, |request| {
                decode(request).map_err(|_| Misuse::NoApi(request.query.unwrap_or_default().to_owned()))
            })
        },
        "a secret of the input is told",
    );
}

/// As the parser of JSON does it: what it did not expect is part of what it says.
#[test]
fn a_decoder_of_bodies_that_quotes_them_is_found() {
    is_found(
        crate::bodies::target,
        &|input| {
            crate::bodies::with(input, |request: &Request<'_>| -> Result<Call, Misuse> {
                decode(request).map_err(|misuse| match misuse {
                    Misuse::BadJson(_) => Misuse::BadJson(String::from_utf8_lossy(request.body).into_owned()),
                    other => other,
                })
            })
        },
        "a secret of the input is told",
    );
}

#[test]
fn a_decoder_of_bodies_that_tells_the_session_is_found() {
    is_found(
        crate::bodies::target,
        &|input| {
            crate::bodies::with(input, |request: &Request<'_>| {
                decode(request)
                    .map_err(|_| Misuse::NoApi(request.headers.authorization.unwrap_or("").to_owned()))
            })
        },
        "the session is told",
    );
}

#[test]
fn a_decoder_of_messages_that_forgets_the_nesting_limit_is_found() {
    fn forgetful(body: &[u8]) -> Result<Message, String> {
        match legacy::decode(body) {
            Err(text)
                if text.contains("nested more than")
                    && serde_json::from_slice::<Map<String, Value>>(body).is_ok() =>
            {
                let shallow = br#"{"org.zstack.header.managementnode.APIGetVersionMsg":{}}"#;
                legacy::decode(shallow)
            }
            other => other,
        }
    }
    is_found(crate::legacy::target, &|input| crate::legacy::with(input, forgetful), "nested");
}

#[test]
fn a_decoder_of_messages_with_another_code_is_found() {
    is_found(
        crate::legacy::target,
        &|input| {
            crate::legacy::with(input, |body| {
                let mut message = legacy::decode(body)?;
                if let Some(fault) = &mut message.refusal {
                    fault.code = longhaul_model::Code::Internal;
                }
                Ok(message)
            })
        },
        "the code is none of",
    );
}
