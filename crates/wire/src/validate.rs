//! The bounds of parameters against the table of operations. Types are checked before, in `decode`; whether
//! a resource exists, later, by the engine, with `not_found` for its text.
//!
//! Source: rest-api.md 1.4, 4.4.

use longhaul_model::id::is_choosable_uuid;
use longhaul_model::{Code, Fault, JOB_DATA_MAX_BYTES, JobId};

use crate::api::{Method, Op, Param};
use crate::decode::{Call, Value};
use crate::profile::Profile;

mod keys;

#[cfg(test)]
mod tests;

/// Most tags on one call, system tags and user tags each.
pub const TAGS_MAX: usize = 100;
/// Longest tag, in UTF-16 units.
pub const TAG_MAX: usize = 2048;

/// The class that ZStack prints in its texts: its validator's, by mistake.
pub(crate) const PRINTED: &str = "org.zstack.header.message.ApiMessageParamValidator";

/// Checks every parameter and tag of `call`: first the bounds of all, then the form of all uuids, as ZStack
/// does.
///
/// # Errors
/// SYS.1007 for a value out of bounds; SYS.1003 for a text that cannot be the uuid it is to be.
pub fn check(call: &Call, profile: Profile) -> Result<(), Fault> {
    if profile == Profile::Fast
        && let Some(key) = call.no_wrapper
        && let Some(missing) = first_missing(call)
    {
        return Err(Fault::invalid(format!(
            "{}; the body has no member [{key}], which holds the parameters: {{\"{key}\": {{\"{missing}\": …}}}}",
            mandatory(missing)
        )));
    }
    for param in call.operation.params {
        bounds(param, call.params.get(param.name))?;
    }
    for tags in [&call.system_tags, &call.user_tags] {
        check_tags(tags)?;
    }
    for param in call.operation.params {
        uuids(call, param)?;
    }
    match call.op() {
        Op::SubmitLongJob => job_data_size(call),
        Op::CreateAccessKey => keys::check(call),
        Op::GetTaskProgress => match call.params.text("apiId") {
            Some(id) if id.parse::<JobId>().is_err() => {
                Err(Fault::invalid(format!("parameter apiId[{id}] is not a valid uuid.")))
            }
            _ => Ok(()),
        },
        Op::CreateDataVolume if call.params.int("diskSize").is_some_and(|size| size < 0) => {
            Err(Fault::invalid("unexpected disk size settings"))
        }
        Op::GetTrashOnPrimaryStorage
            if call.params.text("resourceUuid").is_some() != call.params.text("resourceType").is_some() =>
        {
            Err(Fault::invalid("'resourceUuid' and 'resourceType' must be set both or neither!"))
        }
        Op::GetPrimaryStorageCapacity if !call.params.flag("all") && lists_nothing(call) => {
            Err(Fault::invalid(
                "zoneUuids, clusterUuids, primaryStorageUuids must have at least one be none-empty list, or all is set to true",
            ))
        }
        _ => Ok(()),
    }
}

/// The text for a uuid that names nothing: `field` is the parameter, `resource` its type (`LongJobVO`).
pub fn not_found(field: &str, uuid: &str, resource: &str) -> Fault {
    Fault::new(
        Code::NotFound,
        format!("invalid field[{field}], resource[uuid:{uuid}, type:{resource}] not found"),
    )
}

/// The text for an API that only admin accounts may call.
pub fn admin_only(call: &Call) -> Fault {
    let name = call.operation.message_class;
    Fault::new(
        Code::PermissionDenied,
        format!("request api[name: {name}] is admin only, can not be executed by current user"),
    )
}

fn mandatory(name: &str) -> String {
    format!("field[{name}] of message[{PRINTED}] is mandatory, can not be null")
}

/// The first parameter that must be there and is not, which a body without its wrapper is refused for.
fn first_missing(call: &Call) -> Option<&'static str> {
    let missing = |param: &&Param| param.required && call.params.get(param.name).is_none();
    call.operation.params.iter().find(missing).map(|param| param.name)
}

fn bounds(param: &Param, value: Option<&Value>) -> Result<(), Fault> {
    let name = param.name;
    match value {
        None if param.required => Err(Fault::invalid(mandatory(name))),
        None | Some(Value::Bool(_)) => Ok(()),
        Some(Value::Text(text)) => text_bounds(param, text),
        Some(Value::Int(number)) => match param.range {
            Some((low, high)) if !(low..=high).contains(number) => {
                Err(Fault::invalid(format!("field[{name}] must be in range of [{low}, {high}]")))
            }
            _ => Ok(()),
        },
        Some(Value::Objects(list)) => {
            let count = i64::try_from(list.len()).unwrap_or(i64::MAX);
            match param.range {
                Some((low, high)) if !(low..=high).contains(&count) => Err(Fault::invalid(format!(
                    "field[{name}] must have {low} to {high} elements, actual were {count}; send further ones in a further call"
                ))),
                _ => Ok(()),
            }
        }
        Some(Value::List(list)) => {
            if list.iter().any(Option::is_none) {
                return Err(Fault::invalid(format!("field[{name}] cannot contain a NULL element")));
            }
            if param.required && list.is_empty() {
                return Err(Fault::invalid(format!("field[{name}] must be a nonempty list")));
            }
            list.iter().flatten().try_for_each(|text| text_bounds(param, text))
        }
    }
}

fn text_bounds(param: &Param, text: &str) -> Result<(), Fault> {
    let name = param.name;
    no_nul(name, text)?;
    if let Some(max) = param.max_units {
        let units = units(text);
        if units > max {
            return Err(Fault::invalid(format!(
                "field[{name}] of message[{PRINTED}] exceeds max length of string. expected was <= {max}, actual was {units}"
            )));
        }
    }
    if !param.allowed.is_empty() && !param.allowed.contains(&text) {
        let allowed = param.allowed.join(", ");
        return Err(Fault::invalid(format!(
            "valid value for field[{name}] of message[{PRINTED}] are [{allowed}], but {text} found"
        )));
    }
    Ok(())
}

fn uuids(call: &Call, param: &Param) -> Result<(), Fault> {
    let name = param.name;
    if name == "resourceUuid" && param.location == crate::api::Location::Body && param.resource.is_none() {
        return match call.params.text(name) {
            Some(text) if !is_choosable_uuid(text) => Err(Fault::invalid(format!(
                "resourceUuid[{text}] is not a valid uuid. A valid uuid is a UUID(v4 recommended) with '-' stripped. see http://en.wikipedia.org/wiki/Universally_unique_identifier for format of UUID, the regular expression uses to validate a UUID is '[0-9a-f]{{8}}[0-9a-f]{{4}}[1-5][0-9a-f]{{3}}[89ab][0-9a-f]{{3}}[0-9a-f]{{12}}'"
            ))),
            _ => Ok(()),
        };
    }
    let Some(resource) = param.resource else { return Ok(()) };
    let list = call.params.list(name);
    if !list.is_empty() {
        // The only list with a resource type is `tagUuids`, and no installation has tag patterns.
        return Err(Fault::new(
            Code::NotFound,
            format!(
                "invalid field[{name}], resource[uuids:[{}], type:{resource}] not found",
                list.join(", ")
            ),
        ));
    }
    match call.params.text(name) {
        Some(text) if text.parse::<JobId>().is_err() => Err(if call.operation.method == Method::Delete {
            Fault::new(Code::NotFound, format!("invalid value[{text}] of field [{name}]"))
        } else {
            not_found(name, text, resource)
        }),
        _ => Ok(()),
    }
}

fn check_tags(tags: &[String]) -> Result<(), Fault> {
    if tags.len() > TAGS_MAX {
        return Err(Fault::invalid(format!("a call has at most {TAGS_MAX} tags of each kind")));
    }
    for tag in tags {
        no_nul("tags", tag)?;
        if units(tag) > TAG_MAX {
            return Err(Fault::invalid(format!("a tag has at most {TAG_MAX} characters")));
        }
    }
    Ok(())
}

fn job_data_size(call: &Call) -> Result<(), Fault> {
    match call.params.text("jobData") {
        Some(data) if data.len() > JOB_DATA_MAX_BYTES => Err(Fault::invalid(format!(
            "field[jobData] exceeds {JOB_DATA_MAX_BYTES} bytes, actual was {}",
            data.len()
        ))),
        _ => Ok(()),
    }
}

fn lists_nothing(call: &Call) -> bool {
    ["zoneUuids", "clusterUuids", "primaryStorageUuids"].iter().all(|name| call.params.list(name).is_empty())
}

fn no_nul(field: &str, text: &str) -> Result<(), Fault> {
    match text.contains('\0') {
        true => Err(Fault::invalid(format!("field[{field}] holds a NUL character, which no text here may"))),
        false => Ok(()),
    }
}

/// The length that the contract counts.
fn units(text: &str) -> usize {
    // A text has never more units than bytes, and most are short.
    text.encode_utf16().count()
}
