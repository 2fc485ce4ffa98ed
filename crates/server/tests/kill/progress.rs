//! Progress as people see it while servers are killed: never less than what was seen before.

use serde_json::Value;

use crate::client::text;
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, until};

const RATE: u64 = 4 * MIB;

/// The percent that is shown.
fn percent(rig: &Rig, job: &Value) -> u64 {
    let rows = rig.client().many(&format!("/task-progresses/{}", text(&job["apiId"])));
    text(&rows[0]["content"]).parse().expect("a percent")
}

#[test]
fn progress_never_goes_back_however_often_the_server_is_killed() {
    // Checkpoints far apart: an attempt begins far behind what the one before had shown.
    let mut rig = Rig::new("progress", "raw", 40 * MIB, |_, plan| {
        plan.set(&format!("copy.bytesPerSecond={RATE}")).set("copy.checkpointMillis=60000")
    });
    let job = rig.client().submit(crate::client::MIGRATE, &rig.data(), &[]);
    let mut most = 0;
    for kill_at in [20, 40] {
        until("it is that far", PATIENCE, || {
            let now = percent(&rig, &rig.client().job(&job));
            assert!(now >= most, "{now} % after {most} % was shown");
            most = now;
            (now >= kill_at).then_some(())
        });
        rig.kill_and_restart();
    }
    let ended = until("it ends", PATIENCE, || {
        let seen = rig.client().job(&job);
        let now = percent(&rig, &seen);
        assert!(now >= most, "{now} % after {most} % was shown");
        most = now;
        (seen["state"] != "Running").then_some(seen)
    });
    rig.assert_moved(&ended);
    assert_eq!(percent(&rig, &ended), 100);
}
