//! No room, no disk, no permission: what is refused says why, what was acknowledged stays, and the server goes
//! on when there is room again.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{result, text};
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, Place, shown, until};
use crate::server::{Mounts, Plan};

/// The simulator's flexible type.
const SIMULATE: &str = "APISimulateJobMsg";
/// Submissions that a full disk must have refused one of.
const SUBMITS_MAX: usize = 5_000;

#[test]
fn a_migration_that_cannot_be_done_is_refused_with_what_to_do() {
    let rig = Rig::new("refused", "qcow2", 4 * MIB, |_, plan| plan);
    rig.client().set_storage(&rig.to_uuid, "disable");
    let disabled = text(&rig.refused()["details"]);
    assert!(disabled.contains("Disabled") && disabled.contains("enable it"), "{disabled}");
    rig.client().set_storage(&rig.to_uuid, "enable");

    let whole = fs::read(&rig.source).unwrap();
    let mut lying = whole.clone();
    lying[24..32].copy_from_slice(&u64::MAX.to_be_bytes()); // the virtual size
    fs::write(&rig.source, &lying).unwrap();
    let told = text(&rig.refused()["details"]);
    assert!(told.contains("is not an image we can use"), "{told}");

    fs::remove_file(&rig.source).unwrap();
    let gone = rig.refused();
    assert_eq!(gone["code"], "SYS.1006", "{gone}");
    assert!(gone.to_string().contains("does not exist"), "{gone}");
    rig.assert_not_held_by_us();
    assert_eq!(rig.client().scan(&rig.from_uuid)[0]["status"], "Missing");

    fs::write(&rig.source, &whole).unwrap();
    let job = rig.migrate(0);
    let ended = rig.client().final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "the control: the same disk, whole, moves; {ended}");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing_that_was_acknowledged() {
    let place = Place::new("full-disk");
    let small = place.dir("small");
    let mounts = Mounts::new(&format!("mount -t tmpfs -o size=24m tmpfs {small}"));
    let plan = Plan::new(&place).data_dir(&format!("{small}/data")).inside(&mounts);
    let mut server = plan.start();
    let fill = format!("dd if=/dev/zero of={small}/fill bs=64k 2>/dev/null || true");
    mounts.sh(&fill);
    let mut acknowledged = Vec::new();
    let mut refused = None;
    for _ in 0..SUBMITS_MAX {
        match server.client.try_submit(SIMULATE, &json!({"durationMs": 0}), None, &[]) {
            Ok((200, answer)) => acknowledged.push(text(&answer["inventory"]["uuid"])),
            Ok((status, answer)) => {
                assert_eq!((status, &answer["error"]["code"]), (503, &json!("SYS.1010")), "{answer}");
                refused = Some(answer.to_string());
            }
            Err(error) => refused = Some(error.to_string()), // it ended, as after a failed sync it must
        }
        if refused.is_some() {
            break;
        }
    }
    assert!(refused.is_some(), "{} submits found room on a full disk", acknowledged.len());
    mounts.sh(&format!("rm {small}/fill"));
    if server.has_ended() {
        server = plan.start();
    }
    let last = until("there is room again", PATIENCE, || {
        let (status, answer) =
            server.client.try_submit(SIMULATE, &json!({"durationMs": 0}), None, &[]).ok()?;
        (status == 200).then(|| text(&answer["inventory"]["uuid"]))
    });
    acknowledged.push(last);
    for uuid in acknowledged {
        assert_eq!(server.client.final_job(&uuid, PATIENCE)["state"], "Succeeded", "{uuid}");
    }
    assert!(!plan.log().contains("panicked"), "{}", plan.log());
}

#[test]
fn a_target_that_fills_up_in_the_middle_suspends_the_job_with_what_is_missing_until_there_is_room() {
    let mut mounts = None;
    let rig = Rig::new("fills-up", "raw", 32 * MIB, |place, plan| {
        let to = place.dir("to");
        let made = Mounts::new(&format!("mount -t tmpfs -o size=48m tmpfs {to}"));
        let plan = plan.inside(&made).set("storage.watchSeconds=1");
        mounts = Some(made);
        plan
    });
    let mounts = mounts.unwrap();
    let job = rig.migrate(2 * MIB);
    until("the copy is under way", PATIENCE, || {
        let (stage, done, _) = rig.client().progress(&rig.client().job(&job));
        (stage == "copying" && done >= 4 * MIB).then_some(())
    });
    mounts.sh(&format!("dd if=/dev/zero of={}/fill bs=64k 2>/dev/null || true", rig.to));
    let waits = until("it is suspended", PATIENCE, || {
        let job = rig.client().job(&job);
        (job["state"] == "Suspended").then_some(job)
    });
    let told = text(&result(&waits)["detail"]);
    let words: Vec<u64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [needed, free, _more] = words[..] else { panic!("what is missing is not told: {told}") };
    assert!((MIB..=28 * MIB).contains(&needed) && free < needed, "{told}");
    let volume = rig.client().volume(&rig.volume);
    assert_eq!((&volume["primaryStorageUuid"], &volume["status"]), (&json!(rig.from_uuid), &json!("Ready")));

    // A round of the watch changes nothing while the disk is full.
    let rounds = Instant::now() + Duration::from_secs(3);
    while Instant::now() < rounds {
        assert_eq!(rig.client().job(&job)["state"], "Suspended");
    }
    mounts.sh(&format!("rm {}/fill", rig.to));
    assert_eq!(rig.client().final_job(&job, PATIENCE)["state"], "Succeeded");
    let moved = text(&rig.client().volume(&rig.volume)["installPath"]);
    mounts.sh(&format!("cmp {} {moved}", shown(&rig.source)));
}
