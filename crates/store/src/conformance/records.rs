//! Promises of `Records`.

use longhaul_model::resource::{ApiOutcome, ApiRecord, Message};
use longhaul_model::{ApiId, Clock, Code, Fault, JobId};

use super::{Bench, SECOND};
use crate::StoreError;

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
    let id = ApiId::random(&*t.clock);
    assert_eq!(t.store.record(&id).await, Ok(None));
    assert_eq!(t.store.finish_record(&id, ApiOutcome::Empty).await, Err(StoreError::NotFound));
}

/// What a former process left unanswered is ended at the next start.
pub async fn unanswered_records_are_cut_at_a_restart(t: &Bench) {
    let (open, done) = (t.record(None), t.record(Some(ApiOutcome::Empty)));
    t.store.create_record(open.clone()).await.unwrap();
    t.store.create_record(done.clone()).await.unwrap();
    let cut = ApiOutcome::Fault(Fault::new(Code::NodeGone, "restarted"));
    assert_eq!(t.store.cut_records(cut.clone()).await, Ok(1));
    let ended = t.store.record(&open.id).await.unwrap().unwrap();
    assert_eq!(ended.outcome, Some(cut.clone()));
    assert_eq!(t.store.record(&done.id).await, Ok(Some(done)));
    assert_eq!(t.store.cut_records(cut).await, Ok(0));
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
