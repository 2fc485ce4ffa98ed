//! Images that lie: an error that says what to do, never a panic, never a quietly wrong copy.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use longhaul_jobs::storage::{DiskError, Format, Root, probe};

use crate::support::{MIB, Place, Seeded, copy_here, qemu_img, run, scattered};

fn image(place: &Place, name: &str) -> String {
    scattered(&place.path("disk.raw"), 6 * MIB, 20, 11);
    let at = place.path(name).to_str().unwrap().to_owned();
    qemu_img(&["convert", "-O", "qcow2", place.path("disk.raw").to_str().unwrap(), &at]);
    at
}

fn patch(path: &str, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

fn copy_of(place: &Place, name: &str) -> Result<(), DiskError> {
    copy_here(place.disk(name, Format::Qcow2), place.disk("v/t", Format::Raw)).map(|_| ())
}

#[test]
fn a_header_that_lies_is_refused_by_probe_and_by_copy() {
    let place = Place::new("lies");
    let far = (1u64 << 40).to_be_bytes();
    let lies: [(&str, u64, &[u8]); 12] = [
        ("version", 4, &9u32.to_be_bytes()),
        ("cluster bits", 20, &40u32.to_be_bytes()),
        ("size beyond its L1 table", 24, &(1u64 << 45).to_be_bytes()),
        ("size beyond all bounds", 24, &u64::MAX.to_be_bytes()),
        ("encryption", 32, &1u32.to_be_bytes()),
        ("L1 size", 36, &u32::MAX.to_be_bytes()),
        ("L1 offset", 40, &far),
        ("L1 offset unaligned", 40, &12345u64.to_be_bytes()),
        ("refcount table", 48, &far),
        ("refcount clusters", 56, &u32::MAX.to_be_bytes()),
        ("corrupt mark", 72, &2u64.to_be_bytes()),
        ("unknown feature", 72, &(1u64 << 40).to_be_bytes()),
    ];
    let root = Root::open(&place.0).unwrap();
    for (what, at, bytes) in lies {
        let path = image(&place, "lie.qcow2");
        patch(&path, at, bytes);
        let probed = probe(&root, "lie.qcow2".as_ref());
        assert!(matches!(probed, Err(DiskError::BadImage { .. })), "{what}: {probed:?}");
        let copied = copy_of(&place, "lie.qcow2");
        assert!(matches!(copied, Err(DiskError::BadImage { .. })), "{what}: {copied:?}");
        assert!(!place.path("v").exists(), "{what}: nothing was created");
    }
}

#[test]
fn a_map_that_points_out_of_the_file_is_refused() {
    let place = Place::new("map-lies");
    let path = image(&place, "map.qcow2");
    let l1 = read_u64(&path, 40);
    let l2 = read_u64(&path, l1) & 0x00ff_ffff_ffff_fe00;
    patch(&path, l1, &((1u64 << 63) | (1 << 40)).to_be_bytes());
    assert!(matches!(copy_of(&place, "map.qcow2"), Err(DiskError::BadImage { .. })));
    patch(&path, l1, &((1u64 << 63) | l2).to_be_bytes());
    copy_of(&place, "map.qcow2").unwrap();
    patch(&path, l2, &((1u64 << 63) | (1 << 40)).to_be_bytes());
    let error = copy_of(&place, "map.qcow2").unwrap_err();
    assert!(error.to_string().contains("beyond the end"), "{error}");
    // Cut off: the clusters that are gone are not read as zeros.
    let path = image(&place, "cut.qcow2");
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(len / 2 / 65536 * 65536).unwrap();
    assert!(matches!(copy_of(&place, "cut.qcow2"), Err(DiskError::BadImage { .. })));
}

fn read_u64(path: &str, at: u64) -> u64 {
    let mut bytes = [0u8; 8];
    fs::File::open(path).unwrap().read_exact_at(&mut bytes, at).unwrap();
    u64::from_be_bytes(bytes)
}

#[test]
fn random_damage_never_panics() {
    let place = Place::new("damage");
    let path = image(&place, "good.qcow2");
    let good = fs::read(&path).unwrap();
    let root = Root::open(&place.0).unwrap();
    let mut rng = Seeded(77);
    for _ in 0..150 {
        let mut bad = good.clone();
        for _ in 0..1 + rng.below(6) {
            // Mostly in the header and in the tables behind it.
            let within = if rng.below(3) == 0 { 5 * 65536 } else { 112 };
            let at = rng.below(within) as usize;
            bad[at] = rng.next() as u8;
        }
        bad.truncate(if rng.below(5) == 0 { rng.below(bad.len() as u64) as usize } else { bad.len() });
        fs::write(place.path("bad.qcow2"), &bad).unwrap();
        let _ = probe(&root, "bad.qcow2".as_ref());
        let _ = copy_of(&place, "bad.qcow2");
    }
}

#[test]
fn a_reference_that_leaves_the_storage_is_refused_with_what_to_do() {
    let place = Place::new("references");
    let outside = Place::new("references-outside");
    fs::create_dir(place.path("root")).unwrap();
    scattered(&outside.path("secret.raw"), MIB, 4, 1);
    scattered(&place.path("sibling.raw"), MIB, 4, 1);
    let secret = outside.path("secret.raw").to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(&secret, place.path("root/link.raw")).unwrap();
    let top = place.path("root/top.qcow2").to_str().unwrap().to_owned();
    let inside = |back: &str, format: &[&str]| {
        let _ = fs::remove_file(&top);
        let mut args = vec!["create", "-u", "-f", "qcow2", "-b", back];
        args.extend_from_slice(format);
        args.extend_from_slice(&[&top, "1M"]);
        qemu_img(&args);
        let root = place.path("root");
        let source = longhaul_jobs::copy::run::DiskRef::file(root, "top.qcow2", Format::Qcow2);
        copy_here(source, place.disk("v/t", Format::Raw)).unwrap_err()
    };
    for back in [secret.as_str(), "../sibling.raw", "link.raw"] {
        let error = inside(back, &["-F", "raw"]);
        assert!(matches!(error, DiskError::BackingFile { .. }), "{back}: {error:?}");
        assert!(error.to_string().contains("rebase"), "{error}");
    }
    assert!(matches!(inside("gone.raw", &["-F", "raw"]), DiskError::BackingFile { .. }));
    assert!(matches!(inside("top.qcow2", &["-F", "qcow2"]), DiskError::BadImage { .. }), "itself");
    assert!(matches!(inside("x.vmdk", &["-F", "vmdk"]), DiskError::BackingFile { .. }));
}

#[test]
fn a_backing_file_of_unknown_format_is_refused() {
    let place = Place::new("no-format");
    scattered(&place.path("base.raw"), MIB, 4, 1);
    let top = image(&place, "top.qcow2");
    // qemu-img does not write such a header any more: the name alone, without its format.
    patch(&top, 65536 - 64, b"base.raw");
    patch(&top, 8, &(65536u64 - 64).to_be_bytes());
    patch(&top, 16, &8u32.to_be_bytes());
    let error = copy_of(&place, "top.qcow2").unwrap_err();
    assert!(error.to_string().contains("rebase -u -F"), "{error}");
}

#[test]
fn data_in_another_file_snapshots_and_other_features_are_refused() {
    let place = Place::new("features");
    let at = |n: &str| place.path(n).to_str().unwrap().to_owned();
    qemu_img(&["create", "-f", "qcow2", "-o", &format!("data_file={}", at("d.raw")), &at("ext.qcow2"), "1M"]);
    assert!(matches!(copy_of(&place, "ext.qcow2"), Err(DiskError::BackingFile { .. })));
    qemu_img(&["create", "-f", "qcow2", "-o", "extended_l2=on", &at("l2.qcow2"), "1M"]);
    assert!(matches!(copy_of(&place, "l2.qcow2"), Err(DiskError::BadImage { .. })));
    let snap = image(&place, "snap.qcow2");
    qemu_img(&["snapshot", "-c", "one", &snap]);
    let error = copy_of(&place, "snap.qcow2").unwrap_err();
    assert!(error.to_string().contains("snapshot -d"), "{error}");
    assert!(matches!(copy_of(&place, "disk.raw"), Err(DiskError::BadImage { .. })), "not qcow2 at all");
    assert!(run("qemu-img", &["--version"]).status.success());
}

#[test]
fn a_raw_disk_whose_guest_wrote_a_qcow2_header_stays_raw() {
    let place = Place::new("guest-header");
    let path = image(&place, "looks.qcow2");
    let bytes = fs::read(&path).unwrap();
    copy_here(place.disk("looks.qcow2", Format::Raw), place.disk("v/t", Format::Raw)).unwrap();
    assert!(fs::read(place.path("v/t")).unwrap() == bytes);
}
