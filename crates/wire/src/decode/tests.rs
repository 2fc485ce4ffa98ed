//! Routing, coercion and precedence, row by row of rest-api.md 1.2 and 4.3.

use proptest::prelude::*;

use super::*;
use crate::profile::Profile;

const ID: &str = "45a53d3d93384433add8ead7616586cf";
const AUTH: (&str, &str) = ("authorization", "OAuth b86c9016b4f24953a9edefb53ca0678c");

fn send(method: &str, target: &str, body: &str, headers: &[(&str, &str)]) -> Result<Call, Misuse> {
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    let headers =
        Headers::from_fn(|name| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v));
    let zone = TimeZone::UTC;
    let request = Request {
        method,
        path,
        query,
        body: body.as_bytes(),
        headers,
        now_ms: 1_510_669_257_000,
        zone: &zone,
    };
    decode(&request)
}

fn call(method: &str, target: &str, body: &str) -> Call {
    send(method, target, body, &[AUTH]).unwrap_or_else(|m| panic!("{method} {target}: {m:?}"))
}

fn misuse(method: &str, target: &str, body: &str) -> (u16, String) {
    match send(method, target, body, &[AUTH]) {
        Ok(call) => panic!("{method} {target} was taken as {}", call.operation.name),
        Err(m) => (m.zstack_status(), m.text(Profile::Zstack)),
    }
}

fn text(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[test]
fn the_three_calls_of_the_public_reference_are_read() {
    let submit = call(
        "POST",
        "/zstack/v1/longjobs",
        r#"{"params":{"name":"migrate-volume","jobName":"APIPrimaryStorageMigrateVolumeMsg","jobData":"{}"},"systemTags":["a"],"userTags":[]}"#,
    );
    assert_eq!((submit.op(), submit.params.text("name")), (Op::SubmitLongJob, Some("migrate-volume")));
    assert_eq!((submit.system_tags, submit.user_tags), (vec!["a".to_owned()], Vec::new()));
    let delete = call("DELETE", &format!("/zstack/v1/longjobs/{ID}?"), "");
    assert_eq!((delete.op(), delete.params.text("uuid")), (Op::DeleteLongJob, Some(ID)));
    let update = call("PUT", &format!("/v1/longjobs/{ID}/actions"), r#"{"updateLongJob":{"name":"n"}}"#);
    assert_eq!((update.op(), update.params.text("uuid")), (Op::UpdateLongJob, Some(ID)));
    assert_eq!(update.session.as_deref(), Some("b86c9016b4f24953a9edefb53ca0678c"));
}

#[test]
fn every_documented_path_leads_to_its_operation_with_and_without_context() {
    for row in crate::api::operations() {
        let path = row.path.split('/').map(|s| if s.starts_with('{') { ID } else { s });
        let path = path.collect::<Vec<_>>().join("/");
        let body = match row.wrapper.key() {
            Some(key) => format!("{{\"{key}\":null}}"),
            None => String::new(),
        };
        for context in ["", "/zstack"] {
            let got = call(row.method.name(), &format!("{context}/v1{path}"), &body);
            assert_eq!(got.op(), row.op, "{path}");
        }
        if row.one_path.is_some() {
            let got = call("GET", &format!("/v1{}/{ID}?q=name=x&count=true", row.path), "");
            assert_eq!((got.op(), got.query), (row.op, Some(RawQuery::one(ID))));
        }
    }
}

#[test]
fn unknown_paths_are_told_without_the_context() {
    for path in
        ["/v1/nope", "/v1/longjobs/", "/v1/longjobs//actions", "/v1", "/v1longjobs", "/v1/longjobs/a/b/c"]
    {
        assert_eq!(misuse("GET", &format!("/zstack{path}"), ""), (404, format!("no api mapping to {path}")));
    }
    assert_eq!(misuse("GET", "/zstackv1/longjobs", ""), text(404, "no api mapping to /zstackv1/longjobs"));
}

#[test]
fn the_wrong_method_on_a_path_with_several_operations_has_its_text() {
    let actions = format!("/zstack/v1/longjobs/{ID}/actions");
    let told = |what: &str, path: &str| (500, format!("No {what} API found for the path[{path}]"));
    assert_eq!(misuse("DELETE", "/zstack/v1/longjobs", ""), told("delete", "/zstack/v1/longjobs"));
    assert_eq!(misuse("GET", &actions, ""), told("query", &actions));
    assert_eq!(misuse("POST", &actions, "{}"), told("creational", &actions));
    let head = "The method[HEAD] is not allowed for the path[/v1/longjobs]";
    assert_eq!(misuse("HEAD", "/v1/longjobs", ""), text(405, head));
    assert_eq!(misuse("PATCH", "/v1/longjobs", "").0, 405);
}

#[test]
fn a_put_is_chosen_by_its_action_key_alone() {
    let path = format!("/v1/longjobs/{ID}/actions");
    assert_eq!(call("PUT", &path, r#"{"x":1,"cancelLongJob":null}"#).op(), Op::CancelLongJob);
    let want = format!("the body doesn't contain action mapping to the URL[{path}]");
    assert_eq!(misuse("PUT", &format!("/zstack{path}"), "{}"), (400, want.clone()));
    assert_eq!(misuse("PUT", &path, r#"{"nope":{}}"#), (400, want));
    assert_eq!(misuse("PUT", &path, ""), text(500, ""));
    assert_eq!(misuse("PUT", "/v1/longjobs", "{}").0, 400);
}

#[test]
fn a_path_with_one_operation_takes_other_methods_but_a_get_never_changes() {
    let login = call("POST", "/v1/accounts/login", r#"{"logInByAccount":{"accountName":"admin"}}"#);
    assert_eq!((login.op(), login.params.text("accountName")), (Op::LogInByAccount, Some("admin")));
    let other_key = call("PUT", "/v1/accounts/login", r#"{"logIn":{"accountName":"admin"}}"#);
    assert_eq!((other_key.op(), other_key.params), (Op::LogInByAccount, Params::default()));
    let gone = format!("/v1/accounts/sessions/{ID}");
    assert_eq!(misuse("GET", &gone, "").0, 500);
    assert_eq!(misuse("GET", "/v1/volumes/data", "").0, 500);
    assert_eq!(misuse("DELETE", &format!("/v1/task-progresses/{ID}"), "").0, 500);
    assert_eq!(call("GET", &format!("/v1/primary-storage/{ID}"), "").op(), Op::QueryPrimaryStorage);
}

#[test]
fn the_poll_asks_for_nothing_but_a_get() {
    let poll = send("GET", "/v1/api-jobs/any-text", "not json", &[("authorization", "OAuth null")]);
    assert_eq!(
        poll.map(|c| (c.op(), c.params.owned("uuid"))),
        Ok((Op::GetApiJob, Some("any-text".to_owned())))
    );
    let told = "only GET method is allowed for querying job status";
    assert_eq!(misuse("POST", "/v1/api-jobs/x", ""), text(405, told));
}

#[test]
fn the_authorization_header_has_its_texts() {
    let told = |headers: &[(&str, &str)]| match send("GET", "/v1/longjobs", "", headers) {
        Ok(call) => (200, call.session.unwrap_or_default()),
        Err(m) => (m.zstack_status(), m.text(Profile::Zstack)),
    };
    let key = ("Authorization", "ZStack id:signature");
    assert_eq!(told(&[]), text(400, "missing header 'Authorization'"));
    assert_eq!(told(&[("Authorization", "Basic x")]), text(400, "Authorization type must be 'OAuth'"));
    assert_eq!(told(&[("Authorization", "  OAuth   x ")]), text(200, "x"));
    let format = "accessKey format is 'ZStack AccessKeyId:Signature'";
    assert_eq!(told(&[("Authorization", "ZStack id")]), text(400, format));
    assert_eq!(told(&[("Authorization", "ZStack a:b:c")]), text(400, format));
    assert_eq!(told(&[key]), text(400, "'Date' must be incuded in request header"));
    let bad = "'Date' format error, correct format is 'EEE, dd MMM yyyy HH:mm:ss z'";
    assert_eq!(told(&[key, ("date", "2017-11-14")]), text(400, bad));
    assert_eq!(told(&[key, ("date", "Tue, 14 Nov 2017 13:00:57 UTC")]), text(403, "requestTimeTooSkewed"));
    assert_eq!(told(&[key, ("date", "Tue, 14 Nov 2017 22:20:57 Asia/Shanghai")]), text(200, ""));
}

#[test]
fn what_is_signed_is_method_date_and_the_path_without_context_and_query() {
    let date = "Tue, 14 Nov 2017 14:20:57 GMT";
    let headers = [("Authorization", "ZStack  id:sig/+=  "), ("date", date)];
    let signed = |method: &str, path: &str, body: &str| {
        send(method, path, body, &headers).map(|call| {
            assert_eq!((call.session, call.caller), (None, Caller::Sdk));
            let signed = call.signed.expect("a signature");
            assert_eq!((signed.access_id.as_str(), signed.signature.as_str()), ("id", "sig/+="));
            signed.text
        })
    };
    let expected = |method: &str, path: &str| Ok(format!("{method}\n{date}\n{path}"));
    for prefix in ["", "/zstack"] {
        let path = |rest: &str| format!("{prefix}/v1/{rest}");
        assert_eq!(signed("GET", &path("longjobs?q=name=x&limit=1"), ""), expected("GET", "/v1/longjobs"));
        assert_eq!(signed("POST", &path("longjobs"), "{}"), expected("POST", "/v1/longjobs"));
        let one = format!("/v1/longjobs/{ID}");
        assert_eq!(signed("DELETE", &format!("{prefix}{one}?deleteMode="), ""), expected("DELETE", &one));
        assert_eq!(signed("GET", &path("longjobs/a%20b"), ""), expected("GET", "/v1/longjobs/a b"));
    }
    // Both schemes at once cannot be; a call that needs neither looks at neither.
    let login = send("PUT", "/v1/accounts/login", "{}", &[("Authorization", "ZStack what:ever:it:is")]);
    assert_eq!(login.map(|call| (call.session, call.signed)), Ok((None, None)));
}

#[test]
fn the_body_is_read_before_the_authorization() {
    assert!(matches!(send("POST", "/v1/longjobs", "{", &[]), Err(Misuse::BadJson(_))));
    assert!(matches!(send("POST", "/v1/longjobs", "{}", &[]), Err(Misuse::NoAuthorization)));
    assert_eq!(misuse("POST", "/v1/longjobs", "[1]").0, 500);
    assert_eq!(misuse("POST", "/v1/longjobs", r#"{"params":[]}"#).0, 500);
}

#[test]
fn scalars_become_the_declared_type_and_the_rest_is_refused_with_its_text() {
    let create =
        |params: &str| send("POST", "/v1/volumes/data", &format!("{{\"params\":{params}}}"), &[AUTH]);
    for size in ["3", "3.0", "\"3\"", "\" 3.0 \"", "3e0"] {
        let params = create(&format!("{{\"diskSize\":{size},\"name\":7,\"description\":true}}"));
        let params =
            params.map(|c| (c.params.int("diskSize"), c.params.owned("name"), c.params.owned("description")));
        assert_eq!(params, Ok((Some(3), Some("7".to_owned()), Some("true".to_owned()))), "{size}");
    }
    let max = create("{\"diskSize\":9223372036854775807}").map(|c| c.params.int("diskSize"));
    assert_eq!(max, Ok(Some(i64::MAX)));
    let told = |params: &str| create(params).err().map(|m| (m.zstack_status(), m.text(Profile::Zstack)));
    assert_eq!(
        told("{\"diskSize\":\"big\"}"),
        Some(text(400, "[diskSize] field is excepted an int or long, but was [big]."))
    );
    assert_eq!(told("{\"diskSize\":1.5}").map(|t| t.0), Some(400));
    assert_eq!(told("{\"name\":{}}").map(|t| t.0), Some(500));
    assert_eq!(told("{\"name\":[\"x\"]}").map(|t| t.0), Some(500));
    assert_eq!(told("{\"tagUuids\":\"x\"}").map(|t| t.0), Some(500));
    assert_eq!(create("{\"name\":null}").map(|c| c.params.get("name").cloned()), Ok(None));
    assert_eq!(create("{\"name\":\" a b \"}").map(|c| c.params.owned("name")), Ok(Some("a b".to_owned())));
}

#[test]
fn query_parameters_repeat_only_where_they_are_lists() {
    let path = format!("/v1/task-progresses/{ID}");
    assert!(call("GET", &format!("{path}?all=True&noise=1&noise=2"), "").params.flag("all"));
    assert!(!call("GET", &format!("{path}?all="), "").params.flag("all"));
    let told = "Invalid value for boolean field [all], [x] is not a valid boolean string[true, false].";
    assert_eq!(misuse("GET", &format!("{path}?all=x"), ""), text(400, told));
    let told =
        "Invalid query parameter[all], only one value is allowed for the parameter but multiple values found";
    assert_eq!(misuse("GET", &format!("{path}?all=true&all=true"), ""), text(400, told));
    let told = "duplicate map query parameter[a.b], there has been a parameter with the same map key";
    assert_eq!(misuse("GET", &format!("{path}?a.b=1&a.b=2"), ""), text(400, told));
    let lists = call(
        "GET",
        "/v1/primary-storage/capacities?zoneUuids=a&zoneUuids=b&clusterUuids.1=d&clusterUuids.0=c",
        "",
    );
    assert_eq!(
        (lists.params.list("zoneUuids"), lists.params.list("clusterUuids")),
        (vec!["a", "b"], vec!["c", "d"])
    );
    assert_eq!(misuse("GET", &format!("{path}?all=%ff"), ""), text(400, "the query string is not UTF-8"));
}

#[test]
fn an_empty_delete_mode_or_target_counts_as_absent() {
    let delete = call("DELETE", &format!("/v1/volumes/{ID}?deleteMode="), "");
    assert_eq!(delete.params.get("deleteMode"), None);
    let submit = call("POST", "/v1/longjobs", r#"{"params":{"targetResourceUuid":"","name":""}}"#);
    assert_eq!((submit.params.get("targetResourceUuid"), submit.params.text("name")), (None, Some("")));
}

#[test]
fn tags_of_the_top_level_win_over_the_wrapper_and_a_delete_takes_them_from_body_or_query() {
    let path = format!("/v1/longjobs/{ID}/actions");
    let tags = |body: &str| call("PUT", &path, body).system_tags;
    assert_eq!(tags(r#"{"rerunLongJob":{"systemTags":["in"]},"systemTags":["top"]}"#), ["top"]);
    assert_eq!(tags(r#"{"rerunLongJob":{"systemTags":["in"]},"systemTags":null}"#), ["in"]);
    assert!(tags(r#"{"rerunLongJob":{"systemTags":["in"]},"systemTags":[]}"#).is_empty());
    let job = format!("/v1/longjobs/{ID}");
    let user = |target: &str, body: &str| call("DELETE", target, body).user_tags;
    assert_eq!(user(&job, r#"{"userTags":["b"]}"#), ["b"]);
    assert_eq!(user(&format!("{job}?userTags=q&userTags=r&uuid=x&sessionId=y"), ""), ["q", "r"]);
    assert!(user(&job, "").is_empty() && user(&job, "{}").is_empty());
}

#[test]
fn the_path_variable_wins_over_a_parameter_of_its_name() {
    let path = format!("/v1/longjobs/{ID}/actions");
    let update = call("PUT", &path, r#"{"updateLongJob":{"uuid":"other","name":"n"}}"#);
    assert_eq!(update.params.text("uuid"), Some(ID));
}

#[test]
fn job_uuid_and_timeout_headers_are_checked_except_by_queries() {
    let with = |target: &str, header: (&'static str, &'static str)| send("GET", target, "", &[AUTH, header]);
    let short = ("X-Job-UUID", "short");
    let progress = format!("/v1/task-progresses/{ID}");
    assert_eq!(with(&progress, short).err(), Some(Misuse::BadJobUuid));
    assert_eq!(with("/v1/longjobs", short).map(|c| (c.job_uuid, c.caller)), Ok((None, Caller::Sdk)));
    let timed = with(&progress, ("X-API-Timeout", "60"));
    assert_eq!(timed.map(|c| c.api_timeout_ms()), Ok(60_000));
    for bad in ["x", "-1", "", "1.5"] {
        assert!(matches!(with(&progress, ("X-API-Timeout", bad)), Err(Misuse::BadTimeout(_))), "{bad}");
    }
    assert_eq!(call("GET", &progress, "").api_timeout_ms(), crate::api::API_TIMEOUT_MS);
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(method in "GET|POST|PUT|DELETE|HEAD", path in "(/zstack)?/v1/[a-z{}/%0-9-]{0,40}",
        query in "\\PC{0,60}", body in "\\PC{0,80}", auth in proptest::option::of("(OAuth|ZStack) ?\\PC{0,30}"),
        date in proptest::option::of("\\PC{0,40}")) {
        let headers = Headers { authorization: auth.as_deref(), date: date.as_deref(), ..Headers::default() };
        let zone = TimeZone::UTC;
        let request = Request { method: &method, path: &path, query: Some(&query), body: body.as_bytes(),
            headers, now_ms: 0, zone: &zone };
        let _ = decode(&request);
    }

    #[test]
    fn no_parameters_make_it_panic(params in "\\PC{0,80}", size in proptest::num::f64::ANY) {
        let body = format!("{{\"params\":{{\"name\":{params},\"diskSize\":{size}}}}}");
        let _ = send("POST", "/v1/volumes/data", &body, &[AUTH]);
        let _ = send("DELETE", &format!("/v1/volumes/{ID}?{params}"), "", &[AUTH]);
    }
}
