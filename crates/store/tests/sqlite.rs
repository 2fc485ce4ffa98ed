//! The conformance suite on the SQLite store with its threads.

mod common;

use std::sync::Arc;

use common::TempDir;
use longhaul_store::conformance::{Fresh, HandClock};
use longhaul_store::{SqliteStore, StoreOptions};

fn open_fresh(clock: Arc<HandClock>) -> Fresh {
    let directory = TempDir::new();
    let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
    Fresh { store: Arc::new(store), keep: Box::new(directory) }
}

longhaul_store::conformance_suite!(open_fresh);
