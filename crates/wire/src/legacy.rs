//! The legacy entry: every call is a JSON object whose one key is a message class, sent to one path, and every
//! answer is HTTP 200. The same operations as over REST stand behind it; here are only the forms: which paths
//! (`Path`), from a message to a call (`decode`), its query (`query`), and the answers (`encode`).
//!
//! Source: rest-api.md section 9.

mod decode;
mod encode;
mod query;

#[cfg(test)]
mod tests;

pub use decode::{Message, decode};
pub use encode::{done, failed, finished, not_decoded, processing, unknown_result, wrong_method};

/// How long the answer of an asynchronous message is kept: ten days, in ms. Source: rest-api.md 9 "retention".
pub const RECORD_KEPT_MS: i64 = 10 * 24 * 3600 * 1000;

/// A path of the legacy entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path<'a> {
    /// Where messages are sent.
    Call,
    /// Where the answer of the message of this uuid is.
    Result(&'a str),
}

impl<'a> Path<'a> {
    /// What `path` is, as sent; `None` where it is no path of this entry.
    pub fn of(path: &'a str) -> Option<Self> {
        match path.strip_prefix("/zstack/api")? {
            "" | "/" => Some(Self::Call),
            rest => rest.strip_prefix("/result/").filter(|uuid| !uuid.contains('/')).map(Self::Result),
        }
    }

    /// Whether it takes this method.
    pub fn takes(self, method: &str) -> bool {
        match self {
            Self::Call => matches!(method, "POST" | "PUT"),
            Self::Result(_) => matches!(method, "GET" | "PUT"),
        }
    }
}
