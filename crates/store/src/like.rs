//! LIKE as every backend does it: `%` is any run of characters, `_` one character, nothing escapes them.
//! Time is at most pattern length × text length, whatever the pattern.

/// Whether `text` matches `pattern`. With `folded`, ASCII case does not matter.
pub fn like(pattern: &str, text: &str, folded: bool) -> bool {
    let same = |a: char, b: char| if folded { a.eq_ignore_ascii_case(&b) } else { a == b };
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on from when the part after the newest `%` does not fit: one character later.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let at = text.clone();
        let (wanted, found) = (pattern.next(), text.next());
        match (wanted, found) {
            (Some('%'), _) => {
                text = at.clone();
                retry = Some((pattern.clone(), at));
                continue;
            }
            (None, None) => return true,
            (Some('_'), Some(_)) => continue,
            (Some(a), Some(b)) if same(a, b) => continue,
            _ => {}
        }
        let Some((after_percent, mut start)) = retry.take() else { return false };
        if start.next().is_none() {
            return false;
        }
        pattern = after_percent.clone();
        text = start.clone();
        retry = Some((after_percent, start));
    }
}

/// The fixed start of a pattern of the form `start%`, if it has that form and `start` is not empty.
pub fn prefix_of(pattern: &str) -> Option<&str> {
    let start = pattern.strip_suffix('%')?;
    (!start.is_empty() && !start.contains(['%', '_'])).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_and_underscore_match_as_in_sql() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("%", "", true),
            ("_", "", false),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a_c", "abc", true),
            ("a_c", "aüc", true),
            ("a%b%c", "a-b-b-c", true),
            ("a%b%c", "a-b-b-d", false),
            ("%%", "x", true),
            ("ab", "abc", false),
            ("abc", "ab", false),
            ("%a_", "aaab", true),
            ("\\%", "%", false),
        ] {
            assert_eq!(like(pattern, text, false), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn only_ascii_case_is_folded() {
        assert!(like("A%", "abc", true));
        assert!(!like("A%", "abc", false));
        assert!(!like("Ä", "ä", true));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = "%a".repeat(200) + "b";
        assert!(!like(&pattern, &"a".repeat(5000), false));
    }

    #[test]
    fn a_prefix_is_found_only_where_nothing_else_is_special() {
        assert_eq!(prefix_of("job-%"), Some("job-"));
        for other in ["%", "job", "j_b%", "j%b%"] {
            assert_eq!(prefix_of(other), None, "{other}");
        }
    }
}
