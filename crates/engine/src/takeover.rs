//! The claim loop: what waits, what a dead node left, what is to be undone, all through the same path. A
//! claim whose answer was lost is found again and given back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::select;
use longhaul_model::Claim;
use longhaul_store::StoreError;

use crate::context::Told;
use crate::deadline;
use crate::engine::Engine;
use crate::slots;
use crate::troubles::Asked;

/// After a look that found less than there are free slots, the next one is no sooner: each attempt that ends wakes the
/// loop, and thousands end in a second.
const CALM: Duration = Duration::from_millis(10);
/// While so many attempts wait for their end to be stored, no more jobs are claimed.
pub const ENDING_MAX: usize = 1024;

impl Engine {
    /// Claims jobs while there are free slots, four times a second or when woken, until the node drains.
    pub(crate) async fn claim_jobs(self: Arc<Self>) {
        let mut look_at = self.runtime.monotonic();
        let mut ended_at = look_at;
        while !self.is_over() && !self.is_draining() {
            if self.ending.load(Ordering::Relaxed) == 0 {
                self.troubles.forget(Asked::Ends);
            }
            if self.lease.holds(&*self.runtime) {
                self.look_for_stops().await;
                if self.runtime.monotonic() >= ended_at {
                    self.end_overdue().await;
                    ended_at = self.runtime.monotonic() + deadline::LOOK_EVERY;
                }
                // After a lost answer at once; and ever again, since a request that was given up may still
                // reach the store, much later.
                let lost = self.lost_answer.swap(false, Ordering::SeqCst);
                if lost || self.runtime.monotonic() >= look_at {
                    self.give_back_unknown_claims().await;
                    look_at = self.runtime.monotonic() + self.config.lease_ttl;
                }
                if !self.is_drained() && !self.claim_while_free().await {
                    self.runtime.sleep(CALM).await;
                }
            }
            let woken = std::pin::pin!(self.wake.notified());
            select(woken, self.runtime.sleep(self.config.poll)).await;
        }
        // Attempts go on while the node drains, and may be canceled.
        while !self.is_over() {
            self.look_for_stops().await;
            self.runtime.sleep(self.config.poll).await;
        }
    }

    /// Whether what ends here lets more begin; else nothing more was there to be claimed.
    async fn claim_while_free(self: &Arc<Self>) -> bool {
        while !self.is_draining() && !self.is_drained() {
            if self.ending.load(Ordering::Relaxed) >= ENDING_MAX {
                return true;
            }
            let mut reserved = self.slots.reserve_free();
            let free = slots::count(&reserved);
            if free.is_empty() {
                return true;
            }
            let claimed = match self.store.claim(self.node(), &free).await {
                Ok(claimed) => {
                    self.troubles.answered(Asked::Claims, &*self.runtime);
                    claimed
                }
                Err(StoreError::LeaseLost) => return false, // the next heartbeat sees it too and joins again
                Err(error) => {
                    self.troubles.failed(Asked::Claims, &error, &*self.runtime);
                    self.lost_answer.store(true, Ordering::SeqCst);
                    return false;
                }
            };
            let full = free.iter().any(|f| {
                let of_class = claimed.iter().filter(|c| self.class_of(&c.job) == f.class).count();
                of_class as u64 >= u64::from(f.free)
            });
            for claimed in claimed {
                let class = self.class_of(&claimed.job);
                let slot = slots::take(&mut reserved, class).unwrap_or_else(|| self.slots.force(class));
                self.launch(claimed, slot);
            }
            if !full {
                return false;
            }
        }
        false
    }

    /// Tells attempts here what was asked for on any node.
    async fn look_for_stops(&self) {
        if self.attempts_here() == 0 {
            return self.troubles.forget(Asked::Stops);
        }
        match self.tell_stops().await {
            Ok(()) => self.troubles.answered(Asked::Stops, &*self.runtime),
            Err(error) => self.troubles.failed(Asked::Stops, &error, &*self.runtime),
        }
    }

    async fn tell_stops(&self) -> Result<(), StoreError> {
        let canceling: Vec<Claim> = self.store.canceling(self.node()).await?;
        canceling.iter().for_each(|claim| self.tell_stop(claim.job, claim.token, Told::Cancel));
        for claim in self.store.held(self.node()).await? {
            if canceling.contains(&claim) {
                self.drop_body(claim.job, claim.token);
            } else {
                self.tell_stop(claim.job, claim.token, Told::Suspend);
            }
        }
        Ok(())
    }

    /// Claims that the store knows and nobody here runs are released. What ran here when it was asked is none of them: it
    /// may have ended since, and thousands do in the time of one look.
    async fn give_back_unknown_claims(&self) {
        let ran: HashSet<Claim> = self.attempts().values().map(|running| running.claim).collect();
        let claims = match self.store.claims(self.node()).await {
            Ok(claims) => claims,
            Err(_) => {
                self.lost_answer.store(true, Ordering::SeqCst);
                return;
            }
        };
        for claim in claims.into_iter().filter(|claim| !ran.contains(claim)) {
            let awaited = self.expects_claim(claim.job);
            let running = self.attempts().get(&claim.job).is_some_and(|r| r.claim.token >= claim.token);
            if running {
                continue;
            }
            if awaited {
                self.lost_answer.store(true, Ordering::SeqCst);
                continue;
            }
            match self.store.release(&claim, "the answer to its claim was lost").await {
                Ok(()) | Err(StoreError::LeaseLost) => {} // ours no more, or the next heartbeat tells
                Err(_) => self.lost_answer.store(true, Ordering::SeqCst),
            }
        }
    }
}
