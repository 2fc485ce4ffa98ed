//! Sockets as the SDKs use them: Java and Go keep their connection, Python closes it; each has its deadline.
//! Bytes go out as the model wrote them, since an HTTP library would clean up what a client really sends.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::model::Failure;
use crate::support::http::Response;

/// One request that was sent, with what came back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The target as sent.
    pub target: String,
    /// Its body.
    pub body: String,
    /// What came back.
    pub response: Response,
}

/// A client's way to one server.
pub struct Wire {
    address: SocketAddr,
    deadline: Duration,
    kept: RefCell<Option<TcpStream>>,
    log: RefCell<Vec<Exchange>>,
}

impl Wire {
    /// To `address`; a read that waits for longer than `deadline` is a failure.
    pub fn new(address: SocketAddr, deadline: Duration) -> Self {
        Self { address, deadline, kept: RefCell::default(), log: RefCell::default() }
    }

    /// Everything that was sent so far, in its order.
    pub fn log(&self) -> Vec<Exchange> {
        self.log.borrow().clone()
    }

    /// Sends one request; `headers` are all of them. The connection is kept unless they say `close`.
    ///
    /// # Errors
    /// A crash: there was no whole answer within the deadline.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<Response, Failure> {
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n");
        for (name, value) in headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str("\r\n");
        bytes.push_str(body);
        let closes = headers.iter().any(|(name, value)| *name == "Connection" && value == "close");
        let response = self.exchange(bytes.as_bytes(), closes)?;
        let (method, target, body) = (method.to_owned(), target.to_owned(), body.to_owned());
        self.log.borrow_mut().push(Exchange { method, target, body, response: response.clone() });
        Ok(response)
    }

    fn exchange(&self, bytes: &[u8], closes: bool) -> Result<Response, Failure> {
        let kept = self.kept.borrow_mut().take();
        let mut stream = match kept {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.write_all(bytes).map_err(|e| broken("the request could not be sent", &e))?;
        let response = read(&mut stream)?;
        let ends = response.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
        if closes {
            let mut rest = Vec::new();
            let ended = stream.read_to_end(&mut rest);
            assert!(ended.is_ok() && rest.is_empty(), "the server closes after the answer: {ended:?}");
        } else if !ends {
            *self.kept.borrow_mut() = Some(stream);
        }
        Ok(response)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(self.address).map_err(|e| broken("no connection", &e))?;
        stream.set_read_timeout(Some(self.deadline)).expect("a deadline");
        stream.set_nodelay(true).expect("no delay");
        Ok(stream)
    }
}

fn broken(what: &str, error: &std::io::Error) -> Failure {
    Failure::Crash(format!("{what}: {error}"))
}

/// One answer, whose end its length tells, as on a connection that is kept.
fn read(stream: &mut TcpStream) -> Result<Response, Failure> {
    let (mut bytes, mut chunk) = (Vec::new(), [0u8; 16384]);
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut chunk) {
        Ok(0) => Err(Failure::Crash("unexpected end of stream".to_owned())),
        Ok(n) => {
            bytes.extend_from_slice(&chunk[..n]);
            Ok(())
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(Failure::Crash("read timed out".to_owned()))
        }
        Err(e) => Err(broken("the answer broke off", &e)),
    };
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        more(&mut bytes)?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in UTF-8");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let headers: Vec<_> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut response =
        Response { status: status.expect("a status"), headers, body: bytes.split_off(end + 4) };
    let length = response.header("content-length").and_then(|l| l.parse::<usize>().ok());
    let length = length.expect("every answer tells its length");
    while response.body.len() < length {
        more(&mut response.body)?;
    }
    assert_eq!(response.body.len(), length, "nothing follows the body");
    Ok(response)
}

/// `text` percent-encoded but for letters, digits and `plain`.
pub fn escaped(text: &str, plain: &str) -> String {
    let octet = |b: &u8| match char::from(*b) {
        c if c.is_ascii_alphanumeric() || plain.contains(c) => c.to_string(),
        _ => format!("%{b:02X}"),
    };
    text.as_bytes().iter().map(octet).collect()
}

/// Where a location points: `host:port` and the target on it.
pub fn split(location: &str) -> Option<(&str, &str)> {
    let rest = location.strip_prefix("http://")?;
    rest.find('/').map(|slash| rest.split_at(slash))
}
