//! How long an attempt has been still without a reason. What may move little a second is seen to move seldom: under a
//! limit, time counts as little as the limit lets happen in it.

use std::time::Duration;

use super::{Limit, STALL_AFTER};

/// Before so many pieces could have moved, a limit explains that none has.
const PIECES: f64 = 2.0;

/// Since the last move.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Counted until then.
    until: Duration,
    /// What was counted.
    lasted: Duration,
}

impl Quiet {
    /// Something moved now.
    pub(super) fn from(now: Duration) -> Self {
        Self { until: now, lasted: Duration::ZERO }
    }

    /// The time until `now` passed under `limit`.
    pub(super) fn pass(&mut self, now: Duration, limit: Option<&Limit>) {
        self.lasted = self.lasts(now, limit);
        self.until = now;
    }

    /// As long as nothing has moved that might have, if the time until `now` passed under `limit`.
    pub(super) fn lasts(&self, now: Duration, limit: Option<&Limit>) -> Duration {
        self.lasted + now.saturating_sub(self.until).mul_f64(weight(limit))
    }
}

/// How much of the time counts: all of it where `PIECES` pieces take no longer than `STALL_AFTER`.
fn weight(limit: Option<&Limit>) -> f64 {
    let Some(limit) = limit else { return 1.0 };
    let Some(piece_s) = limit.piece_s() else { return 0.0 };
    let explained_s = PIECES * piece_s;
    if explained_s <= STALL_AFTER.as_secs_f64() { 1.0 } else { STALL_AFTER.as_secs_f64() / explained_s }
}

#[cfg(test)]
mod tests {
    use longhaul_model::explain::HeldBy;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn limit(bytes_per_s: u64) -> Limit {
        Limit { bytes_per_s, by: HeldBy::OwnRate, piece_bytes: 4 << 20 }
    }

    #[test]
    fn without_a_limit_and_under_a_large_one_all_time_counts() {
        let quiet = Quiet::from(S(10));
        assert_eq!(quiet.lasts(S(40), None), S(30));
        assert_eq!(quiet.lasts(S(40), Some(&limit(1 << 30))), S(30));
        assert_eq!(quiet.lasts(S(40), Some(&limit(0))), S(0), "a pause explains it");
    }

    #[test]
    fn under_a_small_limit_two_pieces_could_have_moved_before_it_is_strange() {
        let (quiet, small) = (Quiet::from(S(0)), limit(64 << 10)); // 64 s a piece
        assert!(quiet.lasts(S(127), Some(&small)) < STALL_AFTER);
        assert!(quiet.lasts(S(128), Some(&small)) >= STALL_AFTER);
    }

    #[test]
    fn each_limit_counts_for_the_time_that_it_was_in_force() {
        let mut quiet = Quiet::from(S(0));
        quiet.pass(S(20), None);
        quiet.pass(S(1000), Some(&limit(0)));
        assert_eq!(quiet.lasts(S(1009), None), S(29));
        assert_eq!(quiet.lasts(S(1010), None), STALL_AFTER);
    }
}
