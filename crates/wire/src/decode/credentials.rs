//! The `Authorization` header: its schemes and what is wrong with it. Whether a session is valid and a
//! signature right is the server's to find out.
//!
//! Source: rest-api.md 2.1, 2.2.

use super::misuse::Misuse;
use super::{Request, date, route};

/// A request that an access key has signed, as far as it can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which key says it did.
    pub access_id: String,
    /// The signature, in base64 as sent: HMAC-SHA1 of `text` by the key's secret.
    pub signature: String,
    /// What was signed: method, `Date` header and path, in lines. The path is without the context and the
    /// query string, decoded.
    pub text: String,
}

/// A signature counts for 15 minutes: it does not belong in a log.
impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").field("access_id", &self.access_id).finish_non_exhaustive()
    }
}

/// The session or the signature that the request carries; a session where there seem to be both. A call that
/// needs neither takes whatever it finds.
pub(super) fn of(request: &Request<'_>, needed: bool) -> Result<(Option<String>, Option<Signed>), Misuse> {
    let header = request.headers.authorization.map(str::trim);
    let session = header.and_then(|h| h.strip_prefix("OAuth")).map(|rest| rest.trim().to_owned());
    if session.is_some() || !needed {
        return Ok((session, None));
    }
    let Some(header) = header else { return Err(Misuse::NoAuthorization) };
    match header.strip_prefix("ZStack") {
        Some(key) => signed(request, key).map(|signed| (None, Some(signed))),
        None => Err(Misuse::UnknownScheme),
    }
}

fn signed(request: &Request<'_>, key: &str) -> Result<Signed, Misuse> {
    let (access_id, signature) = key.trim().split_once(':').ok_or(Misuse::AccessKeyFormat)?;
    if access_id.is_empty() || signature.is_empty() || signature.contains(':') {
        return Err(Misuse::AccessKeyFormat);
    }
    let date = request.headers.date.ok_or(Misuse::NoDate)?;
    date::check(date, request.now_ms, request.zone)?;
    let path = route::without_context(request.path);
    let slashes = path.matches('/').count();
    let path = super::url::unescape(path, false).ok_or(Misuse::NotUtf8("path"))?;
    if path.matches('/').count() != slashes {
        return Err(Misuse::EscapedSlash); // else `/longjobs/a/actions` signs for `/longjobs/a%2Factions` too
    }
    Ok(Signed {
        access_id: access_id.to_owned(),
        signature: signature.to_owned(),
        text: format!("{}\n{date}\n{path}", request.method),
    })
}
