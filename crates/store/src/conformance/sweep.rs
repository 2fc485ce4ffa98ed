//! Promises of `Queue::sweep_jobs`.

use longhaul_model::resource::PARENT_TAG;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{JobEvent, JobId, JobState, NewJob, NewTag};

use super::{Bench, SECOND};
use crate::Kept;

const ALL: Kept = Kept { age_ms: None, jobs: None };

impl Bench {
    async fn ended(&self, new: NewJob) -> JobId {
        let (job, _) = self.submit(new).await;
        self.cancel(job.id).await;
        job.id
    }

    async fn left(&self, ids: &[JobId]) -> Vec<bool> {
        let mut left = Vec::new();
        for id in ids {
            left.push(self.store.job(*id).await.unwrap().is_some());
        }
        left
    }
}

/// What is older than is kept goes with its tags and history, the oldest first, and no more at a time than asked for.
pub async fn old_final_jobs_are_swept_with_all_that_is_theirs(t: &Bench) {
    let tags = vec![NewTag { system: false, text: "mine".to_owned() }];
    let mut ids = vec![t.ended(NewJob { tags, ..t.new_job() }).await];
    for _ in 0..3 {
        t.clock.advance(SECOND);
        ids.push(t.ended(t.new_job()).await);
    }
    assert_eq!(t.store.sweep_jobs(ALL, 10).await, Ok(0), "everything is kept");
    let kept = Kept { age_ms: Some(SECOND), ..ALL };
    assert_eq!(t.store.sweep_jobs(kept, 1).await, Ok(1));
    assert_eq!(t.left(&ids).await, [false, true, true, true]);
    assert!(t.store.timeline(ids[0]).await.unwrap().is_empty());
    assert!(t.store.tags(&ids[0].to_string()).await.unwrap().is_empty());
    assert_eq!(t.store.sweep_jobs(kept, 10).await, Ok(1), "as old as that is kept still");
    assert_eq!(t.left(&ids).await, [false, false, true, true]);
    let counts = t.store.counts(None).await.unwrap();
    assert_eq!(counts.into_iter().map(|(_, n)| n).sum::<u64>(), 2);
}

/// What was changed lately is kept, however long ago it was submitted.
pub async fn a_job_that_was_changed_lately_is_kept(t: &Bench) {
    let id = t.ended(t.new_job()).await;
    t.clock.advance(10 * SECOND);
    let mut change = t.asked(TimelineKind::Updated);
    change.name = Some("dear to me".to_owned());
    t.store.change(id, t.job(id).await.version, change, None).await.unwrap();
    let kept = Kept { age_ms: Some(5 * SECOND), ..ALL };
    assert_eq!(t.store.sweep_jobs(kept, 10).await, Ok(0));
    t.clock.advance(6 * SECOND);
    assert_eq!(t.store.sweep_jobs(kept, 10).await, Ok(1));
}

/// Of too many the newest are kept; those that are old count among the many.
pub async fn the_newest_final_jobs_are_kept(t: &Bench) {
    let mut ids = Vec::new();
    for _ in 0..6 {
        t.clock.advance(SECOND);
        ids.push(t.ended(t.new_job()).await);
    }
    t.submit(t.new_job()).await;
    let kept = Kept { age_ms: Some(4 * SECOND), jobs: Some(3) };
    assert_eq!(t.store.sweep_jobs(kept, 2).await, Ok(2));
    assert_eq!(t.store.sweep_jobs(kept, 2).await, Ok(1));
    assert_eq!(t.left(&ids).await, [false, false, false, true, true, true]);
    assert_eq!(t.store.sweep_jobs(kept, 2).await, Ok(0));
    assert_eq!(t.store.sweep_jobs(Kept { jobs: Some(0), ..ALL }, 10).await, Ok(3));
}

/// Only what is final is swept, and nothing that a job which is not final belongs to.
pub async fn a_job_with_an_open_child_is_not_swept(t: &Bench) {
    let parent = t.ended(t.new_job()).await;
    let tags = vec![NewTag { system: true, text: format!("{PARENT_TAG}{parent}") }];
    let (child, _) = t.submit(NewJob { tags, ..t.new_job() }).await;
    t.clock.advance(10 * SECOND);
    for kept in [Kept { age_ms: Some(SECOND), ..ALL }, Kept { jobs: Some(0), ..ALL }] {
        assert_eq!(t.store.sweep_jobs(kept, 10).await, Ok(0));
    }
    assert_eq!(t.state(child.id).await, JobState::Waiting);
    t.change(child.id, TimelineKind::CancelRequested, JobEvent::Cancel).await.unwrap();
    assert_eq!(t.store.sweep_jobs(Kept { jobs: Some(0), ..ALL }, 10).await, Ok(2));
}
