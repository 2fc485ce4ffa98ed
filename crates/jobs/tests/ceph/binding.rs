//! Making, filling, reading and asking an image, with the `rbd` program as the witness.

use longhaul_jobs::copy::ExtentKind;
use longhaul_jobs::rbd::{Grain, Image, OBJECT_BYTES};
use longhaul_jobs::storage::DiskError;

use crate::cluster::{Named, exported, pool, rbd};
use crate::support::{MIB, Place, Seeded};

#[test]
fn what_is_written_is_what_rbd_exports_and_what_rbd_imports_is_read() {
    let (place, name, back) = (Place::new("rbd-bytes"), Named::new("bytes"), Named::new("bytes-back"));
    let pool = pool();
    let size = 17 * MIB + 777;
    Image::create(&pool, name.image(), size).unwrap();
    let image = Image::open(&pool, name.image()).unwrap();
    let mut expected = vec![0u8; size as usize];
    let mut rng = Seeded(7);
    for (at, len) in [(0, 1), (3 * MIB + 5, 2 * MIB), (9 * MIB, OBJECT_BYTES), (size - 3, 3)] {
        let bytes = rng.bytes(len);
        image.write(&bytes, at).unwrap();
        expected[at as usize..(at + len) as usize].copy_from_slice(&bytes);
    }
    image.write_zeroes(10 * MIB, MIB).unwrap();
    expected[10 * MIB as usize..11 * MIB as usize].fill(0);
    image.flush().unwrap();
    assert!(exported(&name.0, &place.path("exported")) == expected);
    let info = rbd(&["info", &name.0]);
    for feature in ["exclusive-lock", "object-map", "fast-diff", "deep-flatten", "order 22"] {
        assert!(info.contains(feature), "{info}");
    }
    std::fs::write(place.path("raw"), &expected).unwrap();
    rbd(&["import", "--no-progress", place.path("raw").to_str().unwrap(), &back.0]);
    let again = Image::open_read_only(&pool, back.image(), None).unwrap();
    assert_eq!(again.size().unwrap(), size);
    let mut read = vec![1u8; size as usize];
    again.read(&mut read, 0).unwrap();
    assert!(read == expected);
    let beyond = again.read(&mut [0], size);
    assert!(beyond.is_err(), "{beyond:?}");
    assert!(matches!(again.write(&[1], 0), Err(DiskError::InUse(_) | DiskError::Io { .. })), "read only");
}

#[test]
fn what_is_stored_is_told_by_whole_objects_and_exactly() {
    let name = Named::new("extents");
    let pool = pool();
    Image::create(&pool, name.image(), 64 * MIB).unwrap();
    let image = Image::open(&pool, name.image()).unwrap();
    assert!(image.has_fast_diff().unwrap());
    image.write(&[1; 4096], 9 * MIB).unwrap();
    image.write(&[1; 4096], 33 * MIB).unwrap();
    image.flush().unwrap();
    let read = Image::open_read_only(&pool, name.image(), None).unwrap();
    let objects = read.data(0..64 * MIB, Grain::Object).unwrap();
    assert_eq!(objects, [8 * MIB..12 * MIB, 32 * MIB..36 * MIB]);
    let exact = read.data(0..64 * MIB, Grain::Exact).unwrap();
    let covers = |at: u64| exact.iter().any(|r| r.start <= at && at + 4096 <= r.end);
    assert!(covers(9 * MIB) && covers(33 * MIB), "{exact:?}");
    assert!(exact.iter().map(|r| r.end - r.start).sum::<u64>() <= 8 * MIB, "{exact:?}");
    assert_eq!(read.data(12 * MIB..20 * MIB, Grain::Exact).unwrap(), []);
    let part = read.data(9 * MIB + 1..10 * MIB, Grain::Object).unwrap();
    assert!(part.len() == 1 && part[0] == (9 * MIB + 1..10 * MIB), "cut to what was asked for: {part:?}");
}

#[test]
fn changes_since_a_snapshot_are_seen_and_none_are_told_where_there_are_none() {
    let name = Named::new("changes");
    let pool = pool();
    Image::create(&pool, name.image(), 32 * MIB).unwrap();
    let image = Image::open(&pool, name.image()).unwrap();
    image.write(&[1; 4096], 0).unwrap();
    image.write(&[2; 4096], 12 * MIB).unwrap();
    image.snapshot("one").unwrap();
    assert!(matches!(image.snapshot("one"), Err(DiskError::Exists(_))));
    for grain in [Grain::Object, Grain::Exact] {
        assert_eq!(image.changes("one", 0..32 * MIB, grain).unwrap(), []);
    }
    image.write(&[3], 20 * MIB + 5).unwrap();
    image.write_zeroes(12 * MIB, OBJECT_BYTES).unwrap();
    for grain in [Grain::Object, Grain::Exact] {
        let changed = image.changes("one", 0..32 * MIB, grain).unwrap();
        let at = |byte: u64| changed.iter().find(|e| e.range.contains(&byte)).map(|e| e.kind);
        assert_eq!(at(20 * MIB + 5), Some(ExtentKind::Data), "{changed:?}");
        assert_eq!(at(12 * MIB), Some(ExtentKind::Zero), "{changed:?}");
        assert_eq!(at(0), None);
    }
    assert!(matches!(image.changes("two", 0..MIB, Grain::Exact), Err(DiskError::NotFound(_))));
}

#[test]
fn snapshots_are_listed_read_as_they_were_and_removed() {
    let name = Named::new("snapshots");
    let pool = pool();
    rbd(&["create", "--size", "8M", &name.0]);
    let image = Image::open(&pool, name.image()).unwrap();
    assert_eq!(image.snapshots().unwrap(), []);
    image.write(b"old", 0).unwrap();
    rbd(&["snap", "create", "--no-progress", &format!("{}@by-hand", name.0)]);
    image.write(b"new", 0).unwrap();
    image.resize(12 * MIB).unwrap();
    image.snapshot("ours").unwrap();
    let found = image.snapshots().unwrap();
    let told: Vec<_> = found.iter().map(|s| (s.name.as_str(), s.bytes)).collect();
    assert_eq!(told, [("by-hand", 8 * MIB), ("ours", 12 * MIB)]);
    let mut bytes = [0; 3];
    let past = Image::open_read_only(&pool, name.image(), Some("by-hand")).unwrap();
    past.read(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"old");
    drop(past);
    image.remove_snapshot("ours").unwrap();
    image.remove_snapshot("ours").unwrap();
    assert!(!rbd(&["snap", "ls", &name.0]).contains("ours"));
    let gone = Image::open_read_only(&pool, name.image(), Some("ours"));
    assert!(matches!(gone, Err(DiskError::NotFound(_))));
}

#[test]
fn images_are_listed_told_apart_by_id_and_removed() {
    let name = Named::new("listed");
    let pool = pool();
    Image::create(&pool, name.image(), MIB).unwrap();
    assert!(matches!(Image::create(&pool, name.image(), MIB), Err(DiskError::Exists(_))));
    assert!(pool.images().unwrap().contains(&name.image().to_owned()));
    let image = Image::open(&pool, name.image()).unwrap();
    let id = image.id().unwrap();
    assert!(rbd(&["info", &name.0]).contains(&format!("id: {id}")));
    assert!(matches!(pool.remove(name.image()), Err(DiskError::InUse(_))), "while it is open");
    assert_eq!(image.note("longhaul.test").unwrap(), None);
    image.set_note("longhaul.test", Some("a note")).unwrap();
    assert_eq!(image.note("longhaul.test").unwrap().as_deref(), Some("a note"));
    assert!(rbd(&["image-meta", "list", &name.0]).contains("a note"));
    image.set_note("longhaul.test", None).unwrap();
    image.set_note("longhaul.test", None).unwrap();
    assert_eq!(image.note("longhaul.test").unwrap(), None);
    drop(image);
    pool.remove(name.image()).unwrap();
    pool.remove(name.image()).unwrap();
    assert!(!pool.images().unwrap().contains(&name.image().to_owned()));
    Image::create(&pool, name.image(), MIB).unwrap();
    assert_ne!(Image::open(&pool, name.image()).unwrap().id().unwrap(), id);
}

#[test]
fn the_space_of_a_pool_is_what_ceph_df_says() {
    let told = pool().capacity().unwrap();
    let df: serde_json::Value = serde_json::from_str(&crate::cluster::ceph(&["df", "-f", "json"])).unwrap();
    let pool = df["pools"].as_array().unwrap().iter().find(|p| p["name"] == "ps-a").unwrap();
    let max = pool["stats"]["max_avail"].as_u64().unwrap();
    // Other tests write meanwhile.
    assert!(told.available_bytes.abs_diff(max) < 512 * MIB, "{told:?} {max}");
    assert!(told.total_bytes >= told.available_bytes);
}
