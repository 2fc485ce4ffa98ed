//! The first line of a connection, made parseable: ZStack's Python SDK sends conditions as they were typed,
//! `q=name=a b` or `q=createDate>2017-11-14`, which no URL may hold. Their octets are escaped before the HTTP
//! parser reads them; it closes its connections after one request, so only the first line is looked at.
//!
//! Source: rest-api.md 5.5, 7.2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::socket::Socket;

/// Longest first line that is looked at, in bytes; a longer one is the parser's to refuse.
const LINE_MAX_BYTES: usize = 64 * 1024;

/// A connection whose first bytes were read already.
pub struct Reread {
    first: Vec<u8>,
    at: usize,
    stream: Socket,
}

/// Reads the first line and escapes its target.
///
/// # Errors
/// The connection broke off before there was any byte.
pub async fn first_line(mut stream: Socket) -> io::Result<Reread> {
    let mut read = Vec::with_capacity(1024);
    let mut ended = false;
    let line = loop {
        if let Some(end) = read.iter().position(|b| *b == b'\n') {
            break Some(end);
        }
        if ended || read.len() >= LINE_MAX_BYTES {
            break None;
        }
        ended = stream.read_buf(&mut read).await? == 0;
    };
    let first = match line.and_then(|end| escaped(&read[..end]).map(|line| (end, line))) {
        Some((end, line)) => [line.as_slice(), &read[end..]].concat(),
        None => read,
    };
    Ok(Reread { first, at: 0, stream })
}

/// The line with the target's stray octets escaped; `None` if there is nothing to do.
fn escaped(line: &[u8]) -> Option<Vec<u8>> {
    let start = line.iter().position(|b| *b == b' ')? + 1;
    let end = line.iter().rposition(|b| *b == b' ').filter(|end| *end > start)?;
    let target = &line[start..end];
    let stray = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`{|}#".contains(&byte);
    if !target.iter().copied().any(stray) {
        return None;
    }
    let mut out = line[..start].to_vec();
    for &byte in target {
        if stray(byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    out.extend_from_slice(&line[end..]);
    Some(out)
}

impl AsyncRead for Reread {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.first[self.at..];
        if left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let taken = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..taken]);
        self.at += taken;
        if self.at == self.first.len() {
            (self.first, self.at) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Reread {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_octets_that_no_target_may_hold_are_escaped() {
        let line = |text: &str| escaped(text.as_bytes()).map(|l| String::from_utf8(l).unwrap());
        assert_eq!(
            line("GET /v1/longjobs?q=name=a b&q=createDate>2017 HTTP/1.1\r").as_deref(),
            Some("GET /v1/longjobs?q=name=a%20b&q=createDate%3E2017 HTTP/1.1\r")
        );
        assert_eq!(
            line("GET /v1/longjobs?q=name=ü# HTTP/1.1").as_deref(),
            Some("GET /v1/longjobs?q=name=%C3%BC%23 HTTP/1.1")
        );
        for fine in
            ["GET /v1/longjobs?q=name~=%25a&sort=+x HTTP/1.1", "GET / HTTP/1.0", "nonsense", "GET /", ""]
        {
            assert_eq!(line(fine), None, "{fine}");
        }
    }
}
