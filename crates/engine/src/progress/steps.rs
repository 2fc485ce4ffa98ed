//! The rate of what moves in pieces, some of them minutes apart: from piece to piece, over the last half minute or the
//! last pieces, whichever is more. Between two pieces it stands still, and is no slower for that.

use std::collections::VecDeque;
use std::time::Duration;

/// As far back as it looks.
const SPAN_S: f64 = 30.0;
/// At least so many pieces are looked at.
const PIECES: f64 = 4.0;
/// Between two samples; what comes sooner counts with the next.
const STEP: Duration = Duration::from_millis(500);
/// Most samples: `SPAN_S` of them at `STEP`, and the one before.
const SAMPLES_KEPT: usize = 62;

/// When how many bytes of one stage were through.
#[derive(Debug, Default)]
pub(super) struct Steps {
    stage: String,
    samples: VecDeque<(Duration, u64)>,
}

impl Steps {
    /// At `now`, `bytes` of `stage` are through.
    pub(super) fn step(&mut self, now: Duration, stage: &str, bytes: u64) {
        if self.stage != stage || self.samples.back().is_some_and(|(_, before)| bytes < *before) {
            stage.clone_into(&mut self.stage);
            self.samples.clear();
        }
        match self.samples.back_mut() {
            // The pieces that were free at the begin, or done before, say nothing of the rate.
            Some((at, before)) if now.saturating_sub(*at) < STEP => *before = bytes,
            Some((_, before)) if *before == bytes => {}
            _ => self.samples.push_back((now, bytes)),
        }
        while self.samples.len() > SAMPLES_KEPT {
            self.samples.pop_front();
        }
    }

    /// Bytes per second at `now`, where a piece takes `piece_s` seconds; 0 = not known yet.
    pub(super) fn rate(&self, now: Duration, piece_s: f64) -> u64 {
        let span_s = SPAN_S.max(PIECES * piece_s);
        let ago_s = |at: Duration| now.saturating_sub(at).as_secs_f64();
        let Some(last) = self.samples.back() else { return 0 };
        let mut before_last = self.samples.iter().take(self.samples.len() - 1);
        let Some(first) =
            before_last.clone().find(|(at, _)| ago_s(*at) <= span_s).or(before_last.next_back())
        else {
            return 0;
        };
        // One that is late by more than another piece is late indeed.
        let late_s = (ago_s(last.0) - 2.0 * piece_s).max(0.0);
        let passed_s = last.0.saturating_sub(first.0).as_secs_f64() + late_s;
        ((last.1 - first.1) as f64 / passed_s) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 4 << 20;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A copy whose pieces take `piece_s` each, after one that is free.
    fn pieces(piece_s: f64, count: u64) -> Steps {
        let mut steps = Steps::default();
        (0..=count).for_each(|n| steps.step(at(n as f64 * piece_s), "copying", (n + 1) * PIECE));
        steps
    }

    #[test]
    fn pieces_that_are_minutes_apart_have_a_steady_rate_at_every_moment() {
        let steps = pieces(64.0, 2);
        for second in 0..=64 {
            assert_eq!(steps.rate(at(128.0 + f64::from(second)), 64.0), 64 << 10, "{second}");
        }
        assert_eq!(pieces(64.0, 0).rate(at(60.0), 64.0), 0, "one piece tells no rate");
        assert_eq!(pieces(64.0, 1).rate(at(64.0), 64.0), 64 << 10, "nor does the free one make it more");
    }

    #[test]
    fn pieces_that_come_often_are_looked_at_over_half_a_minute() {
        let steps = pieces(0.1, 3000);
        assert_eq!(steps.samples.len(), SAMPLES_KEPT);
        let rate = steps.rate(at(300.0), 0.1);
        assert!(rate.abs_diff(10 * PIECE) < PIECE, "{rate}");
    }

    #[test]
    fn what_does_not_come_any_more_makes_it_slower() {
        let steps = pieces(64.0, 2);
        let late = steps.rate(at(128.0 + 64.0 * 4.0), 64.0);
        assert!((1..=33 << 10).contains(&late), "{late}");
    }

    #[test]
    fn another_stage_and_what_goes_back_begin_anew() {
        let mut steps = pieces(64.0, 2);
        steps.step(at(200.0), "verifying", 4 * PIECE);
        assert_eq!(steps.rate(at(201.0), 64.0), 0);
        let mut steps = pieces(64.0, 2);
        steps.step(at(200.0), "copying", 0);
        assert_eq!(steps.rate(at(201.0), 64.0), 0);
    }
}
