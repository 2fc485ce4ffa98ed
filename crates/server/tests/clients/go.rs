//! The Go SDKs: a kept connection, the session twice, lengths on empty bodies, tags at the top level, empty
//! values left out; every 2xx body is parsed as an object, and whatever is no object is a panic.
//!
//! Source: rest-api.md 1.3, 2.1, 3.6, 5.5, 7.3.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::actions::{self, Action};
use crate::dates;
use crate::model::{Client, Failure, Job, Moment, Page, Query, Seen, TEXTS, poll};
use crate::support::http::Response;
use crate::support::{Signer, sha512};
use crate::wire::{Wire, escaped, split};

/// The deadline of its sockets.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// 1,800 polls, 2 s apart.
const POLL_WITHIN_S: u64 = 3600;
/// What Go's query escaping leaves as it is; a space becomes `+`.
const PLAIN: &str = "-._~ ";
/// Rows per page of `ListAll`.
pub const PAGE: usize = 50;

/// A configured SDK.
pub struct Go {
    wire: Wire,
    /// `host:port` as the SDK compares it with a location; the port is there even if it is 80.
    pub host: String,
    /// The `Host` header; without the port where that is 80.
    pub host_header: String,
    /// The session.
    pub session: Option<String>,
    /// The access key of the calls, in the place of a session.
    pub key: Option<Signer>,
    /// Whether polls are signed for their own URL, as later revisions do; else with the first request's.
    pub signs_polls: bool,
}

impl Go {
    /// Configured for `address`, without a session.
    pub fn new(address: SocketAddr) -> Self {
        let host = address.to_string();
        let wire = Wire::new(address, READ_WITHIN);
        Self { wire, host_header: host.clone(), host, session: None, key: None, signs_polls: false }
    }

    /// The same, logged in; the SDK hashes the password.
    pub fn logged_in(address: SocketAddr, name: &str, password: &str) -> Self {
        let mut go = Self::new(address);
        let fields = json!({"accountName": name, "password": sha512(password)});
        let answer = go.call(&actions::LOG_IN, &fields).expect("a login");
        go.session = answer["inventory"]["uuid"].as_str().map(str::to_owned);
        go
    }

    /// What was sent so far.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// A simple call: the body of the result, whether it came at once or at the poll.
    pub fn call(&self, action: &Action, fields: &Value) -> Seen<Value> {
        let (body, headers) = self.first(action, fields)?;
        match body.get("location").and_then(Value::as_str) {
            Some(location) => self.poll_at(location, &headers),
            None => Ok(body),
        }
    }

    /// The asynchronous form: only the location, which the program polls itself.
    pub fn call_async(&self, action: &Action, fields: &Value) -> Seen<String> {
        let (body, _) = self.first(action, fields)?;
        let location = body["location"].as_str().filter(|l| !l.is_empty());
        location.map(str::to_owned).ok_or_else(|| Failure::Crash("empty location".to_owned()))
    }

    /// The result under `key`, as the generated code takes it; a missing one is a panic.
    pub fn under(&self, key: &str, action: &Action, fields: &Value) -> Seen<Value> {
        let body = self.call(action, fields)?;
        body.get(key).cloned().ok_or_else(|| Failure::Crash(format!("nil pointer: no {key} in {body}")))
    }

    /// `GET …/{uuid}`, decoded into the only element of `inventories`.
    pub fn only(&self, action: &Action, value: &str) -> Seen<Value> {
        let rows = self.under("inventories", action, &json!({ (action.variable().expect("one")): value }))?;
        let error = |code: &str| Failure::Error {
            code: code.to_owned(),
            description: String::new(),
            details: rows.to_string(),
        };
        match rows.as_array().map(Vec::as_slice) {
            Some([row]) => Ok(row.clone()),
            Some([]) => Err(error("NotFoundError")),
            Some(_) => Err(error("DuplicateIdError")),
            None => Err(Failure::Crash(format!("no list: {rows}"))),
        }
    }

    /// A page: rows and the number of all, which must be there.
    pub fn page(&self, query: &Query) -> Seen<(Vec<Value>, i64)> {
        let mut fields = json!({ "q": query.conditions, "replyWithCount": "true" });
        for (name, value) in &query.more {
            fields[*name] = json!(value);
        }
        let body = self.call(&actions::QUERY, &fields)?;
        let total = &body["total"];
        let total = total.as_i64().or_else(|| total.as_str().and_then(|t| t.parse().ok()));
        let total = total.ok_or_else(|| Failure::Crash(format!("no total in {body}")))?;
        let rows = body.get("inventories").and_then(Value::as_array);
        Ok((rows.cloned().unwrap_or_default(), total))
    }

    /// `ListAll`: pages until a short one. A server that ignores `start` would never end it, so the test does.
    pub fn list_all(&self, query: &Query) -> Seen<Vec<Value>> {
        let mut all = Vec::new();
        loop {
            let limit = PAGE.to_string();
            let page = query.clone().with("start", &all.len().to_string()).with("limit", &limit);
            let (rows, _) = self.page(&page)?;
            let short = rows.len() < PAGE;
            all.extend(rows);
            if short {
                return Ok(all);
            }
            assert!(all.len() < 20 * PAGE, "a list that never ends");
        }
    }

    /// `ValidateSession`: the whole body as a map of booleans.
    pub fn validate(&self, session: &str) -> Seen<bool> {
        let body = self.call(&actions::VALIDATE, &json!({ "sessionUuid": session }))?;
        let all = body.as_object().expect("an object").values().all(Value::is_boolean);
        if !all {
            return Err(Failure::Crash(format!("cannot decode into map[string]bool: {body}")));
        }
        Ok(body["valid"].as_bool().unwrap_or_default())
    }

    fn first(&self, action: &Action, fields: &Value) -> Seen<(Value, Vec<(&'static str, String)>)> {
        let mut fields = fields.as_object().expect("fields").clone();
        let variable = action.variable().and_then(|name| fields.remove(name));
        let path = action.path_with(variable.as_ref().and_then(Value::as_str).unwrap_or_default());
        let mut target = format!("/zstack/v1{path}");
        let mut body = String::new();
        match action.method {
            "GET" => {
                let pairs: Vec<String> = fields.iter().flat_map(|(name, value)| pairs(name, value)).collect();
                if !pairs.is_empty() {
                    target = format!("{target}?{}", pairs.join("&"));
                }
            }
            "DELETE" => target = format!("{target}?deleteMode="),
            _ => body = wrapped(action.wrapper, fields).to_string(),
        }
        let headers = self.headers(action, &path, body.len());
        let response = self.wire.send(action.method, &target, &headers, &body)?;
        self.object(&response).map(|body| (body, headers))
    }

    fn headers(&self, action: &Action, path: &str, length: usize) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Host", self.host_header.clone()),
            ("User-Agent", "Go-http-client/1.1".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("Accept-Encoding", "*".to_owned()),
        ];
        if let Some(key) = self.key.as_ref().filter(|_| action.session) {
            headers.extend(signed(key, action.method, path));
        } else if let Some(session) = &self.session {
            headers.push(("Authorization", format!("OAuth {session}")));
            headers.push(("x-session-id", session.clone()));
        }
        let get = action.method == "GET";
        let kind = if get { "application/json" } else { "application/json; charset=utf-8" };
        headers.push(("Content-Type", kind.to_owned()));
        headers.push(("Content-Length", length.to_string()));
        headers
    }

    /// A 2xx body as an object, or the error.
    fn object(&self, response: &Response) -> Seen<Value> {
        let text = decoded(response)?;
        let parsed = serde_json::from_str::<Value>(&text);
        if (200..300).contains(&response.status) {
            return match parsed {
                Ok(body @ Value::Object(_)) => Ok(body),
                _ => Err(Failure::Crash(format!("panic: nil pointer, the body is {text:?}"))),
            };
        }
        let plain =
            |details: String| Failure::Error { code: String::new(), description: String::new(), details };
        Err(match parsed {
            Ok(Value::Object(body)) => match body.values().collect::<Vec<_>>()[..] {
                [] => Failure::Crash("panic: index out of range [0]".to_owned()),
                [error] if error.is_object() => Failure::of(error),
                _ => plain(text),
            },
            _ => plain(text),
        })
    }

    /// The poll loop from a location on; the first request's headers go along, its signature too.
    pub fn poll_at(&self, location: &str, headers: &[(&'static str, String)]) -> Seen<Value> {
        let location = self.rewritten(location);
        let (host, target) = split(&location).ok_or_else(|| Failure::Crash("no URL".to_owned()))?;
        if host != self.host {
            return Err(Failure::Crash(format!("cannot connect to {host}")));
        }
        let length = ("Content-Length", "0".to_owned());
        let mut kept: Vec<(&str, String)> = headers.iter().filter(|(n, _)| *n != length.0).cloned().collect();
        kept.push(length);
        if let Some(key) = self.key.as_ref().filter(|_| self.signs_polls) {
            kept.retain(|(name, _)| !matches!(*name, "Authorization" | "Date"));
            kept.extend(signed(key, "GET", target));
        }
        poll(POLL_WITHIN_S, || {
            let polled = match self.wire.send("GET", target, &kept, "") {
                Ok(polled) => polled,
                Err(failure) => return Some(Err(failure)),
            };
            match polled.status {
                202 => None,
                200 => Some(self.object(&polled).and_then(|body| match body.get("location") {
                    None => Ok(body),
                    Some(_) => Err(Failure::Crash("a result with a location is polled for ever".to_owned())),
                })),
                status => Some(Err(Failure::Error {
                    code: String::new(),
                    description: String::new(),
                    details: format!("status code {status}: {}", polled.text()),
                })),
            }
        })
    }

    /// A location of another host is taken to the configured one, if it has the literal part.
    pub fn rewritten(&self, location: &str) -> String {
        const LITERAL: &str = "/zstack/v1/api-jobs";
        match location.split_once(LITERAL) {
            Some((_, rest)) if !location.contains(&self.host) => {
                format!("http://{}{LITERAL}{rest}", self.host)
            }
            _ => location.to_owned(),
        }
    }

    fn job(&self, action: &Action, fields: &Value) -> Seen<Job> {
        job(&self.under("inventory", action, fields)?)
    }

    fn nothing(&self, action: &Action, uuid: &str) -> Seen<()> {
        self.call(action, &json!({ "uuid": uuid })).map(|_| ())
    }
}

/// The headers of a signed request.
fn signed(key: &Signer, method: &str, path: &str) -> [(&'static str, String); 2] {
    let date = key.date(0);
    [("Authorization", key.authorization(method, &date, path)), ("Date", date)]
}

/// The body as text; the SDK decodes no other encodings than these, and compressed ones are not sent here.
fn decoded(response: &Response) -> Seen<String> {
    match response.header("content-encoding") {
        None | Some("identity") => Ok(response.text()),
        Some(other) => Err(Failure::Crash(format!("Content-Encoding {other}"))),
    }
}

/// The body: tags and `requestIp` beside the wrapper, empty values left out.
fn wrapped(wrapper: &str, mut fields: Map<String, Value>) -> Value {
    fields.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    });
    let mut body = Map::new();
    for key in ["systemTags", "userTags", "requestIp"] {
        if let Some(value) = fields.remove(key) {
            body.insert(key.to_owned(), value);
        }
    }
    // An update of nothing loses its wrapper too; the other actions keep theirs.
    if !(fields.is_empty() && wrapper == actions::UPDATE.wrapper) {
        body.insert(wrapper.to_owned(), Value::Object(fields));
    }
    Value::Object(body)
}

/// `name=value` for each value, as Go escapes a query.
fn pairs(name: &str, value: &Value) -> Vec<String> {
    let pair = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", escaped(&text, PLAIN).replace(' ', "+"))
    };
    match value {
        Value::Array(list) => list.iter().map(pair).collect(),
        one => vec![pair(one)],
    }
}

/// A job as the view decodes it: missing texts are empty, an unreadable moment is the zero time.
pub fn job(value: &Value) -> Seen<Job> {
    let wrong = |key: &str| Failure::Crash(format!("cannot decode {key} of {value}"));
    let object = value.as_object().ok_or_else(|| wrong("inventory"))?;
    let mut texts = Map::new();
    for key in TEXTS {
        match object.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                texts.insert(key.to_owned(), Value::from(text.clone()));
            }
            Some(_) => return Err(wrong(key)),
        }
    }
    let moment = |key: &str| {
        let read = object.get(key).and_then(Value::as_str).and_then(dates::go);
        read.map_or(Moment::Zero, Moment::At)
    };
    let seconds = match object.get("executeTime") {
        None => None,
        Some(value) => Some(value.as_i64().ok_or_else(|| wrong("executeTime"))?),
    };
    Ok(Job { texts, created: moment("createDate"), changed: moment("lastOpDate"), seconds })
}

impl Client for Go {
    fn name(&self) -> &'static str {
        "the Go SDK"
    }

    fn submit(&self, fields: &Value) -> Seen<Job> {
        self.job(&actions::SUBMIT, fields)
    }

    fn query(&self, query: &Query) -> Seen<Page> {
        let (rows, total) = self.page(query)?;
        Ok(Page { jobs: rows.iter().map(job).collect::<Seen<_>>()?, total: Some(total) })
    }

    fn delete(&self, uuid: &str) -> Seen<()> {
        self.nothing(&actions::DELETE, uuid)
    }

    fn update(&self, uuid: &str, fields: &Value) -> Seen<Job> {
        let mut fields = fields.clone();
        fields["uuid"] = json!(uuid);
        self.job(&actions::UPDATE, &fields)
    }

    fn cancel(&self, uuid: &str) -> Seen<()> {
        self.nothing(&actions::CANCEL, uuid)
    }

    fn rerun(&self, uuid: &str) -> Seen<Job> {
        self.job(&actions::RERUN, &json!({ "uuid": uuid }))
    }

    fn resume(&self, uuid: &str) -> Seen<Job> {
        self.job(&actions::RESUME, &json!({ "uuid": uuid }))
    }

    fn clean(&self, uuid: &str) -> Seen<()> {
        self.nothing(&actions::CLEAN, uuid)
    }

    fn progress(&self, api_id: &str) -> Seen<Vec<String>> {
        let row = self.only(&actions::PROGRESS, api_id)?;
        Ok(vec![row["content"].as_str().unwrap_or_default().to_owned()])
    }

    fn shows(&self, failure: &Failure, code: &str, details: &str, polled: bool) -> bool {
        let text = failure.details();
        match polled {
            true => failure.code().is_empty() && text.contains(code) && text.contains(details),
            false => failure.code() == code && text.contains(details),
        }
    }
}
