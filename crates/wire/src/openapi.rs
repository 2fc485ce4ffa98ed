//! The OpenAPI 3.1 document, one per reply profile, built from the table of operations and the schemas of
//! the answers.

use crate::profile::Profile;

/// The document of `profile`.
pub fn document(profile: Profile) -> utoipa::openapi::OpenApi {
    let _ = profile;
    utoipa::openapi::OpenApi::default()
}

/// The document of `profile` as indented JSON with a newline at the end, as it is committed.
pub fn json(profile: Profile) -> String {
    let mut text = serde_json::to_string_pretty(&document(profile)).unwrap_or_default();
    text.push('\n');
    text
}
