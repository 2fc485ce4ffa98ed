//! Who is answered how: the reply profile (one setting of the server) and the kind of caller (told by the
//! request's headers). What follows from them is in `reply`.
//!
//! Source: design section 7 "Two reply profiles".

use crate::decode::Headers;

/// The setting `api.replies`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Results at once where that is possible, HTTP statuses that say what went wrong. The default.
    #[default]
    Fast,
    /// ZStack's status codes, envelopes and texts to the letter.
    Zstack,
}

impl Profile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Zstack];

    /// The setting's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Zstack => "zstack",
        }
    }

    /// The profile of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// The kind of caller. Only `fast` treats them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// One of ZStack's SDKs, or whoever asks for the asynchronous form.
    Sdk,
    /// Anyone else: curl, a browser, our own clients.
    Plain,
}

impl Caller {
    /// Tells the caller by its headers: `X-Job-UUID` (Java, Python), `X-Session-Id` or the access-key
    /// scheme (Go), `X-Web-Hook`, or `Prefer: respond-async` make it an SDK.
    pub fn detect(headers: &Headers<'_>) -> Self {
        let access_key =
            headers.authorization.is_some_and(|a| a.trim_start().strip_prefix("ZStack").is_some());
        let sdk = headers.job_uuid.is_some()
            || headers.session_id.is_some()
            || headers.web_hook.is_some()
            || access_key
            || headers.prefer.is_some_and(prefers_async);
        if sdk { Self::Sdk } else { Self::Plain }
    }
}

/// Whether a `Prefer` header holds the preference `respond-async` (RFC 7240: a comma list, any case).
fn prefers_async(header: &str) -> bool {
    header.split(',').any(|preference| {
        let name = preference.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller_of(pairs: &[(&str, &str)]) -> Caller {
        Caller::detect(&Headers::from_fn(|name| {
            pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
        }))
    }

    #[test]
    fn the_header_sets_of_the_sdks_are_told_from_curl() {
        let java = [("X-Job-UUID", "5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1"), ("Authorization", "OAuth 1")];
        let go = [("Authorization", "OAuth 1"), ("X-Session-Id", "1")];
        let go_key = [("Authorization", "ZStack id:signature"), ("Date", "x")];
        for sdk in
            [&java[..], &go, &go_key, &[("X-Web-Hook", "http://h/")], &[("prefer", "wait=1, Respond-Async")]]
        {
            assert_eq!(caller_of(sdk), Caller::Sdk, "{sdk:?}");
        }
        for plain in
            [&[][..], &[("Authorization", "OAuth 1")], &[("Prefer", "wait=2")], &[("X-JSON-Schema", "true")]]
        {
            assert_eq!(caller_of(plain), Caller::Plain, "{plain:?}");
        }
    }
}
