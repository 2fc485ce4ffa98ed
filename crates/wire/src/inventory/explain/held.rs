//! What holds a copy back, in a sentence.

use longhaul_model::explain::HeldBy;

use super::{ExplainReason, ExplainedReason};

/// What holds a copy back, how fast it is all the same, and what changes that.
pub(super) fn held_back(bytes_per_s: u64, by: &HeldBy, moves: u64, left_s: Option<u64>) -> ExplainedReason {
    let change = match by {
        HeldBy::OwnRate => "throttleLongJob gives it another rate",
        HeldBy::DefaultRate => "throttleLongJob gives it a rate of its own",
        HeldBy::Storage(_) => "the table [storage.NAME] of the configuration file changes that",
    };
    let words = by.words();
    let left = left_s.map(|seconds| format!(" and has about {} left", span(seconds))).unwrap_or_default();
    let pace = match (bytes_per_s, moves) {
        (0, _) => String::new(),
        (_, 0) => {
            left_s.map(|seconds| format!(" and has about {} left at that", span(seconds))).unwrap_or_default()
        }
        (_, rate) => format!(", moves {}{left}", per_second(rate)),
    };
    let sentence = match bytes_per_s {
        0 => format!("its copy is paused by {words}; {change}"),
        _ => format!("its copy is held to {} by {words}{pace}; {change}", per_second(bytes_per_s)),
    };
    ExplainedReason {
        limit_bytes_per_second: Some(bytes_per_s),
        rate_bytes_per_second: Some(moves).filter(|rate| *rate > 0),
        eta_seconds: left_s,
        ..ExplainedReason::new(ExplainReason::HeldBack, sentence)
    }
}

/// A span of time in its two largest units.
fn span(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, min, s) => format!("{min} min {s} s"),
        (0, h, min, _) => format!("{h} h {min} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// A rate as `1.5 MiB/s`.
fn per_second(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut unit, mut one) = (0, 1_u64);
    while unit + 1 < UNITS.len() && bytes / one >= 1024 {
        (unit, one) = (unit + 1, one * 1024);
    }
    let tenths = u128::from(bytes) * 10 / u128::from(one);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {}/s", UNITS[unit]),
        (whole, tenth) => format!("{whole}.{tenth} {}/s", UNITS[unit]),
    }
}
