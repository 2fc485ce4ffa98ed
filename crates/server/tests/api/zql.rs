//! ZQL over HTTP and over the legacy entry: the same rows and rights as any query.
//!
//! Source: rest-api.md 5.7, 1.6.

use serde_json::{Value, json};

use crate::support::jobs::NOTHING_STARTS;
use crate::support::{Caller, Server, http, uuid};

/// The text as a part of a URL.
fn path(zql: &str) -> String {
    let escape = |c: char| match c {
        ' ' | '"' | '<' | '>' | '%' | '+' | '&' | '#' | '\n' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("/zql?zql={}", zql.chars().map(escape).collect::<String>())
}

fn ask(caller: &Caller, zql: &str) -> Value {
    caller.get(&path(zql)).ok()["results"].clone()
}

/// Three waiting jobs by name.
fn fill(caller: &Caller) {
    for (name, description) in [("alpha", "it's one"), ("beta", "two, or so"), ("gamma", "three")] {
        let params = json!({
            "name": name, "description": description, "jobName": "APISimulateJobMsg", "jobData": "{}",
            "resourceUuid": uuid(),
        });
        let body = json!({"params": params, "systemTags": [], "userTags": [name, "all"]});
        caller.post("/longjobs", &body).ok();
    }
}

fn names(result: &Value) -> String {
    let rows = result["inventories"].as_array().unwrap_or_else(|| panic!("{result}"));
    rows.iter().map(|row| row["name"].as_str().expect("a name")).collect::<Vec<_>>().join(" ")
}

#[test]
fn conditions_find_what_they_say() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        fill(&admin);
        for (condition, found) in [
            ("", "alpha beta gamma"),
            ("where name = 'alpha'", "alpha"),
            ("where name != 'alpha'", "beta gamma"),
            ("where name > 'alpha' and name <= 'beta'", "beta"),
            ("where name in ('alpha', 'gamma')", "alpha gamma"),
            ("where name not in ('alpha', 'gamma')", "beta"),
            ("where name like '%m%'", "gamma"),
            ("where name not like '%m%'", "alpha beta"),
            ("where jobResult is null", "alpha beta gamma"),
            ("where jobResult is not null", ""),
            ("where name = 'alpha' or description = 'three'", "alpha gamma"),
            ("where state = 'Waiting' and name = 'alpha' or name = 'gamma'", "alpha gamma"),
            ("where (state = 'Waiting' and name = 'alpha') or state = 'Failed'", "alpha"),
            ("where (name = 'alpha' or name = 'beta') and (state = 'Failed' or name like 'b%')", "beta"),
            ("where description = 'it''s one'", "alpha"),
            ("where description in ('two, or so', 'three')", "beta gamma"),
            ("where __userTag__ = 'beta'", "beta"),
            ("where __userTag__ has ('gamma', 'all')", "gamma"),
            ("where __userTag__ not has ('gamma', 'beta')", "alpha"),
            ("where createDate > '2017-11-14 10:00:00'", "alpha beta gamma"),
        ] {
            let results = ask(&admin, &format!("query longjob {condition} order by name asc"));
            assert_eq!(names(&results[0]), found, "{condition}");
            let counted = ask(&admin, &format!("count longjob {condition}"));
            let total = found.split(' ').filter(|name| !name.is_empty()).count();
            assert_eq!(counted, json!([{"total": total}]), "{condition}");
        }
    }
}

#[test]
fn pages_orders_selections_names_and_several_statements_are_answered() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        fill(&admin);
        let results = ask(
            &admin,
            "query longjob.name return with (total) order by name desc limit 1 offset 1 named as 'page'; count longjob where name = 'beta' limit 1; query zone.name where name = 'x' or type = 'zstack'; query account.name",
        );
        let want = json!([
            {"inventories": [{"name": "beta"}], "total": 3, "name": "page"},
            {"total": 1},
            {"inventories": [{"name": "zone"}]},
            {"inventories": [{"name": "admin"}]},
        ]);
        assert_eq!(results, want);
        let whole = ask(&admin, "query longjob where name = 'alpha'")[0]["inventories"][0].clone();
        assert_eq!(whole["description"], "it's one");
        assert!(whole["apiId"].is_string() && whole["createDate"].is_string(), "{whole}");
    }
}

#[test]
fn accounts_see_their_own_rows_only() {
    for server in Server::both(&NOTHING_STARTS) {
        fill(&server.admin());
        let stranger = server.account("stranger");
        for text in ["query longjob", "query longjob where name = 'alpha' or name != 'alpha'"] {
            assert_eq!(ask(&stranger, text)[0]["inventories"], json!([]), "{text}");
        }
        assert_eq!(
            ask(&stranger, "count longjob; query account.name"),
            json!([
                {"total": 0}, {"inventories": [{"name": "stranger"}]},
            ])
        );
    }
}

#[test]
fn what_is_no_zql_and_what_is_not_offered_is_told() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let zstack = server.profile == "zstack";
        let told = |text: &str| admin.get(&path(text)).error();
        let (code, details) = told("query longjob wher name = 'x'");
        assert_eq!(code, if zstack { "SYS.1000" } else { "SYS.1007" });
        assert!(details.starts_with("error ") && details.contains(" at line 1:14, wher"), "{details}");
        let (code, details) = told("query longjob where foo = 'x' or name = 'y'");
        assert_eq!(code, if zstack { "SYS.1000" } else { "SYS.1007" });
        assert!(details.contains("field[foo]"), "{details}");
        for text in ["sum longjob by executeTime", "query longjob group by state", "query vminstance"] {
            let (code, details) = told(text);
            assert_eq!(code, "SYS.1014", "{text}: {details}");
        }
        for text in [
            "query nonsense",
            "query longjob limit 10001",
            "query longjob where executeTime = 'soon' or name = 'x'",
        ] {
            assert_eq!(told(text).0, "SYS.1007", "{text}");
        }
        let (code, details) = admin.get("/zql").error();
        assert_eq!(code, "SYS.1007");
        assert!(details.contains("field[zql]"), "{details}");
    }
}

#[test]
fn zql_is_a_message_of_the_legacy_entry_too() {
    let server = Server::start("fast", &[]);
    let session = server.admin().session;
    let message = json!({"org.zstack.query.APIZQLQueryMsg": {
        "zql": "count zone named as 'n'", "session": {"uuid": session},
    }});
    let answer =
        http::send(server.address, "POST", "/zstack/api", &[], message.to_string().as_bytes()).json();
    let result: Value = serde_json::from_str(answer["result"].as_str().expect("a result")).expect("JSON");
    let want = json!({"results": [{"total": 1, "name": "n"}], "success": true});
    assert_eq!(result, json!({"org.zstack.query.APIZQLQueryReply": want}));
}
