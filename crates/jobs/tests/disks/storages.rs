//! A directory as a storage: what is in it, what may be done, and that nothing leads out of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use longhaul_jobs::storage::{
    Access, DiskError, Format, Root, actual_bytes, capacity, check_space, check_writable, create_volume,
    delete_artifact, probe, scan, stray_files,
};

use longhaul_jobs::copy::run::DiskRef;

use crate::support::{MIB, Place, assert_clean, copy_here, dense, qemu_img, run, scattered};

#[test]
fn no_path_leads_out_of_the_root() {
    let place = Place::new("escape");
    let outside = Place::new("escape-outside");
    fs::write(outside.path("secret"), "secret").unwrap();
    symlink(outside.path("secret"), place.path("file-link")).unwrap();
    symlink(&outside.0, place.path("dir-link")).unwrap();
    symlink("../escape-outside/secret", place.path("relative-link")).unwrap();
    let root = Root::open(&place.0).unwrap();
    let secret = outside.path("secret");
    for path in [
        "file-link",
        "dir-link/secret",
        "relative-link",
        "../escape-outside/secret",
        "x/../../escape-outside/secret",
        "",
        secret.to_str().unwrap(),
    ] {
        let path = Path::new(path);
        for access in [Access::Read, Access::Write, Access::Create] {
            let refused = root.open_file(path, access);
            assert!(
                matches!(refused, Err(DiskError::OutsideRoot(_) | DiskError::Exists(_))),
                "{path:?} {access:?}: {refused:?}"
            );
        }
        assert!(
            delete_artifact(&root, path).is_err()
                || path == Path::new("file-link")
                || path == Path::new("relative-link")
        );
        assert!(secret.exists(), "{path:?}");
    }
    assert!(root.create_parent("dir-link/sub/x".as_ref()).is_err());
    assert!(matches!(root.relative(&secret), Err(DiskError::OutsideRoot(_))));
}

#[test]
fn some_directories_are_never_a_storage() {
    for path in ["/proc", "/sys/kernel", "/dev/shm", "/", "relative", "/proc/self/cwd/../proc"] {
        assert!(Root::open(Path::new(path)).is_err(), "{path}");
    }
    let gone = Root::open(Path::new("/no/such/directory"));
    assert!(matches!(gone, Err(DiskError::NotFound(_))));
}

#[test]
fn a_fifo_or_a_directory_is_not_a_disk_and_does_not_hang() {
    let place = Place::new("fifo");
    run("mkfifo", &[place.path("pipe").to_str().unwrap()]);
    fs::create_dir(place.path("dir")).unwrap();
    let root = Root::open(&place.0).unwrap();
    assert!(matches!(probe(&root, "pipe".as_ref()), Err(DiskError::BadImage { .. })));
    assert!(matches!(probe(&root, "dir".as_ref()), Err(DiskError::BadImage { .. })));
}

#[test]
fn an_empty_volume_is_made_and_deleted_without_a_trace() {
    let place = Place::new("volume");
    let root = Root::open(&place.0).unwrap();
    for (format, bytes) in [(Format::Raw, 5 * MIB + 3), (Format::Qcow2, 64 << 30)] {
        let path = PathBuf::from("0123456789abcdef0123456789abcdef/artifact");
        create_volume(&root, &path, format, bytes).unwrap();
        let info = probe(&root, &path).unwrap();
        assert_eq!((info.format, info.virtual_bytes), (format, bytes));
        assert!(actual_bytes(&root, &path).unwrap() <= MIB);
        if format == Format::Qcow2 {
            assert_clean(&place.path("0123456789abcdef0123456789abcdef/artifact"));
            assert!(
                qemu_img(&[
                    "info",
                    place.path("0123456789abcdef0123456789abcdef/artifact").to_str().unwrap()
                ])
                .contains("64 GiB")
            );
        }
        let again = create_volume(&root, &path, format, bytes);
        assert!(matches!(again, Err(DiskError::Exists(_))));
        delete_artifact(&root, &path).unwrap();
        assert_eq!(fs::read_dir(&place.0).unwrap().count(), 0);
    }
}

#[test]
fn only_an_empty_directory_with_a_name_of_ours_goes_with_its_last_file() {
    let place = Place::new("shared-directory");
    let root = Root::open(&place.0).unwrap();
    let ours = "0123456789abcdef0123456789abcdef";
    for directory in [ours, "vol-0123456789abcdef0123456789abcdef", "theirs"] {
        let [one, two] = ["one", "two"].map(|name| format!("{directory}/{name}"));
        create_volume(&root, one.as_ref(), Format::Raw, 10).unwrap();
        create_volume(&root, two.as_ref(), Format::Raw, 10).unwrap();
        delete_artifact(&root, one.as_ref()).unwrap();
        assert!(place.path(&two).exists());
        delete_artifact(&root, two.as_ref()).unwrap();
        assert_eq!(place.path(directory).exists(), directory == "theirs", "{directory}");
    }
}

#[test]
fn scan_lists_images_that_no_record_knows() {
    let place = Place::new("scan");
    let root = Root::open(&place.0).unwrap();
    create_volume(&root, "v/known".as_ref(), Format::Qcow2, MIB).unwrap();
    create_volume(&root, "v/unknown".as_ref(), Format::Qcow2, MIB).unwrap();
    scattered(&place.path("old.img"), 3 * MIB, 3, 5);
    fs::write(place.path("notes.txt"), "no disk").unwrap();
    fs::write(place.path("broken.qcow2"), b"QFI\xfb").unwrap();
    symlink(place.path("old.img"), place.path("link.img")).unwrap();
    let managed = BTreeSet::from([PathBuf::from("v/known")]);
    let found = scan(&root, &managed).unwrap();
    let names: Vec<_> = found.iter().map(|f| (f.path.to_str().unwrap(), f.image.is_ok())).collect();
    assert_eq!(names, [("broken.qcow2", false), ("old.img", true), ("v/unknown", true)]);
    assert_eq!(stray_files(&root, &managed).unwrap().len(), 4);
}

#[test]
fn capacity_is_that_of_the_file_system() {
    let place = Place::new("capacity");
    let root = Root::open(&place.0).unwrap();
    let capacity = capacity(&root).unwrap();
    let df = run("df", &["-B1", "--output=size", place.0.to_str().unwrap()]);
    let size = String::from_utf8_lossy(&df.stdout).lines().nth(1).unwrap().trim().parse::<u64>().unwrap();
    assert_eq!(capacity.total_bytes, size);
    check_space(&root, capacity.available_bytes / 2).unwrap();
    assert!(matches!(check_space(&root, u64::MAX), Err(DiskError::NoSpace { needed: u64::MAX, .. })));
}

/// Runs `test` of this binary in a mount namespace of its own, where a tmpfs with `options` lies on a
/// directory that `SMALL_STORAGE` names.
fn on_tmpfs(place: &Place, options: &str, test: &str) {
    let script = "mount -t tmpfs -o \"$2\" tmpfs \"$1\" && SMALL_STORAGE=\"$1\" exec \"$0\" --exact \"$3\"";
    let exe = std::env::current_exe().unwrap();
    let (exe, dir) = (exe.to_str().unwrap(), place.0.to_str().unwrap());
    let out = run("unshare", &["-m", "sh", "-c", script, exe, dir, options, test]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_read_only_storage_is_told_apart() {
    let place = Place::new("read-only");
    check_writable(&Root::open(&place.0).unwrap()).unwrap();
    on_tmpfs(&place, "ro", "storages::inside_a_read_only_storage");
}

#[test]
fn inside_a_read_only_storage() {
    let Some(dir) = std::env::var_os("SMALL_STORAGE") else { return };
    let root = Root::open(Path::new(&dir)).unwrap();
    assert!(matches!(check_writable(&root), Err(DiskError::ReadOnly(_))));
    let made = create_volume(&root, "v/x".as_ref(), Format::Raw, 10);
    assert!(matches!(made, Err(DiskError::ReadOnly(_))), "{made:?}");
}

#[test]
fn a_full_storage_is_told_apart_at_any_moment() {
    let place = Place::new("full");
    for size in ["64k", "128k", "300k", "2m", "6m", "12m"] {
        on_tmpfs(&place, &format!("size={size}"), "storages::inside_a_small_storage");
    }
}

#[test]
fn inside_a_small_storage() {
    let Some(dir) = std::env::var_os("SMALL_STORAGE") else { return };
    let place = Place::new(&format!("small-source-{}", std::process::id()));
    dense(&place.path("disk.raw"), 8 * MIB, 3);
    let dir = PathBuf::from(dir);
    let root = Root::open(&dir).unwrap();
    let room = capacity(&root).unwrap().total_bytes > 9 * MIB;
    for format in [Format::Raw, Format::Qcow2] {
        let target = DiskRef::file(dir.clone(), "0123456789abcdef0123456789abcdef/t", format);
        let copied = copy_here(place.disk("disk.raw", Format::Raw), target);
        assert!(
            if room { copied.is_ok() } else { matches!(copied, Err(DiskError::NoSpace { .. })) },
            "{copied:?}"
        );
        delete_artifact(&root, "0123456789abcdef0123456789abcdef/t".as_ref()).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }
}
