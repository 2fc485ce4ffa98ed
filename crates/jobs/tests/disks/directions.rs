//! Every format to every format: the same guest bytes, the same holes, odd sizes.

use std::fs;

use longhaul_jobs::storage::{DiskError, Format};

use crate::support::{
    MIB, Place, allocated, assert_clean, copy_here, dense, guest_bytes, qemu_img, scattered,
};

/// Makes `disk.raw` of `len` bytes and `disk.qcow2` with the same bytes.
fn sources(place: &Place, len: u64) {
    scattered(&place.path("disk.raw"), len, 60, len | 1);
    let (raw, qcow2) = (place.path("disk.raw"), place.path("disk.qcow2"));
    qemu_img(&["convert", "-O", "qcow2", raw.to_str().unwrap(), qcow2.to_str().unwrap()]);
}

#[test]
fn every_direction_gives_the_same_guest_bytes_and_a_hash_that_anyone_can_recompute() {
    let place = Place::new("directions");
    sources(&place, 37 * MIB + 777);
    for (from, from_format) in [("disk.raw", Format::Raw), ("disk.qcow2", Format::Qcow2)] {
        let expected = if from_format == Format::Raw {
            fs::read(place.path(from)).unwrap()
        } else {
            guest_bytes(&place.path(from))
        };
        for format in [Format::Raw, Format::Qcow2] {
            let to = format!("volume/{from}-to-{format:?}");
            let result = copy_here(place.disk(from, from_format), place.disk(&to, format)).unwrap();
            assert_eq!(result.bytes, expected.len() as u64);
            assert_eq!(result.blake3, blake3::hash(&expected).to_hex().to_string());
            let target = place.path(&to);
            if format == Format::Qcow2 {
                assert_clean(&target);
            } else {
                assert_eq!(fs::metadata(&target).unwrap().len(), expected.len() as u64);
            }
            let mut found =
                if format == Format::Raw { fs::read(&target).unwrap() } else { guest_bytes(&target) };
            assert!(found.len() - expected.len() < 512, "rounded up to 512 at most");
            assert!(found.split_off(expected.len()).iter().all(|b| *b == 0));
            assert!(found == expected, "{to} differs");
        }
    }
}

#[test]
fn disks_of_odd_sizes_keep_their_last_byte() {
    let place = Place::new("odd-sizes");
    for len in [0, 1, 511, 512, 4095, 4097, 65_537, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 513] {
        dense(&place.path("disk.raw"), len, 7 + len);
        let bytes = fs::read(place.path("disk.raw")).unwrap();
        for format in [Format::Raw, Format::Qcow2] {
            let to = format!("v/{len}-{format:?}");
            let result = copy_here(place.disk("disk.raw", Format::Raw), place.disk(&to, format)).unwrap();
            assert_eq!(result.blake3, blake3::hash(&bytes).to_hex().to_string(), "{to}");
            if format == Format::Qcow2 {
                assert_clean(&place.path(&to));
                assert!(guest_bytes(&place.path(&to))[..len as usize] == bytes, "{to}");
            } else {
                assert!(fs::read(place.path(&to)).unwrap() == bytes, "{to}");
            }
        }
    }
}

#[test]
fn sparse_disks_stay_sparse() {
    let place = Place::new("sparse");
    sources(&place, 900 * MIB);
    for (from, from_format) in [("disk.raw", Format::Raw), ("disk.qcow2", Format::Qcow2)] {
        let data = allocated(&place.path(from));
        for format in [Format::Raw, Format::Qcow2] {
            let to = format!("v/{from}-{format:?}");
            copy_here(place.disk(from, from_format), place.disk(&to, format)).unwrap();
            let got = allocated(&place.path(&to));
            // Room for a qcow2's own tables, and for the indirect blocks of the file system.
            assert!(got <= data + MIB, "{to}: {got} bytes for {data}");
        }
    }
}

#[test]
fn zeros_that_are_stored_are_not_stored_again() {
    let place = Place::new("stored-zeros");
    let mut bytes = vec![0u8; 12 * MIB as usize];
    bytes[5 * MIB as usize] = 1;
    fs::write(place.path("disk.raw"), &bytes).unwrap();
    for format in [Format::Raw, Format::Qcow2] {
        let to = format!("v/{format:?}");
        copy_here(place.disk("disk.raw", Format::Raw), place.disk(&to, format)).unwrap();
        assert!(allocated(&place.path(&to)) <= 512 << 10, "{format:?}");
    }
}

#[test]
fn qcow2_of_all_sorts_is_read() {
    let place = Place::new("sorts");
    scattered(&place.path("disk.raw"), 21 * MIB, 80, 99);
    let bytes = fs::read(place.path("disk.raw")).unwrap();
    let sorts: [&[&str]; 6] = [
        &["-c"],
        &["-o", "compat=0.10"],
        &["-o", "cluster_size=512"],
        &["-o", "cluster_size=2M"],
        &["-o", "preallocation=metadata"],
        &["-o", "refcount_bits=1,lazy_refcounts=on"],
    ];
    for (i, sort) in sorts.iter().enumerate() {
        let (raw, from) = (place.path("disk.raw"), format!("{i}.qcow2"));
        let image = place.path(&from);
        let mut args = vec!["convert", "-O", "qcow2"];
        args.extend_from_slice(sort);
        args.extend_from_slice(&[raw.to_str().unwrap(), image.to_str().unwrap()]);
        qemu_img(&args);
        let to = format!("v/{i}");
        copy_here(place.disk(&from, Format::Qcow2), place.disk(&to, Format::Raw))
            .unwrap_or_else(|e| panic!("{sort:?}: {e}"));
        assert!(fs::read(place.path(&to)).unwrap() == bytes, "{sort:?}");
    }
}

#[test]
fn a_chain_inside_of_the_storage_is_flattened() {
    let place = Place::new("chain");
    scattered(&place.path("base.raw"), 16 * MIB, 40, 3);
    let at = |name: &str| place.path(name).to_str().unwrap().to_owned();
    qemu_img(&["create", "-f", "qcow2", "-F", "raw", "-b", "base.raw", &at("mid.qcow2"), "20M"]);
    qemu_img(&["create", "-f", "qcow2", "-F", "qcow2", "-b", "mid.qcow2", &at("top.qcow2"), "24M"]);
    for (image, command) in [
        ("mid.qcow2", "write -P 7 3M 300k"),
        ("mid.qcow2", "write -z 8M 1M"),
        ("top.qcow2", "write -P 9 19M 2M"),
    ] {
        crate::support::run("qemu-io", &["-c", command, &at(image)]);
    }
    let expected = guest_bytes(&place.path("top.qcow2"));
    for format in [Format::Raw, Format::Qcow2] {
        let to = format!("v/{format:?}");
        let result = copy_here(place.disk("top.qcow2", Format::Qcow2), place.disk(&to, format)).unwrap();
        assert_eq!(result.blake3, blake3::hash(&expected).to_hex().to_string());
        assert!(guest_bytes(&place.path(&to)) == expected);
    }
    assert!(!qemu_img(&["info", &at("v/Qcow2")]).contains("backing"));
}

#[test]
fn an_existing_file_of_another_is_never_overwritten_while_it_is_held() {
    let place = Place::new("held-target");
    dense(&place.path("disk.raw"), MIB, 1);
    copy_here(place.disk("disk.raw", Format::Raw), place.disk("v/t", Format::Raw)).unwrap();
    let held = fs::OpenOptions::new().read(true).write(true).open(place.path("v/t")).unwrap();
    longhaul_jobs::storage::lock::hold_target(&held, &place.path("v/t")).unwrap();
    let refused = copy_here(place.disk("disk.raw", Format::Raw), place.disk("v/t", Format::Raw));
    match refused {
        Err(DiskError::InUse(holders)) => assert_eq!(holders[0].pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::metadata(place.path("v/t")).unwrap().len(), MIB);
}
