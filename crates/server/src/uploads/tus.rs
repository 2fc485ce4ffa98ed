//! tus 1.0: OPTIONS, HEAD, PATCH, DELETE and the creation's POST on the URL of one upload. The upload exists before
//! its first byte, since its job made it; the creation says its size and answers the same URL.
//!
//! Source: tus.io/protocols/resumable-upload 1.0.0: core, creation, checksum, termination.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use longhaul_jobs::upload::{Checksum, Counting, Received, Slice, SliceRequest, Upload, UploadError};
use longhaul_model::Code;

use super::body::{self, after};
use super::{Stage, Target, Uploads, answer};

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,checksum,termination";
const ALGORITHMS: &str = "md5,sha1,sha256";
const OFFSET_TYPE: &str = "application/offset+octet-stream";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
/// Longest `Upload-Metadata` that is looked at, in bytes.
const METADATA_MAX_BYTES: usize = 4 << 10;

/// An answer that ends a request early; boxed, for it is large and rare.
type Refusal = Box<Response>;

/// Whether a POST is meant for tus.
pub fn speaks(headers: &HeaderMap) -> bool {
    headers.contains_key(RESUMABLE)
}

/// What this server can do.
pub fn options(max_bytes: u64) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, HeaderValue::from_static(VERSION));
    headers.insert("tus-version", HeaderValue::from_static(VERSION));
    headers.insert("tus-extension", HeaderValue::from_static(EXTENSIONS));
    headers.insert("tus-checksum-algorithm", HeaderValue::from_static(ALGORITHMS));
    headers.insert("tus-max-size", HeaderValue::from(max_bytes));
    response
}

/// Answers a request of tus.
pub async fn answer(uploads: &Uploads, target: Target, request: Request) -> Response {
    let mut response = answered(uploads, target, request).await;
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

async fn answered(uploads: &Uploads, target: Target, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    if text(headers, "tus-resumable") != Some(VERSION) {
        let details = format!("this is tus {VERSION}; send Tus-Resumable: {VERSION}");
        let mut response = answer::refused(StatusCode::PRECONDITION_FAILED, Code::InvalidArgument, &details);
        response.headers_mut().insert("tus-version", HeaderValue::from_static(VERSION));
        return after(body, response).await;
    }
    // For clients behind something that lets only GET and POST pass.
    let method = text(headers, "x-http-method-override").unwrap_or(head.method.as_str()).to_owned();
    match method.as_str() {
        "HEAD" => {
            // Who asks is about to go on: what an older request of a dead connection still brings would make the answer
            // untrue.
            if let Stage::Open(upload) = &target.stage {
                upload.settle().await;
            }
            told(&target.stage)
        }
        "PATCH" => patch(uploads, target, headers, body).await,
        "DELETE" => match uploads.find.terminate(target.job).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(fault) => answer::refused(StatusCode::CONFLICT, fault.code, &fault.details),
        },
        "POST" => match create(uploads, target.stage, headers).await {
            Ok(()) => {
                let mut response = StatusCode::CREATED.into_response();
                // The path as it was sent: right behind whatever stands between.
                let location = HeaderValue::from_str(head.uri.path());
                response.headers_mut().extend(location.ok().map(|path| (header::LOCATION, path)));
                response
            }
            Err(refused) => *refused,
        },
        _ => {
            let details = "an upload takes OPTIONS, HEAD, PATCH, POST and DELETE";
            let allow = HeaderValue::from_static("OPTIONS, HEAD, PATCH, POST, DELETE");
            let mut response =
                answer::refused(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidArgument, details);
            response.headers_mut().insert(header::ALLOW, allow);
            response
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Refusal> {
    match headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str().unwrap_or_default().trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(answer::invalid(&format!("{name} must be a whole number")).into()),
        },
    }
}

fn offset_of(stage: &Stage) -> (u64, Option<u64>) {
    match stage {
        Stage::Open(upload) => {
            let Received { offset, size, .. } = upload.received();
            (offset, size)
        }
        Stage::Soon | Stage::Elsewhere(_) => (0, None),
        Stage::Paused { offset, size } => (*offset, *size),
        Stage::Done(bytes) => (*bytes, Some(*bytes)),
    }
}

fn told(stage: &Stage) -> Response {
    if let Stage::Soon = stage {
        return answer::later("the upload's job is about to run; ask again");
    }
    let (offset, size) = offset_of(stage);
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    match size {
        Some(size) => headers.insert(UPLOAD_LENGTH, HeaderValue::from(size)),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    response
}

/// The upload to be filled, or why nothing can be sent to it.
fn open(stage: Stage) -> Result<Arc<Upload>, Refusal> {
    match stage {
        Stage::Open(upload) => Ok(upload),
        Stage::Soon => Err(answer::later("the upload's job is about to run; send again").into()),
        Stage::Elsewhere(url) => Err(answer::elsewhere(&url).into()),
        Stage::Paused { .. } | Stage::Done(_) => Err(answer::upload(&UploadError::Closed, CHECKSUM).into()),
    }
}

/// 460: the bytes do not have the checksum that came with them.
const CHECKSUM: StatusCode = match StatusCode::from_u16(460) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

async fn create(uploads: &Uploads, stage: Stage, headers: &HeaderMap) -> Result<(), Refusal> {
    let upload = open(stage)?;
    let size = number(headers, &UPLOAD_LENGTH)?;
    if size.is_none() && text(headers, "upload-defer-length") != Some("1") {
        return Err(answer::invalid("a creation says Upload-Length, or Upload-Defer-Length: 1").into());
    }
    let demanded = demanded_md5(headers)?;
    announce(uploads, &upload, size, demanded).await
}

/// The MD5 that the whole is to have: `X-IMAGE-MD5`, or `md5` in the metadata, in hexadecimal.
fn demanded_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Refusal> {
    let wrong = || Box::new(answer::invalid("the MD5 of the whole must be 32 hexadecimal digits"));
    if let Some(hex) = text(headers, "x-image-md5") {
        return Checksum::md5_from_hex(hex).map(Some).ok_or_else(wrong);
    }
    let metadata = text(headers, "upload-metadata").unwrap_or_default();
    if metadata.len() > METADATA_MAX_BYTES {
        return Err(
            answer::invalid(&format!("Upload-Metadata is longer than {METADATA_MAX_BYTES} bytes")).into()
        );
    }
    for pair in metadata.split(',') {
        let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        if key == "md5" {
            let decoded =
                Base64::decode_vec(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return decoded.and_then(|hex| Checksum::md5_from_hex(&hex)).map(Some).ok_or_else(wrong);
        }
    }
    Ok(None)
}

async fn announce(
    uploads: &Uploads,
    upload: &Arc<Upload>,
    size: Option<u64>,
    demanded: Option<[u8; 16]>,
) -> Result<(), Refusal> {
    let (upload, promised) = (upload.clone(), uploads.table.promised_bytes(upload));
    let announced = tokio::task::spawn_blocking(move || {
        if let Some(size) = size {
            upload.set_size(size, promised)?;
        }
        demanded.map_or(Ok(()), |md5| upload.demand_md5(md5))
    });
    announced.await.unwrap_or(Err(UploadError::Closed)).map_err(|e| answer::upload(&e, CHECKSUM).into())
}

async fn patch(uploads: &Uploads, target: Target, headers: &HeaderMap, body: Body) -> Response {
    // Before it begins: what is refused must not end an older request.
    let _place = match uploads.places.take(target.account) {
        Ok(place) => place,
        Err(full) => return after(body, answer::full(&full)).await,
    };
    match begin(uploads, target.stage, headers).await {
        Err(refused) => after(body, *refused).await,
        Ok(None) => no_content(number(headers, &UPLOAD_OFFSET).ok().flatten().unwrap_or(0)),
        Ok(Some((upload, slice))) => match body::receive(body, slice, None, body::IDLE_WITHIN).await {
            Ok(()) => no_content(upload.received().offset),
            Err(broken) => answer::broken(&broken, CHECKSUM),
        },
    }
}

fn no_content(offset: u64) -> Response {
    (StatusCode::NO_CONTENT, [(UPLOAD_OFFSET, HeaderValue::from(offset))]).into_response()
}

type Begun = Option<(Arc<Upload>, Slice)>;

/// The slice that a PATCH is; `None` for one that sends nothing at the right offset.
async fn begin(uploads: &Uploads, stage: Stage, headers: &HeaderMap) -> Result<Begun, Refusal> {
    let kind = text(headers, "content-type").unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some(OFFSET_TYPE) {
        let details = format!("the bytes of a PATCH are of type {OFFSET_TYPE}");
        return Err(
            answer::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, &details).into()
        );
    }
    let Some(start) = number(headers, &UPLOAD_OFFSET)? else {
        return Err(answer::invalid("a PATCH says Upload-Offset").into());
    };
    let counting = match text(headers, "upload-checksum") {
        None => Counting::AsFlushed,
        Some(value) => Counting::Whole(checksum(value).ok_or_else(|| {
            answer::invalid(&format!(
                "Upload-Checksum is one of {ALGORITHMS}, a blank, and the checksum in base64"
            ))
        })?),
    };
    let len = number(headers, &header::CONTENT_LENGTH)?;
    let (offset, _) = offset_of(&stage);
    let (size, demanded) = (number(headers, &UPLOAD_LENGTH)?, demanded_md5(headers)?);
    if len == Some(0) {
        if offset != start {
            return Err(answer::upload(&UploadError::Offset { expected: offset }, CHECKSUM).into());
        }
        // A stream that ends at the border of a piece tells its length in a request of its own.
        if (size.is_some() || demanded.is_some()) && !matches!(stage, Stage::Done(_)) {
            announce(uploads, &open(stage)?, size, demanded).await?;
        }
        return Ok(None);
    }
    let upload = open(stage)?;
    let wanted = SliceRequest { start, len, counting, goes_on: true };
    // One that is refused fixes no length.
    upload.check(&wanted, size).map_err(|e| answer::upload(&e, CHECKSUM))?;
    announce(uploads, &upload, size, demanded).await?;
    let beginning = upload.clone();
    let begun = tokio::task::spawn_blocking(move || beginning.begin(wanted)).await;
    match begun.unwrap_or(Err(UploadError::Closed)) {
        Ok(slice) => Ok(Some((upload, slice))),
        Err(error) => Err(answer::upload(&error, CHECKSUM).into()),
    }
}

fn checksum(value: &str) -> Option<Checksum> {
    let (algorithm, encoded) = value.split_once(' ')?;
    Checksum::new(algorithm, &Base64::decode_vec(encoded.trim()).ok()?)
}
