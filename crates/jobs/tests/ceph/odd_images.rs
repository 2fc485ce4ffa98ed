//! Images that are not as most are: without a byte, in a group, with as many snapshots as they may have; and removals that
//! were refused or broken off. Witness: `rbd`.

use std::collections::BTreeSet;
use std::time::Duration;

use longhaul_jobs::attempt_io::{ANSWER_WITHIN, Answer, FromChild, Question, Spawner, ToChild, ask};
use longhaul_jobs::copy::image::RemoveSnapshots;
use longhaul_jobs::storage::DiskError;

use crate::cluster::{Named, forget_clients, pool_named, rbd};
use crate::history::{assert_the_same, image, open, snap};
use crate::support::{MIB, Pages, Place, child_program, copy_here, done, outcome, spec, start};

const SNAPSHOTS: usize = 10;

async fn asked(question: Question, within: Duration) -> Result<Answer, DiskError> {
    ask(&Spawner::new(child_program()), &pool_named("ps-a"), question, within).await
}

fn removal(name: &Named) -> Question {
    Question::Remove { image: name.image().into(), snapshots: RemoveSnapshots::AsLeft, clients: None }
}

fn has(name: &Named) -> bool {
    rbd(&["ls", "ps-a"]).lines().any(|line| line == name.image())
}

/// Moves an image, which is left behind with its note.
async fn left_behind(from: &Named, to: &Named) {
    let mut pages = Pages::new();
    let mut attempt = start(&Spawner::new(child_program()), &spec(image(from), image(to)), &pages).await;
    done(outcome(&mut attempt, &mut pages).await);
    attempt.send(&ToChild::CheckSource).await.unwrap();
    assert!(matches!(attempt.next_event().await.unwrap(), Some(FromChild::SourceUnchanged)));
    attempt.send(&ToChild::Release).await.unwrap();
    assert!(attempt.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_removal_that_was_broken_off_is_gone_on_with() {
    let (from, to) = (Named::new("odd-broken-off"), Named::in_pool("ps-b", "odd-broken-off-to"));
    rbd(&["create", "--size", "8M", &from.0]);
    for n in 0..SNAPSHOTS {
        open(&from).write(&[7; 512], n as u64 * 4096).unwrap();
        snap(&from, &format!("s{n}"));
    }
    left_behind(&from, &to).await;
    let mut within = Duration::from_millis(100);
    let left = loop {
        // Killed at the end of its time.
        let _ = asked(removal(&from), within).await;
        assert!(has(&from), "no kill met the middle of the removal");
        forget_clients(&from.0);
        let left = rbd(&["snap", "ls", &from.0]).matches(" s").count();
        if left < SNAPSHOTS {
            break left;
        }
        within += Duration::from_millis(50);
    };
    assert!(left > 0, "all were gone already");
    assert_eq!(asked(removal(&from), ANSWER_WITHIN).await.unwrap(), Answer::Done);
    assert!(!has(&from));
}

#[tokio::test]
async fn an_image_of_a_group_is_refused_with_the_group_and_loses_nothing() {
    let (from, to) = (Named::new("odd-grouped"), Named::in_pool("ps-b", "odd-grouped-to"));
    rbd(&["create", "--size", "8M", &from.0]);
    snap(&from, "keep");
    left_behind(&from, &to).await;
    to.remove();
    rbd(&["group", "create", "ps-a/odd-group"]);
    rbd(&["group", "image", "add", "ps-a/odd-group", &from.0]);
    let refused = [
        asked(removal(&from), ANSWER_WITHIN).await.unwrap_err(),
        copy_here(image(&from), image(&to)).unwrap_err(),
    ];
    let probe = asked(Question::Probe { image: from.image().into() }, ANSWER_WITHIN).await.unwrap();
    let kept = rbd(&["snap", "ls", &from.0]);
    rbd(&["group", "image", "rm", "ps-a/odd-group", &from.0]);
    rbd(&["group", "rm", "ps-a/odd-group"]);
    for error in refused {
        assert!(error.to_string().contains("rbd group image rm POOL/odd-group"), "{error}");
    }
    assert!(matches!(probe, Answer::Image(facts) if facts.group.as_deref() == Some("odd-group")));
    assert!(kept.contains("keep"), "{kept}");
    assert_eq!(asked(removal(&from), ANSWER_WITHIN).await.unwrap(), Answer::Done);
    assert!(!has(&from));
}

#[tokio::test]
async fn an_image_without_a_byte_and_one_that_had_none_are_listed_and_copied() {
    let (place, empty, grown) = (Place::new("rbd-odd"), Named::new("odd-empty"), Named::new("odd-grown"));
    rbd(&["create", "--size", "0", &empty.0]);
    rbd(&["create", "--size", "0", &grown.0]);
    snap(&grown, "nothing");
    rbd(&["resize", "--no-progress", "--size", "9M", &grown.0]);
    open(&grown).write(&[3; 70_000], 5 * MIB).unwrap();
    snap(&grown, "something");
    match asked(Question::Scan { known: BTreeSet::new() }, ANSWER_WITHIN).await.unwrap() {
        Answer::Images(found) => {
            let bytes = |name: &Named| found.iter().find(|i| i.image == name.image()).map(|i| i.bytes);
            assert_eq!((bytes(&empty), bytes(&grown)), (Some(0), Some(9 * MIB)));
        }
        other => panic!("{other:?}"),
    }
    match asked(Question::Probe { image: grown.image().into() }, ANSWER_WITHIN).await.unwrap() {
        Answer::Image(facts) => assert_eq!(facts.history_bytes, Some(4 * MIB), "{facts:?}"),
        other => panic!("{other:?}"),
    }
    let to = Named::in_pool("ps-b", "odd-grown-to");
    let result = copy_here(image(&grown), image(&to)).unwrap();
    assert_the_same(&place, &grown, &to, &result);
}

#[tokio::test]
async fn an_image_that_may_have_no_more_snapshots_is_refused_with_what_to_do() {
    let (from, to) = (Named::new("odd-limited"), Named::in_pool("ps-b", "odd-limited-to"));
    rbd(&["create", "--size", "8M", &from.0]);
    snap(&from, "one");
    rbd(&["snap", "limit", "set", &from.0, "--limit", "1"]);
    let refused = copy_here(image(&from), image(&to)).unwrap_err();
    assert!(refused.to_string().contains("rbd snap limit clear"), "{refused}");
    rbd(&["snap", "limit", "clear", &from.0]);
    assert_eq!(copy_here(image(&from), image(&to)).unwrap().snapshots.len(), 1);
}
