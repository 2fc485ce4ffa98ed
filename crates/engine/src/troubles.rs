//! What of the store does not answer at present: said once when it begins, now and then while it lasts, and once when it
//! is over, whatever the number of calls; and why the node is not ready.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use longhaul_model::Runtime;

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
    /// Which jobs have waited beyond their deadline.
    Deadlines,
}

impl Asked {
    /// Without these no work can be taken.
    const FOR_WORK: [Self; 4] = [Self::Claims, Self::Stops, Self::Lease, Self::Ends];
}

/// One that lasts.
#[derive(Debug)]
struct Lasts {
    since: Duration,
    said: Duration,
    failures: u64,
    why: String,
}

/// Something that is asked of the store again and again by one place, and does not answer at times.
#[derive(Debug)]
pub struct Trouble {
    what: &'static str,
    follows: &'static str,
    lasts: Mutex<Option<Lasts>>,
}

impl Trouble {
    /// `what` is asked for, and what `follows` while there is no answer: for the log.
    pub const fn new(what: &'static str, follows: &'static str) -> Self {
        Self { what, follows, lasts: Mutex::new(None) }
    }

    /// The store did not do what it was asked.
    pub fn failed(&self, error: &dyn fmt::Display, runtime: &dyn Runtime) {
        let now = runtime.monotonic();
        let mut lasts = lock(&self.lasts);
        let why = error.to_string();
        match &mut *lasts {
            Some(lasts) => {
                lasts.failures += 1;
                lasts.why = why;
                if now >= lasts.said + SAY_AGAIN {
                    lasts.said = now;
                    let (failures, since_s) = (lasts.failures, (now - lasts.since).as_secs());
                    tracing::warn!(%error, failures, since_s, "{}", self.follows);
                }
            }
            None => {
                tracing::warn!(%error, "{}", self.follows);
                *lasts = Some(Lasts { since: now, said: now, failures: 1, why });
            }
        }
    }

    /// The store did it.
    pub fn answered(&self, runtime: &dyn Runtime) {
        if let Some(over) = lock(&self.lasts).take() {
            let (failures, lasted_s) = (over.failures, (runtime.monotonic() - over.since).as_secs());
            tracing::info!(failures, lasted_s, "the store answers again: {}", self.what);
        }
    }

    fn why(&self) -> Option<String> {
        lock(&self.lasts).as_ref().map(|lasts| lasts.why.clone())
    }
}

/// Those of the engine.
pub(crate) struct Troubles([Trouble; 5]);

impl Default for Troubles {
    fn default() -> Self {
        // In the order of `Asked`.
        Self([
            Trouble::new("jobs to run", "no jobs can be claimed; tried again until they can"),
            Trouble::new(
                "cancels and suspensions",
                "cancels and suspensions cannot be looked for; tried again until they can",
            ),
            Trouble::new("heartbeats", "heartbeats are not answered; attempts pause before the lease ends"),
            Trouble::new(
                "ends of attempts",
                "ends of attempts cannot be written; tried again while the lease holds",
            ),
            Trouble::new(
                "deadlines",
                "jobs that wait beyond their deadline cannot be ended; tried again until they can",
            ),
        ])
    }
}

impl Troubles {
    /// The store did not do what it was asked.
    pub(crate) fn failed(&self, asked: Asked, error: &dyn fmt::Display, runtime: &dyn Runtime) {
        self.0[asked as usize].failed(error, runtime);
    }

    /// The store did it.
    pub(crate) fn answered(&self, asked: Asked, runtime: &dyn Runtime) {
        self.0[asked as usize].answered(runtime);
    }

    /// It is asked no more, so nobody knows.
    pub(crate) fn forget(&self, asked: Asked) {
        lock(&self.0[asked as usize].lasts).take();
    }

    /// Why no work can be taken at present.
    pub(crate) fn why(&self) -> Option<String> {
        Asked::FOR_WORK.iter().find_map(|asked| self.0[*asked as usize].why())
    }
}

#[cfg(test)]
mod tests {
    use longhaul_store::StoreError;
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
        troubles.failed(Asked::Deadlines, &refused, &*clock);
        assert_eq!(troubles.why(), None, "work can be taken all the same");
    }
}
