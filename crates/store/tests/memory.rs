//! The conformance suite on the memory store.

use std::sync::Arc;

use longhaul_store::conformance::{Fresh, HandClock};
use longhaul_store::{MemoryStore, StoreOptions};

fn open_fresh(clock: Arc<HandClock>) -> Fresh {
    let store = MemoryStore::new(clock, StoreOptions::default());
    Fresh { store: Arc::new(store), keep: Box::new(()) }
}

longhaul_store::conformance_suite!(open_fresh);
