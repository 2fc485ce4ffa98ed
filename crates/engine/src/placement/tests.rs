//! What falls to whom. That nodes do so is seen with two engines here, and with real processes in the server's tests of
//! several nodes.

use std::time::Duration;

use longhaul_model::{NodeId, SlotClass};
use longhaul_store::{COUNTED_MAX, PerClass, Spread};

use super::{FULL_FOR, Mine, OLD_AFTER, Placement, share};

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
    Spread { others, waiting: numbers(waiting) }
}

fn mine(running: u32) -> Mine {
    Mine { running, short: 0 }
}

fn at(polls: u32) -> Duration {
    POLL * polls
}

/// A node that is not alone and was told that at the moment 0.
fn told(others: &[u32], waiting: u32) -> Placement {
    let mut placement = Placement::new(false, POLL);
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
    let mut alone = Placement::new(true, POLL);
    assert_eq!(alone.share(CLASS, mine(9), 64, at(0)), 64);
    let mut placement = told(&[0], 10);
    assert_eq!(placement.share(CLASS, mine(9), 64, at(1)), 1);
    assert!(!placement.may_start(CLASS, mine(9), at(1)));
    let late = OLD_AFTER + Duration::from_millis(1);
    assert_eq!(placement.share(CLASS, mine(9), 64, late), 64);
    assert!(placement.may_start(CLASS, mine(9), late));
    placement.told(spread(&[], 10), late, late);
    assert_eq!(placement.share(CLASS, mine(9), 64, late), 64, "the others are drained");
}

#[test]
fn a_submission_starts_where_it_is_asked_for_unless_another_node_runs_clearly_less() {
    let may = |running, others: &[u32]| told(others, 0).may_start(CLASS, mine(running), at(0));
    assert!(may(0, &[0, 0]) && !may(1, &[0, 0]) && !may(1, &[7, 0]));
    assert!(may(10, &[8]) && !may(11, &[8]), "by a quarter is near enough");
}

#[test]
fn jobs_that_end_at_once_stay_where_they_are_asked_for() {
    let mut placement = told(&[0], 0);
    let flood = Mine { running: 60, short: 500 };
    assert!(flood.is_short() && placement.may_start(CLASS, flood, at(0)));
    assert_eq!(placement.share(CLASS, flood, 512, at(0)), 440);
    let slow = Mine { running: 60, short: 3 };
    assert!(!slow.is_short() && !placement.may_start(CLASS, slow, at(0)));
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
    let mut placement = Placement::new(false, POLL);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(0)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(1)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(2)), 6);
    assert!(placement.may_start(CLASS, mine(16), at(2)), "nobody is waited for again");
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
    let mut placement = Placement::new(false, POLL);
    for poll in 0..2 {
        assert_eq!(look(&mut placement, 10, spread(&[4], 6), at(poll)), 0);
    }
    assert_eq!(look(&mut placement, 10, spread(&[4], 6), at(2)), 6);
    assert_eq!(look(&mut placement, 16, spread(&[4], 6), at(3)), 6);
    assert_eq!(look(&mut placement, 22, spread(&[3], 6), at(4)), 0);
}

#[test]
fn jobs_that_keep_coming_are_left_to_others_for_as_long_as_they_take_them() {
    let mut placement = Placement::new(false, POLL);
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
    let mut placement = Placement::new(false, POLL);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(0)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 0), at(1)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(2)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(3)), 0);
    assert_eq!(look(&mut placement, 10, spread(&[0], 6), at(4)), 6);
}

#[test]
fn the_store_is_asked_for_a_small_part_of_the_time_alone() {
    let ms = Duration::from_millis;
    let mut placement = Placement::new(false, POLL);
    assert!(placement.asks(ms(50), ms(0)), "nothing is known yet");
    placement.told(spread(&[0], 0), ms(0), ms(1));
    assert!(!placement.asks(ms(50), ms(50)) && placement.asks(ms(50), ms(51)));
    placement.told(spread(&[0], 0), ms(51), ms(91));
    assert!(!placement.asks(ms(50), ms(890)) && placement.asks(ms(50), ms(891)));
    placement.heard(true);
    assert!(!placement.asks(ms(50), ms(5000)), "there is nobody to ask about");
}
