//! Asynchronous calls and their records, with the header sets of the Java, Python and Go SDKs: 202, the
//! poll, errors at the poll, chosen ids, time limits, and what a restart leaves.
//!
//! Source: rest-api.md sections 3 and 7, design section 7 "Two reply profiles".

use serde_json::{Value, json};

use crate::support::jobs::submission;
use crate::support::server::TempDir;
use crate::support::{Caller, Kind, Server, http, until, uuid};

fn servers() -> Vec<Server> {
    Server::both(&[])
}

#[test]
fn an_sdk_gets_202_and_the_result_at_the_poll_in_both_profiles() {
    for server in servers() {
        for caller in server.admins() {
            let plain = caller.kind == Kind::Plain && server.profile == "fast";
            let id = uuid();
            let body = submission(&id, &json!({"durationMs": 0}));
            let answer = caller.post("/longjobs", &body);
            assert_eq!(answer.first, if plain { 200 } else { 202 }, "{:?}", caller.kind);
            assert_eq!(answer.inventory()["uuid"], id.as_str());
            let refused = caller.act(&id, "resumeLongJob", &json!({}));
            assert_eq!(refused.first, if plain { 400 } else { 202 }, "{:?}", caller.kind);
            assert_eq!(refused.last.status, if plain { 400 } else { 503 });
            assert_eq!(refused.error().0, "SYS.1007");
            let object = refused.last.json();
            assert_eq!(object.as_object().map(serde_json::Map::len), Some(1), "one key, as Go needs it");
            // Synchronous calls are never answered with 202, and Go parses every 2xx body.
            let query = caller.get("/longjobs");
            assert_eq!(query.first, 200);
            assert!(query.last.json().is_object());
            let valid = caller.get(&format!("/accounts/sessions/{}/valid", caller.session));
            if caller.kind != Kind::Java {
                assert_eq!(valid.ok(), json!({"valid": true}), "no key beside booleans");
            }
            caller.wait_for(&id, "Succeeded");
            assert_eq!(caller.delete(&format!("/longjobs/{id}?deleteMode=")).ok(), json!({}));
        }
    }
}

#[test]
fn the_202_has_a_literal_location_in_its_body_and_the_time_limit_in_milliseconds() {
    for server in servers() {
        let java = server.admin().as_kind(Kind::Java);
        let body = submission(&uuid(), &json!({})).to_string();
        let chosen = uuid();
        let answer = java.once("POST", "/longjobs", &[("X-Job-UUID", &chosen)], body.as_bytes());
        assert_eq!(answer.status, 202);
        assert_eq!(answer.header("location"), None, "it is in the body");
        let expected = json!({
            "location": format!("http://{}/zstack/v1/api-jobs/{chosen}", server.address), "apiTimeout": 1_800_000,
        });
        assert_eq!(answer.json(), expected);
        // The host is the one that the caller used; without the context it is there all the same.
        let body = submission(&uuid(), &json!({})).to_string();
        let more = [("Host", "longhaul.example:80"), ("X-API-Timeout", "7")];
        let answer = java.once("POST", "/v1/longjobs", &more, body.as_bytes()).json();
        let location = answer["location"].as_str().expect("a location");
        assert!(location.starts_with("http://longhaul.example:80/zstack/v1/api-jobs/"), "{location}");
        assert_eq!(answer["apiTimeout"], 7000);
        let volume = json!({"params": {"name": "v"}}).to_string();
        let answer = java.once("POST", "/volumes/data", &[], volume.as_bytes()).json();
        assert_eq!(answer["apiTimeout"], 10_800_000, "the default of that call");
    }
}

#[test]
fn the_location_leads_to_an_id_of_any_characters() {
    for server in servers() {
        let java = server.admin().as_kind(Kind::Java);
        for chosen in [
            "pi\t'xS\":b2[D!Grtt1f{O%F44|8s>6o6",
            "a/b?c#d%2Fe+f&g=h;i j..k~l-m_n.0",
            "../../../../../../../../../../..",
        ] {
            assert_eq!(chosen.len(), 32);
            let body = submission(&uuid(), &json!({"durationMs": 0})).to_string();
            let answer = java.once("POST", "/longjobs", &[("X-Job-UUID", chosen)], body.as_bytes());
            assert_eq!(answer.status, 202, "{chosen}");
            let answer = answer.json();
            let location = answer["location"].as_str().expect("a location");
            let path = location.strip_prefix(&format!("http://{}", server.address)).expect("absolute");
            let id = path.strip_prefix("/zstack/v1/api-jobs/").expect("the literal part");
            assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{location}");
            let polled = until("the answer", || {
                let answer = http::send(server.address, "GET", path, &[], b"");
                (answer.status != 202).then_some(answer)
            });
            assert_eq!(polled.status, 200, "{location}: {}", polled.text());
            assert_eq!(polled.json()["inventory"]["apiId"], chosen);
        }
    }
}

#[test]
fn a_poll_needs_no_session_and_answers_the_same_again_and_again() {
    for server in servers() {
        let python = server.admin().as_kind(Kind::Python);
        let answer = python.post("/longjobs", &submission(&uuid(), &json!({"durationMs": 0})));
        let job = answer.job.expect("a polled call");
        for credentials in ["", "OAuth null", "OAuth None", "ZStack stale:signature", "nonsense"] {
            let headers: &[(&str, &str)] = &[("Authorization", credentials)];
            let headers = if credentials.is_empty() { &[] } else { headers };
            for prefix in ["/zstack/v1", "/v1"] {
                let polled =
                    http::send(server.address, "GET", &format!("{prefix}/api-jobs/{job}"), headers, b"");
                assert_eq!(polled.status, 200, "{credentials}: {}", polled.text());
                assert!(polled.json()["inventory"]["uuid"].is_string());
            }
        }
        let refused = python.delete("/longjobs/nonsense").job.expect("a polled call");
        for _ in 0..3 {
            let polled = python.once("GET", &format!("/api-jobs/{refused}"), &[], b"");
            assert_eq!(polled.status, 503);
            assert_eq!(polled.json()["error"]["code"], "SYS.1003");
            assert_eq!(polled.header("retry-after"), None, "Python would send the call again");
        }
    }
}

#[test]
fn an_id_is_taken_once_and_says_so_the_second_time() {
    for server in servers() {
        let admin = server.admin();
        let id = uuid();
        let more = [("X-Job-UUID", id.as_str())];
        let body = submission(&uuid(), &json!({"durationMs": 0})).to_string();
        assert_eq!(admin.once("POST", "/longjobs", &more, body.as_bytes()).status, 202);
        for (method, path, body) in [
            ("POST", "/longjobs", body.as_str()),
            ("DELETE", "/longjobs/x", ""),
            ("PUT", "/longjobs/x/actions", "{\"cancelLongJob\":{}}"),
        ] {
            let again = admin.once(method, path, &more, body.as_bytes());
            assert_eq!(again.status, 400, "{method}");
            assert!(again.text().contains(&format!("Duplicate job uuid[{id}]")), "{}", again.text());
        }
        // Queries ignore it; 32 characters are enough, whatever they are.
        assert_eq!(admin.once("GET", "/longjobs", &more, b"").status, 200);
        assert_eq!(admin.once("GET", "/longjobs", &[("X-Job-UUID", "short")], b"").status, 200);
        let login = json!({"logInByAccount": {
            "accountName": "admin", "password": crate::support::sha512(crate::support::server::PASSWORD),
        }});
        let login = admin.once("PUT", "/accounts/login", &more, login.to_string().as_bytes());
        assert_eq!(login.status, 200, "a synchronous call records nothing");
        let odd = "ZZZZ-not-hex-but-32-characters-!";
        let other = submission(&uuid(), &json!({"durationMs": 0})).to_string();
        let answer = admin.once("POST", "/longjobs", &[("X-Job-UUID", odd)], other.as_bytes());
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
}

#[test]
fn each_header_that_an_sdk_sends_makes_the_caller_one_in_fast() {
    let server = Server::start("fast", &["--set", "egress.webhooks=127.0.0.1:9"]);
    let admin = server.admin();
    for (name, value) in [
        ("X-Job-UUID", "5c1ad6e1a7f74ffe8b9fd3d4d0d4e6a1"),
        ("X-Session-Id", "x"),
        ("X-Web-Hook", "http://127.0.0.1:9/"),
        ("Prefer", "respond-async"),
    ] {
        assert_eq!(admin.once("DELETE", "/longjobs/x", &[(name, value)], b"").status, 202, "{name}");
    }
    for (name, value) in [("Prefer", "wait=5"), ("X-JSON-Schema", "true"), ("User-Agent", "okhttp/3.9.1")] {
        assert_eq!(admin.once("DELETE", "/longjobs/x", &[(name, value)], b"").status, 404, "{name}");
    }
}

#[test]
fn the_schema_is_added_where_it_is_asked_for_and_points_at_nothing_that_is_absent() {
    let class = "org.zstack.header.longjob.LongJobInventory";
    for server in servers() {
        let java = server.admin().as_kind(Kind::Java);
        let id = uuid();
        let answer = java.post("/longjobs", &submission(&id, &json!({"durationMs": 0})));
        assert_eq!(answer.ok()["schema"], json!({"inventory": class}));
        let poll = format!("/api-jobs/{}", answer.job.expect("a polled call"));
        let plain = server.admin().once("GET", &poll, &[], b"").json();
        assert_eq!(plain.get("schema"), None, "the header of the poll counts");
        java.wait_for(&id, "Succeeded");
        let rows = java.get(&format!("/task-progresses/{}", answer_api_id(&java, &id))).ok();
        assert_eq!(rows["schema"]["inventories[0]"], "org.zstack.header.core.progress.TaskProgressInventory");
        let deleted = java.delete(&format!("/longjobs/{id}")).ok();
        assert!(deleted.get("inventory").is_none());
        let session = java.put(
            "/accounts/login",
            &json!({"logInByAccount": {
                "accountName": "admin", "password": crate::support::sha512(crate::support::server::PASSWORD),
            }}),
        );
        assert_eq!(
            session.ok()["schema"],
            json!({"inventory": "org.zstack.header.identity.SessionInventory"})
        );
    }
}

fn answer_api_id(caller: &Caller, id: &str) -> String {
    caller.job(id).expect("the job")["apiId"].as_str().expect("an apiId").to_owned()
}

/// Two storages and a volume on the first, which takes minutes to copy at the server's rate.
struct Disks {
    volume: String,
    target: String,
    _directories: [TempDir; 2],
}

const SLOW: [&str; 2] = ["--set", "copy.bytesPerSecond=1048576"];

fn disks(admin: &Caller) -> Disks {
    let directories = [TempDir::new("from"), TempDir::new("to")];
    let [from, target] = [0, 1].map(|n| {
        let zone = admin.get("/zones").ok()["inventories"][0]["uuid"].clone();
        let body = json!({"params": {"name": format!("s{n}"), "url": directories[n].0, "zoneUuid": zone}});
        let added = admin.post("/primary-storage/local-storage", &body).inventory();
        added["uuid"].as_str().expect("a storage").to_owned()
    });
    let file = directories[0].0.join("disk.raw");
    std::fs::write(&file, vec![0xa5u8; 64 << 20]).expect("a disk");
    let body = json!({"params": {"name": "v", "primaryStorageUuid": from, "installPath": file}});
    let volume =
        admin.post("/volumes/adopt", &body).inventory()["uuid"].as_str().expect("a volume").to_owned();
    Disks { volume, target, _directories: directories }
}

#[test]
fn a_call_that_takes_long_is_202_for_everybody_and_a_restart_ends_it_with_an_error() {
    for profile in ["fast", "zstack"] {
        let mut server = Server::start(profile, &SLOW);
        let admin = server.admin();
        let disks = disks(&admin);
        let path = format!("/primary-storage/volumes/{}/actions", disks.volume);
        let body =
            json!({"primaryStorageMigrateVolume": {"dstPrimaryStorageUuid": disks.target}}).to_string();
        let answer = admin.once("PUT", &path, &[], body.as_bytes());
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert_eq!(answer.json()["apiTimeout"], 259_200_000, "72 hours for what copies bytes");
        let poll = answer.json()["location"].as_str().expect("a location").to_owned();
        let poll = format!("/api-jobs/{}", poll.rsplit('/').next().expect("an id"));
        let polled = admin.once("GET", &poll, &[], b"");
        assert_eq!((polled.status, polled.text().as_str()), (202, "{}"));
        let jobs = "/longjobs?q=jobName=APIPrimaryStorageMigrateVolumeMsg&q=state=Running";
        let id = until("the copy runs", || {
            admin.get(jobs).ok()["inventories"][0]["uuid"].as_str().map(str::to_owned)
        });
        server = server.killed_and_started_again(&SLOW);
        let again = Caller { address: server.address, ..admin };
        let ended = until("the call ends with an error", || {
            let polled = again.once("GET", &poll, &[], b"");
            (polled.status != 202).then_some(polled)
        });
        assert_eq!(ended.status, 503, "{}", ended.text());
        assert!(ended.json()["error"]["details"].as_str().is_some_and(|d| !d.is_empty()), "{}", ended.text());
        // The job itself goes on, and the session is still good.
        again.wait_for(&id, "Running");
        again.act(&id, "cancelLongJob", &json!({})).ok();
        again.wait_for(&id, "Canceled");
    }
}

#[test]
fn finished_answers_jobs_tags_and_sessions_survive_a_kill() {
    for profile in ["fast", "zstack"] {
        let server = Server::start(profile, &[]);
        let java = server.admin().as_kind(Kind::Java);
        let id = uuid();
        let mut body = submission(&id, &json!({"durationMs": 0}));
        body["systemTags"] = json!(["uploadImage::survivor"]);
        let done = java.post("/longjobs", &body);
        let refused = java.delete("/longjobs/nonsense");
        java.wait_for(&id, "Succeeded");
        let before = java.job(&id).expect("the job");
        let server = server.killed_and_started_again(&[]);
        let java = Caller { address: server.address, ..java };
        let polled = |job: &Option<String>| {
            java.once("GET", &format!("/api-jobs/{}", job.as_deref().expect("an id")), &[], b"")
        };
        assert_eq!(
            (polled(&done.job).status, &polled(&done.job).json()["inventory"]["uuid"]),
            (200, &json!(id))
        );
        assert_eq!(polled(&refused.job).status, 503);
        let mut after = java.job(&id).expect("the job");
        // The node that ran it is gone, so it may be absent; all else is the same.
        let mut before = before;
        for job in [&mut before, &mut after] {
            job.as_object_mut().expect("an object").remove("managementNodeUuid");
        }
        assert_eq!(after, before);
        let found = java.get("/longjobs?q=__systemTag__=uploadImage::survivor").ok();
        assert_eq!(found["inventories"].as_array().map(Vec::len), Some(1));
        let again =
            java.once("DELETE", "/longjobs/x", &[("X-Job-UUID", done.job.as_deref().expect("an id"))], b"");
        assert!(again.text().contains("Duplicate job uuid"), "{}", again.text());
    }
}

#[test]
fn an_asynchronous_call_is_accepted_before_its_values_are_checked() {
    let server = Server::start("zstack", &[]);
    let admin = server.admin();
    for (method, path, body) in [
        ("POST", "/longjobs", "{}"),
        ("PUT", "/longjobs/x/actions", "{\"cancelLongJob\":null}"),
        ("DELETE", "/longjobs/x", ""),
    ] {
        let first = admin.once(method, path, &[], body.as_bytes());
        assert_eq!(first.status, 202, "{method}: {}", first.text());
        assert_eq!(admin.follow(first).last.status, 503);
    }
    let nobody = admin.with(&uuid());
    assert_eq!(nobody.once("POST", "/longjobs", &[], b"{}").status, 202);
    let answer: Value = nobody.post("/longjobs", &json!({})).last.json();
    assert_eq!(answer["error"]["code"], "ID.1001", "the session is looked at first");
}
