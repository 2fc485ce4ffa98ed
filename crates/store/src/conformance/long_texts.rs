//! Texts as long as a call may send them, of characters that don't compress: a database may have a bound of its own, on
//! what it keeps in an index for example.

use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Value};
use longhaul_model::resource::Tagged;
use longhaul_model::{HostId, NewJob, Runtime, StorageId, VolumeId};

use super::Bench;
use crate::StoreError;

/// So many characters, three bytes each, without a pattern.
fn long(t: &Bench, chars: usize) -> String {
    let character = |_| {
        let drawn = u32::try_from(t.clock.random_u128() % 20_000).unwrap_or(0);
        char::from_u32(0x4e00 + drawn).unwrap_or('x')
    };
    (0..chars).map(character).collect()
}

async fn total(t: &Bench, resource: Resource, field: Field, op: Op, value: String) -> Option<u64> {
    let conditions = vec![Condition { field, op, values: vec![Value::Text(value)] }];
    let query = Query {
        resource,
        filter: Filter { conditions, ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: 10 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    };
    t.store.query(&query).await.unwrap().total
}

/// A tag of 2048 characters is put on once, and found by all of it, and by how it begins.
pub async fn the_longest_tag_is_stored_once_and_found(t: &Bench) {
    let on = Tagged::Storage(t.storage("/a").await.id);
    let begin = long(t, 2040);
    let texts = [format!("{begin}{}", long(t, 8)), format!("{begin}{}", long(t, 8))];
    for system in [true, false] {
        assert_eq!(t.store.add_tags(on, system, &texts).await.unwrap().len(), 2);
        assert_eq!(t.store.add_tags(on, system, &texts[..1]).await, Err(StoreError::Taken));
    }
    let [first, second] = texts;
    let by = |op, text: String| async move {
        let found = total(t, Resource::SystemTag, Field::TagText, op, text.clone()).await;
        (found, total(t, Resource::Storage, Field::SystemTag, op, text).await)
    };
    assert_eq!(by(Op::Eq, first.clone()).await, (Some(1), Some(1)));
    assert_eq!(by(Op::Eq, begin.clone()).await, (Some(0), Some(0)));
    assert_eq!(by(Op::Like, format!("{begin}%")).await, (Some(2), Some(1)));
    let tag = t.store.tags(&on.uuid()).await.unwrap().into_iter().find(|tag| tag.text == first).unwrap();
    assert_eq!(t.store.update_tag(tag.id, &second).await, Err(StoreError::Taken));
}

/// Urls of 2048 characters and paths of 4096 are used once, to their last character.
pub async fn the_longest_urls_and_paths_are_used_once(t: &Bench) {
    let begin = long(t, 2040);
    for end in ["1", "2"] {
        let url = format!("{begin}{end}");
        let stored = t.store.create_storage(t.new_storage(&url)).await.unwrap();
        assert_eq!(t.store.storage(stored.id).await.unwrap().unwrap().url, url);
        assert_eq!(t.store.create_storage(t.new_storage(&url)).await, Err(StoreError::Taken));
        let mut elsewhere = t.new_storage(&url);
        elsewhere.host = Some(HostId::random(&*t.clock));
        assert!(t.store.create_storage(elsewhere).await.is_ok(), "another machine's");
        t.store.create_backup_storage(t.new_backup_storage(&url)).await.unwrap();
        let again = t.store.create_backup_storage(t.new_backup_storage(&url)).await;
        assert_eq!(again, Err(StoreError::Taken));
    }
    let storage: StorageId = t.storage("/a").await.id;
    let begin = long(t, 4090);
    for end in ["1", "2"] {
        let path = format!("{begin}{end}");
        let stored = t.store.create_volume(t.new_volume(storage, &path)).await.unwrap();
        let id: VolumeId = stored.id;
        assert_eq!(t.store.volume(id).await, Ok(Some(stored)));
        assert_eq!(t.store.create_volume(t.new_volume(storage, &path)).await, Err(StoreError::Taken));
    }
}

/// Names of 255 characters, of an account and of a job, are stored, and found.
pub async fn the_longest_names_are_found(t: &Bench) {
    let name = long(t, 255);
    let account = t.store.create_account(t.new_account(&name)).await.unwrap();
    assert_eq!(t.store.account_by_name(&name).await, Ok(Some(account)));
    assert_eq!(t.store.create_account(t.new_account(&name)).await, Err(StoreError::Taken));
    t.submit(NewJob { name: name.clone(), ..t.new_job() }).await;
    assert_eq!(total(t, Resource::Job, Field::Name, Op::Eq, name).await, Some(1));
}
