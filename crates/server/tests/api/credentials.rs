//! The credential matrix: every operation of the OpenAPI document, each PUT action by itself, × no session,
//! a wrong one, an expired one, a foreign one, a revoked one. The document is asked which operations there
//! are, so one without a row fails the test.
//!
//! Source: rest-api.md 2.2, 2.3 and 4.3, design section 7.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::credential_rows::{Foreign, Row, rows};
use crate::support::jobs::submission;
use crate::support::server::TempDir;
use crate::support::{Answer, Caller, Kind, Server, http, until, uuid};

/// What of the admin's is at stake.
pub struct Stake {
    /// A running job.
    pub job: String,
    /// The key of its progress.
    pub api_id: String,
    /// A local storage.
    pub storage: String,
    /// A volume on it.
    pub volume: String,
    /// A session.
    pub session: String,
    /// Somebody else's account.
    pub account: String,
    /// The only management node.
    pub node: String,
    /// An access key.
    pub key: String,
    /// A system tag on the job.
    pub tag: String,
    /// A backup storage.
    pub shelf: String,
    /// An image on it.
    pub image: String,
    _directory: TempDir,
    _shelf_directory: TempDir,
}

impl Stake {
    pub fn of(admin: &Caller) -> Self {
        let directory = TempDir::new("storage");
        let storage = admin.post(
            "/primary-storage/local-storage",
            &json!({"params": {"name": "s", "url": directory.0, "zoneUuid": first(admin, "/zones")}}),
        );
        let storage = storage.inventory()["uuid"].as_str().expect("a storage").to_owned();
        let volume = json!({"params": {"name": "v", "diskSize": 1048576, "primaryStorageUuid": storage}});
        let volume = admin.post("/volumes/data", &volume).inventory()["uuid"].as_str().map(str::to_owned);
        let victim = json!({"params": {"name": "victim", "password": "x"}});
        let account = admin.post("/accounts", &victim).inventory()["uuid"].as_str().map(str::to_owned);
        let shelf_directory = TempDir::new("shelf");
        let shelf = admin.add_shelf(&shelf_directory.0);
        let job = admin.job_in("Running");
        let api_id = admin.job(&job).expect("the job")["apiId"].as_str().map(str::to_owned);
        let tag = admin.tag("system", "LongJobVO", &job, "uploadImage::x").inventory();
        Self {
            job,
            api_id: api_id.expect("an apiId"),
            storage,
            volume: volume.expect("a volume"),
            session: Caller::log_in(admin.address, Kind::Plain, "admin", crate::support::server::PASSWORD)
                .session,
            account: account.expect("an account"),
            node: first(admin, "/management-nodes"),
            key: crate::support::Signer::of(admin).uuid,
            tag: tag["uuid"].as_str().expect("a tag").to_owned(),
            image: image(admin, &directory, &shelf),
            shelf,
            _directory: directory,
            _shelf_directory: shelf_directory,
        }
    }

    /// For calls that must not come as far as looking at anything.
    fn none() -> Self {
        Self {
            job: uuid(),
            api_id: uuid(),
            storage: uuid(),
            volume: uuid(),
            session: uuid(),
            account: uuid(),
            node: uuid(),
            key: uuid(),
            tag: uuid(),
            shelf: uuid(),
            image: uuid(),
            _directory: TempDir::new("storage"),
            _shelf_directory: TempDir::new("shelf"),
        }
    }

    /// That all of it is as it was.
    pub fn check(&self, admin: &Caller) {
        let one = |path: &str, uuid: &str| {
            let found = admin.get(&format!("{path}/{uuid}")).ok()["inventories"].clone();
            assert_eq!(found.as_array().map(Vec::len), Some(1), "{path}");
            found[0].clone()
        };
        assert_eq!(one("/longjobs", &self.job)["state"], "Running");
        assert_eq!(one("/longjobs", &self.job)["name"], "a job");
        assert_eq!(one("/primary-storage", &self.storage)["state"], "Enabled");
        assert_eq!(one("/primary-storage", &self.storage)["name"], "s");
        assert_eq!(one("/volumes", &self.volume)["status"], "Ready");
        assert_eq!(one("/volumes", &self.volume)["name"], "v");
        assert_eq!(one("/accounts", &self.account)["name"], "victim");
        assert_eq!(one("/backup-storage", &self.shelf)["name"], "shelf");
        assert_eq!(one("/backup-storage", &self.shelf)["state"], "Enabled");
        let image = one("/images", &self.image);
        assert_eq!(
            (&image["name"], &image["state"], &image["status"]),
            (&json!("i"), &json!("Enabled"), &json!("Ready"))
        );
        assert_eq!(one("/accesskeys", &self.key)["state"], "Enabled");
        assert_eq!(one("/system-tags", &self.tag)["tag"], "uploadImage::x");
        assert_eq!(admin.get("/system-tags?count=true").ok()["total"], 1);
        assert_eq!(admin.get("/user-tags?count=true").ok()["total"], 0);
        let timeout = admin.get("/global-configurations?q=name=session.timeout&fields=value").ok();
        assert_eq!(timeout["inventories"], json!([{"value": "7200"}]));
    }
}

/// A small image that is Ready.
fn image(admin: &Caller, directory: &TempDir, shelf: &str) -> String {
    let file = directory.0.join("image.raw");
    std::fs::write(&file, vec![7; 4096]).expect("a file");
    let params = json!({"name": "i", "url": file, "format": "raw", "backupStorageUuids": [shelf]});
    let image = admin.post("/images", &json!({"params": params})).inventory();
    image["uuid"].as_str().expect("an image").to_owned()
}

/// Lets files of the tests' directory become images.
pub fn file_roots() -> String {
    format!("images.fileRoots={}", std::env::temp_dir().display())
}

fn first(caller: &Caller, path: &str) -> String {
    caller.get(path).ok()["inventories"][0]["uuid"].as_str().expect("one").to_owned()
}

/// `method path` of every operation in the running document, with the key of each action.
fn documented(server: &Server) -> BTreeSet<String> {
    let document = http::send(server.address, "GET", "/openapi.json", &[], b"").json();
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            match operation["x-actions"].as_array() {
                None => all.insert(format!("{method} {path}")),
                Some(actions) => actions.iter().fold(true, |_, action| {
                    all.insert(format!("{method} {path} {}", action["key"].as_str().expect("a key")))
                }),
            };
        }
    }
    all
}

fn perform(caller: &Caller, row: &Row) -> Answer {
    let method = row.id.split(' ').next().unwrap_or_default().to_uppercase();
    let body = if row.body.is_null() { String::new() } else { row.body.to_string() };
    caller.call(&method, &row.path, body.as_bytes())
}

fn asynchronous(server: &Server, caller: &Caller, row: &Row) -> bool {
    row.asynchronous && (server.profile == "zstack" || caller.kind != Kind::Plain)
}

/// Who is asked in this server.
fn kinds(server: &Server) -> &'static [Kind] {
    if server.profile == "fast" { &Kind::ALL } else { &[Kind::Plain, Kind::Java] }
}

/// A session that does not count: ID.1001 wherever one is needed, and nothing is done.
fn refused(server: &Server, stake: &Stake, session: &str, what: &str) -> usize {
    let mut asked = 0;
    for &kind in kinds(server) {
        let caller = Caller { address: server.address, kind, session: session.to_owned() };
        for row in rows(stake) {
            asked += 1;
            let cell = format!("{} {kind:?}: {} × {what}", server.profile, row.id);
            let answer = perform(&caller, &row);
            if row.open {
                assert_eq!(answer.first, row.open_status, "{cell}: {}", answer.last.text());
                continue;
            }
            let (first, last) = match (server.profile, kind, session.is_empty()) {
                ("fast", Kind::Plain, _) => (401, 401),
                (_, _, true) => (400, 400),
                _ if asynchronous(server, &caller, &row) => (202, 503),
                _ => (503, 503),
            };
            assert_eq!((answer.first, answer.last.status), (first, last), "{cell}: {}", answer.last.text());
            let details =
                if session.is_empty() { "missing header 'Authorization'" } else { "Session expired" };
            if session.is_empty() && server.profile == "zstack" {
                assert_eq!(answer.last.text(), details, "{cell}");
            } else {
                assert_eq!(answer.error(), ("ID.1001".to_owned(), details.to_owned()), "{cell}");
            }
        }
    }
    asked
}

fn foreign(server: &Server, stake: &Stake, stranger: &Caller) -> usize {
    let mut asked = 0;
    for &kind in kinds(server) {
        let caller = stranger.as_kind(kind);
        for row in rows(stake) {
            asked += 1;
            let cell = format!("{} {kind:?}: {} × foreign", server.profile, row.id);
            let answer = perform(&caller, &row);
            match row.foreign {
                Foreign::Denied(code) => assert_eq!(answer.error().0, code, "{cell}: {}", answer.last.text()),
                Foreign::Nothing => assert_eq!(answer.ok()["inventories"], json!([]), "{cell}"),
                Foreign::Allowed => {
                    answer.ok();
                    for secret in [&stake.job, &stake.volume, &stake.account, &stake.session, &stake.key] {
                        assert!(!answer.last.text().contains(secret.as_str()), "{cell} shows {secret}");
                    }
                }
                Foreign::Open => assert_eq!(answer.first, row.open_status, "{cell}"),
            }
        }
    }
    asked
}

fn matrix(profile: &'static str) {
    let server = Server::start(profile, &["--set", &file_roots()]);
    let admin = server.admin();
    let stake = Stake::of(&admin);
    let known: BTreeSet<String> = rows(&stake).into_iter().map(|row| row.id.to_owned()).collect();
    assert_eq!(known, documented(&server), "every documented operation has its row here, and no other");
    let stranger = server.account("stranger");
    let revoked = server.admin();
    assert_eq!(revoked.delete(&format!("/accounts/sessions/{}", revoked.session)).ok(), json!({}));
    let operations = known.len() * kinds(&server).len();
    assert_eq!(refused(&server, &stake, "", "none"), operations);
    assert_eq!(refused(&server, &stake, &uuid(), "wrong"), operations);
    assert_eq!(refused(&server, &stake, "not-a-uuid", "malformed"), operations);
    assert_eq!(refused(&server, &stake, &revoked.session, "revoked"), operations);
    assert_eq!(foreign(&server, &stake, &stranger), operations);
    // LogOut needs no session, but has to be told one: the stake's is gone, and nothing else.
    stake.check(&admin);
}

#[test]
fn no_operation_works_without_a_valid_session_of_the_right_account_in_fast() {
    matrix("fast");
}

#[test]
fn no_operation_works_without_a_valid_session_of_the_right_account_in_zstack() {
    matrix("zstack");
}

#[test]
fn an_expired_session_is_refused_by_every_operation() {
    for server in Server::both(&["--set", "session.timeoutSeconds=1"]) {
        let expired = server.admin();
        let path = format!("/accounts/sessions/{}/valid", expired.session);
        until("the session expires", || (expired.get(&path).ok() == json!({"valid": false})).then_some(()));
        let stake = Stake::none();
        let asked = refused(&server, &stake, &expired.session, "expired");
        assert_eq!(asked, documented(&server).len() * kinds(&server).len());
    }
}

#[test]
fn a_session_slides_with_every_call_and_ends_without_one() {
    let timeout_s = crate::STORE.seconds(1);
    let server = Server::start("fast", &["--set", &format!("session.timeoutSeconds={timeout_s}")]);
    let admin = server.admin();
    // Some hundred calls over more than the timeout: each moves the end.
    let born = admin.put("/management-nodes/actions", &json!({"getCurrentTime": {}})).ok();
    let now = |answer: Value| answer["currentTime"]["MillionSeconds"].as_i64().expect("ms");
    let born = now(born);
    until("three timeouts have passed", || {
        admin.get("/zones").ok();
        let at = admin.put("/management-nodes/actions", &json!({"getCurrentTime": {}})).ok();
        (now(at) - born > 3000 * timeout_s).then_some(())
    });
}

#[test]
fn a_wrong_password_and_an_unknown_account_are_refused_alike() {
    for server in Server::both(&[]) {
        let nobody = Caller { session: String::new(), ..server.admin() };
        for (name, password, extra) in
            [("admin", "wrong", json!(null)), ("nobody", "wrong", json!(null)), ("admin", "", json!("ldap"))]
        {
            let body = json!({"logInByAccount": {
                "accountName": name, "password": crate::support::sha512(password), "accountType": extra,
            }});
            let answer = nobody.put("/accounts/login", &body);
            let status = if server.profile == "fast" { 401 } else { 503 };
            assert_eq!(answer.first, status);
            assert_eq!(
                answer.error(),
                ("ID.1000".to_owned(), "wrong account name or password".to_owned()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_foreign_submission_of_the_same_uuid_is_a_conflict_that_tells_nothing() {
    let server = Server::start("fast", &[]);
    let (admin, stranger) = (server.admin(), server.account("stranger"));
    let id = admin.job_in("Running");
    let body = submission(&id, &crate::support::jobs::data("Running"));
    assert_eq!(stranger.post("/longjobs", &body).error().0, "LONG_JOB.1100");
}
