//! ZQL as tokens. Words are letters, digits and `_`; a text stands in single quotes, where two mean one, or in
//! double ones.
//!
//! Source: rest-api.md 5.7.

use super::Refusal;

/// Longest piece of the text that an error shows, in characters.
const SNIPPET_MAX: usize = 40;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword.
    Word(String),
    /// A number as it is written.
    Number(String),
    /// A text without its quotes.
    Text(String),
    /// A sign: `=`, `!=`, `>`, `>=`, `<`, `<=`, or one of `( ) , . ; { } * / % + -`.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 17] =
    ["!=", ">=", "<=", "=", ">", "<", "(", ")", ",", ".", ";", "{", "}", "*", "/", "%", "+"];

/// A token and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
}

/// All tokens of `text`.
///
/// # Errors
/// A character that begins no token, or a text that does not end.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Refusal> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let (token, length) = match first {
            '\'' => single_quoted(rest).ok_or_else(|| wrong(text, at, "a text without its closing '"))?,
            '"' => double_quoted(rest).ok_or_else(|| wrong(text, at, "a text without its closing \""))?,
            '-' => match number(&rest[1..]) {
                Some(length) => (Token::Number(rest[..=length].to_owned()), length + 1),
                None => (Token::Sign("-"), 1),
            },
            c if is_word(c) => word_or_number(rest),
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| wrong(text, at, "a character that nothing begins with"))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(Placed { token, at });
        at += length;
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The length of a number at the beginning: digits, and perhaps a fraction; `None` where it goes on as a word.
fn number(rest: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    let fraction = rest[whole..].strip_prefix('.').map_or(0, digits);
    let length = if fraction > 0 { whole + 1 + fraction } else { whole };
    let goes_on = rest[length..].chars().next().is_some_and(is_word);
    (whole > 0 && !goes_on).then_some(length)
}

fn word_or_number(rest: &str) -> (Token, usize) {
    if let Some(length) = number(rest) {
        return (Token::Number(rest[..length].to_owned()), length);
    }
    let length = rest.bytes().take_while(|b| is_word(char::from(*b))).count();
    (Token::Word(rest[..length].to_owned()), length)
}

fn single_quoted(rest: &str) -> Option<(Token, usize)> {
    let mut content = String::new();
    let mut at = 1;
    loop {
        let end = at + rest[at..].find('\'')?;
        content.push_str(&rest[at..end]);
        if !rest[end + 1..].starts_with('\'') {
            return Some((Token::Text(content), end + 1));
        }
        content.push('\'');
        at = end + 2;
    }
}

fn double_quoted(rest: &str) -> Option<(Token, usize)> {
    let end = rest[1..].find('"')?;
    Some((Token::Text(rest[1..=end].to_owned()), end + 2))
}

/// That something is wrong at byte `at` of `text`.
pub(super) fn wrong(text: &str, at: usize, message: &str) -> Refusal {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Refusal::Syntax {
        message: message.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count(),
        snippet: text[at..].chars().take(SNIPPET_MAX).collect(),
    }
}
