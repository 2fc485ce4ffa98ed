//! From an HTTP request to a typed call, in ZStack's order of steps. What is wrong with a request here is a
//! `Misuse`; what is wrong with a value is found by `validate`, what is wrong with a query by `query`.
//!
//! Source: rest-api.md 1.2 (steps 1 to 9), 3.3, 4.3.

mod body;
mod credentials;
mod date;
mod headers;
mod misuse;
mod nested;
mod params;
mod route;
mod url;

pub(crate) use body::{nesting, parse as object};
pub(crate) use params::{texts, whole as whole_number};

#[cfg(test)]
mod tests;

pub use credentials::Signed;
pub use headers::Headers;
pub use misuse::Misuse;
pub use nested::nested;
pub use params::{Params, Value};

use jiff::tz::TimeZone;
use longhaul_model::{ApiId, SessionId};

use crate::api::{Kind, Method, Op, Operation};
use crate::profile::Caller;
use crate::query::RawQuery;

/// Largest request body, in bytes. The server stops reading there and answers `Misuse::BodyTooLarge`.
pub const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting of objects and lists in a JSON text, also in `jobData`.
pub const NESTING_MAX: usize = 64;

/// A request as the server received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method's name.
    pub method: &'a str,
    /// The path as sent, percent-encoded, with or without the context `/zstack`.
    pub path: &'a str,
    /// The query string as sent, without `?`; `None` and empty are alike.
    pub query: Option<&'a str>,
    /// The whole body, at most `BODY_MAX_BYTES`.
    pub body: &'a [u8],
    /// The headers that mean something.
    pub headers: Headers<'a>,
    /// Now, in ms since 1970, for the date check of access keys.
    pub now_ms: i64,
    /// The server's zone, for the same check.
    pub zone: &'a TimeZone,
}

/// A request that is a call. Its values have the right types; their bounds are not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub operation: &'static Operation,
    /// The values of its parameters, path variables included.
    pub params: Params,
    /// `systemTags`; empty where there are none.
    pub system_tags: Vec<String>,
    /// `userTags`; empty where there are none.
    pub user_tags: Vec<String>,
    /// The session of the `Authorization` header, as sent; `None` for calls that need none and sent none.
    pub session: Option<String>,
    /// What an access key has signed; then there is no session.
    pub signed: Option<Signed>,
    /// `X-Job-UUID`, except for queries, which ignore it.
    pub job_uuid: Option<ApiId>,
    /// `X-API-Timeout`, in seconds.
    pub api_timeout_s: Option<u64>,
    /// `X-Web-Hook`, unchecked. Means something to asynchronous calls only.
    pub web_hook: Option<String>,
    /// Whether the answer shall carry the schema map even where the contract does not always add it.
    pub wants_schema: bool,
    /// Who calls.
    pub caller: Caller,
    /// The query, for operations that are one.
    pub query: Option<RawQuery>,
    /// The member that should hold the parameters and is not in the body; for texts.
    pub no_wrapper: Option<&'static str>,
}

impl Call {
    /// Which operation.
    pub fn op(&self) -> Op {
        self.operation.op
    }

    /// The session's id; `None` where none was sent or its text cannot be one, which is ID.1001.
    pub fn session_id(&self) -> Option<SessionId> {
        self.session.as_deref()?.parse().ok()
    }

    /// The `apiTimeout` of a 202, in ms: the caller's choice, else the operation's default.
    pub fn api_timeout_ms(&self) -> u64 {
        self.api_timeout_s.map_or(self.operation.api_timeout_ms, |s| s.saturating_mul(1000))
    }
}

/// Reads a request.
///
/// # Errors
/// `Misuse`, the first one in the order of rest-api.md 1.2.
pub fn decode(request: &Request<'_>) -> Result<Call, Misuse> {
    let method =
        Method::from_name(request.method).ok_or_else(|| Misuse::UnknownMethod(request.method.to_owned()))?;
    let routes = route::find(request.path)?;
    let caller = Caller::detect(&request.headers);
    let query_string = request.query.unwrap_or_default();
    if let Some(poll) = routes.poll() {
        if method != Method::Get {
            return Err(Misuse::PollNotGet);
        }
        let params = Params::of_vars(poll.operation, &poll.vars);
        return Ok(bare(poll.operation, params, caller, request.headers.json_schema));
    }

    let body = body::parse(request.body)?;
    let chosen = routes.choose(method, body.as_ref(), request.path)?;
    let operation = chosen.operation;
    let (session, signed) = credentials::of(request, operation.auth)?;
    if matches!(operation.kind, Kind::Query(_)) {
        let query = match chosen.vars.first() {
            Some((_, uuid)) => RawQuery { wait: wait_in(operation, query_string), ..RawQuery::one(uuid) },
            None => RawQuery::parse(&url::pairs(query_string)?)?,
        };
        let call = bare(operation, Params::default(), caller, request.headers.json_schema);
        return Ok(Call { session, signed, query: Some(query), ..call });
    }

    let wrapper = body.as_ref().and_then(|b| b.get(operation.wrapper.key().unwrap_or("params")));
    let from_url = matches!(method, Method::Get | Method::Delete | Method::Head);
    let pairs = if from_url { url::pairs(query_string)? } else { Vec::new() };
    let mut params = if from_url {
        Params::from_query(operation, &pairs)?
    } else {
        Params::from_body(operation, wrapper)?
    };
    let job_uuid = request.headers.chosen_job_uuid()?;
    let api_timeout_s = request.headers.timeout_s()?;
    // A DELETE may carry its tags in a body too; there they win over the query string, as the body's top
    // level wins over the wrapper.
    let tags = |key: &str| -> Result<Vec<String>, Misuse> {
        let top = body.as_ref().and_then(|b| b.get(key));
        for place in [top, wrapper.and_then(|w| w.get(key))].into_iter().flatten() {
            if !place.is_null() {
                return params::texts(key, place).map(|list| list.into_iter().flatten().collect());
            }
        }
        Ok(params::list_in(&pairs, key))
    };
    let (system_tags, user_tags) = (tags("systemTags")?, tags("userTags")?);
    let no_wrapper = operation.wrapper.key().filter(|_| !from_url && wrapper.is_none());
    params.put_vars(operation, &chosen.vars);
    Ok(Call {
        system_tags,
        user_tags,
        session,
        signed,
        job_uuid,
        api_timeout_s,
        web_hook: request.headers.web_hook.map(str::to_owned),
        no_wrapper,
        ..bare(operation, params, caller, request.headers.json_schema)
    })
}

/// `wait` of the query of one job; all else of that query string is ignored, also what cannot be read.
fn wait_in(operation: &Operation, query_string: &str) -> Option<String> {
    let pairs = if operation.op == Op::QueryLongJob { url::pairs(query_string).ok()? } else { return None };
    pairs.into_iter().find(|(name, _)| name == "wait").map(|(_, value)| value)
}

fn bare(operation: &'static Operation, params: Params, caller: Caller, wants_schema: bool) -> Call {
    Call {
        operation,
        params,
        system_tags: Vec::new(),
        user_tags: Vec::new(),
        session: None,
        signed: None,
        job_uuid: None,
        api_timeout_s: None,
        web_hook: None,
        wants_schema,
        caller,
        query: None,
        no_wrapper: None,
    }
}
