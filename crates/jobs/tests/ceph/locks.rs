//! Watchers and the exclusive lock: seen, taken, refused, broken, and what a client can do after that. Locks that were
//! taken by hand.

use std::time::Duration;

use longhaul_jobs::attempt_io::{Answer, FromChild, Question, Spawner, ToChild};
use longhaul_jobs::copy::image::RemoveSnapshots;
use longhaul_jobs::copy::run::DiskRef;
use longhaul_jobs::rbd::Image;
use longhaul_jobs::storage::DiskError;

use crate::asking::asked;
use crate::cluster::{Named, ceph, exported, pool, pool_named, rbd};
use crate::support::{MIB, Pages, Place, child_program, done, failed, outcome, spec, start};

#[test]
fn who_has_an_image_open_for_writing_is_seen_and_readers_are_not() {
    let name = Named::new("watched");
    let (ours, theirs) = (pool(), pool());
    Image::create(&ours, name.image(), MIB).unwrap();
    let image = Image::open(&ours, name.image()).unwrap();
    let _reader = Image::open_read_only(&theirs, name.image(), None).unwrap();
    image.refuse_if_watched().unwrap();
    assert_eq!(image.watchers().unwrap().len(), 1, "ourselves");
    let writer = Image::open(&theirs, name.image()).unwrap();
    let Err(DiskError::InUse(holders)) = image.refuse_if_watched() else { panic!("not seen") };
    let client = holders[0].client.clone().unwrap();
    assert!(rbd(&["status", &name.0]).contains(&client), "{client}");
    assert!(DiskError::InUse(holders).to_string().contains(&client));
    drop(writer);
    image.refuse_if_watched().unwrap();
}

#[test]
fn a_lock_that_is_held_is_not_handed_on_and_keeps_others_from_writing() {
    let name = Named::new("locked");
    let (ours, theirs) = (pool(), pool());
    Image::create(&ours, name.image(), MIB).unwrap();
    let image = Image::open(&ours, name.image()).unwrap();
    assert!(!image.owns_lock().unwrap());
    image.lock().unwrap();
    image.lock().unwrap();
    assert!(image.owns_lock().unwrap());
    let owner = image.lock_owner().unwrap().unwrap();
    let other = Image::open(&theirs, name.image()).unwrap();
    assert_eq!(other.lock_owner().unwrap().as_deref(), Some(owner.as_str()));
    match other.lock() {
        Err(DiskError::InUse(holders)) => assert_eq!(holders[0].client.as_deref(), Some(owner.as_str())),
        unexpected => panic!("{unexpected:?}"),
    }
    assert!(matches!(other.write(&[1], 0), Err(DiskError::InUse(_))));
    image.unlock().unwrap();
    assert!(!image.owns_lock().unwrap());
    other.lock().unwrap();
    other.write(&[1], 0).unwrap();
}

#[test]
fn a_client_whose_lock_was_broken_writes_nothing_any_more() {
    let (place, name) = (Place::new("broken-lock"), Named::new("broken"));
    let (old, new) = (pool(), pool());
    Image::create(&new, name.image(), MIB).unwrap();
    let paused = Image::open(&old, name.image()).unwrap();
    paused.lock().unwrap();
    paused.write(b"before", 0).unwrap();
    let image = Image::open(&new, name.image()).unwrap();
    let owner = image.lock_owner().unwrap().unwrap();
    // Another's lock than the one that is meant is left alone.
    image.break_lock("10.0.0.1:0/1").unwrap();
    assert_eq!(image.lock_owner().unwrap().as_deref(), Some(owner.as_str()));
    image.break_lock(&owner).unwrap();
    image.lock().unwrap();
    assert!(ceph(&["osd", "blocklist", "ls"]).contains(&owner), "{owner} is shut out");
    let late = paused.write(b"after!", 0);
    assert!(matches!(late, Err(DiskError::Fenced(_))), "{late:?}");
    assert!(!matches!(paused.owns_lock(), Ok(true)));
    image.refuse_if_watched().unwrap();
    image.write(b"winner", 100).unwrap();
    image.flush().unwrap();
    let bytes = exported(&name.0, &place.path("exported"));
    assert_eq!((&bytes[..6], &bytes[100..106]), (&b"before"[..], &b"winner"[..]));
}

#[test]
fn an_image_without_an_exclusive_lock_is_refused_with_what_to_do() {
    let name = Named::new("lockless");
    rbd(&["create", "--size", "1M", "--image-feature", "layering", &name.0]);
    let image = Image::open(&pool(), name.image()).unwrap();
    let refused = image.lock().unwrap_err();
    let wanted = format!("rbd feature enable {} exclusive-lock", name.0);
    assert!(refused.to_string().contains(&wanted), "{refused}");
    rbd(&["feature", "enable", &name.0, "exclusive-lock"]);
    Image::open(&pool(), name.image()).unwrap().lock().unwrap();
}

#[test]
fn a_client_that_was_shut_out_watches_and_writes_nothing() {
    let name = Named::new("shut-out");
    let (old, new) = (pool(), pool());
    Image::create(&new, name.image(), MIB).unwrap();
    let paused = Image::open(&old, name.image()).unwrap();
    paused.lock().unwrap();
    let image = Image::open(&new, name.image()).unwrap();
    assert!(image.refuse_if_watched().is_err());
    assert_ne!(old.client_addresses().unwrap(), new.client_addresses().unwrap());
    for address in old.client_addresses().unwrap() {
        new.shut_out(&address).unwrap();
    }
    image.refuse_if_watched().unwrap();
    image.lock().unwrap();
    let late = paused.write(b"late", 0);
    assert!(matches!(late, Err(DiskError::Fenced(_))), "{late:?}");
    image.write(b"good", 0).unwrap();
}

/// The one lock of an image that was taken by hand; taken away when this is dropped, since nothing removes an image that
/// has one, not `rbd rm` either.
struct ByHand<'a> {
    name: &'a Named,
    id: String,
    locker: String,
    address: String,
}

impl<'a> ByHand<'a> {
    fn add(name: &'a Named, words: &[&str]) -> Self {
        rbd(&[&["lock", "add", &name.0], words].concat());
        let locks: serde_json::Value =
            serde_json::from_str(&rbd(&["lock", "ls", "--format", "json", &name.0])).unwrap();
        let [id, locker, address] =
            ["id", "locker", "address"].map(|part| locks[0][part].as_str().unwrap().to_owned());
        Self { name, id, locker, address }
    }
}

impl Drop for ByHand<'_> {
    fn drop(&mut self) {
        rbd(&["lock", "rm", &self.name.0, &self.id, &self.locker]);
    }
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a test watches another process, whose clock is the real one")]
async fn a_lock_that_was_taken_by_hand_is_told_at_once_with_how_to_take_it_away() {
    let to = Named::new("hand-target");
    let copy = |from: DiskRef, to: DiskRef| async move {
        let mut child = start(&Spawner::new(child_program()), &spec(from, to), &Pages::new()).await;
        let told =
            tokio::time::timeout(Duration::from_secs(20), outcome(&mut child, &mut Pages::new())).await;
        if let Ok(Some(FromChild::Done { .. })) = &told {
            child.send(&ToChild::CheckSource).await.unwrap();
            child.next_event().await.unwrap();
            child.send(&ToChild::Release).await.unwrap();
            child.wait().await.unwrap();
        }
        let _ = child.kill_and_wait().await; // it may be gone
        told
    };
    let image = |name: &Named| DiskRef::image(pool_named("ps-a"), name.image());
    for (words, word) in [(&["mine"][..], "mine"), (&["--shared", "us", "a b's"], r"'a b'\''s'")] {
        let name = Named::new(&format!("hand-locked-{}", words.len()));
        rbd(&["create", "--size", "4M", &name.0]);
        let lock = ByHand::add(&name, words);
        let wanted = format!("rbd lock rm {} {word} {}", name.0, lock.locker);
        let told = copy(image(&name), image(&to)).await;
        let told = failed(told.expect("a copy from it waits for the lock without end")).to_string();
        assert!(told.contains(&wanted) && told.contains(&lock.address), "{told}");
        let removed = Question::Remove {
            image: format!("{}@longhaul-job", name.image()),
            snapshots: RemoveSnapshots::All,
            clients: None,
        };
        let removed = asked(removed).await.unwrap_err().to_string();
        assert!(removed.contains(&wanted), "{removed}");
        match asked(Question::Probe { image: name.image().to_owned() }).await.unwrap() {
            Answer::Image(facts) => {
                let told = DiskError::InUse(facts.holders).to_string();
                assert!(told.contains(&wanted), "the plan tells it too: {told}");
            }
            other => panic!("{other:?}"),
        }
        drop(lock);
        done(copy(image(&name), image(&to)).await.unwrap());
        to.remove();
    }
}
