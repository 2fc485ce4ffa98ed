//! The query string as decoded pairs. Lenient where clients are sloppy: a `%` that starts no escape is
//! itself, since Python's SDK sends conditions unescaped.
//!
//! Source: rest-api.md 1.2 "Parameter-name handling", 7.2.

use super::misuse::Misuse;

/// The pairs in their order; a part without `=` has an empty value, empty parts are left out.
///
/// # Errors
/// `NotUtf8`.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, Misuse> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = unescape(name, true).ok_or(Misuse::NotUtf8("query string"))?;
        let value = unescape(value, true).ok_or(Misuse::NotUtf8("query string"))?;
        pairs.push((name.trim().to_owned(), value));
    }
    Ok(pairs)
}

/// `text` with its escapes resolved; `None` if that is not UTF-8. In a query string `+` is a space.
pub(super) fn unescape(text: &str, plus_is_space: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = bytes.get(at + 1..at + 3).and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok().filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(hex, 16).ok()
        });
        match (byte, escape) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_sloppy_percents_stay() {
        assert_eq!(unescape("a%20b+c%2B", true).as_deref(), Some("a b c+"));
        assert_eq!(unescape("%img%", true).as_deref(), Some("%img%"));
        assert_eq!(unescape("100%", true).as_deref(), Some("100%"));
        assert_eq!(unescape("%+1", false).as_deref(), Some("%+1"));
        assert_eq!(unescape("%ff", true), None);
    }

    #[test]
    fn a_value_may_hold_equal_signs() {
        let all = pairs("q=name=x&&q=a>=b&flag").ok();
        let want = [("q", "name=x"), ("q", "a>=b"), ("flag", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(all, Some(want.to_vec()));
    }
}
