//! Which part of a file a `Range` asks for.
//!
//! Source: RFC 9110 section 14.

/// What is to be sent of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it: no range was asked for, none that is one, or several, which nobody must send in parts.
    Whole,
    /// The bytes from the first to the last, both counted from 0 and sent.
    Bytes(u64, u64),
    /// It has none of the bytes that were asked for.
    Nothing,
}

/// What `Range: text` asks for of a file of `total` bytes.
pub fn part(text: &str, total: u64) -> Part {
    let Some((unit, set)) = text.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    // A list may have empty elements.
    let specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let mut ranges = Vec::new();
    for spec in specs {
        match one(spec, total) {
            Some(range) => ranges.push(range),
            None => return Part::Whole,
        }
    }
    match ranges[..] {
        [] => Part::Whole,
        [only] => only,
        _ if ranges.iter().all(|range| *range == Part::Nothing) => Part::Nothing,
        _ => Part::Whole,
    }
}

/// One range; `None` where it is not written as one.
fn one(spec: &str, total: u64) -> Option<Part> {
    let (first, last) = spec.split_once('-')?;
    let end = total.checked_sub(1);
    if first.is_empty() {
        let wanted = number(last)?;
        return Some(match end {
            _ if wanted == 0 => Part::Nothing,
            None => Part::Whole,
            Some(end) => Part::Bytes(total.saturating_sub(wanted), end),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some(match end.filter(|end| first <= *end) {
        Some(end) => Part::Bytes(first, last.min(end)),
        None => Part::Nothing,
    })
}

/// Digits and nothing else; what is more than any file has is `u64::MAX`.
fn number(digits: &str) -> Option<u64> {
    let is_one = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ten(text: &str) -> Part {
        part(text, 10)
    }

    #[test]
    fn a_range_is_what_of_it_there_is() {
        for (text, first, last) in [
            ("bytes=0-3", 0, 3),
            ("bytes=5-", 5, 9),
            ("bytes=-4", 6, 9),
            ("bytes=-40", 0, 9),
            ("bytes=8-40", 8, 9),
            ("bytes=9-9", 9, 9),
            ("Bytes=0-0", 0, 0),
            ("bytes=0-99999999999999999999999", 0, 9),
            ("bytes=-99999999999999999999999", 0, 9),
            ("bytes= 2-3 ,", 2, 3),
        ] {
            assert_eq!(of_ten(text), Part::Bytes(first, last), "{text}");
        }
    }

    #[test]
    fn what_there_is_nothing_of_is_told() {
        for text in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-", "bytes=10-,-0"]
        {
            assert_eq!(of_ten(text), Part::Nothing, "{text}");
        }
        assert_eq!((part("bytes=0-", 0), part("bytes=-5", 0)), (Part::Nothing, Part::Whole));
    }

    #[test]
    fn what_is_no_range_and_what_are_several_are_answered_with_all() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-b",
            "bytes=+1-3",
            "bytes=1",
            "bytes=5-2",
            "bytes=1-2-3",
            "bytes=0 - 1",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=0-1,a",
            "bytes=0-1,20-",
            "bytes=--1",
        ] {
            assert_eq!(of_ten(text), Part::Whole, "{text}");
        }
    }
}
