//! The bandwidth of running copies, seen from outside: a job's own rate, budgets of storages and their windows. How a
//! budget is shared and when a window is open is tested where it is computed.

use serde_json::{Value, json};

use crate::support::jobs::data;
use crate::support::{Caller, Server, until};

/// Copies stand nearly still unless something else says more.
const SLOW: [&str; 2] = ["--set", "copy.bytesPerSecond=1"];

/// What the newest progress of a job says besides its percentage.
fn opaque(admin: &Caller, job: &str) -> Value {
    let api = admin.job(job).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
    let rows = admin.get(&format!("/task-progresses/{api}")).ok();
    rows["inventories"]
        .as_array()
        .and_then(|rows| rows.last())
        .map_or(Value::Null, |row| row["opaque"].clone())
}

/// Waits until a job is told to be limited to `rate` by `why`.
fn limited(admin: &Caller, job: &str, rate: u64, why: &str) {
    until(&format!("the limit is {rate} by {why}"), || {
        let told = opaque(admin, job);
        (told["limitBytesPerSecond"] == rate && told["limitedBy"].as_str()?.contains(why)).then_some(())
    });
}

fn throttle(admin: &Caller, job: &str, rate: &Value) {
    let answer = admin.act(job, "throttleLongJob", &json!({"bytesPerSecond": rate}));
    assert_eq!(answer.inventory()["uuid"], job);
}

#[test]
fn a_running_copy_follows_its_own_rate_which_a_killed_server_keeps() {
    for profile in ["fast", "zstack"] {
        let server = Server::start(profile, &SLOW);
        let admin = server.admin();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let job = admin.migration(&admin.full_volume(&from, 32), &to);
        limited(&admin, &job, 1, "copy.bytesPerSecond");
        throttle(&admin, &job, &json!(65_537));
        throttle(&admin, &job, &json!(65_536));
        limited(&admin, &job, 65_536, "its own rate");
        let tags = admin.get(&format!("/system-tags?q=resourceUuid={job}")).ok();
        let texts: Vec<_> =
            tags["inventories"].as_array().expect("a list").iter().map(|t| &t["tag"]).collect();
        assert_eq!(texts, ["longhaul::throttle::65536"], "one rate, where tags are read");

        let server = server.killed_and_started_again(&SLOW);
        let admin = server.admin();
        limited(&admin, &job, 65_536, "its own rate");
        for none in [Value::Null, json!(0)] {
            throttle(&admin, &job, &none);
            limited(&admin, &job, 1, "copy.bytesPerSecond");
        }
        // At the rate before it would last for months.
        throttle(&admin, &job, &json!(1_u64 << 30));
        admin.wait_for(&job, "Succeeded");
        assert_eq!(opaque(&admin, &job)["limitedBy"], Value::Null);
        let rows = admin.get(&format!("/longjobs/{job}/timeline")).ok()["inventories"].to_string();
        assert!(
            rows.contains("at most 1073741824 bytes per second") && rows.contains("no rate of its own"),
            "{rows}"
        );
    }
}

#[test]
fn a_rate_is_refused_below_its_bound_on_an_ended_job_and_where_nothing_is_copied() {
    for server in Server::both(&SLOW) {
        let admin = server.admin();
        let refused = |job: &str, params: Value| admin.act(job, "throttleLongJob", &params).error();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let copy = admin.migration(&admin.full_volume(&from, 16), &to);
        let (code, details) = refused(&copy, json!({"bytesPerSecond": 65_535}));
        assert!(code == "SYS.1007" && details.contains("65536"), "{code} {details}");
        assert_eq!(refused(&copy, json!({"bytesPerSecond": -1})).0, "SYS.1007");
        for bad in [json!("fast"), json!(1.5)] {
            let answer = admin.act(&copy, "throttleLongJob", &json!({"bytesPerSecond": bad}));
            assert_eq!(answer.last.status, 400, "{bad}");
        }
        let (code, details) = refused(&admin.job_in("Running"), json!({"bytesPerSecond": 1 << 20}));
        assert!(code == "LONG_JOB.1003" && details.contains("copies nothing"), "{code} {details}");
        admin.act(&copy, "cancelLongJob", &json!({})).ok();
        admin.wait_for(&copy, "Canceled");
        let (code, details) = refused(&copy, json!({}));
        assert!(
            code == "SYS.1007" && details.contains("can only throttle longjob that is not"),
            "{code} {details}"
        );
        let simulated = admin.submit(&data("Succeeded"));
        admin.wait_for(&simulated, "Succeeded");
        assert_eq!(
            refused(&simulated, json!({"bytesPerSecond": 1 << 20})).0,
            "SYS.1007",
            "its state comes first"
        );
    }
}
