//! How far the claims of this process have come in the lines of jobs. While another client holds a transaction open,
//! PostgreSQL keeps every version of a row that ended since, and a look that begins at the head of a line walks over
//! all of them, more with every claim. So once such looks are slow, most begin behind what was taken last, and looks
//! from the head take a small part of the time. What comes up again before that place (a job that was held, delayed, or
//! behind another on its target) is found by the next look from the head; what has begun, or has a higher priority, at
//! once. Where looks are fast, which is nearly always, all begin at the head.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::line::Counter;

/// A look from the head that takes longer is slow. Little more than a fast one takes on a busy machine: a node claims a
/// hundred times in a second, and what is passed over for a wrong guess is found after `PARTS` times as long.
const SLOW: Duration = Duration::from_millis(4);
/// So many slow ones in a row are needed: one alone may be the machine's doing.
const SLOW_ONES: u32 = 3;
/// Looks from the head take one part of so many of the time, while they are slow.
const PARTS: u32 = 20;

/// A place in a line: the rank, then the place among those of that rank.
pub(super) type Spot = (i64, i64);

/// Before all places.
pub(super) const HEAD: Spot = (-1, 0);

#[derive(Debug, Clone, Copy)]
struct Reach {
    /// What goes before it, or is it, was taken.
    spot: Spot,
    slow_ones: u32,
    /// When the next look from the head is due, by the monotonic clock.
    due: Duration,
}

/// The reaches, by class and host.
#[derive(Default)]
pub(super) struct Heads {
    reached: Mutex<BTreeMap<(i64, String), Reach>>,
}

impl Heads {
    fn reached(&self) -> MutexGuard<'_, BTreeMap<(i64, String), Reach>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Behind which place a look at `now` begins.
    pub(super) fn begin(&self, at: Counter<'_>, now: Duration) -> Spot {
        match self.reached().get(&key(at)) {
            Some(reach) if reach.slow_ones >= SLOW_ONES && now < reach.due => reach.spot,
            _ => HEAD,
        }
    }

    /// A look from `begin` on took from `began` to `ended`, and took what goes before `last`, which it took too.
    pub(super) fn looked(
        &self,
        at: Counter<'_>,
        begin: Spot,
        last: Option<Spot>,
        (began, ended): (Duration, Duration),
    ) {
        // Of what has begun nothing is passed over.
        let last = last.map(|last| if last.0 > 0 { last } else { HEAD });
        let mut reached = self.reached();
        let reach = reached.entry(key(at)).or_insert(Reach { spot: HEAD, slow_ones: 0, due: began });
        if begin != HEAD {
            reach.spot = last.map_or(reach.spot, |last| last.max(reach.spot));
            return;
        }
        reach.spot = last.unwrap_or(reach.spot);
        let took = ended.saturating_sub(began);
        reach.slow_ones = if took >= SLOW { reach.slow_ones.saturating_add(1) } else { 0 };
        reach.due = ended + took * PARTS;
    }

    /// What was taken was given back.
    pub(super) fn forget(&self) {
        self.reached().values_mut().for_each(|reach| reach.spot = HEAD);
    }
}

fn key(at: Counter<'_>) -> (i64, String) {
    (at.class, at.host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Counter<'static> = Counter { class: 1, host: "here" };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn looks_begin_at_the_head_until_such_are_slow_and_then_now_and_again() {
        let heads = Heads::default();
        for nth in 0..SLOW_ONES {
            assert_eq!(heads.begin(AT, ms(1000)), HEAD);
            heads.looked(AT, HEAD, Some((5, i64::from(nth))), (ms(1000), ms(1040)));
        }
        assert_eq!(heads.begin(AT, ms(1041)), (5, 2));
        assert_eq!(
            heads.begin(Counter { class: 2, ..AT }, ms(1041)),
            HEAD,
            "each class has lines of its own"
        );
        heads.looked(AT, (5, 2), Some((5, 9)), (ms(1041), ms(1042)));
        heads.looked(AT, (5, 9), Some((2, 11)), (ms(1043), ms(1044)));
        assert_eq!(heads.begin(AT, ms(1839)), (5, 9), "what goes before is no step back");
        assert_eq!(heads.begin(AT, ms(1840)), HEAD);
        heads.looked(AT, HEAD, Some((5, 4)), (ms(1840), ms(1841)));
        assert_eq!(heads.begin(AT, ms(1842)), HEAD, "it was fast");
    }

    #[test]
    fn what_is_given_back_is_looked_for_from_the_head() {
        let heads = Heads::default();
        for _ in 0..SLOW_ONES {
            heads.looked(AT, HEAD, Some((5, 1)), (ms(0), ms(100)));
        }
        assert_eq!(heads.begin(AT, ms(101)), (5, 1));
        heads.forget();
        assert_eq!(heads.begin(AT, ms(101)), HEAD);
    }
}
