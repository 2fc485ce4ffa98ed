//! A holder of an image that was paused, and woken after another took over: the cluster lets nothing of it in, as its
//! own blocklist says. With the control, in which nobody took over and it goes on. Files: `tests/disks/fences.rs`.

use std::fs;

use longhaul_jobs::attempt_io::protocol::enter;
use longhaul_jobs::attempt_io::{Attempt, FromChild, Spawner, ToChild};
use longhaul_jobs::copy::checkpoint::{ChunkMap, ChunkState};
use longhaul_jobs::copy::disk::Holder;
use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::storage::{DiskError, Format};
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{JOB, Named, ceph, exported, pool_named, rbd};
use crate::support::{MIB, Pages, Place, child_program, dense, done, failed, outcome, spec, start};

const DISK: u64 = 64 * MIB + 512;

fn signal(attempt: &Attempt, signal: Signal) {
    kill_process(Pid::from_raw(attempt.pid() as i32).unwrap(), signal).unwrap();
}

/// The address by which the cluster knows who has the image open.
fn watcher(image: &str) -> String {
    let told: serde_json::Value = serde_json::from_str(&rbd(&["status", "--format", "json", image])).unwrap();
    let watchers = told["watchers"].as_array().unwrap();
    assert_eq!(watchers.len(), 1, "{told}");
    watchers[0]["address"].as_str().unwrap().to_owned()
}

async fn woken(taken_over: bool) {
    let (place, to) = (Place::new(&format!("rbd-woken-{taken_over}")), Named::new("woken"));
    dense(&place.path("disk.raw"), DISK, 10);
    let source = fs::read(place.path("disk.raw")).unwrap();
    let spawner = Spawner::new(child_program());
    let target = DiskRef::image(pool_named("ps-a"), to.image());
    let mut work = spec(place.disk("disk.raw", Format::Raw), target);
    work.copy.holder = Holder { job: JOB.into(), token: 1 };
    work.copy.checkpoint_interval_ms = 100;
    work.bytes_per_s = 16 * MIB;
    let mut pages = Pages::new();
    let mut holder = start(&spawner, &work, &pages).await;
    loop {
        match holder.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, pages: changed }) => {
                enter(changed, &mut pages);
                holder.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
        let map = ChunkMap::from_pages(&pages).unwrap();
        if map.is_some_and(|m| m.states().iter().filter(|s| **s == ChunkState::Copied).count() >= 2) {
            break;
        }
    }
    signal(&holder, Signal::STOP);
    let address = watcher(&to.0);
    let shut_out = || ceph(&["osd", "blocklist", "ls"]).contains(&address);
    assert!(!shut_out(), "{address} is still welcome");
    if taken_over {
        let mut other = work.clone();
        other.copy.holder.token = 2;
        other.bytes_per_s = 0;
        let mut winner = start(&spawner, &other, &pages).await;
        done(outcome(&mut winner, &mut pages).await);
        assert!(winner.wait().await.unwrap().success());
        assert!(shut_out(), "{address} is on the blocklist before anything else is written");
    }
    signal(&holder, Signal::CONT);
    let told = outcome(&mut holder, &mut pages.clone()).await;
    if taken_over {
        let error = failed(told);
        assert!(matches!(error, DiskError::Fenced(_)), "{error:?}");
    } else {
        // The control: it would have gone on, and on nobody's list.
        assert_eq!(done(told).bytes, DISK);
        assert!(!shut_out());
    }
    assert!(holder.wait().await.unwrap().success());
    assert!(exported(&to.0, &place.path("witness")) == source);
}

#[tokio::test]
async fn a_paused_holder_of_an_image_woken_after_takeover_is_on_the_clusters_blocklist() {
    woken(true).await;
    woken(false).await;
}
