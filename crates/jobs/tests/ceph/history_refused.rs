//! Images whose snapshots cannot go along: refused with what to do, or left behind where that was asked for; and the
//! removal of what was left behind.

use longhaul_jobs::attempt_io::{ANSWER_WITHIN, Answer, FromChild, Question, Spawner, ToChild, ask};
use longhaul_jobs::copy::control::Control;
use longhaul_jobs::copy::image::RemoveSnapshots;
use longhaul_jobs::copy::run::{CopySpec, Snapshots, copy};
use longhaul_jobs::storage::{DiskError, Format};

use crate::cluster::{JOB, Named, conf, exported, forget_clients, pool_named, rbd};
use crate::history::{image, open, snap};
use crate::support::{MIB, Pages, Place, Quiet, child_program, copy_here, done, outcome, spec, start};

fn with_two(name: &Named) {
    rbd(&["create", "--size", "8M", &name.0]);
    open(name).write(b"old", 0).unwrap();
    snap(name, "one");
    open(name).write(b"new", 5 * MIB).unwrap();
    snap(name, "two");
}

#[test]
fn a_directory_takes_an_image_with_snapshots_only_without_them() {
    let (place, from) = (Place::new("rbd-past-file"), Named::new("past-file"));
    with_two(&from);
    let target = || place.disk("v/t", Format::Raw);
    let refused = copy_here(image(&from), target()).unwrap_err().to_string();
    assert!(refused.contains("2 snapshots (one, two)") && refused.contains("\"drop\""), "{refused}");
    assert!(!rbd(&["snap", "ls", &from.0]).contains("longhaul"), "nothing was begun");
    let mut work = CopySpec::new(image(&from), target());
    work.snapshots = Snapshots::Drop;
    let result = copy(&work, &Pages::new(), &Control::new(0), &Quiet).unwrap();
    assert!(result.snapshots.is_empty());
    assert!(std::fs::read(place.path("v/t")).unwrap() == exported(&from.0, &place.path("witness")));
    assert!(rbd(&["snap", "ls", &from.0]).contains("two"), "they stay behind");
}

#[test]
fn an_image_that_others_are_cloned_from_is_refused_and_they_are_named() {
    let parent = Named::new("past-cloned");
    let to = Named::in_pool("ps-b", "past-cloned-to");
    with_two(&parent);
    let child = Named::in_pool("ps-b", "past-child");
    rbd(&["clone", "--rbd-default-clone-format", "2", &format!("{}@one", parent.0), &child.0]);
    let refused = copy_here(image(&parent), image(&to)).unwrap_err().to_string();
    assert!(refused.contains(&child.0) && refused.contains("rbd flatten"), "{refused}");
    rbd(&["flatten", "--no-progress", &child.0]);
    assert_eq!(copy_here(image(&parent), image(&to)).unwrap().snapshots.len(), 2);
    drop(child);
}

/// Removes snapshots with the `rbd` program and kills it, until one is left among the removed ones.
fn leave_a_removal_half_done(name: &Named) {
    for after_ms in (0..200).map(|n| 20 + n * 2 % 100) {
        snap(name, "half");
        let mut removal = std::process::Command::new("rbd")
            .arg("--conf")
            .arg(conf())
            .args(["snap", "rm", "--no-progress", &format!("{}@half", name.0)])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(after_ms));
        removal.kill().unwrap();
        removal.wait().unwrap();
        forget_clients(&name.0);
        let all = rbd(&["snap", "ls", "--all", &name.0]);
        if all.contains("trash") {
            return;
        }
        if all.contains("half") {
            rbd(&["snap", "rm", "--no-progress", &format!("{}@half", name.0)]);
        }
    }
    panic!("no kill met the middle of a removal");
}

#[tokio::test]
async fn a_snapshot_whose_removal_was_broken_off_is_none_and_goes_with_the_image() {
    let (from, to) = (Named::new("past-half"), Named::in_pool("ps-b", "past-half-to"));
    rbd(&["create", "--size", "8M", &from.0]);
    open(&from).write(b"bytes", MIB).unwrap();
    leave_a_removal_half_done(&from);
    assert!(copy_here(image(&from), image(&to)).unwrap().snapshots.is_empty());
    assert!(rbd(&["snap", "ls", "--all", &from.0]).contains("trash"), "it was not the copy that ended it");
    let removal =
        Question::Remove { image: from.image().into(), snapshots: RemoveSnapshots::Ours, clients: None };
    let answer = ask(&Spawner::new(child_program()), &pool_named("ps-a"), removal, ANSWER_WITHIN).await;
    assert_eq!(answer.unwrap(), Answer::Done);
    assert!(!rbd(&["ls", "ps-a"]).lines().any(|line| line == from.image()), "it is gone");
}

#[tokio::test]
async fn what_a_move_left_behind_is_removed_with_its_snapshots_unless_it_was_touched() {
    let spawner = Spawner::new(child_program());
    for touch in ["nothing", "a snapshot"] {
        let (from, to) = (Named::new("past-left"), Named::in_pool("ps-b", "past-left-to"));
        with_two(&from);
        rbd(&["snap", "protect", &format!("{}@one", from.0)]);
        let mut pages = Pages::new();
        let mut attempt = start(&spawner, &spec(image(&from), image(&to)), &pages).await;
        assert_eq!(done(outcome(&mut attempt, &mut pages).await).snapshots.len(), 2);
        attempt.send(&ToChild::CheckSource).await.unwrap();
        assert!(matches!(attempt.next_event().await.unwrap(), Some(FromChild::SourceUnchanged)));
        attempt.send(&ToChild::Release).await.unwrap();
        assert!(attempt.wait().await.unwrap().success());
        if touch != "nothing" {
            snap(&from, "three");
        }
        let removing = |snapshots| Question::Remove { image: from.image().into(), snapshots, clients: None };
        let pool = pool_named("ps-a");
        let asked = ask(&spawner, &pool, removing(RemoveSnapshots::AsLeft), ANSWER_WITHIN).await;
        match (touch, asked) {
            ("nothing", Ok(Answer::Done)) => {}
            ("a snapshot", Err(DiskError::Touched(_))) => {
                // Deleted on purpose it goes all the same.
                ask(&spawner, &pool, removing(RemoveSnapshots::All), ANSWER_WITHIN).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert!(!rbd(&["ls", "ps-a"]).lines().any(|line| line == from.image()));
        open(&to).unprotect("one").unwrap();
    }
}

#[tokio::test]
async fn a_probe_tells_snapshots_clones_and_what_all_of_it_takes() {
    let (parent, child) = (Named::new("past-probed"), Named::new("past-probed-child"));
    with_two(&parent);
    rbd(&["clone", "--rbd-default-clone-format", "2", &format!("{}@two", parent.0), &child.0]);
    snap(&parent, &format!("longhaul-{JOB}"));
    let probe = Question::Probe { image: parent.image().into() };
    match ask(&Spawner::new(child_program()), &pool_named("ps-a"), probe, ANSWER_WITHIN).await.unwrap() {
        Answer::Image(facts) => {
            assert_eq!(facts.snapshots, ["one", "two"]);
            assert_eq!(facts.clones, std::slice::from_ref(&child.0));
            assert_eq!((facts.history_bytes, facts.foreign_snapshot), (Some(8 * MIB), None));
        }
        other => panic!("{other:?}"),
    }
    child.remove();
}
