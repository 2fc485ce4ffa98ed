//! The snapshot of a source, taken while its first chunks are copied. The monitor is stopped in these tests, so that it
//! takes its time while the OSD goes on: what is copied meanwhile does not count, and is right in the end.

use std::fs;

use longhaul_jobs::attempt_io::protocol::enter;
use longhaul_jobs::attempt_io::{Attempt, FromChild, Spawner, ToChild};
use longhaul_jobs::copy::Stage;
use longhaul_jobs::copy::checkpoint::CLIENTS_PAGE;
use longhaul_jobs::copy::disk::Holder;
use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::rbd::Image;
use longhaul_jobs::storage::{DiskError, Format};

use crate::cluster::{Alone, JOB, Named, Stopped, pool, pool_named, rbd};
use crate::support::{MIB, Pages, Place, child_program, dense, done, outcome, spec, start};

const DISK: u64 = 40 * MIB + 512;

fn image(name: &Named) -> DiskRef {
    DiskRef::image(pool_named("ps-a"), name.image())
}

fn snapshots(name: &Named) -> usize {
    rbd(&["snap", "ls", &name.0]).matches("longhaul-").count()
}

/// A child that has copied two chunks of the image while the monitor stands still, so before there is a snapshot.
async fn ahead(name: &Named, place: &Place, pages: &mut Pages) -> (Attempt, Stopped) {
    let mut work = spec(image(name), place.disk("v/t", Format::Raw));
    work.copy.holder = Holder { job: JOB.into(), token: 1 };
    let alone = Alone::wait();
    let mut attempt = start(&Spawner::new(child_program()), &work, pages).await;
    // Its clients come first, and it opens nothing before that is answered: by then it knows the cluster.
    let seq = loop {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, pages: changed }) => {
                assert!(changed.iter().all(|page| page.number == CLIENTS_PAGE), "{changed:?}");
                enter(changed, pages);
                break seq;
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    let stopped = alone.stop_monitor();
    attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
    loop {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Progress { stage: Stage::Copying, bytes_done, .. }) if bytes_done >= 8 * MIB => {
                return (attempt, stopped);
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("nothing counts before there is a snapshot: {other:?}"),
        }
    }
}

#[tokio::test]
async fn chunks_are_copied_while_the_snapshot_is_taken_and_count_when_it_is_there() {
    let (place, from) = (Place::new("rbd-beside"), Named::new("beside"));
    dense(&place.path("disk.raw"), DISK, 21);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
    let mut pages = Pages::new();
    let (mut attempt, stopped) = ahead(&from, &place, &mut pages).await;
    drop(stopped);
    let source = fs::read(place.path("disk.raw")).unwrap();
    let result = done(outcome(&mut attempt, &mut pages).await);
    assert_eq!(result.blake3, blake3::hash(&source).to_hex().to_string());
    assert!(fs::read(place.path("v/t")).unwrap() == source);
    assert!(pages.contains_key(&0) && pages.contains_key(&1));
    assert_eq!(snapshots(&from), 1, "the source is held by it");
    attempt.send(&ToChild::CheckSource).await.unwrap();
    assert!(matches!(attempt.next_event().await.unwrap(), Some(FromChild::SourceUnchanged)));
    attempt.send(&ToChild::Release).await.unwrap();
    assert!(attempt.wait().await.unwrap().success());
    assert_eq!(snapshots(&from), 0);
}

#[tokio::test]
async fn a_kill_after_the_first_chunks_and_before_the_snapshot_leaves_nothing_that_counts() {
    let (place, from) = (Place::new("rbd-beside-kill"), Named::new("beside-kill"));
    dense(&place.path("disk.raw"), DISK, 22);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
    let mut pages = Pages::new();
    let (mut attempt, stopped) = ahead(&from, &place, &mut pages).await;
    attempt.kill_and_wait().await.unwrap();
    drop(stopped);
    assert_eq!(pages.keys().collect::<Vec<_>>(), [&CLIENTS_PAGE]);
    // Somebody writes between the two attempts, as the dead one cannot forbid: the next copies what is there now.
    let guest = pool();
    let dead: serde_json::Value = serde_json::from_slice(&pages[&CLIENTS_PAGE]).unwrap();
    for client in dead.as_array().unwrap() {
        guest.shut_out(client["address"].as_str().unwrap()).unwrap();
    }
    Image::open(&guest, from.image()).unwrap().write(b"written between", 4096).unwrap();
    let mut source = fs::read(place.path("disk.raw")).unwrap();
    source[4096..4096 + 15].copy_from_slice(b"written between");

    let mut work = spec(image(&from), place.disk("v/t", Format::Raw));
    work.copy.holder = Holder { job: JOB.into(), token: 2 };
    let mut again = start(&Spawner::new(child_program()), &work, &pages).await;
    let result = done(outcome(&mut again, &mut pages).await);
    assert_eq!(result.blake3, blake3::hash(&source).to_hex().to_string());
    assert!(fs::read(place.path("v/t")).unwrap() == source);
    assert_eq!(snapshots(&from), 1);
    again.send(&ToChild::Release).await.unwrap();
    assert!(again.wait().await.unwrap().success());
    assert_eq!((snapshots(&from), fs::read_dir(place.path("v")).unwrap().count()), (0, 1));
}

#[test]
fn only_who_holds_the_lock_takes_a_snapshot() {
    let name = Named::new("beside-lock");
    let (old, new) = (pool(), pool());
    Image::create(&new, name.image(), MIB).unwrap();
    let holder = Image::open(&old, name.image()).unwrap();
    holder.lock().unwrap();
    holder.snapshot("while it is ours").unwrap();
    let other = Image::open(&new, name.image()).unwrap();
    other.break_lock(&other.lock_owner().unwrap().unwrap()).unwrap();
    other.write(b"written by force", 0).unwrap();
    let late = holder.snapshot("late").unwrap_err();
    assert!(matches!(late, DiskError::Fenced(_)), "{late:?}");
    assert_eq!(other.snapshots().unwrap().len(), 1);
}
