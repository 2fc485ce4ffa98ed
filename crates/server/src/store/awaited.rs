//! Waiting for the database at the start: a node often begins together with it, or while it fails over. What waiting
//! does not mend ends the start at once; which is which, the store says.

use std::time::Duration;

use longhaul_model::Runtime;
use longhaul_store::postgres::OpenError;

/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// What is waited for is said at once, and then so often.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What `open` answers, asked again while it may succeed later, for `limit` from the first try on. `say` is told why it
/// waits, and for how long it has.
///
/// # Errors
/// The last one of `open`.
pub(super) async fn awaited<S>(
    runtime: &dyn Runtime,
    limit: Duration,
    mut open: impl AsyncFnMut() -> Result<S, OpenError>,
    mut say: impl FnMut(&OpenError, Duration),
) -> Result<S, OpenError> {
    let began = runtime.monotonic();
    let mut said: Option<Duration> = None;
    loop {
        let error = match open().await {
            Err(error) if error.may_pass() => error,
            answer => return answer,
        };
        let waited = runtime.monotonic().saturating_sub(began);
        if waited >= limit {
            return Err(error);
        }
        if said.is_none_or(|said| waited - said >= SAY_EVERY) {
            said = Some(waited);
            say(&error, waited);
        }
        runtime.sleep(TRY_EVERY.min(limit - waited)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::executor::block_on;
    use longhaul_model::{BoxFuture, Clock};

    use super::*;

    /// Time that moves by what is slept.
    #[derive(Default)]
    struct Slept(AtomicU64);

    impl Clock for Slept {
        fn now_ms(&self) -> i64 {
            0
        }
    }

    impl Runtime for Slept {
        fn spawn(&self, _name: &'static str, _task: BoxFuture<'static, ()>) {}

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap_or(0), Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }

        fn random_u128(&self) -> u128 {
            0
        }
    }

    /// Opens by `answer`, which is told how many tries there were before; what came of it, how many tries there were, and
    /// after how many seconds something was said.
    fn waits(
        limit_s: u64,
        answer: impl Fn(u32) -> Result<(), OpenError>,
    ) -> (Result<(), OpenError>, u32, Vec<u64>) {
        let (runtime, mut tries, mut said) = (Slept::default(), 0, Vec::new());
        let open = async || {
            tries += 1;
            answer(tries - 1)
        };
        let say = |_: &OpenError, waited: Duration| said.push(waited.as_secs());
        let opened = block_on(awaited(&runtime, Duration::from_secs(limit_s), open, say));
        (opened, tries, said)
    }

    fn away(_: u32) -> Result<(), OpenError> {
        Err(OpenError::Away { why: "it is away".to_owned() })
    }

    #[test]
    fn a_database_that_comes_is_waited_for_and_that_is_said_every_few_seconds() {
        let (opened, tries, said) = waits(60, |before| if before < 25 { away(before) } else { Ok(()) });
        assert!(opened.is_ok());
        assert_eq!((tries, said), (26, vec![0, 5, 10]));
    }

    #[test]
    fn one_that_does_not_come_is_given_up_after_the_time_that_is_set() {
        let (opened, tries, said) = waits(7, away);
        assert!(opened.is_err_and(|error| error.may_pass()));
        assert_eq!((tries, said), (15, vec![0, 5]));
        let (opened, tries, said) = waits(0, away);
        assert!(opened.is_err(), "0 gives up at once");
        assert_eq!((tries, said), (1, vec![]));
    }

    #[test]
    fn what_waiting_does_not_mend_ends_it_at_once() {
        let refused = |before| match before {
            0 => away(0),
            _ => Err(OpenError::Unusable { why: "the password is wrong".to_owned() }),
        };
        let (opened, tries, _) = waits(60, refused);
        assert!(opened.is_err_and(|error| !error.may_pass()));
        assert_eq!(tries, 2);
    }
}
