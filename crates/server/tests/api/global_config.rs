//! Global configurations: queried, changed, reset; kept over a restart; and that each change does what it says,
//! on a server that keeps running.
//!
//! Source: rest-api.md 1.6 (global configuration), 2.3, 3.4, 5.4.

use serde_json::{Value, json};

use crate::support::disks::MIGRATE;
use crate::support::jobs::{FOREVER_MS, NOTHING_STARTS, data, submission};
use crate::support::server::PASSWORD;
use crate::support::{Answer, Caller, Kind, Server, until, uuid};

fn set(admin: &Caller, category: &str, name: &str, value: &str) -> Answer {
    let path = format!("/global-configurations/{category}/{name}/actions");
    admin.put(&path, &json!({"updateGlobalConfig": {"value": value}}))
}

fn get(caller: &Caller, name: &str) -> Value {
    let found = caller.get(&format!("/global-configurations?q=name={name}")).ok()["inventories"].clone();
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{name}: {found}");
    found[0].clone()
}

fn reset(admin: &Caller) {
    let body = json!({"resetGlobalConfig": {}});
    assert_eq!(admin.put("/global-configurations/actions", &body).ok(), json!({}));
}

#[test]
fn every_configuration_is_listed_with_its_default_and_found_by_the_query_grammar() {
    for server in Server::both(&["--set", "copy.streams=3"]) {
        let admin = server.admin();
        let all = admin.get("/global-configurations?replyWithCount=true").ok();
        let rows = all["inventories"].as_array().expect("rows").clone();
        assert_eq!(all["total"], rows.len());
        assert!(rows.len() >= 12);
        for (at, row) in rows.iter().enumerate() {
            let mut keys: Vec<&str> =
                row.as_object().expect("an object").keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, ["category", "defaultValue", "description", "id", "name", "value"]);
            assert_eq!((&row["id"], &row["defaultValue"]), (&json!(at + 1), &row["value"]));
            let class = &all["schema"][format!("inventories[{at}]")];
            assert_eq!(class, "org.zstack.core.config.GlobalConfigInventory");
        }
        assert_eq!(get(&admin, "copy.streams")["defaultValue"], "3", "the setting is the default");
        assert_eq!(get(&admin, "session.timeout")["value"], "7200");
        assert_eq!(get(&admin, "completedApi.expiredPeriod")["value"], "10800");
        assert_eq!(get(&admin, "engine.maxRunningSimulator")["value"], "");
        let names = |query: &str| -> Vec<String> {
            let found = admin.get(&format!("/global-configurations?{query}")).ok()["inventories"].clone();
            let name = |row: &Value| row["name"].as_str().expect("a name").to_owned();
            found.as_array().expect("rows").iter().map(name).collect()
        };
        assert_eq!(names("q=category=identity&sort=-name"), ["session.timeout", "session.maxConcurrent"]);
        assert_eq!(names("q=name~=copy.%25&sort=name&start=1&limit=1"), ["copy.checkpointMillis"]);
        assert_eq!(names("q=name?=progress.on,session.timeout&sort=id").len(), 2);
        assert_eq!(names("q=id%3E1&q=id%3C=2"), ["session.maxConcurrent"], "numbers compare as numbers");
        assert_eq!(names("q=value%3E=7200&q=category=identity"), ["session.timeout"]);
        assert_eq!(names("q=__systemTag__=x"), [""; 0]);
        let picked = admin.get("/global-configurations?q=name=progress.on&fields=name,value").ok();
        assert_eq!(picked["inventories"], json!([{"name": "progress.on", "value": "true"}]));
        let count = admin.get("/global-configurations?count=true").ok();
        assert_eq!((&count["total"], count.get("inventories")), (&json!(rows.len()), None));
        for query in ["q=nope=1", "sort=nope", "fields=nope"] {
            let (code, details) = admin.get(&format!("/global-configurations?{query}")).error();
            assert_eq!(code, if server.profile == "fast" { "SYS.1007" } else { "SYS.1000" }, "{details}");
        }
        assert_eq!(get(&server.account("somebody"), "copy.streams")["value"], "3", "everybody may look");
    }
}

#[test]
fn a_change_is_answered_and_kept_over_restarts_and_flags_until_it_is_reset() {
    for server in Server::both(&[]) {
        let profile = server.profile;
        let admin = server.admin().as_kind(Kind::Java);
        let name = "engine.cancelDeadlineSeconds";
        let answer = set(&admin, "longhaul", name, "0100");
        assert_eq!(answer.first, 202);
        let changed = answer.inventory();
        assert_eq!((&changed["value"], &changed["defaultValue"]), (&json!("100"), &json!("600")));
        assert_eq!(answer.ok()["schema"]["inventory"], "org.zstack.core.config.GlobalConfigInventory");
        assert_eq!(get(&admin, name), changed);
        let server = server.killed_and_started_again(&["--set", "engine.cancelDeadlineSeconds=7"]);
        let admin = server.admin();
        let kept = get(&admin, name);
        assert_eq!((&kept["value"], &kept["defaultValue"]), (&json!("100"), &json!("7")), "{profile}");
        reset(&admin);
        assert_eq!(get(&admin, name)["value"], "7");
        let server = server.killed_and_started_again(&[]);
        assert_eq!(get(&server.admin(), name)["value"], "600", "nothing is stored any more");
    }
}

#[test]
fn what_is_wrong_with_a_change_is_told_and_changes_nothing() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let before = admin.get("/global-configurations").ok();
        for (category, name) in [
            ("identity", "nope"),
            ("nope", "session.timeout"),
            ("Identity", "session.timeout"),
            ("longJob", "longJob.api.timeout"),
        ] {
            let details = format!("Unable to find GlobalConfig[category: {category}, name: {name}]");
            assert_eq!(set(&admin, category, name, "1").error(), ("SYS.1007".to_owned(), details.clone()));
            let options = admin.get(&format!("/global-configurations/{category}/{name}"));
            assert_eq!(options.error(), ("SYS.1007".to_owned(), details));
        }
        for (category, name, value, bounds) in [
            ("identity", "session.timeout", "0", "[1, 31536000]"),
            ("identity", "session.timeout", "", "[1, 31536000]"),
            ("identity", "session.maxConcurrent", "100001", "[1, 100000]"),
            ("longhaul", "copy.streams", "17", "[1, 16]"),
            ("longhaul", "copy.bytesPerSecond", "-1", "[0, "),
            ("longhaul", "copy.bytesPerSecond", "1.5", "[0, "),
            ("progress", "progress.on", "yes", "[true, false]"),
        ] {
            let (code, details) = set(&admin, category, name, value).error();
            assert_eq!(code, "SYS.1007", "{name}={value}");
            let at = format!("GlobalConfig[category: {category}, name: {name}]");
            assert!(details.contains(bounds) && details.contains(&at), "{name}={value}: {details}");
        }
        let path = "/global-configurations/identity/session.timeout/actions";
        let (code, details) = admin.put(path, &json!({"updateGlobalConfig": {}})).error();
        assert!(code == "SYS.1007" && details.contains("field[value]"), "{details}");
        let dry = json!({"updateGlobalConfig": {"value": "5"}, "systemTags": ["validationOnly"]});
        assert_eq!(admin.put(path, &dry).ok(), json!({}));
        let dry = json!({"updateGlobalConfig": {"value": "0"}, "systemTags": ["validationOnly"]});
        assert_eq!(admin.put(path, &dry).error().0, "SYS.1007");
        assert_eq!(admin.get("/global-configurations").ok(), before);
    }
}

#[test]
fn the_options_tell_which_values_are_taken() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        for (path, options) in [
            ("longhaul/copy.streams", json!({"numberGreaterThanOrEqual": 1, "numberLessThanOrEqual": 16})),
            ("longhaul/copy.bytesPerSecond", json!({"numberGreaterThanOrEqual": 0})),
            ("progress/progress.on", json!({"validValue": ["true", "false"]})),
        ] {
            let answer = admin.get(&format!("/global-configurations/{path}")).ok();
            assert_eq!(answer, json!({"options": options}), "{path}");
        }
    }
}

#[test]
fn a_shorter_session_timeout_ends_sessions_that_would_last_longer() {
    for server in Server::both(&[]) {
        let (admin, idle) = (server.admin(), server.admin());
        let valid = |caller: &Caller| {
            caller.get(&format!("/accounts/sessions/{}/valid", caller.session)).ok()["valid"].clone()
        };
        assert_eq!(valid(&idle), true);
        set(&admin, "identity", "session.timeout", "1").ok();
        until("the idle session ends", || (valid(&idle) == false).then_some(()));
        assert_eq!(idle.get("/zones").error().0, "ID.1001");
        // And with the default again, a new one lasts.
        let admin = server.admin();
        reset(&admin);
        let born = server.admin();
        let now_ms = || {
            let now = admin.put("/management-nodes/actions", &json!({"getCurrentTime": {}})).ok();
            now["currentTime"]["MillionSeconds"].as_i64().expect("ms")
        };
        let start_ms = now_ms();
        until("longer than the short timeout has passed", || (now_ms() - start_ms > 1500).then_some(()));
        assert_eq!(valid(&born), true);
    }
}

#[test]
fn the_limit_of_sessions_counts_for_the_next_login() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        set(&admin, "identity", "session.maxConcurrent", "1").ok();
        let login = json!({"logInByAccount": {
            "accountName": "admin", "password": crate::support::sha512(PASSWORD),
        }});
        assert_eq!(admin.put("/accounts/login", &login).error().0, "ID.1006");
        set(&admin, "identity", "session.maxConcurrent", "2").ok();
        admin.put("/accounts/login", &login).ok();
        assert_eq!(admin.put("/accounts/login", &login).error().0, "ID.1006");
    }
}

#[test]
fn the_answers_of_calls_are_kept_as_long_as_the_configuration_says() {
    for server in Server::both(&[]) {
        let admin = server.admin().as_kind(Kind::Java);
        let call = || {
            let answer = admin.post("/longjobs", &submission(&uuid(), &data("Succeeded")));
            answer.job.expect("a 202")
        };
        let early = call();
        set(&admin, "rest", "completedApi.expiredPeriod", "1").ok();
        let late = call();
        let polled = |id: &str| admin.once("GET", &format!("/api-jobs/{id}"), &[], b"").status;
        until("the later answer is forgotten", || {
            // Every change makes the server look for what is old enough.
            set(&admin.as_kind(Kind::Plain), "longhaul", "drainSeconds", "3").inventory();
            (polled(&late) == 404).then_some(())
        });
        assert_eq!(polled(&early), 200, "a change counts for calls from then on");
    }
}

#[test]
fn progress_is_told_only_while_it_is_on() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let job = admin.job_in("Running");
        let api_id = admin.job(&job).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
        let told = || {
            let answer = admin.get(&format!("/task-progresses/{api_id}")).ok();
            answer["inventories"].as_array().map(Vec::len)
        };
        assert_eq!(told(), Some(1));
        set(&admin, "progress", "progress.on", "false").ok();
        assert_eq!(told(), Some(0));
        set(&admin, "progress", "progress.on", "True").ok();
        assert_eq!(told(), Some(1));
    }
}

#[test]
fn more_simulator_slots_start_waiting_jobs_and_fewer_stop_none() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let jobs = [(); 3].map(|()| admin.submit(&json!({"durationMs": FOREVER_MS})));
        assert!(jobs.iter().all(|job| admin.state(job) == "Waiting"));
        set(&admin, "longhaul", "engine.maxRunningSimulator", "2").ok();
        admin.wait_for(&jobs[0], "Running");
        admin.wait_for(&jobs[1], "Running");
        assert_eq!(admin.state(&jobs[2]), "Waiting");
        set(&admin, "longhaul", "engine.maxRunningSimulator", "0").ok();
        admin.act(&jobs[0], "cancelLongJob", &json!({})).ok();
        admin.wait_for(&jobs[0], "Canceled");
        assert_eq!(admin.state(&jobs[1]), "Running", "what runs runs on");
        assert_eq!(admin.state(&jobs[2]), "Waiting", "a freed slot beyond the limit is none");
        set(&admin, "longhaul", "engine.maxRunningSimulator", "").ok();
        admin.wait_for(&jobs[2], "Running");
        assert_eq!(admin.state(&admin.job_in("Running")), "Running", "no limit");
    }
}

#[test]
fn more_slots_start_waiting_jobs_of_built_in_types() {
    for server in Server::both(&["--set", "engine.maxRunning=0"]) {
        let admin = server.admin();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let job = admin.migration(&admin.full_volume(&from, 1), &to);
        assert_eq!(admin.state(&job), "Waiting");
        set(&admin, "longhaul", "engine.maxRunning", "1").ok();
        admin.wait_for(&job, "Succeeded");
    }
}

#[test]
fn the_rate_of_copies_holds_for_the_next_copy_and_for_running_ones_without_their_own() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        set(&admin, "longhaul", "copy.bytesPerSecond", "1").ok();
        let slow = admin.migration(&admin.full_volume(&from, 16), &to);
        // Four times as much by a rate of its own: it would end last if the first were not held back.
        let free = admin.full_volume(&from, 64);
        let job_data = json!({"volumeUuid": free, "dstPrimaryStorageUuid": to.uuid}).to_string();
        let body = json!({
            "params": {"jobName": MIGRATE, "jobData": job_data, "targetResourceUuid": free},
            "systemTags": ["longhaul::throttle::0"],
        });
        let free = admin.post("/longjobs", &body).inventory()["uuid"].as_str().expect("a job").to_owned();
        admin.wait_for(&free, "Succeeded");
        assert_eq!(admin.state(&slow), "Running");
        set(&admin, "longhaul", "copy.bytesPerSecond", "0").ok();
        admin.wait_for(&slow, "Succeeded");
    }
}

#[test]
fn the_deadline_of_cancels_counts_for_cancels_from_then_on() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let early = admin.job_in("Canceling");
        set(&admin, "longhaul", "engine.cancelDeadlineSeconds", "1").ok();
        let late = admin.job_in("Running");
        let stubborn = admin.submit(&data("Canceling"));
        admin.wait_for(&stubborn, "Running");
        admin.act(&stubborn, "cancelLongJob", &json!({})).ok();
        admin.wait_for(&stubborn, "Canceled");
        assert_eq!((admin.state(&early), admin.state(&late)), ("Canceling".to_owned(), "Running".to_owned()));
    }
}

#[test]
fn deleted_volumes_are_expunged_when_the_configuration_says_so() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let pool = admin.pool(&json!({}));
        let [deleted, other] = [(); 2].map(|()| admin.volume(&pool, &json!({})));
        admin.delete(&format!("/volumes/{deleted}")).ok();
        let there = |volume: &str| {
            let found = admin.get(&format!("/volumes/{volume}")).ok();
            found["inventories"].as_array().map(Vec::len) == Some(1)
        };
        assert!(there(&deleted), "three days are not over");
        until("the deleted volume is expunged", || {
            set(&admin, "longhaul", "volume.expungeSeconds", "1").ok();
            (!there(&deleted)).then_some(())
        });
        assert!(there(&other));
    }
}
