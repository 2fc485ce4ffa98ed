//! What the target holds is proven from its device: one flipped bit is found and named.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::{fs, io};

use longhaul_jobs::attempt_io::{FromChild, PAUSE_BEFORE_VERIFY, Spawner, ToChild};
use longhaul_jobs::copy::Stage;
use longhaul_jobs::copy::checkpoint::{ChunkMap, ChunkState, FIRST_VERIFIED_PAGE};
use longhaul_jobs::storage::{DiskError, Format};

use crate::support::{MIB, Pages, Place, child_program, dense, done, failed, outcome, qemu_img, spec, start};

/// Copies, and lets `meddle` at the target between copying and reading back.
async fn meddled(
    place: &Place,
    format: Format,
    meddle: impl FnOnce(&std::path::Path) -> io::Result<()>,
) -> FromChild {
    let pause = place.path("pause");
    fs::write(&pause, "").unwrap();
    let spawner = Spawner::new(child_program()).env(PAUSE_BEFORE_VERIFY, &pause);
    let work = spec(place.disk("disk.raw", Format::Raw), place.disk("v/j", format));
    let mut pages = Pages::new();
    let mut attempt = start(&spawner, &work, &pages).await;
    let copied = |pages: &Pages| {
        ChunkMap::from_pages(pages)
            .unwrap()
            .is_some_and(|m| m.states().iter().all(|s| *s != ChunkState::Todo))
    };
    while !copied(&pages) {
        if let Some(FromChild::Checkpoint { seq, pages: changed }) = attempt.next_event().await.unwrap() {
            longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
            attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
        }
    }
    meddle(&place.path("v/j")).unwrap();
    fs::remove_file(&pause).unwrap();
    outcome(&mut attempt, &mut pages).await.unwrap()
}

/// Flips one bit of the file at `offset`.
fn flip(path: &std::path::Path, offset: u64) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0u8];
    file.read_exact_at(&mut byte, offset)?;
    byte[0] ^= 0x10;
    file.write_all_at(&byte, offset)
}

#[tokio::test]
async fn a_flipped_bit_fails_the_copy_and_is_named() {
    for (format, guest) in [(Format::Raw, 9 * MIB + 12_345), (Format::Qcow2, 5 * MIB + 77)] {
        let place = Place::new(&format!("flip-{format:?}"));
        dense(&place.path("disk.raw"), 11 * MIB + 100, 8);
        let before = fs::read(place.path("disk.raw")).unwrap();
        let told = meddled(&place, format, |target| {
            let offset = match format {
                Format::Raw => guest,
                Format::Qcow2 => {
                    // Where an outside witness says that this guest byte lies.
                    let copy = target.with_extension("map");
                    fs::copy(target, &copy)?;
                    let map = qemu_img(&["map", "--output=json", "-f", "qcow2", copy.to_str().unwrap()]);
                    let map: serde_json::Value = serde_json::from_str(&map)?;
                    let within = |e: &&serde_json::Value| {
                        let start = e["start"].as_u64().unwrap();
                        (start..start + e["length"].as_u64().unwrap()).contains(&guest)
                    };
                    let entry = map.as_array().unwrap().iter().find(within).unwrap();
                    entry["offset"].as_u64().unwrap() + guest - entry["start"].as_u64().unwrap()
                }
            };
            flip(target, offset)
        })
        .await;
        match failed(Some(told)) {
            DiskError::Mismatch { offset } => assert_eq!(offset, guest, "{format:?}"),
            other => panic!("{other:?}"),
        }
        assert!(fs::read(place.path("disk.raw")).unwrap() == before, "the source is untouched");
    }
}

#[tokio::test]
async fn without_a_flip_the_same_copy_passes() {
    for format in [Format::Raw, Format::Qcow2] {
        let place = Place::new(&format!("no-flip-{format:?}"));
        dense(&place.path("disk.raw"), 11 * MIB + 100, 8);
        let told = meddled(&place, format, |_| Ok(())).await;
        assert_eq!(done(Some(told)).bytes, 11 * MIB + 100);
    }
}

#[tokio::test]
async fn a_byte_in_what_should_be_a_hole_is_found() {
    let place = Place::new("flip-hole");
    let file = fs::File::create(place.path("disk.raw")).unwrap();
    file.set_len(20 * MIB).unwrap();
    file.write_all_at(b"data", 0).unwrap();
    let told = meddled(&place, Format::Raw, |target| flip(target, 17 * MIB + 3)).await;
    assert!(matches!(failed(Some(told)), DiskError::Mismatch { offset } if offset == 17 * MIB + 3));
}

#[tokio::test]
async fn a_source_written_to_behind_our_back_is_not_called_a_bad_target() {
    let place = Place::new("source-written");
    dense(&place.path("disk.raw"), 6 * MIB, 8);
    let source = place.path("disk.raw");
    let told = meddled(&place, Format::Raw, |_| flip(&source, MIB)).await;
    assert_eq!(failed(Some(told)).kind(), "source_changed");
}

/// How many chunks a checkpoint says were read back.
fn read_back(pages: &Pages) -> usize {
    let page = pages.get(&FIRST_VERIFIED_PAGE).map(|page| &page[32..]);
    page.map_or(0, |entries| entries.chunks(33).filter(|entry| entry[0] == 1).count())
}

/// Kills the child when its read-back has stored five chunks, lets `meddle` at the target, and lets another go on. What that
/// one says, and how many bytes were read back when it began to.
async fn killed_and_meddled(name: &str, meddle: impl FnOnce(&std::path::Path)) -> (FromChild, u64) {
    let place = Place::new(name);
    dense(&place.path("disk.raw"), 40 * MIB + 100, 8);
    let mut work = spec(place.disk("disk.raw", Format::Raw), place.disk("v/j", Format::Raw));
    work.copy.checkpoint_interval_ms = 10;
    let spawner = Spawner::new(child_program());
    let mut pages = Pages::new();
    let mut attempt = start(&spawner, &work, &pages).await;
    loop {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, pages: changed }) => {
                longhaul_jobs::attempt_io::protocol::enter(changed, &mut pages);
                if read_back(&pages) >= 5 {
                    break; // it waits for the answer
                }
                attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { .. }) => {}
            other => panic!("too early: {other:?}"),
        }
    }
    attempt.kill_and_wait().await.unwrap();
    meddle(&place.path("v/j"));
    work.bytes_per_s = 16 * MIB; // so that where it begins is seen
    let mut attempt = start(&spawner, &work, &pages).await;
    let mut began_at = None;
    loop {
        match attempt.next_event().await.unwrap() {
            Some(FromChild::Checkpoint { seq, .. }) => {
                attempt.send(&ToChild::CheckpointStored { seq }).await.unwrap();
            }
            Some(FromChild::Progress { stage, bytes_done, .. }) => {
                if stage == Stage::Verifying {
                    began_at.get_or_insert(bytes_done);
                }
            }
            Some(told) => return (told, began_at.unwrap_or(0)),
            None => panic!("no outcome"),
        }
    }
}

#[tokio::test]
async fn a_bit_flipped_between_two_attempts_in_what_was_read_back_is_found() {
    let (told, began_at) = killed_and_meddled("flip-between", |target| flip(target, 12_345).unwrap()).await;
    assert!(matches!(failed(Some(told)), DiskError::Mismatch { offset: 12_345 }));
    assert!(began_at < 20 * MIB, "it began anew");
    // Nor does it help to set the time of the last write back.
    let (told, _) = killed_and_meddled("flip-between-back", |target| {
        let before = fs::metadata(target).unwrap().modified().unwrap();
        flip(target, 12_345).unwrap();
        OpenOptions::new().write(true).open(target).unwrap().set_modified(before).unwrap();
    })
    .await;
    assert!(matches!(failed(Some(told)), DiskError::Mismatch { offset: 12_345 }));
}

#[tokio::test]
async fn what_was_read_back_and_not_touched_since_is_not_read_again() {
    let (told, began_at) = killed_and_meddled("not-touched", |_| {}).await;
    assert_eq!(done(Some(told)).bytes, 40 * MIB + 100);
    assert!(began_at >= 20 * MIB, "{began_at}");
}
