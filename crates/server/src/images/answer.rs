//! What the head of a source's answer says of the bytes behind it, and whether they go on what came before: a further
//! answer counts only where it has the same strong validator and is exactly the rest. No I/O.
//!
//! Source: RFC 9110, sections 8.8 (validators), 14.4 and 15.3.7 (ranges); RFC 9112, section 6.

use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED,
    TRANSFER_ENCODING,
};
use axum::http::{StatusCode, response};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use longhaul_jobs::images::Closed;
use longhaul_model::Fault;

use crate::hooks::url::Target;

/// What was said.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// Where the bytes begin: where they were asked for, or 0.
    pub from: u64,
    /// How many there are in all, where that is known.
    pub total: Option<u64>,
    /// What tells them from others.
    pub validator: Option<String>,
    /// Whether the body has nothing of them: all came before.
    pub empty: bool,
}

/// Reads the answer to a request for all bytes, or for those `from` an offset on of what `validator` told.
///
/// # Errors
/// `Refused` for what will not change, `Broke` for what may, `Differs` for bytes that do not go on those before.
pub fn read(
    target: &Target,
    head: &response::Parts,
    from: u64,
    validator: Option<&str>,
) -> Result<Told, Closed> {
    let (status, headers) = (head.status, &head.headers);
    match status {
        StatusCode::OK => {
            plain(target, headers)?;
            Ok(Told { from: 0, total: content_length(headers), validator: strong(headers), empty: false })
        }
        StatusCode::PARTIAL_CONTENT => {
            plain(target, headers)?;
            rest(headers, from, validator).map_err(|why| Closed::Differs(format!("{target} {why}")))
        }
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
            nothing_left(headers, from, validator).map_err(|why| Closed::Differs(format!("{target} {why}")))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            broke(target, status)
        }
        _ if status.is_server_error() => broke(target, status),
        _ => Err(refused(format!("{target} answered {}; correct the url", status.as_u16()))),
    }
}

fn broke(target: &Target, status: StatusCode) -> Result<Told, Closed> {
    Err(Closed::Broke(format!("{target} answered {}", status.as_u16())))
}

fn refused(details: String) -> Closed {
    Closed::Refused(Fault::failed(details))
}

/// Refuses bytes that are encoded: they would be kept as if they were the image.
fn plain(target: &Target, headers: &HeaderMap) -> Result<(), Closed> {
    let odd = |name: HeaderName, known: [&str; 2]| {
        let texts = headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let words: Vec<String> =
            texts.flat_map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>()).collect();
        let is_odd =
            |word: &&str| !word.is_empty() && !known.iter().any(|known| known.eq_ignore_ascii_case(word));
        words.iter().map(|word| word.trim()).find(is_odd).map(str::to_owned)
    };
    let coding = odd(CONTENT_ENCODING, ["identity", ""]);
    match coding.or_else(|| odd(TRANSFER_ENCODING, ["identity", "chunked"])) {
        None => Ok(()),
        Some(coding) => Err(refused(format!(
            "{target} sends the image encoded ({coding}), though its plain bytes were asked for: turn that encoding off \
             for this URL, or give the URL of a file that is not encoded"
        ))),
    }
}

/// The rest of the bytes, exactly.
fn rest(headers: &HeaderMap, from: u64, validator: Option<&str>) -> Result<Told, String> {
    let (start, end, total) = text(headers, CONTENT_RANGE).and_then(content_range).ok_or(
        "answered 206 without a Content-Range that tells where it begins, where it ends and how much there is",
    )?;
    let is_rest = start == from && end.checked_add(1) == Some(total) && start <= end;
    let is_long = content_length(headers).is_none_or(|length| length == total.saturating_sub(start));
    if !is_rest || !is_long {
        return Err(format!("was asked for all from byte {from} on and sends {start} to {end} of {total}"));
    }
    let now = strong(headers);
    same(validator, now.as_deref(), from)?;
    Ok(Told { from, total: Some(total), validator: now, empty: false })
}

/// All of it came before, though how much that is was not told then.
fn nothing_left(headers: &HeaderMap, from: u64, validator: Option<&str>) -> Result<Told, String> {
    let total = text(headers, CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes */"));
    if total.and_then(|total| total.parse().ok()) != Some(from) {
        return Err(format!("has no bytes from {from} on, where it broke off before"));
    }
    let now = strong(headers);
    same(validator, now.as_deref(), from)?;
    Ok(Told { from, total: Some(from), validator: now, empty: true })
}

fn same(before: Option<&str>, now: Option<&str>, from: u64) -> Result<(), String> {
    match (before, now) {
        _ if from == 0 => Ok(()),
        (Some(before), Some(now)) if before == now => Ok(()),
        (_, None) => Err("sent a rest that nothing proves to be of the same bytes".to_owned()),
        _ => Err("sent the rest of other bytes than those before".to_owned()),
    }
}

/// What tells these bytes from others: a strong entity tag, else the date of the last change, where that is older than the
/// answer; within its second it may have changed again.
fn strong(headers: &HeaderMap) -> Option<String> {
    let is_strong = |tag: &&str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
    if let Some(tag) = text(headers, ETAG).filter(is_strong) {
        return Some(tag.to_owned());
    }
    let changed = text(headers, LAST_MODIFIED)?;
    (date(changed)? < date(text(headers, DATE)?)?).then(|| changed.to_owned())
}

fn date(text: &str) -> Option<Timestamp> {
    Some(rfc2822::parse(text).ok()?.timestamp())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.parse().ok()
}

/// Start, end and whole length of `bytes 5-9/10`.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use axum::http::Response;

    use super::*;

    const DAY: &str = "Tue, 14 Nov 2017 10:20:57 GMT";
    const NEXT: &str = "Tue, 14 Nov 2017 10:20:58 GMT";

    /// What an answer with these headers comes to, asked for the bytes from 5 on of those with the tag `"a"`.
    fn told(status: u16, headers: &[(&str, &str)]) -> Result<Told, Closed> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let target = Target::of_download("http://h/i").unwrap();
        read(&target, &response.body(()).unwrap().into_parts().0, 5, Some("\"a\""))
    }

    fn differs(status: u16, headers: &[(&str, &str)]) -> String {
        match told(status, headers) {
            Err(Closed::Differs(why)) => why,
            other => panic!("{headers:?}: {other:?}"),
        }
    }

    fn rest_of_ten() -> Told {
        Told { from: 5, total: Some(10), validator: Some("\"a\"".to_owned()), empty: false }
    }

    #[test]
    fn the_rest_of_the_same_bytes_goes_on() {
        let range = ("content-range", "bytes 5-9/10");
        assert_eq!(told(206, &[range, ("etag", "\"a\"")]).unwrap(), rest_of_ten());
        let long = [range, ("etag", "\"a\""), ("content-length", "5"), ("content-encoding", "identity")];
        assert_eq!(told(206, &long).unwrap(), rest_of_ten());
        let nothing = told(416, &[("content-range", "bytes */5"), ("etag", "\"a\"")]).unwrap();
        assert_eq!((nothing.from, nothing.total, nothing.empty), (5, Some(5), true));
        let whole = told(200, &[("etag", "\"b\""), ("content-length", "7")]).unwrap();
        assert_eq!((whole.from, whole.total, whole.validator.as_deref()), (0, Some(7), Some("\"b\"")));
    }

    #[test]
    fn what_is_not_proven_to_be_the_rest_of_the_same_bytes_differs() {
        let (range, tag) = (("content-range", "bytes 5-9/10"), ("etag", "\"a\""));
        for (headers, why) in [
            (vec![range, ("etag", "\"b\"")], "other bytes"),
            (vec![range], "nothing proves"),
            (vec![range, ("etag", "W/\"a\"")], "nothing proves"),
            (vec![range, ("last-modified", DAY), ("date", NEXT)], "other bytes"),
            (vec![tag], "without a Content-Range"),
            (vec![tag, ("content-range", "bytes 5-9/*")], "without a Content-Range"),
            (vec![tag, ("content-range", "bytes */10")], "without a Content-Range"),
            (vec![tag, ("content-range", "items 5-9/10")], "without a Content-Range"),
            (vec![tag, ("content-range", "bytes 0-9/10")], "sends 0 to 9 of 10"),
            (vec![tag, ("content-range", "bytes 5-8/10")], "sends 5 to 8 of 10"),
            (vec![tag, ("content-range", "bytes 5-9/3")], "sends 5 to 9 of 3"),
            (vec![tag, ("content-range", "bytes 5-4/5")], "sends 5 to 4 of 5"),
            (vec![tag, range, ("content-length", "4")], "sends 5 to 9"),
        ] {
            let told = differs(206, &headers);
            assert!(told.contains(why), "{headers:?}: {told}");
        }
        for (headers, why) in [
            (vec![tag], "no bytes from 5 on"),
            (vec![tag, ("content-range", "bytes */4")], "no bytes from 5 on"),
            (vec![("content-range", "bytes */5")], "nothing proves"),
            (vec![("content-range", "bytes */5"), ("etag", "\"b\"")], "other bytes"),
        ] {
            let told = differs(416, &headers);
            assert!(told.contains(why), "{headers:?}: {told}");
        }
    }

    #[test]
    fn bytes_that_are_encoded_are_refused() {
        for headers in [
            [("content-encoding", "gzip")],
            [("content-encoding", "identity, br")],
            [("transfer-encoding", "gzip, chunked")],
        ] {
            let Err(Closed::Refused(fault)) = told(200, &headers) else { panic!("{headers:?} is taken") };
            assert!(fault.details.contains("turn that encoding off"), "{}", fault.details);
        }
        for headers in [[("content-encoding", "Identity")], [("transfer-encoding", "chunked")]] {
            assert!(told(200, &headers).is_ok(), "{headers:?}");
        }
    }

    #[test]
    fn a_tag_that_is_weak_and_a_change_within_the_answers_second_prove_nothing() {
        let validator = |headers: &[(&str, &str)]| told(200, headers).unwrap().validator;
        let date = ("last-modified", DAY);
        assert_eq!(validator(&[("etag", "\"a\""), date]).as_deref(), Some("\"a\""));
        assert_eq!(validator(&[("etag", "W/\"a\""), date, ("date", NEXT)]).as_deref(), Some(DAY));
        for nothing in [
            vec![("etag", "W/\"a\"")],
            vec![("etag", "a")],
            vec![date],
            vec![date, ("date", DAY)],
            vec![("last-modified", NEXT), ("date", DAY)],
            vec![("last-modified", "lately"), ("date", NEXT)],
        ] {
            assert_eq!(validator(&nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_a_wrong_url_is_not() {
        for status in [408, 425, 429, 500, 503] {
            assert!(matches!(told(status, &[]), Err(Closed::Broke(_))), "{status}");
        }
        for status in [204, 401, 403, 404] {
            assert!(matches!(told(status, &[]), Err(Closed::Refused(_))), "{status}");
        }
    }
}
