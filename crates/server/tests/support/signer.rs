//! Callers that sign with an access key, each as its SDK does: the form of the date, the headers beside it,
//! and what they send with a poll.
//!
//! Source: rest-api.md 2.1, 3.6 (row "Authorization on polls").

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::caller::{Answer, Caller, Kind};
use super::http::Response;

/// A caller with an access key in the place of a session.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Whose headers; its session is empty.
    pub caller: Caller,
    /// The key's uuid.
    pub uuid: String,
    /// What requests name the key by.
    pub access_id: String,
    /// What signs.
    pub secret: String,
}

impl Signer {
    /// A new key of `owner`, in the hands of the same kind of caller.
    pub fn of(owner: &Caller) -> Self {
        let key = owner.post("/accesskeys", &json!({"params": {}})).inventory();
        let text = |name: &str| key[name].as_str().unwrap_or_else(|| panic!("{name}: {key}")).to_owned();
        Self {
            caller: owner.with(""),
            uuid: text("uuid"),
            access_id: text("AccessKeyID"),
            secret: text("AccessKeySecret"),
        }
    }

    /// The same key in the hands of another kind.
    pub fn as_kind(&self, kind: Kind) -> Self {
        Self { caller: self.caller.as_kind(kind), ..self.clone() }
    }

    /// `Date` as this kind writes it, `later_s` seconds from now.
    pub fn date(&self, later_s: i64) -> String {
        let now = self.caller.with("").put("/management-nodes/actions", &json!({"getCurrentTime": {}})).ok();
        let now_s = now["currentTime"]["Seconds"].as_i64().expect("seconds");
        let moment = Timestamp::from_second(now_s + later_s).expect("a moment");
        let (zone, name) = match self.caller.kind {
            Kind::Java => ("Asia/Shanghai", "Asia/Shanghai"),
            Kind::Python => ("Asia/Shanghai", "CST"),
            Kind::Go => ("Asia/Yangon", "MMT"),
            Kind::Plain => ("UTC", "GMT"),
        };
        let there = moment.in_tz(zone).expect("a known zone");
        format!("{} {name}", there.strftime("%a, %d %b %Y %H:%M:%S"))
    }

    /// The `Authorization` header of a request to `path`, which may have its query string still.
    pub fn authorization(&self, method: &str, date: &str, path: &str) -> String {
        let path = path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/zstack").unwrap_or(path);
        let path = if path.starts_with("/v1") { path.to_owned() } else { format!("/v1{path}") };
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(self.secret.as_bytes()).expect("any length");
        mac.update(format!("{method}\n{date}\n{path}").as_bytes());
        let signature = Base64::encode_string(&mac.finalize().into_bytes());
        format!("ZStack {}:{signature}", self.access_id)
    }

    /// One signed request with further headers; a 202 is not followed.
    pub fn once(&self, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Response {
        let date = self.date(0);
        let authorization = self.authorization(method, &date, path);
        let own = [("Authorization", authorization.as_str()), ("Date", date.as_str())];
        self.caller.once(method, path, &[&own[..], more].concat(), body)
    }

    /// One signed request, followed to its end with what this kind sends to a poll: Java and Python a session
    /// that is none, Go the signature of the first request.
    pub fn call(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let date = self.date(0);
        let authorization = self.authorization(method, &date, path);
        let own = [("Authorization", authorization.as_str()), ("Date", date.as_str())];
        let first = self.caller.once(method, path, &own, body);
        match self.caller.kind {
            Kind::Java => self.caller.with("null").follow(first),
            Kind::Python => self.caller.with("None").follow(first),
            Kind::Go => self.caller.follow_with(first, &own),
            Kind::Plain => self.caller.follow(first),
        }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, b"")
    }

    /// POST.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, body.to_string().as_bytes())
    }

    /// PUT.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, body.to_string().as_bytes())
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, b"")
    }
}
