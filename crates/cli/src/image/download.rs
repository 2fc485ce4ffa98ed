//! How an export is fetched: into `FILE.part`, in ranges over breaks, from where an earlier run was cut. What came gets
//! its name when it has the MD5 that the server told; else it is removed, since no further fetch would mend it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bar::Bytes;
use crate::error::{ClientError, LOST, OTHER_BYTES};
use crate::pause::pause;

/// How often a fetch that breaks off without a byte is tried.
const TRIES_MAX: u32 = 10;
/// Between two tries.
const AGAIN: Duration = Duration::from_secs(1);
/// What stands behind the name of a file for the note that its export was made for it.
const MADE: &str = ".part.made";
/// Bytes that are read at a time to be compared.
const BLOCK_BYTES: usize = 1 << 20;

/// `FILE` with something behind its name.
fn beside(file: &Path, what: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(what);
    name.into()
}

/// Where what came of a file is until it is whole.
pub fn part(file: &Path) -> PathBuf {
    beside(file, ".part")
}

/// Looks whether what comes of a file can be written, and leaves nothing behind.
///
/// # Errors
/// Its directory is not there or takes no file.
pub fn can_begin(file: &Path) -> Result<(), ClientError> {
    let part = part(file);
    let was_there = part.exists();
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&part);
    opened.map_err(|e| ClientError::local(format!("{}: {e}; nothing was exported", part.display())))?;
    if !was_there {
        let _ = std::fs::remove_file(&part); // an empty one is no harm
    }
    Ok(())
}

/// Whether the export at `url` is this command's to take back: the server made it now, or for an earlier run that was
/// cut, which noted so beside the file. The note has a digest, since the URL is a secret.
///
/// # Errors
/// The note cannot be written.
pub fn is_ours(file: &Path, url: &str, existed: bool) -> Result<bool, ClientError> {
    let note = beside(file, MADE);
    let digest: String = Sha256::digest(url.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    if existed {
        return Ok(std::fs::read_to_string(&note).is_ok_and(|noted| noted == digest));
    }
    std::fs::write(&note, digest).map_err(|e| ClientError::local(format!("{}: {e}", note.display())))?;
    Ok(true)
}

/// Removes the note.
pub fn forget(file: &Path) {
    let _ = std::fs::remove_file(beside(file, MADE)); // an old note is of no export that there is
}

/// Fetches `url` to a file, going on from what came before; answers how many bytes it has. Its MD5 must be `md5`, where
/// that is told.
///
/// # Errors
/// The server does not give it, this machine does not take it, or other bytes came.
pub async fn fetch(url: &str, file: &Path, label: &str, md5: &str) -> Result<u64, ClientError> {
    let (part, tag_file) = (part(file), beside(file, ".part.tag"));
    let local = |why: std::io::Error| ClientError::local(format!("{}: {why}", part.display()));
    let http = reqwest::Client::new();
    let mut tries = 0;
    loop {
        let had = tokio::fs::metadata(&part).await.map_or(0, |meta| meta.len());
        let tag = tokio::fs::read_to_string(&tag_file).await.ok();
        match piece(&http, url, &part, &tag_file, had, tag.as_deref(), label).await {
            Ok(bytes) => {
                if let Err(error) = compare(&part, bytes, label, md5).await {
                    if error.code == OTHER_BYTES {
                        let _ = tokio::fs::remove_file(&part).await; // it is of use to nobody
                        let _ = tokio::fs::remove_file(&tag_file).await;
                    }
                    return Err(error);
                }
                tokio::fs::rename(&part, file).await.map_err(local)?;
                let _ = tokio::fs::remove_file(&tag_file).await; // it is of use to nobody now
                return Ok(bytes);
            }
            Err(error) if error.code != LOST => return Err(error),
            Err(error) => {
                let got = tokio::fs::metadata(&part).await.map_or(0, |meta| meta.len());
                tries = if got > had { 0 } else { tries + 1 };
                if tries >= TRIES_MAX {
                    return Err(error);
                }
                pause(AGAIN).await;
            }
        }
    }
}

/// Reads what came and compares it.
async fn compare(part: &Path, bytes: u64, label: &str, md5: &str) -> Result<(), ClientError> {
    if md5.is_empty() {
        return Ok(());
    }
    let local = |why: std::io::Error| ClientError::local(format!("{}: {why}", part.display()));
    let mut file = tokio::fs::File::open(part).await.map_err(local)?;
    let (mut digest, mut block, mut done) = (Md5::new(), vec![0; BLOCK_BYTES], 0);
    let mut bar = Bytes::new(&format!("{label}, compared"), bytes);
    loop {
        let count = file.read(&mut block).await.map_err(local)?;
        if count == 0 {
            break;
        }
        digest.update(&block[..count]);
        done += count as u64;
        bar.at(done);
    }
    let came: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if came.eq_ignore_ascii_case(md5) {
        return Ok(());
    }
    let details = format!("the server told the MD5 {md5}, what came has {came}; it was removed");
    Err(ClientError::new(OTHER_BYTES, "Other bytes came than were exported", details))
}

async fn piece(
    http: &reqwest::Client,
    url: &str,
    part: &Path,
    tag_file: &Path,
    had: u64,
    tag: Option<&str>,
    label: &str,
) -> Result<u64, ClientError> {
    let broke = |e: reqwest::Error| {
        ClientError::new(
            LOST,
            "The fetch was cut",
            format!("{}; run the command again and it goes on", e.without_url()),
        )
    };
    let local = |why: std::io::Error| ClientError::local(format!("{}: {why}", part.display()));
    let mut request = http.get(url);
    if let (true, Some(tag)) = (had > 0, tag) {
        request = request.header(RANGE, format!("bytes={had}-")).header(IF_RANGE, tag);
    }
    let mut answer = request.send().await.map_err(broke)?;
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (from, total) = match answer.status() {
        StatusCode::OK => (0, text(CONTENT_LENGTH).and_then(|n| n.parse().ok())),
        StatusCode::PARTIAL_CONTENT => {
            (had, text(CONTENT_RANGE).and_then(|r| r.rsplit('/').next()?.parse().ok()))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(had), // all of it came before
        status if status.is_server_error() => {
            let details = format!("the server answered {}", status.as_u16());
            return Err(ClientError::new(LOST, "The fetch was cut", details));
        }
        status => {
            let text = answer.text().await.unwrap_or_default();
            return Err(ClientError::of_answer(status.as_u16(), &text));
        }
    };
    let total: u64 = total.ok_or_else(|| ClientError::bad_answer("it does not say how long it is"))?;
    let tag = text(ETAG);
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(part).await.map_err(local)?;
    file.set_len(from).await.map_err(local)?;
    if let Some(tag) = tag {
        tokio::fs::write(tag_file, tag).await.map_err(local)?;
    }
    let mut bar = Bytes::new(label, total);
    let mut at = from;
    while let Some(bytes) = answer.chunk().await.map_err(broke)? {
        file.write_all(&bytes).await.map_err(local)?;
        at += bytes.len() as u64;
        bar.at(at);
    }
    file.sync_all().await.map_err(local)?;
    if at != total {
        let details = format!("{at} of {total} bytes came; run the command again and it goes on");
        return Err(ClientError::new(LOST, "The fetch was cut", details));
    }
    Ok(at)
}
