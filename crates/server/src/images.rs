//! Fetches images over http and https: the name is resolved, each address is checked against the rules of `egress.images`, the
//! one that is connected to is one that was checked, and the same at every redirect. Goes on in the middle where
//! the receiver proves that its bytes are still the same.

mod exchange;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body as HttpBody;
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HOST, HeaderMap,
    IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, USER_AGENT,
};
use axum::http::{Request, StatusCode, response};
use longhaul_jobs::images::{Body, Closed, Opened, Source};
use longhaul_model::{Fault, Runtime};

use crate::egress::Egress;
use crate::hooks::resolve::Resolver;
use crate::hooks::url::Target;
use exchange::{Answered, exchange};
pub use tls::Tls;

/// The setting with the rules.
pub const EGRESS_KEY: &str = "egress.images";
/// The setting with the directories that `file://` reads below.
pub const FILE_ROOTS_KEY: &str = "images.fileRoots";
/// The setting with certificates of authorities of one's own.
pub const CA_FILE_KEY: &str = "images.caFile";
/// Most of those directories.
pub const FILE_ROOTS_MAX: usize = 64;
/// Most redirects of one opening.
pub const REDIRECTS_MAX: usize = 5;
/// A name is resolved within this time.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// Fetches over http and https.
pub struct Web {
    egress: Egress,
    tls: Tls,
    own: SocketAddr,
    resolver: Resolver,
    runtime: Arc<dyn Runtime>,
}

impl Web {
    /// With the rules of `egress`, in a server that listens on `own`.
    pub fn new(egress: Egress, tls: Tls, own: SocketAddr, runtime: Arc<dyn Runtime>) -> Self {
        Self { egress, tls, own, resolver: Resolver::new(runtime.clone()), runtime }
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
        from: u64,
        validator: Option<&str>,
    ) -> Result<(response::Parts, Answered), Closed> {
        let addresses = self.allowed(target).await?;
        let mut request = Request::get(target.path_and_query())
            .header(HOST, target.authority())
            .header(USER_AGENT, concat!("longhaul/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity")
            .header(CONNECTION, "close");
        if let Some(value) = target.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        if let (true, Some(validator)) = (from > 0, validator) {
            request = request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, validator);
        }
        let request = request.body(HttpBody::empty());
        let request = request.map_err(|error| refused(format!("{target} cannot be asked: {error}")))?;
        exchange(target, &addresses, &self.tls, request, &*self.runtime).await
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
            let target = Target::of_download(&next)
                .map_err(|why| refused(format!("the url cannot be fetched: {why}")))?;
            let (head, body) = self.ask(&target, from, validator).await?;
            if head.status.is_redirection() {
                let to = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
                let to = to.and_then(|to| target.join(to));
                next = to.ok_or_else(|| refused(format!("{target} redirects to nowhere")))?;
                continue;
            }
            return opened(&target, &head, body, from);
        }
        Err(refused(format!("the url redirects more than {REDIRECTS_MAX} times")))
    }
}

/// What an answer comes to.
fn opened(target: &Target, head: &response::Parts, body: Answered, from: u64) -> Result<Opened, Closed> {
    let (status, headers) = (head.status, &head.headers);
    let validator = validator(headers);
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(content_range);
    let (from, total) = match (status, range) {
        (StatusCode::OK, _) => (0, content_length(headers)),
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
    Ok(Opened { from, total, validator, body: Box::new(body) })
}

/// What tells these bytes from others: a strong entity tag, else the date of the last change.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
        let headers = |pairs: &[(axum::http::HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
        };
        let date = "Tue, 14 Nov 2017 10:20:57 GMT";
        assert_eq!(validator(&headers(&[(ETAG, "\"a\""), (LAST_MODIFIED, date)])).as_deref(), Some("\"a\""));
        assert_eq!(validator(&headers(&[(ETAG, "W/\"a\""), (LAST_MODIFIED, date)])).as_deref(), Some(date));
        assert_eq!(validator(&headers(&[(ETAG, "W/\"a\"")])), None);
    }
}
