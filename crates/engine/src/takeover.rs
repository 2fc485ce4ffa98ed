//! The claim loop: what waits, what a dead node left, what is to be undone, all through the same path. A
//! claim whose answer was lost is found again and given back. Job types that this node does not know are left to others
//! that do.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::select;
use longhaul_model::{Claim, Claimed, FreeSlots, SlotClass};
use longhaul_store::StoreError;

use crate::context::Told;
use crate::deadline;
use crate::engine::Engine;
use crate::slots;
use crate::troubles::Asked;

/// After a look that found less than there are free slots, the next one is no sooner: each attempt that ends wakes the
/// loop, and thousands end in a second.
const CALM: Duration = Duration::from_millis(10);
/// What is known of the other nodes is no older when a look leaves something to them. Else it is as old as a poll.
const KNOWN_FOR: Duration = Duration::from_millis(50);
/// Looks that pass over job types of others, and take nothing, take one part in so many of the time: there may be a long line
/// of such jobs. No more time is between two of them than `APART_LONGEST`.
const PARTS: u32 = 20;
const APART_LONGEST: Duration = Duration::from_secs(2);
/// While so many attempts wait for their end to be stored, no more jobs are claimed.
pub const ENDING_MAX: usize = 1024;

impl Engine {
    /// Claims jobs while there are free slots, four times a second or when woken, until the node drains.
    pub(crate) async fn claim_jobs(self: Arc<Self>) {
        let mut look_at = self.runtime.monotonic();
        let (mut ended_at, mut claim_at) = (look_at, look_at);
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
                if self.is_drained() {
                    self.hand_over().await;
                } else if self.runtime.monotonic() >= claim_at {
                    let calm = self.claim_while_free().await;
                    claim_at = self.runtime.monotonic() + calm;
                    if !calm.is_zero() {
                        self.runtime.sleep(calm.min(CALM)).await;
                    }
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

    /// How long until the next look is worth it: at once where what ends here lets more begin, else nothing more was there
    /// to be claimed.
    async fn claim_while_free(self: &Arc<Self>) -> Duration {
        while !self.is_draining() && !self.is_drained() {
            if self.ending.load(Ordering::Relaxed) >= ENDING_MAX || !self.slots.has_free() {
                return Duration::ZERO;
            }
            let fresh = self.see_others().await;
            let mut reserved = self.slots.reserve_free();
            let mut free = slots::count(&reserved);
            if free.is_empty() {
                return Duration::ZERO;
            }
            self.leave_to_others(&mut free);
            let (except, asked) = (self.placement().foreign().to_vec(), self.runtime.monotonic());
            let claimed = match self.store.claim(self.node(), &free, &except).await {
                Ok(claimed) => {
                    self.troubles.answered(Asked::Claims, &*self.runtime);
                    claimed
                }
                Err(StoreError::LeaseLost) => return CALM, // the next heartbeat sees it too and joins again
                Err(error) => {
                    self.troubles.failed(Asked::Claims, &error, &*self.runtime);
                    self.lost_answer.store(true, Ordering::SeqCst);
                    return CALM;
                }
            };
            let took = self.runtime.monotonic().saturating_sub(asked);
            if claimed.iter().any(|claimed| self.registry.get(&claimed.job.job_name).is_none()) {
                self.ask_others().await; // who has just come may know it
            }
            let in_vain = claimed.is_empty() && !except.is_empty();
            let full = self.note_taken(&free, &claimed, fresh);
            for claimed in claimed {
                let class = self.class_of(&claimed.job);
                let slot = slots::take(&mut reserved, class).unwrap_or_else(|| self.slots.force(class));
                self.launch(claimed, slot.begin());
            }
            if !full {
                return if in_vain { (took * PARTS).clamp(CALM, APART_LONGEST) } else { CALM };
            }
        }
        CALM
    }

    /// Asks how jobs are spread, unless this node is alone or it is known well enough; whether it was told now.
    async fn see_others(&self) -> bool {
        let asked = self.runtime.monotonic();
        let is_short = SlotClass::ALL.into_iter().any(|class| self.slots.mine(class).is_short());
        let known_for = if is_short { self.config.poll } else { KNOWN_FOR.min(self.config.poll) };
        self.placement().asks(known_for, asked) && self.ask_others().await
    }

    /// Asks how jobs are spread and which types others know; whether it was told.
    async fn ask_others(&self) -> bool {
        let asked = self.runtime.monotonic();
        match self.store.spread(self.node()).await {
            Ok(spread) => self.placement().told(spread, asked, self.runtime.monotonic()),
            Err(error) => {
                tracing::debug!(%error, "how jobs are spread over the nodes is not known");
                return false;
            }
        }
        true
    }

    /// Limits what is claimed to what falls to this node.
    fn leave_to_others(&self, free: &mut Vec<FreeSlots>) {
        let now = self.runtime.monotonic();
        if !self.placement().foreign().is_empty() {
            let knows_any = |slots: &FreeSlots| self.registry.knows_any(slots.class);
            free.retain(|slots| !self.placement().looks_in_vain(slots.class, knows_any(slots), now));
        }
        for slots in free {
            let mine = self.slots.mine(slots.class);
            slots.shared = self.placement().share(slots.class, mine, slots.free, now);
        }
    }

    /// Notes what was claimed; whether slots alone have kept it from being more.
    fn note_taken(&self, free: &[FreeSlots], claimed: &[Claimed], fresh: bool) -> bool {
        let now = self.runtime.monotonic();
        let mut full = false;
        for slots in free {
            let of_class = || claimed.iter().filter(|c| self.class_of(&c.job) == slots.class);
            let count = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
            let shared: Vec<_> = of_class().filter(|c| c.job.terms.host.is_none()).collect();
            shared.iter().for_each(|c| self.placement().took(slots.class, &c.job.job_name));
            let shared = count(shared.len());
            self.placement().looked(slots.class, (slots.free, slots.shared, shared), fresh, now);
            full |= count(of_class().count()) >= slots.free;
        }
        full
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

#[cfg(test)]
mod tests;
