//! What is answered before there is an app: while a node waits for its database, it lives but is not ready, and whoever
//! asks is told so instead of being left without a word.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use longhaul_model::{Code, Fault};
use longhaul_wire::{Caller, Headers, Profile, Reply};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{accept, json};

/// What is said; why it waits is in the log, since nobody has shown yet that they may know.
const NOT_READY: &str = "not ready: the node waits for its database; its log says why";

/// Answers on `listener` from the moment on that `waits` is true, so many connections at a time, until it is dropped.
/// Before, connections stay in the line of the system: mostly the node is there at once.
pub(crate) async fn answer(
    listener: &TcpListener,
    profile: Profile,
    connections_max: usize,
    mut waits: watch::Receiver<bool>,
) -> Infallible {
    if waits.wait_for(|waits| *waits).await.is_ok() {
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .fallback(later)
            .with_state(profile);
        let (_stop, stopped) = watch::channel(false); // dropped with this: connections end
        accept(router, listener, connections_max, stopped).await;
    }
    std::future::pending().await
}

async fn healthz() -> Response {
    json(format!(r#"{{"status":"starting","version":"{}"}}"#, env!("CARGO_PKG_VERSION")))
}

async fn readyz() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, json(format!(r#"{{"status":"{NOT_READY}"}}"#))).into_response()
}

async fn later(State(profile): State<Profile>, headers: HeaderMap) -> Response {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let caller = Caller::detect(&Headers::from_fn(text));
    let why = "the node waits for its database; send it again a little later";
    let fault = Fault::new(Code::Unavailable, why);
    let Reply { status, body, .. } = Reply::fault(profile, caller, &fault);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    (status, json(body)).into_response()
}
