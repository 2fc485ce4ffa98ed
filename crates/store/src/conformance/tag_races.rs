//! What promises about tags mean when two callers ask at the same moment.

use longhaul_model::resource::Tagged;

use super::Bench;
use super::resource_races::{oks, refusals};
use crate::StoreError;
use crate::traits::TAGS_PER_RESOURCE_MAX;

/// How many ask at the same moment.
const CALLERS: usize = 12;
/// How often a race is run that only one of two can win.
const ROUNDS: usize = 8;

/// A text is put on once, by whoever asks, and changed to once.
pub async fn of_equal_tags_at_once_one_is_put_on(t: &Bench) {
    for _ in 0..ROUNDS {
        let on = Tagged::Job(t.submit(t.new_job()).await.0.id);
        let put = t.at_once(CALLERS, async |_| t.store.add_tags(on, true, &["x".to_owned()]).await);
        assert_eq!((oks(&put), refusals(&put, &StoreError::Taken)), (1, CALLERS - 1), "{put:?}");
        let texts: Vec<String> = (0..CALLERS).map(|at| at.to_string()).collect();
        let tags = t.store.add_tags(on, true, &texts).await.unwrap();
        let changed = t.at_once(CALLERS, async |at| t.store.update_tag(tags[at].id, "y").await);
        assert_eq!((oks(&changed), refusals(&changed, &StoreError::Taken)), (1, CALLERS - 1), "{changed:?}");
    }
}

/// The limit of tags holds for calls at the same moment.
pub async fn of_tags_at_once_no_more_than_fit_are_put_on(t: &Bench) {
    let on = Tagged::Storage(t.storage("/a").await.id);
    let many: Vec<String> = (3..TAGS_PER_RESOURCE_MAX).map(|n| n.to_string()).collect();
    t.store.add_tags(on, false, &many).await.unwrap();
    let put = t.at_once(CALLERS, async |at| t.store.add_tags(on, true, &[at.to_string()]).await);
    let full = StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX };
    assert_eq!((oks(&put), refusals(&put, &full)), (3, CALLERS - 3));
    assert_eq!(t.store.tags(&on.uuid()).await.unwrap().len(), TAGS_PER_RESOURCE_MAX);
}

/// A tag that is put on while its resource goes, goes too, or is refused.
pub async fn a_deleted_resource_leaves_no_tag(t: &Bench) {
    let home = t.storage("/home").await.id;
    for round in 0..ROUNDS {
        let url = round.to_string();
        let job = t.submit(t.new_job()).await.0.id;
        let version = t.cancel(job).await.version;
        let storage = t.storage(&url).await.id;
        let volume = t.store.create_volume(t.new_volume(home, &url)).await.unwrap().id;
        let shelf = t.store.create_backup_storage(t.new_backup_storage(&url)).await.unwrap().id;
        let image = t.store.create_image(t.new_image(&[]), &[]).await.unwrap().id;
        for on in [
            Tagged::Job(job),
            Tagged::Storage(storage),
            Tagged::Volume(volume),
            Tagged::BackupStorage(shelf),
            Tagged::Image(image),
        ] {
            let answers = t.at_once(4, async |at| match (at, on) {
                (0, Tagged::Job(id)) => t.store.delete_job(id, version, None).await,
                (0, Tagged::Storage(id)) => t.store.delete_storage(id).await,
                (0, Tagged::Volume(id)) => t.store.delete_volume(id, None).await,
                (0, Tagged::BackupStorage(id)) => t.store.delete_backup_storage(id).await,
                (0, Tagged::Image(id)) => t.store.delete_image(id).await,
                _ => t.store.add_tags(on, true, &[at.to_string()]).await.map(|_| ()),
            });
            assert_eq!(answers[0], Ok(()), "{on:?}");
            assert_eq!(oks(&answers) + refusals(&answers, &StoreError::NotFound), 4, "{answers:?}");
            assert_eq!(t.store.tags(&on.uuid()).await, Ok(Vec::new()), "{on:?}: {answers:?}");
        }
    }
}
