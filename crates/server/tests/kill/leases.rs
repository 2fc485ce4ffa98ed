//! Processes that stop, end in order, or lose their parent, and what follows: copiers end themselves, jobs go on.

use std::time::Duration;

use rustix::process::Signal;

use crate::client::SIMULATE;
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, Place, until};
use crate::process;
use crate::server::Plan;

const DISK: u64 = 32 * MIB;

fn copying(rig: &Rig, rate: u64) -> (String, u32) {
    let job = rig.migrate(rate);
    let copier = until("the copy is under way", PATIENCE, || {
        let (stage, done, _) = rig.client().progress(&rig.client().job(&job));
        if stage == "copying" && done > 0 { rig.server.copiers().first().copied() } else { None }
    });
    (job, copier)
}

#[test]
fn a_copier_ends_with_its_server() {
    let mut rig = Rig::new("orphan", "raw", DISK, |_, plan| plan);
    let (job, copier) = copying(&rig, MIB);
    rig.server.kill();
    until("the copier is gone", Duration::from_secs(5), || (!process::alive(copier)).then_some(()));
    rig.restart();
    rig.client().cancel(&job);
    assert_eq!(rig.client().final_job(&job, PATIENCE)["state"], "Canceled");
    rig.assert_not_moved();
}

#[test]
fn a_server_that_was_stopped_past_its_lease_has_no_copier_any_more_and_ends_the_job_well() {
    let rig = Rig::new("stopped", "qcow2", DISK, |_, plan| plan);
    let (job, copier) = copying(&rig, 3 * MIB);
    assert!(process::stop(rig.server.pid()));
    until("the copier ends itself", Duration::from_secs(10), || (!process::alive(copier)).then_some(()));
    let written = std::fs::read_dir(format!("{}/{}", rig.to, rig.volume)).unwrap().count();
    assert_eq!(written, 1, "what it wrote is kept");
    process::signal(rig.server.pid(), Signal::CONT);
    let job = rig.client().final_job(&job, Duration::from_secs(90));
    rig.assert_moved(&job);
}

#[test]
fn a_server_told_to_stop_saves_a_checkpoint_and_the_job_goes_on_from_it() {
    let mut rig = Rig::new("drain", "qcow2", DISK, |_, plan| plan.set("drainSeconds=20"));
    let (job, _) = copying(&rig, 3 * MIB);
    let simulated =
        rig.client().submit(SIMULATE, &serde_json::json!({"durationMs": 10000, "progressSteps": 40}), &[]);
    until("half is copied", PATIENCE, || {
        let (_, done, _) = rig.client().progress(&rig.client().job(&job));
        (done >= DISK / 2).then_some(())
    });
    let ended = rig.server.terminate(Duration::from_secs(20));
    assert!(ended.success(), "{ended}");
    rig.restart();
    let (done, copier) = until("the copy goes on", PATIENCE, || {
        let (stage, done, _) = rig.client().progress(&rig.client().job(&job));
        let copier = rig.server.copiers().first().copied()?;
        (stage == "copying" && done > 0).then_some((done, copier))
    });
    assert!(done >= DISK / 2 - 4 * MIB, "it began anew: {done}");
    assert!(process::alive(copier) || rig.client().state(&job) != "Running");
    let job = rig.client().final_job(&job, PATIENCE);
    rig.assert_moved(&job);
    assert_eq!(rig.client().final_job(&simulated, PATIENCE)["state"], "Succeeded");
    let timeline = rig.client().timeline(&simulated);
    let kinds: Vec<&str> = timeline.iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["submitted", "started", "released", "resumed", "succeeded"]);
}

#[test]
fn a_second_server_on_the_same_data_is_refused_with_the_pid_of_the_first() {
    let place = Place::new("second");
    let plan = Plan::new(&place);
    let server = plan.start();
    assert!(!plan.start_in_vain().success());
    assert!(plan.log().contains(&format!("pid {}", server.pid())), "{}", plan.log());
}
