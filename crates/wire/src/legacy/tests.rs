//! Messages in and answers out, row by row of rest-api.md section 9.

use jiff::tz::TimeZone;
use longhaul_model::query::Op as Operator;
use longhaul_model::{ApiId, Code, Fault};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{Op, operations};
use crate::profile::Profile;
use crate::query::RawCondition;
use crate::time::TimeFormat;

const SUBMIT: &str = "org.zstack.header.longjob.APISubmitLongJobMsg";
const QUERY: &str = "org.zstack.header.longjob.APIQueryLongJobMsg";

fn read(class: &str, fields: Value) -> Result<Message, String> {
    let mut body = json!({});
    body[class] = fields;
    decode(body.to_string().as_bytes())
}

fn query(mut fields: Value) -> Message {
    fields["session"] = json!({"uuid": "s"});
    read(QUERY, fields).unwrap_or_else(|text| panic!("{text}"))
}

fn format() -> TimeFormat {
    TimeFormat::new(Profile::Zstack, TimeZone::UTC)
}

fn id() -> ApiId {
    ApiId::chosen("5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1").expect("an id")
}

/// The envelope and the object under the one key of its result.
fn opened(reply: &crate::Reply) -> (Value, String, Value) {
    let envelope: Value = serde_json::from_str(&reply.body).expect("an object");
    let text = envelope["result"].as_str().expect("a result");
    let result: Value = serde_json::from_str(text).expect("JSON");
    let mut members = result.as_object().expect("an object").clone().into_iter();
    let (class, answer) = members.next().expect("a class");
    assert_eq!(members.next(), None);
    (envelope, class, answer)
}

#[test]
fn paths_are_those_of_the_entry_with_and_without_a_slash() {
    for path in ["/zstack/api", "/zstack/api/"] {
        assert_eq!(Path::of(path), Some(Path::Call));
    }
    assert_eq!(Path::of("/zstack/api/result/x"), Some(Path::Result("x")));
    for other in ["/zstack/apis", "/zstack/api/x", "/zstack/api/result/a/b", "/api", "/zstack/v1/longjobs"] {
        assert_eq!(Path::of(other), None, "{other}");
    }
    assert!(Path::Call.takes("PUT") && Path::Call.takes("POST") && !Path::Call.takes("GET"));
    assert!(Path::Result("x").takes("GET") && Path::Result("x").takes("PUT"));
}

#[test]
fn every_operation_is_called_by_its_class_and_no_two_share_one() {
    for row in operations() {
        let message = read(row.message_class, json!({"session": {"uuid": "s"}, "conditions": []}));
        match row.op {
            Op::GetApiJob => assert!(message.is_err()),
            _ => assert_eq!(message.map(|m| m.call.op()), Ok(row.op)),
        }
    }
}

#[test]
fn a_message_carries_parameters_session_tags_and_time_limit_side_by_side() {
    let fields = json!({
        "jobName": "APIAddImageMsg", "jobData": "{}", "name": null, "session": {"uuid": " s "},
        "systemTags": ["a"], "userTags": null, "timeout": "60000", "unknown": {"x": 1},
    });
    let Message { call, no_session, refusal } = read(SUBMIT, fields).unwrap_or_else(|t| panic!("{t}"));
    assert_eq!((call.op(), no_session, refusal), (Op::SubmitLongJob, None, None));
    assert_eq!((call.params.text("jobName"), call.params.get("name")), (Some("APIAddImageMsg"), None));
    assert_eq!((call.session.as_deref(), call.api_timeout_s), (Some("s"), Some(60)));
    assert_eq!((call.system_tags, call.user_tags), (vec!["a".to_owned()], vec![]));
    let of_path = read("org.zstack.header.longjob.APICancelLongJobMsg", json!({"uuid": "u"}));
    assert_eq!(of_path.map(|m| m.call.params.owned("uuid")), Ok(Some("u".to_owned())));
    let of_query = read("org.zstack.header.core.progress.APIGetTaskProgressMsg", json!({"all": true}));
    assert_eq!(of_query.map(|m| m.call.params.flag("all")), Ok(true));
}

#[test]
fn a_missing_session_is_told_where_one_is_needed() {
    let told = |fields: Value| read(SUBMIT, fields).map(|m| m.no_session.map(|f| (f.code, f.details)));
    let null = format!("session of message[{SUBMIT}] is null");
    assert_eq!(told(json!({})), Ok(Some((Code::InvalidSession, null.clone()))));
    assert_eq!(told(json!({"session": null})), Ok(Some((Code::InvalidSession, null))));
    let no_uuid = Some((Code::InvalidSession, "session uuid is null".to_owned()));
    assert_eq!(told(json!({"session": {}})), Ok(no_uuid));
    let open = read("org.zstack.header.managementnode.APIGetVersionMsg", json!({}));
    assert_eq!(open.map(|m| m.no_session), Ok(None));
}

#[test]
fn what_cannot_be_read_is_told_with_a_text() {
    let unknown = |class: &str| Err(format!("Unable to deserialize class {class}"));
    for class in
        ["nope", "org.zstack.header.longjob.APINopeMsg", "SubmitLongJob", "", "x.APIStartVmInstanceMsg"]
    {
        assert_eq!(read(class, json!({})).map(|_| ()), unknown(class));
    }
    for body in ["", "{}", "[]", "{", "null", "{\"a\":{},\"b\":{}}", "{\"a\":1}"] {
        assert!(decode(body.as_bytes()).is_err(), "{body}");
    }
    let text = read(SUBMIT, json!({"jobData": {}})).map(|_| ());
    assert_eq!(text, Err("Expected a string but was an object at path $.jobData".to_owned()));
    for wrong in [json!({"session": "s"}), json!({"timeout": "soon"}), json!({"systemTags": "a"}), json!([])]
    {
        assert!(read(SUBMIT, wrong.clone()).is_err(), "{wrong}");
    }
    for wrong in
        [json!({"conditions": {}}), json!({"conditions": [1]}), json!({"limit": 1e12}), json!({"count": "x"})]
    {
        assert!(read(QUERY, wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn apis_of_zstack_that_are_not_here_are_known_by_their_last_part() {
    let row = |class: &str| read(class, json!({})).map(|m| (m.call.op(), m.call.operation.name));
    assert_eq!(row("org.zstack.header.vm.APIStartVmInstanceMsg"), Ok((Op::NotHere, "StartVmInstance")));
    assert_eq!(row("org.zstack.header.vm.APIQueryVmInstanceMsg"), Ok((Op::NotHere, "QueryVmInstance")));
}

#[test]
fn every_operator_in_words_is_read() {
    for (word, op) in [
        ("=", Operator::Eq),
        ("!=", Operator::Ne),
        (">", Operator::Gt),
        (">=", Operator::Ge),
        ("<", Operator::Lt),
        ("<=", Operator::Le),
        ("in", Operator::In),
        ("not in", Operator::NotIn),
        ("is null", Operator::IsNull),
        ("is not null", Operator::NotNull),
        ("like", Operator::Like),
        ("not like", Operator::NotLike),
    ] {
        let asked = query(json!({"conditions": [{"name": " state ", "op": word, "value": "a,b"}]}));
        let want = RawCondition { name: "state".to_owned(), op, value: "a,b".to_owned() };
        assert_eq!(
            (asked.call.query.map(|q| q.conditions), asked.refusal),
            (Some(vec![want]), None),
            "{word}"
        );
    }
}

#[test]
fn paging_sorting_and_selection_are_fields() {
    let asked = query(json!({
        "conditions": [], "limit": 5, "start": "2", "count": "True", "replyWithCount": true,
        "groupBy": "x", "sortBy": "name", "sortDirection": "desc", "fields": ["uuid", "name"],
    }));
    let raw = asked.call.query.unwrap_or_default();
    assert_eq!((raw.limit, raw.start, raw.count, raw.reply_with_count), (Some(5), Some(2), true, true));
    assert_eq!((raw.sort.as_deref(), raw.fields.as_deref()), (Some("-name"), Some("uuid,name")));
    let plain =
        query(json!({"conditions": [], "sortBy": "name", "fields": []})).call.query.unwrap_or_default();
    assert_eq!((plain.sort.as_deref(), plain.fields), (Some("+name"), None));
}

#[test]
fn what_is_wrong_with_a_query_is_told_with_the_contracts_texts() {
    let told = |fields: Value| query(fields).refusal.map(|f| (f.code, f.details));
    let invalid = |text: &str| Some((Code::InvalidArgument, text.to_owned()));
    assert_eq!(
        told(json!({})),
        invalid(
            "field[conditions] of message[org.zstack.header.message.ApiMessageParamValidator] is mandatory, can not be null"
        )
    );
    let of = |condition: Value| told(json!({"conditions": [condition]}));
    assert_eq!(of(json!({"name": "a", "op": "?=", "value": "b"})), invalid("unknown QueryOp type[?=]"));
    assert_eq!(
        of(json!({"name": "a", "op": "="})),
        invalid("'value' of query condition {\"name\":\"a\",\"op\":\"=\"} cannot be null")
    );
    assert_eq!(of(json!({"name": "a", "op": "is null"})), None);
    assert!(of(json!({"op": "=", "value": "b"})).is_some());
    assert!(told(json!({"conditions": [], "sortBy": "name", "sortDirection": "up"})).is_some());
}

#[test]
fn a_synchronous_answer_is_done_and_has_no_uuid_and_hides_what_is_internal() {
    let row = Op::LogInByAccount.row().expect("a row");
    let body = r#"{"inventory":{"uuid":"u","noSessionEvaluation":false},"schema":{"inventory":"x"}}"#;
    let (envelope, class, answer) = opened(&done(row, body, 1_510_669_257_123, 1_510_669_258_000, &format()));
    assert_eq!(class, "org.zstack.header.identity.APILogInReply");
    assert_eq!(answer, json!({"inventory": {"uuid": "u"}, "success": true}));
    assert_eq!((&envelope["state"], envelope.get("uuid")), (&json!("Done"), None));
    assert_eq!(envelope["createdDate"], "Nov 14, 2017 2:20:57 PM");
    assert_eq!(envelope["finishedDate"], "Nov 14, 2017 2:20:58 PM");
}

#[test]
fn an_asynchronous_answer_is_processing_and_then_done_under_its_event() {
    let first: Value = serde_json::from_str(&processing(&id(), 0, &format()).body).unwrap_or_default();
    let want =
        json!({"uuid": id().as_str(), "state": "Processing", "createdDate": "Jan 1, 1970 12:00:00 AM"});
    assert_eq!(first, want);
    let body = Ok(r#"{"inventory":{"uuid":"u","apiId":"a"}}"#.to_owned());
    let (envelope, class, answer) = opened(&finished(&id(), SUBMIT, &body, (0, 1000), &format()));
    assert_eq!((&envelope["uuid"], &envelope["state"]), (&json!(id().as_str()), &json!("Done")));
    assert_eq!(class, "org.zstack.header.longjob.APISubmitLongJobEvent");
    assert_eq!(answer, json!({"inventory": {"uuid": "u", "apiId": "a"}, "success": true}));
    let delete = "org.zstack.header.longjob.APIDeleteLongJobMsg";
    let (_, class, answer) = opened(&finished(&id(), delete, &Ok("{}".to_owned()), (0, 0), &format()));
    assert_eq!(class, "org.zstack.header.identity.APIDeleteAccountEvent");
    assert_eq!(answer, json!({"success": true}));
}

#[test]
fn a_failure_is_inside_under_the_general_class_with_status_200() {
    let fault = Fault::invalid("no");
    let error = json!({
        "code": "SYS.1007", "description": "One or more API argument is invalid", "details": "no",
    });
    let reply = failed(Op::QueryLongJob.row().expect("a row"), &fault, 0, &format());
    assert_eq!(reply.status, 200);
    let (envelope, class, answer) = opened(&reply);
    assert_eq!((&envelope["state"], class.as_str()), (&json!("Done"), "org.zstack.header.message.APIReply"));
    assert_eq!(answer, json!({"success": false, "error": error}));
    let (_, class, answer) = opened(&finished(&id(), SUBMIT, &Err(fault), (0, 0), &format()));
    assert_eq!(class, "org.zstack.header.message.APIEvent");
    assert_eq!(answer, json!({"success": false, "error": error}));
}

#[test]
fn a_long_result_is_whole() {
    let body = json!({"inventory": {"jobData": "x".repeat(100_000)}}).to_string();
    let (_, _, answer) = opened(&finished(&id(), SUBMIT, &Ok(body), (0, 0), &format()));
    assert_eq!(answer["inventory"]["jobData"].as_str().map(str::len), Some(100_000));
}

#[test]
fn an_unknown_result_is_an_error_page_that_shows_no_markup_of_the_caller() {
    let page = unknown_result("<script>");
    assert_eq!(page.status, 404);
    assert!(page.body.contains("No api result[uuid:&lt;script&gt;] found"), "{}", page.body);
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(class in "\\PC{0,40}", fields in "\\PC{0,80}") {
        let _ = decode(format!("{{\"{class}\":{fields}}}").as_bytes());
        let _ = decode(fields.as_bytes());
    }

    #[test]
    fn no_fields_of_a_query_make_it_panic(name in "conditions|limit|start|count|fields|sortBy|session|timeout",
        value in prop_oneof![Just(json!(null)), Just(json!([{}])), Just(json!([{"name": [], "op": 1}])),
            any::<f64>().prop_map(|n| json!(n)), ".{0,20}".prop_map(|t| json!(t)), Just(json!([[1]]))]) {
        let mut fields = json!({});
        fields[name] = value;
        let _ = read(QUERY, fields);
    }
}
