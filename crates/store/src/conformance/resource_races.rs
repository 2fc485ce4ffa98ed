//! What promises mean when two callers ask at the same moment: storages, volumes, backup storages, images. Their
//! tags are in `tag_races`, the rest is in `races`.

use std::sync::atomic::{AtomicUsize, Ordering};

use longhaul_model::resource::{Effect, Image, ImageFacts, ImageStatus, Intent, IntentKind, Trash};
use longhaul_model::{JobEvent, StorageId, Transition};

use super::Bench;
use crate::StoreError;
use crate::images::BackupStorageUpdate;
use crate::traits::StorageUpdate;

/// How many ask at the same moment.
const CALLERS: usize = 12;
/// How often a race is run that only one of two can win.
const ROUNDS: usize = 8;

pub(super) fn oks<T>(answers: &[Result<T, StoreError>]) -> usize {
    answers.iter().filter(|answer| answer.is_ok()).count()
}

/// How many of these answers say `error`.
pub(super) fn refusals<T>(answers: &[Result<T, StoreError>], error: &StoreError) -> usize {
    answers.iter().filter(|answer| answer.as_ref().err() == Some(error)).count()
}

/// Of the first, who deletes, and the others, who put something on what is deleted, one side is refused.
fn one_side_won(answers: &[Result<(), StoreError>]) -> bool {
    let (deleted, others) = answers.split_first().expect("somebody asked");
    match deleted {
        Ok(()) => refusals(others, &StoreError::NotFound) == others.len(),
        Err(StoreError::InUse(_)) => oks(others) == others.len(),
        Err(_) => false,
    }
}

/// What different callers change in a storage at the same moment is all changed.
pub async fn changes_of_a_storage_at_once_are_all_kept(t: &Bench) {
    for _ in 0..ROUNDS {
        let storage = t.storage(&StorageId::random(&*t.clock).to_string()).await.id;
        let shelf = t.new_backup_storage(&storage.to_string());
        let shelf = t.store.create_backup_storage(shelf).await.unwrap().id;
        let changed = t.at_once(6, async |at| {
            let (name, status) = ((at == 0).then(|| "new".to_owned()), (at == 1).then(|| "gone".to_owned()));
            let capacity = (at == 2).then_some((5, 4));
            if at < 3 {
                let update = StorageUpdate { name, status, capacity, ..StorageUpdate::default() };
                return t.store.update_storage(storage, update).await.map(|_| ());
            }
            let (name, status) = ((at == 3).then(|| "new".to_owned()), (at == 4).then(|| "gone".to_owned()));
            let capacity = (at == 5).then_some((5, 4));
            let update = BackupStorageUpdate { name, status, capacity, ..BackupStorageUpdate::default() };
            t.store.update_backup_storage(shelf, update).await.map(|_| ())
        });
        assert_eq!(oks(&changed), 6, "{changed:?}");
        let stored = t.store.storage(storage).await.unwrap().unwrap();
        let known =
            (stored.name.as_str(), stored.status.as_str(), stored.total_bytes, stored.available_bytes);
        assert_eq!(known, ("new", "gone", 5, 4));
        let stored = t.store.backup_storage(shelf).await.unwrap().unwrap();
        let known =
            (stored.name.as_str(), stored.status.as_str(), stored.total_bytes, stored.available_bytes);
        assert_eq!(known, ("new", "gone", 5, 4));
    }
}

/// A storage is deleted, or keeps the volume that comes to it at the same moment.
pub async fn a_storage_is_deleted_or_gets_a_volume(t: &Bench) {
    for _ in 0..2 * ROUNDS {
        let storage = t.storage(&StorageId::random(&*t.clock).to_string()).await.id;
        let volumes = [t.new_volume(storage, "/1"), t.new_volume(storage, "/2")];
        let answers = t.at_once(3, async |at| match at {
            0 => t.store.delete_storage(storage).await,
            _ => t.store.create_volume(volumes[at - 1].clone()).await.map(|_| ()),
        });
        assert!(one_side_won(&answers), "{answers:?}");
        assert_eq!(t.store.storage(storage).await.unwrap().is_none(), answers[0].is_ok());
    }
}

/// A backup storage is deleted, or keeps the image that comes to it at the same moment.
pub async fn a_backup_storage_is_deleted_or_gets_an_image(t: &Bench) {
    for round in 0..2 * ROUNDS {
        let shelf = t.store.create_backup_storage(t.new_backup_storage(&round.to_string())).await.unwrap().id;
        let new = t.new_image(&[shelf]);
        let known = t.store.create_image(t.new_image(&[]), &[]).await.unwrap();
        let with_copy = Image { refs: new.refs.clone(), ..known.clone() };
        let answers = t.at_once(3, async |at| match at {
            0 => t.store.delete_backup_storage(shelf).await,
            1 => t.store.create_image(new.clone(), &[]).await.map(|_| ()),
            _ => t.store.update_image(with_copy.clone(), known.last_op_ms).await.map(|_| ()),
        });
        assert!(one_side_won(&answers), "{answers:?}");
        assert_eq!(t.store.backup_storage(shelf).await.unwrap().is_none(), answers[0].is_ok());
    }
}

/// Of writers who saw the same record of a volume, or of an image, one writes; each who reads again writes at last.
pub async fn a_record_is_written_by_one_of_those_who_saw_it(t: &Bench) {
    let storage = t.storage("/a").await.id;
    let volume = t.store.create_volume(t.new_volume(storage, "/1")).await.unwrap();
    let image = t.store.create_image(t.new_image(&[]), &[]).await.unwrap();
    let written =
        t.at_once(CALLERS, async |_| t.store.update_volume(volume.clone(), volume.last_op_ms).await);
    assert_eq!((oks(&written), refusals(&written, &StoreError::Stale)), (1, CALLERS - 1));
    let written = t.at_once(CALLERS, async |_| t.store.update_image(image.clone(), image.last_op_ms).await);
    assert_eq!((oks(&written), refusals(&written, &StoreError::Stale)), (1, CALLERS - 1));
    let mut moments = t.at_once(4, async |_| {
        let mut moments = Vec::new();
        while moments.len() < 5 {
            let mut mine = t.store.volume(volume.id).await.unwrap().unwrap();
            let seen_ms = mine.last_op_ms;
            mine.size += 1;
            match t.store.update_volume(mine, seen_ms).await {
                Ok(written) => moments.push(written.last_op_ms),
                Err(error) => assert_eq!(error, StoreError::Stale),
            }
        }
        moments
    });
    let stored = t.store.volume(volume.id).await.unwrap().unwrap();
    assert_eq!(stored.size, volume.size + 20, "no change is lost");
    let mut moments: Vec<i64> = moments.drain(..).flatten().collect();
    moments.sort_unstable();
    moments.dedup();
    assert_eq!(
        (moments.len(), moments.last()),
        (20, Some(&stored.last_op_ms)),
        "each has a moment of its own"
    );
}

/// An image that its job finishes is not abandoned at the same moment, and the other way round.
pub async fn an_image_is_abandoned_or_ready(t: &Bench) {
    let shelf = t.store.create_backup_storage(t.new_backup_storage("/a")).await.unwrap().id;
    let node = t.node().await;
    for _ in 0..ROUNDS {
        t.submit(t.new_job()).await;
        let claim = t.claim_as(node).await;
        let new = Image { job: Some(claim.job), ..t.new_image(&[shelf]) };
        let id = t.store.create_image(new, &[]).await.unwrap().id;
        let text = || "x".to_owned();
        let facts =
            ImageFacts { size: 1, actual_size: 1, md5: text(), blake3: text(), format: "raw".to_owned() };
        let effect = Effect::SetImageReady { image: id, backup_storage: shelf, install_path: text(), facts };
        let answers = t.at_once(2, async |at| match at {
            0 => t.store.abandon_image(id, claim.job).await,
            _ => {
                let effects = vec![effect.clone()];
                let transition = Transition { effects, ..Transition::plain(JobEvent::Succeed) };
                t.store.apply(&claim, transition).await.map(|_| true)
            }
        });
        let stored = t.store.image(id).await.unwrap();
        match (&answers[..], stored) {
            ([Ok(true), Err(StoreError::NotFound)], None) => {}
            ([Ok(false), Ok(true)], Some(image)) => assert_eq!(image.status, ImageStatus::Ready),
            other => panic!("{other:?}"),
        }
    }
}

/// What a job moves is known before, while and after its record says so.
pub async fn a_path_is_known_while_it_passes_from_the_ledger_to_a_volume(t: &Bench) {
    const MOVES: usize = 24;
    let storage = t.storage("/a").await.id;
    let path = |at: usize| format!("/a/{at}");
    let volume = t.store.create_volume(t.new_volume(storage, &path(0))).await.unwrap();
    for _ in 0..MOVES {
        t.submit(t.new_job()).await;
    }
    let node = t.node().await;
    let claims: Vec<_> = t.claim_all(node).await.into_iter().map(|claimed| claimed.claim).collect();
    let entered = AtomicUsize::new(0);
    let moves = async || {
        for (claim, at) in claims.iter().zip(1..) {
            let kind = IntentKind::Artifact { path: path(at) };
            let intent =
                Intent { id: 0, job: claim.job, token: 0, kind, storage: Some(storage), create_ms: 0 };
            let intent = t.store.intend(claim, intent).await.unwrap();
            entered.store(at, Ordering::SeqCst);
            let (format, install_path) = ("raw".to_owned(), path(at));
            let moved =
                Effect::MoveVolume { volume: volume.id, storage, install_path, format, actual_size: 1 };
            let left = Effect::AddTrash(trash(storage, path(at - 1)));
            let effects = vec![left, moved, Effect::LedgerDone(intent.id)];
            t.store
                .apply(claim, Transition { effects, ..Transition::plain(JobEvent::Succeed) })
                .await
                .unwrap();
        }
    };
    t.at_once(3, async |at| {
        if at == 0 {
            return moves().await;
        }
        while entered.load(Ordering::SeqCst) < MOVES {
            let surely = entered.load(Ordering::SeqCst);
            let known = t.store.known_paths(storage).await.unwrap();
            for path in (0..=surely).map(path) {
                assert!(known.contains(&path), "{path} is not in {known:?}");
            }
        }
    });
}

fn trash(storage: StorageId, install_path: String) -> Trash {
    Trash {
        id: 0,
        storage,
        resource_uuid: "r".to_owned(),
        resource_type: "VolumeVO".to_owned(),
        install_path,
        size: 1,
        kind: "MigrateVolume".to_owned(),
        create_ms: 0,
    }
}
