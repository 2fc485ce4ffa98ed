//! What happens to the PostgreSQL store when the database breaks under it: connections are ended, no more are given, a
//! client stands still in the middle of a transaction. Real time, a real server; what is acknowledged stays.

#[path = "common/database.rs"]
mod database;

use std::sync::Arc;
use std::time::Duration;

use database::Schema;
use futures::executor::block_on;
use longhaul_model::resource::NewNode;
use longhaul_model::{
    AccountId, ApiId, FreeSlots, HostId, JobId, JobState, NewJob, NodeId, SlotClass, Submitted, Terms,
};
use longhaul_store::conformance::HandClock;
use longhaul_store::{Gone, Jobs, Nodes, PostgresOptions, PostgresStore, StoreError};

fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, HandClock::new(), PostgresOptions::default()).expect("opened")
}

fn job(number: u128) -> NewJob {
    NewJob {
        id: JobId::v4(number),
        account: AccountId::v4(1),
        name: format!("job-{number}"),
        description: None,
        api_id: ApiId::chosen(&format!("{number:032x}")).expect("32 characters"),
        job_name: "APISimulateJobMsg".to_owned(),
        job_data: "{}".to_owned(),
        sealed_data: None,
        target: None,
        request_hash: [1; 32],
        class: SlotClass::Simulator,
        ordered: false,
        tags: Vec::new(),
        terms: Terms::default(),
        claim_for: None,
    }
}

/// Submits until the store takes it, as the engine's callers do.
async fn submit(store: &PostgresStore, number: u128) {
    loop {
        match store.submit(job(number), None).await {
            Ok(Submitted::Created(..) | Submitted::Same(_)) => return,
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_store_whose_connections_are_ended_loses_no_acknowledged_job() {
    let schema = Schema::new();
    let name = format!("ended_{}", std::process::id());
    let store = Arc::new(open(&format!("{}&application_name={name}", schema.url())));
    let (acknowledged, heard) = std::sync::mpsc::channel();
    let workers: Vec<_> = (0..8_u128)
        .map(|worker| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            std::thread::spawn(move || {
                for nth in 0..40 {
                    block_on(submit(&store, worker * 1000 + nth));
                    acknowledged.send(()).expect("heard");
                }
            })
        })
        .collect();
    drop(acknowledged);
    let mut ended = 0;
    for _ in heard.iter().step_by(20) {
        ended += schema.count(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '{name}'"
        ));
    }
    for worker in workers {
        worker.join().expect("every job was taken");
    }
    assert!(ended > 0, "no connection was ended under the store");
    for number in (0..8_u128).flat_map(|worker| (0..40).map(move |nth| worker * 1000 + nth)) {
        let found =
            block_on(store.job(JobId::v4(number))).or_else(|_| block_on(store.job(JobId::v4(number))));
        assert!(found.expect("read").is_some(), "{number}");
    }
    assert_eq!(schema.count("SELECT count(*) FROM job"), 320);
    assert_eq!(schema.count("SELECT coalesce(sum(n), 0)::BIGINT FROM job_count"), 320);
}

#[test]
fn a_store_that_gets_no_connection_says_so_and_goes_on_when_it_gets_one() {
    let schema = Schema::new();
    let few = schema.database("few", 3);
    let store = Arc::new(open(&few.url));
    let workers: Vec<_> = (0..12_u128)
        .map(|number| {
            let store = store.clone();
            std::thread::spawn(move || block_on(submit(&store, number)))
        })
        .collect();
    for worker in workers {
        worker.join().expect("every job was taken");
    }
    for number in 0..12 {
        let found = loop {
            match block_on(store.job(JobId::v4(number))) {
                Ok(found) => break found,
                Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(found.is_some(), "{number}");
    }
}

#[test]
fn a_node_that_stands_still_in_a_transaction_does_not_keep_its_jobs() {
    let schema = Schema::new();
    let (first, second) = (open(schema.url()), open(schema.url()));
    let (node, other, host) = (NodeId::v4(1), NodeId::v4(2), HostId::v4(1));
    block_on(async {
        first.join(NewNode::new(node, host, "first"), Gone::Unproven).await.expect("joined");
        submit(&first, 1).await;
        let slots = [FreeSlots::new(SlotClass::Simulator, 10)];
        assert_eq!(first.claim(node, &slots, &[]).await.expect("claimed").len(), 1);
    });
    // As a process that is stopped between two statements: the node's row and the job's are locked.
    let lock = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 2000;
        SELECT 1 FROM node FOR KEY SHARE; SELECT 1 FROM job FOR UPDATE";
    let _still = schema.hold_open(lock);
    let mut looks = 80; // of a tenth of a second each
    let beside = NewNode { joins_before: 1, ..NewNode::new(other, host, "second") };
    block_on(second.join(beside, Gone::Unproven)).expect("joined");
    let slots = [FreeSlots::new(SlotClass::Simulator, 10)];
    loop {
        block_on(second.heartbeat(other)).expect("the lease is renewed");
        let taken = block_on(second.claim(other, &slots, &[])).expect("asked");
        if let Some(claimed) = taken.first() {
            assert!(claimed.taken_over);
            assert_eq!(claimed.job.state, JobState::Running);
            break;
        }
        looks -= 1;
        assert!(looks > 0, "nothing was taken over");
        std::thread::sleep(Duration::from_millis(100));
    }
}
