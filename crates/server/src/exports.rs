//! Exported images over HTTP: `GET /exported-images/{image}/{secret}/{file}`. Whoever has the URL may fetch it, whole or
//! from where a fetch was cut; the secret in it is random and goes with the export. Which file it is, is in
//! `longhaul_jobs::images`.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use longhaul_jobs::images::{EXPORTS, Exported, exported};
use longhaul_jobs::manage::backup_storages::open_place;
use longhaul_jobs::storage::{Access, DiskError, Root};
use longhaul_model::resource::{ImageRef, ImageStatus};
use longhaul_model::{Fault, ImageId};
use sha2::{Digest, Sha256};

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
        Ok(Some((file, md5))) => answer(&method, &headers, file, md5.as_deref()),
        Ok(None) => (StatusCode::NOT_FOUND, "this image is not exported, or no more\n").into_response(),
        Err(fault) => {
            tracing::warn!(image, %fault, "an exported image could not be opened");
            (StatusCode::SERVICE_UNAVAILABLE, "the image cannot be read now; try again\n").into_response()
        }
    }
}

async fn open(app: &App, image: &str, path: &str) -> Result<Option<(Arc<File>, Option<String>)>, Fault> {
    let Ok(id) = image.parse::<ImageId>() else { return Ok(None) };
    let inventory = app.engine.inventory();
    let Some(image) = inventory.find_image(id).await? else { return Ok(None) };
    // By their digests, so that the time it takes tells nothing of the secret.
    let wanted = Sha256::digest(path.as_bytes());
    let is_it = |copy: &&ImageRef| {
        copy.status == ImageStatus::Ready
            && copy.export_url.as_deref().is_some_and(|url| {
                url.find(EXPORTS).is_some_and(|at| Sha256::digest(&url.as_bytes()[at..]) == wanted)
            })
    };
    let Some(copy) = image.refs.iter().find(is_it) else { return Ok(None) };
    let Some(what) = exported(id, copy) else { return Ok(None) };
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
    match opened.await {
        Ok(Ok(file)) => Ok(Some((Arc::new(file), copy.export_md5.clone()))),
        Ok(Err(error)) => Err(longhaul_jobs::manage::fault::from_disk(error)),
        Err(_) => Err(Fault::internal("opening an export broke off")),
    }
}

/// First and last byte of `bytes=5-9`, `bytes=5-`, `bytes=-5` of so many; `None` where it is no such range, `Err` where
/// there are no such bytes.
fn range(text: &str, total: u64) -> Option<Result<(u64, u64), ()>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = match (from, to) {
        ("", last) => (total.saturating_sub(last.parse().ok()?), total.checked_sub(1)),
        (first, "") => (first.parse().ok()?, total.checked_sub(1)),
        (first, last) => {
            (first.parse().ok()?, total.checked_sub(1).map(|end| end.min(last.parse().unwrap_or(0))))
        }
    };
    Some(last.filter(|last| first <= *last).map(|last| (first, last)).ok_or(()))
}

fn answer(method: &Method, headers: &HeaderMap, file: Arc<File>, md5: Option<&str>) -> Response {
    let Ok(total) = file.metadata().map(|meta| meta.len()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let tag = md5.map(|md5| format!("\"{md5}\""));
    let same = text(header::IF_RANGE).is_none_or(|wanted| Some(wanted) == tag.as_deref());
    let wanted = text(header::RANGE).filter(|_| same).and_then(|text| range(text, total));
    let (status, first, end) = match wanted {
        None => (StatusCode::OK, 0, total),
        Some(Ok((first, last))) => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Some(Err(())) => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let mut answer = Response::builder()
        .status(status)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, end - first);
    if let Some(tag) = tag {
        answer = answer.header(header::ETAG, tag);
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

    #[test]
    fn a_range_is_what_of_it_there_is() {
        assert_eq!(range("bytes=0-3", 10), Some(Ok((0, 3))));
        assert_eq!(range("bytes=5-", 10), Some(Ok((5, 9))));
        assert_eq!(range("bytes=-4", 10), Some(Ok((6, 9))));
        assert_eq!(range("bytes=-40", 10), Some(Ok((0, 9))));
        assert_eq!(range("bytes=8-40", 10), Some(Ok((8, 9))));
        for beyond in ["bytes=10-", "bytes=5-4", "bytes=-0"] {
            assert_eq!(range(beyond, 10), Some(Err(())), "{beyond}");
        }
        assert_eq!(range("bytes=0-", 0), Some(Err(())));
        for none in ["", "items=0-1", "bytes=a-b", "bytes=0-1,3-4"] {
            assert!(!matches!(range(none, 10), Some(Ok((_, n))) if n > 1), "{none}");
        }
    }
}
