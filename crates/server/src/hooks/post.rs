//! One try: the name is resolved, each address is checked, the one that is connected to is the one that was
//! checked. One POST on a connection of its own, no proxy, no redirect; the answer's status is all that counts.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use futures::future::{Either, select};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use longhaul_model::{ApiId, Runtime};
use longhaul_wire::Reply;
use tokio::net::TcpStream;

use super::Hooks;
use super::url::Target;

/// A try ends within this time, the answer's head included.
pub const TRY_WITHIN: Duration = Duration::from_secs(10);
/// One address is connected to within this time, so that another gets its turn.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A name is resolved within this time.
const RESOLVE_WITHIN: Duration = Duration::from_secs(3);
/// Most bytes of an answer's head that are waited for; what one read more brings is still looked at.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// The body of an answer is read so far and so long, out of politeness, and dropped.
const REST_MAX_BYTES: usize = 64 * 1024;
const REST_WITHIN: Duration = Duration::from_secs(1);

/// What is told.
pub struct Message {
    /// The call.
    pub id: ApiId,
    /// Its answer, as the poll gives it.
    pub reply: Reply,
}

/// Makes one try; `Ok` when the receiver answered 2xx.
///
/// # Errors
/// Why it failed, without what the URL keeps secret.
pub async fn post(
    target: &Target,
    message: &Message,
    hooks: &Hooks,
    runtime: &dyn Runtime,
) -> Result<(), String> {
    let try_all = async {
        let addresses = hooks.resolver.resolve(target, RESOLVE_WITHIN).await?;
        let addresses = hooks.allowed(target, addresses)?;
        let stream = connect(&addresses, runtime).await?;
        let status = exchange(stream, request(target, message)?, runtime).await?;
        if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    };
    match within(TRY_WITHIN, try_all, runtime).await {
        Some(ended) => ended,
        None => Err(format!("it did not answer within {} s", TRY_WITHIN.as_secs())),
    }
}

async fn connect(addresses: &[SocketAddr], runtime: &dyn Runtime) -> Result<TcpStream, String> {
    let mut why = String::new();
    for address in addresses {
        match within(CONNECT_WITHIN, TcpStream::connect(address), runtime).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => why = format!("{address} cannot be connected to: {error}"),
            None => why = format!("{address} took no connection within {} s", CONNECT_WITHIN.as_secs()),
        }
    }
    Err(why)
}

fn request(target: &Target, message: &Message) -> Result<Request<Body>, String> {
    let mut request = Request::post(target.path_and_query())
        .header(header::HOST, target.authority())
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, concat!("longhaul/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header("X-Job-UUID", message.id.as_str())
        .header("X-Job-Success", if message.reply.status == 200 { "true" } else { "false" });
    if let Some(value) = target.authorization() {
        request = request.header(header::AUTHORIZATION, value);
    }
    request
        .body(Body::from(message.reply.body.clone()))
        .map_err(|error| format!("no request can be made of it: {error}"))
}

/// Sends the request; the status of the answer.
async fn exchange(
    stream: TcpStream,
    request: Request<Body>,
    runtime: &dyn Runtime,
) -> Result<StatusCode, String> {
    let broken = |error: hyper::Error| format!("it broke off: {error}");
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_MAX_BYTES);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        rest(answer.into_body(), runtime).await;
        Ok(status)
    };
    match select(std::pin::pin!(exchange), std::pin::pin!(connection)).await {
        Either::Left((status, _)) => status,
        // The connection has ended; what came before is still to be read.
        Either::Right((_, exchange)) => exchange.await,
    }
}

/// A receiver that is still writing is not cut off at once.
async fn rest(body: Incoming, runtime: &dyn Runtime) {
    let read = axum::body::to_bytes(Body::new(body), REST_MAX_BYTES);
    let _ = within(REST_WITHIN, read, runtime).await; // the status has said it all
}

/// What `work` comes to, if that is within `limit`.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>, runtime: &dyn Runtime) -> Option<T> {
    match select(std::pin::pin!(work), runtime.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
