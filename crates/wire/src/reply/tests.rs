//! The whole decision table: profile × caller × kind of call × what happened.

use longhaul_model::Code;
use longhaul_model::query::Resource;

use super::*;
use crate::api::Target;
use Caller::{Plain, Sdk};
use Profile::{Fast, Zstack};

const QUERY: Kind = Kind::Query(Target::Stored(Resource::Job));

#[test]
fn who_is_answered_at_once_and_who_with_202() {
    for (profile, caller, kind, want) in [
        (Fast, Plain, Kind::Sync, Form::AtOnce),
        (Fast, Sdk, Kind::Sync, Form::AtOnce),
        (Zstack, Plain, Kind::Sync, Form::AtOnce),
        (Zstack, Sdk, Kind::Sync, Form::AtOnce),
        (Fast, Plain, QUERY, Form::AtOnce),
        (Fast, Sdk, QUERY, Form::AtOnce),
        (Zstack, Plain, QUERY, Form::AtOnce),
        (Zstack, Sdk, QUERY, Form::AtOnce),
        (Fast, Plain, Kind::Async, Form::Patient),
        (Fast, Sdk, Kind::Async, Form::Accepted),
        (Zstack, Plain, Kind::Async, Form::Accepted),
        (Zstack, Sdk, Kind::Async, Form::Accepted),
    ] {
        assert_eq!(form(profile, caller, kind), want, "{profile:?} {caller:?} {kind:?}");
    }
}

#[test]
fn a_failure_has_the_tables_status_for_plain_callers_of_fast_and_503_for_all_others() {
    for (code, fast_plain) in [
        (Code::NotFound, 404),
        (Code::InvalidArgument, 400),
        (Code::BadCredentials, 401),
        (Code::InvalidSession, 401),
        (Code::PermissionDenied, 403),
        (Code::QuotaExceeded, 429),
        (Code::TooManySessions, 429),
        (Code::JobCanceled, 409),
        (Code::NotCancelableNow, 409),
        (Code::NotSupported, 409),
        (Code::ResourceUuidTaken, 409),
        (Code::DuplicateTag, 409),
        (Code::OperationFailed, 409),
        (Code::NotImplemented, 501),
        (Code::Timeout, 504),
        (Code::Unavailable, 503),
        (Code::NodeGone, 503),
        (Code::Internal, 500),
        (Code::CannotCreate, 500),
        (Code::CannotDelete, 409),
        (Code::CannotChangeState, 500),
        (Code::Io, 500),
        (Code::OperationCanceled, 500),
        (Code::Interrupted, 500),
    ] {
        let fault = Fault::new(code, "x");
        let status = |profile, caller| Reply::fault(profile, caller, &fault).status;
        assert_eq!(status(Fast, Plain), fast_plain, "{code:?}");
        assert_eq!([status(Fast, Sdk), status(Zstack, Plain), status(Zstack, Sdk)], [503; 3], "{code:?}");
        assert_eq!(Reply::polled_fault(&fault).status, 503, "{code:?}");
    }
}

/// Status in `zstack`, status in `fast` for an SDK and for a plain caller, wire code in `fast`.
#[test]
fn a_request_that_is_no_call_has_zstacks_status_or_a_4xx() {
    let text = || "x".to_owned();
    for (misuse, zstack, sdk, plain, code) in [
        (Misuse::NoApi(text()), 404, 404, 404, "SYS.1007"),
        (Misuse::UnknownMethod(text()), 405, 405, 405, "SYS.1007"),
        (Misuse::NoAction(text()), 400, 400, 400, "SYS.1007"),
        (Misuse::EmptyBody(text()), 500, 400, 400, "SYS.1007"),
        (Misuse::NoCreate(text()), 500, 405, 405, "SYS.1007"),
        (Misuse::NoQuery(text()), 500, 405, 405, "SYS.1007"),
        (Misuse::NoDelete(text()), 500, 405, 405, "SYS.1007"),
        (Misuse::Head(text()), 405, 405, 405, "SYS.1007"),
        (Misuse::BadJson(text()), 500, 400, 400, "SYS.1007"),
        (Misuse::WrongType(text(), "a", "b"), 500, 400, 400, "SYS.1007"),
        (Misuse::BodyTooLarge, 413, 413, 413, "SYS.1007"),
        (Misuse::NotUtf8("path"), 400, 400, 400, "SYS.1007"),
        (Misuse::Repeated(text()), 400, 400, 400, "SYS.1007"),
        (Misuse::RepeatedKey(text()), 400, 400, 400, "SYS.1007"),
        (Misuse::NotInteger(text(), text()), 400, 400, 400, "SYS.1007"),
        (Misuse::NotBoolean(text(), text()), 400, 400, 400, "SYS.1007"),
        (Misuse::NoAuthorization, 400, 400, 401, "ID.1001"),
        (Misuse::UnknownScheme, 400, 400, 401, "ID.1001"),
        (Misuse::AccessKeyFormat, 400, 400, 401, "ID.1001"),
        (Misuse::NoDate, 400, 400, 401, "ID.1001"),
        (Misuse::BadDate, 400, 400, 401, "ID.1001"),
        (Misuse::SkewedDate, 403, 403, 401, "ID.1001"),
        (Misuse::BadJobUuid, 400, 400, 400, "SYS.1007"),
        (Misuse::DuplicateJobUuid(text()), 400, 400, 400, "SYS.1007"),
        (Misuse::BadWebHook(text()), 400, 400, 400, "SYS.1007"),
        (Misuse::BadTimeout(text()), 500, 400, 400, "SYS.1007"),
        (Misuse::BadLimit, 400, 400, 400, "SYS.1007"),
        (Misuse::BadStart, 400, 400, 400, "SYS.1007"),
        (Misuse::NoOperator(text()), 400, 400, 400, "SYS.1007"),
        (Misuse::NotAPair(text(), "="), 400, 400, 400, "SYS.1007"),
        (Misuse::Expired, 404, 404, 404, "SYS.1007"),
        (Misuse::PollNotGet, 405, 405, 405, "SYS.1007"),
    ] {
        for caller in [Sdk, Plain] {
            let reply = Reply::misuse(Zstack, caller, &misuse);
            assert_eq!((reply.status, reply.content_type), (zstack, TEXT), "{misuse:?}");
            assert_eq!(reply.body, misuse.text(Zstack));
            let reply = Reply::misuse(Fast, caller, &misuse);
            assert_eq!(reply.status, if caller == Sdk { sdk } else { plain }, "{misuse:?} {caller:?}");
            assert!(reply.body.starts_with(&format!(r#"{{"error":{{"code":"{code}""#)), "{}", reply.body);
        }
    }
}

#[test]
fn successes_and_polls_are_alike_for_everyone() {
    assert_eq!(Reply::ok("{}".to_owned()).status, 200);
    assert_eq!(Reply::processing(), Reply { status: 202, content_type: JSON, body: "{}".to_owned() });
    let id = ApiId::chosen("5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1").map(|id| location("http", "h:8080", &id));
    let reply = Reply::accepted(&id.unwrap_or_default(), 1_800_000);
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (
            202,
            r#"{"location":"http://h:8080/zstack/v1/api-jobs/5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1","apiTimeout":1800000}"#
        )
    );
}
