//! A receiver of web hooks: an HTTP server of the test's own, which keeps a journal of what it was sent and
//! answers as the test says. It stands outside of the server under test, and outlives it.

#![allow(clippy::disallowed_methods, reason = "it tells when something came, by the real clock")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What came.
#[derive(Debug, Clone)]
pub struct Told {
    /// `POST`, if all is well.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, names as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// When it was read to its end.
    pub at: Instant,
}

impl Told {
    /// The header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {:?}", self.body))
    }

    /// The id of the call.
    pub fn job(&self) -> &str {
        self.header("X-Job-UUID").expect("X-Job-UUID")
    }
}

/// How a receiver answers.
#[derive(Debug, Clone)]
pub enum Answers {
    /// With this status and an empty body.
    Status(u16),
    /// With these bytes, and closes.
    Bytes(Vec<u8>),
    /// Not at all, and keeps the connection open until the other side closes it.
    Never,
    /// By closing the connection.
    Closes,
    /// With 200 and a body that has no end, until the other side has enough.
    Endless,
}

/// A running receiver. It ends with the test's process.
#[derive(Clone)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    journal: Arc<Mutex<Vec<Told>>>,
}

type Rule = dyn Fn(&Told, usize) -> Answers + Send + Sync;

impl Receiver {
    /// One on a free port of loopback that answers each request as `rule` says, which is told how many came
    /// before it.
    pub fn start(rule: impl Fn(&Told, usize) -> Answers + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let journal = Arc::new(Mutex::new(Vec::new()));
        let receiver = Self { address, journal: journal.clone() };
        let rule: Arc<Rule> = Arc::new(rule);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (journal, rule) = (journal.clone(), rule.clone());
                std::thread::spawn(move || serve(stream, &journal, &*rule));
            }
        });
        receiver
    }

    /// One that takes everything.
    pub fn taking_all() -> Self {
        Self::start(|_, _| Answers::Status(200))
    }

    /// A URL of it.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// What came so far, in order.
    pub fn journal(&self) -> Vec<Told> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came so far for one path.
    pub fn told(&self, target: &str) -> Vec<Told> {
        self.journal().into_iter().filter(|t| t.target == target).collect()
    }
}

fn serve(mut stream: TcpStream, journal: &Mutex<Vec<Told>>, rule: &Rule) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(100)));
    let Some(told) = read(&mut stream) else { return };
    let answers = {
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = rule(&told, journal.len());
        journal.push(told);
        answers
    };
    // The other side may be gone, or close when it has enough.
    match answers {
        Answers::Status(status) => {
            let _ = write!(stream, "HTTP/1.1 {status} told\r\nContent-Length: 0\r\n\r\n");
        }
        Answers::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Answers::Never => {
            let _ = stream.read(&mut [0u8; 1]);
        }
        Answers::Closes => {}
        Answers::Endless => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = [b"10000\r\n", &vec![b'x'; 0x10000][..], b"\r\n"].concat();
            if stream.write_all(head).is_ok() {
                while stream.write_all(&chunk).is_ok() {}
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Told> {
    let mut bytes = Vec::new();
    let mut piece = [0u8; 4096];
    loop {
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(split) = split {
            let head = String::from_utf8(bytes[..split].to_vec()).ok()?;
            let mut lines = head.split("\r\n");
            let mut first = lines.next()?.split(' ');
            let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|l| l.split_once(':'))
                .map(|(n, v)| (n.to_owned(), v.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-length"));
            let length: usize = length.and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
            let body = &bytes[split + 4..];
            if body.len() >= length {
                let body = String::from_utf8(body[..length].to_vec()).ok()?;
                return Some(Told { method, target, headers, body, at: Instant::now() });
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}
