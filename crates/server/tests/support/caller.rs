//! Callers: each kind sends its own headers, follows a 202 to the end, and answers what came of the call.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{self, Response};
use super::{sha512, until, uuid};

/// Whose headers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// curl: nothing but `Authorization` and a content type.
    Plain,
    /// The Java SDK: a fresh `X-Job-UUID` on every request, `X-JSON-Schema`, a lower-case `date`.
    Java,
    /// The Python SDK: a fresh `X-Job-UUID`, closes its connections, a `?` on every GET and DELETE.
    Python,
    /// The Go SDK: the session twice, any encoding, lengths on empty bodies.
    Go,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Java, Self::Python, Self::Go];
}

/// Somebody with a session, or without one.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The server.
    pub address: SocketAddr,
    /// Whose headers.
    pub kind: Kind,
    /// The session; empty for none.
    pub session: String,
}

/// What came of a call: the first status, and the last answer after any 202 was followed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status of the first response.
    pub first: u16,
    /// The last response.
    pub last: Response,
    /// The polled id, if there was a 202.
    pub job: Option<String>,
}

impl Answer {
    /// The JSON of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.last.status, 200, "{}", self.last.text());
        self.last.json()
    }

    /// The inventory of a success.
    #[track_caller]
    pub fn inventory(&self) -> Value {
        self.ok()["inventory"].clone()
    }

    /// Code and details of a failure.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        assert!(self.last.status >= 400, "no failure: {} {}", self.last.status, self.last.text());
        let error = &self.last.json()["error"];
        let text = |key: &str| error[key].as_str().unwrap_or_else(|| panic!("{key}: {error}")).to_owned();
        (text("code"), text("details"))
    }
}

impl Caller {
    /// Logs in with a password in clear.
    pub fn log_in(address: SocketAddr, kind: Kind, name: &str, password: &str) -> Self {
        let nobody = Self { address, kind, session: String::new() };
        let body = json!({"logInByAccount": {"accountName": name, "password": sha512(password)}});
        let session = nobody.put("/accounts/login", &body).inventory()["uuid"].as_str().map(str::to_owned);
        Self { session: session.expect("a session"), ..nobody }
    }

    /// The same with another session.
    pub fn with(&self, session: &str) -> Self {
        Self { session: session.to_owned(), ..self.clone() }
    }

    /// The same as another kind.
    pub fn as_kind(&self, kind: Kind) -> Self {
        Self { kind, ..self.clone() }
    }

    /// The headers of one request.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let json = |charset: &str| ("Content-Type", format!("application/json{charset}"));
        let mut headers = match self.kind {
            Kind::Plain => vec![json(";charset=UTF-8")],
            Kind::Java => vec![
                json("; charset=utf-8"),
                ("X-Job-UUID", uuid()),
                ("X-JSON-Schema", "true".to_owned()),
                ("date", "Tue, 14 Nov 2017 22:20:57 Asia/Shanghai".to_owned()),
                ("Accept-Encoding", "gzip".to_owned()),
                ("User-Agent", "okhttp/3.9.1".to_owned()),
            ],
            Kind::Python => vec![
                json(""),
                ("X-Job-UUID", uuid()),
                ("Accept-Encoding", "identity".to_owned()),
                ("User-Agent", "python-urllib3/1.24".to_owned()),
            ],
            Kind::Go => vec![
                json(""),
                ("X-Session-Id", self.session.clone()),
                ("Accept-Encoding", "*".to_owned()),
                ("Accept", "*/*".to_owned()),
            ],
        };
        if !self.session.is_empty() {
            headers.push(("Authorization", format!("OAuth {}", self.session)));
        }
        headers
    }

    /// One request with further headers; a 202 is not followed.
    pub fn once(&self, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Response {
        let own = self.headers();
        let replaced = |name: &str| more.iter().any(|(m, _)| m.eq_ignore_ascii_case(name));
        let mut headers: Vec<(&str, &str)> =
            own.iter().filter(|(n, _)| !replaced(n)).map(|(n, v)| (*n, v.as_str())).collect();
        headers.extend(more);
        let query = matches!(method, "GET" | "DELETE") && !path.contains('?');
        let mark = if query && self.kind == Kind::Python { "?" } else { "" };
        let path = if path.starts_with("/v1") || path.starts_with("/zstack") {
            format!("{path}{mark}")
        } else {
            format!("/zstack/v1{path}{mark}")
        };
        http::send(self.address, method, &path, &headers, body)
    }

    /// One request, followed to its end.
    pub fn call(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let first = self.once(method, path, &[], body);
        self.follow(first)
    }

    /// Polls until the answer is there.
    pub fn follow(&self, first: Response) -> Answer {
        self.follow_with(first, &[])
    }

    /// The same with further headers on each poll.
    pub fn follow_with(&self, first: Response, more: &[(&str, &str)]) -> Answer {
        if first.status != 202 {
            return Answer { first: first.status, last: first, job: None };
        }
        let location = first.json()["location"].as_str().expect("a location").to_owned();
        let job = location.rsplit('/').next().unwrap_or_default().to_owned();
        let prefix = format!("http://{}/zstack/v1/api-jobs/", self.address);
        assert_eq!(location, format!("{prefix}{job}"), "the location is absolute and literal");
        let last = until("the poll answers", || {
            let polled = self.once("GET", &format!("/api-jobs/{job}"), more, b"");
            if polled.status == 202 {
                assert_eq!(polled.text(), "{}");
                return None;
            }
            Some(polled)
        });
        Answer { first: 202, last, job: Some(job) }
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
