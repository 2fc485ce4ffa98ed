//! Which progress is kept: never one that goes back, one history row where a person would see a difference,
//! at most `PROGRESS_HISTORY_MAX` rows an attempt. Pure functions, asked by every backend.

use std::collections::BTreeMap;

use longhaul_model::progress::Progress;

use crate::traits::PROGRESS_HISTORY_MAX;

/// Attempts of one job whose history is kept.
pub const HISTORY_ATTEMPTS_MAX: usize = 5;

/// What is to be stored of `later`, with whether it is worth a history row; `None` if nothing is. `stored` is what
/// is there of the same run, and whether that is of the same claim.
pub fn merged(later: &Progress, stored: Option<(&Progress, bool)>) -> Option<(Progress, bool)> {
    match stored {
        None => Some((later.clone(), true)),
        Some((stored, true)) if is_behind(later, stored) => None,
        Some((stored, true)) => Some((later.clone(), is_new_row(later, stored))),
        Some((stored, false)) => Some((stored.advanced_to(later.clone()), true)),
    }
}

/// Whether `later` lies behind what is stored of the same claim.
fn is_behind(later: &Progress, stored: &Progress) -> bool {
    later.percent < stored.percent || (later.stage == stored.stage && later.bytes_done < stored.bytes_done)
}

/// Whether `later` is worth a history row of its own.
fn is_new_row(later: &Progress, stored: &Progress) -> bool {
    later.percent != stored.percent || later.stage != stored.stage
}

/// Adds a row to the history of an attempt; a full history keeps every second row.
pub fn add(rows: &mut Vec<Progress>, row: Progress) {
    if rows.len() >= PROGRESS_HISTORY_MAX {
        let mut keep = false;
        rows.retain(|_| {
            keep = !keep;
            keep
        });
    }
    rows.push(row);
}

/// Forgets the history of all but the newest attempts.
pub fn keep_newest_attempts(history: &mut BTreeMap<u32, Vec<Progress>>) {
    while history.len() > HISTORY_ATTEMPTS_MAX {
        history.pop_first();
    }
}
