//! How a node gives up its jobs: for good, when its process is to end, and until further notice, when its host is
//! drained. Either way an attempt saves a checkpoint and its job is another node's to claim at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use longhaul_model::{Fault, NodeId};
use longhaul_store::StoreError;

use crate::context::Told;
use crate::engine::{Engine, lock, tell};
use crate::fault::from_store;
use crate::inventory::not_found;

impl Engine {
    /// Stops claiming, lets attempts save a checkpoint and gives their jobs back; then leaves. After
    /// `patience` the rest is dropped where it stands; its jobs are taken over from their checkpoints.
    pub async fn drain(&self, patience: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        let until = self.runtime.monotonic() + patience;
        loop {
            self.stop_all(Told::Drain); // again and again: a submission may still launch one
            if self.attempts_here() == 0 || self.runtime.monotonic() >= until {
                break;
            }
            self.runtime.sleep(Duration::from_millis(20)).await;
        }
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
            self.runtime.sleep(Duration::from_millis(20)).await;
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

    /// Heard from the store, which was asked behind `drains` of them. What another node can go on with is handed over;
    /// what would have to begin anew, or would fail, runs to its end here.
    pub(crate) fn heard_drained(&self, drained: bool, drains: u64) {
        let last = lock(&self.drains);
        if drains != *last {
            return; // the next heartbeat tells
        }
        let before = self.drained.swap(drained, Ordering::SeqCst);
        if drained {
            // At each heartbeat: the answer to a claim may still launch one.
            self.attempts().values().filter(|running| running.movable).for_each(|r| tell(r, Told::Drain));
        }
        match (before, drained) {
            (false, true) => {
                tracing::info!(
                    "this host is drained: jobs are handed over, and none is taken until it is undrained"
                );
            }
            (true, false) => {
                tracing::info!("this host is drained no more");
                self.wake.notify_one();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
