//! Web hooks in memory: by their call, with the tries made and when the next is due.

use async_trait::async_trait;
use longhaul_model::resource::{Delivery, WebHook};
use longhaul_model::{ApiId, HostId};

use super::{Db, MemoryStore};
use crate::traits::DELIVERY_WAIT_MAX_MS;
use crate::{Deliveries, Gone, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

/// A hook that is to be called.
pub(super) struct Pending {
    pub hook: WebHook,
    pub tries: u32,
    pub due_ms: i64,
    /// The host whose process took it last.
    pub holder: Option<HostId>,
}

impl Pending {
    /// How long until it is due; a moment that is too far away was written before the clock was set back.
    fn waits_ms(&self, now_ms: i64) -> i64 {
        match self.due_ms - now_ms {
            wait @ 1..=DELIVERY_WAIT_MAX_MS => wait,
            _ => 0,
        }
    }
}

impl Db {
    /// Those whose call has its answer, with how long they wait.
    fn waiting(&self, now_ms: i64) -> impl Iterator<Item = (i64, &ApiId, &Pending)> {
        let ended = |id: &ApiId| self.records.get(id).is_some_and(|r| r.outcome.is_some());
        self.deliveries
            .iter()
            .filter(move |(id, _)| ended(id))
            .map(move |(id, d)| (d.waits_ms(now_ms), id, d))
    }
}

#[async_trait]
impl Deliveries for MemoryStore {
    async fn next_delivery(&self) -> Result<Option<i64>> {
        Ok(self.lock().waiting(self.now_ms()).map(|(wait_ms, _, _)| wait_ms).min())
    }

    async fn take_deliveries(&self, host: HostId, limit: u32, hold_ms: i64) -> Result<Vec<Delivery>> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let mut due: Vec<(i64, ApiId)> = db
            .waiting(now_ms)
            .filter(|(wait_ms, _, _)| *wait_ms == 0)
            .map(|(_, id, pending)| (pending.due_ms, id.clone()))
            .collect();
        due.sort();
        let mut taken = Vec::new();
        for (_, id) in due.into_iter().take(limit as usize) {
            let outcome = db.records.get(&id).and_then(|record| record.outcome.clone());
            if let (Some(pending), Some(outcome)) = (db.deliveries.get_mut(&id), outcome) {
                pending.tries += 1;
                pending.due_ms = now_ms + hold_ms;
                pending.holder = Some(host);
                taken.push(Delivery { id, hook: pending.hook.clone(), tries: pending.tries, outcome });
            }
        }
        Ok(taken)
    }

    async fn put_off_delivery(&self, id: &ApiId, tries: u32, wait_ms: i64) -> Result<()> {
        let due_ms = self.now_ms() + wait_ms;
        if let Some(pending) = self.lock().deliveries.get_mut(id).filter(|d| d.tries == tries) {
            pending.due_ms = due_ms;
        }
        Ok(())
    }

    async fn end_delivery(&self, id: &ApiId) -> Result<()> {
        self.lock().deliveries.remove(id);
        Ok(())
    }

    async fn free_deliveries(&self, gone: Gone, within_ms: i64) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let of_gone = |p: &&mut Pending| p.holder.map_or(gone == Gone::All, |host| gone.includes(host));
        for pending in db.deliveries.values_mut().filter(of_gone) {
            pending.due_ms = pending.due_ms.min(now_ms + within_ms);
        }
        Ok(db.waiting(now_ms).count() as u64)
    }
}
