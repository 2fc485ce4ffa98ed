//! When a storage may be used how much: its budget outside of all windows, its windows, and which is in force at a
//! moment. Pure, by a given moment. How the configuration file spells them is in the server.
//!
//! A window is of the wall clocks of its storage's zone. Where they jump forward over its begin or end, that is the
//! moment of the jump; where they go back over it, the begin is the first of both moments and the end the last: it is
//! open once, and never shorter than it says.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// What may be moved to and from a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Nothing.
    Paused,
    /// Bytes per second, of all copies together; at least 1.
    PerSecond(u64),
    /// As much as it gives.
    Unlimited,
}

impl Budget {
    /// Bytes per second, 0 = paused; `None` = unlimited.
    pub fn bytes_per_s(self) -> Option<u64> {
        match self {
            Self::Paused => Some(0),
            Self::PerSecond(bytes) => Some(bytes),
            Self::Unlimited => None,
        }
    }
}

/// The stricter is the lesser.
impl Ord for Budget {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes_per_s().unwrap_or(u64::MAX).cmp(&other.bytes_per_s().unwrap_or(u64::MAX))
    }
}

impl PartialOrd for Budget {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A span of the day, on some days of the week, with a budget of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// On which days it begins; Monday first.
    pub days: [bool; 7],
    /// When it begins, seconds after midnight, below 86,400.
    pub from: u32,
    /// When it ends, seconds after midnight, to 86,400. At or before `from`: on the next day.
    pub to: u32,
    /// Instead of the storage's.
    pub budget: Budget,
}

/// The budgets of one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Outside of all windows.
    pub base: Budget,
    /// Whose clocks `windows` mean.
    pub zone: TimeZone,
    /// Of those that are open the strictest counts.
    pub windows: Vec<Window>,
}

/// What is in force at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce<'s> {
    /// The budget.
    pub budget: Budget,
    /// The window that it is of, and when that ends.
    pub window: Option<(&'s Window, Timestamp)>,
}

impl Schedule {
    /// What is in force at `now_ms` since 1970. Of two windows of one budget the one that ends last is told.
    pub fn at(&self, now_ms: i64) -> InForce<'_> {
        let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = self.zone.to_datetime(now).date();
        let open =
            self.windows.iter().filter_map(|window| Some((window, self.open_until(window, today, now)?)));
        let strictest = open
            .min_by(|(a, a_until), (b, b_until)| a.budget.cmp(&b.budget).then_with(|| b_until.cmp(a_until)));
        let budget = strictest.map_or(self.base, |(window, _)| window.budget);
        InForce { budget, window: strictest }
    }

    /// The moments after `from_ms` and until `to_ms` at which a window begins or ends, in no order.
    pub fn changes(&self, from_ms: i64, to_ms: i64) -> Vec<i64> {
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut day = self.zone.to_datetime(at(from_ms)).date().yesterday().ok();
        let last = self.zone.to_datetime(at(to_ms)).date();
        let mut moments = Vec::new();
        while let Some(today) = day.filter(|today| !self.windows.is_empty() && *today <= last) {
            for window in &self.windows {
                let end = if window.to <= window.from { today.tomorrow().ok() } else { Some(today) };
                moments.extend(self.moment(today, window.from, false));
                moments.extend(end.and_then(|end| self.moment(end, window.to, true)));
            }
            day = today.tomorrow().ok();
        }
        let inside = |ms: &i64| *ms > from_ms && *ms <= to_ms;
        moments.into_iter().map(Timestamp::as_millisecond).filter(inside).collect()
    }

    /// When `window` ends, if it is open: it began today, or yesterday and lasts over midnight.
    fn open_until(&self, window: &Window, today: Date, now: Timestamp) -> Option<Timestamp> {
        let begins = [today.yesterday().ok(), Some(today)].into_iter().flatten();
        begins
            .filter(|day| window.days[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())])
            .filter_map(|day| {
                let last = if window.to <= window.from { day.tomorrow().ok()? } else { day };
                let (from, to) = (self.moment(day, window.from, false)?, self.moment(last, window.to, true)?);
                (from <= now && now < to).then_some(to)
            })
            .max()
    }

    /// When the clocks show `seconds` after midnight of `day`; of two such moments the `last` or the first; of none
    /// the one when they jump over it.
    fn moment(&self, day: Date, seconds: u32, last: bool) -> Option<Timestamp> {
        let at = day.to_datetime(Time::midnight()).checked_add(i64::from(seconds).seconds()).ok()?;
        match self.zone.to_ambiguous_timestamp(at).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(at).ok(),
            AmbiguousOffset::Fold { before, after } => {
                if last { after } else { before }.to_timestamp(at).ok()
            }
            AmbiguousOffset::Gap { after, .. } => {
                // By the later offset it is before the jump, by the earlier one after it.
                let before_jump = after.to_timestamp(at).ok()?;
                let jump = self.zone.following(before_jump).next().map(|jump| jump.timestamp());
                Some(jump.unwrap_or(before_jump))
            }
        }
    }
}

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const FULL_NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The weekday of that name, `mon` or `Monday`, in any case; 0 = Monday.
pub fn weekday(name: &str) -> Option<usize> {
    let name = name.trim().to_ascii_lowercase();
    FULL_NAMES.iter().zip(NAMES).position(|(full, short)| name == *full || name == short)
}

/// As `mon,tue 22:00-06:00`; without days where it is every day.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let days: Vec<&str> =
                NAMES.into_iter().zip(self.days).filter_map(|(n, is)| is.then_some(n)).collect();
            write!(f, "{} ", days.join(","))?;
        }
        let clock = |at: u32| match (at / 3600, at / 60 % 60, at % 60) {
            (hours, minutes, 0) => format!("{hours:02}:{minutes:02}"),
            (hours, minutes, seconds) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        };
        write!(f, "{}-{}", clock(self.from), clock(self.to))
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
