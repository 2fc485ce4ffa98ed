//! How a node gives up its jobs: for good, when its process is to end, and until further notice, when its host is
//! drained. Either way an attempt saves a checkpoint and its job is another node's to claim at once. What no other attempt
//! could go on with runs to its end: as long as it takes on a drained host, for a limited time in a process that ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use longhaul_model::{Fault, NodeId};
use longhaul_store::StoreError;

use crate::context::Told;
use crate::engine::{Engine, Running, lock, tell};
use crate::fault::from_store;
use crate::inventory::not_found;

/// So long before its patience ends a process gives up what it waited for: that is undone meanwhile.
const GIVE_UP_BEFORE: Duration = Duration::from_secs(2);
/// For so long a process that ends waits for claims that are on their way to it.
const CLAIMS_COME_FOR: Duration = Duration::from_secs(1);
/// How often is looked whether an attempt still runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Engine {
    /// Ends in order: gives back what runs, then leaves.
    pub async fn drain(&self, patience: Duration) {
        self.give_back(patience).await;
        self.leave().await;
    }

    /// Stops claiming; from now on the node is not ready. Attempts from whose checkpoint the next one goes on save one and
    /// give their jobs back at once, whoever takes them and when. The others may end, and are given up so early that they
    /// are undone within `patience`. Ends when no attempt runs here any more, or after `patience`.
    pub async fn give_back(&self, patience: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        let began = self.runtime.monotonic();
        let give_up_at = began + patience.saturating_sub(GIVE_UP_BEFORE.min(patience / 4));
        loop {
            let now = self.runtime.monotonic();
            let all = now >= give_up_at || self.hurried.load(Ordering::SeqCst);
            // Again and again: a submission may still launch one.
            let told = |running: &&Running| all || running.resumes;
            self.attempts().values().filter(told).for_each(|running| tell(running, Told::Drain));
            let claims_come = self.slots.in_use() > 0 && now < began + CLAIMS_COME_FOR;
            if (self.attempts_here() == 0 && !claims_come) || now >= began + patience {
                return;
            }
            self.runtime.sleep(LOOK_EVERY).await;
        }
    }

    /// Whoever stops the process does not wait for jobs that could only end here: they are given up now.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::SeqCst);
    }

    /// What became of a job that was given up at the end of the process, as the rest of a sentence about its node.
    pub(crate) fn given_up(&self) -> &'static str {
        if self.hurried.load(Ordering::SeqCst) {
            "was told twice to stop, and did not wait for the end of the job"
        } else {
            "was told to stop, and the job did not end within drainSeconds"
        }
    }

    /// Ends the lease, behind `give_back`. What still runs is dropped where it stands; its jobs are taken over from their
    /// checkpoints.
    pub async fn leave(&self) {
        self.over.store(true, Ordering::SeqCst);
        // With the lease its jobs are free for others: not before the last attempt here is gone.
        self.lease.lost();
        let until = self.runtime.monotonic() + self.config.lease_ttl;
        loop {
            self.stop_all(Told::LeaseLost);
            if self.attempts_here() == 0 {
                break;
            }
            if self.runtime.monotonic() >= until {
                tracing::warn!("an attempt does not stop; the lease ends by itself");
                return;
            }
            self.runtime.sleep(LOOK_EVERY).await;
        }
        if let Err(error) = self.store.leave(self.node()).await {
            tracing::warn!(%error, "could not leave in order; the lease ends by itself");
        }
    }

    /// Drains the host of any node, or ends that. The node itself learns it with its next heartbeat; this one, at once.
    ///
    /// # Errors
    /// There is no such node; the store does not take it.
    pub async fn drain_node(&self, node: NodeId, drained: bool) -> Result<(), Fault> {
        match self.store.drain(node, drained).await {
            Ok(()) => {}
            Err(StoreError::NotFound) => {
                return Err(not_found("uuid", &node.to_string(), "ManagementNodeVO"));
            }
            Err(error) => return Err(from_store(error, &format!("management node[uuid:{node}]"))),
        }
        if node == self.node() {
            // The answer to a heartbeat that was sent before knows nothing of it.
            let drains = {
                let mut drains = lock(&self.drains);
                *drains += 1;
                *drains
            };
            self.heard_drained(drained, drains);
        }
        Ok(())
    }

    /// How many drains and ends of drains were asked for here: what is heard of the host counts only if it was asked for
    /// behind the last of them.
    pub(crate) fn drains(&self) -> u64 {
        *lock(&self.drains)
    }

    /// Whether the host is drained: the node takes no jobs until that is ended.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::SeqCst)
    }

    /// Heard from the store, which was asked behind `drains` of them.
    pub(crate) fn heard_drained(&self, drained: bool, drains: u64) {
        let last = lock(&self.drains);
        if drains != *last {
            return; // the next heartbeat tells
        }
        match (self.drained.swap(drained, Ordering::SeqCst), drained) {
            (false, true) => tracing::info!(
                "this host is drained: what another node can go on with is handed over, the rest runs to its end, and \
                 nothing is taken until it is undrained"
            ),
            (true, false) => tracing::info!("this host is drained no more"),
            _ => return,
        }
        self.wake.notify_one();
    }

    /// Hands over what another node can go on with, if there is one now that takes jobs. Without one, jobs run on here: it is
    /// looked at with every poll, so others may come and go.
    pub(crate) async fn hand_over(&self) {
        if !self.attempts().values().any(Running::may_move) {
            return;
        }
        match self.store.spread(self.node()).await {
            Ok(spread) if spread.others.is_empty() || !self.is_drained() => {}
            Ok(_) => {
                let attempts = self.attempts();
                attempts.values().filter(|r| r.may_move()).for_each(|r| tell(r, Told::Drain));
            }
            Err(error) => tracing::debug!(%error, "who could go on with jobs is not known; they run on here"),
        }
    }
}

impl Running {
    /// Whether another node can go on with it, and it is not told to stop for that yet. What only this host may run stays:
    /// the whole of it is drained.
    fn may_move(&self) -> bool {
        self.resumes && !self.bound && self.stop.borrow().is_none_or(|told| told < Told::Drain)
    }
}

#[cfg(test)]
mod tests;
