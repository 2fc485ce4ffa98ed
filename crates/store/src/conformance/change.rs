//! Promises of `Jobs::change` and `delete_job`.

use futures::future::join_all;
use longhaul_model::resource::ApiOutcome;
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{
    ApiId, ClaimedFor, JobEvent, JobState, NewJob, NewTag, Pages, Progress, Submitted, SuspendReason,
};

use super::{Bench, SECOND};
use crate::StoreError;

/// A Waiting job that is canceled never runs.
pub async fn canceling_a_waiting_job_ends_it(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    let mut change = t.asked(TimelineKind::CancelRequested);
    change.event = Some(JobEvent::Cancel);
    change.result = Some("{}".to_owned());
    change.detail = "not needed".to_owned();
    let (job, claim) = t.store.change(job.id, job.version, change, None).await.unwrap();
    assert_eq!((job.state, job.job_result.as_deref(), claim), (JobState::Canceled, Some("{}"), None));
    assert_eq!(job.execute_s, Some(1));
    let node = t.node().await;
    assert!(t.claim_all(node).await.is_empty());
    let rows = t.store.timeline(job.id).await.unwrap();
    assert_eq!(
        t.kinds(job.id).await,
        [TimelineKind::Submitted, TimelineKind::CancelRequested, TimelineKind::Canceled]
    );
    assert_eq!((rows[1].actor, rows[1].detail.as_str()), (Actor::Account(t.account), "not needed"));
}

/// A Running job is told; its claim stays until it has undone its work.
pub async fn canceling_a_running_job_is_seen_by_its_holder(t: &Bench) {
    let claim = t.submit_and_claim().await;
    assert_eq!(t.cancel(claim.job).await.state, JobState::Canceling);
    assert_eq!(t.store.canceling(claim.node).await.unwrap(), [claim]);
    assert_eq!(t.cancel(claim.job).await.state, JobState::Canceling, "a second one is the same cancel");
    assert!(t.apply(&claim, JobEvent::Stopped).await.is_ok());
}

/// A suspended job that is canceled is undone by whoever claims it.
pub async fn canceling_a_suspended_job_makes_it_claimable_for_undoing(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.apply(&claim, JobEvent::Suspend).await.unwrap();
    assert_eq!(t.cancel(claim.job).await.state, JobState::Canceling);
    assert_eq!(t.claim_all(claim.node).await[0].purpose, ClaimedFor::Undo);
}

/// A takeover that was due stays a takeover when the job is canceled meanwhile.
pub async fn canceling_an_orphaned_job_keeps_that_its_holder_is_gone(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.leave(claim.node).await.unwrap();
    t.cancel(claim.job).await;
    let other = t.node().await;
    let claimed = t.claim_all(other).await.remove(0);
    assert_eq!((claimed.purpose, claimed.taken_over), (ClaimedFor::Undo, true));
}

/// A job that is suspended from outside loses its claim.
pub async fn suspending_a_running_job_ends_its_claim(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let job = t.change(claim.job, TimelineKind::Suspended, JobEvent::Suspend).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Suspended, Some(SuspendReason::User)));
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap_err(), StoreError::LeaseLost);
    assert!(t.claim_all(claim.node).await.is_empty());
}

/// A change decided on an old version is refused.
pub async fn a_change_on_an_old_version_is_stale(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    let node = t.node().await;
    t.claim_as(node).await;
    let record = t.record(None);
    let change = t.asked(TimelineKind::Updated);
    let answer = t.store.change(job.id, job.version, change, Some(record.clone())).await;
    assert_eq!(answer.unwrap_err(), StoreError::Stale);
    assert_eq!(t.store.record(&record.id).await, Ok(None));
    assert_eq!(t.store.delete_job(job.id, job.version, None).await, Err(StoreError::Stale));
}

/// Of many changes decided on one version one is made.
pub async fn of_many_changes_on_one_version_one_is_made(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    let change = |n: usize| {
        let mut change = t.asked(TimelineKind::Updated);
        change.name = Some(format!("name-{n}"));
        t.store.change(job.id, job.version, change, None)
    };
    let answers = join_all((0..16).map(change)).await;
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
    assert_eq!(t.kinds(job.id).await, [TimelineKind::Submitted, TimelineKind::Updated]);
}

/// Name and description change alone; the timeline tells of it.
pub async fn an_update_changes_name_and_description(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let before = t.job(claim.job).await;
    t.clock.advance(SECOND);
    let mut change = t.asked(TimelineKind::Updated);
    change.name = Some("new name".to_owned());
    change.description = Some("new text".to_owned());
    let (job, _) = t.store.change(claim.job, before.version, change, None).await.unwrap();
    let expected = longhaul_model::Job {
        name: "new name".to_owned(),
        description: Some("new text".to_owned()),
        version: before.version + 1,
        last_op_ms: before.last_op_ms + SECOND,
        ..before
    };
    assert_eq!(job, expected);
    assert_eq!(t.job(claim.job).await, expected);
    assert!(t.apply(&claim, JobEvent::Succeed).await.is_ok(), "the claim stays");
}

/// A rerun starts afresh and forgets nothing of what was.
pub async fn a_rerun_keeps_timeline_and_attempts_and_clears_the_rest(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.save_checkpoint(&claim, &Pages::from([(0, vec![1])])).await.unwrap();
    let progress = Progress { percent: 10, ..Progress::none(1) };
    t.store.save_progress(&[(claim, progress)]).await.unwrap();
    let mut end = longhaul_model::Transition::plain(JobEvent::Fail);
    end.result = Some("{}".to_owned());
    let failed = t.store.apply(&claim, end).await.unwrap();
    t.clock.advance(SECOND);
    let mut change = t.asked(TimelineKind::Rerun);
    let api_id = ApiId::in_order(&*t.clock);
    change.event = Some(JobEvent::Rerun);
    change.api_id = Some(api_id.clone());
    let (job, given) = t.store.change(claim.job, failed.version, change, None).await.unwrap();
    assert_eq!((job.state, given), (JobState::Waiting, None));
    assert_eq!((&job.job_result, job.execute_s, job.started_ms), (&None, None, None));
    assert_eq!((job.create_ms, job.attempt, job.token), (failed.create_ms + SECOND, 1, 1));
    assert_eq!(t.store.progress(&failed.api_id).await, Ok(None));
    assert_eq!(t.store.progress(&api_id).await, Ok(Some((job, None))));
    assert!(t.store.progress_history(claim.job).await.unwrap().is_empty());
    let claimed = t.claim_all(claim.node).await.remove(0);
    assert_eq!(claimed.purpose, ClaimedFor::Start);
    assert_eq!((claimed.claim.token, claimed.claim.attempt), (2, 2), "tokens only grow");
    assert_eq!(claimed.checkpoint, Pages::new());
    assert_eq!(
        t.kinds(claim.job).await,
        [
            TimelineKind::Submitted,
            TimelineKind::Started,
            TimelineKind::Failed,
            TimelineKind::Rerun,
            TimelineKind::Started
        ]
    );
}

/// Over many reruns the token grows with each claim.
pub async fn tokens_only_grow_over_reruns(t: &Bench) {
    let mut claim = t.submit_and_claim().await;
    for _ in 0..5 {
        t.apply(&claim, JobEvent::Succeed).await.unwrap();
        t.rerun(claim.job).await;
        let next = t.claim_as(claim.node).await;
        assert!(next.token > claim.token);
        assert_eq!(next.attempt, claim.attempt + 1);
        claim = next;
    }
}

/// A rerun job stands behind those that were submitted meanwhile.
pub async fn a_rerun_takes_a_new_place_in_the_order(t: &Bench) {
    let node = t.node().await;
    let (first, _) = t.submit(t.new_ordered_job("disk")).await;
    t.cancel(first.id).await;
    let (second, _) = t.submit(t.new_ordered_job("disk")).await;
    t.rerun(first.id).await;
    let claim = t.claim_as(node).await;
    assert_eq!(claim.job, second.id);
    t.apply(&claim, JobEvent::Succeed).await.unwrap();
    assert_eq!(t.claim_as(node).await.job, first.id);
}

/// A rerun may be claimed in the same commit, like a submission.
pub async fn a_rerun_may_be_claimed_in_the_same_commit(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let done = t.apply(&claim, JobEvent::Succeed).await.unwrap();
    let mut change = t.asked(TimelineKind::Rerun);
    change.event = Some(JobEvent::Rerun);
    change.claim_for = Some(claim.node);
    let (job, given) = t.store.change(done.id, done.version, change, None).await.unwrap();
    let given = given.expect("claimed");
    assert_eq!((job.state, given.token, given.attempt), (JobState::Running, 2, 2));
    assert_eq!(t.job(job.id).await, job);
    assert_eq!(t.store.claims(claim.node).await.unwrap(), [given]);
}

/// Only a final job is rerun.
pub async fn what_the_state_machine_refuses_is_illegal(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    let refused = t.change(job.id, TimelineKind::Rerun, JobEvent::Rerun).await.unwrap_err();
    assert!(matches!(refused, StoreError::Illegal(_)), "{refused:?}");
    assert_eq!(t.job(job.id).await, job);
}

/// There is nothing to change in what is not there.
pub async fn changing_or_deleting_an_unknown_job_is_not_found(t: &Bench) {
    let id = t.new_job().id;
    let change = t.asked(TimelineKind::Updated);
    assert_eq!(t.store.change(id, 1, change, None).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(t.store.delete_job(id, 1, None).await, Err(StoreError::NotFound));
}

/// The record of the call is stored with the change, or neither is.
pub async fn the_record_is_stored_with_the_change(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    let record = t.record(Some(ApiOutcome::Empty));
    let change = t.asked(TimelineKind::Updated);
    let (job, _) = t.store.change(job.id, job.version, change.clone(), Some(record.clone())).await.unwrap();
    assert_eq!(t.store.record(&record.id).await, Ok(Some(record.clone())));
    let again = t.store.change(job.id, job.version, change, Some(record.clone())).await;
    assert_eq!(again.unwrap_err(), StoreError::Taken);
    let deleted = t.store.delete_job(job.id, job.version, Some(record)).await;
    assert_eq!(deleted, Err(StoreError::Taken));
    assert_eq!(t.job(job.id).await, job, "and nothing is changed");
}

/// After a deletion the uuid is free and nothing of the old job is left.
pub async fn a_deleted_job_frees_its_uuid(t: &Bench) {
    let tags = vec![NewTag { system: false, text: "mine".to_owned() }];
    let new = NewJob { tags, ..t.new_job() };
    t.submit(new.clone()).await;
    let node = t.node().await;
    let claim = t.claim_as(node).await;
    t.store.save_progress(&[(claim, Progress::none(1))]).await.unwrap();
    let job = t.apply(&claim, JobEvent::Succeed).await.unwrap();
    let record = t.record(Some(ApiOutcome::Empty));
    t.store.delete_job(job.id, job.version, Some(record.clone())).await.unwrap();
    assert_eq!(t.store.job(job.id).await, Ok(None));
    assert_eq!(t.store.record(&record.id).await, Ok(Some(record)));
    assert_eq!(t.store.progress(&job.api_id).await, Ok(None));
    assert!(t.store.timeline(job.id).await.unwrap().is_empty());
    assert!(t.store.progress_history(job.id).await.unwrap().is_empty());
    assert!(t.store.tags(&job.id.to_string()).await.unwrap().is_empty());
    let other = NewJob { request_hash: [8; 32], tags: Vec::new(), ..new };
    match t.store.submit(other, None).await {
        Ok(Submitted::Created(job, _)) => assert_eq!((job.version, job.token), (1, 0)),
        answer => panic!("{answer:?}"),
    }
    assert_eq!(t.kinds(job.id).await, [TimelineKind::Submitted]);
}

/// A deleted job is not claimed, and its holder is told.
pub async fn a_deleted_job_is_lost_to_its_holder(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let job = t.job(claim.job).await;
    t.store.delete_job(job.id, job.version, None).await.unwrap();
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap_err(), StoreError::LeaseLost);
    assert!(t.store.claims(claim.node).await.unwrap().is_empty());
}
