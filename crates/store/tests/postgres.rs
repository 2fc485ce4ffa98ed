//! The conformance suite on the PostgreSQL store, each case in a schema of its own.

#[path = "common/database.rs"]
mod database;

use std::sync::Arc;

use database::Schema;
use longhaul_store::conformance::{Fresh, HandClock};
use longhaul_store::{PostgresOptions, PostgresStore};

fn open_fresh(clock: Arc<HandClock>) -> Fresh {
    let schema = Schema::new();
    let options = PostgresOptions { clock: Some(clock.clone()), ..PostgresOptions::default() };
    let store = PostgresStore::open(schema.url(), clock, options).expect("opened");
    Fresh { store: Arc::new(store), keep: Box::new(schema) }
}

longhaul_store::conformance_suite!(open_fresh);
