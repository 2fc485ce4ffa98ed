//! The bytes of `image upload`, by tus 1.0: asks where the server stands, sends a piece with its SHA-256, and again over
//! breaks. Which URL and which file is `upload`'s.
//!
//! Source: <https://tus.io/protocols/resumable-upload> (1.0.0).

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::bar::Bytes;
use super::upload::Source;
use crate::error::{ClientError, LOST};
use crate::pause::{Growing, moment, pause};

/// Bytes of one request: what is sent again, at most, when a connection breaks.
pub const PIECE_BYTES: u64 = 16 << 20;
/// How long the server may be away before the command ends; run again it goes on.
const AWAY: Duration = Duration::from_secs(60);
const VERSION: &str = "1.0.0";

/// Sends what the server has not, piece after piece, however often the connection breaks.
///
/// # Errors
/// The file cannot be read or was changed, the server refuses, or stays away.
pub async fn send(url: &str, source: &mut Source, bar: &mut Bytes) -> Result<(), ClientError> {
    let http = reqwest::Client::new();
    let (mut reached, mut pauses) =
        (moment(), Growing::new(Duration::from_millis(100), Duration::from_secs(2)));
    let (mut created, mut told) = (false, false);
    loop {
        let why = match round(&http, url, source, bar, &mut created).await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                (reached, told) = (moment(), false);
                pauses = Growing::new(Duration::from_millis(100), Duration::from_secs(2));
                continue;
            }
            Err(Broke::For(error)) => return Err(*error),
            Err(Broke::Again(error)) => *error,
        };
        if reached.elapsed() > AWAY {
            return Err(why);
        }
        // A connection that broke is told by the bytes that come after it; an answer is not.
        if why.code != LOST && !std::mem::replace(&mut told, true) {
            bar.note(&format!("{}; trying again for {} s", why.details, AWAY.as_secs()));
        }
        pause(pauses.step()).await;
    }
}

/// Why a request did not do.
enum Broke {
    /// It may at a later try.
    Again(Box<ClientError>),
    /// It will not.
    For(Box<ClientError>),
}

/// The upload was cut, and goes on by itself if it can.
fn cut(why: String) -> Broke {
    Broke::Again(Box::new(ClientError::new(LOST, "The upload was cut", why)))
}

/// No answer came.
fn silent(error: reqwest::Error) -> Broke {
    cut(error.without_url().to_string())
}

/// Asks where the server stands and sends one piece; whether that was the last.
async fn round(
    http: &reqwest::Client,
    url: &str,
    source: &mut Source,
    bar: &mut Bytes,
    created: &mut bool,
) -> Result<bool, Broke> {
    let size = source.size;
    if !*created {
        let asked = http.request(Method::POST, url).header("Upload-Length", size);
        // 409: it was created before.
        let answer = asked.header("Tus-Resumable", VERSION).header("Content-Length", 0).send().await;
        let answer = answer.map_err(silent)?;
        if answer.status() != StatusCode::CONFLICT {
            done(answer).await?;
        }
        *created = true;
    }
    let asked = http.head(url).header("Tus-Resumable", VERSION).send().await;
    let answer = done(asked.map_err(silent)?).await?;
    let offset = number(&answer, "upload-offset")?;
    if number(&answer, "upload-length").is_ok_and(|length| length != size) || offset > size {
        let details = "the file is not the one whose upload began; give another name, or cancel the job";
        return Err(Broke::For(Box::new(ClientError::usage(details))));
    }
    bar.at(offset);
    if offset == size {
        return Ok(true);
    }
    let mut piece = vec![0; usize::try_from((size - offset).min(PIECE_BYTES)).unwrap_or(0)];
    let read = async {
        source.file.seek(std::io::SeekFrom::Start(offset)).await?;
        source.file.read_exact(&mut piece).await
    };
    let read = read.await;
    // Asked after the reading: a file that was cut says so, and no piece of another one is sent.
    source.unchanged().await.map_err(|error| Broke::For(Box::new(error)))?;
    read.map_err(|e| Broke::For(Box::new(ClientError::local(format!("the file cannot be read: {e}")))))?;
    let digest = Sha256::digest(&piece);
    let sent = http
        .patch(url)
        .header("Tus-Resumable", VERSION)
        .header("Upload-Offset", offset)
        .header("Upload-Checksum", format!("sha256 {}", base64(&digest)))
        .header("Content-Type", "application/offset+octet-stream")
        .body(piece)
        .send()
        .await;
    let answer = done(sent.map_err(silent)?).await?;
    let offset = number(&answer, "upload-offset")?;
    bar.at(offset);
    Ok(offset == size)
}

/// The answer of a success; others may become one, or not.
async fn done(answer: Response) -> Result<Response, Broke> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    Err(refused(status, &answer.text().await.unwrap_or_default()))
}

/// What an answer that is no success means. The server's own reason is kept, however often it is tried.
fn refused(status: StatusCode, text: &str) -> Broke {
    let error = Box::new(ClientError::of_answer(status.as_u16(), text));
    let is_the_servers = !error.code.starts_with("HTTP.");
    match status.as_u16() {
        409 | 423 | 429 | 460 => Broke::Again(error), // another holds it, or a piece came broken
        507 => Broke::For(error),
        500.. if is_the_servers && !error.is_transient() => Broke::For(error),
        500.. if is_the_servers => Broke::Again(error),
        // Of what stands between us and the server.
        500.. => cut(format!("the server answered {}", status.as_u16())),
        _ => Broke::For(error),
    }
}

fn number(answer: &Response, name: &str) -> Result<u64, Broke> {
    let headers: &HeaderMap = answer.headers();
    let found = headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    found.ok_or_else(|| Broke::For(Box::new(ClientError::bad_answer(format!("it has no {name}")))))
}

/// Standard base64, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group =
            three.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn an_answer_with_a_reason_is_told_by_it_and_only_one_that_may_change_is_tried_again() {
        let body =
            |code: &str| format!(r#"{{"error":{{"code":"{code}","description":"d","details":"why"}}}}"#);
        for (status, text, again, details, exit) in [
            (507, body("SYS.1006"), false, "why", Exit::Failed),
            (507, "full".to_owned(), false, "full", Exit::Failed),
            (500, body("SYS.1016"), false, "why", Exit::Failed),
            (423, body("SYS.1006"), true, "why", Exit::Failed),
            (503, body("SYS.1010"), true, "why", Exit::Failed),
            (502, "<html>".to_owned(), true, "the server answered 502", Exit::Unreachable),
            (400, body("SYS.1007"), false, "why", Exit::Failed),
        ] {
            let (error, is_again) = match refused(StatusCode::from_u16(status).expect("a status"), &text) {
                Broke::Again(error) => (error, true),
                Broke::For(error) => (error, false),
            };
            assert_eq!((is_again, &*error.details, error.exit()), (again, details, exit), "{status}");
        }
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
