//! What falls to whom. That nodes do so is seen with two engines here, and with real processes in the server's tests of
//! several nodes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use longhaul_model::{NodeId, SlotClass};
use longhaul_store::conformance::HandClock;
use longhaul_store::{COUNTED_MAX, PerClass, Spread};

use super::{AHEAD, AHEAD_BESIDE, FULL_FOR, Mine, OLD_AFTER, Placement, pour, share};
use crate::EngineConfig;
use crate::slots::{Slot, Slots};

const CLASS: SlotClass = SlotClass::Simulator;
const POLL: Duration = Duration::from_millis(250);

fn node(number: u128) -> NodeId {
    NodeId::v4(number)
}

fn numbers(number: u32) -> PerClass {
    let mut numbers = PerClass::default();
    numbers[CLASS as usize] = number;
    numbers
}

/// What others run, and what waits.
fn spread(others: &[u32], waiting: u32) -> Spread {
    let others = others.iter().zip(1..).map(|(runs, id)| (node(id), numbers(*runs))).collect();
    Spread { others, waiting: numbers(waiting), ..Spread::default() }
}

/// The same where these know only these types, and so many wait of some types.
fn uneven(others: &[u32], waiting: u32, types: &[(u128, &[&str])], of_types: &[(&str, u32)]) -> Spread {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Spread {
        types: types.iter().map(|(id, types)| (node(*id), names(types))).collect(),
        uneven: of_types.iter().map(|(name, waiting)| ((*name).to_owned(), numbers(*waiting))).collect(),
        ..spread(others, waiting)
    }
}

/// Of a node that knows two types.
fn of_node(alone: bool) -> Placement {
    Placement::new(["Known", "New"].into_iter(), alone, POLL)
}

fn mine(running: u32) -> Mine {
    Mine { running, ..Mine::default() }
}

fn at(polls: u32) -> Duration {
    POLL * polls
}

/// A node that is not alone and was told that at the moment 0.
fn told(others: &[u32], waiting: u32) -> Placement {
    let mut placement = of_node(false);
    placement.told(spread(others, waiting), at(0), at(0));
    placement
}

#[test]
fn what_waits_falls_where_the_least_runs() {
    for (mine, others, waiting, falls) in [
        (0, vec![0], 1, 1),
        (0, vec![0], 29, 15),
        (1, vec![0], 1, 0),
        (1, vec![0], 2, 1),
        (1, vec![0, 0], 29, 9),
        (0, vec![1, 0], 29, 10),
        (5, vec![5, 5], 1, 1),
        (0, vec![1000], 10, 1000),
        (0, vec![1000, 0], 10, 5),
        (7, vec![1000, 0], 10, 2),
        (3, vec![9, 9], 0, 6),
        (9, vec![3, 9], 5, 0),
        (9, vec![3, 9], 7, 1),
        (40, vec![0], 10, 0),
    ] {
        assert_eq!(share(mine, &others, waiting), falls, "{mine} {others:?} {waiting}");
    }
}

#[test]
fn all_that_waits_falls_to_somebody() {
    for waiting in 0..40 {
        for heights in [[0, 0, 0], [1, 2, 3], [0, 10, 10], [5, 0, 30]] {
            let falls = |at: usize| {
                let others: Vec<i64> = (0..3).filter(|o| *o != at).map(|o| heights[o]).collect();
                share(heights[at], &others, waiting)
            };
            let all: u32 = (0..3).map(falls).sum();
            assert!(all >= waiting, "{heights:?} {waiting}");
        }
    }
}

#[test]
fn who_is_alone_or_was_told_nothing_lately_takes_everything() {
    let mut alone = of_node(true);
    assert_eq!(alone.share(CLASS, mine(9), 64, at(0)), 64);
    let mut placement = told(&[0], 10);
    assert_eq!(placement.share(CLASS, mine(9), 64, at(1)), 1);
    assert!(!placement.may_start(CLASS, "Known", mine(9), at(1)));
    let late = OLD_AFTER + Duration::from_millis(1);
    assert_eq!(placement.share(CLASS, mine(9), 64, late), 64);
    assert!(placement.may_start(CLASS, "Known", mine(9), late));
    placement.told(spread(&[], 10), late, late);
    assert_eq!(placement.share(CLASS, mine(9), 64, late), 64, "the others are drained");
}

#[test]
fn a_submission_starts_where_it_is_asked_for_unless_another_node_runs_clearly_less() {
    let may = |running, others: &[u32]| told(others, 0).may_start(CLASS, "Known", mine(running), at(0));
    assert!(may(0, &[0, 0]) && !may(1, &[0, 0]) && !may(1, &[7, 0]));
    assert!(may(10, &[8]) && !may(11, &[8]), "by a quarter is near enough");
}

#[test]
fn jobs_that_end_at_once_stay_where_they_are_asked_for() {
    let mut placement = told(&[0], 0);
    let flood = Mine { running: 60, short: 500, young: 60, lasting: 0 };
    assert!(flood.is_short() && placement.may_start(CLASS, "Known", flood, at(0)));
    assert_eq!(placement.share(CLASS, flood, 512, at(0)), AHEAD);
    let slow = Mine { running: 60, short: 3, young: 60, lasting: 0 };
    assert!(!slow.is_short() && !placement.may_start(CLASS, "Known", slow, at(0)));
}

#[test]
fn of_more_than_can_be_counted_everybody_takes_what_there_are_slots_for() {
    assert_eq!(told(&[0], COUNTED_MAX).share(CLASS, mine(64), 10, at(0)), 10);
}

/// Looks once at `now`: what it claims is `most` of what it may at most. Answers how many it may.
fn look(placement: &mut Placement, running: u32, told: Spread, now: Duration) -> u32 {
    let waiting = told.waiting[CLASS as usize];
    placement.told(told, now, now);
    let share = placement.share(CLASS, mine(running), 64, now);
    placement.looked(CLASS, (64, share, share.min(waiting)), true, now);
    share.min(waiting)
}

#[test]
fn what_nobody_else_takes_is_taken_after_two_polls_and_they_count_as_full() {
    let mut placement = of_node(false);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(0)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(1)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(2)), 6);
    assert!(placement.may_start(CLASS, "Known", mine(16), at(2)), "nobody is waited for again");
    assert_eq!(look(&mut placement, 16, spread(&[0], 6), at(3)), 6);
    assert_eq!(
        look(&mut placement, 22, spread(&[1, 0], 6), at(4)),
        0,
        "one that has just come is waited for"
    );
    assert_eq!(look(&mut placement, 22, spread(&[1, 0], 0), at(5)), 0, "the line is empty once");
    let later = at(2) + FULL_FOR;
    assert_eq!(look(&mut placement, 22, spread(&[0], 6), later), 0, "and the other one again, later");
}

#[test]
fn a_full_node_that_has_room_again_is_left_its_share() {
    let mut placement = of_node(false);
    for poll in 0..2 {
        assert_eq!(look(&mut placement, 10, spread(&[4], 6), at(poll)), 0);
    }
    assert_eq!(look(&mut placement, 10, spread(&[4], 6), at(2)), 6);
    assert_eq!(look(&mut placement, 16, spread(&[4], 6), at(3)), 6);
    assert_eq!(look(&mut placement, 22, spread(&[3], 6), at(4)), 0);
}

#[test]
fn jobs_that_keep_coming_are_left_to_others_for_as_long_as_they_take_them() {
    let mut placement = of_node(false);
    for poll in 0..20 {
        // Six come with each poll, and the other one takes them all.
        assert_eq!(look(&mut placement, 200, spread(&[6 * poll], 6), at(poll)), 0, "{poll}");
    }
    // It takes no more: who left them takes those that have waited for so long.
    assert_eq!(look(&mut placement, 200, spread(&[6 * 19], 12), at(20)), 0);
    assert_eq!(look(&mut placement, 200, spread(&[6 * 19], 18), at(21)), 18);
}

#[test]
fn a_line_that_was_empty_once_is_waited_for_anew() {
    let mut placement = of_node(false);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(0)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 0), at(1)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(2)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(3)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(4)), 6);
}

#[test]
fn the_store_is_asked_for_a_small_part_of_the_time_alone() {
    let ms = Duration::from_millis;
    let mut placement = of_node(false);
    assert!(placement.asks(ms(50), ms(0)), "nothing is known yet");
    placement.told(spread(&[0], 0), ms(0), ms(1));
    assert!(!placement.asks(ms(50), ms(50)) && placement.asks(ms(50), ms(51)));
    placement.told(spread(&[0], 0), ms(51), ms(91));
    assert!(!placement.asks(ms(50), ms(890)) && placement.asks(ms(50), ms(891)));
    placement.heard(true);
    assert!(!placement.asks(ms(50), ms(5000)), "there is nobody to ask about");
}

/// Two nodes; jobs are asked of this one alone, and the other one takes what this one does not start.
struct Flood {
    clock: Arc<HandClock>,
    slots: Arc<Slots>,
    placement: Placement,
    /// Short jobs here, each with its end.
    short: VecDeque<(u64, Slot)>,
    /// Those that stay, here and there.
    here: Vec<Slot>,
    there: u32,
    /// How many short ones were left to the other node.
    left: u32,
}

impl Flood {
    fn new() -> Self {
        let clock = HandClock::new();
        let nothing = |_: &str| Ok(serde_json::Value::Null);
        let config = EngineConfig::new(|_| "", nothing, [0; 32]);
        let slots = Slots::new(&config, clock.clone());
        let (short, here) = (VecDeque::new(), Vec::new());
        Self { clock, slots, placement: of_node(false), short, here, there: 0, left: 0 }
    }

    /// A slot, if the job falls here.
    fn asked(&mut self, now_ms: u64) -> Option<Slot> {
        let now = Duration::from_millis(now_ms);
        self.placement.told(spread(&[self.there], 0), now, now);
        let falls_here = self.placement.may_start(CLASS, "Known", self.slots.mine(CLASS), now);
        falls_here.then(|| self.slots.reserve(CLASS).expect("a slot").begin())
    }

    /// Milliseconds on end: a job that takes `takes_ms` every 4 of them, if any, and one that stays every `long_every` ms.
    fn run(&mut self, ms: std::ops::Range<u64>, takes_ms: Option<u64>, long_every: u64) {
        for now_ms in ms {
            self.clock.advance(1);
            while self.short.front().is_some_and(|(end_ms, _)| *end_ms <= now_ms) {
                self.short.pop_front();
            }
            if let Some(takes_ms) = takes_ms.filter(|_| now_ms.is_multiple_of(4)) {
                match self.asked(now_ms) {
                    Some(slot) => self.short.push_back((now_ms + takes_ms, slot)),
                    None => self.left += 1,
                }
            }
            if now_ms % long_every == 1 {
                match self.asked(now_ms) {
                    Some(slot) => self.here.push(slot),
                    None => self.there += 1,
                }
            }
        }
    }

    fn ahead(&self) -> i64 {
        self.here.len() as i64 - i64::from(self.there)
    }
}

const NEVER: u64 = u64::MAX;

#[test]
fn short_jobs_stay_at_the_node_that_is_asked_also_beside_some_that_last() {
    for takes_ms in [1, 30, 90] {
        let mut flood = Flood::new();
        flood.run(2..1000, Some(takes_ms), NEVER);
        flood.left = 0;
        flood.run(1000..13_000, Some(takes_ms), 1000);
        assert_eq!((flood.left, flood.here.len(), flood.there), (0, 12, 0), "{takes_ms}");
    }
}

#[test]
fn long_jobs_are_shared_however_many_short_ones_end_beside_them() {
    for long_every in [4, 25, 1000] {
        let mut flood = Flood::new();
        flood.run(2..1000, Some(10), NEVER);
        flood.run(1000..1000 + 80 * long_every, Some(10), long_every);
        let most = i64::from(AHEAD_BESIDE) + 26;
        assert!(flood.ahead() <= most, "one in {long_every} ms: {} : {}", flood.here.len(), flood.there);
    }
}

#[test]
fn long_jobs_behind_a_flood_of_short_ones_are_shared() {
    let mut flood = Flood::new();
    flood.run(2..1000, Some(50), NEVER);
    flood.run(1000..1240, None, 4);
    assert!(flood.ahead() <= 30, "{} : {}", flood.here.len(), flood.there);
}

#[test]
fn what_lasts_counts_beside_short_jobs() {
    let running = |running, lasting| Mine { running, short: 300, young: 10, lasting };
    let may = |mine| told(&[40], 0).may_start(CLASS, "Known", mine, at(0));
    assert!(may(running(60, 0)) && !may(running(80, 0)), "the other one runs 40");
    assert!(may(running(60, 0)) && !may(running(62, 16)), "such have just come");
}

#[test]
fn a_type_that_another_node_does_not_know_is_not_left_to_it() {
    let mut placement = of_node(false);
    let old: &[&str] = &["Known"];
    placement.told(uneven(&[0, 0], 60, &[(1, old)], &[("New", 60)]), at(0), at(0));
    assert_eq!(placement.share(CLASS, mine(0), 64, at(0)), 30, "the second tells nothing, so it knows all");
    placement.told(uneven(&[0, 9], 60, &[(1, old), (2, old)], &[("New", 60)]), at(0), at(0));
    assert_eq!(placement.share(CLASS, mine(0), 64, at(0)), 60);
    assert!(
        placement.may_start(CLASS, "New", mine(9), at(0))
            && !placement.may_start(CLASS, "Known", mine(9), at(0))
    );
    placement.told(uneven(&[0], 60, &[(1, old)], &[("New", 40)]), at(0), at(0));
    assert_eq!(placement.share(CLASS, mine(0), 64, at(0)), 40, "the other one takes the rest");
    assert_eq!(placement.share(CLASS, mine(10), 64, at(0)), 40);
    (0..10).for_each(|_| placement.took(CLASS, "New"));
    placement.looked(CLASS, (64, 40, 10), false, at(0));
    assert_eq!(placement.share(CLASS, mine(10), 64, at(0)), 30);
}

#[test]
fn what_this_node_does_not_know_and_another_does_is_no_share_of_it() {
    let mut placement = of_node(false);
    assert!(placement.foreign().is_empty());
    let newer: &[&str] = &["Known", "New", "Newer"];
    placement.told(uneven(&[0], 40, &[(1, newer)], &[("Newer", 40)]), at(0), at(0));
    assert_eq!(placement.foreign(), ["Newer"]);
    assert_eq!(
        placement.share(CLASS, mine(0), 64, at(0)),
        40,
        "in case that others wait: the other one has as many"
    );
    assert!(placement.looks_in_vain(CLASS, false, at(0)) && !placement.looks_in_vain(CLASS, true, at(0)));
    placement.looked(CLASS, (64, 40, 0), true, at(0));
    assert_eq!(placement.share(CLASS, mine(50), 64, at(4)), 0, "nor is it waited for");
    placement.told(uneven(&[0], 41, &[(1, newer)], &[("Newer", 40)]), at(4), at(4));
    assert!(!placement.looks_in_vain(CLASS, false, at(4)), "one of a type that nobody knows");
    placement.heard(true);
    assert!(placement.foreign().is_empty(), "who knew it is gone");
}

#[test]
fn what_is_poured_into_some_fills_the_lowest_of_them() {
    for (before, who, waiting, after) in [
        ([0, 5, 9], vec![0, 2], 4, [4, 5, 9]),
        ([0, 5, 9], vec![0, 2], 11, [10, 5, 10]),
        ([3, 0, 0], vec![1, 2], 3, [3, 2, 2]),
        ([3, 0, 0], vec![], 3, [3, 0, 0]),
        ([-8, 0, 0], vec![0, 1, 2], 9, [1, 1, 1]),
    ] {
        let mut levels = before;
        pour(&mut levels, &who, waiting);
        assert_eq!(levels, after, "{before:?} {who:?} {waiting}");
    }
}
