//! Promises of `Batches`: each submission of a batch stands or falls by itself.

use futures::future::join_all;
use longhaul_model::timeline::TimelineKind;
use longhaul_model::{JobState, NewJob, NewTag, Submitted};

use super::Bench;
use crate::{SUBMIT_BATCH_MAX, StoreError};

type Answers = Vec<Result<Submitted, StoreError>>;

async fn submit(t: &Bench, jobs: &[NewJob]) -> Answers {
    let answers = t.store.submit_many(jobs.to_vec()).await.unwrap();
    assert_eq!(answers.len(), jobs.len(), "one answer each");
    answers
}

/// What became of each: `c` created, `s` the same, `t` taken, `x` anything else.
fn told(answers: &Answers) -> String {
    let one = |answer: &Result<Submitted, StoreError>| match answer {
        Ok(Submitted::Created(..)) => 'c',
        Ok(Submitted::Same(_)) => 's',
        Err(StoreError::Taken) => 't',
        Err(_) => 'x',
    };
    answers.iter().map(one).collect()
}

/// Every job of a full batch is stored as `submit` stores it, in this order.
pub async fn a_batch_is_stored_and_answered_in_its_order(t: &Bench) {
    let tags = vec![NewTag { system: false, text: "mine".to_owned() }];
    let jobs: Vec<NewJob> =
        (0..SUBMIT_BATCH_MAX).map(|_| NewJob { tags: tags.clone(), ..t.new_job() }).collect();
    for (job, answer) in jobs.iter().zip(submit(t, &jobs).await) {
        let Ok(Submitted::Created(stored, None)) = answer else { panic!("{answer:?}") };
        assert_eq!((stored.id, stored.state, &stored.name), (job.id, JobState::Waiting, &job.name));
    }
    let last = jobs.last().expect("a job");
    assert_eq!(t.kinds(last.id).await, [TimelineKind::Submitted]);
    assert_eq!(t.store.request_hash(last.id).await, Ok(Some(last.request_hash)));
    assert_eq!(t.store.tags(&last.id.to_string()).await.unwrap()[0].text, "mine");
    let node = t.node().await;
    let order: Vec<_> = t.claim_all(node).await.into_iter().map(|c| c.job.id).collect();
    assert_eq!(order, jobs.iter().map(|job| job.id).collect::<Vec<_>>());
}

/// A taken uuid in the middle is refused, and nothing else is.
pub async fn what_one_of_a_batch_refuses_takes_no_other_with_it(t: &Bench) {
    let (before, _) = t.submit(t.new_job()).await;
    let taken = NewJob { id: before.id, request_hash: [9; 32], ..t.new_job() };
    let jobs = [t.new_job(), taken, t.new_job()];
    let answers = submit(t, &jobs).await;
    assert_eq!(told(&answers), "ctc");
    assert_eq!(t.job(before.id).await, before);
    for id in [jobs[0].id, jobs[2].id] {
        assert_eq!(t.kinds(id).await, [TimelineKind::Submitted]);
    }
}

/// A batch that is sent again changes nothing, also where a part of it was stored alone.
pub async fn a_batch_sent_again_is_the_same_jobs(t: &Bench) {
    let jobs = [t.new_job(), t.new_job(), t.new_job()];
    t.submit(jobs[1].clone()).await;
    assert_eq!(told(&submit(t, &jobs).await), "csc");
    let canceled = t.cancel(jobs[0].id).await;
    let again = submit(t, &jobs).await;
    assert_eq!(told(&again), "sss");
    let Ok(Submitted::Same(job)) = &again[0] else { panic!("{again:?}") };
    assert_eq!(**job, canceled, "as it is now");
    assert_eq!(t.kinds(jobs[1].id).await, [TimelineKind::Submitted]);
}

/// Of two with one uuid the first is stored; the second is the same, or refused.
pub async fn twins_in_one_batch_are_one_job(t: &Bench) {
    let job = t.new_job();
    let other = NewJob { request_hash: [9; 32], ..job.clone() };
    assert_eq!(told(&submit(t, &[job.clone(), job.clone(), other, t.new_job()]).await), "cstc");
    assert_eq!(t.kinds(job.id).await, [TimelineKind::Submitted]);
}

/// Nothing is answered with nothing.
pub async fn an_empty_batch_is_nothing(t: &Bench) {
    assert_eq!(told(&submit(t, &[]).await), "");
}

/// The counts are those of what was stored, not of what was refused.
pub async fn a_batch_counts_what_it_stored(t: &Bench) {
    let (taken, _) = t.submit(t.new_job()).await;
    let refused = NewJob { id: taken.id, request_hash: [9; 32], ..t.new_job() };
    submit(t, &[t.new_job(), refused, t.new_job()]).await;
    let counts = t.store.counts(Some(t.account)).await.unwrap();
    assert!(counts.contains(&(JobState::Waiting, 3)), "{counts:?}");
}

/// With a free slot the first of a batch starts in its commit, and a later one does not overtake.
pub async fn of_a_batch_the_first_is_claimed_at_once(t: &Bench) {
    let node = t.node().await;
    let ordered = || NewJob { claim_for: Some(node), ..t.new_ordered_job("disk") };
    let answers = submit(t, &[ordered(), ordered()]).await;
    let claimed = |at: usize| matches!(&answers[at], Ok(Submitted::Created(_, Some(_))));
    assert!(claimed(0) && !claimed(1), "{answers:?}");
}

/// Batches that share jobs, sent at once, make each of them once.
pub async fn batches_at_once_lose_and_double_nothing(t: &Bench) {
    let jobs: Vec<NewJob> = (0..40).map(|_| t.new_job()).collect();
    let batches = (0..8).map(|from| {
        let mut some = jobs.clone();
        some.rotate_left(from * 5); // each in another order
        t.store.submit_many(some)
    });
    let answers: Answers = join_all(batches).await.into_iter().flat_map(Result::unwrap).collect();
    let told = told(&answers);
    assert_eq!((told.matches('c').count(), told.matches('s').count()), (40, 8 * 40 - 40), "{told}");
    for job in jobs {
        assert_eq!(t.kinds(job.id).await, [TimelineKind::Submitted]);
    }
}
