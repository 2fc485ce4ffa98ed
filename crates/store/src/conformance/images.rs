//! Promises of `Images`, and queries of images. What they have to do with the job that makes them is in `image_jobs`.

use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::resource::{
    BackupStorageKind, CephPool, Effect, Export, Image, Intent, IntentKind, StorageState, Tagged,
};
use longhaul_model::{
    AccountId, BackupStorageId, Clock, HostId, ImageId, JobEvent, JobId, JobState, Transition,
};

use super::{Bench, SECOND};
use crate::StoreError;
use crate::images::BackupStorageUpdate;

async fn shelf(t: &Bench, url: &str) -> BackupStorageId {
    t.store.create_backup_storage(t.new_backup_storage(url)).await.unwrap().id
}

async fn image(t: &Bench, on: &[BackupStorageId]) -> Image {
    t.store.create_image(t.new_image(on), &[]).await.unwrap()
}

/// What a backup storage is made of reads back, for every kind; its dates are the store's.
pub async fn a_backup_storage_of_every_kind_reads_back(t: &Bench) {
    for kind in BackupStorageKind::ALL {
        let mut new = t.new_backup_storage(kind.name());
        new.kind = kind;
        new.pool = (kind == BackupStorageKind::Ceph).then(|| CephPool {
            monitors: vec!["10.0.0.1:3300".to_owned()],
            conf: None,
            user: "admin".to_owned(),
            keyring: None,
            pool: "images".to_owned(),
            fsid: "9f6a8a0e-6b1a-4a2e-8a53-3f6f2c1f0a11".to_owned(),
        });
        let stored = t.store.create_backup_storage(new.clone()).await.unwrap();
        assert_eq!((stored.create_ms, stored.last_op_ms), (t.clock.now_ms(), t.clock.now_ms()));
        (new.create_ms, new.last_op_ms) = (stored.create_ms, stored.last_op_ms);
        assert_eq!(stored, new);
        assert_eq!(t.store.backup_storage(new.id).await, Ok(Some(stored)));
    }
    assert_eq!(t.store.backup_storage(BackupStorageId::random(&*t.clock)).await, Ok(None));
}

/// A directory of a host is one backup storage.
pub async fn a_directory_of_a_host_is_one_backup_storage(t: &Bench) {
    let stored = shelf(t, "/a").await;
    assert_eq!(t.store.create_backup_storage(t.new_backup_storage("/a")).await, Err(StoreError::Taken));
    let mut same = t.new_backup_storage("/b");
    same.id = stored;
    assert_eq!(t.store.create_backup_storage(same).await, Err(StoreError::Taken), "the uuid");
    let mut elsewhere = t.new_backup_storage("/a");
    elsewhere.host = Some(HostId::random(&*t.clock));
    assert!(t.store.create_backup_storage(elsewhere).await.is_ok(), "another machine's directory");
}

/// What is given changes, the rest stays.
pub async fn a_backup_storage_update_changes_what_is_given(t: &Bench) {
    let id = shelf(t, "/a").await;
    t.clock.advance(SECOND);
    let update = BackupStorageUpdate { name: Some("new".to_owned()), ..BackupStorageUpdate::default() };
    let renamed = t.store.update_backup_storage(id, update).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.ssh_port), ("new", Some(22)));
    assert_eq!(renamed.last_op_ms, t.clock.now_ms());
    let update = BackupStorageUpdate {
        state: Some(StorageState::Disabled),
        status: Some("Disconnected".to_owned()),
        capacity: Some((10, 5)),
        host_name: Some("shelf.example".to_owned()),
        ..BackupStorageUpdate::default()
    };
    let changed = t.store.update_backup_storage(id, update).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.state), ("new", StorageState::Disabled));
    assert_eq!((changed.total_bytes, changed.available_bytes), (10, 5));
    assert_eq!(t.store.backup_storage(id).await, Ok(Some(changed)));
    let unknown = BackupStorageId::random(&*t.clock);
    let missing = t.store.update_backup_storage(unknown, BackupStorageUpdate::default()).await;
    assert_eq!(missing, Err(StoreError::NotFound));
}

/// Nothing is deleted under an image, nor under work that is under way; its tags go with it.
pub async fn a_backup_storage_in_use_is_not_deleted(t: &Bench) {
    let (used, busy) = (shelf(t, "/a").await, shelf(t, "/b").await);
    let image = image(t, &[used]).await;
    let in_use = StoreError::InUse(format!("image[uuid:{}]", image.id));
    assert_eq!(t.store.delete_backup_storage(used).await, Err(in_use));
    let tag = t.store.add_tags(Tagged::BackupStorage(used), true, &["x".to_owned()]).await.unwrap().remove(0);
    t.store.delete_image(image.id).await.unwrap();
    t.store.delete_backup_storage(used).await.unwrap();
    assert_eq!(t.store.backup_storage(used).await, Ok(None));
    assert_eq!(t.store.tag(tag.id).await, Ok(None));
    assert_eq!(t.store.delete_backup_storage(used).await, Err(StoreError::NotFound));

    let claim = t.submit_and_claim().await;
    let kind = IntentKind::ImageArtifact { backup_storage: busy, path: "/b/x".to_owned() };
    let intent = Intent { id: 0, job: JobId::from_bits(0), token: 0, kind, storage: None, create_ms: 0 };
    let intent = t.store.intend(&claim, intent).await.unwrap();
    let in_use = StoreError::InUse(format!("work of job[uuid:{}]", claim.job));
    assert_eq!(t.store.delete_backup_storage(busy).await, Err(in_use));
    t.store.settle(intent.id).await.unwrap();
    assert_eq!(t.store.delete_backup_storage(busy).await, Ok(()));
}

/// All of an image reads back, its copies by the uuid of their backup storage.
pub async fn an_image_reads_back_with_its_copies(t: &Bench) {
    let places = [shelf(t, "/a").await, shelf(t, "/b").await];
    let mut new = t.new_image(&places);
    new.description = Some("d".to_owned());
    new.guest_os_type = Some("Debian".to_owned());
    (new.system, new.virtio, new.enabled) = (true, false, false);
    new.refs[1].export_url = Some("http://export".to_owned());
    new.refs[1].export_md5 = Some("e".to_owned());
    let more = |n: u8| Export { url: format!("http://export/{n}"), md5: n.to_string() };
    new.refs[1].more_exports = vec![more(1), more(2)];
    let stored = t.store.create_image(new.clone(), &[]).await.unwrap();
    let now_ms = t.clock.now_ms();
    (new.create_ms, new.last_op_ms) = (now_ms, now_ms);
    new.refs.sort_by_key(|r| r.backup_storage);
    new.refs.iter_mut().for_each(|r| (r.create_ms, r.last_op_ms) = (now_ms, now_ms));
    assert_eq!(stored, new);
    assert_eq!(t.store.image(new.id).await, Ok(Some(stored)));
    assert_eq!(t.store.create_image(new, &[]).await, Err(StoreError::Taken));
    assert_eq!(t.store.image(ImageId::random(&*t.clock)).await, Ok(None));
}

/// No copy lies on what is not there, from the start and later.
pub async fn an_image_lies_on_known_backup_storages_only(t: &Bench) {
    let (known, unknown) = (shelf(t, "/a").await, BackupStorageId::random(&*t.clock));
    let new = t.new_image(&[known, unknown]);
    assert_eq!(t.store.create_image(new.clone(), &[]).await, Err(StoreError::NotFound));
    assert_eq!(t.store.image(new.id).await, Ok(None), "nothing of it was stored");
    let mut stored = image(t, &[known]).await;
    stored.refs[0].backup_storage = unknown;
    let seen_ms = stored.last_op_ms;
    assert_eq!(t.store.update_image(stored, seen_ms).await, Err(StoreError::NotFound));
}

/// An update is made on what was seen, or not at all.
pub async fn an_image_update_needs_the_seen_version(t: &Bench) {
    let places = [shelf(t, "/a").await, shelf(t, "/b").await];
    let stored = image(t, &places).await;
    let mut changed = stored.clone();
    changed.name = "renamed".to_owned();
    changed.refs.remove(0);
    let updated = t.store.update_image(changed.clone(), stored.last_op_ms).await.unwrap();
    assert!(updated.last_op_ms > stored.last_op_ms);
    assert_eq!((updated.refs.len(), updated.create_ms), (1, stored.create_ms));
    assert_eq!(t.store.image(stored.id).await, Ok(Some(updated)));
    assert_eq!(t.store.update_image(changed.clone(), stored.last_op_ms).await, Err(StoreError::Stale));
    changed.id = ImageId::random(&*t.clock);
    assert_eq!(t.store.update_image(changed, 0).await, Err(StoreError::NotFound));
}

/// A deleted image leaves nothing.
pub async fn a_deleted_image_is_gone_with_its_copies(t: &Bench) {
    let place = shelf(t, "/a").await;
    let stored = image(t, &[place]).await;
    let tag = t.store.add_tags(Tagged::Image(stored.id), false, &["x".to_owned()]).await.unwrap().remove(0);
    t.store.delete_image(stored.id).await.unwrap();
    assert_eq!(t.store.image(stored.id).await, Ok(None));
    assert_eq!(t.store.tag(tag.id).await, Ok(None));
    assert_eq!(t.store.delete_image(stored.id).await, Err(StoreError::NotFound));
    assert_eq!(t.store.delete_backup_storage(place).await, Ok(()), "no copy lies on it any more");
}

/// The same bytes are found, whoever owns them.
pub async fn images_of_one_content_are_found_oldest_first(t: &Bench) {
    let place = shelf(t, "/a").await;
    let mut ids = Vec::new();
    for content in ["one", "two", "one"] {
        t.clock.advance(SECOND);
        let mut new = t.new_image(&[place]);
        new.blake3 = Some(content.to_owned());
        new.account = AccountId::random(&*t.clock);
        ids.push(t.store.create_image(new, &[]).await.unwrap().id);
    }
    image(t, &[place]).await;
    let found = t.store.images_of_content("one").await.unwrap();
    assert_eq!(found.iter().map(|i| i.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
    assert_eq!(t.store.images_of_content("three").await, Ok(Vec::new()));
}

/// The copy is where it went at the moment when the job has succeeded, and nowhere else.
pub async fn a_copy_moves_with_the_success_of_its_job(t: &Bench) {
    let places = [shelf(t, "/a").await, shelf(t, "/b").await];
    let stored = image(t, &places[..1]).await;
    let moved = |from: usize, to: usize| Effect::MoveImage {
        image: stored.id,
        from: places[from],
        to: places[to],
        install_path: "/b/x".to_owned(),
        format: "raw".to_owned(),
    };
    let claim = t.submit_and_claim().await;
    let succeed = |effects| Transition { effects, ..Transition::plain(JobEvent::Succeed) };
    for wrong in [moved(1, 0), moved(0, 0)] {
        assert!(t.store.apply(&claim, succeed(vec![wrong])).await.is_err());
        assert_eq!(t.store.image(stored.id).await, Ok(Some(stored.clone())), "nothing of it");
    }
    assert_eq!(t.store.apply(&claim, succeed(vec![moved(0, 1)])).await.unwrap().state, JobState::Succeeded);
    let image = t.store.image(stored.id).await.unwrap().unwrap();
    assert_eq!((image.refs.len(), image.format.as_str()), (1, "raw"));
    assert_eq!(image.on(places[1]).map(|r| r.install_path.as_str()), Some("/b/x"));
    assert!(image.last_op_ms > stored.last_op_ms);
}

/// What somebody owns keeps the account.
pub async fn an_account_with_images_is_not_deleted(t: &Bench) {
    let owner = t.store.create_account(t.new_account("ann")).await.unwrap();
    let place = shelf(t, "/a").await;
    let mut new = t.new_image(&[place]);
    new.account = owner.id;
    let stored = t.store.create_image(new, &[]).await.unwrap();
    let in_use = StoreError::InUse(format!("image[uuid:{}]", stored.id));
    assert_eq!(t.store.delete_account(owner.id).await, Err(in_use));
    t.store.delete_image(stored.id).await.unwrap();
    assert_eq!(t.store.delete_account(owner.id).await, Ok(()));
}

async fn found(t: &Bench, conditions: Vec<Condition>, visible_to: Option<AccountId>) -> Vec<String> {
    let query = Query {
        without_bodies: false,
        resource: Resource::Image,
        filter: Filter { conditions, terms: Vec::new(), visible_to },
        sort: Some(longhaul_model::query::Sort { field: Field::Name, descending: false }),
        page: Page { start: 0, limit: 10 },
        want_rows: true,
        want_total: true,
    };
    let answer = t.store.query(&query).await.unwrap();
    let Rows::Images(rows) = answer.rows else { panic!("{:?}", answer.rows) };
    assert_eq!(answer.total, Some(rows.len() as u64));
    rows.into_iter().map(|i| i.name).collect()
}

fn one(field: Field, op: Op, values: &[&str]) -> Vec<Condition> {
    vec![Condition { field, op, values: values.iter().map(|v| Value::Text((*v).to_owned())).collect() }]
}

async fn named(t: &Bench, name: &str, on: &[BackupStorageId]) -> Image {
    let mut new = t.new_image(on);
    name.clone_into(&mut new.name);
    new.refs.iter_mut().for_each(|r| r.install_path = format!("/{name}"));
    t.store.create_image(new, &[]).await.unwrap()
}

/// An image is found where one of its copies is what was asked for.
pub async fn images_are_queried_by_their_copies(t: &Bench) {
    let (a, b) = (shelf(t, "/a").await, shelf(t, "/b").await);
    named(t, "both", &[a, b]).await;
    named(t, "first", &[a]).await;
    named(t, "none", &[]).await;
    let (on_a, on_b) = (a.to_string(), b.to_string());
    let ask = |field, op, values: Vec<String>| async move {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        found(t, one(field, op, &values), None).await
    };
    assert_eq!(ask(Field::CopyPlace, Op::Eq, vec![on_a.clone()]).await, ["both", "first"]);
    assert_eq!(ask(Field::CopyPlace, Op::Eq, vec![on_b.clone()]).await, ["both"]);
    assert_eq!(ask(Field::CopyPlace, Op::In, vec![on_a.clone(), on_b]).await, ["both", "first"]);
    assert_eq!(ask(Field::CopyPlace, Op::Ne, vec![on_a]).await, ["both"], "a copy that is elsewhere");
    assert_eq!(ask(Field::CopyPath, Op::Like, vec!["/f%".to_owned()]).await, ["first"]);
    assert_eq!(ask(Field::CopyStatus, Op::Eq, vec!["Downloading".to_owned()]).await, ["both", "first"]);
    assert!(ask(Field::CopyStatus, Op::Eq, vec!["Ready".to_owned()]).await.is_empty());
    assert_eq!(ask(Field::Type, Op::Eq, vec!["zstack".to_owned()]).await.len(), 3);
    assert_eq!(ask(Field::State, Op::Eq, vec!["Enabled".to_owned()]).await.len(), 3);
}

/// An account sees its own.
pub async fn images_are_seen_by_their_owner(t: &Bench) {
    let place = shelf(t, "/a").await;
    named(t, "mine", &[place]).await;
    assert_eq!(found(t, Vec::new(), Some(t.account)).await, ["mine"]);
    assert!(found(t, Vec::new(), Some(AccountId::random(&*t.clock))).await.is_empty());
}

/// Backup storages are found by their kind, and by what they were added with.
pub async fn backup_storages_are_queried_by_kind(t: &Bench) {
    let directory = shelf(t, "/a").await;
    let mut pool = t.new_backup_storage("ceph://x/y");
    (pool.kind, pool.ssh_port) = (BackupStorageKind::Ceph, None);
    t.store.create_backup_storage(pool).await.unwrap();
    for (field, values) in [
        (Field::Type, vec![Value::Text("ImageStoreBackupStorage".to_owned())]),
        (Field::SshPort, vec![Value::Int(22)]),
        (Field::Url, vec![Value::Text("/a".to_owned())]),
    ] {
        let query = Query {
            without_bodies: false,
            resource: Resource::BackupStorage,
            filter: Filter { conditions: vec![Condition { field, op: Op::Eq, values }], ..Filter::default() },
            sort: None,
            page: Page { start: 0, limit: 10 },
            want_rows: true,
            want_total: false,
        };
        let answer = t.store.query(&query).await.unwrap();
        let Rows::BackupStorages(rows) = answer.rows else { panic!("{:?}", answer.rows) };
        assert_eq!(rows.iter().map(|s| s.id).collect::<Vec<_>>(), [directory], "{field:?}");
    }
}
