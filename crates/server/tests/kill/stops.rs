//! A server that is told to stop: what could only end there may end, calls are answered until it has, and what is asked for
//! meanwhile is done after the next start.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::client::{SIMULATE, result, text};
use crate::place::{PATIENCE, Place, run, until};
use crate::process;
use crate::server::{Plan, Server};

/// The simulator's job type of which no attempt goes on from another.
const RIGID: &str = "APISimulateRigidJobMsg";
/// A server that is told to stop is not ready any more.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// A connection on which one call was answered, and that is kept.
fn idle(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: longhaul\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
    stream
}

/// Tells a server to stop, and waits until it says so to a balancer.
fn tell(server: &Server) {
    process::signal(server.pid(), Signal::TERM);
    let url = format!("http://{}/readyz", server.client.address());
    until("it is not ready, and says why", TOLD_WITHIN, || {
        let out = run("curl", &["-s", "-w", "%{http_code}", &url]);
        let told = String::from_utf8_lossy(&out.stdout).into_owned();
        (told.ends_with("503") && told.contains("the node stops")).then_some(())
    });
}

fn running(server: &Server, job: &str) {
    until("it runs", PATIENCE, || (server.client.state(job) == "Running").then_some(()));
}

#[test]
fn a_job_that_could_only_end_here_ends_and_calls_are_answered_until_it_has() {
    let place = Place::new("server-stops");
    let plan = Plan::new(&place);
    let mut server = plan.start();
    let rigid = server.client.submit(RIGID, &json!({"durationMs": 6000}), &[]);
    let moves = server.client.submit(SIMULATE, &json!({"durationMs": 3000, "progressSteps": 30}), &[]);
    running(&server, &rigid);
    let mut kept = idle(server.client.address());
    tell(&server);
    let new = server.client.submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    assert_eq!(server.client.state(&new), "Waiting", "it takes no more");
    assert_eq!(server.client.state(&rigid), "Running");
    let ended = server.client.one(&format!("/longjobs/{rigid}?wait=30s"));
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    assert!(server.stopped(PATIENCE).success());
    assert_eq!(kept.read(&mut [0; 1]).expect("closed in order"), 0);
    let server = plan.start();
    for job in [&moves, &new] {
        assert_eq!(server.client.final_job(job, PATIENCE)["state"], "Succeeded");
    }
    let kinds: Vec<String> = server.client.timeline(&rigid).iter().map(|row| text(&row["kind"])).collect();
    assert_eq!(kinds, ["submitted", "started", "succeeded"]);
}

#[test]
fn a_server_that_is_told_twice_to_stop_waits_for_no_job_and_the_job_says_so() {
    let place = Place::new("server-stops-twice");
    let plan = Plan::new(&place).set("drainSeconds=3600");
    let mut server = plan.start();
    let rigid = server.client.submit(RIGID, &json!({"durationMs": 3_600_000}), &[]);
    running(&server, &rigid);
    tell(&server);
    assert_eq!(server.client.state(&rigid), "Running", "once is not enough");
    assert!(server.terminate(PATIENCE).success());
    let server = plan.start();
    let job = server.client.job(&rigid);
    let detail = text(&result(&job)["detail"]);
    assert!(job["state"] == "Failed" && detail.contains("told twice to stop"), "{job}");
}
