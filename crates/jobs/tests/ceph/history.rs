//! Images with snapshots, copied to another pool: each snapshot and the newest state are the same, by the word of
//! `rbd export`, and what tells them apart is kept. Kills: `history_kills`; what is refused: `history_refused`.

use std::fs;

use longhaul_jobs::attempt_io::{PAUSE_BEFORE_VERIFY, Spawner};
use longhaul_jobs::copy::run::{CopyResult, DiskRef};
use longhaul_jobs::rbd::{Image, Pool};
use longhaul_jobs::storage::DiskError;

use crate::cluster::{JOB, Named, exported, pool_named, rbd};
use crate::kills::{copied_chunks, flip_in_the_cluster};
use crate::support::{
    MIB, Pages, Place, Seeded, child_program, copy_here, dense, done, failed, outcome, spec, start,
};

pub fn image(name: &Named) -> DiskRef {
    let (pool, image) = name.0.split_once('/').unwrap();
    DiskRef::image(pool_named(pool), image)
}

pub fn open(name: &Named) -> Image {
    let (pool, image) = name.0.split_once('/').unwrap();
    Image::open(&Pool::connect(&pool_named(pool)).unwrap(), image).unwrap()
}

pub fn snap(name: &Named, snapshot: &str) {
    rbd(&["snap", "create", "--no-progress", &format!("{}@{snapshot}", name.0)]);
}

/// An image with a past: overwritten, zeroed, made longer and shorter between its snapshots, one of them protected.
pub fn with_a_past(place: &Place, name: &Named) {
    dense(&place.path("disk.raw"), 24 * MIB + 512, 3);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &name.0]);
    snap(name, "first");
    let mut rng = Seeded(99);
    let disk = open(name);
    disk.write(&rng.bytes(3 * MIB), 7 * MIB + 5).unwrap();
    disk.write_zeroes(12 * MIB, 4 * MIB).unwrap();
    disk.write_zeroes(1000, 9000).unwrap();
    drop(disk);
    snap(name, "second");
    rbd(&["snap", "protect", &format!("{}@second", name.0)]);
    let disk = open(name);
    disk.resize(33 * MIB + 1).unwrap();
    disk.write(&rng.bytes(MIB), 31 * MIB).unwrap();
    disk.write(&rng.bytes(100), 24 * MIB + 500).unwrap();
    drop(disk);
    snap(name, "longer");
    open(name).resize(9 * MIB + 77).unwrap();
    snap(name, "shorter");
    // Shorter and longer again: what was there is zeros now.
    let disk = open(name);
    disk.resize(2 * MIB).unwrap();
    disk.resize(20 * MIB).unwrap();
    disk.write(&rng.bytes(5000), 19 * MIB).unwrap();
    drop(disk);
    snap(name, "again");
    snap(name, "the same");
    open(name).write(&rng.bytes(70_000), 0).unwrap();
}

pub const SNAPSHOTS: [&str; 6] = ["first", "second", "longer", "shorter", "again", "the same"];

fn listed(name: &Named) -> Vec<(String, u64, String)> {
    let told = rbd(&["snap", "ls", "--format", "json", &name.0]);
    let told: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    told.iter().map(|s| (text(&s["name"]), s["size"].as_u64().unwrap(), text(&s["protected"]))).collect()
}

/// Both images have the same snapshots and bytes, and `result` tells their hashes.
pub fn assert_the_same(place: &Place, from: &Named, to: &Named, result: &CopyResult) {
    let ours = |name: &str| name.starts_with("longhaul-0");
    let expected: Vec<_> = listed(from).into_iter().filter(|(name, ..)| !ours(name)).collect();
    assert_eq!(listed(to), expected, "names, sizes and protection, in order");
    let told: Vec<_> = result.snapshots.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(told, expected.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
    for (snapshot, (name, size, protected)) in result.snapshots.iter().zip(&expected) {
        let [was, is] = [from, to].map(|i| exported(&format!("{}@{name}", i.0), &place.path("witness")));
        assert!(was == is, "at {name}");
        assert_eq!(snapshot.blake3, blake3::hash(&is).to_hex().to_string(), "at {name}");
        assert_eq!((snapshot.bytes, snapshot.protected.to_string()), (*size, protected.clone()));
    }
    let [was, is] = [from, to].map(|i| exported(&i.0, &place.path("witness")));
    assert!(was == is, "as it is now");
    assert_eq!((&result.blake3, result.bytes), (&blake3::hash(&is).to_hex().to_string(), is.len() as u64));
}

/// Snapshots that are protected keep an image from being purged.
pub struct Unprotected<'a>(pub &'a Named, pub &'a str);

impl Drop for Unprotected<'_> {
    fn drop(&mut self) {
        if let Ok(image) = Image::open(
            &Pool::connect(&pool_named(self.0.0.split_once('/').unwrap().0)).unwrap(),
            self.0.image(),
        ) {
            let _ = image.unprotect(self.1);
        }
    }
}

#[test]
fn snapshots_go_along_to_another_pool_with_their_bytes_sizes_and_protection() {
    let (place, from) = (Place::new("rbd-past"), Named::new("past-from"));
    let to = Named::in_pool("ps-b", "past-to");
    let _both = (Unprotected(&from, "second"), Unprotected(&to, "second"));
    with_a_past(&place, &from);
    let of_another_job = format!("longhaul-{JOB}");
    snap(&from, &of_another_job);
    snap(&from, "longhaul-nightly"); // a user's
    let result = copy_here(image(&from), image(&to)).unwrap();
    let told: Vec<_> = result.snapshots.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(told, [&SNAPSHOTS[..], &["longhaul-nightly"]].concat());
    assert_the_same(&place, &from, &to, &result);
    let left = rbd(&["snap", "ls", &from.0]);
    assert_eq!(
        left.matches("longhaul-0").count(),
        left.matches(&of_another_job).count(),
        "ours is gone: {left}"
    );
}

#[test]
fn images_of_one_chunk_and_less_keep_their_snapshots() {
    let (place, from) = (Place::new("rbd-past-small"), Named::new("past-small-from"));
    let to = Named::in_pool("ps-b", "past-small-to");
    let sizes = [1_000, 4 * MIB, 4 * MIB + 9, 700, 12 * MIB];
    rbd(&["create", "--size", "1000B", &from.0]);
    for (n, size) in sizes.into_iter().enumerate() {
        let disk = open(&from);
        disk.resize(size).unwrap();
        disk.write(&[n as u8 + 1; 300], size - 300).unwrap();
        drop(disk);
        snap(&from, &format!("s{n}"));
    }
    let result = copy_here(image(&from), image(&to)).unwrap();
    assert_eq!(result.snapshots.len(), sizes.len());
    assert_the_same(&place, &from, &to, &result);
}

#[test]
fn a_clone_stands_by_itself_at_the_target_in_each_of_its_snapshots() {
    let (place, parent) = (Place::new("rbd-past-clone"), Named::new("past-parent"));
    let to = Named::in_pool("ps-b", "past-clone-to");
    dense(&place.path("disk.raw"), 24 * MIB, 5);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &parent.0]);
    snap(&parent, "base");
    let clone = Named::new("past-clone");
    rbd(&["clone", "--rbd-default-clone-format", "2", &format!("{}@base", parent.0), &clone.0]);
    snap(&clone, "as-cloned");
    // What it loses of its parent by this is in no list of changes.
    let disk = open(&clone);
    disk.resize(10 * MIB).unwrap();
    disk.resize(24 * MIB).unwrap();
    drop(disk);
    snap(&clone, "cut-off");
    open(&clone).write(&[7; 9000], 5 * MIB).unwrap();
    let result = copy_here(image(&clone), image(&to)).unwrap();
    assert_the_same(&place, &clone, &to, &result);
    let cut = exported(&format!("{}@cut-off", to.0), &place.path("witness"));
    assert!(cut[10 * MIB as usize..].iter().all(|b| *b == 0), "the negative control of the list of changes");
    assert!(!rbd(&["info", &to.0]).contains("parent"));
    drop(clone);
}

#[test]
fn what_did_not_change_between_snapshots_is_not_stored_twice() {
    let (place, from) = (Place::new("rbd-past-thin"), Named::new("past-thin-from"));
    let to = Named::in_pool("ps-b", "past-thin-to");
    dense(&place.path("disk.raw"), 32 * MIB, 5);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
    for n in 0..4 {
        open(&from).write(&[n + 1; 4096], 4 * MIB * u64::from(n)).unwrap();
        snap(&from, &format!("s{n}"));
    }
    let result = copy_here(image(&from), image(&to)).unwrap();
    assert_the_same(&place, &from, &to, &result);
    let told = rbd(&["du", "--format", "json", &to.0]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let used = told["images"].as_array().unwrap().iter().map(|i| i["used_size"].as_u64().unwrap());
    assert!(used.sum::<u64>() <= (32 + 4 * 4) * MIB, "{told}");
}

#[tokio::test]
async fn a_byte_that_changed_in_a_snapshot_of_the_target_fails_the_copy() {
    for flip in [true, false] {
        let (place, from) = (Place::new("rbd-past-flip"), Named::new("past-flip-from"));
        let to = Named::new("past-flip-to");
        dense(&place.path("disk.raw"), 16 * MIB, 5);
        rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
        snap(&from, "one");
        open(&from).write(&[1; 4096], 0).unwrap();
        fs::write(place.path("pause"), "").unwrap();
        let spawner = Spawner::new(child_program()).env(PAUSE_BEFORE_VERIFY, place.path("pause"));
        let mut pages = Pages::new();
        let mut attempt = start(&spawner, &spec(image(&from), image(&to)), &pages).await;
        // Of the second segment the first chunk is stored: the others are as in the snapshot.
        copied_chunks(&mut attempt, &mut pages, 1, 1).await;
        let guest = 9 * MIB + 5;
        if flip {
            // An object that the snapshot and the image share.
            flip_in_the_cluster(&place, &to, guest);
        }
        fs::remove_file(place.path("pause")).unwrap();
        let told = outcome(&mut attempt, &mut pages).await;
        match flip {
            true => match failed(told) {
                DiskError::Mismatch { offset } => assert_eq!(offset, guest),
                other => panic!("{other:?}"),
            },
            false => assert_eq!(done(told).snapshots.len(), 1),
        }
        attempt.kill_and_wait().await.unwrap();
    }
}
