//! The conformance suite on the PostgreSQL store behind pgbouncer in transaction mode, where each transaction has
//! another connection to the server, each case in a schema of its own. And what else is said of poolers.

#[path = "common/database.rs"]
mod database;
#[path = "common/pooled.rs"]
mod pooled;

use std::sync::Arc;

use futures::executor::block_on;
use longhaul_model::resource::Config;
use longhaul_store::conformance::{self, Fresh, HandClock};
use longhaul_store::{Configs, Deliveries, PostgresOptions, PostgresStore};
use pooled::Pooled;

fn open_behind(mode: &str, clock: Arc<HandClock>) -> Fresh {
    let schema = Pooled::new(mode);
    let options = PostgresOptions { clock: Some(clock.clone()), ..PostgresOptions::default() };
    let store = PostgresStore::open(&schema.url(), clock, options).expect("opened");
    Fresh { store: Arc::new(store), keep: Box::new(schema) }
}

fn open_fresh(clock: Arc<HandClock>) -> Fresh {
    open_behind("transaction", clock)
}

longhaul_store::conformance_suite!(open_fresh);

#[test]
fn a_pooler_in_session_mode_serves_too() {
    let open = |clock| open_behind("session", clock);
    conformance::run(open, conformance::claim::no_job_is_given_to_two_nodes);
}

#[test]
fn a_store_that_is_not_told_of_its_pooler_does_not_open_and_says_why() {
    let schema = Pooled::new("transaction");
    let opened = PostgresStore::open(&schema.plain_url(), HandClock::new(), PostgresOptions::default());
    let why = opened.err().expect("refused").to_string();
    assert!(why.contains("unsupported startup parameter: options"), "{why}");
    assert!(why.contains("?pooler=transaction"), "what helps: {why}");
}

#[test]
fn no_statement_is_compiled_behind_a_pooler() {
    let pooled = Pooled::new("transaction");
    let store =
        PostgresStore::open(&pooled.url(), HandClock::new(), PostgresOptions::default()).expect("opened");
    pooled.schema().fail_where_jit_is("on");
    assert_eq!(block_on(store.next_delivery()), Ok(None));
    pooled.schema().fail_where_jit_is("off");
    assert!(block_on(store.next_delivery()).is_err(), "the check above would pass whatever is set");
}

#[test]
fn a_restart_of_the_pooler_is_survived() {
    let mut schema = Pooled::new("transaction");
    let store =
        PostgresStore::open(&schema.url(), HandClock::new(), PostgresOptions::default()).expect("opened");
    let value = |n: u32| Config { category: "a".to_owned(), name: "b".to_owned(), value: n.to_string() };
    for n in 0..3 {
        block_on(store.put_config(value(n))).expect("stored");
        assert_eq!(block_on(store.configs()), Ok(vec![value(n)]));
        schema.restart();
    }
    assert_eq!(block_on(store.configs()), Ok(vec![value(2)]));
    drop(store);
}
