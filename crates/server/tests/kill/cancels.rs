//! A migration canceled at ten moments, some of them with the server killed right after: each ends Canceled with
//! nothing left behind, and the volume can be moved afterwards.

use std::fs;

use serde_json::json;

use crate::client::result;
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, shown, until};

const DISK: u64 = 40 * MIB + 512;
const RATE: u64 = 16 * MIB;
const MOMENTS: u64 = 10;

fn canceled_anywhere(format: &'static str) {
    let mut hold = None;
    let mut rig = Rig::new(&format!("cancels-{format}"), format, DISK, |place, plan| {
        let file = place.path("hold");
        let plan = plan.env("LONGHAUL_PAUSE_BEFORE_VERIFY", &shown(&file));
        hold = Some(file);
        plan
    });
    let hold = hold.unwrap();
    fs::write(&hold, "").unwrap();
    for moment in 0..MOMENTS {
        let job = rig.migrate(RATE);
        // 0 is at once, whatever it does; 9 is between the last byte and the read-back.
        until("the copy comes forward", PATIENCE, || {
            let now = rig.client().job(&job);
            let (stage, done, total) = rig.client().progress(&now);
            (moment == 0 || stage == "copying" && done >= total * moment / (MOMENTS - 1)).then_some(())
        });
        rig.client().cancel(&job);
        if moment % 3 == 1 {
            rig.kill_and_restart();
        }
        let ended = rig.client().final_job(&job, PATIENCE);
        assert_eq!(ended["state"], "Canceled", "{ended}\n{}", rig.plan.log());
        let receipt = &result(&ended)["receipt"];
        assert_eq!(receipt["notRemoved"], json!(null), "{receipt}");
        rig.assert_not_moved();
    }
    fs::remove_file(&hold).unwrap();
    let job = rig.migrate(0);
    let job = rig.client().final_job(&job, PATIENCE);
    rig.assert_moved(&job);
}

#[test]
fn a_raw_migration_canceled_at_ten_moments_leaves_nothing_behind() {
    canceled_anywhere("raw");
}

#[test]
fn a_qcow2_migration_canceled_at_ten_moments_leaves_nothing_behind() {
    canceled_anywhere("qcow2");
}

#[test]
fn a_cancel_that_comes_after_the_work_is_done_is_answered_and_the_success_stands() {
    let mut hold = None;
    let rig = Rig::new("cancel-late", "raw", 8 * MIB, |place, plan| {
        let file = place.path("hold");
        fs::write(&file, "").unwrap();
        let plan = plan.env("LONGHAUL_PAUSE_BEFORE_SUCCESS", &shown(&file));
        hold = Some(file);
        plan
    });
    let hold = hold.unwrap();
    let job = rig.migrate(0);
    until("the success is about to be written", PATIENCE, || {
        hold.with_added_extension("reached").exists().then_some(())
    });
    rig.client().cancel(&job);
    assert_eq!(rig.client().state(&job), "Canceling");
    fs::remove_file(&hold).unwrap();
    let job = rig.client().final_job(&job, PATIENCE);
    rig.assert_moved(&job);
}
