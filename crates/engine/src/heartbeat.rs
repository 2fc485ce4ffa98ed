//! This node's lease: renewed twice a second on a thread that no handler shares, and what follows when it
//! cannot be renewed or is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longhaul_model::{NodeId, Runtime};
use longhaul_store::{Gone, StoreError};
use tokio::sync::watch;

use crate::context::Told;
use crate::engine::Engine;

/// So long before its end a lease is no longer relied on.
pub const SAFETY: Duration = Duration::from_millis(1000);

/// What is known of the lease, by the local monotonic clock.
pub struct Lease {
    ttl: Duration,
    /// Monotonic ms when the heartbeat that was answered last was sent; 0 = none.
    confirmed_ms: AtomicU64,
    confirmations: watch::Sender<u64>,
}

impl Lease {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, confirmed_ms: AtomicU64::new(0), confirmations: watch::Sender::new(0) }
    }

    /// A heartbeat sent at `sent` was answered.
    pub(crate) fn confirm(&self, sent: Duration) {
        self.confirmed_ms.store(u64::try_from(sent.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::SeqCst);
        self.confirmations.send_modify(|n| *n += 1);
    }

    pub(crate) fn lost(&self) {
        self.confirmed_ms.store(0, Ordering::SeqCst);
    }

    /// Whether the lease holds, and will for `SAFETY` more.
    pub fn holds(&self, runtime: &dyn Runtime) -> bool {
        let confirmed = Duration::from_millis(self.confirmed_ms.load(Ordering::SeqCst));
        !confirmed.is_zero() && runtime.monotonic() + SAFETY < confirmed + self.ttl
    }

    pub(crate) fn confirmations(&self) -> watch::Receiver<u64> {
        self.confirmations.subscribe()
    }
}

impl Engine {
    /// Renews the lease for as long as the engine runs.
    pub(crate) async fn beat(self: Arc<Self>) {
        while !self.is_over() {
            self.runtime.sleep(self.config.heartbeat).await;
            if self.is_over() {
                return;
            }
            let sent = self.runtime.monotonic();
            match self.store.heartbeat(self.node()).await {
                Ok(lease) => {
                    self.lease.confirm(sent);
                    self.heard_drained(lease.drained);
                }
                Err(StoreError::LeaseLost) => self.rejoin().await,
                Err(error) => {
                    tracing::warn!(%error, "a heartbeat was not answered; attempts pause before the lease ends")
                }
            }
        }
    }

    /// Every claim of the former lease may be somebody else's now: all attempts stop, and the node joins
    /// again under a new id.
    async fn rejoin(self: &Arc<Self>) {
        let former = self.node();
        tracing::warn!(node = %former, "the lease is lost; every attempt here stops");
        self.lease.lost();
        loop {
            self.stop_all(Told::LeaseLost); // again and again: the answer to a claim may still launch one
            if self.attempts_here() == 0 || self.is_over() {
                break;
            }
            self.runtime.sleep(Duration::from_millis(20)).await;
        }
        let fresh = NodeId::random(&*self.runtime);
        let sent = self.runtime.monotonic();
        // Nothing is proven: another process may have been started under this host by mistake.
        match self.store.join(self.config.node(fresh), Gone::Unproven).await {
            Ok(lease) => {
                self.set_node(fresh);
                self.lease.confirm(sent);
                self.heard_drained(lease.drained);
                tracing::info!(node = %fresh, former = %former, "joined again");
            }
            Err(error) => tracing::warn!(%error, "could not join again yet"),
        }
    }
}
