//! Windows under a simulated clock: midnight, days, overlaps, and both changes of the clocks.

use super::*;

const ALL: [bool; 7] = [true; 7];
const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

fn window(days: [bool; 7], from: &str, to: &str, budget: Budget) -> Window {
    let clock =
        |text: &str| text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().unwrap()) * 60;
    Window { days, from: clock(from), to: clock(to), budget }
}

fn berlin(windows: Vec<Window>) -> Schedule {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    Schedule { base: Budget::PerSecond(1000), zone, windows }
}

fn ms(moment: &str) -> i64 {
    moment.parse::<Timestamp>().unwrap().as_millisecond()
}

fn budget(schedule: &Schedule, moment: &str) -> Budget {
    schedule.at(ms(moment)).budget
}

/// The moments, minute by minute from `first` on, at which another budget is in force than the minute before.
fn changes(schedule: &Schedule, first: &str, minutes: i64) -> Vec<String> {
    let at = |minute: i64| ms(first) + minute * 60_000;
    let changed = (1..=minutes).filter(|m| schedule.at(at(*m)).budget != schedule.at(at(m - 1)).budget);
    changed.map(|m| Timestamp::from_millisecond(at(m)).unwrap().to_string()).collect()
}

#[test]
fn a_window_is_open_from_its_begin_to_right_before_its_end() {
    let schedule = berlin(vec![window(ALL, "08:00", "18:00", Budget::PerSecond(5))]);
    assert_eq!(budget(&schedule, "2026-01-15T07:59:59.999+01:00"), Budget::PerSecond(1000));
    let open = schedule.at(ms("2026-01-15T08:00:00+01:00"));
    assert_eq!(open.budget, Budget::PerSecond(5));
    assert_eq!(open.window.unwrap().1, "2026-01-15T18:00:00+01:00".parse().unwrap());
    assert_eq!(budget(&schedule, "2026-01-15T17:59:59.999+01:00"), Budget::PerSecond(5));
    let closed = schedule.at(ms("2026-01-15T18:00:00+01:00"));
    assert_eq!((closed.budget, closed.window), (Budget::PerSecond(1000), None));
}

#[test]
fn a_window_is_of_its_zones_clock() {
    let mut schedule = berlin(vec![window(ALL, "08:00", "18:00", Budget::Paused)]);
    assert_eq!(budget(&schedule, "2026-07-15T06:00:00Z"), Budget::Paused, "summer: 08:00 in Berlin");
    schedule.zone = TimeZone::get("America/New_York").unwrap();
    assert_eq!(budget(&schedule, "2026-07-15T06:00:00Z"), Budget::PerSecond(1000));
    assert_eq!(budget(&schedule, "2026-07-15T12:00:00Z"), Budget::Paused);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    // 2026-01-16 is a Friday.
    let schedule = berlin(vec![window(WORKDAYS, "22:00", "06:00", Budget::Unlimited)]);
    for (moment, open) in [
        ("2026-01-16T05:59:00+01:00", true),
        ("2026-01-16T06:00:00+01:00", false),
        ("2026-01-16T22:00:00+01:00", true),
        ("2026-01-17T05:59:00+01:00", true),
        ("2026-01-17T22:00:00+01:00", false),
        ("2026-01-18T03:00:00+01:00", false),
        ("2026-01-19T03:00:00+01:00", false),
        ("2026-01-19T22:00:00+01:00", true),
    ] {
        assert_eq!(budget(&schedule, moment) == Budget::Unlimited, open, "{moment}");
    }
    let (_, until) = schedule.at(ms("2026-01-16T23:00:00+01:00")).window.unwrap();
    assert_eq!(until, "2026-01-17T06:00:00+01:00".parse().unwrap());
}

#[test]
fn a_whole_day_is_from_midnight_to_midnight() {
    let saturday = [false, false, false, false, false, true, false];
    let schedule = berlin(vec![window(saturday, "00:00", "24:00", Budget::Paused)]);
    let seen = changes(&schedule, "2026-01-16T12:00:00+01:00", 3 * 24 * 60);
    assert_eq!(seen, ["2026-01-16T23:00:00Z", "2026-01-17T23:00:00Z"]);
}

#[test]
fn of_windows_that_overlap_the_strictest_counts() {
    let schedule = berlin(vec![
        window(ALL, "08:00", "18:00", Budget::PerSecond(50)),
        window(ALL, "10:00", "12:00", Budget::Paused),
        window(ALL, "09:00", "20:00", Budget::Unlimited),
        window(ALL, "11:00", "13:00", Budget::PerSecond(20)),
    ]);
    for (hour, expected) in [
        (8, Budget::PerSecond(50)),
        (9, Budget::PerSecond(50)),
        (10, Budget::Paused),
        (11, Budget::Paused),
        (12, Budget::PerSecond(20)),
        (13, Budget::PerSecond(50)),
        (18, Budget::Unlimited),
        (20, Budget::PerSecond(1000)),
    ] {
        assert_eq!(budget(&schedule, &format!("2026-01-15T{hour:02}:00:00+01:00")), expected, "{hour}");
    }
}

#[test]
fn of_equal_windows_the_end_of_the_last_is_told() {
    let schedule = berlin(vec![
        window(ALL, "08:00", "12:00", Budget::Paused),
        window(ALL, "08:00", "14:00", Budget::Paused),
        window(ALL, "08:00", "10:00", Budget::Paused),
    ]);
    let (_, until) = schedule.at(ms("2026-01-15T09:00:00+01:00")).window.unwrap();
    assert_eq!(until, "2026-01-15T14:00:00+01:00".parse().unwrap());
}

/// In Berlin 2026-03-29 jumps from 02:00 to 03:00, which is 01:00 UTC.
#[test]
fn a_begin_or_end_that_the_clocks_jump_over_is_the_moment_of_the_jump() {
    let night = "2026-03-28T20:00:00Z";
    let seen = |from, to| changes(&berlin(vec![window(ALL, from, to, Budget::Paused)]), night, 12 * 60);
    assert_eq!(seen("02:30", "05:00"), ["2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"]);
    assert_eq!(seen("01:00", "02:30"), ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"]);
    assert_eq!(seen("23:00", "06:00"), ["2026-03-28T22:00:00Z", "2026-03-29T04:00:00Z"], "an hour shorter");
    assert_eq!(seen("02:00", "03:00"), Vec::<String>::new(), "an hour that is not");
    assert_eq!(seen("02:15", "02:45"), Vec::<String>::new());
}

/// In Berlin 2026-10-25 goes from 03:00 back to 02:00, which is 01:00 UTC.
#[test]
fn a_window_in_the_hour_that_comes_twice_is_open_once_from_the_first_to_the_last() {
    let night = "2026-10-24T20:00:00Z";
    let seen = |from, to| changes(&berlin(vec![window(ALL, from, to, Budget::Paused)]), night, 12 * 60);
    assert_eq!(seen("02:30", "05:00"), ["2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"]);
    assert_eq!(seen("01:00", "02:30"), ["2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"]);
    assert_eq!(seen("02:00", "03:00"), ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"], "two hours");
    assert_eq!(seen("23:00", "06:00"), ["2026-10-24T21:00:00Z", "2026-10-25T05:00:00Z"], "an hour longer");
}

#[test]
fn a_night_over_a_day_that_never_was_is_one_night() {
    let zone = TimeZone::get("Pacific/Apia").unwrap();
    let schedule = Schedule {
        base: Budget::Unlimited,
        zone,
        windows: vec![window(ALL, "22:00", "06:00", Budget::Paused)],
    };
    // 2011-12-30 is no day there: the night goes from the 29th to the 31st.
    let seen = changes(&schedule, "2011-12-30T00:00:00Z", 24 * 60);
    assert_eq!(seen, ["2011-12-30T08:00:00Z", "2011-12-30T16:00:00Z"]);
}

#[test]
fn weekdays_have_short_and_full_names() {
    assert_eq!((weekday("mon"), weekday("Sunday"), weekday("SAT")), (Some(0), Some(6), Some(5)));
    assert_eq!((weekday("m"), weekday(""), weekday("weekend")), (None, None, None));
}

#[test]
fn a_window_is_told_as_it_is_written() {
    assert_eq!(window(ALL, "22:00", "06:30", Budget::Paused).to_string(), "22:00-06:30");
    let odd = Window { to: 6 * 3600 + 5, ..window(ALL, "22:00", "06:00", Budget::Paused) };
    assert_eq!(odd.to_string(), "22:00-06:00:05");
    assert_eq!(
        window(WORKDAYS, "00:00", "24:00", Budget::Paused).to_string(),
        "mon,tue,wed,thu,fri 00:00-24:00"
    );
}

#[test]
fn the_moments_of_change_are_those_at_which_another_budget_is_in_force() {
    let schedule = berlin(vec![
        window(ALL, "22:00", "06:00", Budget::Paused),
        window(WORKDAYS, "05:00", "23:30", Budget::PerSecond(1)),
    ]);
    // Over the night on which the clocks go forward.
    let start: Timestamp = "2026-03-26T12:00:00Z".parse().unwrap();
    let (from, to) = (start.as_millisecond(), start.as_millisecond() + 5 * 86_400_000);
    let mut moments = schedule.changes(from, to);
    moments.sort_unstable();
    moments.dedup();
    let minutes = (from / 60_000..=to / 60_000).map(|minute| minute * 60_000);
    for minute in minutes.filter(|ms| *ms > from) {
        let changes = schedule.at(minute).budget != schedule.at(minute - 60_000).budget;
        let in_it = moments.iter().any(|at| *at > minute - 60_000 && *at <= minute);
        assert!(!changes || in_it, "{}", Timestamp::from_millisecond(minute).unwrap());
    }
    assert!(moments.len() >= 14, "{moments:?}");
    assert!(berlin(vec![]).changes(from, to).is_empty());
}
