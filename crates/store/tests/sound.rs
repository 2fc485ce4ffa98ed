//! Whatever the conformance suite does with a store, `store check` finds it sound afterwards.

mod common;

use std::sync::Arc;

use common::TempDir;
use longhaul_store::conformance::{Fresh, HandClock};
use longhaul_store::{SqliteStore, StoreOptions, house};

/// Checks the file when the store on it is closed.
struct Checked(TempDir);

impl Drop for Checked {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let report = house::check(&self.0.file(), |_| {}).expect("read");
        // Cases own what they make by accounts, and lay it on storages, that they do not store.
        let of_cases = ["everything has an owner", "what lies on a storage", "tags are of something"];
        let wrong: Vec<_> = report
            .findings
            .iter()
            .filter(|found| !of_cases.iter().any(|rule| found.rule.starts_with(rule)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(report.looked_into_rows());
    }
}

fn open_checked(clock: Arc<HandClock>) -> Fresh {
    let directory = TempDir::new();
    let store = SqliteStore::open(&directory.file(), clock, StoreOptions::default()).expect("opened");
    Fresh { store: Arc::new(store), keep: Box::new(Checked(directory)) }
}

longhaul_store::conformance_suite!(open_checked);
