//! Which jobs a node takes and which it leaves to the others, so that idle nodes get their share and no job waits long
//! for a node that does not come. Pure: who asks the store, and how often, is in `takeover`.
//!
//! The rule is that of water in vessels: what waits is poured where the least runs, and a node takes what would fall to
//! it. Three things keep it cheap and safe. A node that runs no more than any other asks nobody. Where attempts end at
//! once, those that have just begun do not count, so that short jobs stay where they are asked for. What is left to
//! others is taken all the same when it has waited for so long; who left it then counts as full.
//!
//! A node takes no job of a type that another one knows and it does not; jobs of a type are shared by those that know it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
/// A node whose attempts end at once may take so many more than the others, if nothing of it lasts: what comes is likely
/// to be as short, and ends before another node looks.
const AHEAD: u32 = 32;
/// The same for one that runs what lasts. Where little is so short, it is mostly that which would pile up here.
const AHEAD_BESIDE: u32 = 16;

/// What a node runs itself, of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mine {
    /// Jobs running here.
    pub running: u32,
    /// Those that have ended within the last second, as fast as that.
    pub short: u32,
    /// Of `running`: those that began so lately that they may yet be as short.
    pub young: u32,
    /// Of `running`: those that began within the last second and are not.
    pub lasting: u32,
}

impl Mine {
    /// What counts: less than nothing where jobs end at once. What outlasts the short ones counts, however many of these
    /// there are.
    fn weight(self) -> i64 {
        let counted = self.running.saturating_sub(self.short.min(self.young)).min(COUNTED_MAX);
        let ahead = match self.running > self.young {
            false => self.short.min(AHEAD),
            true => self.short.min(AHEAD_BESIDE).saturating_sub(self.lasting),
        };
        i64::from(counted) - i64::from(ahead)
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

/// Pours `waiting` jobs into those of `levels` that know their type, the nodes of `who`.
fn pour(levels: &mut [i64], who: &[usize], waiting: u32) {
    let mut left = i64::from(waiting);
    let mut order: Vec<usize> = who.to_vec();
    order.sort_unstable_by_key(|at| levels[*at]);
    for nth in 1..=order.len() {
        let height = levels[order[nth - 1]];
        let next = order.get(nth).map_or(i64::MAX, |at| levels[*at]);
        let wanted = next.saturating_sub(height).saturating_mul(nth as i64);
        let rises = left.min(wanted);
        let each = (rises + nth as i64 - 1).div_euclid(nth as i64);
        order[..nth].iter().for_each(|at| levels[*at] = height + each);
        left -= rises;
        if left <= 0 {
            return;
        }
    }
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
    /// The job types that this node knows.
    types: BTreeSet<&'static str>,
    /// Those that it does not and others do.
    foreign: Vec<String>,
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
    /// Of a node that looks every `poll` and knows these job types.
    pub(crate) fn new(types: impl Iterator<Item = &'static str>, alone: bool, poll: Duration) -> Self {
        Self {
            types: types.collect(),
            foreign: Vec::new(),
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
        if alone {
            self.foreign.clear(); // those who knew them are gone
        }
    }

    /// The job types that are left to other nodes, which know them.
    pub(crate) fn foreign(&self) -> &[String] {
        &self.foreign
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
        let known: BTreeSet<&String> = spread.types.values().flatten().collect();
        let foreign = known.into_iter().filter(|name| !self.types.contains(name.as_str()));
        self.foreign = foreign.cloned().collect();
        (self.told_at, self.took, self.told) = (now, now.saturating_sub(asked), Some(spread));
    }

    /// What others run that may take jobs of `class`; `None`: nobody is there to leave any to.
    fn others(&self, class: SlotClass, now: Duration) -> Option<Vec<(NodeId, i64)>> {
        if self.alone || self.age(now).is_none_or(|age| age > OLD_AFTER) {
            return None;
        }
        let full = &self.lines[class as usize].full;
        let others = self.told.iter().flat_map(|told| &told.others);
        let others = others.filter(|(node, _)| !full.contains_key(node));
        let others: Vec<_> = others.map(|(node, runs)| (*node, i64::from(runs[class as usize]))).collect();
        (!others.is_empty()).then_some(others)
    }

    /// Whether another node knows a job type. One that does not tell is of an earlier release, and taken to know all.
    fn knows(&self, node: NodeId, job_name: &str) -> bool {
        let types = self.told.as_ref().and_then(|told| told.types.get(&node));
        types.is_none_or(|types| types.contains(job_name))
    }

    /// Whether a job of this type that is about to be stored may be started here in the same commit.
    pub(crate) fn may_start(&self, class: SlotClass, job_name: &str, mine: Mine, now: Duration) -> bool {
        let Some(others) = self.others(class, now) else { return true };
        let others = others.into_iter().filter(|(node, _)| self.knows(*node, job_name));
        let Some(least) = others.map(|(_, runs)| runs).min() else { return true };
        mine.weight() <= least + least / NEAR
    }

    /// Whether this node has nothing to look for in `class`, since it knows none of what waits there. `knows_any`: it knows
    /// a type of that class.
    pub(crate) fn looks_in_vain(&self, class: SlotClass, knows_any: bool, now: Duration) -> bool {
        !knows_any
            && !self.foreign.is_empty()
            && self.others(class, now).is_some()
            && self.waiting(class) == 0
    }

    /// How many wait that this node may take, as far as is known.
    fn waiting(&self, class: SlotClass) -> u32 {
        let Some(told) = &self.told else { return 0 };
        let foreign = self.foreign.iter().filter_map(|name| told.uneven.get(name));
        told.waiting[class as usize].saturating_sub(foreign.map(|waiting| waiting[class as usize]).sum())
    }

    /// How many jobs of `class` that any host may run a look takes that has `free` slots.
    pub(crate) fn share(&mut self, class: SlotClass, mine: Mine, free: u32, now: Duration) -> u32 {
        let overdue = self.overdue(class, mine, now);
        let Some(others) = self.others(class, now) else { return free };
        let waiting = self.told.as_ref().map_or(0, |told| told.waiting[class as usize]);
        if waiting >= COUNTED_MAX {
            return free; // there is enough for everybody, and nobody knows how much
        }
        let (poured, levels, rest) = self.poured(class, mine.weight(), &others, waiting);
        (poured + share(levels[0], &levels[1..], rest)).max(overdue).min(free)
    }

    /// What falls here of the types that some node does not know, those first that the fewest know; what all run then, this
    /// node first; and how many wait of the rest.
    fn poured(
        &self,
        class: SlotClass,
        mine: i64,
        others: &[(NodeId, i64)],
        waiting: u32,
    ) -> (u32, Vec<i64>, u32) {
        let mut levels: Vec<i64> = [mine].into_iter().chain(others.iter().map(|(_, runs)| *runs)).collect();
        let mut rest = waiting;
        let uneven = self.told.iter().flat_map(|told| &told.uneven);
        let mut uneven: Vec<(Vec<usize>, u32)> = uneven
            .map(|(name, waiting)| {
                let here = self.types.contains(name.as_str()).then_some(0);
                let there = (1..).zip(others).filter(|(_, (node, _))| self.knows(*node, name));
                (here.into_iter().chain(there.map(|(at, _)| at)).collect(), waiting[class as usize])
            })
            .collect();
        uneven.sort_by_key(|(who, _)| who.len());
        for (who, waiting) in uneven {
            let waiting = waiting.min(rest);
            rest -= waiting;
            pour(&mut levels, &who, waiting);
        }
        (u32::try_from(levels[0] - mine).unwrap_or(0), levels, rest)
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
        self.lines[class as usize].taken += u64::from(taken);
        if let Some(told) = &mut self.told {
            let waiting = &mut told.waiting[class as usize];
            *waiting = waiting.saturating_sub(taken);
        }
        let waiting = self.waiting(class);
        let line = &mut self.lines[class as usize];
        let Some(told) = &self.told else { return line.left.clear() };
        if share >= free || taken < share || (fresh && waiting == 0) {
            line.left.clear(); // nothing was left, or nothing for the others' sake
        } else if waiting > 0 && line.left.back().is_none_or(|left| now >= left.at + NOTES_APART) {
            let others = told.others.iter().map(|(node, runs)| (*node, runs[class as usize])).collect();
            line.left.push_back(Left { at: now, jobs: waiting, taken: line.taken, others });
        }
    }

    /// A look took a job of this type that any host may run.
    pub(crate) fn took(&mut self, class: SlotClass, job_name: &str) {
        let uneven = self.told.as_mut().and_then(|told| told.uneven.get_mut(job_name));
        if let Some(waiting) = uneven {
            waiting[class as usize] = waiting[class as usize].saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
