//! `jobData`: JSON text inside of the JSON body. Strict JSON first; what fails is read once more as the
//! loose object that ZStack's parser takes and some clients send: `{volumeUuid: 45a5…, "n": 3}`.
//!
//! Source: rest-api.md 1.4 (a broken one is SYS.1007 here), design section 7.

use longhaul_model::{Fault, JOB_DATA_MAX_BYTES};
use serde_json::{Map, Value};

use crate::decode::{NESTING_MAX, nesting};

/// Reads `jobData`.
///
/// # Errors
/// SYS.1007 with the parser's message: neither JSON nor a loose object, larger than `JOB_DATA_MAX_BYTES`
/// bytes, nested deeper than `NESTING_MAX`, or not an object.
pub fn parse(text: &str) -> Result<Value, Fault> {
    let refuse =
        |why: &dyn std::fmt::Display| Fault::invalid(format!("field[jobData] is not a JSON object: {why}"));
    if text.len() > JOB_DATA_MAX_BYTES {
        return Err(refuse(&format_args!("it is larger than {JOB_DATA_MAX_BYTES} bytes")));
    }
    if nesting(text) > NESTING_MAX {
        return Err(refuse(&format_args!("it is nested more than {NESTING_MAX} deep")));
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(refuse(&"it is another JSON value")),
        Err(strict) => loose(text).ok_or_else(|| refuse(&strict)),
    }
}

/// A flat object whose keys and values need no quotes. An unquoted value is a number, `true`, `false`,
/// `null`, or else text up to the next comma or the end.
fn loose(text: &str) -> Option<Value> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut object = Map::new();
    while !rest.is_empty() {
        let (key, after) = token(rest, ":")?;
        let Value::String(key) = text_of(key)? else { return None };
        rest = after.strip_prefix(':')?.trim_start();
        let (value, after) = token(rest, ",")?;
        object.insert(key, scalar(value)?);
        rest = match after.strip_prefix(',') {
            Some(more) if !more.trim().is_empty() => more.trim_start(),
            Some(_) => return None, // a comma that nothing follows
            None => after,
        };
    }
    Some(Value::Object(object))
}

/// The quoted text or the bare word at the start of `text`, and what follows it, starting with `end`.
fn token<'t>(text: &'t str, end: &str) -> Option<(&'t str, &'t str)> {
    let length =
        if text.starts_with('"') { quoted_length(text)? } else { text.find(end).unwrap_or(text.len()) };
    let (token, after) = text.split_at_checked(length)?;
    let after = after.trim_start();
    (after.is_empty() || after.starts_with(end)).then_some((token.trim(), after))
}

/// The length of the JSON string at the start of `text`, quotes included.
fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn scalar(token: &str) -> Option<Value> {
    if token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return text_of(token); // a uuid, also where all of it are digits
    }
    match serde_json::from_str(token) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => Some(value),
        Ok(Value::Array(_) | Value::Object(_)) => None,
        Err(_) => text_of(token),
    }
}

/// A token as text: a quoted one unescaped, a bare one if nothing in it looks like structure.
fn text_of(token: &str) -> Option<Value> {
    if token.starts_with('"') {
        return serde_json::from_str(token).ok();
    }
    let bare = !token.is_empty() && !token.contains(['{', '}', '[', ']', '"', '\'']);
    bare.then(|| Value::String(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_json_is_taken_as_it_is() {
        let text = r#"{"volumeUuid":"45a53d3d93384433add8ead7616586cf", "n": [1, {"a": null}]}"#;
        assert_eq!(parse(text).ok(), serde_json::from_str(text).ok());
    }

    #[test]
    fn unquoted_uuids_are_text_also_where_they_start_like_a_number() {
        let value = parse(
            r#"{"volumeUuid": 45a53d3d93384433add8ead7616586cf, dstPrimaryStorageUuid: 70a0618804864b3dabe8be9824c8028c, n: 3, on: true, "s":"a,b:\"c"}"#,
        );
        let want = serde_json::json!({
            "volumeUuid": "45a53d3d93384433add8ead7616586cf",
            "dstPrimaryStorageUuid": "70a0618804864b3dabe8be9824c8028c",
            "n": 3, "on": true, "s": "a,b:\"c",
        });
        assert_eq!(value.ok(), Some(want));
    }

    #[test]
    fn what_is_neither_is_refused_with_the_parsers_message() {
        for bad in [
            "",
            "x",
            "[]",
            "3",
            "{",
            "{\"a\":}",
            "{a}",
            "{a:1,}",
            "{a:{b:1}}",
            "{\"a\":\"b}",
            "{a:'b'}",
            "{,}",
        ] {
            let fault = parse(bad).err().unwrap_or_else(|| Fault::internal(format!("{bad} was taken")));
            assert!(fault.details.starts_with("field[jobData] is not a JSON object: "), "{bad}: {fault}");
        }
    }

    #[test]
    fn deep_and_large_texts_are_refused() {
        assert!(parse(&format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64))).is_err());
        assert!(parse(&" ".repeat(JOB_DATA_MAX_BYTES + 1)).is_err());
    }
}
