//! The checker notices a store that breaks a promise: each test breaks one, and must see the rule that
//! stands for it within so many seeds.

mod saboteur;

use std::sync::Arc;

use longhaul_sim::scenario::{Backend, Wrap, simulate};
use longhaul_store::Store;
use saboteur::{Breaks, Saboteur};

/// Seeds until the rule must have been broken.
const SEEDS_MAX: u64 = 400;

fn is_noticed(wrap: Wrap, rule: &str) {
    let mut others = Vec::new();
    for seed in 0..SEEDS_MAX {
        let outcome = simulate(seed, Backend::Memory, false, Some(wrap));
        if outcome.violations.iter().any(|v| v.rule == rule) {
            println!("noticed at seed {seed}");
            return;
        }
        others.extend(outcome.violations.into_iter().map(|v| v.rule));
    }
    panic!("{SEEDS_MAX} seeds, and nobody noticed: {rule}; instead {others:?}");
}

macro_rules! noticed {
    ($($name:ident: $breaks:ident, $rule:literal;)*) => {$(
        #[test]
        fn $name() {
            fn wrap(inner: Arc<dyn Store>) -> Arc<dyn Store> {
                Saboteur::over(inner, Breaks::$breaks)
            }
            is_noticed(wrap, $rule);
        }
    )*};
}

noticed! {
    a_transition_by_an_older_claim_is_noticed: FencingOfTransitions, "nothing is taken from an older claim";
    an_end_that_is_not_the_holders_is_noticed: FencingOfTransitions, "an end is its holder's";
    a_checkpoint_by_an_older_claim_is_noticed: FencingOfCheckpoints, "nothing is taken from an older claim";
    a_lost_submission_is_noticed: KeepingSubmissions, "no acknowledged job is lost";
    a_token_given_twice_is_noticed: GrowingTokens, "tokens strictly grow";
    a_token_run_twice_is_noticed: GrowingTokens, "a claim is run once";
    a_slot_given_twice_is_noticed: Slots, "slots are not exceeded";
    overlapping_ordered_jobs_are_noticed: Order, "ordered jobs do not overlap";
    ordered_jobs_out_of_order_are_noticed: Order, "ordered jobs go in the order of submission";
    a_lost_checkpoint_is_noticed: KeepingCheckpoints, "an acknowledged checkpoint is found";
    a_lost_cancel_is_noticed: KeepingCancels, "what is acknowledged is in the history";
    a_lost_end_is_noticed: KeepingEnds, "every job becomes final";
    a_lease_that_is_not_renewed_is_noticed: Renewing, "no act by an older claim";
    a_late_join_that_is_taken_is_noticed: Joining, "no act by an older claim";
    a_foreign_request_taken_for_the_same_is_noticed: ComparingRequests, "one uuid is one request";
    a_start_out_of_priority_is_noticed: Priorities, "the higher priority starts first";
    a_start_before_its_moment_is_noticed: Delays, "nothing starts before its moment";
    a_start_after_its_deadline_is_noticed: Deadlines, "nothing begins after its deadline";
    a_retry_too_many_is_noticed: Retries, "no more retries than were asked for";
    a_limit_that_is_exceeded_is_noticed: Limits, "limits are not exceeded";
    a_held_job_that_starts_is_noticed: Holding, "what is held does not start";
    a_claim_that_nobody_runs_is_noticed: TellingClaims, "every job becomes final";
}
