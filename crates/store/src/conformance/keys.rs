//! Promises of `Keys`.

use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::resource::{AccessKey, Account};
use longhaul_model::{AccountId, Clock, KeyId};

use super::{Bench, SECOND};
use crate::StoreError;

async fn account(t: &Bench, name: &str) -> Account {
    t.store.create_account(t.new_account(name)).await.expect("stored")
}

fn new_key(t: &Bench, account: AccountId, access_id: &str) -> AccessKey {
    AccessKey {
        id: KeyId::random(&*t.clock),
        account,
        description: Some("of a case".to_owned()),
        access_id: access_id.to_owned(),
        sealed_secret: vec![0, 255, 7],
        enabled: true,
        create_ms: 0,
        last_op_ms: 0,
    }
}

async fn stored(t: &Bench, account: AccountId, access_id: &str) -> AccessKey {
    t.store.create_key(new_key(t, account, access_id), 10).await.expect("stored").expect("within the limit")
}

/// A key reads back, with its sealed secret, by uuid and by access id.
pub async fn a_key_reads_back_by_both_of_its_ids(t: &Bench) {
    let ann = account(t, "ann").await.id;
    let key = stored(t, ann, "Key0000001").await;
    assert_eq!((key.create_ms, key.last_op_ms), (t.clock.now_ms(), t.clock.now_ms()));
    assert_eq!(t.store.key(key.id).await, Ok(Some(key.clone())));
    assert_eq!(t.store.key_by_access_id("Key0000001").await, Ok(Some(key)));
    assert_eq!(t.store.key_by_access_id("key0000001").await, Ok(None), "an access id is taken literally");
    assert_eq!(t.store.key(KeyId::random(&*t.clock)).await, Ok(None));
}

/// Both ids are unique over all accounts, also where the limit is reached.
pub async fn a_keys_uuid_and_access_id_are_used_once(t: &Bench) {
    let (ann, bob) = (account(t, "ann").await.id, account(t, "bob").await.id);
    let key = stored(t, ann, "key0000001").await;
    let same_access_id = new_key(t, bob, "key0000001");
    assert_eq!(t.store.create_key(same_access_id.clone(), 10).await, Err(StoreError::Taken));
    assert_eq!(t.store.create_key(same_access_id, 0).await, Err(StoreError::Taken));
    let same_uuid = AccessKey { id: key.id, ..new_key(t, bob, "key0000002") };
    assert_eq!(t.store.create_key(same_uuid, 10).await, Err(StoreError::Taken));
    stored(t, bob, "KEY0000001").await;
}

/// An account has at most so many keys, disabled ones among them.
pub async fn keys_are_limited_per_account(t: &Bench) {
    let (ann, bob) = (account(t, "ann").await.id, account(t, "bob").await.id);
    let first = stored(t, ann, "key0000001").await;
    stored(t, ann, "key0000002").await;
    t.store.enable_key(first.id, false).await.unwrap();
    let third = new_key(t, ann, "key0000003");
    assert_eq!(t.store.create_key(third.clone(), 2).await, Ok(None));
    assert_eq!(t.store.key(third.id).await, Ok(None));
    assert!(t.store.create_key(new_key(t, bob, "key0000004"), 2).await.unwrap().is_some());
    t.store.delete_key(first.id).await.unwrap();
    assert!(t.store.create_key(third, 2).await.unwrap().is_some());
}

/// A key of nobody is not stored.
pub async fn a_key_needs_its_account(t: &Bench) {
    let key = new_key(t, AccountId::random(&*t.clock), "key0000001");
    assert_eq!(t.store.create_key(key.clone(), 10).await, Err(StoreError::NotFound));
    assert_eq!(t.store.key(key.id).await, Ok(None));
}

/// Disabling changes the state and nothing else.
pub async fn a_disabled_key_stays_and_is_enabled_again(t: &Bench) {
    let ann = account(t, "ann").await.id;
    let key = stored(t, ann, "key0000001").await;
    t.clock.advance(SECOND);
    let disabled = AccessKey { enabled: false, last_op_ms: key.last_op_ms + SECOND, ..key.clone() };
    assert_eq!(t.store.enable_key(key.id, false).await, Ok(disabled.clone()));
    assert_eq!(t.store.key_by_access_id("key0000001").await, Ok(Some(disabled)));
    let enabled = AccessKey { last_op_ms: key.last_op_ms + SECOND, ..key.clone() };
    assert_eq!(t.store.enable_key(key.id, true).await, Ok(enabled));
    let unknown = KeyId::random(&*t.clock);
    assert_eq!(t.store.enable_key(unknown, true).await, Err(StoreError::NotFound));
}

/// A deleted key is found by neither id, which others may have then.
pub async fn a_deleted_key_is_gone_and_its_ids_are_free(t: &Bench) {
    let ann = account(t, "ann").await.id;
    let key = stored(t, ann, "key0000001").await;
    t.store.delete_key(key.id).await.unwrap();
    assert_eq!(t.store.key(key.id).await, Ok(None));
    assert_eq!(t.store.key_by_access_id("key0000001").await, Ok(None));
    assert_eq!(t.store.enable_key(key.id, true).await, Err(StoreError::NotFound));
    assert_eq!(t.store.delete_key(key.id).await, Ok(()));
    assert!(t.store.create_key(key, 10).await.unwrap().is_some());
}

/// A deleted account signs nothing more; the keys of others stay.
pub async fn with_an_account_go_its_keys(t: &Bench) {
    let (ann, bob) = (account(t, "ann").await.id, account(t, "bob").await.id);
    let (of_ann, of_bob) = (stored(t, ann, "key0000001").await, stored(t, bob, "key0000002").await);
    t.store.delete_account(ann).await.unwrap();
    assert_eq!(t.store.key(of_ann.id).await, Ok(None));
    assert_eq!(t.store.key_by_access_id("key0000001").await, Ok(None));
    assert_eq!(t.store.key(of_bob.id).await, Ok(Some(of_bob)));
}

/// Every field of a key is asked for; an account sees its own.
pub async fn keys_are_queried_by_their_account(t: &Bench) {
    let (ann, bob) = (account(t, "ann").await.id, account(t, "bob").await.id);
    let of_ann = stored(t, ann, "key0000001").await;
    t.clock.advance(SECOND);
    let of_bob = stored(t, bob, "key0000002").await;
    let of_bob = t.store.enable_key(of_bob.id, false).await.unwrap();
    let ask = |visible_to, field: Field, value: &str| {
        let values = vec![Value::Text(value.to_owned())];
        let conditions = vec![Condition { field, op: Op::Eq, values }];
        let query = Query {
            resource: Resource::AccessKey,
            filter: Filter { conditions, visible_to, ..Filter::default() },
            sort: None,
            page: Page { start: 0, limit: 10 },
            want_rows: true,
            want_total: true,
            without_bodies: false,
        };
        async move { t.store.query(&query).await.unwrap() }
    };
    for (field, value) in [
        (Field::AccountUuid, bob.to_string()),
        (Field::UserUuid, bob.to_string()),
        (Field::AccessKeyId, "key0000002".to_owned()),
        (Field::State, "Disabled".to_owned()),
        (Field::Uuid, of_bob.id.to_string()),
    ] {
        assert_eq!(ask(None, field, &value).await.rows, Rows::AccessKeys(vec![of_bob.clone()]), "{field:?}");
        assert_eq!(ask(Some(ann), field, &value).await.rows, Rows::AccessKeys(vec![]), "{field:?}");
    }
    let both = ask(None, Field::Description, "OF A CASE").await;
    assert_eq!((both.rows, both.total), (Rows::AccessKeys(vec![of_bob, of_ann.clone()]), Some(2)));
    let own = ask(Some(ann), Field::Description, "of a case").await;
    assert_eq!((own.rows, own.total), (Rows::AccessKeys(vec![of_ann]), Some(1)));
}
