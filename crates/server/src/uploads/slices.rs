//! ZStack's slices: POST of a multipart form, where its bytes belong in headers. Slices may come in parallel, in
//! any order and again. A slice whose MD5 differs is answered 406 and is the only one to send again.
//!
//! Source: longjob-semantics.md g.5.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use longhaul_jobs::upload::{Checksum, Counting, SliceRequest, Upload, UploadError};
use serde_json::json;

use super::body::{self, after};
use super::multipart::Form;
use super::{Stage, Target, Uploads, answer};

/// 406: the bytes do not have the MD5 of their header.
const CHECKSUM: StatusCode = StatusCode::NOT_ACCEPTABLE;

/// What the headers say.
#[derive(Debug, PartialEq, Eq)]
struct Headers {
    image: String,
    size: u64,
    start: u64,
    len: u64,
    slice_md5: Option<[u8; 16]>,
    image_md5: Option<[u8; 16]>,
}

/// Takes one slice.
pub async fn answer(uploads: &Uploads, target: Target, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let headers = match Headers::read(&head.headers) {
        Ok(headers) => headers,
        Err(details) => return after(body, answer::invalid(&details)).await,
    };
    if !headers.image.eq_ignore_ascii_case(&target.image) {
        let details = format!("X-IMAGE-UUID is {}, but this URL is of image {}", headers.image, target.image);
        return after(body, answer::invalid(&details)).await;
    }
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(form) = content_type.and_then(Form::new) else {
        let details = "the body must be multipart/form-data with a boundary, as curl -F file=@PATH sends it; for \
                       plain bytes use tus";
        return after(body, answer::invalid(details)).await;
    };
    let upload = match target.stage {
        Stage::Open(upload) => upload,
        Stage::Soon => {
            return after(body, answer::later("the upload's job is about to run; send again")).await;
        }
        Stage::Elsewhere(url) => return after(body, answer::elsewhere(&url)).await,
        Stage::Paused { .. } => return after(body, answer::upload(&UploadError::Closed, CHECKSUM)).await,
        Stage::Done(bytes) => return after(body, taken(bytes, bytes, &headers)).await,
    };
    let _place = match uploads.places.take(target.account) {
        Ok(place) => place,
        Err(full) => return after(body, answer::full(&full)).await,
    };
    let promised = uploads.table.promised_bytes(&upload);
    let (beginning, wanted) = (upload.clone(), headers.request());
    let (size, image_md5) = (headers.size, headers.image_md5);
    let begun = tokio::task::spawn_blocking(move || {
        beginning.check(&wanted, Some(size))?; // one that is refused fixes no size
        beginning.set_size(size, promised)?;
        if let Some(md5) = image_md5 {
            beginning.demand_md5(md5)?;
        }
        beginning.begin(wanted)
    });
    let slice = match begun.await.unwrap_or(Err(UploadError::Closed)) {
        Ok(slice) => slice,
        // All is here, and a slice comes again.
        Err(UploadError::Closed) if upload.received().is_complete() => {
            return after(body, told(&upload, &headers)).await;
        }
        Err(error) => return after(body, answer::upload(&error, CHECKSUM)).await,
    };
    match body::receive(body, slice, Some(form), body::IDLE_WITHIN).await {
        Ok(()) => told(&upload, &headers),
        Err(broken) => answer::broken(&broken, CHECKSUM),
    }
}

fn told(upload: &Upload, headers: &Headers) -> Response {
    let received = upload.received();
    taken(received.offset, received.bytes, headers)
}

fn taken(offset: u64, bytes: u64, headers: &Headers) -> Response {
    let body = json!({"imageUuid": headers.image, "size": headers.size, "offset": offset, "received": bytes});
    let kind = HeaderValue::from_static("application/json;charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

impl Headers {
    fn read(headers: &HeaderMap) -> Result<Self, String> {
        let text = |name: &str| {
            headers.get(name).map(|value| value.to_str().map(str::trim).unwrap_or_default().to_owned())
        };
        let number = |name: &str| match text(name) {
            None => Ok(None),
            Some(value) => value
                .parse::<u64>()
                .map(Some)
                .map_err(|_| format!("{name} must be a whole number, not {value:?}")),
        };
        let md5 = |name: &str| match text(name) {
            None => Ok(None),
            Some(value) => Checksum::md5_from_hex(&value)
                .map(Some)
                .ok_or_else(|| format!("{name} must be 32 hexadecimal digits, not {value:?}")),
        };
        let image = text("x-image-uuid").ok_or("the header X-IMAGE-UUID is missing")?;
        let size = number("x-image-size")?.ok_or("the header X-IMAGE-SIZE is missing")?;
        let (index, offset, slice) =
            (number("x-slice-index")?, number("x-slice-offset")?, number("x-slice-size")?);
        let start = match (offset, index, slice) {
            (Some(offset), ..) => offset,
            (None, None | Some(0), _) => 0,
            (None, Some(index), Some(slice)) => index.saturating_mul(slice),
            (None, Some(_), None) => {
                return Err("X-SLICE-INDEX needs X-SLICE-OFFSET or X-SLICE-SIZE".to_owned());
            }
        };
        // The last slice may be shorter than all share.
        let rest = size.saturating_sub(start);
        let len = slice.map_or(rest, |slice| if offset.is_none() { slice.min(rest) } else { slice });
        Ok(Self { image, size, start, len, slice_md5: md5("x-slice-md5")?, image_md5: md5("x-image-md5")? })
    }

    fn request(&self) -> SliceRequest {
        let counting = match self.slice_md5 {
            Some(md5) => Counting::Whole(Checksum::Md5(md5)),
            None => Counting::AsFlushed,
        };
        SliceRequest { start: self.start, len: Some(self.len), counting, goes_on: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &str)]) -> Result<Headers, String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-image-uuid", HeaderValue::from_static("abc"));
        for (name, value) in lines {
            headers.insert(*name, value.parse().unwrap());
        }
        Headers::read(&headers)
    }

    #[test]
    fn where_a_slice_belongs_is_told_by_offset_or_index_and_without_both_it_is_the_whole() {
        let place = |lines: &[(&'static str, &str)]| read(lines).map(|h| (h.start, h.len));
        assert_eq!(place(&[("x-image-size", "100")]), Ok((0, 100)));
        let size = ("x-image-size", "100");
        let (thirty, at) = (("x-slice-size", "30"), ("x-slice-offset", "60"));
        assert_eq!(place(&[size, thirty, at]), Ok((60, 30)));
        assert_eq!(place(&[size, at]), Ok((60, 40)));
        assert_eq!(place(&[size, thirty, ("x-slice-index", "1")]), Ok((30, 30)));
        assert_eq!(place(&[size, thirty, ("x-slice-index", "3")]), Ok((90, 10)), "the last is shorter");
        assert_eq!(place(&[size, ("x-slice-index", "0")]), Ok((0, 100)));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_named() {
        let size = ("x-image-size", "100");
        for (lines, named) in [
            (&[][..], "X-IMAGE-SIZE"),
            (&[("x-image-size", "-1")], "x-image-size"),
            (&[size, ("x-slice-index", "2")], "X-SLICE-SIZE"),
            (&[size, ("x-slice-md5", "12")], "x-slice-md5"),
            (&[size, ("x-image-md5", "zz")], "x-image-md5"),
            (&[size, ("x-slice-offset", "1e3")], "x-slice-offset"),
        ] {
            let refused = read(lines).unwrap_err();
            assert!(refused.contains(named), "{refused}");
        }
        assert!(Headers::read(&HeaderMap::new()).unwrap_err().contains("X-IMAGE-UUID"));
    }
}
