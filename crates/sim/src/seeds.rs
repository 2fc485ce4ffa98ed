//! Many seeds on two threads, each a simulation of its own on one of them; which store a seed runs on is
//! part of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scenario::{Backend, simulate};

/// Threads that seeds are spread over.
const THREADS: usize = 2;

/// What many seeds found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many were run.
    pub seeds: u64,
    /// Jobs in all of them.
    pub jobs: u64,
    /// Virtual seconds in all of them.
    pub virtual_s: u64,
    /// The seeds that failed, in order, each with what was found.
    pub failed: Vec<(u64, Vec<String>)>,
}

/// The store of a seed: half of them run in memory, a quarter each on SQLite shared and embedded.
pub fn backend_of(seed: u64) -> Backend {
    match seed % 4 {
        0 | 1 => Backend::Memory,
        2 => Backend::SharedSqlite,
        _ => Backend::EmbeddedSqlite,
    }
}

/// Runs `count` seeds from `first` on.
pub fn run(first: u64, count: u64) -> Report {
    let next = AtomicU64::new(first);
    let report = Mutex::new(Report { seeds: count, ..Report::default() });
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count {
                        return;
                    }
                    let outcome =
                        catch_unwind(AssertUnwindSafe(|| simulate(seed, backend_of(seed), false, None)));
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
pub fn replay(seed: u64) -> bool {
    let outcome = simulate(seed, backend_of(seed), true, None);
    println!("seed {seed}: trace {:016x}, {} violations", outcome.trace_hash, outcome.violations.len());
    outcome.violations.is_empty()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, found) in &self.failed {
            writeln!(f, "seed {seed} failed; replay: LONGHAUL_SIM_SEED={seed} cargo run -p longhaul-sim")?;
            for line in found.iter().take(5) {
                writeln!(f, "    {line}")?;
            }
        }
        let Self { seeds, jobs, virtual_s, failed } = self;
        write!(f, "{seeds} seeds, {jobs} jobs, {virtual_s} virtual seconds, {} failed", failed.len())
    }
}
