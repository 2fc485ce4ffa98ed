//! The child killed again and again, and paused holders woken too late: the bytes are right, little is copied
//! twice, and nothing of an earlier attempt is written any more.

use std::fs;
use std::os::unix::fs::FileExt;

use longhaul_jobs::attempt_io::protocol::enter;
use longhaul_jobs::attempt_io::{Attempt, FromChild, PAUSE_BEFORE_VERIFY, Spawner, ToChild};
use longhaul_jobs::copy::Stage;
use longhaul_jobs::copy::checkpoint::{CLIENTS_PAGE, ChunkMap, ChunkState};
use longhaul_jobs::copy::disk::Holder;
use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::rbd::{Image, Pool};
use longhaul_jobs::storage::{DiskError, Format};
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{Alone, JOB, Named, exported, pool_named, rbd};
use crate::support::{
    MIB, Pages, Place, Seeded, assert_clean, child_program, dense, done, failed, guest_bytes, outcome, spec,
    start,
};

const DISK: u64 = 64 * MIB + 512;
const RATE: u64 = 48 * MIB;
const KILLS: u64 = 6;

fn image(name: &Named) -> DiskRef {
    let (pool, image) = name.0.split_once('/').unwrap();
    DiskRef::image(pool_named(pool), image)
}

fn holder(token: u64) -> Holder {
    Holder { job: JOB.into(), token }
}

fn durable(pages: &Pages) -> usize {
    durable_of(0, pages)
}

fn durable_of(segment: u32, pages: &Pages) -> usize {
    let map = ChunkMap::segment_from_pages(segment, pages).unwrap();
    map.map_or(0, |m| m.states().iter().filter(|s| **s == ChunkState::Copied).count())
}

/// Waits until so many chunks are durable.
async fn copied(attempt: &mut Attempt, pages: &mut Pages, chunks: usize) {
    copied_chunks(attempt, pages, 0, chunks).await;
}

/// The same for a snapshot of an image.
pub async fn copied_chunks(attempt: &mut Attempt, pages: &mut Pages, segment: u32, chunks: usize) {
    while durable_of(segment, pages) < chunks {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, pages: changed }) => {
                enter(changed, pages);
                attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn killed(test: &str, source: DiskRef, target: DiskRef) {
    let spawner = Spawner::new(child_program());
    let mut work = spec(source, target);
    work.bytes_per_s = RATE;
    work.copy.checkpoint_interval_ms = 200;
    let (mut pages, mut rng) = (Pages::new(), Seeded(0xF00D + test.len() as u64));
    for round in 0..KILLS {
        work.copy.holder = holder(round + 1);
        let before = durable(&pages);
        let mut attempt = start(&spawner, &work, &pages).await;
        // At the first message, and later and later.
        for _ in 0..round * 2 + rng.below(3) {
            match attempt.next_event().await.unwrap() {
                Some(FromChild::Checkpoint { seq, pages: changed }) => {
                    enter(changed, &mut pages);
                    attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
                }
                Some(FromChild::Progress { .. }) => {}
                other => panic!("{test} round {round}: {other:?}"),
            }
        }
        attempt.kill_and_wait().await.unwrap();
        assert!(durable(&pages) >= before, "{test}: what was durable stays so");
    }
    work.bytes_per_s = 0;
    work.copy.holder = holder(KILLS + 1);
    let mut attempt = start(&spawner, &work, &pages).await;
    done(outcome(&mut attempt, &mut pages).await);
    if matches!(work.copy.source, DiskRef::Image { .. }) {
        attempt.send(&ToChild::Release).await.unwrap();
    }
    assert!(attempt.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_file_on_its_way_to_an_image_survives_kills() {
    let (place, to) = (Place::new("rbd-kills-to"), Named::new("kills-to"));
    dense(&place.path("disk.raw"), DISK, 5);
    killed("to", place.disk("disk.raw", Format::Raw), image(&to)).await;
    assert!(exported(&to.0, &place.path("witness")) == fs::read(place.path("disk.raw")).unwrap());
}

#[tokio::test]
async fn an_image_on_its_way_to_a_qcow2_file_survives_kills() {
    let (place, from) = (Place::new("rbd-kills-from"), Named::new("kills-from"));
    dense(&place.path("disk.raw"), DISK, 6);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
    killed("from", image(&from), place.disk("v/t", Format::Qcow2)).await;
    assert_clean(&place.path("v/t"));
    assert!(guest_bytes(&place.path("v/t")) == fs::read(place.path("disk.raw")).unwrap());
    assert!(!rbd(&["snap", "ls", &from.0]).contains("longhaul"));
}

#[tokio::test]
async fn an_image_on_its_way_to_another_pool_survives_kills() {
    let (place, from) = (Place::new("rbd-kills-both"), Named::new("kills-a"));
    let to = Named::in_pool("ps-b", "kills-b");
    dense(&place.path("disk.raw"), DISK, 7);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
    killed("between", image(&from), image(&to)).await;
    assert!(exported(&to.0, &place.path("witness")) == fs::read(place.path("disk.raw")).unwrap());
    assert!(!rbd(&["snap", "ls", &from.0]).contains("longhaul"));
}

#[tokio::test]
async fn a_paused_holder_woken_after_takeover_writes_nothing() {
    let (place, to) = (Place::new("rbd-paused"), Named::new("paused"));
    dense(&place.path("disk.raw"), DISK, 8);
    let spawner = Spawner::new(child_program());
    let mut work = spec(place.disk("disk.raw", Format::Raw), image(&to));
    work.copy.holder = holder(1);
    work.bytes_per_s = 16 * MIB;
    work.copy.checkpoint_interval_ms = 100;
    let mut pages = Pages::new();
    let mut paused = start(&spawner, &work, &pages).await;
    copied(&mut paused, &mut pages, 2).await;
    let pid = Pid::from_raw(paused.pid() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    work.copy.holder = holder(2);
    work.bytes_per_s = 0;
    // The file may be read by both; the pause is of the holder of the image.
    let mut winner = start(&spawner, &work, &pages).await;
    done(outcome(&mut winner, &mut pages).await);
    // What it wrote is overwritten, so that any late write of the other would show.
    let marker = Image::open(&Pool::connect(&pool_named("ps-a")).unwrap(), to.image()).unwrap();
    marker.write(&vec![0xEE; DISK as usize], 0).unwrap();
    drop(marker);
    kill_process(pid, Signal::CONT).unwrap();
    let error = failed(outcome(&mut paused, &mut pages).await);
    assert!(matches!(error, DiskError::Fenced(_)), "{error:?}");
    assert!(exported(&to.0, &place.path("witness")).iter().all(|b| *b == 0xEE));
}

#[tokio::test]
async fn a_flipped_byte_in_an_image_fails_the_copy_and_is_named() {
    let guest = 9 * MIB + 12_345;
    for flip in [true, false] {
        let (place, to) = (Place::new("rbd-flip"), Named::new("flip"));
        dense(&place.path("disk.raw"), 21 * MIB + 100, 8);
        fs::write(place.path("pause"), "").unwrap();
        let spawner = Spawner::new(child_program()).env(PAUSE_BEFORE_VERIFY, place.path("pause"));
        let work = spec(place.disk("disk.raw", Format::Raw), image(&to));
        let mut pages = Pages::new();
        let mut attempt = start(&spawner, &work, &pages).await;
        copied(&mut attempt, &mut pages, 6).await;
        if flip {
            flip_in_the_cluster(&place, &to, guest);
        }
        fs::remove_file(place.path("pause")).unwrap();
        let told = outcome(&mut attempt, &mut pages).await;
        match flip {
            true => match failed(told) {
                DiskError::Mismatch { offset } => assert_eq!(offset, guest),
                other => panic!("{other:?}"),
            },
            false => assert_eq!(done(told).bytes, 21 * MIB + 100),
        }
    }
}

/// Kills each attempt when it has read back three chunks more than it began with, until one ends; `meddle` is called once,
/// when the read-back came forward. Where the last one began, and what it said.
async fn killed_while_reading_back(
    source: DiskRef,
    target: DiskRef,
    mut meddle: impl FnMut(&Pages),
) -> (u64, Option<FromChild>) {
    let spawner = Spawner::new(child_program());
    let mut work = spec(source, target);
    work.bytes_per_s = RATE;
    work.copy.checkpoint_interval_ms = 50;
    let (mut pages, mut reached, mut meddled) = (Pages::new(), 0, false);
    for token in 1..30 {
        work.copy.holder = holder(token);
        let mut attempt = start(&spawner, &work, &pages).await;
        let mut from = None;
        loop {
            match attempt.next_event().await.unwrap() {
                Some(FromChild::Checkpoint { seq, pages: changed }) => {
                    enter(changed, &mut pages);
                    attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
                }
                Some(FromChild::Progress { stage: Stage::Verifying, bytes_done, .. }) => {
                    let began = *from.get_or_insert(bytes_done);
                    if bytes_done >= began + 12 * MIB {
                        break;
                    }
                }
                Some(FromChild::Progress { .. }) => {}
                told => {
                    let _ = attempt.kill_and_wait().await;
                    return (from.unwrap_or(0), told);
                }
            }
        }
        let from = from.unwrap();
        assert!(from >= reached || meddled, "it goes on from {from}, and {reached} was reached");
        reached = from;
        attempt.kill_and_wait().await.unwrap();
        if reached >= 12 * MIB && !meddled {
            meddled = true;
            meddle(&pages);
        }
    }
    panic!("the read-back begins anew each time; it stands at {reached} bytes");
}

#[tokio::test]
async fn a_read_back_of_an_image_that_is_killed_more_often_than_it_takes_ends() {
    let (place, to) = (Place::new("rbd-kills-back"), Named::new("kills-back"));
    dense(&place.path("disk.raw"), DISK, 5);
    let (began, told) =
        killed_while_reading_back(place.disk("disk.raw", Format::Raw), image(&to), |_| {}).await;
    let source = fs::read(place.path("disk.raw")).unwrap();
    assert_eq!(done(told).blake3, blake3::hash(&source).to_hex().to_string());
    assert!(began >= 24 * MIB, "the last went on: {began}");
    let notes = rbd(&["image-meta", "ls", &to.0]);
    assert!(!notes.contains("longhaul.readback"), "{notes}");
}

/// Through librbd, as any client does it once it believes the one that was killed to be dead.
fn write_as_another(pages: &Pages, to: &Named, at: u64) {
    let clients: serde_json::Value = serde_json::from_slice(&pages[&CLIENTS_PAGE]).unwrap();
    let (pool, name) = to.0.split_once('/').unwrap();
    let pool = Pool::connect(&pool_named(pool)).unwrap();
    for client in clients.as_array().unwrap() {
        pool.shut_out(client["address"].as_str().unwrap()).unwrap();
    }
    let image = Image::open(&pool, name).unwrap();
    image.lock().unwrap();
    image.write(b"not what was copied", at).unwrap();
    image.flush().unwrap();
}

#[tokio::test]
async fn what_another_client_writes_between_two_attempts_in_what_was_read_back_is_found() {
    let (place, to) = (Place::new("rbd-between"), Named::new("between"));
    dense(&place.path("disk.raw"), DISK, 5);
    let source = place.disk("disk.raw", Format::Raw);
    let meddle = |pages: &Pages| write_as_another(pages, &to, 4096);
    match failed(killed_while_reading_back(source, image(&to), meddle).await.1) {
        DiskError::Mismatch { offset } => assert_eq!(offset, 4096),
        other => panic!("{other:?}"),
    }
}

/// Past librbd, whose lock forbids it: in the object of the pool itself.
pub fn flip_in_the_cluster(place: &Place, name: &Named, at: u64) {
    let info = rbd(&["info", "--format", "json", &name.0]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let object = format!("{}.{:016x}", info["block_name_prefix"].as_str().unwrap(), at / (4 * MIB));
    let file = place.path("object");
    let rados = |verb: &str| {
        let conf = crate::cluster::conf();
        let args = ["--conf", conf.to_str().unwrap(), "-p", "ps-a", verb, &object, file.to_str().unwrap()];
        let out = crate::support::run("rados", &args);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    rados("get");
    let bytes = fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
    let mut byte = [0];
    bytes.read_exact_at(&mut byte, at % (4 * MIB)).unwrap();
    bytes.write_all_at(&[byte[0] ^ 0x10], at % (4 * MIB)).unwrap();
    rados("put");
}

#[tokio::test]
async fn a_cluster_that_is_away_for_a_while_fails_the_copy_as_away_and_it_goes_on_afterwards() {
    let (place, to) = (Place::new("rbd-osd-away"), Named::new("osd-away"));
    dense(&place.path("disk.raw"), DISK, 9);
    let spawner = Spawner::new(child_program());
    let mut work = spec(place.disk("disk.raw", Format::Raw), image(&to));
    work.bytes_per_s = 16 * MIB;
    work.copy.checkpoint_interval_ms = 100;
    work.copy.holder = holder(1);
    let mut pages = Pages::new();
    let alone = Alone::wait();
    let mut attempt = start(&spawner, &work, &pages).await;
    copied(&mut attempt, &mut pages, 2).await;
    let stopped = alone.stop_osd();
    let error = failed(outcome(&mut attempt, &mut pages).await);
    drop(stopped);
    assert_eq!(error.kind(), "away", "{error}");
    work.bytes_per_s = 0;
    work.copy.holder = holder(2);
    let mut again = start(&spawner, &work, &pages).await;
    done(outcome(&mut again, &mut pages).await);
    assert!(exported(&to.0, &place.path("witness")) == fs::read(place.path("disk.raw")).unwrap());
}
