//! The conformance suite on the SQLite store without threads, as the simulation runs it.

use std::sync::Arc;

use longhaul_store::conformance::{Fresh, HandClock};
use longhaul_store::{SqliteStore, StoreOptions};

fn open_fresh(clock: Arc<HandClock>) -> Fresh {
    let store = SqliteStore::inline_in_memory(clock, StoreOptions::default()).expect("opened");
    Fresh { store: Arc::new(store), keep: Box::new(()) }
}

longhaul_store::conformance_suite!(open_fresh);
