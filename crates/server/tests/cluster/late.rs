//! A node that starts before its database does, or while that fails over, waits for it and says so; and what waiting does
//! not mend, it does not wait for.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::client::SIMULATE;
use crate::database::{Database, Pair};
use crate::place::{PATIENCE, Place, shown, until};
use crate::process;
use crate::server::{Plan, Server};

/// Longer than any test lasts: whoever waits for so long is not seen to end.
const FOREVER: &str = "store.waitSeconds=3600";

fn plan(place: &Place, url: &str) -> Plan {
    Plan::new(place).env("LONGHAUL_STORE", url)
}

/// Where a node that waits can be asked, by its log.
fn asked_at(plan: &Plan, why: &str) -> String {
    until(&format!("the node waits, because: {why}"), PATIENCE, || {
        let log = plan.log();
        let line = log.lines().find(|line| line.contains("waits for its database") && line.contains(why))?;
        let (_, api) = line.split_once("api=")?;
        Some(api.split_whitespace().next()?.to_owned())
    })
}

/// Status line and body of an answer to `GET path`.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

/// The address of nobody.
fn nowhere() -> String {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    format!("postgres://longhaul@{}/longhaul", address.expect("a free port"))
}

/// It takes a job and runs it.
fn works(server: &Server) {
    let job = server.client.submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    assert_eq!(server.client.final_job(&job, PATIENCE)["state"], "Succeeded");
}

#[test]
fn a_node_that_starts_before_its_database_or_while_that_fails_over_waits_is_not_ready_and_then_works() {
    let (place, elsewhere, pair) = (Place::new("late"), Place::new("later"), Pair::new("late"));
    pair.primary.kill(); // it has to recover when it starts, as after a power cut of the whole room
    let early = plan(&place, &pair.primary.database.url).set(FOREVER);
    // The standby alone: there to be asked, and not to be written to.
    let key = format!("secretKeyFile={}", shown(&place.path("cluster.key")));
    fs::write(place.path("cluster.key"), [7; 32]).expect("written");
    let early = early.set(&key);
    let beside = plan(&elsewhere, &pair.other).set(FOREVER).set(&key);
    std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(|| early.start()), scope.spawn(|| beside.start()));
        let address = asked_at(&early, "refused");
        let alive = get(&address, "/healthz");
        assert!(alive.starts_with("HTTP/1.1 200") && alive.contains("starting"), "{alive}");
        let ready = get(&address, "/readyz");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("waits for its database"), "{ready}");
        let call = get(&address, "/v1/longjobs");
        assert!(call.starts_with("HTTP/1.1 503") && call.contains("SYS.1010"), "{call}");
        pair.primary.start();
        let first = first.join().expect("it starts");
        works(&first);
        assert_eq!(first.client.address(), address, "where it said that it waits");
        assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200"));
        assert!(early.log().contains("the store's database is there"), "{}", early.log());

        asked_at(&beside, "standby");
        drop(first);
        pair.fail_over();
        works(&second.join().expect("it starts"));
    });
}

#[test]
fn what_no_waiting_mends_ends_the_start_at_once_with_the_reason() {
    let (place, database) = (Place::new("senseless"), Database::new("senseless"));
    let url = &database.url;
    let (user, at) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (user, password) = user.split_once(':').expect("a URL with a password");
    let (server, name) = at.rsplit_once('/').expect("a URL with a database");
    for (url, reason) in [
        (format!("postgres://{user}:wrong@{at}"), "password authentication failed"),
        (format!("postgres://{user}:{password}@{server}/no_{name}"), "does not exist"),
        (format!("{url}?sslmode=require"), "TLS"),
        (format!("{url}?sslmode=perhaps"), "sslmode=perhaps is not known"),
    ] {
        let plan = plan(&place, &url).set(FOREVER);
        assert!(!plan.start_in_vain().success(), "{reason}");
        let log = plan.log();
        let last = log.lines().last().unwrap_or_default();
        assert!(last.contains(reason) && !last.contains("waited"), "{reason}: {log}");
        assert!(!log.contains("waits for its database") && !log.contains(password), "{log}");
    }
}

#[test]
fn a_node_gives_up_a_database_that_does_not_come_and_ends_at_once_when_it_is_told_to() {
    let place = Place::new("nobody");
    let began = Instant::now();
    let at_once = plan(&place, &nowhere()).set("store.waitSeconds=0");
    assert!(!at_once.start_in_vain().success());
    assert!(!at_once.log().contains("waits for its database"), "{}", at_once.log());
    let for_a_second = plan(&place, &nowhere()).set("store.waitSeconds=1");
    assert!(!for_a_second.start_in_vain().success());
    assert!(for_a_second.log().contains("waited 1 s for it (store.waitSeconds)"), "{}", for_a_second.log());
    assert!(began.elapsed() >= Duration::from_secs(1));

    let elsewhere = Place::new("told");
    let patient = plan(&elsewhere, &nowhere()).set(FOREVER);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| patient.start_in_vain());
        asked_at(&patient, "refused");
        let pid = fs::read_to_string(elsewhere.path("data/lock")).expect("its lock has its pid");
        process::signal(pid.trim().parse().expect("a pid"), Signal::TERM);
        assert!(!ended.join().expect("it ends").success());
    });
}
