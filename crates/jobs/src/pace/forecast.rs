//! How long copies that are not there yet would take: under the budgets and windows that are configured, beside the
//! copies that run now. Nothing is begun, and nothing is promised: who else copies later is not known.

use std::collections::BTreeMap;

use longhaul_model::StorageId;

use super::share::{Bound, Wish, fair};
use super::{Pacer, State};

/// As far ahead as windows are followed. What is not done then is told to be so.
const AHEAD_MS: i64 = 60 * 86_400_000;
/// Each byte is written once and read back once.
const PASSES: u64 = 2;

/// A copy that would be made.
#[derive(Debug, Clone)]
pub struct Move {
    /// Bytes to copy.
    pub bytes: u64,
    /// The storages that it counts for.
    pub storages: Vec<StorageId>,
    /// Most bytes per second that its devices and its own rate give it, in one pass.
    pub cap: u64,
}

/// What is foreseen of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Seconds from now to the end of all; `None`: not within 60 days.
    pub seconds: Option<u64>,
    /// Seconds that each takes from its turn on, pauses within included, in their order.
    pub each: Vec<Option<u64>>,
    /// Bytes per second of the first with its read-back, when it begins to move; 0 = it does not within 60 days.
    pub bytes_per_s: u64,
    /// A budget holds the first back then, and not its own cap.
    pub is_budget: bool,
    /// When the first begins to move, ms since 1970, and what it waits for until then, in words. `None`: at once.
    pub waits: Option<(i64, String)>,
}

/// A copy in the middle of it.
struct Lane {
    at: usize,
    since_ms: i64,
    left: f64,
}

impl Pacer {
    /// What becomes of `moves` that are made in this order, `lanes` at a time, from `now_ms` since 1970 on.
    pub fn forecast(&self, moves: &[Move], lanes: usize, now_ms: i64) -> Forecast {
        self.lock().forecast(moves, lanes, now_ms)
    }

    /// The moment as the clocks of a storage show it, RFC 3339.
    pub fn clock(&self, storages: &[StorageId], at_ms: i64) -> String {
        let state = self.lock();
        let known = storages.iter().find_map(|id| state.schedules.get(id));
        let zone = known.map_or(jiff::tz::TimeZone::UTC, |paced| paced.schedule.zone.clone());
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

impl State {
    fn forecast(&self, moves: &[Move], lanes: usize, now_ms: i64) -> Forecast {
        let until_ms = now_ms.saturating_add(AHEAD_MS);
        let mut changes: Vec<i64> =
            self.schedules.values().flat_map(|paced| paced.schedule.changes(now_ms, until_ms)).collect();
        changes.sort_unstable_by(|a, b| b.cmp(a)); // the next is the last
        changes.dedup();
        let mut told = Forecast {
            seconds: Some(0),
            each: vec![None; moves.len()],
            bytes_per_s: 0,
            is_budget: false,
            waits: None,
        };
        let (mut now, mut next) = (now_ms, 0);
        let mut running: Vec<Lane> = Vec::new();
        let mut budgets = self.budgets(now);
        loop {
            while running.len() < lanes.max(1) && next < moves.len() {
                let left = (moves[next].bytes.saturating_mul(PASSES)) as f64;
                running.push(Lane { at: next, since_ms: now, left });
                next += 1;
            }
            if running.is_empty() {
                told.seconds = Some(seconds(now - now_ms));
                return told;
            }
            let others = self.wishes().cloned();
            let ours = running.iter().map(|lane| {
                let one = &moves[lane.at];
                Wish { cap: Some(one.cap.max(1)), links: distinct(&one.storages) }
            });
            let wishes: Vec<Wish<StorageId>> = others.chain(ours).collect();
            let shares = fair(&budgets, &wishes).split_off(self.copies.len() + self.others.len());
            let rates: Vec<f64> = shares.iter().map(|share| share.bytes_per_s.unwrap_or(0) as f64).collect();
            if let Some(first) = running.iter().position(|lane| lane.at == 0)
                && told.bytes_per_s == 0
            {
                match (shares[first].bytes_per_s, shares[first].bound) {
                    (Some(0), Some(Bound::Link(id))) if told.waits.is_none() => {
                        told.waits = Some((now, self.words(id, self.in_force(id, now).as_ref())));
                    }
                    (Some(0), _) => {}
                    (rate, bound) => {
                        told.bytes_per_s = (rate.unwrap_or(moves[0].cap) / PASSES).max(1);
                        told.is_budget = matches!(bound, Some(Bound::Link(_)));
                        told.waits = told.waits.take().map(|(_, words)| (now, words));
                    }
                }
            }
            let ends = running.iter().zip(&rates).filter(|(_, rate)| **rate > 0.0);
            let soonest = ends.map(|(lane, rate)| now + (lane.left * 1000.0 / rate).ceil() as i64).min();
            let change = changes.last().copied();
            let Some(then) = soonest.into_iter().chain(change).min().filter(|then| *then <= until_ms) else {
                told.seconds = None;
                return told;
            };
            for (lane, rate) in running.iter_mut().zip(&rates) {
                lane.left -= rate * (then - now) as f64 / 1000.0;
            }
            now = then;
            running.retain(|lane| {
                let goes_on = lane.left > 0.5;
                if !goes_on {
                    told.each[lane.at] = Some(seconds(now - lane.since_ms));
                }
                goes_on
            });
            if change == Some(now) {
                changes.pop();
                budgets = self.budgets(now);
            }
        }
    }

    fn budgets(&self, now_ms: i64) -> BTreeMap<StorageId, u64> {
        let amount = |(id, paced): (&StorageId, &super::Paced)| {
            Some((*id, paced.schedule.at(now_ms).budget.bytes_per_s()?))
        };
        self.schedules.iter().filter_map(amount).collect()
    }

    fn in_force(&self, id: StorageId, now_ms: i64) -> Option<super::window::InForce<'_>> {
        self.schedules.get(&id).map(|paced| paced.schedule.at(now_ms))
    }
}

fn seconds(ms: i64) -> u64 {
    ms.unsigned_abs().div_ceil(1000)
}

fn distinct(storages: &[StorageId]) -> Vec<StorageId> {
    let mut links = storages.to_vec();
    links.sort_unstable();
    links.dedup();
    links
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::{Budget, Paced, Schedule, Window};
    use super::*;

    const A: StorageId = StorageId::from_bits(1);
    const B: StorageId = StorageId::from_bits(2);
    /// 2026-01-15T12:00:00Z
    const NOON: i64 = 1_768_478_400_000;
    const HOUR: u64 = 3600;

    fn pacer(base: Budget, windows: Vec<Window>) -> Pacer {
        let paced =
            Paced { name: "big".to_owned(), schedule: Schedule { base, zone: TimeZone::UTC, windows } };
        let pacer = Pacer::default();
        pacer.schedule(BTreeMap::from([(B, paced)]));
        pacer
    }

    fn window(from: u32, to: u32, budget: Budget) -> Window {
        Window { days: [true; 7], from: from * 3600, to: to * 3600, budget }
    }

    /// Copied and read back in so many seconds at 1,000 bytes per second and pass.
    fn of(seconds: u64) -> Move {
        Move { bytes: seconds * 500, storages: vec![A, B], cap: 1000 }
    }

    #[test]
    fn without_budgets_its_own_rate_counts_in_both_passes() {
        let told = Pacer::default().forecast(&[of(10)], 1, NOON);
        let expected = Forecast {
            seconds: Some(10),
            each: vec![Some(10)],
            bytes_per_s: 500,
            is_budget: false,
            waits: None,
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn a_budget_that_is_less_counts_and_is_shared_with_the_copies_that_run() {
        let pacer = pacer(Budget::PerSecond(400), vec![]);
        let told = pacer.forecast(&[of(10)], 1, NOON);
        assert_eq!((told.seconds, told.bytes_per_s, told.is_budget), (Some(25), 200, true));
        let _running = pacer.join([A, B]);
        let told = pacer.forecast(&[of(10)], 1, NOON);
        assert_eq!((told.seconds, told.bytes_per_s), (Some(50), 100));
        // Two lanes share it as well, and a third waits for its turn.
        drop(_running);
        let told = pacer.forecast(&[of(10), of(10), of(10)], 2, NOON);
        assert_eq!((told.seconds, told.each), (Some(75), vec![Some(50), Some(50), Some(25)]));
    }

    #[test]
    fn a_window_that_pauses_now_is_waited_for_and_told() {
        let pacer = pacer(Budget::Unlimited, vec![window(8, 18, Budget::Paused)]);
        let told = pacer.forecast(&[of(10)], 1, NOON);
        assert_eq!((told.seconds, told.bytes_per_s, told.is_budget), (Some(6 * HOUR + 10), 500, false));
        let (begins, words) = told.waits.unwrap();
        assert_eq!(begins, NOON + 6 * 3_600_000);
        assert_eq!(words, "the window 08:00-18:00 of storage big until 2026-01-15T18:00:00+00:00");
        assert_eq!(pacer.clock(&[A, B], begins), "2026-01-15T18:00:00+00:00");
    }

    #[test]
    fn windows_that_open_in_the_middle_are_followed() {
        // From 13:00 a tenth, from 14:00 nothing, from 20:00 all again.
        let windows = vec![window(13, 14, Budget::PerSecond(100)), window(14, 20, Budget::Paused)];
        let pacer = pacer(Budget::Unlimited, windows);
        let told = pacer.forecast(&[of(2 * HOUR)], 1, NOON);
        // An hour at all, an hour at a tenth, six hours of nothing, and the rest.
        assert_eq!(told.seconds, Some(HOUR + HOUR + 6 * HOUR + 9 * HOUR / 10));
        assert_eq!((told.waits, told.is_budget), (None, false));
        // Night after night: three hours are left of each day's twenty-four when all else is closed.
        let nights = pacer.forecast(&[of(40 * HOUR)], 1, NOON);
        assert!(nights.seconds > Some(40 * HOUR + 2 * 6 * HOUR), "{nights:?}");
    }

    #[test]
    fn what_never_moves_is_told_to_be_so() {
        let pacer = pacer(Budget::Paused, vec![]);
        let told = pacer.forecast(&[of(10), Move { storages: vec![A], ..of(10) }], 2, NOON);
        assert_eq!((told.seconds, told.each, told.bytes_per_s), (None, vec![None, Some(10)], 0));
        assert_eq!(told.waits.unwrap().1, "the budget of storage big");
        assert_eq!(pacer.forecast(&[], 2, NOON).seconds, Some(0));
    }
}
