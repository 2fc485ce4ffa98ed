//! The store's promises about management nodes: a family of `crate::traits`. Each has its case in
//! `conformance::nodes`, `conformance::joins` and `conformance::lease`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use longhaul_model::resource::NewNode;
use longhaul_model::{HostId, NodeId, NodeLease, SlotClass};

use crate::StoreError;

type Result<T> = std::result::Result<T, StoreError>;

/// Which former processes a lock proves to be gone, so that what they had in hand is in nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// None: what the leases say counts.
    Unproven,
    /// Those of this host: the caller has the lock on its data directory.
    Host(HostId),
    /// All: nobody else can have the store open.
    All,
}

impl Gone {
    /// Whether a former process of `host` is proven to be gone.
    pub fn includes(self, host: HostId) -> bool {
        match self {
            Self::Unproven => false,
            Self::Host(gone) => gone == host,
            Self::All => true,
        }
    }
}

/// Most bytes that a node tells the others.
pub const TOLD_MAX_BYTES: usize = 64 * 1024;

/// Jobs that one node runs, or that wait of one class, are counted up to here.
pub const COUNTED_MAX: u32 = 1024;

/// A number for each class, in the order of `SlotClass::ALL`.
pub type PerClass = [u32; SlotClass::ALL.len()];

/// How jobs are spread over the nodes at one moment, each number up to `COUNTED_MAX`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// What each other node holds that may be counted on to take jobs: its lease lives, it was heard of within half a TTL,
    /// its host is not drained.
    pub others: BTreeMap<NodeId, PerClass>,
    /// What a node of any host could claim, with what those hold whose leases are over.
    pub waiting: PerClass,
    /// The job types that each other node knows whose lease lives and whose host is not drained, silent ones too; without
    /// those that do not tell.
    pub types: BTreeMap<NodeId, BTreeSet<String>>,
    /// Of `waiting`: those of job types that one node knows and another does not, where both tell.
    pub uneven: BTreeMap<String, PerClass>,
}

/// Another node, as a store that tells the spread finds it.
pub(crate) struct Other {
    pub id: NodeId,
    pub heartbeat_ms: i64,
    pub until_ms: i64,
    pub drained: bool,
    /// The job types that it knows, if it tells.
    pub types: Option<BTreeSet<String>>,
}

impl Spread {
    /// Counts what `other` holds, and notes what it knows.
    pub(crate) fn add_other(&mut self, other: Other, holds: PerClass, now_ms: i64, ttl_ms: i64) {
        if other.until_ms <= now_ms {
            self.waiting.iter_mut().zip(holds).for_each(|(waiting, held)| *waiting += held);
            return;
        }
        if other.drained {
            return;
        }
        if let Some(types) = other.types {
            self.types.insert(other.id, types);
        }
        if other.heartbeat_ms.saturating_add(ttl_ms / 2) >= now_ms {
            self.others.insert(other.id, holds);
        }
    }

    /// The job types that one node knows and another does not; `own`: those that the node knows which asks, if it tells.
    pub(crate) fn uneven_types(&self, own: Option<&BTreeSet<String>>) -> BTreeSet<String> {
        let told = || self.types.values().chain(own);
        let all: BTreeSet<&String> = told().flatten().collect();
        all.into_iter().filter(|name| !told().all(|types| types.contains(*name))).cloned().collect()
    }

    /// Adds what waits for a node of any host, all of it and that of uneven types.
    pub(crate) fn add_waiting(&mut self, waiting: PerClass, uneven: BTreeMap<String, PerClass>) {
        self.waiting.iter_mut().zip(waiting).for_each(|(sum, waiting)| *sum += waiting);
        self.uneven = uneven;
    }

    /// With no number larger than is said.
    pub(crate) fn bounded(mut self) -> Self {
        let uneven = self.uneven.values_mut().flatten();
        let numbers = self.others.values_mut().flatten().chain(&mut self.waiting).chain(uneven);
        numbers.for_each(|number| *number = COUNTED_MAX.min(*number));
        self
    }
}

/// Under which name the joins of a host are counted.
pub(crate) fn joins_key(host: HostId) -> String {
    format!("joins {host}")
}

/// Under which name it is kept which job types the node knows that joined last of a host. As the joins themselves, it says
/// nothing in another place, and no backup has it.
pub(crate) fn types_key(host: HostId) -> String {
    format!("joins {host} types")
}

/// What is kept there: with the node's id, so that it says nothing of another node of that host.
pub(crate) fn types_text(node: &NewNode) -> String {
    serde_json::json!([node.id.to_string(), node.types]).to_string()
}

/// The job types of `node`, of the text that is kept for its host; `None`: it does not tell.
pub(crate) fn types_of(node: NodeId, text: Option<&str>) -> Option<BTreeSet<String>> {
    let (of, types): (String, BTreeSet<String>) = serde_json::from_str(text?).ok()?;
    (of == node.to_string() && !types.is_empty()).then_some(types)
}

/// Management nodes and their leases.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// How many joins of that host were taken, ever; what `NewNode::joins_before` of its next one says.
    async fn joins(&self, host: HostId) -> Result<u64>;

    /// Enters a node under an id that is new and gives it its first lease. The leases of nodes that `gone` proves to be
    /// so end at once, and their claims are released; with `All`, also the grace of a store that was away. Nothing that
    /// a former node held is the new one's: it claims that anew, under a larger token, and what is written by the claim
    /// of before is refused, also where the former node's id is given once more.
    ///
    /// A join is taken only if no other one of its host was since `joins_before` was told. So one that comes late,
    /// behind a later one of the same process or of the next process there, changes nothing; nor does the same one
    /// again. Of several that were told the same one is taken.
    ///
    /// # Errors
    /// `Stale`: another one was taken; ask `joins` again.
    async fn join(&self, node: NewNode, gone: Gone) -> Result<NodeLease>;

    /// Renews the lease. If every node's newest heartbeat is older than half a TTL, the store was away:
    /// for one TTL from now no lease counts as expired.
    ///
    /// # Errors
    /// `LeaseLost`: the node is unknown, or its claims were given away; it joins under a new id.
    async fn heartbeat(&self, node: NodeId) -> Result<NodeLease>;

    /// Ends the lease and releases what is still claimed.
    async fn leave(&self, node: NodeId) -> Result<()>;

    /// Drains the host of `node`, or ends that. A drained host's nodes, this one and those that it starts later,
    /// are given nothing by `claim`, `submit` and `change`, and learn it with their next heartbeat; what they hold
    /// they keep. It lasts until it is ended, over restarts. The same again is no error.
    ///
    /// # Errors
    /// `NotFound`: there is no such node.
    async fn drain(&self, node: NodeId, drained: bool) -> Result<()>;

    /// Whether `node` has this duty, which one node of all has at a time: it gets it if nobody has it, or who has
    /// it is gone or its lease expired. It keeps it for as long as its lease lives.
    ///
    /// # Errors
    /// `LeaseLost`: `node` holds no live lease.
    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool>;

    /// Tells the other nodes `text`, in the place of what `node` told before, and answers what those tell whose
    /// leases live, in the order of their ids; nothing for one that has told nothing. It goes with the node.
    ///
    /// # Errors
    /// `LeaseLost`: `node` holds no live lease; `TooLarge`: more than `TOLD_MAX_BYTES`.
    async fn tell(&self, node: NodeId, text: &str) -> Result<Vec<String>>;

    /// How jobs are spread over the nodes beside `node`, which shares them by it, and which job types those know. Asked four times a second where there
    /// are several; it costs some index entries per job that is held, and takes no locks that others wait for.
    async fn spread(&self, node: NodeId) -> Result<Spread>;

    /// The text that is kept under `key`: `fresh`, if none was before; the same ever after.
    async fn kept(&self, key: &str, fresh: &str) -> Result<String>;
}
