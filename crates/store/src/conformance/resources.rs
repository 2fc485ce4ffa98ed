//! Promises of `Resources` and `Ledger`.

use longhaul_model::resource::{CephPool, Intent, IntentKind, StorageKind, StorageState, Trash};
use longhaul_model::{Claim, Clock, HostId, JobEvent, StorageId};

use super::{Bench, SECOND};
use crate::StoreError;
use crate::traits::StorageUpdate;

/// A storage reads back; its dates are the store's.
pub async fn a_storage_reads_back(t: &Bench) {
    let mut new = t.new_storage("/a");
    new.host = Some(HostId::random(&*t.clock));
    new.description = Some("text".to_owned());
    let stored = t.store.create_storage(new.clone()).await.unwrap();
    (new.create_ms, new.last_op_ms) = (t.clock.now_ms(), t.clock.now_ms());
    assert_eq!(stored, new);
    assert_eq!(t.store.storage(new.id).await, Ok(Some(new)));
    assert_eq!(t.store.storage(StorageId::random(&*t.clock)).await, Ok(None));
}

/// What a storage is made of reads back, for every kind, with all that is said of a pool.
pub async fn a_storage_of_every_kind_reads_back(t: &Bench) {
    for kind in StorageKind::ALL {
        let mut new = t.new_storage(kind.name());
        new.kind = kind;
        new.mount = (kind == StorageKind::Nfs).then(|| "/mnt".to_owned());
        new.pool = (kind == StorageKind::Ceph).then(|| CephPool {
            monitors: vec!["10.0.0.1:3300".to_owned(), "10.0.0.2:6789".to_owned()],
            conf: Some("/etc/ceph/ceph.conf".to_owned()),
            user: "longhaul".to_owned(),
            keyring: Some("/etc/ceph/ceph.client.longhaul.keyring".to_owned()),
            pool: "disks".to_owned(),
            fsid: "9f6a8a0e-6b1a-4a2e-8a53-3f6f2c1f0a11".to_owned(),
        });
        let stored = t.store.create_storage(new.clone()).await.unwrap();
        assert_eq!((stored.kind, &stored.mount, &stored.pool), (new.kind, &new.mount, &new.pool));
        let update = StorageUpdate { name: Some("renamed".to_owned()), ..StorageUpdate::default() };
        t.store.update_storage(new.id, update).await.unwrap();
        let read = t.store.storage(new.id).await.unwrap().unwrap();
        assert_eq!((read.kind, read.mount, read.pool), (new.kind, new.mount, new.pool));
    }
}

/// What becomes a volume is in the trash no more; other trash stays.
pub async fn what_becomes_a_volume_leaves_the_trash(t: &Bench) {
    let (here, there) = (t.storage("/a").await, t.storage("/b").await);
    for (storage, path) in [(here.id, "/a/1"), (here.id, "/a/2"), (there.id, "/a/1")] {
        t.store.add_trash(trash(storage, path)).await.unwrap();
    }
    t.store.create_volume(t.new_volume(here.id, "/a/1")).await.unwrap();
    let left = t.store.trash(here.id).await.unwrap();
    assert_eq!(left.iter().map(|row| row.install_path.as_str()).collect::<Vec<_>>(), ["/a/2"]);
    assert_eq!(t.store.trash(there.id).await.unwrap().len(), 1);
}

/// A directory of a host is one storage.
pub async fn a_storage_url_is_used_once_per_host(t: &Bench) {
    let stored = t.storage("/a").await;
    assert_eq!(t.store.create_storage(t.new_storage("/a")).await, Err(StoreError::Taken));
    let mut elsewhere = t.new_storage("/a");
    elsewhere.host = Some(HostId::random(&*t.clock));
    assert!(t.store.create_storage(elsewhere.clone()).await.is_ok());
    elsewhere.id = StorageId::random(&*t.clock);
    assert_eq!(t.store.create_storage(elsewhere).await, Err(StoreError::Taken));
    let mut same_id = t.new_storage("/b");
    same_id.id = stored.id;
    assert_eq!(t.store.create_storage(same_id).await, Err(StoreError::Taken));
}

/// What is not given stays.
pub async fn a_storage_update_changes_what_is_given(t: &Bench) {
    let stored = t.storage("/a").await;
    t.clock.advance(SECOND);
    let update = StorageUpdate {
        state: Some(StorageState::Maintenance),
        status: Some("Disconnected".to_owned()),
        capacity: Some((5, 4)),
        ..StorageUpdate::default()
    };
    let changed = t.store.update_storage(stored.id, update).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.state), ("pool", StorageState::Maintenance));
    assert_eq!((changed.total_bytes, changed.available_bytes), (5, 4));
    assert_eq!(changed.last_op_ms, stored.last_op_ms + SECOND);
    assert_eq!(t.store.storage(stored.id).await, Ok(Some(changed)));
    let unknown = StorageId::random(&*t.clock);
    let answer = t.store.update_storage(unknown, StorageUpdate::default()).await;
    assert_eq!(answer, Err(StoreError::NotFound));
}

fn trash(storage: StorageId, path: &str) -> Trash {
    Trash {
        id: 0,
        storage,
        resource_uuid: "r".to_owned(),
        resource_type: "VolumeVO".to_owned(),
        install_path: path.to_owned(),
        size: 4096,
        kind: "MigrateVolume".to_owned(),
        create_ms: 0,
    }
}

async fn intend(t: &Bench, claim: &Claim, storage: Option<StorageId>, path: &str) -> Intent {
    let kind = IntentKind::Artifact { path: path.to_owned() };
    let intent = Intent { id: 0, job: claim.job, token: claim.token, kind, storage, create_ms: 0 };
    t.store.intend(claim, intent).await.unwrap()
}

/// A storage is deleted when nothing lies on it; its trash records go with it.
pub async fn a_storage_in_use_is_not_deleted(t: &Bench) {
    let storage = t.storage("/a").await;
    let volume = t.store.create_volume(t.new_volume(storage.id, "/a/1")).await.unwrap();
    t.store.add_trash(trash(storage.id, "/a/old")).await.unwrap();
    let refused = t.store.delete_storage(storage.id).await;
    assert_eq!(refused, Err(StoreError::InUse(format!("volume[uuid:{}]", volume.id))));
    t.store.delete_volume(volume.id, None).await.unwrap();
    let claim = t.submit_and_claim().await;
    let intent = intend(t, &claim, Some(storage.id), "/a/new").await;
    let refused = t.store.delete_storage(storage.id).await;
    assert_eq!(refused, Err(StoreError::InUse(format!("work of job[uuid:{}]", claim.job))));
    t.store.settle(intent.id).await.unwrap();
    t.store.delete_storage(storage.id).await.unwrap();
    assert_eq!(t.store.storage(storage.id).await, Ok(None));
    assert!(t.store.trash(storage.id).await.unwrap().is_empty());
    assert_eq!(t.store.delete_storage(storage.id).await, Err(StoreError::NotFound));
}

/// A volume reads back; a path on a storage is one volume.
pub async fn a_volume_path_is_used_once_per_storage(t: &Bench) {
    let (a, b) = (t.storage("/a").await.id, t.storage("/b").await.id);
    let stored = t.store.create_volume(t.new_volume(a, "/1")).await.unwrap();
    assert_eq!(t.store.volume(stored.id).await, Ok(Some(stored.clone())));
    assert_eq!(t.store.create_volume(t.new_volume(a, "/1")).await, Err(StoreError::Taken));
    assert_eq!(t.store.create_volume(stored).await, Err(StoreError::Taken));
    assert!(t.store.create_volume(t.new_volume(b, "/1")).await.is_ok());
    for _ in 0..2 {
        let mut empty = t.new_volume(a, "/1");
        (empty.storage, empty.install_path, empty.format) = (None, None, None);
        assert!(t.store.create_volume(empty).await.is_ok(), "not instantiated: no path");
    }
}

/// A volume is written only by who saw its newest record.
pub async fn a_volume_is_written_by_who_saw_its_newest_record(t: &Bench) {
    let storage = t.storage("/a").await;
    let stored = t.store.create_volume(t.new_volume(storage.id, "/1")).await.unwrap();
    let mut volume = stored.clone();
    volume.status = "Deleted".to_owned();
    volume.deleted_ms = Some(5);
    volume.create_ms = 0;
    let written = t.store.update_volume(volume.clone(), stored.last_op_ms).await.unwrap();
    assert_eq!((written.status.as_str(), written.deleted_ms), ("Deleted", Some(5)));
    assert_eq!(written.create_ms, stored.create_ms, "the store's date stays");
    assert!(written.last_op_ms > stored.last_op_ms, "even at the same moment");
    assert_eq!(t.store.volume(stored.id).await, Ok(Some(written)));
    let late = t.store.update_volume(volume, stored.last_op_ms).await;
    assert_eq!(late, Err(StoreError::Stale));
    let unknown = t.new_volume(storage.id, "/2");
    assert_eq!(t.store.update_volume(unknown, 0).await, Err(StoreError::NotFound));
}

/// A volume on which a job works stays.
pub async fn a_volume_is_not_deleted_under_an_ordered_job(t: &Bench) {
    let storage = t.storage("/a").await;
    let volume = t.store.create_volume(t.new_volume(storage.id, "/1")).await.unwrap();
    let (job, _) = t.submit(t.new_ordered_job(&volume.id.to_string())).await;
    let in_use = StoreError::InUse(format!("job[uuid:{}]", job.id));
    assert_eq!(t.store.delete_volume(volume.id, None).await, Err(in_use));
    t.cancel(job.id).await;
    assert_eq!(t.store.delete_volume(volume.id, None).await, Ok(()));
    assert_eq!(t.store.volume(volume.id).await, Ok(None));
    assert_eq!(t.store.delete_volume(volume.id, None).await, Err(StoreError::NotFound));
}

/// The job whose turn it is removes the volume that it works on; one that waits behind it does not.
pub async fn the_job_whose_turn_it_is_may_delete_its_volume(t: &Bench) {
    let storage = t.storage("/a").await;
    let volume = t.store.create_volume(t.new_volume(storage.id, "/1")).await.unwrap();
    let (first, _) = t.submit(t.new_ordered_job(&volume.id.to_string())).await;
    let (second, _) = t.submit(t.new_ordered_job(&volume.id.to_string())).await;
    let in_use = StoreError::InUse(format!("job[uuid:{}]", first.id));
    assert_eq!(t.store.delete_volume(volume.id, Some(second.id)).await, Err(in_use));
    assert_eq!(t.store.delete_volume(volume.id, Some(first.id)).await, Ok(()));
    assert_eq!(t.store.volume(volume.id).await, Ok(None));
}

/// Trash is numbered and listed oldest first.
pub async fn trash_is_numbered_and_listed_oldest_first(t: &Bench) {
    let storage = t.storage("/a").await.id;
    let first = t.store.add_trash(trash(storage, "/a/1")).await.unwrap();
    let second = t.store.add_trash(trash(storage, "/a/2")).await.unwrap();
    assert!(first.id > 0 && second.id > first.id);
    assert_eq!(first.create_ms, t.clock.now_ms());
    assert_eq!(t.store.trash(storage).await.unwrap(), [first.clone(), second.clone()]);
    t.store.remove_trash(second.id).await.unwrap();
    t.store.remove_trash(second.id).await.unwrap();
    assert_eq!(t.store.trash(storage).await.unwrap(), [first]);
    let third = t.store.add_trash(trash(storage, "/a/3")).await.unwrap();
    assert!(third.id > second.id, "a number is never used again");
}

/// Whatever something points at is known.
pub async fn known_paths_are_those_that_something_points_at(t: &Bench) {
    let storage = t.storage("/a").await.id;
    let elsewhere = t.storage("/b").await.id;
    t.store.create_volume(t.new_volume(storage, "/a/volume")).await.unwrap();
    t.store.create_volume(t.new_volume(elsewhere, "/b/volume")).await.unwrap();
    t.store.add_trash(trash(storage, "/a/trash")).await.unwrap();
    let claim = t.submit_and_claim().await;
    intend(t, &claim, Some(storage), "/a/new").await;
    intend(t, &claim, Some(elsewhere), "/b/new").await;
    assert_eq!(t.store.known_paths(storage).await.unwrap(), ["/a/new", "/a/trash", "/a/volume"]);
}

/// Intents outlive their claim until they are settled.
pub async fn intents_stay_until_they_are_settled(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let first = intend(t, &claim, None, "/1").await;
    let host = HostId::random(&*t.clock);
    let kind = IntentKind::Child { host, pid: 7, start_ticks: 8 };
    let child = Intent { kind, ..first.clone() };
    let second = t.store.intend(&claim, child).await.unwrap();
    assert!(second.id > first.id);
    assert_eq!((first.job, first.token, first.create_ms), (claim.job, claim.token, t.clock.now_ms()));
    t.apply(&claim, JobEvent::Fail).await.unwrap();
    assert_eq!(t.store.intents(claim.job).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(t.store.all_intents().await.unwrap(), [first.clone(), second.clone()]);
    t.store.settle(first.id).await.unwrap();
    t.store.settle(first.id).await.unwrap();
    assert_eq!(t.store.all_intents().await.unwrap(), [second], "it tells of the outside");
}

/// With its job goes an intent: what it names is found by a scan again, and the storage can be deleted.
pub async fn with_a_job_go_its_intents(t: &Bench) {
    let storage = t.storage("/a").await.id;
    let claim = t.submit_and_claim().await;
    t.submit(t.new_job()).await;
    let other = t.claim_as(claim.node).await;
    intend(t, &claim, Some(storage), "/a/left").await;
    let kept = intend(t, &other, None, "/b/new").await;
    t.apply(&claim, JobEvent::Fail).await.unwrap();
    let job = t.job(claim.job).await;
    assert_eq!(t.store.known_paths(storage).await.unwrap(), ["/a/left"]);
    t.store.delete_job(job.id, job.version, None).await.unwrap();
    assert_eq!(t.store.all_intents().await.unwrap(), [kept], "that of another job stays");
    assert!(t.store.known_paths(storage).await.unwrap().is_empty());
    assert_eq!(t.store.delete_storage(storage).await, Ok(()));
}
