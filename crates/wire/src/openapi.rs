//! The OpenAPI 3.1 document, one per reply profile, built from the table of operations and the schemas of
//! the answers; nothing in it is written a second time.
//!
//! Several PUT actions share a path: they are one OpenAPI operation whose body is one of theirs, and
//! `x-actions` lists them, so that whoever counts operations counts each.

mod operation;
mod request;
mod response;
mod schemas;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Components, Info, License, OpenApi, Paths, Server};

use crate::profile::Profile;

/// The name of the security scheme in the document.
pub const SECURITY: &str = "session";

/// The document of `profile`.
pub fn document(profile: Profile) -> OpenApi {
    let mut info = Info::new("Longhaul", env!("CARGO_PKG_VERSION"));
    info.description = Some(format!(
        "Long jobs over ZStack's REST API. This is reply profile `{}`; see x-actions where several actions share a path.",
        profile.name()
    ));
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let mut document = OpenApi::new(info, paths(profile));
    document.servers = Some(vec![Server::new("/zstack/v1"), Server::new("/v1")]);
    document.components = Some(components(profile));
    document
}

/// The document of `profile` as indented JSON with a newline at the end, as it is committed. The same text
/// at every call.
pub fn json(profile: Profile) -> String {
    let value = serde_json::to_value(document(profile)).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&ordered(value)).unwrap_or_default();
    text.push('\n');
    text
}

/// Extensions at the end of each object, by name: the builder keeps them in no order.
fn ordered(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(ordered).collect(),
        Value::Object(object) => {
            let (mut extensions, plain): (Vec<_>, Vec<_>) =
                object.into_iter().partition(|(key, _)| key.starts_with("x-"));
            extensions.sort_by(|a, b| a.0.cmp(&b.0));
            let all = plain.into_iter().chain(extensions).map(|(key, value)| (key, ordered(value)));
            Value::Object(all.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn paths(profile: Profile) -> Paths {
    let mut paths = Paths::new();
    for path in operation::groups() {
        paths.add_path_operation(path.path, vec![path.http_method()], path.build(profile));
    }
    paths
}

fn components(profile: Profile) -> Components {
    let mut components = Components::new();
    components.schemas.extend(schemas::all(profile));
    components.responses.extend(response::errors(profile).map(|(name, r)| (name, r.into())));
    components.parameters.extend(request::shared(profile).map(|(name, p)| (name, p.into())));
    let key = ApiKeyValue::with_description(
        "Authorization",
        "`OAuth <session uuid>`, the uuid as LogInByAccount answers it",
    );
    components.add_security_scheme(SECURITY, SecurityScheme::ApiKey(ApiKey::Header(key)));
    components
}
