//! Exported images over HTTP: `GET /exported-images/{image}/{secret}/{file}`. Whoever has the URL may fetch it, whole or
//! from where a fetch was cut, which part a range is is in `range`; the secret in it is random and goes with the export. The
//! MD5 comes along, so that who fetches can compare. Which file it is, is in `longhaul_jobs::images`.

mod range;

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use futures::stream;
use longhaul_jobs::images::{EXPORTS, Exported, exported};
use longhaul_jobs::manage::backup_storages::open_place;
use longhaul_jobs::storage::{Access, DiskError, Root};
use longhaul_model::resource::ImageStatus;
use longhaul_model::{Fault, ImageId};
use sha2::{Digest, Sha256};

use self::range::{Part, part};
use crate::app::App;

/// The directory in the data directory with what was made for exports.
pub const DIRECTORY: &str = "image-exports";
/// The path, as the router has it.
pub const ROUTE: &str = "/exported-images/{image}/{secret}/{file}";
/// Bytes that are read at a time, and in memory for each fetch.
const BLOCK_BYTES: u64 = 1 << 20;

/// How the URLs of exports begin: where this server listens; where that is every address, the machine's name.
pub fn base(listen: SocketAddr, host_name: &str) -> String {
    match listen.ip().is_unspecified() {
        true => format!("http://{host_name}:{}", listen.port()),
        false => format!("http://{listen}"),
    }
}

/// Answers a fetch: 404 for what is not exported, whatever the reason.
pub async fn serve(
    State(app): State<Arc<App>>,
    Path((image, secret, file)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let path = format!("{EXPORTS}/{image}/{secret}/{file}");
    match open(&app, &image, &path).await {
        Ok(Some(Opened::Here(file, md5))) => answer(&method, &headers, file, md5.as_deref()),
        Ok(Some(Opened::Elsewhere(url))) => elsewhere(&url),
        Ok(None) => (StatusCode::NOT_FOUND, "this image is not exported, or no more\n").into_response(),
        Err(fault) => {
            tracing::warn!(image, %fault, "an exported image could not be opened");
            (StatusCode::SERVICE_UNAVAILABLE, "the image cannot be read now; try again\n").into_response()
        }
    }
}

/// An export that was found.
enum Opened {
    /// Its file, and its MD5.
    Here(Arc<File>, Option<String>),
    /// Another node made it and has it, at this URL.
    Elsewhere(String),
}

/// The node that made an export is in its URL.
fn elsewhere(url: &str) -> Response {
    let told = "another node has this export; fetch it from there\n";
    match HeaderValue::from_str(url) {
        Ok(url) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)], told).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, told).into_response(),
    }
}

async fn open(app: &App, image: &str, path: &str) -> Result<Option<Opened>, Fault> {
    let Ok(id) = image.parse::<ImageId>() else { return Ok(None) };
    let inventory = app.engine.inventory();
    let Some(image) = inventory.find_image(id).await? else { return Ok(None) };
    // By their digests, so that the time it takes tells nothing of the secret.
    let wanted = Sha256::digest(path.as_bytes());
    let is_it =
        |url: &str| url.find(EXPORTS).is_some_and(|at| Sha256::digest(&url.as_bytes()[at..]) == wanted);
    let mut found = None;
    for copy in image.refs.iter().filter(|copy| copy.status == ImageStatus::Ready) {
        for (url, md5) in copy.exports() {
            if is_it(url) {
                found = exported(id, url).map(|what| (copy, what, url, md5.map(str::to_owned)));
            }
        }
    }
    let Some((copy, what, url, md5)) = found else { return Ok(None) };
    let place = inventory.backup_storage(copy.backup_storage, "backupStorageUuid").await?;
    let (exports, install_path) = (app.settings.data_dir.join(DIRECTORY), copy.install_path.clone());
    let opened = tokio::task::spawn_blocking(move || -> Result<File, DiskError> {
        let (root, relative): (Root, PathBuf) = match what {
            Exported::Copy => {
                let root = open_place(&place)?;
                let relative = root.relative(FilePath::new(&install_path))?;
                (root, relative)
            }
            Exported::File(relative) => (Root::open(&exports)?, relative),
        };
        root.open_file(&relative, Access::Read)
    });
    let is_ours = url.starts_with(&app.address());
    match opened.await {
        Ok(Ok(file)) => Ok(Some(Opened::Here(Arc::new(file), md5))),
        Ok(Err(DiskError::NotFound(_) | DiskError::Away { .. })) if app.shared && !is_ours => {
            Ok(Some(Opened::Elsewhere(url.to_owned())))
        }
        Ok(Err(error)) => Err(longhaul_jobs::manage::fault::from_disk(error)),
        Err(_) => Err(Fault::internal("opening an export broke off")),
    }
}

/// What `headers` ask for of a file whose entity tag is `tag`. A range counts for GET, and with `If-Range` only if that
/// names the file as it is: a date does not, since there is none to compare it with.
fn wanted(method: &Method, headers: &HeaderMap, tag: Option<&str>, total: u64) -> Part {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let same =
        !headers.contains_key(header::IF_RANGE) || text(header::IF_RANGE).is_some_and(|is| Some(is) == tag);
    let once = headers.get_all(header::RANGE).iter().count() == 1;
    match text(header::RANGE).filter(|_| same && once && method == Method::GET) {
        Some(asked) => part(asked, total),
        None => Part::Whole,
    }
}

fn answer(method: &Method, headers: &HeaderMap, file: Arc<File>, md5: Option<&str>) -> Response {
    let Ok(total) = file.metadata().map(|meta| meta.len()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let md5 = md5.and_then(|md5| Some((md5, Base64::encode_string(&hex(md5)?))));
    let tag = md5.as_ref().map(|(hex, _)| format!("\"{hex}\""));
    let (status, first, end) = match wanted(method, headers, tag.as_deref(), total) {
        Part::Whole => (StatusCode::OK, 0, total),
        Part::Bytes(first, last) => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Part::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let mut answer = Response::builder()
        .status(status)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, end - first);
    if let (Some(tag), Some((_, base64)), true) = (tag, md5, status != StatusCode::RANGE_NOT_SATISFIABLE) {
        // The digest of all of the file, whatever part of it is sent; Content-MD5 is that of what is sent.
        answer = answer.header(header::ETAG, tag).header("repr-digest", format!("md5=:{base64}:"));
        if status == StatusCode::OK {
            answer = answer.header("content-md5", base64);
        }
    }
    answer = match status {
        StatusCode::PARTIAL_CONTENT => {
            answer.header(header::CONTENT_RANGE, format!("bytes {first}-{}/{total}", end - 1))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => answer.header(header::CONTENT_RANGE, format!("bytes */{total}")),
        _ => answer,
    };
    let body =
        if method == Method::HEAD { Body::empty() } else { Body::from_stream(blocks(file, first, end)) };
    answer.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The bytes of an MD5 in hex digits.
fn hex(md5: &str) -> Option<[u8; 16]> {
    (md5.len() == 32).then_some(())?;
    u128::from_str_radix(md5, 16).ok().map(u128::to_be_bytes)
}

/// The bytes of a file from `first` to before `end`.
fn blocks(file: Arc<File>, first: u64, end: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, first), move |(file, at)| async move {
        if at >= end {
            return Ok(None);
        }
        let reader = file.clone();
        let read = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<u8>> {
            let mut block = vec![0; usize::try_from((end - at).min(BLOCK_BYTES)).unwrap_or(0)];
            reader.read_exact_at(&mut block, at)?;
            Ok(block)
        });
        let block = read.await.map_err(std::io::Error::other)??;
        let next = at + block.len() as u64;
        Ok(Some((Bytes::from(block), (file, next))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_begins_with_an_address_that_can_be_connected_to() {
        assert_eq!(base("127.0.0.1:80".parse().unwrap(), "h"), "http://127.0.0.1:80");
        assert_eq!(base("0.0.0.0:8080".parse().unwrap(), "h"), "http://h:8080");
        assert_eq!(base("[::]:8080".parse().unwrap(), "h"), "http://h:8080");
    }
}
