//! The query grammar over HTTP: conditions, paging, sorting, selection, schema, errors.
//!
//! Source: rest-api.md section 5.

use serde_json::{Value, json};

use crate::support::{Caller, Kind, Server, uuid};

const CLASS: &str = "org.zstack.header.longjob.LongJobInventory";

/// Five jobs, told apart by one letter in `targetResourceUuid`.
fn fill(admin: &Caller) {
    let rows = [
        ("a", "alpha", Some("first one"), json!({"durationMs": 0}), "Succeeded"),
        ("b", "Beta", None, json!({"durationMs": 0, "outcome": "fail"}), "Failed"),
        ("c", "gam_ma", Some("50% off"), json!({"durationMs": 0, "outcome": "interrupt"}), "Suspended"),
        ("d", "alpha b", Some(""), json!({"durationMs": 2050}), "Succeeded"),
        ("e", "it's \"q\" \\ back & more", Some("a>=b"), json!({"durationMs": 3_600_000}), "Running"),
    ];
    for (letter, name, description, data, state) in rows {
        let id = uuid();
        let mut params = json!({
            "name": name, "jobName": "APISimulateJobMsg", "jobData": data.to_string(), "resourceUuid": id,
            "targetResourceUuid": letter.repeat(32),
        });
        if let Some(description) = description {
            params["description"] = json!(description);
        }
        admin.post("/longjobs", &json!({ "params": params })).ok();
        admin.wait_for(&id, state);
    }
}

/// What no URL may hold, escaped; a `%` stays as it is.
fn escaped(query: &str) -> String {
    let escape = |c: char| match c {
        ' ' | '"' | '\\' | '<' | '>' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    };
    query.chars().map(escape).collect()
}

/// The letters of the rows that answer, in their order.
fn letters(answer: &Value) -> String {
    let rows = answer["inventories"].as_array().expect("rows");
    rows.iter().map(|r| r["targetResourceUuid"].as_str().expect("a target")[..1].to_owned()).collect()
}

fn sorted(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

/// A query string as a client sends it, and the rows it finds.
const CONDITIONS: &[(&str, &str)] = &[
    ("", "abcde"),
    ("q=name=alpha", "a"),
    ("q=name=ALPHA", "a"),
    ("q=name==alpha", "a"),
    ("q=name%3Dalpha", "a"),
    ("q= name =alpha", "a"),
    ("q=name= alpha", ""),
    ("q=name=alpha%20", ""),
    ("q=name=alpha b", "d"),
    ("q=name=alpha+b", "d"),
    ("q=name=alpha%20b", "d"),
    ("q=name!=alpha", "bcde"),
    ("q=name>beta", "ce"),
    ("q=name>=beta", "bce"),
    ("q=name<beta", "ad"),
    ("q=name<=beta", "abd"),
    ("q=name?=alpha,BETA", "ab"),
    ("q=name?=alpha, beta", "a"),
    ("q=name!?=alpha,beta", "cde"),
    ("q=name~=alpha%25", "ad"),
    ("q=name~=%alpha%", "ad"),
    ("q=name~=alpha", "a"),
    ("q=name~=_eta", "b"),
    ("q=name!~=%a%", ""),
    ("q=name=it's \"q\" \\ back %26 more", "e"),
    ("q=description=50%25 off", "c"),
    ("q=description=", "d"),
    ("q=description is null", "b"),
    ("q=description not null", "acde"),
    ("q=description!=first one", "cde"),
    ("q=description!~=%first%", "cde"),
    ("q=description!?=first one,x", "cde"),
    ("q=state=Running", "e"),
    ("q=state?=Running,Suspended", "ce"),
    ("q=state!=Succeeded", "bce"),
    ("q=state=NoSuchState", ""),
    ("q=state~=S%", "acd"),
    ("q=jobName=APISimulateJobMsg", "abcde"),
    ("q=jobResult is null", "e"),
    ("q=executeTime is null", "ce"),
    ("q=executeTime not null", "abd"),
    ("q=executeTime>=1", "abd"),
    ("q=executeTime>1.5", "d"),
    ("q=executeTime=2", "d"),
    ("q=executeTime<2", "ab"),
    ("q=createDate>2017-11-14 10:00:00", "abcde"),
    ("q=createDate<2017-11-14 10:00:00", ""),
    ("q=lastOpDate>=2017-11-14", "abcde"),
    ("q=name~=alpha%25&q=description=", "d"),
    ("q=name=alpha&q=name=alpha", "a"),
    ("q=name=alpha&q=name=beta", ""),
    // Ignored: the dead form of the documentation, sorting by other names, what deletions carry, grouping.
    ("condition=name=alpha", "abcde"),
    ("sortBy=name&sortDirection=desc", "abcde"),
    ("deleteMode=&uuid=x&sessionId=y", "abcde"),
    ("groupBy=state", "abcde"),
    ("groupBy=noSuchField", "abcde"),
    // `is not null` makes a field out of `description is`; a value with a stronger operator is split there.
];

#[test]
fn conditions_find_what_the_contract_says() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        fill(&admin);
        for (query, expected) in CONDITIONS {
            // Escaped as curl's users, Java and Go do it, and as it is, as Python does.
            for (caller, target) in
                [(&admin, escaped(query)), (&admin.as_kind(Kind::Python), (*query).to_owned())]
            {
                let answer = caller.get(&format!("/longjobs?{target}")).ok();
                assert_eq!(sorted(&letters(&answer)), *expected, "{} {target}", server.profile);
            }
        }
        for caller in server.admins() {
            let answer = caller.get("/longjobs?q=name~=alpha%25&replyWithCount=True").ok();
            assert_eq!((sorted(&letters(&answer)).as_str(), &answer["total"]), ("ad", &json!(2)));
        }
        pages(&admin);
        schema(&admin);
        one(&admin);
        errors(&server, &admin);
    }
}

/// A query string and the rows in their order.
fn pages(admin: &Caller) {
    let rows = [
        ("sort=%2Bname", "adbce"),
        ("sort=+name", "adbce"),
        ("sort=name", "adbce"),
        ("sort=--name", "ecbda"),
        ("sort=-name", "ecbda"),
        ("sort=state&q=state!=Succeeded", "bec"),
        ("sort=%2Bname&limit=2", "ad"),
        ("sort=%2Bname&limit=2&start=2", "bc"),
        ("sort=%2Bname&limit=2&start=4", "e"),
        ("sort=%2Bname&limit=2&start=5", ""),
        ("limit=0", ""),
    ];
    for (query, expected) in rows {
        assert_eq!(letters(&admin.get(&format!("/longjobs?{query}")).ok()), expected, "{query}");
    }
    let first = letters(&admin.get("/longjobs?limit=3").ok());
    let rest = letters(&admin.get("/longjobs?limit=3&start=3").ok());
    assert_eq!(sorted(&(first + &rest)), "abcde", "the order is stable without `sort`");
    let total = admin.get("/longjobs?replyWithCount=true&limit=1&start=1").ok();
    assert_eq!((&total["total"], total["inventories"].as_array().map(Vec::len)), (&json!(5), Some(1)));
    for query in ["count=true", "count=True&limit=1&start=3", "count=TRUE"] {
        let body = admin.get(&format!("/longjobs?{query}")).ok();
        assert_eq!(body, json!({"total": 5, "schema": {}}), "{query}");
    }
    let body = admin.get("/longjobs?count=1").ok();
    assert_eq!((body.get("total"), body["inventories"].as_array().map(Vec::len)), (None, Some(5)));
    let body = admin.get("/longjobs?fields=uuid,name&fields=state&limit=1").ok();
    let keys: Vec<&String> = body["inventories"][0].as_object().expect("a row").keys().collect();
    assert_eq!(keys, ["uuid", "name"], "only the first `fields` counts");
}

fn schema(admin: &Caller) {
    let body = admin.get("/longjobs?limit=2").ok();
    assert_eq!(body["schema"], json!({"inventories[0]": CLASS, "inventories[1]": CLASS}));
    let body = admin.get("/longjobs?q=name=nobody").ok();
    assert_eq!(body, json!({"inventories": [], "schema": {}}));
    for (path, class) in [
        ("/management-nodes", "org.zstack.header.managementnode.ManagementNodeInventory"),
        ("/accounts", "org.zstack.header.identity.AccountInventory"),
        ("/zones", "org.zstack.header.zone.ZoneInventory"),
    ] {
        assert_eq!(admin.get(path).ok()["schema"]["inventories[0]"], class, "{path}");
    }
}

fn one(admin: &Caller) {
    let id = admin.get("/longjobs?q=name=alpha").ok()["inventories"][0]["uuid"].clone();
    let id = id.as_str().expect("a uuid");
    let body =
        admin.get(&format!("/longjobs/{id}?q=name=nobody&limit=0&fields=name&uuid={id}&sessionId=x")).ok();
    assert_eq!(body["inventories"].as_array().map(Vec::len), Some(1), "only the uuid counts");
    assert!(body["inventories"][0]["jobData"].is_string());
    let body = admin.get(&format!("/longjobs/{}", uuid())).ok();
    assert_eq!(body, json!({"inventories": [], "schema": {}}), "an unknown uuid is an empty list, no error");
    assert_eq!(admin.get("/longjobs/not-a-uuid").ok()["inventories"], json!([]));
}

/// The query, SYS.1000 with this text in `zstack`; in `fast` SYS.1007 with the fields there are.
const ERRORS: &[(&str, &str)] = &[
    ("q=foo=1", "inventory class[class org.zstack.header.longjob.LongJobInventory] not having field[foo]"),
    (
        "q=description%20is%20not%20null",
        "inventory class[class org.zstack.header.longjob.LongJobInventory] not having field[description is]",
    ),
    (
        "q=jobData=a%3E=b",
        "inventory class[class org.zstack.header.longjob.LongJobInventory] not having field[jobData=a]",
    ),
    (
        "q=host.name=x",
        "invalid nested query condition[host.name] on class org.zstack.header.longjob.LongJobInventory,the expanded target[class org.zstack.header.longjob.LongJobInventory] have no expanded query[host]",
    ),
    ("fields=foo", "inventory[${selfInventoryClass}] has no field[foo]"),
    ("sort=foo", "error no viable alternative at input 'foo'"),
];

fn errors(server: &Server, admin: &Caller) {
    for (query, text) in ERRORS {
        let answer = admin.get(&format!("/longjobs?{query}"));
        let (code, details) = answer.error();
        if server.profile == "zstack" {
            assert_eq!((answer.first, code.as_str()), (503, "SYS.1000"), "{query}");
            assert!(details.starts_with(text), "{query}: {details}");
        } else {
            assert_eq!((answer.first, code.as_str()), (400, "SYS.1007"), "{query}");
            assert!(details.contains("the fields are uuid, name, description"), "{query}: {details}");
        }
    }
    for query in ["filterName=x", "filterName=x:"] {
        let (code, details) = admin.get(&format!("/longjobs?{query}")).error();
        assert_eq!(
            (code.as_str(), details.as_str()),
            ("SYS.1007", "filterName must be formatted as [filterType:condition(s)]")
        );
    }
    // Where MySQL would compare with something else than was asked for, we say so.
    for query in [
        "q=executeTime=soon",
        "q=createDate%3Eyesterday",
        "limit=-1",
        "start=-1",
        "q=name=%00",
        "filterName=region:x=y",
    ] {
        assert_eq!(admin.get(&format!("/longjobs?{query}")).error().0, "SYS.1007", "{query}");
    }
    let many = vec!["q=name=x"; 101].join("&");
    let answer = admin.once("GET", &format!("/longjobs?{many}"), &[], b"");
    assert!([200, 400, 503].contains(&answer.status), "{}", answer.text());
    let list = vec!["x"; 5000].join(",");
    let answer = admin.once("GET", &format!("/longjobs?q=name?={list}"), &[], b"");
    assert!([200, 400, 503].contains(&answer.status), "{}", answer.text());
}

#[test]
fn the_other_resources_answer_the_same_grammar() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let node = admin.get("/management-nodes").ok()["inventories"][0].clone();
        for key in ["uuid", "hostName", "joinDate", "heartBeat"] {
            assert!(node[key].is_string(), "{key}: {node}");
        }
        server.account("somebody");
        let body = admin.get("/accounts?sort=name&fields=name&replyWithCount=true").ok();
        assert_eq!(body["inventories"], json!([{"name": "admin"}, {"name": "somebody"}]));
        assert_eq!(body["total"], 2);
        assert_eq!(admin.get("/zones?count=true").ok()["total"], 1);
        assert_eq!(admin.get("/volumes").ok()["inventories"], json!([]));
        let (code, _) = admin.get("/accounts?q=password~=a%25").error();
        assert!(code.starts_with("SYS.100"), "a password is no field: {code}");
    }
}

#[test]
fn moments_without_a_zone_are_the_servers() {
    let server = Server::start("zstack", &["--set", "timezone=Asia/Shanghai"]);
    let admin = server.admin();
    admin.job_in("Succeeded");
    let shown =
        admin.get("/longjobs").ok()["inventories"][0]["createDate"].as_str().expect("a date").to_owned();
    let now = admin.put("/management-nodes/actions", &json!({"getCurrentTime": {}})).ok();
    let now = jiff::Timestamp::from_second(now["currentTime"]["Seconds"].as_i64().expect("seconds"));
    let now = now.expect("a moment").in_tz("Asia/Shanghai").expect("a zone");
    let today = now.strftime("%b %-d, %Y %-I:").to_string();
    assert!(shown.starts_with(&today) || now.minute() == 0, "{shown} {today}");
    let hour_ago = now.saturating_sub(jiff::SignedDuration::from_hours(1));
    for (at, rows) in
        [(hour_ago.strftime("%Y-%m-%d %H:%M:%S").to_string(), 1), ("2100-01-01 00:00:00".to_owned(), 0)]
    {
        let found = admin.get(&format!("/longjobs?{}", escaped(&format!("q=createDate>{at}")))).ok();
        assert_eq!(found["inventories"].as_array().map(Vec::len), Some(rows), "{at}");
    }
    let pasted = format!("/longjobs?q=createDate={}", shown.replace(' ', "%20"));
    assert_eq!(admin.get(&pasted).ok()["inventories"].as_array().map(Vec::len), Some(1), "{shown}");
}
