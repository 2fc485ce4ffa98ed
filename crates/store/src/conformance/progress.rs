//! Promises of `Jobs::save_checkpoint` and `save_progress`, and of `Events`.

use longhaul_model::timeline::TimelineKind;
use longhaul_model::{ApiId, JobEvent, NewJob, Pages, Progress};

use super::{Bench, SECOND};
use crate::traits::PROGRESS_HISTORY_MAX;

fn at(percent: u8, stage: &str, bytes_done: u64) -> Progress {
    Progress { percent, stage: stage.to_owned(), bytes_done, bytes_total: 1000, ..Progress::none(1) }
}

/// Saved pages replace their former selves, others stay.
pub async fn a_checkpoint_is_saved_page_by_page(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.save_checkpoint(&claim, &Pages::from([(0, vec![1]), (1, vec![2])])).await.unwrap();
    t.store.save_checkpoint(&claim, &Pages::from([(1, vec![3; 100_000]), (5, vec![])])).await.unwrap();
    t.store.release(&claim, "drained").await.unwrap();
    let claimed = t.claim_all(claim.node).await.remove(0);
    assert_eq!(claimed.checkpoint, Pages::from([(0, vec![1]), (1, vec![3; 100_000]), (5, vec![])]));
}

/// The newest progress is answered by the API id, with all its fields.
pub async fn progress_is_read_by_the_api_id(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let job = t.job(claim.job).await;
    assert_eq!(t.store.progress(&job.api_id).await, Ok(Some((job.clone(), None))));
    let progress =
        Progress { rate_bytes_per_s: 7, eta_s: Some(9), stalled: true, at_ms: 123, ..at(42, "copying", 420) };
    t.store.save_progress(&[(claim, progress.clone())]).await.unwrap();
    assert_eq!(t.store.progress(&job.api_id).await, Ok(Some((job, Some(progress)))));
    assert_eq!(t.store.progress(&ApiId::in_order(&*t.clock)).await, Ok(None));
}

/// Where a client used an API id twice, the newest job answers.
pub async fn of_two_jobs_with_one_api_id_the_newest_answers(t: &Bench) {
    let (first, _) = t.submit(t.new_job()).await;
    t.clock.advance(SECOND);
    let (second, _) = t.submit(NewJob { api_id: first.api_id.clone(), ..t.new_job() }).await;
    let (job, _) = t.store.progress(&first.api_id).await.unwrap().unwrap();
    assert_eq!(job.id, second.id);
}

/// Progress never goes backwards within an attempt.
pub async fn progress_never_goes_backwards(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let api_id = t.job(claim.job).await.api_id;
    let newest = || async { t.store.progress(&api_id).await.unwrap().unwrap().1.unwrap() };
    t.store.save_progress(&[(claim, at(50, "copying", 500))]).await.unwrap();
    for late in [at(49, "copying", 600), at(50, "copying", 499)] {
        t.store.save_progress(&[(claim, late)]).await.unwrap();
        assert_eq!(newest().await, at(50, "copying", 500));
    }
    t.store.save_progress(&[(claim, at(50, "verifying", 0))]).await.unwrap();
    assert_eq!(newest().await, at(50, "verifying", 0), "another stage counts its own bytes");
}

/// A further attempt that starts further back shows no less than what an earlier one reached.
pub async fn a_further_attempt_counts_on_from_what_was_reached(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let api_id = t.job(claim.job).await.api_id;
    let newest = || async { t.store.progress(&api_id).await.unwrap().unwrap().1.unwrap() };
    t.store.save_progress(&[(claim, at(50, "copying", 500))]).await.unwrap();
    t.store.release(&claim, "drained").await.unwrap();
    let again = t.claim_as(claim.node).await;
    t.store.save_progress(&[(claim, at(60, "copying", 600)), (again, at(40, "copying", 400))]).await.unwrap();
    assert_eq!(newest().await, at(50, "copying", 500));
    t.store.save_progress(&[(again, at(45, "copying", 450))]).await.unwrap();
    assert_eq!(newest().await, at(50, "copying", 500));
    t.store.save_progress(&[(again, at(51, "copying", 510))]).await.unwrap();
    assert_eq!(newest().await, at(51, "copying", 510));
    let history: Vec<u8> =
        t.store.progress_history(claim.job).await.unwrap().iter().map(|p| p.percent).collect();
    assert_eq!(history, [50, 50, 51]);
}

/// A rerun starts at nothing.
pub async fn a_rerun_has_progress_of_its_own(t: &Bench) {
    let claim = t.submit_and_claim().await;
    t.store.save_progress(&[(claim, at(50, "copying", 500))]).await.unwrap();
    t.apply(&claim, JobEvent::Fail).await.unwrap();
    t.rerun(claim.job).await;
    let again = t.claim_as(claim.node).await;
    t.store.save_progress(&[(again, at(4, "copying", 40))]).await.unwrap();
    let (_, newest) = t.store.progress(&t.job(claim.job).await.api_id).await.unwrap().unwrap();
    assert_eq!(newest, Some(at(4, "copying", 40)));
}

/// A row of a lost claim does not keep the others from being saved.
pub async fn a_lost_row_is_passed_over(t: &Bench) {
    let lost = t.submit_and_claim().await;
    t.store.release(&lost, "drained").await.unwrap();
    let held = t.claim_as(lost.node).await;
    let rows = [(lost, at(10, "copying", 1)), (held, at(20, "copying", 2))];
    t.store.save_progress(&rows).await.unwrap();
    assert_eq!(t.store.progress_history(held.job).await.unwrap(), [at(20, "copying", 2)]);
}

/// A history row where a person sees a difference.
pub async fn history_has_a_row_per_percent_and_stage(t: &Bench) {
    let claim = t.submit_and_claim().await;
    for progress in [
        at(1, "copying", 10),
        at(1, "copying", 11),
        at(2, "copying", 20),
        at(2, "verifying", 5),
        at(2, "verifying", 6),
    ] {
        t.store.save_progress(&[(claim, progress)]).await.unwrap();
    }
    let rows = t.store.progress_history(claim.job).await.unwrap();
    assert_eq!(rows, [at(1, "copying", 10), at(2, "copying", 20), at(2, "verifying", 5)]);
}

/// A long history is thinned, the newest row stays.
pub async fn history_is_thinned_by_half_when_it_is_full(t: &Bench) {
    let claim = t.submit_and_claim().await;
    let rows: Vec<_> =
        (0..=PROGRESS_HISTORY_MAX as u64).map(|n| (claim, at(1, &format!("s{n}"), n))).collect();
    t.store.save_progress(&rows[..PROGRESS_HISTORY_MAX]).await.unwrap();
    assert_eq!(t.store.progress_history(claim.job).await.unwrap().len(), PROGRESS_HISTORY_MAX);
    t.store.save_progress(&rows[PROGRESS_HISTORY_MAX..]).await.unwrap();
    let kept = t.store.progress_history(claim.job).await.unwrap();
    let expected: Vec<_> = rows.iter().map(|(_, p)| p.clone()).step_by(2).collect();
    assert_eq!(kept, expected);
}

/// The history of the newest attempts is kept, not of all.
pub async fn history_is_kept_for_the_newest_attempts(t: &Bench) {
    let mut claim = t.submit_and_claim().await;
    for attempt in 1..=8 {
        t.store.save_progress(&[(claim, at(attempt, "copying", 0))]).await.unwrap();
        t.store.release(&claim, "drained").await.unwrap();
        claim = t.claim_as(claim.node).await;
    }
    let kept: Vec<u8> =
        t.store.progress_history(claim.job).await.unwrap().iter().map(|p| p.percent).collect();
    assert_eq!(kept, [4, 5, 6, 7, 8]);
}

/// Rows are numbered without a gap, whatever happens to a job.
pub async fn the_timeline_is_numbered_without_a_gap(t: &Bench) {
    let mut claim = t.submit_and_claim().await;
    for _ in 0..3 {
        t.store.release(&claim, "drained").await.unwrap();
        claim = t.claim_as(claim.node).await;
        let _refused = t.apply(&claim, JobEvent::Start).await;
        t.apply(&claim, JobEvent::Suspend).await.unwrap();
        t.change(claim.job, TimelineKind::ResumeRequested, JobEvent::Resume).await.unwrap();
        claim = t.claim_as(claim.node).await;
    }
    t.cancel(claim.job).await;
    t.apply(&claim, JobEvent::Stopped).await.unwrap();
    t.rerun(claim.job).await;
    assert_eq!(t.kinds(claim.job).await.len(), 2 + 3 * 5 + 2 + 1);
}

/// Every row says when.
pub async fn the_timeline_tells_the_time_of_the_store(t: &Bench) {
    let (job, _) = t.submit(t.new_job()).await;
    t.clock.advance(SECOND);
    t.cancel(job.id).await;
    let times: Vec<i64> = t.store.timeline(job.id).await.unwrap().iter().map(|r| r.at_ms).collect();
    assert_eq!(times, [job.create_ms, job.create_ms + SECOND, job.create_ms + SECOND]);
}

/// A long history is read page by page: no row is left out and none comes twice.
pub async fn a_page_of_the_timeline_begins_behind_a_row_and_the_last_one_is_short(t: &Bench) {
    let mut claim = t.submit_and_claim().await;
    for _ in 0..4 {
        t.store.release(&claim, "drained").await.unwrap();
        claim = t.claim_as(claim.node).await;
    }
    let all = t.store.timeline(claim.job).await.unwrap();
    assert_eq!(all.len(), 10);
    let mut paged = Vec::new();
    loop {
        let after = paged.len() as u64;
        let page = t.store.timeline_page(claim.job, after, 4).await.unwrap();
        let full = page.len() == 4;
        paged.extend(page);
        if !full {
            break;
        }
    }
    assert_eq!(paged, all);
    assert_eq!(t.store.timeline_page(claim.job, 10, 4).await, Ok(Vec::new()));
    assert_eq!(t.store.timeline_page(claim.job, u64::MAX, 4).await, Ok(Vec::new()));
    assert_eq!(t.store.timeline_page(t.new_job().id, 0, 4).await, Ok(Vec::new()));
}
