//! The HTTP client: one call in, its result out. A plain caller: no SDK headers, so that an asynchronous API
//! answers at once when it can; where it answers 202, the result is polled for. Which calls there are is the
//! command groups' business.

mod location;
mod repeat;

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::error::{ClientError, LOST, NO_SESSION, POLL_TIMEOUT, UNREACHABLE};
use crate::pause::{Growing, moment, pause};
use location::poll_path;

/// How long one request may take unless told otherwise. The server answers 202 after 2 s.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a poll goes on while the server can not be reached.
const POLL_AWAY: Duration = Duration::from_secs(30);
/// Poll time if the 202 names none: the API's own default.
const API_TIMEOUT_MS: u64 = 1_800_000;
/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 256 << 20;

/// A server, and who we are to it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
    timeout: Duration,
}

impl Client {
    /// A client of the server at `base` (`http://127.0.0.1:8080`); `token` is a session's uuid.
    ///
    /// # Errors
    /// `base` is no http URL.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, ClientError> {
        Self::with_timeout(base, token, REQUEST_TIMEOUT)
    }

    /// The same, with another time for one request.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_timeout(base: &str, token: Option<String>, timeout: Duration) -> Result<Self, ClientError> {
        let base = location::base(base)?;
        // A management node is reached directly; and a session never follows a redirect to somewhere else.
        let http = reqwest::Client::builder()
            .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|e| ClientError::local(format!("no HTTP client can be made: {e}")))?;
        Ok(Self { http, base, token, timeout })
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The session that calls are made with.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Makes calls with this session from now on.
    pub fn set_token(&mut self, token: Option<String>) {
        self.token = token;
    }

    /// GET `path` (its segments after `/v1`) with these query parameters.
    ///
    /// # Errors
    /// What the server answered, or that it did not.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ClientError> {
        self.call(Method::GET, path, query, None).await
    }

    /// POST `body` (`{"params":{…}}`, tags beside it) to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Value, ClientError> {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// PUT the action `key` with `params` to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn action(&self, path: &[&str], key: &str, params: &Value) -> Result<Value, ClientError> {
        self.call(Method::PUT, path, &[], Some(&json!({ key: params }))).await
    }

    /// DELETE `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, path: &[&str]) -> Result<Value, ClientError> {
        self.call(Method::DELETE, path, &[], None).await
    }

    /// The inventories that a query answers.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn list(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<Value>, ClientError> {
        inventories(self.get(path, query).await?)
    }

    /// Any call.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let url = self.url(path, query);
        let (status, text) = self.send(method, url, body).await?;
        match status {
            202 => self.poll(&answer(&text)?).await,
            200..300 => answer(&text),
            _ => Err(ClientError::of_answer(status, &text)),
        }
    }

    /// The error if nobody is logged in, before a call is made that needs it.
    ///
    /// # Errors
    /// Nobody is logged in.
    pub fn need_session(&self) -> Result<(), ClientError> {
        match self.token {
            Some(_) => Ok(()),
            None => Err(ClientError::new(
                NO_SESSION,
                "Nobody is logged in",
                format!("there is no session for {}", self.base()),
            )),
        }
    }

    async fn poll(&self, accepted: &Value) -> Result<Value, ClientError> {
        let location = accepted["location"].as_str().unwrap_or_default();
        let uuid = poll_path(location)?;
        let timeout = Duration::from_millis(accepted["apiTimeout"].as_u64().unwrap_or(API_TIMEOUT_MS));
        let (began, mut reached) = (moment(), moment());
        let mut pauses = Growing::new(Duration::from_millis(50), Duration::from_secs(1));
        loop {
            pause(pauses.step()).await;
            match self.send(Method::GET, self.url(&["api-jobs", uuid], &[]), None).await {
                Ok((202, _)) => reached = moment(),
                Ok((200, text)) => return answer(&text),
                Ok((status, text)) => return Err(ClientError::of_answer(status, &text)),
                Err(error) if !error.is_transient() || reached.elapsed() > POLL_AWAY => return Err(error),
                Err(_) => {}
            }
            if began.elapsed() > timeout {
                let details = format!("the call {uuid} is still being worked on");
                return Err(ClientError::new(POLL_TIMEOUT, "A call did not end within its time", details));
            }
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["zstack", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<(u16, String), ClientError> {
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("OAuth {token}"));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|e| self.away(&e))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.away(&e))? {
            if bytes.len() + chunk.len() > ANSWER_MAX_BYTES {
                return Err(ClientError::bad_answer(format!("it is longer than {ANSWER_MAX_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The address is told, never the path: it may hold a session.
    fn away(&self, error: &reqwest::Error) -> ClientError {
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        let base = self.base();
        if error.is_connect() {
            let details = format!("no connection to {base}: {reason}");
            ClientError::new(UNREACHABLE, "The server can not be reached", details)
        } else if error.is_timeout() {
            ClientError::new(LOST, "The server does not answer", format!("no answer from {base} in time"))
        } else {
            let details = format!("the connection to {base} broke: {reason}");
            ClientError::new(LOST, "The connection to the server is lost", details)
        }
    }
}

fn answer(text: &str) -> Result<Value, ClientError> {
    let value: Value = match text.trim() {
        "" => json!({}),
        text => serde_json::from_str(text).map_err(|e| {
            ClientError::bad_answer(format!("it is no JSON ({e}); is this a Longhaul server?"))
        })?,
    };
    // Errors may come in any status.
    match value.get("error").filter(|e| e.is_object()) {
        Some(error) => Err(ClientError::of_object(error)),
        None => Ok(value),
    }
}

/// The rows of `{"inventories":[…]}`.
pub(crate) fn inventories(mut answer: Value) -> Result<Vec<Value>, ClientError> {
    match answer.get_mut("inventories").map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(ClientError::bad_answer("it has no inventories; is this a Longhaul server?")),
    }
}

/// The object of `{"inventory":{…}}`.
pub(crate) fn inventory(mut answer: Value) -> Result<Value, ClientError> {
    match answer.get_mut("inventory").map(Value::take) {
        Some(Value::Object(object)) => Ok(Value::Object(object)),
        _ => Err(ClientError::bad_answer("it has no inventory; is this a Longhaul server?")),
    }
}
