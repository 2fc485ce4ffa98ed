//! The request body as a JSON object, within our bounds. Our parser is strict and its messages are ours;
//! their status is ZStack's.
//!
//! Source: rest-api.md 1.2 step 3, 4.3.

use serde_json::{Map, Value};

use super::NESTING_MAX;
use super::misuse::Misuse;

/// The object in `bytes`; `None` for an empty body.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Map<String, Value>>, Misuse> {
    let text = std::str::from_utf8(bytes).map_err(|_| Misuse::BadJson("it is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(None);
    }
    if nesting(text) > NESTING_MAX {
        return Err(Misuse::BadJson(format!("it is nested more than {NESTING_MAX} deep")));
    }
    serde_json::from_str(text).map(Some).map_err(|error| {
        // The parser quotes what else than an object it found, which may be a secret.
        Misuse::BadJson(if error.is_data() {
            "it is another JSON value".to_owned()
        } else {
            error.to_string()
        })
    })
}

/// How deep objects and lists are nested in a JSON text; brackets in strings do not count.
pub(crate) fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_counts_brackets_outside_of_strings() {
        assert_eq!(nesting(r#"{"a":[{"b":"[[[\"{{"}]}"#), 3);
        assert_eq!(nesting("[]]]["), 1);
    }

    #[test]
    fn a_deep_body_is_refused_before_it_is_parsed() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n - 1), "]".repeat(n - 1));
        assert!(parse(deep(64).as_bytes()).is_ok());
        assert!(matches!(parse(deep(65).as_bytes()), Err(Misuse::BadJson(_))));
        assert!(matches!(parse(&vec![b'['; 1_000_000]), Err(Misuse::BadJson(_))));
    }

    #[test]
    fn only_an_object_or_nothing_is_a_body() {
        assert_eq!(parse(b" \r\n"), Ok(None));
        assert!(matches!(parse(b"{}"), Ok(Some(o)) if o.is_empty()));
        for bad in [&b"[]"[..], b"\"x\"", b"1", b"null", b"{", b"{a:1}", b"{} {}", b"\xff"] {
            assert!(matches!(parse(bad), Err(Misuse::BadJson(_))), "{bad:?}");
        }
    }

    #[test]
    fn what_the_parser_says_quotes_nothing_of_the_body() {
        for bad in [
            "\"hunter2\"",
            "hunter2",
            "[\"hunter2\"]",
            "{\"password\":\"hunter2\"",
            "{\"a\":\"hunter2\\q\"}",
            "1234567",
            "{\"a\":1}hunter2",
            "{hunter2:1}",
        ] {
            match parse(bad.as_bytes()) {
                Err(Misuse::BadJson(told)) => {
                    assert!(!told.contains("hunter2") && !told.contains("1234567"), "{told}")
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}
