//! What promises mean when two callers ask at the same moment: accounts, keys, records, deliveries, configs. Each
//! case asks from several threads at once, and often, since a store that only looks before it writes is right most
//! of the time. Storages, volumes and images are in `resource_races`, tags in `tag_races`.

use std::collections::BTreeMap;

use longhaul_model::resource::{AccessKey, Account, ApiOutcome, Config, Session};
use longhaul_model::{AccountId, ApiId, Clock, HostId, KeyId, SessionId};

use super::{Bench, SECOND};
use crate::{Gone, StoreError};

/// How many ask at the same moment.
const CALLERS: usize = 12;
/// How often a race is run that only one of two can win.
const ROUNDS: usize = 8;

async fn account(t: &Bench) -> Account {
    let name = AccountId::random(&*t.clock).to_string();
    t.store.create_account(t.new_account(&name)).await.expect("stored")
}

fn session(t: &Bench, account: AccountId) -> Session {
    let now_ms = t.clock.now_ms();
    Session { id: SessionId::random(&*t.clock), account, create_ms: now_ms, expires_ms: now_ms + SECOND }
}

fn key(t: &Bench, account: AccountId) -> AccessKey {
    let id = KeyId::random(&*t.clock);
    AccessKey {
        id,
        account,
        description: None,
        access_id: format!("access-{id}"),
        sealed_secret: vec![7],
        enabled: true,
        create_ms: 0,
        last_op_ms: 0,
    }
}

/// How many of these answers are equal to `wanted`.
fn count<T: PartialEq>(answers: &[T], wanted: &T) -> usize {
    answers.iter().filter(|answer| *answer == wanted).count()
}

/// A limit of sessions holds for logins at the same moment.
pub async fn of_logins_at_once_no_more_than_the_limit_get_a_session(t: &Bench) {
    for _ in 0..ROUNDS {
        let ann = account(t).await.id;
        let answers = t.at_once(CALLERS, async |_| t.store.create_session(&session(t, ann), 3).await);
        assert_eq!(count(&answers, &Ok(true)), 3, "{answers:?}");
        assert_eq!(count(&answers, &Ok(false)), CALLERS - 3, "{answers:?}");
    }
}

/// A limit of keys holds for calls at the same moment.
pub async fn of_calls_at_once_no_more_than_the_limit_get_a_key(t: &Bench) {
    for _ in 0..ROUNDS {
        let ann = account(t).await.id;
        let answers = t.at_once(CALLERS, async |_| t.store.create_key(key(t, ann), 3).await.unwrap());
        assert_eq!(answers.iter().flatten().count(), 3, "{answers:?}");
    }
}

/// A name, and an access id, are given to one of those who ask at the same moment.
pub async fn of_calls_at_once_one_gets_a_name(t: &Bench) {
    let ann = account(t).await.id;
    let twin = key(t, ann);
    let stored = t.at_once(CALLERS, async |_| t.store.create_account(t.new_account("one")).await.map(|_| ()));
    assert_eq!((count(&stored, &Ok(())), count(&stored, &Err(StoreError::Taken))), (1, CALLERS - 1));
    let stored = t.at_once(CALLERS, async |_| {
        let key = AccessKey { access_id: twin.access_id.clone(), ..key(t, ann) };
        t.store.create_key(key, 100).await.map(|key| assert!(key.is_some()))
    });
    assert_eq!((count(&stored, &Ok(())), count(&stored, &Err(StoreError::Taken))), (1, CALLERS - 1));
    let mut named = Vec::new();
    for _ in 0..CALLERS {
        named.push(account(t).await.id);
    }
    let renamed = t.at_once(CALLERS, async |at| {
        t.store.update_account(named[at], Some("two".to_owned()), None, None).await.map(|_| ())
    });
    assert_eq!((count(&renamed, &Ok(())), count(&renamed, &Err(StoreError::Taken))), (1, CALLERS - 1));
}

/// What different callers change in an account at the same moment is all changed.
pub async fn changes_of_an_account_at_once_are_all_kept(t: &Bench) {
    for _ in 0..ROUNDS {
        let id = account(t).await.id;
        let name = format!("new-{id}");
        let changed = t.at_once(3, async |at| {
            let given = |mine: usize, text: &str| (at == mine).then(|| text.to_owned());
            t.store
                .update_account(id, given(0, &name), given(1, "text"), given(2, "secret"))
                .await
                .map(|_| ())
        });
        assert_eq!(count(&changed, &Ok(())), 3, "{changed:?}");
        let stored = t.store.account(id).await.unwrap().unwrap();
        assert_eq!((&stored.name, stored.description.as_deref()), (&name, Some("text")));
        assert_eq!(stored.password_hash, "secret");
    }
}

/// The uuid of a deleted account is free at no moment.
pub async fn the_uuid_of_an_account_is_taken_while_it_is_deleted(t: &Bench) {
    for _ in 0..ROUNDS {
        let ann = account(t).await;
        let answers = t.at_once(4, async |at| match at {
            0 => t.store.delete_account(ann.id).await,
            _ => t.store.create_account(ann.clone()).await.map(|_| ()),
        });
        assert_eq!((&answers[0], count(&answers, &Err(StoreError::Taken))), (&Ok(()), 3), "{answers:?}");
        assert_eq!(t.store.account(ann.id).await, Ok(None));
    }
}

/// Who deletes an account while it logs in, or gets a key, deletes that too, or it is refused.
pub async fn a_deleted_account_leaves_no_session_and_no_key(t: &Bench) {
    for _ in 0..ROUNDS {
        let ann = account(t).await.id;
        let (logins, keys) = ([session(t, ann), session(t, ann)], [key(t, ann), key(t, ann)]);
        let answers = t.at_once(5, async |at| match at {
            0 | 1 => t.store.create_session(&logins[at], 10).await.map(|made| assert!(made)),
            2 | 3 => t.store.create_key(keys[at - 2].clone(), 10).await.map(|made| assert!(made.is_some())),
            _ => t.store.delete_account(ann).await,
        });
        assert_eq!(answers[4], Ok(()));
        assert!(answers.iter().all(|a| matches!(a, Ok(()) | Err(StoreError::NotFound))), "{answers:?}");
        for login in logins {
            assert_eq!(t.store.session(login.id).await, Ok(None), "{answers:?}");
        }
        for key in keys {
            assert_eq!(t.store.key(key.id).await, Ok(None), "{answers:?}");
        }
    }
}

/// An account that is deleted owns nothing that is not final: what would be is refused, or keeps the account.
pub async fn an_account_is_deleted_or_gets_something(t: &Bench) {
    let storage = t.storage("/a").await.id;
    for round in 0..4 * ROUNDS {
        let ann = account(t).await.id;
        let job = longhaul_model::NewJob { account: ann, ..t.new_job() };
        let (mut volume, mut image) = (t.new_volume(storage, &format!("/a/{round}")), t.new_image(&[]));
        (volume.account, image.account) = (ann, ann);
        let answers = t.at_once(2, async |at| match (at, round % 4) {
            (0, _) => t.store.delete_account(ann).await,
            (_, 0) => t.store.submit(job.clone(), None).await.map(|_| ()),
            (_, 1) => t.store.create_volume(volume.clone()).await.map(|_| ()),
            (_, 2) => t.store.submit_many(vec![job.clone()]).await.unwrap().remove(0).map(|_| ()),
            (_, _) => t.store.create_image(image.clone(), &[]).await.map(|_| ()),
        });
        let deleted = answers == [Ok(()), Err(StoreError::NotFound)];
        let kept = matches!(answers[..], [Err(StoreError::InUse(_)), Ok(())]);
        assert!(deleted || kept, "{round}: {answers:?}");
    }
}

/// An id of a call is used once, and its answer is counted once by those who cut or sweep at the same moment.
pub async fn a_record_is_stored_cut_and_swept_once(t: &Bench) {
    for _ in 0..ROUNDS {
        let record = t.record(None);
        let stored = t.at_once(CALLERS, async |_| t.store.create_record(record.clone()).await);
        assert_eq!((count(&stored, &Ok(())), count(&stored, &Err(StoreError::Taken))), (1, CALLERS - 1));
    }
    let cut = t.at_once(CALLERS, async |_| t.store.cut_records(ApiOutcome::Empty, Gone::All).await.unwrap());
    assert_eq!(cut.iter().sum::<u64>(), ROUNDS as u64, "{cut:?}");
    t.clock.advance(3600 * SECOND);
    let swept = t.at_once(CALLERS, async |_| t.store.sweep_records().await.unwrap());
    assert_eq!(swept.iter().sum::<u64>(), ROUNDS as u64, "{swept:?}");
}

/// Dispatchers that take at the same moment never take the same try, and together take all that is due.
pub async fn a_delivery_is_taken_by_one_dispatcher(t: &Bench) {
    const DUE: usize = 40;
    for _ in 0..DUE {
        t.store.create_record(t.hooked_record(Some(ApiOutcome::Empty))).await.unwrap();
    }
    for tries in 1..=3 {
        let taken = t.at_once(CALLERS, async |_| {
            let mut mine = Vec::new();
            loop {
                let some = t.store.take_deliveries(HostId::v4(1), 3, 12 * SECOND).await.unwrap();
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some);
            }
        });
        let mut times: BTreeMap<ApiId, u32> = BTreeMap::new();
        for delivery in taken.into_iter().flatten() {
            assert_eq!(delivery.tries, tries);
            *times.entry(delivery.id).or_default() += 1;
        }
        assert_eq!((times.len(), times.values().max()), (DUE, Some(&1)));
        t.clock.advance(12 * SECOND);
    }
}

/// Of values written at the same moment one is there.
pub async fn a_value_written_by_many_at_once_is_one_of_theirs(t: &Bench) {
    let value = |at: usize| Config { category: "a".to_owned(), name: "b".to_owned(), value: at.to_string() };
    for _ in 0..ROUNDS {
        let written = t.at_once(CALLERS, async |at| t.store.put_config(value(at)).await);
        assert_eq!(count(&written, &Ok(())), CALLERS, "{written:?}");
        let stored = t.store.configs().await.unwrap();
        assert!((0..CALLERS).any(|at| stored == [value(at)]), "{stored:?}");
        let cleared = t.at_once(CALLERS, async |_| t.store.clear_configs().await);
        assert_eq!(count(&cleared, &Ok(())), CALLERS, "{cleared:?}");
    }
}
