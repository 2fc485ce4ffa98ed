//! Many seeds keep every promise, and a seed is one story. Runs `LONGHAUL_SIM_SEEDS` seeds (200), or replays
//! `LONGHAUL_SIM_SEED` with its trace.

use longhaul_sim::scenario::{Backend, simulate};
use longhaul_sim::seeds::{self, Stores};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number("LONGHAUL_SIM_SEED") {
        assert!(seeds::replay(Stores::Inside, seed), "seed {seed}: see the lines with VIOLATION");
        return;
    }
    let report = seeds::run(Stores::Inside, 0, number("LONGHAUL_SIM_SEEDS").unwrap_or(200));
    println!("{report}");
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.jobs > report.seeds * 5, "too little happens to prove anything: {report}");
}

#[test]
fn two_runs_of_one_seed_have_the_same_trace() {
    for backend in [Backend::Memory, Backend::SharedSqlite, Backend::EmbeddedSqlite] {
        for seed in 0..8 {
            let hash = || simulate(seed, backend, false, None).trace_hash;
            assert_eq!(hash(), hash(), "seed {seed} on {backend:?}");
        }
    }
}

#[test]
fn two_seeds_have_different_traces() {
    let hash = |seed| simulate(seed, Backend::Memory, false, None).trace_hash;
    assert_ne!(hash(1), hash(2));
}
