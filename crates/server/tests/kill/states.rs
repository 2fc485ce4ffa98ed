//! Storages whose state changes while a volume moves from or onto them, over restarts too: Disabled is about what is new,
//! Maintenance suspends what is under way, and what is copied stays.

use crate::client::result;
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, files, until};

const RATE: u64 = 4 * MIB;

/// A move under way with a checkpoint of some chunks.
fn moving(test: &str) -> (Rig, String) {
    let rig = Rig::new(test, "raw", 32 * MIB, |_, plan| {
        plan.set(&format!("copy.bytesPerSecond={RATE}"))
            .set("copy.checkpointMillis=1000")
            .set("storage.watchSeconds=1")
    });
    let job = rig.client().submit(crate::client::MIGRATE, &rig.data(), &[]);
    until("the copy is under way", PATIENCE, || {
        let (_, done, _) = rig.client().progress(&rig.client().job(&job));
        (done >= 8 * MIB).then_some(())
    });
    (rig, job)
}

#[test]
fn a_move_goes_on_after_a_restart_onto_a_storage_that_was_disabled_meanwhile() {
    let (mut rig, job) = moving("disabled");
    rig.client().set_storage(&rig.to_uuid, "disable");
    assert!(rig.refused()["details"].to_string().contains("Disabled"), "the control: it takes nothing new");
    rig.kill_and_restart();
    rig.assert_moved(&rig.client().final_job(&job, PATIENCE));
}

#[test]
fn maintenance_suspends_a_move_at_the_restart_until_the_storage_is_enabled_and_what_is_copied_stays() {
    let (mut rig, job) = moving("maintained");
    rig.client().set_storage(&rig.to_uuid, "maintain");
    rig.kill_and_restart();
    until("it is suspended", PATIENCE, || (rig.client().state(&job) == "Suspended").then_some(()));
    let told = result(&rig.client().job(&job)).to_string();
    assert!(told.contains("Maintenance") && told.contains("the job goes on"), "{told}");
    assert_eq!(files(&rig.to).len(), 2, "the volume's directory and the artifact: {:?}", files(&rig.to));
    rig.client().set_storage(&rig.to_uuid, "enable");
    let ended = rig.client().final_job(&job, PATIENCE);
    rig.assert_moved(&ended);
    let (stage, _, total) = rig.client().progress(&ended);
    assert_eq!((stage.as_str(), total > 0), ("verifying", true));
}

#[test]
fn maintenance_of_either_storage_suspends_a_running_move_until_it_is_enabled() {
    let (rig, job) = moving("maintained-running");
    for storage in [&rig.from_uuid, &rig.to_uuid] {
        rig.client().set_storage(storage, "maintain");
        until("it is suspended", PATIENCE, || (rig.client().state(&job) == "Suspended").then_some(()));
        let told = result(&rig.client().job(&job)).to_string();
        assert!(told.contains("Maintenance") && told.contains("the job goes on"), "{told}");
        // The watch looks every second, and lets it wait.
        let (_, copied, _) = rig.client().progress(&rig.client().job(&job));
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!(rig.client().state(&job), "Suspended", "as long as it is in Maintenance");
        assert_eq!(rig.client().progress(&rig.client().job(&job)).1, copied, "nothing moves");
        rig.client().set_storage(storage, "enable");
        until("it goes on", PATIENCE, || (rig.client().state(&job) != "Suspended").then_some(()));
    }
    rig.assert_moved(&rig.client().final_job(&job, PATIENCE));
}
