//! When a node's lease counts as expired: pure functions, asked by every backend with the times it has stored.

/// What the store knows about all leases at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// Now, by the store's clock, ms since 1970.
    pub now_ms: i64,
    /// Lease time to live, ms.
    pub ttl_ms: i64,
    /// The newest heartbeat of any node, if there is a node.
    pub newest_ms: Option<i64>,
    /// No lease counts as expired before this moment.
    pub grace_until_ms: i64,
}

impl Leases {
    /// Whether a lease that ends at `until_ms` counts as expired. While no node at all was heard of lately,
    /// the store itself may have been away: then none does.
    pub fn expired(&self, until_ms: i64) -> bool {
        self.now_ms >= until_ms && self.now_ms >= self.grace_until_ms && !self.was_away()
    }

    /// Whether every node's newest heartbeat is older than half a TTL.
    pub fn was_away(&self) -> bool {
        self.newest_ms.is_some_and(|newest| newest.saturating_add(self.ttl_ms / 2) < self.now_ms)
    }

    /// The end of the grace after a heartbeat or a join at this moment.
    pub fn grace_after_heartbeat(&self) -> i64 {
        if self.was_away() {
            self.grace_until_ms.max(self.now_ms.saturating_add(self.ttl_ms))
        } else {
            self.grace_until_ms
        }
    }
}
