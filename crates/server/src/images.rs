//! Fetches images over HTTP: the name is resolved, each address is checked against the rules of `egress.images`, the
//! one that is connected to is one that was checked, and the same at every redirect. Goes on in the middle where
//! the receiver proves that its bytes are still the same.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use longhaul_jobs::images::{Body, Closed, Opened, Source};
use longhaul_model::{Fault, Runtime};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
    USER_AGENT,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use crate::egress::Egress;
use crate::hooks::post::within;
use crate::hooks::resolve::Resolver;
use crate::hooks::url::Target;

/// The setting with the rules.
pub const EGRESS_KEY: &str = "egress.images";
/// The setting with the directories that `file://` reads below.
pub const FILE_ROOTS_KEY: &str = "images.fileRoots";
/// Most of those directories.
pub const FILE_ROOTS_MAX: usize = 64;
/// Most redirects of one opening.
pub const REDIRECTS_MAX: usize = 5;
/// A name is resolved within this time.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);
/// An address is connected to within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The head of an answer comes within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// Fetches over HTTP.
pub struct Web {
    egress: Egress,
    own: SocketAddr,
    resolver: Resolver,
    runtime: Arc<dyn Runtime>,
}

impl Web {
    /// With the rules of `egress`, in a server that listens on `own`.
    pub fn new(egress: Egress, own: SocketAddr, runtime: Arc<dyn Runtime>) -> Self {
        Self { egress, own, resolver: Resolver::new(runtime.clone()), runtime }
    }

    /// The addresses of the URL's host that may be connected to.
    async fn allowed(&self, target: &Target) -> Result<Vec<SocketAddr>, Closed> {
        let found = self.resolver.resolve(target, RESOLVE_WITHIN).await.map_err(Closed::Broke)?;
        let (mut open, mut refusal) = (Vec::new(), None);
        for address in found {
            match self.egress.check(target.host(), address, self.own) {
                Ok(()) => open.push(address),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        match refusal {
            Some(why) if open.is_empty() => {
                Err(Closed::Refused(Fault::failed(format!("{target} must not be fetched from: {why}"))))
            }
            _ => Ok(open),
        }
    }

    /// One request, no redirect.
    async fn ask(
        &self,
        target: &Target,
        url: &Url,
        from: u64,
        validator: Option<&str>,
    ) -> Result<Response, Closed> {
        let addresses = self.allowed(target).await?;
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(CONNECT_WITHIN)
            .resolve_to_addrs(target.host(), &addresses)
            .build()
            .map_err(|error| Closed::Refused(Fault::internal(format!("no client: {error}"))))?;
        let mut bare = url.clone();
        // What they say is in the header, never in an error's text.
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        let mut request = client
            .get(bare)
            .header(USER_AGENT, concat!("longhaul/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity");
        if let Some(value) = target.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        if let (true, Some(validator)) = (from > 0, validator) {
            request = request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, validator);
        }
        match within(HEAD_WITHIN, request.send(), &*self.runtime).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(Closed::Broke(format!("{target} broke off: {}", error.without_url()))),
            None => Err(Closed::Broke(format!("{target} did not answer within {} s", HEAD_WITHIN.as_secs()))),
        }
    }
}

fn refused(details: String) -> Closed {
    Closed::Refused(Fault::failed(details))
}

#[async_trait]
impl Source for Web {
    async fn open(&self, url: &str, from: u64, validator: Option<&str>) -> Result<Opened, Closed> {
        let mut next = url.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let target =
                Target::parse(&next).map_err(|why| refused(format!("the url cannot be fetched: {why}")))?;
            let at = Url::parse(&next).map_err(|why| refused(format!("the url cannot be fetched: {why}")))?;
            let answer = self.ask(&target, &at, from, validator).await?;
            let status = answer.status();
            if status.is_redirection() {
                let to = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let to = to.and_then(|to| at.join(to).ok());
                next = to.ok_or_else(|| refused(format!("{target} redirects to nowhere")))?.into();
                continue;
            }
            return opened(&target, answer, from);
        }
        Err(refused(format!("the url redirects more than {REDIRECTS_MAX} times")))
    }
}

/// What an answer comes to.
fn opened(target: &Target, answer: Response, from: u64) -> Result<Opened, Closed> {
    let (status, headers) = (answer.status(), answer.headers());
    let validator = validator(headers);
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(content_range);
    let (from, total) = match (status, range) {
        (StatusCode::OK, _) => (0, answer.content_length()),
        (StatusCode::PARTIAL_CONTENT, Some((Some(start), total))) if start == from => (from, total),
        // All of it came before; nothing is left to send.
        (StatusCode::RANGE_NOT_SATISFIABLE, Some((None, Some(total)))) if total == from => {
            return Ok(Opened { from, total: Some(total), validator, body: Box::new(Nothing) });
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Closed::Broke(format!("{target} answered {}", status.as_u16())));
        }
        _ => return Err(refused(format!("{target} answered {}; correct the url", status.as_u16()))),
    };
    Ok(Opened { from, total, validator, body: Box::new(Answered(answer)) })
}

/// What tells these bytes from others: a strong entity tag, else the date of the last change.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// Start and whole length of `bytes 5-9/10`, `bytes 5-9/*`, `bytes */10`.
fn content_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = match range {
        "*" => None,
        range => Some(range.split_once('-')?.0.parse().ok()?),
    };
    Some((start, total.parse().ok()))
}

struct Answered(Response);

#[async_trait]
impl Body for Answered {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let chunk = self.0.chunk().await.map_err(|error| error.without_url().to_string())?;
            match chunk {
                Some(bytes) if bytes.is_empty() => {}
                other => return Ok(other.map(|bytes| bytes.to_vec())),
            }
        }
    }
}

struct Nothing;

#[async_trait]
impl Body for Nothing {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_says_where_it_begins_and_how_much_there_is() {
        assert_eq!(content_range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(content_range("bytes */10"), Some((None, Some(10))));
        for wrong in ["", "bytes", "bytes 5/10", "items 5-9/10", "bytes x-9/10"] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_weak_tag_proves_nothing() {
        let headers = |pairs: &[(reqwest::header::HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
        };
        let date = "Tue, 14 Nov 2017 10:20:57 GMT";
        assert_eq!(validator(&headers(&[(ETAG, "\"a\""), (LAST_MODIFIED, date)])).as_deref(), Some("\"a\""));
        assert_eq!(validator(&headers(&[(ETAG, "W/\"a\""), (LAST_MODIFIED, date)])).as_deref(), Some(date));
        assert_eq!(validator(&headers(&[(ETAG, "W/\"a\"")])), None);
    }
}
