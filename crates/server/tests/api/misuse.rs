//! Requests that are no calls: their texts and statuses in both profiles. In `zstack` they are plain text;
//! in `fast` the same text is the details of an error body.
//!
//! Source: rest-api.md 1.2, 2.2, 3.3, 3.4, 4.3, 5.6.

use serde_json::Value;

use crate::support::{Caller, Kind, Server, http};

const JOB: &str = "45a53d3d93384433add8ead7616586cf";
const FINE_HEADER: &str = "0123456789abcdef0123456789abcdef";

/// Method, path, further headers, body; status in `zstack`, in `fast` for curl; the text's beginning.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    u16,
    &'static str,
);

const NONE: &[(&str, &str)] = &[];

/// Step 2 and 4 of the routing: paths, methods, action keys.
const ROUTING: &[Row] = &[
    ("GET", "/nonsense", NONE, "", 404, 404, "no api mapping to /v1/nonsense"),
    ("GET", "/longjobs/", NONE, "", 404, 404, "no api mapping to /v1/longjobs/"),
    ("POST", "/nonsense", NONE, "{not json", 404, 404, "no api mapping to /v1/nonsense"),
    (
        "PUT",
        "/longjobs/45a53d3d93384433add8ead7616586cf/actions",
        NONE,
        "{\"noSuchAction\":{}}",
        400,
        400,
        "the body doesn't contain action mapping to the URL[/v1/longjobs/45a53d3d93384433add8ead7616586cf/actions]",
    ),
    (
        "PUT",
        "/longjobs",
        NONE,
        "{\"params\":{}}",
        400,
        400,
        "the body doesn't contain action mapping to the URL[/v1/longjobs]",
    ),
    (
        "POST",
        "/longjobs/1",
        NONE,
        "{}",
        500,
        405,
        "No creational API found for the path[/zstack/v1/longjobs/1]",
    ),
    (
        "GET",
        "/longjobs/1/actions",
        NONE,
        "",
        500,
        405,
        "No query API found for the path[/zstack/v1/longjobs/1/actions]",
    ),
    ("DELETE", "/longjobs", NONE, "", 500, 405, "No delete API found for the path[/zstack/v1/longjobs]"),
    ("DELETE", "/v1/longjobs", NONE, "", 500, 405, "No delete API found for the path[/v1/longjobs]"),
    ("PATCH", "/longjobs", NONE, "", 405, 405, "Request method 'PATCH' not supported"),
    ("OPTIONS", "/longjobs", NONE, "", 405, 405, "Request method 'OPTIONS' not supported"),
];

/// Step 3 and 6: bodies and the types of values.
const BODIES: &[Row] = &[
    ("POST", "/longjobs", NONE, "{\"params\":", 500, 400, "the body is not a JSON object: EOF while parsing"),
    ("POST", "/longjobs", NONE, "[]", 500, 400, "the body is not a JSON object: "),
    ("POST", "/longjobs", NONE, "\"text\"", 500, 400, "the body is not a JSON object: "),
    (
        "POST",
        "/longjobs",
        NONE,
        "{\"params\":[]}",
        500,
        400,
        "Expected an object but was a list at path $.params",
    ),
    (
        "POST",
        "/longjobs",
        NONE,
        "{\"params\":{\"jobData\":{}}}",
        500,
        400,
        "Expected a string but was an object at path $.jobData",
    ),
    (
        "POST",
        "/longjobs",
        NONE,
        "{\"params\":{\"name\":[1]}}",
        500,
        400,
        "Expected a string but was a list at path $.name",
    ),
    (
        "POST",
        "/longjobs",
        NONE,
        "{\"params\":{\"tagUuids\":\"x\"}}",
        500,
        400,
        "Expected a list but was a string at path $.tagUuids",
    ),
    (
        "POST",
        "/longjobs",
        NONE,
        "{\"params\":{},\"systemTags\":{}}",
        500,
        400,
        "Expected a list but was an object at path $.systemTags",
    ),
    (
        "POST",
        "/longjobs",
        NONE,
        "{\"params\":{},\"userTags\":[{}]}",
        500,
        400,
        "Expected a list of strings but was an object at path $.userTags",
    ),
    (
        "PUT",
        "/accounts/sessions/1/renew",
        NONE,
        "{\"renewSession\":{\"duration\":\"soon\"}}",
        400,
        400,
        "[duration] field is excepted an int or long, but was [soon].",
    ),
    (
        "PUT",
        "/accounts/sessions/1/renew",
        NONE,
        "{\"renewSession\":{\"duration\":60.5}}",
        400,
        400,
        "[duration] field is excepted an int or long, but was [60.5].",
    ),
    (
        "GET",
        "/task-progresses/45a53d3d93384433add8ead7616586cf?all=true&all=true",
        NONE,
        "",
        400,
        400,
        "Invalid query parameter[all], only one value is allowed for the parameter but multiple values found",
    ),
    (
        "GET",
        "/task-progresses/45a53d3d93384433add8ead7616586cf?all=perhaps",
        NONE,
        "",
        400,
        400,
        "Invalid value for boolean field [all], [perhaps] is not a valid boolean string[true, false].",
    ),
    (
        "GET",
        "/primary-storage/capacities?a.b=1&a.b=2",
        NONE,
        "",
        400,
        400,
        "duplicate map query parameter[a.b], there has been a parameter with the same map key",
    ),
    ("GET", "/longjobs?q=%ff", NONE, "", 400, 400, "the query string is not UTF-8"),
    ("GET", "/longjobs/%ff", NONE, "", 400, 400, "the path is not UTF-8"),
];

/// Step 7: the headers of the call.
const HEADERS: &[Row] = &[
    (
        "DELETE",
        "/longjobs/1",
        &[("X-Job-UUID", "short")],
        "",
        400,
        400,
        "Invalid header[X-Job-UUID], it must be a UUID with '-' stripped",
    ),
    (
        "DELETE",
        "/longjobs/1",
        &[("X-Job-UUID", "5c1ad6e1-a7f7-4ffe-8b9f-d3d4d0d4e6a1")],
        "",
        400,
        400,
        "Invalid header[X-Job-UUID], it must be a UUID with '-' stripped",
    ),
    (
        "DELETE",
        "/longjobs/1",
        &[("X-API-Timeout", "soon")],
        "",
        500,
        400,
        "Invalid header[X-API-Timeout], [soon] is not a number of seconds",
    ),
];

/// Section 5.6, first two rows, and the numbers of 5.1.
const QUERIES: &[Row] = &[
    (
        "GET",
        "/longjobs?limit=many",
        NONE,
        "",
        400,
        400,
        "Invalid query parameter. 'limit' must be an integer",
    ),
    (
        "GET",
        "/longjobs?start=later",
        NONE,
        "",
        400,
        400,
        "Invalid query parameter. 'start' must be an integer",
    ),
    (
        "GET",
        "/longjobs?q=name",
        NONE,
        "",
        400,
        400,
        "Invalid query parameter. The 'name' in the parameter[q] doesn't contain any query operator. Valid query operators are [[!=, >=, <=, !?=, !~=, ~=, ?=, =, >, <, is null, not null]]",
    ),
    (
        "GET",
        "/longjobs?q==x",
        NONE,
        "",
        400,
        400,
        "Invalid query parameter. The '=x' in parameter[q] is not a key-value pair split by =",
    ),
    (
        "GET",
        "/longjobs?q=~=x",
        NONE,
        "",
        400,
        400,
        "Invalid query parameter. The '~=x' in parameter[q] is not a key-value pair split by like",
    ),
];

/// Section 3.4.
const POLLS: &[Row] = &[
    ("GET", "/api-jobs/anything-at-all", NONE, "", 404, 404, "the job has been expired"),
    ("GET", "/api-jobs/45a53d3d93384433add8ead7616586cf", NONE, "", 404, 404, "the job has been expired"),
    ("POST", "/api-jobs/1", NONE, "{", 405, 405, "only GET method is allowed for querying job status"),
    ("DELETE", "/api-jobs/1", NONE, "", 405, 405, "only GET method is allowed for querying job status"),
];

fn check(server: &Server, caller: &Caller, row: &Row) {
    let (method, path, more, body, zstack, fast, text) = row;
    let cell = format!("{} {method} {path} {more:?} {body}", server.profile);
    let answer = caller.once(method, path, more, body.as_bytes());
    if server.profile == "zstack" {
        assert_eq!(answer.status, *zstack, "{cell}: {}", answer.text());
        assert!(answer.text().starts_with(text), "{cell}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain;charset=utf-8"), "{cell}");
        return;
    }
    let sdk = more.iter().any(|(name, _)| *name == "X-Job-UUID");
    assert_eq!(answer.status, *fast, "{cell}: {} (sdk {sdk})", answer.text());
    let body = answer.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{cell}: exactly one top-level key");
    assert_eq!(body["error"]["code"], "SYS.1007", "{cell}");
    assert!(body["error"]["details"].as_str().is_some_and(|d| d.starts_with(text)), "{cell}: {body}");
}

fn check_all(rows: &[Row]) {
    for server in Server::both(&[]) {
        let admin = server.admin();
        rows.iter().for_each(|row| check(&server, &admin, row));
    }
}

#[test]
fn paths_methods_and_actions_that_are_not_there_are_told_with_the_contracts_texts() {
    check_all(ROUTING);
}

#[test]
fn bodies_and_values_of_the_wrong_type_are_told_by_their_field() {
    check_all(BODIES);
}

#[test]
fn headers_that_cannot_be_read_are_told() {
    check_all(HEADERS);
}

#[test]
fn queries_that_cannot_be_split_are_told() {
    check_all(QUERIES);
}

#[test]
fn a_poll_of_an_unknown_call_says_that_it_expired_and_other_methods_that_only_get_is_allowed() {
    check_all(POLLS);
}

#[test]
fn a_put_without_a_body_is_an_empty_500_in_zstack_and_a_clear_400_in_fast() {
    let path = format!("/longjobs/{JOB}/actions");
    let [fast, zstack] = ["fast", "zstack"].map(|profile| Server::start(profile, &[]));
    let answer = zstack.admin().once("PUT", &path, &[], b"");
    assert_eq!((answer.status, answer.text().as_str()), (500, ""));
    let answer = fast.admin().once("PUT", &path, &[], b"");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("doesn't contain action mapping"), "{}", answer.text());
}

#[test]
fn head_is_refused_on_every_path_of_several_operations() {
    for server in Server::both(&[]) {
        let answer = server.admin().once("HEAD", "/longjobs", &[], b"");
        assert_eq!((answer.status, answer.body.len()), (405, 0));
    }
}

/// Headers, status in `zstack`, status in `fast`, the text. Access keys are an SDK's in `fast`.
type Credentials = (&'static [(&'static str, &'static str)], u16, u16, &'static str);

const CREDENTIALS: &[Credentials] = &[
    (&[], 400, 401, "missing header 'Authorization'"),
    (&[("Authorization", "Basic eA==")], 400, 401, "Authorization type must be 'OAuth'"),
    (&[("Authorization", "oauth x")], 400, 401, "Authorization type must be 'OAuth'"),
    (&[("Authorization", "ZStack x")], 400, 400, "accessKey format is 'ZStack AccessKeyId:Signature'"),
    (&[("Authorization", "ZStack a:b:c")], 400, 400, "accessKey format is 'ZStack AccessKeyId:Signature'"),
    (&[("Authorization", "ZStack a:b")], 400, 400, "'Date' must be incuded in request header"),
    (
        &[("Authorization", "ZStack a:b"), ("Date", "yesterday")],
        400,
        400,
        "'Date' format error, correct format is 'EEE, dd MMM yyyy HH:mm:ss z'",
    ),
    (
        &[("Authorization", "ZStack a:b"), ("Date", "Tue, 14 Nov 2017 22:20:57 Asia/Shanghai")],
        403,
        403,
        "requestTimeTooSkewed",
    ),
];

#[test]
fn credentials_of_a_form_that_nobody_has_are_told_before_anything_else_of_the_call() {
    for server in Server::both(&[]) {
        let nobody = Caller { address: server.address, kind: Kind::Plain, session: String::new() };
        for (headers, zstack, fast, text) in CREDENTIALS {
            // The timeout is unreadable too, but credentials come first.
            let more = [*headers, &[("X-API-Timeout", "x")]].concat();
            let answer = nobody.once("DELETE", "/longjobs/1", &more, b"");
            if server.profile == "zstack" {
                assert_eq!((answer.status, answer.text().as_str()), (*zstack, *text));
            } else {
                assert_eq!(answer.status, *fast, "{text}");
                let error = &answer.json()["error"];
                assert_eq!(
                    (&error["code"], &error["details"]),
                    (&Value::from("ID.1001"), &Value::from(*text))
                );
            }
        }
    }
}

#[test]
fn the_steps_are_taken_in_the_contracts_order() {
    for server in Server::both(&[]) {
        let nobody = Caller { address: server.address, kind: Kind::Plain, session: String::new() };
        let text = |method: &str, path: &str, more: &[(&str, &str)], body: &str| {
            nobody.once(method, path, more, body.as_bytes()).text()
        };
        // The poll comes first of all, then the path, the body, the operation, the credentials, the values.
        assert!(text("GET", "/api-jobs/1", &[("Authorization", "?")], "{").contains("has been expired"));
        assert!(text("POST", "/nonsense", &[], "{").contains("no api mapping"));
        assert!(text("DELETE", "/longjobs", &[], "{").contains("is not a JSON object"));
        assert!(text("DELETE", "/longjobs", &[], "").contains("No delete API"));
        assert!(text("POST", "/longjobs", &[], "{\"params\":[]}").contains("missing header 'Authorization'"));
        let admin = server.admin();
        let more = [("X-Job-UUID", "short"), ("X-API-Timeout", "x")];
        let body = b"{\"params\":[]}";
        assert!(admin.once("POST", "/longjobs", &more, body).text().contains("Expected an object"));
        assert!(admin.once("POST", "/longjobs", &more, b"{}").text().contains("Invalid header[X-Job-UUID]"));
        let fine = [("X-Job-UUID", FINE_HEADER), ("X-API-Timeout", "x")];
        assert!(
            admin.once("POST", "/longjobs", &fine, b"{}").text().contains("Invalid header[X-API-Timeout]")
        );
    }
}

#[test]
fn a_path_of_one_operation_takes_it_by_post_too_and_a_get_never_changes_anything() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let log_in = serde_json::json!({"logInByAccount": {
            "accountName": "admin", "password": crate::support::sha512(crate::support::server::PASSWORD),
        }});
        assert!(admin.post("/accounts/login", &log_in).inventory()["uuid"].is_string());
        let renew = format!("/accounts/sessions/{}/renew", admin.session);
        assert!(admin.once("GET", &renew, &[], b"").status >= 400);
        let log_out = format!("/accounts/sessions/{}", admin.session);
        assert!(admin.once("GET", &log_out, &[], b"").status >= 400);
        assert!(admin.once("POST", &log_out, &[], b"").status >= 200);
    }
}

#[test]
fn both_prefixes_and_every_content_type_are_served() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        for path in ["/v1/zones", "/zstack/v1/zones"] {
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json;charset=latin1"]
            {
                let answer = admin.once("GET", path, &[("Content-Type", kind)], b"");
                assert_eq!(answer.status, 200);
                assert_eq!(answer.header("content-type"), Some("application/json;charset=utf-8"));
                assert_eq!(answer.header("access-control-allow-origin"), None, "no CORS");
            }
        }
        assert_eq!(http::send(server.address, "GET", "/v1x/zones", &[], b"").status, 404);
    }
}
