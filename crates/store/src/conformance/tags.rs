//! Promises of `Tags`, and queries of tags.

use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Rows, Sort, Value};
use longhaul_model::resource::{Tag, Tagged};
use longhaul_model::{AccountId, Clock, JobId, NewJob, NewTag, StorageId, TagId, VolumeId};

use super::{Bench, SECOND};
use crate::StoreError;
use crate::traits::TAGS_PER_RESOURCE_MAX;

async fn put(t: &Bench, on: Tagged, system: bool, texts: &[&str]) -> Result<Vec<Tag>, StoreError> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    t.store.add_tags(on, system, &texts).await
}

async fn texts(t: &Bench, on: Tagged) -> Vec<String> {
    let mut texts: Vec<_> = t.store.tags(&on.uuid()).await.unwrap().into_iter().map(|tag| tag.text).collect();
    texts.sort();
    texts
}

/// One resource of each kind that can have tags; job and volume are of the bench's account.
async fn three(t: &Bench) -> [Tagged; 3] {
    let job = t.submit(t.new_job()).await.0.id;
    let storage = t.storage("/pool").await.id;
    let volume = t.store.create_volume(t.new_volume(storage, "/pool/1")).await.unwrap().id;
    [Tagged::Job(job), Tagged::Volume(volume), Tagged::Storage(storage)]
}

/// A tag reads back; its dates are the store's.
pub async fn a_tag_reads_back_with_the_dates_of_the_store(t: &Bench) {
    for on in three(t).await {
        t.clock.advance(SECOND);
        let tag = put(t, on, true, &["a::1"]).await.unwrap().remove(0);
        let now_ms = t.clock.now_ms();
        let expected = Tag {
            id: tag.id,
            resource_uuid: on.uuid(),
            resource_type: on.resource_type().to_owned(),
            system: true,
            text: "a::1".to_owned(),
            create_ms: now_ms,
            last_op_ms: now_ms,
        };
        assert_eq!(tag, expected);
        assert_eq!(t.store.tag(tag.id).await, Ok(Some(tag.clone())));
        assert_eq!(t.store.tags(&on.uuid()).await, Ok(vec![tag]));
    }
    assert_eq!(t.store.tag(TagId::random(&*t.clock)).await, Ok(None));
}

/// All of a call's tags, or none.
pub async fn of_many_tags_all_are_put_on_or_none(t: &Bench) {
    let [on, ..] = three(t).await;
    assert_eq!(put(t, on, false, &["a", "b"]).await.unwrap().len(), 2);
    assert_eq!(put(t, on, false, &["c", "a"]).await, Err(StoreError::Taken));
    assert_eq!(put(t, on, false, &["d", "d"]).await, Err(StoreError::Taken));
    assert_eq!(texts(t, on).await, ["a", "b"]);
    assert_eq!(put(t, on, false, &[]).await, Ok(Vec::new()));
}

/// A text is once among system tags, once among user tags of a resource.
pub async fn a_resource_has_a_text_once_among_tags_of_a_kind(t: &Bench) {
    let [job, volume, _] = three(t).await;
    put(t, job, true, &["x"]).await.unwrap();
    assert_eq!(put(t, job, true, &["x"]).await, Err(StoreError::Taken));
    assert!(put(t, job, false, &["x"]).await.is_ok(), "the other kind");
    assert!(put(t, job, true, &["X"]).await.is_ok(), "texts compare exactly");
    assert!(put(t, volume, true, &["x"]).await.is_ok(), "another resource");
    let tags = vec![NewTag { system: true, text: "x".to_owned() }];
    let submitted = t.submit(NewJob { tags, ..t.new_job() }).await.0.id;
    assert_eq!(put(t, Tagged::Job(submitted), true, &["x"]).await, Err(StoreError::Taken));
}

/// Without its resource there is no tag.
pub async fn a_resource_that_is_not_there_takes_no_tag(t: &Bench) {
    for on in [
        Tagged::Job(JobId::random(&*t.clock)),
        Tagged::Volume(VolumeId::random(&*t.clock)),
        Tagged::Storage(StorageId::random(&*t.clock)),
    ] {
        assert_eq!(put(t, on, true, &["x"]).await, Err(StoreError::NotFound));
        assert_eq!(t.store.tags(&on.uuid()).await, Ok(Vec::new()));
    }
    let [job, ..] = three(t).await;
    let Tagged::Job(id) = job else { panic!("{job:?}") };
    let wrong = Tagged::Volume(VolumeId::from_bits(id.bits()));
    assert_eq!(put(t, wrong, true, &["x"]).await, Err(StoreError::NotFound), "a job's uuid is no volume's");
}

/// A tag's text changes, its date with it.
pub async fn a_changed_tag_is_found_under_its_new_text(t: &Bench) {
    let [on, ..] = three(t).await;
    let [a, b]: [Tag; 2] = put(t, on, true, &["a", "b"]).await.unwrap().try_into().unwrap();
    t.clock.advance(SECOND);
    let changed = t.store.update_tag(a.id, "c").await.unwrap();
    assert_eq!(changed, Tag { text: "c".to_owned(), last_op_ms: a.create_ms + SECOND, ..a.clone() });
    assert_eq!(t.store.tag(a.id).await, Ok(Some(changed)));
    assert_eq!(texts(t, on).await, ["b", "c"]);
    assert_eq!(t.store.update_tag(b.id, "c").await, Err(StoreError::Taken));
    assert_eq!(t.store.update_tag(b.id, "b").await, Ok(b), "its own text is no change");
    let unknown = t.store.update_tag(TagId::random(&*t.clock), "x").await;
    assert_eq!(unknown, Err(StoreError::NotFound));
}

/// A deleted tag is gone, and may be deleted again.
pub async fn a_deleted_tag_is_gone(t: &Bench) {
    let [on, ..] = three(t).await;
    let tags = put(t, on, false, &["a", "b"]).await.unwrap();
    for _ in 0..2 {
        t.store.delete_tag(tags[0].id).await.unwrap();
        assert_eq!(texts(t, on).await, ["b"]);
    }
    assert!(put(t, on, false, &["a"]).await.is_ok(), "the text is free again");
}

/// Tags die with what they are on.
pub async fn tags_go_with_their_resource(t: &Bench) {
    let all = three(t).await;
    let mut ids = Vec::new();
    for on in all {
        ids.push(put(t, on, true, &["x"]).await.unwrap()[0].id);
    }
    let [Tagged::Job(job), Tagged::Volume(volume), Tagged::Storage(storage)] = all else { panic!("{all:?}") };
    assert!(matches!(t.store.delete_storage(storage).await, Err(StoreError::InUse(_))));
    assert!(t.store.tag(ids[2]).await.unwrap().is_some(), "a refusal takes no tag");
    t.store.delete_volume(volume, None).await.unwrap();
    assert_eq!(t.store.tag(ids[1]).await, Ok(None));
    t.store.delete_storage(storage).await.unwrap();
    assert_eq!(t.store.tag(ids[2]).await, Ok(None));
    let version = t.cancel(job).await.version;
    assert!(t.store.tag(ids[0]).await.unwrap().is_some(), "nobody else's were taken");
    t.store.delete_job(job, version, None).await.unwrap();
    assert_eq!(t.store.tag(ids[0]).await, Ok(None));
}

/// Two types may share a uuid: the tags of one are not the other's.
pub async fn tags_of_another_type_are_not_of_the_same_resource(t: &Bench) {
    let [_, volume, _] = three(t).await;
    let Tagged::Volume(id) = volume else { panic!("{volume:?}") };
    let twin = t.submit(NewJob { id: JobId::from_bits(id.bits()), ..t.new_job() }).await.0;
    let job = Tagged::Job(twin.id);
    put(t, volume, true, &["x", "y"]).await.unwrap();
    put(t, job, true, &["x"]).await.unwrap();
    let tagged = |resource, tag: &str| {
        let values = vec![Value::Text(tag.to_owned())];
        let conditions = vec![Condition { field: Field::SystemTag, op: Op::Eq, values }];
        let asked = Query { resource, sort: None, ..query(resource, conditions, None) };
        async move { t.store.query(&asked).await.unwrap().total }
    };
    assert_eq!((tagged(Resource::Job, "y").await, tagged(Resource::Volume, "y").await), (Some(0), Some(1)));
    let version = t.cancel(twin.id).await.version;
    t.store.delete_job(twin.id, version, None).await.unwrap();
    assert_eq!(texts(t, volume).await, ["x", "y"]);
}

/// The list of a resource's tags has an end.
pub async fn a_resource_has_at_most_a_thousand_tags(t: &Bench) {
    let [on, other, _] = three(t).await;
    let many: Vec<String> = (0..TAGS_PER_RESOURCE_MAX).map(|n| n.to_string()).collect();
    t.store.add_tags(on, false, &many[1..]).await.unwrap();
    assert!(put(t, on, true, &["last"]).await.is_ok());
    let full = StoreError::TooMany { limit: TAGS_PER_RESOURCE_MAX };
    assert_eq!(put(t, on, false, &["more"]).await, Err(full));
    assert_eq!(t.store.tags(&on.uuid()).await.unwrap().len(), TAGS_PER_RESOURCE_MAX);
    assert!(put(t, other, false, &["more"]).await.is_ok());
}

fn query(resource: Resource, conditions: Vec<Condition>, visible_to: Option<AccountId>) -> Query {
    Query {
        resource,
        filter: Filter { conditions, terms: Vec::new(), visible_to },
        sort: Some(Sort { field: Field::TagText, descending: false }),
        page: Page { start: 0, limit: 1000 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    }
}

async fn found(t: &Bench, query: Query) -> Vec<String> {
    let answer = t.store.query(&query).await.unwrap();
    let (Rows::SystemTags(tags) | Rows::UserTags(tags)) = answer.rows else { panic!("{:?}", answer.rows) };
    assert_eq!(answer.total, Some(tags.len() as u64));
    tags.into_iter().map(|tag| tag.text).collect()
}

/// A tag belongs to who owns its resource; that of a storage to nobody.
pub async fn a_tag_is_seen_by_who_owns_its_resource(t: &Bench) {
    for (on, text) in three(t).await.into_iter().zip(["of job", "of volume", "of storage"]) {
        put(t, on, true, &[text]).await.unwrap();
        put(t, on, false, &["mine"]).await.unwrap();
    }
    let see = |visible_to| async move { found(t, query(Resource::SystemTag, Vec::new(), visible_to)).await };
    assert_eq!(see(None).await, ["of job", "of storage", "of volume"]);
    assert_eq!(see(Some(t.account)).await, ["of job", "of volume"]);
    assert!(see(Some(AccountId::random(&*t.clock))).await.is_empty());
    assert_eq!(found(t, query(Resource::UserTag, Vec::new(), Some(t.account))).await, ["mine", "mine"]);
}

/// Tags are found by what they are and by what they are on.
pub async fn tags_are_queried_by_every_field(t: &Bench) {
    let [job, volume, storage] = three(t).await;
    put(t, job, true, &["a::1", "b"]).await.unwrap();
    put(t, volume, true, &["a::2"]).await.unwrap();
    put(t, storage, false, &["user"]).await.unwrap();
    let text = |value: &str| Value::Text(value.to_owned());
    let ask = |field, op, values: Vec<Value>| async move {
        let conditions = vec![Condition { field, op, values }];
        found(t, query(Resource::SystemTag, conditions, None)).await
    };
    assert_eq!(ask(Field::ResourceUuid, Op::Eq, vec![text(&job.uuid())]).await, ["a::1", "b"]);
    assert_eq!(ask(Field::ResourceType, Op::Eq, vec![text("VolumeVO")]).await, ["a::2"]);
    assert_eq!(ask(Field::TagText, Op::Like, vec![text("a::%")]).await, ["a::1", "a::2"]);
    assert!(ask(Field::TagText, Op::Eq, vec![text("A::1")]).await.is_empty(), "exact");
    assert_eq!(ask(Field::Type, Op::Eq, vec![text("System")]).await.len(), 3);
    assert!(ask(Field::Type, Op::Eq, vec![text("User")]).await.is_empty());
    assert_eq!(ask(Field::Inherent, Op::Eq, vec![Value::Int(0)]).await.len(), 3);
    let created = Value::Int(t.clock.now_ms());
    assert_eq!(ask(Field::LastOpDate, Op::Ge, vec![created]).await.len(), 3);
    assert_eq!(found(t, query(Resource::UserTag, Vec::new(), None)).await, ["user"]);
    let pattern = Condition { field: Field::TagPatternUuid, op: Op::IsNull, values: Vec::new() };
    assert_eq!(found(t, query(Resource::UserTag, vec![pattern], None)).await, ["user"]);
}
