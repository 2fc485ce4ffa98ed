//! Many seeds on two threads, each a simulation of its own on one of them; which store a seed runs on is
//! part of it, or PostgreSQL for all.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scenario::{Backend, simulate};

/// Threads that seeds are spread over.
const THREADS: usize = 2;

/// Which stores seeds run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// Those in the world, as the seed says.
    Inside,
    /// PostgreSQL.
    Postgres,
}

impl Stores {
    /// That of a seed: in the world half of them run in memory, a quarter each on SQLite shared and embedded.
    pub fn of(self, seed: u64) -> Backend {
        match (self, seed % 4) {
            (Self::Postgres, _) => Backend::Postgres,
            (Self::Inside, 0 | 1) => Backend::Memory,
            (Self::Inside, 2) => Backend::SharedSqlite,
            (Self::Inside, _) => Backend::EmbeddedSqlite,
        }
    }

    /// What is written before a command, so that it takes these.
    fn prefix(self) -> &'static str {
        if self == Self::Postgres { "LONGHAUL_SIM_STORE=postgres " } else { "" }
    }
}

/// What many seeds found.
#[derive(Debug)]
pub struct Report {
    /// On which stores.
    pub stores: Stores,
    /// How many were run.
    pub seeds: u64,
    /// Jobs in all of them.
    pub jobs: u64,
    /// Virtual seconds in all of them.
    pub virtual_s: u64,
    /// The seeds that failed, in order, each with what was found.
    pub failed: Vec<(u64, Vec<String>)>,
}

/// Runs `count` seeds from `first` on.
pub fn run(stores: Stores, first: u64, count: u64) -> Report {
    let next = AtomicU64::new(first);
    let report = Report { stores, seeds: count, jobs: 0, virtual_s: 0, failed: Vec::new() };
    let report = Mutex::new(report);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count {
                        return;
                    }
                    let outcome =
                        catch_unwind(AssertUnwindSafe(|| simulate(seed, stores.of(seed), false, None)));
                    let mut report = report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match outcome {
                        Ok(outcome) => {
                            report.jobs += outcome.jobs as u64;
                            report.virtual_s += outcome.took.as_secs();
                            if !outcome.violations.is_empty() {
                                let texts = outcome.violations.iter().map(ToString::to_string).collect();
                                report.failed.push((seed, texts));
                            }
                        }
                        Err(_) => report.failed.push((seed, vec!["the simulation broke off".to_owned()])),
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report.failed.sort();
    report
}

/// Runs one seed with its trace on standard output; whether nothing was found.
pub fn replay(stores: Stores, seed: u64) -> bool {
    let outcome = simulate(seed, stores.of(seed), true, None);
    println!("seed {seed}: trace {:016x}, {} violations", outcome.trace_hash, outcome.violations.len());
    outcome.violations.is_empty()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, found) in &self.failed {
            let prefix = self.stores.prefix();
            writeln!(
                f,
                "seed {seed} failed; replay: {prefix}LONGHAUL_SIM_SEED={seed} cargo run -p longhaul-sim"
            )?;
            for line in found.iter().take(5) {
                writeln!(f, "    {line}")?;
            }
        }
        let Self { seeds, jobs, virtual_s, failed, .. } = self;
        write!(f, "{seeds} seeds, {jobs} jobs, {virtual_s} virtual seconds, {} failed", failed.len())
    }
}
