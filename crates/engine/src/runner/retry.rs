//! Whether a fault is followed by another try, and when.

use std::time::Duration;

use longhaul_model::{Fault, Job, Runtime, SuspendReason, Transition};

use crate::handler::RestartRule;

/// Before the first retry, at most.
pub(crate) const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Before any retry, at most.
pub(crate) const RETRY_WAIT_MAX: Duration = Duration::from_secs(600);

/// How long to wait before retry number `retried` + 1: twice as long each time up to `RETRY_WAIT_MAX`, and of that
/// between a half and the whole by chance, so that jobs that fail together do not come back together.
pub(super) fn wait_ms(retried: u32, runtime: &dyn Runtime) -> u64 {
    let first_ms = RETRY_FIRST.as_millis() as u64;
    let most_ms = RETRY_WAIT_MAX.as_millis() as u64;
    let whole_ms = first_ms.saturating_mul(1 << retried.min(30)).min(most_ms);
    let half_ms = whole_ms / 2;
    half_ms + runtime.random_u128() as u64 % (half_ms + 1)
}

/// Makes `suspended` by `fault` a wait for a further try, if the job has one left, its fault may pass, and its type's
/// attempts can be followed by another before its deadline. Whether it did.
pub(super) fn try_again(
    suspended: &mut Transition,
    job: &Job,
    rule: RestartRule,
    fault: &Fault,
    runtime: &dyn Runtime,
) -> bool {
    let (number, of) = (job.retried + 1, job.terms.retries);
    if number > of || !fault.code.may_pass() || rule == RestartRule::Fail {
        return false;
    }
    let wait_ms = wait_ms(job.retried, runtime);
    let at_ms = runtime.now_ms().saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX));
    if job.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= at_ms) {
        return false;
    }
    suspended.suspend = Some(SuspendReason::Fault);
    suspended.retry_at_ms = Some(at_ms);
    suspended.detail =
        format!("{fault}; retry {number} of {of} follows in {}.{} s", wait_ms / 1000, wait_ms % 1000 / 100);
    true
}

#[cfg(test)]
mod tests {
    use longhaul_store::conformance::HandClock;

    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_a_bound_with_half_of_it_left_to_chance() {
        let clock = HandClock::new();
        for (retried, whole_ms) in
            [(0, 1000), (1, 2000), (5, 32_000), (9, 512_000), (10, 600_000), (99, 600_000)]
        {
            let waits: Vec<u64> = (0..50).map(|_| wait_ms(retried, &*clock)).collect();
            assert!(waits.iter().all(|ms| (whole_ms / 2..=whole_ms).contains(ms)), "{waits:?}");
            assert!(waits.iter().any(|ms| *ms != waits[0]), "{waits:?}");
        }
    }
}
