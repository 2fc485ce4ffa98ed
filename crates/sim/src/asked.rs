//! What a client asks of the queue for a job: drawn here, said in system tags, held against what happened by
//! `checker::queue`.

use longhaul_engine::RestartRule;
use longhaul_engine::terms;

use crate::handlers::Kind;
use crate::rng::Rng;

/// The terms of a job as its client means them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Instead of 5.
    pub priority: Option<u8>,
    /// Not before this moment, ms since 1970.
    pub not_before_ms: Option<i64>,
    /// To have ended so long after the submission or last rerun, s.
    pub deadline_s: Option<u64>,
    /// How often it is tried again.
    pub retries: u32,
}

impl Asked {
    /// Mostly nothing, so that most of what happens is what always did.
    pub fn draw(rng: &mut Rng, kind: Kind, now_ms: i64) -> Self {
        let later_ms = i64::try_from(rng.between(0, 15_000)).unwrap_or(0);
        let retries = if rng.chance(30) { rng.between(1, 3) } else { 0 };
        Self {
            priority: rng.chance(40).then(|| u8::try_from(rng.below(10)).unwrap_or(0)),
            not_before_ms: rng.chance(15).then_some(now_ms + later_ms),
            deadline_s: rng.chance(12).then(|| rng.between(1, 40)),
            // What has to be undone first is not tried again by itself.
            retries: if kind.restart == RestartRule::Fail { 0 } else { u32::try_from(retries).unwrap_or(0) },
        }
    }

    /// As system tags.
    pub fn tags(&self) -> Vec<String> {
        let moment = |ms| jiff::Timestamp::from_millisecond(ms).map(|t| t.to_string()).unwrap_or_default();
        [
            self.priority.map(|number| format!("{}{number}", terms::PRIORITY)),
            self.not_before_ms.map(|ms| format!("{}{}", terms::NOT_BEFORE, moment(ms))),
            self.deadline_s.map(|s| format!("{}{s}", terms::DEADLINE)),
            (self.retries > 0).then(|| format!("{}{}", terms::RETRY, self.retries)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
