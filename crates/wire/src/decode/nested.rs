//! A call inside of a call: one job of a submission of many is read as the call that submits it alone.

use serde_json::Value as Json;

use super::params::{declared, kind_of};
use super::{Call, Misuse, Params, params};
use crate::api::Operation;

/// The call of `operation` whose parameters, `systemTags` and `userTags` are the members of `object`; who
/// makes it, and how it is answered, is that of `around`.
///
/// # Errors
/// What is wrong with the object, as with the member that holds the parameters of that call.
pub fn nested(around: &Call, operation: &'static Operation, object: &Json) -> Result<Call, Misuse> {
    let Json::Object(object) = object else {
        return Err(Misuse::WrongType(operation.name.to_owned(), "an object", kind_of(object)));
    };
    let tags = |key: &str| match object.get(key) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(list) => params::texts(key, list).map(|list| list.into_iter().flatten().collect()),
    };
    Ok(Call {
        operation,
        params: Params::from_object(declared(operation), object)?,
        system_tags: tags("systemTags")?,
        user_tags: tags("userTags")?,
        job_uuid: None,
        query: None,
        no_wrapper: None,
        web_hook: None,
        session: around.session.clone(),
        signed: None, // it was looked at with the call around
        api_timeout_s: around.api_timeout_s,
        wants_schema: around.wants_schema,
        caller: around.caller,
    })
}
