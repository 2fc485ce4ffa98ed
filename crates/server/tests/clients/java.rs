//! The Java SDK: OkHttp on a kept connection, a fresh `X-Job-UUID` on every request, the schema always asked
//! for, tags inside the wrapper; a 202 is followed to a location that is rewritten to the configured server.
//! What it makes of an answer is in `java_answer`.
//!
//! Source: rest-api.md 2.1, 3.3, 3.6, 5.5, 7.1.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::actions::{self, Action};
use crate::java_answer::JavaAnswer;
use crate::model::{Client, Failure, Job, Page, Query, Seen, poll};
use crate::support::http::Response;
use crate::support::{Signer, sha512, uuid};
use crate::wire::{Wire, escaped, split};

/// OkHttp's default deadline of a read.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// The SDK's default limit of a call.
const POLL_WITHIN_S: u64 = 3 * 3600;
/// What OkHttp leaves unescaped in a query.
const PLAIN: &str = "-._~*!$'(),/:;?@";

/// A configured SDK.
pub struct Java {
    wire: Wire,
    /// `host:port` as configured.
    pub host: String,
    /// The `Host` header where a proxy writes another one.
    pub proxied_host: Option<String>,
    /// `/zstack`, or nothing where the program did not set a context path.
    pub context: &'static str,
    /// The session of the actions.
    pub session: Option<String>,
    /// The access key of the actions, in the place of a session.
    pub key: Option<Signer>,
    /// `X-API-Timeout` in seconds, if configured.
    pub api_timeout_s: Option<u64>,
    /// Further headers of every request.
    pub more: Vec<(&'static str, String)>,
    /// The zone of the JVM.
    pub zone: TimeZone,
}

impl Java {
    /// Configured for `address`, without a session.
    pub fn new(address: SocketAddr, zone: TimeZone) -> Self {
        Self {
            wire: Wire::new(address, READ_WITHIN),
            host: address.to_string(),
            proxied_host: None,
            context: "/zstack",
            session: None,
            key: None,
            api_timeout_s: None,
            more: Vec::new(),
            zone,
        }
    }

    /// The same, logged in; the user gives the hash of the password.
    pub fn logged_in(address: SocketAddr, zone: TimeZone, name: &str, password: &str) -> Self {
        let mut java = Self::new(address, zone);
        let fields = json!({"accountName": name, "password": sha512(password)});
        let answer = java.call(&actions::LOG_IN, &fields).expect("a login");
        java.session = answer.single()["uuid"].as_str().map(str::to_owned);
        java
    }

    /// What was sent so far.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// `action.call()`.
    pub fn call(&self, action: &Action, fields: &Value) -> Seen<JavaAnswer> {
        let response = self.first(action, fields)?;
        match response.status {
            200 => JavaAnswer::read(&response.text()),
            202 if action.poll => self.follow(&response),
            202 => Err(Failure::Crash("a call that is no asynchronous one was accepted with 202".to_owned())),
            status if (200..300).contains(&status) => {
                Err(Failure::Crash(format!("unknown status code: {status}")))
            }
            status => Err(Failure::status(status, &response.text())),
        }
    }

    /// `action.call(completion)`: the completion is called by the poll loop only, or with an error at once.
    pub fn call_with_completion(&self, action: &Action, fields: &Value) -> Seen<JavaAnswer> {
        let response = self.first(action, fields)?;
        match response.status {
            200 => Err(Failure::Never),
            202 => self.follow(&response),
            status => Err(Failure::status(status, &response.text())),
        }
    }

    /// The location of the 202 to a call, as it stands in the answer.
    pub fn accepted(&self, action: &Action, fields: &Value) -> String {
        let response = self.first(action, fields).expect("an answer");
        assert_eq!(response.status, 202, "{}", response.text());
        response.json()["location"].as_str().expect("a location").to_owned()
    }

    fn first(&self, action: &Action, fields: &Value) -> Seen<Response> {
        let mut fields = fields.as_object().expect("fields").clone();
        let variable = action.variable().and_then(|name| fields.remove(name));
        let path = action.path_with(variable.as_ref().and_then(Value::as_str).unwrap_or_default());
        let mut target = format!("{}/v1{path}", self.context);
        let mut headers = self.headers(action.session);
        if let Some(key) = self.key.as_ref().filter(|_| action.session) {
            let date = key.date(0);
            headers.push(("Authorization", key.authorization(action.method, &date, &path)));
            headers.push(("date", date));
        }
        headers.push(("X-Job-UUID", uuid()));
        if let Some(seconds) = self.api_timeout_s {
            headers.push(("X-API-Timeout", seconds.to_string()));
        }
        let body = if matches!(action.method, "GET" | "DELETE") {
            let pairs: Vec<String> = fields.iter().flat_map(|(name, value)| pairs(name, value)).collect();
            if !pairs.is_empty() {
                target = format!("{target}?{}", pairs.join("&"));
            }
            if action.method == "DELETE" {
                headers.push(("Content-Length", "0".to_owned()));
            }
            String::new()
        } else {
            let body = json!({ (action.wrapper): fields }).to_string();
            headers.push(("Content-Type", "application/json; charset=utf-8".to_owned()));
            headers.push(("Content-Length", body.len().to_string()));
            body
        };
        self.wire.send(action.method, &target, &headers, &body)
    }

    fn headers(&self, session: bool) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Host", self.proxied_host.as_ref().unwrap_or(&self.host).clone()),
            ("Connection", "Keep-Alive".to_owned()),
            ("Accept-Encoding", "gzip".to_owned()),
            ("User-Agent", "okhttp/3.9.1".to_owned()),
            ("X-JSON-Schema", "true".to_owned()),
        ];
        if let Some(session) = self.session.as_ref().filter(|_| session) {
            headers.push(("Authorization", format!("OAuth {session}")));
        }
        headers.extend(self.more.iter().cloned());
        headers
    }

    fn follow(&self, accepted: &Response) -> Seen<JavaAnswer> {
        let location = accepted.json()["location"].as_str().map(str::to_owned);
        let location = location.ok_or_else(|| Failure::Crash("no location in the 202".to_owned()))?;
        self.poll_at(&location)
    }

    /// The poll loop from a location on, as far as the server said it.
    pub fn poll_at(&self, location: &str) -> Seen<JavaAnswer> {
        let location = self.rewritten(location)?;
        let (host, target) = split(&location).ok_or_else(|| Failure::Crash("no URL".to_owned()))?;
        if host != self.host {
            return Err(Failure::Crash(format!("cannot connect to {host}")));
        }
        let mut headers = self.headers(false);
        let session = self.session.as_deref().unwrap_or("null");
        headers.push(("Authorization", format!("OAuth {session}")));
        poll(POLL_WITHIN_S, || {
            let polled = match self.wire.send("GET", target, &headers, "") {
                Ok(polled) => polled,
                Err(failure) => return Some(Err(failure)),
            };
            match polled.status {
                202 => None,
                200 => Some(JavaAnswer::read(&polled.text())),
                503 => Some(JavaAnswer::read(&polled.text()).and_then(JavaAnswer::error)),
                status => Some(Err(Failure::status(status, &polled.text()))),
            }
        })
    }

    /// A location of another host is taken to the configured one.
    pub fn rewritten(&self, location: &str) -> Seen<String> {
        const LITERAL: &str = "/zstack/v1/api-jobs";
        if location.contains(&self.host) {
            return Ok(location.to_owned());
        }
        match location.split_once(LITERAL) {
            Some((_, rest)) => Ok(format!("http://{}{LITERAL}{rest}", self.host)),
            None => Err(Failure::Crash("array index 1 out of bounds for length 1".to_owned())),
        }
    }

    fn job(&self, action: &Action, fields: &Value) -> Seen<Job> {
        self.call(action, fields)?.job(&self.zone)
    }

    fn nothing(&self, action: &Action, uuid: &str) -> Seen<()> {
        self.call(action, &json!({ "uuid": uuid })).map(|_| ())
    }
}

/// `name=value` for each value, escaped as OkHttp does.
fn pairs(name: &str, value: &Value) -> Vec<String> {
    let pair = |value: &Value| match value {
        Value::String(text) => format!("{name}={}", escaped(text, PLAIN)),
        other => format!("{name}={other}"),
    };
    match value {
        Value::Array(list) => list.iter().map(pair).collect(),
        one => vec![pair(one)],
    }
}

impl Client for Java {
    fn name(&self) -> &'static str {
        "the Java SDK"
    }

    fn submit(&self, fields: &Value) -> Seen<Job> {
        self.job(&actions::SUBMIT, fields)
    }

    fn query(&self, query: &Query) -> Seen<Page> {
        let mut fields = json!({ "q": query.conditions });
        for (name, value) in &query.more {
            fields[*name] = json!(value);
        }
        let answer = self.call(&actions::QUERY, &fields)?;
        let count = query.more.iter().any(|(name, value)| *name == "count" && value == "true");
        let jobs = if count { Vec::new() } else { answer.jobs(&self.zone)? };
        Ok(Page { jobs, total: answer.total() })
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
        self.call(&actions::PROGRESS, &json!({ "apiId": api_id }))?.progress()
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
