//! The receiving side of uploads over HTTP: `/upload/{token}`, with ZStack's slices and with tus 1.0 on the same
//! upload. Bodies are streamed: a connection holds about 2 MiB of one, however large it is. What was received,
//! and what of it counts, is in `longhaul_jobs::upload`; which upload a token is of, in `Find`.
//!
//! Where to go: `slices` and `tus` are the two protocols; `body` brings a body into a slice; `multipart` finds
//! the bytes in a form; `places` bounds who sends at a time; `token` makes and checks tokens; `answer` spells refusals.

#![allow(
    clippy::disallowed_methods,
    reason = "sockets are the edge: a body that does not come is waited for in real time"
)]

mod answer;
mod body;
mod find;
mod multipart;
mod places;
mod slices;
mod token;
mod tus;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::any;
use longhaul_jobs::upload::{Table, Upload};
use longhaul_model::{AccountId, Code, Fault, JobId};

pub use find::{is_upload, of_app, received, show, url};
use places::Places;
pub use token::Tokens;

/// What a token leads to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The job that wants the bytes.
    pub job: JobId,
    /// Whose it is.
    pub account: AccountId,
    /// The image that they become, in 32 hexadecimal digits.
    pub image: String,
    /// Where it stands.
    pub stage: Stage,
}

/// Where an upload stands.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Its attempt runs and takes bytes.
    Open(Arc<Upload>),
    /// Its attempt runs on another node, which takes it at this URL.
    Elsewhere(String),
    /// An attempt is about to begin.
    Soon,
    /// Its job is suspended; so much was received.
    Paused {
        /// The first missing byte.
        offset: u64,
        /// The size, if it is known.
        size: Option<u64>,
    },
    /// It is over and was taken; it had so many bytes.
    Done(u64),
}

/// Knows which upload a token is of.
#[async_trait]
pub trait Find: Send + Sync {
    /// The upload of this token; `None` for a wrong one, and for one whose job failed, was canceled or deleted.
    ///
    /// # Errors
    /// It cannot be told now.
    async fn find(&self, token: &str) -> Result<Option<Target>, Fault>;

    /// Gives the upload up: its job is canceled.
    ///
    /// # Errors
    /// Why it is not.
    async fn terminate(&self, job: JobId) -> Result<(), Fault>;
}

/// What the routes need.
pub struct Uploads {
    table: Table,
    find: Arc<dyn Find>,
    places: Places,
    max_bytes: u64,
}

impl Uploads {
    /// Over the uploads in `table`, found by `find`; none is larger than `max_bytes`.
    pub fn new(table: Table, find: Arc<dyn Find>, max_bytes: u64) -> Self {
        Self { table, find, places: Places::default(), max_bytes }
    }
}

/// The routes.
pub fn routes(uploads: Arc<Uploads>) -> Router {
    Router::new().route("/upload/{token}", any(handle)).with_state(uploads)
}

async fn handle(
    State(uploads): State<Arc<Uploads>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let response = answered(&uploads, &token, request).await;
    // The template and never the token, which is all that a sender needs.
    tracing::debug!(%method, route = "/upload/{token}", status = response.status().as_u16(), "answered");
    response
}

async fn answered(uploads: &Uploads, token: &str, request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return tus::options(uploads.max_bytes);
    }
    let target = match uploads.find.find(token).await {
        Ok(Some(target)) => target,
        Ok(None) => {
            let details = "there is no such upload; take its URL from the job's result";
            return answer::refused(StatusCode::NOT_FOUND, Code::NotFound, details);
        }
        Err(fault) => return answer::later(&fault.details),
    };
    if let Stage::Elsewhere(url) = &target.stage {
        return answer::elsewhere(url);
    }
    if request.method() != Method::POST || tus::speaks(request.headers()) {
        return tus::answer(uploads, target, request).await;
    }
    slices::answer(uploads, target, request).await
}
