//! Fetches images over http and https: the name is resolved, each address is checked against the rules of `egress.images`, the
//! one that is connected to is one that was checked, and the same at every redirect. Goes on in the middle where
//! the receiver proves that its bytes are still the same: `answer` reads what it says.

mod answer;
mod exchange;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body as HttpBody;
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, HOST, IF_RANGE, LOCATION, RANGE, USER_AGENT,
};
use axum::http::{Request, response};
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
            let told = answer::read(&target, &head, from, validator)?;
            let body: Box<dyn Body> = if told.empty { Box::new(Nothing) } else { Box::new(body) };
            return Ok(Opened { from: told.from, total: told.total, validator: told.validator, body });
        }
        Err(refused(format!("the url redirects more than {REDIRECTS_MAX} times")))
    }
}

/// The body of an answer that has none for us.
struct Nothing;

#[async_trait]
impl Body for Nothing {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}
