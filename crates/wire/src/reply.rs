//! The whole decision which status and which body a caller gets: by profile, caller, and what happened.
//! Pure; the server only sends what is decided here.
//!
//! Source: design section 7, rest-api.md 3.2 to 3.4, 4.2, 4.3.

use std::fmt::Write as _;

use longhaul_model::{ApiId, Fault};

use crate::api::Kind;
use crate::decode::Misuse;
use crate::error;
use crate::profile::{Caller, Profile};

#[cfg(test)]
mod tests;

/// How long a plain caller of `fast` waits for the result of an asynchronous call before it gets 202, in ms.
pub const PATIENCE_MS: u64 = 2_000;

const JSON: &str = "application/json;charset=utf-8";
const TEXT: &str = "text/plain;charset=utf-8";

/// A reply, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// How an operation is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Wait for the result, however long it takes, and send it.
    AtOnce,
    /// Send 202 first; result or error at the poll.
    Accepted,
    /// Send the result or the error if it is there within `PATIENCE_MS`, else 202.
    Patient,
}

/// How an operation of `kind` is answered to `caller`.
pub const fn form(profile: Profile, caller: Caller, kind: Kind) -> Form {
    match (kind, profile, caller) {
        (Kind::Sync | Kind::Query(_), _, _) => Form::AtOnce,
        (Kind::Async, Profile::Fast, Caller::Plain) => Form::Patient,
        (Kind::Async, Profile::Fast, Caller::Sdk) | (Kind::Async, Profile::Zstack, _) => Form::Accepted,
    }
}

impl Reply {
    /// 200 with `body`, a JSON object.
    pub fn ok(body: String) -> Self {
        Self { status: 200, content_type: JSON, body }
    }

    /// 202 with where to poll and for how long, in ms. Source: rest-api.md 3.2.
    pub fn accepted(location: &str, api_timeout_ms: u64) -> Self {
        let mut body = String::from("{\"location\":");
        body.push_str(&crate::inventory::to_json(&location));
        let _ = write!(body, ",\"apiTimeout\":{api_timeout_ms}}}");
        Self { status: 202, content_type: JSON, body }
    }

    /// The poll of a call that is worked on. Source: rest-api.md 3.4.
    pub fn processing() -> Self {
        Self { status: 202, content_type: JSON, body: "{}".to_owned() }
    }

    /// A failure that is answered directly, by a synchronous call, a patient one, or one refused before it
    /// was accepted. The table's status is for plain callers of `fast`; all others know 503 only.
    pub fn fault(profile: Profile, caller: Caller, fault: &Fault) -> Self {
        let status = match (profile, caller) {
            (Profile::Fast, Caller::Plain) => error::row(fault.code).1,
            (Profile::Fast, Caller::Sdk) | (Profile::Zstack, _) => 503,
        };
        Self { status, content_type: JSON, body: error::body(fault) }
    }

    /// The poll of a call that failed: 503 in both profiles, for every caller, since no SDK reads another.
    pub fn polled_fault(fault: &Fault) -> Self {
        Self { status: 503, content_type: JSON, body: error::body(fault) }
    }

    /// A request that is not a call: text with ZStack's status in `zstack`, else the error body.
    pub fn misuse(profile: Profile, caller: Caller, misuse: &Misuse) -> Self {
        match profile {
            Profile::Zstack => Self {
                status: misuse.zstack_status(),
                content_type: TEXT,
                body: misuse.text(Profile::Zstack),
            },
            Profile::Fast => Self {
                status: misuse.fast_status(caller),
                content_type: JSON,
                body: error::body(&misuse.to_fault()),
            },
        }
    }
}

/// Where to poll: absolute, with the literal part that the SDKs look for. `host` is the request's `Host`
/// header, or the server's own address where there is none; `scheme` is `http` or `https`. Callers choose the
/// id, any 32 characters: what has a meaning in a URL or none at all is escaped, so that the poll finds it.
pub fn location(scheme: &str, host: &str, id: &ApiId) -> String {
    let mut url = format!("{scheme}://{host}/zstack/v1/api-jobs/");
    for byte in id.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
