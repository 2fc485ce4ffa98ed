//! The simulation on PostgreSQL: that real transactions meet in it, that its faults are the seed's, and that the checker
//! notices there too when a promise is broken. Many seeds are run by the program: `LONGHAUL_SIM_STORE=postgres`.

#[allow(dead_code, reason = "the controls on the stores of the world use the rest")]
mod saboteur;

use std::sync::Arc;

use longhaul_sim::scenario::{Backend, Outcome, Wrap, simulate};
use longhaul_store::Store;
use saboteur::{Breaks, Saboteur};

/// A seed with four processes that are killed, stopped and drained, a store that goes away and clocks that jump, and
/// rounds of 20 ms.
const BUSY: u64 = 16;

fn on_postgres(seed: u64, wrap: Option<Wrap>) -> Outcome {
    simulate(seed, Backend::Postgres, false, wrap)
}

#[test]
fn transactions_of_several_processes_meet_in_the_database_and_every_promise_is_kept() {
    let outcome = on_postgres(BUSY, None);
    assert_eq!(outcome.violations, Vec::new());
    assert!(outcome.jobs > 5, "{} jobs prove nothing", outcome.jobs);
    assert!(outcome.calls_at_once > 1, "at most {} calls at a time", outcome.calls_at_once);
}

#[test]
fn the_faults_of_a_seed_are_the_same_on_postgres_as_in_memory() {
    let (one, other) = (on_postgres(BUSY, None).faults, simulate(BUSY, Backend::Memory, false, None).faults);
    // They go on until the clients are done, which is not at the same moment.
    let both = one.len().min(other.len());
    assert!(both > 3, "{one:?} {other:?}");
    assert_eq!(one[..both], other[..both]);
}

/// Seeds, from the one at which a control begins, until the rule must have been broken.
const SEEDS_MAX: u64 = 10;

fn is_noticed(wrap: Wrap, from: u64, rule: &str) {
    let mut others = Vec::new();
    for seed in from..from + SEEDS_MAX {
        let outcome = on_postgres(seed, Some(wrap));
        if outcome.violations.iter().any(|v| v.rule == rule) {
            println!("noticed at seed {seed}");
            return;
        }
        others.extend(outcome.violations.into_iter().map(|v| v.rule));
    }
    panic!("{SEEDS_MAX} seeds, and nobody noticed: {rule}; instead {others:?}");
}

macro_rules! noticed {
    ($($name:ident: $breaks:ident, $rule:literal, from $from:literal;)*) => {$(
        #[test]
        fn $name() {
            fn wrap(inner: Arc<dyn Store>) -> Arc<dyn Store> {
                Saboteur::over(inner, Breaks::$breaks)
            }
            is_noticed(wrap, $from, $rule);
        }
    )*};
}

noticed! {
    a_lost_submission_is_noticed_on_postgres: KeepingSubmissions, "no acknowledged job is lost", from 3;
    a_token_given_twice_is_noticed_on_postgres: GrowingTokens, "tokens strictly grow", from 1;
    a_lost_cancel_is_noticed_on_postgres: KeepingCancels, "what is acknowledged is in the history", from 3;
    a_lost_checkpoint_is_noticed_on_postgres: KeepingCheckpoints, "an acknowledged checkpoint is found", from 1;
}
