//! The node's slots: how many jobs of each class run here. A reservation is given back when it is dropped,
//! so no path of a submission or an attempt can leak one. The limits may change while jobs run.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longhaul_model::{FreeSlots, Runtime, SlotClass};

use crate::config::{CLAIM_BATCH_MAX, EngineConfig};
use crate::placement::Mine;

/// An attempt that ends within this time was a short one, and counts as such for as long.
const SHORT: Duration = Duration::from_secs(1);
/// Ends within this time are kept as one.
const SHORT_STEP: Duration = Duration::from_millis(100);
/// So are begins.
const BEGIN_STEP: Duration = Duration::from_millis(10);
/// An attempt may yet be a short one for twice as long as the longest of those that ended lately took, within these.
const YOUNG: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// Counts of running jobs.
pub struct Slots {
    runtime: Arc<dyn Runtime>,
    counts: Mutex<Counts>,
}

struct Counts {
    limits: [u32; SlotClass::ALL.len()],
    used: [u32; SlotClass::ALL.len()],
    /// Those of `used` that wait for the answer to a claim.
    claiming: [u32; SlotClass::ALL.len()],
    /// Those of `used` that are attempts; what else is neither may yet become a short one.
    attempts: [u32; SlotClass::ALL.len()],
    /// The ends of short attempts within `SHORT`.
    short: [VecDeque<Ends>; SlotClass::ALL.len()],
    /// When attempts began that run, and how many, within `SHORT`.
    begun: [VecDeque<(Duration, u32)>; SlotClass::ALL.len()],
}

/// Short attempts that ended within a step.
struct Ends {
    at: Duration,
    many: u32,
    /// How long the longest of them took.
    longest: Duration,
}

impl Counts {
    fn free(&self, class: SlotClass) -> u32 {
        self.limits[index(class)].saturating_sub(self.used[index(class)])
    }

    /// An attempt began at `now`.
    fn began(&mut self, class: SlotClass, now: Duration) {
        self.attempts[index(class)] += 1;
        let begun = &mut self.begun[index(class)];
        match begun.back_mut().filter(|(at, _)| now < *at + BEGIN_STEP) {
            Some((_, many)) => *many += 1,
            None => {
                begun.push_back((now, 1));
                while begun.front().is_some_and(|(at, _)| *at + SHORT <= now) {
                    begun.pop_front();
                }
            }
        }
    }

    /// An attempt ended at `now` that had begun at `since`.
    fn ended(&mut self, class: SlotClass, since: Duration, now: Duration) {
        self.attempts[index(class)] = self.attempts[index(class)].saturating_sub(1);
        if now >= since + SHORT {
            return;
        }
        let begun = &mut self.begun[index(class)];
        let behind = begun.partition_point(|(at, _)| *at <= since);
        if let Some((_, many)) = behind.checked_sub(1).and_then(|at| begun.get_mut(at)) {
            *many = many.saturating_sub(1);
        }
        let (ends, took) = (&mut self.short[index(class)], now.saturating_sub(since));
        match ends.back_mut().filter(|ends| now < ends.at + SHORT_STEP) {
            Some(ends) => (ends.many, ends.longest) = (ends.many + 1, ends.longest.max(took)),
            None => {
                ends.push_back(Ends { at: now, many: 1, longest: took });
                while ends.front().is_some_and(|ends| ends.at + SHORT <= now) {
                    ends.pop_front();
                }
            }
        }
    }
}

/// What a slot is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A submission or a rerun that may start.
    Start,
    /// A claim on its way.
    Claim,
    /// An attempt, since then.
    Attempt(Duration),
}

/// One slot, held until dropped.
pub struct Slot {
    slots: Arc<Slots>,
    class: SlotClass,
    used: Use,
}

impl Slot {
    /// An attempt begins.
    #[must_use]
    pub fn begin(mut self) -> Self {
        let (mut counts, at) = (self.slots.counts(), index(self.class));
        if self.used == Use::Claim {
            counts.claiming[at] = counts.claiming[at].saturating_sub(1);
        }
        let now = self.slots.runtime.monotonic();
        counts.began(self.class, now);
        drop(counts);
        self.used = Use::Attempt(now);
        self
    }
}

fn index(class: SlotClass) -> usize {
    match class {
        SlotClass::BuiltIn => 0,
        SlotClass::Simulator => 1,
        SlotClass::Parent => 2,
    }
}

/// How many of `slots` there are of each class that has any.
pub fn count(slots: &[Slot]) -> Vec<FreeSlots> {
    let of = |class| u32::try_from(slots.iter().filter(|s| s.class == class).count()).unwrap_or(u32::MAX);
    SlotClass::ALL
        .into_iter()
        .map(|class| FreeSlots::new(class, of(class)))
        .filter(|slots| slots.free > 0)
        .collect()
}

/// Takes one of `class` out of `slots`.
pub fn take(slots: &mut Vec<Slot>, class: SlotClass) -> Option<Slot> {
    let at = slots.iter().rposition(|slot| slot.class == class)?;
    Some(slots.swap_remove(at))
}

impl Slots {
    /// All free, with the configured limits.
    pub fn new(config: &EngineConfig, runtime: Arc<dyn Runtime>) -> Arc<Self> {
        let counts = Counts {
            limits: SlotClass::ALL.map(|class| config.limit(class)),
            used: [0; SlotClass::ALL.len()],
            claiming: [0; SlotClass::ALL.len()],
            attempts: [0; SlotClass::ALL.len()],
            short: Default::default(),
            begun: Default::default(),
        };
        Arc::new(Self { runtime, counts: Mutex::new(counts) })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes how many of `class` there are. What runs beyond a smaller limit runs on; nothing starts until
    /// there is room again.
    pub fn limit(&self, class: SlotClass, limit: u32) {
        self.counts().limits[index(class)] = limit;
    }

    /// A slot, if one is free.
    pub fn reserve(self: &Arc<Self>, class: SlotClass) -> Option<Slot> {
        let mut counts = self.counts();
        if counts.free(class) == 0 {
            return None;
        }
        counts.used[index(class)] += 1;
        Some(Slot { slots: self.clone(), class, used: Use::Start })
    }

    /// Every free slot, at most a batch per class: for a claim, so that no submission takes a slot while the
    /// claim that counts on it is on its way.
    pub fn reserve_free(self: &Arc<Self>) -> Vec<Slot> {
        let mut counts = self.counts();
        let mut slots = Vec::new();
        for class in SlotClass::ALL {
            let free = counts.free(class).min(CLAIM_BATCH_MAX);
            counts.used[index(class)] += free;
            counts.claiming[index(class)] += free;
            slots.extend((0..free).map(|_| Slot { slots: self.clone(), class, used: Use::Claim }));
        }
        slots
    }

    /// A slot even beyond the limit, for a claim that is held already.
    pub fn force(self: &Arc<Self>, class: SlotClass) -> Slot {
        self.counts().used[index(class)] += 1;
        Slot { slots: self.clone(), class, used: Use::Start }
    }

    /// Whether a slot of any class is free.
    pub fn has_free(&self) -> bool {
        let counts = self.counts();
        SlotClass::ALL.into_iter().any(|class| counts.free(class) > 0)
    }

    /// Whether one of `class` could begin here: what is only asked for takes no slot.
    pub(crate) fn has_room(&self, class: SlotClass) -> bool {
        let counts = self.counts();
        counts.free(class) + counts.claiming[index(class)] > 0
    }

    /// What runs here of `class`, without what is only asked for.
    pub(crate) fn mine(&self, class: SlotClass) -> Mine {
        let counts = self.counts();
        let (at, now) = (index(class), self.runtime.monotonic());
        let lately = || counts.short[at].iter().filter(|ends| now <= ends.at + SHORT);
        let longest = lately().map(|ends| ends.longest).max().unwrap_or_default();
        let young_for = (longest * 2).clamp(YOUNG[0], YOUNG[1]);
        let begun = |within: Duration| -> u32 {
            let begun = counts.begun[at].iter().filter(|(at, _)| now < *at + within);
            begun.map(|(_, many)| many).sum()
        };
        let running = counts.used[at].saturating_sub(counts.claiming[at]);
        Mine {
            running,
            short: lately().map(|ends| ends.many).sum(),
            young: begun(young_for) + running.saturating_sub(counts.attempts[at]),
            lasting: begun(SHORT) - begun(young_for),
        }
    }

    /// How many are taken, of all classes.
    pub fn in_use(&self) -> u32 {
        self.counts().used.iter().sum()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.slots.runtime.monotonic();
        let mut counts = self.slots.counts();
        let at = index(self.class);
        counts.used[at] = counts.used[at].saturating_sub(1);
        match self.used {
            Use::Claim => counts.claiming[at] = counts.claiming[at].saturating_sub(1),
            Use::Attempt(since) => counts.ended(self.class, since, now),
            Use::Start => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use longhaul_store::conformance::HandClock;

    use super::*;

    fn config(max_running: u32) -> EngineConfig {
        let nothing = |_: &str| Ok(serde_json::Value::Null);
        EngineConfig { max_running, ..EngineConfig::new(|_| "", nothing, [0; 32]) }
    }

    #[test]
    fn a_changed_limit_counts_for_the_next_slot_and_takes_none_away() {
        let slots = Slots::new(&config(2), HandClock::new());
        let held: Vec<Slot> = std::iter::from_fn(|| slots.reserve(SlotClass::BuiltIn)).collect();
        assert_eq!(held.len(), 2);
        slots.limit(SlotClass::BuiltIn, 3);
        let third = slots.reserve(SlotClass::BuiltIn);
        assert!(third.is_some() && slots.reserve(SlotClass::BuiltIn).is_none());
        slots.limit(SlotClass::BuiltIn, 1);
        assert_eq!(slots.in_use(), 3, "what runs runs on");
        drop(third);
        drop(held);
        assert!(slots.reserve(SlotClass::BuiltIn).is_some());
    }

    #[test]
    fn what_a_claim_asks_for_does_not_run_until_it_is_given() {
        let slots = Slots::new(&config(4), HandClock::new());
        let runs = |slots: &Slots| slots.mine(SlotClass::BuiltIn).running;
        let _started = slots.reserve(SlotClass::BuiltIn).map(Slot::begin);
        let mut reserved = slots.reserve_free();
        assert_eq!((runs(&slots), slots.has_free()), (1, true), "of other classes there are more");
        let _given = take(&mut reserved, SlotClass::BuiltIn).map(Slot::begin);
        assert_eq!(runs(&slots), 2);
        drop(reserved);
        assert_eq!((runs(&slots), slots.counts().claiming), (2, [0; 3]));
    }

    #[test]
    fn attempts_that_ended_at_once_are_told_for_a_second() {
        let clock = HandClock::new();
        let slots = Slots::new(&config(4), clock.clone());
        let short = |slots: &Slots| slots.mine(SlotClass::BuiltIn).short;
        let begin = || slots.reserve(SlotClass::BuiltIn).map(Slot::begin);
        drop(slots.reserve(SlotClass::BuiltIn)); // never an attempt
        let (long, one, another) = (begin(), begin(), begin());
        clock.advance(900);
        drop((one, another));
        assert_eq!(short(&slots), 2);
        clock.advance(500);
        drop(long);
        assert_eq!(short(&slots), 2, "it took longer");
        clock.advance(501);
        assert_eq!(short(&slots), 0);
    }

    #[test]
    fn an_attempt_is_young_for_twice_as_long_as_short_ones_take_and_then_it_lasts() {
        let clock = HandClock::new();
        let slots = Slots::new(&config(64), clock.clone());
        let told = |slots: &Slots| {
            let mine = slots.mine(SlotClass::BuiltIn);
            (mine.young, mine.lasting)
        };
        let begin = || slots.reserve(SlotClass::BuiltIn).map(Slot::begin);
        let (_first, short) = (begin(), begin());
        clock.advance(60);
        let _second = begin();
        assert_eq!(told(&slots), (3, 0));
        drop(short);
        assert_eq!(told(&slots), (2, 0));
        clock.advance(59);
        assert_eq!(told(&slots), (2, 0), "twice as long is 120 ms");
        clock.advance(1);
        assert_eq!(told(&slots), (1, 1));
        clock.advance(60);
        assert_eq!(told(&slots), (0, 2));
        clock.advance(820);
        assert_eq!(told(&slots), (0, 1), "what began a second ago tells nothing of what comes");
        let _asked = slots.reserve(SlotClass::BuiltIn);
        assert_eq!(told(&slots), (1, 1), "it has not begun");
    }
}
