//! The rate of work that is given to others and comes in steps: over the last half minute, not over the last step.

use std::collections::VecDeque;
use std::time::Duration;

/// As far back as it looks.
const SPAN: Duration = Duration::from_secs(30);
/// Before so much was seen, nothing is said.
const SPAN_MIN: Duration = Duration::from_secs(2);
/// Between two samples.
const STEP: Duration = Duration::from_millis(500);

/// When how many bytes were done.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<(Duration, u64)>);

impl Window {
    /// Bytes per second until `now`, when `bytes` are done; 0 = not known yet. What goes back begins anew.
    pub(super) fn rate(&mut self, now: Duration, bytes: u64) -> u64 {
        if self.0.back().is_some_and(|(at, before)| bytes < *before || now < *at) {
            self.0.clear();
        }
        if self.0.back().is_none_or(|(at, _)| now - *at >= STEP) {
            self.0.push_back((now, bytes));
        }
        // One that is older than the span stays, so that the span is looked at whole.
        while self.0.get(1).is_some_and(|(at, _)| now - *at >= SPAN) {
            self.0.pop_front();
        }
        let Some((at, before)) = self.0.front() else { return 0 };
        let passed = now - *at;
        if passed < SPAN_MIN { 0 } else { ((bytes - before) as f64 / passed.as_secs_f64()) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn work_that_comes_in_steps_has_a_steady_rate() {
        let mut window = Window::default();
        // 3 MiB every second, looked at twice in each.
        let rates: Vec<u64> =
            (0..200).map(|half| window.rate(Duration::from_millis(500 * half), half / 2 * 3 * MIB)).collect();
        assert!(rates[..4].iter().all(|rate| *rate == 0), "too little was seen");
        assert!(rates[60..].iter().all(|rate| rate.abs_diff(3 * MIB) <= 3 * MIB / 30), "{rates:?}");
    }

    #[test]
    fn what_stands_still_comes_to_nothing_and_what_goes_back_begins_anew() {
        let mut window = Window::default();
        let mut at = |second: u64, bytes| window.rate(Duration::from_secs(second), bytes);
        assert_eq!((at(0, 0), at(10, 100)), (0, 10));
        assert_eq!((at(20, 100), at(60, 100)), (5, 0));
        assert_eq!((at(61, 50), at(62, 60), at(65, 90)), (0, 0, 10));
    }
}
