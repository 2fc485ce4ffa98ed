//! Open files that run out: idle connections take none that a copy needs, and a copy that finds none waits.

use std::net::TcpStream;
use std::process::Command;

use rustix::process::Signal;

use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, until};
use crate::process;

/// Open files of the server in these tests: its own are a few dozen.
const FILES: usize = 150;
/// Connections that say nothing: more than there are open files left, and no more than the system keeps waiting.
const IDLE: usize = 140;

/// A move under way, at a server with few open files.
fn moving(test: &str) -> (Rig, String, u32) {
    let rig =
        Rig::new(test, "raw", 24 * MIB, |_, plan| plan.files_max(FILES).set("copy.checkpointMillis=500"));
    let job = rig.migrate(6 * MIB);
    let copier = until("the copy is under way", PATIENCE, || {
        let (_, done, _) = rig.client().progress(&rig.client().job(&job));
        rig.server.copiers().first().copied().filter(|_| done > 0)
    });
    (rig, job, copier)
}

#[test]
fn idle_connections_leave_open_files_to_a_copy() {
    let (rig, job, copier) = moving("idle");
    let idle: Vec<TcpStream> = (0..IDLE)
        .map(|_| TcpStream::connect(rig.client().address()).expect("it waits to be taken"))
        .collect();
    process::signal(copier, Signal::KILL);
    until("another copier is there", PATIENCE, || {
        rig.server.copiers().into_iter().find(|pid| *pid != copier)
    });
    drop(idle);
    rig.assert_moved(&rig.client().final_job(&job, PATIENCE));
    assert!(rig.plan.log().contains("the limit of open files is small"), "it was said at the start");
}

#[test]
fn a_copy_that_cannot_be_started_now_waits_and_goes_on() {
    let (rig, job, copier) = moving("no-files");
    let limit = |files: usize| {
        let set = Command::new("prlimit")
            .args(["--pid", &rig.server.pid().to_string(), &format!("--nofile={files}:{FILES}")])
            .status();
        assert!(set.expect("prlimit").success());
    };
    limit(3);
    process::signal(copier, Signal::KILL);
    until("it is tried again", PATIENCE, || {
        rig.plan.log().contains("the copying process cannot be started now").then_some(())
    });
    limit(FILES);
    rig.assert_moved(&rig.client().final_job(&job, PATIENCE));
}
