//! Random queries on random jobs and tags: the other stores answer exactly what the memory store does.

#[path = "common/database.rs"]
mod database;
#[path = "common/queries.rs"]
mod queries;

use std::sync::Arc;

use futures::executor::block_on;
use longhaul_model::query::{Answer, Query};
use longhaul_model::resource::{NewNode, Storage, StorageKind, StorageState, Tagged, Volume};
use longhaul_model::{
    FreeSlots, HostId, JobEvent, NewJob, NodeId, SlotClass, StorageId, Transition, VolumeId,
};
use longhaul_store::conformance::HandClock;
use longhaul_store::{Gone, MemoryStore, PostgresOptions, PostgresStore, SqliteStore, Store, StoreOptions};
use proptest::prelude::*;

async fn fill(store: &dyn Store, clock: &HandClock, jobs: &[(NewJob, Option<JobEvent>, i64)]) {
    let node = NodeId::v4(1);
    store.join(NewNode::new(node, HostId::v4(1), "here"), Gone::All).await.expect("joined");
    for (new, fate, later_ms) in jobs {
        clock.advance(*later_ms);
        store.submit(new.clone(), None).await.expect("stored");
        if let Some(event) = fate {
            let slots = [FreeSlots::new(SlotClass::Simulator, 1000)];
            let claimed = store.claim(node, &slots, &[]).await.expect("claimed");
            let claim = claimed.iter().find(|c| c.job.id == new.id).expect("given").claim;
            let result = Some(format!("m{}", new.name));
            let transition = Transition { result, ..Transition::plain(*event) };
            store.apply(&claim, transition).await.expect("applied");
        }
    }
    tag_disks(store, clock).await;
}

/// A volume of the first account on a storage, both with tags, one of which was changed.
async fn tag_disks(store: &dyn Store, clock: &HandClock) {
    let storage = Storage {
        id: StorageId::v4(1),
        name: "pool".to_owned(),
        description: None,
        kind: StorageKind::Local,
        url: "/pool".to_owned(),
        mount: None,
        pool: None,
        host: None,
        elsewhere: None,
        state: StorageState::Enabled,
        status: "Connected".to_owned(),
        total_bytes: 2,
        available_bytes: 1,
        create_ms: 0,
        last_op_ms: 0,
    };
    let volume = Volume {
        id: VolumeId::v4(1),
        account: queries::account(0),
        name: "disk".to_owned(),
        description: None,
        storage: Some(storage.id),
        install_path: Some("/pool/1".to_owned()),
        kind: "Data".to_owned(),
        format: Some("raw".to_owned()),
        size: 1,
        actual_size: Some(1),
        state: "Enabled".to_owned(),
        status: "Ready".to_owned(),
        deleted_ms: None,
        create_ms: 0,
        last_op_ms: 0,
    };
    let (on_storage, on_volume) = (Tagged::Storage(storage.id), Tagged::Volume(volume.id));
    store.create_storage(storage).await.expect("stored");
    store.create_volume(volume).await.expect("stored");
    for (on, system) in [(on_storage, true), (on_volume, true), (on_volume, false)] {
        let tags = store.add_tags(on, system, &["x".to_owned(), "a".to_owned()]).await.expect("put on");
        clock.advance(1);
        store.update_tag(tags[1].id, "b").await.expect("changed");
    }
}

fn answers(
    open: impl FnOnce(Arc<HandClock>) -> Box<dyn Store>,
    jobs: &[(NewJob, Option<JobEvent>, i64)],
    queries: &[Query],
) -> Vec<Answer> {
    let clock = HandClock::new();
    let store = open(clock.clone());
    block_on(async {
        fill(&*store, &clock, jobs).await;
        let mut answers = Vec::new();
        for query in queries {
            answers.push(store.query(query).await.expect("answered"));
        }
        answers
    })
}

fn in_memory(jobs: &[(NewJob, Option<JobEvent>, i64)], queries: &[Query]) -> Vec<Answer> {
    answers(|clock| Box::new(MemoryStore::new(clock, StoreOptions::default())), jobs, queries)
}

fn on_postgres(jobs: &[(NewJob, Option<JobEvent>, i64)], queries: &[Query]) -> Vec<Answer> {
    let schema = database::Schema::new();
    let open = |clock: Arc<HandClock>| -> Box<dyn Store> {
        let options = PostgresOptions { clock: Some(clock.clone()), ..PostgresOptions::default() };
        Box::new(PostgresStore::open(schema.url(), clock, options).expect("opened"))
    };
    answers(open, jobs, queries)
}

proptest! {
    // Fewer, since each has a schema of its own.
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_queries_give_the_same_rows_on_memory_and_postgres(
        jobs in proptest::collection::vec(queries::job(), 0..24),
        queries in proptest::collection::vec(queries::query(), 160),
    ) {
        let memory = in_memory(&jobs, &queries);
        let postgres = on_postgres(&jobs, &queries);
        for ((query, expected), got) in queries.iter().zip(&memory).zip(&postgres) {
            prop_assert_eq!(got, expected, "{:?}", query);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_queries_give_the_same_rows_on_memory_and_sqlite(
        jobs in proptest::collection::vec(queries::job(), 0..24),
        queries in proptest::collection::vec(queries::query(), 24),
    ) {
        let memory = in_memory(&jobs, &queries);
        let sqlite = answers(
            |clock| Box::new(SqliteStore::inline_in_memory(clock, StoreOptions::default()).expect("opened")),
            &jobs,
            &queries,
        );
        for ((query, expected), got) in queries.iter().zip(&memory).zip(&sqlite) {
            prop_assert_eq!(got, expected, "{:?}", query);
        }
    }
}
