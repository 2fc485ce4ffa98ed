//! Conditions: comparisons combined by `and`, `or` and parentheses. As in ZStack, neither binds tighter: what
//! stands to the right of one is its whole right side, so `a and b or c` is `a and (b or c)`.
//!
//! Source: rest-api.md 5.7.

use longhaul_model::query::{CONDITIONS_MAX, LIST_MAX, NESTING_MAX, Op};

use super::Refusal;
use super::lex::Token;
use super::parse::{Parser, not_offered};
use crate::query::{RawCondition, RawTerm};

/// How a condition compares. `Has` asks for tags, all of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Plain(Op),
    Has,
    HasNot,
}

/// What follows `where`.
pub(super) fn read(parser: &mut Parser<'_>) -> Result<RawTerm, Refusal> {
    let mut room = CONDITIONS_MAX;
    condition(parser, 0, &mut room)
}

/// One condition and everything that is combined with it. `room` is how many comparisons may still come.
fn condition(parser: &mut Parser<'_>, depth: usize, room: &mut usize) -> Result<RawTerm, Refusal> {
    if depth >= NESTING_MAX {
        return Err(Refusal::Invalid(format!("conditions are nested more than {NESTING_MAX} deep")));
    }
    let left = if parser.takes_sign("(") {
        let inner = condition(parser, depth + 1, room)?;
        parser.sign(")")?;
        inner
    } else {
        comparison(parser, room)?
    };
    if parser.takes_words(&["and"]) {
        let right = condition(parser, depth + 1, room)?;
        return Ok(RawTerm::All(joined(left, right, |term| match term {
            RawTerm::All(terms) => Ok(terms),
            other => Err(other),
        })));
    }
    if parser.takes_words(&["or"]) {
        let right = condition(parser, depth + 1, room)?;
        return Ok(RawTerm::Any(joined(left, right, |term| match term {
            RawTerm::Any(terms) => Ok(terms),
            other => Err(other),
        })));
    }
    Ok(left)
}

/// Both sides as one list; a side that is such a list already is taken apart by `open`.
fn joined(left: RawTerm, right: RawTerm, open: fn(RawTerm) -> Result<Vec<RawTerm>, RawTerm>) -> Vec<RawTerm> {
    let list = |term| open(term).unwrap_or_else(|other| vec![other]);
    list(left).into_iter().chain(list(right)).collect()
}

fn comparison(parser: &mut Parser<'_>, room: &mut usize) -> Result<RawTerm, Refusal> {
    let name = parser.dotted("a field")?;
    let comparison = operator(parser)?;
    if let Comparison::Plain(op @ (Op::IsNull | Op::NotNull)) = comparison {
        *room = room.checked_sub(1).ok_or_else(too_many)?;
        return Ok(RawTerm::One(RawCondition { name, op, value: String::new() }));
    }
    let (values, listed) = values(parser)?;
    let one = |op, value: String| RawTerm::One(RawCondition { name: name.clone(), op, value });
    let each = |op, values: Vec<String>| values.into_iter().map(|v| one(op, v)).collect::<Vec<_>>();
    // A list goes on as a text with commas; where a value has one itself, each value becomes a condition.
    let with_comma = values.iter().any(|value| value.contains(','));
    let term = match comparison {
        Comparison::Has | Comparison::HasNot if !name.starts_with("__") => {
            return Err(Refusal::Invalid(format!(
                "the operator has asks for tags, so the field[{name}] must be __systemTag__, __userTag__ or __tagUuid__"
            )));
        }
        Comparison::Has => RawTerm::All(each(Op::Eq, values)),
        Comparison::Plain(Op::In) if with_comma => RawTerm::Any(each(Op::Eq, values)),
        Comparison::Plain(Op::NotIn) | Comparison::HasNot if with_comma => RawTerm::All(each(Op::Ne, values)),
        Comparison::Plain(Op::In) => one(Op::In, values.join(",")),
        Comparison::Plain(Op::NotIn) | Comparison::HasNot => one(Op::NotIn, values.join(",")),
        Comparison::Plain(op) => match (<[String; 1]>::try_from(values), listed) {
            (Ok([value]), false) => one(op, value),
            _ => return Err(parser.wrong("a list belongs to 'in', 'not in', 'has' or 'not has'")),
        },
    };
    let taken = match &term {
        RawTerm::One(_) => 1,
        RawTerm::All(terms) | RawTerm::Any(terms) => terms.len(),
    };
    *room = room.checked_sub(taken).ok_or_else(too_many)?;
    Ok(term)
}

fn too_many() -> Refusal {
    Refusal::Invalid(format!("a query has at most {CONDITIONS_MAX} conditions"))
}

fn operator(parser: &mut Parser<'_>) -> Result<Comparison, Refusal> {
    const WORDS: [(&[&str], Comparison); 8] = [
        (&["is", "null"], Comparison::Plain(Op::IsNull)),
        (&["is", "not", "null"], Comparison::Plain(Op::NotNull)),
        (&["in"], Comparison::Plain(Op::In)),
        (&["not", "in"], Comparison::Plain(Op::NotIn)),
        (&["like"], Comparison::Plain(Op::Like)),
        (&["not", "like"], Comparison::Plain(Op::NotLike)),
        (&["has"], Comparison::Has),
        (&["not", "has"], Comparison::HasNot),
    ];
    const SIGNS: [(&str, Op); 6] =
        [("=", Op::Eq), ("!=", Op::Ne), (">", Op::Gt), (">=", Op::Ge), ("<", Op::Lt), ("<=", Op::Le)];
    if let Some((_, comparison)) = WORDS.into_iter().find(|(words, _)| parser.takes_words(words)) {
        return Ok(comparison);
    }
    let found = SIGNS.into_iter().find(|(sign, _)| parser.takes_sign(sign));
    found.map(|(_, op)| Comparison::Plain(op)).ok_or_else(|| parser.wrong("expected an operator"))
}

/// The values on the right, and whether they stand in parentheses.
fn values(parser: &mut Parser<'_>) -> Result<(Vec<String>, bool), Refusal> {
    if !parser.takes_sign("(") {
        return Ok((vec![value(parser)?], false));
    }
    let mut values = vec![value(parser)?];
    while parser.takes_sign(",") {
        if values.len() == LIST_MAX {
            return Err(Refusal::Invalid(format!("a list has at most {LIST_MAX} values")));
        }
        values.push(value(parser)?);
    }
    parser.sign(")")?;
    Ok((values, true))
}

fn value(parser: &mut Parser<'_>) -> Result<String, Refusal> {
    match parser.peek() {
        Some(Token::Text(text) | Token::Number(text)) => {
            let text = text.clone();
            let _ = parser.take();
            Ok(text)
        }
        Some(Token::Word(word)) => match word.as_str() {
            "true" | "false" => parser.word("a value"),
            "query" => Err(not_offered("a sub-query")),
            "getapi" => Err(not_offered("getapi")),
            _ => Err(parser.wrong("a value must be a text in quotes, a number, true or false")),
        },
        _ => Err(parser.wrong("expected a value")),
    }
}
