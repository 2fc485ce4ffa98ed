//! What is answered: successes by operation, errors by profile.

use std::collections::BTreeMap;

use longhaul_model::Code;
use utoipa::openapi::schema::{AnyOf, Object, Schema, Type as Json};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Responses};

use super::operation::Group;
use super::schemas::answer_name;
use crate::api::{Answer, Kind, Operation, operations};
use crate::error;
use crate::profile::Profile;

/// Statuses that misuse has in `zstack`, as text.
const TEXT_STATUSES: [u16; 6] = [400, 403, 404, 405, 413, 500];
/// Statuses that misuse has in `fast` beside those of the error table.
const MISUSE_STATUSES: [u16; 4] = [400, 404, 405, 413];
/// What is refused before it is a request, without a body, in both profiles.
const UNREAD: [(u16, &str); 2] =
    [(414, "The first line is longer than 64 KiB"), (431, "There are more headers than are read")];

/// The responses of a group.
pub(super) fn responses(group: &Group, profile: Profile) -> Responses {
    let mut responses = Responses::new();
    let asynchronous = group.rows.iter().any(|r| r.kind == Kind::Async);
    let poll = group.rows.iter().any(|r| r.answer == Answer::Polled);
    if !(asynchronous && profile == Profile::Zstack) {
        responses.responses.insert("200".to_owned(), success(group, profile).into());
    }
    if asynchronous {
        let about = "Accepted: poll `location` until it answers something else than 202";
        responses.responses.insert("202".to_owned(), json(about, "Accepted").into());
    }
    if poll {
        responses.responses.insert("202".to_owned(), json("It is still worked on", "EmptyAnswer").into());
    }
    for (name, _) in errors(profile) {
        let status = name.trim_start_matches("Error").to_owned();
        let fits = !poll || matches!(status.as_str(), "404" | "405" | "414" | "431" | "503");
        if fits {
            responses.responses.insert(status, RefOr::Ref(Ref::from_response_name(name)));
        }
    }
    responses
}

fn success(group: &Group, profile: Profile) -> Response {
    let names = group.rows.iter().flat_map(|r| answers(r, profile));
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    match &distinct[..] {
        [only] => json("Success", only),
        several => {
            let any = several.iter().fold(AnyOf::builder(), |a, n| a.item(Ref::from_schema_name(n)));
            let any = any.description(Some("By action, or by the polled call; a plan for a dry run")).build();
            content("Success", Schema::AnyOf(any))
        }
    }
}

/// The names of the schemas that may be answered. Where a dry run gives a plan, `zstack` answers `{}`.
fn answers(row: &Operation, profile: Profile) -> Vec<String> {
    let plan = || match profile {
        Profile::Fast => "PlanAnswer".to_owned(),
        Profile::Zstack => answer_name(Answer::Empty, false),
    };
    match row.answer {
        Answer::Polled => {
            operations().filter(|r| r.kind == Kind::Async).flat_map(|r| answers(r, profile)).collect()
        }
        other => {
            let own = answer_name(other, matches!(row.kind, Kind::Query(_)));
            [own].into_iter().chain(row.plans.then(plan)).collect()
        }
    }
}

/// The error responses of a profile, by component name.
pub(super) fn errors(profile: Profile) -> impl Iterator<Item = (String, Response)> {
    let unread = |(status, about)| (status, ResponseBuilder::new().description(about).build());
    let mut all: BTreeMap<u16, Response> = UNREAD.into_iter().map(unread).collect();
    match profile {
        Profile::Zstack => {
            for status in TEXT_STATUSES {
                all.insert(status, plain_text("The request is not a call, as text"));
            }
            all.insert(503, json("Any other failure, told by `error.code`", "ErrorAnswer"));
        }
        Profile::Fast => {
            for status in MISUSE_STATUSES {
                all.insert(status, json("The request is not a call", "ErrorAnswer"));
            }
            for status in Code::ALL.map(|code| error::row(code).1) {
                let codes: Vec<&str> =
                    Code::ALL.into_iter().map(error::row).filter(|r| r.1 == status).map(|r| r.0).collect();
                all.insert(
                    status,
                    json(&format!("`error.code` is one of {}", codes.join(", ")), "ErrorAnswer"),
                );
            }
        }
    }
    all.into_iter().map(|(status, response)| (format!("Error{status}"), response))
}

fn json(description: &str, schema: &str) -> Response {
    content(description, RefOr::Ref(Ref::from_schema_name(schema)))
}

fn content(description: &str, schema: impl Into<RefOr<Schema>>) -> Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn plain_text(description: &str) -> Response {
    let text = Object::builder().schema_type(Json::String).max_length(Some(error::DETAILS_MAX)).build();
    let content = ContentBuilder::new().schema(Some(text)).build();
    ResponseBuilder::new().description(description).content("text/plain", content).build()
}
