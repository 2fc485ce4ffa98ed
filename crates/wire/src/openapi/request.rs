//! What a request carries: path and query parameters, headers, bodies.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{
    AdditionalProperties, Array, Object, ObjectBuilder, OneOf, Schema, Type as Json,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required};

use super::operation::Group;
use super::schemas::uuid_pattern;
use crate::api::{Kind, Location, Method, Op, Operation, Param, Type, operations};
use crate::profile::Profile;
use crate::query::WAIT_MAX_S;
use crate::validate::{TAG_MAX, TAGS_MAX};

/// The parameters of a group: those of its rows, of the query grammar, and the headers. What many operations
/// share is in the components.
pub(super) fn parameters(group: &Group, profile: Profile) -> Vec<RefOr<Parameter>> {
    let mut own: Vec<Parameter> = Vec::new();
    for param in group.rows.iter().flat_map(|r| r.params).filter(|p| p.location != Location::Body) {
        if !own.iter().any(|p| p.name == param.name) {
            own.push(documented(param));
        }
    }
    let query = group.rows.iter().any(|r| matches!(r.kind, Kind::Query(_)));
    let mut shared = Vec::new();
    if group.one {
        let schema = ObjectBuilder::from(text(32)).pattern(Some(uuid_pattern())).min_length(Some(32)).build();
        own.push(parameter("uuid", ParameterIn::Path, "The resource's uuid", schema));
        if group.rows.iter().any(|r| r.op == Op::QueryLongJob) {
            let about = format!(
                "Wait so long for the job's end, as `30s`, at most {WAIT_MAX_S}s; the answer is the job as it is then"
            );
            own.push(parameter("wait", ParameterIn::Query, &about, text(16)));
        }
    } else if query {
        shared.extend(grammar());
    }
    if group.rows.iter().any(|r| r.takes_tags()) {
        shared.extend(headers(profile));
    }
    if !query {
        shared.push(schema_header());
    }
    let place = |p: Parameter| RefOr::Ref(Ref::new(format!("#/components/parameters/{}", p.name)));
    own.into_iter().map(RefOr::T).chain(shared.into_iter().map(place)).collect()
}

/// The parameters that many operations share, by name.
pub(super) fn shared(profile: Profile) -> impl Iterator<Item = (String, Parameter)> {
    let all = grammar().into_iter().chain(headers(profile)).chain([schema_header()]);
    all.map(|parameter| (parameter.name.clone(), parameter))
}

fn schema_header() -> Parameter {
    let about = "Any value: the answer also carries `schema`, the Java class of each object in it";
    parameter("X-JSON-Schema", ParameterIn::Header, about, text(255))
}

/// The body of a group: of one operation, one of several actions, or the optional tags of a DELETE.
pub(super) fn body(group: &Group) -> Option<RequestBody> {
    let required = match group.method {
        Method::Post | Method::Put => Required::True,
        Method::Delete if group.rows.iter().any(|r| r.takes_tags()) => Required::False,
        Method::Get | Method::Head | Method::Delete => return None,
    };
    let schema: RefOr<Schema> = match &group.rows[..] {
        [only] => Ref::from_schema_name(body_name(only)).into(),
        several => {
            let one =
                several.iter().fold(OneOf::builder(), |o, r| o.item(Ref::from_schema_name(body_name(r))));
            RefOr::T(Schema::OneOf(one.description(Some("Exactly one action")).build()))
        }
    };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut body = RequestBody::new();
    body.description = Some("Unknown keys are ignored".to_owned());
    body.required = Some(required);
    body.content.insert("application/json".to_owned(), RefOr::T(content));
    Some(body)
}

fn body_name(row: &Operation) -> String {
    format!("{}Request", row.name)
}

/// The schemas of all bodies, by name.
pub(super) fn body_schemas() -> Vec<(String, RefOr<Schema>)> {
    let with_body =
        operations().filter(|r| r.wrapper.key().is_some() || (r.method == Method::Delete && r.takes_tags()));
    with_body.map(|row| (body_name(row), body_schema(row))).collect()
}

fn body_schema(row: &Operation) -> RefOr<Schema> {
    let mut object = Object::builder().schema_type(Json::Object);
    object = object.description(Some(format!("Body of {}", row.name)));
    if let Some(key) = row.wrapper.key() {
        let mut inner = Object::builder().schema_type(Json::Object);
        inner = inner.description(Some(format!("Parameters of {}", row.name)));
        let params = row.params.iter().filter(|p| p.location == Location::Body);
        for param in params.clone() {
            inner = inner.property(param.name, schema_of(param, Some(param.description)));
            if param.required {
                inner = inner.required(param.name);
            }
        }
        if row.takes_tags() {
            inner = tags(inner, " (the top level of the body wins over these)");
        } else if params.count() == 0 {
            inner = inner.additional_properties(Some(AdditionalProperties::FreeForm(false)));
        }
        object = object.property(key, inner).required(key);
    }
    if row.takes_tags() {
        object = tags(object, "");
    }
    object.extensions(Some(Extensions::builder().add("x-since", row.since).build())).into()
}

fn tags(object: ObjectBuilder, where_else: &str) -> ObjectBuilder {
    let list = |what: &str| list_of(text(TAG_MAX), TAGS_MAX, &format!("{what}{where_else}"));
    object.property("systemTags", list("System tags")).property("userTags", list("User tags"))
}

fn documented(param: &Param) -> Parameter {
    let place = match param.location {
        Location::Url => ParameterIn::Path,
        Location::Query | Location::Body => ParameterIn::Query,
    };
    let mut documented = parameter(param.name, place, param.description, schema_of(param, None));
    if param.required {
        documented.required = Required::True;
    }
    documented
}

fn parameter(
    name: &str,
    place: ParameterIn,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
) -> Parameter {
    let mut parameter = Parameter::new(name);
    parameter.required = if place == ParameterIn::Path { Required::True } else { Required::False };
    parameter.parameter_in = place;
    parameter.description = Some(description.to_owned());
    parameter.schema = Some(schema.into());
    parameter
}

/// The schema of a parameter's value with all of its bounds.
fn schema_of(param: &Param, description: Option<&str>) -> RefOr<Schema> {
    let object = Object::builder().description(description);
    let object = match param.ty {
        Type::List => {
            if let Some(max) = param.max_units {
                return list_of(text(max), TAGS_MAX, description.unwrap_or_default()).into();
            }
            let uuid = ObjectBuilder::from(text(32)).pattern(Some(uuid_pattern())).build();
            return list_of(uuid, 1000, description.unwrap_or_default()).into();
        }
        Type::Objects => {
            let most = param.range.map_or(TAGS_MAX, |(_, high)| usize::try_from(high).unwrap_or(usize::MAX));
            let mut array = Array::new(nested());
            (array.max_items, array.description) = (Some(most), description.map(str::to_owned));
            array.min_items = param.range.and_then(|(low, _)| usize::try_from(low).ok());
            return Schema::Array(array).into();
        }
        Type::Bool => object.schema_type(Json::Boolean),
        Type::Int => {
            let (low, high) = param.range.unwrap_or((0, i64::MAX));
            object
                .schema_type(Json::Integer)
                .minimum(Some(low as f64))
                .maximum((high < i64::MAX).then_some(high as f64))
        }
        Type::Text if !param.allowed.is_empty() => {
            object.schema_type(Json::String).enum_values(Some(param.allowed.iter().copied()))
        }
        Type::Text if param.resource.is_some() || param.name == "resourceUuid" => object
            .schema_type(Json::String)
            .pattern(Some(uuid_pattern()))
            .min_length(Some(32))
            .max_length(Some(32)),
        // What has no length of its own is `jobData` or an id in the path.
        Type::Text => {
            let own = if param.location == Location::Url { 32 } else { longhaul_model::JOB_DATA_MAX_BYTES };
            object.schema_type(Json::String).max_length(Some(param.max_units.unwrap_or(own)))
        }
    };
    object.into()
}

/// One submission inside of a call with many.
fn nested() -> Object {
    let mut object = Object::builder().schema_type(Json::Object).description(Some("A submission"));
    let rows = operations().filter(|row| row.op == Op::SubmitLongJob);
    for param in rows.flat_map(|row| row.params) {
        object = object.property(param.name, schema_of(param, Some(param.description)));
        if param.required {
            object = object.required(param.name);
        }
    }
    tags(object, "").build()
}

fn list_of(item: Object, max: usize, description: &str) -> Schema {
    let mut array = Array::new(item);
    array.max_items = Some(max);
    array.description = (!description.is_empty()).then(|| description.to_owned());
    Schema::Array(array)
}

fn text(max: usize) -> Object {
    Object::builder().schema_type(Json::String).max_length(Some(max)).build()
}

fn integer(low: i64, high: i64) -> Object {
    let object = Object::builder().schema_type(Json::Integer);
    object.minimum(Some(low as f64)).maximum(Some(high as f64)).build()
}

fn boolean() -> Object {
    Object::builder().schema_type(Json::Boolean).build()
}

/// The parameters of every query (rest-api.md 5.1).
fn grammar() -> Vec<Parameter> {
    use longhaul_model::query::{CONDITIONS_MAX, LIMIT_MAX};
    let q = list_of(text(65_536), CONDITIONS_MAX, "");
    let query = |name, about, schema: RefOr<Schema>| parameter(name, ParameterIn::Query, about, schema);
    vec![
        query(
            "q",
            "One condition, repeated for AND: field, operator, value. Operators: != >= <= !?= !~= ~= ?= = > <, and the words `is null`, `not null`",
            q.into(),
        ),
        query("limit", "At most so many rows; default 1000", integer(0, i64::from(LIMIT_MAX)).into()),
        query("start", "Skip so many rows; default 0", integer(0, i64::from(i32::MAX)).into()),
        query("count", "Answer only the number of matching rows; default false", boolean().into()),
        query(
            "replyWithCount",
            "Answer the number of matching rows too, as `total`; default false",
            boolean().into(),
        ),
        query(
            "sort",
            "`+field` or `field` ascending, `-field` descending; default: newest first",
            text(64).into(),
        ),
        query("fields", "Comma list of the keys to answer; default: all", text(1024).into()),
        query("groupBy", "Accepted and ignored", text(64).into()),
    ]
}

/// The headers of asynchronous calls (rest-api.md 3.3).
fn headers(profile: Profile) -> Vec<Parameter> {
    let header = |name, about, schema: Object| parameter(name, ParameterIn::Header, about, schema);
    let mut all = vec![
        header("X-Job-UUID", "Id of this call, chosen by the caller: exactly 32 characters", {
            ObjectBuilder::from(text(32)).min_length(Some(32)).build()
        }),
        header("X-API-Timeout", "Time for this call, in seconds", integer(0, i64::from(i32::MAX))),
        header("X-Web-Hook", "URL that is called with the result", text(2048)),
    ];
    if profile == Profile::Fast {
        all.push(header("Prefer", "`respond-async`: answer 202 at once", text(255)));
    }
    all
}
