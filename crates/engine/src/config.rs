//! The engine's settings, each with its default and bound.

use std::time::Duration;

use longhaul_model::resource::NewNode;
use longhaul_model::{Code, Fault, HostId, Limits, NodeId, SlotClass};
use longhaul_store::Gone;
use serde_json::Value;

use crate::pauses::Pauses;
use crate::registry::Registry;

/// Heartbeat interval, ms. Four in a row may fail, or one take 2 s, before attempts pause: that is `LEASE_TTL_MS` less
/// `heartbeat::SAFETY` less one interval.
pub const HEARTBEAT_MS: u64 = 500;
/// Lease time to live, ms. What a takeover waits for at most, since the last heartbeat of a node that dies.
pub const LEASE_TTL_MS: u64 = 3500;
/// How often the store is asked for claimable jobs and for cancels, ms.
pub const POLL_MS: u64 = 250;
/// Running jobs of built-in types per node.
pub const MAX_RUNNING: u32 = 64;
/// Jobs that only submit others and wait for them, at a time per node.
pub const PARENTS_MAX: u32 = 16;
/// Jobs claimed in one call at most.
pub const CLAIM_BATCH_MAX: u32 = 512;
/// After so long a cancel that is not done is enforced: the attempt is dropped and undone, s.
pub const CANCEL_DEADLINE_S: u64 = 600;
/// How often live progress reaches the store, ms.
pub const PROGRESS_FLUSH_MS: u64 = 1000;

/// Settings of one engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// `engine.maxRunning`: built-in jobs at a time; 0 starts none.
    pub max_running: u32,
    /// `engine.maxRunningSimulator`: simulator jobs at a time; `None` is unlimited, 0 starts none.
    pub max_running_simulator: Option<u32>,
    /// `limits`: jobs at a time over all nodes, in the place of those in force; `None` leaves these.
    pub limits: Option<Limits>,
    /// Between heartbeats.
    pub heartbeat: Duration,
    /// Lease time to live; the store's own must be the same.
    pub lease_ttl: Duration,
    /// Between looks for claimable jobs and cancels.
    pub poll: Duration,
    /// Until a cancel is enforced.
    pub cancel_deadline: Duration,
    /// Between writes of live progress.
    pub progress_flush: Duration,
    /// This machine, or more precisely: the data directory of the process.
    pub host: HostId,
    /// What a lock proves of former processes when the engine starts.
    pub gone: Gone,
    /// A name or address of this machine, for people.
    pub host_name: String,
    /// Where the API is reached by other nodes, as `http://10.0.0.7:8080`.
    pub address: Option<String>,
    /// The release, for people.
    pub version: Option<String>,
    /// How a code is spelled in `jobResult`: the wire's table.
    pub code_text: fn(Code) -> &'static str,
    /// How `jobData` is read: the wire's parser.
    pub parse_data: fn(&str) -> Result<Value, Fault>,
    /// The key of the secrets in `jobData`.
    pub secret_key: [u8; 32],
    /// For tests: where a success waits. None in production.
    pub pauses: Pauses,
}

impl EngineConfig {
    /// The defaults, with the wire's spelling of codes and its parser of `jobData`.
    pub fn new(
        code_text: fn(Code) -> &'static str,
        parse_data: fn(&str) -> Result<Value, Fault>,
        secret_key: [u8; 32],
    ) -> Self {
        Self {
            max_running: MAX_RUNNING,
            max_running_simulator: None,
            limits: None,
            heartbeat: Duration::from_millis(HEARTBEAT_MS),
            lease_ttl: Duration::from_millis(LEASE_TTL_MS),
            poll: Duration::from_millis(POLL_MS),
            cancel_deadline: Duration::from_secs(CANCEL_DEADLINE_S),
            progress_flush: Duration::from_millis(PROGRESS_FLUSH_MS),
            host: HostId::from_bits(0),
            gone: Gone::Unproven,
            host_name: "localhost".to_owned(),
            address: None,
            version: None,
            code_text,
            parse_data,
            secret_key,
            pauses: Pauses::default(),
        }
    }

    /// What the node `id` says of itself to the others, and that its host was told of `joins_before` joins.
    pub fn node(&self, id: NodeId, joins_before: u64, registry: &Registry) -> NewNode {
        let Self { host, host_name, address, version, .. } = self.clone();
        let types = registry.known().map(str::to_owned).collect();
        NewNode { id, host, host_name, address, version, types, joins_before }
    }

    /// How many jobs of `class` run here at a time.
    pub fn limit(&self, class: SlotClass) -> u32 {
        match class {
            SlotClass::BuiltIn => self.max_running,
            SlotClass::Simulator => self.max_running_simulator.unwrap_or(u32::MAX),
            SlotClass::Parent => PARENTS_MAX,
        }
    }
}
