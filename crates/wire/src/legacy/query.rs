//! The query of a message: conditions as objects with operators in words, paging and sorting as fields.
//!
//! Source: rest-api.md 9 "Query message fields", 4.4 (legacy rows).

use longhaul_model::Fault;
use longhaul_model::query::Op;
use serde_json::{Map, Value};

use crate::decode::{Misuse, texts, whole_number};
use crate::query::{RawCondition, RawQuery};
use crate::validate::PRINTED;

/// The operators in words.
const OPERATORS: [(&str, Op); 12] = [
    ("=", Op::Eq),
    ("!=", Op::Ne),
    (">", Op::Gt),
    (">=", Op::Ge),
    ("<", Op::Lt),
    ("<=", Op::Le),
    ("in", Op::In),
    ("not in", Op::NotIn),
    ("is null", Op::IsNull),
    ("is not null", Op::NotNull),
    ("like", Op::Like),
    ("not like", Op::NotLike),
];

/// The query in a message's fields, and what is to be told of it instead of answering it.
pub(super) fn read(fields: &Map<String, Value>) -> Result<(RawQuery, Option<Fault>), Misuse> {
    let mut query = RawQuery {
        limit: number(fields, "limit")?,
        start: number(fields, "start")?,
        count: flag(fields, "count")?,
        reply_with_count: flag(fields, "replyWithCount")?,
        fields: list(fields, "fields")?,
        filter_name: scalar(fields, "filterName")?,
        ..RawQuery::default()
    };
    let mut refusal = None;
    match conditions(fields)? {
        Ok(conditions) => query.conditions = conditions,
        Err(fault) => refusal = Some(fault),
    }
    match sort(fields)? {
        Ok(sort) => query.sort = sort,
        Err(fault) => refusal = refusal.or(Some(fault)),
    }
    Ok((query, refusal))
}

fn conditions(fields: &Map<String, Value>) -> Result<Result<Vec<RawCondition>, Fault>, Misuse> {
    let list = match fields.get("conditions") {
        None | Some(Value::Null) => {
            return Ok(Err(Fault::invalid(format!(
                "field[conditions] of message[{PRINTED}] is mandatory, can not be null"
            ))));
        }
        Some(Value::Array(list)) => list,
        Some(other) => return Err(Misuse::of_type("conditions", "a list", other)),
    };
    let mut conditions = Vec::with_capacity(list.len());
    for item in list {
        let Value::Object(item) = item else {
            return Err(Misuse::of_type("conditions", "a list of objects", item));
        };
        match condition(item)? {
            Ok(condition) => conditions.push(condition),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(conditions))
}

fn condition(item: &Map<String, Value>) -> Result<Result<RawCondition, Fault>, Misuse> {
    let missing = |key: &str| {
        // Only what a condition has: what else a client put here is not for a text that goes into logs.
        let known = ["name", "op", "value"].into_iter();
        let shown = known.filter_map(|key| Some((key.to_owned(), item.get(key)?.clone()))).collect();
        let shown = Value::Object(shown);
        Fault::invalid(format!("'{key}' of query condition {shown} cannot be null"))
    };
    let (name, op, value) = (scalar(item, "name")?, scalar(item, "op")?, scalar(item, "value")?);
    let Some(name) = name else { return Ok(Err(missing("name"))) };
    let Some(op) = op else { return Ok(Err(missing("op"))) };
    let Some((_, op)) = OPERATORS.into_iter().find(|(word, _)| *word == op.trim()) else {
        return Ok(Err(Fault::invalid(format!("unknown QueryOp type[{op}]"))));
    };
    Ok(match (value, op) {
        (None, Op::IsNull | Op::NotNull) => {
            Ok(RawCondition { name: name.trim().to_owned(), op, value: String::new() })
        }
        (None, _) => Err(missing("value")),
        (Some(value), _) => Ok(RawCondition { name: name.trim().to_owned(), op, value }),
    })
}

/// `sortBy` and `sortDirection` as the one text that REST has for both.
fn sort(fields: &Map<String, Value>) -> Result<Result<Option<String>, Fault>, Misuse> {
    let sign = match scalar(fields, "sortDirection")?.as_deref().map(str::trim) {
        None | Some("" | "asc") => "+",
        Some("desc") => "-",
        Some(other) => {
            return Ok(Err(Fault::invalid(format!(
                "valid value for field[sortDirection] of message[{PRINTED}] are [asc, desc], but {other} found"
            ))));
        }
    };
    let by = scalar(fields, "sortBy")?.map(|by| by.trim().to_owned()).filter(|by| !by.is_empty());
    Ok(Ok(by.map(|by| format!("{sign}{by}"))))
}

/// The text of a scalar.
pub(super) fn scalar(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Misuse> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
        Some(other @ (Value::Array(_) | Value::Object(_))) => Err(Misuse::of_type(name, "a string", other)),
    }
}

/// A whole number.
pub(super) fn whole(fields: &Map<String, Value>, name: &str) -> Result<Option<i64>, Misuse> {
    let Some(text) = scalar(fields, name)? else { return Ok(None) };
    whole_number(text.trim()).map(Some).ok_or_else(|| Misuse::NotInteger(name.to_owned(), text))
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<i32>, Misuse> {
    let Some(number) = whole(fields, name)? else { return Ok(None) };
    i32::try_from(number).map(Some).map_err(|_| Misuse::NotInteger(name.to_owned(), number.to_string()))
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Misuse> {
    match scalar(fields, name)? {
        None => Ok(false),
        Some(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(Misuse::NotBoolean(name.to_owned(), text)),
    }
}

/// A list of keys as the comma list that REST has.
fn list(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Misuse> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(list) => {
            let keys: Vec<String> = texts(name, list)?.into_iter().flatten().collect();
            Ok((!keys.is_empty()).then(|| keys.join(",")))
        }
    }
}
