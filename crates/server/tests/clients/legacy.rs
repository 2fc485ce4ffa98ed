//! The clients of the legacy entry `/zstack/api`: apibinding (with zstack-cli on it) and the MCP servers. A
//! message is a class with its fields, the session inside; every outcome is 200, and what came of it is JSON
//! inside of a JSON text.
//!
//! Source: rest-api.md 7.4, section 9.

use std::cell::RefCell;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::model::{Failure, Seen, poll};
use crate::support::http::{self, Response};
use crate::support::sha512;

/// apibinding gives a call 30 minutes.
const BINDING_WITHIN_S: u64 = 1800;
/// The MCP servers ask 300 times, 1 s apart.
const MCP_WITHIN_S: u64 = 300;

pub const SUBMIT: &str = "org.zstack.header.longjob.APISubmitLongJobMsg";
pub const QUERY: &str = "org.zstack.header.longjob.APIQueryLongJobMsg";
pub const DELETE: &str = "org.zstack.header.longjob.APIDeleteLongJobMsg";
pub const CANCEL: &str = "org.zstack.header.longjob.APICancelLongJobMsg";
pub const UPDATE: &str = "org.zstack.header.longjob.APIUpdateLongJobMsg";
pub const PROGRESS: &str = "org.zstack.header.core.progress.APIGetTaskProgressMsg";
pub const LOG_IN: &str = "org.zstack.header.identity.APILogInByAccountMsg";
pub const LOG_OUT: &str = "org.zstack.header.identity.APILogOutMsg";

/// One message as it is posted; the answer as it came.
pub fn post(address: SocketAddr, path: &str, class: &str, fields: &Value) -> Response {
    let body = json!({ class: fields }).to_string();
    http::send(address, "POST", path, &[("Content-Type", "application/json")], body.as_bytes())
}

/// The only object in a result text: its class and itself.
fn unwrapped(result: &Value) -> Seen<(String, Value)> {
    let crash = |why: &str| Failure::Crash(format!("{why}: {result}"));
    let text = result.as_str().ok_or_else(|| crash("the result is no text"))?;
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| crash("no JSON inside"))?;
    match object.into_iter().collect::<Vec<_>>().as_slice() {
        [(class, value)] => Ok((class.clone(), value.clone())),
        _ => Err(crash("not one key")),
    }
}

/// apibinding: the class of the message says nothing about how long it takes; the state does.
pub struct Binding {
    address: SocketAddr,
    /// The session, put into every message by the program.
    pub session: Option<String>,
}

impl Binding {
    /// Without a session.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, session: None }
    }

    /// The same, logged in.
    pub fn logged_in(address: SocketAddr, name: &str, password: &str) -> Self {
        let mut binding = Self::new(address);
        let fields = json!({"accountName": name, "password": sha512(password)});
        let reply = binding.call(LOG_IN, &fields).expect("a login");
        binding.session = reply["inventory"]["uuid"].as_str().map(str::to_owned);
        binding
    }

    /// The object of the answer, if it says `success`.
    ///
    /// # Errors
    /// Its error; a crash for everything that is no answer.
    pub fn call(&self, class: &str, fields: &Value) -> Seen<Value> {
        let mut fields = fields.clone();
        fields["timeout"] = json!(1_800_000);
        if let Some(session) = &self.session {
            fields["session"] = json!({ "uuid": session });
        }
        let mut answer = taken(&post(self.address, "/zstack/api/", class, &fields))?;
        if answer["state"] != "Done" {
            let id = answer["uuid"].as_str().ok_or_else(|| Failure::Crash(format!("KeyError: {answer}")))?;
            let path = format!("/zstack/api/result/{id}");
            answer = poll(BINDING_WITHIN_S, || {
                let polled = taken(&http::send(self.address, "GET", &path, &[], b""));
                polled.map_or_else(|e| Some(Err(e)), |a| (a["state"] == "Done").then_some(Ok(a)))
            })?;
        }
        let (_, object) = unwrapped(&answer["result"])?;
        match object.get("success") {
            Some(Value::Bool(true)) => Ok(object),
            Some(Value::Bool(false)) => Err(Failure::of(&object["error"])),
            other => Err(Failure::Crash(format!("AttributeError: success is {other:?}"))),
        }
    }
}

/// What apibinding takes for an answer: 200 with a JSON object.
fn taken(response: &Response) -> Seen<Value> {
    if response.status != 200 {
        return Err(Failure::Crash(format!("HTTP {}: {}", response.status, response.text())));
    }
    serde_json::from_slice(&response.body)
        .map_err(|_| Failure::Crash(format!("no JSON: {}", response.text())))
}

/// An MCP server's client: logs in by itself, and once more when the session is said to be invalid.
pub struct Mcp {
    address: SocketAddr,
    name: String,
    password: String,
    /// The session in use.
    pub session: RefCell<Option<String>>,
    /// Logins so far.
    pub logins: RefCell<u32>,
}

impl Mcp {
    /// For an account; it logs in at the first call.
    pub fn new(address: SocketAddr, name: &str, password: &str) -> Self {
        let (session, logins) = (RefCell::default(), RefCell::default());
        Self { address, name: name.to_owned(), password: password.to_owned(), session, logins }
    }

    /// A call with a session; after ID.1001 with a fresh one, once.
    ///
    /// # Errors
    /// The error of the answer; a crash for a transport failure.
    pub fn call(&self, class: &str, fields: &Value) -> Seen<Value> {
        if self.session.borrow().is_none() {
            self.log_in()?;
        }
        match self.once(class, fields) {
            Err(failure) if failure.code() == "ID.1001" => {
                self.log_in()?;
                self.once(class, fields)
            }
            seen => seen,
        }
    }

    /// Best effort, when the program ends.
    pub fn log_out(&self) -> Seen<Value> {
        let session = self.session.borrow().clone();
        self.once(LOG_OUT, &json!({ "sessionUuid": session }))
    }

    fn log_in(&self) -> Seen<()> {
        *self.session.borrow_mut() = None;
        let fields = json!({"accountName": self.name, "password": sha512(&self.password)});
        let reply = self.once(LOG_IN, &fields)?;
        *self.session.borrow_mut() = reply["inventory"]["uuid"].as_str().map(str::to_owned);
        *self.logins.borrow_mut() += 1;
        Ok(())
    }

    fn once(&self, class: &str, fields: &Value) -> Seen<Value> {
        let mut fields = fields.clone();
        if let Some(session) = &*self.session.borrow() {
            fields["session"] = json!({ "uuid": session });
        }
        let first = self.transported(&post(self.address, "/zstack/api", class, &fields))?;
        let state = first["state"].as_str().unwrap_or_default().to_owned();
        if state == "Done" || state == "Error" {
            return decoded(&first);
        }
        let id = first["uuid"].as_str().unwrap_or_default();
        let path = match first["location"].as_str() {
            Some(location) => location.trim_start_matches(&format!("http://{}", self.address)).to_owned(),
            None => format!("/zstack/api/result/{id}"),
        };
        poll(MCP_WITHIN_S, || {
            let polled = self.transported(&http::send(self.address, "GET", &path, &[], b""));
            match polled {
                Err(failure) => Some(Err(failure)),
                Ok(answer) => (answer["state"] == "Done").then(|| decoded(&answer)),
            }
        })
    }

    fn transported(&self, response: &Response) -> Seen<Value> {
        if response.status >= 400 {
            return Err(Failure::Crash(format!("transport: HTTP {}", response.status)));
        }
        taken(response)
    }
}

/// The object inside, whose error or lack of success is a failure.
fn decoded(answer: &Value) -> Seen<Value> {
    if answer.get("error").is_some() || answer["state"] == "Error" {
        return Err(Failure::of(&answer["error"]));
    }
    let (_, object) = unwrapped(&answer["result"])?;
    match object.get("error") {
        None if object["success"] != false => Ok(object),
        error => Err(Failure::of(error.unwrap_or(&Value::Null))),
    }
}
