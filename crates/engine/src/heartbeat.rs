//! This node's lease: renewed twice a second on a thread that no handler shares, and what follows when it
//! cannot be renewed or is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longhaul_model::{Code, Fault, NodeId, NodeLease, Runtime};
use longhaul_store::{Gone, Store, StoreError};
use tokio::sync::watch;

use crate::config::EngineConfig;
use crate::context::Told;
use crate::engine::Engine;
use crate::fault::from_store;
use crate::registry::Registry;
use crate::troubles::Asked;

/// So long before its end a lease is no longer relied on.
pub const SAFETY: Duration = Duration::from_millis(1000);

/// How often a join is sent because another one of its host came before: one of the process that was here before, or one
/// of this process that it had given up.
const JOIN_TRIES: u32 = 5;

/// A join that was taken.
pub(crate) struct Joined {
    /// Under which id.
    pub node: NodeId,
    /// Monotonic, when it was sent.
    pub sent: Duration,
    /// What the store answered.
    pub lease: NodeLease,
}

/// Joins under a fresh id. One that is given up, and comes to the store all the same, changes nothing behind a later one.
///
/// # Errors
/// The store does not take it.
pub(crate) async fn join(
    store: &dyn Store,
    runtime: &dyn Runtime,
    (config, registry): (&EngineConfig, &Registry),
    gone: Gone,
) -> Result<Joined, StoreError> {
    let mut tries = 0;
    loop {
        let joins = store.joins(config.host).await?;
        let node = NodeId::random(runtime);
        let sent = runtime.monotonic();
        tries += 1;
        match store.join(config.node(node, joins, registry), gone).await {
            Err(StoreError::Stale) if tries < JOIN_TRIES => {}
            answer => return Ok(Joined { node, sent, lease: answer? }),
        }
    }
}

/// What an operator is told whose node could not join.
pub(crate) fn not_joined(error: StoreError) -> Fault {
    match error {
        StoreError::Stale => Fault::new(
            Code::Unavailable,
            "other processes of this host joined in front of this one each time; see that one alone is started for \
             its data directory, then start it again",
        ),
        other => from_store(other, "the management node"),
    }
}

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

    /// How long ago the heartbeat was sent that was answered last; `None`: the lease is lost.
    pub(crate) fn age(&self, runtime: &dyn Runtime) -> Option<Duration> {
        let confirmed = Duration::from_millis(self.confirmed_ms.load(Ordering::SeqCst));
        (!confirmed.is_zero()).then(|| runtime.monotonic().saturating_sub(confirmed))
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
            let (sent, drains) = (self.runtime.monotonic(), self.drains());
            match self.store.heartbeat(self.node()).await {
                Ok(lease) => {
                    self.troubles.answered(Asked::Lease, &*self.runtime);
                    self.lease.confirm(sent);
                    self.placement().heard(lease.alone);
                    self.heard_drained(lease.drained, drains);
                }
                Err(StoreError::LeaseLost) => self.rejoin().await,
                Err(error) => self.troubles.failed(Asked::Lease, &error, &*self.runtime),
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
        let drains = self.drains();
        // Nothing is proven: another process may have been started under this host by mistake.
        match join(&*self.store, &*self.runtime, (&self.config, &self.registry), Gone::Unproven).await {
            Ok(Joined { node, sent, lease }) => {
                self.set_node(node);
                self.lease.confirm(sent);
                self.troubles.answered(Asked::Lease, &*self.runtime);
                self.placement().heard(lease.alone);
                self.heard_drained(lease.drained, drains);
                tracing::info!(%node, %former, "joined again");
            }
            Err(error) => self.troubles.failed(Asked::Lease, &error, &*self.runtime),
        }
    }
}

#[cfg(test)]
mod tests;
