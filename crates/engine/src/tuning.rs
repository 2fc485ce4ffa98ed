//! What may change while an engine works: how much runs at a time, and how long a cancel may take. What it
//! starts with is in `config`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use longhaul_model::SlotClass;

use crate::engine::Engine;

impl Engine {
    /// At most `limit` jobs of `class` run here from now on; `None` is unlimited, 0 starts none. What runs
    /// beyond a smaller limit runs on; with a larger one, waiting jobs start at once.
    pub fn limit_running(&self, class: SlotClass, limit: Option<u32>) {
        self.slots.limit(class, limit.unwrap_or(u32::MAX));
        self.wake.notify_one();
    }

    /// Cancels that are asked for from now on are enforced after `deadline`.
    pub fn set_cancel_deadline(&self, deadline: Duration) {
        let ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.cancel_deadline_ms.store(ms, Ordering::Relaxed);
    }

    /// Until a cancel is enforced.
    pub(crate) fn cancel_deadline(&self) -> Duration {
        Duration::from_millis(self.cancel_deadline_ms.load(Ordering::Relaxed))
    }
}
