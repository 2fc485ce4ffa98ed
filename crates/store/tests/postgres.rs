//! The conformance suite on the PostgreSQL store, each case in a schema of its own.

#[path = "common/database.rs"]
mod database;

use std::sync::Arc;
use std::time::Duration;

use database::Schema;
use longhaul_model::Clock;
use longhaul_store::conformance::{Fresh, HandClock};
use longhaul_store::{PostgresOptions, PostgresStore};

fn open_fresh(clock: Arc<HandClock>) -> Fresh {
    let schema = Schema::new();
    // A busy machine is no fault of the store.
    let (connect_limit, write_limit) = (Duration::from_secs(60), Duration::from_secs(60));
    let clock_of_tests: Option<Arc<dyn Clock>> = Some(clock.clone());
    let options =
        PostgresOptions { clock: clock_of_tests, connect_limit, write_limit, ..PostgresOptions::default() };
    let store = PostgresStore::open(schema.url(), clock, options).expect("opened");
    Fresh { store: Arc::new(store), keep: Box::new(schema) }
}

longhaul_store::conformance_suite!(open_fresh);
