//! A holder that was paused, and woken after another took over: it writes nothing. Each with its control, in which
//! nobody took over and it does write. Images: `tests/ceph/fences.rs`; with the whole server: its suite `kill`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use longhaul_engine::TokioRuntime;
use longhaul_jobs::attempt_io::protocol::enter;
use longhaul_jobs::attempt_io::{Attempt, FromChild, Spawner, ToChild, child};
use longhaul_jobs::copy::checkpoint::{ChunkMap, ChunkState};
use longhaul_jobs::copy::control::boottime_ns;
use longhaul_jobs::copy::disk::Holder;
use longhaul_jobs::storage::{Format, Root, delete_artifact};
use longhaul_model::Runtime;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    MIB, Pages, Place, assert_clean, child_program, dense, done, failed, guest_bytes, outcome, spec, start,
};

const DISK: u64 = 64 * MIB + 512;
const TTL_MS: u64 = 1_000;
/// The other's copy takes two leases.
const TAKEOVER_RATE: u64 = DISK * 1_000 / TTL_MS / 2;

fn signal(attempt: &Attempt, signal: Signal) {
    kill_process(Pid::from_raw(attempt.pid() as i32).unwrap(), signal).unwrap();
}

/// Bytes that a process sent to a device; of one that ended too, until it is waited for.
fn written(attempt: &Attempt) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", attempt.pid())).unwrap();
    io.lines().find_map(|l| l.strip_prefix("write_bytes: ")).unwrap().parse().unwrap()
}

/// What a file holds, and when it was written to.
fn state(path: &Path) -> (blake3::Hash, i64, i64) {
    let meta = fs::metadata(path).unwrap();
    (blake3::hash(&fs::read(path).unwrap()), meta.mtime(), meta.mtime_nsec())
}

/// Confirms the lease until two chunks are durable, then stops the child.
async fn paused(attempt: &mut Attempt, pages: &mut Pages) {
    loop {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, pages: changed }) => {
                enter(changed, pages);
                attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
        attempt.send(&ToChild::LeaseConfirmed { at_ns: boottime_ns() }).await.unwrap();
        let map = ChunkMap::from_pages(pages).unwrap();
        if map.is_some_and(|m| m.states().iter().filter(|s| **s == ChunkState::Copied).count() >= 2) {
            break;
        }
    }
    signal(attempt, Signal::STOP);
    let stat = format!("/proc/{}/stat", attempt.pid());
    while !fs::read_to_string(&stat).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
}

async fn woken(format: Format, taken_over: bool) {
    let place = Place::new(&format!("woken-{format:?}-{taken_over}"));
    dense(&place.path("disk.raw"), DISK, 9);
    let spawner = Spawner::new(child_program());
    let source = place.disk("disk.raw", Format::Raw);
    let mut work = spec(source, place.disk("vol/job-1", format));
    work.copy.holder = Holder { job: "job".into(), token: 1 };
    work.copy.checkpoint_interval_ms = 100;
    work.bytes_per_s = 16 * MIB;
    work.lease_ttl_ms = if taken_over { TTL_MS } else { 600_000 };
    let mut pages = Pages::new();
    let mut holder = start(&spawner, &work, &pages).await;
    paused(&mut holder, &mut pages).await;
    // It is read when the holder wakes, and says nothing of then.
    holder.send(&ToChild::LeaseConfirmed { at_ns: boottime_ns() }).await.unwrap();
    let (before, bytes) = (state(&place.path("vol/job-1")), written(&holder));
    assert!((8 * MIB..DISK).contains(&bytes), "it is in the middle: {bytes}");

    if taken_over {
        let mut other = work.clone();
        other.copy.holder.token = 2;
        other.lease_ttl_ms = 0;
        other.bytes_per_s = TAKEOVER_RATE;
        // Nothing proves that the holder cannot write, so its artifact is not touched.
        let mut refused = start(&spawner, &other, &pages).await;
        assert_eq!(failed(outcome(&mut refused, &mut pages.clone()).await).kind(), "in_use");
        assert!(refused.wait().await.unwrap().success());
        other.copy.target = place.disk("vol/job-2", format);
        let mut winner = start(&spawner, &other, &Pages::new()).await;
        done(outcome(&mut winner, &mut Pages::new()).await);
        assert!(winner.wait().await.unwrap().success());
    }
    assert_eq!((state(&place.path("vol/job-1")), written(&holder)), (before, bytes), "it is stopped");

    signal(&holder, Signal::CONT);
    if !taken_over {
        // The control: it would have gone on.
        done(outcome(&mut holder, &mut pages).await);
        assert!(written(&holder) > bytes && state(&place.path("vol/job-1")) != before);
        assert!(holder.wait().await.unwrap().success());
        return;
    }
    while let Some(said) = holder.next_event().await.unwrap() {
        assert!(matches!(said, FromChild::Checkpoint { .. } | FromChild::Progress { .. }), "{said:?}");
    }
    assert_eq!(written(&holder), bytes, "by the kernel's word it wrote nothing");
    assert_eq!(state(&place.path("vol/job-1")), before, "and by the file's");
    assert_eq!(holder.wait().await.unwrap().code(), Some(child::EXIT_LEASE));
    let copy = place.path("vol/job-2");
    let source = fs::read(place.path("disk.raw")).unwrap();
    if format == Format::Qcow2 {
        assert_clean(&copy);
        assert!(guest_bytes(&copy) == source);
    } else {
        assert!(fs::read(&copy).unwrap() == source);
    }
    // With its lock gone it can be swept.
    delete_artifact(&Root::open(&place.0).unwrap(), "vol/job-1".as_ref()).unwrap();
    assert_eq!(fs::read_dir(place.path("vol")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_paused_holder_of_a_raw_target_woken_after_takeover_writes_nothing() {
    woken(Format::Raw, true).await;
    woken(Format::Raw, false).await;
}

#[tokio::test]
async fn a_paused_holder_of_a_qcow2_target_woken_after_takeover_writes_nothing() {
    woken(Format::Qcow2, true).await;
    woken(Format::Qcow2, false).await;
}

#[tokio::test]
async fn a_confirmation_that_lay_there_during_a_pause_counts_from_when_it_was_sent() {
    let place = Place::new("late-confirmation");
    dense(&place.path("disk.raw"), DISK, 10);
    let mut work = spec(place.disk("disk.raw", Format::Raw), place.disk("vol/job-1", Format::Raw));
    work.copy.checkpoint_interval_ms = 100;
    work.bytes_per_s = 4 * MIB;
    work.lease_ttl_ms = 4 * TTL_MS;
    let mut pages = Pages::new();
    let mut holder = start(&Spawner::new(child_program()), &work, &pages).await;
    paused(&mut holder, &mut pages).await;
    holder.send(&ToChild::LeaseConfirmed { at_ns: boottime_ns() }).await.unwrap();
    TokioRuntime::new().sleep(Duration::from_millis(3 * TTL_MS)).await;
    signal(&holder, Signal::CONT);
    let woken_ns = boottime_ns();
    assert!(outcome(&mut holder, &mut pages).await.is_none(), "no outcome is told");
    assert_eq!(holder.wait().await.unwrap().code(), Some(child::EXIT_LEASE));
    let lived_ms = (boottime_ns() - woken_ns) / 1_000_000;
    assert!(lived_ms < 3 * TTL_MS, "a quarter of its lease was left; it went on for {lived_ms} ms");
}
