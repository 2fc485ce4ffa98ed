//! The node's slots: how many jobs of each class run here. A reservation is given back when it is dropped,
//! so no path of a submission or an attempt can leak one.

use std::sync::{Arc, Mutex};

use longhaul_model::{FreeSlots, SlotClass};

use crate::config::{CLAIM_BATCH_MAX, EngineConfig};

/// Counts of running jobs.
#[derive(Debug)]
pub struct Slots {
    limits: [u32; SlotClass::ALL.len()],
    used: Mutex<[u32; SlotClass::ALL.len()]>,
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
            limits: SlotClass::ALL.map(|class| config.limit(class)),
            used: Mutex::new([0; SlotClass::ALL.len()]),
        })
    }

    fn used(&self) -> std::sync::MutexGuard<'_, [u32; SlotClass::ALL.len()]> {
        self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A slot, if one is free.
    pub fn reserve(self: &Arc<Self>, class: SlotClass) -> Option<Slot> {
        let mut used = self.used();
        if used[index(class)] >= self.limits[index(class)] {
            return None;
        }
        used[index(class)] += 1;
        Some(Slot { slots: self.clone(), class })
    }

    /// Every free slot, at most a batch per class: for a claim, so that no submission takes a slot while the
    /// claim that counts on it is on its way.
    pub fn reserve_free(self: &Arc<Self>) -> Vec<Slot> {
        let mut used = self.used();
        let mut slots = Vec::new();
        for class in SlotClass::ALL {
            let free = self.limits[index(class)].saturating_sub(used[index(class)]).min(CLAIM_BATCH_MAX);
            used[index(class)] += free;
            slots.extend((0..free).map(|_| Slot { slots: self.clone(), class }));
        }
        slots
    }

    /// A slot even beyond the limit, for a claim that is held already.
    pub fn force(self: &Arc<Self>, class: SlotClass) -> Slot {
        self.used()[index(class)] += 1;
        Slot { slots: self.clone(), class }
    }

    /// How many are taken, of all classes.
    pub fn in_use(&self) -> u32 {
        self.used().iter().sum()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.slots.used();
        used[index(self.class)] = used[index(self.class)].saturating_sub(1);
    }
}
