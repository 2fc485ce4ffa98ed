//! Which jobs a node takes and which it leaves to the others, so that idle nodes get their share and no job waits long
//! for a node that does not come. Pure: who asks the store, and how often, is in `takeover`.
//!
//! The rule is that of water in vessels: what waits is poured where the least runs, and a node takes what would fall to
//! it. Three things keep it cheap and safe. A node that runs no more than any other asks nobody. Attempts that ended at
//! once are taken off what runs, so that short jobs stay where they are asked for. What is left to others is taken all
//! the same when it has waited for so long; who left it then counts as full.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use longhaul_model::{NodeId, SlotClass};
use longhaul_store::{COUNTED_MAX, Spread};

/// What was told is too old to go by, since the store does not answer; then nothing is left to others.
const OLD_AFTER: Duration = Duration::from_secs(2);
/// The store is asked for one part in so many of the time at most: while it holds many versions of rows, that takes long.
const PARTS: u32 = 20;
/// For so long a node that left jobs waiting counts as full, unless it runs less than then.
const FULL_FOR: Duration = Duration::from_secs(5);
/// Notes of what was left are so far apart at least.
const NOTES_APART: Duration = Duration::from_millis(20);
/// A node that has more running than another by one part in so many may start what it is asked for all the same: it is not
/// worth a wait until the other one looks.
const NEAR: i64 = 4;

/// What a node runs itself, of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mine {
    /// Jobs running here.
    pub running: u32,
    /// Those that have ended within the last second, as fast as that.
    pub short: u32,
}

impl Mine {
    /// What counts: less than nothing where jobs end faster than they come.
    fn weight(self) -> i64 {
        i64::from(self.running.min(COUNTED_MAX)) - i64::from(self.short)
    }

    /// Whether all that it is asked for can be expected to end at once.
    pub(crate) fn is_short(self) -> bool {
        self.short > self.running
    }
}

/// How many of `waiting` jobs fall to a node with `mine` beside `others`. As many as bring it to what the others have it
/// may take in any case, since there may be more than are known.
fn share(mine: i64, others: &[i64], waiting: u32) -> u32 {
    let mut levels: Vec<i64> = others.to_vec();
    levels.push(mine);
    levels.sort_unstable();
    let (mut below, mut level) = (0, i64::MAX);
    for (nth, height) in (1..).zip(&levels) {
        below += height;
        level = (i64::from(waiting) + below + nth - 1).div_euclid(nth);
        if levels.get(nth as usize).is_none_or(|next| level <= *next) {
            break;
        }
    }
    let least = others.iter().min().copied().unwrap_or(i64::MAX);
    u32::try_from(level.max(least).saturating_sub(mine).max(0)).unwrap_or(u32::MAX)
}

/// A look that left jobs to others.
#[derive(Debug)]
struct Left {
    at: Duration,
    jobs: u32,
    /// What this node had taken by then.
    taken: u64,
    others: BTreeMap<NodeId, u32>,
}

/// What is kept for a class.
#[derive(Debug, Default)]
struct Line {
    /// Looks in a row that left something, the oldest first.
    left: VecDeque<Left>,
    /// How many jobs that any host may run this node has taken, ever.
    taken: u64,
    /// Nodes that left jobs waiting: how much each ran then, and until when that counts.
    full: BTreeMap<NodeId, (u32, Duration)>,
}

/// What a node knows of the others.
#[derive(Debug)]
pub(crate) struct Placement {
    alone: bool,
    /// For so long jobs are left to others.
    patience: Duration,
    told_at: Duration,
    /// How long the answer took.
    took: Duration,
    told: Option<Spread>,
    lines: [Line; SlotClass::ALL.len()],
}

impl Placement {
    /// Of a node that looks every `poll`.
    pub(crate) fn new(alone: bool, poll: Duration) -> Self {
        Self {
            alone,
            patience: poll * 2,
            told_at: Duration::ZERO,
            took: Duration::ZERO,
            told: None,
            lines: Default::default(),
        }
    }

    /// With its newest heartbeat the node was told whether there are others.
    pub(crate) fn heard(&mut self, alone: bool) {
        self.alone = alone;
    }

    /// How many others take jobs, as far as it is known.
    #[cfg(test)]
    pub(crate) fn known(&self) -> Option<usize> {
        self.told.as_ref().map(|told| told.others.len())
    }

    fn age(&self, now: Duration) -> Option<Duration> {
        self.told.as_ref().map(|_| now.saturating_sub(self.told_at))
    }

    /// Whether the store is to be asked about the others, of whom it told longer than `known_for` ago.
    pub(crate) fn asks(&self, known_for: Duration, now: Duration) -> bool {
        !self.alone && self.age(now).is_none_or(|age| age >= known_for.max(self.took * PARTS))
    }

    /// The store was asked, and told this from `asked` to `now`.
    pub(crate) fn told(&mut self, spread: Spread, asked: Duration, now: Duration) {
        for (class, line) in self.lines.iter_mut().enumerate() {
            line.full.retain(|node, (ran, until)| {
                now < *until && spread.others.get(node).is_some_and(|runs| runs[class] >= *ran)
            });
        }
        (self.told_at, self.took, self.told) = (now, now.saturating_sub(asked), Some(spread));
    }

    /// What others run that may take jobs of `class`; `None`: nobody is there to leave any to.
    fn others(&self, class: SlotClass, now: Duration) -> Option<Vec<i64>> {
        if self.alone || self.age(now).is_none_or(|age| age > OLD_AFTER) {
            return None;
        }
        let full = &self.lines[class as usize].full;
        let others = self.told.iter().flat_map(|told| &told.others);
        let others = others.filter(|(node, _)| !full.contains_key(node));
        let others: Vec<i64> = others.map(|(_, runs)| i64::from(runs[class as usize])).collect();
        (!others.is_empty()).then_some(others)
    }

    /// Whether a job that is about to be stored may be started here in the same commit.
    pub(crate) fn may_start(&self, class: SlotClass, mine: Mine, now: Duration) -> bool {
        let Some(others) = self.others(class, now) else { return true };
        let least = others.into_iter().min().unwrap_or(0);
        mine.weight() <= least + least / NEAR
    }

    /// How many jobs of `class` that any host may run a look takes that has `free` slots.
    pub(crate) fn share(&mut self, class: SlotClass, mine: Mine, free: u32, now: Duration) -> u32 {
        let overdue = self.overdue(class, mine, now);
        let Some(others) = self.others(class, now) else { return free };
        let waiting = self.told.as_ref().map_or(0, |told| told.waiting[class as usize]);
        if waiting >= COUNTED_MAX {
            return free; // there is enough for everybody, and nobody knows how much
        }
        share(mine.weight(), &others, waiting).max(overdue).min(free)
    }

    /// How many jobs were left to others so long ago that nobody is waited for any more. Others that took none since
    /// count as full.
    fn overdue(&mut self, class: SlotClass, mine: Mine, now: Duration) -> u32 {
        let line = &mut self.lines[class as usize];
        let patience = self.patience;
        while line.left.get(1).is_some_and(|left| left.at + patience <= now) {
            line.left.pop_front();
        }
        let Some(left) = line.left.front().filter(|left| left.at + patience <= now) else { return 0 };
        let Some(told) = &self.told else { return left.jobs };
        let mut taken = line.taken - left.taken;
        let mut idle = Vec::new();
        for (node, runs) in &told.others {
            let (runs, ran) = (runs[class as usize], left.others.get(node).copied().unwrap_or(0));
            taken += u64::from(runs.saturating_sub(ran));
            if runs <= ran && runs < mine.running {
                idle.push((*node, (runs, now + FULL_FOR)));
            }
        }
        let overdue = u64::from(left.jobs).saturating_sub(taken);
        if overdue > 0 {
            line.full.extend(idle);
        }
        u32::try_from(overdue).unwrap_or(u32::MAX)
    }

    /// A look with `free` slots asked for `share` jobs of `class` that any host may run, and got `taken`. `fresh`: what is
    /// known of the others was told for this look.
    pub(crate) fn looked(
        &mut self,
        class: SlotClass,
        (free, share, taken): (u32, u32, u32),
        fresh: bool,
        now: Duration,
    ) {
        let line = &mut self.lines[class as usize];
        line.taken += u64::from(taken);
        let Some(told) = &mut self.told else { return line.left.clear() };
        let waiting = &mut told.waiting[class as usize];
        *waiting = waiting.saturating_sub(taken);
        if share >= free || taken < share || (fresh && *waiting == 0) {
            line.left.clear(); // nothing was left, or nothing for the others' sake
        } else if *waiting > 0 && line.left.back().is_none_or(|left| now >= left.at + NOTES_APART) {
            let others = told.others.iter().map(|(node, runs)| (*node, runs[class as usize])).collect();
            line.left.push_back(Left { at: now, jobs: *waiting, taken: line.taken, others });
        }
    }
}

#[cfg(test)]
mod tests;
