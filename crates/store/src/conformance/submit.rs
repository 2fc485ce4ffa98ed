//! Promises of `Jobs::submit`, `job` and `request_hash`.

use futures::future::join_all;
use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{AccountId, JobEvent, JobState, NewJob, NewTag, SlotClass, Submitted};

use super::{Bench, SECOND};
use crate::StoreError;

/// What was submitted is what is read.
pub async fn a_submitted_job_waits_and_reads_back(t: &Bench) {
    let new = NewJob {
        description: Some("for people".to_owned()),
        target: Some("t".to_owned()),
        job_data: "{\"a\": 1}".to_owned(),
        ..t.new_job()
    };
    let (job, claim) = t.submit(new.clone()).await;
    assert_eq!(claim, None);
    assert_eq!((job.state, job.version, job.attempt, job.token), (JobState::Waiting, 1, 0, 0));
    assert_eq!((job.id, job.account, &job.api_id), (new.id, t.account, &new.api_id));
    assert_eq!((&job.description, &job.target), (&new.description, &new.target));
    assert_eq!(job.job_data, new.job_data);
    assert_eq!(t.job(new.id).await, job);
    let rows = t.store.timeline(new.id).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].kind, rows[0].actor), (TimelineKind::Submitted, Actor::Account(t.account)));
    assert_eq!((rows[0].seq, rows[0].attempt, rows[0].token), (1, 0, 0));
}

/// An unknown job is no error.
pub async fn an_unknown_job_is_none(t: &Bench) {
    let id = t.new_job().id;
    assert_eq!(t.store.job(id).await, Ok(None));
    assert_eq!(t.store.request_hash(id).await, Ok(None));
    assert_eq!(t.store.timeline(id).await, Ok(Vec::new()));
}

/// The hash is that of the submission, for ever.
pub async fn the_request_hash_is_kept(t: &Bench) {
    let new = NewJob { request_hash: [9; 32], ..t.new_job() };
    t.submit(new.clone()).await;
    assert_eq!(t.store.request_hash(new.id).await, Ok(Some([9; 32])));
}

/// 64 callers with one request get one job.
pub async fn sixty_four_equal_submits_at_once_make_one_job(t: &Bench) {
    let new = t.new_job();
    let answers = join_all((0..64).map(|_| t.store.submit(new.clone(), None))).await;
    let created = answers.iter().filter(|a| matches!(a, Ok(Submitted::Created(..)))).count();
    let same = answers.iter().filter(|a| matches!(a, Ok(Submitted::Same(_)))).count();
    assert_eq!((created, same), (1, 63), "{answers:?}");
    assert_eq!(t.kinds(new.id).await, [TimelineKind::Submitted]);
}

/// A repeated submission is answered with the job as it is by then.
pub async fn a_repeated_submit_answers_the_job_as_it_is_now(t: &Bench) {
    let new = t.new_job();
    t.submit(new.clone()).await;
    let canceled = t.cancel(new.id).await;
    match t.store.submit(NewJob { api_id: t.new_job().api_id, ..new }, None).await {
        Ok(Submitted::Same(job)) => assert_eq!(*job, canceled),
        other => panic!("{other:?}"),
    }
}

/// Another request for the same uuid changes nothing, whoever sends it.
pub async fn another_request_for_a_taken_uuid_changes_nothing(t: &Bench) {
    let new = t.new_job();
    let (before, _) = t.submit(new.clone()).await;
    let foreign = AccountId::random(&*t.clock);
    for other in [
        NewJob { request_hash: [2; 32], name: "other".to_owned(), ..new.clone() },
        NewJob { request_hash: [3; 32], account: foreign, ..new.clone() },
    ] {
        let record = t.record(None);
        let answer = t.store.submit(other, Some(record.clone())).await;
        assert!(matches!(answer, Err(StoreError::Taken)), "{answer:?}");
        assert_eq!(t.store.record(&record.id).await, Ok(None), "nothing of it is stored");
    }
    assert_eq!(t.job(new.id).await, before);
    assert_eq!(t.kinds(new.id).await, [TimelineKind::Submitted]);
}

/// The record of the call is stored with the job, for a repeated submission too.
pub async fn the_record_is_stored_with_the_job(t: &Bench) {
    let new = t.new_job();
    for _ in 0..2 {
        let record = t.record(Some(ApiOutcome::Job(new.id)));
        t.store.submit(new.clone(), Some(record.clone())).await.unwrap();
        assert_eq!(t.store.record(&record.id).await, Ok(Some(record)));
    }
}

/// A record id that exists refuses the whole submission.
pub async fn a_known_record_id_refuses_the_submission(t: &Bench) {
    let record = t.record(None);
    t.store.create_record(record.clone()).await.unwrap();
    let new = t.new_job();
    let answer = t.store.submit(new.clone(), Some(record)).await;
    assert!(matches!(answer, Err(StoreError::Taken)), "{answer:?}");
    assert_eq!(t.store.job(new.id).await, Ok(None));
}

/// With a free slot and nobody before it, one commit submits and starts.
pub async fn a_submission_may_be_claimed_in_the_same_commit(t: &Bench) {
    let node = t.node().await;
    let new = NewJob { claim_for: Some(node), ..t.new_job() };
    let (job, claim) = t.submit(new).await;
    let claim = claim.expect("claimed");
    assert_eq!((claim.job, claim.node, claim.token, claim.attempt), (job.id, node, 1, 1));
    assert_eq!((job.state, job.node, job.token, job.attempt), (JobState::Running, Some(node), 1, 1));
    assert_eq!(job.started_ms, Some(job.create_ms));
    assert_eq!(t.job(job.id).await, job);
    assert_eq!(t.kinds(job.id).await, [TimelineKind::Submitted, TimelineKind::Started]);
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap().state, JobState::Succeeded);
}

/// Who waits longer for a slot of the class is before it.
pub async fn a_submission_does_not_overtake_a_waiting_job_of_its_class(t: &Bench) {
    let node = t.node().await;
    let (first, _) = t.submit(t.new_job()).await;
    let (second, claim) = t.submit(NewJob { claim_for: Some(node), ..t.new_job() }).await;
    assert_eq!((second.state, claim), (JobState::Waiting, None));
    let other_class = NewJob { claim_for: Some(node), class: SlotClass::BuiltIn, ..t.new_job() };
    assert!(t.submit(other_class).await.1.is_some(), "another class is another queue");
    let order: Vec<_> = t.claim_all(node).await.into_iter().map(|c| c.job.id).collect();
    assert_eq!(order, [first.id, second.id]);
}

/// A released job and one whose retry is due wait too.
pub async fn a_submission_does_not_overtake_a_released_job(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.release(&claim, "drained").await.unwrap();
    let (job, given) = t.submit(NewJob { claim_for: Some(claim.node), ..t.new_job() }).await;
    assert_eq!((job.state, given), (JobState::Waiting, None));
}

/// Nor the job of a node whose lease has expired.
pub async fn a_submission_does_not_overtake_an_orphaned_job(t: &Bench) {
    t.submit_and_claim().await;
    let other = t.node().await;
    t.advance_while_heartbeating(other, t.lease_ttl() + SECOND).await;
    let (job, given) = t.submit(NewJob { claim_for: Some(other), ..t.new_job() }).await;
    assert_eq!((job.state, given), (JobState::Waiting, None));
}

/// An ordered job is not started at once while an earlier one on its target is not final.
pub async fn an_ordered_submission_waits_for_earlier_ones_on_its_target(t: &Bench) {
    let node = t.node().await;
    let ordered = |target| NewJob { claim_for: Some(node), ..t.new_ordered_job(target) };
    let (_, first) = t.submit(ordered("disk")).await;
    let first = first.expect("claimed");
    let (_, second) = t.submit(ordered("disk")).await;
    assert_eq!(second, None);
    assert!(t.submit(ordered("other")).await.1.is_some(), "another target is free");
    let unordered = NewJob { claim_for: Some(node), target: Some("disk".to_owned()), ..t.new_job() };
    assert!(t.submit(unordered).await.1.is_some(), "an unordered job does not mind");
    t.apply(&first, JobEvent::Succeed).await.unwrap();
    t.claim_as(node).await;
}

/// Without a live lease the job just waits.
pub async fn a_submission_for_a_node_without_lease_waits(t: &Bench) {
    let unknown = longhaul_model::NodeId::random(&*t.clock);
    let (job, claim) = t.submit(NewJob { claim_for: Some(unknown), ..t.new_job() }).await;
    assert_eq!((job.state, claim), (JobState::Waiting, None));
}

/// Tags are stored with the job.
pub async fn tags_are_stored_with_the_job(t: &Bench) {
    let tags = vec![
        NewTag { system: true, text: "longhaul::priority::7".to_owned() },
        NewTag { system: false, text: "mine".to_owned() },
    ];
    let (job, _) = t.submit(NewJob { tags, ..t.new_job() }).await;
    let mut stored: Vec<_> = t
        .store
        .tags(&job.id.to_string())
        .await
        .unwrap()
        .into_iter()
        .map(|tag| (tag.system, tag.text, tag.resource_type))
        .collect();
    stored.sort();
    let kind = || "LongJobVO".to_owned();
    assert_eq!(
        stored,
        [(false, "mine".to_owned(), kind()), (true, "longhaul::priority::7".to_owned(), kind())]
    );
}
