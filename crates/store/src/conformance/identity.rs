//! Promises of `Identity`.

use longhaul_model::query::{Filter, Page, Query, Resource, Rows};
use longhaul_model::resource::{Account, Session};
use longhaul_model::{AccountId, Clock, JobEvent, NewJob, SessionId};

use super::{Bench, SECOND};
use crate::StoreError;

async fn account(t: &Bench, name: &str) -> Account {
    t.store.create_account(t.new_account(name)).await.expect("stored")
}

fn session(t: &Bench, account: AccountId) -> Session {
    let now_ms = t.clock.now_ms();
    Session { id: SessionId::random(&*t.clock), account, create_ms: now_ms, expires_ms: now_ms + SECOND }
}

/// An account reads back by uuid and by name.
pub async fn an_account_reads_back(t: &Bench) {
    let stored = account(t, "Ann").await;
    assert_eq!((stored.create_ms, stored.last_op_ms), (t.clock.now_ms(), t.clock.now_ms()));
    assert_eq!(t.store.account(stored.id).await, Ok(Some(stored.clone())));
    assert_eq!(t.store.account_by_name("Ann").await, Ok(Some(stored)));
    assert_eq!(t.store.account_by_name("ann").await, Ok(None), "a name is taken literally");
}

/// Names and uuids are unique.
pub async fn an_account_name_or_uuid_is_used_once(t: &Bench) {
    let stored = account(t, "ann").await;
    assert_eq!(t.store.create_account(t.new_account("ann")).await, Err(StoreError::Taken));
    let same_id = Account { name: "bob".to_owned(), ..stored };
    assert_eq!(t.store.create_account(same_id).await, Err(StoreError::Taken));
    assert!(t.store.create_account(t.new_account("ANN")).await.is_ok());
}

/// What is not given stays.
pub async fn an_account_update_changes_what_is_given(t: &Bench) {
    let stored = account(t, "ann").await;
    t.clock.advance(SECOND);
    let changed = t.store.update_account(stored.id, None, Some("text".to_owned()), None).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.description.as_deref()), ("ann", Some("text")));
    assert_eq!(changed.last_op_ms, stored.last_op_ms + SECOND);
    assert_eq!(t.store.account(stored.id).await, Ok(Some(changed)));
    account(t, "bob").await;
    let taken = t.store.update_account(stored.id, Some("bob".to_owned()), None, None).await;
    assert_eq!(taken, Err(StoreError::Taken));
    let unknown = AccountId::random(&*t.clock);
    assert_eq!(t.store.update_account(unknown, None, None, None).await, Err(StoreError::NotFound));
}

/// A new password ends what the old one opened.
pub async fn a_new_password_ends_all_sessions(t: &Bench) {
    let (ann, bob) = (account(t, "ann").await, account(t, "bob").await);
    let (of_ann, of_bob) = (session(t, ann.id), session(t, bob.id));
    assert_eq!(t.store.create_session(&of_ann, 10).await, Ok(true));
    assert_eq!(t.store.create_session(&of_bob, 10).await, Ok(true));
    t.store.update_account(ann.id, Some("anna".to_owned()), None, None).await.unwrap();
    assert!(t.store.session(of_ann.id).await.unwrap().is_some());
    t.store.update_account(ann.id, None, None, Some("other".to_owned())).await.unwrap();
    assert_eq!(t.store.session(of_ann.id).await, Ok(None));
    assert_eq!(t.store.session(of_bob.id).await, Ok(Some(of_bob)));
}

/// An account in use is not deleted; what uses it is named.
pub async fn an_account_with_open_jobs_or_volumes_is_not_deleted(t: &Bench) {
    let ann = account(t, "ann").await;
    let (job, _) = t.submit(NewJob { account: ann.id, ..t.new_job() }).await;
    let in_use = StoreError::InUse(format!("job[uuid:{}]", job.id));
    assert_eq!(t.store.delete_account(ann.id).await, Err(in_use));
    t.cancel(job.id).await;
    let storage = t.storage("/a").await;
    let mut volume = t.new_volume(storage.id, "/a/1");
    volume.account = ann.id;
    let volume = t.store.create_volume(volume).await.unwrap();
    let in_use = StoreError::InUse(format!("volume[uuid:{}]", volume.id));
    assert_eq!(t.store.delete_account(ann.id).await, Err(in_use));
    assert_eq!(t.store.account(ann.id).await, Ok(Some(ann)));
}

/// With an account go its sessions; its final jobs belong to nobody then, and its uuid never to another.
pub async fn a_deleted_account_leaves_its_jobs_to_nobody(t: &Bench) {
    let ann = account(t, "ann").await;
    let login = session(t, ann.id);
    t.store.create_session(&login, 10).await.unwrap();
    let (job, _) = t.submit(NewJob { account: ann.id, ..t.new_job() }).await;
    t.cancel(job.id).await;
    t.store.delete_account(ann.id).await.unwrap();
    assert_eq!(t.store.account(ann.id).await, Ok(None));
    assert_eq!(t.store.session(login.id).await, Ok(None));
    assert_eq!(t.store.delete_account(ann.id).await, Err(StoreError::NotFound));
    assert_eq!(t.store.create_account(ann.clone()).await, Err(StoreError::Taken));
    let query = |visible_to| Query {
        resource: Resource::Job,
        filter: Filter { visible_to, ..Filter::default() },
        sort: None,
        page: Page { start: 0, limit: 10 },
        want_rows: true,
        want_total: true,
        without_bodies: false,
    };
    let owned = t.store.query(&query(Some(ann.id))).await.unwrap();
    assert_eq!((owned.rows, owned.total), (Rows::Jobs(Vec::new()), Some(0)));
    assert_eq!(t.store.query(&query(None)).await.unwrap().total, Some(1));
    let counted: u64 = t.store.counts(Some(ann.id)).await.unwrap().iter().map(|(_, n)| n).sum();
    assert_eq!(counted, 0);
}

/// An account has at most so many live sessions.
pub async fn sessions_are_limited_per_account(t: &Bench) {
    let (ann, bob) = (account(t, "ann").await.id, account(t, "bob").await.id);
    assert_eq!(t.store.create_session(&session(t, ann), 2).await, Ok(true));
    assert_eq!(t.store.create_session(&session(t, ann), 2).await, Ok(true));
    assert_eq!(t.store.create_session(&session(t, ann), 2).await, Ok(false));
    assert_eq!(t.store.create_session(&session(t, bob), 2).await, Ok(true));
    t.clock.advance(SECOND);
    assert_eq!(t.store.create_session(&session(t, ann), 2).await, Ok(true), "expired ones do not count");
}

/// A session lives until its end, which may be moved while it lives.
pub async fn a_session_lives_until_its_end(t: &Bench) {
    let login = session(t, t.account);
    t.store.create_session(&login, 10).await.unwrap();
    assert_eq!(t.store.session(login.id).await, Ok(Some(login.clone())));
    t.clock.advance(SECOND - 1);
    assert_eq!(t.store.extend_session(login.id, t.clock.now_ms() + SECOND).await, Ok(true));
    t.clock.advance(SECOND - 1);
    assert!(t.store.session(login.id).await.unwrap().is_some());
    t.clock.advance(1);
    assert_eq!(t.store.session(login.id).await, Ok(None));
    assert_eq!(t.store.extend_session(login.id, t.clock.now_ms() + SECOND).await, Ok(false));
    assert_eq!(t.store.sweep_sessions().await, Ok(1));
    assert_eq!(t.store.sweep_sessions().await, Ok(0));
}

/// A cap moves the end of live sessions that last longer, and of no others.
pub async fn a_cap_shortens_live_sessions_that_last_longer(t: &Bench) {
    let [ended, short, long] = [session(t, t.account), session(t, t.account), session(t, t.account)];
    let now_ms = t.clock.now_ms();
    for (login, lasts_ms) in [(&ended, 1), (&short, SECOND), (&long, 9 * SECOND)] {
        let login = Session { expires_ms: now_ms + lasts_ms, ..login.clone() };
        assert_eq!(t.store.create_session(&login, 10).await, Ok(true));
    }
    t.clock.advance(1);
    assert_eq!(t.store.cap_sessions(now_ms + 2 * SECOND).await, Ok(1));
    let end = |login: &Session| {
        let id = login.id;
        async move { t.store.session(id).await.unwrap().map(|s| s.expires_ms - now_ms) }
    };
    assert_eq!((end(&ended).await, end(&short).await), (None, Some(SECOND)));
    assert_eq!(end(&long).await, Some(2 * SECOND));
    assert_eq!(t.store.extend_session(long.id, now_ms + 5 * SECOND).await, Ok(true), "it slides on");
    assert_eq!(t.store.cap_sessions(now_ms).await, Ok(2), "a cap in the past ends them");
    assert_eq!((end(&short).await, end(&long).await), (None, None));
}

/// A session that is ended is gone at once.
pub async fn a_deleted_session_is_gone(t: &Bench) {
    let login = session(t, t.account);
    t.store.create_session(&login, 10).await.unwrap();
    t.store.delete_session(login.id).await.unwrap();
    assert_eq!(t.store.session(login.id).await, Ok(None));
    assert_eq!(t.store.delete_session(login.id).await, Ok(()));
    assert_eq!(t.store.extend_session(login.id, i64::MAX).await, Ok(false));
}

/// Deleted final jobs and finished ones do not hold an account.
pub async fn finished_jobs_do_not_hold_an_account(t: &Bench) {
    let ann = account(t, "ann").await;
    t.submit(NewJob { account: ann.id, ..t.new_job() }).await;
    let node = t.node().await;
    let claim = t.claim_as(node).await;
    t.apply(&claim, JobEvent::Succeed).await.unwrap();
    assert_eq!(t.store.delete_account(ann.id).await, Ok(()));
}
