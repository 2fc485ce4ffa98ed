//! One question, one child, one answer: and a deadline.

use std::collections::BTreeSet;
use std::time::Duration;

use longhaul_jobs::attempt_io::{ANSWER_WITHIN, Answer, Question, Spawner, ask};
use longhaul_jobs::copy::image::RemoveSnapshots;
use longhaul_jobs::rbd::{Image, Pool};
use longhaul_jobs::storage::DiskError;

use crate::cluster::{Alone, JOB, Named, pool_named, rbd};
use crate::support::{MIB, child_program};

pub async fn asked(question: Question) -> Result<Answer, DiskError> {
    ask(&Spawner::new(child_program()), &pool_named("ps-a"), question, ANSWER_WITHIN).await
}

#[tokio::test]
async fn questions_about_a_pool_are_answered_by_a_child() {
    let name = Named::new("asked");
    let image = || name.image().to_owned();
    match asked(Question::Capacity).await.unwrap() {
        Answer::Capacity(room) => {
            assert!(room.available_bytes > 0 && room.total_bytes >= room.available_bytes)
        }
        other => panic!("{other:?}"),
    }
    let fsid = Pool::connect(&pool_named("ps-a")).unwrap().fsid().unwrap();
    assert_eq!(asked(Question::Fsid).await.unwrap(), Answer::Fsid(fsid));
    assert!(matches!(asked(Question::Probe { image: image() }).await, Err(DiskError::NotFound(_))));
    let create = || asked(Question::Create { image: image(), bytes: 12 * MIB });
    assert_eq!(create().await.unwrap(), Answer::Done);
    assert!(matches!(create().await, Err(DiskError::Exists(_))));
    rbd(&["snap", "create", "--no-progress", &format!("{}@mine", name.0)]);
    match asked(Question::Probe { image: image() }).await.unwrap() {
        Answer::Image(facts) => {
            assert_eq!((facts.bytes, facts.stored_bytes), (12 * MIB, Some(0)));
            assert_eq!((facts.snapshots, facts.exclusive_lock), (vec!["mine".to_owned()], true));
        }
        other => panic!("{other:?}"),
    }
    let strays = |known: &[&str]| {
        let known: BTreeSet<String> = known.iter().map(|k| (*k).to_owned()).collect();
        asked(Question::Scan { known })
    };
    let names = |answer| match answer {
        Answer::Images(images) => images.into_iter().map(|i| i.image).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert!(names(strays(&[]).await.unwrap()).contains(&image()));
    assert!(!names(strays(&[name.image()]).await.unwrap()).contains(&image()));
    let removing = |snapshots| asked(Question::Remove { image: image(), snapshots, clients: None });
    let remove = || removing(RemoveSnapshots::Ours);
    for which in [RemoveSnapshots::Ours, RemoveSnapshots::AsLeft] {
        let refused = removing(which).await.unwrap_err().to_string();
        assert!(refused.contains("rbd snap purge"), "a snapshot of others is not removed: {refused}");
    }
    rbd(&["snap", "rm", "--no-progress", &format!("{}@mine", name.0)]);
    rbd(&["snap", "create", "--no-progress", &format!("{}@longhaul-{JOB}", name.0)]);
    assert_eq!(remove().await.unwrap(), Answer::Done);
    assert_eq!(remove().await.unwrap(), Answer::Done, "again is no error");
    assert!(!rbd(&["ls", "ps-a"]).lines().any(|line| line == name.image()));
}

#[tokio::test]
async fn an_image_in_use_is_told_and_neither_removed_nor_swept() {
    let name = Named::new("asked-in-use");
    let pool = Pool::connect(&pool_named("ps-a")).unwrap();
    Image::create(&pool, name.image(), MIB).unwrap();
    let image = || name.image().to_owned();
    assert_eq!(asked(Question::InUse { image: image() }).await.unwrap(), Answer::Holders(Vec::new()));
    let guest = Image::open(&pool, name.image()).unwrap();
    match asked(Question::InUse { image: image() }).await.unwrap() {
        Answer::Holders(holders) => {
            assert_eq!(holders[0].client, Some(guest.watchers().unwrap()[0].address.clone()));
        }
        other => panic!("{other:?}"),
    }
    let remove = Question::Remove { image: image(), snapshots: RemoveSnapshots::All, clients: None };
    let removed = asked(remove).await;
    assert!(matches!(removed, Err(DiskError::InUse(_))), "{removed:?}");
    let sweep = || asked(Question::Sweep { images: vec![image(), "never-was".to_owned()] });
    assert_eq!(sweep().await.unwrap(), Answer::Removed(vec!["never-was".to_owned()]));
    drop(guest);
    assert_eq!(sweep().await.unwrap(), Answer::Removed(vec![image(), "never-was".to_owned()]));
}

#[tokio::test]
async fn a_child_that_does_not_answer_in_time_is_killed_and_the_storage_counts_as_away() {
    let spawner = Spawner::new(child_program());
    let pool = pool_named("ps-a");
    let stopped = Alone::wait().stop_osd();
    let late =
        ask(&spawner, &pool, Question::Probe { image: "any".into() }, Duration::from_millis(700)).await;
    drop(stopped);
    match late {
        Err(error @ DiskError::Away { .. }) => assert!(error.to_string().contains("0.7 s"), "{error}"),
        other => panic!("{other:?}"),
    }
}
