//! The child and its parent: who ends when, what cancel and throttle do.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use longhaul_jobs::attempt_io::process::start_time;
use longhaul_jobs::attempt_io::{FromChild, INHERITED, PARENT_PID, Spawner, ToChild, child};
use longhaul_jobs::copy::control::boottime_ns;
use longhaul_jobs::storage::{Format, Root, delete_artifact};

use crate::support::{MIB, Pages, Place, child_program, dense, done, outcome, spec, start};

fn slow(place: &Place) -> longhaul_jobs::attempt_io::AttemptSpec {
    dense(&place.path("disk.raw"), 32 * MIB, 4);
    let mut work = spec(
        place.disk("disk.raw", Format::Raw),
        place.disk("0123456789abcdef0123456789abcdef/job-7", Format::Raw),
    );
    work.bytes_per_s = MIB;
    work
}

#[tokio::test]
async fn nothing_is_written_before_go() {
    let place = Place::new("before-go");
    slow(&place);
    let mut attempt = Spawner::new(child_program()).spawn().await.unwrap();
    assert!(matches!(attempt.next_event().await.unwrap(), Some(FromChild::Hello { .. })));
    attempt.send(&ToChild::Throttle { bytes_per_s: 5 }).await.unwrap();
    attempt.send(&ToChild::Cancel).await.unwrap();
    assert!(matches!(attempt.next_event().await.unwrap(), Some(FromChild::Canceled)));
    assert!(attempt.wait().await.unwrap().success());
    assert!(!place.path("0123456789abcdef0123456789abcdef").exists());
}

#[tokio::test]
async fn a_child_is_given_nothing_of_its_parents_environment_but_what_is_listed() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "the parent has what the child must not have");
    let spawner = Spawner::new(child_program()).env("GIVEN", "1");
    let mut attempt = spawner.spawn().await.unwrap();
    let Some(FromChild::Hello { pid, .. }) = attempt.next_event().await.unwrap() else { panic!("no hello") };
    let environ = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let names = environ.split_terminator('\0').filter_map(|entry| entry.split('=').next());
    let mut names: Vec<&str> = names.filter(|name| !INHERITED.contains(name)).collect();
    names.sort_unstable();
    assert_eq!(names, ["GIVEN", PARENT_PID]);
    attempt.send(&ToChild::Cancel).await.unwrap();
    assert!(attempt.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_canceled_copy_answers_and_leaves_nothing_once_its_artifact_is_deleted() {
    let place = Place::new("cancel");
    let work = slow(&place);
    let mut pages = Pages::new();
    let mut attempt = start(&Spawner::new(child_program()), &work, &pages).await;
    // The first checkpoint is left unanswered: cancel must not wait for that.
    while !matches!(attempt.next_event().await.unwrap(), Some(FromChild::Checkpoint { .. })) {}
    attempt.send(&ToChild::Cancel).await.unwrap();
    assert!(matches!(outcome(&mut attempt, &mut pages).await, Some(FromChild::Canceled)));
    assert!(attempt.wait().await.unwrap().success());
    let root = Root::open(&place.0).unwrap();
    delete_artifact(&root, "0123456789abcdef0123456789abcdef/job-7".as_ref()).unwrap();
    delete_artifact(&root, "0123456789abcdef0123456789abcdef/job-7".as_ref()).unwrap();
    assert!(!place.path("0123456789abcdef0123456789abcdef").exists());
}

#[tokio::test]
async fn a_copy_waiting_for_its_rate_is_canceled_at_once_and_freed_by_a_new_rate() {
    let place = Place::new("throttle");
    let mut work = slow(&place);
    work.bytes_per_s = 1;
    let mut pages = Pages::new();
    let mut attempt = start(&Spawner::new(child_program()), &work, &pages).await;
    attempt.send(&ToChild::Throttle { bytes_per_s: 0 }).await.unwrap();
    done(outcome(&mut attempt, &mut pages).await);
}

#[tokio::test]
async fn a_child_whose_lease_is_not_confirmed_ends_itself() {
    let place = Place::new("lease");
    let mut work = slow(&place);
    dense(&place.path("disk.raw"), 96 * MIB, 4);
    // A chunk, and with it a message, four times a second.
    work.bytes_per_s = 16 * MIB;
    work.copy.checkpoint_interval_ms = 100;
    work.lease_ttl_ms = 1_000;
    let mut pages = Pages::new();
    let mut attempt = start(&Spawner::new(child_program()), &work, &pages).await;
    // Confirmed at every message it lives on, longer than a TTL.
    let until = boottime_ns() + 2_000_000_000;
    while boottime_ns() < until {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, .. }) => {
                attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
        attempt.send(&ToChild::LeaseConfirmed { at_ns: boottime_ns() }).await.unwrap();
    }
    attempt.send(&ToChild::Throttle { bytes_per_s: 1 }).await.unwrap();
    assert!(outcome(&mut attempt, &mut pages).await.is_none(), "no outcome is told");
    assert_eq!(attempt.wait().await.unwrap().code(), Some(child::EXIT_LEASE));
}

#[tokio::test]
async fn a_dropped_attempt_ends_its_child_and_leaves_no_zombie() {
    let place = Place::new("dropped");
    let work = slow(&place);
    let mut attempt = start(&Spawner::new(child_program()), &work, &Pages::new()).await;
    while !matches!(attempt.next_event().await.unwrap(), Some(FromChild::Checkpoint { .. })) {}
    let pid = attempt.pid();
    let started = start_time(pid).unwrap();
    drop(attempt);
    while start_time(pid) == Some(started) {
        std::thread::yield_now();
    }
}

#[test]
fn the_death_of_the_parent_ends_the_child() {
    let place = Place::new("parent-death");
    slow(&place);
    let mut parent = Command::new(child_program())
        .args(["hold", place.0.to_str().unwrap(), "disk.raw", "0123456789abcdef0123456789abcdef/job-7"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    let started = start_time(pid).expect("the child copies");
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Adopted and reaped by init, or left as a zombie where nobody reaps: either way it runs no more.
    while start_time(pid) == Some(started) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if status.contains("State:\tZ") {
            break;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_child_started_by_hand_says_so_and_does_nothing() {
    let out = Command::new(child_program()).arg("attempt-io").stdin(Stdio::null()).output().unwrap();
    assert_eq!(out.status.code(), Some(i32::from(child::EXIT_PROTOCOL)));
    assert!(String::from_utf8_lossy(&out.stderr).contains("not by hand"));
}

#[tokio::test]
async fn a_missing_program_is_an_error_and_not_a_hang() {
    let spawner = Spawner::new("/no/such/program".into());
    assert_eq!(spawner.spawn().await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
