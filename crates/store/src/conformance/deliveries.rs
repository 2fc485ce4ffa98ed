//! Promises of `Deliveries`: a web hook lives with its record, each try is counted before it is made, and an
//! answer is told until somebody says that it was.

use longhaul_model::resource::{ApiOutcome, ApiRecord, Delivery};
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{ApiId, Code, Fault, HostId};

use super::{Bench, SECOND};
use crate::{Gone, StoreError};

const HERE: HostId = HostId::from_bits(1);
const ELSEWHERE: HostId = HostId::from_bits(2);
const HOLD: i64 = 12 * SECOND;
const WAIT: i64 = 2 * SECOND;

async fn store(t: &Bench, outcome: Option<ApiOutcome>) -> ApiRecord {
    let record = t.hooked_record(outcome);
    t.store.create_record(record.clone()).await.unwrap();
    record
}

async fn take(t: &Bench) -> Vec<Delivery> {
    t.store.take_deliveries(HERE, 100, HOLD).await.unwrap()
}

async fn take_one(t: &Bench) -> Delivery {
    let taken = take(t).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.into_iter().next().unwrap()
}

fn due_ms(wait_ms: i64) -> Result<Option<i64>, StoreError> {
    Ok(Some(wait_ms))
}

/// Submissions, changes and deletions store it as `create_record` does.
pub async fn a_hook_is_stored_with_its_record_whatever_stores_that(t: &Bench) {
    let records: [ApiRecord; 4] = std::array::from_fn(|_| t.hooked_record(Some(ApiOutcome::Empty)));
    let [created, submitted, changed, deleted] = records.clone();
    t.store.create_record(created).await.unwrap();
    let new = t.new_job();
    t.store.submit(new.clone(), Some(submitted)).await.unwrap();
    let mut rename = t.asked(TimelineKind::Updated);
    rename.name = Some("renamed".to_owned());
    let version = t.job(new.id).await.version;
    t.store.change(new.id, version, rename, Some(changed)).await.unwrap();
    let version = t.job(new.id).await.version;
    t.store.delete_job(new.id, version, Some(deleted)).await.unwrap();
    let taken = take(t).await;
    assert_eq!(taken.len(), records.len());
    for record in records {
        let told = taken.iter().find(|d| d.id == record.id).expect("its hook is there");
        assert_eq!(Some(&told.hook), record.hook.as_ref());
        assert_eq!(t.store.record(&record.id).await, Ok(Some(record)));
    }
}

/// What is not stored is not told.
pub async fn a_refused_record_leaves_no_hook(t: &Bench) {
    let known = t.record(Some(ApiOutcome::Empty));
    t.store.create_record(known.clone()).await.unwrap();
    let again = ApiRecord { id: known.id.clone(), ..t.hooked_record(Some(ApiOutcome::Empty)) };
    assert_eq!(t.store.create_record(again.clone()).await, Err(StoreError::Taken));
    let submitted = t.store.submit(t.new_job(), Some(again)).await;
    assert!(matches!(submitted, Err(StoreError::Taken)), "{submitted:?}");
    assert_eq!(t.store.next_delivery().await, Ok(None));
    assert_eq!(t.store.record(&known.id).await, Ok(Some(known)));
}

/// A call that is worked on has nothing to tell; its answer is due the moment it is written.
pub async fn an_answer_is_due_when_it_is_there(t: &Bench) {
    let record = store(t, None).await;
    assert_eq!(t.store.next_delivery().await, Ok(None));
    assert_eq!(take(t).await, []);
    t.clock.advance(3600 * SECOND);
    let outcome = ApiOutcome::Json("{\"a\":1}".to_owned());
    t.store.finish_record(&record.id, outcome.clone()).await.unwrap();
    assert_eq!(t.store.next_delivery().await, due_ms(0));
    let hook = record.hook.unwrap();
    assert_eq!(take_one(t).await, Delivery { id: record.id, hook, tries: 1, outcome });
}

/// A restart in the middle of a call is its answer.
pub async fn a_record_that_is_cut_is_told_too(t: &Bench) {
    let record = store(t, None).await;
    let cut = ApiOutcome::Fault(Fault::new(Code::NodeGone, "restarted"));
    assert_eq!(t.store.cut_records(cut.clone(), Gone::All).await, Ok(1));
    let told = take_one(t).await;
    assert_eq!((told.id, told.outcome), (record.id, cut));
}

/// So a process that dies in the middle of a try leaves it counted, and the next comes by itself.
pub async fn a_taken_delivery_has_one_more_try_and_is_held(t: &Bench) {
    store(t, Some(ApiOutcome::Empty)).await;
    for tries in 1..=3 {
        assert_eq!(take_one(t).await.tries, tries);
        assert_eq!(take(t).await, []);
        assert_eq!(t.store.next_delivery().await, due_ms(HOLD));
        t.clock.advance(HOLD - 1);
        assert_eq!(t.store.next_delivery().await, due_ms(1));
        assert_eq!(take(t).await, []);
        t.clock.advance(1);
    }
}

/// Two dispatchers never make the same try.
pub async fn of_takers_at_once_one_gets_a_delivery(t: &Bench) {
    for _ in 0..10 {
        store(t, Some(ApiOutcome::Empty)).await;
    }
    let takers = (0..20).map(|_| t.store.take_deliveries(HERE, 3, HOLD));
    let taken = futures::future::join_all(takers).await;
    let mut ids: Vec<ApiId> = taken.into_iter().flat_map(Result::unwrap).map(|d| d.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

/// Nobody starves.
pub async fn those_due_longest_are_taken_first_and_no_more_than_asked_for(t: &Bench) {
    let mut stored = Vec::new();
    for _ in 0..5 {
        stored.push(store(t, Some(ApiOutcome::Empty)).await.id);
        t.clock.advance(10);
    }
    let mut taken = Vec::new();
    for limit in [0, 2, 1, 100] {
        let some = t.store.take_deliveries(HERE, limit, HOLD).await.unwrap();
        assert!(some.len() <= limit as usize);
        taken.extend(some.into_iter().map(|d| d.id));
    }
    assert_eq!(taken, stored);
}

/// The next try comes after the wait, not after the hold.
pub async fn a_failed_try_is_put_off(t: &Bench) {
    let record = store(t, Some(ApiOutcome::Empty)).await;
    let first = take_one(t).await;
    t.store.put_off_delivery(&record.id, first.tries, WAIT).await.unwrap();
    assert_eq!(t.store.next_delivery().await, due_ms(WAIT));
    t.clock.advance(WAIT - 1);
    assert_eq!(take(t).await, []);
    t.clock.advance(1);
    assert_eq!(take_one(t).await.tries, 2);
}

/// A try that took so long that another was begun says nothing about that one.
pub async fn a_late_word_of_an_earlier_try_changes_nothing(t: &Bench) {
    let record = store(t, Some(ApiOutcome::Empty)).await;
    take_one(t).await;
    t.clock.advance(HOLD);
    assert_eq!(take_one(t).await.tries, 2);
    t.store.put_off_delivery(&record.id, 1, WAIT).await.unwrap();
    assert_eq!(t.store.next_delivery().await, due_ms(HOLD));
    t.store.end_delivery(&record.id).await.unwrap();
    t.store.put_off_delivery(&record.id, 2, WAIT).await.unwrap();
    assert_eq!(t.store.next_delivery().await, Ok(None));
}

/// Ending is for good; ending twice is no error.
pub async fn what_was_told_is_told_no_more_and_its_record_stays(t: &Bench) {
    let (told, other) = (store(t, Some(ApiOutcome::Empty)).await, store(t, Some(ApiOutcome::Empty)).await);
    assert_eq!(take(t).await.len(), 2);
    t.store.end_delivery(&told.id).await.unwrap();
    t.store.end_delivery(&told.id).await.unwrap();
    t.store.end_delivery(&ApiId::in_order(&*t.clock)).await.unwrap();
    t.clock.advance(HOLD);
    assert_eq!(take_one(t).await.id, other.id);
    assert_eq!(t.store.record(&told.id).await, Ok(Some(ApiRecord { hook: None, ..told })));
}

/// What it had in hand is due within the wait; what is due earlier stays so, and tries stay counted.
pub async fn after_a_start_nothing_is_held_by_the_former_process(t: &Bench) {
    let held = store(t, Some(ApiOutcome::Empty)).await;
    take_one(t).await;
    let fresh = store(t, Some(ApiOutcome::Empty)).await;
    store(t, None).await;
    assert_eq!(t.store.free_deliveries(Gone::All, WAIT).await, Ok(2));
    assert_eq!(take_one(t).await.id, fresh.id);
    assert_eq!(t.store.next_delivery().await, due_ms(WAIT));
    t.clock.advance(WAIT);
    let again = take_one(t).await;
    assert_eq!((again.id, again.tries), (held.id, 2));
}

/// Another process may have it in hand, and makes its try.
pub async fn a_start_frees_nothing_that_another_host_holds(t: &Bench) {
    let mine = store(t, Some(ApiOutcome::Empty)).await;
    take_one(t).await;
    store(t, Some(ApiOutcome::Empty)).await;
    assert_eq!(t.store.take_deliveries(ELSEWHERE, 100, HOLD).await.unwrap().len(), 1);
    assert_eq!(t.store.free_deliveries(Gone::Unproven, WAIT).await, Ok(2));
    assert_eq!(t.store.next_delivery().await, due_ms(HOLD), "nothing is freed without a proof");
    assert_eq!(t.store.free_deliveries(Gone::Host(HERE), WAIT).await, Ok(2));
    t.clock.advance(WAIT);
    assert_eq!(take_one(t).await.id, mine.id);
    assert_eq!(t.store.next_delivery().await, due_ms(HOLD - WAIT));
}

/// A moment further away than any wait was written before the clock was set back.
pub async fn a_clock_set_back_holds_no_delivery(t: &Bench) {
    store(t, Some(ApiOutcome::Empty)).await;
    take_one(t).await;
    t.clock.advance(-3600 * SECOND);
    assert_eq!(t.store.next_delivery().await, due_ms(0));
    assert_eq!(take_one(t).await.tries, 2);
    assert_eq!(t.store.next_delivery().await, due_ms(HOLD));
}

/// A server that was away for hours still tells.
pub async fn an_answer_still_to_be_told_is_not_swept(t: &Bench) {
    let record = store(t, Some(ApiOutcome::Empty)).await;
    t.clock.advance(3600 * SECOND);
    assert_eq!(t.store.sweep_records().await, Ok(0));
    assert_eq!(take_one(t).await.id, record.id);
    t.store.end_delivery(&record.id).await.unwrap();
    assert_eq!(t.store.sweep_records().await, Ok(1));
    assert_eq!(t.store.record(&record.id).await, Ok(None));
}
