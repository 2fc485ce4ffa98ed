//! Trash that empties itself: by its age, and when a storage runs low on room. Which item goes next is decided by a
//! pure function; it is removed as `trash::clean` removes it, with the same guards. When that is, the server's
//! settings say.

use longhaul_model::Fault;
use longhaul_model::resource::{Storage, StorageState, Trash};

use super::{Desk, trash};
use crate::storage::Capacity;

/// Trash younger than this is never removed by itself, however low a storage is, ms.
pub const TRASH_KEPT_MIN_MS: i64 = 24 * 3600 * 1000;

/// When trash is removed by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// After so long, ms; `None` never by age.
    pub kept_ms: Option<i64>,
    /// While a storage has fewer bytes free; 0 is off.
    pub low_water_bytes: u64,
    /// While a storage has less free of its whole, in hundredths; 0 is off.
    pub low_water_percent: u32,
}

/// Why an item was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was old enough.
    Age,
    /// The storage was low on room, and nothing there was older.
    LowWater,
}

/// What became of an item whose time had come.
#[derive(Debug)]
pub struct Swept {
    /// The item.
    pub trash: Trash,
    /// Why its time had come.
    pub why: Why,
    /// Why it is still there.
    pub error: Option<Fault>,
}

impl Rules {
    /// Whether they never remove anything.
    pub fn are_off(&self) -> bool {
        self.kept_ms.is_none() && !self.look_at_room()
    }

    fn look_at_room(&self) -> bool {
        self.low_water_bytes > 0 || self.low_water_percent > 0
    }

    /// Whether a storage is low on room.
    fn is_low(&self, capacity: Capacity) -> bool {
        let share = u128::from(capacity.total_bytes) * u128::from(self.low_water_percent) / 100;
        capacity.available_bytes < self.low_water_bytes || u128::from(capacity.available_bytes) < share
    }

    /// The place in `trash`, oldest first, of what goes next, and why. `low`: the storage is low on room now.
    fn next(&self, trash: &[Trash], now_ms: i64, low: bool) -> Option<(usize, Why)> {
        let oldest = trash.first()?;
        let age_ms = now_ms.saturating_sub(oldest.create_ms);
        if age_ms < TRASH_KEPT_MIN_MS {
            return None; // and so are all behind it
        }
        if self.kept_ms.is_some_and(|kept| age_ms >= kept) {
            return Some((0, Why::Age));
        }
        low.then_some((0, Why::LowWater))
    }
}

/// Removes the trash of a storage whose time has come. Nothing of a storage that is in Maintenance, or not there.
///
/// # Errors
/// The store does not answer, or nobody can tell how much room there is. What could not be removed is in the answer
/// and stays listed.
pub async fn sweep(desk: &Desk, storage: &Storage, rules: &Rules) -> Result<Vec<Swept>, Fault> {
    let mut done = Vec::new();
    if rules.are_off() || storage.state == StorageState::Maintenance || storage.status != "Connected" {
        return Ok(done);
    }
    let mut left = desk.inventory.trash(storage.id).await?;
    left.sort_by_key(|item| (item.create_ms, item.id));
    while !left.is_empty() {
        let now_ms = desk.inventory.runtime().now_ms();
        let mut found = rules.next(&left, now_ms, false);
        if found.is_none() && rules.look_at_room() && rules.next(&left, now_ms, true).is_some() {
            let low = rules.is_low(desk.capacity(storage).await?);
            found = rules.next(&left, now_ms, low);
        }
        let Some((at, why)) = found else { break };
        let item = left.remove(at);
        let error = trash::remove(desk, storage, &item).await.err();
        done.push(Swept { trash: item, why, error });
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use longhaul_model::StorageId;

    use super::*;

    const HOUR_MS: i64 = 3600 * 1000;
    const DAY_MS: i64 = 24 * HOUR_MS;

    fn items(ages_h: &[i64], now_ms: i64) -> Vec<Trash> {
        let item = |(id, age): (usize, &i64)| Trash {
            id: id as u64,
            storage: StorageId::from_bits(1),
            resource_uuid: String::new(),
            resource_type: String::new(),
            install_path: String::new(),
            size: 1,
            kind: String::new(),
            create_ms: now_ms - age * HOUR_MS,
        };
        ages_h.iter().enumerate().map(item).collect()
    }

    /// Ages in hours of what goes, while the storage is low for `low` removals.
    fn gone(rules: Rules, ages_h: &[i64], mut low: usize) -> Vec<i64> {
        let now_ms = 1_000 * DAY_MS;
        let mut left = items(ages_h, now_ms);
        let mut gone = Vec::new();
        while let Some((at, _)) = rules.next(&left, now_ms, low > 0) {
            gone.push((now_ms - left.remove(at).create_ms) / HOUR_MS);
            low = low.saturating_sub(1);
        }
        gone
    }

    #[test]
    fn what_is_old_enough_goes_oldest_first_and_nothing_else() {
        let rules = Rules { kept_ms: Some(3 * DAY_MS), ..Rules::default() };
        assert_eq!(gone(rules, &[100, 72, 71, 30, 1], 0), [100, 72]);
        assert_eq!(gone(Rules::default(), &[100_000, 72], 0), Vec::<i64>::new());
    }

    #[test]
    fn a_storage_that_is_low_loses_its_oldest_until_it_is_not_and_never_what_is_younger_than_a_day() {
        let rules = Rules { low_water_bytes: 1, ..Rules::default() };
        assert_eq!(gone(rules, &[100, 72, 71, 30, 1], 2), [100, 72]);
        assert_eq!(gone(rules, &[100, 24, 23, 1], 99), [100, 24]);
        let both = Rules { kept_ms: Some(1), ..rules };
        assert_eq!(gone(both, &[25, 23], 99), [25], "however the rules are set");
    }

    #[test]
    fn low_is_below_the_bytes_or_below_the_share() {
        let capacity = Capacity { total_bytes: 1000, available_bytes: 100 };
        let low = |bytes, percent| {
            Rules { kept_ms: None, low_water_bytes: bytes, low_water_percent: percent }.is_low(capacity)
        };
        assert!(!low(0, 0) && !low(100, 10) && low(101, 0) && low(0, 11));
    }
}
