//! The node's slots: how many jobs of each class run here. A reservation is given back when it is dropped,
//! so no path of a submission or an attempt can leak one. The limits may change while jobs run.

use std::sync::{Arc, Mutex};

use longhaul_model::{FreeSlots, SlotClass};

use crate::config::{CLAIM_BATCH_MAX, EngineConfig};

/// Counts of running jobs.
#[derive(Debug)]
pub struct Slots {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    limits: [u32; SlotClass::ALL.len()],
    used: [u32; SlotClass::ALL.len()],
}

impl Counts {
    fn free(&self, class: SlotClass) -> u32 {
        self.limits[index(class)].saturating_sub(self.used[index(class)])
    }
}

/// One slot, held until dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    class: SlotClass,
}

fn index(class: SlotClass) -> usize {
    match class {
        SlotClass::BuiltIn => 0,
        SlotClass::Simulator => 1,
        SlotClass::Parent => 2,
    }
}

/// How many of `slots` there are of each class that has any.
pub fn count(slots: &[Slot]) -> Vec<FreeSlots> {
    let of = |class| u32::try_from(slots.iter().filter(|s| s.class == class).count()).unwrap_or(u32::MAX);
    SlotClass::ALL
        .into_iter()
        .map(|class| FreeSlots { class, free: of(class) })
        .filter(|slots| slots.free > 0)
        .collect()
}

/// Takes one of `class` out of `slots`.
pub fn take(slots: &mut Vec<Slot>, class: SlotClass) -> Option<Slot> {
    let at = slots.iter().rposition(|slot| slot.class == class)?;
    Some(slots.swap_remove(at))
}

impl Slots {
    /// All free, with the configured limits.
    pub fn new(config: &EngineConfig) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::new(Counts {
                limits: SlotClass::ALL.map(|class| config.limit(class)),
                used: [0; SlotClass::ALL.len()],
            }),
        })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes how many of `class` there are. What runs beyond a smaller limit runs on; nothing starts until
    /// there is room again.
    pub fn limit(&self, class: SlotClass, limit: u32) {
        self.counts().limits[index(class)] = limit;
    }

    /// A slot, if one is free.
    pub fn reserve(self: &Arc<Self>, class: SlotClass) -> Option<Slot> {
        let mut counts = self.counts();
        if counts.free(class) == 0 {
            return None;
        }
        counts.used[index(class)] += 1;
        Some(Slot { slots: self.clone(), class })
    }

    /// Every free slot, at most a batch per class: for a claim, so that no submission takes a slot while the
    /// claim that counts on it is on its way.
    pub fn reserve_free(self: &Arc<Self>) -> Vec<Slot> {
        let mut counts = self.counts();
        let mut slots = Vec::new();
        for class in SlotClass::ALL {
            let free = counts.free(class).min(CLAIM_BATCH_MAX);
            counts.used[index(class)] += free;
            slots.extend((0..free).map(|_| Slot { slots: self.clone(), class }));
        }
        slots
    }

    /// A slot even beyond the limit, for a claim that is held already.
    pub fn force(self: &Arc<Self>, class: SlotClass) -> Slot {
        self.counts().used[index(class)] += 1;
        Slot { slots: self.clone(), class }
    }

    /// How many are taken, of all classes.
    pub fn in_use(&self) -> u32 {
        self.counts().used.iter().sum()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.slots.counts();
        let used = &mut counts.used[index(self.class)];
        *used = used.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_limit_counts_for_the_next_slot_and_takes_none_away() {
        let config = EngineConfig {
            max_running: 2,
            ..EngineConfig::new(|_| "", |_| Ok(serde_json::Value::Null), [0; 32])
        };
        let slots = Slots::new(&config);
        let held: Vec<Slot> = std::iter::from_fn(|| slots.reserve(SlotClass::BuiltIn)).collect();
        assert_eq!(held.len(), 2);
        slots.limit(SlotClass::BuiltIn, 3);
        let third = slots.reserve(SlotClass::BuiltIn);
        assert!(third.is_some() && slots.reserve(SlotClass::BuiltIn).is_none());
        slots.limit(SlotClass::BuiltIn, 1);
        assert_eq!(slots.in_use(), 3, "what runs runs on");
        drop(third);
        drop(held);
        assert!(slots.reserve(SlotClass::BuiltIn).is_some());
    }
}
