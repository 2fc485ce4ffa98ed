//! The child killed at the borders of the segments of an image with snapshots, and anywhere between: no snapshot
//! is lost, doubled, or of other bytes. Each border is a checkpoint, which the child waits for, so none is missed.

use longhaul_jobs::attempt_io::protocol::{Page, enter};
use longhaul_jobs::attempt_io::{Attempt, FromChild, Spawner, ToChild};
use longhaul_jobs::copy::checkpoint::{HISTORY_PAGE, Header, SEGMENT_PAGES};
use longhaul_jobs::copy::disk::Holder;

use crate::cluster::{JOB, Named, rbd};
use crate::history::{SNAPSHOTS, Unprotected, assert_the_same, image, open, snap, with_a_past};
use crate::support::{MIB, Pages, Place, Seeded, child_program, done, failed, outcome, spec, start};

fn holder(token: u64) -> Holder {
    Holder { job: JOB.into(), token }
}

/// The segment whose header is among `pages`, and whether it says that all is written.
fn border(pages: &[Page]) -> Option<(u32, bool)> {
    let header = pages
        .iter()
        .find(|p| p.number < HISTORY_PAGE && p.number.is_multiple_of(SEGMENT_PAGES) && !p.bytes.is_empty())?;
    let said: Header = serde_json::from_slice(&header.bytes).unwrap();
    Some((header.number / SEGMENT_PAGES, said.filled))
}

/// Hears until the border `at`, stores its pages if `stored`, and kills the child before that is answered.
async fn killed_at(attempt: &mut Attempt, pages: &mut Pages, at: (u32, bool), stored: bool) {
    loop {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, pages: changed }) => {
                let here = border(&changed) == Some(at);
                if !here || stored {
                    enter(changed, pages);
                }
                if here {
                    attempt.kill_and_wait().await.unwrap();
                    return;
                }
                attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("{at:?}: {other:?}"),
        }
    }
}

fn there(name: &Named) -> Vec<String> {
    open_snapshots(name).into_iter().map(|(_, name)| name).collect()
}

fn open_snapshots(name: &Named) -> Vec<(u64, String)> {
    let told = rbd(&["snap", "ls", "--format", "json", &name.0]);
    let told: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap();
    told.iter().map(|s| (s["id"].as_u64().unwrap(), s["name"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn a_child_killed_at_every_border_of_the_segments_loses_and_doubles_no_snapshot() {
    let (place, from) = (Place::new("rbd-borders"), Named::new("borders-from"));
    let to = Named::in_pool("ps-b", "borders-to");
    let _both = (Unprotected(&from, "second"), Unprotected(&to, "second"));
    with_a_past(&place, &from);
    let spawner = Spawner::new(child_program());
    let mut work = spec(image(&from), image(&to));
    let (mut pages, mut token) = (Pages::new(), 0);
    let segments = SNAPSHOTS.len() as u32 + 1;
    for segment in 0..segments {
        for (filled, stored) in [(false, false), (false, true), (true, false), (true, true)] {
            if !filled && stored && segment > 0 {
                continue; // stored with the next: nothing comes between
            }
            if segment == 0 && !filled && stored {
                // The target is known from here on; before, it is made again.
                token += 1;
                work.copy.holder = holder(token);
                let mut attempt = start(&spawner, &work, &pages).await;
                killed_at(&mut attempt, &mut pages, (0, false), true).await;
                continue;
            }
            token += 1;
            work.copy.holder = holder(token);
            let mut attempt = start(&spawner, &work, &pages).await;
            killed_at(&mut attempt, &mut pages, (segment, filled), stored).await;
            let complete = segment as usize;
            assert_eq!(
                there(&to),
                SNAPSHOTS[..complete],
                "segment {segment}, filled {filled}, stored {stored}"
            );
        }
    }
    token += 1;
    work.copy.holder = holder(token);
    let before = open_snapshots(&to);
    let mut attempt = start(&spawner, &work, &pages).await;
    let result = done(outcome(&mut attempt, &mut pages).await);
    attempt.send(&ToChild::Release).await.unwrap();
    assert!(attempt.wait().await.unwrap().success());
    assert_eq!(open_snapshots(&to), before, "none was taken again");
    assert_the_same(&place, &from, &to, &result);
}

#[tokio::test]
async fn a_child_killed_anywhere_goes_on_and_the_snapshots_are_right() {
    let (place, from) = (Place::new("rbd-past-kills"), Named::new("past-kills-from"));
    let to = Named::in_pool("ps-b", "past-kills-to");
    let _both = (Unprotected(&from, "second"), Unprotected(&to, "second"));
    with_a_past(&place, &from);
    let spawner = Spawner::new(child_program());
    let mut work = spec(image(&from), image(&to));
    work.copy.checkpoint_interval_ms = 1;
    work.copy.streams = 2;
    let (mut pages, mut rng) = (Pages::new(), Seeded(0xBEEF));
    for round in 0..8 {
        work.copy.holder = holder(round + 1);
        let mut attempt = start(&spawner, &work, &pages).await;
        let mut left = 2 + round + rng.below(5);
        while left > 0 {
            match attempt.next_event().await.unwrap() {
                Some(FromChild::Checkpoint { seq, pages: changed }) => {
                    left -= 1;
                    enter(changed, &mut pages);
                    attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
                }
                Some(FromChild::Progress { .. }) => {}
                Some(FromChild::Done { .. }) => break,
                other => panic!("round {round}: {other:?}"),
            }
        }
        attempt.kill_and_wait().await.unwrap();
    }
    work.copy.holder = holder(20);
    let mut attempt = start(&spawner, &work, &pages).await;
    let result = done(outcome(&mut attempt, &mut pages).await);
    attempt.kill_and_wait().await.unwrap();
    assert_the_same(&place, &from, &to, &result);
}

#[tokio::test]
async fn a_snapshot_that_is_taken_or_removed_between_attempts_is_seen() {
    let (place, from) = (Place::new("rbd-past-changed"), Named::new("past-changed-from"));
    let to = Named::in_pool("ps-b", "past-changed-to");
    crate::support::dense(&place.path("disk.raw"), 12 * MIB, 5);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
    snap(&from, "one");
    open(&from).write(&[1; 4096], 0).unwrap();
    snap(&from, "two");
    let spawner = Spawner::new(child_program());
    let mut work = spec(image(&from), image(&to));
    let mut pages = Pages::new();
    work.copy.holder = holder(1);
    let mut attempt = start(&spawner, &work, &pages).await;
    killed_at(&mut attempt, &mut pages, (1, true), true).await;
    rbd(&["snap", "rm", "--no-progress", &format!("{}@one", from.0)]);
    snap(&from, "three");
    work.copy.holder = holder(2);
    // The copy begins again with what is there now.
    let mut attempt = start(&spawner, &work, &pages).await;
    let result = done(outcome(&mut attempt, &mut pages).await);
    assert_eq!(result.snapshots.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["two", "three"]);
    assert_the_same(&place, &from, &to, &result);
    // One more before the switch-over is noticed.
    let head = open(&from);
    let owner = head.lock_owner().unwrap().unwrap();
    head.break_lock(&owner).unwrap();
    drop(head);
    snap(&from, "four");
    attempt.send(&ToChild::CheckSource).await.unwrap();
    failed(attempt.next_event().await.unwrap());
    attempt.kill_and_wait().await.unwrap();
}
