//! What of the store does not answer at present: said once when it begins and now and then while it lasts, whatever
//! the number of calls, and why the node is not ready.

use std::sync::Mutex;
use std::time::Duration;

use longhaul_model::Runtime;
use longhaul_store::StoreError;

use crate::engine::lock;

/// A trouble that lasts is said again so often.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// What is asked of the store again and again, whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// For jobs to run.
    Claims,
    /// Which attempts are to stop.
    Stops,
    /// To renew the lease.
    Lease,
    /// To take the end of an attempt.
    Ends,
}

impl Asked {
    const ALL: [Self; 4] = [Self::Claims, Self::Stops, Self::Lease, Self::Ends];

    /// What follows, for the log.
    const fn follows(self) -> &'static str {
        match self {
            Self::Claims => "no jobs can be claimed; tried again until they can",
            Self::Stops => "cancels and suspensions cannot be looked for; tried again until they can",
            Self::Lease => "heartbeats are not answered; attempts pause before the lease ends",
            Self::Ends => "ends of attempts cannot be written; tried again while the lease holds",
        }
    }
}

/// One that lasts.
struct Trouble {
    since: Duration,
    said: Duration,
    failures: u64,
    why: String,
}

/// Those that last.
#[derive(Default)]
pub(crate) struct Troubles([Mutex<Option<Trouble>>; Asked::ALL.len()]);

impl Troubles {
    /// The store did not do what it was asked.
    pub(crate) fn failed(&self, asked: Asked, error: &StoreError, runtime: &dyn Runtime) {
        let now = runtime.monotonic();
        let mut trouble = lock(&self.0[asked as usize]);
        let why = error.to_string();
        match &mut *trouble {
            Some(lasts) => {
                lasts.failures += 1;
                lasts.why = why;
                if now >= lasts.said + SAY_AGAIN {
                    lasts.said = now;
                    let (failures, since_s) = (lasts.failures, (now - lasts.since).as_secs());
                    tracing::warn!(%error, failures, since_s, "{}", asked.follows());
                }
            }
            None => {
                tracing::warn!(%error, "{}", asked.follows());
                *trouble = Some(Trouble { since: now, said: now, failures: 1, why });
            }
        }
    }

    /// The store did it.
    pub(crate) fn answered(&self, asked: Asked, runtime: &dyn Runtime) {
        if let Some(over) = lock(&self.0[asked as usize]).take() {
            let (failures, lasted_s) = (over.failures, (runtime.monotonic() - over.since).as_secs());
            tracing::info!(?asked, failures, lasted_s, "the store answers again");
        }
    }

    /// It is asked no more, so nobody knows.
    pub(crate) fn forget(&self, asked: Asked) {
        lock(&self.0[asked as usize]).take();
    }

    /// Why no work can be taken at present.
    pub(crate) fn why(&self) -> Option<String> {
        Asked::ALL.iter().find_map(|asked| lock(&self.0[*asked as usize]).as_ref().map(|t| t.why.clone()))
    }
}

#[cfg(test)]
mod tests {
    use longhaul_store::conformance::HandClock;

    use super::*;

    #[test]
    fn a_trouble_is_told_until_the_same_is_answered() {
        let (troubles, clock) = (Troubles::default(), HandClock::new());
        let refused = StoreError::Refused("permission denied for table job".to_owned());
        assert_eq!(troubles.why(), None);
        troubles.failed(Asked::Claims, &refused, &*clock);
        troubles.answered(Asked::Lease, &*clock);
        assert_eq!(troubles.why(), Some(refused.to_string()));
        troubles.answered(Asked::Claims, &*clock);
        assert_eq!(troubles.why(), None);
    }
}
