//! What the management node tells of itself as a machine, against what the machine says.
//!
//! Source: rest-api.md 1.6.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Caller, Kind, Server};

fn uname(flag: &str) -> String {
    let out = Command::new("uname").arg(flag).output().expect("uname");
    String::from_utf8(out.stdout).expect("UTF-8").trim().to_owned()
}

fn ask(server: &Server, path: &str, action: &str) -> Value {
    let nobody = Caller { address: server.address, kind: Kind::Plain, session: String::new() };
    let mut body = json!({});
    body[action] = json!({});
    nobody.put(path, &body).ok()
}

#[test]
fn architecture_and_operating_system_are_the_machines_and_told_to_anybody() {
    for server in Server::both(&[]) {
        let arch = ask(&server, "/management-nodes/actions", "getManagementNodeArch");
        assert_eq!(arch, json!({"architecture": uname("-m"), "success": true}));
        let system = ask(&server, "/management/actions", "getManagementNodeOS");
        assert_eq!(system, json!({"name": uname("-s"), "version": uname("-r"), "success": true}));
    }
}

#[test]
fn the_supported_apis_are_those_that_can_be_called() {
    for server in Server::both(&[]) {
        let answer = ask(&server, "/management-nodes/actions", "getSupportAPIs");
        let names: Vec<&str> =
            answer["supportApis"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
        for known in
            ["APISubmitLongJobMsg", "APIQueryLongJobMsg", "APIGetVersionMsg", "APICreateDataVolumeMsg"]
        {
            assert!(names.contains(&known), "{known}: {names:?}");
        }
        assert!(!names.contains(&"APIStartVmInstanceMsg"), "{names:?}");
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }
}

#[test]
fn the_time_zone_is_the_one_in_which_moments_are_written() {
    let zone = |flags: &[&str]| {
        Server::start("zstack", flags).admin().get("/management-nodes/platform-timezone").ok()
    };
    let shanghai = json!({"timezone": "Asia/Shanghai", "offset": "+08:00", "success": true});
    assert_eq!(zone(&["--set", "timezone=Asia/Shanghai"]), shanghai);
    let kolkata = json!({"timezone": "Asia/Kolkata", "offset": "+05:30", "success": true});
    assert_eq!(zone(&["--set", "timezone=Asia/Kolkata"]), kolkata);
    let system = zone(&[]);
    assert_eq!((&system["offset"], &system["success"]), (&json!("+00:00"), &json!(true)), "TZ=UTC: {system}");
}
