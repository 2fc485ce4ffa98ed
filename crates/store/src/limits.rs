//! How limits are counted by a store that keeps its jobs in rows: a waiting row carries its lane, which names
//! what its limits count by, so that all rows of a lane have room or none has, and a lane without room is
//! passed over as a whole. Pure; the rows are the backend's.

use std::collections::BTreeMap;

use longhaul_model::{AccountId, LimitOf, Limits};

/// The lane of a job of that account and type: `account/type`, each part only if one of its limits counts by
/// it; empty if it has no limit.
pub fn lane(limits: &Limits, account: AccountId, job_name: &str) -> String {
    let on = limits.on(account, job_name);
    if on.is_empty() {
        return String::new();
    }
    let by_account = on.iter().any(|(of, _)| !matches!(of, LimitOf::Type(_)));
    let by_type = on.iter().any(|(of, _)| !matches!(of, LimitOf::Account(_)));
    let account = if by_account { account.to_string() } else { String::new() };
    format!("{account}/{}", if by_type { job_name } else { "" })
}

/// What is left of each limit, kept while jobs are chosen.
pub struct Rooms<'l> {
    limits: &'l Limits,
    used: BTreeMap<LimitOf, u32>,
}

impl<'l> Rooms<'l> {
    /// `counted`: how many jobs of each lane count.
    pub fn new(limits: &'l Limits, counted: impl IntoIterator<Item = (String, u32)>) -> Self {
        let mut rooms = Self { limits, used: BTreeMap::new() };
        for (lane, count) in counted {
            rooms.add(&lane, count);
        }
        rooms
    }

    fn on(&self, lane: &str) -> Vec<(LimitOf, u32)> {
        let Some((account, job_name)) = lane.split_once('/') else { return Vec::new() };
        // Where no limit counts by the account, which one it is makes no difference.
        let known = account.parse::<AccountId>().ok();
        let on = self.limits.on(known.unwrap_or(AccountId::from_bits(0)), job_name);
        on.into_iter().filter(|(of, _)| known.is_some() || matches!(of, LimitOf::Type(_))).collect()
    }

    /// Whether no job ever has to wait for room.
    pub fn are_unlimited(&self) -> bool {
        self.limits.is_empty()
    }

    /// Counts `count` more jobs of a lane.
    pub fn add(&mut self, lane: &str, count: u32) {
        for (of, _) in self.on(lane) {
            *self.used.entry(of).or_default() += count;
        }
    }

    /// Whether one more job of a lane may begin.
    pub fn has_room(&self, lane: &str) -> bool {
        self.on(lane).iter().all(|(of, most)| self.used.get(of).copied().unwrap_or(0) < *most)
    }

    /// How many more jobs of a lane may begin.
    pub fn left(&self, lane: &str) -> u32 {
        let used = |of: &LimitOf| self.used.get(of).copied().unwrap_or(0);
        let left = self.on(lane).into_iter().map(|(of, most)| most.saturating_sub(used(&of)));
        left.min().unwrap_or(u32::MAX)
    }

    /// The limits of a lane that are used up, with how many run and how many may.
    pub fn full(&self, lane: &str) -> Vec<(LimitOf, u32, u32)> {
        let used = |of: &LimitOf| self.used.get(of).copied().unwrap_or(0);
        let on = self.on(lane).into_iter().map(|(of, most)| (used(&of), of, most));
        on.filter(|(used, _, most)| used >= most).map(|(used, of, most)| (of, used, most)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            types: BTreeMap::from([("A".to_owned(), 2)]),
            each_account: None,
            accounts: BTreeMap::from([(AccountId::v4(1), 2)]),
            types_of_each_account: BTreeMap::from([("B".to_owned(), 1)]),
        }
    }

    #[test]
    fn a_lane_names_what_its_limits_count_by() {
        let (one, two) = (AccountId::v4(1), AccountId::v4(2));
        assert_eq!(lane(&limits(), two, "A"), "/A");
        assert_eq!(lane(&limits(), two, "C"), "");
        assert_eq!(lane(&limits(), one, "C"), format!("{one}/"));
        assert_eq!(lane(&limits(), one, "A"), format!("{one}/A"));
        assert_eq!(lane(&limits(), two, "B"), format!("{two}/B"));
    }

    #[test]
    fn a_limit_counts_over_all_lanes_that_it_is_on() {
        let (limits, one, two) = (limits(), AccountId::v4(1), AccountId::v4(2));
        let of = |account, job_name: &str| lane(&limits, account, job_name);
        let mut rooms = Rooms::new(&limits, [(of(one, "A"), 1), (of(two, "B"), 1)]);
        assert!(!rooms.has_room(&of(two, "B")) && rooms.has_room(&of(one, "B")));
        rooms.add(&of(two, "A"), 1);
        assert!(!rooms.has_room(&of(two, "A")), "the type's limit is used by both accounts");
        assert_eq!(rooms.full(&of(one, "A")), [(LimitOf::Type("A".to_owned()), 2, 2)]);
        assert!(rooms.has_room(&of(one, "C")) && rooms.has_room(""));
        rooms.add(&of(one, "C"), 1);
        assert!(!rooms.has_room(&of(one, "C")));
    }
}
