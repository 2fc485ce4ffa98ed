//! Waits for jobs that end through another node: the store is all that tells of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join_all, pending, ready};
use longhaul_engine::{EngineConfig, Registry, TokioRuntime};
use longhaul_model::Runtime;
use longhaul_store::conformance::{Bench, Fresh};
use longhaul_store::faulty::Fate;
use longhaul_store::{FaultyStore, MemoryStore, Store, StoreOptions};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A store that others work on, a node that starts nothing, and how often it queried the store.
async fn node() -> (Bench, Arc<Waiting>, Arc<AtomicUsize>) {
    let queries = Arc::new(AtomicUsize::new(0));
    let counted = queries.clone();
    let plan = move |operation: &'static str| {
        counted.fetch_add(usize::from(operation == "query"), Ordering::SeqCst);
        Fate::Pass
    };
    let bench = Bench::new(|clock| {
        let memory = MemoryStore::new(clock.clone(), StoreOptions::default());
        Fresh { store: Arc::new(FaultyStore::new(memory, Arc::new(plan), clock)), keep: Box::new(()) }
    });
    let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
    let config = EngineConfig {
        max_running: 0,
        max_running_simulator: Some(0),
        ..EngineConfig::new(|_| "SYS.1000", parse, [0; 32])
    };
    let store: Arc<dyn Store> = bench.store.clone();
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let engine = Engine::start(store, runtime, Registry::default(), config).await.unwrap();
    (bench, Waiting::new(engine), queries)
}

#[tokio::test]
async fn those_who_wait_share_one_look_at_the_store_and_see_what_another_node_ended() {
    let (bench, waiting, queries) = node().await;
    let mut jobs = Vec::new();
    for _ in 0..10 {
        jobs.push(bench.submit(bench.new_job()).await.0.id);
    }
    let waits = jobs.iter().cycle().take(WAITERS_MAX).map(|job| waiting.for_end(*job, LONG, pending()));
    let mut waits = std::pin::pin!(join_all(waits));
    assert!(waits.as_mut().now_or_never().is_none(), "none has ended");
    assert_eq!(waiting.waiters(), WAITERS_MAX);
    for job in &jobs {
        bench.cancel(*job).await;
    }
    assert!(waits.await.iter().all(Result::is_ok));
    let asked = queries.load(Ordering::SeqCst);
    assert!((1..50).contains(&asked), "{asked} queries for {WAITERS_MAX} who waited");
    assert_eq!(waiting.waiters(), 0);
}

#[tokio::test]
async fn a_job_that_is_deleted_is_waited_for_no_more() {
    let (bench, waiting, _) = node().await;
    let job = bench.submit(bench.new_job()).await.0;
    let wait = waiting.for_end(job.id, LONG, pending());
    let mut wait = std::pin::pin!(wait);
    assert!(wait.as_mut().now_or_never().is_none());
    bench.store.delete_job(job.id, job.version, None).await.unwrap();
    assert_eq!(wait.await, Ok(()));
}

#[tokio::test]
async fn a_wait_ends_with_its_time_with_its_client_and_with_the_node() {
    let (bench, waiting, _) = node().await;
    let job = bench.submit(bench.new_job()).await.0.id;
    assert_eq!(waiting.for_end(job, Duration::ZERO, pending()).await, Ok(()));
    assert_eq!(waiting.for_end(job, LONG, ready(())).await, Ok(()));
    let wait = waiting.for_end(job, LONG, pending());
    let mut wait = std::pin::pin!(wait);
    assert!(wait.as_mut().now_or_never().is_none());
    waiting.close();
    assert_eq!(wait.await, Ok(()));
    assert_eq!(waiting.for_end(job, LONG, pending()).await, Ok(()), "nor does anybody after that");
}

#[tokio::test]
async fn one_more_than_the_most_is_refused_and_a_place_given_back_is_taken_again() {
    let (bench, waiting, _) = node().await;
    let job = bench.submit(bench.new_job()).await.0.id;
    let mut places: Vec<Place> = (0..WAITERS_MAX).map(|_| waiting.enter(job).unwrap()).collect();
    let refused = waiting.for_end(job, LONG, ready(())).await.expect_err("full");
    assert_eq!(refused.code, Code::Unavailable);
    assert!(refused.details.contains("ask without wait"), "{refused}");
    places.pop();
    assert_eq!(waiting.for_end(job, LONG, ready(())).await, Ok(()));
    drop(places);
    assert_eq!(waiting.waiters(), 0);
    assert!(waiting.waited().jobs.is_empty());
}
