//! Secrets where they should not have been sent: in broken bodies, in URLs, in headers, in queries, in messages of
//! the legacy entry, in tags; and a store that takes nothing in the middle of a call.

use serde_json::json;

use crate::ground::nobody;
use crate::jobs::secrets;
use crate::support::{http, sha512, until, uuid};
use crate::whole::Cast;

const SUBMIT: &str = "org.zstack.header.longjob.APISubmitLongJobMsg";

impl Cast {
    /// Bodies that cannot be read, to every call that takes a secret.
    pub fn broken_bodies(&mut self) {
        let nobody = nobody(self.world.address);
        let calls = [
            ("PUT", "/accounts/login", "logInByAccount", "password"),
            ("PUT", "/accounts/users/login", "logInByUser", "password"),
            ("PUT", "/login", "logIn", "password"),
            ("POST", "/accounts", "params", "password"),
            ("POST", "/accesskeys", "params", "AccessKeySecret"),
            ("POST", "/longjobs", "params", "jobData"),
            ("POST", "/zstack/api", "org.zstack.header.identity.APILogInByAccountMsg", "password"),
        ];
        for (method, path, wrapper, field) in calls {
            let word =
                |cast: &mut Self, what: &str| cast.canaries.word(&format!("{path} {wrapper}: {what}"), &[]);
            let bodies = [
                format!("{{\"{wrapper}\":{{\"{field}\":\"{}", word(self, "cut")),
                format!("{{\"{wrapper}\":{{\"{field}\":\"{}\\q\"}}}}", word(self, "escape")),
                format!("{{\"{wrapper}\":{{\"{field}\":{}}}}}", word(self, "without quotes")),
                format!("{{\"{wrapper}\":\"{}\"}}", word(self, "a text for an object")),
                format!("{{\"{wrapper}\":[\"{}\"]}}", word(self, "a list for an object")),
                format!("{{\"{wrapper}\":{{\"{field}\":{{\"x\":\"{}\"}}}}}}", word(self, "an object")),
                format!("{{\"{wrapper}\":{{\"{field}\":[\"{}\"]}}}}", word(self, "a list")),
                format!("{{\"{wrapper}\":{{}},\"systemTags\":\"{}\"}}", word(self, "tags")),
                format!("\"{}\"", word(self, "a text")),
                format!("[\"{}\"]", word(self, "a list of texts")),
                word(self, "a word"),
                format!("{field}={}", word(self, "a form")),
            ];
            let admin = self.admin.clone();
            for body in bodies {
                for caller in [&nobody, &admin] {
                    let path = if path.starts_with("/zstack") { "/zstack/api" } else { path };
                    let told = self.ground.ask("someone", caller, method, path, &body);
                    let legacy = path == "/zstack/api";
                    assert!(
                        told.last.status >= 400 || legacy,
                        "{method} {path} {body}: {}",
                        told.last.text()
                    );
                }
            }
        }
    }

    /// Secrets in the URL and in headers that mean nothing here.
    pub fn urls_and_headers(&mut self) {
        let ann = self.ann.clone();
        let address = self.world.address;
        for (what, path) in [
            ("a query that is none", "/longjobs?access_token="),
            ("a list", "/longjobs?limit=1&token="),
            ("a poll", "/api-jobs/45a53d3d93384433add8ead7616586cf?password="),
            ("a timeline", "/longjobs/45a53d3d93384433add8ead7616586cf/timeline?key="),
            ("a deletion", "/longjobs/45a53d3d93384433add8ead7616586cf?secret="),
        ] {
            let word = self.canaries.word(&format!("in the URL of {what}"), &[]);
            let method = if what == "a deletion" { "DELETE" } else { "GET" };
            self.ground.ask("ann", &ann, method, &format!("{path}{word}"), "");
        }
        let word = self.canaries.word("in the URL of a login", &[]);
        self.ground.ask("nobody", &nobody(address), "PUT", &format!("/accounts/login?password={word}"), "{}");
        let headers: Vec<(&str, String)> = [
            ("Authorization", "Bearer "),
            ("Authorization", "Basic "),
            ("Authorization", "ZStack "),
            ("Authorization", "OAuth "),
            ("Cookie", "session="),
            ("Proxy-Authorization", "Basic "),
            ("X-Api-Key", ""),
            ("X-Session-Id", ""),
            ("X-API-Timeout", ""),
        ]
        .into_iter()
        .map(|(name, scheme)| {
            (
                name,
                format!(
                    "{scheme}{}",
                    self.canaries.word(
                        &format!("header {name} {scheme}"),
                        &TOLD_BACK[usize::from(name != "X-API-Timeout")..]
                    )
                ),
            )
        })
        .collect();
        for (name, value) in &headers {
            self.ground.ask_with("ann", &ann, "POST", "/longjobs", &[(name, value)], "{\"params\":{}}");
        }
        // No request at all: what the HTTP parser says of it.
        for what in ["no request", "a header without an end"] {
            let word = self.canaries.word(what, &[]);
            let bytes = format!("{word} \u{1}\r\nAuthorization: OAuth {word}\r\n{word}\r\n\r\n");
            self.ground.answered("nobody: nothing", &http::raw(address, bytes.as_bytes()));
        }
    }

    /// What is asked for is told back to who asked, and to nobody else.
    pub fn queries(&mut self) {
        let ann = self.ann.clone();
        for (what, path) in [
            ("q", "/longjobs?q=name="),
            ("q on a secret", "/longjobs?q=password="),
            ("q without an operator", "/longjobs?q="),
            ("q on jobData", "/longjobs?q=jobData~=%25"),
        ] {
            let word =
                self.canaries.word(what, &ASKED[usize::from(!matches!(what, "q without an operator"))..]);
            self.ground.ask("ann", &ann, "GET", &format!("{path}{word}"), "");
        }
        for (what, zql, told) in [
            ("ZQL", "query longjob where name = 'WORD'", false),
            ("ZQL on jobData", "query longjob where jobData like '%WORD%'", false),
            ("ZQL that is none", "query longjob wher WORD", true),
            ("ZQL on what is not there", "query longjob where password = 'WORD'", false),
            ("ZQL on a key's secret", "query accesskey where AccessKeySecret = 'WORD'", false),
            ("ZQL without an end", "query longjob where name = 'WORD", true),
        ] {
            let word = self.canaries.word(what, if told { &["ann: GET /zql #/error/details"] } else { &[] });
            let zql: String = zql.replace("WORD", &word).bytes().map(|b| format!("%{b:02X}")).collect();
            self.ground.ask("ann", &ann, "GET", &format!("/zql?zql={zql}"), "");
        }
    }

    /// Messages of the legacy entry: a job with secrets, logins right and wrong.
    pub fn legacy(&mut self) {
        let address = self.world.address;
        let login = "org.zstack.header.identity.APILogInByAccountMsg";
        let body = json!({login: {"accountName": "admin", "password": sha512(&self.password)}});
        let answer =
            self.ground.ask("admin", &nobody(address), "POST", "/zstack/api", &body.to_string()).ok();
        let result: serde_json::Value =
            serde_json::from_str(answer["result"].as_str().expect("a result")).expect("JSON");
        let session = result["org.zstack.header.identity.APILogInReply"]["inventory"]["uuid"]
            .as_str()
            .expect("a session")
            .to_owned();
        self.canaries.session(
            "a session of the legacy entry",
            &session,
            &["admin: POST /zstack/api #/result"],
        );
        let wrong = json!({login: {"accountName": "admin", "password": sha512(&self.canaries.text("a wrong password of the legacy entry", &[]))}});
        self.ground.ask("nobody", &nobody(address), "POST", "/zstack/api", &wrong.to_string());
        let data = secrets(&mut self.canaries, "a job of the legacy entry");
        let id = uuid();
        let fields = json!({"jobName": "APISimulateJobMsg", "jobData": data.to_string(), "resourceUuid": id, "session": {"uuid": session}});
        self.message("admin", SUBMIT, fields);
        self.jobs.push(id);
        let mut data = secrets(&mut self.canaries, "a refused job of the legacy entry");
        data["durationMs"] = json!(-1);
        let fields = json!({"jobName": "APISimulateJobMsg", "jobData": data.to_string(), "session": {"uuid": session}});
        self.message("admin", SUBMIT, fields);
        let unknown = uuid();
        self.canaries.session("a session that the legacy entry does not know", &unknown, &[]);
        self.message(
            "nobody",
            SUBMIT,
            json!({"jobName": "APISimulateJobMsg", "jobData": "{}", "session": {"uuid": unknown}}),
        );
    }

    /// Sends a message and follows it to its end.
    pub fn message(&self, who: &str, class: &str, fields: serde_json::Value) {
        let nobody = nobody(self.world.address);
        let first =
            self.ground.ask(who, &nobody, "POST", "/zstack/api", &json!({ class: fields }).to_string()).ok();
        if first["state"] != "Done" {
            let path = format!("/zstack/api/result/{}", first["uuid"].as_str().expect("a uuid"));
            until("the result is there", || {
                let polled = self.ground.ask(who, &nobody, "GET", &path, "").ok();
                (polled["state"] == "Done").then_some(())
            });
        }
    }

    /// A tag is for finding things: it is shown to whoever may see what it is on, and nowhere else.
    pub fn tags(&mut self) {
        let (ann, job) = (self.ann.clone(), self.jobs[0].clone());
        for (kind, before) in [("user", ""), ("system", "uploadImage::")] {
            let tag = self.canaries.text(&format!("a {kind} tag"), &TAG);
            let body = json!({"params": {"resourceType": "LongJobVO", "resourceUuid": job, "tag": format!("{before}{tag}")}});
            self.ground.ask("ann", &ann, "POST", &format!("/{kind}-tags"), &body.to_string()).ok();
        }
        let bad = self.canaries.word("a system tag that is refused", &REFUSED_TAG);
        let body = json!({"params": {"resourceType": "LongJobVO", "resourceUuid": job, "tag": format!("nothing::{bad}")}});
        self.ground.ask("ann", &ann, "POST", "/system-tags", &body.to_string());
    }

    /// Calls with secrets while no commit can be made.
    pub fn failing_store(&mut self) {
        let ann = self.ann.clone();
        let data = secrets(&mut self.canaries, "a job that is not stored");
        let body =
            json!({"params": {"jobName": "APISimulateJobMsg", "jobData": data.to_string()}}).to_string();
        let key = json!({"params": {"AccessKeyID": "Key0000009", "AccessKeySecret": self.canaries.word("a secret that is not stored", &[])}}).to_string();
        let password = sha512(&self.canaries.text("a password that is not stored", &[]));
        let account = json!({"params": {"name": "erin", "password": password}}).to_string();
        let admin = self.admin.clone();
        let (ground, world) = (&self.ground, &self.world);
        let statuses = world.while_the_store_is_locked(|| {
            [
                ("ann", &ann, "/longjobs", &body),
                ("ann", &ann, "/accesskeys", &key),
                ("admin", &admin, "/accounts", &account),
            ]
            .map(|(who, caller, path, body)| ground.ask(who, caller, "POST", path, body).last.status)
        });
        assert!(statuses.contains(&503), "no commit can have been made: {statuses:?}");
        until("commits are made again", || (ann.get("/longjobs").last.status == 200).then_some(()));
    }
}

const TAG: [&str; 7] = [
    "ann: * #*/tag",
    "admin: * #*/tag",
    "?* -> poll #/inventory/tag",
    "table tag.text",
    "dump tag",
    "file data/longhaul.db*",
    "* #/result",
];
/// A refusal is kept for its poll as it is told.
const REFUSED_TAG: [&str; 5] = [
    "ann: POST /system-tags* #/error/details",
    "?*: POST /system-tags -> poll #/error/details",
    "?table api_record.outcome",
    "?dump api_record",
    "?file data/longhaul.db*",
];
/// Numbers that are none are told back.
const TOLD_BACK: [&str; 1] = ["ann: POST /longjobs *"];
const ASKED: [&str; 1] = ["ann: GET /longjobs *"];
