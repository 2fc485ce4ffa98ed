//! What must never happen to bytes: a switched-over copy that is not the source, a source that goes while
//! somebody needs it, a file that is followed to elsewhere. And the quickstart, checked by other programs.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::client::{result, text};
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, Place, assert_clean, files, guest_sha256, qemu_img, run, shown, until};

/// Where a byte is turned over.
const FLIPPED: u64 = 5_000_001;

/// A raw migration that waits right before it reads its target back, and the target's path.
fn before_read_back(test: &str, run: impl FnOnce(&Rig, &str, &Path)) {
    let mut pause = PathBuf::new();
    let rig = Rig::new(test, "raw", 12 * MIB, |place, plan| {
        pause = place.path("pause");
        fs::write(&pause, b"").unwrap();
        plan.env("LONGHAUL_PAUSE_BEFORE_VERIFY", &shown(&pause))
    });
    let job = rig.migrate(0);
    until("all is copied", PATIENCE, || {
        let (stage, done, total) = rig.client().progress(&rig.client().job(&job));
        (stage == "copying" && done == total && total > 0).then_some(())
    });
    let artifact = files(&rig.to).into_iter().find(|f| f.contains('/')).expect("the copy");
    let target = Path::new(&rig.to).join(artifact);
    run(&rig, &job, &target);
    fs::remove_file(&pause).unwrap();
    let ended = rig.client().final_job(&job, PATIENCE);
    if test.ends_with("control") {
        rig.assert_moved(&ended);
        return;
    }
    assert_eq!(ended["state"], "Failed", "{ended}");
    let detail = text(&result(&ended)["detail"]);
    if test.ends_with("flipped") {
        assert!(detail.contains(&FLIPPED.to_string()), "{detail}");
        rig.assert_not_moved();
    } else {
        assert!(detail.contains("changed while it was copied"), "{detail}");
        assert_eq!(files(&rig.to), Vec::<String>::new(), "the copy is removed");
        assert_eq!(rig.client().volume(&rig.volume)["installPath"], *shown(&rig.source));
    }
}

#[test]
fn a_byte_of_the_target_turned_over_behind_our_back_fails_the_job_by_its_offset() {
    before_read_back("flipped", |_, _, target| {
        let file = fs::OpenOptions::new().read(true).write(true).open(target).unwrap();
        let mut byte = [0u8];
        file.read_exact_at(&mut byte, FLIPPED).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], FLIPPED).unwrap();
        file.sync_all().unwrap();
    });
    // The control: the same without the turned byte moves.
    before_read_back("flipped-control", |_, _, _| ());
}

#[test]
fn a_source_that_was_replaced_while_it_was_copied_is_not_switched_over() {
    before_read_back("replaced", |rig, _, _| {
        let fresh = rig.source.with_file_name("fresh");
        fs::copy(&rig.source, &fresh).unwrap();
        fs::rename(&fresh, &rig.source).unwrap();
    });
}

#[test]
fn a_volume_that_a_job_waits_for_is_neither_deleted_nor_forgotten() {
    let rig = Rig::new("waited-for", "raw", 4 * MIB, |_, plan| plan.set("engine.maxRunning=0"));
    let job = rig.migrate(0);
    assert_eq!(rig.client().state(&job), "Waiting");
    let volume = format!("/volumes/{}", rig.volume);
    let actions = format!("{volume}/actions");
    for (method, path, body) in
        [("DELETE", &volume, json!({})), ("PUT", &actions, json!({"forgetVolume": {}}))]
    {
        let (status, answer) = rig.client().call(method, path, &body);
        assert!(status >= 400 && text(&answer["error"]["details"]).contains(&job), "{status} {answer}");
    }
    assert_eq!(files(&rig.from), ["disk"]);
    rig.client().cancel(&job);
    rig.assert_not_moved();
    // The control: without the job it goes, bytes and all.
    rig.client().ok("DELETE", &volume, &json!({}));
    rig.client().ok("PUT", &format!("{volume}/actions"), &json!({"expungeDataVolume": {}}));
    assert_eq!(files(&rig.from), Vec::<String>::new());
}

#[test]
fn a_link_that_took_a_volumes_place_leads_to_no_other_file() {
    let rig = Rig::new("linked", "raw", 4 * MIB, |_, plan| plan);
    let other = rig.source.with_file_name("other");
    fs::rename(&rig.source, &other).unwrap();
    std::os::unix::fs::symlink("other", &rig.source).unwrap();
    let volume = format!("/volumes/{}", rig.volume);
    rig.client().ok("DELETE", &volume, &json!({}));
    let (status, answer) =
        rig.client().call("PUT", &format!("{volume}/actions"), &json!({"expungeDataVolume": {}}));
    assert!(status >= 400, "{status} {answer}");
    assert!(other.exists(), "the file that the link leads to is untouched");
}

#[test]
fn the_quickstart_moves_a_real_disk_as_other_programs_see_it() {
    let place = Place::new("quickstart");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(["quickstart", "--exit", "--keep", "--rate", "0"])
        .env("TMPDIR", place.dir("tmp"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    let after = |label: &str| {
        let line = said.lines().find(|l| l.trim_start().starts_with(label)).expect(label);
        PathBuf::from(line.split_whitespace().nth(1).unwrap())
    };
    let sums: Vec<&str> = said
        .lines()
        .filter(|l| l.trim_start().starts_with("SHA-256"))
        .map(|l| l.split_whitespace().nth(1).unwrap())
        .collect();
    let (source, target) = (after("source"), after("target"));
    assert_eq!(sums, [guest_sha256(&source, "qcow2"), guest_sha256(&target, "qcow2")]);
    assert_eq!(sums[0], sums[1]);
    assert_clean(&target, "qcow2");
    let map: Vec<serde_json::Value> =
        serde_json::from_str(&qemu_img(&["map", "--output=json", &shown(&source)])).unwrap();
    let data: Vec<u64> =
        map.iter().filter(|e| e["data"] == true).map(|e| e["length"].as_u64().unwrap()).collect();
    assert!(data.len() >= 1000, "{} extents", data.len());
    assert!(data.iter().sum::<u64>() >= 256 * MIB, "{} bytes of data", data.iter().sum::<u64>());
    let compared = run("qemu-img", &["compare", &shown(&source), &shown(&target)]);
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
}
