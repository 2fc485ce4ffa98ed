//! Nodes that are stopped in order, one after the other, as an upgrade does it: a copy of a whole disk goes on elsewhere
//! within two seconds, each time, and ends with the same bytes.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{MIGRATE, text};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{MIB, PATIENCE, Place, guest_sha256, raw_disk, setting, shown, until};
use crate::process;

/// From the end of the old copier to the begin of the new one.
const PAUSE: Duration = Duration::from_secs(2);

#[test]
fn a_copy_goes_on_within_two_seconds_when_its_node_is_stopped_in_order() {
    let bytes = setting("LONGHAUL_CLUSTER_DISK_MIB", 1024) * MIB;
    let (place, database) = (Place::new("handover"), Database::new("handover"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let (from, to) = (place.dir("from"), place.dir("to"));
    let source = place.path("from/disk");
    raw_disk(&source, bytes, 42);
    let before = guest_sha256(&source, "raw");
    let (from_uuid, to_uuid) = (nodes.add_shared("from", &from), nodes.add_shared("to", &to));
    let volume = nodes.client(0).adopt(&from_uuid, &shown(&source));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to_uuid});
    let job = nodes.client(0).submit(MIGRATE, &data, &[&format!("longhaul::throttle::{}", bytes / 16)]);
    let mut done = 0;
    for round in 0..2 {
        let holder = nodes.runs_on(&job);
        let other = 1 - holder;
        let client = nodes.client(other).clone();
        let copier = until("the copy is under way", PATIENCE, || {
            let (stage, now, _) = client.progress(&client.job(&job));
            let further = stage == "copying" && now > done + bytes / 16;
            done = if further { now } else { done };
            if further { nodes.servers[holder].copiers().first().copied() } else { None }
        });
        process::signal(nodes.servers[holder].pid(), rustix::process::Signal::TERM);
        let told = Instant::now();
        until("the old copier is gone", PATIENCE, || (!process::alive(copier)).then_some(()));
        let gone = Instant::now();
        until("the new one is there", PAUSE, || nodes.servers[other].copiers().first().copied());
        println!("round {round}: {:?} to its checkpoint, a pause of {:?}", gone - told, gone.elapsed());
        let status = nodes.servers[holder].terminate(PATIENCE);
        assert!(status.success(), "{status}");
        let (_, now, _) = client.progress(&client.job(&job));
        assert!(now + 8 * MIB >= done, "it began anew: {now} after {done}");
        nodes.restart(holder);
    }
    let ended = nodes.client(0).final_job(&job, Duration::from_secs(300));
    assert_eq!(ended["state"], "Succeeded", "{ended}\n{}", nodes.log());
    let target = text(&nodes.client(0).volume(&volume)["installPath"]);
    assert_eq!(guest_sha256(Path::new(&target), "raw"), before);
    let kinds: Vec<String> = nodes.client(0).timeline(&job).iter().map(|row| text(&row["kind"])).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "released").count(), 2, "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "takenOver" || kind == "suspended"), "{kinds:?}");
}
