//! Promises of `Records`.

use longhaul_model::resource::{ApiOutcome, ApiRecord, Message};
use longhaul_model::{ApiId, Clock, Code, Fault, HostId, JobId};

use super::{Bench, SECOND};
use crate::{Gone, StoreError};

/// Every kind of answer reads back.
pub async fn an_answer_reads_back_as_it_was_given(t: &Bench) {
    let fault = Fault::invalid("wrong").because(Fault::new(Code::Io, "deeper"));
    for outcome in [
        ApiOutcome::Empty,
        ApiOutcome::Job(JobId::random(&*t.clock)),
        ApiOutcome::Json("{\"a\":1}".to_owned()),
        ApiOutcome::Fault(fault),
    ] {
        let mut record = t.record(None);
        t.store.create_record(record.clone()).await.unwrap();
        assert_eq!(t.store.record(&record.id).await, Ok(Some(record.clone())));
        t.store.finish_record(&record.id, outcome.clone()).await.unwrap();
        (record.outcome, record.finished_ms) = (Some(outcome), Some(t.clock.now_ms()));
        assert_eq!(t.store.record(&record.id).await, Ok(Some(record)));
    }
}

/// What a message of the legacy entry was reads back, and when its answer came.
pub async fn a_message_reads_back_with_the_moment_of_its_answer(t: &Bench) {
    let message =
        Message { class: "org.zstack.header.longjob.APISubmitLongJobMsg".to_owned(), created_ms: 7 };
    let open = ApiRecord { message: Some(message), ..t.record(None) };
    t.store.create_record(open.clone()).await.unwrap();
    assert_eq!(t.store.record(&open.id).await, Ok(Some(open.clone())));
    t.clock.advance(3 * SECOND);
    t.store.finish_record(&open.id, ApiOutcome::Empty).await.unwrap();
    let finished = t.store.record(&open.id).await.unwrap().unwrap();
    assert_eq!((finished.message, finished.finished_ms), (open.message, Some(t.clock.now_ms())));
    let given = ApiRecord { finished_ms: Some(1), ..t.record(Some(ApiOutcome::Empty)) };
    t.store.create_record(given.clone()).await.unwrap();
    let kept = t.store.record(&given.id).await.unwrap().unwrap();
    assert_eq!(kept.finished_ms, Some(t.clock.now_ms()), "by the store's own clock");
}

/// An id is used once.
pub async fn a_record_id_is_used_once(t: &Bench) {
    let record = t.record(None);
    t.store.create_record(record.clone()).await.unwrap();
    assert_eq!(t.store.create_record(record).await, Err(StoreError::Taken));
}

/// There is no answer to a call that nobody made.
pub async fn finishing_an_unknown_record_is_not_found(t: &Bench) {
    let id = ApiId::in_order(&*t.clock);
    assert_eq!(t.store.record(&id).await, Ok(None));
    assert_eq!(t.store.finish_record(&id, ApiOutcome::Empty).await, Err(StoreError::NotFound));
}

fn cut() -> ApiOutcome {
    ApiOutcome::Fault(Fault::new(Code::NodeGone, "restarted"))
}

/// What a former process left unanswered is ended at the next start.
pub async fn unanswered_records_are_cut_at_a_restart(t: &Bench) {
    let (open, done) = (t.record(None), t.record(Some(ApiOutcome::Empty)));
    let before = ApiRecord { host: None, ..t.record(None) };
    for record in [&open, &done, &before] {
        t.store.create_record(record.clone()).await.unwrap();
    }
    assert_eq!(t.store.cut_records(cut(), Gone::All).await, Ok(2));
    for id in [open.id, before.id] {
        let ended = t.store.record(&id).await.unwrap().unwrap();
        assert_eq!((ended.outcome, ended.finished_ms), (Some(cut()), Some(t.clock.now_ms())));
    }
    assert_eq!(t.store.record(&done.id).await, Ok(Some(done)));
    assert_eq!(t.store.cut_records(cut(), Gone::All).await, Ok(0));
}

/// A start of one process touches nothing that another works on.
pub async fn a_restart_of_one_host_cuts_its_own_records_alone(t: &Bench) {
    let [mine, other] = [HostId::from_bits(1), HostId::from_bits(2)];
    t.node_joined(other, Gone::Unproven).await;
    let of = |host| ApiRecord { host: Some(host), ..t.record(None) };
    let (left, worked_on) = (of(mine), of(other));
    let before = ApiRecord { host: None, ..t.record(None) };
    for record in [&left, &worked_on, &before] {
        t.store.create_record(record.clone()).await.unwrap();
    }
    assert_eq!(t.store.cut_records(cut(), Gone::Host(mine)).await, Ok(1));
    assert_eq!(t.store.record(&left.id).await.unwrap().unwrap().outcome, Some(cut()));
    for untouched in [worked_on, before] {
        assert_eq!(t.store.record(&untouched.id).await, Ok(Some(untouched)));
    }
}

/// Any node answers for one that is gone, and only then.
pub async fn records_of_a_host_without_a_node_are_cut_by_any_other(t: &Bench) {
    let host = HostId::from_bits(1);
    let silent = t.node_joined(host, Gone::Unproven).await;
    let living = t.node().await;
    let record = ApiRecord { host: Some(host), ..t.record(None) };
    t.store.create_record(record.clone()).await.unwrap();
    assert_eq!(t.store.cut_records(cut(), Gone::Unproven).await, Ok(0));
    t.advance_while_heartbeating(living, t.lease_ttl() - 1).await;
    assert_eq!(t.store.cut_records(cut(), Gone::Unproven).await, Ok(0), "its lease lives");
    t.advance_while_heartbeating(living, 1).await;
    assert_eq!(t.store.cut_records(cut(), Gone::Unproven).await, Ok(1));
    assert_eq!(t.store.record(&record.id).await.unwrap().unwrap().outcome, Some(cut()));
    assert_eq!(t.store.heartbeat(silent).await, Err(StoreError::LeaseLost), "its lease was ended for that");
}

/// A process that was taken for gone and is not changes nothing that may have been told.
pub async fn an_answer_is_given_once(t: &Bench) {
    let record = t.record(None);
    t.store.create_record(record.clone()).await.unwrap();
    t.store.cut_records(cut(), Gone::All).await.unwrap();
    t.clock.advance(SECOND);
    assert_eq!(t.store.finish_record(&record.id, ApiOutcome::Empty).await, Ok(()));
    let told = t.store.record(&record.id).await.unwrap().unwrap();
    assert_eq!((told.outcome, told.finished_ms), (Some(cut()), Some(t.clock.now_ms() - SECOND)));
}

/// Answered records go when their time has come; open ones stay.
pub async fn answered_records_are_swept_after_their_time(t: &Bench) {
    let (open, done) = (t.record(None), t.record(Some(ApiOutcome::Empty)));
    t.store.create_record(open.clone()).await.unwrap();
    t.store.create_record(done.clone()).await.unwrap();
    t.clock.advance(60 * SECOND - 1);
    assert_eq!(t.store.sweep_records().await, Ok(0));
    t.clock.advance(1);
    assert_eq!(t.store.sweep_records().await, Ok(1));
    assert_eq!(t.store.record(&done.id).await, Ok(None));
    assert_eq!(t.store.record(&open.id).await, Ok(Some(open)));
}
