//! A disk that a real QEMU holds is not copied, and while it is copied no QEMU can open it for writing.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client::text;
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, run, until};

/// A virtual machine that never runs but has a disk.
pub struct Vm(Child);

fn arguments(path: &str, format: &str, read_only: bool) -> Vec<String> {
    let drive = format!(
        "file={path},format={format},if=none,id=disk,read-only={}",
        if read_only { "on" } else { "off" }
    );
    // With a device on the drive: a raw file without one is opened, but nobody may write to it.
    let words = ["-machine", "q35", "-accel", "tcg", "-m", "32", "-S", "-nodefaults", "-display", "none"];
    let disk = ["-monitor", "none", "-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
    words.into_iter().chain(disk).map(str::to_owned).collect()
}

impl Vm {
    fn holding(rig: &Rig, format: &str, read_only: bool) -> Self {
        Self::holding_file(&rig.source, format, read_only)
    }

    /// One that has the file open.
    pub fn holding_file(path: &Path, format: &str, read_only: bool) -> Self {
        let path = path.to_str().unwrap();
        let child = Command::new("qemu-system-x86_64")
            .args(arguments(path, format, read_only))
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-x86_64, from Debian's qemu-system-x86");
        let mut vm = Self(child);
        until("QEMU has the disk open", PATIENCE, || {
            assert!(vm.0.try_wait().unwrap().is_none(), "QEMU ended");
            let locks = std::fs::read_dir(format!("/proc/{}/fdinfo", vm.0.id())).ok()?;
            let locked = |e: std::io::Result<std::fs::DirEntry>| {
                std::fs::read_to_string(e.ok()?.path()).ok().filter(|info| {
                    // QEMU's byte 101 is held by who may write.
                    info.lines().any(|l| l.contains("lock:") && (read_only || l.contains(" 101")))
                })
            };
            locks.into_iter().find_map(locked).map(|_| ())
        });
        vm
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_use(format: &'static str) {
    let rig = Rig::new(&format!("in-use-{format}"), format, 24 * MIB, |_, plan| plan);
    let vm = Vm::holding(&rig, format, false);
    let error = rig.refused();
    let details = text(&error["details"]);
    assert_eq!(error["code"], "SYS.1006", "{error}");
    assert!(details.contains(&format!("pid {}", vm.0.id())), "{details}");
    assert!(details.contains("qemu-system-x86_64 -machine q35"), "{details}");
    rig.assert_not_held_by_us();
    drop(vm);

    let job = rig.migrate(6 * MIB);
    until("the copy is under way", PATIENCE, || {
        let (stage, done, _) = rig.client().progress(&rig.client().job(&job));
        (stage == "copying" && done > 0).then_some(())
    });
    let source = rig.source.to_str().unwrap().to_owned();
    let words = arguments(&source, format, false);
    let out = run("qemu-system-x86_64", &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains(r#"Failed to get "write" lock"#), "{said}");
    let mut reader = Vm::holding(&rig, format, true);
    std::thread::sleep(Duration::from_millis(200));
    assert!(reader.0.try_wait().unwrap().is_none(), "one that only reads goes on");
    drop(reader);
    let job = rig.client().final_job(&job, PATIENCE);
    rig.assert_moved(&job);
}

#[test]
fn a_raw_disk_that_qemu_writes_to_is_refused_and_a_copied_one_is_refused_to_qemu() {
    in_use("raw");
}

#[test]
fn a_qcow2_disk_that_qemu_writes_to_is_refused_and_a_copied_one_is_refused_to_qemu() {
    in_use("qcow2");
}
