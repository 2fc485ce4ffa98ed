//! The child killed again and again: the bytes are right at the end, the image is clean, and little was
//! copied twice.

use std::fs;

use longhaul_jobs::attempt_io::{Attempt, FromChild, PAUSE_BEFORE_VERIFY, Spawner, ToChild};
use longhaul_jobs::copy::checkpoint::{ChunkMap, ChunkState};
use longhaul_jobs::copy::{CHUNK_BYTES, Stage};
use longhaul_jobs::storage::Format;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    MIB, Pages, Place, Seeded, assert_clean, child_program, dense, done, guest_bytes, outcome, spec, start,
};

/// Bytes per second and milliseconds between checkpoints: 8 MiB an interval.
const RATE: u64 = 32 * MIB;
const INTERVAL_MS: u64 = 250;
const KILLS: u64 = 14;
const DISK: u64 = 96 * MIB + 512;

/// Stops the child, reads what it wrote from /proc, kills it; answers those bytes.
async fn kill(mut attempt: Attempt) -> u64 {
    let pid = Pid::from_raw(attempt.pid() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let io = fs::read_to_string(format!("/proc/{}/io", attempt.pid())).unwrap();
    let written = io.lines().find_map(|l| l.strip_prefix("write_bytes: ")).unwrap().parse().unwrap();
    attempt.kill_and_wait().await.unwrap();
    written
}

/// Bytes that the checkpoint calls durable.
fn durable(pages: &Pages) -> u64 {
    let Some(map) = ChunkMap::from_pages(pages).unwrap() else { return 0 };
    let copied = map.states().iter().filter(|s| **s == ChunkState::Copied).count() as u64;
    (copied * CHUNK_BYTES).min(DISK)
}

async fn killed_again_and_again(format: Format) {
    let place = Place::new(&format!("kills-{format:?}"));
    dense(&place.path("disk.raw"), DISK, 5);
    let spawner = Spawner::new(child_program());
    let mut work = spec(place.disk("disk.raw", Format::Raw), place.disk("vol/job-1", format));
    work.bytes_per_s = RATE;
    work.copy.checkpoint_interval_ms = INTERVAL_MS;
    let mut rng = Seeded(0x5EED);
    let mut pages = Pages::new();
    let mut written = 0;
    let mut mapped_at_kill = 0;
    for round in 0..KILLS {
        let mut attempt = start(&spawner, &work, &pages).await;
        // The first right away, while it maps; the second before its checkpoint is answered; then after a
        // number of messages and a moment of any length.
        let mut messages = if round < 2 { round } else { 1 + rng.below(5) };
        while messages > 0 {
            match attempt.next_event().await.unwrap() {
                Some(FromChild::Checkpoint { seq, pages: changed }) => {
                    messages -= 1;
                    if round == 1 {
                        break;
                    }
                    longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
                    attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
                }
                Some(FromChild::Progress { .. }) => messages -= 1,
                other => panic!("too early: {other:?}"),
            }
        }
        std::thread::sleep(std::time::Duration::from_micros(rng.below(80_000)));
        let before = durable(&pages);
        let bytes = kill(attempt).await;
        if ChunkMap::from_pages(&pages).unwrap().is_some() {
            written += bytes;
            mapped_at_kill += 1;
        }
        assert!(before < DISK, "the copy ended before all kills");
        if format == Format::Qcow2 && mapped_at_kill > 0 {
            assert_clean(&place.path("vol/job-1"));
        }
    }
    let again = written.checked_sub(durable(&pages)).expect("what is durable was written");
    let allowed = KILLS * RATE * INTERVAL_MS / 1000;
    eprintln!("{format:?}: {again} bytes copied again in {KILLS} kills, {allowed} allowed");
    assert!(again <= allowed, "{again} bytes were copied again, {allowed} are allowed");

    // Once more in the middle of reading back.
    work.bytes_per_s = 0;
    fs::write(place.path("pause"), "").unwrap();
    let paused = spawner.clone().env(PAUSE_BEFORE_VERIFY, place.path("pause"));
    let mut attempt = start(&paused, &work, &pages).await;
    while durable(&pages) < DISK {
        if let Some(FromChild::Checkpoint { seq, pages: changed }) = attempt.next_event().await.unwrap() {
            longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
            attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
        }
    }
    fs::remove_file(place.path("pause")).unwrap();
    kill(attempt).await;

    let mut last = start(&spawner, &work, &pages).await;
    let result = done(outcome(&mut last, &mut pages).await);
    last.wait().await.unwrap();
    let source = fs::read(place.path("disk.raw")).unwrap();
    assert_eq!(result.blake3, blake3::hash(&source).to_hex().to_string());
    let target = place.path("vol/job-1");
    if format == Format::Qcow2 {
        assert_clean(&target);
        assert!(guest_bytes(&target) == source);
    } else {
        assert!(fs::read(&target).unwrap() == source);
    }
    assert_eq!(fs::read_dir(place.path("vol")).unwrap().count(), 1, "no stray file");
}

#[tokio::test]
async fn a_raw_target_survives_kills_at_any_moment() {
    killed_again_and_again(Format::Raw).await;
}

#[tokio::test]
async fn a_qcow2_target_survives_kills_at_any_moment() {
    killed_again_and_again(Format::Qcow2).await;
}

/// Kills each attempt when it has read back three chunks more than it began with, until one ends.
async fn killed_while_reading_back(format: Format) {
    let place = Place::new(&format!("kills-back-{format:?}"));
    dense(&place.path("disk.raw"), DISK, 5);
    let mut work = spec(place.disk("disk.raw", Format::Raw), place.disk("vol/job-1", format));
    work.copy.checkpoint_interval_ms = 50;
    work.bytes_per_s = 2 * RATE; // so that reading back takes long enough to be seen
    let spawner = Spawner::new(child_program());
    let mut pages = Pages::new();
    let (mut attempts, mut reached) = (0, 0);
    let result = 'attempts: loop {
        attempts += 1;
        assert!(attempts < 40, "the read-back begins anew each time; it stands at {reached} bytes");
        let mut attempt = start(&spawner, &work, &pages).await;
        let mut from = None;
        loop {
            match attempt.next_event().await.unwrap() {
                Some(FromChild::Checkpoint { seq, pages: changed }) => {
                    longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
                    attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
                }
                Some(FromChild::Progress { stage: Stage::Verifying, bytes_done, .. }) => {
                    let from = *from.get_or_insert(bytes_done);
                    assert!(from >= reached, "it goes on from {from}, and {reached} was reached");
                    if bytes_done >= from + 3 * CHUNK_BYTES {
                        reached = from;
                        break;
                    }
                }
                Some(FromChild::Progress { .. }) => {}
                Some(FromChild::Done { result }) => break 'attempts result,
                other => panic!("{other:?}"),
            }
        }
        kill(attempt).await;
    };
    assert!(attempts > 3 && reached > 0, "it was killed, and came forward");
    let source = fs::read(place.path("disk.raw")).unwrap();
    assert_eq!(result.blake3, blake3::hash(&source).to_hex().to_string());
}

#[tokio::test]
async fn a_read_back_of_a_raw_target_that_is_killed_more_often_than_it_takes_ends() {
    killed_while_reading_back(Format::Raw).await;
}

#[tokio::test]
async fn a_read_back_of_a_qcow2_target_that_is_killed_more_often_than_it_takes_ends() {
    killed_while_reading_back(Format::Qcow2).await;
}

#[tokio::test]
async fn a_changed_source_is_not_mixed_with_what_was_copied_before() {
    let place = Place::new("changed-source");
    dense(&place.path("disk.raw"), 8 * MIB, 6);
    let spawner = Spawner::new(child_program());
    let mut work = spec(place.disk("disk.raw", Format::Raw), place.disk("v/j", Format::Raw));
    work.bytes_per_s = MIB;
    let mut pages = Pages::new();
    let mut attempt = start(&spawner, &work, &pages).await;
    while pages.is_empty() {
        if let Some(FromChild::Checkpoint { pages: changed, .. }) = attempt.next_event().await.unwrap() {
            longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
        }
    }
    attempt.kill_and_wait().await.unwrap();
    dense(&place.path("disk.raw"), 8 * MIB, 7);
    let mut again = start(&spawner, &work, &pages).await;
    let error = crate::support::failed(outcome(&mut again, &mut pages).await);
    assert_eq!(error.kind(), "source_changed");
}

#[tokio::test]
async fn a_checkpoint_of_many_pages_goes_and_comes_back_in_several_messages() {
    let place = Place::new("many-pages");
    // 18 pages of chunks; nearly all of it is a hole, and holes are only hashed while reading back.
    let size = (70 << 30) + 512;
    let source = fs::File::create(place.path("disk.raw")).unwrap();
    source.set_len(size).unwrap();
    fs::write(place.path("pause"), "").unwrap();
    let spawner = Spawner::new(child_program()).env(PAUSE_BEFORE_VERIFY, place.path("pause"));
    let work = spec(place.disk("disk.raw", Format::Raw), place.disk("v/j", Format::Qcow2));
    let mut pages = Pages::new();
    let all_done = |pages: &Pages| {
        let map = ChunkMap::from_pages(pages).unwrap();
        map.is_some_and(|m| m.states().iter().all(|s| *s == ChunkState::Zero))
    };
    let mut attempt = start(&spawner, &work, &pages).await;
    while !all_done(&pages) {
        if let Some(FromChild::Checkpoint { seq, pages: changed }) = attempt.next_event().await.unwrap() {
            longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
            attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
        }
    }
    attempt.kill_and_wait().await.unwrap();
    assert_eq!(pages.len(), 19);
    let before = pages.clone();
    let mut again = start(&spawner, &work, &pages).await;
    again.send(&ToChild::Cancel).await.unwrap();
    assert!(matches!(outcome(&mut again, &mut pages).await, Some(FromChild::Canceled)));
    assert!(pages == before, "nothing was copied again");
    assert_clean(&place.path("v/j"));
}
