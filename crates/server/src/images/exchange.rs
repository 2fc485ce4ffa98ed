//! One request for an image's bytes, on a connection of its own: to addresses that were checked, with TLS where the URL
//! says so. What is asked and what an answer means is in `images`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, Response, response};
use futures::future::{Either, Fuse, FutureExt, select};
use futures::{StreamExt, TryFutureExt};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use longhaul_model::{Fault, Runtime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::Tls;
use crate::hooks::post::within;
use crate::hooks::url::Target;
use longhaul_jobs::images::{Body as Bytes, Closed};

/// An address is connected to, and TLS spoken, within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The head of an answer comes within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Most bytes of an answer's head.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// A connection that is driven while somebody waits for what it brings.
type Driver = Fuse<Pin<Box<dyn Future<Output = ()> + Send>>>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Sends `request` to the first of `addresses` that takes a connection. Answers head and body.
///
/// # Errors
/// `Refused` where the other side's certificate proves nothing, else `Broke`.
pub async fn exchange(
    target: &Target,
    addresses: &[SocketAddr],
    tls: &Tls,
    request: Request<Body>,
    runtime: &dyn Runtime,
) -> Result<(response::Parts, Answered), Closed> {
    let stream = connect(target, addresses, tls, runtime).await?;
    let broke = |error: hyper::Error| Closed::Broke(format!("{target} broke off: {error}"));
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_MAX_BYTES);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broke)?;
    // How it ended is told by the answer.
    let connection: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(connection.map(|_| ()));
    let mut driver = connection.fuse();
    let head = async {
        match select(std::pin::pin!(sender.send_request(request)), &mut driver).await {
            Either::Left((answer, _)) => answer,
            // What came before the end is still to be read.
            Either::Right((_, answer)) => answer.await,
        }
    };
    let answer: Response<_> = match within(HEAD_WITHIN, head, runtime).await {
        Some(answer) => answer.map_err(broke)?,
        None => {
            let seconds = HEAD_WITHIN.as_secs();
            return Err(Closed::Broke(format!("{target} did not answer within {seconds} s")));
        }
    };
    let (head, body) = answer.into_parts();
    Ok((head, Answered { chunks: Body::new(body).into_data_stream(), driver }))
}

async fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    tls: &Tls,
    runtime: &dyn Runtime,
) -> Result<Box<dyn Stream>, Closed> {
    let mut why = format!("{target} has no address");
    for address in addresses {
        let connecting = TcpStream::connect(address)
            .map_err(|error| Closed::Broke(format!("{address} cannot be connected to: {error}")))
            .and_then(|stream| spoken(target, stream, tls));
        match within(CONNECT_WITHIN, connecting, runtime).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(Closed::Broke(broke))) => why = broke,
            Some(Err(refused)) => return Err(refused),
            None => why = format!("{address} took no connection within {} s", CONNECT_WITHIN.as_secs()),
        }
    }
    Err(Closed::Broke(why))
}

async fn spoken(target: &Target, stream: TcpStream, tls: &Tls) -> Result<Box<dyn Stream>, Closed> {
    if !target.is_secure() {
        return Ok(Box::new(stream));
    }
    match tls.speak(target.host(), stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) if Tls::is_distrust(&error) => Err(Closed::Refused(Fault::failed(format!(
            "{target} cannot be trusted: {error}; if its certificate is of an authority of your own, name that \
             authority's certificate in the setting {}",
            super::CA_FILE_KEY
        )))),
        Err(error) => Err(Closed::Broke(format!("{target} does not speak TLS as this server does: {error}"))),
    }
}

/// The bytes of an answer.
pub struct Answered {
    chunks: BodyDataStream,
    driver: Driver,
}

#[async_trait::async_trait]
impl Bytes for Answered {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let chunk = match select(self.chunks.next(), &mut self.driver).await {
                Either::Left((chunk, _)) => chunk,
                Either::Right((_, chunk)) => chunk.await,
            };
            match chunk.transpose().map_err(|error| error.to_string())? {
                Some(bytes) if bytes.is_empty() => {}
                other => return Ok(other.map(|bytes| bytes.to_vec())),
            }
        }
    }
}
