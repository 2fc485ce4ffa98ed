//! The texts of rest-api.md 4.4, word by word.

use jiff::tz::TimeZone;
use longhaul_model::Code;

use super::*;
use crate::decode::{Headers, Request, decode};

const ID: &str = "45a53d3d93384433add8ead7616586cf";

fn check_of(method: &str, path: &str, query: &str, body: &str) -> Result<(), Fault> {
    check_in(Profile::Zstack, method, path, query, body)
}

fn check_in(profile: Profile, method: &str, path: &str, query: &str, body: &str) -> Result<(), Fault> {
    let headers = Headers { authorization: Some("OAuth x"), ..Headers::default() };
    let zone = TimeZone::UTC;
    let request =
        Request { method, path, query: Some(query), body: body.as_bytes(), headers, now_ms: 0, zone: &zone };
    match decode(&request) {
        Ok(call) => check(&call, profile),
        Err(misuse) => Err(Fault::internal(format!("{misuse:?}"))),
    }
}

fn submit(params: &str) -> Result<(), Fault> {
    check_of("POST", "/v1/longjobs", "", &format!("{{\"params\":{{{params}}}}}"))
}

fn refused(result: Result<(), Fault>, code: Code, details: &str) {
    assert_eq!(result, Err(Fault::new(code, details)));
}

const NEEDED: &str = r#""jobName":"j","jobData":"{}""#;

#[test]
fn a_good_submission_passes() {
    let all = format!(
        r#"{NEEDED},"name":"","description":"","targetResourceUuid":"{ID}","resourceUuid":"{ID}","tagUuids":[]"#
    );
    assert_eq!(submit(&all), Ok(()));
    assert_eq!(submit(NEEDED), Ok(()));
}

#[test]
fn what_is_missing_is_told_job_name_first() {
    let text = |f: &str| {
        format!(
            "field[{f}] of message[org.zstack.header.message.ApiMessageParamValidator] is mandatory, can not be null"
        )
    };
    refused(submit(""), Code::InvalidArgument, &text("jobName"));
    refused(submit(r#""jobName":"j""#), Code::InvalidArgument, &text("jobData"));
    refused(check_of("POST", "/v1/longjobs", "", ""), Code::InvalidArgument, &text("jobName"));
}

#[test]
fn length_is_counted_in_utf_16_units() {
    let text = "field[name] of message[org.zstack.header.message.ApiMessageParamValidator] exceeds max length of string. expected was <= 255, actual was 256";
    let named = |name: String| submit(&format!("{NEEDED},\"name\":\"{name}\""));
    assert_eq!(named("x".repeat(255)), Ok(()));
    assert_eq!(named("ä".repeat(255)), Ok(()));
    refused(named("😀".repeat(128)), Code::InvalidArgument, text);
}

#[test]
fn values_ranges_and_lists_have_their_texts() {
    let state = check_of(
        "PUT",
        &format!("/v1/primary-storage/{ID}/actions"),
        "",
        r#"{"changePrimaryStorageState":{"stateEvent":"off"}}"#,
    );
    let text = "valid value for field[stateEvent] of message[org.zstack.header.message.ApiMessageParamValidator] are [enable, disable, maintain, deleting], but off found";
    refused(state, Code::InvalidArgument, text);
    let renew = |n: i64| {
        check_of(
            "PUT",
            &format!("/v1/accounts/sessions/{ID}/renew"),
            "",
            &format!("{{\"renewSession\":{{\"duration\":{n}}}}}"),
        )
    };
    assert_eq!((renew(60), renew(31_536_000)), (Ok(()), Ok(())));
    refused(renew(59), Code::InvalidArgument, "field[duration] must be in range of [60, 31536000]");
    let tags = submit(&format!("{NEEDED},\"tagUuids\":[null]"));
    refused(tags, Code::InvalidArgument, "field[tagUuids] cannot contain a NULL element");
    let tags = submit(&format!("{NEEDED},\"tagUuids\":[\"{ID}\"]"));
    let text = format!("invalid field[tagUuids], resource[uuids:[{ID}], type:TagPatternVO] not found");
    refused(tags, Code::NotFound, &text);
}

#[test]
fn malformed_uuids_are_not_found_and_deletes_have_their_own_text() {
    let update = check_of("PUT", "/v1/longjobs/XYZ/actions", "", r#"{"updateLongJob":{}}"#);
    refused(update, Code::NotFound, "invalid field[uuid], resource[uuid:XYZ, type:LongJobVO] not found");
    let delete = check_of("DELETE", "/v1/longjobs/XYZ", "", "");
    refused(delete, Code::NotFound, "invalid value[XYZ] of field [uuid]");
    assert_eq!(check_of("DELETE", &format!("/v1/longjobs/{ID}"), "", ""), Ok(()));
    let target = submit(&format!("{NEEDED},\"targetResourceUuid\":\"XYZ\""));
    refused(
        target,
        Code::NotFound,
        "invalid field[targetResourceUuid], resource[uuid:XYZ, type:ResourceVO] not found",
    );
    let progress = check_of("GET", "/v1/task-progresses/XYZ", "", "");
    refused(progress, Code::InvalidArgument, "parameter apiId[XYZ] is not a valid uuid.");
}

#[test]
fn a_bad_resource_uuid_is_told_with_the_whole_rule() {
    let bad = submit(&format!("{NEEDED},\"resourceUuid\":\"45a53d3d93389433add8ead7616586cf\""));
    refused(
        bad,
        Code::InvalidArgument,
        "resourceUuid[45a53d3d93389433add8ead7616586cf] is not a valid uuid. A valid uuid is a UUID(v4 recommended) with '-' stripped. see http://en.wikipedia.org/wiki/Universally_unique_identifier for format of UUID, the regular expression uses to validate a UUID is '[0-9a-f]{8}[0-9a-f]{4}[1-5][0-9a-f]{3}[89ab][0-9a-f]{3}[0-9a-f]{12}'",
    );
}

#[test]
fn no_text_may_hold_a_nul_character() {
    for params in [r#","name":"a\u0000b""#, r#","jobData":"\u0000""#, r#","systemTags":["\u0000"]"#] {
        let got = submit(&format!("{NEEDED}{params}"));
        assert!(
            matches!(got, Err(f) if f.code == Code::InvalidArgument && f.details.contains("NUL")),
            "{params}"
        );
    }
    let path = check_of("DELETE", "/v1/longjobs/%00", "", "");
    assert!(matches!(path, Err(f) if f.code == Code::InvalidArgument));
}

#[test]
fn rules_of_single_calls_have_their_texts() {
    let disk = check_of("POST", "/v1/volumes/data", "", r#"{"params":{"name":"v","diskSize":-1}}"#);
    refused(disk, Code::InvalidArgument, "unexpected disk size settings");
    let trash = check_of("GET", "/v1/primary-storage/trash", &format!("uuid={ID}&resourceType=VolumeVO"), "");
    refused(trash, Code::InvalidArgument, "'resourceUuid' and 'resourceType' must be set both or neither!");
    let capacity = |q: &str| check_of("GET", "/v1/primary-storage/capacities", q, "");
    let text = "zoneUuids, clusterUuids, primaryStorageUuids must have at least one be none-empty list, or all is set to true";
    refused(capacity(""), Code::InvalidArgument, text);
    assert_eq!((capacity("all=true"), capacity("zoneUuids=a")), (Ok(()), Ok(())));
    let mode = |q: &str| check_of("DELETE", &format!("/v1/volumes/{ID}"), q, "");
    assert_eq!((mode("deleteMode="), mode("deleteMode=Enforcing")), (Ok(()), Ok(())));
    assert!(mode("deleteMode=x").is_err());
}

#[test]
fn job_data_above_one_mebibyte_is_refused() {
    let data = |n: usize| submit(&format!("\"jobName\":\"j\",\"jobData\":\"{}\"", "x".repeat(n)));
    assert_eq!(data(JOB_DATA_MAX_BYTES), Ok(()));
    assert!(data(JOB_DATA_MAX_BYTES + 1).is_err());
}

#[test]
fn profile_fast_says_that_the_wrapper_is_missing_and_zstack_keeps_its_text() {
    let submitted = |profile, body| check_in(profile, "POST", "/v1/longjobs", "", body).unwrap_err().details;
    let plain = "field[jobName] of message[org.zstack.header.message.ApiMessageParamValidator] is mandatory, can not be null";
    for body in [r#"{"jobName":"j","jobData":"{}"}"#, "{}", ""] {
        assert_eq!(submitted(Profile::Zstack, body), plain, "{body}");
        let told = submitted(Profile::Fast, body);
        assert!(told.starts_with(plain) && told.contains("the body has no member [params]"), "{told}");
    }
    for body in [r#"{"params":{}}"#, r#"{"params":null}"#] {
        assert_eq!(submitted(Profile::Fast, body), plain, "the wrapper is there: {body}");
    }
    let login = check_in(Profile::Fast, "PUT", "/v1/accounts/login", "", r#"{"logIn":{}}"#).unwrap_err();
    assert!(login.details.contains("the body has no member [logInByAccount]"), "{login}");
}
