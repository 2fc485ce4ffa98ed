//! Promises of `Jobs::apply` and `release`.

use longhaul_model::resource::{Effect, Intent, IntentKind, Trash};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Claim, JobEvent, JobState, StorageId, SuspendReason, Transition};

use super::{Bench, SECOND};
use crate::StoreError;

/// Success ends the claim and is told by the timeline.
pub async fn success_ends_the_job_and_its_claim(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let before = t.job(claim.job).await;
    t.clock.advance(2 * SECOND + 999);
    let transition = Transition {
        result: Some("{\"success\":true}".to_owned()),
        detail: "done".to_owned(),
        ..Transition::plain(JobEvent::Succeed)
    };
    let job = t.store.apply(&claim, transition).await.unwrap();
    assert_eq!((job.state, job.execute_s), (JobState::Succeeded, Some(2)));
    assert_eq!(job.job_result.as_deref(), Some("{\"success\":true}"));
    assert_eq!(job.last_op_ms, before.last_op_ms + 2 * SECOND + 999);
    assert!(job.version > before.version);
    assert_eq!(t.job(claim.job).await, job);
    assert!(t.store.claims(claim.node).await.unwrap().is_empty());
    let last = t.store.timeline(claim.job).await.unwrap().pop().unwrap();
    assert_eq!((last.kind, last.actor), (TimelineKind::Succeeded, Actor::Node(claim.node)));
    assert_eq!((last.detail.as_str(), last.attempt, last.token), ("done", 1, 1));
    assert_eq!(t.apply(&claim, JobEvent::Fail).await.unwrap_err(), StoreError::LeaseLost, "only once");
}

/// However short it was, it took a second.
pub async fn execute_time_is_at_least_one_second(t: &Bench) {
    let claim = t.submit_and_claim().await;
    assert_eq!(t.apply(&claim, JobEvent::Fail).await.unwrap().execute_s, Some(1));
}

/// The time from the first start counts, not from the newest.
pub async fn execute_time_counts_from_the_first_start(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.clock.advance(SECOND);
    t.store.release(&claim, "drained").await.unwrap();
    t.clock.advance(SECOND);
    let claim = t.claim_as(claim.node).await;
    t.clock.advance(SECOND);
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap().execute_s, Some(3));
}

/// The last change never moves back, even if the clock does.
pub async fn the_last_change_never_moves_back(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let before = t.job(claim.job).await.last_op_ms;
    t.clock.advance(-SECOND);
    assert_eq!(t.apply(&claim, JobEvent::Succeed).await.unwrap().last_op_ms, before);
}

/// Without a result the old one stays.
pub async fn a_transition_without_result_leaves_the_result(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let suspend = Transition { result: Some("{}".to_owned()), ..Transition::plain(JobEvent::Suspend) };
    t.store.apply(&claim, suspend).await.unwrap();
    t.change(claim.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
    let claim = t.claim_as(claim.node).await;
    let job = t.apply(&claim, JobEvent::Succeed).await.unwrap();
    assert_eq!(job.job_result.as_deref(), Some("{}"));
}

/// The reason and the retry time are kept while the job is suspended.
pub async fn a_suspension_keeps_its_reason(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let suspend =
        Transition { suspend: Some(SuspendReason::Storage), ..Transition::plain(JobEvent::Suspend) };
    let job = t.store.apply(&claim, suspend).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Suspended, Some(SuspendReason::Storage)));
    assert!(t.store.claims(claim.node).await.unwrap().is_empty());
    assert_eq!(t.kinds(claim.job).await.last(), Some(&TimelineKind::Suspended));
}

async fn canceling(t: &Bench) -> Claim {
    let claim = t.submit_and_claim().await;
    t.cancel(claim.job).await;
    claim
}

/// A cancel that meets a failure is a cancel.
pub async fn a_failure_of_a_canceling_job_is_canceled(t: &Bench) {
    for event in [JobEvent::Fail, JobEvent::Stopped] {
        let claim = canceling(t).await;
        let transition = Transition {
            result: Some("failed".to_owned()),
            canceled_result: Some("receipt".to_owned()),
            ..Transition::plain(event)
        };
        let job = t.store.apply(&claim, transition).await.unwrap();
        assert_eq!((job.state, job.job_result.as_deref()), (JobState::Canceled, Some("receipt")));
        assert_eq!(t.kinds(claim.job).await.last(), Some(&TimelineKind::Canceled));
        t.store.leave(claim.node).await.unwrap();
    }
}

/// The work may win the race with the cancel.
pub async fn success_wins_over_a_cancel(t: &Bench) {
    let claim = canceling(t).await;
    let transition = Transition {
        result: Some("done".to_owned()),
        canceled_result: Some("receipt".to_owned()),
        ..Transition::plain(JobEvent::Succeed)
    };
    let job = t.store.apply(&claim, transition).await.unwrap();
    assert_eq!((job.state, job.job_result.as_deref()), (JobState::Succeeded, Some("done")));
}

/// An attempt that stops while it is to be canceled leaves the undoing to the next.
pub async fn a_canceling_job_that_suspends_stays_canceling_and_claimable(t: &Bench) {
    let claim = canceling(t).await;
    let job = t.apply(&claim, JobEvent::Suspend).await.unwrap();
    assert_eq!((job.state, job.suspend), (JobState::Canceling, None));
    assert_eq!(t.apply(&claim, JobEvent::Stopped).await.unwrap_err(), StoreError::LeaseLost);
    let claim = t.claim_as(claim.node).await;
    assert_eq!(t.apply(&claim, JobEvent::Stopped).await.unwrap().state, JobState::Canceled);
}

/// What the state machine refuses changes nothing.
pub async fn an_illegal_transition_changes_nothing(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let before = t.job(claim.job).await;
    let rows = t.kinds(claim.job).await;
    let intent = intend(t, &claim).await;
    let transition =
        Transition { effects: vec![Effect::LedgerDone(intent.id)], ..Transition::plain(JobEvent::Start) };
    let refused = t.store.apply(&claim, transition).await.unwrap_err();
    assert!(matches!(refused, StoreError::Illegal(_)), "{refused:?}");
    assert_eq!(t.job(claim.job).await, before);
    assert_eq!(t.kinds(claim.job).await, rows);
    assert_eq!(t.store.intents(claim.job).await.unwrap(), [intent]);
}

async fn intend(t: &Bench, claim: &Claim) -> Intent {
    let intent = Intent {
        id: 0,
        job: claim.job,
        token: claim.token,
        kind: IntentKind::Artifact { path: "/pool/new".to_owned() },
        storage: Some(StorageId::random(&*t.clock)),
        create_ms: 0,
    };
    t.store.intend(claim, intent).await.unwrap()
}

fn trash(storage: StorageId) -> Trash {
    Trash {
        id: 0,
        storage,
        resource_uuid: "r".to_owned(),
        resource_type: "VolumeVO".to_owned(),
        install_path: "/pool/old".to_owned(),
        size: 4096,
        kind: "MigrateVolume".to_owned(),
        create_ms: 0,
    }
}

/// Effects happen with the success, all of them.
pub async fn effects_happen_with_the_success(t: &Bench) {
    let (from, to) = (t.storage("/a").await, t.storage("/b").await);
    let mut creating = t.new_volume(from.id, "/pool/old");
    "Creating".clone_into(&mut creating.status);
    let volume = t.store.create_volume(creating).await.unwrap();
    let claim = t.submit_and_claim().await;
    let intent = intend(t, &claim).await;
    let effects = vec![
        Effect::MoveVolume {
            volume: volume.id,
            storage: to.id,
            install_path: "/pool/new".to_owned(),
            format: "raw".to_owned(),
            actual_size: 77,
        },
        Effect::AddTrash(trash(from.id)),
        Effect::LedgerDone(intent.id),
    ];
    let transition = Transition { effects, ..Transition::plain(JobEvent::Succeed) };
    t.store.apply(&claim, transition).await.unwrap();
    let moved = t.store.volume(volume.id).await.unwrap().unwrap();
    assert_eq!((moved.storage, moved.install_path.as_deref()), (Some(to.id), Some("/pool/new")));
    assert_eq!((moved.format.as_deref(), moved.actual_size), (Some("raw"), Some(77)));
    assert_eq!(moved.status, "Ready");
    assert!(moved.last_op_ms > volume.last_op_ms);
    assert_eq!(t.store.trash(from.id).await.unwrap().len(), 1);
    assert!(t.store.all_intents().await.unwrap().is_empty());
}

/// A volume that was deleted while its bytes moved stays deleted.
pub async fn a_deleted_volume_that_moves_stays_deleted(t: &Bench) {
    let (from, to) = (t.storage("/a").await, t.storage("/b").await);
    let mut deleted = t.new_volume(from.id, "/pool/old");
    "Deleted".clone_into(&mut deleted.status);
    deleted.deleted_ms = Some(1);
    let volume = t.store.create_volume(deleted).await.unwrap();
    let claim = t.submit_and_claim().await;
    let effects = vec![Effect::MoveVolume {
        volume: volume.id,
        storage: to.id,
        install_path: "/pool/new".to_owned(),
        format: "raw".to_owned(),
        actual_size: 77,
    }];
    t.store.apply(&claim, Transition { effects, ..Transition::plain(JobEvent::Succeed) }).await.unwrap();
    let moved = t.store.volume(volume.id).await.unwrap().unwrap();
    assert_eq!((moved.status.as_str(), moved.deleted_ms), ("Deleted", Some(1)));
    assert_eq!(moved.storage, Some(to.id));
}

/// Without success nothing of them happens, except that intents are settled.
pub async fn effects_are_absent_without_success(t: &Bench) {
    let from = t.storage("/a").await;
    let volume = t.store.create_volume(t.new_volume(from.id, "/pool/old")).await.unwrap();
    for event in [JobEvent::Fail, JobEvent::Suspend, JobEvent::Stopped] {
        let claim = t.submit_and_claim().await;
        let intent = intend(t, &claim).await;
        let effects = vec![
            Effect::MoveVolume {
                volume: volume.id,
                storage: from.id,
                install_path: "/pool/new".to_owned(),
                format: "raw".to_owned(),
                actual_size: 77,
            },
            Effect::AddTrash(trash(from.id)),
            Effect::LedgerDone(intent.id),
        ];
        t.store.apply(&claim, Transition { effects, ..Transition::plain(event) }).await.unwrap();
        assert_eq!(t.store.volume(volume.id).await.unwrap(), Some(volume.clone()));
        assert!(t.store.trash(from.id).await.unwrap().is_empty());
        assert!(t.store.all_intents().await.unwrap().is_empty(), "settled all the same");
        t.store.leave(claim.node).await.unwrap();
    }
}

/// If one effect cannot be done, nothing is.
pub async fn an_effect_that_fails_undoes_everything(t: &Bench) {
    let from = t.storage("/a").await;
    let claim = t.submit_and_claim().await;
    let before = t.job(claim.job).await;
    let effects = vec![
        Effect::AddTrash(trash(from.id)),
        Effect::MoveVolume {
            volume: t.new_volume(from.id, "/x").id,
            storage: from.id,
            install_path: "/pool/new".to_owned(),
            format: "raw".to_owned(),
            actual_size: 77,
        },
    ];
    let transition = Transition { effects, ..Transition::plain(JobEvent::Succeed) };
    assert_eq!(t.store.apply(&claim, transition).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(t.job(claim.job).await, before);
    assert!(t.store.trash(from.id).await.unwrap().is_empty());
    assert!(t.apply(&claim, JobEvent::Succeed).await.is_ok(), "the claim still holds");
}

/// A release leaves the state and says why.
pub async fn a_release_leaves_the_state_and_says_why(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.release(&claim, "the node drains").await.unwrap();
    let job = t.job(claim.job).await;
    assert_eq!((job.state, job.attempt, job.token), (JobState::Running, 1, 1));
    let last = t.store.timeline(claim.job).await.unwrap().pop().unwrap();
    assert_eq!((last.kind, last.detail.as_str()), (TimelineKind::Released, "the node drains"));
    assert!(t.store.claims(claim.node).await.unwrap().is_empty());
}
