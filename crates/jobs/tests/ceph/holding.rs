//! A source is kept from writers until it is released, and what is put on it for the copy goes.

use longhaul_jobs::attempt_io::{Attempt, FromChild, Spawner, ToChild};
use longhaul_jobs::copy::image::LEFT_NOTE;
use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::rbd::{Image, Pool};
use longhaul_jobs::storage::{DiskError, Format};

use crate::cluster::{Named, pool_named, rbd};
use crate::support::{MIB, Pages, Place, child_program, dense, done, failed, outcome, spec, start};

fn image(name: &Named) -> DiskRef {
    DiskRef::image(pool_named("ps-a"), name.image())
}

/// A child that has copied the image and holds it.
async fn holding(place: &Place, name: &Named, pages: &mut Pages) -> Attempt {
    let work = spec(image(name), place.disk("v/t", Format::Raw));
    let mut attempt = start(&Spawner::new(child_program()), &work, pages).await;
    done(outcome(&mut attempt, pages).await);
    attempt
}

fn import(place: &Place, name: &Named) {
    dense(&place.path("disk.raw"), 9 * MIB, 3);
    rbd(&["import", "--no-progress", place.path("disk.raw").to_str().unwrap(), &name.0]);
}

#[tokio::test]
async fn nobody_writes_to_a_source_between_its_copy_and_its_release() {
    let (place, name) = (Place::new("rbd-hold"), Named::new("hold"));
    import(&place, &name);
    let mut pages = Pages::new();
    let mut attempt = holding(&place, &name, &mut pages).await;
    let pool = Pool::connect(&pool_named("ps-a")).unwrap();
    let guest = Image::open(&pool, name.image()).unwrap();
    assert!(matches!(guest.write(b"late", 0), Err(DiskError::InUse(_))), "its lock is held");
    attempt.send(&ToChild::CheckSource).await.unwrap();
    let error = failed(attempt.next_event().await.unwrap());
    assert!(matches!(error, DiskError::InUse(_)), "who tries is named: {error:?}");
    drop(guest);
    attempt.send(&ToChild::CheckSource).await.unwrap();
    assert!(matches!(attempt.next_event().await.unwrap(), Some(FromChild::SourceUnchanged)));
    assert!(rbd(&["snap", "ls", &name.0]).contains("longhaul-"));
    attempt.send(&ToChild::Release).await.unwrap();
    assert!(attempt.wait().await.unwrap().success());
    assert!(!rbd(&["snap", "ls", &name.0]).contains("longhaul-"));
    // What is noted of it as trash stays; nothing of its holder does.
    let noted = rbd(&["image-meta", "list", &name.0]).replace(LEFT_NOTE, "");
    assert!(!noted.contains("longhaul"), "{noted}");
    Image::open(&pool, name.image()).unwrap().write(b"free", 0).unwrap();
}

#[tokio::test]
async fn a_source_whose_lock_was_broken_and_that_was_written_to_is_not_called_unchanged() {
    let (place, name) = (Place::new("rbd-hold-broken"), Named::new("hold-broken"));
    import(&place, &name);
    let mut pages = Pages::new();
    let mut attempt = holding(&place, &name, &mut pages).await;
    let pool = Pool::connect(&pool_named("ps-a")).unwrap();
    let guest = Image::open(&pool, name.image()).unwrap();
    let owner = guest.lock_owner().unwrap().unwrap();
    guest.break_lock(&owner).unwrap();
    guest.write(b"written by force", MIB).unwrap();
    attempt.send(&ToChild::CheckSource).await.unwrap();
    let error = failed(attempt.next_event().await.unwrap());
    assert!(matches!(error, DiskError::Fenced(_) | DiskError::SourceChanged(_)), "{error:?}");
    attempt.kill_and_wait().await.unwrap();
    drop(guest);
    // And the next attempt sees by the snapshot that it is not what was copied.
    let work = spec(image(&name), place.disk("v/t", Format::Raw));
    let mut again = start(&Spawner::new(child_program()), &work, &pages).await;
    let error = failed(outcome(&mut again, &mut pages).await);
    assert!(matches!(error, DiskError::SourceChanged(_)), "{error:?}");
}

#[tokio::test]
async fn a_parent_that_goes_leaves_the_snapshot_for_the_next_attempt_which_copies_nothing_again() {
    let (place, name) = (Place::new("rbd-hold-left"), Named::new("hold-left"));
    import(&place, &name);
    let mut pages = Pages::new();
    let mut attempt = holding(&place, &name, &mut pages).await;
    attempt.leave();
    drop(attempt);
    let before = std::fs::metadata(place.path("v/t")).unwrap();
    let work = spec(image(&name), place.disk("v/t", Format::Raw));
    let mut again = start(&Spawner::new(child_program()), &work, &pages).await;
    let result = done(outcome(&mut again, &mut pages).await);
    assert_eq!(result.bytes, 9 * MIB);
    let after = std::fs::metadata(place.path("v/t")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap(), "nothing was written again");
    again.send(&ToChild::Release).await.unwrap();
    assert!(again.wait().await.unwrap().success());
    assert!(!rbd(&["snap", "ls", &name.0]).contains("longhaul-"));
}
