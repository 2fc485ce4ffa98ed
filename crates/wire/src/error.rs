//! THE table from code to wire code, status and description, and the error body. Statuses are those of
//! profile `fast` for plain callers; who gets another one is decided in `reply`.
//!
//! Source: rest-api.md 4.1 and 4.5, design section 7 "Error table in `fast`".

use longhaul_model::{Code, Fault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest `details`, in UTF-16 units; longer ones are cut to 4,093 and `...`.
pub const DETAILS_MAX: usize = 4096;

/// Wire code, status in profile `fast`, description. No `_` arm: a new code fails to compile until it has
/// its row.
pub const fn row(code: Code) -> (&'static str, u16, &'static str) {
    match code {
        Code::Internal => ("SYS.1000", 500, "An internal error happened in system"),
        Code::Timeout => ("SYS.1001", 504, "A message or a operation timeout"),
        Code::CannotCreate => ("SYS.1002", 500, "Unable to create a resource"),
        Code::NotFound => ("SYS.1003", 404, "A resource can not be found"),
        Code::CannotDelete => ("SYS.1004", 409, "Unable to delete a resource"),
        Code::CannotChangeState => ("SYS.1005", 500, "Unable to change resource state"),
        Code::OperationFailed => ("SYS.1006", 409, "An operation failed"),
        Code::InvalidArgument => ("SYS.1007", 400, "One or more API argument is invalid"),
        Code::Unavailable | Code::StoreAway => ("SYS.1010", 503, "Management server is not ready to serve"),
        Code::NodeGone => ("SYS.1012", 503, "The management node is unavailable"),
        Code::NotImplemented => ("SYS.1014", 501, "The operation is not implemented or not supported yet"),
        Code::Io => ("SYS.1016", 500, "Cannot do an IO operation(e.g. network IO error, file IO error)"),
        Code::OperationCanceled => ("SYS.1017", 500, "A message or a operation cancelled"),
        Code::BadCredentials => ("ID.1000", 401, "Unable to authenticate a user"),
        Code::LoginLocked => ("LOGIN_CONTROL.1002", 429, "Target is locked"),
        Code::InvalidSession => (
            "ID.1001",
            401,
            "The session is invalid, either wrong session id or the session has been expired",
        ),
        Code::PermissionDenied => {
            ("ID.1002", 403, "The user doesn't have permission to perform the operation")
        }
        Code::QuotaExceeded => ("ID.1003", 429, "The user exceeds a quota of a resource"),
        Code::TooManySessions => ("ID.1006", 429, "Max number of active sessions exceeded"),
        Code::JobCanceled => ("LONG_JOB.1000", 409, "long job has been canceled"),
        Code::NotCancelableNow => (
            "LONG_JOB.1001",
            409,
            "no cancelable running task, please wait for job to cancel itself off or try again later.",
        ),
        Code::Interrupted => (
            "LONG_JOB.1002",
            500,
            "some error interrupt the job, fix error then resume the job or cancel the job if you dont want to continue.",
        ),
        Code::NotSupported => ("LONG_JOB.1003", 409, "operation is not supported."),
        Code::ResourceUuidTaken => {
            ("LONG_JOB.1100", 409, "resourceUuid is already used by a different request")
        }
        Code::DuplicateTag => ("TAG.1000", 409, "Duplicated tag."),
        Code::StorageAway => ("PS.1003", 503, "The primary storage is disconnected"),
        Code::StorageFull => ("PS.1000", 409, "Unable to allocate primary storage"),
        Code::UploadInterrupted => ("IMG.1001", 409, "upload image interrupted"),
        Code::DeadlinePassed => ("LONG_JOB.1101", 409, "the deadline of the long job has passed"),
    }
}

/// The code whose wire form is `text`: `SYS.1006`.
pub fn from_wire(text: &str) -> Option<Code> {
    Code::ALL.into_iter().find(|code| row(*code).0 == text)
}

/// One error as it is answered. `elaboration` and `opaque` of the public reference are always absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ErrorCode)]
pub struct ErrorBody {
    /// The error code number, a globally unique identifier: `SYS.1007`, `LONG_JOB.1100`.
    #[schema(max_length = 32)]
    pub code: String,
    /// A brief description of the error, the same for every error of this code.
    #[schema(max_length = 255)]
    pub description: String,
    /// What is wrong here and what the caller can do about it.
    #[schema(max_length = 4096)]
    pub details: String,
    /// The error that caused this one; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion, nullable = false)]
    pub cause: Option<Box<ErrorBody>>,
}

impl ErrorBody {
    /// `fault` on the wire, with everything that caused it.
    pub fn of(fault: &Fault) -> Self {
        let (code, _, description) = row(fault.code);
        Self {
            code: code.to_owned(),
            description: description.to_owned(),
            details: cut(&fault.details),
            cause: fault.cause.as_deref().map(|cause| Box::new(Self::of(cause))),
        }
    }
}

/// The body of a failure: exactly one top-level key, which Go clients rely on (rest-api.md 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    /// What went wrong.
    pub error: ErrorBody,
}

/// `{"error":{…}}` for `fault`.
pub fn body(fault: &Fault) -> String {
    crate::inventory::to_json(&ErrorAnswer { error: ErrorBody::of(fault) })
}

/// `details` of at most `DETAILS_MAX` units.
pub(crate) fn cut(details: &str) -> String {
    if details.len() <= DETAILS_MAX || details.encode_utf16().count() <= DETAILS_MAX {
        return details.to_owned();
    }
    let mut units = 0;
    let kept = details.chars().take_while(|c| {
        units += c.len_utf16();
        units <= DETAILS_MAX - 3
    });
    kept.chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_wire_code_and_reads_back() {
        for code in Code::ALL {
            assert_eq!(from_wire(row(code).0), Some(code));
            assert!((400..=599).contains(&row(code).1));
        }
    }

    /// Source: rest-api.md 4.5, typed in once more.
    #[test]
    fn the_catalogue_has_the_contracts_descriptions() {
        for (code, description) in [
            ("SYS.1000", "An internal error happened in system"),
            ("SYS.1001", "A message or a operation timeout"),
            ("SYS.1002", "Unable to create a resource"),
            ("SYS.1003", "A resource can not be found"),
            ("SYS.1004", "Unable to delete a resource"),
            ("SYS.1005", "Unable to change resource state"),
            ("SYS.1006", "An operation failed"),
            ("SYS.1007", "One or more API argument is invalid"),
            ("SYS.1010", "Management server is not ready to serve"),
            ("SYS.1012", "The management node is unavailable"),
            ("SYS.1014", "The operation is not implemented or not supported yet"),
            ("SYS.1016", "Cannot do an IO operation(e.g. network IO error, file IO error)"),
            ("SYS.1017", "A message or a operation cancelled"),
            ("ID.1000", "Unable to authenticate a user"),
            ("ID.1001", "The session is invalid, either wrong session id or the session has been expired"),
            ("ID.1002", "The user doesn't have permission to perform the operation"),
            ("ID.1003", "The user exceeds a quota of a resource"),
            ("ID.1006", "Max number of active sessions exceeded"),
            ("LOGIN_CONTROL.1002", "Target is locked"),
            ("LONG_JOB.1000", "long job has been canceled"),
            (
                "LONG_JOB.1001",
                "no cancelable running task, please wait for job to cancel itself off or try again later.",
            ),
            (
                "LONG_JOB.1002",
                "some error interrupt the job, fix error then resume the job or cancel the job if you dont want to continue.",
            ),
            ("LONG_JOB.1003", "operation is not supported."),
            ("TAG.1000", "Duplicated tag."),
        ] {
            assert_eq!(from_wire(code).map(|c| row(c).2), Some(description), "{code}");
        }
    }

    #[test]
    fn a_cause_is_answered_inside_and_nulls_are_left_out() {
        let fault = Fault::failed("the target is not writable").because(Fault::new(Code::Io, "EROFS"));
        assert_eq!(
            body(&fault),
            concat!(
                r#"{"error":{"code":"SYS.1006","description":"An operation failed","#,
                r#""details":"the target is not writable","cause":{"code":"SYS.1016","#,
                r#""description":"Cannot do an IO operation(e.g. network IO error, file IO error)","#,
                r#""details":"EROFS"}}}"#
            )
        );
    }

    #[test]
    fn details_longer_than_4096_are_cut_to_4093_and_dots() {
        assert_eq!(cut(&"x".repeat(4096)).len(), 4096);
        let long = cut(&"x".repeat(4097));
        assert_eq!((long.len(), long.ends_with("x...")), (4096, true));
        assert_eq!(cut(&"😀".repeat(3000)).encode_utf16().count(), 4095, "no half character");
    }
}
