//! An HTTP server of the test's own that has one file: with ranges and an entity tag or without, cut where the test
//! says, or answering with a redirect. It keeps a journal of the ranges that it was asked for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// How it answers.
#[derive(Debug, Clone, Default)]
pub struct Serves {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its entity tag; without one no range is served.
    pub tag: Option<&'static str>,
    /// Each answer ends after so many bytes of the file; the last as it should be.
    pub cuts: Vec<usize>,
    /// Where it redirects to, instead of all this.
    pub redirect: Option<String>,
    /// Each answer stands still after so many bytes, until the other side has enough.
    pub stands_after: Option<usize>,
}

/// A running server. It ends with the test's process.
pub struct FileServer {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Option<u64>>>>,
}

impl FileServer {
    /// On a free port of loopback.
    pub fn start(serves: Serves) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let serves = Arc::new(Mutex::new(serves));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (shared, journal) = (serves, asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, journal) = (shared.clone(), journal.clone());
                std::thread::spawn(move || answer(stream, &shared, &journal));
            }
        });
        Self { address, asked }
    }

    /// The URL of the file.
    pub fn url(&self) -> String {
        format!("http://{}/image", self.address)
    }

    /// The beginnings of the ranges that were asked for, `None` for the whole file.
    pub fn asked(&self) -> Vec<Option<u64>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(mut stream: TcpStream, shared: &Mutex<Serves>, journal: &Mutex<Vec<Option<u64>>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let mut serves = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(to) = &serves.redirect {
        let _ = write!(stream, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    let range =
        header("range: bytes=").and_then(|range| range.strip_suffix('-')).and_then(|n| n.parse().ok());
    journal.lock().unwrap_or_else(PoisonError::into_inner).push(range);
    let same = serves.tag.is_some() && header("if-range:") == serves.tag;
    let total = serves.bytes.len();
    let from = range.filter(|_| same).map_or(0, |n: u64| usize::try_from(n).unwrap_or(total).min(total));
    let tag = serves.tag.map_or(String::new(), |tag| format!("etag: {tag}\r\n"));
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => {
            format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{total}", total.saturating_sub(1))
        }
    };
    let head = format!("HTTP/1.1 {status}\r\n{tag}content-length: {}\r\n\r\n", total - from);
    let end = if serves.cuts.is_empty() { total } else { (from + serves.cuts.remove(0)).min(total) };
    let stands = serves.stands_after.map(|after| (from + after).min(total));
    let body = serves.bytes[from..stands.unwrap_or(end)].to_vec();
    drop(serves);
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body);
    if stands.is_some() {
        let _ = stream.read(&mut byte); // until the other side closes
    }
}
