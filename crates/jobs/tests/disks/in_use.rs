//! A disk that somebody writes to is not copied, and who copies keeps others from writing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use longhaul_jobs::attempt_io::{FromChild, Spawner, ToChild};
use longhaul_jobs::storage::{DiskError, Format, Root, SourceGuard, in_use};

use crate::support::{
    MIB, Pages, Place, child_program, copy_here, dense, failed, outcome, qemu_img, run, spec, start,
};

/// A `qemu-io` that has the disk open for writing, until it is dropped.
struct Qemu(Child);

impl Qemu {
    fn holding(path: &str, format: &str) -> Self {
        let mut child = Command::new("qemu-io")
            .args(["-f", format, path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // An answer to the first command: the disk is open by then.
        child.stdin.as_mut().unwrap().write_all(b"write -P 3 0 512\n").unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !line.contains("wrote 512/512") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "qemu-io ended");
        }
        child.stdout = Some(out.into_inner());
        Self(child)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn disks(place: &Place) {
    dense(&place.path("disk.raw"), 8 * MIB, 2);
    let (raw, qcow2) = (place.path("disk.raw"), place.path("disk.qcow2"));
    qemu_img(&["convert", "-O", "qcow2", raw.to_str().unwrap(), qcow2.to_str().unwrap()]);
}

#[test]
fn a_disk_that_qemu_holds_is_refused_with_pid_and_command_and_accepted_afterwards() {
    let place = Place::new("in-use");
    disks(&place);
    for (name, format, word) in [("disk.raw", Format::Raw, "raw"), ("disk.qcow2", Format::Qcow2, "qcow2")] {
        let path = place.path(name);
        assert!(in_use(&path).unwrap().is_empty());
        let qemu = Qemu::holding(path.to_str().unwrap(), word);
        let holders = in_use(&path).unwrap();
        assert_eq!(holders.len(), 1, "{holders:?}");
        assert_eq!(holders[0].pid, Some(qemu.0.id()));
        assert!(holders[0].command.contains("qemu-io") && holders[0].command.contains(name));
        match copy_here(place.disk(name, format), place.disk("v/t", Format::Raw)) {
            Err(e @ DiskError::InUse(_)) => assert!(e.to_string().contains(&qemu.0.id().to_string())),
            other => panic!("{other:?}"),
        }
        drop(qemu);
        assert!(in_use(&path).unwrap().is_empty());
        copy_here(place.disk(name, format), place.disk("v/t", Format::Raw)).unwrap();
    }
}

#[tokio::test]
async fn while_a_disk_is_copied_qemu_can_read_it_but_not_open_it_for_writing() {
    let place = Place::new("copied");
    disks(&place);
    let mut work = spec(place.disk("disk.qcow2", Format::Qcow2), place.disk("v/t", Format::Raw));
    work.bytes_per_s = MIB;
    let mut attempt = start(&Spawner::new(child_program()), &work, &Pages::new()).await;
    while !matches!(attempt.next_event().await.unwrap(), Some(FromChild::Checkpoint { .. })) {}
    let source = place.path("disk.qcow2");
    let write = run("qemu-io", &["-c", "write 0 512", source.to_str().unwrap()]);
    assert!(!write.status.success());
    assert!(String::from_utf8_lossy(&write.stderr).contains("lock"));
    let read = run("qemu-io", &["-r", "-c", "read 0 512", source.to_str().unwrap()]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // The target is nobody else's either.
    let target = place.path("v/t");
    let write = run("qemu-io", &["-f", "raw", "-c", "write 0 512", target.to_str().unwrap()]);
    assert!(!write.status.success());
    let holders = in_use(&target).unwrap();
    assert_eq!(holders[0].pid, Some(attempt.pid()));
    attempt.send(&ToChild::Cancel).await.unwrap();
    assert!(matches!(outcome(&mut attempt, &mut Pages::new()).await, Some(FromChild::Canceled)));
    attempt.wait().await.unwrap();
    let write = run("qemu-io", &["-c", "write 0 512", source.to_str().unwrap()]);
    assert!(write.status.success(), "free again");
}

#[test]
fn a_guard_keeps_qemu_from_writing_until_it_is_dropped_and_lets_a_copy_pass() {
    let place = Place::new("guard");
    disks(&place);
    let root = Root::open(&place.0).unwrap();
    let source = place.path("disk.qcow2");
    let write = || run("qemu-io", &["-c", "write 0 512", source.to_str().unwrap()]).status.success();
    let guard = SourceGuard::new(&root, "disk.qcow2".as_ref()).unwrap();
    assert!(!write());
    copy_here(place.disk("disk.qcow2", Format::Qcow2), place.disk("v/t", Format::Raw)).unwrap();
    assert!(!write(), "the end of the copy does not end the guard");
    drop(guard);
    assert!(write());
    let _qemu = Qemu::holding(source.to_str().unwrap(), "qcow2");
    assert!(matches!(SourceGuard::new(&root, "disk.qcow2".as_ref()), Err(DiskError::InUse(_))));
}

#[tokio::test]
async fn two_children_never_fill_the_same_target() {
    let place = Place::new("two-children");
    disks(&place);
    let mut work = spec(place.disk("disk.raw", Format::Raw), place.disk("v/t", Format::Raw));
    work.bytes_per_s = MIB;
    let spawner = Spawner::new(child_program());
    let mut first = start(&spawner, &work, &Pages::new()).await;
    while !matches!(first.next_event().await.unwrap(), Some(FromChild::Checkpoint { .. })) {}
    let mut second = start(&spawner, &work, &Pages::new()).await;
    match failed(outcome(&mut second, &mut Pages::new()).await) {
        DiskError::InUse(holders) => assert_eq!(holders[0].pid, Some(first.pid())),
        other => panic!("{other:?}"),
    }
}
