//! How refusals of an upload are spelled: a status that says what to do, and the error body of every other
//! call. Which checksum status a protocol has is the protocol's.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use longhaul_jobs::storage::DiskError;
use longhaul_jobs::upload::UploadError;
use longhaul_model::Code;
use longhaul_wire::error;
use serde_json::json;

use super::body::Broken;
use super::places::{ACCOUNT_REQUESTS_MAX, Full, REQUESTS_MAX};

/// A refusal.
pub fn refused(status: StatusCode, code: Code, details: &str) -> Response {
    let (name, _, description) = error::row(code);
    let body = json!({"error": {"code": name, "description": description, "details": details}}).to_string();
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"))], body)
        .into_response()
}

/// Another node takes it, at `url`, which only this caller is told.
pub fn elsewhere(url: &str) -> Response {
    let base = url.split("/upload/").next().unwrap_or_default();
    let details = format!("this upload is taken by another node; send it to {base}, under the same path");
    let mut response = refused(StatusCode::TEMPORARY_REDIRECT, Code::OperationFailed, &details);
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

/// A refusal of something that will be right in a second.
pub fn later(details: &str) -> Response {
    let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, details);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// There is no place for a request that sends bytes.
pub fn full(full: &Full) -> Response {
    match full {
        Full::All => later(&format!("{REQUESTS_MAX} requests send bytes at present; send again")),
        Full::Account => {
            let details = format!(
                "{ACCOUNT_REQUESTS_MAX} requests send bytes for this account already; wait for one of them to end"
            );
            let mut response = refused(StatusCode::TOO_MANY_REQUESTS, Code::Unavailable, &details);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

/// A refusal of what the request itself says.
pub fn invalid(details: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, Code::InvalidArgument, details)
}

/// A slice or the whole was not taken; `checksum` is the protocol's status for a wrong one.
pub fn upload(error: &UploadError, checksum: StatusCode) -> Response {
    let (status, code) = match error {
        UploadError::Checksum { .. } => (checksum, Code::InvalidArgument),
        UploadError::SizeRefused { announced: 1.., .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidArgument)
        }
        UploadError::SizeRefused { .. } | UploadError::SliceRefused { .. } | UploadError::Length { .. } => {
            (StatusCode::BAD_REQUEST, Code::InvalidArgument)
        }
        UploadError::Size { .. }
        | UploadError::SizeBelow { .. }
        | UploadError::Replaced
        | UploadError::Offset { .. }
        | UploadError::Differs { .. }
        | UploadError::Superseded
        | UploadError::Content { .. }
        | UploadError::ReadBack { .. }
        | UploadError::Incomplete { .. } => (StatusCode::CONFLICT, Code::OperationFailed),
        UploadError::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, Code::Unavailable),
        UploadError::Closed | UploadError::Held => (StatusCode::LOCKED, Code::OperationFailed),
        UploadError::Disk(DiskError::NoSpace { .. }) => {
            (StatusCode::INSUFFICIENT_STORAGE, Code::OperationFailed)
        }
        UploadError::Disk(_) => (StatusCode::INTERNAL_SERVER_ERROR, Code::Io),
    };
    let mut response = refused(status, code, &error.to_string());
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A body did not become a slice.
pub fn broken(broken: &Broken, checksum: StatusCode) -> Response {
    match broken {
        Broken::Upload(error) => upload(error, checksum),
        Broken::Form(why) => invalid(why),
        Broken::Idle(within) => refused(
            StatusCode::REQUEST_TIMEOUT,
            Code::Timeout,
            &format!("no byte came for {} s; go on from the offset that is told", within.as_secs()),
        ),
        Broken::Asked => refused(
            StatusCode::CONFLICT,
            Code::OperationFailed,
            "somebody asked where the upload stands, by HEAD, which ends the request that sends; go on from the offset \
             that is told",
        ),
        Broken::Off => invalid("the body broke off; go on from the offset that is told"),
    }
}
