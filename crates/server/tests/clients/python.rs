//! The Python SDK (Python 2, urllib3): a connection per request, a `?` on every GET and DELETE with all fields
//! behind it as they are, `uuid` also inside the body, ASCII JSON; the location is fetched to the letter.
//!
//! Source: rest-api.md 1.3, 2.1, 3.6, 5.5, 7.2.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::actions::{self, Action};
use crate::model::{Client, Failure, Job, Moment, Page, Query, Seen, TEXTS, poll};
use crate::support::http::Response;
use crate::support::{Signer, sha512, uuid};
use crate::wire::{Wire, split};

/// The SDK's read timeout, which is its limit of a call too.
const READ_WITHIN_S: u64 = 15;
/// How often urllib3 sends a request again that was answered 503 with `Retry-After`.
const RETRIES: u32 = 15;

/// A configured SDK.
pub struct Python {
    wire: Wire,
    host: String,
    /// `/zstack`, or nothing where the program did not set a context path.
    pub context: &'static str,
    /// The session of the actions.
    pub session: Option<String>,
    /// The access key of the actions, in the place of a session.
    pub key: Option<Signer>,
    /// `X-Request-Ip` and the field `requestIp`, if configured.
    pub request_ip: Option<&'static str>,
    /// Requests that urllib3 sent again by itself.
    pub resent: Cell<u32>,
}

impl Python {
    /// Configured for `address`, without a session.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            wire: Wire::new(address, Duration::from_secs(READ_WITHIN_S)),
            host: address.to_string(),
            context: "/zstack",
            session: None,
            key: None,
            request_ip: None,
            resent: Cell::new(0),
        }
    }

    /// The same, logged in; the user gives the hash of the password.
    pub fn logged_in(address: SocketAddr, name: &str, password: &str) -> Self {
        let mut python = Self::new(address);
        let fields = json!({"accountName": name, "password": sha512(password)});
        let answer = python.call(&actions::LOG_IN, &fields).expect("a login");
        python.session = answer["inventory"]["uuid"].as_str().map(str::to_owned);
        python
    }

    /// What was sent so far.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// `action.call()`: the body, whose keys are the attributes of `value`.
    pub fn call(&self, action: &Action, fields: &Value) -> Seen<Value> {
        let response = self.first(action, fields)?;
        match response.status {
            200 => attributes(&response),
            202 if action.poll => self.follow(&response),
            202 => Err(Failure::Crash("a call that is no asynchronous one was accepted with 202".to_owned())),
            status if (200..300).contains(&status) => {
                Err(Failure::Crash(format!("unknown status code[{status}]")))
            }
            status => Err(Failure::status(status, &response.text())),
        }
    }

    fn first(&self, action: &Action, fields: &Value) -> Seen<Response> {
        let mut fields = fields.as_object().expect("fields").clone();
        let variable = action.variable().and_then(|name| fields.get(name)).and_then(Value::as_str);
        let path = action.path_with(variable.unwrap_or_default());
        let target = format!("{}/v1{path}", self.context);
        if let Some(ip) = self.request_ip {
            fields.insert("requestIp".to_owned(), json!(ip));
        }
        let session = self.session.as_ref().filter(|_| action.session);
        let credentials = self.credentials(action, &path);
        if matches!(action.method, "GET" | "DELETE") {
            if let Some(session) = session {
                fields.insert("sessionId".to_owned(), json!(session));
            }
            let pairs: Vec<String> = fields.iter().flat_map(|(name, value)| pairs(name, value)).collect();
            return self.send(action.method, &format!("{target}?{}", pairs.join("&")), credentials, "");
        }
        let body = dumps(&json!({ (action.wrapper): fields }));
        self.send(action.method, &target, credentials, &body)
    }

    /// The headers that say who calls.
    fn credentials(&self, action: &Action, path: &str) -> Vec<(&'static str, String)> {
        if !action.session {
            return Vec::new();
        }
        if let Some(key) = &self.key {
            let date = key.date(0);
            return vec![("Authorization", key.authorization(action.method, &date, path)), ("Date", date)];
        }
        self.session.iter().map(|session| ("Authorization", format!("OAuth {session}"))).collect()
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        credentials: Vec<(&'static str, String)>,
        body: &str,
    ) -> Seen<Response> {
        let mut headers = vec![
            ("Host", self.host.clone()),
            ("Accept-Encoding", "identity".to_owned()),
            ("Connection", "close".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("X-Job-UUID", uuid()),
        ];
        headers.extend(credentials);
        if let Some(ip) = self.request_ip {
            headers.push(("X-Request-Ip", ip.to_owned()));
        }
        if !body.is_empty() {
            headers.push(("Content-Length", body.len().to_string()));
        }
        self.retried(method, target, &headers, body)
    }

    /// As urllib3 sends: again where a 503 names a time to wait.
    fn retried(&self, method: &str, target: &str, headers: &[(&str, String)], body: &str) -> Seen<Response> {
        for _ in 0..RETRIES {
            let response = self.wire.send(method, target, headers, body)?;
            if response.header("retry-after").is_none() {
                return Ok(response);
            }
            self.resent.set(self.resent.get() + 1);
        }
        Err(Failure::Crash("MaxRetryError".to_owned()))
    }

    fn follow(&self, accepted: &Response) -> Seen<Value> {
        let location = accepted.json()["location"].as_str().map(str::to_owned);
        let location = location.ok_or_else(|| Failure::Crash("KeyError: location".to_owned()))?;
        self.poll_at(&location)
    }

    /// The poll loop from a location on, which is taken to the letter.
    pub fn poll_at(&self, location: &str) -> Seen<Value> {
        let (host, target) = split(location).ok_or_else(|| Failure::Crash("no URL".to_owned()))?;
        if host != self.host {
            return Err(Failure::Crash(format!("cannot connect to {host}")));
        }
        let session = self.session.as_deref().unwrap_or("None");
        let credentials = vec![("Authorization", format!("OAuth {session}"))];
        poll(READ_WITHIN_S, || {
            let polled = match self.send("GET", target, credentials.clone(), "") {
                Ok(polled) => polled,
                Err(failure) => return Some(Err(failure)),
            };
            match polled.status {
                202 => None,
                200 => Some(attributes(&polled)),
                503 => Some(attributes(&polled).and_then(|body| Err(Failure::of(&body["error"])))),
                status => Some(Err(Failure::status(status, &polled.text()))),
            }
        })
    }

    fn job(&self, action: &Action, fields: &Value) -> Seen<Job> {
        Ok(job(&self.call(action, fields)?["inventory"]))
    }

    fn nothing(&self, action: &Action, uuid: &str) -> Seen<()> {
        self.call(action, &json!({ "uuid": uuid })).map(|_| ())
    }
}

/// The body as an object; anything else is an exception of its JSON parser or of a missing key.
fn attributes(response: &Response) -> Seen<Value> {
    let body: Value = serde_json::from_slice(&response.body)
        .map_err(|e| Failure::Crash(format!("ValueError: {e}: {:?}", response.text())))?;
    if body.is_object() { Ok(body) } else { Err(Failure::Crash(format!("not a dict: {body}"))) }
}

/// Whatever keys there are; a missing one is None, moments stay text.
fn job(inventory: &Value) -> Job {
    let text = |key: &str| inventory.get(key).cloned().unwrap_or_default();
    let texts: Map<String, Value> =
        TEXTS.into_iter().map(|key| (key.to_owned(), text(key))).filter(|(_, v)| !v.is_null()).collect();
    let moment = |key: &str| match text(key) {
        Value::String(text) => Moment::Text(text),
        _ => Moment::Zero,
    };
    Job {
        texts,
        created: moment("createDate"),
        changed: moment("lastOpDate"),
        seconds: text("executeTime").as_i64(),
    }
}

/// `name=value` for each value, as `str` writes it, unescaped.
fn pairs(name: &str, value: &Value) -> Vec<String> {
    let pair = |value: &Value| match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Bool(true) => format!("{name}=True"),
        Value::Bool(false) => format!("{name}=False"),
        other => format!("{name}={other}"),
    };
    match value {
        Value::Array(list) => list.iter().map(pair).collect(),
        one => vec![pair(one)],
    }
}

/// `json.dumps`: a space after each separator, everything beyond ASCII escaped.
fn dumps(value: &Value) -> String {
    let text = |text: &str| {
        let mut out = String::new();
        for c in Value::from(text).to_string().chars() {
            if c.is_ascii() {
                out.push(c);
            } else {
                let mut units = [0u16; 2];
                c.encode_utf16(&mut units).iter().for_each(|u| out.push_str(&format!("\\u{u:04x}")));
            }
        }
        out
    };
    match value {
        Value::String(s) => text(s),
        Value::Array(list) => format!("[{}]", list.iter().map(dumps).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let parts: Vec<String> =
                object.iter().map(|(k, v)| format!("{}: {}", text(k), dumps(v))).collect();
            format!("{{{}}}", parts.join(", "))
        }
        other => other.to_string(),
    }
}

impl Client for Python {
    fn name(&self) -> &'static str {
        "the Python SDK"
    }

    fn submit(&self, fields: &Value) -> Seen<Job> {
        self.job(&actions::SUBMIT, fields)
    }

    fn query(&self, query: &Query) -> Seen<Page> {
        let mut fields = json!({ "q": query.conditions });
        for (name, value) in &query.more {
            // Numbers and booleans are such in Python.
            fields[*name] = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        }
        let answer = self.call(&actions::QUERY, &fields)?;
        let rows = answer.get("inventories").and_then(Value::as_array);
        Ok(Page { jobs: rows.into_iter().flatten().map(job).collect(), total: answer["total"].as_i64() })
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
        let answer = self.call(&actions::PROGRESS, &json!({ "apiId": api_id }))?;
        let rows = answer["inventories"].as_array().cloned().unwrap_or_default();
        Ok(rows.iter().map(|row| row["content"].as_str().unwrap_or_default().to_owned()).collect())
    }

    fn shows(&self, failure: &Failure, code: &str, details: &str, polled: bool) -> bool {
        match polled {
            true => failure.code() == code && failure.details().contains(details),
            false => {
                let text = failure.details();
                failure.code() == "sdk.1000" && text.contains(code) && text.contains(details)
            }
        }
    }
}

#[test]
fn python_writes_its_json_in_ascii_with_spaces() {
    let value = json!({"params": {"name": "ü😀", "list": [1, "a\"b"], "flag": true}});
    let written = r#"{"params": {"name": "\u00fc\ud83d\ude00", "list": [1, "a\"b"], "flag": true}}"#;
    assert_eq!(dumps(&value), written);
    assert_eq!(serde_json::from_str::<Value>(written).ok(), Some(value));
}
