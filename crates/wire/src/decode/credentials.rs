//! The `Authorization` header: its schemes and what is wrong with it. Whether a session is valid is the
//! server's to find out.
//!
//! Source: rest-api.md 2.1, 2.2.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Request;
use super::misuse::Misuse;

/// How far the `Date` of an access key may be off, in ms.
const SKEW_MAX_MS: i64 = 15 * 60 * 1000;

/// The session that the request carries. A call that needs none takes whatever it finds.
pub(super) fn session(request: &Request<'_>, needed: bool) -> Result<Option<String>, Misuse> {
    let header = request.headers.authorization.map(str::trim);
    let session = header.and_then(|h| h.strip_prefix("OAuth")).map(|rest| rest.trim().to_owned());
    if session.is_some() || !needed {
        return Ok(session);
    }
    let Some(header) = header else { return Err(Misuse::NoAuthorization) };
    match header.strip_prefix("ZStack") {
        Some(key) => Err(access_key(request, key)),
        None => Err(Misuse::UnknownScheme),
    }
}

/// What is wrong with an access key; in the end, that nothing here checks them.
fn access_key(request: &Request<'_>, key: &str) -> Misuse {
    let parts: Vec<&str> = key.trim().split(':').collect();
    if parts.len() != 2 || parts.iter().any(|p| p.is_empty()) {
        return Misuse::AccessKeyFormat;
    }
    let Some(date) = request.headers.date else { return Misuse::NoDate };
    let Some(wall) = wall_clock(date) else { return Misuse::BadDate };
    // The SDKs write zone names that nobody can read back, so the wall clock counts, ours or UTC.
    let near = [TimeZone::UTC, request.zone.clone()].into_iter().any(|zone| {
        wall.to_zoned(zone)
            .is_ok_and(|z| (z.timestamp().as_millisecond().abs_diff(request.now_ms)) <= SKEW_MAX_MS as u64)
    });
    if near { Misuse::NoBackend("accessKey") } else { Misuse::SkewedDate }
}

/// `Tue, 14 Nov 2017 22:20:57` at the start of the header, whatever zone follows.
fn wall_clock(date: &str) -> Option<DateTime> {
    let head = date.trim().get(..25)?;
    DateTime::strptime("%a, %d %b %Y %H:%M:%S", head).ok()
}
