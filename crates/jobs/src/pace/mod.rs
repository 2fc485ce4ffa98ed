//! The bandwidth of storages: which budget is in force (`window`), how the running copies share it (`share`), how long
//! others would take (`forecast`), and, here, who the copies are. A copy counts for the storage that it reads from and for the one that it writes to. Who obeys is
//! in `carry`; where the schedules come from, in the server; what other nodes copy, in `others`.

pub mod forecast;
pub mod others;
pub mod share;
pub mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhaul_model::{JobId, StorageId};

pub use window::{Budget, Schedule, Window, weekday};

use self::share::{Bound, Wish, fair};

/// Shares are computed at most so often while nothing but the time changes, ms.
const SHARES_HOLD_MS: i64 = 250;

/// The budgets of one storage, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paced {
    /// Its name, for people.
    pub name: String,
    /// Its budgets.
    pub schedule: Schedule,
}

/// What a copy may move, and why not more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// How much.
    pub budget: Budget,
    /// What limits it.
    pub by: By,
}

/// What limits a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Nothing.
    Nothing,
    /// Its own cap.
    Cap,
    /// The budget of a storage, or a window of it: in words, as a part of a sentence.
    Storage(String),
}

/// The state of a storage's budget at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What is in force.
    pub budget: Budget,
    /// The window that it is of, in words, and until when, ms since 1970.
    pub window: Option<(String, i64)>,
    /// The zone of its windows; empty where nothing is configured.
    pub zone: String,
    /// Copies that run now and count for it, on all nodes.
    pub copies: u32,
}

/// The running copies of this node, what is known of the others', and the budgets they share. Clones are of the same.
#[derive(Debug, Clone, Default)]
pub struct Pacer {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    schedules: BTreeMap<StorageId, Paced>,
    copies: BTreeMap<u64, Copy>,
    /// Those of other nodes, as they told last.
    others: Vec<Wish<StorageId>>,
    /// Jobs of theirs: which of `others` is its copy, and whether the cap is the job's own.
    jobs_of_others: BTreeMap<JobId, (usize, bool)>,
    next: u64,
    /// When the shares were computed, ms since 1970, and what they are; `None` after any change.
    shares: Option<(i64, BTreeMap<u64, Allowance>)>,
}

/// A copy of this node.
#[derive(Debug)]
struct Copy {
    wish: Wish<StorageId>,
    /// On whose behalf.
    job: Option<JobId>,
    /// Its cap is the job's own.
    own: bool,
}

impl Pacer {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one insertion or removal: a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all budgets; storages that are not among them have none.
    pub fn schedule(&self, schedules: BTreeMap<StorageId, Paced>) {
        let mut state = self.lock();
        state.schedules = schedules;
        state.shares = None;
    }

    /// A copy begins that counts for these storages; it does until its seat is dropped.
    pub fn join(&self, storages: impl IntoIterator<Item = StorageId>) -> Seat {
        let mut links: Vec<StorageId> = storages.into_iter().collect();
        links.sort_unstable();
        links.dedup();
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.copies.insert(id, Copy { wish: Wish { cap: None, links }, job: None, own: false });
        state.shares = None;
        Seat { pacer: self.clone(), id }
    }

    /// What is in force for a storage at `now_ms` since 1970.
    pub fn told(&self, storage: StorageId, now_ms: i64) -> Told {
        let state = self.lock();
        let copies = state.wishes().filter(|copy| copy.links.contains(&storage)).count();
        let copies = u32::try_from(copies).unwrap_or(u32::MAX);
        let Some(paced) = state.schedules.get(&storage) else {
            return Told { budget: Budget::Unlimited, window: None, zone: String::new(), copies };
        };
        let now = paced.schedule.at(now_ms);
        let window = now.window.map(|(window, until)| (window.to_string(), until.as_millisecond()));
        let zone = paced.schedule.zone.iana_name().unwrap_or("UTC").to_owned();
        Told { budget: now.budget, window, zone, copies }
    }

    /// What the copy of a job may move that another node runs, and whether its cap is the job's own: reckoned here, with
    /// what all nodes told last. `None`: nobody told of such a copy.
    pub fn allowed_elsewhere(&self, job: JobId, now_ms: i64) -> Option<(Allowance, bool)> {
        let state = self.lock();
        let (at, own) = *state.jobs_of_others.get(&job)?;
        let allowed = state.allowances(now_ms).into_iter().nth(state.copies.len() + at)?;
        Some((allowed, own))
    }
}

/// A running copy among the others.
#[derive(Debug)]
pub struct Seat {
    pacer: Pacer,
    id: u64,
}

impl Seat {
    /// This copy is that of a job, which the other nodes are told.
    #[must_use]
    pub fn of(self, job: JobId) -> Self {
        if let Some(copy) = self.pacer.lock().copies.get_mut(&self.id) {
            copy.job = Some(job);
        }
        self
    }

    /// Whether the cap of this copy is its job's own, which the other nodes are told.
    pub fn has_own_rate(&self, own: bool) {
        if let Some(copy) = self.pacer.lock().copies.get_mut(&self.id) {
            copy.own = own;
        }
    }

    /// What this copy may move from `now_ms` since 1970 on, with `cap` of its own in bytes per second, `None` for none.
    pub fn allowed(&self, cap: Option<u64>, now_ms: i64) -> Allowance {
        let mut state = self.pacer.lock();
        if let Some(copy) = state.copies.get_mut(&self.id)
            && copy.wish.cap != cap
        {
            copy.wish.cap = cap;
            state.shares = None;
        }
        let shares = state.shares(now_ms);
        shares.get(&self.id).cloned().unwrap_or(Allowance { budget: Budget::Unlimited, by: By::Nothing })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        state.copies.remove(&self.id);
        state.shares = None;
    }
}

impl State {
    fn shares(&mut self, now_ms: i64) -> &BTreeMap<u64, Allowance> {
        // Whole spans of the clock, so that a window is followed at its begin and not a span later.
        let holds = |at: &i64| at.div_euclid(SHARES_HOLD_MS) == now_ms.div_euclid(SHARES_HOLD_MS);
        let known = self.shares.take().filter(|(at, _)| holds(at));
        let known = known.unwrap_or_else(|| (now_ms, self.computed(now_ms)));
        &self.shares.insert(known).1
    }

    fn computed(&self, now_ms: i64) -> BTreeMap<u64, Allowance> {
        self.copies.keys().copied().zip(self.allowances(now_ms)).collect()
    }

    /// Those of this node, then those of the others.
    fn wishes(&self) -> impl Iterator<Item = &Wish<StorageId>> {
        self.copies.values().map(|copy| &copy.wish).chain(&self.others)
    }

    /// What each of `wishes` may move.
    fn allowances(&self, now_ms: i64) -> Vec<Allowance> {
        let now: BTreeMap<StorageId, _> =
            self.schedules.iter().map(|(id, p)| (*id, p.schedule.at(now_ms))).collect();
        let budgets = now.iter().filter_map(|(id, now)| Some((*id, now.budget.bytes_per_s()?))).collect();
        let wishes: Vec<Wish<StorageId>> = self.wishes().cloned().collect();
        let mut sharers: BTreeMap<StorageId, usize> = BTreeMap::new();
        wishes.iter().flat_map(|wish| &wish.links).for_each(|id| *sharers.entry(*id).or_default() += 1);
        let shares = fair(&budgets, &wishes);
        let allowance = |share: share::Share<StorageId>| {
            let budget = match share.bytes_per_s {
                None => Budget::Unlimited,
                Some(0) => Budget::Paused,
                Some(bytes) => Budget::PerSecond(bytes),
            };
            let by = match share.bound {
                None => By::Nothing,
                Some(Bound::Cap) => By::Cap,
                Some(Bound::Link(id)) => {
                    let words = self.words(id, now.get(&id));
                    By::Storage(match sharers.get(&id) {
                        Some(copies) if *copies > 1 && budget != Budget::Paused => {
                            format!("{words}, shared by {copies} copies")
                        }
                        _ => words,
                    })
                }
            };
            Allowance { budget, by }
        };
        shares.into_iter().map(allowance).collect()
    }

    /// What limits on a storage, as a part of a sentence.
    fn words(&self, id: StorageId, now: Option<&window::InForce<'_>>) -> String {
        let Some(paced) = self.schedules.get(&id) else { return String::new() };
        let name = &paced.name;
        match now.and_then(|now| now.window) {
            None => format!("the budget of storage {name}"),
            Some((window, until)) => {
                let until = until.to_zoned(paced.schedule.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z");
                format!("the window {window} of storage {name} until {until}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const A: StorageId = StorageId::from_bits(1);
    const B: StorageId = StorageId::from_bits(2);
    /// 2026-01-15T12:00:00Z
    const NOON: i64 = 1_768_478_400_000;

    fn paced(name: &str, base: Budget, windows: Vec<Window>) -> Paced {
        Paced { name: name.to_owned(), schedule: Schedule { base, zone: TimeZone::UTC, windows } }
    }

    fn lunch(budget: Budget) -> Window {
        Window { days: [true; 7], from: 12 * 3600, to: 13 * 3600, budget }
    }

    fn per_second(allowance: &Allowance) -> Option<u64> {
        allowance.budget.bytes_per_s()
    }

    #[test]
    fn a_copy_shares_with_those_that_run_and_has_all_when_they_end() {
        let pacer = Pacer::default();
        pacer.schedule(BTreeMap::from([(A, paced("fast", Budget::PerSecond(1000), vec![]))]));
        let first = pacer.join([A, B]);
        assert_eq!(per_second(&first.allowed(None, NOON)), Some(1000));
        let second = pacer.join([B, A, A]);
        let told = first.allowed(None, NOON);
        assert_eq!(told.by, By::Storage("the budget of storage fast, shared by 2 copies".to_owned()));
        assert_eq!((per_second(&told), per_second(&second.allowed(None, NOON))), (Some(500), Some(500)));
        assert_eq!(
            second.allowed(Some(100), NOON),
            Allowance { budget: Budget::PerSecond(100), by: By::Cap }
        );
        assert_eq!(per_second(&first.allowed(None, NOON)), Some(900));
        assert_eq!(pacer.told(A, NOON).copies, 2);
        drop(second);
        assert_eq!(per_second(&first.allowed(None, NOON)), Some(1000));
        pacer.schedule(BTreeMap::new());
        assert_eq!(first.allowed(None, NOON), Allowance { budget: Budget::Unlimited, by: By::Nothing });
    }

    #[test]
    fn a_window_that_opens_and_closes_is_followed_by_the_clock_alone() {
        let pacer = Pacer::default();
        pacer.schedule(BTreeMap::from([
            (A, paced("fast", Budget::PerSecond(1000), vec![lunch(Budget::Paused)])),
            (B, paced("slow", Budget::Unlimited, vec![])),
        ]));
        let (moving, other) = (pacer.join([A, B]), pacer.join([B]));
        assert_eq!(per_second(&moving.allowed(None, NOON - 1)), Some(1000));
        let paused = moving.allowed(None, NOON);
        assert_eq!(paused.budget, Budget::Paused);
        let words = "the window 12:00-13:00 of storage fast until 2026-01-15T13:00:00+00:00";
        assert_eq!(paused.by, By::Storage(words.to_owned()));
        assert_eq!(per_second(&other.allowed(None, NOON)), None);
        let told = pacer.told(A, NOON);
        assert_eq!(
            (told.budget, told.window),
            (Budget::Paused, Some(("12:00-13:00".to_owned(), NOON + 3_600_000)))
        );
        assert_eq!(per_second(&moving.allowed(None, NOON + 3_600_000)), Some(1000));
        assert_eq!(pacer.told(B, NOON).copies, 2);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_too() {
        let pacer = Pacer::default();
        pacer.schedule(BTreeMap::from([(
            A,
            paced("fast", Budget::Unlimited, vec![lunch(Budget::PerSecond(7))]),
        )]));
        let copy = pacer.join([A]);
        assert_eq!(per_second(&copy.allowed(None, NOON)), Some(7));
        assert_eq!(per_second(&copy.allowed(None, NOON - 1)), None);
    }
}
