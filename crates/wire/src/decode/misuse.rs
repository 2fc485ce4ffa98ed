//! Requests that are not calls, as a closed enum: their texts, their status in ZStack and in profile `fast`.
//!
//! Source: rest-api.md 2.2, 3.3, 3.4, 4.3, 5.6.

use longhaul_model::{Code, Fault};

use crate::error::cut;
use crate::profile::{Caller, Profile};
use crate::query::OPERATORS;

/// What was wrong with the request itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// No operation has this path, written without the context.
    NoApi(String),
    /// The method is none of GET, POST, PUT, DELETE, HEAD.
    UnknownMethod(String),
    /// PUT without a known action key; the path without the context.
    NoAction(String),
    /// PUT without a body on a path with several operations; the path without the context.
    EmptyBody(String),
    /// POST on a path that has other operations only; the raw path.
    NoCreate(String),
    /// GET on a path that has other operations only; the raw path.
    NoQuery(String),
    /// DELETE on a path that has other operations only; the raw path.
    NoDelete(String),
    /// HEAD; the raw path.
    Head(String),
    /// The body is not a JSON object, or is one that cannot be read: what the parser says.
    BadJson(String),
    /// A value has the wrong JSON type: the field, what is expected, what was found.
    WrongType(String, &'static str, &'static str),
    /// The body is larger than `decode::BODY_MAX_BYTES`.
    BodyTooLarge,
    /// A part of the URL is not UTF-8: which.
    NotUtf8(&'static str),
    /// A parameter that takes one value is there several times.
    Repeated(String),
    /// A map entry is there several times.
    RepeatedKey(String),
    /// A number was expected: field, value.
    NotInteger(String, String),
    /// A boolean was expected: field, value.
    NotBoolean(String, String),
    /// No `Authorization` header.
    NoAuthorization,
    /// Another scheme than `OAuth` or `ZStack`.
    UnknownScheme,
    /// The access key is not `id:signature`.
    AccessKeyFormat,
    /// Access key without a `Date` header.
    NoDate,
    /// The `Date` header cannot be read.
    BadDate,
    /// The `Date` header is more than 15 minutes off.
    SkewedDate,
    /// A segment of a signed path holds an escaped slash, which the signature does not tell from a slash.
    EscapedSlash,
    /// `X-Job-UUID` has not exactly 32 characters.
    BadJobUuid,
    /// `X-Job-UUID` names a call that is known already. Found by the server.
    DuplicateJobUuid(String),
    /// `X-API-Timeout` is not a number of seconds.
    BadTimeout(String),
    /// `X-Web-Hook` cannot be called: why. Found by the server.
    BadWebHook(String),
    /// `limit` is not a number.
    BadLimit,
    /// `start` is not a number.
    BadStart,
    /// A condition without an operator.
    NoOperator(String),
    /// A condition that does not split in two: its text, the operator's internal name.
    NotAPair(String, &'static str),
    /// The polled call is unknown or forgotten. Found by the server.
    Expired,
    /// A poll that is not a GET.
    PollNotGet,
}

impl Misuse {
    /// That `field` has not the JSON type that it should have.
    pub(crate) fn of_type(field: &str, expected: &'static str, found: &serde_json::Value) -> Self {
        Self::WrongType(field.to_owned(), expected, super::params::kind_of(found))
    }

    /// The text as `profile` answers it. They differ only where ZStack says nothing. What it quotes of the
    /// request may be as long as a body; the text is cut as the details of an error are.
    pub fn text(&self, profile: Profile) -> String {
        cut(&self.whole_text(profile))
    }

    fn whole_text(&self, profile: Profile) -> String {
        match self {
            Self::NoApi(path) => format!("no api mapping to {path}"),
            Self::UnknownMethod(method) => format!("Request method '{method}' not supported"),
            Self::EmptyBody(_) if profile == Profile::Zstack => String::new(),
            Self::NoAction(path) | Self::EmptyBody(path) => {
                format!("the body doesn't contain action mapping to the URL[{path}]")
            }
            Self::NoCreate(uri) => format!("No creational API found for the path[{uri}]"),
            Self::NoQuery(uri) => format!("No query API found for the path[{uri}]"),
            Self::NoDelete(uri) => format!("No delete API found for the path[{uri}]"),
            Self::Head(uri) => format!("The method[HEAD] is not allowed for the path[{uri}]"),
            Self::BadJson(message) => format!("the body is not a JSON object: {message}"),
            Self::WrongType(field, expected, found) => {
                format!("Expected {expected} but was {found} at path $.{field}")
            }
            Self::BodyTooLarge => format!("the body is larger than {} bytes", super::BODY_MAX_BYTES),
            Self::NotUtf8(part) => format!("the {part} is not UTF-8"),
            Self::Repeated(name) => format!(
                "Invalid query parameter[{name}], only one value is allowed for the parameter but multiple values found"
            ),
            Self::RepeatedKey(key) => format!(
                "duplicate map query parameter[{key}], there has been a parameter with the same map key"
            ),
            Self::NotInteger(f, v) => format!("[{f}] field is excepted an int or long, but was [{v}]."),
            Self::NotBoolean(f, v) => format!(
                "Invalid value for boolean field [{f}], [{v}] is not a valid boolean string[true, false]."
            ),
            Self::NoAuthorization => "missing header 'Authorization'".to_owned(),
            Self::UnknownScheme => "Authorization type must be 'OAuth'".to_owned(),
            Self::AccessKeyFormat => "accessKey format is 'ZStack AccessKeyId:Signature'".to_owned(),
            Self::NoDate => "'Date' must be incuded in request header".to_owned(),
            Self::BadDate => {
                "'Date' format error, correct format is 'EEE, dd MMM yyyy HH:mm:ss z'".to_owned()
            }
            Self::SkewedDate => "requestTimeTooSkewed".to_owned(),
            Self::EscapedSlash => {
                "the path of a signed request holds an escaped slash; no id has one, so send the path without it"
                    .to_owned()
            }
            Self::BadJobUuid => "Invalid header[X-Job-UUID], it must be a UUID with '-' stripped".to_owned(),
            Self::DuplicateJobUuid(id) => format!("Duplicate job uuid[{id}]"),
            Self::BadTimeout(value) => {
                format!("Invalid header[X-API-Timeout], [{value}] is not a number of seconds")
            }
            Self::BadWebHook(why) => format!("Invalid header[X-Web-Hook], {why}"),
            Self::BadLimit => "Invalid query parameter. 'limit' must be an integer".to_owned(),
            Self::BadStart => "Invalid query parameter. 'start' must be an integer".to_owned(),
            Self::NoOperator(q) => {
                let known = OPERATORS.map(|(text, _, _)| text).join(", ");
                format!(
                    "Invalid query parameter. The '{q}' in the parameter[q] doesn't contain any query operator. Valid query operators are [[{known}]]"
                )
            }
            Self::NotAPair(q, op) => format!(
                "Invalid query parameter. The '{q}' in parameter[q] is not a key-value pair split by {op}"
            ),
            Self::Expired => "the job has been expired".to_owned(),
            Self::PollNotGet => "only GET method is allowed for querying job status".to_owned(),
        }
    }

    /// ZStack's status.
    pub const fn zstack_status(&self) -> u16 {
        match self {
            Self::NoApi(_) | Self::Expired => 404,
            Self::UnknownMethod(_) | Self::Head(_) | Self::PollNotGet => 405,
            Self::EmptyBody(_) | Self::NoCreate(_) | Self::NoQuery(_) | Self::NoDelete(_) => 500,
            Self::BadJson(_) | Self::WrongType(..) | Self::BadTimeout(_) => 500,
            Self::BodyTooLarge => 413,
            Self::SkewedDate => 403,
            Self::NoAction(_)
            | Self::NotUtf8(_)
            | Self::Repeated(_)
            | Self::RepeatedKey(_)
            | Self::NotInteger(..)
            | Self::NotBoolean(..)
            | Self::NoAuthorization
            | Self::UnknownScheme
            | Self::AccessKeyFormat
            | Self::NoDate
            | Self::BadDate
            | Self::EscapedSlash
            | Self::BadJobUuid
            | Self::DuplicateJobUuid(_)
            | Self::BadWebHook(_)
            | Self::BadLimit
            | Self::BadStart
            | Self::NoOperator(_)
            | Self::NotAPair(..) => 400,
        }
    }

    /// The status in profile `fast`: ZStack's where it is a 4xx, 405 for a wrong method, 400 for the other
    /// 500s. Missing or unusable credentials are 401 for plain callers.
    pub const fn fast_status(&self, caller: Caller) -> u16 {
        match (self, caller) {
            (Self::NoCreate(_) | Self::NoQuery(_) | Self::NoDelete(_), _) => 405,
            (_, Caller::Plain) if self.is_about_credentials() => 401,
            _ => match self.zstack_status() {
                500 => 400,
                status => status,
            },
        }
    }

    const fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::NoAuthorization
                | Self::UnknownScheme
                | Self::AccessKeyFormat
                | Self::NoDate
                | Self::BadDate
                | Self::SkewedDate
        )
    }

    /// As a failure, for profile `fast`: ID.1001 for missing or unusable credentials, else SYS.1007.
    pub fn to_fault(&self) -> Fault {
        let code = if self.is_about_credentials() { Code::InvalidSession } else { Code::InvalidArgument };
        Fault::new(code, self.text(Profile::Fast))
    }
}
