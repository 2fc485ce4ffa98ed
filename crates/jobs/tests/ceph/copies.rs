//! Every direction from and to an image: the same guest bytes, by the word of `rbd export` and `qemu-img`.

use std::fs;

use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::rbd::Image;
use longhaul_jobs::storage::{DiskError, Format};

use crate::cluster::{Named, exported, pool_named, rbd};
use crate::support::{MIB, Place, assert_clean, copy_here, dense, guest_bytes, qemu_img, scattered};

fn image(name: &Named) -> DiskRef {
    let (pool, image) = name.0.split_once('/').unwrap();
    DiskRef::image(pool_named(pool), image)
}

/// The bytes of a disk, by an outside witness.
fn bytes_of(place: &Place, name: Option<&Named>, path: &str, format: Format) -> Vec<u8> {
    match (name, format) {
        (Some(name), _) => exported(&name.0, &place.path("witness")),
        (None, Format::Raw) => fs::read(place.path(path)).unwrap(),
        (None, Format::Qcow2) => {
            assert_clean(&place.path(path));
            guest_bytes(&place.path(path))
        }
    }
}

#[test]
fn every_direction_from_and_to_an_image_gives_the_same_guest_bytes() {
    let place = Place::new("rbd-directions");
    let (from, to) = (Named::new("from"), Named::in_pool("ps-b", "to"));
    scattered(&place.path("disk.raw"), 29 * MIB + 777, 40, 11);
    let (raw, qcow2) = (place.path("disk.raw"), place.path("disk.qcow2"));
    qemu_img(&["convert", "-O", "qcow2", raw.to_str().unwrap(), qcow2.to_str().unwrap()]);
    rbd(&["import", "--no-progress", raw.to_str().unwrap(), &from.0]);
    let expected = fs::read(&raw).unwrap();
    // qcow2 counts in sectors of 512.
    let mut in_sectors = expected.clone();
    in_sectors.resize(expected.len().next_multiple_of(512), 0);
    let sources = [
        ("raw", place.disk("disk.raw", Format::Raw), &expected),
        ("qcow2", place.disk("disk.qcow2", Format::Qcow2), &in_sectors),
        ("rbd", image(&from), &expected),
    ];
    for (kind, source, bytes) in sources {
        let hash = blake3::hash(bytes).to_hex().to_string();
        let to_image = copy_here(source.clone(), image(&to)).unwrap_or_else(|e| panic!("{kind} to rbd: {e}"));
        assert_eq!((&to_image.blake3, to_image.bytes), (&hash, bytes.len() as u64), "{kind} to rbd");
        assert!(bytes_of(&place, Some(&to), "", Format::Raw) == *bytes, "{kind} to rbd");
        rbd(&["rm", "--no-progress", &to.0]);
        if kind != "rbd" {
            continue; // files to files: tests of `disks`
        }
        for format in [Format::Raw, Format::Qcow2] {
            let path = format!("v/{format:?}");
            let result = copy_here(source.clone(), place.disk(&path, format)).unwrap();
            assert_eq!(result.blake3, hash, "rbd to {format:?}");
            let mut found = bytes_of(&place, None, &path, format);
            assert!(found.split_off(bytes.len()).iter().all(|b| *b == 0));
            assert!(found == *bytes, "rbd to {format:?}");
        }
    }
    let left = rbd(&["snap", "ls", &from.0]);
    assert!(!left.contains("longhaul"), "{left}");
    assert_eq!(rbd(&["image-meta", "list", &from.0]).matches("longhaul").count(), 0);
}

#[test]
fn images_of_odd_sizes_keep_their_last_byte() {
    let (place, from, to) = (Place::new("rbd-odd"), Named::new("odd-from"), Named::new("odd-to"));
    for len in [1, 511, 4 * MIB - 1, 4 * MIB + 1] {
        dense(&place.path("disk.raw"), len, 7 + len);
        let bytes = fs::read(place.path("disk.raw")).unwrap();
        rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &from.0]);
        copy_here(image(&from), image(&to)).unwrap();
        assert!(exported(&to.0, &place.path("witness")) == bytes, "{len}");
        rbd(&["rm", "--no-progress", &from.0]);
        rbd(&["rm", "--no-progress", &to.0]);
    }
}

#[test]
fn a_sparse_image_stays_sparse_and_is_quick() {
    let (place, from, to) = (Place::new("rbd-sparse"), Named::new("sparse-from"), Named::new("sparse-to"));
    rbd(&["create", "--size", "40G", &from.0]);
    let pool = longhaul_jobs::rbd::Pool::connect(&pool_named("ps-a")).unwrap();
    let disk = Image::open(&pool, from.image()).unwrap();
    disk.write(b"somewhere", (31 << 30) + 5).unwrap();
    drop(disk);
    let result = copy_here(image(&from), image(&to)).unwrap();
    assert_eq!((result.bytes, result.data_bytes), (40 << 30, 4 * MIB));
    let told = rbd(&["du", "--format", "json", &to.0]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["images"][0]["used_size"].as_u64(), Some(4 * MIB), "{told}");
    copy_here(image(&to), place.disk("v/raw", Format::Raw)).unwrap();
    assert!(crate::support::allocated(&place.path("v/raw")) <= MIB);
}

#[test]
fn a_clone_is_copied_with_what_its_parent_holds() {
    let (place, parent) = (Place::new("rbd-clone"), Named::new("parent"));
    let (clone, to) = (Named::new("clone"), Named::new("clone-to"));
    scattered(&place.path("disk.raw"), 24 * MIB, 30, 5);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &parent.0]);
    rbd(&["snap", "create", "--no-progress", &format!("{}@base", parent.0)]);
    rbd(&["clone", "--rbd-default-clone-format", "2", &format!("{}@base", parent.0), &clone.0]);
    let pool = longhaul_jobs::rbd::Pool::connect(&pool_named("ps-a")).unwrap();
    let image_of_clone = Image::open(&pool, clone.image()).unwrap();
    image_of_clone.write(&[9; 70_000], 13 * MIB + 1).unwrap();
    drop(image_of_clone);
    let expected = exported(&clone.0, &place.path("witness"));
    copy_here(image(&clone), image(&to)).unwrap();
    assert!(exported(&to.0, &place.path("witness")) == expected);
    assert!(!rbd(&["info", &to.0]).contains("parent"), "it stands by itself");
    rbd(&["rm", "--no-progress", &clone.0]);
}

#[test]
fn a_source_that_another_has_open_is_refused_and_named_and_taken_afterwards() {
    let (place, name) = (Place::new("rbd-in-use"), Named::new("in-use"));
    rbd(&["create", "--size", "8M", &name.0]);
    let pool = longhaul_jobs::rbd::Pool::connect(&pool_named("ps-a")).unwrap();
    let guest = Image::open(&pool, name.image()).unwrap();
    let address = guest.watchers().unwrap()[0].address.clone();
    match copy_here(image(&name), place.disk("v/t", Format::Raw)) {
        Err(DiskError::InUse(holders)) => assert_eq!(holders[0].client.as_deref(), Some(address.as_str())),
        other => panic!("{other:?}"),
    }
    assert!(!place.path("v").exists(), "nothing was begun");
    drop(guest);
    copy_here(image(&name), place.disk("v/t", Format::Raw)).unwrap();
}

#[test]
fn a_missing_image_is_not_made() {
    let (place, name) = (Place::new("rbd-missing"), Named::new("missing"));
    let missing = copy_here(image(&name), place.disk("v/t", Format::Raw)).unwrap_err();
    assert!(matches!(missing, DiskError::NotFound(_)), "{missing:?}");
    assert!(!place.path("v").exists());
}
