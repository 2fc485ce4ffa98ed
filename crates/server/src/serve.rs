//! HTTP: accepts connections, reads requests within their limits, hands them to `app`, and ends in order.

#![allow(
    clippy::disallowed_methods,
    reason = "sockets are the edge: connections are tokio tasks with real timers"
)]

pub(crate) mod early;
mod peer;
mod request_line;
mod socket;
mod unread;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures::FutureExt;
use hyper_util::rt::{TokioIo, TokioTimer};
use longhaul_wire::Reply;
use longhaul_wire::decode::BODY_MAX_BYTES;
use longhaul_wire::openapi;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service;

use crate::app::{App, Received};
use crate::exports;
use crate::room::Room;
use crate::uploads;
use peer::Peer;
pub use socket::ClientGone;
use socket::Socket;

/// A request's head must be there within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// A request's body must be there within this time.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// A connection that cannot be accepted is told of so often at most.
const SAID_EVERY: Duration = Duration::from_secs(1);
/// Open connections may end their request within this time after the server was told to stop.
const END_WITHIN: Duration = Duration::from_secs(5);
/// The first request of a connection is waited for so long after the server was told to stop: it may be on its way.
const FRESH_FOR: Duration = Duration::from_millis(100);
/// So many connections that have been made and not taken when the server is told to stop are served: the system keeps no
/// more of them.
const LAST_CONNECTIONS: usize = 1024;

/// The listening server.
pub struct Serving {
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Takes no more connections, closes those on which nothing is asked, and lets requests under way end.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(END_WITHIN, self.ended).await;
    }
}

/// Starts serving on `listener`, so many connections at a time.
pub fn start(app: Arc<App>, listener: TcpListener, connections_max: usize) -> Serving {
    let (stop, stopped) = watch::channel(false);
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/openapi.json", get(document))
        .route(exports::ROUTE, any(exports::serve))
        .fallback(api)
        .with_state(app.clone())
        .merge(uploads::routes(uploads::of_app(app)));
    let accepting = async move {
        let places = accept(router, &listener, connections_max, stopped).await;
        drop(listener); // whoever comes now is refused, and told so at once
        // All places back: every connection has ended.
        let _ = places.acquire_many(u32::try_from(connections_max).unwrap_or(u32::MAX)).await;
    };
    Serving { stop, ended: tokio::spawn(accepting) }
}

/// Accepts until it is told to stop; answers the places of the connections.
async fn accept(
    router: Router,
    listener: &TcpListener,
    connections_max: usize,
    mut stopped: watch::Receiver<bool>,
) -> Arc<Semaphore> {
    let places = Arc::new(Semaphore::new(connections_max));
    let told = stopped.clone();
    let serve = |stream: TcpStream, place: OwnedSemaphorePermit| {
        let _ = stream.set_nodelay(true); // an answer is one write: no reason to wait
        let (router, told) = (router.clone(), told.clone());
        tokio::spawn(async move {
            connection(router, stream, told).await;
            drop(place);
        });
    };
    let mut said: Option<tokio::time::Instant> = None;
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return places };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told_to(&mut stopped) => break,
        };
        match accepted {
            Ok((stream, _)) => serve(stream, place),
            Err(error) => {
                if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
                    said = Some(tokio::time::Instant::now());
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await; // no descriptors left, mostly
            }
        }
    }
    // Who has connected by now is answered, too.
    for _ in 0..LAST_CONNECTIONS {
        let Some(Ok((stream, _))) = listener.accept().now_or_never() else { break };
        let Ok(place) = places.clone().try_acquire_owned() else { break };
        serve(stream, place);
    }
    places
}

/// Ends when the server is told to stop, or is gone.
async fn told_to(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn connection(router: Router, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    // A connection that is gone already has no address: its answer reaches nobody.
    let Ok(peer) = stream.peer_addr().map(|peer| Peer(peer.ip())) else { return };
    let stream = Socket::new(stream);
    let client_gone = stream.client_gone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let mut router = router.clone();
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(client_gone.clone());
        async move { router.call(request.map(Body::new)).await }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).half_close(true);
    let first_line = tokio::time::timeout(HEAD_WITHIN, request_line::first_line(stream));
    let none_comes = async {
        told_to(&mut stopped).await;
        tokio::time::sleep(FRESH_FOR).await;
    };
    let stream = tokio::select! {
        read = first_line => match read {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => return,
        },
        () = none_comes => return,
    };
    let connection = http.serve_connection(TokioIo::new(unread::Unread::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told_to(&mut stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn healthz(State(app): State<Arc<App>>) -> Response {
    json(format!(
        r#"{{"status":"ok","version":"{}","node":"{}"}}"#,
        env!("CARGO_PKG_VERSION"),
        app.engine.node()
    ))
}

async fn readyz(State(app): State<Arc<App>>) -> Response {
    let Some(why) = app.engine.why_not_ready() else {
        return json(r#"{"status":"ready"}"#.to_owned());
    };
    let mut response = json(serde_json::json!({ "status": format!("not ready: {why}") }).to_string());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

async fn document(State(app): State<Arc<App>>) -> Response {
    json(openapi::json(app.format.profile()))
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"))], body)
        .into_response()
}

async fn api(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Extension(client_gone): Extension<ClientGone>,
    request: Request,
) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, BODY_MAX_BYTES)).await;
    let body = match read {
        Ok(Ok(bytes)) => Some(bytes),
        Ok(Err(_)) => None,
        Err(_) => {
            let late = format!("the body was not there within {} s", BODY_WITHIN.as_secs());
            return Ok((StatusCode::REQUEST_TIMEOUT, late).into_response());
        }
    };
    let room = app.rooms.for_request();
    let received = Received {
        room: room.clone(),
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query(),
        header: &|name| head.headers.get(name).map(|value| value.to_str().unwrap_or_default()),
        body: body.as_deref(),
        from: peer.client(&head.headers, app.settings.trusted_proxies),
        client_gone,
    };
    let reply = app.answer(&received).await;
    tracing::debug!(method = %head.method, status = reply.status, "answered");
    Ok(sent(reply, &room))
}

/// A body that keeps its room taken until it is sent or given up.
struct Kept {
    body: String,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.body.as_bytes()
    }
}

fn sent(reply: Reply, room: &Room) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = HeaderValue::from_static(reply.content_type);
    let body = Kept { _room: room.shrunk_to(reply.body.len()), body: reply.body };
    (status, [(header::CONTENT_TYPE, kind)], Bytes::from_owner(body)).into_response()
}
