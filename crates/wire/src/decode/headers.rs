//! The headers that mean something to a call. All others are ignored, the content type among them.
//!
//! Source: rest-api.md 2.1, 3.3; design section 7 for `Prefer`.

use longhaul_model::ApiId;

use super::misuse::Misuse;

/// A view of the headers; absent ones are `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `Authorization`
    pub authorization: Option<&'a str>,
    /// `Date`
    pub date: Option<&'a str>,
    /// `X-Job-UUID`
    pub job_uuid: Option<&'a str>,
    /// `X-API-Timeout`
    pub api_timeout: Option<&'a str>,
    /// `X-Web-Hook`
    pub web_hook: Option<&'a str>,
    /// `X-Session-Id`
    pub session_id: Option<&'a str>,
    /// `Prefer`
    pub prefer: Option<&'a str>,
    /// Whether `X-JSON-Schema` is there, with any value.
    pub json_schema: bool,
}

impl<'a> Headers<'a> {
    /// Takes each header from `get`, which is asked with its name in lower case and answers its value. A
    /// value that is not text may be given as an empty one.
    pub fn from_fn(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            authorization: get("authorization"),
            date: get("date"),
            job_uuid: get("x-job-uuid"),
            api_timeout: get("x-api-timeout"),
            web_hook: get("x-web-hook"),
            session_id: get("x-session-id"),
            prefer: get("prefer"),
            json_schema: get("x-json-schema").is_some(),
        }
    }

    /// The call's id, if the caller chose one: only its length is checked, as ZStack does.
    pub(super) fn chosen_job_uuid(&self) -> Result<Option<ApiId>, Misuse> {
        self.job_uuid.map(|text| ApiId::chosen(text).ok_or(Misuse::BadJobUuid)).transpose()
    }

    pub(super) fn timeout_s(&self) -> Result<Option<u64>, Misuse> {
        let bad = |text: &str| Misuse::BadTimeout(text.to_owned());
        self.api_timeout.map(|text| text.trim().parse().map_err(|_| bad(text))).transpose()
    }
}
