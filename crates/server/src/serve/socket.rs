//! A connection's socket, and a handle that sees its client go away while an answer is worked on. The HTTP
//! parser does not look meanwhile, since clients may close their half of a connection and wait for the answer
//! all the same: who closes it is answered at once.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket.
pub struct Socket(Arc<TcpStream>);

/// Tells that the client of a connection sends no more.
#[derive(Debug, Clone, Default)]
pub struct ClientGone(Weak<TcpStream>);

impl Socket {
    /// Around an accepted connection.
    pub fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// Its handle.
    pub fn client_gone(&self) -> ClientGone {
        ClientGone(Arc::downgrade(&self.0))
    }
}

impl ClientGone {
    /// Ends when the client has closed its side, or the connection is over. Never for one that has sent its next
    /// request already.
    pub async fn wait(&self) {
        let Some(stream) = self.0.upgrade() else { return };
        // Looks at what comes next without taking it.
        match stream.peek(&mut [0]).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|_| ())),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is kept back
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Write) {
            Err(rustix::io::Errno::NOTCONN) => Ok(()), // the other side was faster
            done => done.map_err(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(listener.accept().await.unwrap().0), theirs)
    }

    #[tokio::test]
    async fn a_client_that_closes_its_side_is_seen_and_can_still_be_answered() {
        let (mut ours, mut theirs) = pair().await;
        theirs.write_all(b"ask").await.unwrap();
        let mut asked = [0; 3];
        ours.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"ask");
        let gone = ours.client_gone();
        assert_eq!(gone.wait().now_or_never(), None, "it waits for its answer");
        theirs.shutdown().await.unwrap();
        gone.wait().await;
        ours.write_all(b"answer").await.unwrap();
        ours.shutdown().await.unwrap();
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test]
    async fn a_connection_that_is_over_has_no_client() {
        let (ours, theirs) = pair().await;
        let gone = ours.client_gone();
        drop(theirs);
        gone.wait().await;
        drop(ours);
        gone.wait().await;
        ClientGone::default().wait().await;
    }

    #[tokio::test]
    async fn a_client_that_has_sent_its_next_request_is_there() {
        let (ours, mut theirs) = pair().await;
        theirs.write_all(b"next").await.unwrap();
        ours.0.readable().await.unwrap();
        assert_eq!(ours.client_gone().wait().now_or_never(), None);
    }
}
