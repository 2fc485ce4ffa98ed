//! The values of conditions: from text to what the field's kind compares.
//!
//! MySQL turns a text that is no number into 0 and an unreadable moment into nothing; here both are refused,
//! since an answer to another question than the one asked helps nobody. Fractions compare as MySQL's do.
//! Moments in texts have whole seconds, moments in the store have milliseconds: a text means its whole
//! second in `=`, `>`, `>=`, `<`, `<=`, and in a list of one; longer lists and `!=` compare its first
//! millisecond.
//!
//! Source: rest-api.md 5.3.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use longhaul_model::Fault;
use longhaul_model::query::{Condition, Field, Kind, LIST_MAX, Op, Value};

use super::raw::RawCondition;

/// The conditions that `raw` means on `field`; usually one.
pub(super) fn conditions(field: Field, raw: &RawCondition, zone: &TimeZone) -> Result<Vec<Condition>, Fault> {
    if raw.value.contains('\0') {
        return Err(refuse(field, &raw.value, "it holds a NUL character"));
    }
    if matches!(raw.op, Op::IsNull | Op::NotNull) {
        return match field.kind() {
            Kind::Tag => Err(refuse(field, &raw.value, "a tag cannot be tested for null")),
            _ => Ok(vec![Condition { field, op: raw.op, values: Vec::new() }]),
        };
    }
    let texts: Vec<&str> = match raw.op {
        Op::In | Op::NotIn => raw.value.split(',').collect(),
        _ => vec![&raw.value],
    };
    if texts.len() > LIST_MAX {
        return Err(Fault::invalid(format!(
            "the list of field[{}] has more than {LIST_MAX} values",
            field.key()
        )));
    }
    let like = matches!(raw.op, Op::Like | Op::NotLike);
    match field.kind() {
        Kind::Tag if matches!(raw.op, Op::Gt | Op::Ge | Op::Lt | Op::Le) => {
            Err(refuse(field, &raw.value, "tags compare with =, !=, ?=, !?=, ~= and !~= only"))
        }
        Kind::Exact | Kind::Folded | Kind::Tag | Kind::Copy => Ok(vec![text(field, raw.op, texts)]),
        Kind::Number | Kind::Time | Kind::Flag if like => Ok(vec![text(field, raw.op, texts)]),
        Kind::Number => numbers(field, raw.op, &texts),
        Kind::Time => times(field, raw.op, &texts, zone),
        Kind::Flag => {
            let values = texts.iter().map(|t| flag(field, t)).collect::<Result<_, _>>()?;
            Ok(vec![Condition { field, op: raw.op, values }])
        }
    }
}

fn refuse(field: Field, value: &str, why: &str) -> Fault {
    Fault::invalid(format!("invalid value[{value}] of field[{}] in the parameter[q]: {why}", field.key()))
}

fn text(field: Field, op: Op, texts: Vec<&str>) -> Condition {
    Condition { field, op, values: texts.into_iter().map(|t| Value::Text(t.to_owned())).collect() }
}

fn int(field: Field, op: Op, value: i64) -> Condition {
    Condition { field, op, values: vec![Value::Int(value)] }
}

fn flag(field: Field, text: &str) -> Result<Value, Fault> {
    match text.trim().trim_matches(|c| c == '\'' || c == '"').to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Value::Int(1)),
        "false" | "0" => Ok(Value::Int(0)),
        _ => Err(refuse(field, text, "it must be true or false")),
    }
}

/// A number, rounded down, and whether it was whole.
fn number(field: Field, text: &str) -> Result<(i64, bool), Fault> {
    let text = text.trim();
    if let Ok(whole) = text.parse() {
        return Ok((whole, true));
    }
    match text.parse::<f64>() {
        // `as` saturates: beyond 64 bits the nearest number compares alike, since no row has one.
        Ok(n) if n.is_finite() => Ok((n.floor() as i64, n.fract() == 0.0)),
        _ => Err(refuse(field, text, "it must be a number")),
    }
}

fn numbers(field: Field, op: Op, texts: &[&str]) -> Result<Vec<Condition>, Fault> {
    let all = texts.iter().map(|t| number(field, t)).collect::<Result<Vec<_>, _>>()?;
    if matches!(op, Op::In | Op::NotIn | Op::Eq | Op::Ne) {
        // No row has a fraction, so one equals nothing.
        let whole: Vec<Value> = all.iter().filter(|(_, w)| *w).map(|(n, _)| Value::Int(*n)).collect();
        return Ok(vec![match (whole.is_empty(), op) {
            (true, Op::In | Op::Eq) => nothing(),
            (true, _) => Condition { field, op: Op::NotNull, values: Vec::new() },
            (false, _) => Condition { field, op, values: whole },
        }]);
    }
    let (floor, whole) = all.first().copied().unwrap_or((0, true));
    Ok(vec![match (op, whole) {
        (Op::Ge, false) => int(field, Op::Gt, floor),
        (Op::Lt, false) => int(field, Op::Le, floor),
        _ => int(field, op, floor),
    }])
}

/// Matches no row: every row has a uuid.
fn nothing() -> Condition {
    Condition { field: Field::Uuid, op: Op::IsNull, values: Vec::new() }
}

fn times(field: Field, op: Op, texts: &[&str], zone: &TimeZone) -> Result<Vec<Condition>, Fault> {
    let read = |t: &&str| {
        moment(t, zone).ok_or_else(|| {
            refuse(field, t, "it must be a moment: 2017-11-14 22:20:57 in the server's zone, or RFC 3339")
        })
    };
    let all = texts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let [(first, next)] = all[..] else {
        let values = all.into_iter().map(|(first, _)| Value::Int(first)).collect();
        return Ok(vec![Condition { field, op, values }]);
    };
    Ok(match op {
        Op::Eq | Op::In => vec![int(field, Op::Ge, first), int(field, Op::Lt, next)],
        Op::Gt => vec![int(field, Op::Ge, next)],
        Op::Le => vec![int(field, Op::Lt, next)],
        _ => vec![int(field, op, first)],
    })
}

/// The first millisecond of the moment and the first one after it: a second later, or 1 ms where the text
/// has a fraction.
fn moment(text: &str, zone: &TimeZone) -> Option<(i64, i64)> {
    let text = text.trim();
    let local = |t: DateTime| t.to_zoned(zone.clone()).ok().map(|z| z.timestamp());
    let read = || -> Option<Timestamp> {
        if let Ok(exact) = text.parse::<Timestamp>() {
            return Some(exact);
        }
        // What our own answers write in profile `zstack`, so that it can be pasted back.
        if let Ok(t) = DateTime::strptime("%b %d, %Y %I:%M:%S %p", text) {
            return local(t);
        }
        // A date alone is its midnight, as in MySQL. This parser also takes offsets and drops them, but such
        // texts were taken above.
        text.parse::<DateTime>().ok().and_then(local)
    };
    let ms = read()?.as_millisecond();
    let step = if text.contains('.') { 1 } else { 1000 };
    Some((ms, ms.saturating_add(step)))
}
